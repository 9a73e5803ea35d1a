//! From a source to the stores: one pass of the dump, however many copies are made of it.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use zstd::stream::raw::CParameter;

use super::copies::Copies;
use super::upload::{Destination, Piece, upload};
use super::{CHUNK, Inspected, Meter, QUEUE, Source, Step, interrupted, worker_lost};
use crate::dump::child::{Running, Stderr, Stopper};
use crate::dump::manifest::Part;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Compression;

/// zstd's unit of work for one thread: small, since its buffers are several times this.
const ZSTD_JOB: u32 = 2 << 20;
/// More threads than this cost memory, and the source can't feed them.
const MAX_THREADS: u32 = 4;

/// Why a source did not make its parts.
#[derive(Debug)]
enum Failure {
    /// The program can't be started.
    Start(String, io::Error),
    /// The program said that it failed.
    Ended(String, std::process::ExitStatus, Stderr),
    /// The program said that it succeeded, and the bytes say otherwise.
    Incomplete(String, String, Stderr),
    /// No store takes bytes any more; each knows why.
    StoresClosed,
    /// Reading or compressing failed.
    Io(io::Error),
}

/// What became of the copies of one dump, in the order of their destinations, and what the inspectors learned.
pub(crate) struct Saved {
    pub(crate) copies: Vec<Result<Vec<Part>>>,
    pub(crate) inspected: Vec<Inspected>,
}

/// Streams `steps` to every destination at once, as parts named after `name`, and describes them once they are complete.
///
/// A store that fails, fails its own copy only. When the source fails, or the run is cancelled, there is none: uploads are
/// aborted, and what was complete already is debris.
pub(crate) async fn store_parts(
    destinations: &[Destination<'_>],
    name: &str,
    steps: Vec<Step>,
    compression: Compression,
    meter: &Meter,
) -> Result<Saved> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        destinations.iter().map(|_| tokio::sync::mpsc::channel::<Piece>(QUEUE)).unzip();
    let encryptions = destinations.iter().map(|destination| destination.store.encryption().cloned());
    let limit = destinations.iter().map(|destination| destination.store.part_limit()).min().unwrap_or(u64::MAX);
    let copies = Copies::new(name, senders.into_iter().zip(encryptions), limit, meter.clone());
    let stop = StopSlot::default();
    let (thread_stop, thread_meter) = (stop.clone(), meter.clone());
    let worker = tokio::task::spawn_blocking(move || compress(steps, compression, copies, &thread_meter, &thread_stop));

    let uploads = destinations
        .iter()
        .zip(receivers)
        .map(|(to, pieces)| upload(to.store, |number| to.path(name, number), name, pieces, &meter.run));
    let uploaded = futures::future::join_all(uploads).await;
    if uploaded.iter().all(Result::is_err) || meter.run.cancel.is_cancelled() {
        stop.stop();
    }
    let made = worker.await.map_err(|error| worker_lost(name, error))?;
    if meter.run.cancel.is_cancelled() {
        return Err(interrupted("dump", name));
    }
    match made {
        Ok((parts, inspected)) => {
            let whole = |(uploaded, parts): (Result<()>, Vec<Part>)| match uploaded {
                Ok(()) if parts.is_empty() => Err(explain(name, Failure::StoresClosed)),
                uploaded => uploaded.map(|()| parts),
            };
            Ok(Saved { copies: uploaded.into_iter().zip(parts).map(whole).collect(), inspected })
        }
        Err(failure) => match (failure, uploaded.into_iter().find_map(Result::err)) {
            (Failure::StoresClosed, Some(error)) => Err(error),
            (failure, _) => Err(explain(name, failure)),
        },
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
    copies: Copies,
    meter: &Meter,
    stop: &StopSlot,
) -> std::result::Result<(Vec<Vec<Part>>, Vec<Inspected>), Failure> {
    let mut compressor = Compressor::new(compression, copies)?;
    let mut inspected = Vec::new();
    for step in steps {
        inspected.push(run_step(step, &mut compressor, meter, stop)?);
    }
    let copies = compressor.end_part().map_err(closed_or_io)?;
    Ok((copies.parts(), inspected))
}

/// zstd, one frame for each part.
struct Compressor {
    compression: Compression,
    encoder: Option<zstd::Encoder<'static, Copies>>,
    /// Bytes before compression in the part that is being written.
    uncompressed: u64,
}

impl Compressor {
    fn new(compression: Compression, copies: Copies) -> std::result::Result<Self, Failure> {
        let encoder = next_encoder(compression, copies).map_err(Failure::Io)?;
        Ok(Self { compression, encoder: Some(encoder), uncompressed: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else { return Err(io::ErrorKind::BrokenPipe.into()) };
        encoder.write_all(bytes)?;
        self.uncompressed += bytes.len() as u64;
        if encoder.get_ref().is_full() {
            let copies = self.end_part()?;
            self.encoder = Some(next_encoder(self.compression, copies)?);
        }
        Ok(())
    }

    fn end_part(&mut self) -> io::Result<Copies> {
        let encoder = self.encoder.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut copies = encoder.finish()?;
        copies.end_part(std::mem::take(&mut self.uncompressed))?;
        Ok(copies)
    }
}

/// Begins a part, and the frame that fills it.
fn next_encoder(compression: Compression, mut copies: Copies) -> io::Result<zstd::Encoder<'static, Copies>> {
    copies.begin_part()?;
    let mut encoder = zstd::Encoder::new(copies, compression.level)?;
    encoder.include_checksum(true)?;
    encoder.multithread(threads(compression))?;
    encoder.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
    Ok(encoder)
}

fn threads(compression: Compression) -> u32 {
    match compression.threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() as u32).min(MAX_THREADS)),
        threads => threads,
    }
}

fn run_step(
    step: Step,
    compressor: &mut Compressor,
    meter: &Meter,
    stop: &StopSlot,
) -> std::result::Result<Inspected, Failure> {
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
        compressor.write(&buffer[..length]).map_err(closed_or_io)?;
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
    finished.map_err(|reason| Failure::Incomplete(program, reason, stderr))
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
    if error.kind() == io::ErrorKind::BrokenPipe { Failure::StoresClosed } else { Failure::Io(error) }
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
        Failure::StoresClosed => fail("no store takes bytes any more".into()),
        Failure::Io(error) => fail("the stream failed".into()).with_source(error),
    }
}
