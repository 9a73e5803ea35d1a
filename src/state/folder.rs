//! State in a folder: one file for each object. A writer compares and replaces it under a lock of the kernel.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use snapkeep_providers::ErrorKind;

use super::{Expected, Mark, SUFFIX, Version, Written, decoded};
use crate::failure::Failure;

/// A folder of state: all of it, or a target's.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Version {
    fn of_content(bytes: &[u8]) -> Self {
        Self(Mark::Content(Sha256::digest(bytes).into()))
    }
}

/// Does what may wait for a disk, or for another process, where it stops nothing else.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and takes this along.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn of(&self, target: &str) -> Self {
        Self { path: self.path.join(target) }
    }

    pub(super) fn shown(&self) -> String {
        self.path.parent().unwrap_or(&self.path).display().to_string()
    }

    pub(super) fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.path.join(kind).join(encoded(name) + SUFFIX)
    }

    /// Works on one object where it stops nothing else.
    async fn at<T: Send + 'static>(
        &self,
        action: &'static str,
        kind: &str,
        name: &str,
        work: impl FnOnce(&Self, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (folder, path) = (self.clone(), self.path(kind, name));
        aside(move || work(&folder, &path).map_err(|error| failed(action, &path, &error))).await
    }

    pub(super) async fn age(&self, kind: &str, name: &str) -> Result<Option<Duration>, Failure> {
        self.at("read the age of", kind, name, |folder, path| {
            let written = match path.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                metadata => metadata?.modified()?,
            };
            let _guard = folder.guard(path)?;
            let clock = path.with_extension("clock");
            let now = File::create(&clock)?.metadata()?.modified()?;
            std::fs::remove_file(&clock)?;
            Ok(Some(now.duration_since(written).unwrap_or_default()))
        })
        .await
    }

    pub(super) async fn read(&self, kind: &str, name: &str) -> Result<Option<(Bytes, Version)>, Failure> {
        self.at("read", kind, name, |_, path| match std::fs::read(path) {
            Ok(bytes) => {
                let version = Version::of_content(&bytes);
                Ok(Some((Bytes::from(bytes), version)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// The names of the objects of a kind.
    pub(super) async fn names(&self, kind: &str) -> Result<Vec<String>, Failure> {
        let folder = self.path.join(kind);
        aside(move || {
            let read = || -> io::Result<Vec<String>> {
                let files = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name()));
                let files: Vec<_> = files.collect::<io::Result<_>>()?;
                Ok(files.iter().filter_map(|file| decoded(file.to_str()?.strip_suffix(SUFFIX)?)).collect())
            };
            match read() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                names => names.map_err(|error| failed("list", &folder, &error)),
            }
        })
        .await
    }

    pub(super) async fn write(
        &self,
        kind: &str,
        name: &str,
        bytes: Vec<u8>,
        expected: &Expected,
    ) -> Result<Written, Failure> {
        let expected = expected.clone();
        self.at("write", kind, name, move |folder, path| {
            let _guard = folder.guard(path)?;
            if !is_as_expected(path, &expected)? {
                return Ok(Written::Conflict);
            }
            replace(path, &bytes)?;
            Ok(Written::Yes(Version::of_content(&bytes)))
        })
        .await
    }

    pub(super) async fn delete(&self, kind: &str, name: &str, expected: &Version) -> Result<bool, Failure> {
        let expected = Expected::Version(expected.clone());
        self.at("delete", kind, name, move |folder, path| {
            if !path.try_exists()? {
                return Ok(true);
            }
            let _guard = folder.guard(path)?;
            if is_as_expected(path, &expected)? {
                std::fs::remove_file(path)?;
                return Ok(true);
            }
            Ok(!path.try_exists()?)
        })
        .await
    }

    pub(super) async fn erase(&self, kind: &str, name: &str) -> Result<(), Failure> {
        self.at("delete", kind, name, |_, path| match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// What can't be deleted now is left.
    pub(super) fn drop_now(&self, kind: &str, name: &str, is_ours: impl Fn(&[u8]) -> bool) {
        let path = self.path(kind, name);
        if !path.exists() {
            return;
        }
        let Ok(_guard) = self.guard(&path) else { return };
        if std::fs::read(&path).is_ok_and(|bytes| is_ours(&bytes)) {
            let _ = std::fs::remove_file(&path);
        }
    }

    /// Lets one process at a time compare and write. The kernel releases it when a process dies.
    fn guard(&self, path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let guard = self.path.join("guard");
        let file = File::options().create(true).truncate(false).write(true).open(guard)?;
        file.lock()?;
        Ok(file)
    }
}

/// A name as that of a file: what is not plain in it is percent-encoded.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn is_as_expected(path: &Path, expected: &Expected) -> io::Result<bool> {
    match (std::fs::read(path), expected) {
        (Ok(bytes), Expected::Version(version)) => Ok(Version::of_content(&bytes) == *version),
        (Ok(_), Expected::Absent) => Ok(false),
        (Err(error), expected) if error.kind() == io::ErrorKind::NotFound => Ok(*expected == Expected::Absent),
        (Err(error), _) => Err(error),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    // A hold that a power cut takes back would be none.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        _ => ErrorKind::Failed,
    };
    let hint = "the state folder must be writable: $XDG_STATE_HOME/snapkeep, or the store that [state] names";
    Failure::new(kind, format!("state: cannot {action} {}: {error}", path.display())).with_hint(hint)
}
