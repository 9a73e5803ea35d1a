//! The config file, and `config`

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use super::Bench;

fn with_config(text: &str) -> Bench {
    let bench = Bench::empty();
    fs::write(bench.path("snapkeep.toml"), text).unwrap();
    bench
}

const WRONG: &str = r#"version = 1

[targets.notes]
provider = "sqlite"
pth = "notes.db"
store = "locl"

[targets.om]
provider = "mysql"
host = "10.0.0.12"
user = "backup"
database = "om"
password = "hunter2-in-the-clear"
store = "local"

[stores.local]
type = "local"
path = 7
"#;

#[test]
fn a_good_config_has_no_problem() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("config check"), @"
    exit 0
    --- stderr
    snapkeep.toml: 1 target, 1 store, no problem
    ");
    let ran = bench.run("config check -o json");
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.document()["errors"], Value::Array(Vec::new()));
    assert_eq!(bench.run("config check -q").err, "");
}

const AZURE: &str = r#"
version = 1

[targets.crm]
provider = "azure_postgresql"
subscription_id = "00000000-0000-0000-0000-000000000000"
resource_group = "crm"
server_name = "crm-pg"
retention = "long"

[targets.shop]
provider = "azure_mysql"
subscription_id = "00000000-0000-0000-0000-000000000000"
resource_group = "shop"
server_name = "shop-mysql"
retention = "long"

[retention.long]
keep_daily = 7
keep_monthly = 12
"#;

#[test]
fn what_a_cloud_has_no_room_for_is_told_before_any_call() {
    assert_snapshot!(with_config(AZURE).run("config check"), @"
    exit 0
    --- stderr
    snapkeep.toml: 2 targets, 0 stores, no problem
    warning: crm: snapshots live 35 days at most here, so keep_monthly can't be met
    warning: crm: there is room for 7 snapshots here, the next one included, and keep_daily, keep_monthly may keep 18
    warning: shop: snapshots live 35 days at most here, so keep_monthly can't be met
    ");
}

#[test]
fn every_problem_is_shown_at_once_with_its_place() {
    let bench = with_config(WRONG);
    assert_snapshot!(bench.run("config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:5:1: unknown key "pth" in targets.notes
    hint: did you mean "path"?
    error: snapkeep.toml:6:9: "store" in targets.notes: there is no store "locl"
    hint: did you mean "local"?
    error: snapkeep.toml:13:12: "password" in targets.om must be a reference to a secret, never the secret itself
    hint: write { env = "NAME" }, { file = "/run/secrets/x" } or { command = ["vault", "kv", "get", "-field=password", "secret/om"] }
    error: snapkeep.toml:18:8: "path" in stores.local must be a string, not an integer
    "#);
    let ran = bench.run("config check -o json");
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.error_codes(), vec!["config"; ran.error_codes().len()]);
    assert!(ran.error_codes().len() >= 4, "{ran}");
}

#[test]
fn a_secret_in_the_config_is_refused_and_never_printed() {
    let bench = with_config(WRONG);
    for verb in ["config check", "list", "create om", "targets", "show om/x", "-v targets check"] {
        for more in ["", " -o json", " --log-format json"] {
            let ran = bench.run(&format!("{verb}{more}"));
            assert_eq!(ran.code, Some(2), "{verb}{more}: {ran}");
            assert!(!ran.shown.contains("hunter2"), "{verb}{more}: {ran}");
        }
    }
}

#[test]
fn a_secret_is_not_printed_where_the_text_is_not_even_toml() {
    let ran = with_config("version = 1\n[targets.om]\npassword = \"hunter2-in-the-clear\n").run("config check");
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(!ran.shown.contains("hunter2"), "{ran}");
    assert_snapshot!(ran, @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:3:33: invalid basic string, expected `"`
    "#);
}

#[test]
fn without_a_config_every_place_that_was_looked_at_is_named() {
    let bench = Bench::empty();
    assert_snapshot!(bench.run("list"), @"
    exit 2
    --- stderr
    error: no config file: looked at snapkeep.toml, [DIR]/home/.config/snapkeep/config.toml, /etc/snapkeep/config.toml
    hint: name one with `--config FILE`, or see a whole cycle that needs none with `snapkeep demo`
    ");
    assert_eq!(bench.run("list -o json").error_codes(), ["config"]);
}

#[test]
fn a_config_that_was_named_and_is_not_there_is_an_error() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("list --config missing.toml"), @"
    exit 2
    --- stderr
    error: missing.toml: there is no such file
    hint: check the path that --config gives
    ");
    assert_snapshot!(bench.run_with("SNAPKEEP_CONFIG", "missing.toml", "list"), @"
    exit 2
    --- stderr
    error: missing.toml: there is no such file
    hint: check the path that $SNAPKEEP_CONFIG gives
    ");
}

#[test]
fn the_variable_and_the_option_name_a_config_elsewhere() {
    let bench = Bench::new();
    fs::create_dir(bench.path("etc")).unwrap();
    fs::rename(bench.path("snapkeep.toml"), bench.path("etc/mine.toml")).unwrap();
    fs::rename(bench.path("notes.db"), bench.path("etc/notes.db")).unwrap();
    assert_eq!(bench.run_with("SNAPKEEP_CONFIG", "etc/mine.toml", "create notes").code, Some(0));
    assert_eq!(bench.run("--config etc/mine.toml list -o name").out.lines().count(), 1);
    assert!(bench.path("etc/snapshots").is_dir(), "paths are relative to the config");
}

#[test]
fn a_target_name_that_could_be_a_path_is_refused() {
    for name in ["../x", "a/b", "a b", "..", ".hidden", "", "ü"] {
        let text = format!(
            "version = 1\n[targets.\"{name}\"]\nprovider = \"sqlite\"\npath = \"x.db\"\nstore = \"s\"\n\
                            [stores.s]\ntype = \"local\"\npath = \"s\"\n"
        );
        let bench = with_config(&text);
        let ran = bench.run("config check");
        assert_eq!(ran.code, Some(2), "{name:?}: {ran}");
        assert!(ran.err.contains("snapkeep.toml:2:"), "{name:?}: {ran}");
    }
    assert_snapshot!(with_config("version = 1\n[targets.\"../x\"]\nprovider = \"sqlite\"\n").run("config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:2:10: a name in targets can't be "../x": use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first
    error: snapkeep.toml:2:10: missing key "path" in targets.../x
    hint: add a line: path = "..."  # The database file, relative to the config file.
    error: snapkeep.toml:2:10: missing key "store" in targets.../x
    hint: add a line: store = "..."  # Where its dumps go: the name of a store, or a list of names.
    "#);
}

#[test]
fn a_config_of_another_version_or_of_bytes_is_an_error() {
    assert_snapshot!(with_config("version = 2\n").run("config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:1:11: "version" must be 1, not 2
    "#);
    assert_snapshot!(with_config("").run("config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:1:1: missing key "version"
    hint: add a line: version = 1  # The version of this format; 1 is the only one.
    "#);
    let bench = with_config("");
    fs::write(bench.path("snapkeep.toml"), b"version = 1\n# \xff\n").unwrap();
    assert_eq!(bench.run("config check").code, Some(2));
    fs::create_dir(bench.path("folder.toml")).unwrap();
    assert_eq!(bench.run("config check --config folder.toml").code, Some(2));
}

#[test]
fn the_schema_is_a_json_schema_and_needs_no_config() {
    let ran = Bench::empty().run("config schema");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let schema: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert!(schema["properties"]["targets"].is_object());
}

const SCHEDULES: &str = r#"version = 1

[schedules.nightly]
cron = "15 24 * * *"
timezone = "Europe/Berlim"
targets = ["*"]
actions = ["create"]

[schedules.monthly]
cron = "0 0 31 2 *"
targets = ["*"]
actions = ["create"]

[schedules.precise]
cron = "0 15 2 * * *"
targets = ["*"]
actions = ["create"]
"#;

#[test]
fn a_schedule_that_never_comes_is_refused_with_its_place() {
    assert_snapshot!(with_config(SCHEDULES).run("config check"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:4:8: "cron" in schedules.nightly can't be "15 24 * * *": "24" is no hour: use 0 to 23, and * for all, lists (1,3), rising ranges (1-5) and steps (*/2)
    error: snapkeep.toml:5:12: "timezone" in schedules.nightly can't be "Europe/Berlim": use an IANA name such as UTC or Europe/Berlin
    hint: did you mean "Europe/Berlin"?
    error: snapkeep.toml:10:8: "cron" in schedules.monthly can't be "0 0 31 2 *": no year has such a day, so it never comes
    hint: the last day of a month is L: "0 0 L 2 *"
    error: snapkeep.toml:15:8: "cron" in schedules.precise can't be "0 15 2 * * *": write five fields: minute, hour, day of month, month and day of week, such as 15 2 * * *
    hint: without seconds it is "15 2 * * *"
    "#);
}
