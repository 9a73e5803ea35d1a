//! Carries out a plan: the only code that deletes on its own decision.
//!
//! It believes nothing: it lists again, compares every snapshot with what the plan saw, and reads each one once more
//! in the moment before it goes. Deletions go from the oldest on, so that wherever it is cut off, what is left is a
//! superset of what the plan keeps.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use snapkeep_providers::model::{ListScope, NativeId, Snapshot, SnapshotState};
use snapkeep_providers::{ErrorKind, Run};

use crate::catalog::Opened;
use crate::config::Retention;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::marks::{self, Reuse};
use crate::plan::{self, GRACE, Seen, Verdict};
use crate::state::{Expected, Scope};

/// One snapshot of a plan, as far as carrying it out needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) native: NativeId,
    pub(crate) verdict: Verdict,
    /// Whether the plan saw it as good.
    pub(crate) good: bool,
    /// What the plan saw: [`Seen::fingerprint`].
    pub(crate) fingerprint: u64,
}

/// What became of one snapshot that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) native: NativeId,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) ended: Ended,
}

/// How a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PruneOutcome")]
pub(crate) enum Ended {
    /// It is gone by our hand.
    Deleted,
    /// It was gone already, or on its way, by an earlier run of the same plan.
    Absent,
    /// It could not be deleted.
    Failed,
}

/// What became of one target.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) deleted: Vec<Deleted>,
    pub(crate) failures: Vec<Failure>,
    /// Debris that was swept.
    pub(crate) swept: usize,
}

/// Tells an earlier run of the same plan from somebody else's deletions.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    at: DateTime<Utc>,
}

const BEGUN: &str = "plans";
/// How long it is known that a plan was carried out.
const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// Tells the time.
type Clock<'c> = &'c (dyn Fn() -> DateTime<Utc> + Sync);

/// Carries out the plan of one target, whose lock is held.
///
/// A failure before the first deletion means that nothing was deleted; after it, deleting goes on with the next
/// snapshot, unless the world has moved.
pub(crate) async fn apply(
    opened: &Opened,
    policy: &Retention,
    digest: &str,
    planned: &[Planned],
    lock: &Lock,
    run: &Run,
    clock: Clock<'_>,
) -> Applied {
    let mut applied = Applied::default();
    let Going { going, resumed } = match check_world(opened, policy, digest, planned, run, clock).await {
        Ok(going) => going,
        Err(failure) => {
            applied.failures.push(failure.of(opened.name()));
            return applied;
        }
    };
    if !going.is_empty()
        && let Err(failure) = begin(&opened.scope, digest, clock()).await
    {
        applied.failures.push(failure.of(opened.name()));
        return applied;
    }
    for planned in going {
        match delete(opened, planned, resumed, lock, run, clock).await {
            Ok(deleted) => {
                if let Err(failure) = marks::forget(&opened.scope, &deleted.native, Reuse::Never).await {
                    applied.failures.push(failure.of(opened.name()));
                }
                applied.deleted.push(deleted);
            }
            Err(Stop::ThisOne(failure)) => {
                let native = planned.native.clone();
                applied.deleted.push(Deleted { native, size_bytes: None, ended: Ended::Failed });
                applied.failures.push(failure.of(opened.name()));
            }
            Err(Stop::All(failure)) => {
                applied.failures.push(failure.of(opened.name()));
                return applied;
            }
        }
    }
    sweep(opened, &mut applied, lock, clock()).await;
    applied
}

/// Remembers that this plan's deletions are ours, from before the first one on; for as long as anyone may come back to it.
async fn begin(scope: &Scope, digest: &str, now: DateTime<Utc>) -> Result<(), Failure> {
    for (old, begun) in scope.all::<Begun>(BEGUN).await? {
        if now - begun.at > REMEMBERED {
            scope.erase(BEGUN, &old).await?;
        }
    }
    scope.put(BEGUN, digest, &Begun { at: now }, &Expected::Absent).await.map(drop)
}

/// The world has moved before the first deletion.
fn moved(what: &str) -> Failure {
    let message = format!("the world has moved since the plan was made: {what}; nothing was deleted");
    Failure::new(ErrorKind::Refused, message).with_hint("make a new plan: `snapkeep prune plan`")
}

/// What is to go, the oldest first.
struct Going<'p> {
    going: Vec<&'p Planned>,
    resumed: Resumed,
}

/// Whether an earlier run began to carry out the same plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resumed {
    Yes,
    No,
}

/// Whether it is on its way by an earlier run of this plan: a cloud takes its time to delete.
fn is_going(state: SnapshotState, resumed: Resumed) -> bool {
    state == SnapshotState::Deleting && resumed == Resumed::Yes
}

/// Lists again, and refuses when the plan no longer fits.
async fn check_world<'p>(
    opened: &Opened,
    policy: &Retention,
    digest: &str,
    planned: &'p [Planned],
    run: &Run,
    clock: Clock<'_>,
) -> Result<Going<'p>, Failure> {
    let listing = tokio::select! {
        biased;
        () = run.cancel.cancelled() => {
            let message = format!("interrupted before anything of {} was deleted", opened.name());
            return Err(Failure::new(ErrorKind::Interrupted, message));
        }
        listing = opened.list(ListScope::Own) => listing?,
    };
    if let Some(problem) = listing.problems.into_iter().next() {
        return Err(problem.into());
    }
    // After the list: a snapshot that was made while it was read is not in the future.
    let now = clock();
    let seen = plan::see(&listing.snapshots, now);
    let refusals = plan::refusals_of_the_moment(policy, seen.iter(), now, listing.clock_ahead);
    if let Some(refusal) = refusals.into_iter().next() {
        let message = format!("{}: nothing was deleted: {refusal}", opened.name());
        return Err(Failure::new(ErrorKind::Refused, message).with_hint(refusal.hint()));
    }
    let begun = opened.scope.get::<Begun>(BEGUN, digest).await?;
    let resumed = if begun.is_some() { Resumed::Yes } else { Resumed::No };
    compare(opened, planned, &seen, resumed)?;
    let going: Vec<&Planned> = planned.iter().rev().filter(|planned| planned.verdict == Verdict::Remove).collect();
    check_floors(policy, &seen, &going)?;
    Ok(Going { going, resumed })
}

/// What the plan saw beside what is there.
fn compare(opened: &Opened, planned: &[Planned], seen: &[Seen], resumed: Resumed) -> Result<(), Failure> {
    let there: BTreeMap<&str, &Seen> = seen.iter().map(|seen| (&*seen.native, seen)).collect();
    for planned in planned {
        let id = || format!("{}/{}", opened.name(), planned.native);
        match (there.get(planned.native.as_str()), planned.verdict) {
            (None, Verdict::Remove) if resumed == Resumed::Yes => {}
            (Some(seen), Verdict::Remove) if is_going(seen.state, resumed) => {}
            (None, _) if planned.good => return Err(moved(&format!("{} is gone", id()))),
            (None, _) => {}
            (Some(seen), Verdict::Remove) if seen.fingerprint() != planned.fingerprint => {
                return Err(moved(&changed(&id(), seen)));
            }
            (Some(seen), Verdict::Keep | Verdict::Refused) if planned.good && !seen.is_good() => {
                return Err(moved(&format!("{} is not good any more", id())));
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// The floors, over what is there now: what the plan leaves may have lost its adoption or its verification.
fn check_floors(policy: &Retention, seen: &[Seen], going: &[&Planned]) -> Result<(), Failure> {
    let going: BTreeSet<&str> = going.iter().map(|planned| planned.native.as_str()).collect();
    let mut groups: BTreeMap<u32, (Vec<&Seen>, Vec<&Seen>)> = BTreeMap::new();
    for good in seen.iter().filter(|seen| seen.counts()) {
        let (goes, stays) = groups.entry(good.group).or_default();
        if going.contains(&*good.native) { goes.push(good) } else { stays.push(good) }
    }
    let verified = |seen: &&Seen| seen.verified == Some(true);
    for (goes, stays) in groups.values().filter(|(goes, _)| !goes.is_empty()) {
        if stays.len() < policy.min_keep.max(1) as usize {
            return Err(moved(&format!(
                "{} good ones would be left, and min_keep is {}",
                stays.len(),
                policy.min_keep
            )));
        }
        if goes.iter().any(verified) && !stays.iter().any(verified) {
            return Err(moved("no verified one would be left"));
        }
    }
    Ok(())
}

fn changed(id: &str, seen: &Seen) -> String {
    match &seen.hold {
        _ if seen.state == SnapshotState::Deleting => format!("{id} is being deleted by somebody else"),
        Some(hold) => format!("{id} is held: {}", hold.reason),
        None => format!("{id} has changed"),
    }
}

/// Why a deletion did not happen.
enum Stop {
    /// The others may still go.
    ThisOne(Failure),
    /// Nothing more may go.
    All(Failure),
}

/// Reads the snapshot once more, and deletes it if it is still what the plan saw.
///
/// Claimed first, so that it can't be held any more once it was found not to be.
async fn delete(
    opened: &Opened,
    planned: &Planned,
    resumed: Resumed,
    lock: &Lock,
    run: &Run,
    clock: Clock<'_>,
) -> Result<Deleted, Stop> {
    let id = format!("{}/{}", opened.name(), planned.native);
    let interrupted =
        || Stop::All(Failure::new(ErrorKind::Interrupted, format!("interrupted before {id} was deleted")));
    let native = planned.native.clone();
    let found = tokio::select! {
        biased;
        () = run.cancel.cancelled() => return Err(interrupted()),
        found = opened.get(&native) => found,
    };
    let snapshot: Snapshot = match found {
        Ok(details) => details.snapshot,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Deleted { native, size_bytes: None, ended: Ended::Absent });
        }
        Err(error) => return Err(Stop::ThisOne(error.into())),
    };
    if is_going(snapshot.state, resumed) {
        return Ok(Deleted { native, size_bytes: snapshot.size_bytes, ended: Ended::Absent });
    }
    let seen = plan::see(std::slice::from_ref(&snapshot), clock());
    if let Some(seen) = seen.iter().find(|seen| seen.fingerprint() != planned.fingerprint) {
        return Err(Stop::All(moved_meanwhile(&changed(&id, seen))));
    }
    lock.check().await.map_err(Stop::All)?;
    let Some(claim) = marks::claim(&opened.scope, &native).await.map_err(Stop::All)? else {
        return Err(Stop::All(moved_meanwhile(&format!("{id} is held"))));
    };
    if let Err(error) = opened.provider.delete(&native).await {
        claim.give_back().await;
        return Err(Stop::ThisOne(error.into()));
    }
    Ok(Deleted { native, size_bytes: snapshot.size_bytes, ended: Ended::Deleted })
}

fn moved_meanwhile(what: &str) -> Failure {
    let message = format!("the world has moved while the plan was applied: {what}; the rest stays");
    Failure::new(ErrorKind::Refused, message).with_hint("make a new plan: `snapkeep prune plan`")
}

/// Sweeps what never became a snapshot, once its grace is over. The target's lock is held.
pub(crate) async fn sweep(opened: &Opened, applied: &mut Applied, lock: &Lock, now: DateTime<Utc>) {
    let debris = match opened.provider.debris().await {
        Ok(debris) => debris,
        Err(error) => return applied.failures.push(Failure::from(error).of(opened.name())),
    };
    for debris in debris.iter().filter(|debris| now - debris.touched_at > GRACE) {
        if let Err(failure) = lock.check().await {
            return applied.failures.push(failure);
        }
        match opened.provider.sweep(debris).await {
            Ok(()) => applied.swept += 1,
            Err(error) => applied.failures.push(Failure::from(error).of(opened.name())),
        }
    }
}

#[cfg(test)]
mod tests;
