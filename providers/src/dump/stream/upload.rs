//! One copy of a dump into one store, part by part.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayloadMut};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::copies::part_name;
use super::interrupted;
use crate::Run;
use crate::dump::store::{Store, Traffic};
use crate::error::{ErrorKind, Result};
use crate::model::{NativeId, TargetName};

/// How often a copy says that it is still being written: pg_dump may wait for a lock before its first byte, for longer
/// than debris may lie.
const TOUCH: Duration = Duration::from_secs(300);
/// How long a store may take to forget an upload that failed.
const ABORT: Duration = Duration::from_secs(10);

/// What comes through the queue.
pub(super) enum Piece {
    Bytes(Bytes),
    /// The part is whole, and its source has proven itself.
    End,
}

/// Where one copy goes.
pub(crate) struct Destination<'s> {
    pub(crate) store: &'s Store,
    pub(crate) target: &'s TargetName,
    pub(crate) native: &'s NativeId,
}

impl Destination<'_> {
    pub(super) fn path(&self, name: &str, number: usize) -> Path {
        self.store.path(self.target, self.native, &part_name(name, number, self.store.encryption()))
    }
}

/// Writes what comes through the queue, one object for each part, the first of which has number 1. A part that is not
/// ended is aborted.
pub(super) async fn upload(
    store: &Store,
    path_of: impl Fn(usize) -> Path,
    name: &str,
    mut pieces: mpsc::Receiver<Piece>,
    run: &Run,
) -> Result<()> {
    let mut number = 1;
    let mut path = path_of(number);
    let mut part: Option<Begun> = None;
    let mut waiting = tokio::time::interval_at(Instant::now() + TOUCH, TOUCH);
    waiting.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        let piece = tokio::select! {
            biased;
            () = run.cancel.cancelled() => break Err(interrupted("dump", name)),
            _ = waiting.tick() => {
                store.touch(&path).await;
                continue;
            }
            piece = pieces.recv() => piece,
        };
        let written = match piece {
            None => break Ok(()),
            Some(Piece::Bytes(bytes)) => tokio::select! {
                biased;
                () = run.cancel.cancelled() => break Err(interrupted("dump", name)),
                written = write(store, &path, &mut part, bytes) => written,
            },
            Some(Piece::End) => {
                let finished = finish(store, &path, part.take(), run).await;
                number += 1;
                path = path_of(number);
                finished
            }
        };
        if let Err(error) = written {
            break Err(error);
        }
    };
    if let Some(part) = part {
        part.abort().await;
    }
    ended
}

/// An object that is being written, in parts of one size of which a few are on their way at once.
///
/// `object_store`'s own `WriteMultipart` does nearly the same, but when it fails at the end it tells of the aborting only.
struct Begun {
    upload: Box<dyn MultipartUpload>,
    pending: PutPayloadMut,
    sending: JoinSet<object_store::Result<()>>,
    traffic: Traffic,
    bytes: u64,
}

impl Begun {
    async fn at(store: &Store, path: &Path) -> object_store::Result<Self> {
        let traffic = store.traffic();
        let upload = store.objects().store().put_multipart_opts(path, traffic.options()).await?;
        Ok(Self { upload, pending: PutPayloadMut::new(), sending: JoinSet::new(), traffic, bytes: 0 })
    }

    async fn put(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.traffic.part_bytes - self.pending.content_length();
            self.pending.push(bytes.split_to(bytes.len().min(room)));
            if self.pending.content_length() == self.traffic.part_bytes {
                self.drain(self.traffic.parts - 1).await?;
                self.send();
            }
        }
        Ok(())
    }

    fn send(&mut self) {
        let part = std::mem::take(&mut self.pending);
        self.sending.spawn(self.upload.put_part(part.into()));
    }

    /// Waits until no more than so many parts are on their way.
    async fn drain(&mut self, most: usize) -> object_store::Result<()> {
        while self.sending.len() > most {
            match self.sending.join_next().await {
                Some(sent) => sent??,
                None => break,
            }
        }
        Ok(())
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        if self.pending.content_length() > 0 {
            self.send();
        }
        self.drain(0).await?;
        self.upload.complete().await.map(drop)
    }

    /// What failed is worth more than why the clean-up failed too; the rest is debris.
    async fn abort(mut self) {
        let aborting = async {
            self.sending.shutdown().await;
            self.upload.abort().await
        };
        let _ = tokio::time::timeout(ABORT, aborting).await;
    }
}

async fn write(store: &Store, path: &Path, part: &mut Option<Begun>, bytes: Bytes) -> Result<()> {
    let fail = |error| store.error("write", path, error);
    if part.is_none() {
        *part = Some(Begun::at(store, path).await.map_err(fail)?);
    }
    match part {
        Some(part) => part.put(bytes).await.map_err(fail),
        None => Ok(()),
    }
}

/// Sends what is left of an object, and completes it.
async fn finish(store: &Store, path: &Path, part: Option<Begun>, run: &Run) -> Result<()> {
    let Some(mut part) = part else { return Ok(()) };
    let completed = tokio::select! {
        biased;
        () = run.cancel.cancelled() => Err(interrupted("dump", path.as_ref())),
        completed = part.complete() => completed.map_err(|error| store.error("write", path, error)),
    };
    let Err(error) = completed else { return Ok(()) };
    // The answer may have been lost, and a bucket that is asked again knows of no such upload. Only whole uploads are
    // seen there, and nobody else writes this one.
    if store.objects().folder().is_none()
        && error.kind() != ErrorKind::Interrupted
        && store.objects().store().head(path).await.is_ok_and(|found| found.size == part.bytes)
    {
        return Ok(());
    }
    part.abort().await;
    Err(error)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::OwnedFd;
    use std::time::SystemTime;

    use super::super::{Inspected, Meter, Saved, Source, Step, store_parts};
    use super::*;
    use crate::settings::{Compression, Local, Place, StoreSettings};

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
        let store = Store::open("nas", &StoreSettings { place, encrypt: None, max_part_mib: None }, folder.path())
            .await
            .unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let (target, native, snapshot) = ("t".parse().unwrap(), NativeId::new("s"), folder.path().join("t/s"));
        std::fs::create_dir_all(&snapshot).unwrap();
        let task = tokio::spawn(async move {
            let source = Source::File(File::from(OwnedFd::from(reader)));
            let steps = vec![Step { source, inspector: Box::new(Anything) }];
            let meter = Meter::new(&Run::silent(), None);
            let to = [Destination { store: &store, target: &target, native: &native }];
            store_parts(&to, "data", steps, Compression::default(), &meter).await
        });
        for _ in 0..10 {
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
        let Saved { copies, .. } = task.await.unwrap().unwrap();
        assert_eq!(copies.into_iter().next().unwrap().unwrap()[0].uncompressed_bytes, 7);
    }
}
