//! `snapkeep restore`

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use snapkeep_providers::model::{Ownership, RestoreOptions, RestoreRequest, RestoreTo, Restored, Snapshot};
use snapkeep_providers::{ErrorKind, Support};

use super::rows::RestoreRow;
use super::{App, Mode, Outcome};
use crate::catalog::{self, Opened, SnapshotRef};
use crate::failure::Failure;
use crate::operate;
use crate::pin::Pinned;
use crate::units;

/// How long the state may take to hold the snapshot.
const HOLD_LIMIT: Duration = Duration::from_secs(10);

/// Restore a snapshot into a new database, instance or file
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The snapshot; with `--time`, the target
    #[arg(value_name = "ID")]
    id: String,
    /// The name of the new database or instance, or the path of the new file
    #[arg(long, value_name = "NAME", required_unless_present = "in_place")]
    to: Option<String>,
    /// Over the target itself; what it holds now is lost
    #[arg(long, conflicts_with = "to")]
    in_place: bool,
    /// The target's name, to confirm `--in-place`
    #[arg(long, value_name = "TARGET", conflicts_with = "to")]
    confirm: Option<String>,
    /// To this moment between snapshots, where the provider can: 2026-11-22T02:15:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "in_place", value_parser = moment)]
    time: Option<DateTime<Utc>>,
    /// Give everything to the user who restores: no owners, no grants
    #[arg(long)]
    no_owner: bool,
}

impl Restore {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let mut outcome = self.restore(app).await.map_or_else(Outcome::failed, |row| Ok(row).into());
        if app.mode == Mode::DryRun {
            outcome.items.clear();
        }
        app.finish(&outcome)
    }

    async fn restore(&self, app: &App) -> Result<RestoreRow, Vec<Failure>> {
        if let Some(time) = self.time {
            return self.restore_to_time(app, time).await;
        }
        let id: SnapshotRef = self.id.parse().map_err(|error: String| vec![Failure::usage(error)])?;
        let request = self.request(&id.target).map_err(|failure| vec![failure])?;
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(&id.target)];
        let target = catalog::target(&config, &id.target).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let provider = &*opened.provider;
        if request.to == RestoreTo::InPlace && provider.capabilities().in_place == Support::No {
            let message = format!("{}: can't restore in place", provider.name());
            return Err(one(
                Failure::new(ErrorKind::Unsupported, message).with_hint("give a new name with `--to NAME`")
            ));
        }
        let found = async { opened.resolve(&id).await.map_err(one) };
        let snapshot = app.looking(found).await?;
        let row = |to: String, warnings| RestoreRow {
            id: snapshot.id.to_string(),
            target: target.name.to_string(),
            to,
            warnings,
        };
        if app.mode == Mode::DryRun {
            let to = self.to.clone().unwrap_or_else(|| format!("{} itself", target.name));
            app.report.info(&format!("would restore {} to {to}", snapshot.id));
            return Ok(row(to, Vec::new()));
        }
        let (task, run) = app.run(target.name.as_str(), "restore");
        // Into a new database nothing can meet; over the target itself two restores could.
        let lock = match request.to {
            RestoreTo::InPlace => Some(opened.lock("restore --in-place", run.cancel.clone()).await.map_err(one)?),
            RestoreTo::New(_) => None,
        };
        let held = hold(app, &opened, &snapshot).await;
        let restored = match held {
            Ok(pinned) => {
                let restoring = async {
                    let operation = provider.restore(&snapshot.native_id, &request, &run).await?;
                    operate::wait(provider, operation, None, &run).await
                };
                restore_held(pinned, restoring).await
            }
            Err(failure) => Err(failure),
        };
        let elapsed = units::duration(task.elapsed());
        drop((task, run));
        if let Some(lock) = lock {
            lock.release().await;
        }
        let restored = restored.map_err(|failure| one(app.or_lock_lost(failure)))?;
        for warning in &restored.warnings {
            app.report.warn(&format!("{}: {warning}", target.name));
        }
        app.report.info(&format!("{}: restored {} to {}, in {elapsed}", target.name, snapshot.id, restored.to));
        Ok(row(restored.to, restored.warnings))
    }

    /// Point in time is a cloud's: no provider of this version has it.
    async fn restore_to_time(&self, app: &App, time: DateTime<Utc>) -> Result<RestoreRow, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(&self.id)];
        let target = catalog::target(&config, &self.id).map_err(one)?;
        let provider = app.asking(catalog::open(&config, target)).await.map_err(one)?.provider;
        let message =
            format!("{}: cannot restore {} to {}: it has snapshots only", provider.name(), self.id, time.to_rfc3339());
        let hint = format!("choose a snapshot from before: `snapkeep list {}`", self.id);
        Err(one(Failure::new(ErrorKind::Unsupported, message).with_hint(hint)))
    }

    fn request(&self, target: &str) -> Result<RestoreRequest, Failure> {
        let ownership = if self.no_owner { Ownership::Drop } else { Ownership::Keep };
        let to = match (&self.to, self.in_place) {
            (Some(name), false) => RestoreTo::New(name.clone()),
            _ if self.confirm.as_deref() == Some(target) => RestoreTo::InPlace,
            _ => {
                let message = match &self.confirm {
                    Some(typed) => format!("restoring in place: {typed:?} is not the name of the target, {target}"),
                    None => format!("restoring in place replaces what {target} holds now"),
                };
                return Err(Failure::new(ErrorKind::Refused, message)
                    .with_hint(format!("to confirm, add `--confirm {target}`"))
                    .of(target));
            }
        };
        Ok(RestoreRequest { to, ownership, options: RestoreOptions::new() })
    }
}

/// Holds the snapshot for as long as it is read: what a bucket has is gone when it is deleted. A state that can't be
/// written keeps nobody from restoring.
async fn hold<'a>(app: &App, opened: &'a Opened, snapshot: &'a Snapshot) -> Result<Option<Pinned<'a>>, Failure> {
    let holding = Pinned::hold(&opened.scope, &snapshot.native_id, "restored");
    let unheld = |why: &str| {
        app.report.warn(&format!("{}: it is not held while it is restored: {why}", snapshot.id));
        Ok(None)
    };
    match tokio::time::timeout(HOLD_LIMIT, app.asking(holding)).await {
        Ok(Ok(pinned)) => Ok(Some(pinned)),
        // It is being deleted, or we are told to end.
        Ok(Err(failure)) if failure.is_interruption() || failure.kind == ErrorKind::NotFound => Err(failure),
        Ok(Err(failure)) => unheld(&failure.message),
        Err(_) => unheld("the state doesn't answer"),
    }
}

async fn restore_held(
    pinned: Option<Pinned<'_>>,
    restoring: impl Future<Output = Result<Restored, Failure>>,
) -> Result<Restored, Failure> {
    match pinned {
        Some(pinned) => pinned.during(restoring).await,
        None => restoring.await,
    }
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    parsed.map_err(|_| "write a time as 2026-11-22T02:15:00Z".to_owned())
}
