//! From the store to what loads it.

use std::io::{self, Read};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{CHUNK, Meter, QUEUE, Sink, hex, interrupted, worker_lost};
use crate::dump::child::Stopper;
use crate::dump::manifest::Part;
use crate::dump::store::Store;
use crate::error::{Error, ErrorKind, Result};

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

/// The bytes of a part, as they are stored.
pub(crate) type Stored = futures::stream::BoxStream<'static, object_store::Result<Bytes>>;

/// Streams a part, decompressed, into `sink`, and gives the sink back for the next part.
///
/// The bytes are hashed on the way again: what changed since it was verified is an error.
pub(crate) async fn load_part(
    store: &Store,
    path: &Path,
    part: &Part,
    mut stored: Stored,
    sink: Box<dyn Sink>,
    stopper: Option<Stopper>,
    meter: &Meter,
) -> Result<Box<dyn Sink>> {
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

/// Opens a part. In a local store it can be read to its end even when its snapshot is deleted meanwhile.
pub(crate) async fn open_part(store: &Store, path: &Path, part: &Part) -> Result<Stored> {
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
