//! What a config makes of the scheduler: each target of each schedule has a place.

use chrono::{DateTime, Utc};
use snapkeep_providers::model::TargetName;

use crate::catalog::Catalog;
use crate::config::{Schedule, Target};
use crate::schedule::{self, Timetable};

/// A config, and what is to be done by it.
#[derive(Debug)]
pub(super) struct Duty {
    pub(super) catalog: Catalog,
    timetables: Vec<(String, Timetable)>,
    places: Vec<Place>,
    /// Tells it from those of the configs before.
    pub(super) generation: u64,
    /// Since when it holds.
    pub(super) since: DateTime<Utc>,
}

/// A target of a schedule.
#[derive(Debug)]
struct Place {
    schedule: usize,
    target: TargetName,
}

/// What is to be done at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'d> {
    /// The schedule's name.
    pub(super) name: &'d str,
    pub(super) schedule: &'d Schedule,
    pub(super) timetable: &'d Timetable,
    pub(super) target: &'d Target,
}

impl Duty {
    pub(super) fn of(catalog: Catalog, generation: u64, since: DateTime<Utc>) -> Self {
        let (mut timetables, mut places) = (Vec::new(), Vec::new());
        for (number, (name, schedule)) in catalog.schedules.iter().enumerate() {
            let targets = schedule::targets(&catalog, schedule);
            places.extend(targets.iter().map(|target| Place { schedule: number, target: target.name.clone() }));
            timetables.push((name.clone(), Timetable::new(name, schedule)));
        }
        Self { catalog, timetables, places, generation, since }
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// What is to be done at a place.
    pub(super) fn task(&self, place: usize) -> Option<Task<'_>> {
        let Place { schedule, target } = self.places.get(place)?;
        let (name, timetable) = self.timetables.get(*schedule)?;
        let schedule = self.catalog.schedules.get(name)?;
        Some(Task { name, schedule, timetable, target: self.catalog.targets.get(target)? })
    }
}
