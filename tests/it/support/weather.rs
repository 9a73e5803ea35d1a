//! Trouble by chance, which comes again with its seed.

use std::collections::BTreeMap;

use super::chance::Chance;

/// Strikes some of the requests, never more than a few in a row for the same one.
pub(super) struct Weather {
    chance: Chance,
    /// One request in so many meets a fault.
    one_in: usize,
    most_in_a_row: usize,
    rows: BTreeMap<(&'static str, String), usize>,
}

impl Weather {
    pub(super) fn new(seed: u64, one_in: usize, most_in_a_row: usize) -> Self {
        Self { chance: Chance::new(seed), one_in, most_in_a_row, rows: BTreeMap::new() }
    }

    /// Which of so many faults strikes a request of this method about this thing, if one does.
    pub(super) fn meet(&mut self, method: &'static str, about: String, faults: usize) -> Option<usize> {
        let row = self.rows.entry((method, about)).or_default();
        if *row >= self.most_in_a_row || !self.chance.one_in(self.one_in) {
            *row = 0;
            return None;
        }
        *row += 1;
        Some(self.chance.below(faults))
    }
}
