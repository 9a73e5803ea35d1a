//! `snapkeep wait`

use std::time::Duration;

use clap::Args;
use snapkeep_providers::model::{Exported, Imported, Operation, OperationId, Restored, Snapshot, Start, Work};
use snapkeep_providers::shell::shell_word;
use snapkeep_providers::{ErrorKind, Run};
use tokio::time::Instant;

use super::following::{Came, Transfer, Waiting};
use super::making::{Making, tell};
use super::rows::{ExportRow, ImportRow, RestoreRow};
use super::telling::told_of;
use super::{App, Mode, Outcome, export, import};
use crate::catalog::{self, Catalog, Opened, SnapshotRef, Which};
use crate::config::{NotifiedAction, Target};
use crate::copies;
use crate::failure::Failure;
use crate::journal::{self, Found};
use crate::lock::Lock;
use crate::notices::BegunBy;
use crate::operate::{self, Followed};
use crate::render::Row;

/// How soon a lock that somebody else holds is tried again.
const LOOK: Duration = Duration::from_secs(10);

/// Wait until a snapshot and its copies are there, or a restore, export or import has ended
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// The snapshot or the operation
    #[arg(value_name = "ID|OPERATION")]
    id: SnapshotRef,
    /// How long to wait: 2h; without it, as long as it takes
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    timeout: Option<Duration>,
}

impl Wait {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let named = match &self.id.which {
            Which::Native(native) => Some(OperationId::new(native)),
            Which::Latest | Which::LatestVerified => None,
        };
        match named.as_ref().map(|operation| (operation, operation.work())) {
            Some((operation, Work::Restore(_))) => {
                self.finish(app, operation, deadline, |restored| self.restored(app, restored)).await
            }
            Some((operation, Work::Export(_))) => {
                self.finish(app, operation, deadline, |exported| self.exported(app, operation, exported)).await
            }
            Some((operation, Work::Import(_))) => {
                self.finish(app, operation, deadline, |imported| self.imported(app, operation, imported)).await
            }
            Some((_, Work::Snapshot(_))) | None => {
                let config = match app.load() {
                    Ok(config) => config,
                    Err(failures) => return app.finish(&Outcome::<Snapshot>::failed(failures)),
                };
                let waited = self.snapshot(app, &config, named.as_ref(), deadline).await;
                let code = app.finish(&waited.unwrap_or_else(Outcome::failed));
                config.notices().flush().await;
                code
            }
        }
    }

    /// Follows what is no snapshot, and shows what came of it.
    async fn finish<T: Followed, R: Row>(
        &self,
        app: &App,
        operation: &OperationId,
        deadline: Option<Instant>,
        row: impl Fn(T) -> R,
    ) -> u8 {
        let followed = self.follow(app, operation, deadline).await;
        app.finish(&followed.map_or_else(Outcome::failed, |done| Ok(row(done)).into()))
    }

    fn one(&self, failure: Failure) -> Vec<Failure> {
        vec![failure.of(&self.id.target)]
    }

    async fn open<'c>(&self, app: &App, config: &'c Catalog) -> Result<(&'c Target, Opened), Vec<Failure>> {
        let target = catalog::target(config, &self.id.target).map_err(|failure| self.one(failure))?;
        let opened = app.asking(catalog::open(config, target)).await.map_err(|failure| self.one(failure))?;
        Ok((target, opened))
    }

    /// Follows what is no snapshot to its end.
    async fn follow<T: Followed>(
        &self,
        app: &App,
        operation: &OperationId,
        deadline: Option<Instant>,
    ) -> Result<T, Vec<Failure>> {
        let config = app.load()?;
        let (target, opened) = self.open(app, &config).await?;
        if app.mode == Mode::DryRun {
            // Looking how far a restore is may take it further.
            let failure = Failure::usage(format!("waiting for {} can't be tried out", self.id));
            return Err(self.one(failure.with_hint("leave out `--dry-run`")));
        }
        let (_task, run) = app.run(target.name.as_str(), "wait");
        let found = kept(app, &opened, operation).await;
        let followed = async {
            let polling = async { T::poll(&*opened.provider, operation).await.map_err(Failure::from) };
            let operation = app.asking(polling).await?;
            operate::wait(&*opened.provider, operation, deadline, &run).await
        };
        let followed = followed.await;
        settle(&opened, found, followed.as_ref().err()).await;
        followed.map_err(|failure| self.one(failure))
    }

    fn restored(&self, app: &App, restored: Restored) -> RestoreRow {
        let (target, Restored { to, warnings }) = (self.id.target.clone(), restored);
        app.warn(&target, &warnings);
        // Which snapshot it was of, no cloud tells any more.
        RestoreRow { id: None, target, to, warnings, time: None }
    }

    fn exported(&self, app: &App, operation: &OperationId, exported: Exported) -> ExportRow {
        let (target, to) = (self.id.target.as_str(), exported.to.clone());
        app.warn(target, &exported.warnings);
        export::row(target, None, &to, Transfer::done(target, operation, Start::Found, exported))
    }

    fn imported(&self, app: &App, operation: &OperationId, imported: Imported) -> ImportRow {
        let (target, from) = (self.id.target.as_str(), imported.from.clone());
        app.warn(target, &imported.warnings);
        import::row(target, None, &from, Transfer::done(target, operation, Start::Found, imported))
    }

    async fn snapshot(
        &self,
        app: &App,
        config: &Catalog,
        named: Option<&OperationId>,
        deadline: Option<Instant>,
    ) -> Result<Outcome<Snapshot>, Vec<Failure>> {
        let (target, opened) = self.open(app, config).await?;
        let (_task, run) = app.run(target.name.as_str(), "wait");
        let found = match named {
            Some(named) => kept(app, &opened, named).await,
            None => None,
        };
        let waited = async {
            let operation = app.asking(self.operation(&opened, named, found.as_ref())).await?;
            operate::wait(&*opened.provider, operation, deadline, &run).await
        };
        let mut outcome = Outcome::from(waited.await.map_err(|failure| failure.of(&self.id.target)));
        if let Some(snapshot) = outcome.items.first().cloned()
            && copies::are_wanted(&*opened.provider, target.region(), &snapshot)
        {
            self.copy(app, &opened, &snapshot, (deadline, &run), &mut outcome).await;
        }
        if let Some(found) = found.filter(|_| app.mode == Mode::Act) {
            outcome = self.end(app, config, (target, &opened), found, (deadline, &run), outcome).await;
        }
        Ok(outcome)
    }

    /// Keeps it no longer, unless it goes on. Of those who wait for a creation that another process began, the one that takes
    /// it away does what is left to do at its end: its hooks run, and who wants to know is told.
    async fn end(
        &self,
        app: &App,
        config: &Catalog,
        (target, opened): (&Target, &Opened),
        found: Found,
        (deadline, run): (Option<Instant>, &Run),
        mut outcome: Outcome<Snapshot>,
    ) -> Outcome<Snapshot> {
        let failed = outcome.failures.iter().find(|failure| journal::goes_on(failure)).or(outcome.failures.first());
        if !found.entry.is_untold() || failed.is_some_and(journal::goes_on) {
            settle(opened, Some(found), failed).await;
            return outcome;
        }
        let lock = match lock(app, opened, deadline, run).await {
            Ok(lock) => lock,
            Err(failure) => {
                outcome.failures.push(failure.of(&self.id.target));
                return outcome;
            }
        };
        // All who take it away hold the lock: nobody has done so since this look.
        let id = found.id();
        let found = kept(app, opened, &id).await.filter(|found| found.entry.is_untold());
        let key = found.as_ref().and_then(|found| found.entry.key.clone());
        if settle(opened, found, failed).await {
            let waiting = Waiting { no_wait: false, timeout: self.timeout };
            let making = Making { app, target, key: key.as_deref(), tags: &[], waiting: &waiting };
            let telling = app.telling_of(config, (NotifiedAction::Create, BegunBy::Another), target);
            let Outcome { items, mut failures, .. } = outcome;
            let made = match (items.is_empty(), failures.pop()) {
                (true, Some(failure)) => Err(failure),
                (_, last) => {
                    failures.extend(last);
                    Ok(Came::Done(items, failures))
                }
            };
            let made = making.after(made, &run.cancel).await;
            telling.end(told_of(&made));
            outcome = match made {
                Ok(Came::Done(items, failures)) => Outcome { done: items.len(), items, failures },
                Ok(Came::Begun(_) | Came::NotTried) => Outcome::new(),
                Err(failure) => Outcome::failed(vec![failure]),
            };
        }
        lock.release().await;
        outcome
    }

    /// An operation's id is the provider's own; a snapshot's may be shortened. Of one that was never answered the key tells.
    async fn operation(
        &self,
        opened: &Opened,
        named: Option<&OperationId>,
        found: Option<&Found>,
    ) -> Result<Operation<Snapshot>, Failure> {
        let answered = match found {
            Some(found) => Some(journal::answer(opened, found).await?.ok_or_else(|| unanswered(opened, found))?),
            None => None,
        };
        if let Some(operation) = answered.as_ref().or(named) {
            match opened.provider.poll(operation).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                polled => return Ok(polled?),
            }
        }
        let snapshot = opened.resolve(&self.id).await?;
        Ok(opened.provider.poll(&OperationId::new(snapshot.native_id.as_str())).await?)
    }

    /// Makes the copies that a creation began without, or that failed then.
    async fn copy(
        &self,
        app: &App,
        opened: &Opened,
        snapshot: &Snapshot,
        (deadline, run): (Option<Instant>, &Run),
        outcome: &mut Outcome<Snapshot>,
    ) {
        if app.mode == Mode::DryRun {
            let to: Vec<String> = opened.provider.copies().iter().map(ToString::to_string).collect();
            return app.report.info(&format!("would copy {} to {}", snapshot.id, to.join(", ")));
        }
        let lock = match lock(app, opened, deadline, run).await {
            Ok(lock) => lock,
            Err(failure) => return outcome.failures.push(failure.of(&self.id.target)),
        };
        let begun = std::time::Instant::now();
        let copied = copies::make(opened, &snapshot.native_id, deadline, run).await;
        lock.release().await;
        let elapsed = chrono::TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
        for copy in copied {
            if let Ok(made) = &copy {
                app.report.info_of(Some(&self.id.target), &tell(made, elapsed));
            }
            let copy = copy.map(|made| made.snapshot);
            outcome.add(copy.map_err(|failure| app.or_lock_lost(failure).of(&self.id.target)));
        }
    }
}

/// What is kept of an operation. A state that can't be read keeps nobody from waiting.
async fn kept(app: &App, opened: &Opened, operation: &OperationId) -> Option<Found> {
    match app.asking(journal::find(&opened.scope, operation)).await {
        Ok(found) => found,
        Err(failure) => {
            app.report.debug(&failure.message);
            None
        }
    }
}

/// Keeps it no longer, unless it goes on, or may: whether it was this process that took it away.
async fn settle(opened: &Opened, found: Option<Found>, failed: Option<&Failure>) -> bool {
    let Some(found) = found else { return false };
    if let Some(failure) = failed
        && journal::may_go_on(opened, &found, failure).await
    {
        return false;
    }
    // One that can't be taken away is shown as done.
    found.end(&opened.scope).await.unwrap_or(false)
}

/// Nothing is found of a creation whose answer was never seen.
fn unanswered(opened: &Opened, found: &Found) -> Failure {
    let (target, id) = (opened.name(), found.id());
    let message = format!("{target}/{id} was asked for, and the answer was never seen; nothing is found of it");
    let hint = match &found.entry.key {
        Some(key) => format!("the same key finds or makes it: `snapkeep create {target} --key {}`", shell_word(key)),
        None => format!("look for it: `snapkeep list {target}`; it can be made again"),
    };
    Failure::new(ErrorKind::NotFound, message).with_hint(hint)
}

/// Takes the target's lock, and waits for whoever holds it: it may be making the same copies.
async fn lock(app: &App, opened: &Opened, deadline: Option<Instant>, run: &Run) -> Result<Lock, Failure> {
    let mut told = false;
    loop {
        let failure = match opened.lock("wait", run.cancel.clone()).await {
            Err(failure) if failure.kind == ErrorKind::Locked => failure,
            taken => return taken,
        };
        let next = Instant::now() + LOOK;
        if deadline.is_some_and(|deadline| deadline <= next) {
            return Err(failure);
        }
        if !told {
            app.report.info(&format!("{}; its end is waited for", failure.message));
            told = true;
        }
        tokio::select! {
            biased;
            () = run.cancel.cancelled() => return Err(Failure::new(ErrorKind::Interrupted, "interrupted")),
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapkeep_providers::memory::{Fault, Memory, Verb};
    use snapkeep_providers::model::CreateRequest;
    use snapkeep_providers::{Provider, Run};

    use super::*;

    #[tokio::test]
    async fn only_what_is_not_an_operation_is_looked_for_among_the_snapshots() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new("orders".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
        let operation = memory.create(&CreateRequest::default(), &Run::silent()).await.unwrap().id;
        let opened = Opened::of(Arc::new(memory.clone()), crate::state::tests::scope(folder.path()));
        let wait = |id: &str| Wait { id: format!("orders/{id}").parse().unwrap(), timeout: None };
        let of = |id: &str| OperationId::new(id);
        for (fault, exit) in [(Fault::Denied, 5), (Fault::Throttle, 6), (Fault::Unreachable, 1)] {
            memory.script(Verb::Poll, fault);
            memory.script(Verb::List, Fault::FailedOperation);
            let failure = wait("create-0001").operation(&opened, Some(&operation), None).await.unwrap_err();
            assert_eq!(failure.exit, exit, "{fault:?}");
        }
        assert!(wait("create-0001").operation(&opened, Some(&operation), None).await.is_ok());
        let missing = wait("sk-1").operation(&opened, Some(&of("sk-1")), None).await.unwrap_err();
        assert_eq!(
            (missing.exit, missing.message.as_str()),
            (1, "memory: cannot list orders: it failed"),
            "the list is read"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_somebody_else_holds_is_waited_for_until_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new("orders".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
        let opened = Opened::of(Arc::new(memory), crate::state::tests::scope(folder.path()));
        let (app, _) = App::of("snapkeep -q doctor");
        let run = Run::silent();
        let other = opened.lock("create", run.cancel.child_token()).await.unwrap();
        let deadline = Some(Instant::now() + LOOK * 3);
        assert_eq!(lock(&app, &opened, deadline, &run).await.unwrap_err().exit, 11);
        let ends = async {
            tokio::time::sleep(LOOK * 3).await;
            other.release().await;
        };
        let (taken, ()) = tokio::join!(lock(&app, &opened, None, &run), ends);
        taken.unwrap().release().await;
        let _other = opened.lock("create", run.cancel.child_token()).await.unwrap();
        run.cancel.cancel();
        assert_eq!(lock(&app, &opened, None, &run).await.unwrap_err().exit, 130);
    }
}
