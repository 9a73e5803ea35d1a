//! When schedules are due, when each target begins, and what a late look does about it. Pure: the clock comes in.
//!
//! Runs nothing, waits for nothing and remembers nothing; whoever does holds the lock of the target.

use std::iter::successors;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use snapkeep_providers::model::TargetName;

use crate::config::{Config, Cron, Missed, Schedule, Target};
use crate::wall;

mod shard;

pub(crate) use shard::Shard;

/// How late a look may be for what it finds due to count as not missed.
pub(crate) const LATE: TimeDelta = TimeDelta::minutes(5);
/// No pause before another try is longer; one that seems so is of a clock that is wrong.
const PAUSE: TimeDelta = TimeDelta::minutes(10);
/// How far clocks may differ that are believed.
const FAR: TimeDelta = TimeDelta::days(1);

/// When a schedule is due. The moments are nominal: what jitter adds for a target is in `start` and `next_start` only.
///
/// Where the hour field names hours, each time that the clock on the wall should show is one run: of a time that comes
/// twice the first, of a time that is skipped the first moment after it; times that come together so are one run. Where
/// the hour field begins with `*`, it is due whenever the clock shows such a time: twice for a time that comes twice, and
/// never for one that is skipped.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    name: String,
    cron: Cron,
    zone: Tz,
    jitter: TimeDelta,
    missed: Missed,
}

/// What is remembered of a target's past under a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past<'a> {
    /// The newest due moment that is settled: nothing up to it is run any more.
    pub(crate) settled: Option<DateTime<Utc>>,
    /// The rule by which it was due.
    pub(crate) rule: Option<&'a str>,
    /// A due moment whose run failed, and when it is tried again.
    pub(crate) retry: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// A due moment whose run has begun, and whose end nobody has written down; and when another one may go on with it.
    pub(crate) begun: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Who looks whether something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Since when: what was due before that, and for the first time, is nobody's.
    pub(crate) since: DateTime<Utc>,
    /// When this due moment was first seen to have come; what then is in time stays so, however long it waits for its turn.
    pub(crate) noticed: DateTime<Utc>,
}

impl Past<'_> {
    /// Up to which due moment it is settled, as far as that can be believed: what is settled long before it is due was
    /// settled by a clock that was wrong.
    fn settled_by(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.settled.filter(|settled| is_believed(*settled, now))
    }
}

/// Whether a due moment can have been settled by now, as far as clocks agree.
pub(crate) fn is_believed(settled: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    settled - now <= FAR
}

/// What is to be done about a target now. Where it runs or is skipped, all that was due up to then is settled by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Wait,
    /// Nothing before this moment: it failed, and is tried again.
    Later(DateTime<Utc>),
    /// Run, once, for this due moment.
    Run(DateTime<Utc>),
    /// Remember this due moment as settled without a run.
    Skip(DateTime<Utc>),
}

impl Timetable {
    /// The timetable of the schedule that the config calls `name`.
    pub(crate) fn new(name: &str, schedule: &Schedule) -> Self {
        let jitter = schedule.jitter.and_then(|jitter| TimeDelta::from_std(jitter.duration()).ok());
        Self {
            name: name.to_owned(),
            cron: schedule.cron.clone(),
            zone: schedule.timezone,
            jitter: jitter.unwrap_or_default(),
            missed: schedule.missed,
        }
    }

    /// What makes it due, in words: with another one nothing was ever missed.
    pub(crate) fn rule(&self) -> String {
        format!("{} {}", self.cron, self.zone)
    }

    /// The first due moment after `after`.
    pub(crate) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall = wall::shown(after, self.zone);
        let ahead = self.first_after(wall, after);
        match self.fold(wall) {
            // The clock is still to be set back: what it then shows again comes before what it hasn't shown yet.
            Some((first, second)) if after < second => {
                ahead.into_iter().chain(self.first_after(wall - (second - first), after)).min()
            }
            _ => ahead,
        }
    }

    /// The last due moment that is not after `until`.
    pub(crate) fn last(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall = wall::shown(until, self.zone);
        let behind = self.last_until(wall, until);
        match self.fold(wall) {
            // The clock was set back: it showed later times than it does.
            Some((first, second)) if second <= until => {
                behind.into_iter().chain(self.last_until(wall + (second - first), until)).max()
            }
            _ => behind,
        }
    }

    /// When `target` begins what is due at `due`: less than the jitter later.
    ///
    /// The offset follows from the names of schedule and target, so it is the same at every run, on every machine and
    /// in every version.
    pub(crate) fn start(&self, due: DateTime<Utc>, target: &TargetName) -> DateTime<Utc> {
        due.checked_add_signed(self.offset(target)).unwrap_or(due)
    }

    /// When `target` begins next: the first start after `after`.
    pub(crate) fn next_start(&self, after: DateTime<Utc>, target: &TargetName) -> Option<DateTime<Utc>> {
        let due = self.next(after.checked_sub_signed(self.offset(target))?)?;
        Some(self.start(due, target))
    }

    /// What is to be done about `target` now.
    ///
    /// Only the newest due moment whose start has come counts; the ones before it are settled with it. It was missed when
    /// its start was more than five minutes ago as it was noticed and no run of it has begun, and then only `run_once` runs it.
    /// Where the rule is new
    /// to the target, nothing was missed: what was due before the watch began is skipped.
    pub(crate) fn turn(&self, past: Past<'_>, watch: Watch, now: DateTime<Utc>, target: &TargetName) -> Turn {
        let newest = now.checked_sub_signed(self.offset(target)).and_then(|until| self.last(until));
        let settled = past.settled_by(now);
        let is_open = |due: &DateTime<Utc>| settled.is_none_or(|settled| settled < *due);
        let Some(due) = newest.filter(is_open) else { return Turn::Wait };
        let start = self.start(due, target);
        let is_new = settled.is_none() || past.rule.is_some_and(|rule| rule != self.rule());
        // What has begun is gone on with, by whatever rule and however late.
        let again = past.retry.into_iter().chain(past.begun).filter(|(begun, _)| *begun == due).map(|(_, again)| again);
        match (self.missed, again.max()) {
            (_, Some(again)) if now < again && again - now <= PAUSE => Turn::Later(again),
            (_, Some(_)) => Turn::Run(due),
            _ if is_new && start <= watch.since => Turn::Skip(due),
            (Missed::Skip, None) if watch.noticed - start > LATE => Turn::Skip(due),
            (Missed::Skip | Missed::RunOnce, None) => Turn::Run(due),
        }
    }

    /// When what `target` waits for begins, or should have begun: a due moment that is still to run, a try that is to come,
    /// else the next start.
    pub(crate) fn awaited(&self, past: Past<'_>, now: DateTime<Utc>, target: &TargetName) -> Option<DateTime<Utc>> {
        match self.turn(past, Watch { since: now, noticed: now }, now, target) {
            Turn::Run(due) => Some(self.start(due, target)),
            Turn::Later(at) => Some(at),
            Turn::Wait | Turn::Skip(_) => self.next_start(now, target),
        }
    }

    fn offset(&self, target: &TargetName) -> TimeDelta {
        let jitter = u64::try_from(self.jitter.num_milliseconds()).unwrap_or_default();
        let offset = share_of(&["jitter", &self.name, target.as_str()], jitter);
        i64::try_from(offset).ok().and_then(TimeDelta::try_milliseconds).unwrap_or_default()
    }

    /// Both moments at which the clock shows `wall`, if it does so twice.
    fn fold(&self, wall: NaiveDateTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Ambiguous(first, second) => Some((first.to_utc(), second.to_utc())),
            _ => None,
        }
    }

    /// The first due moment after `after` of those that the clock shows after `wall`.
    fn first_after(&self, wall: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        successors(self.cron.after(wall), |wall| self.cron.after(*wall))
            .find_map(|wall| self.moments(wall).into_iter().flatten().find(|moment| *moment > after))
    }

    /// The last due moment not after `until` of those that the clock shows not after `wall`.
    fn last_until(&self, wall: NaiveDateTime, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let earlier = |wall: &NaiveDateTime| self.cron.until(wall.checked_sub_signed(TimeDelta::seconds(1))?);
        successors(self.cron.until(wall), earlier)
            .find_map(|wall| self.moments(wall).into_iter().flatten().rfind(|moment| *moment <= until))
    }

    /// When it is due for a time on the wall, in order.
    fn moments(&self, wall: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        if self.cron.names_hours() {
            return [wall::first_moment(wall, self.zone), None];
        }
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(only) => [Some(only.to_utc()), None],
            MappedLocalTime::Ambiguous(first, second) => [Some(first.to_utc()), Some(second.to_utc())],
            MappedLocalTime::None => [None, None],
        }
    }
}

/// A number below `whole`, or 0: evenly spread over the names, and the same for the same ones for ever.
fn share_of(names: &[&str], whole: u64) -> u64 {
    let hash: [u8; 32] = Sha256::digest(names.join("\0").as_bytes()).into();
    let point = hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    // The upper half of the product: below `whole`, so nothing is cut off.
    ((u128::from(point) * u128::from(whole)) >> 64) as u64
}

/// The targets that a schedule means, each once, in the config's order.
pub(crate) fn targets<'a>(config: &'a Config, schedule: &Schedule) -> Vec<&'a Target> {
    config.targets.values().filter(|target| schedule.selects(target)).collect()
}

#[cfg(test)]
mod decade;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
