//! A client tool that is being fed a dump.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ChildStdin;

use super::child::{Ended, Program, Running, Stderr, Stopper};
use super::stream::Sink;
use crate::error::{Error, ErrorKind, Result};

/// What a tool's words mean, from the action and its subject.
type Explain = fn(&str, &str, Stderr) -> Error;

/// Feeds a program's stdin. The program's own verdict decides, and its own words explain.
pub(crate) struct Loading {
    running: Running,
    stdin: Option<ChildStdin>,
    database: String,
    accepts: Box<dyn Fn(&Ended) -> bool + Send>,
    explain: Explain,
}

impl Loading {
    /// Starts `program`, which loads into `database`. `goes_on` sees each line of its stderr and may stop it.
    pub(crate) fn start(
        program: &Program,
        database: &str,
        goes_on: impl FnMut(&str) -> bool + Send + 'static,
        accepts: impl Fn(&Ended) -> bool + Send + 'static,
        explain: Explain,
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
        let stopper = self.running.stopper();
        let ended = self.running.wait().map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "wait for", "the loader", "it was lost").with_source(error)
        })?;
        if (self.accepts)(&ended) { Ok(()) } else { Err(verdict(&stopper, self.explain, &self.database, ended)) }
    }

    fn fail(mut self: Box<Self>, error: Error) -> Error {
        let stopper = self.running.stopper();
        if error.kind() != ErrorKind::Failed {
            // Not the loader's fault: it must not take the cut stream for the end.
            stopper.stop();
        }
        drop(self.stdin.take());
        match self.running.wait() {
            Ok(ended) if error.kind() == ErrorKind::Failed => verdict(&stopper, self.explain, &self.database, ended),
            _ => error,
        }
    }
}

/// What a loader's end means. One that was killed, or says nothing, leaves no [`Stderr`] in the error: whatever it had said
/// is not why it ended.
fn verdict(stopper: &Stopper, explain: Explain, database: &str, ended: Ended) -> Error {
    let Ended { status, stderr } = ended;
    let killed = status.signal().is_some() && !stopper.is_stopping();
    if !killed && !stderr.0.is_empty() {
        return explain("load", database, stderr);
    }
    let error = Error::new(ErrorKind::Failed, "dump", "load", database, format!("the loader ended with {status}"));
    if stderr.0.is_empty() { error } else { error.with_source(io::Error::other(stderr.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(script: &str) -> Error {
        let program = Program::new("/bin/sh").args(["-c", script]);
        let explain: Explain = |action, subject, said| {
            Error::new(ErrorKind::Failed, "x", action, subject, "the server said no").with_source(said)
        };
        let (loading, _) =
            Loading::start(&program, "db", |line| line != "stop", |ended| ended.status.success(), explain).unwrap();
        loading.finish().unwrap_err()
    }

    #[test]
    fn a_loader_that_was_killed_or_is_silent_has_said_nothing_of_the_dump() {
        let said = |error: &Error| std::error::Error::source(error).is_some_and(|source| source.is::<Stderr>());
        for (script, ended) in [
            ("exit 3", "exit status: 3"),
            ("kill -KILL $$", "signal: 9"),
            ("echo a warning >&2; kill -KILL $$", "signal: 9"),
        ] {
            let error = ends(script);
            assert!(!said(&error) && error.to_string().contains(ended), "{script}: {error}");
        }
        for script in ["echo no >&2; exit 3", "echo stop >&2; sleep 60"] {
            assert!(said(&ends(script)), "{script}");
        }
    }
}
