//! `snapkeep targets list --discover`: the databases of the accounts and regions, and the config of those that are no target.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::model::TargetName;
use snapkeep_providers::settings::{
    AwsRds, AzureAccess, AzurePostgresql, AzureServer, AzureSql, GcpCloudSql, ProviderSettings,
};
use snapkeep_providers::{Connections, Discovery, Found, identity_of_cloud};

use super::{App, Outcome};
use crate::catalog::Catalog;
use crate::config::{self, Config, Surroundings};
use crate::failure::Failure;
use crate::render::{Format, Kind, Row, visible};

/// How many places are looked at at once.
const CONCURRENCY: usize = 8;
/// The most that a target's name may have.
const NAME_LIMIT: usize = 63;

/// Where to look.
#[derive(Debug, Args)]
pub(super) struct Discover {
    /// Every database of the targets' accounts, regions, projects and subscriptions, with the config of those that are no target
    #[arg(long)]
    pub(super) discover: bool,
    /// An AWS region to look at too, also without a config; may be given several times
    #[arg(long, value_name = "REGION", requires = "discover", value_parser = NonEmptyStringValueParser::new())]
    region: Vec<String>,
    /// The profile of the AWS config files to look at those regions with
    #[arg(long, value_name = "PROFILE", requires = "region")]
    profile: Option<String>,
    /// A Google Cloud project to look at too, also without a config; may be given several times
    #[arg(long, value_name = "PROJECT", requires = "discover", value_parser = NonEmptyStringValueParser::new())]
    project: Vec<String>,
    /// An Azure subscription to look at too, also without a config; may be given several times
    #[arg(long, value_name = "SUBSCRIPTION_ID", requires = "discover", value_parser = NonEmptyStringValueParser::new())]
    subscription: Vec<String>,
}

/// A database that was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Found")]
pub(super) struct FoundRow {
    /// The cloud's name of it.
    name: String,
    /// The provider's name in the config.
    provider: &'static str,
    /// The region, project or subscription that it is in.
    location: String,
    /// The cloud's word for its engine.
    engine: Option<String>,
    /// The cloud's own word for its state.
    provider_state: Option<String>,
    /// The target that it is in the config; null where it is none.
    target: Option<String>,
    /// What to add to the config for it; null where it is a target, or can be none.
    config: Option<String>,
}

impl Row for FoundRow {
    const KIND: Kind = Kind::DiscoveryList;
    const KEYS: &'static [&'static str] =
        &["name", "provider", "location", "engine", "provider_state", "target", "config"];
    const HEADINGS: &'static [&'static str] = &["DATABASE", "PROVIDER", "LOCATION", "ENGINE", "STATE", "TARGET"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        vec![
            self.name.clone(),
            self.provider.into(),
            self.location.clone(),
            or_dash(&self.engine),
            or_dash(&self.provider_state),
            or_dash(&self.target),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Discover {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let outcome = app.looking(self.look(app)).await.unwrap_or_else(Outcome::failed);
        if outcome.items.is_empty() && outcome.failures.is_empty() {
            app.report.info("no databases");
        }
        let code = app.finish(&outcome);
        let missing: Vec<&str> = outcome.items.iter().filter_map(|found| found.config.as_deref()).collect();
        if app.format == Format::Table && !missing.is_empty() {
            let printed = app.print(format!("\n{}", missing.join("\n")).as_bytes());
            return if printed == 0 { code } else { printed };
        }
        code
    }

    async fn look(&self, app: &App) -> Result<Outcome<FoundRow>, Vec<Failure>> {
        let catalog = self.load(app)?;
        let places = self.places(catalog.as_deref())?;
        let fresh = Connections::default();
        let here = std::path::Path::new(".");
        let base = catalog.as_ref().map_or(here, |catalog| catalog.base.as_path());
        let connections = catalog.as_ref().map_or(&fresh, Catalog::connections);
        let looked = stream::iter(places).map(|place| async move {
            let found = snapkeep_providers::discover(connections, &place, base).await;
            (place, found)
        });
        let looked: Vec<_> = looked.buffered(CONCURRENCY).collect().await;
        let (mut rows, mut outcome) = (Rows::of(catalog.as_deref()), Outcome::new());
        for (place, found) in looked {
            let place_of_failure = location(&place);
            let failed = |error| {
                let failure = Failure::from(error);
                let message = match failure.message.contains(&place_of_failure) {
                    true => failure.message,
                    false => format!("{place_of_failure}: {}", failure.message),
                };
                Failure { message, ..failure }
            };
            match found {
                Ok(Discovery { found, problems }) => {
                    outcome.done += 1;
                    outcome.items.extend(found.into_iter().map(|found| rows.row(&place, found)));
                    outcome.failures.extend(problems.into_iter().map(failed));
                }
                // The three services of a subscription may lack one and the same thing.
                Err(error) => {
                    let failure = failed(error);
                    if !outcome.failures.contains(&failure) {
                        outcome.failures.push(failure);
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// The config; none where there is no file and places are named: who begins has none.
    fn load(&self, app: &App) -> Result<Option<Catalog>, Vec<Failure>> {
        let process = Surroundings::of_process();
        let by_variable = process.snapkeep_config.as_ref().is_some_and(|path| !path.is_empty());
        let is_named = app.config.is_some() || by_variable;
        let names_none = self.region.is_empty() && self.project.is_empty() && self.subscription.is_empty();
        if names_none || is_named || config::find(None, &process).is_ok() {
            return app.load().map(Some);
        }
        app.report.debug("there is no config");
        Ok(None)
    }

    /// Each account, region, project and subscription of the config, and those that are named, once.
    fn places(&self, config: Option<&Config>) -> Result<Vec<ProviderSettings>, Vec<Failure>> {
        let configured = config.into_iter().flat_map(|config| config.targets.values());
        let mut places: Vec<ProviderSettings> = Vec::new();
        let regions = self.region.iter().map(|region| in_region(region, self.profile.as_ref()));
        for place in configured.flat_map(|target| places_of(&target.settings)).chain(regions) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        // A project or a subscription is the same one whoever asks, and who asks by the config may.
        for project in &self.project {
            let is_it = |place: &ProviderSettings| matches!(place, ProviderSettings::GcpCloudSql(sql) if sql.project == *project);
            if !places.iter().any(is_it) {
                places.push(in_project(project));
            }
        }
        for subscription in &self.subscription {
            let is_it = |access: &AzureAccess| access.subscription_id.eq_ignore_ascii_case(subscription);
            if !places.iter().filter_map(access).any(is_it) {
                let access = AzureAccess { subscription_id: subscription.clone(), ..AzureAccess::default() };
                places.extend(in_subscription(&access));
            }
        }
        if places.is_empty() {
            let hint = "name a region of AWS, `--region eu-central-1`, a project of Google Cloud, `--project acme-prod`, or a \
                        subscription of Azure, `--subscription ID`";
            return Err(vec![Failure::usage("no target's cloud can be asked for its databases").with_hint(hint)]);
        }
        Ok(places)
    }
}

fn in_region(region: &str, profile: Option<&String>) -> ProviderSettings {
    ProviderSettings::AwsRds(AwsRds { region: region.to_owned(), profile: profile.cloned(), ..AwsRds::default() })
}

fn in_project(project: &str) -> ProviderSettings {
    ProviderSettings::GcpCloudSql(GcpCloudSql { project: project.to_owned(), ..GcpCloudSql::default() })
}

/// What a subscription may have: one service has nothing of another's.
fn in_subscription(access: &AzureAccess) -> [ProviderSettings; 3] {
    let server = AzureServer { access: access.clone(), ..AzureServer::default() };
    [
        ProviderSettings::AzureMysql(server.clone()),
        ProviderSettings::AzurePostgresql(AzurePostgresql { server, ..AzurePostgresql::default() }),
        ProviderSettings::AzureSql(AzureSql { access: access.clone(), ..AzureSql::default() }),
    ]
}

/// How a target's subscription is reached, if it is in one.
fn access(settings: &ProviderSettings) -> Option<&AzureAccess> {
    match settings {
        ProviderSettings::AzureMysql(server) => Some(&server.access),
        ProviderSettings::AzurePostgresql(postgresql) => Some(&postgresql.server.access),
        ProviderSettings::AzureSql(sql) => Some(&sql.access),
        _ => None,
    }
}

/// The account and region, the project, or the services of the subscription, of a target, without what names the one database;
/// nothing where a provider can't look.
fn places_of(settings: &ProviderSettings) -> Vec<ProviderSettings> {
    match settings {
        ProviderSettings::AwsRds(rds) => vec![ProviderSettings::AwsRds(AwsRds {
            db_instance_identifier: None,
            db_cluster_identifier: None,
            copy_to: Vec::new(),
            export: None,
            ..rds.clone()
        })],
        ProviderSettings::GcpCloudSql(sql) => vec![ProviderSettings::GcpCloudSql(GcpCloudSql {
            instance: String::new(),
            backup_location: None,
            ..sql.clone()
        })],
        _ => access(settings).map(|access| in_subscription(access).into()).unwrap_or_default(),
    }
}

/// `eu-central-1, profile prod`, or the project, or the subscription.
fn location(place: &ProviderSettings) -> String {
    match place {
        ProviderSettings::AwsRds(AwsRds { region, profile, role_arn, .. }) => {
            let profile = profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
            let role = role_arn.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
            format!("{region}{profile}{role}")
        }
        ProviderSettings::GcpCloudSql(sql) => sql.project.clone(),
        _ => access(place).map_or_else(|| place.name().to_owned(), |access| access.subscription_id.clone()),
    }
}

/// Makes rows, each new target with a name of its own.
struct Rows<'c> {
    config: Option<&'c Config>,
    names: BTreeSet<String>,
}

impl<'c> Rows<'c> {
    fn of(config: Option<&'c Config>) -> Self {
        let names = config.into_iter().flat_map(|config| config.targets.keys()).map(ToString::to_string);
        Self { config, names: names.collect() }
    }

    fn row(&mut self, place: &ProviderSettings, found: Found) -> FoundRow {
        let target = self.target(place, &found).map(ToString::to_string);
        let config = if target.is_some() { None } else { Some(self.config_of(&found)) };
        let Found { name, engine, provider_state, .. } = found;
        FoundRow { name, provider: place.name(), location: location(place), engine, provider_state, target, config }
    }

    /// The target that it is: of the same account, and of the same database. Of a project or a subscription all accounts see the
    /// same.
    fn target(&self, place: &ProviderSettings, found: &Found) -> Option<&'c TargetName> {
        let targets = self.config.into_iter().flat_map(|config| config.targets.values());
        let is_it = |settings: &ProviderSettings| {
            let is_of_account = matches!(settings, ProviderSettings::AwsRds(_));
            (!is_of_account || places_of(settings).contains(place))
                && identity_of_cloud(settings).as_ref() == Some(&found.identity)
        };
        targets.into_iter().find(|target| is_it(&target.settings)).map(|target| &target.name)
    }

    fn config_of(&mut self, found: &Found) -> String {
        let name = self.name(&found.name);
        let lines = found.settings.iter().map(|(key, value)| format!("{key} = {}\n", visible(value)));
        format!("[targets.{name}]\n{}", lines.collect::<String>())
    }

    /// A name that no other target has, of what a key of TOML may have without quotes.
    fn name(&mut self, database: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let slug: String = database.chars().map(plain).collect();
        let slug = slug.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let slug = if slug.is_empty() { "database" } else { slug };
        let numbered = (2u32..).map(|nth| (slug, format!("-{nth}")));
        let mut candidates = std::iter::once((slug, String::new())).chain(numbered).map(|(slug, suffix)| {
            let room = slug.len().min(NAME_LIMIT - suffix.len());
            format!("{}{suffix}", &slug[..room])
        });
        let free = candidates.find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
version = 1
[targets.orders]
provider = "aws_rds"
region = "eu-central-1"
db_instance_identifier = "orders-prod"
profile = "prod"
copy_to = [{ region = "eu-west-1" }]
[targets.shop]
provider = "aws_rds"
region = "eu-central-1"
db_cluster_identifier = "shop"
profile = "prod"
[targets.crm]
provider = "aws_rds"
region = "eu-west-1"
db_instance_identifier = "crm"
[targets.billing]
provider = "gcp_cloud_sql"
project = "acme"
instance = "billing"
backup_location = "eu"
access_token = { env = "TOKEN" }
[targets.ledger]
provider = "gcp_cloud_sql"
project = "acme"
instance = "ledger"
access_token = { env = "TOKEN" }
"#;

    fn config() -> Config {
        config::parse(CONFIG, std::path::Path::new("snapkeep.toml")).unwrap()
    }

    fn discover(region: &[&str], profile: Option<&str>, project: &[&str]) -> Discover {
        let subscription = Vec::new();
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let (region, project) = (owned(region), owned(project));
        Discover { discover: true, region, profile: profile.map(ToOwned::to_owned), project, subscription }
    }

    fn found(name: &str, identity: &str) -> Found {
        Found {
            name: name.to_owned(),
            engine: None,
            provider_state: None,
            settings: vec![("provider", "\"aws_rds\"".into()), ("region", "\"eu-central-1\"".into())],
            identity: identity.to_owned(),
        }
    }

    #[test]
    fn each_account_and_region_is_looked_at_once() {
        let places = |discover: &Discover, config: Option<&Config>| -> Vec<String> {
            discover.places(config).unwrap().iter().map(location).collect()
        };
        let config = config();
        let own = ["acme", "eu-west-1", "eu-central-1, profile prod"];
        assert_eq!(places(&discover(&[], None, &[]), Some(&config)), own);
        assert_eq!(places(&discover(&["eu-central-1"], Some("prod"), &[]), Some(&config)), own);
        let more = discover(&["eu-central-1"], None, &["beta", "acme", "beta"]);
        assert_eq!(places(&more, Some(&config)), [&own[..], &["eu-central-1", "beta"]].concat());
        assert_eq!(places(&discover(&["us-east-1", "us-east-1"], None, &["beta"]), None), ["us-east-1", "beta"]);
        assert!(discover(&[], None, &[]).places(None).unwrap_err()[0].is_usage());
    }

    #[test]
    fn a_project_that_targets_are_in_is_looked_at_with_their_token() {
        let config = config();
        let looked = discover(&[], None, &["acme"]).places(Some(&config)).unwrap();
        let sql = looked.iter().find_map(|place| match place {
            ProviderSettings::GcpCloudSql(sql) => Some(sql),
            _ => None,
        });
        let GcpCloudSql { instance, access_token, backup_location, .. } = sql.unwrap();
        assert!(instance.is_empty() && access_token.is_some() && backup_location.is_none());
    }

    #[test]
    fn a_subscription_is_looked_at_for_each_service_that_it_may_have() {
        let text = r#"
version = 1
[targets.crm]
provider = "azure_postgresql"
subscription_id = "AA-1"
resource_group = "crm"
server_name = "crm-pg"
endpoint = "https://arm.example"
[targets.shop]
provider = "azure_sql"
subscription_id = "AA-1"
resource_group = "shop"
server_name = "shop-sql"
database = "shop"
endpoint = "https://arm.example"
"#;
        let config = config::parse(text, std::path::Path::new("snapkeep.toml")).unwrap();
        let subscription = ["aa-1", "bb-2", "bb-2"].map(ToOwned::to_owned).to_vec();
        let places = Discover { subscription, ..discover(&[], None, &[]) }.places(Some(&config)).unwrap();
        let looked: Vec<_> = places.iter().map(|place| (place.name(), location(place))).collect();
        let of = |id: &str| ["azure_mysql", "azure_postgresql", "azure_sql"].map(|name| (name, id.to_owned()));
        assert_eq!(looked, [of("AA-1"), of("bb-2")].concat());
        let ProviderSettings::AzurePostgresql(AzurePostgresql { server, .. }) = &places[1] else {
            panic!("{places:?}")
        };
        assert_eq!(server.access.endpoint.as_deref(), Some("https://arm.example"));
        assert!(server.resource_group.is_empty() && server.server_name.is_empty());
    }

    #[test]
    fn what_is_a_target_is_told_from_what_could_be_one() {
        let config = config();
        let settings = &config.targets.values().find(|target| target.name.as_str() == "orders").unwrap().settings;
        let (place, identity) = (places_of(settings).remove(0), identity_of_cloud(settings).unwrap());
        let mut rows = Rows::of(Some(&config));
        let known = rows.row(&place, found("orders-prod", &identity));
        assert_eq!((known.target.as_deref(), known.config), (Some("orders"), None));
        let new = rows.row(&place, found("shop", "another"));
        assert_eq!(new.target, None);
        assert_eq!(
            new.config.as_deref(),
            Some("[targets.shop-2]\nprovider = \"aws_rds\"\nregion = \"eu-central-1\"\n"),
            "the name is taken"
        );
        let billing = &config.targets.values().find(|target| target.name.as_str() == "billing").unwrap().settings;
        let by_another_token = rows.row(&in_project("acme"), found("billing", &identity_of_cloud(billing).unwrap()));
        assert_eq!((&*by_another_token.location, by_another_token.target.as_deref()), ("acme", Some("billing")));
        let of_another_account = rows.row(&in_region("eu-central-1", None), found("orders-prod", &identity));
        assert_eq!(of_another_account.target, None);
    }

    #[test]
    fn a_name_is_one_that_a_target_can_have_and_none_has() {
        let mut rows = Rows::of(None);
        let long = "x".repeat(80);
        let names = ["a.b c", "a-b-c", "a/b/c", "-7-", "äö", "", &long, &long].map(|name| rows.name(name));
        let x = |count| "x".repeat(count);
        let expected = ["a-b-c", "a-b-c-2", "a-b-c-3", "7", "database", "database-2", &x(63), &format!("{}-2", x(61))];
        assert_eq!(names, expected.map(ToOwned::to_owned));
        assert!(names.iter().all(|name| name.parse::<TargetName>().is_ok()));
    }
}
