//! A client tool that is being fed a dump.

use std::io::{self, Write};
use std::process::ChildStdin;

use super::child::{Ended, Program, Running, Stderr, Stopper};
use super::stream::Sink;
use crate::error::{Error, ErrorKind, Result};

/// Feeds a program's stdin. The program's own verdict decides, and its own words explain.
pub(crate) struct Loading {
    running: Running,
    stdin: Option<ChildStdin>,
    database: String,
    accepts: Box<dyn Fn(&Ended) -> bool + Send>,
    explain: fn(&str, &str, Stderr) -> Error,
}

impl Loading {
    /// Starts `program`, which loads into `database`. `goes_on` sees each line of its stderr and may stop it.
    pub(crate) fn start(
        program: &Program,
        database: &str,
        goes_on: impl FnMut(&str) -> bool + Send + 'static,
        accepts: impl Fn(&Ended) -> bool + Send + 'static,
        explain: fn(&str, &str, Stderr) -> Error,
    ) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        let (running, stdin) = program.spawn_writing(goes_on).map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "start", program.name(), "it can't be started").with_source(error)
        })?;
        let stopper = running.stopper();
        let (stdin, accepts) = (Some(stdin), Box::new(accepts));
        Ok((Box::new(Self { running, stdin, database: database.to_owned(), accepts, explain }), Some(stopper)))
    }
}

impl Sink for Loading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(bytes))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        drop(self.stdin.take());
        let ended = self.running.wait().map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "wait for", "the loader", "it was lost").with_source(error)
        })?;
        if (self.accepts)(&ended) { Ok(()) } else { Err((self.explain)("load", &self.database, ended.stderr)) }
    }

    fn fail(mut self: Box<Self>, error: Error) -> Error {
        if error.kind() != ErrorKind::Failed {
            // Not the loader's fault: it must not take the cut stream for the end.
            self.running.stopper().stop();
        }
        drop(self.stdin.take());
        match self.running.wait() {
            Ok(ended) if error.kind() == ErrorKind::Failed && !ended.stderr.0.is_empty() => {
                (self.explain)("load", &self.database, ended.stderr)
            }
            _ => error,
        }
    }
}
