//! What the state says of single snapshots: holds and adoptions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use snapkeep_providers::model::{Hold, NativeId, Origin, Snapshot};

use crate::failure::Failure;
use crate::state::{Expected, Scope, Written};

const HOLDS: &str = "holds";
const ADOPTED: &str = "adopted";
/// How often a write is tried again when another process was quicker.
const TRIES: usize = 5;

/// A snapshot that was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Adoption {
    at: DateTime<Utc>,
}

/// The marks of one target.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    holds: BTreeMap<String, Hold>,
    adopted: BTreeMap<String, Adoption>,
}

impl Marks {
    /// What is in force now: a hold that has run out holds nothing.
    pub(crate) fn read(scope: &Scope) -> Result<Self, Failure> {
        let now = Utc::now();
        let holds =
            scope.all::<Hold>(HOLDS)?.into_iter().filter(|(_, hold)| hold.until.is_none_or(|until| until > now));
        Ok(Self { holds: holds.collect(), adopted: scope.all(ADOPTED)?.into_iter().collect() })
    }

    /// Puts the marks on a snapshot as its provider gave it.
    pub(crate) fn apply(&self, snapshot: &mut Snapshot) {
        let native = snapshot.native_id.as_str();
        if let Some(hold) = self.holds.get(native) {
            snapshot.hold = Some(hold.clone());
        }
        if snapshot.origin == Origin::Manual && self.adopted.contains_key(native) {
            snapshot.origin = Origin::Owned;
        }
    }
}

/// Holds a snapshot, instead of any hold that is on it.
pub(crate) fn hold(scope: &Scope, native: &NativeId, hold: &Hold) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let expected = match scope.get::<Hold>(HOLDS, native.as_str())? {
            Some((_, version)) => Expected::Version(version),
            None => Expected::Absent,
        };
        if let Written::Yes(_) = scope.put(HOLDS, native.as_str(), hold, &expected)? {
            return Ok(());
        }
    }
    Err(Failure::new(
        snapkeep_providers::ErrorKind::Busy,
        format!("the hold of {native} is being changed by another process"),
    ))
}

/// Releases a snapshot; `false` when nothing held it.
pub(crate) fn release(scope: &Scope, native: &NativeId) -> Result<bool, Failure> {
    match scope.get::<Hold>(HOLDS, native.as_str())? {
        Some((_, version)) => scope.delete(HOLDS, native.as_str(), &version).map(|()| true),
        None => Ok(false),
    }
}

/// Takes ownership of a snapshot that the provider says is manual.
pub(crate) fn adopt(scope: &Scope, native: &NativeId, at: DateTime<Utc>) -> Result<(), Failure> {
    // Adopted by two at once, it is adopted.
    scope.put(ADOPTED, native.as_str(), &Adoption { at }, &Expected::Absent).map(drop)
}

/// Forgets the marks of a snapshot that is gone.
pub(crate) fn forget(scope: &Scope, native: &NativeId) -> Result<(), Failure> {
    release(scope, native)?;
    match scope.get::<Adoption>(ADOPTED, native.as_str())? {
        Some((_, version)) => scope.delete(ADOPTED, native.as_str(), &version),
        None => Ok(()),
    }
}
