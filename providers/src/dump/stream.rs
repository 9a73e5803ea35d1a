//! The stream of a dump: source, inspection, zstd, SHA-256, store; and the same back.
//!
//! Nothing is staged and memory is bounded: every stage hands on a few chunks at a time. A source that fails turns
//! into an error here, never into an early end, and an upload is completed only after its source has proven itself.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use zstd::stream::raw::CParameter;

use super::child::{Program, Running, Stderr, Stopper};
use super::manifest::Part;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Compression;
use crate::{Progress, Run};

/// Bytes per read of a source, and per chunk on its way to the store.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait between two stages.
const QUEUE: usize = 8;
/// Bytes of one part of an upload, and how many may be on their way at once.
const UPLOAD_PART: usize = 2 << 20;
const UPLOADS: usize = 2;
/// zstd's unit of work for one thread: small, since its buffers are several times this.
const ZSTD_JOB: u32 = 2 << 20;
/// More threads than this cost memory, and the source can't feed them.
const MAX_THREADS: u32 = 4;

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
    run: Run,
    estimate: Option<u64>,
    read: Arc<AtomicU64>,
    stored: Arc<AtomicU64>,
}

impl Meter {
    pub(crate) fn new(run: &Run, estimate: Option<u64>) -> Self {
        Self { run: run.clone(), estimate, read: Arc::default(), stored: Arc::default() }
    }

    fn count(&self, read: usize, stored: usize) {
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

/// Why a source did not make a part.
#[derive(Debug)]
enum Failure {
    /// The program can't be started.
    Start(String, io::Error),
    /// The program said that it failed.
    Ended(String, std::process::ExitStatus, Stderr),
    /// The program said that it succeeded, and the bytes say otherwise.
    Incomplete(String, String, Stderr),
    /// The store no longer takes bytes; it knows why.
    StoreClosed,
    /// Reading or compressing failed.
    Io(io::Error),
}

/// Streams `steps` into the object `name` at `path`, and describes it once it is complete.
///
/// On any error, or when cancelled, the upload is aborted and nothing is at `path`.
pub(crate) async fn store_part(
    store: &Store,
    path: &Path,
    name: &str,
    steps: Vec<Step>,
    compression: Compression,
    meter: &Meter,
) -> Result<(Part, Vec<Inspected>)> {
    let upload = store.objects().put_multipart(path).await.map_err(|error| store.error("write", path, error))?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, UPLOAD_PART);
    let (sender, mut chunks) = mpsc::channel(QUEUE);
    let stop = StopSlot::default();
    let (thread_stop, thread_meter) = (stop.clone(), meter.clone());
    let worker = tokio::task::spawn_blocking(move || compress(steps, compression, sender, &thread_meter, &thread_stop));

    let mut failed = None;
    loop {
        let chunk: Bytes = tokio::select! {
            biased;
            () = meter.run.cancel.cancelled() => break,
            chunk = chunks.recv() => match chunk { Some(chunk) => chunk, None => break },
        };
        if let Err(error) = upload.wait_for_capacity(UPLOADS).await {
            failed = Some(store.error("write", path, error));
            break;
        }
        upload.put(chunk);
    }
    if failed.is_some() || meter.run.cancel.is_cancelled() {
        stop.stop();
    }
    drop(chunks);
    let finished = worker.await.map_err(|error| worker_lost(name, error));
    if meter.run.cancel.is_cancelled() {
        failed = Some(interrupted("dump", name));
    }
    let outcome = match failed {
        Some(error) => Err(error),
        None => finished.and_then(|made| made.map_err(|failure| explain(name, failure))),
    };
    match outcome {
        Ok((totals, inspected)) => {
            upload.finish().await.map_err(|error| store.error("write", path, error))?;
            Ok((totals.part(name), inspected))
        }
        Err(error) => {
            // What failed is worth more than why the clean-up failed too; the rest is debris.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

/// The child that runs now, if any, and whether it should not.
#[derive(Clone, Default)]
struct StopSlot(Arc<Mutex<(bool, Option<Stopper>)>>);

impl StopSlot {
    fn stop(&self) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = true;
        if let Some(stopper) = &slot.1 {
            stopper.stop();
        }
    }

    fn hold(&self, stopper: Stopper) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.0 {
            stopper.stop();
        }
        slot.1 = Some(stopper);
    }
}

fn compress(
    steps: Vec<Step>,
    compression: Compression,
    sender: mpsc::Sender<Bytes>,
    meter: &Meter,
    stop: &StopSlot,
) -> std::result::Result<(Totals, Vec<Inspected>), Failure> {
    let writer = StoreWriter::new(sender, meter.clone());
    let mut encoder = zstd::Encoder::new(writer, compression.level).map_err(Failure::Io)?;
    encoder.include_checksum(true).map_err(Failure::Io)?;
    encoder.multithread(threads(compression)).map_err(Failure::Io)?;
    encoder.set_parameter(CParameter::JobSize(ZSTD_JOB)).map_err(Failure::Io)?;
    let mut inspected = Vec::new();
    let mut uncompressed = 0;
    for step in steps {
        let (bytes, facts) = run_step(step, &mut encoder, meter, stop)?;
        uncompressed += bytes;
        inspected.push(facts);
    }
    let writer = encoder.finish().map_err(closed_or_io)?;
    let mut totals = writer.finish().map_err(closed_or_io)?;
    totals.uncompressed = uncompressed;
    Ok((totals, inspected))
}

fn threads(compression: Compression) -> u32 {
    match compression.threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() as u32).min(MAX_THREADS)),
        threads => threads,
    }
}

fn run_step(
    step: Step,
    encoder: &mut impl Write,
    meter: &Meter,
    stop: &StopSlot,
) -> std::result::Result<(u64, Inspected), Failure> {
    let Step { source, mut inspector } = step;
    let (program, mut reader) = match source {
        Source::File(file) => ("the copy".to_owned(), Reader::File(file)),
        Source::Program(program) => {
            let name = program.name();
            let (running, pipe) = program.spawn_reading().map_err(|error| Failure::Start(name.clone(), error))?;
            stop.hold(running.stopper());
            (name, Reader::Program(running, pipe))
        }
    };
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    // A program that fails half-way often also breaks its format: its own words come first.
    let mut broken = None;
    loop {
        let length = reader.read(&mut buffer).map_err(Failure::Io)?;
        if length == 0 {
            break;
        }
        if broken.is_none() {
            broken = inspector.push(&buffer[..length]).err();
        }
        encoder.write_all(&buffer[..length]).map_err(closed_or_io)?;
        total += length as u64;
        meter.count(length, 0);
    }
    let stderr = match reader {
        Reader::File(_) => Stderr::default(),
        Reader::Program(running, _) => {
            let ended = running.wait().map_err(Failure::Io)?;
            if !ended.status.success() {
                return Err(Failure::Ended(program, ended.status, ended.stderr));
            }
            ended.stderr
        }
    };
    let finished = broken.map_or_else(|| inspector.finish(), Err);
    finished.map(|facts| (total, facts)).map_err(|reason| Failure::Incomplete(program, reason, stderr))
}

enum Reader {
    File(File),
    Program(Running, PipeReader),
}

impl Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::File(file) => file.read(buffer),
                Self::Program(_, pipe) => pipe.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

fn closed_or_io(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe { Failure::StoreClosed } else { Failure::Io(error) }
}

fn explain(part: &str, failure: Failure) -> Error {
    let fail = |reason: String| Error::new(ErrorKind::Failed, "dump", "make", part, reason);
    match failure {
        Failure::Start(program, error) => fail(format!("{program} can't be started")).with_source(error),
        Failure::Ended(program, status, stderr) => fail(format!("{program} ended with {status}")).with_source(stderr),
        Failure::Incomplete(program, reason, stderr) => {
            let error = fail(format!("{program} ended as if all were well, but its output is incomplete: {reason}"));
            if stderr == Stderr::default() { error } else { error.with_source(stderr) }
        }
        Failure::StoreClosed => fail("the store stopped taking bytes".into()),
        Failure::Io(error) => fail("the stream failed".into()).with_source(error),
    }
}

fn worker_lost(part: &str, error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Failed, "dump", "stream", part, "its thread ended early").with_source(error)
}

/// The error of a call that was cancelled.
pub(crate) fn interrupted(action: &str, subject: &str) -> Error {
    Error::new(ErrorKind::Interrupted, "dump", action, subject, "interrupted")
}

/// What was stored.
struct Totals {
    stored: u64,
    uncompressed: u64,
    sha256: String,
}

impl Totals {
    fn part(self, name: &str) -> Part {
        Part {
            name: name.to_owned(),
            size_bytes: self.stored,
            sha256: self.sha256,
            uncompressed_bytes: self.uncompressed,
        }
    }
}

/// Hashes what goes to the store, and hands it on in chunks.
struct StoreWriter {
    sender: mpsc::Sender<Bytes>,
    meter: Meter,
    hash: Sha256,
    stored: u64,
    pending: Vec<u8>,
}

impl StoreWriter {
    fn new(sender: mpsc::Sender<Bytes>, meter: Meter) -> Self {
        Self { sender, meter, hash: Sha256::new(), stored: 0, pending: Vec::with_capacity(CHUNK) }
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK));
        self.hash.update(&chunk);
        self.stored += chunk.len() as u64;
        self.meter.count(0, chunk.len());
        self.sender.blocking_send(chunk.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<Totals> {
        if !self.pending.is_empty() {
            self.send()?;
        }
        Ok(Totals { stored: self.stored, uncompressed: 0, sha256: hex(&self.hash.finalize()) })
    }
}

impl Write for StoreWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if self.pending.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where the bytes of a part go on the way back.
pub(crate) trait Sink: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Everything was delivered and was what it should be; ends the target.
    fn finish(self: Box<Self>) -> Result<()>;
    /// Delivery failed with `error`; the sink may know better why.
    fn fail(self: Box<Self>, error: Error) -> Error;
}

/// Reads a part from the store and compares size and hash with the manifest. Touches nothing.
pub(crate) async fn verify_part(store: &Store, path: &Path, part: &Part, meter: &Meter) -> Result<()> {
    let mut digest = PartDigest::default();
    let mut chunks = open_part(store, path, part).await?;
    loop {
        let chunk = tokio::select! {
            biased;
            () = meter.run.cancel.cancelled() => return Err(interrupted("verify", &part.name)),
            chunk = chunks.try_next() => chunk.map_err(|error| store.error("read", path, error))?,
        };
        let Some(chunk) = chunk else { break };
        digest.update(&chunk);
        meter.count(0, chunk.len());
    }
    digest.compare(part)
}

/// Streams a part, decompressed, into `sink`, and gives the sink back for the next part.
///
/// The bytes are hashed on the way again: what changed since it was verified is an error.
pub(crate) async fn load_part(
    store: &Store,
    path: &Path,
    part: &Part,
    sink: Box<dyn Sink>,
    stopper: Option<Stopper>,
    meter: &Meter,
) -> Result<Box<dyn Sink>> {
    let mut stored = open_part(store, path, part).await?;
    let (sender, receiver) = mpsc::channel::<Bytes>(QUEUE);
    let (expected, thread_meter) = (part.clone(), meter.clone());
    let worker = tokio::task::spawn_blocking(move || decompress(receiver, sink, &expected, &thread_meter));
    let mut failed = None;
    loop {
        let chunk = tokio::select! {
            biased;
            () = meter.run.cancel.cancelled() => {
                if let Some(stopper) = &stopper {
                    stopper.stop();
                }
                failed = Some(interrupted("load", &part.name));
                break;
            }
            chunk = stored.try_next() => chunk,
        };
        match chunk {
            Ok(Some(chunk)) => {
                if sender.send(chunk).await.is_err() {
                    break; // the loader has ended, and its thread says why
                }
            }
            Ok(None) => break,
            Err(error) => {
                failed = Some(store.error("read", path, error));
                break;
            }
        }
    }
    drop(sender);
    let loaded = worker.await.map_err(|error| worker_lost(&part.name, error)).and_then(|loaded| loaded);
    failed.map_or(loaded, Err)
}

async fn open_part(
    store: &Store,
    path: &Path,
    part: &Part,
) -> Result<futures::stream::BoxStream<'static, object_store::Result<Bytes>>> {
    match store.objects().get(path).await {
        Ok(found) => Ok(found.into_stream()),
        Err(object_store::Error::NotFound { .. }) => Err(damaged(part, "it is missing from the store")),
        Err(error) => Err(store.error("read", path, error)),
    }
}

fn damaged(part: &Part, reason: &str) -> Error {
    Error::new(ErrorKind::Verification, "dump", "use", &part.name, reason)
        .with_hint("this snapshot can't be trusted: restore another one, see `snapkeep list`")
}

#[derive(Default)]
struct PartDigest {
    hash: Sha256,
    size: u64,
}

impl PartDigest {
    fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn compare(self, part: &Part) -> Result<()> {
        if self.size != part.size_bytes {
            let reason = format!("it has {} bytes, and the manifest says {}", self.size, part.size_bytes);
            return Err(damaged(part, &reason));
        }
        if hex(&self.hash.finalize()) != part.sha256 {
            return Err(damaged(part, "its SHA-256 is not the manifest's"));
        }
        Ok(())
    }
}

/// Reads the chunks of a channel, and hashes them.
struct ChunkReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    digest: PartDigest,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => {
                    self.digest.update(&chunk);
                    self.current = chunk;
                }
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

fn decompress(
    chunks: mpsc::Receiver<Bytes>,
    mut sink: Box<dyn Sink>,
    part: &Part,
    meter: &Meter,
) -> Result<Box<dyn Sink>> {
    let reader = ChunkReader { chunks, current: Bytes::new(), digest: PartDigest::default() };
    match copy_decoded(reader, &mut *sink, part, meter) {
        Ok(()) => Ok(sink),
        Err(error) => Err(sink.fail(error)),
    }
}

fn copy_decoded(reader: ChunkReader, sink: &mut dyn Sink, part: &Part, meter: &Meter) -> Result<()> {
    let unreadable = |error| damaged(part, "it can't be decompressed").with_source(error);
    let mut decoder = zstd::Decoder::new(reader).map_err(unreadable)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut buffer).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        sink.write(&buffer[..length]).map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "load", &part.name, "the loader stopped reading").with_source(error)
        })?;
        meter.count(length, 0);
    }
    let mut reader = decoder.finish().into_inner();
    // zstd may be done before the last bytes are read; the hash wants them all.
    io::copy(&mut reader, &mut io::sink()).map_err(unreadable)?;
    reader.digest.compare(part)
}
