//! From the store to what loads it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{CHUNK, Meter, QUEUE, Sink, interrupted, worker_lost};
use crate::dump::child::Stopper;
use crate::dump::encryption::{self, Key, Locked};
use crate::dump::manifest::Part;
use crate::dump::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::hex;

/// Bytes of one request, and how many are made ahead.
const RANGE: u64 = 4 << 20;
const RANGES_AHEAD: usize = 3;
/// More than the header of an encrypted part takes, with a few hundred recipients.
const HEAD: u64 = 64 << 10;

/// Reads a part from the store and compares size and hash with the manifest. Touches nothing.
pub(crate) async fn verify_part(store: &Store, path: &Path, part: &Part, meter: &Meter) -> Result<()> {
    let mut digest = PartDigest::default();
    let mut stored = open_part(store, path, part, None).await?;
    loop {
        let chunk = tokio::select! {
            biased;
            () = meter.run.cancel.cancelled() => return Err(interrupted("verify", &part.name)),
            chunk = stored.next() => chunk.map_err(|error| store.error("read", path, error))?,
        };
        let Some(chunk) = chunk else { break };
        digest.update(&chunk);
        meter.count(0, chunk.len());
    }
    digest.compare(part)
}

/// A part that can be read.
pub(crate) struct Stored {
    /// Its bytes, as they are stored.
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    /// What decrypts them, if they are encrypted.
    key: Option<Key>,
}

/// Streams a part, decrypted and decompressed, into `sink`, and gives the sink back for the next part.
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
    let (expected, thread_meter, key) = (part.clone(), meter.clone(), stored.key.take());
    let worker = tokio::task::spawn_blocking(move || decode(receiver, key.as_ref(), sink, &expected, &thread_meter));
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
            chunk = stored.next() => chunk,
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

/// Opens a part, which `key` decrypts if it is encrypted. In a local store it can be read to its end even when its
/// snapshot is deleted meanwhile.
pub(crate) async fn open_part(store: &Store, path: &Path, part: &Part, key: Option<&Key>) -> Result<Stored> {
    let objects = store.objects().store();
    let opened = match store.objects().folder() {
        Some(_) => objects.get(path).await.map(|found| (found.meta.size, found.into_stream())),
        None => objects.head(path).await.map(|found| (found.size, in_ranges(objects.clone(), found))),
    };
    match opened {
        Ok((size, _)) if size != part.size_bytes => {
            let reason = format!("it has {size} bytes, and the manifest says {}", part.size_bytes);
            Err(damaged(part, &reason))
        }
        Ok((_, chunks)) => Ok(Stored { chunks, key: key.filter(|_| part.is_encrypted()).cloned() }),
        Err(object_store::Error::NotFound { .. }) => Err(damaged(part, "it is missing from the store")),
        Err(error) => Err(store.error("read", path, error)),
    }
}

/// Reads an object range by range, a few ahead: a connection that breaks costs one range, however long the whole takes,
/// and a reader that waits for its database keeps none open.
fn in_ranges(store: Arc<dyn ObjectStore>, object: ObjectMeta) -> BoxStream<'static, object_store::Result<Bytes>> {
    let starts = (0..object.size).step_by(RANGE as usize);
    let ranges = starts.map(move |start| {
        let (store, object) = (store.clone(), object.clone());
        async move {
            let range = GetRange::Bounded(start..object.size.min(start + RANGE));
            let options = GetOptions { range: Some(range), if_match: object.e_tag.clone(), ..GetOptions::default() };
            store.get_opts(&object.location, options).await?.bytes().await
        }
    });
    let chunks = stream::iter(ranges).buffered(RANGES_AHEAD).map_ok(|mut bytes| {
        let split = std::iter::from_fn(move || (!bytes.is_empty()).then(|| Ok(bytes.split_to(bytes.len().min(CHUNK)))));
        stream::iter(split)
    });
    chunks.try_flatten().boxed()
}

/// The key of a snapshot's parts, proven to be one of theirs before anything is touched; `None` where nothing is encrypted.
pub(crate) async fn unlock(store: &Store, path: &Path, part: &Part) -> Result<Option<Key>> {
    if !part.is_encrypted() {
        return Ok(None);
    }
    let key = encryption::key_for(store.encryption(), store.name()).await?;
    let head = 0..part.size_bytes.min(HEAD);
    match store.objects().store().get_range(path, head).await {
        // What is damaged is found by its hash.
        Ok(head) => match key.unwrap(&head[..]) {
            Err(Locked::Key(error)) => return Err(error),
            Err(Locked::Damaged(_)) | Ok(_) => {}
        },
        Err(object_store::Error::NotFound { .. }) => return Err(damaged(part, "it is missing from the store")),
        Err(error) => return Err(store.error("read", path, error)),
    }
    Ok(Some(key))
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

impl Stored {
    /// The next bytes, as they are stored.
    pub(super) async fn next(&mut self) -> object_store::Result<Option<Bytes>> {
        self.chunks.try_next().await
    }
}

/// Reads the chunks of a channel, and hashes them.
pub(super) struct ChunkReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    digest: PartDigest,
}

impl ChunkReader {
    pub(super) fn new(chunks: mpsc::Receiver<Bytes>) -> Self {
        Self { chunks, current: Bytes::new(), digest: PartDigest::default() }
    }

    /// Whether what was read is the whole part.
    pub(super) fn compare(self, part: &Part) -> Result<()> {
        self.digest.compare(part)
    }
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

fn decode(
    chunks: mpsc::Receiver<Bytes>,
    key: Option<&Key>,
    mut sink: Box<dyn Sink>,
    part: &Part,
    meter: &Meter,
) -> Result<Box<dyn Sink>> {
    let mut chunks = ChunkReader::new(chunks);
    let copied = copy_decoded(&mut chunks, key, &mut *sink, part, meter);
    match copied.and_then(|()| chunks.compare(part)) {
        Ok(()) => Ok(sink),
        Err(error) => Err(sink.fail(error)),
    }
}

fn copy_decoded(
    chunks: &mut ChunkReader,
    key: Option<&Key>,
    sink: &mut dyn Sink,
    part: &Part,
    meter: &Meter,
) -> Result<()> {
    let undecrypted = |error| damaged(part, "it can't be decrypted").with_source(error);
    let unreadable = |error| damaged(part, "it can't be decompressed").with_source(error);
    let mut stored: Box<dyn Read + '_> = match key {
        None => Box::new(&mut *chunks),
        Some(key) => key.unwrap(&mut *chunks).map_err(|locked| match locked {
            Locked::Key(error) => error,
            Locked::Damaged(error) => undecrypted(error),
        })?,
    };
    let mut decoder = zstd::Decoder::new(&mut stored).map_err(unreadable)?;
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let length = decoder.read(&mut buffer).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        sink.write(&buffer[..length]).map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "load", &part.name, "the loader stopped reading").with_source(error)
        })?;
        total += length as u64;
        meter.count(length, 0);
    }
    drop(decoder);
    if total != part.uncompressed_bytes {
        let reason = format!("it has {total} bytes once read, and the manifest says {}", part.uncompressed_bytes);
        return Err(damaged(part, &reason));
    }
    // zstd may be done before the last bytes are read; age and the hash want them all.
    io::copy(&mut stored, &mut io::sink()).map_err(undecrypted)?;
    drop(stored);
    io::copy(chunks, &mut io::sink()).map_err(unreadable)?;
    Ok(())
}
