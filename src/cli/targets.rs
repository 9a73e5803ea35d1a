//! `snapkeep targets`

use clap::{Args, Subcommand};
use futures::{StreamExt, stream};
use snapkeep_providers::settings::ProviderSettings;

use super::discover::Discover;
use super::rows::{About, CheckRow, TargetRow};
use super::{App, Outcome};
use crate::catalog::{self, Catalog};
use crate::config::Target;
use crate::failure::Failure;

/// How many targets are looked at at once.
pub(super) const CONCURRENCY: usize = 8;

/// Show what is configured, or check that it works
#[derive(Debug, Args)]
pub(super) struct Targets {
    #[command(subcommand)]
    verb: Option<TargetsVerb>,
}

#[derive(Debug, Subcommand)]
enum TargetsVerb {
    /// What is configured, or what could be
    List(Discover),
    /// Reachable, permitted, tools and versions right; changes nothing
    Check {
        /// The targets; all of them unless named
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
}

impl Targets {
    pub(super) async fn run(&self, app: &App) -> u8 {
        match &self.verb {
            Some(TargetsVerb::List(discover)) if discover.discover => discover.run(app).await,
            None | Some(TargetsVerb::List(_)) => {
                let rows = app.load().map(|config| rows(&config));
                match rows {
                    Ok(items) => app.finish(&Outcome { items, done: 0, failures: Vec::new() }),
                    Err(failures) => app.finish(&Outcome::<TargetRow>::failed(failures)),
                }
            }
            Some(TargetsVerb::Check { targets }) => {
                app.finish(&app.looking(check(app, targets)).await.unwrap_or_else(Outcome::failed))
            }
        }
    }
}

/// The targets of a config.
pub(super) fn rows(config: &Catalog) -> Vec<TargetRow> {
    config.targets.values().map(row).collect()
}

fn row(target: &Target) -> TargetRow {
    TargetRow {
        target: target.name.to_string(),
        provider: target.settings.name().into(),
        subject: subject(&target.settings),
        store: target.store.clone(),
        retention: target.retention.clone(),
        tags: target.tags.clone(),
    }
}

/// Which database it is, in few words.
pub(super) fn subject(settings: &ProviderSettings) -> String {
    match settings {
        ProviderSettings::AwsRds(rds) => {
            let subject = match (&rds.db_cluster_identifier, &rds.db_instance_identifier) {
                (Some(cluster), _) => format!("cluster {cluster} in {}", rds.region),
                (None, instance) => format!("{} in {}", instance.as_deref().unwrap_or("?"), rds.region),
            };
            let account = rds.profile.as_ref().or(rds.role_arn.as_ref());
            account.map_or(subject.clone(), |account| format!("{subject} ({account})"))
        }
        ProviderSettings::AzureMysql(server) => server.server_name.clone(),
        ProviderSettings::AzurePostgresql(postgresql) => postgresql.server.server_name.clone(),
        ProviderSettings::AzureSql(sql) => format!("{} on {}", sql.database, sql.server_name),
        ProviderSettings::GcpCloudSql(sql) => format!("{} in {}", sql.instance, sql.project),
        ProviderSettings::Mysql(server) | ProviderSettings::Postgresql(server) => {
            format!("{} on {}", server.database, server.host)
        }
        ProviderSettings::Sqlite(sqlite) => sqlite.path.display().to_string(),
    }
}

async fn check(app: &App, names: &[String]) -> Result<Outcome<CheckRow>, Vec<Failure>> {
    let config = app.load()?;
    let targets = catalog::targets(&config, names)?;
    let checked: Vec<_> =
        stream::iter(targets).map(|target| check_target(&config, target)).buffered(CONCURRENCY).collect().await;
    let mut outcome = Outcome::new();
    for (rows, failures) in checked {
        outcome.done += usize::from(failures.is_empty());
        outcome.items.extend(rows);
        outcome.failures.extend(failures);
    }
    Ok(outcome)
}

async fn check_target(config: &Catalog, target: &Target) -> (Vec<CheckRow>, Vec<Failure>) {
    let about = About::Target(&target.name);
    match catalog::open(config, target).await {
        Ok(opened) => {
            let (rows, failures): (Vec<_>, Vec<_>) =
                opened.provider.check().await.into_iter().map(|check| CheckRow::of(about, check)).unzip();
            (rows, failures.into_iter().flatten().collect())
        }
        Err(failure) => {
            let failed = Err(about.own(failure));
            (vec![CheckRow::new(about, "provider", &failed)], failed.err().into_iter().collect())
        }
    }
}
