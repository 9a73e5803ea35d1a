//! How one target stands: its newest good snapshot and how old that may be, what its schedules came to, what pruning would
//! do. Pure: what was read comes in; what changes as time passes takes the clock as an argument.
//!
//! Says nothing of how it is shown, and asks nobody anything: `look` does.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use snapkeep_providers::model::{Listing, Snapshot, TargetName};

use crate::config::Retention;
use crate::failure::Failure;
use crate::history::{History, Run, RunError};
use crate::packed::Packed;
use crate::plan::{self, Refusal, Rules, TargetPlan, Verdict};

pub(crate) use look::look;

mod look;
#[cfg(test)]
pub(crate) mod tests;

/// How many sizes are kept at hand.
const SIZES: usize = 30;

/// How the age of the newest good snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Freshness")]
pub(crate) enum Freshness {
    /// There is none.
    None,
    /// It is older than `max_age` allows.
    Stale,
    /// Nobody knows: the list could not be read, or not all of it.
    Unknown,
    /// It is as young as it must be.
    Ok,
}

impl Freshness {
    /// The word that JSON has for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
        }
    }
}

/// What was read of a target.
#[derive(Debug)]
pub(crate) struct Facts<'p> {
    pub(crate) target: TargetName,
    /// The provider's name in the config.
    pub(crate) provider: &'static str,
    pub(crate) policy: Option<&'p Retention>,
    /// `None` where it could not be read at all.
    pub(crate) listing: Option<Listing>,
    /// Of the schedules that select it.
    pub(crate) schedules: Vec<Scheduled>,
    /// Why something else could not be read.
    pub(crate) failures: Vec<Failure>,
    /// When it was read.
    pub(crate) seen_at: DateTime<Utc>,
}

/// How a target stands. Small, as `serve` keeps one of each: what is told of all of them at once is at hand, the rest packed.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) target: TargetName,
    /// The provider's name in the config.
    pub(crate) provider: &'static str,
    /// How old the newest good snapshot may be.
    pub(crate) max_age: Option<TimeDelta>,
    /// What could be read, newest first.
    pub(crate) snapshots: Packed<Judged>,
    /// Why no snapshot may be deleted now, whatever the policy says.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) schedules: Vec<Scheduled>,
    /// What could not be read, and why.
    pub(crate) failures: Vec<Failure>,
    pub(crate) seen_at: DateTime<Utc>,
    list: List,
    good: Good,
    /// How many snapshots have each verdict, in the order of [`Verdict`].
    verdicts: [usize; 3],
}

/// The snapshots of ours that can be restored, as far as is known.
#[derive(Debug)]
struct Good {
    newest: Option<Snapshot>,
    newest_verified: Option<Box<Snapshot>>, // few have one
    count: usize,
    /// Of the last ones beside the newest one, the oldest first.
    sizes: Box<[(DateTime<Utc>, u64)]>,
}

/// How much of a list was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    /// Nothing.
    Unread,
    /// Not all of it.
    Partial,
    /// All of it, and there is no policy.
    Whole,
    /// All of it, and a policy says what becomes of each snapshot.
    Judged,
}

/// A snapshot, and what pruning would do with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) snapshot: Snapshot,
    /// `None` where the target has no policy, or its list was not read whole.
    pub(crate) verdict: Option<Verdict>,
    /// Why it stays, or goes, in words.
    pub(crate) reasons: Vec<String>,
}

/// A schedule of a target, and what its runs came to.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) name: String,
    /// When it runs next, where that is known.
    pub(crate) next_run: Option<DateTime<Utc>>,
    /// When the run began whose end nobody has written down.
    pub(crate) unfinished_since: Option<DateTime<Utc>>,
    /// All that are remembered, the newest first.
    pub(crate) runs: Packed<Run>,
    /// The last of them, and the last that ended otherwise.
    last: Box<[Run]>,
}

impl Scheduled {
    pub(crate) fn of(name: String, next_run: Option<DateTime<Utc>>, history: &History) -> Self {
        let (runs, last) = kept(&history.runs);
        Self { name, next_run, unfinished_since: history.unfinished_since(), runs, last }
    }

    /// Adds a run that is not written down.
    pub(crate) fn add(&mut self, run: &Run) {
        let mut runs = self.runs.open();
        runs.insert(0, run.clone());
        (self.runs, self.last) = kept(&runs);
    }

    /// The last run that ended.
    pub(crate) fn last_run(&self) -> Option<&Run> {
        self.last.first()
    }

    /// The last run that went well.
    pub(crate) fn last_success(&self) -> Option<&Run> {
        self.last.iter().find(|run| run.error.is_none())
    }

    /// The last run that went wrong, however many went well since.
    pub(crate) fn last_failure(&self) -> Option<&Run> {
        self.last.iter().find(|run| run.error.is_some())
    }

    /// What went wrong in its last run, if that did not go well.
    pub(crate) fn error(&self) -> Option<(&Run, &RunError)> {
        let run = self.last_run()?;
        Some((run, run.error.as_ref()?))
    }
}

/// Runs, newest first, as they are kept: all of them, and what of them is at hand.
fn kept(runs: &[Run]) -> (Packed<Run>, Box<[Run]>) {
    let first = runs.first();
    let other = first.and_then(|first| runs.iter().find(|run| run.error.is_some() != first.error.is_some()));
    (Packed::of(runs), first.into_iter().chain(other).cloned().collect())
}

impl Good {
    /// Of snapshots, newest first.
    fn of(snapshots: &[Judged]) -> Self {
        let good = || snapshots.iter().map(|judged| &judged.snapshot).filter(|snapshot| snapshot.counts());
        let newest = good().next();
        let place = newest.map(|newest| (&newest.provider, &newest.location));
        let beside = good().filter(|snapshot| Some((&snapshot.provider, &snapshot.location)) == place);
        let sized = beside.filter_map(|snapshot| Some((snapshot.created_at?, snapshot.size_bytes?)));
        let mut sizes: Box<[_]> = sized.take(SIZES).collect();
        sizes.reverse();
        let newest_verified = good().find(|snapshot| snapshot.verified.is_some());
        Self {
            newest: newest.cloned(),
            newest_verified: newest_verified.cloned().map(Box::new),
            count: good().count(),
            sizes,
        }
    }
}

impl Standing {
    /// Concludes from what was read.
    pub(crate) fn of(facts: Facts<'_>) -> Self {
        let Facts { target, provider, policy, listing, schedules, mut failures, seen_at } = facts;
        let read = match &listing {
            None => List::Unread,
            Some(listing) if listing.problems.is_empty() => List::Whole,
            Some(_) => List::Partial,
        };
        let Listing { mut snapshots, problems, clock_ahead } = listing.unwrap_or_default();
        failures.extend(problems.into_iter().map(|problem| Failure::from(problem).of(&target)));
        snapshots.sort_by(|a, b| (b.created_at, &b.native_id).cmp(&(a.created_at, &a.native_id)));
        let policy_of_whole = policy.filter(|_| read == List::Whole);
        let rules = policy_of_whole.and_then(|policy| Rules::of(policy, clock_ahead));
        let list = if rules.is_some() { List::Judged } else { read };
        let (snapshots, refusals) = judged(snapshots, rules.as_ref(), seen_at);
        let (good, mut verdicts) = (Good::of(&snapshots), [0; 3]);
        snapshots.iter().filter_map(|judged| judged.verdict).for_each(|verdict| verdicts[verdict as usize] += 1);
        Self {
            target,
            provider,
            max_age: policy.and_then(plan::max_age),
            snapshots: Packed::of(&snapshots),
            refusals,
            schedules,
            failures,
            seen_at,
            list,
            good,
            verdicts,
        }
    }

    /// Whether its list could be read, or a part of it.
    pub(crate) fn was_read(&self) -> bool {
        self.list != List::Unread
    }

    /// The newest snapshot of ours that can be restored, as far as is known.
    pub(crate) fn newest_good(&self) -> Option<&Snapshot> {
        self.good.newest.as_ref()
    }

    /// The newest of these that passed a verification.
    pub(crate) fn newest_verified(&self) -> Option<&Snapshot> {
        self.good.newest_verified.as_deref()
    }

    /// How many there are of them; `None` where that is not known.
    pub(crate) fn count_good(&self) -> Option<usize> {
        (self.list >= List::Whole).then_some(self.good.count)
    }

    /// How many snapshots have this verdict; `None` where that is not known.
    pub(crate) fn count(&self, verdict: Verdict) -> Option<usize> {
        (self.list == List::Judged).then_some(self.verdicts[verdict as usize])
    }

    /// How old the newest good one is; less than nothing where a clock is wrong.
    pub(crate) fn age(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.newest_good()?.created_at.map(|created| now - created)
    }

    /// Whether the newest good one is there, and young enough. Of a list that is not whole nobody knows: the mark that a
    /// snapshot failed in verification may be what could not be read.
    pub(crate) fn freshness(&self, now: DateTime<Utc>) -> Freshness {
        match (self.list, self.newest_good(), self.max_age) {
            (List::Unread | List::Partial, ..) => Freshness::Unknown,
            (_, None, _) => Freshness::None,
            (_, Some(_), Some(max_age)) if plan::is_stale(self.age(now), max_age) => Freshness::Stale,
            (_, Some(_), _) => Freshness::Ok,
        }
    }

    /// Whether the last run of a schedule failed, or something could not be read.
    pub(crate) fn is_failing(&self) -> bool {
        !self.failures.is_empty() || self.last_error().is_some()
    }

    /// Whether somebody should look at it.
    pub(crate) fn is_in_trouble(&self, now: DateTime<Utc>) -> bool {
        self.freshness(now) != Freshness::Ok || self.is_failing()
    }

    /// What went wrong last, with its schedule, of those whose last run went wrong.
    pub(crate) fn last_error(&self) -> Option<(&Scheduled, &Run, &RunError)> {
        let failed = self.schedules.iter().filter_map(|schedule| {
            let (run, error) = schedule.error()?;
            Some((schedule, run, error))
        });
        failed.max_by_key(|(_, run, _)| run.ended_at)
    }

    /// When the next of its schedules runs.
    pub(crate) fn next_run(&self) -> Option<DateTime<Utc>> {
        self.schedules.iter().filter_map(|schedule| schedule.next_run).min()
    }

    /// The sizes of the last good ones beside the newest one, [`SIZES`] at most, the oldest first. Copies elsewhere are left out,
    /// and so is what has no size.
    pub(crate) fn sizes(&self) -> &[(DateTime<Utc>, u64)] {
        &self.good.sizes
    }
}

/// What places it among others: those in the worst trouble first, then by name.
pub(crate) fn order(standing: &Standing, now: DateTime<Utc>) -> (Freshness, bool, TargetName) {
    (standing.freshness(now), !standing.is_failing(), standing.target.clone())
}

/// Snapshots, newest first, with what a policy would do with them.
fn judged(snapshots: Vec<Snapshot>, rules: Option<&Rules<'_>>, now: DateTime<Utc>) -> (Vec<Judged>, Vec<Refusal>) {
    let Some(rules) = rules else {
        let alone = |snapshot| Judged { snapshot, verdict: None, reasons: Vec::new() };
        return (snapshots.into_iter().map(alone).collect(), Vec::new());
    };
    // Rows come in the order of the snapshots: both are sorted by time and id.
    let TargetPlan { rows, refusals } = plan::plan(rules, plan::see(&snapshots, now), now);
    let with_row = |(snapshot, row): (Snapshot, plan::Row)| {
        let reasons = row.reasons.iter().map(ToString::to_string).collect();
        Judged { snapshot, verdict: Some(row.verdict), reasons }
    };
    (snapshots.into_iter().zip(rows).map(with_row).collect(), refusals)
}
