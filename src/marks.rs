//! What the state says of single snapshots: holds, adoptions, and what verifications found.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{Hold, NativeId, Origin, Snapshot, Verified, VerifyLevel};

use crate::failure::Failure;
use crate::state::{Expected, Scope, Version, Written};

const HOLDS: &str = "holds";
const ADOPTED: &str = "adopted";
const VERIFIED: &str = "verified";
/// How often a write is tried again when another process was quicker.
const TRIES: usize = 5;

/// How long a claim is believed whose process is gone.
const CLAIM: TimeDelta = TimeDelta::seconds(60);
/// How long a pin holds unless it is renewed.
const PIN: TimeDelta = TimeDelta::minutes(10);
/// How often a pin is to be renewed.
pub(crate) const PIN_RENEWAL: std::time::Duration = std::time::Duration::from_secs(150);

/// A snapshot that was adopted. Another one that gets its id later is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Adoption {
    at: DateTime<Utc>,
    created_at: Option<DateTime<Utc>>,
}

/// What a verification found. Another snapshot that gets the id later is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    at: DateTime<Utc>,
    level: VerifyLevel,
    ok: bool,
    created_at: Option<DateTime<Utc>>,
}

impl Verdict {
    /// Whether it says more than `older`. A pass doesn't when a more thorough look has found something, good or bad: the
    /// bytes of a snapshot that can't be restored may well be those that were stored.
    fn supersedes(&self, older: &Self) -> bool {
        !self.ok || self.level >= older.level || self.created_at != older.created_at
    }
}

/// What stands where a hold may stand: a hold, or the claim of whoever is deleting the snapshot this moment. One
/// object for both, so that of a hold and a deletion at once only one succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    #[serde(flatten)]
    hold: Hold,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleting: bool,
}

impl Mark {
    fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.hold.until.is_none_or(|until| until > now)
    }
}

/// The marks of one target.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    holds: BTreeMap<String, Hold>,
    adopted: BTreeMap<String, Adoption>,
    verified: BTreeMap<String, Verdict>,
}

impl Marks {
    /// What is in force now: a hold that has run out holds nothing.
    pub(crate) async fn read(scope: &Scope) -> Result<Self, Failure> {
        let (holds, adopted, verified) = tokio::try_join!(scope.all(HOLDS), scope.all(ADOPTED), scope.all(VERIFIED))?;
        Ok(Self::new(holds, adopted, verified))
    }

    /// The same of one snapshot alone.
    pub(crate) async fn of(scope: &Scope, native: &NativeId) -> Result<Self, Failure> {
        let (hold, adopted, verified) =
            tokio::try_join!(one(scope, HOLDS, native), one(scope, ADOPTED, native), one(scope, VERIFIED, native))?;
        Ok(Self::new(hold, adopted, verified))
    }

    fn new(marks: Vec<(String, Mark)>, adopted: Vec<(String, Adoption)>, verified: Vec<(String, Verdict)>) -> Self {
        let now = Utc::now();
        let holds = marks.into_iter().filter(|(_, mark)| !mark.deleting && mark.is_in_force(now));
        Self {
            holds: holds.map(|(name, mark)| (name, mark.hold)).collect(),
            adopted: adopted.into_iter().collect(),
            verified: verified.into_iter().collect(),
        }
    }

    /// Puts the marks on a snapshot as its provider gave it.
    pub(crate) fn apply(&self, snapshot: &mut Snapshot) {
        let native = snapshot.native_id.as_str();
        if let Some(hold) = self.holds.get(native) {
            snapshot.hold = Some(hold.clone());
        }
        let adopted = self.adopted.get(native).is_some_and(|adoption| adoption.created_at == snapshot.created_at);
        if snapshot.origin == Origin::Manual && adopted {
            snapshot.origin = Origin::Owned;
        }
        if let Some(verdict) = self.verified.get(native).filter(|verdict| verdict.created_at == snapshot.created_at) {
            let Verdict { at, level, ok, .. } = verdict.clone();
            snapshot.verified = Some(Verified { at, level: level.to_string(), ok });
        }
    }
}

async fn one<T: DeserializeOwned>(scope: &Scope, kind: &str, native: &NativeId) -> Result<Vec<(String, T)>, Failure> {
    let found = scope.get(kind, native.as_str()).await?;
    Ok(found.into_iter().map(|(value, _)| (native.to_string(), value)).collect())
}

/// Holds a snapshot, instead of any hold that is on it.
pub(crate) async fn hold(scope: &Scope, native: &NativeId, hold: &Hold) -> Result<(), Failure> {
    let mark = Mark { hold: hold.clone(), deleting: false };
    for _ in 0..TRIES {
        let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((other, _)) if other.deleting && other.is_in_force(Utc::now()) => {
                let message = format!("cannot hold {native}: it is being deleted this moment");
                return Err(Failure::new(ErrorKind::Refused, message));
            }
            Some((_, version)) => Expected::Version(version),
            None => Expected::Absent,
        };
        if let Written::Yes(_) = scope.put(HOLDS, native.as_str(), &mark, &expected).await? {
            return Ok(());
        }
    }
    Err(busy(native))
}

/// Releases a snapshot; `false` when nothing held it.
pub(crate) async fn release(scope: &Scope, native: &NativeId) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((mark, version)) if scope.delete(HOLDS, native.as_str(), &version).await? => return Ok(!mark.deleting),
            Some(_) => {}
            None => return Ok(false),
        }
    }
    Err(busy(native))
}

/// Claims a snapshot for deletion: from here on it can't be held. `false` when a hold stands.
pub(crate) async fn claim(scope: &Scope, native: &NativeId) -> Result<bool, Failure> {
    let now = Utc::now();
    let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
        Some((mark, _)) if !mark.deleting && mark.is_in_force(now) => return Ok(false),
        Some((_, version)) => Expected::Version(version),
        None => Expected::Absent,
    };
    let hold = Hold { reason: "being deleted".into(), until: Some(now + CLAIM) };
    let written = scope.put(HOLDS, native.as_str(), &Mark { hold, deleting: true }, &expected).await?;
    Ok(matches!(written, Written::Yes(_)))
}

/// Keeps a snapshot from being deleted while it is looked at: a hold that runs out by itself, and gives way to one of a
/// person's. `None` when such a one stands already.
pub(crate) async fn pin(scope: &Scope, native: &NativeId, reason: &str) -> Result<Option<Version>, Failure> {
    let now = Utc::now();
    let mark = Mark { hold: Hold { reason: reason.to_owned(), until: Some(now + PIN) }, deleting: false };
    for _ in 0..TRIES {
        let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((other, _)) if other.deleting && other.is_in_force(now) => {
                let message = format!("cannot look into {native}: it is being deleted this moment");
                return Err(Failure::new(ErrorKind::NotFound, message));
            }
            Some((other, _)) if other.is_in_force(now) && other.hold.reason != reason => return Ok(None),
            Some((_, version)) => Expected::Version(version),
            None => Expected::Absent,
        };
        if let Written::Yes(version) = scope.put(HOLDS, native.as_str(), &mark, &expected).await? {
            return Ok(Some(version));
        }
    }
    Err(busy(native))
}

/// Takes a pin away, if it is still that one.
pub(crate) async fn unpin(scope: &Scope, native: &NativeId, pin: &Version) -> Result<(), Failure> {
    scope.delete(HOLDS, native.as_str(), pin).await.map(drop)
}

/// Records what a verification found, unless more is known already; `false` then.
pub(crate) async fn verified(
    scope: &Scope,
    snapshot: &Snapshot,
    at: DateTime<Utc>,
    level: VerifyLevel,
    ok: bool,
) -> Result<bool, Failure> {
    let native = &snapshot.native_id;
    let verdict = Verdict { at, level, ok, created_at: snapshot.created_at };
    for _ in 0..TRIES {
        let expected = match scope.get::<Verdict>(VERIFIED, native.as_str()).await? {
            Some((older, _)) if !verdict.supersedes(&older) => return Ok(false),
            Some((_, version)) => Expected::Version(version),
            None => Expected::Absent,
        };
        if let Written::Yes(_) = scope.put(VERIFIED, native.as_str(), &verdict, &expected).await? {
            return Ok(true);
        }
    }
    Err(busy(native))
}

fn busy(native: &NativeId) -> Failure {
    Failure::new(ErrorKind::Busy, format!("the marks of {native} are being changed by another process"))
}

/// Takes ownership of a snapshot that the provider says is manual.
pub(crate) async fn adopt(scope: &Scope, snapshot: &Snapshot, at: DateTime<Utc>) -> Result<(), Failure> {
    let adoption = Adoption { at, created_at: snapshot.created_at };
    let name = snapshot.native_id.as_str();
    // One of a snapshot that is gone gives way. Adopted by two at once, it is adopted.
    let expected = match scope.get::<Adoption>(ADOPTED, name).await? {
        Some((_, version)) => Expected::Version(version),
        None => Expected::Absent,
    };
    scope.put(ADOPTED, name, &adoption, &expected).await.map(drop)
}

/// Whether another snapshot may get the id of one that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The id is one that snapkeep made.
    Never,
    /// Somebody else chose it.
    Possible,
}

/// Forgets the marks of a snapshot that is gone.
pub(crate) async fn forget(scope: &Scope, native: &NativeId, id: Reuse) -> Result<(), Failure> {
    let name = native.as_str();
    let adopted = scope.get::<IgnoredAny>(ADOPTED, name).await?;
    // Whoever made an adopted one chose its id too. Another may be held under it by now: nothing of it is erased.
    if adopted.is_none() && id == Reuse::Never {
        return tokio::try_join!(scope.erase(HOLDS, name), scope.erase(VERIFIED, name)).map(drop);
    }
    release(scope, native).await?;
    for kind in [ADOPTED, VERIFIED] {
        if let Some((_, version)) = scope.get::<IgnoredAny>(kind, name).await? {
            scope.delete(kind, name, &version).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::scope;

    fn held() -> Hold {
        Hold { reason: "audit".into(), until: None }
    }

    #[tokio::test]
    async fn of_a_hold_and_a_deletion_at_once_one_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        assert!(claim(&scope, &native).await.unwrap());
        assert_eq!(hold(&scope, &native, &held()).await.unwrap_err().exit, 10);
        assert!(Marks::read(&scope).await.unwrap().holds.is_empty(), "a claim is no hold");
        forget(&scope, &native, Reuse::Never).await.unwrap();
        hold(&scope, &native, &held()).await.unwrap();
        assert!(!claim(&scope, &native).await.unwrap());
        assert!(release(&scope, &native).await.unwrap());
        assert!(claim(&scope, &native).await.unwrap());
    }

    #[tokio::test]
    async fn a_pin_keeps_from_deletion_and_gives_way_to_a_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let first = pin(&scope, &native, "verify 1").await.unwrap().unwrap();
        assert!(!claim(&scope, &native).await.unwrap());
        let renewed = pin(&scope, &native, "verify 1").await.unwrap().unwrap();
        unpin(&scope, &native, &first).await.unwrap();
        assert!(!claim(&scope, &native).await.unwrap(), "an older version of it takes nothing away");
        hold(&scope, &native, &held()).await.unwrap();
        assert!(pin(&scope, &native, "verify 1").await.unwrap().is_none());
        unpin(&scope, &native, &renewed).await.unwrap();
        assert_eq!(Marks::read(&scope).await.unwrap().holds["a"].reason, "audit");
        assert!(release(&scope, &native).await.unwrap());
        assert!(claim(&scope, &native).await.unwrap());
        assert_eq!(pin(&scope, &native, "verify 2").await.unwrap_err().exit, 4);
    }

    #[test]
    fn a_pass_hides_nothing_that_a_more_thorough_look_found() {
        use VerifyLevel::{Archive, Checksum, Restore};
        let verdict = |level, ok| Verdict { at: DateTime::UNIX_EPOCH, level, ok, created_at: None };
        for (new, older, expected) in [
            ((Checksum, true), (Restore, false), false),
            ((Checksum, true), (Restore, true), false),
            ((Checksum, false), (Restore, true), true),
            ((Archive, true), (Archive, false), true),
            ((Restore, true), (Checksum, false), true),
            ((Archive, false), (Restore, false), true),
        ] {
            assert_eq!(verdict(new.0, new.1).supersedes(&verdict(older.0, older.1)), expected, "{new:?} {older:?}");
        }
        let another = Verdict { created_at: Some(DateTime::UNIX_EPOCH), ..verdict(Checksum, true) };
        assert!(another.supersedes(&verdict(Restore, false)), "it is another snapshot's");
    }

    #[tokio::test]
    async fn a_claim_whose_process_died_gives_way_to_a_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let dead = Hold { reason: "being deleted".into(), until: Some(Utc::now() - TimeDelta::seconds(1)) };
        scope.put(HOLDS, "a", &Mark { hold: dead, deleting: true }, &Expected::Absent).await.unwrap();
        hold(&scope, &native, &held()).await.unwrap();
        assert!(!claim(&scope, &native).await.unwrap());
    }
}
