//! The stream of a dump: source, inspection, zstd, SHA-256, store; and the same back.
//!
//! Nothing is staged and memory is bounded: every stage hands on a few chunks at a time. A source that fails turns
//! into an error here, never into an early end, and an upload is completed only after its source has proven itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::child::Program;
use crate::error::{Error, ErrorKind, Result};
use crate::{Progress, Run};

mod copies;
mod load;
mod save;
mod transfer;
mod upload;

pub(crate) use load::{load_part, open_part, unlock, verify_part};
pub(crate) use save::{Saved, store_parts};
pub(crate) use transfer::{At, name_in, send_part};
pub(crate) use upload::Destination;

/// Bytes per read of a source, and per chunk on its way to the store.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait between two stages.
const QUEUE: usize = 8;

/// Proves from the bytes themselves that a source came to its proper end.
pub(crate) trait Inspector: Send {
    /// Sees the next bytes; an error says why this can't be what it should be.
    fn push(&mut self, bytes: &[u8]) -> std::result::Result<(), String>;
    /// Says whether that was all; notes are for the manifest.
    fn finish(self: Box<Self>) -> std::result::Result<Inspected, String>;
}

/// What an inspector learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// The format's version, where the bytes tell it.
    pub(crate) format: Option<String>,
    /// The rows of each table, where they were to be counted.
    pub(crate) tables: Option<BTreeMap<String, u64>>,
    /// For the manifest.
    pub(crate) notes: Vec<String>,
}

/// One source of bytes; a part may be made of several, one after the other.
pub(crate) enum Source {
    /// What a program prints.
    Program(Program),
    /// A file that is already complete.
    File(File),
}

/// A source with the inspector that proves it.
pub(crate) struct Step {
    pub(crate) source: Source,
    pub(crate) inspector: Box<dyn Inspector>,
}

/// Counts bytes across the parts of one dump, and reports them.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) run: Run,
    estimate: Option<u64>,
    read: Arc<AtomicU64>,
    stored: Arc<AtomicU64>,
}

impl Meter {
    pub(crate) fn new(run: &Run, estimate: Option<u64>) -> Self {
        Self { run: run.clone(), estimate, read: Arc::default(), stored: Arc::default() }
    }

    pub(crate) fn count(&self, read: usize, stored: usize) {
        let read_bytes = self.read.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        let stored_bytes = self.stored.fetch_add(stored as u64, Ordering::Relaxed) + stored as u64;
        self.run.reporter.progress(Progress {
            read_bytes,
            stored_bytes,
            estimated_bytes: self.estimate,
            percent: None,
        });
    }
}

/// Where the bytes of a part go on the way back.
pub(crate) trait Sink: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    /// Everything was delivered and was what it should be; ends the target.
    fn finish(self: Box<Self>) -> Result<()>;
    /// Delivery failed with `error`; the sink may know better why.
    fn fail(self: Box<Self>, error: Error) -> Error;
}

fn worker_lost(part: &str, error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Failed, "dump", "stream", part, "its thread ended early").with_source(error)
}

/// The error of a call that was cancelled.
pub(crate) fn interrupted(action: &str, subject: &str) -> Error {
    Error::new(ErrorKind::Interrupted, "dump", action, subject, "interrupted")
}
