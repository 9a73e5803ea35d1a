//! Proof by a restore on trial: a cloud restores into something that is made for it and deleted again, whatever comes of it.
//!
//! For clouds that show nobody a snapshot's bytes, where no lower level can be had.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Finding, Operation, OperationId, OperationState, Restored, Verification, VerifyLevel, VerifyRequest,
};

/// One restore on trial, as a cloud does it.
#[async_trait]
pub(crate) trait Trial: Sync {
    /// What is made: `scratch instance`.
    fn thing(&self) -> &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// An error of the verification.
    fn error(&self, kind: ErrorKind, reason: &str) -> Error;

    /// The first and the longest pause between two looks.
    fn pauses(&self) -> (Duration, Duration);

    /// Begins it.
    async fn begin(&self) -> Result<Operation<Restored>>;

    /// How far it is.
    async fn look(&self, id: &OperationId) -> Result<Operation<Restored>>;

    /// Why it failed, of kind [`ErrorKind::Verification`] where the snapshot is to blame. That a cloud had no room says
    /// nothing about it.
    async fn blame(&self, error: Error) -> Error {
        error
    }

    /// Deletes what was made, and waits until it is gone. One that was never made is deleted.
    async fn discard(&self) -> Result<()>;

    /// The cloud's own command that deletes it.
    fn by_hand(&self) -> String;
}

/// Refuses a level that `cloud` has no way to, and says what of the request is left out.
pub(crate) fn refuse_level(
    cloud: &str,
    subject: &str,
    (request, run): (&VerifyRequest, &Run),
    error: impl FnOnce(ErrorKind, &str) -> Error,
) -> Result<()> {
    if request.level != VerifyLevel::Restore {
        let reason = format!("{cloud} shows nobody a snapshot's bytes, so there is no level {}", request.level);
        let hint = format!("restore it on trial: `snapkeep verify {subject} --level restore`");
        return Err(error(ErrorKind::Unsupported, &reason).with_hint(hint));
    }
    if !request.assertions.is_empty() {
        run.reporter.warn("assertions are not asked here: what is restored on trial is not connected to");
    }
    Ok(())
}

/// The hint of what may have been left behind.
pub(crate) fn left(by_hand: &str) -> String {
    format!("delete it if it is there, it costs money: {by_hand}")
}

/// Restores on trial, and deletes again.
pub(crate) async fn prove(trial: &impl Trial, run: &Run) -> Result<Verification> {
    // Not cut off: of a call that is under way nobody knows what it has made.
    let restored = match trial.begin().await {
        Ok(operation) => tokio::select! {
            biased;
            () = run.cancel.cancelled() => Err(trial.error(ErrorKind::Interrupted, "it was interrupted")),
            restored = followed(trial, operation) => restored,
        },
        Err(error) => Err(error),
    };
    let (thing, name) = (trial.thing(), trial.name());
    if run.cancel.is_cancelled() {
        run.reporter.warn(&format!("deleting the {thing} {name}; it costs money while it is there"));
    }
    let left_behind = trial.discard().await.err();
    let outcome = match restored {
        Ok(minutes) => Ok(format!("a {thing} was there within {minutes} min")),
        Err(error) if error.kind() == ErrorKind::Verification => Err(error),
        Err(error) => {
            return Err(match &left_behind {
                Some(left) => error.with_hint(left.hint().unwrap_or_default()),
                // Of what nobody knows whether it has begun it may be there later.
                None if error.kind().is_retryable() => error.with_hint(left(&trial.by_hand())),
                None => error,
            });
        }
    };
    let findings = vec![Finding { name: "restore".into(), outcome }];
    Ok(Verification { level: VerifyLevel::Restore, findings, left_behind })
}

/// Follows it to its end, whatever single looks at it give. Gives within how many minutes it was there.
async fn followed(trial: &impl Trial, mut operation: Operation<Restored>) -> Result<u64> {
    let (begun, (mut pause, longest)) = (Instant::now(), trial.pauses());
    loop {
        match operation.state {
            OperationState::Done(_) => return Ok(begun.elapsed().as_secs().div_ceil(60)),
            OperationState::Failed(error) => return Err(trial.blame(error).await),
            OperationState::Running { .. } => sleep(operation.again_in.unwrap_or(pause).min(longest)).await,
        }
        pause = (pause * 2).min(longest);
        operation = match trial.look(&operation.id).await {
            Ok(operation) => operation,
            // It goes on whether or not one look at it succeeds.
            Err(error) if error.kind().is_retryable() => {
                let state = OperationState::Running { so_far: None, percent: None };
                Operation::begun(operation.id, state)
            }
            Err(error) => return Err(error),
        };
    }
}
