//! Ten years of schedules, minute by minute, over every change of the clocks.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

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

/// Every due moment of ten years, forwards and backwards.
fn ten_years_agree(zone: Tz, changes: usize) {
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z"));
    let t0 = Instant::now();
    let ticked = tick(&CRONS, zone, from, to);
    eprintln!("{zone} reference {:?}", t0.elapsed());
    assert_eq!(ticked.changes.len(), changes);
    for (cron, expected) in CRONS.iter().zip(&ticked.due) {
        let t0 = Instant::now();
        let timetable = timetable(cron, zone);
        let mut before = from - TimeDelta::seconds(1);
        for due in expected {
            assert_eq!(timetable.next(before), Some(*due), "{cron} in {zone} after {before}");
            before = *due;
        }
        assert!(timetable.next(before).is_some_and(|next| next >= to), "{cron} in {zone}");
        let fwd = t0.elapsed();
        let mut after = to - TimeDelta::seconds(1);
        for due in expected.iter().rev() {
            assert_eq!(timetable.last(after), Some(*due), "{cron} in {zone} until {after}");
            after = *due - TimeDelta::seconds(1);
        }
        eprintln!("{zone} {cron} {} {fwd:?} {:?}", expected.len(), t0.elapsed());
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

/// Half an hour.
#[test]
fn ten_years_on_lord_howe_island() {
    ten_years_agree(Tz::Australia__Lord_Howe, 20);
}

/// At midnight.
#[test]
fn ten_years_in_santiago() {
    ten_years_agree(Tz::America__Santiago, 20);
}

/// At midnight, the other way about.
#[test]
fn ten_years_in_beirut() {
    ten_years_agree(Tz::Asia__Beirut, 20);
}

/// Back and forth around Ramadan.
#[test]
fn ten_years_in_casablanca() {
    ten_years_agree(Tz::Africa__Casablanca, 22);
}

#[test]
fn ten_years_in_utc() {
    ten_years_agree(Tz::UTC, 0);
}
