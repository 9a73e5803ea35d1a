//! What is known of the targets and of the scheduler itself, for whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep_providers::model::{Quota, TargetName};

use tokio::time::Instant;

use super::duty::Duty;
use crate::history::Run;
use crate::standing::Standing;

/// How long the scheduler may be silent before it counts as stuck.
const SILENCE: TimeDelta = TimeDelta::minutes(2);

/// A target of a schedule, by their names.
pub(super) type Pair = (TargetName, String);

/// What the runs of a pair came to since this process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) runs: u64,
    pub(super) failures: u64,
    /// How much later than planned the last one began, for want of a turn.
    pub(super) late: TimeDelta,
}

/// How the last reading of the config went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reload {
    pub(super) ok: bool,
    pub(super) at: DateTime<Utc>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Board {
    duty: RwLock<Arc<Duty>>,
    /// With the moment at which the looking began.
    standings: Mutex<BTreeMap<TargetName, (Instant, Arc<Standing>)>>,
    /// Targets of which the config says something else, and since when.
    out_of_date: Mutex<BTreeMap<TargetName, Instant>>,
    counts: Mutex<BTreeMap<Pair, Count>>,
    quotas: Mutex<BTreeMap<TargetName, Vec<Quota>>>,
    reload: Mutex<Reload>,
    /// The pairs that are worked on here, how often each.
    at_work: Mutex<BTreeMap<Pair, usize>>,
    /// The pairs that other processes are at.
    elsewhere: Mutex<BTreeSet<Pair>>,
    /// The last run of a pair, where it could not be written down.
    unwritten: Mutex<BTreeMap<Pair, Run>>,
    /// When the scheduler was last seen at work, in seconds; less than 0 when it stops.
    seen: AtomicI64,
}

/// Every pair with nothing: what rises from nothing is seen to rise.
fn uncounted(duty: &Duty) -> BTreeMap<Pair, Count> {
    let places = (0..duty.places()).filter_map(|place| duty.task(place));
    places.map(|task| (task.pair(), Count::default())).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(super) fn new(duty: Arc<Duty>, now: DateTime<Utc>) -> Self {
        Self {
            counts: Mutex::new(uncounted(&duty)),
            duty: RwLock::new(duty),
            standings: Mutex::default(),
            out_of_date: Mutex::default(),
            quotas: Mutex::default(),
            reload: Mutex::new(Reload { ok: true, at: now }),
            at_work: Mutex::default(),
            elsewhere: Mutex::default(),
            unwritten: Mutex::default(),
            seen: AtomicI64::new(now.timestamp()),
        }
    }

    /// What is done by the config of now.
    pub(super) fn duty(&self) -> Arc<Duty> {
        self.duty.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another config: what it no longer names is forgotten.
    pub(super) fn reloaded(&self, duty: &Arc<Duty>, now: DateTime<Utc>) {
        // First, so that nothing is added meanwhile that it does not name.
        *self.duty.write().unwrap_or_else(PoisonError::into_inner) = duty.clone();
        locked(&self.standings).retain(|target, _| duty.catalog.targets.contains_key(target));
        locked(&self.quotas).retain(|target, _| duty.catalog.targets.contains_key(target));
        locked(&self.out_of_date).retain(|target, _| duty.catalog.targets.contains_key(target));
        locked(&self.elsewhere).clear();
        let mut counts = locked(&self.counts);
        let mut all = uncounted(duty);
        all.iter_mut().for_each(|(pair, count)| *count = counts.get(pair).copied().unwrap_or_default());
        locked(&self.unwritten).retain(|pair, _| all.contains_key(pair));
        *counts = all;
        drop(counts);
        *locked(&self.reload) = Reload { ok: true, at: now };
    }

    /// Another config was refused.
    pub(super) fn not_reloaded(&self, now: DateTime<Utc>) {
        *locked(&self.reload) = Reload { ok: false, at: now };
    }

    pub(super) fn reload(&self) -> Reload {
        *locked(&self.reload)
    }

    /// What is known of these is no longer true, nor is what is being read.
    pub(super) fn out_of_date(&self, targets: BTreeSet<TargetName>) {
        let now = Instant::now();
        locked(&self.out_of_date).extend(targets.into_iter().map(|target| (target, now)));
    }

    /// Whether a target was not looked at since the config said otherwise of it.
    pub(super) fn is_out_of_date(&self, target: &TargetName) -> bool {
        locked(&self.out_of_date).contains_key(target) || !locked(&self.standings).contains_key(target)
    }

    /// A target was looked at, from `begun` on. What this process alone knows of it is added. An older look that took longer
    /// says nothing.
    pub(super) fn looked(&self, mut standing: Standing, begun: Instant) {
        let unwritten = locked(&self.unwritten);
        for schedule in &mut standing.schedules {
            let run = unwritten.get(&(standing.target.clone(), schedule.name.clone()));
            run.into_iter().for_each(|run| schedule.add(run));
        }
        drop(unwritten);
        // Taken first: whoever forgets what another config does not name comes before or after.
        let (mut standings, mut out_of_date) = (locked(&self.standings), locked(&self.out_of_date));
        let is_known = self.duty().catalog.targets.contains_key(&standing.target);
        if is_known && standings.get(&standing.target).is_none_or(|(before, _)| *before <= begun) {
            if out_of_date.get(&standing.target).is_some_and(|since| *since <= begun) {
                out_of_date.remove(&standing.target);
            }
            standings.insert(standing.target.clone(), (begun, Arc::new(standing)));
        }
    }

    /// A target's quotas were read.
    pub(super) fn asked(&self, target: &TargetName, quotas: Vec<Quota>) {
        if self.duty().catalog.targets.contains_key(target) {
            locked(&self.quotas).insert(target.clone(), quotas);
        }
    }

    /// The quotas of the targets whose clouds have them.
    pub(super) fn quotas(&self) -> BTreeMap<TargetName, Vec<Quota>> {
        locked(&self.quotas).clone()
    }

    /// How the targets stand that were looked at, by their names.
    pub(super) fn standings(&self) -> Vec<Arc<Standing>> {
        locked(&self.standings).values().map(|(_, standing)| standing.clone()).collect()
    }

    /// How one of them stands.
    pub(super) fn standing(&self, target: &str) -> Option<Arc<Standing>> {
        locked(&self.standings).get(target).map(|(_, standing)| standing.clone())
    }

    /// A run ended before anything of it could be written down; `None` when one did not.
    pub(super) fn ended_unwritten(&self, pair: Pair, run: Option<Run>) {
        match run {
            Some(run) => _ = locked(&self.unwritten).insert(pair, run),
            None => _ = locked(&self.unwritten).remove(&pair),
        }
    }

    /// The targets that somebody should look at.
    pub(super) fn in_trouble(&self, now: DateTime<Utc>) -> BTreeSet<TargetName> {
        let standings = self.standings();
        let in_trouble = standings.iter().filter(|standing| standing.is_in_trouble(now));
        in_trouble.map(|standing| standing.target.clone()).collect()
    }

    /// A run has ended; of what the config no longer names nothing is counted.
    pub(super) fn ran(&self, pair: &Pair, ok: bool, late: TimeDelta) {
        let mut counts = locked(&self.counts);
        let Some(count) = counts.get_mut(pair) else { return };
        count.runs += 1;
        count.failures += u64::from(!ok);
        count.late = late;
    }

    pub(super) fn counts(&self) -> BTreeMap<Pair, Count> {
        locked(&self.counts).clone()
    }

    /// A pair is worked on until the guard is dropped.
    pub(super) fn working(self: &Arc<Self>, pair: Pair) -> Working {
        *locked(&self.at_work).entry(pair.clone()).or_default() += 1;
        Working(self.clone(), pair)
    }

    /// Another process is at a pair.
    pub(super) fn goes_on_elsewhere(&self, pair: Pair) {
        locked(&self.elsewhere).insert(pair);
    }

    /// No other process is at it any more.
    pub(super) fn rests(&self, pair: &Pair) {
        locked(&self.elsewhere).remove(pair);
    }

    /// The pairs that somebody works on, as far as is known.
    pub(super) fn at_work(&self) -> BTreeSet<Pair> {
        locked(&self.at_work).keys().chain(&*locked(&self.elsewhere)).cloned().collect()
    }

    pub(super) fn in_progress(&self) -> usize {
        locked(&self.at_work).values().sum()
    }

    /// The scheduler is at work.
    pub(super) fn alive(&self, now: DateTime<Utc>) {
        self.seen.store(now.timestamp(), Ordering::Relaxed);
    }

    /// It stops, and begins nothing any more.
    pub(super) fn stops(&self) {
        self.seen.store(-1, Ordering::Relaxed);
    }

    /// Whether it begins what is due.
    pub(super) fn is_ready(&self, now: DateTime<Utc>) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        seen >= 0 && now.timestamp() - seen < SILENCE.num_seconds()
    }

    /// Whether it is alive, be it that it stops.
    pub(super) fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.seen.load(Ordering::Relaxed) < 0 || self.is_ready(now)
    }
}

/// Counts something that is worked on.
#[derive(Debug)]
pub(super) struct Working(Arc<Board>, Pair);

impl Drop for Working {
    fn drop(&mut self) {
        let mut at_work = locked(&self.0.at_work);
        match at_work.get_mut(&self.1) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = at_work.remove(&self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalog::Catalog;

    fn catalog(targets: &[&str]) -> Catalog {
        let target =
            |name: &&str| format!("[targets.{name}]\nprovider = \"sqlite\"\npath = \"{name}.db\"\nstore = \"local\"\n");
        let text = format!(
            "version = 1\n{}[stores.local]\ntype = \"local\"\npath = \"s\"\n[schedules.nightly]\ncron = \"15 2 * * *\"\n\
             targets = [\"*\"]\nactions = [\"create\"]\n",
            targets.iter().map(target).collect::<String>()
        );
        let config = crate::config::parse(&text, Path::new("/etc/snapkeep/config.toml")).unwrap();
        Catalog::of(config)
    }

    fn duty(targets: &[&str]) -> Arc<Duty> {
        Arc::new(Duty::of(catalog(targets), DateTime::UNIX_EPOCH))
    }

    fn pair(target: &str) -> Pair {
        (target.parse().unwrap(), "nightly".to_owned())
    }

    #[test]
    fn another_config_forgets_what_it_no_longer_names_and_keeps_the_rest() {
        let now = DateTime::UNIX_EPOCH;
        let board = Board::new(duty(&["notes", "tasks"]), now);
        assert_eq!(board.counts()[&pair("notes")], Count::default(), "what never ran is nothing, and there");
        board.ran(&pair("notes"), false, TimeDelta::seconds(3));
        board.ran(&pair("tasks"), true, TimeDelta::zero());
        board.not_reloaded(now + TimeDelta::minutes(1));
        assert!(!board.reload().ok);
        let next = Duty::after(&board.duty(), catalog(&["notes", "more"]), now);
        board.reloaded(&Arc::new(next), now + TimeDelta::minutes(2));
        let counts = board.counts();
        assert_eq!(counts.keys().map(|(target, _)| target.as_str()).collect::<Vec<_>>(), ["more", "notes"]);
        assert_eq!(counts[&pair("notes")], Count { runs: 1, failures: 1, late: TimeDelta::seconds(3) });
        assert!(board.reload().ok && board.duty().generation == 1);
    }

    #[test]
    fn who_is_silent_for_long_is_stuck_and_who_stops_is_not_ready() {
        let now = Utc::now();
        let board = Board::new(duty(&[]), now);
        assert!(board.is_ready(now) && board.is_alive(now));
        let later = now + SILENCE;
        assert!(!board.is_ready(later) && !board.is_alive(later));
        board.alive(later);
        assert!(board.is_ready(later));
        board.stops();
        assert!(!board.is_ready(later) && board.is_alive(later));
    }
}
