//! What the verbs share that begin something a cloud may go on doing without them.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::rows::OperationRow;
use super::{App, Outcome};
use crate::failure::Failure;
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
}
