//! The words that every provider shares: targets, snapshots, operations, and what may be asked of them.
//!
//! `Snapshot` serialises to the JSON of the contract as it stands; an unknown value is `null`.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::StoreSettings;

mod operation;
mod restore;
mod transfer;
mod verify;

pub use operation::{Operation, OperationId, OperationState, Start, Work};
pub use restore::{Ownership, RestoreOptions, RestoreRequest, RestoreTo, Restored};
pub use transfer::{ExportOf, ExportRequest, Exported, ImportRequest, Imported, Worker};
pub use verify::{Finding, Verification, Verified, VerifyLevel, VerifyRequest};

/// Labels that travel with a snapshot.
pub type Tags = BTreeMap<String, String>;

/// A target's name in the config: letters, digits, `.`, `_` and `-`, at most 63, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "Arc<str>")]
pub struct TargetName(Arc<str>); // each of many snapshots has it

impl TargetName {
    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidName {}

impl Borrow<str> for TargetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_plain_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(format!(
                "{text:?} can't be a target's name: use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first"
            )))
        }
    }
}

impl TryFrom<String> for TargetName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<TargetName> for Arc<str> {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is 1 to 63 letters, digits, `.`, `_` and `-` of ASCII, a letter or digit first: safe as one
/// part of a path, of an object key and of a command line.
pub fn is_plain_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && text.len() <= 63
}

/// The provider's own id of a snapshot: what the cloud's console shows, or a dump's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct NativeId(Arc<str>); // a snapshot has it twice

impl NativeId {
    /// Wraps an id as the provider gave it.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().into())
    }

    /// The id as the provider gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NativeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `<target>/<native id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct SnapshotId {
    /// The target that it is a snapshot of.
    pub target: TargetName,
    /// The provider's own id.
    pub native: NativeId,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, self.native)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let (target, native) = text
            .split_once('/')
            .ok_or_else(|| InvalidName(format!("{text:?} can't be a snapshot's id: it has no '/'")))?;
        Ok(Self { target: target.parse()?, native: NativeId::new(native) })
    }
}

impl Serialize for SnapshotId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Who made a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// snapkeep made or adopted it.
    Owned,
    /// A person or another tool made it.
    Manual,
    /// The cloud made it.
    Automated,
    /// Another account made it and shares it.
    Shared,
}

impl fmt::Display for Origin {
    /// The word that JSON has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owned => "owned",
            Self::Manual => "manual",
            Self::Automated => "automated",
            Self::Shared => "shared",
        })
    }
}

/// Where a snapshot is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotState {
    /// Being made.
    Pending,
    /// Whole, and can be restored.
    Available,
    /// Never became whole.
    Failed,
    /// Being deleted.
    Deleting,
    /// A word of the cloud's that we don't know.
    Unknown,
}

impl fmt::Display for SnapshotState {
    /// The word that JSON has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Unknown => "unknown",
        })
    }
}

/// A mark that forbids deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Why it is held.
    pub reason: String,
    /// When the hold ends by itself; null means when it is released.
    pub until: Option<DateTime<Utc>>,
}

/// One restorable copy of a target. Unknown is null, never a made-up value.
// There may be thousands in a list: what most have alike is shared, see `Snapshot::share`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// `<target>/<native id>`.
    pub id: SnapshotId,
    /// The provider's own id.
    pub native_id: NativeId,
    /// The target that it is a snapshot of.
    pub target: TargetName,
    /// The provider's name in the config.
    pub provider: Arc<str>,
    /// Who made it.
    pub origin: Origin,
    /// Where it is in its life.
    pub state: SnapshotState,
    /// The provider's own word for the state.
    pub provider_state: Option<Arc<str>>,
    /// The moment that it holds, as near as the provider tells.
    pub created_at: Option<DateTime<Utc>>,
    /// When it became whole.
    pub completed_at: Option<DateTime<Utc>>,
    /// Bytes that it takes up where it is stored.
    pub size_bytes: Option<u64>,
    /// `postgresql`, `mysql`, `mariadb`, `sqlite`, or the cloud's word.
    pub engine: Option<Arc<str>>,
    /// The server's version.
    pub engine_version: Option<Arc<str>>,
    /// A region, or the store and path of a dump.
    pub location: Option<Arc<str>>,
    /// Whether it is encrypted at rest by the provider or by us.
    pub encrypted: Option<bool>,
    /// The caller's idempotency key.
    pub key: Option<String>,
    /// The hold on it.
    pub hold: Option<Hold>,
    /// The last verification.
    pub verified: Option<Verified>,
    /// When the provider itself will drop it.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its labels.
    pub tags: Arc<Tags>,
    /// Until when the store refuses deletion.
    pub locked_until: Option<DateTime<Utc>>,
}

impl Snapshot {
    /// Keeps what is equal in `other` once for both.
    pub fn share(&mut self, other: &Self) {
        fn share<T: PartialEq + Clone>(own: &mut T, other: &T) {
            if own == other {
                other.clone_into(own);
            }
        }
        share(&mut self.provider, &other.provider);
        share(&mut self.provider_state, &other.provider_state);
        share(&mut self.engine, &other.engine);
        share(&mut self.engine_version, &other.engine_version);
        share(&mut self.location, &other.location);
        share(&mut self.tags, &other.tags);
    }

    /// Available and not failed in verification.
    pub fn is_good(&self) -> bool {
        self.state == SnapshotState::Available && self.verified.as_ref().is_none_or(|verified| verified.ok)
    }

    /// Good, and ours: of such alone do `max_age`, the floors and what is told of a target know.
    pub fn counts(&self) -> bool {
        self.origin == Origin::Owned && self.is_good()
    }
}

/// Everything known of one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What only this provider knows, as JSON: a dump's manifest, a cloud's own record.
    pub record: serde_json::Value,
    /// Shell commands that restore it without snapkeep, comments included, in order.
    pub by_hand: Vec<String>,
}

/// What was read of a target's snapshots, newest first.
#[derive(Debug, Default)]
pub struct Listing {
    /// The snapshots that could be read.
    pub snapshots: Vec<Snapshot>,
    /// Why the list is incomplete; empty when it is whole. Nothing may be pruned on an incomplete list.
    pub problems: Vec<crate::Error>,
    /// How far the provider's clock is ahead of ours by the `Date` of its answers, to the second, where it tells.
    pub clock_ahead: Option<TimeDelta>,
}

impl Listing {
    /// Of what was found, in any order; what neighbours have alike is kept once.
    pub(crate) fn newest_first(found: impl Iterator<Item = Snapshot>, problems: Vec<crate::Error>) -> Self {
        fn order(snapshot: &Snapshot) -> impl Ord {
            (Reverse(snapshot.created_at), &snapshot.native_id)
        }
        let mut snapshots: Vec<Snapshot> = Vec::with_capacity(found.size_hint().0);
        for mut snapshot in found {
            if let Some(last) = snapshots.last() {
                snapshot.share(last);
            }
            snapshots.push(snapshot);
        }
        snapshots.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        Self { snapshots, problems, clock_ahead: None }
    }
}

/// Which snapshots to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListScope {
    /// What the target can be restored from: owned, manual and automated.
    Own,
    /// Shared and public ones too.
    AllOrigins,
}

/// What to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRequest {
    /// The caller's idempotency key: the same key for the same target is the same snapshot.
    pub key: Option<String>,
    /// Labels, the target's and the caller's.
    pub tags: Tags,
    /// Whether to count what the snapshot holds, for later verifications.
    pub row_counts: RowCounts,
}

/// Whether the rows of each table are counted while a snapshot is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowCounts {
    /// Nothing is counted.
    #[default]
    Skip,
    /// The rows of the snapshot's own moment are recorded in it.
    Record,
}

/// Where to copy to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTo {
    /// A dump into another store.
    Store {
        /// Its name in the config.
        name: String,
        /// What the config says of it.
        settings: Box<StoreSettings>,
    },
    /// A cloud's snapshot into another region.
    Region {
        /// The region.
        region: String,
        /// The KMS key there; the cloud's default unless set.
        kms_key_id: Option<String>,
        /// The option group there, where the cloud has such and the source's isn't known there.
        option_group_name: Option<String>,
    },
}

impl fmt::Display for CopyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { name, .. } => f.write_str(name),
            Self::Region { region, .. } => f.write_str(region),
        }
    }
}

/// A copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRequest {
    /// Where to.
    pub to: CopyTo,
}

/// What is left of a snapshot that never was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Debris {
    /// The name that the snapshot would have had.
    pub native_id: NativeId,
    /// When something was last written to it.
    pub touched_at: DateTime<Utc>,
    /// Bytes that it takes up.
    pub size_bytes: u64,
}

impl Debris {
    /// What a cloud has of it, by name and by when it was made, oldest first. It takes up no store of ours; of what has no
    /// time nobody knows whether it is old.
    pub(crate) fn in_cloud(found: impl Iterator<Item = (String, Option<DateTime<Utc>>)>) -> Vec<Self> {
        let of = |(name, made): (String, Option<DateTime<Utc>>)| {
            Some(Self { native_id: NativeId::new(name), touched_at: made?, size_bytes: 0 })
        };
        let mut debris: Vec<Self> = found.filter_map(of).collect();
        debris.sort_by_key(|debris| debris.touched_at);
        debris
    }
}

/// Which accounts may restore and copy a snapshot, and which no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareRequest {
    /// Accounts to let in.
    pub with: Vec<String>,
    /// Accounts to shut out.
    pub without: Vec<String>,
}

/// How much of one of the cloud's limits is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What is limited, in words: `manual snapshots in eu-central-1`.
    pub name: String,
    /// So much is used.
    pub used: u64,
    /// So much there may be.
    pub limit: u64,
}

/// One row of `targets check`.
#[derive(Debug)]
pub struct Check {
    /// What was looked at: `tools`, `connection`, `store`...
    pub name: &'static str,
    /// What was found, or why it won't do.
    pub outcome: Result<String, crate::Error>,
    /// What to do about what was found, where it is no failure yet.
    pub advice: Option<String>,
}

impl Check {
    /// What was found, with nothing to do about it.
    pub fn new(name: &'static str, outcome: Result<String, crate::Error>) -> Self {
        Self { name, outcome, advice: None }
    }

    /// The same, with something to do about it.
    #[must_use]
    pub fn with_advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_states_are_shown_by_their_words_in_json() {
        let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for origin in [Origin::Owned, Origin::Manual, Origin::Automated, Origin::Shared] {
            assert_eq!(origin.to_string(), word(serde_json::to_value(origin).unwrap()));
        }
        for state in [
            SnapshotState::Pending,
            SnapshotState::Available,
            SnapshotState::Failed,
            SnapshotState::Deleting,
            SnapshotState::Unknown,
        ] {
            assert_eq!(state.to_string(), word(serde_json::to_value(state).unwrap()));
        }
    }
}
