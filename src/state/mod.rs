//! What must be remembered outside the snapshots themselves: holds, adoptions, what verifications found, which other stores
//! hold copies, plans under way, and the locks.
//!
//! Small JSON objects, in a folder or in a bucket. Every write is conditional on what was read, so that two processes
//! can't lose each other's.

use std::path::PathBuf;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use snapkeep_providers::model::TargetName;
use snapkeep_providers::objects::Objects;
use snapkeep_providers::settings::Place as Where;
use snapkeep_providers::{ErrorKind, objects};

use crate::config::Config;
use crate::failure::Failure;
use bucket::Bucket;
use folder::Folder;

mod bucket;
mod folder;
#[cfg(test)]
pub(crate) mod tests;

/// The folder of the state inside a store. No target's name begins with a dot.
const IN_STORE: &str = ".snapkeep";
/// What the name of every object ends with.
const SUFFIX: &str = ".json";
/// How many objects are read at once.
const CONCURRENCY: usize = 16;

/// What a write expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing.
    Absent,
    /// What was read: its version.
    Version(Version),
}

/// Names one content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(Mark);

/// How a place tells contents apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// A folder: by their SHA-256.
    Content([u8; 32]),
    /// A bucket: by its own word for it.
    Bucket(objects::Version),
}

/// How a conditional write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is written, and this is its version.
    Yes(Version),
    /// Something else is there.
    Conflict,
}

/// Where state is kept.
#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

/// The state of a config.
#[derive(Clone, Debug)]
pub(crate) struct State {
    place: Place,
    sharing: Sharing,
}

/// Who else may keep state in the same place.
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
    place: Place,
    lock: String,
    site: String,
}

impl State {
    /// Opens the state of a config: in its `[state] store`, else in the user's state folder. Asks no server anything.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let named = config.state.store.as_ref().and_then(|name| Some((name, &config.stores.get(name)?.place)));
        let (place, sharing) = match named {
            None => (Place::Folder(Folder::new(default_folder()?)), Sharing::Everything),
            Some((_, Where::Local(local))) => {
                (Place::Folder(Folder::new(config.resolve(&local.path).join(IN_STORE))), Sharing::Named)
            }
            Some((name, place)) => {
                let objects = Objects::open(name, place, &config.base).await?;
                (Place::Bucket(Bucket::new(objects)), Sharing::Named)
            }
        };
        Ok(Self { place, sharing })
    }

    /// The part of it that belongs to a target: by its name alone, so that a store that is moved, or mounted elsewhere,
    /// keeps its holds.
    ///
    /// Only the lock is told apart by `identity`, where the snapshots are, where unrelated configs share the folder: two databases
    /// that two configs call by one name need not wait for each other. A hold can't be mistaken, ids being unique; what can be,
    /// is named by [`Scope::site`] too.
    pub(crate) fn scope(&self, target: &TargetName, identity: &str) -> Scope {
        let site = hex(&Sha256::digest(identity.as_bytes())[..6]);
        let lock = match self.sharing {
            Sharing::Named => "target".to_owned(),
            Sharing::Everything => format!("target-{site}"),
        };
        let target = target.as_str();
        let place = match &self.place {
            Place::Folder(folder) => Place::Folder(folder.of(target)),
            Place::Bucket(bucket) => Place::Bucket(bucket.of(target)),
        };
        Scope { place, lock, site }
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

/// Text whose percent-encoding is taken away; `None` where that is none, or gives no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
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
    /// What the target's lock is called.
    pub(crate) fn lock_name(&self) -> &str {
        &self.lock
    }

    /// The same, with another lock than the target's own.
    pub(crate) fn with_lock(&self, lock: String) -> Self {
        Self { lock, ..self.clone() }
    }

    /// Tells where the target's snapshots are from where those of another config's target of the same name are.
    pub(crate) fn site(&self) -> &str {
        &self.site
    }

    /// How long ago an object was written, by the clock of whatever holds it: machines' own clocks differ.
    pub(crate) async fn age(&self, kind: &str, name: &str) -> Result<Option<Duration>, Failure> {
        match &self.place {
            Place::Folder(folder) => folder.age(kind, name).await,
            Place::Bucket(bucket) => bucket.age(kind, name).await,
        }
    }

    /// Reads one object.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        name: &str,
    ) -> Result<Option<(T, Version)>, Failure> {
        let found = match &self.place {
            Place::Folder(folder) => folder.read(kind, name).await?,
            Place::Bucket(bucket) => bucket.read(kind, name).await?,
        };
        let Some((bytes, version)) = found else { return Ok(None) };
        let value = serde_json::from_slice(&bytes).map_err(|error| self.damaged(kind, name, &error))?;
        Ok(Some((value, version)))
    }

    /// The names of the objects of a kind.
    pub(crate) async fn names(&self, kind: &str) -> Result<Vec<String>, Failure> {
        match &self.place {
            Place::Folder(folder) => folder.names(kind).await,
            Place::Bucket(bucket) => bucket.names(kind).await,
        }
    }

    /// Reads every object of a kind, by name.
    pub(crate) async fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, Failure> {
        let names = self.names(kind).await?;
        let read = async |name: String| {
            let found = self.get(kind, &name).await?;
            Ok::<_, Failure>(found.map(|(value, _)| (name, value)))
        };
        let found: Vec<Option<_>> = stream::iter(names).map(read).buffered(CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Writes one object, if what is there is what was expected. `value` is an object in JSON too.
    pub(crate) async fn put<T: Serialize>(
        &self,
        kind: &str,
        name: &str,
        value: &T,
        expected: &Expected,
    ) -> Result<Written, Failure> {
        let value = serde_json::to_value(value).map_err(|error| self.damaged(kind, name, &error))?;
        match &self.place {
            Place::Folder(folder) => folder.write(kind, name, pretty(&value), expected).await,
            Place::Bucket(bucket) => bucket.write(kind, name, value, expected).await,
        }
    }

    /// Deletes one object, if it is what was expected; `false` when something else is there. What is gone is deleted.
    pub(crate) async fn delete(&self, kind: &str, name: &str, expected: &Version) -> Result<bool, Failure> {
        match &self.place {
            Place::Folder(folder) => folder.delete(kind, name, expected).await,
            Place::Bucket(bucket) => bucket.delete(kind, name, expected).await,
        }
    }

    /// Deletes one object whatever it says, and leaves nothing of it: only of a name that nobody will write again.
    pub(crate) async fn erase(&self, kind: &str, name: &str) -> Result<(), Failure> {
        match &self.place {
            Place::Folder(folder) => folder.erase(kind, name).await,
            Place::Bucket(bucket) => bucket.erase(kind, name).await,
        }
    }

    /// Deletes one object at once if it `is_ours`, where that is possible without waiting for a server.
    pub(crate) fn drop_now<T: DeserializeOwned>(&self, kind: &str, name: &str, is_ours: impl Fn(&T) -> bool) {
        if let Place::Folder(folder) = &self.place {
            folder.drop_now(kind, name, |bytes| serde_json::from_slice(bytes).is_ok_and(|value| is_ours(&value)));
        }
    }

    /// Tries out what holds and locks stand on, so that a state that doesn't have it is known early. Gives where it is.
    pub(crate) async fn probe(&self) -> Result<String, Failure> {
        const KIND: &str = "probe";
        let name = format!("{}-{}", std::process::id(), hex(&random().to_be_bytes()));
        let put = async |expected: &Expected| self.put(KIND, &name, &Value::Object(Default::default()), expected).await;
        let tried = async {
            let Written::Yes(first) = put(&Expected::Absent).await? else { return Ok(false) };
            let over = put(&Expected::Absent).await?;
            let first = Expected::Version(first);
            let (next, late) = (put(&first).await?, put(&first).await?);
            // A folder tells versions apart by their content, which is the same in all of these.
            let kept = matches!(self.place, Place::Folder(_)) || late == Written::Conflict;
            Ok::<_, Failure>(over == Written::Conflict && next != Written::Conflict && kept)
        };
        let kept = tried.await;
        let erased = self.erase(KIND, &name).await;
        if kept? {
            return erased.map(|()| self.shown());
        }
        let message = format!("state: cannot rely on {}: it ignores the conditions of writes", self.shown());
        Err(Failure::new(ErrorKind::Unsupported, message)
            .with_hint("name a store in [state] that has conditional writes (If-Match, If-None-Match)"))
    }

    fn shown(&self) -> String {
        match &self.place {
            Place::Folder(folder) => folder.shown(),
            Place::Bucket(bucket) => bucket.shown(),
        }
    }

    fn damaged(&self, kind: &str, name: &str, reason: &serde_json::Error) -> Failure {
        let shown = match &self.place {
            Place::Folder(folder) => folder.path(kind, name).display().to_string(),
            Place::Bucket(bucket) => bucket.shown_path(kind, name),
        };
        let message = format!("state: cannot read {shown}: it is damaged: {reason}");
        Failure::new(ErrorKind::Verification, message).with_hint("look at the file, and remove it if it means nothing")
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    // It can't fail: every key is a text.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// A number that no other process has, nor this one at another time: the standard library seeds its hash maps with it.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
