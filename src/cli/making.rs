//! The making of a snapshot, for every verb that makes one.

use std::sync::Arc;

use chrono::TimeDelta;
use snapkeep_providers::model::{CreateRequest, Operation, RowCounts, Snapshot};
use snapkeep_providers::{Provider, Run};

use super::App;
use super::following::{Came, Waiting};
use super::rows::{OperationRow, State};
use crate::apply::{self, Applied};
use crate::catalog::Opened;
use crate::config::Target;
use crate::copies::{self, Made};
use crate::failure::Failure;
use crate::journal::{self, Doing, Entry, Kept};
use crate::lock::Lock;
use crate::operate::{self, Begun};
use crate::report::Task;
use crate::units;

/// What a snapshot that was there has in common with the one that was asked for.
const SAME_KEY: &str = "with the same key";

/// A snapshot that is to be made.
pub(super) struct Making<'a> {
    pub(super) app: &'a App,
    pub(super) target: &'a Target,
    /// The caller's: the same one is the same snapshot.
    pub(super) key: Option<&'a str>,
    /// Labels besides the target's own.
    pub(super) tags: &'a [(String, String)],
    pub(super) waiting: &'a Waiting,
}

impl Making<'_> {
    /// Makes it, under the lock of its target, with the copies that the config asks for.
    pub(super) async fn make(&self, opened: &Opened) -> Result<Came<Snapshot>, Failure> {
        let (task, run) = self.app.run(self.target.name.as_str(), "create");
        let lock = opened.lock("create", run.cancel.clone()).await?;
        let cancel = run.cancel.clone();
        let made = self.hooked(opened, &cancel, self.kept(opened, &lock, (task, run))).await;
        lock.release().await;
        made
    }

    /// Makes it, and remembers that until its end is seen.
    async fn kept(&self, opened: &Opened, lock: &Lock, work: (Arc<Task>, Run)) -> Result<Came<Snapshot>, Failure> {
        let mut kept = Kept::begin(opened, Entry::new(Doing::Create, self.key, None)).await?;
        if let Some(earlier) = kept.resumed() {
            let (target, at) = (&self.target.name, units::time(earlier.begun_at));
            let message = format!("goes on with what {} began at {at} UTC", earlier.host);
            self.app.report.info_of(Some(target.as_str()), &message);
        }
        let made = self.follow(opened, lock, &mut kept, work).await;
        if !matches!(made, Ok(Came::Begun(_))) {
            kept.settle(opened, made.as_ref().err()).await;
        }
        made
    }

    async fn follow(
        &self,
        opened: &Opened,
        lock: &Lock,
        kept: &mut Kept<'_>,
        (task, run): (Arc<Task>, Run),
    ) -> Result<Came<Snapshot>, Failure> {
        let (app, provider, no_wait) = (self.app, &*opened.provider, self.waiting.no_wait);
        let request = self.request();
        let deadline = self.waiting.deadline();
        let at = Begun::now();
        let operation = operate::within(deadline, opened.stopped, &run, provider.create(&request, &run)).await;
        let mut operation = operation.map_err(|failure| app.or_lock_lost(failure))?;
        kept.answered(&operation, &run).await;
        if no_wait {
            tell_of_copies(app, provider, &operation);
            if operate::is_running(&operation) {
                let entry = Entry::new(Doing::Create, self.key, None).answered(&operation);
                return Ok(Came::Begun(OperationRow::of(provider.target(), &operation.id, entry, State::Running)));
            }
        }
        let begun = Begun::of(at, &operation);
        let beside = std::mem::take(&mut operation.copies);
        let snapshot = operate::wait(provider, operation, deadline, &run).await;
        let snapshot = snapshot.map_err(|failure| app.or_lock_lost(failure))?;
        let beside = beside.into_iter().map(|copy| Ok(Made { snapshot: copy?, begun, same: SAME_KEY }));
        let mut copies: Vec<Result<Made, Failure>> = beside.collect();
        if !no_wait && snapshot.is_good() {
            copies.extend(copies::make(opened, &snapshot.native_id, deadline, &run).await);
        }
        let (mut made, mut failed) = (vec![Made { snapshot, begun, same: SAME_KEY }], Vec::new());
        for copy in copies {
            match copy {
                Ok(copied) => made.push(copied),
                Err(failure) => failed.push(app.or_lock_lost(failure).of(&self.target.name)),
            }
        }
        // A store that just failed would only fail again, and as slowly.
        if failed.is_empty() {
            sweep(app, opened, lock).await;
        }
        let told: Vec<String> = made.iter().map(|made| tell(made, task.elapsed())).collect();
        drop((task, run));
        told.iter().for_each(|line| app.report.info_of(Some(self.target.name.as_str()), line));
        Ok(Came::Done(made.into_iter().map(|made| made.snapshot).collect(), failed))
    }

    fn request(&self) -> CreateRequest {
        let mut tags = self.target.tags.clone();
        tags.extend(self.tags.iter().cloned());
        let row_counts = match self.target.verify.row_counts {
            Some(true) => RowCounts::Record,
            Some(false) | None => RowCounts::Skip,
        };
        CreateRequest { key: self.key.map(ToOwned::to_owned), tags, row_counts }
    }
}

/// Sweeps the debris of earlier runs. The snapshot is made: what goes wrong here is told, and no failure.
async fn sweep(app: &App, opened: &Opened, lock: &Lock) {
    let mut applied = Applied::default();
    apply::sweep(opened, &mut applied, lock, app.now).await;
    if applied.swept > 0 {
        let message = format!("swept {} unfinished from before", applied.swept);
        app.report.info_of(Some(opened.name().as_str()), &message);
    }
    let journal = journal::sweep(opened, app.now).await;
    for failure in applied.failures.into_iter().chain(journal.err()) {
        app.report.warn(&failure.message);
    }
}

/// Who makes the copies that nobody waits for.
fn tell_of_copies(app: &App, provider: &dyn Provider, operation: &Operation<Snapshot>) {
    let to: Vec<String> = provider.copies().iter().map(ToString::to_string).collect();
    if !to.is_empty() {
        let (target, to) = (provider.target(), to.join(", "));
        let message = format!("the copies to {to} are made by `snapkeep wait {target}/{}`", operation.id);
        app.report.info_of(Some(target.as_str()), &message);
    }
}

/// What was made, or was there before.
pub(super) fn tell(made: &Made, elapsed: TimeDelta) -> String {
    let Made { snapshot, begun, same } = made;
    let Snapshot { id, size_bytes, location, .. } = snapshot;
    let size = size_bytes.map(|size| format!(", {}", units::bytes(size))).unwrap_or_default();
    // A region, or the name of a store and where that is.
    let place = location.as_ref().and_then(|location| location.split(':').next());
    let place = place.map(|place| format!(" in {place}")).unwrap_or_default();
    if begun.found(snapshot) {
        return format!("{id} is there already{place}, {same}{size}");
    }
    format!("made {id}{place}{size}, in {}", units::duration(elapsed))
}
