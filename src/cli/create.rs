//! `snapkeep create`

use std::sync::Arc;

use chrono::TimeDelta;
use clap::Args;
use futures::{StreamExt, stream};
use snapkeep_providers::model::{CreateRequest, Operation, OperationId, OperationState, RowCounts, Snapshot};
use snapkeep_providers::{ErrorKind, Provider, Run};

use super::following::{Came, Waiting};
use super::rows::{OperationRow, State};
use super::{App, Mode, Outcome};
use crate::apply::{self, Applied};
use crate::catalog::{self, Catalog, Opened};
use crate::config::Target;
use crate::copies::{self, Made};
use crate::failure::Failure;
use crate::lock::Lock;
use crate::operate::{self, Begun};
use crate::report::Task;
use crate::units;

/// How many targets are worked on at once.
const CONCURRENCY: usize = 4;
/// What a snapshot that was there has in common with the one that was asked for.
const SAME_KEY: &str = "with the same key";

/// Make a snapshot of each target
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The targets
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// The same key for the same target is the same snapshot
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,
    /// A label, besides the target's own; may be given several times
    #[arg(long, value_name = "K=V", value_parser = super::list::tag)]
    tag: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

fn key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 256 || text.contains(char::is_control) {
        return Err("a key has 1 to 256 bytes and no control characters".into());
    }
    Ok(text.to_owned())
}

impl Create {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let (config, names) = match app.load() {
            Ok(config) => (config, &self.targets),
            Err(failures) => return self.refused(app, failures),
        };
        let targets = match catalog::targets(&config, names) {
            Ok(targets) => targets,
            Err(failures) => return self.refused(app, failures),
        };
        let made: Vec<Result<Came<Snapshot>, Failure>> = stream::iter(targets)
            .map(|target| async { self.create(app, &config, target).await.map_err(|failure| failure.of(&target.name)) })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let (mut snapshots, mut operations) = (Outcome::new(), Outcome::new());
        for result in made {
            match result {
                Ok(Came::Done(made, failed)) if self.waiting.no_wait => {
                    made.iter().for_each(|snapshot| operations.add(Ok(done_row(snapshot))));
                    operations.failures.extend(failed);
                }
                Ok(Came::Done(made, failed)) => {
                    made.into_iter().for_each(|snapshot| snapshots.add(Ok(snapshot)));
                    snapshots.failures.extend(failed);
                }
                Ok(Came::Begun(row)) => operations.add(Ok(row)),
                Ok(Came::NotTried) => snapshots.done += 1,
                Err(failure) if self.waiting.no_wait => operations.failures.push(failure),
                Err(failure) => snapshots.failures.push(failure),
            }
        }
        if self.waiting.no_wait { app.finish(&operations) } else { app.finish(&snapshots) }
    }

    /// Nothing was tried: a document of the kind that it would have been.
    fn refused(&self, app: &App, failures: Vec<Failure>) -> u8 {
        if self.waiting.no_wait {
            app.finish(&Outcome::<OperationRow>::failed(failures))
        } else {
            app.finish(&Outcome::<Snapshot>::failed(failures))
        }
    }

    async fn create(&self, app: &App, config: &Catalog, target: &Target) -> Result<Came<Snapshot>, Failure> {
        if app.cancel.is_cancelled() {
            return Err(Failure::new(ErrorKind::Interrupted, format!("{}: interrupted before it began", target.name)));
        }
        let opened = app.asking(catalog::open(config, target)).await?;
        let provider = &*opened.provider;
        if app.mode == Mode::DryRun {
            return self.try_out(app, provider).await;
        }
        let (task, run) = app.run(target.name.as_str(), "create");
        let lock = opened.lock("create", run.cancel.clone()).await?;
        let made = self.make(app, &opened, &lock, target, (task, run)).await;
        lock.release().await;
        made
    }

    /// Makes the snapshot, under the lock of its target.
    async fn make(
        &self,
        app: &App,
        opened: &Opened,
        lock: &Lock,
        target: &Target,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Came<Snapshot>, Failure> {
        let provider = &*opened.provider;
        let request = self.request(target);
        let deadline = self.waiting.deadline();
        let at = Begun::now();
        let operation = operate::within(deadline, &run, provider.create(&request, &run)).await;
        let mut operation = operation.map_err(|failure| app.or_lock_lost(failure))?;
        if self.waiting.no_wait {
            tell_of_copies(app, provider, &operation);
            if operate::is_running(&operation) {
                return Ok(Came::Begun(running_row(provider, &operation)));
            }
        }
        let begun = Begun::of(at, &operation);
        let beside = std::mem::take(&mut operation.copies);
        let snapshot = operate::wait(provider, operation, deadline, &run).await;
        let snapshot = snapshot.map_err(|failure| app.or_lock_lost(failure))?;
        let beside = beside.into_iter().map(|copy| Ok(Made { snapshot: copy?, begun, same: SAME_KEY }));
        let mut copies: Vec<Result<Made, Failure>> = beside.collect();
        if !self.waiting.no_wait && snapshot.is_good() {
            copies.extend(copies::make(opened, &snapshot.native_id, deadline, &run).await);
        }
        let (mut made, mut failed) = (vec![Made { snapshot, begun, same: SAME_KEY }], Vec::new());
        for copy in copies {
            match copy {
                Ok(copied) => made.push(copied),
                Err(failure) => failed.push(app.or_lock_lost(failure).of(&target.name)),
            }
        }
        // A store that just failed would only fail again, and as slowly.
        if failed.is_empty() {
            sweep(app, opened, lock).await;
        }
        let told: Vec<String> = made.iter().map(|made| tell(made, task.elapsed())).collect();
        drop((task, run));
        told.iter().for_each(|line| app.report.info(line));
        Ok(Came::Done(made.into_iter().map(|made| made.snapshot).collect(), failed))
    }

    fn request(&self, target: &Target) -> CreateRequest {
        let mut tags = target.tags.clone();
        tags.extend(self.tag.iter().cloned());
        let row_counts = match target.verify.row_counts {
            Some(true) => RowCounts::Record,
            Some(false) | None => RowCounts::Skip,
        };
        CreateRequest { key: self.key.clone(), tags, row_counts }
    }

    /// Checks what would be needed, and makes nothing.
    async fn try_out(&self, app: &App, provider: &dyn Provider) -> Result<Came<Snapshot>, Failure> {
        let checks = tokio::select! {
            biased;
            () = app.cancel.cancelled() => return Err(Failure::new(ErrorKind::Interrupted, "interrupted")),
            checks = provider.check() => checks,
        };
        for check in checks {
            check.outcome?;
        }
        app.report.info(&format!("{}: would make a snapshot; everything that it needs is there", provider.target()));
        Ok(Came::NotTried)
    }
}

/// Sweeps the debris of earlier runs. The snapshot is made: what goes wrong here is told, and no failure.
async fn sweep(app: &App, opened: &Opened, lock: &Lock) {
    let mut applied = Applied::default();
    apply::sweep(opened, &mut applied, lock, app.now).await;
    if applied.swept > 0 {
        app.report.info(&format!("{}: swept {} unfinished from before", opened.name(), applied.swept));
    }
    for failure in applied.failures {
        app.report.warn(&failure.message);
    }
}

/// Who makes the copies that nobody waits for.
fn tell_of_copies(app: &App, provider: &dyn Provider, operation: &Operation<Snapshot>) {
    let to: Vec<String> = provider.copies().iter().map(ToString::to_string).collect();
    if !to.is_empty() {
        let (target, to) = (provider.target(), to.join(", "));
        app.report.info(&format!("{target}: the copies to {to} are made by `snapkeep wait {target}/{}`", operation.id));
    }
}

/// What was made, or was there before.
pub(super) fn tell(made: &Made, elapsed: TimeDelta) -> String {
    let Made { snapshot, begun, same } = made;
    let Snapshot { target, id, size_bytes, location, .. } = snapshot;
    let size = size_bytes.map(|size| format!(", {}", units::bytes(size))).unwrap_or_default();
    // A region, or the name of a store and where that is.
    let place = location.as_ref().and_then(|location| location.split(':').next());
    let place = place.map(|place| format!(" in {place}")).unwrap_or_default();
    if begun.found(snapshot) {
        return format!("{target}: {id} is there already{place}, {same}{size}");
    }
    format!("{target}: made {id}{place}{size}, in {}", units::duration(elapsed))
}

pub(super) fn done_row(snapshot: &Snapshot) -> OperationRow {
    let operation = OperationId::new(snapshot.native_id.as_str());
    OperationRow::new(&snapshot.target, &operation, Some(snapshot.id.to_string()), State::Done)
}

pub(super) fn running_row(provider: &dyn Provider, operation: &Operation<Snapshot>) -> OperationRow {
    let snapshot = match &operation.state {
        OperationState::Running { so_far: Some(snapshot), .. } => Some(snapshot.id.to_string()),
        _ => None,
    };
    OperationRow::new(provider.target(), &operation.id, snapshot, State::Running)
}
