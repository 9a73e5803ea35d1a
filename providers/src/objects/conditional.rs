//! Writes of small objects that take effect only while what stands there is what was read: of several writers who read
//! the same, one wins.
//!
//! All three clouds have them, and nothing else that is the same in all: no locks, and no conditional deletion that
//! `object_store` knows of.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use super::failure::may_have_arrived;
use super::{ATTEMPTS, Objects, PAUSE};
use crate::error::{Error, ErrorKind, Result};

/// Names one content of an object, as the store does: by its ETag or generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(UpdateVersion);

impl From<&ObjectMeta> for Version {
    fn from(meta: &ObjectMeta) -> Self {
        Self(UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() })
    }
}

/// How a conditional write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It is written, and this is its version.
    Done(Version),
    /// Something else is there, or nothing.
    Other(Option<(Bytes, Version)>),
}

impl Objects {
    /// Reads a small object and its version; `None` where there is none.
    pub async fn read_version(&self, path: &Path, limit: u64) -> Result<Option<(Bytes, Version)>> {
        let fail = |error| self.error("read", path, error);
        match self.store.get(path).await {
            Ok(found) if found.meta.size > limit => {
                let reason = format!("it is larger than {limit} bytes, and nothing of ours is");
                Err(Error::new(ErrorKind::Verification, "store", "read", self.subject(path), reason))
            }
            Ok(found) => {
                let version = Version::from(&found.meta);
                Ok(Some((found.bytes().await.map_err(fail)?, version)))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }

    /// Writes a small object if what stands there is still `expected`: that version, or nothing at all.
    ///
    /// An answer that was lost on the way is found out by reading: what stands there with our own bytes is written. So
    /// no two writers may mean the same bytes, unless it is the same to them whose they are.
    pub async fn swap(&self, path: &Path, bytes: Bytes, expected: Option<&Version>, limit: u64) -> Result<Swap> {
        let mode = expected.map_or(PutMode::Create, |version| PutMode::Update(version.0.clone()));
        let mut pause = PAUSE;
        for attempt in 1.. {
            let options = PutOptions::from(mode.clone());
            let error = match self.store.put_opts(path, bytes.clone().into(), options).await {
                Ok(put) => return Ok(Swap::Done(Version(put.into()))),
                Err(error) => error,
            };
            let met_another = is_conflict(&error);
            let last = attempt == ATTEMPTS;
            match self.read_version(path, limit).await {
                Ok(Some((found, version))) if found == bytes => return Ok(Swap::Done(version)),
                // Nothing is in the way of a new object: somebody's deletion, or another request at the same time.
                Ok(None) if met_another && expected.is_none() && !last => {}
                Ok(other) if met_another => return Ok(Swap::Other(other)),
                // Whether it was ours that took effect is what can't be read.
                Err(unread) if met_another => return Err(unread),
                Ok(_) | Err(_) => {
                    // The rest was tried often enough by `object_store` itself.
                    let again = may_have_arrived(&error);
                    let failure = self.error("write", path, error);
                    if last || !again || !failure.kind().is_retryable() {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(Swap::Other(None))
    }

    /// The names and sizes of the objects in a folder, in one request for each thousand.
    pub async fn sizes(&self, folder: &Path) -> Result<Vec<(String, u64)>> {
        let listed: Vec<ObjectMeta> =
            self.store.list(Some(folder)).try_collect().await.map_err(|error| self.error("list", folder, error))?;
        let direct = |meta: &ObjectMeta| meta.location.prefix_match(folder).is_some_and(|rest| rest.count() == 1);
        let named = listed.iter().filter(|meta| direct(meta));
        Ok(named.filter_map(|meta| Some((meta.location.filename()?.to_owned(), meta.size))).collect())
    }

    /// When an object was written, by the store's clock; `None` where there is none.
    pub async fn written_at(&self, path: &Path) -> Result<Option<DateTime<Utc>>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.last_modified)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("look at", path, error)),
        }
    }

    /// What time it is by the store's clock, to the second: that of `path`, which is written for it.
    pub async fn now(&self, path: &Path) -> Result<DateTime<Utc>> {
        self.store.put(path, Bytes::new().into()).await.map_err(|error| self.error("write", path, error))?;
        let gone = || Error::new(ErrorKind::Failed, "store", "look at", self.subject(path), "it was just written");
        self.written_at(path).await?.ok_or_else(gone)
    }
}

fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } | StoreError::NotModified { .. })
}

#[cfg(test)]
mod tests;
