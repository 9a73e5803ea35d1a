//! From a source to the store.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use zstd::stream::raw::CParameter;

use super::{CHUNK, Inspected, Meter, QUEUE, Source, Step, hex, interrupted, worker_lost};
use crate::dump::child::{Running, Stderr, Stopper};
use crate::dump::manifest::Part;
use crate::dump::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Compression;

/// Bytes of one part of an upload, and how many may be on their way at once.
const UPLOAD_PART: usize = 2 << 20;
const UPLOADS: usize = 2;
/// zstd's unit of work for one thread: small, since its buffers are several times this.
const ZSTD_JOB: u32 = 2 << 20;
/// How often a part says that it is still being written: pg_dump may wait for a lock before its first byte, for longer
/// than debris may lie.
const TOUCH: Duration = Duration::from_secs(300);
/// More threads than this cost memory, and the source can't feed them.
const MAX_THREADS: u32 = 4;

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
    let mut waiting = tokio::time::interval_at(Instant::now() + TOUCH, TOUCH);
    waiting.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let chunk: Bytes = tokio::select! {
            biased;
            () = meter.run.cancel.cancelled() => break,
            _ = waiting.tick() => {
                store.touch(path).await;
                continue;
            }
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
        Failure::Ended(program, status, stderr) => {
            let denied = ["permission denied", "Access denied", "command denied", "access denied"];
            let kind = match denied.iter().any(|words| stderr.0.contains(words)) {
                true => ErrorKind::Permission,
                false => ErrorKind::Failed,
            };
            let reason = format!("{program} ended with {status}");
            Error::new(kind, "dump", "make", part, reason).with_source(stderr)
        }
        Failure::Incomplete(program, reason, stderr) => {
            let error = fail(format!("{program} ended as if all were well, but its output is incomplete: {reason}"));
            if stderr == Stderr::default() { error } else { error.with_source(stderr) }
        }
        Failure::StoreClosed => fail("the store stopped taking bytes".into()),
        Failure::Io(error) => fail("the stream failed".into()).with_source(error),
    }
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

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::time::SystemTime;

    use super::*;
    use crate::Run;
    use crate::settings::{Local, Place, StoreSettings};

    struct Anything;

    impl super::super::Inspector for Anything {
        fn push(&mut self, _: &[u8]) -> std::result::Result<(), String> {
            Ok(())
        }

        fn finish(self: Box<Self>) -> std::result::Result<Inspected, String> {
            Ok(Inspected::default())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_waits_for_its_first_byte_does_not_look_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Local(Local { path: folder.path().to_owned() });
        let store = Store::open("nas", &StoreSettings { place, encrypt: None }, folder.path()).unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let (path, snapshot) = (Path::from("t/s/data.zst"), folder.path().join("t/s"));
        let task = tokio::spawn(async move {
            let source = Source::File(File::from(OwnedFd::from(reader)));
            let steps = vec![Step { source, inspector: Box::new(Anything) }];
            let meter = Meter::new(&Run::silent(), None);
            store_part(&store, &path, "data.zst", steps, Compression::default(), &meter).await
        });
        while !snapshot.is_dir() {
            tokio::task::yield_now().await;
        }
        let modified = || File::open(&snapshot).unwrap().metadata().unwrap().modified().unwrap();
        File::open(&snapshot).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        tokio::time::advance(TOUCH / 2).await;
        assert_eq!(modified(), SystemTime::UNIX_EPOCH);
        tokio::time::advance(TOUCH).await;
        while modified() == SystemTime::UNIX_EPOCH {
            tokio::task::yield_now().await;
        }
        writer.write_all(b"at last").unwrap();
        drop(writer);
        assert_eq!(task.await.unwrap().unwrap().0.uncompressed_bytes, 7);
    }
}
