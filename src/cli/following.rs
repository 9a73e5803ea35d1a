//! What the verbs share that begin something a cloud may go on doing without them.

use std::time::Duration;

use clap::Args;
use snapkeep_providers::model::{Operation, OperationId, OperationState, Start};
use snapkeep_providers::{ErrorKind, Run};
use tokio::time::Instant;

use super::rows::{OperationRow, State};
use super::{App, Outcome};
use crate::catalog::Opened;
use crate::failure::Failure;
use crate::journal::{Entry, Kept};
use crate::operate::{self, Followed};
use crate::render::Row;

/// Whether to wait for it, and how long.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Don't wait for a cloud to finish; a dump is finished when the command returns
    #[arg(long)]
    pub(super) no_wait: bool,
    /// How long to wait: 2h. A cloud's operation goes on after that, a dump is stopped
    #[arg(long, value_name = "TIME", value_parser = crate::config::elapsed)]
    pub(super) timeout: Option<Duration>,
}

/// What came of it.
pub(super) enum Came<T> {
    /// It is done. With the failures of what belongs to it.
    Done(Vec<T>, Vec<Failure>),
    /// It was not to be waited for.
    Begun(OperationRow),
    /// It was a dry run.
    NotTried,
}

/// What goes between a database and a bucket by the cloud's own doing, and how far it is.
pub(super) struct Transfer<T> {
    /// The operation, with its target.
    pub(super) operation: String,
    pub(super) state: State,
    pub(super) percent: Option<u8>,
    /// What came of it, or what is known of that while it goes on.
    pub(super) result: Option<T>,
    pub(super) start: Start,
}

impl<T> Transfer<T> {
    pub(super) fn done(target: &str, operation: &OperationId, start: Start, result: T) -> Self {
        let operation = format!("{target}/{operation}");
        Self { operation, state: State::Done, percent: Some(100), result: Some(result), start }
    }
}

/// Refuses what replaces or changes what a target holds, unless its name was typed.
pub(super) fn confirmed(typed: Option<&str>, target: &str, doing: &str, effect: &str) -> Result<(), Failure> {
    let message = match typed {
        Some(typed) if typed == target => return Ok(()),
        Some(typed) => format!("{doing}: {typed:?} is not the name of the target, {target}"),
        None => format!("{doing} {effect} what {target} holds now"),
    };
    Err(Failure::new(ErrorKind::Refused, message).with_hint(format!("to confirm, add `--confirm {target}`")).of(target))
}

impl Waiting {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|timeout| Instant::now() + timeout)
    }

    /// Prints it, as a document of operations when it was not to be waited for.
    pub(super) fn finish<T: Row>(&self, app: &App, came: Result<Came<T>, Vec<Failure>>) -> u8 {
        match came {
            Ok(Came::Done(items, failures)) => app.finish(&Outcome { done: items.len(), items, failures }),
            Ok(Came::Begun(row)) => app.finish(&Outcome::from(Ok(row))),
            Ok(Came::NotTried) if self.no_wait => app.finish(&Outcome::<OperationRow> { done: 1, ..Outcome::new() }),
            Ok(Came::NotTried) => app.finish(&Outcome::<T> { done: 1, ..Outcome::new() }),
            Err(failures) if self.no_wait => app.finish(&Outcome::<OperationRow>::failed(failures)),
            Err(failures) => app.finish(&Outcome::<T>::failed(failures)),
        }
    }

    /// Follows what was begun to its end, where that is to be waited for.
    pub(super) async fn follow<T: Followed>(
        &self,
        opened: &Opened,
        (operation, entry): (Operation<T>, Entry),
        deadline: Option<Instant>,
        run: &Run,
    ) -> Result<Transfer<T>, Failure> {
        let (target, id, start) = (opened.name(), operation.id.clone(), operation.start);
        let kept = Kept::begun(opened, entry, &operation, run).await;
        match operation.state {
            OperationState::Running { so_far, percent } if self.no_wait => {
                let operation = format!("{target}/{id}");
                Ok(Transfer { operation, state: State::Running, percent, result: so_far, start })
            }
            _ => {
                let result = operate::wait(&*opened.provider, operation, deadline, run).await;
                kept.settle(opened, result.as_ref().err()).await;
                Ok(Transfer::done(target.as_str(), &id, start, result?))
            }
        }
    }
}
