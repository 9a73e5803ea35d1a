//! `snapkeep doctor`: what is wrong or will be, and what to do about it.
//!
//! It changes nothing, but for a small object that it writes to each store and deletes again. What the targets share is looked
//! at once.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use futures::{StreamExt, stream};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Check;

use super::rows::{About, CheckRow};
use super::targets::CONCURRENCY;
use super::{App, Outcome};
use crate::catalog::{self, Catalog};
use crate::failure::Failure;
use crate::notices;
use crate::plan::{self, Refusal};
use crate::units;

mod store;
mod target;

use target::Looked;

/// Look for what is wrong, and tell what to do: credentials and permissions for each verb, client tools, TLS, clock, quotas, debris, age, stores, state, notifications
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The targets, with their stores; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long one check may take
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed, default_value = "1m")]
    timeout: Duration,
}

impl Doctor {
    pub(super) async fn run(&self, app: &App) -> u8 {
        app.finish(&app.looking(self.examine(app)).await.unwrap_or_else(Outcome::failed))
    }

    async fn examine(&self, app: &App) -> Result<Outcome<CheckRow>, Vec<Failure>> {
        let config = app.load()?;
        let targets = catalog::targets(&config, &self.targets)?;
        let look = |target| target::examine(app, &config, target, self.timeout);
        let looked: Vec<_> = stream::iter(targets).map(look).buffered(CONCURRENCY).collect().await;
        let names = used(&config, looked.iter().flat_map(|looked| &looked.stores));
        let look = |name| store::examine(app, &config, name, self.timeout);
        let stores: Vec<_> = stream::iter(names).map(look).buffered(CONCURRENCY).collect().await;
        let sick: BTreeSet<&str> =
            stores.iter().filter(|(_, findings)| !findings.is_well()).map(|(name, _)| *name).collect();
        let mut outcome = Outcome::new();
        for looked in looked {
            let Looked { findings, stores } = looked;
            let is_done = findings.is_well() && !stores.iter().any(|store| sick.contains(store.as_str()));
            outcome.done += usize::from(is_done);
            findings.add_to(&mut outcome);
        }
        for (_, findings) in stores {
            findings.add_to(&mut outcome);
        }
        let mut findings = Findings::new(About::Config);
        for (name, found) in notices::check(&config, self.timeout).await {
            findings.add("notification", found.map(|detail| format!("{name}: {detail}")));
        }
        findings.add_to(&mut outcome);
        Ok(outcome)
    }
}

/// The stores that are used, in the order of the config.
fn used<'c: 't, 't>(config: &'c Catalog, by_targets: impl Iterator<Item = &'t String>) -> Vec<&'c str> {
    let used: BTreeSet<&str> = by_targets.map(String::as_str).chain(config.state.store.as_deref()).collect();
    config.stores.keys().map(String::as_str).filter(|name| used.contains(name)).collect()
}

/// What was found of one thing.
struct Findings<'n> {
    about: About<'n>,
    rows: Vec<CheckRow>,
    failures: Vec<Failure>,
}

impl<'n> Findings<'n> {
    fn new(about: About<'n>) -> Self {
        Self { about, rows: Vec::new(), failures: Vec::new() }
    }

    fn is_well(&self) -> bool {
        self.failures.is_empty()
    }

    fn add_to(self, outcome: &mut Outcome<CheckRow>) {
        outcome.items.extend(self.rows);
        outcome.failures.extend(self.failures);
    }

    fn add(&mut self, check: &'static str, outcome: Result<String, Failure>) {
        let outcome = outcome.map_err(|failure| self.about.own(failure));
        self.rows.push(CheckRow::new(self.about, check, &outcome));
        self.failures.extend(outcome.err());
    }

    fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        for check in checks {
            let (row, failure) = CheckRow::of(self.about, check);
            self.rows.push(row);
            self.failures.extend(failure);
        }
    }

    /// Something to know that is no failure.
    fn advise(&mut self, check: &'static str, detail: String, hint: impl Into<String>) {
        self.extend([Check::new(check, Ok(detail)).with_advice(hint)]);
    }

    /// How this machine's clock stands to another's.
    fn clock(&mut self, ahead: Option<TimeDelta>) {
        if let Some(ahead) = ahead {
            self.add("clock", clock(ahead));
        }
    }
}

/// Waits for an answer about `subject`, and no longer than `limit`.
async fn within<T>(limit: Duration, subject: impl fmt::Display, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(limit, work).await.map_err(|_| {
        let limit = units::duration(TimeDelta::from_std(limit).unwrap_or_default());
        let message = format!("doctor: cannot look at {subject}: no answer within {limit}");
        Failure::new(ErrorKind::Unavailable, message)
            .with_hint("look at the network and at who doesn't answer; `--timeout 5m` waits longer")
    })
}

/// How this machine's clock stands to the provider's.
fn clock(ahead: TimeDelta) -> Result<String, Failure> {
    if let Some(refusal) = Refusal::of_skew(Some(ahead)) {
        let message = format!("nothing can be pruned: {refusal}");
        return Err(Failure::new(ErrorKind::Failed, message).with_hint(refusal.hint()));
    }
    Ok(if ahead.is_zero() { "as the provider's".to_owned() } else { plan::skew(ahead) })
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

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_left_after_a_while() {
        let failure = within(Duration::from_secs(90), "om", std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(failure.message, "doctor: cannot look at om: no answer within 1m 30s");
    }
}
