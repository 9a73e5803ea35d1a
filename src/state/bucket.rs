//! State in a bucket: one object for each, written only over what was read.
//!
//! No cloud's deletion is conditional for `object_store`, so nothing that can be written again is ever deleted: it is
//! replaced by an empty object, which means the same as none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use snapkeep_providers::objects::{Objects, Path, Swap, path_of};

use super::{Expected, IN_STORE, Mark, SUFFIX, Version, Written, decoded, hex, pretty, random};
use crate::failure::Failure;

/// The largest object; a reason of a hold is the longest part of any.
const LIMIT: u64 = 64 * 1024;
/// The key under which each object says which write it is of.
const WRITTEN: &str = "written";
/// The object that is written to learn what time it is.
const CLOCK: &str = "clock";

/// The state in a bucket: all of it, or a target's.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    objects: Objects,
    /// Whose part of it is meant.
    target: Option<String>,
    writes: Arc<Writes>,
}

/// Tells each write from any other that says the same. S3 names contents by their MD5: a request that arrives late, and
/// was meant for a hold that has been released, must not meet an equal one. And an answer that was lost is found out by
/// reading back what was written.
#[derive(Debug)]
struct Writes {
    process: u64,
    count: AtomicU64,
}

impl Writes {
    fn next(&self) -> String {
        format!("{}-{}", hex(&self.process.to_be_bytes()), self.count.fetch_add(1, Ordering::Relaxed))
    }
}

impl Bucket {
    pub(super) fn new(objects: Objects) -> Self {
        let writes = Writes { process: random(), count: AtomicU64::new(0) };
        Self { objects, target: None, writes: Arc::new(writes) }
    }

    pub(super) fn of(&self, target: &str) -> Self {
        Self { target: Some(target.to_owned()), ..self.clone() }
    }

    pub(super) fn shown(&self) -> String {
        self.objects.shown_path(&path_of([IN_STORE]))
    }

    pub(super) fn shown_path(&self, kind: &str, name: &str) -> String {
        self.objects.shown_path(&self.path(kind, name))
    }

    fn below<'a>(&'a self, parts: impl IntoIterator<Item = &'a str>) -> Path {
        path_of([IN_STORE].into_iter().chain(self.target.as_deref()).chain(parts))
    }

    fn path(&self, kind: &str, name: &str) -> Path {
        self.below([kind, &format!("{name}{SUFFIX}")])
    }

    /// By the store's clock, to the second: the age of an object against one that is written now.
    pub(super) async fn age(&self, kind: &str, name: &str) -> Result<Option<Duration>, Failure> {
        let Some(written) = self.objects.written_at(&self.path(kind, name)).await? else { return Ok(None) };
        let now = self.objects.now(&self.below([CLOCK])).await?;
        Ok(Some((now - written).to_std().unwrap_or_default()))
    }

    pub(super) async fn read(&self, kind: &str, name: &str) -> Result<Option<(Bytes, Version)>, Failure> {
        let found = self.objects.read_version(&self.path(kind, name), LIMIT).await?;
        Ok(found.filter(|(bytes, _)| !bytes.is_empty()).map(|(bytes, version)| (bytes, Version(Mark::Bucket(version)))))
    }

    /// The names of the objects of a kind.
    pub(super) async fn names(&self, kind: &str) -> Result<Vec<String>, Failure> {
        let files = self.objects.sizes(&self.below([kind])).await?;
        let there = files.iter().filter(|(_, size)| *size > 0);
        Ok(there.filter_map(|(file, _)| decoded(file.strip_suffix(SUFFIX)?)).collect())
    }

    pub(super) async fn write(
        &self,
        kind: &str,
        name: &str,
        mut value: Value,
        expected: &Expected,
    ) -> Result<Written, Failure> {
        if let Value::Object(value) = &mut value {
            value.insert(WRITTEN.to_owned(), self.writes.next().into());
        }
        let (path, bytes) = (self.path(kind, name), Bytes::from(pretty(&value)));
        let swapped = match expected {
            Expected::Version(version) => self.swap(&path, bytes, version).await?,
            Expected::Absent => match self.objects.swap(&path, bytes.clone(), None, LIMIT).await? {
                // What was deleted is written over.
                Swap::Other(Some((other, version))) if other.is_empty() => {
                    self.objects.swap(&path, bytes, Some(&version), LIMIT).await?
                }
                swapped => swapped,
            },
        };
        Ok(match swapped {
            Swap::Done(version) => Written::Yes(Version(Mark::Bucket(version))),
            Swap::Other(_) => Written::Conflict,
        })
    }

    pub(super) async fn delete(&self, kind: &str, name: &str, expected: &Version) -> Result<bool, Failure> {
        Ok(match self.swap(&self.path(kind, name), Bytes::new(), expected).await? {
            Swap::Done(_) => true,
            Swap::Other(other) => other.is_none_or(|(bytes, _)| bytes.is_empty()),
        })
    }

    async fn swap(&self, path: &Path, bytes: Bytes, expected: &Version) -> Result<Swap, Failure> {
        match &expected.0 {
            Mark::Bucket(version) => Ok(self.objects.swap(path, bytes, Some(version), LIMIT).await?),
            // Read in a folder, it can't be what stands here.
            Mark::Content(_) => Ok(Swap::Other(None)),
        }
    }

    pub(super) async fn erase(&self, kind: &str, name: &str) -> Result<(), Failure> {
        Ok(self.objects.delete(&self.path(kind, name)).await?)
    }
}
