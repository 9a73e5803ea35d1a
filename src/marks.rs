//! What the state says of single snapshots: holds, adoptions, and what verifications found.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use snapkeep_providers::model::{Hold, NativeId, Origin, Snapshot, Verified, VerifyLevel};
use snapkeep_providers::{DELETION_LIMIT, ErrorKind};

use crate::failure::Failure;
use crate::state::{Expected, Scope, Version, Written};
use crate::units;

const HOLDS: &str = "holds";
const ADOPTED: &str = "adopted";
const VERIFIED: &str = "verified";
/// How often a write is tried again when another process was quicker.
const TRIES: usize = 5;

/// How long a claim stands whose process is gone, by the clock of the state: longer than one deletion may last.
const CLAIM: Duration = Duration::from_secs(30 * 60);
const _: () = assert!(CLAIM.as_secs() > DELETION_LIMIT.as_secs() + 60);
/// How old a claim may be when its deletion begins.
const FRESH: TimeDelta = TimeDelta::seconds(5);
/// How long a pin holds unless it is renewed.
const PIN: TimeDelta = TimeDelta::minutes(10);
/// How often a pin is to be renewed.
pub(crate) const PIN_RENEWAL: Duration = Duration::from_secs(150);

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
        // A mark without a moment is one of an id that no other snapshot ever gets.
        let of_it = |moment: Option<DateTime<Utc>>| moment.is_none() || moment == snapshot.created_at;
        let adopted = self.adopted.get(native).is_some_and(|adoption| of_it(adoption.created_at));
        if snapshot.origin == Origin::Manual && adopted {
            snapshot.origin = Origin::Owned;
        }
        if let Some(verdict) = self.verified.get(native).filter(|verdict| of_it(verdict.created_at)) {
            let Verdict { at, level, ok, .. } = verdict.clone();
            snapshot.verified = Some(Verified { at, level, ok });
        }
    }
}

async fn one<T: DeserializeOwned>(scope: &Scope, kind: &str, native: &NativeId) -> Result<Vec<(String, T)>, Failure> {
    let found = scope.get(kind, native.as_str()).await?;
    Ok(found.into_iter().map(|(value, _)| (native.to_string(), value)).collect())
}

/// Holds a snapshot, instead of any hold that is on it.
pub(crate) async fn hold(scope: &Scope, native: &NativeId, hold: &Hold) -> Result<(), Failure> {
    place(scope, native, hold, |_| true).await.map(drop)
}

/// Holds a snapshot for as long as that at least: a hold that ends later, or never, stays, and is given.
pub(crate) async fn hold_at_least(scope: &Scope, native: &NativeId, hold: &Hold) -> Result<Option<Hold>, Failure> {
    place(scope, native, hold, |other| !ends_earlier(hold, other)).await
}

/// Whether a hold ends before another does.
pub(crate) fn ends_earlier(hold: &Hold, other: &Hold) -> bool {
    match (hold.until, other.until) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(until), Some(other)) => until < other,
    }
}

/// Places a hold, over another one where that `gives_way`. Gives the one that doesn't.
async fn place(
    scope: &Scope,
    native: &NativeId,
    hold: &Hold,
    gives_way: impl Fn(&Hold) -> bool,
) -> Result<Option<Hold>, Failure> {
    let mark = Mark { hold: hold.clone(), deleting: false };
    for _ in 0..TRIES {
        let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((other, version)) => {
                refuse_claimed(scope, native, &other, "hold", ErrorKind::Refused).await?;
                if !other.deleting && other.is_in_force(Utc::now()) && !gives_way(&other.hold) {
                    return Ok(Some(other.hold));
                }
                Expected::Version(version)
            }
            None => Expected::Absent,
        };
        if let Written::Yes(_) = scope.put(HOLDS, native.as_str(), &mark, &expected).await? {
            return Ok(None);
        }
    }
    Err(busy(native))
}

/// Refuses to `action` what is claimed for deletion; a claim that has run out gives way.
async fn refuse_claimed(
    scope: &Scope,
    native: &NativeId,
    mark: &Mark,
    action: &str,
    kind: ErrorKind,
) -> Result<(), Failure> {
    if !mark.deleting {
        return Ok(());
    }
    // Its age by the clock of the state: machines' own differ. Of one that is gone, or over it, the write finds out.
    let age = scope.age(HOLDS, native.as_str()).await?.unwrap_or(CLAIM);
    let Some(left) = CLAIM.checked_sub(age).filter(|left| !left.is_zero()) else { return Ok(()) };
    let left = units::duration(TimeDelta::from_std(left).unwrap_or_default());
    let message = format!("cannot {action} {native}: it is being deleted this moment");
    Err(Failure::new(kind, message)
        .with_hint(format!("if it is still there later, try again: a deletion whose process died gives way in {left}")))
}

/// Releases a snapshot; `false` when nothing held it. The claim of whoever deletes it stays.
pub(crate) async fn release(scope: &Scope, native: &NativeId) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((mark, _)) if mark.deleting => return Ok(false),
            Some((_, version)) if scope.delete(HOLDS, native.as_str(), &version).await? => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
    }
    Err(busy(native))
}

/// A snapshot that is claimed for deletion: nobody else can hold it.
#[derive(Debug)]
pub(crate) struct Claim {
    scope: Scope,
    native: NativeId,
    version: Version,
    /// By the clock that goes on while the machine is suspended.
    begun: DateTime<Utc>,
}

/// Claims a snapshot for deletion, which is to begin at once. `None` when a hold stands.
pub(crate) async fn claim(scope: &Scope, native: &NativeId) -> Result<Option<Claim>, Failure> {
    let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
        Some((mark, _)) if !mark.deleting && mark.is_in_force(Utc::now()) => return Ok(None),
        Some((_, version)) => Expected::Version(version),
        None => Expected::Absent,
    };
    let Some(mut claim) = Claim::write(scope, native, &expected).await? else { return Ok(None) };
    match claim.confirm().await {
        Ok(true) => Ok(Some(claim)),
        Ok(false) => Ok(None),
        Err(failure) => {
            claim.give_back().await;
            Err(failure)
        }
    }
}

impl Claim {
    async fn write(scope: &Scope, native: &NativeId, expected: &Expected) -> Result<Option<Self>, Failure> {
        let begun = Utc::now();
        let hold = Hold { reason: "being deleted".into(), until: Some(begun + CLAIM) };
        let written = scope.put(HOLDS, native.as_str(), &Mark { hold, deleting: true }, expected).await?;
        Ok(match written {
            Written::Yes(version) => Some(Self { scope: scope.clone(), native: native.clone(), version, begun }),
            Written::Conflict => None,
        })
    }

    /// Makes sure that it stands, and for long. One that took a while, as when the machine was suspended, may have run
    /// out and be a hold by now; it is written anew, over itself only. `false` when something else is there.
    async fn confirm(&mut self) -> Result<bool, Failure> {
        let age = Utc::now() - self.begun;
        if TimeDelta::zero() <= age && age < FRESH {
            return Ok(true);
        }
        let renewed = Self::write(&self.scope, &self.native, &Expected::Version(self.version.clone())).await?;
        let stands = renewed.is_some();
        if let Some(renewed) = renewed {
            *self = renewed;
        }
        Ok(stands)
    }

    /// Takes the claim away, if it is still that one, so that the snapshot can be held again. If that fails it runs out.
    pub(crate) async fn give_back(self) {
        let _ = self.scope.delete(HOLDS, self.native.as_str(), &self.version).await;
    }
}

/// Keeps a snapshot from being deleted while it is looked at: a hold that runs out by itself, and gives way to one of a
/// person's. `None` when such a one stands already.
pub(crate) async fn pin(scope: &Scope, native: &NativeId, reason: &str) -> Result<Option<Version>, Failure> {
    let now = Utc::now();
    let mark = Mark { hold: Hold { reason: reason.to_owned(), until: Some(now + PIN) }, deleting: false };
    for _ in 0..TRIES {
        let expected = match scope.get::<Mark>(HOLDS, native.as_str()).await? {
            Some((other, _)) if !other.deleting && other.is_in_force(now) && other.hold.reason != reason => {
                return Ok(None);
            }
            Some((other, version)) => {
                refuse_claimed(scope, native, &other, "look into", ErrorKind::NotFound).await?;
                Expected::Version(version)
            }
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

/// Records what a verification found, unless more is known already; `false` then. `created_at` tells the snapshot from
/// another that gets its id later, where that can be.
pub(crate) async fn verified(
    scope: &Scope,
    native: &NativeId,
    created_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
    level: VerifyLevel,
    ok: bool,
) -> Result<bool, Failure> {
    let verdict = Verdict { at, level, ok, created_at };
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

/// Takes ownership of a snapshot that the provider says is manual. `created_at` tells it from another that gets its id later,
/// where that can be.
pub(crate) async fn adopt(
    scope: &Scope,
    native: &NativeId,
    created_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let adoption = Adoption { at, created_at };
    let name = native.as_str();
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
    for kind in [HOLDS, ADOPTED, VERIFIED] {
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
        assert!(claim(&scope, &native).await.unwrap().is_some());
        assert_eq!(hold(&scope, &native, &held()).await.unwrap_err().exit, 10);
        assert!(Marks::read(&scope).await.unwrap().holds.is_empty(), "a claim is no hold");
        forget(&scope, &native, Reuse::Never).await.unwrap();
        hold(&scope, &native, &held()).await.unwrap();
        assert!(claim(&scope, &native).await.unwrap().is_none());
        assert!(release(&scope, &native).await.unwrap());
        assert!(claim(&scope, &native).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn marks_of_an_id_that_is_never_given_again_stay_when_the_moment_is_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, now) = (scope(folder.path()), DateTime::UNIX_EPOCH);
        let memory = snapkeep_providers::memory::Memory::new("om".parse().unwrap(), now).with_polls(0);
        let native = memory.add_foreign(Origin::Manual);
        let listing = snapkeep_providers::Provider::list(&memory, snapkeep_providers::model::ListScope::Own).await;
        let snapshot = listing.unwrap().snapshots.remove(0);
        let later = Snapshot { created_at: Some(now + TimeDelta::days(1)), ..snapshot.clone() };
        for (recorded, of_later) in [(None, (Origin::Owned, true)), (snapshot.created_at, (Origin::Manual, false))] {
            adopt(&scope, &native, recorded, now).await.unwrap();
            verified(&scope, &native, recorded, now, VerifyLevel::Restore, true).await.unwrap();
            let marks = Marks::read(&scope).await.unwrap();
            for (mut snapshot, expected) in [(snapshot.clone(), (Origin::Owned, true)), (later.clone(), of_later)] {
                marks.apply(&mut snapshot);
                assert_eq!((snapshot.origin, snapshot.verified.is_some()), expected, "{recorded:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_pin_keeps_from_deletion_and_gives_way_to_a_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let first = pin(&scope, &native, "verify 1").await.unwrap().unwrap();
        assert!(claim(&scope, &native).await.unwrap().is_none());
        let renewed = pin(&scope, &native, "verify 1").await.unwrap().unwrap();
        unpin(&scope, &native, &first).await.unwrap();
        assert!(claim(&scope, &native).await.unwrap().is_none(), "an older version of it takes nothing away");
        hold(&scope, &native, &held()).await.unwrap();
        assert!(pin(&scope, &native, "verify 1").await.unwrap().is_none());
        unpin(&scope, &native, &renewed).await.unwrap();
        assert_eq!(Marks::read(&scope).await.unwrap().holds["a"].reason, "audit");
        assert!(release(&scope, &native).await.unwrap());
        assert!(claim(&scope, &native).await.unwrap().is_some());
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

    /// Makes the mark on a snapshot this old.
    fn age(folder: &std::path::Path, native: &str, age: Duration) {
        let file = std::fs::File::open(folder.join(format!("om/{HOLDS}/{native}.json"))).unwrap();
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
    }

    #[tokio::test]
    async fn a_claim_outlasts_a_long_deletion_and_gives_way_when_its_process_died() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let dead = claim(&scope, &native).await.unwrap().unwrap();
        age(folder.path(), "a", CLAIM - Duration::from_secs(90));
        let refused = hold(&scope, &native, &held()).await.unwrap_err();
        assert_eq!((refused.exit, refused.message.as_str()), (10, "cannot hold a: it is being deleted this moment"));
        assert!(refused.hint.unwrap().contains("a deletion whose process died gives way in 1m "));
        assert!(!release(&scope, &native).await.unwrap(), "a claim is its deleter's");
        assert_eq!(pin(&scope, &native, "verify 1").await.unwrap_err().exit, 4);
        age(folder.path(), "a", CLAIM + Duration::from_secs(1));
        hold(&scope, &native, &held()).await.unwrap();
        assert!(claim(&scope, &native).await.unwrap().is_none());
        dead.give_back().await;
        assert_eq!(Marks::of(&scope, &native).await.unwrap().holds["a"], held(), "only its own claim goes");
    }

    #[tokio::test]
    async fn an_old_claim_is_written_anew_before_the_deletion_unless_it_is_a_hold_by_now() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let mut claim = claim(&scope, &native).await.unwrap().unwrap();
        for moved in [TimeDelta::minutes(-40), TimeDelta::minutes(40)] {
            age(folder.path(), "a", CLAIM + Duration::from_secs(1));
            claim.begun += moved;
            assert!(claim.confirm().await.unwrap());
            assert_eq!(hold(&scope, &native, &held()).await.unwrap_err().exit, 10);
        }
        age(folder.path(), "a", CLAIM + Duration::from_secs(1));
        hold(&scope, &native, &held()).await.unwrap();
        claim.begun -= TimeDelta::minutes(40);
        assert!(!claim.confirm().await.unwrap());
        assert_eq!(Marks::of(&scope, &native).await.unwrap().holds["a"], held());
    }
}
