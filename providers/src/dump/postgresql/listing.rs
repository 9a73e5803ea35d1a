//! Shows an archive to `pg_restore --list`: PostgreSQL's own word on its table of contents.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ChildStdin;

use super::client::NAME;
use crate::dump::child::{Program, Running};
use crate::dump::engine::Reader;
use crate::dump::stream::Sink;
use crate::dump::tools::Tool;
use crate::error::{Error, ErrorKind, Result};

/// Feeds the tool, which reads no further than it wants to.
struct Listing {
    running: Running,
    stdin: Option<ChildStdin>,
}

/// Starts the tool. It connects to nothing.
pub(super) fn start(tool: &Tool) -> Result<Reader> {
    let program = Program::new(&tool.path).arg("--list");
    let (running, stdin) = program.spawn_writing(|_| true).map_err(|error| {
        Error::new(ErrorKind::Failed, NAME, "start", "pg_restore", "it can't be started").with_source(error)
    })?;
    let stopper = Some(running.stopper());
    let sink = Box::new(Listing { running, stdin: Some(stdin) });
    Ok(Reader { name: format!("{} {} lists it", tool.name, tool.version), sink, stopper })
}

impl Sink for Listing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stdin.as_mut().map(|stdin| stdin.write_all(bytes)) {
            // It has seen the table of contents, or has failed: its exit status tells.
            Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => self.stdin = None,
            Some(written) => written?,
            None => {}
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        drop(self.stdin.take());
        let ended = self.running.wait().map_err(|error| {
            Error::new(ErrorKind::Failed, NAME, "wait for", "pg_restore", "it was lost").with_source(error)
        })?;
        if ended.status.success() {
            return Ok(());
        }
        if ended.status.signal().is_some() || ended.stderr.0.is_empty() {
            let reason = format!("pg_restore ended with {}", ended.status);
            return Err(Error::new(ErrorKind::Failed, NAME, "list", "the archive", reason).with_source(ended.stderr));
        }
        let reason = "its table of contents is not one";
        Err(Error::new(ErrorKind::Verification, NAME, "list", "the archive", reason).with_source(ended.stderr))
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        error
    }
}
