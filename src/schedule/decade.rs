//! Ten years of schedules, minute by minute, over every change of the clocks.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::Timetable;
use super::reference::tick;
use super::tests::{at, timetable};

const CRONS: [&str; 14] = [
    "30 2 * * *",
    "30 2,14 * * *",
    "0,20 0-3 * * *",
    "*/15 2 * * *",
    "59 1-23/2 * * MON-FRI",
    "0 0 * * *",
    "45 23 * * SUN",
    "15 0 1,15 * FRI",
    "0 0 */2 * MON",
    "5 4 * JAN-MAR SAT,7",
    "0 3 29 2 *",
    "0 * * * *",
    "*/15 * * * *",
    "10 */2 * * *",
];
/// How many moments of an expression are looked at backwards, besides those around the changes.
const BACKWARDS: usize = 2000;
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// Every due moment of ten years.
fn ten_years_agree(zone: Tz, changes: usize) {
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    let ticked = tick(&CRONS, zone, from, to);
    assert_eq!(ticked.changes.len(), changes);
    for (cron, due) in CRONS.iter().zip(&ticked.due) {
        let timetable = timetable(cron, zone);
        let mut before = from - SECOND;
        for due in due {
            assert_eq!(timetable.next(before), Some(*due), "{cron} in {zone} after {before}");
            before = *due;
        }
        assert!(timetable.next(before).is_some_and(|next| next >= to), "{cron} in {zone}");
        agree_backwards(&timetable, due, due.len() / BACKWARDS + 1);
        for change in &ticked.changes {
            let near = |days: i64| due.partition_point(|due| *due < *change + TimeDelta::days(days));
            agree_backwards(&timetable, &due[near(-2)..near(2)], 1);
        }
    }
}

/// The last one until just before each is the one before it.
fn agree_backwards(timetable: &Timetable, due: &[DateTime<Utc>], every: usize) {
    for pair in due.windows(2).step_by(every) {
        assert_eq!(timetable.last(pair[1] - SECOND), Some(pair[0]), "{timetable:?} before {}", pair[1]);
        assert_eq!(timetable.last(pair[1]), Some(pair[1]), "{timetable:?} until {}", pair[1]);
    }
}

#[test]
fn ten_years_in_berlin() {
    ten_years_agree(Tz::Europe__Berlin, 20);
}

#[test]
fn ten_years_in_new_york() {
    ten_years_agree(Tz::America__New_York, 20);
}

/// By half an hour.
#[test]
fn ten_years_on_lord_howe_island() {
    ten_years_agree(Tz::Australia__Lord_Howe, 20);
}

/// At midnight.
#[test]
fn ten_years_in_santiago() {
    ten_years_agree(Tz::America__Santiago, 20);
}

/// Back for Ramadan, whenever that is.
#[test]
fn ten_years_in_casablanca() {
    ten_years_agree(Tz::Africa__Casablanca, 22);
}

#[test]
fn ten_years_in_utc() {
    ten_years_agree(Tz::UTC, 0);
}
