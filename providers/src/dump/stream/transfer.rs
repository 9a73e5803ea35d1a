//! One object of a snapshot from store to store: as it is, or encrypted on its way.

use std::io::{self, Read};

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::mpsc;

use super::copies::Copy;
use super::load::{ChunkReader, open_part};
use super::upload::{Piece, upload};
use super::{CHUNK, Meter, QUEUE, interrupted, worker_lost};
use crate::dump::encryption::{self, Encryption};
use crate::dump::manifest::Part;
use crate::dump::store::Store;
use crate::error::{Error, ErrorKind, Result};

/// An object of a snapshot in a store.
pub(crate) struct At<'s> {
    pub(crate) store: &'s Store,
    pub(crate) path: Path,
}

/// What a part is called in a store that encrypts, or doesn't.
pub(crate) fn name_in(store: &Store, part: &Part) -> String {
    if encryption_for(store, part).is_some() {
        format!("{}{}", part.name, encryption::ENDING)
    } else {
        part.name.clone()
    }
}

/// What is encrypted already stays as it is: this machine may not be able to read it.
fn encryption_for<'s>(store: &'s Store, part: &Part) -> Option<&'s Encryption> {
    store.encryption().filter(|_| !part.is_encrypted())
}

/// Copies a part, and describes it as it is stored there. The bytes are hashed on their way: of a part that is not what its
/// manifest says, nothing is left at the new place.
pub(crate) async fn send_part(from: &At<'_>, to: &At<'_>, part: &Part, meter: &Meter) -> Result<Part> {
    let mut stored = open_part(from.store, &from.path, part, None).await?;
    let (chunk_sender, chunks) = mpsc::channel::<Bytes>(QUEUE);
    let (sender, pieces) = mpsc::channel(QUEUE);
    let (encryption, expected, name) = (encryption_for(to.store, part).cloned(), part.clone(), name_in(to.store, part));
    let worker = tokio::task::spawn_blocking(move || pass_on(chunks, sender, encryption, &expected, name));
    let reading = async move {
        loop {
            let chunk = tokio::select! {
                biased;
                () = meter.run.cancel.cancelled() => return Err(interrupted("copy", &part.name)),
                chunk = stored.next() => chunk.map_err(|error| from.store.error("read", &from.path, error))?,
            };
            let Some(chunk) = chunk else { return Ok(()) };
            meter.count(0, chunk.len());
            if chunk_sender.send(chunk).await.is_err() {
                return Ok(()); // the worker has ended, and says why
            }
        }
    };
    let path_of = |_| to.path.clone();
    let (read, uploaded, made) =
        tokio::join!(reading, upload(to.store, path_of, &part.name, pieces, &meter.run), worker);
    read.and(uploaded)?;
    made.map_err(|error| worker_lost(&part.name, error))?
}

fn pass_on(
    chunks: mpsc::Receiver<Bytes>,
    sender: mpsc::Sender<Piece>,
    encryption: Option<Encryption>,
    part: &Part,
    name: String,
) -> Result<Part> {
    let broken = |error: io::Error| {
        Error::new(ErrorKind::Failed, "dump", "copy", &part.name, "the stream failed").with_source(error)
    };
    let mut chunks = ChunkReader::new(chunks);
    let mut copy = Copy::new(sender, encryption);
    copy.begin_part().map_err(broken)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match chunks.read(&mut buffer).map_err(broken)? {
            0 => break,
            length => copy.write_all(&buffer[..length]).map_err(broken)?,
        }
    }
    chunks.compare(part)?;
    copy.end_part(name, part.uncompressed_bytes).map_err(broken)
}
