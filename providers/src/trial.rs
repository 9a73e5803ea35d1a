//! A restore on trial: followed to its end, whatever single looks at it give.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};
use crate::model::{Operation, OperationId, OperationState, Restored};

/// Follows a restore with pauses from the first to the longest, which double. Gives within how many minutes it was there, or
/// why it ended badly; an error of its own only when it can't be looked at.
pub(crate) async fn followed<F>(
    mut operation: Operation<Restored>,
    (mut pause, longest): (Duration, Duration),
    look: impl Fn(OperationId) -> F,
) -> Result<Result<u64, Error>>
where
    F: Future<Output = Result<Operation<Restored>>>,
{
    let begun = Instant::now();
    loop {
        match operation.state {
            OperationState::Done(_) => return Ok(Ok(begun.elapsed().as_secs().div_ceil(60))),
            OperationState::Failed(error) => return Ok(Err(error)),
            OperationState::Running { .. } => sleep(pause).await,
        }
        pause = (pause * 2).min(longest);
        operation = match look(operation.id.clone()).await {
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
