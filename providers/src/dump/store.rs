//! A place for dumps: where the snapshots of a target lie in it, how one is committed, and how one goes.

use std::io;
use std::path::Path as FilePath;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Attribute, AttributeValue, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions};

use super::encryption::Encryption;
use super::manifest::{self, Manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, NativeId, TargetName};
use crate::objects::{Objects, Put, Site, kind_of_io, path_of};
use crate::settings::StoreSettings;

mod bucket;
mod debris;
mod lock;

/// How many objects are read at once.
const CONCURRENCY: usize = 16;
/// A manifest is small; more is not one of ours.
pub(crate) const MANIFEST_LIMIT: u64 = 16 << 20;
/// Bytes of one part of an upload to a folder.
const FOLDER_PART: usize = 2 << 20;
/// The same to a bucket: the least that S3 and GCS take.
const BUCKET_PART: usize = 5 << 20;
/// An upload to S3 or GCS has 10,000 parts at most; a dump that needs more is stored as several objects.
const PART_LIMIT: u64 = 48 << 30;

/// An open store. The layout below a target is the contract's, section 5.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Objects,
    encryption: Option<Encryption>,
    part_limit: u64,
}

/// How a dump is sent to a store.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// Bytes of one part of an upload.
    pub(crate) part_bytes: usize,
    /// How many parts may be on their way at once.
    pub(crate) parts: usize,
    storage_class: Option<String>,
}

impl Traffic {
    pub(crate) fn options(&self) -> PutMultipartOptions {
        let class =
            self.storage_class.iter().map(|class| (Attribute::StorageClass, AttributeValue::from(class.clone())));
        PutMultipartOptions { attributes: class.collect(), ..PutMultipartOptions::default() }
    }
}

impl Store {
    /// Opens the store called `name`; relative paths start at `base`.
    pub(crate) async fn open(name: &str, settings: &StoreSettings, base: &FilePath) -> Result<Self> {
        let encryption = settings.encrypt.as_ref().map(|encrypt| Encryption::new(name, encrypt, base)).transpose()?;
        let part_limit = settings.max_part_mib.map_or(PART_LIMIT, |mib| u64::from(mib) << 20);
        Ok(Self { objects: Objects::open(name, &settings.place, base).await?, encryption, part_limit })
    }

    /// A dump is split into parts of about this many bytes.
    pub(crate) fn part_limit(&self) -> u64 {
        self.part_limit
    }

    /// How a dump is sent here.
    pub(crate) fn traffic(&self) -> Traffic {
        match self.objects.site() {
            Site::Folder(_) => Traffic { part_bytes: FOLDER_PART, parts: 2, storage_class: None },
            Site::Bucket(bucket) => {
                Traffic { part_bytes: BUCKET_PART, parts: 4, storage_class: bucket.storage_class.clone() }
            }
        }
    }

    /// The store's name in the config.
    pub(crate) fn name(&self) -> &str {
        self.objects.name()
    }

    /// The objects, for streaming parts in and out.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// How its dumps are encrypted, if they are.
    pub(crate) fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_ref()
    }

    /// Where an object of a snapshot is.
    pub(crate) fn path(&self, target: &TargetName, native: &NativeId, object: &str) -> Path {
        path_of([target.as_str(), native.as_str(), object])
    }

    /// The same as a person finds it.
    pub(crate) fn shown_path(&self, target: &TargetName, native: &NativeId, object: &str) -> String {
        self.objects.shown_path(&self.path(target, native, object))
    }

    /// `<store name>:<where it is>`, for `location`: the same for all its snapshots, as a region is.
    pub(crate) fn location(&self) -> String {
        format!("{}:{}", self.name(), self.objects.shown())
    }

    /// What looks like a snapshot of `target`, manifest or not, newest first.
    pub(crate) async fn names(&self, target: &TargetName) -> Result<Vec<NativeId>> {
        let folder = path_of([target.as_str()]);
        let listed = self.objects.store().list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| self.error("list", target, error))?;
        let mut names: Vec<NativeId> = listed
            .common_prefixes
            .iter()
            .filter_map(|prefix| prefix.filename())
            .filter(|name| super::name::is_snapshot_name(name))
            .map(NativeId::new)
            .collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// The manifests of `names` in their order; `None` where there is none, so no snapshot.
    pub(crate) async fn manifests(
        &self,
        target: &TargetName,
        names: Vec<NativeId>,
    ) -> Vec<(NativeId, Result<Option<Bytes>>)> {
        stream::iter(names)
            .map(|name| async move {
                let bytes = self.manifest(target, &name).await;
                (name, bytes)
            })
            .buffered(CONCURRENCY)
            .collect()
            .await
    }

    /// The manifest of one snapshot; `None` where there is none, and where debris is being swept.
    pub(crate) async fn manifest(&self, target: &TargetName, native: &NativeId) -> Result<Option<Bytes>> {
        let found = self.objects.read(&self.path(target, native, manifest::FILE), MANIFEST_LIMIT).await?;
        Ok(found.filter(|bytes| !bucket::is_tombstone(bytes)))
    }

    /// Makes sure that no snapshot has this name: in a folder, by making its own; `false` when there is one.
    pub(crate) async fn claim(&self, target: &TargetName, native: &NativeId) -> Result<bool> {
        let Some(folder) = self.objects.folder() else {
            self.check_lock().await?;
            return Ok(self.objects_of(target, native).await?.is_empty());
        };
        let folder = folder.join(target.as_str());
        let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::create_dir(folder.join(native.as_str())));
        match made {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => {
                let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
                Err(self.error("write", format!("{target}/{native}"), source))
            }
        }
    }

    /// Writes the manifest: the commit. Never over another, and not where the parts were swept away meanwhile.
    pub(crate) async fn commit(&self, target: &TargetName, native: &NativeId, manifest: Vec<u8>) -> Result<()> {
        let path = self.path(target, native, manifest::FILE);
        let fail = |reason| Error::new(ErrorKind::Failed, "store", "commit", &path, reason);
        let made: Manifest =
            serde_json::from_slice(&manifest).map_err(|error| fail("its manifest is none").with_source(error))?;
        for part in made.objects() {
            self.lock(&self.path(target, native, &part.name), made.locked_until).await?;
        }
        if self.put_manifest(&path, manifest.into()).await? == Put::Taken {
            let reason = "another process writes or sweeps a snapshot of that name";
            return Err(Error::new(ErrorKind::Locked, "store", "commit", &path, reason).with_hint("try again"));
        }
        // A sweep takes the whole folder: the manifest may be alone in a new one.
        for part in made.objects() {
            let head = self.objects.store().head(&self.path(target, native, &part.name)).await;
            let failure = match head {
                Ok(found) if found.size == part.size_bytes => continue,
                Ok(found) => {
                    let reason = format!(
                        "{} has {} bytes in the store, and {} were sent",
                        part.name, found.size, part.size_bytes
                    );
                    Error::new(ErrorKind::Failed, "store", "commit", &path, reason)
                }
                Err(error @ object_store::Error::NotFound { .. }) => {
                    fail("its parts are gone: another process took them for debris").with_source(error)
                }
                Err(error) => self.error("commit", &path, error),
            };
            self.objects.delete(&path).await?;
            return Err(failure);
        }
        if let Err(failure) = self.lock(&path, made.locked_until).await {
            self.objects.delete(&path).await?;
            return Err(failure);
        }
        Ok(())
    }

    /// Deletes a snapshot, the manifest first: whatever is left behind then is debris, never half a snapshot.
    /// Deleting what is gone succeeds.
    pub(crate) async fn delete(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        self.objects.delete(&self.path(target, native, manifest::FILE)).await?;
        for object in self.objects_of(target, native).await? {
            self.objects.delete(&object.location).await?;
        }
        if let Some(folder) = self.objects.folder() {
            // Only an empty folder goes: a file that another process is writing keeps its own.
            let _ = tokio::fs::remove_dir(folder.join(target.as_str()).join(native.as_str())).await;
        }
        Ok(())
    }

    /// Everything that lies below a snapshot's name.
    async fn objects_of(&self, target: &TargetName, native: &NativeId) -> Result<Vec<ObjectMeta>> {
        let folder = path_of([target.as_str(), native.as_str()]);
        let found = self.objects.store().list(Some(&folder)).try_collect().await;
        found.map_err(|error| self.error("list", &folder, error))
    }

    /// What was begun under a target's name and has no manifest.
    pub(crate) async fn debris(&self, target: &TargetName) -> Result<Vec<Debris>> {
        let Some(folder) = self.objects.folder() else { return self.debris_in_bucket(target).await };
        // The folder itself is looked at: object_store does not list the files that it was still writing.
        let folder = folder.join(target.as_str());
        let found = tokio::task::spawn_blocking(move || debris::debris_in(&folder)).await.map_err(io::Error::other);
        found.and_then(|found| found).map_err(|error| {
            Error::new(kind_of_io(&error), "store", "look for debris of", target, "its folder can't be read")
                .with_source(error)
        })
    }

    /// Deletes what has no manifest below a snapshot's name, with what was still being written. A snapshot that is
    /// committed meanwhile stays.
    pub(crate) async fn sweep(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let Some(folder) = self.objects.folder() else { return self.sweep_bucket(target, native).await };
        let (folder, name) = (folder.join(target.as_str()), native.clone());
        let swept = tokio::task::spawn_blocking(move || debris::sweep(&folder, &name)).await.map_err(io::Error::other);
        swept.and_then(|swept| swept).map_err(|error| {
            Error::new(kind_of_io(&error), "store", "sweep", native, "it can't be deleted").with_source(error)
        })
    }

    /// Shows others that the object at `path` is still being written, though no byte has come for a while. In a bucket
    /// each part of an upload shows that, and one that waits for a day for its first is as good as dead.
    pub(crate) async fn touch(&self, path: &Path) {
        let Some(folder) = self.objects.folder() else { return };
        let folder = folder.join(path.as_ref());
        // What can't be touched only looks older than it is.
        let _ = tokio::task::spawn_blocking(move || {
            let folder = folder.parent().map(std::fs::File::open).transpose()?;
            folder.map_or(Ok(()), |folder| folder.set_modified(std::time::SystemTime::now()))
        })
        .await
        .map_err(io::Error::other);
    }

    /// Writes, reads back and deletes a small object, so that a store that won't take a dump is known before it.
    pub(crate) async fn probe(&self, target: &TargetName) -> Result<String> {
        let name = format!(".probe-{}", crate::random::letters(8));
        let path = path_of([target.as_str(), name.as_str()]);
        // As a commit does: a store that takes parts may still have no way to put only what is absent.
        self.objects.put_new(&path, Bytes::from_static(b"snapkeep")).await?;
        self.objects.delete(&path).await?;
        self.check_lock().await?;
        let more = self.unlisted_uploads(target).await.map(|more| format!("; {more}")).unwrap_or_default();
        Ok(format!("{} ({}){more}", self.name(), self.objects.shown()))
    }

    /// What an error of the store means.
    pub(crate) fn error(&self, action: &str, subject: impl std::fmt::Display, error: object_store::Error) -> Error {
        self.objects.error(action, subject, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Local, Place};

    async fn store(folder: &FilePath) -> Store {
        let place = Place::Local(Local { path: folder.to_owned() });
        Store::open("nas", &StoreSettings { place, encrypt: None, max_part_mib: None }, folder).await.unwrap()
    }

    #[tokio::test]
    async fn a_manifest_whose_parts_were_swept_away_is_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let (target, native) = ("om".parse().unwrap(), NativeId::new("20261122T021500Z-ab12"));
        let json = r#"{"schema":"snapkeep/manifest/v1","id":"om/20261122T021500Z-ab12","target":"om","key":null,"tags":{},
            "created_at":"2026-11-22T02:15:00Z","completed_at":"2026-11-22T02:15:09Z","provider":"sqlite","engine":"sqlite",
            "engine_version":"3","database":"x","format":"f","tools":[],"uncompressed_bytes":1,"size_bytes":1,
            "parts":[{"name":"data.zst","size_bytes":1,"sha256":"00","uncompressed_bytes":1}]}"#;
        let error = store.commit(&target, &native, json.into()).await.unwrap_err();
        assert!(error.to_string().contains("took them for debris"), "{error}");
        assert_eq!(store.manifest(&target, &native).await.unwrap(), None);
        store.objects.put_new(&store.path(&target, &native, "data.zst"), "x".into()).await.unwrap();
        store.commit(&target, &native, json.into()).await.unwrap();
        store.sweep(&target, &native).await.unwrap();
        assert_eq!(store.manifest(&target, &native).await.unwrap().unwrap(), json.as_bytes());
    }
}
