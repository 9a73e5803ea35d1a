//! Debris in a bucket, where nothing can be renamed: objects below a snapshot's name that no manifest holds together, and
//! uploads to S3 that were never completed.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutPayload};

use super::{Store, manifest};
use crate::dump::name::is_snapshot_name;
use crate::error::{ErrorKind, Result};
use crate::model::{Check, Debris, NativeId, TargetName};
use crate::objects::{Put, Upload, path_of};

/// What stands in a manifest's place while its debris is swept, or when its writing failed and could still take effect:
/// whoever still wants to commit there can't.
const TOMBSTONE: &[u8] = br#"{"schema":"snapkeep/swept/v1"}"#;

pub(super) fn is_tombstone(manifest: &Bytes) -> bool {
    manifest == TOMBSTONE
}

impl Store {
    /// Objects below snapshot names that have no manifest, by name, oldest first.
    pub(super) async fn debris_in_bucket(&self, target: &TargetName) -> Result<Vec<Debris>> {
        let folder = path_of([target.as_str()]);
        let mut objects = self.objects.store().list(Some(&folder));
        let mut found: BTreeMap<String, (Debris, bool)> = BTreeMap::new();
        while let Some(object) = objects.try_next().await.map_err(|error| self.error("list", target, error))? {
            let Some(mut parts) = object.location.prefix_match(&folder) else { continue };
            let (Some(name), file) = (parts.next(), parts.next()) else { continue };
            let name = name.as_ref().to_owned();
            if !is_snapshot_name(&name) {
                continue;
            }
            let fresh = || Debris { native_id: NativeId::new(&name), touched_at: object.last_modified, size_bytes: 0 };
            let (debris, committed) = found.entry(name.clone()).or_insert_with(|| (fresh(), false));
            debris.touched_at = debris.touched_at.max(object.last_modified);
            debris.size_bytes += object.size;
            // A tombstone is as small as this, and no manifest is.
            *committed |=
                file.is_some_and(|file| file.as_ref() == manifest::FILE) && object.size > TOMBSTONE.len() as u64;
        }
        for upload in self.listable_uploads(target).await? {
            let Some(name) = snapshot_of(&upload.path, &folder) else { continue };
            let fresh =
                || (Debris { native_id: NativeId::new(&name), touched_at: upload.touched_at, size_bytes: 0 }, false);
            let (debris, committed) = found.entry(name.clone()).or_insert_with(fresh);
            // Of a snapshot only what isn't part of it.
            if std::mem::take(committed) {
                *debris = fresh().0;
            }
            debris.touched_at = debris.touched_at.max(upload.touched_at);
            debris.size_bytes += upload.size_bytes;
        }
        Ok(found.into_values().filter(|(_, committed)| !committed).map(|(debris, _)| debris).collect())
    }

    /// The unfinished uploads below a target's name, where such uploads can be listed.
    async fn uploads(&self, target: &TargetName) -> Result<Vec<Upload>> {
        let Some(s3) = self.objects.s3() else { return Ok(Vec::new()) };
        s3.uploads(&path_of([target.as_str()])).await.map_err(|error| {
            let error = self.error("list the unfinished uploads of", target, error);
            match error.kind() {
                ErrorKind::Permission => {
                    error.with_hint("permit s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts")
                }
                _ => error,
            }
        })
    }

    /// The same, and none where the credentials don't permit to list them: a rule of the bucket may see to those.
    async fn listable_uploads(&self, target: &TargetName) -> Result<Vec<Upload>> {
        match self.uploads(target).await {
            Err(error) if error.kind() == ErrorKind::Permission => Ok(Vec::new()),
            uploads => uploads,
        }
    }

    /// What `check` has to say of unfinished uploads that can't be listed.
    pub(super) async fn unlisted_uploads(&self, target: &TargetName) -> Option<String> {
        self.objects.s3()?;
        let error = self.uploads(target).await.err().filter(|error| error.kind() == ErrorKind::Permission)?;
        Some(format!("uploads that were cut off can't be found here: {}", error.hint().unwrap_or_default()))
    }

    /// Whether uploads that were cut off can be found, where they stay.
    pub(crate) async fn examine_uploads(&self) -> Option<Check> {
        let uploads = self.objects.s3()?.uploads(&Path::default()).await;
        let check = match uploads.map_err(|error| self.error("list the unfinished uploads of", self.name(), error)) {
            Ok(_) => Check::new("uploads", Ok("those that were cut off can be found".into())),
            Err(error) => {
                let check = Check::new("uploads", Ok("those that were cut off can't be found, and cost".into()));
                match error.kind() {
                    ErrorKind::Permission => {
                        check.with_advice("permit s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts")
                    }
                    _ => check
                        .with_advice("let the bucket abort them: its lifecycle rule AbortIncompleteMultipartUpload"),
                }
            }
        };
        Some(check)
    }

    /// Aborts the uploads below a snapshot's name that nobody has touched since they were found.
    pub(crate) async fn abort_uploads(&self, target: &TargetName, debris: &Debris) -> Result<()> {
        let Some(s3) = self.objects.s3() else { return Ok(()) };
        let folder = path_of([target.as_str()]);
        for upload in self.listable_uploads(target).await? {
            let ours = snapshot_of(&upload.path, &folder).is_some_and(|name| name == debris.native_id.as_str());
            if ours && upload.touched_at <= debris.touched_at {
                s3.abort(&upload).await.map_err(|error| self.error("abort the upload of", &upload.path, error))?;
            }
        }
        Ok(())
    }

    /// Puts a manifest where there is none. One whose writing failed may still land when its parts are gone, so its place
    /// is taken then.
    pub(super) async fn put_manifest(&self, path: &Path, manifest: Bytes) -> Result<Put> {
        let failure = match self.objects.put_new(path, manifest.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.objects.folder().is_none() => error,
            put => return put,
        };
        let tombstone = PutPayload::from_static(TOMBSTONE);
        match self.objects.store().put_opts(path, tombstone, PutMode::Create.into()).await {
            // It has landed already.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                self.objects.put_new(path, manifest).await
            }
            _ => Err(failure),
        }
    }

    /// Deletes what a dump that failed left; what keeps its manifest from landing late stays, and is debris.
    pub(crate) async fn discard(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let manifest = self.path(target, native, manifest::FILE);
        match self.objects.read(&manifest, TOMBSTONE.len() as u64).await {
            Ok(Some(found)) if is_tombstone(&found) => self.delete_parts(target, native).await,
            _ => self.delete(target, native).await,
        }
    }

    async fn delete_parts(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let manifest = self.path(target, native, manifest::FILE);
        for object in self.objects_of(target, native).await?.into_iter().filter(|object| object.location != manifest) {
            self.objects.delete(&object.location).await?;
        }
        Ok(())
    }

    /// Takes the manifest's place, deletes the rest, and then that.
    pub(super) async fn sweep_bucket(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let manifest = self.path(target, native, manifest::FILE);
        if self.objects.put_new(&manifest, Bytes::from_static(TOMBSTONE)).await? == Put::Taken {
            return Ok(());
        }
        self.delete_parts(target, native).await?;
        self.objects.delete(&manifest).await
    }
}

/// The name of the snapshot that an object below a target's folder belongs to.
fn snapshot_of(path: &Path, folder: &Path) -> Option<String> {
    let name = path.prefix_match(folder)?.next()?.as_ref().to_owned();
    is_snapshot_name(&name).then_some(name)
}
