//! What pruning would do: the policy's verdicts under the safety rules. Pure, and the only place that decides it.
//!
//! Every row has its reasons. A row that the policy would remove and a safety rule forbids to is `refused`.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use snapkeep_providers::model::{Hold, Origin, Snapshot, SnapshotState};

use crate::config::Retention;
use crate::retention::{self, Kept};

pub use self::refusal::Refusal;
pub(crate) use self::refusal::skew;

mod refusal;

/// How long a failed snapshot of ours, and debris, is left alone.
pub const GRACE: TimeDelta = TimeDelta::hours(24);

/// What planning needs to know of a snapshot; small, as there may be a million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The provider's own id.
    pub native: Box<str>,
    /// The moment that it holds.
    pub created_at: Option<DateTime<Utc>>,
    /// Bytes that it takes up.
    pub size_bytes: Option<u64>,
    /// Who made it.
    pub origin: Origin,
    /// Where it is in its life.
    pub state: SnapshotState,
    /// How its last verification ended.
    pub verified: Option<bool>,
    /// The hold on it, if it has not run out.
    pub hold: Option<Box<Hold>>,
    /// Until when the store refuses deletion.
    pub locked_until: Option<DateTime<Utc>>,
    /// Retention counts each kind and location for itself.
    pub group: u32,
    /// Changes with everything else that is told of it: its key, tags, engine and end.
    pub rest: u64,
}

impl Seen {
    /// Whether it can be restored, as far as is known.
    pub fn is_good(&self) -> bool {
        self.state == SnapshotState::Available && self.verified != Some(false)
    }

    /// Whether it is one to go back to that nobody else may delete: good, and ours.
    pub fn counts(&self) -> bool {
        self.origin == Origin::Owned && self.is_good()
    }

    /// Eight bytes that change when anything changes on which the plan stands.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        let mut number = |number: Option<i64>| {
            hash.update([u8::from(number.is_some())]);
            hash.update(number.unwrap_or_default().to_le_bytes());
        };
        number(self.created_at.map(|moment| moment.timestamp_micros()));
        number(self.size_bytes.map(u64::cast_signed));
        number(self.verified.map(i64::from));
        number(self.locked_until.map(|moment| moment.timestamp()));
        number(Some(self.origin as i64));
        number(Some(self.state as i64));
        number(self.hold.as_ref().map(|hold| hold.until.map_or(i64::MAX, |until| until.timestamp())));
        number(Some(self.rest.cast_signed()));
        hash.update(self.native.as_bytes());
        first_bytes(hash)
    }
}

fn first_bytes(hash: Sha256) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    u64::from_le_bytes(first)
}

/// What no rule looks at, and what all the same makes it another snapshot when it changes.
fn rest_of(snapshot: &Snapshot) -> u64 {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let Snapshot { engine, engine_version, location, provider_state, .. } = snapshot;
    text(snapshot.key.as_deref().unwrap_or("\0"));
    for field in [engine, engine_version, location, provider_state] {
        text(field.as_deref().unwrap_or("\0"));
    }
    for (key, value) in &*snapshot.tags {
        text(key);
        text(value);
    }
    text(&snapshot.completed_at.map(|moment| moment.to_rfc3339()).unwrap_or_default());
    first_bytes(hash)
}

/// The snapshots of one target as planning sees them. A hold that has run out is none.
pub fn see(snapshots: &[Snapshot], now: DateTime<Utc>) -> Vec<Seen> {
    let mut groups = BTreeMap::new();
    let mut group_of = |snapshot: &Snapshot| {
        let next = groups.len() as u32;
        *groups.entry((snapshot.provider.clone(), snapshot.location.clone())).or_insert(next)
    };
    snapshots
        .iter()
        .map(|snapshot| Seen {
            native: snapshot.native_id.as_str().into(),
            created_at: snapshot.created_at,
            size_bytes: snapshot.size_bytes,
            origin: snapshot.origin,
            state: snapshot.state,
            verified: snapshot.verified.as_ref().map(|verified| verified.ok),
            hold: snapshot
                .hold
                .as_ref()
                .filter(|hold| hold.until.is_none_or(|until| until > now))
                .cloned()
                .map(Box::new),
            locked_until: snapshot.locked_until.filter(|until| *until > now),
            group: group_of(snapshot),
            rest: rest_of(snapshot),
        })
        .collect()
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// The policy would remove it, and a safety rule forbids to.
    Refused,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule of the policy keeps it.
    Policy(Kept),
    /// It is the newest good one.
    NewestGood,
    /// It is in no slot of the policy.
    NoSlot,
    /// snapkeep neither made nor adopted it.
    NotOwned(Origin),
    /// It is not available, in a way that may pass.
    NotAvailable(SnapshotState),
    /// Its moment is unknown, so no rule can place it.
    NoTime,
    /// It never became whole, less than a day ago.
    FailedLately,
    /// It never became whole, more than a day ago.
    Failed,
    /// It failed in verification, so it takes no slot.
    FailedVerification,
    /// It failed in verification, and there is no good one.
    NoneGood,
    /// It is held.
    Held(Box<Hold>),
    /// The store refuses deletion until then.
    Locked(DateTime<Utc>),
    /// No good one would be left.
    LastGood,
    /// No verified one would be left.
    LastVerified,
    /// Fewer good ones than `min_keep` would be left.
    MinKeep(u32),
    /// The newest good one is older than `max_age`.
    Stale,
    /// A snapshot is in the future.
    Clock,
    /// This machine's clock and the provider's differ.
    Skew,
    /// More would go than `max_deletes` or `max_delete_percent` allows.
    Cap,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(kept) => kept.fmt(f),
            Self::NewestGood => f.write_str("newest good"),
            Self::NoSlot => f.write_str("in no slot"),
            Self::NotOwned(origin) => write!(f, "not owned: {origin}"),
            Self::NotAvailable(state) => write!(f, "not available: {state}"),
            Self::NoTime => f.write_str("its time is unknown"),
            Self::FailedLately => f.write_str("failed less than 24 h ago"),
            Self::Failed => f.write_str("failed more than 24 h ago"),
            Self::FailedVerification => f.write_str("failed in verification"),
            Self::NoneGood => f.write_str("no good one is left"),
            Self::Held(hold) => match hold.until {
                Some(until) => write!(f, "held until {}: {}", until.format("%Y-%m-%d %H:%M"), hold.reason),
                None => write!(f, "held until released: {}", hold.reason),
            },
            Self::Locked(until) => write!(f, "locked until {}", until.format("%Y-%m-%d %H:%M")),
            Self::LastGood => f.write_str("last good"),
            Self::LastVerified => f.write_str("last verified"),
            Self::MinKeep(count) => write!(f, "min_keep {count}"),
            Self::Stale => f.write_str("max_age: the newest good snapshot is too old"),
            Self::Clock => f.write_str("a snapshot is in the future"),
            Self::Skew => f.write_str("the clock of this machine is wrong"),
            Self::Cap => f.write_str("too many deletions for one run"),
        }
    }
}

/// One snapshot's row of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was seen.
    pub seen: Seen,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
}

/// A policy with its time zone and with the limits that hold for this run.
#[derive(Clone, Debug)]
pub struct Rules<'p> {
    /// The policy.
    pub policy: &'p Retention,
    /// Its time zone.
    pub zone: Tz,
    /// `max_deletes`, or what this run allows instead.
    pub max_deletes: Option<u32>,
    /// `max_delete_percent`, or what this run allows instead.
    pub max_delete_percent: Option<u8>,
    /// How far the provider's clock is ahead of ours, where it tells.
    pub clock_ahead: Option<TimeDelta>,
}

impl<'p> Rules<'p> {
    /// A policy with its own limits; `None` where its time zone is none.
    pub(crate) fn of(policy: &'p Retention, clock_ahead: Option<TimeDelta>) -> Option<Self> {
        let Retention { max_deletes, max_delete_percent, .. } = *policy;
        Some(Self { policy, zone: policy.timezone.parse().ok()?, max_deletes, max_delete_percent, clock_ahead })
    }
}

/// What pruning one target would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPlan {
    /// Newest first.
    pub rows: Vec<Row>,
    /// Why nothing is deleted at all.
    pub refusals: Vec<Refusal>,
}

/// Plans one target from a list of its snapshots that is known to be whole.
pub fn plan(rules: &Rules<'_>, seen: Vec<Seen>, now: DateTime<Utc>) -> TargetPlan {
    // Most rows have one reason; room for four, as `push` makes it, is 48 MiB more for a million.
    let row = |seen| Row { seen, verdict: Verdict::Keep, reasons: Vec::with_capacity(1) };
    let mut rows: Vec<Row> = seen.into_iter().map(row).collect();
    rows.sort_by(|a, b| (b.seen.created_at, &b.seen.native).cmp(&(a.seen.created_at, &a.seen.native)));
    let groups = rows.iter().map(|row| row.seen.group).max().map_or(0, |group| group + 1);
    rows.iter_mut().for_each(|row| judge_alone(row, now));
    (0..groups).for_each(|group| judge_by_policy(rules, &mut rows, group, now));
    rows.iter_mut().for_each(forbid_if_held);
    (0..groups).for_each(|group| protect_floor(rules.policy, &mut rows, group));
    let refusals = refusals(rules, &rows, now);
    if !refusals.is_empty() {
        for row in rows.iter_mut().filter(|row| row.verdict == Verdict::Remove) {
            row.verdict = Verdict::Refused;
            row.reasons.extend(refusals.iter().map(Refusal::reason));
            row.reasons.dedup(); // two caps are one reason
        }
    }
    TargetPlan { rows, refusals }
}

/// What needs no look at other snapshots.
fn judge_alone(row: &mut Row, now: DateTime<Utc>) {
    let seen = &row.seen;
    let (verdict, reason) = match seen.state {
        _ if seen.origin != Origin::Owned => (Verdict::Keep, Some(Reason::NotOwned(seen.origin))),
        SnapshotState::Failed => match seen.created_at {
            Some(created) if now - created > GRACE => (Verdict::Remove, Some(Reason::Failed)),
            Some(_) => (Verdict::Keep, Some(Reason::FailedLately)),
            None => (Verdict::Keep, Some(Reason::NoTime)),
        },
        SnapshotState::Available if seen.created_at.is_none() => (Verdict::Keep, Some(Reason::NoTime)),
        SnapshotState::Available => (Verdict::Keep, None),
        state => (Verdict::Keep, Some(Reason::NotAvailable(state))),
    };
    row.verdict = verdict;
    row.reasons.extend(reason);
}

/// Turns the removal of what is held or locked into a refusal. What stays anyway has that for a reason too.
fn forbid_if_held(row: &mut Row) {
    let held = row.seen.hold.clone().map(Reason::Held);
    let locked = row.seen.locked_until.map(Reason::Locked);
    if row.verdict == Verdict::Remove && (held.is_some() || locked.is_some()) {
        row.verdict = Verdict::Refused;
    }
    row.reasons.extend(held.into_iter().chain(locked));
}

fn takes_part(row: &Row, group: u32) -> bool {
    let seen = &row.seen;
    seen.group == group
        && seen.origin == Origin::Owned
        && seen.state == SnapshotState::Available
        && seen.created_at.is_some()
}

fn judge_by_policy(rules: &Rules<'_>, rows: &mut [Row], group: u32, now: DateTime<Utc>) {
    let (mut places, mut moments) = (Vec::new(), Vec::new());
    for (place, row) in rows.iter_mut().enumerate().filter(|(_, row)| takes_part(row, group)) {
        match row.seen.created_at {
            Some(created) if row.seen.is_good() => {
                places.push(place);
                moments.push(created);
            }
            // A bad one must not push a good one out of its slot.
            _ => {
                row.verdict = Verdict::Remove;
                row.reasons.push(Reason::FailedVerification);
            }
        }
    }
    if places.is_empty() {
        // With nothing better left, even one that failed in verification may be what saves the day.
        let bad = rows.iter_mut().filter(|row| takes_part(row, group) && row.verdict == Verdict::Remove);
        bad.for_each(|row| {
            row.verdict = Verdict::Refused;
            row.reasons.push(Reason::NoneGood);
        });
    }
    let kept = retention::keep(rules.policy, rules.zone, &moments, now);
    for (nth, (&place, kept)) in places.iter().zip(kept).enumerate() {
        let row = &mut rows[place];
        if kept.is_empty() {
            row.verdict = Verdict::Remove;
            row.reasons.push(Reason::NoSlot);
        } else {
            row.reasons.extend(kept.into_iter().map(Reason::Policy));
            row.reasons.extend((nth == 0).then_some(Reason::NewestGood));
        }
    }
}

/// Takes removals back, newest first, until the floors are safe.
fn protect_floor(policy: &Retention, rows: &mut [Row], group: u32) {
    let good = |row: &Row| takes_part(row, group) && row.seen.is_good();
    let refuse = |row: &mut Row, reason: Reason| {
        row.verdict = Verdict::Refused;
        row.reasons.push(reason);
    };
    if let Some(row) = rows.iter_mut().find(|row| good(row) && row.seen.verified == Some(true))
        && row.verdict == Verdict::Remove
    {
        refuse(row, Reason::LastVerified);
    }
    let mut left = rows.iter().filter(|row| good(row) && row.verdict != Verdict::Remove).count();
    for row in rows.iter_mut().filter(|row| good(row)) {
        if left >= policy.min_keep.max(1) as usize {
            break;
        }
        if row.verdict == Verdict::Remove {
            refuse(row, if left == 0 { Reason::LastGood } else { Reason::MinKeep(policy.min_keep) });
            left += 1;
        }
    }
}

/// The rules that hold for a whole target.
fn refusals(rules: &Rules<'_>, rows: &[Row], now: DateTime<Utc>) -> Vec<Refusal> {
    let mut refusals = refusals_of_the_moment(rules.policy, rows.iter().map(|row| &row.seen), now, rules.clock_ahead);
    let mine =
        || rows.iter().filter(|row| row.seen.origin == Origin::Owned && row.seen.state == SnapshotState::Available);
    // Failed ones are swept besides, and count nowhere.
    let (planned, of) = (mine().filter(|row| row.verdict == Verdict::Remove).count(), mine().count());
    if let Some(limit) = rules.max_deletes.filter(|limit| planned > *limit as usize) {
        refusals.push(Refusal::Deletes { planned, limit });
    }
    if let Some(limit) = rules.max_delete_percent.filter(|limit| planned * 100 > of * usize::from(*limit)) {
        refusals.push(Refusal::Percent { planned, of, limit });
    }
    refusals
}

/// The rules of a whole target that depend on the clock, and on how far the provider's is ahead of it: they are asked again when a plan is carried out.
pub fn refusals_of_the_moment<'s>(
    policy: &Retention,
    seen: impl Iterator<Item = &'s Seen>,
    now: DateTime<Utc>,
    clock_ahead: Option<TimeDelta>,
) -> Vec<Refusal> {
    let (mut newest, mut newest_good, mut owned) = (None, None, false);
    for seen in seen {
        newest = newest.max(seen.created_at);
        owned |= seen.origin == Origin::Owned;
        if seen.counts() {
            newest_good = newest_good.max(seen.created_at);
        }
    }
    let mut refusals: Vec<Refusal> = Refusal::of_skew(clock_ahead).into_iter().collect();
    if let Some(ahead) = newest.map(|newest| newest - now).filter(|ahead| *ahead > TimeDelta::zero()) {
        refusals.push(Refusal::Clock(ahead));
    }
    if let Some(max_age) = max_age(policy) {
        let age = newest_good.map(|created| now - created);
        // Where nothing of ours is there yet, nothing is stale.
        if owned && is_stale(age, max_age) {
            refusals.push(Refusal::Stale { age, max_age });
        }
    }
    refusals
}

/// How old the newest good snapshot of a target may be, where its policy says so.
pub(crate) fn max_age(policy: &Retention) -> Option<TimeDelta> {
    policy.max_age.and_then(|age| TimeDelta::from_std(age.duration()).ok())
}

/// Whether the newest good snapshot is too old; one of unknown age is, and none is.
pub(crate) fn is_stale(age: Option<TimeDelta>, max_age: TimeDelta) -> bool {
    age.is_none_or(|age| age > max_age)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
