//! A place for objects: one `object_store` below a prefix, and what it is called for people and for comparisons.
//!
//! What dumps and the state share of a store. Knows nothing of snapshots.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::PathPart;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, ErrorKind, Result};
use crate::settings::Place;

mod address;
mod aws;
mod cloud;
mod conditional;
mod copy;
mod failure;
#[cfg(any(test, feature = "conformance"))]
pub mod flaky;
mod probe;
mod s3;

pub use address::check_endpoint;
pub use conditional::{Swap, Version};
pub(crate) use copy::{Copied, copy_object};
pub use failure::kind_of_io;
pub use object_store::path::Path;
pub use probe::{Overwrites, Probed};
pub(crate) use s3::{S3Bucket, Upload};

/// How often a small object is written again after an answer that tells nothing.
const ATTEMPTS: u32 = 4;
/// How long to wait before that, at first.
const PAUSE: Duration = Duration::from_millis(250);

/// An open place.
#[derive(Clone)]
pub struct Objects {
    name: String,
    store: Arc<dyn ObjectStore>,
    site: Site,
    s3: Option<Arc<S3Bucket>>,
}

/// Where a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// A folder of this machine, in full.
    Folder(PathBuf),
    /// A bucket or container.
    Bucket(Bucket),
}

/// A bucket or container of a cloud, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// `s3`, `az` or `gs`, as the clouds' own tools write it.
    pub(crate) scheme: &'static str,
    /// The bucket; `<account>/<container>` for Azure.
    pub(crate) name: String,
    /// What every object's name begins with, without slashes at its ends.
    pub(crate) prefix: Path,
    /// The endpoint, where it isn't the cloud's own.
    pub(crate) endpoint: Option<String>,
    /// The storage class of large objects.
    pub(crate) storage_class: Option<String>,
}

impl fmt::Debug for Objects {
    /// What object_store's own types would show has tokens and keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("name", &self.name).field("site", &self.site).finish_non_exhaustive()
    }
}

impl Objects {
    /// Opens the place of the store called `name`; relative paths start at `base`. Asks no server anything.
    pub async fn open(name: &str, place: &Place, base: &FilePath) -> Result<Self> {
        let mut bucket = None;
        let (store, site): (Arc<dyn ObjectStore>, Site) = match place {
            Place::Local(local) => open_folder(name, &base.join(&local.path))?,
            Place::S3(s3) => {
                let (opened, site) = cloud::s3(name, s3, base).await?;
                (bucket.insert(Arc::new(opened)).store(), site)
            }
            Place::AzureBlob(blob) => cloud::azure_blob(name, blob, base).await?,
            Place::Gcs(gcs) => cloud::gcs(name, gcs, base).await?,
        };
        let store = match &site {
            Site::Bucket(bucket) if !bucket.prefix.as_ref().is_empty() => {
                Arc::new(PrefixStore::new(store, bucket.prefix.clone()))
            }
            _ => store,
        };
        Ok(Self { name: name.to_owned(), store, site, s3: bucket })
    }

    /// A bucket that is none of a cloud's, for tests.
    #[cfg(any(test, feature = "conformance"))]
    pub fn of(store: Arc<dyn ObjectStore>) -> Self {
        let (scheme, prefix) = ("mem", Path::default());
        let bucket = Bucket { scheme, name: "test".into(), prefix, endpoint: None, storage_class: None };
        Self { name: "test".into(), store, site: Site::Bucket(bucket), s3: None }
    }

    /// The store's name in the config.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objects themselves; their paths begin below the prefix.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The folder, of a local place.
    pub fn folder(&self) -> Option<&FilePath> {
        match &self.site {
            Site::Folder(folder) => Some(folder),
            Site::Bucket(_) => None,
        }
    }

    /// What only S3 has, where this is S3.
    pub(crate) fn s3(&self) -> Option<&S3Bucket> {
        self.s3.as_deref()
    }

    /// The endpoint of a bucket, where it isn't the cloud's own.
    fn endpoint(&self) -> Option<&str> {
        match &self.site {
            Site::Folder(_) => None,
            Site::Bucket(bucket) => bucket.endpoint.as_deref(),
        }
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Where it is, as a person or a cloud's own tool writes it.
    pub fn shown(&self) -> String {
        match &self.site {
            Site::Folder(folder) => folder.display().to_string(),
            Site::Bucket(bucket) => bucket.url(&Path::default()),
        }
    }

    /// Where an object is, the same way.
    pub fn shown_path(&self, path: &Path) -> String {
        match &self.site {
            Site::Folder(folder) => folder.join(path.as_ref()).display().to_string(),
            Site::Bucket(bucket) => bucket.url(path),
        }
    }

    /// Reads a small object; `None` where there is none.
    pub async fn read(&self, path: &Path, limit: u64) -> Result<Option<Bytes>> {
        Ok(self.read_version(path, limit).await?.map(|(bytes, _)| bytes))
    }

    /// Writes a small object where there is none, and never over another.
    ///
    /// An answer that was lost on the way is found out by reading: what stands there with our own bytes is written.
    pub async fn put_new(&self, path: &Path, bytes: Bytes) -> Result<Put> {
        let limit = bytes.len() as u64;
        match self.swap(path, bytes, None, limit).await {
            Ok(Swap::Done(_)) => Ok(Put::Written),
            Ok(Swap::Other(_)) => Ok(Put::Taken),
            // What is there is larger than ours.
            Err(error) if error.kind() == ErrorKind::Verification => Ok(Put::Taken),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; what is gone is deleted.
    pub async fn delete(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error("delete", path, error)),
        }
    }

    pub(crate) fn subject(&self, what: impl fmt::Display) -> String {
        format!("{what} in store {}", self.name)
    }
}

/// The place itself, whatever a config calls it: the same on every machine, whether or not it can be opened.
pub(crate) fn identity_of(place: &Place, base: &FilePath) -> String {
    let bucket = |scheme: &str, name: &str, prefix: &Option<String>, endpoint: &Option<String>| {
        let prefix = address::prefix(prefix.as_deref()).unwrap_or_default();
        let endpoint = endpoint.as_ref().map(|endpoint| format!("@{endpoint}")).unwrap_or_default();
        format!("{scheme}://{name}/{prefix}{endpoint}")
    };
    match place {
        Place::Local(local) => format!("file://{}", canonical(&base.join(&local.path)).display()),
        Place::S3(s3) => bucket("s3", &s3.bucket, &s3.prefix, &s3.endpoint),
        Place::AzureBlob(blob) => {
            bucket("az", &format!("{}/{}", blob.account, blob.container), &blob.prefix, &blob.endpoint)
        }
        Place::Gcs(gcs) => bucket("gs", &gcs.bucket, &gcs.prefix, &gcs.endpoint),
    }
}

/// A path without links, as far as it exists: the same before and after its folder is made.
fn canonical(path: &FilePath) -> PathBuf {
    let there = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match there {
        Some((ancestor, found)) => match path.strip_prefix(ancestor) {
            Ok(rest) if rest.as_os_str().is_empty() => found,
            Ok(rest) => found.join(rest),
            Err(_) => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

/// How a write of a new object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, with our bytes.
    Written,
    /// Something else is there.
    Taken,
}

impl Bucket {
    fn url(&self, path: &Path) -> String {
        let parts = [self.name.as_str(), self.prefix.as_ref(), path.as_ref()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}://{}", self.scheme, parts.join("/"))
    }
}

fn open_folder(name: &str, folder: &FilePath) -> Result<(Arc<dyn ObjectStore>, Site)> {
    let open = |reason: &str, kind| Error::new(kind, "store", "open", name, reason);
    std::fs::create_dir_all(folder).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                format!("make {} writable for this user", folder.display())
            }
            _ => format!("check `path` of the store: {}", folder.display()),
        };
        open("its folder can't be made", kind_of_io(&error)).with_hint(hint).with_source(error)
    })?;
    let store = LocalFileSystem::new_with_prefix(folder)
        .map_err(|error| open("its folder can't be used", failure::kind_of(&error)).with_source(error))?
        // A manifest that a power cut could take back would be no commit point.
        .with_fsync(true)
        .with_automatic_cleanup(true);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Ok((Arc::new(store), Site::Folder(folder)))
}

/// A path of these parts, each percent-encoded where it must be.
pub fn path_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Path {
    Path::from_iter(parts.into_iter().map(PathPart::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Local;

    #[tokio::test]
    async fn what_is_there_is_never_replaced_and_writing_the_same_again_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Local(Local { path: folder.path().to_owned() });
        let objects = Objects::open("nas", &place, folder.path()).await.unwrap();
        let path = Path::from("a/b");
        assert_eq!(objects.put_new(&path, "one".into()).await.unwrap(), Put::Written);
        assert_eq!(objects.put_new(&path, "one".into()).await.unwrap(), Put::Written);
        assert_eq!(objects.put_new(&path, "two, and longer".into()).await.unwrap(), Put::Taken);
        assert_eq!(objects.put_new(&path, "2".into()).await.unwrap(), Put::Taken);
        assert_eq!(std::fs::read(folder.path().join("a/b")).unwrap(), b"one");
    }

    #[test]
    fn a_bucket_is_written_as_its_own_tools_do() {
        let bucket = |prefix: &str| Bucket {
            scheme: "s3",
            name: "dumps".into(),
            prefix: Path::from(prefix),
            endpoint: None,
            storage_class: None,
        };
        assert_eq!(bucket("").url(&Path::default()), "s3://dumps");
        assert_eq!(bucket("/prod/eu/").url(&Path::from("om/x")), "s3://dumps/prod/eu/om/x");
    }
}
