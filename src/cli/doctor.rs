//! `snapkeep doctor`: what is wrong or will be, and what to do about it.

use chrono::TimeDelta;
use clap::Args;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{ListScope, Quota, SnapshotState};
use snapkeep_providers::settings::{ProviderSettings, TlsMode};

use super::rows::CheckRow;
use super::{App, Outcome};
use crate::catalog::{self, Opened};
use crate::config::{Config, Target};
use crate::failure::Failure;
use crate::plan::{self, Refusal};
use crate::units;

/// From this percentage of a quota on it is told.
const NEARLY_FULL: u64 = 80;

/// Look for what is wrong: connections, tools, stores, state, clock, quotas, debris, policies that can't be met
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
            let (row, failure) = CheckRow::of(&self.target.name, check);
            self.rows.push(row);
            self.failures.extend(failure);
        }
        self.add("state", opened.scope.probe().await);
        self.tls();
        self.policy(config);
        self.snapshots(app, opened).await;
        self.quotas(opened).await;
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
        for warning in policy.map(|policy| self.target.cannot_meet(policy)).unwrap_or_default() {
            let hint = "ask for less, and keep dumps of the database for longer: a target of its own";
            self.advise("retention", warning, hint);
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
                if let Some(ahead) = listing.clock_ahead {
                    self.add("clock", clock(ahead));
                }
            }
            Err(failure) => self.add("snapshots", Err(failure)),
        }
    }

    async fn quotas(&mut self, opened: &Opened) {
        match opened.provider.quotas().await {
            Ok(quotas) => quotas.into_iter().for_each(|quota| self.quota(&quota)),
            Err(error) => self.add("quota", Err(error.into())),
        }
    }

    fn quota(&mut self, quota: &Quota) {
        let Quota { name, used, limit } = quota;
        let detail = format!("{used} of {limit} {name}");
        if used.saturating_mul(100) < limit.saturating_mul(NEARLY_FULL) {
            return self.add("quota", Ok(detail));
        }
        let target = &self.target.name;
        self.advise(
            "quota",
            detail,
            &format!("make room with `snapkeep prune plan {target}`, or ask the cloud for more"),
        );
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

/// How this machine's clock stands to the provider's.
fn clock(ahead: TimeDelta) -> Result<String, Failure> {
    if let Some(refusal) = Refusal::of_skew(Some(ahead)) {
        let message = format!("nothing can be pruned: {refusal}");
        return Err(Failure::new(ErrorKind::Failed, message).with_hint(refusal.hint()));
    }
    Ok(if ahead.is_zero() { "as the provider's".to_owned() } else { plan::skew(ahead) })
}

fn some(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!("; {count} {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_shown_and_one_that_is_far_off_is_a_failure() {
        assert_eq!(clock(TimeDelta::zero()).unwrap(), "as the provider's");
        assert_eq!(clock(TimeDelta::seconds(2)).unwrap(), "the clock of this machine is 2s behind the provider's");
        let failure = clock(TimeDelta::minutes(-6)).unwrap_err();
        assert_eq!(failure.message, "nothing can be pruned: the clock of this machine is 6m ahead of the provider's");
        assert!(failure.hint.unwrap().contains("timedatectl"));
    }

    #[test]
    fn a_quota_that_is_nearly_used_up_comes_with_advice() {
        let text = "version = 1\n[targets.a]\nprovider = \"sqlite\"\npath = \"a.db\"\nstore = \"s\"\n\
                    [stores.s]\ntype = \"local\"\npath = \"s\"\n";
        let config = crate::config::parse(text, std::path::Path::new("snapkeep.toml")).unwrap();
        let target = config.targets.values().next().unwrap();
        let mut findings = Findings { target, rows: Vec::new(), failures: Vec::new() };
        for used in [37, 79, 80, 100] {
            findings.quota(&Quota { name: "manual snapshots in eu-central-1".into(), used, limit: 100 });
        }
        let rows: Vec<_> = findings.rows.iter().map(|row| (row.detail.as_str(), row.ok, row.hint.is_some())).collect();
        assert_eq!(
            rows,
            [
                ("37 of 100 manual snapshots in eu-central-1", true, false),
                ("79 of 100 manual snapshots in eu-central-1", true, false),
                ("80 of 100 manual snapshots in eu-central-1", true, true),
                ("100 of 100 manual snapshots in eu-central-1", true, true),
            ]
        );
        assert!(findings.failures.is_empty());
    }
}
