//! `snapkeep restore`

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use snapkeep_providers::model::{
    NativeId, Operation, OperationId, Ownership, RestoreOptions, RestoreRequest, RestoreTo, Restored, Snapshot,
};
use snapkeep_providers::{Error, ErrorKind, Provider, Run, Support};

use super::following::{Came, Waiting, confirmed};
use super::rows::{OperationRow, RestoreRow, State};
use super::{App, Mode, targets};
use crate::catalog::{self, Opened, SnapshotRef};
use crate::config::Target;
use crate::failure::Failure;
use crate::journal::{Doing, Entry, Kept};
use crate::operate;
use crate::pin::Pinned;
use crate::report::Task;
use crate::units;

/// How long the state may take to hold the snapshot.
const HOLD_LIMIT: Duration = Duration::from_secs(10);

/// Restore a snapshot into a new database, instance or file
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The snapshot; with `--time`, the target
    #[arg(value_name = "ID")]
    id: String,
    /// The name of the new database or instance, or the path of the new file; on Cloud SQL also PROJECT/NAME
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
    /// What a cloud's new instance is to have instead of what the source has, as port=3307; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = option)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains(char::is_control) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE".into()),
    }
}

/// What is restored.
#[derive(Clone, Copy)]
enum Of<'s> {
    Snapshot(&'s Snapshot),
    Moment(DateTime<Utc>),
}

impl Of<'_> {
    fn native(&self) -> Option<NativeId> {
        match self {
            Self::Snapshot(snapshot) => Some(snapshot.native_id.clone()),
            Self::Moment(_) => None,
        }
    }

    fn text(&self, target: &str) -> String {
        match self {
            Self::Snapshot(snapshot) => snapshot.id.to_string(),
            Self::Moment(time) => format!("{target} as it was at {}", rfc3339(*time)),
        }
    }
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Restore {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let came = match self.time {
            Some(time) => self.restore_to_time(app, time).await,
            None => self.restore(app).await,
        };
        self.waiting.finish(app, came)
    }

    async fn restore(&self, app: &App) -> Result<Came<RestoreRow>, Vec<Failure>> {
        let id: SnapshotRef = self.id.parse().map_err(|error: String| vec![Failure::usage(error)])?;
        let request = self.request(&id.target).map_err(|failure| vec![failure])?;
        let config = app.load()?;
        let one = |failure: Failure| vec![failure.of(&id.target)];
        let target = catalog::target(&config, &id.target).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let provider = &*opened.provider;
        refuse_in_place(provider, &request).map_err(one)?;
        let found = async { opened.resolve(&id).await.map_err(one) };
        let snapshot = app.looking(found).await?;
        let of = Of::Snapshot(&snapshot);
        if app.mode == Mode::DryRun {
            return Ok(self.not_tried(app, target, of));
        }
        let (task, run) = app.run(target.name.as_str(), "restore");
        // Into a new database nothing can meet; over the target itself two restores could.
        let lock = match request.to {
            RestoreTo::InPlace => Some(opened.lock("restore --in-place", run.cancel.clone()).await.map_err(one)?),
            RestoreTo::New(_) => None,
        };
        let came = {
            let restoring = self.follow(&opened, of, provider.restore(&snapshot.native_id, &request, &run), &run);
            match hold(app, &opened, &snapshot, "restored").await {
                Ok(Some(pinned)) => pinned.during(restoring).await,
                Ok(None) => restoring.await,
                Err(failure) => Err(failure),
            }
        };
        let told = self.told(app, came, of, (task, run));
        if let Some(lock) = lock {
            lock.release().await;
        }
        told.map_err(|failure| one(app.or_lock_lost(failure)))
    }

    async fn restore_to_time(&self, app: &App, time: DateTime<Utc>) -> Result<Came<RestoreRow>, Vec<Failure>> {
        let one = |failure: Failure| vec![failure.of(&self.id)];
        if let Some((target, _)) = self.id.split_once('/') {
            let failure = Failure::usage(format!("with `--time` a target is restored, not a snapshot: {}", self.id));
            return Err(vec![failure.with_hint(format!("name the target only: {target}"))]);
        }
        let request = self.request(&self.id).map_err(|failure| vec![failure])?;
        let config = app.load()?;
        let target = catalog::target(&config, &self.id).map_err(one)?;
        let opened = app.asking(catalog::open(&config, target)).await.map_err(one)?;
        let provider = &*opened.provider;
        if provider.capabilities().point_in_time == Support::No {
            let (name, id, time) = (provider.name(), &self.id, rfc3339(time));
            let message = format!("{name}: cannot restore {id} to {time}: it has snapshots only");
            let hint = format!("choose a snapshot from before: `snapkeep list {id}`");
            return Err(one(Failure::new(ErrorKind::Unsupported, message).with_hint(hint)));
        }
        let of = Of::Moment(time);
        if app.mode == Mode::DryRun {
            return Ok(self.not_tried(app, target, of));
        }
        let (task, run) = app.run(target.name.as_str(), "restore");
        let came = self.follow(&opened, of, provider.restore_to_time(time, &request, &run), &run).await;
        self.told(app, came, of, (task, run)).map_err(one)
    }

    fn not_tried(&self, app: &App, target: &Target, of: Of<'_>) -> Came<RestoreRow> {
        let (name, subject) = (target.name.as_str(), targets::subject(&target.settings));
        let over = || format!("over {subject}, and lose what {name} holds now");
        let to = self.to.as_ref().map_or_else(over, |to| format!("to {to}"));
        let with: Vec<String> = self.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
        app.report.info(&format!("would restore {} {to}{with}", of.text(name)));
        Came::NotTried
    }

    /// Begins a restore, and follows it to its end where that is to be waited for.
    async fn follow(
        &self,
        opened: &Opened,
        of: Of<'_>,
        begin: impl Future<Output = Result<Operation<Restored>, Error>>,
        run: &Run,
    ) -> Result<Came<RestoreRow>, Failure> {
        let (provider, deadline) = (&*opened.provider, self.waiting.deadline());
        let operation = operate::within(deadline, opened.stopped, run, begin).await?;
        let (id, time) = match of {
            Of::Snapshot(snapshot) => (Some(snapshot.id.to_string()), None),
            Of::Moment(time) => (None, Some(time)),
        };
        let target = provider.target();
        // Whoever looks later how far it is hears of these no more.
        let mut warned = operation.so_far().map(|restored| restored.warnings.clone()).unwrap_or_default();
        let entry = Entry::new(Doing::Restore, None, of.native());
        let row = |operation: &OperationId, state| OperationRow::of(target, operation, entry.clone(), state);
        let kept = Kept::begun(opened, entry.clone(), &operation, run).await;
        if self.waiting.no_wait && operate::is_running(&operation) {
            warned.iter().for_each(|warning| run.reporter.warn(warning));
            return Ok(Came::Begun(row(&operation.id, State::Running)));
        }
        let done = row(&operation.id, State::Done);
        let restored = operate::wait(provider, operation, deadline, run).await;
        kept.settle(opened, restored.as_ref().err()).await;
        let Restored { to, warnings } = restored?;
        if self.waiting.no_wait {
            return Ok(Came::Begun(done));
        }
        let later: Vec<String> = warnings.into_iter().filter(|warning| !warned.contains(warning)).collect();
        warned.extend(later);
        let row = RestoreRow { id, target: target.to_string(), to, warnings: warned, time };
        Ok(Came::Done(vec![row], Vec::new()))
    }

    /// Says what came of it.
    fn told(
        &self,
        app: &App,
        came: Result<Came<RestoreRow>, Failure>,
        of: Of<'_>,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Came<RestoreRow>, Failure> {
        let elapsed = units::duration(task.elapsed());
        drop((task, run));
        if let Ok(Came::Done(rows, _)) = &came {
            for RestoreRow { target, to, warnings, .. } in rows {
                app.warn(target, warnings);
                let message = format!("restored {} to {to}, in {elapsed}", of.text(target));
                app.report.info_of(Some(target), &message);
            }
        }
        came
    }

    fn request(&self, target: &str) -> Result<RestoreRequest, Failure> {
        let ownership = if self.no_owner { Ownership::Drop } else { Ownership::Keep };
        let to = match (&self.to, self.in_place) {
            (Some(name), false) => RestoreTo::New(name.clone()),
            _ => {
                confirmed(self.confirm.as_deref(), target, "restoring in place", "replaces")?;
                RestoreTo::InPlace
            }
        };
        Ok(RestoreRequest { to, ownership, options: self.options()? })
    }

    fn options(&self) -> Result<RestoreOptions, Failure> {
        let mut options = RestoreOptions::new();
        for (name, value) in &self.set {
            if options.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::usage(format!("--set: {name} is set twice")));
            }
        }
        Ok(options)
    }
}

fn refuse_in_place(provider: &dyn Provider, request: &RestoreRequest) -> Result<(), Failure> {
    if request.to == RestoreTo::InPlace && provider.capabilities().in_place == Support::No {
        let message = format!("{}: can't restore in place", provider.name());
        return Err(Failure::new(ErrorKind::Unsupported, message).with_hint("give a new name with `--to NAME`"));
    }
    Ok(())
}

/// Holds the snapshot for as long as it is read, to be `done` something: what a bucket has is gone when it is deleted. A
/// state that can't be written keeps nobody from reading.
pub(super) async fn hold<'a>(
    app: &App,
    opened: &'a Opened,
    snapshot: &'a Snapshot,
    done: &str,
) -> Result<Option<Pinned<'a>>, Failure> {
    let holding = Pinned::hold(&opened.scope, &snapshot.native_id, done);
    let unheld = |why: &str| {
        app.report.warn(&format!("{}: it is not held while it is {done}: {why}", snapshot.id));
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

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    parsed.map_err(|_| "write a time as 2026-11-22T02:15:00Z".to_owned())
}
