//! What holds for every schedule, at every moment, in every zone.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::FileFailurePersistence;

use super::reference::tick;
use super::tests::{settled as past, timetable};
use super::{Timetable, Turn, Watch, wall};
use crate::config::{Missed, Schedule};

/// Whole days that never were, changes of half an hour and of twenty minutes less, changes at midnight, and none.
const ZONES: [Tz; 12] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__Santiago,
    Tz::Asia__Beirut,
    Tz::Africa__Casablanca,
    Tz::Pacific__Apia,
    Tz::Pacific__Kwajalein,
    Tz::America__Scoresbysund,
    Tz::Antarctica__Troll,
    Tz::Asia__Pyongyang,
];

fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
    let list = subsequence((least..=most).collect::<Vec<_>>(), 1..4)
        .prop_map(|values| values.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    let range = (least..=most, least..=most, 1..7_u32)
        .prop_map(|(one, other, step)| format!("{}-{}/{step}", one.min(other), one.max(other)));
    prop_oneof![4 => list, 2 => range, 1 => (2..9_u32).prop_map(|step| format!("*/{step}")), 3 => Just("*".to_owned())]
}

/// Expressions that come at all.
fn cron() -> impl Strategy<Value = String> {
    let fields = (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7));
    let all = fields.prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"));
    let often = (field(0, 59), field(0, 23)).prop_map(|(minute, hour)| format!("{minute} {hour} * * *"));
    prop_oneof![all, often].prop_filter("never comes", |cron| cron.parse::<crate::config::Cron>().is_ok())
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (157_766_400_000..2_208_988_800_000_i64).prop_map(|at| DateTime::from_timestamp_millis(at).unwrap())
}

/// The midnight before the next change of the clocks; if none comes within two years, the one before `from`.
fn day_of_change(zone: Tz, from: DateTime<Utc>) -> DateTime<Utc> {
    let offset = |day: DateTime<Utc>| wall::shown(day, zone) - day.naive_utc();
    let days = from.date_naive().iter_days().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let mut changes = days.clone().take(730).filter(|day| offset(*day) != offset(*day + TimeDelta::days(1)));
    changes.next().or_else(|| days.clone().next()).unwrap()
}

fn with_jitter(cron: &str, seconds: u64, missed: Missed) -> Timetable {
    let text = format!("targets = [\"*\"]\nactions = [\"create\"]\ncron = \"{cron}\"\njitter = \"{seconds}s\"");
    let schedule: Schedule = toml::from_str(&text).unwrap();
    Timetable::new("nightly", &Schedule { missed, ..schedule })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn next_and_last_are_neighbours(
        cron in cron(), zone in select(&ZONES[..]), any in moment(), near in prop::option::of(0..172_800_000_i64),
    ) {
        let after = near.map_or(any, |near| day_of_change(zone, any) + TimeDelta::milliseconds(near));
        let timetable = timetable(&cron, zone);
        let (last, next) = (timetable.last(after).unwrap(), timetable.next(after).unwrap());
        prop_assert!(last <= after && after < next);
        prop_assert_eq!(timetable.last(next), Some(next));
        prop_assert_eq!(timetable.last(next - TimeDelta::milliseconds(1)), Some(last));
        prop_assert_eq!(timetable.next(last), Some(next));
        prop_assert_eq!(timetable.next(last - TimeDelta::milliseconds(1)), Some(last));
    }

    #[test]
    fn days_around_a_change_agree_with_a_clock(cron in cron(), zone in select(&ZONES[..]), from in moment()) {
        let change = day_of_change(zone, from);
        // A clock knows nothing of what it showed before it was started: days earlier, so that it doesn't matter.
        let (start, from, to) = (change - TimeDelta::days(3), change - TimeDelta::days(1), change + TimeDelta::days(3));
        let due = tick(&[&cron], zone, start, to).due.remove(0);
        let timetable = timetable(&cron, zone);
        let mut before = from;
        for due in due.into_iter().filter(|due| *due > from) {
            prop_assert_eq!(timetable.next(before), Some(due), "after {}", before);
            before = due;
        }
        prop_assert!(timetable.next(before).unwrap() >= to);
    }

    #[test]
    fn a_start_is_less_than_the_jitter_late(
        cron in cron(), seconds in 1..200_000_u64, target in "[a-z]{1,20}", now in moment(),
    ) {
        let (timetable, target) = (with_jitter(&cron, seconds, Missed::RunOnce), target.parse().unwrap());
        let late = timetable.start(now, &target) - now;
        prop_assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(seconds as i64));
        let start = timetable.next_start(now, &target).unwrap();
        prop_assert!(start > now);
        prop_assert_eq!(timetable.start(timetable.next(now - late).unwrap(), &target), start);
    }

    /// Whenever one looks: what a turn settles is settled, no due moment runs twice, and a run has begun to be due.
    #[test]
    fn a_turn_is_taken_once(
        cron in cron(),
        seconds in 1..200_000_u64,
        missed in select(vec![Missed::RunOnce, Missed::Skip]),
        first in moment(),
        naps in prop::collection::vec(0..500_000_i64, 1..20),
    ) {
        let (timetable, target) = (with_jitter(&cron, seconds, missed), "orders".parse().unwrap());
        let (mut now, mut settled, mut ran) = (first, None, None);
        for nap in naps {
            now += TimeDelta::seconds(nap);
            let watch = Watch { since: first, noticed: now };
            let turn = timetable.turn(past(settled), watch, now, &target);
            if let Turn::Run(due) | Turn::Skip(due) = turn {
                prop_assert!(timetable.start(due, &target) <= now);
                prop_assert!(settled.is_none_or(|settled| settled < due));
                prop_assert!(timetable.next_start(timetable.start(due, &target), &target).unwrap() > now);
                settled = Some(due);
            }
            if let Turn::Run(due) = turn {
                prop_assert!(ran.replace(due) < Some(due));
            }
            prop_assert_eq!(timetable.turn(past(settled), watch, now, &target), Turn::Wait);
        }
    }

    /// Who looks at each start loses none, whatever the policy.
    #[test]
    fn who_is_awake_misses_nothing(
        cron in cron(), seconds in 1..200_000_u64, missed in select(vec![Missed::RunOnce, Missed::Skip]), first in moment(),
    ) {
        let (timetable, target) = (with_jitter(&cron, seconds, missed), "orders".parse().unwrap());
        let (mut now, mut settled) = (first, timetable.last(first - TimeDelta::days(3)));
        for expected in std::iter::successors(timetable.next(settled.unwrap()), |due| timetable.next(*due)).take(20) {
            if timetable.start(expected, &target) <= first {
                settled = Some(expected);
                continue;
            }
            now = timetable.next_start(now, &target).unwrap();
            let watch = Watch { since: first, noticed: now };
            prop_assert_eq!(timetable.turn(past(settled), watch, now, &target), Turn::Run(expected));
            settled = Some(expected);
        }
    }
}
