//! What must be remembered outside the snapshots themselves: holds, adoptions, plans under way, and the locks.
//!
//! Small JSON objects in a folder. Every write is conditional on what was read, so that two processes can't lose
//! each other's.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use snapkeep_providers::settings::Place;
use snapkeep_providers::{ErrorKind, Provider};

use crate::config::Config;
use crate::failure::Failure;

/// The folder of the state inside a store. No target's name begins with a dot.
const IN_STORE: &str = ".snapkeep";

/// What a write expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing yet.
    Absent,
    /// What was read: its version.
    Version(Version),
}

/// Names one content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version([u8; 32]);

impl Version {
    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// How a conditional write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is written, and this is its version.
    Yes(Version),
    /// Something else is there.
    Conflict,
}

/// A folder of state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
    sharing: Sharing,
}

/// Who else may keep state in the same folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// Configs that name it: those of one place, on however many machines.
    Named,
    /// Every config of one user, whatever it is about.
    Everything,
}

/// The state of one target.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    folder: PathBuf,
    lock: String,
}

impl State {
    /// The state of a config: in its `[state] store`, else in the user's state folder.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        let (folder, sharing) = match &config.state.store {
            Some(name) => match config.stores.get(name).map(|store| &store.place) {
                Some(Place::Local(local)) => (config.resolve(&local.path).join(IN_STORE), Sharing::Named),
                _ => {
                    let message =
                        format!("state: cannot use store {name}: this version keeps state in local folders only");
                    return Err(Failure::new(ErrorKind::Unsupported, message)
                        .with_hint("name a store of type \"local\" in [state], or leave it out"));
                }
            },
            None => (default_folder()?, Sharing::Everything),
        };
        Ok(Self { folder, sharing })
    }

    /// The part of it that belongs to the target of `provider`: by its name alone, so that a store that is moved, or
    /// mounted elsewhere, keeps its holds.
    ///
    /// Only the lock is told apart by where the snapshots are, where unrelated configs share the folder: two databases
    /// that two configs call by one name need not wait for each other. A hold can't be mistaken, ids being unique.
    pub(crate) fn scope(&self, provider: &dyn Provider) -> Scope {
        let lock = match self.sharing {
            Sharing::Named => "target".to_owned(),
            Sharing::Everything => format!("target-{}", hex(&Sha256::digest(provider.identity().as_bytes())[..6])),
        };
        Scope { folder: self.folder.join(provider.target().as_str()), lock }
    }
}

fn default_folder() -> Result<PathBuf, Failure> {
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    // Without HOME, as under many schedulers, the user's entry says where it is: the same place as with it.
    let home = || std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local/state"));
    xdg.or_else(home).map(|folder| folder.join("snapkeep")).ok_or_else(|| {
        Failure::new(ErrorKind::Failed, "state: cannot find a folder for holds and locks: this user has no home")
            .with_hint("name a store in [state], or set XDG_STATE_HOME")
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name as one file: what is not plain in it is percent-encoded.
fn file_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decode(file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = file.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let code = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

impl Scope {
    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(format!("{}.json", file_name(name)))
    }

    /// What the target's lock is called.
    pub(crate) fn lock_name(&self) -> &str {
        &self.lock
    }

    /// How long ago an object was written, by the clock of the file system that holds it: machines' own clocks differ.
    pub(crate) fn age(&self, kind: &str, name: &str) -> Result<Option<Duration>, Failure> {
        let path = self.path(kind, name);
        let age = || -> io::Result<Option<Duration>> {
            let written = match path.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                metadata => metadata?.modified()?,
            };
            let _guard = self.guard(&path)?;
            let clock = path.with_extension("clock");
            let now = File::create(&clock)?.metadata()?.modified()?;
            std::fs::remove_file(&clock)?;
            Ok(Some(now.duration_since(written).unwrap_or_default()))
        };
        age().map_err(|error| failed("read the age of", &path, &error))
    }

    /// Reads one object.
    pub(crate) fn get<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<(T, Version)>, Failure> {
        let path = self.path(kind, name);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let value = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error.to_string()))?;
                Ok(Some((value, Version::of(&bytes))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    /// Reads every object of a kind, by name.
    pub(crate) fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, Failure> {
        let folder = self.folder.join(kind);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", &folder, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| failed("list", &folder, &error))?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json")).and_then(decode);
            if let Some(name) = name
                && let Some((value, _)) = self.get(kind, &name)?
            {
                found.push((name, value));
            }
        }
        Ok(found)
    }

    /// Writes one object, if what is there is what was expected.
    pub(crate) fn put<T: Serialize>(
        &self,
        kind: &str,
        name: &str,
        value: &T,
        expected: &Expected,
    ) -> Result<Written, Failure> {
        let path = self.path(kind, name);
        let bytes = serde_json::to_vec_pretty(value).map_err(|error| damaged(&path, &error.to_string()))?;
        let write = || -> io::Result<Written> {
            let _guard = self.guard(&path)?;
            if !is_as_expected(&path, expected)? {
                return Ok(Written::Conflict);
            }
            replace(&path, &bytes)?;
            Ok(Written::Yes(Version::of(&bytes)))
        };
        write().map_err(|error| failed("write", &path, &error))
    }

    /// Deletes one object, if it is what was expected; `false` when something else is there. What is gone is deleted.
    pub(crate) fn delete(&self, kind: &str, name: &str, expected: &Version) -> Result<bool, Failure> {
        let path = self.path(kind, name);
        let delete = || -> io::Result<bool> {
            if !path.try_exists()? {
                return Ok(true);
            }
            let _guard = self.guard(&path)?;
            if is_as_expected(&path, &Expected::Version(expected.clone()))? {
                std::fs::remove_file(&path)?;
                return Ok(true);
            }
            Ok(!path.try_exists()?)
        };
        delete().map_err(|error| failed("delete", &path, &error))
    }

    /// Writes a small object and deletes it, so that a state that takes none is known early. Gives its folder.
    pub(crate) fn probe(&self) -> Result<String, Failure> {
        let name = std::process::id().to_string();
        if let Written::Yes(version) = self.put("probe", &name, &0, &Expected::Absent)? {
            self.delete("probe", &name, &version)?;
        }
        Ok(self.folder.parent().unwrap_or(&self.folder).display().to_string())
    }

    /// Lets one process at a time compare and write. The kernel releases it when a process dies.
    fn guard(&self, path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let guard = self.folder.join("guard");
        let file = File::options().create(true).truncate(false).write(true).open(guard)?;
        file.lock()?;
        Ok(file)
    }
}

fn is_as_expected(path: &Path, expected: &Expected) -> io::Result<bool> {
    match (std::fs::read(path), expected) {
        (Ok(bytes), Expected::Version(version)) => Ok(Version::of(&bytes) == *version),
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

fn damaged(path: &Path, reason: &str) -> Failure {
    let message = format!("state: cannot read {}: it is damaged: {reason}", path.display());
    Failure::new(ErrorKind::Verification, message).with_hint("look at the file, and remove it if it means nothing")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn scope(folder: &Path) -> Scope {
        Scope { folder: folder.join("om"), lock: "target".into() }
    }

    #[test]
    fn a_write_that_expects_something_else_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        let Written::Yes(first) = scope.put("holds", "a/b", &1, &Expected::Absent).unwrap() else { panic!() };
        assert_eq!(scope.put("holds", "a/b", &2, &Expected::Absent).unwrap(), Written::Conflict);
        let second = scope.put("holds", "a/b", &3, &Expected::Version(first.clone())).unwrap();
        assert!(matches!(second, Written::Yes(_)));
        assert_eq!(scope.put("holds", "a/b", &4, &Expected::Version(first.clone())).unwrap(), Written::Conflict);
        scope.delete("holds", "a/b", &first).unwrap();
        assert_eq!(scope.all::<i32>("holds").unwrap(), [("a/b".to_owned(), 3)]);
    }

    #[test]
    fn of_many_writers_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let scope = scope(folder.path());
        let won = std::thread::scope(|threads| {
            let all: Vec<_> = (0..16)
                .map(|n| {
                    threads.spawn({
                        let scope = scope.clone();
                        move || scope.put("lock", "x", &n, &Expected::Absent).unwrap() != Written::Conflict
                    })
                })
                .collect();
            all.into_iter().filter(|_| true).map(|thread| thread.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn names_survive_being_files() {
        for name in ["20261122T021500Z-ab12", "rds:orders-2026", "../../x", "ü", ""] {
            assert_eq!(decode(&file_name(name)).as_deref(), Some(name));
            assert!(!file_name(name).contains(['/', '.']));
        }
    }
}
