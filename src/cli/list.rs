//! `snapkeep list`

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use snapkeep_providers::model::{ListScope, Listing, Origin, Snapshot, SnapshotState};

use super::{App, Outcome};
use crate::catalog::{self, Catalog};
use crate::config::Target;
use crate::failure::Failure;
use crate::units;

/// How many targets are asked at once.
const CONCURRENCY: usize = 16;

/// List snapshots, newest first
#[derive(Debug, Args)]
pub(super) struct List {
    /// The targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only the newest N of each target
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Which snapshots are meant.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only of this origin
    #[arg(long, value_enum)]
    origin: Option<OriginArg>,
    /// Only in this state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// Only since a time or date, or back from now: 2026-11-22, 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only with this tag; may be given several times
    #[arg(long, value_name = "K=V", value_parser = tag)]
    tag: Vec<(String, String)>,
    /// Shared and public ones too
    #[arg(long)]
    all_origins: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OriginArg {
    Owned,
    Manual,
    Automated,
    Shared,
}

impl From<OriginArg> for Origin {
    fn from(origin: OriginArg) -> Self {
        match origin {
            OriginArg::Owned => Self::Owned,
            OriginArg::Manual => Self::Manual,
            OriginArg::Automated => Self::Automated,
            OriginArg::Shared => Self::Shared,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateArg {
    Pending,
    Available,
    Failed,
    Deleting,
    Unknown,
}

impl From<StateArg> for SnapshotState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Pending => Self::Pending,
            StateArg::Available => Self::Available,
            StateArg::Failed => Self::Failed,
            StateArg::Deleting => Self::Deleting,
            StateArg::Unknown => Self::Unknown,
        }
    }
}

/// `k=v`
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(_) if text.contains(char::is_control) => Err("a tag has no line breaks and no control characters".into()),
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".into()),
    }
}

impl Filter {
    fn scope(&self) -> ListScope {
        let shared = matches!(self.origin, Some(OriginArg::Shared));
        if self.all_origins || shared { ListScope::AllOrigins } else { ListScope::Own }
    }

    fn since(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Failure> {
        let parse =
            |text: &String| units::parse_moment(text, now).map_err(|error| Failure::usage(format!("--since: {error}")));
        self.since.as_ref().map(parse).transpose()
    }

    fn keeps(&self, snapshot: &Snapshot, since: Option<DateTime<Utc>>) -> bool {
        self.origin.is_none_or(|origin| snapshot.origin == origin.into())
            && self.state.is_none_or(|state| snapshot.state == state.into())
            && since.is_none_or(|since| snapshot.created_at.is_some_and(|created| created >= since))
            && self.tag.iter().all(|(key, value)| snapshot.tags.get(key) == Some(value))
    }
}

impl List {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let outcome = app.looking(self.collect(app)).await.unwrap_or_else(Outcome::failed);
        if outcome.items.is_empty() && outcome.failures.is_empty() {
            app.report.info("no snapshots");
        }
        app.finish(&outcome)
    }

    async fn collect(&self, app: &App) -> Result<Outcome<Snapshot>, Vec<Failure>> {
        let since = self.filter.since(app.now).map_err(|failure| vec![failure])?;
        let config = app.load()?;
        let targets = catalog::targets(&config, &self.targets)?;
        let scope = self.filter.scope();
        let listings: Vec<_> =
            stream::iter(targets).map(|target| listing(&config, target, scope)).buffered(CONCURRENCY).collect().await;
        let mut outcome = Outcome::new();
        for listing in listings {
            match listing {
                Ok((Listing { mut snapshots, problems, .. }, target)) => {
                    snapshots.retain(|snapshot| self.filter.keeps(snapshot, since));
                    snapshots.truncate(self.limit.unwrap_or(usize::MAX));
                    outcome.items.append(&mut snapshots);
                    outcome
                        .failures
                        .extend(problems.into_iter().map(|problem| Failure::from(problem).of(&target.name)));
                    outcome.done += 1;
                }
                Err(failure) => outcome.failures.push(failure),
            }
        }
        Ok(outcome)
    }
}

async fn listing<'t>(config: &Catalog, target: &'t Target, scope: ListScope) -> Result<(Listing, &'t Target), Failure> {
    let listing = catalog::open(config, target).await?.list(scope).await?;
    Ok((listing, target))
}
