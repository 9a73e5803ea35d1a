//! What a config makes of the scheduler: each target of each schedule has a place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeep_providers::model::TargetName;

use super::board::Pair;
use crate::catalog::Catalog;
use crate::config::{Config, Retention, Schedule, Target};
use crate::schedule::{self, Timetable};

/// A config, and what is to be done by it.
#[derive(Debug)]
pub(super) struct Duty {
    pub(super) catalog: Catalog,
    timetables: Vec<(String, Timetable)>,
    places: Vec<Place>,
    /// Tells it from those of the configs before.
    pub(super) generation: u64,
}

/// A target of a schedule.
#[derive(Debug)]
struct Place {
    schedule: usize,
    target: TargetName,
    /// Since when it is there, by the same rule.
    since: DateTime<Utc>,
}

/// What is to be done at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'d> {
    /// The schedule's name.
    pub(super) name: &'d str,
    pub(super) schedule: &'d Schedule,
    pub(super) timetable: &'d Timetable,
    pub(super) target: &'d Target,
    /// Since when it is there, by the same rule.
    pub(super) since: DateTime<Utc>,
}

fn policy<'c>(config: &'c Config, target: &Target) -> Option<&'c Retention> {
    config.retention.get(target.retention.as_ref()?)
}

/// Whether two configs keep snapshots, and what is remembered of them, in the same places.
fn keep_alike(one: &Config, other: &Config) -> bool {
    (&one.stores, &one.state) == (&other.stores, &other.state)
}

/// The schedules that mean a target.
fn selecting<'c>(config: &'c Config, target: &'c Target) -> impl Iterator<Item = (&'c String, &'c Schedule)> {
    config.schedules.iter().filter(|(_, schedule)| schedule.selects(target))
}

impl Task<'_> {
    /// Its target and schedule, by their names.
    pub(super) fn pair(&self) -> Pair {
        (self.target.name.clone(), self.name.to_owned())
    }
}

impl Duty {
    /// The first of a process.
    pub(super) fn of(catalog: Catalog, since: DateTime<Utc>) -> Self {
        let (mut timetables, mut places) = (Vec::new(), Vec::new());
        for (number, (name, schedule)) in catalog.schedules.iter().enumerate() {
            let targets = schedule::targets(&catalog, schedule);
            places.extend(targets.iter().map(|target| Place { schedule: number, target: target.name.clone(), since }));
            timetables.push((name.clone(), Timetable::new(name, schedule)));
        }
        Self { catalog, timetables, places, generation: 0 }
    }

    /// The next one: what is as it was is there as long as it was.
    pub(super) fn after(before: &Self, catalog: Catalog, since: DateTime<Utc>) -> Self {
        let mut next = Self { generation: before.generation + 1, ..Self::of(catalog, since) };
        let tasks = (0..before.places()).filter_map(|place| before.task(place));
        let known: BTreeMap<Pair, Task<'_>> = tasks.map(|task| (task.pair(), task)).collect();
        let is_alike = keep_alike(&next.catalog, &before.catalog);
        let is_old = |task: &Task<'_>, old: &Task<'_>| {
            is_alike && old.target == task.target && old.timetable.rule() == task.timetable.rule()
        };
        let since_of =
            |task: &Task<'_>| Some(known.get(&task.pair()).filter(|old| is_old(task, old))?.since.min(since));
        let since: Vec<_> = (0..next.places()).map(|place| since_of(&next.task(place)?)).collect();
        next.places.iter_mut().zip(since).for_each(|(place, since)| place.since = since.unwrap_or(place.since));
        next
    }

    /// The schedules that have no target.
    pub(super) fn idle(&self) -> impl Iterator<Item = &str> {
        let has_place = |number: usize| self.places.iter().any(|place| place.schedule == number);
        let idle = self.timetables.iter().enumerate().filter(move |(number, _)| !has_place(*number));
        idle.map(|(_, (name, _))| name.as_str())
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The targets of which the config before said something else, or nothing: what is known of them is out of date.
    pub(super) fn news(&self, before: &Self) -> BTreeSet<TargetName> {
        let (now, then) = (&self.catalog, &before.catalog);
        if !keep_alike(now, then) {
            return now.targets.keys().cloned().collect();
        }
        let is_news = |target: &&Target| {
            Some(*target) != then.targets.get(&target.name)
                || policy(now, target) != policy(then, target)
                || !selecting(now, target).eq(selecting(then, target))
        };
        now.targets.values().filter(is_news).map(|target| target.name.clone()).collect()
    }

    /// What is to be done at a place.
    pub(super) fn task(&self, place: usize) -> Option<Task<'_>> {
        let Place { schedule, target, since } = self.places.get(place)?;
        let (name, timetable) = self.timetables.get(*schedule)?;
        let schedule = self.catalog.schedules.get(name)?;
        Some(Task { name, schedule, timetable, target: self.catalog.targets.get(target)?, since: *since })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = "version = 1\n[targets.notes]\nprovider = \"sqlite\"\npath = \"notes.db\"\nstore = \"local\"\n\
        retention = \"standard\"\n[targets.tasks]\nprovider = \"sqlite\"\npath = \"tasks.db\"\nstore = \"local\"\n\
        [stores.local]\ntype = \"local\"\npath = \"s\"\n[retention.standard]\nkeep_daily = 7\n\
        [schedules.nightly]\ncron = \"15 2 * * *\"\ntargets = [\"notes\"]\nactions = [\"create\"]\n";

    fn duty(config: &str) -> Duty {
        let config = crate::config::parse(config, Path::new("/etc/snapkeep/config.toml")).unwrap();
        Duty::of(Catalog::of(config), DateTime::UNIX_EPOCH)
    }

    /// What is news when this of the config is that.
    fn news(this: &str, that: &str) -> Vec<String> {
        assert!(CONFIG.contains(this), "{this}");
        let news = duty(&CONFIG.replace(this, that)).news(&duty(CONFIG));
        news.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_as_it_was_is_there_as_long_as_it_was() {
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1);
        let since = |this: &str, that: &str| {
            let config = crate::config::parse(&CONFIG.replace(this, that), Path::new("/etc/snapkeep/config.toml"));
            let next = Duty::after(&duty(CONFIG), Catalog::of(config.unwrap()), now);
            assert_eq!((next.places(), next.generation), (1, 1));
            next.task(0).unwrap().since
        };
        assert_eq!(since("keep_daily = 7", "keep_daily = 8"), DateTime::UNIX_EPOCH);
        assert_eq!(since("15 2 * * *", "0 4 * * *"), now);
        assert_eq!(since("[\"notes\"]", "[\"tasks\"]"), now);
        assert_eq!(since("notes.db", "other.db"), now);
        assert_eq!(since("path = \"s\"", "path = \"elsewhere\""), now);
    }

    #[test]
    fn only_what_the_config_says_otherwise_is_looked_at_anew() {
        let none: [&str; 0] = [];
        assert_eq!(news("version = 1", "version = 1\n[serve]\ngrace = \"5s\""), none);
        assert_eq!(news("tasks.db", "other.db"), ["tasks"]);
        assert_eq!(news("[targets.tasks]", "[targets.more]"), ["more"]);
        assert_eq!(news("keep_daily = 7", "keep_daily = 8"), ["notes"]);
        assert_eq!(news("15 2 * * *", "0 4 * * *"), ["notes"]);
        assert_eq!(news("[\"notes\"]", "[\"tasks\"]"), ["notes", "tasks"]);
        assert_eq!(news("path = \"s\"", "path = \"elsewhere\""), ["notes", "tasks"]);
    }
}
