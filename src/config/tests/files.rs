//! Files without problems, and what they are read as.

use std::path::{Path, PathBuf};
use std::time::Duration;

use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::{Place, ProviderSettings, TlsMode};

use super::super::{Action, Missed, Selector, Within, load, parse};
use super::good;

#[test]
fn the_example_of_the_contract_is_read() {
    let config = good(include_str!("contract.toml"));
    let names: Vec<_> = config.targets.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["billing", "crm", "notes", "openmetadata", "orders"]);

    let om = &config.targets["openmetadata"];
    assert_eq!(om.store, ["offsite"]);
    let ProviderSettings::Mysql(server) = &om.settings else { panic!("{:?}", om.settings) };
    assert_eq!((server.port, server.tls.mode, server.compression.level), (Some(3306), TlsMode::VerifyFull, 3));
    assert_eq!(server.password, Some(SecretRef::File("/run/secrets/om".into())));

    let offsite = &config.stores["offsite"];
    assert!(matches!(&offsite.place, Place::S3(s3) if s3.bucket == "acme-db-dumps"));
    assert_eq!(offsite.encrypt.as_ref().unwrap().age_recipients, ["age1..."]);
    assert_eq!(config.state.store.as_deref(), Some("offsite"));

    let standard = &config.retention["standard"];
    assert_eq!((standard.keep_last, standard.min_keep, standard.max_delete_percent), (3, 2, Some(50)));
    assert_eq!(standard.keep_within, Some(Within { days: 14, ..Within::default() }));
    assert_eq!(standard.max_age.map(|age| age.duration()), Some(Duration::from_secs(36 * 3600)));

    let nightly = &config.schedules["nightly"];
    assert_eq!((nightly.missed, nightly.actions.as_slice()), (Missed::RunOnce, &[Action::Create, Action::Prune][..]));
    assert_eq!(nightly.jitter.map(|jitter| jitter.duration()), Some(Duration::from_secs(600)));
    assert_eq!(nightly.targets[0], Selector::Name("orders".parse().unwrap()));
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let config = good("version = 1");
    assert_eq!((config.path, config.base), ("/etc/snapkeep/config.toml".into(), "/etc/snapkeep".into()));

    let config = parse("version = 1", Path::new("snapkeep.toml")).unwrap();
    assert_eq!(config.base, std::env::current_dir().unwrap());
    assert_eq!(config.resolve(Path::new("notes.db")), config.base.join("notes.db"));
    assert_eq!(config.resolve(Path::new("/var/notes.db")), PathBuf::from("/var/notes.db"));
}

const WITH_DEFAULTS: &str = r#"version = 1
[defaults]
store = ["offsite", "local"]
retention = "standard"
user = "backup"
password = { env = "PGPASSWORD" }
tls = { mode = "require", ca_file = "ca.pem" }
region = "eu-central-1"
tags = { team = "data", cost = "7" }
[targets.pg]
provider = "postgresql"
host = "db"
user = "dumper"
database = "app"
tls = { mode = "prefer" }
tags = { team = "app", stage = "prod" }
[targets.notes]
provider = "sqlite"
path = "notes.db"
store = "local"
[targets.orders]
provider = "aws_rds"
db_cluster_identifier = "orders"
[stores.local]
type = "local"
path = "snapshots"
[stores.offsite]
type = "gcs"
bucket = "dumps"
[retention.standard]
keep_last = 3
"#;

#[test]
fn a_target_gets_the_defaults_that_its_provider_knows() {
    let config = good(WITH_DEFAULTS);
    let target = |name: &str| config.targets[name].clone();

    let pg = target("pg");
    let ProviderSettings::Postgresql(server) = &pg.settings else { panic!("{:?}", pg.settings) };
    assert_eq!((server.user.as_str(), &server.password), ("dumper", &Some(SecretRef::Env("PGPASSWORD".into()))));
    assert_eq!((server.tls.mode, &server.tls.ca_file), (TlsMode::Prefer, &None), "a table is taken or left as a whole");
    assert_eq!((pg.store, pg.retention.as_deref()), (vec!["offsite".to_owned(), "local".to_owned()], Some("standard")));
    let tags: Vec<_> = pg.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["cost=7", "stage=prod", "team=app"]);

    let notes = target("notes");
    assert_eq!((notes.store, notes.tags["team"].as_str()), (vec!["local".to_owned()], "data"));

    let orders = target("orders");
    assert!(matches!(&orders.settings, ProviderSettings::AwsRds(rds) if rds.region == "eu-central-1"));
    assert!(orders.store.is_empty(), "a cloud snapshot needs no store");
}

#[test]
fn stars_and_tags_select_targets() {
    let config = good(
        r#"
        version = 1
        [schedules.all]
        cron = "0 * * * *"
        targets = ["*", "tag:team=orders", "stage=prod"]
        actions = ["verify", "copy"]
        "#,
    );
    let tag = |key: &str, value: &str| Selector::Tag { key: key.into(), value: value.into() };
    assert_eq!(config.schedules["all"].targets, [Selector::All, tag("team", "orders"), tag("stage", "prod")]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapkeep.toml");
    let complaint = || load(&path).unwrap_err().to_string().replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(complaint(), @"/snapkeep.toml: the config can't be read: No such file or directory (os error 2)");
    std::fs::write(&path, b"version = 1\n# caf\xe9\n").unwrap();
    insta::assert_snapshot!(complaint(), @"/snapkeep.toml:2:6: this is not UTF-8");
    std::fs::write(&path, "version = 1\n").unwrap();
    assert!(load(&path).unwrap().targets.is_empty());
}
