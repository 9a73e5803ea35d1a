//! A place for dumps: an `object_store`, where the snapshots of a target lie in it, and what its errors mean.

use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use rustix::io::Errno;

use super::manifest::{self, Manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, NativeId, TargetName};
use crate::settings::{Place, StoreSettings};

mod debris;

/// How many objects are read at once.
const CONCURRENCY: usize = 16;
/// A manifest is small; more is not one of ours.
const MANIFEST_LIMIT: u64 = 16 << 20;

/// An open store. The layout below a target is the contract's, section 5.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    name: String,
    objects: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Store {
    /// Opens the store called `name`; relative paths start at `base`.
    pub(crate) fn open(name: &str, settings: &StoreSettings, base: &FilePath) -> Result<Self> {
        let open = |reason: &str, kind| Error::new(kind, "store", "open", name, reason);
        if settings.encrypt.is_some() {
            return Err(open("this version can't encrypt, and won't store plain text instead", ErrorKind::Unsupported)
                .with_hint(format!("take `encrypt` out of [stores.{name}], or wait for the version that has it")));
        }
        let Place::Local(local) = &settings.place else {
            return Err(open("this version stores dumps in local folders only", ErrorKind::Unsupported)
                .with_hint("use a store of type \"local\""));
        };
        let folder = base.join(&local.path);
        std::fs::create_dir_all(&folder).map_err(|error| {
            open("its folder can't be made", kind_of_io(&error))
                .with_hint(format!("make {} writable for this user", folder.display()))
                .with_source(error)
        })?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| open("its folder can't be used", kind_of(&error)).with_source(error))?
            // A manifest that a power cut could take back would be no commit point.
            .with_fsync(true)
            .with_automatic_cleanup(true);
        let folder = folder.canonicalize().unwrap_or(folder);
        Ok(Self { name: name.to_owned(), objects: Arc::new(objects), folder })
    }

    /// The objects, for streaming parts in and out.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Where an object of a snapshot is.
    pub(crate) fn path(&self, target: &TargetName, native: &NativeId, object: &str) -> Path {
        Path::from_iter([target.as_str(), native.as_str(), object].map(PathPart::from))
    }

    /// The same as a person finds it.
    pub(crate) fn shown_path(&self, target: &TargetName, native: &NativeId, object: &str) -> String {
        self.folder.join(target.as_str()).join(native.as_str()).join(object).display().to_string()
    }

    /// `<store name>:<where it is>`, for `location`: the same for all its snapshots, as a region is.
    pub(crate) fn location(&self) -> String {
        format!("{}:{}", self.name, self.folder.display())
    }

    /// The place itself, whatever the config calls it.
    pub(crate) fn identity(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// What looks like a snapshot of `target`, manifest or not, newest first.
    pub(crate) async fn names(&self, target: &TargetName) -> Result<Vec<NativeId>> {
        let folder = Path::from_iter([target.as_str()].map(PathPart::from));
        let listed = self.objects.list_with_delimiter(Some(&folder)).await;
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

    /// The manifest of one snapshot; `None` where there is none.
    pub(crate) async fn manifest(&self, target: &TargetName, native: &NativeId) -> Result<Option<Bytes>> {
        let path = self.path(target, native, manifest::FILE);
        let fail = |error| self.error("read", &path, error);
        match self.objects.get(&path).await {
            Ok(found) if found.meta.size > MANIFEST_LIMIT => {
                Err(Error::new(ErrorKind::Verification, "store", "read", &path, "it is too large for a manifest"))
            }
            Ok(found) => found.bytes().await.map(Some).map_err(fail),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }

    /// Makes the folder of a new snapshot; `false` when there is one of that name.
    pub(crate) fn claim(&self, target: &TargetName, native: &NativeId) -> Result<bool> {
        let folder = self.folder.join(target.as_str());
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
        self.put_new(&path, manifest).await?;
        // A sweep takes the whole folder: the manifest may be alone in a new one.
        for part in made.objects() {
            let Err(error) = self.objects.head(&self.path(target, native, &part.name)).await else { continue };
            self.delete_object(&path).await?;
            return Err(match error {
                object_store::Error::NotFound { .. } => {
                    fail("its parts are gone: another process took them for debris").with_source(error)
                }
                error => self.error("commit", &path, error),
            });
        }
        Ok(())
    }

    /// Writes an object where there is none; a local store does so by a hard link.
    async fn put_new(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<()> {
        let put = self.objects.put_opts(path, bytes.into(), PutOptions::from(PutMode::Create)).await;
        put.map(|_| ()).map_err(|error| self.put_error(path, error))
    }

    fn put_error(&self, path: &Path, error: object_store::Error) -> Error {
        if !lacks_hard_links(&error) {
            return self.error("write", path, error);
        }
        let reason = "the file system has no hard links, and without them a snapshot can't be committed";
        Error::new(ErrorKind::Unsupported, "store", "write", format!("{path} in store {}", self.name), reason)
            .with_hint(format!("choose a folder on another file system: df -T {}", self.folder.display()))
            .with_source(error)
    }

    /// Deletes a snapshot, the manifest first: whatever is left behind then is debris, never half a snapshot.
    /// Deleting what is gone succeeds.
    pub(crate) async fn delete(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let manifest = self.path(target, native, manifest::FILE);
        self.delete_object(&manifest).await?;
        let folder = Path::from_iter([target.as_str(), native.as_str()].map(PathPart::from));
        let found: Vec<Path> = self
            .objects
            .list(Some(&folder))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(|error| self.error("list", &folder, error))?;
        for path in found {
            self.delete_object(&path).await?;
        }
        // Only an empty folder goes: a file that another process is writing keeps its own.
        let _ = tokio::fs::remove_dir(self.folder.join(target.as_str()).join(native.as_str())).await;
        Ok(())
    }

    /// Folders of snapshots without a manifest.
    ///
    /// Looks at the folder itself: object_store does not list the files that it was still writing.
    pub(crate) async fn debris(&self, target: &TargetName) -> Result<Vec<Debris>> {
        let folder = self.folder.join(target.as_str());
        let found = tokio::task::spawn_blocking(move || debris::debris_in(&folder)).await.map_err(io::Error::other);
        found.and_then(|found| found).map_err(|error| {
            Error::new(kind_of_io(&error), "store", "look for debris of", target, "its folder can't be read")
                .with_source(error)
        })
    }

    /// Deletes a snapshot's folder that has no manifest, with what was still being written into it. A snapshot that is
    /// committed meanwhile stays.
    pub(crate) async fn sweep(&self, target: &TargetName, native: &NativeId) -> Result<()> {
        let (folder, name) = (self.folder.join(target.as_str()), native.clone());
        let swept = tokio::task::spawn_blocking(move || debris::sweep(&folder, &name)).await.map_err(io::Error::other);
        swept.and_then(|swept| swept).map_err(|error| {
            Error::new(kind_of_io(&error), "store", "sweep", native, "it can't be deleted").with_source(error)
        })
    }

    /// Shows others that the object at `path` is still being written, though no byte has come for a while.
    pub(crate) async fn touch(&self, path: &Path) {
        let folder = self.folder.join(path.as_ref());
        // What can't be touched only looks older than it is.
        let _ = tokio::task::spawn_blocking(move || {
            let folder = folder.parent().map(std::fs::File::open).transpose()?;
            folder.map_or(Ok(()), |folder| folder.set_modified(std::time::SystemTime::now()))
        })
        .await
        .map_err(io::Error::other);
    }

    async fn delete_object(&self, path: &Path) -> Result<()> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error("delete", path, error)),
        }
    }

    /// Writes, reads back and deletes a small object, so that a store that won't take a dump is known before it.
    pub(crate) async fn probe(&self, target: &TargetName) -> Result<String> {
        let name = format!(".probe-{}", super::name::random(8));
        let path = Path::from_iter([target.as_str(), name.as_str()].map(PathPart::from));
        // As a commit does: a store that takes parts may still have no way to put only what is absent.
        self.put_new(&path, "snapkeep").await?;
        self.delete_object(&path).await?;
        Ok(format!("{} ({})", self.name, self.folder.display()))
    }

    /// The one place that says what an error of a store means.
    pub(crate) fn error(&self, action: &str, subject: impl fmt::Display, error: object_store::Error) -> Error {
        let kind = kind_of(&error);
        let io = io_cause(&error).map(io::Error::kind);
        let subject = format!("{subject} in store {}", self.name);
        let folder = self.folder.display();
        let (reason, hint) = match (kind, io) {
            (_, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => {
                ("no space is left", Some(format!("free some space: df -h {folder}")))
            }
            (_, Some(io::ErrorKind::ReadOnlyFilesystem)) => {
                ("the file system is read-only", Some(format!("mount {folder} writable, or choose another store")))
            }
            (ErrorKind::Permission, _) => {
                ("permission denied", Some(format!("let this user read and write {folder}: ls -ld {folder}")))
            }
            (ErrorKind::NotFound, _) => ("it isn't there", None),
            _ => ("the store failed", None),
        };
        let built = Error::new(kind, "store", action, subject, reason).with_source(error);
        match hint {
            Some(hint) => built.with_hint(hint),
            None => built,
        }
    }
}

fn kind_of(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ErrorKind::Permission
        }
        _ => io_cause(error).map_or(ErrorKind::Failed, kind_of_io),
    }
}

/// Whether this is `link(2)` on a file system without hard links: EPERM by its manual page, and what FUSE and network
/// file systems say. object_store calls it a failed renaming, and renames nothing where it puts only what is absent.
fn lacks_hard_links(error: &object_store::Error) -> bool {
    let numbers = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS].map(|number| Some(number.raw_os_error()));
    let is_link = error.to_string().contains("Unable to rename file");
    is_link && io_cause(error).is_some_and(|io| numbers.contains(&io.raw_os_error()))
}

/// What an error of the file system means.
pub(crate) fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Failed,
    }
}

fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Local;

    fn store(folder: &FilePath) -> Store {
        let place = Place::Local(Local { path: folder.to_owned() });
        Store::open("nas", &StoreSettings { place, encrypt: None }, folder).unwrap()
    }

    /// What object_store's local store makes of an error of link(2), and of open(2).
    fn local(what: &str, number: Errno) -> object_store::Error {
        #[derive(Debug)]
        struct Local(String, io::Error);
        impl fmt::Display for Local {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}: {}", self.0, self.1)
            }
        }
        impl std::error::Error for Local {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.1)
            }
        }
        let source = Local(what.into(), number.into());
        object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(source) }
    }

    #[test]
    fn a_file_system_without_hard_links_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        for number in [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS] {
            let error = store.put_error(&"x".into(), local("Unable to rename file", number));
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("no hard links") && error.hint().unwrap().contains("df -T"), "{error}");
        }
        for (what, number) in [("Unable to rename file", Errno::ACCESS), ("Unable to open file x", Errno::PERM)] {
            let error = store.put_error(&"x".into(), local(what, number));
            assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        }
    }

    #[tokio::test]
    async fn a_commit_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let path = Path::from("a/b");
        store.put_new(&path, "one").await.unwrap();
        assert!(store.put_new(&path, "two").await.is_err());
        assert_eq!(std::fs::read(folder.path().join("a/b")).unwrap(), b"one");
    }

    #[tokio::test]
    async fn a_manifest_whose_parts_were_swept_away_is_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let (target, native) = ("om".parse().unwrap(), NativeId::new("20261122T021500Z-ab12"));
        let json = r#"{"schema":"snapkeep/manifest/v1","id":"om/20261122T021500Z-ab12","target":"om","key":null,"tags":{},
            "created_at":"2026-11-22T02:15:00Z","completed_at":"2026-11-22T02:15:09Z","provider":"sqlite","engine":"sqlite",
            "engine_version":"3","database":"x","format":"f","tools":[],"uncompressed_bytes":1,"size_bytes":1,
            "parts":[{"name":"data.zst","size_bytes":1,"sha256":"00","uncompressed_bytes":1}]}"#;
        let error = store.commit(&target, &native, json.into()).await.unwrap_err();
        assert!(error.to_string().contains("took them for debris"), "{error}");
        assert_eq!(store.manifest(&target, &native).await.unwrap(), None);
        store.put_new(&store.path(&target, &native, "data.zst"), "x").await.unwrap();
        store.commit(&target, &native, json.into()).await.unwrap();
        store.sweep(&target, &native).await.unwrap();
        assert_eq!(store.manifest(&target, &native).await.unwrap().unwrap(), json.as_bytes());
    }
}
