//! The newest good snapshot of a target: one search for every verb that wants it.
//!
//! What could not be read may be newer than what was found: whoever asks is told both, and decides.

use chrono::TimeDelta;
use clap::Args;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{ListScope, Snapshot};

use super::App;
use super::list::OriginArg;
use crate::catalog::{self, Catalog};
use crate::failure::Failure;
use crate::{plan, units};

/// Which snapshot is wanted.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The target
    #[arg(value_name = "TARGET")]
    pub(super) target: String,
    /// Only if it is at most this old: 24h
    #[arg(long, value_name = "AGE", value_parser = crate::config::elapsed)]
    pub(super) max_age: Option<std::time::Duration>,
    /// Only one that passed a verification
    #[arg(long)]
    pub(super) verified: bool,
    /// Only of this origin
    #[arg(long, value_enum)]
    pub(super) origin: Option<OriginArg>,
}

/// What a look at a target gave.
pub(super) struct Newest {
    /// The snapshot, or why there is none that will do.
    pub(super) snapshot: Result<Snapshot, Failure>,
    /// What could not be read: the list is incomplete.
    pub(super) problems: Vec<Failure>,
}

impl Wanted {
    /// Looks at the target. Changes nothing.
    pub(super) async fn find(&self, app: &App, config: &Catalog) -> Result<Newest, Failure> {
        let target = catalog::target(config, &self.target)?;
        let opened = catalog::open(config, target).await?;
        let scope = match self.origin {
            Some(OriginArg::Shared) => ListScope::AllOrigins,
            _ => ListScope::Own,
        };
        let listing = opened.list(scope).await?;
        let problems = listing.problems.into_iter().map(|problem| Failure::from(problem).of(&target.name)).collect();
        let newest = listing.snapshots.into_iter().find(|snapshot| self.will_do(snapshot));
        Ok(Newest { snapshot: self.fresh(newest, app).map_err(|failure| failure.of(&target.name)), problems })
    }

    /// Whether a snapshot is of the kind that is wanted, however old.
    fn will_do(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_good()
            && (!self.verified || snapshot.verified.is_some())
            && self.origin.is_none_or(|origin| snapshot.origin == origin.into())
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
            Some(limit) if plan::is_stale(age, limit) => Err(none(too_old(good, &snapshot, age, limit))),
            _ => Ok(snapshot),
        }
    }
}

/// That the newest snapshot of its kind is older than that.
pub(super) fn too_old(kind: &str, newest: &Snapshot, age: Option<TimeDelta>, limit: TimeDelta) -> String {
    let age = age.map_or_else(|| "of unknown age".to_owned(), |age| format!("{} old", units::duration(age)));
    format!("the newest {kind} snapshot, {}, is {age}: more than {}", newest.id, units::duration(limit))
}
