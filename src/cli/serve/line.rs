//! Who is next: one start for each place at most, the soonest first. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};

/// Starts that are planned, by place.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// With what was planned otherwise since; `planned` has the last word.
    heap: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    planned: Vec<Option<DateTime<Utc>>>,
}

impl Line {
    /// With so many places, and nothing planned.
    pub(super) fn new(places: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(places), planned: vec![None; places] }
    }

    /// Plans a start, instead of the one that was planned.
    pub(super) fn plan(&mut self, place: usize, at: DateTime<Utc>) {
        if let Some(planned) = self.planned.get_mut(place) {
            *planned = Some(at);
            self.heap.push(Reverse((at, place)));
        }
    }

    /// Moves a start to an earlier moment, and tells whether it did; of one that has begun there is none to move.
    pub(super) fn hasten(&mut self, place: usize, at: DateTime<Utc>) -> bool {
        let is_later = self.planned(place).is_some_and(|planned| planned > at);
        if is_later {
            self.plan(place, at);
        }
        is_later
    }

    /// The start that is planned for a place.
    pub(super) fn planned(&self, place: usize) -> Option<DateTime<Utc>> {
        self.planned.get(place).copied().flatten()
    }

    /// The next start.
    pub(super) fn next(&mut self) -> Option<DateTime<Utc>> {
        while let Some(Reverse((at, place))) = self.heap.peek() {
            if self.planned(*place) == Some(*at) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes the next start, if its moment has come.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Option<(usize, DateTime<Utc>)> {
        self.next().filter(|at| *at <= now)?;
        let Reverse((at, place)) = self.heap.pop()?;
        self.planned[place] = None;
        Some((place, at))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_soonest_is_taken_when_its_moment_has_come() {
        let mut line = Line::new(3);
        line.plan(0, at(30));
        line.plan(1, at(10));
        line.plan(2, at(20));
        assert_eq!((line.next(), line.take(at(9))), (Some(at(10)), None));
        assert_eq!(line.take(at(25)), Some((1, at(10))));
        assert_eq!(line.take(at(25)), Some((2, at(20))));
        assert_eq!((line.take(at(25)), line.next()), (None, Some(at(30))));
    }

    #[test]
    fn a_place_has_one_start() {
        let mut line = Line::new(1);
        line.plan(0, at(10));
        line.plan(0, at(20));
        assert_eq!(line.take(at(15)), None, "it was planned anew");
        assert_eq!((line.take(at(20)), line.take(at(99))), (Some((0, at(20))), None));
    }

    #[test]
    fn only_what_is_planned_later_is_hastened() {
        let mut line = Line::new(2);
        line.plan(0, at(10));
        assert!(!line.hasten(0, at(20)));
        assert_eq!(line.planned(0), Some(at(10)));
        assert!(line.hasten(0, at(5)));
        assert_eq!(line.take(at(5)), Some((0, at(5))));
        assert!(!line.hasten(0, at(1)) && !line.hasten(1, at(1)));
        assert_eq!(line.next(), None, "neither what has begun nor what was never planned");
    }
}
