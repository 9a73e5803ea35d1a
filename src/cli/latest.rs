//! `snapkeep latest`

use chrono::TimeDelta;
use clap::Args;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{ListScope, Snapshot};

use super::list::OriginArg;
use super::{App, Outcome};
use crate::catalog;
use crate::failure::Failure;
use crate::units;

/// Show the newest good snapshot of a target; exit 4 if there is none
#[derive(Debug, Args)]
pub(super) struct Latest {
    /// The target
    #[arg(value_name = "TARGET")]
    target: String,
    /// Only if it is at most this old: 24h
    #[arg(long, value_name = "AGE", value_parser = crate::config::elapsed)]
    max_age: Option<std::time::Duration>,
    /// Only one that passed a verification
    #[arg(long)]
    verified: bool,
    /// Only of this origin
    #[arg(long, value_enum)]
    origin: Option<OriginArg>,
}

impl Latest {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let found = app.looking(self.find(app)).await;
        app.finish(&found.unwrap_or_else(Outcome::failed))
    }

    async fn find(&self, app: &App) -> Result<Outcome<Snapshot>, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure];
        let target = catalog::target(&config, &self.target).map_err(one)?;
        let opened = catalog::open(&config, target).await.map_err(one)?;
        let scope = match self.origin {
            Some(OriginArg::Shared) => ListScope::AllOrigins,
            _ => ListScope::Own,
        };
        let listing = opened.list(scope).await.map_err(one)?;
        let problems: Vec<Failure> =
            listing.problems.into_iter().map(|problem| Failure::from(problem).of(&target.name)).collect();
        let newest = listing.snapshots.into_iter().find(|snapshot| {
            snapshot.is_good()
                && (!self.verified || snapshot.verified.is_some())
                && self.origin.is_none_or(|origin| snapshot.origin == origin.into())
        });
        // What could not be read may be newer: what was found is told, and that the list is incomplete.
        match self.fresh(newest, app).map_err(|failure| failure.of(&target.name)) {
            Ok(snapshot) => Ok(Outcome { items: vec![snapshot], done: 1, failures: problems }),
            Err(failure) if problems.is_empty() => Err(vec![failure]),
            Err(_) => Err(problems),
        }
    }

    fn fresh(&self, newest: Option<Snapshot>, app: &App) -> Result<Snapshot, Failure> {
        let good = if self.verified { "verified" } else { "good" };
        let none = |message: String| {
            let verb = if self.verified { "see which there are: `snapkeep list" } else { "make one: `snapkeep create" };
            Failure::new(ErrorKind::NotFound, message).with_hint(format!("{verb} {}`", self.target))
        };
        let Some(snapshot) = newest else {
            return Err(none(format!("{} has no {good} snapshot", self.target)));
        };
        let age = snapshot.created_at.map(|created| app.now - created);
        match self.max_age.and_then(|limit| TimeDelta::from_std(limit).ok()) {
            Some(limit) if age.is_none_or(|age| age > limit) => {
                let age =
                    age.map_or_else(|| "of unknown age".to_owned(), |age| format!("{} old", units::duration(age)));
                let limit = units::duration(limit);
                Err(none(format!("the newest {good} snapshot, {}, is {age}: more than {limit}", snapshot.id)))
            }
            _ => Ok(snapshot),
        }
    }
}
