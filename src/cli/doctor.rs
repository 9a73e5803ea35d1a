//! `snapkeep doctor`: what is wrong or will be, and what to do about it.

use clap::Args;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{ListScope, SnapshotState};
use snapkeep_providers::settings::{ProviderSettings, TlsMode};

use super::rows::CheckRow;
use super::{App, Outcome};
use crate::catalog::{self, Opened};
use crate::config::{Config, Target};
use crate::failure::Failure;
use crate::plan;
use crate::units;

/// Look for what is wrong: connections, tools, stores, state, debris, policies that can't be met
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

impl Doctor {
    pub(super) async fn run(&self, app: &App) -> u8 {
        app.finish(&app.looking(self.examine(app)).await.unwrap_or_else(Outcome::failed))
    }

    async fn examine(&self, app: &App) -> Result<Outcome<CheckRow>, Vec<Failure>> {
        let config = app.load()?;
        let mut outcome = Outcome::new();
        for target in catalog::targets(&config, &self.targets)? {
            let mut findings = Findings { target, rows: Vec::new(), failures: Vec::new() };
            match catalog::open(&config, target).await {
                Ok(opened) => findings.of_target(app, &config, &opened).await,
                Err(failure) => findings.add("provider", Err(failure)),
            }
            outcome.done += usize::from(findings.failures.is_empty());
            outcome.items.extend(findings.rows);
            outcome.failures.extend(findings.failures);
        }
        Ok(outcome)
    }
}

/// What was found of one target.
struct Findings<'t> {
    target: &'t Target,
    rows: Vec<CheckRow>,
    failures: Vec<Failure>,
}

impl Findings<'_> {
    fn add(&mut self, check: &'static str, outcome: Result<String, Failure>) {
        self.rows.push(CheckRow::new(self.target.name.as_str(), check, &outcome));
        self.failures.extend(outcome.err().map(|failure| failure.of(&self.target.name)));
    }

    /// Something to know that is no failure.
    fn advise(&mut self, check: &'static str, detail: String, hint: &str) {
        let row = CheckRow::new(self.target.name.as_str(), check, &Ok(detail));
        self.rows.push(CheckRow { hint: Some(hint.to_owned()), ..row });
    }

    async fn of_target(&mut self, app: &App, config: &Config, opened: &Opened) {
        for check in opened.provider.check().await {
            self.add(check.name, check.outcome.map_err(Failure::from));
        }
        self.add("state", opened.scope.probe().await);
        self.tls();
        self.policy(config);
        self.snapshots(app, opened).await;
        self.debris(app, opened).await;
    }

    fn tls(&mut self) {
        let (ProviderSettings::Mysql(server) | ProviderSettings::Postgresql(server)) = &self.target.settings else {
            return;
        };
        let local = ["localhost", "127.0.0.1", "::1"].contains(&server.host.as_str()) || server.host.starts_with('/');
        if !local && matches!(server.tls.mode, TlsMode::Disable | TlsMode::Prefer | TlsMode::Require) {
            let detail = "the server's certificate is not checked: whoever is in between can read and change the dump";
            self.advise("tls", detail.into(), "set tls = { mode = \"verify-full\", ca_file = \"...\" }");
        }
    }

    fn policy(&mut self, config: &Config) {
        let policy = self.target.retention.as_ref().and_then(|name| config.retention.get(name));
        if let Some(warning) = policy.and_then(|policy| self.target.cannot_meet(policy)) {
            self.advise("retention", warning, "copy snapshots elsewhere, or ask for less");
        }
    }

    async fn snapshots(&mut self, app: &App, opened: &Opened) {
        match opened.list(ListScope::Own).await {
            Ok(listing) => {
                let failed =
                    listing.snapshots.iter().filter(|snapshot| snapshot.state == SnapshotState::Failed).count();
                let newest = listing.snapshots.iter().find(|snapshot| snapshot.is_good());
                let age =
                    newest.and_then(|snapshot| snapshot.created_at).map(|created| units::duration(app.now - created));
                let age =
                    age.map_or_else(|| "none is good".to_owned(), |age| format!("the newest good one is {age} old"));
                let count = listing.snapshots.len();
                self.add("snapshots", Ok(format!("{count}, {age}{}", some(failed, "failed"))));
                for problem in listing.problems {
                    self.add("snapshots", Err(problem.into()));
                }
            }
            Err(failure) => self.add("snapshots", Err(failure)),
        }
    }

    async fn debris(&mut self, app: &App, opened: &Opened) {
        match opened.provider.debris().await {
            Ok(debris) if debris.is_empty() => self.add("debris", Ok("none".into())),
            Ok(debris) => {
                let bytes = units::bytes(debris.iter().map(|debris| debris.size_bytes).sum());
                let old = debris.iter().filter(|debris| app.now - debris.touched_at > plan::GRACE).count();
                let names: Vec<&str> = debris.iter().take(3).map(|debris| debris.native_id.as_str()).collect();
                let detail = format!(
                    "{} unfinished, {bytes}: {}{}",
                    debris.len(),
                    names.join(", "),
                    some(old, "older than 24 h")
                );
                let hint = "`snapkeep create` and `snapkeep prune apply` sweep what is older than 24 h";
                self.advise("debris", detail, hint);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.add("debris", Ok("none".into())),
            Err(error) => self.add("debris", Err(error.into())),
        }
    }
}

fn some(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!("; {count} {what}") }
}
