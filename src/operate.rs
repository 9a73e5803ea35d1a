//! Waits for what a provider is doing.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use snapkeep_providers::model::{
    Exported, Imported, Operation, OperationId, OperationState, Restored, Snapshot, Start,
};
use snapkeep_providers::{Error, ErrorKind, Progress, Provider, Run};
use tokio::time::Instant;

use crate::failure::Failure;

/// The first and the longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// The longest pause that a provider may ask for.
const ASKED: Duration = Duration::from_secs(120);
/// How long it may take until what was begun is shown.
const UNSEEN: Duration = Duration::from_secs(30);
/// How many looks in a row may fail before it is said.
const TOLD: u32 = 2;
/// What a pause is multiplied by.
const JITTER: std::ops::Range<f64> = 0.75..1.25;

/// How an operation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    at: DateTime<Utc>,
    start: Start,
}

impl Begun {
    /// The moment before the call, as exact as a manifest is.
    pub(crate) fn now() -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }

    /// Of the call that was made `at` that moment, and gave `operation`.
    pub(crate) fn of<T>(at: DateTime<Utc>, operation: &Operation<T>) -> Self {
        Self { at, start: operation.start }
    }

    /// Whether the call found the snapshot there. A dump tells when it was completed, as of those in several stores some may
    /// have been there.
    pub(crate) fn found(&self, snapshot: &Snapshot) -> bool {
        snapshot.completed_at.map_or(self.start == Start::Found, |completed| completed < self.at)
    }
}

/// Whether it goes on.
pub(crate) fn is_running<T>(operation: &Operation<T>) -> bool {
    matches!(operation.state, OperationState::Running { .. })
}

/// What comes of an operation that can be followed.
pub(crate) trait Followed: Sized {
    /// How far it is.
    fn poll(
        provider: &dyn Provider,
        operation: &OperationId,
    ) -> impl Future<Output = Result<Operation<Self>, Error>> + Send;
}

impl Followed for Snapshot {
    async fn poll(provider: &dyn Provider, operation: &OperationId) -> Result<Operation<Self>, Error> {
        provider.poll(operation).await
    }
}

impl Followed for Restored {
    async fn poll(provider: &dyn Provider, operation: &OperationId) -> Result<Operation<Self>, Error> {
        provider.poll_restore(operation).await
    }
}

impl Followed for Exported {
    async fn poll(provider: &dyn Provider, operation: &OperationId) -> Result<Operation<Self>, Error> {
        provider.poll_export(operation).await
    }
}

impl Followed for Imported {
    async fn poll(provider: &dyn Provider, operation: &OperationId) -> Result<Operation<Self>, Error> {
        provider.poll_import(operation).await
    }
}

/// Follows `operation` to its end, or to `deadline`.
pub(crate) async fn wait<T: Followed>(
    provider: &dyn Provider,
    mut operation: Operation<T>,
    deadline: Option<Instant>,
    run: &Run,
) -> Result<T, Failure> {
    let (mut pause, mut unanswered) = (PAUSE.0, 0);
    let since = Instant::now();
    loop {
        let percent = match operation.state {
            OperationState::Done(result) => return Ok(result),
            OperationState::Failed(error) => return Err(error.into()),
            OperationState::Running { percent, .. } => percent,
        };
        run.reporter.progress(Progress { percent, ..Progress::default() });
        // Many that began at once are not to ask at once for ever.
        let next = Instant::now() + operation.again_in.unwrap_or(pause).min(ASKED).mul_f64(rand::random_range(JITTER));
        let late = deadline.is_some_and(|deadline| deadline <= next);
        tokio::select! {
            biased;
            () = run.cancel.cancelled() => return Err(stopped_waiting(provider, &operation.id)),
            () = tokio::time::sleep_until(deadline.map_or(next, |deadline| deadline.min(next))) => {}
        }
        if late {
            return Err(timed_out(provider, &operation.id));
        }
        pause = (pause * 2).min(PAUSE.1);
        operation = match T::poll(provider, &operation.id).await {
            Ok(operation) => {
                unanswered = 0;
                operation
            }
            // The operation goes on whether or not one look at it succeeds.
            Err(error) if error.kind().is_retryable() || is_unseen(&error, since) => {
                unanswered += 1;
                if unanswered == TOLD {
                    run.reporter.warn(&format!("{error}; it goes on, and is looked at again"));
                }
                let state = OperationState::Running { so_far: None, percent };
                Operation { state, again_in: None, ..operation }
            }
            Err(error) => return Err(still_there(provider, &operation, error)),
        };
    }
}

/// What was just begun may not be shown yet.
fn is_unseen(error: &Error, since: Instant) -> bool {
    error.kind() == ErrorKind::NotFound && since.elapsed() < UNSEEN
}

/// What could not be looked at may well go on.
fn still_there<T>(provider: &dyn Provider, operation: &Operation<T>, error: Error) -> Failure {
    let (missing, failure) = (error.kind() == ErrorKind::NotFound, Failure::from(error));
    match &failure.hint {
        _ if missing => failure,
        None => going_on(provider, &operation.id, failure),
        Some(_) => Failure { operation: Some(format!("{}/{}", provider.target(), operation.id)), ..failure },
    }
}

fn going_on(provider: &dyn Provider, operation: &OperationId, failure: Failure) -> Failure {
    let id = format!("{}/{operation}", provider.target());
    let hint = format!("it goes on: `snapkeep wait {id}`");
    Failure { operation: Some(id), ..failure }.with_hint(hint)
}

fn timed_out(provider: &dyn Provider, operation: &OperationId) -> Failure {
    let message = format!("{}: waiting for {} timed out", provider.name(), provider.target());
    going_on(provider, operation, Failure::new(ErrorKind::Timeout, message))
}

fn stopped_waiting(provider: &dyn Provider, operation: &OperationId) -> Failure {
    let message = format!("{}: waiting for {} was interrupted", provider.name(), provider.target());
    going_on(provider, operation, Failure::new(ErrorKind::Interrupted, message))
}

/// The same of what is not to be cancelled with its like.
pub(crate) async fn in_time<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(deadline) = deadline else { return work.await };
    let late = || {
        let failure = Failure::new(ErrorKind::Timeout, "it could not be begun within --timeout");
        failure.with_hint("allow more time with `--timeout`")
    };
    tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| Err(late()))
}

/// What is left of a call that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nothing: a dump is undone.
    LeavesNothing,
    /// Perhaps all of it: a cloud may have heard.
    MayGoOn,
}

/// Runs `work`, and cancels it at `deadline`.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    stopped: Stopped,
    run: &Run,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    tokio::pin!(work);
    let Some(deadline) = deadline else { return work.await.map_err(Failure::from) };
    tokio::select! {
        biased;
        done = &mut work => return done.map_err(Failure::from),
        () = tokio::time::sleep_until(deadline) => run.cancel.cancel(),
    }
    match work.await {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            let message = match stopped {
                Stopped::LeavesNothing => "it took longer than --timeout, and was stopped; nothing is left of it",
                Stopped::MayGoOn => "there was no answer within --timeout; it may have begun all the same",
            };
            Err(Failure::new(ErrorKind::Timeout, message).with_hint("allow more time with `--timeout`"))
        }
        done => done.map_err(Failure::from),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapkeep_providers::memory::{Fault, Memory, Verb};
    use snapkeep_providers::model::CreateRequest;

    use super::*;
    use crate::failure::Code;

    fn memory(polls: u32) -> Memory {
        let start: DateTime<Utc> = "2026-11-22T02:00:00Z".parse().unwrap();
        Memory::new("orders".parse().unwrap(), start).with_polls(polls)
    }

    async fn create_and_wait(memory: &Memory, limit: Option<Duration>, run: &Run) -> Result<Snapshot, Failure> {
        let operation = memory.create(&CreateRequest::default(), run).await.unwrap();
        wait(memory, operation, limit.map(|limit| Instant::now() + limit), run).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_followed_to_its_end() {
        let snapshot = create_and_wait(&memory(7), None, &Run::silent()).await.unwrap();
        assert!(snapshot.is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_that_times_out_names_the_operation() {
        let failure = create_and_wait(&memory(1000), Some(Duration::from_secs(90)), &Run::silent()).await.unwrap_err();
        assert_eq!((failure.exit, failure.code), (8, Code::Timeout));
        let operation = failure.operation.unwrap();
        assert_eq!(failure.hint, Some(format!("it goes on: `snapkeep wait {operation}`")));
        assert!(operation.starts_with("orders/"), "{operation}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_look_that_fails_ends_no_waiting_and_a_failed_operation_does() {
        let memory = memory(3);
        memory.script(Verb::Poll, Fault::Throttle);
        memory.script(Verb::Poll, Fault::Unreachable);
        assert!(create_and_wait(&memory, None, &Run::silent()).await.is_ok());
        memory.script(Verb::Create, Fault::FailedOperation);
        assert_eq!(create_and_wait(&memory, None, &Run::silent()).await.unwrap_err().exit, 1);
    }

    #[derive(Default)]
    struct Warned(std::sync::Mutex<Vec<String>>);

    impl snapkeep_providers::Reporter for Warned {
        fn progress(&self, _: Progress) {}
        fn warn(&self, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_fail_in_a_row_are_told_once() {
        for (failing, told) in [(1, 0), (3, 1)] {
            let memory = memory(9);
            (0..failing).for_each(|_| memory.script(Verb::Poll, Fault::Unreachable));
            let reporter = Arc::new(Warned::default());
            let run = Run { reporter: reporter.clone(), cancel: Default::default() };
            create_and_wait(&memory, None, &run).await.unwrap();
            let warned = reporter.0.lock().unwrap();
            assert_eq!(warned.len(), told, "{warned:?}");
            assert!(warned.iter().all(|warning| warning.ends_with("it goes on, and is looked at again")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_interruption_ends_the_waiting_and_names_the_operation() {
        let run = Run { reporter: Arc::new(snapkeep_providers::Silent), cancel: Default::default() };
        let memory = memory(1000);
        let operation = memory.create(&CreateRequest::default(), &run).await.unwrap();
        run.cancel.cancel();
        let failure = wait(&memory, operation, None, &run).await.unwrap_err();
        assert_eq!(failure.exit, 130);
        assert!(failure.operation.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_stopped_is_undone_only_where_it_is_ours() {
        for (stopped, said) in [(Stopped::LeavesNothing, "nothing is left of it"), (Stopped::MayGoOn, "may have begun")]
        {
            let run = Run { reporter: Arc::new(snapkeep_providers::Silent), cancel: Default::default() };
            let work = async {
                run.cancel.cancelled().await;
                Err::<(), _>(Error::new(ErrorKind::Interrupted, "x", "do", "y", "it was cancelled"))
            };
            let deadline = Some(Instant::now() + Duration::from_secs(5));
            let failure = within(deadline, stopped, &run, work).await.unwrap_err();
            assert!(failure.exit == 8 && failure.message.contains(said), "{}", failure.message);
        }
    }

    #[test]
    fn a_snapshot_was_there_before_when_it_or_its_provider_says_so() {
        let now = Begun::now();
        let of = |start| Begun { at: now, start };
        let snapshot = |completed_at| {
            let start: DateTime<Utc> = "2026-11-22T02:00:00Z".parse().unwrap();
            let memory = Memory::new("orders".parse().unwrap(), start);
            Snapshot { completed_at, ..foreign(&memory) }
        };
        assert!(of(Start::Found).found(&snapshot(None)) && !of(Start::Begun).found(&snapshot(None)), "a cloud's");
        assert!(!of(Start::Begun).found(&snapshot(Some(now))), "a dump that was made");
        assert!(of(Start::Begun).found(&snapshot(Some(now - chrono::TimeDelta::seconds(1)))), "a dump that was there");
    }

    fn foreign(memory: &Memory) -> Snapshot {
        use futures::FutureExt;
        memory.add_foreign(snapkeep_providers::model::Origin::Owned);
        let listing = memory.list(snapkeep_providers::model::ListScope::Own).now_or_never().unwrap();
        listing.unwrap().snapshots.remove(0)
    }
}
