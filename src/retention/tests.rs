use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;

use super::*;

fn policy(text: &str) -> Retention {
    toml::from_str(text).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn reasons(kept: &[Kept]) -> String {
    kept.iter().map(Kept::to_string).collect::<Vec<_>>().join(", ")
}

/// One line a moment, as a clock in `zone` shows it, with what speaks for it.
fn table(policy_text: &str, zone: Tz, moments: &[&str]) -> String {
    let moments: Vec<DateTime<Utc>> = moments.iter().map(|text| at(text)).collect();
    let kept = keep(&policy(policy_text), zone, &moments, at("2026-12-31T00:00:00Z"));
    let line = |(moment, kept): (&DateTime<Utc>, &Vec<Kept>)| {
        format!("{} {}", moment.with_timezone(&zone).format("%F %H:%M %z"), reasons(kept))
    };
    moments.iter().zip(&kept).map(line).map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn every_rule_walks_on_its_own() {
    let moments = [
        "2026-03-02T14:50:00Z",
        "2026-03-02T14:10:00Z",
        "2026-03-02T13:00:00Z",
        "2026-03-01T02:00:00Z",
        "2026-02-28T02:00:00Z",
        "2026-02-10T02:00:00Z",
        "2025-12-31T02:00:00Z",
        "2024-06-01T02:00:00Z",
        "2023-06-01T02:00:00Z",
    ];
    let policy = "keep_last = 2\nkeep_hourly = 2\nkeep_daily = 3\nkeep_weekly = 2\nkeep_monthly = 3\nkeep_yearly = 3";
    insta::assert_snapshot!(table(policy, Tz::UTC, &moments), @r"
    2026-03-02 14:50 +0000 last 1 of 2, hourly 1 of 2, daily 1 of 3, weekly 1 of 2, monthly 1 of 3, yearly 1 of 3
    2026-03-02 14:10 +0000 last 2 of 2
    2026-03-02 13:00 +0000 hourly 2 of 2
    2026-03-01 02:00 +0000 daily 2 of 3, weekly 2 of 2
    2026-02-28 02:00 +0000 daily 3 of 3, monthly 2 of 3
    2026-02-10 02:00 +0000
    2025-12-31 02:00 +0000 monthly 3 of 3, yearly 2 of 3
    2024-06-01 02:00 +0000 yearly 3 of 3
    2023-06-01 02:00 +0000
    ");
}

#[test]
fn the_ends_of_the_calendar_are_moments_too() {
    let all = policy(
        "keep_last = 1\nkeep_hourly = 9\nkeep_daily = 9\nkeep_weekly = 9\nkeep_monthly = 9\nkeep_yearly = 9\nkeep_within = \"9y9m9w9d9h\"",
    );
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    let moments = [first, first + TimeDelta::hours(1), first + TimeDelta::days(200), at("2026-03-02T14:50:00Z"), last];
    for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago, Tz::Europe__Berlin] {
        for now in moments {
            let kept = keep(&all, zone, &moments, now);
            assert_eq!(kept.iter().filter(|kept| kept.is_empty()).count(), 0, "{zone} {now}");
        }
    }
}

/// Berlin, 25 October 2026: 02:00 to 03:00 twice. The clock shows one hour twice, so it is one period.
#[test]
fn an_hour_that_comes_twice_is_one_hour() {
    let moments = [
        "2026-10-25T02:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-24T23:30:00Z",
        "2026-10-24T21:30:00Z",
    ];
    insta::assert_snapshot!(table("keep_hourly = 4\nkeep_daily = 2", Tz::Europe__Berlin, &moments), @r"
    2026-10-25 03:30 +0100 hourly 1 of 4, daily 1 of 2
    2026-10-25 02:30 +0100 hourly 2 of 4
    2026-10-25 02:30 +0200
    2026-10-25 01:30 +0200 hourly 3 of 4
    2026-10-24 23:30 +0200 hourly 4 of 4, daily 2 of 2
    ");
}

/// Berlin, 29 March 2026: 02:00 to 03:00 never comes, and costs nothing.
#[test]
fn an_hour_that_is_skipped_costs_nothing() {
    let moments = ["2026-03-29T01:59:00Z", "2026-03-29T01:00:00Z", "2026-03-29T00:59:00Z", "2026-03-28T23:59:00Z"];
    insta::assert_snapshot!(table("keep_hourly = 3", Tz::Europe__Berlin, &moments), @r"
    2026-03-29 03:59 +0200 hourly 1 of 3
    2026-03-29 03:00 +0200
    2026-03-29 01:59 +0100 hourly 2 of 3
    2026-03-29 00:59 +0100 hourly 3 of 3
    ");
}

/// Troll sets its clock back by two hours: 01, 02, 01, 02. Each of the two hours is still one period.
#[test]
fn hours_that_come_twice_in_turn_are_one_period_each() {
    let moments = [
        "2026-10-25T02:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-24T23:30:00Z",
        "2026-10-24T22:30:00Z",
    ];
    insta::assert_snapshot!(table("keep_hourly = 3", Tz::Antarctica__Troll, &moments), @r"
    2026-10-25 02:30 +0000 hourly 1 of 3
    2026-10-25 01:30 +0000 hourly 2 of 3
    2026-10-25 02:30 +0200
    2026-10-25 01:30 +0200
    2026-10-25 00:30 +0200 hourly 3 of 3
    ");
}

#[test]
fn the_day_is_that_of_the_time_zone() {
    let moments = ["2026-05-02T18:20:00Z", "2026-05-02T18:10:00Z", "2026-05-01T18:20:00Z", "2026-05-01T18:10:00Z"];
    insta::assert_snapshot!(table("keep_daily = 2\nkeep_hourly = 2", Tz::Asia__Kathmandu, &moments), @r"
    2026-05-03 00:05 +0545 hourly 1 of 2, daily 1 of 2
    2026-05-02 23:55 +0545 hourly 2 of 2, daily 2 of 2
    2026-05-02 00:05 +0545
    2026-05-01 23:55 +0545
    ");
}

/// 2026 has 53 ISO weeks: the first days of 2027 are of its last one.
#[test]
fn an_iso_week_goes_over_the_end_of_the_year() {
    let moments = [
        "2027-01-04T00:00:00Z",
        "2027-01-03T23:59:00Z",
        "2026-12-31T12:00:00Z",
        "2026-12-28T00:00:00Z",
        "2026-12-27T23:59:00Z",
        "2026-01-01T12:00:00Z",
        "2025-12-29T00:00:00Z",
    ];
    insta::assert_snapshot!(table("keep_weekly = 9\nkeep_yearly = 1", Tz::UTC, &moments), @r"
    2027-01-04 00:00 +0000 weekly 1 of 9, yearly 1 of 1
    2027-01-03 23:59 +0000 weekly 2 of 9
    2026-12-31 12:00 +0000
    2026-12-28 00:00 +0000
    2026-12-27 23:59 +0000 weekly 3 of 9
    2026-01-01 12:00 +0000 weekly 4 of 9
    2025-12-29 00:00 +0000
    ");
}

#[test]
fn the_29th_of_february_is_a_day_of_its_own() {
    let moments = ["2024-03-01T01:00:00Z", "2024-02-29T23:00:00Z", "2024-02-29T01:00:00Z", "2024-02-28T01:00:00Z"];
    insta::assert_snapshot!(table("keep_daily = 3\nkeep_monthly = 2", Tz::UTC, &moments), @r"
    2024-03-01 01:00 +0000 daily 1 of 3, monthly 1 of 2
    2024-02-29 23:00 +0000 daily 2 of 3, monthly 2 of 2
    2024-02-29 01:00 +0000
    2024-02-28 01:00 +0000 daily 3 of 3
    ");
    let moments = ["2025-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-02-28T12:00:01Z", "2024-02-28T12:00:00Z"];
    insta::assert_snapshot!(table("keep_within = '1y'", Tz::UTC, &moments), @r"
    2025-02-28 12:00 +0000 within 1y
    2024-02-29 12:00 +0000 within 1y
    2024-02-28 12:00 +0000 within 1y
    2024-02-28 12:00 +0000
    ");
}

/// 31 March less a month is 28 February: February has no 31st. What is exactly as old is no longer within.
#[test]
fn a_month_back_ends_with_the_month() {
    let moments = ["2026-03-31T10:00:00Z", "2026-03-01T00:00:00Z", "2026-02-28T10:00:01Z", "2026-02-28T10:00:00Z"];
    insta::assert_snapshot!(table("keep_within = '1m'\nkeep_last = 1", Tz::UTC, &moments), @r"
    2026-03-31 10:00 +0000 last 1 of 1, within 1m
    2026-03-01 00:00 +0000 within 1m
    2026-02-28 10:00 +0000 within 1m
    2026-02-28 10:00 +0000
    ");
}

/// A day back is the same time of day, 23 hours earlier; 24 hours back are 24 hours.
#[test]
fn within_counts_days_by_the_calendar_and_hours_by_the_clock() {
    let moments = ["2026-03-29T10:00:00Z", "2026-03-28T11:00:01Z", "2026-03-28T10:30:00Z", "2026-03-28T10:00:00Z"];
    insta::assert_snapshot!(table("keep_within = '1d'", Tz::Europe__Berlin, &moments), @r"
    2026-03-29 12:00 +0200 within 1d
    2026-03-28 12:00 +0100 within 1d
    2026-03-28 11:30 +0100
    2026-03-28 11:00 +0100
    ");
    insta::assert_snapshot!(table("keep_within = '24h'", Tz::Europe__Berlin, &moments), @r"
    2026-03-29 12:00 +0200 within 24h
    2026-03-28 12:00 +0100 within 24h
    2026-03-28 11:30 +0100 within 24h
    2026-03-28 11:00 +0100
    ");
}

/// Samoa had no 30 December 2011: a day back from the 31st begins where the 29th ended.
#[test]
fn within_that_begins_on_a_skipped_day_begins_after_it() {
    let moments = ["2011-12-30T20:00:00Z", "2011-12-30T10:00:01Z", "2011-12-30T09:59:59Z"];
    insta::assert_snapshot!(table("keep_within = '1d'", Tz::Pacific__Apia, &moments), @r"
    2011-12-31 10:00 +1400 within 1d
    2011-12-31 00:00 +1400 within 1d
    2011-12-29 23:59 -1000
    ");
}

#[test]
fn a_span_longer_than_the_calendar_keeps_everything() {
    let moments = ["2026-03-31T10:00:00Z", "1970-01-01T00:00:00Z"];
    insta::assert_snapshot!(table("keep_within = '4294967295y'", Tz::UTC, &moments), @r"
    2026-03-31 10:00 +0000 within 4294967295y
    1970-01-01 00:00 +0000 within 4294967295y
    ");
}

#[test]
fn the_coarsest_rule_with_count_left_keeps_the_oldest() {
    let moments = ["2026-03-02T10:00:00Z", "2026-03-01T10:00:00Z", "2026-02-01T10:00:00Z", "2026-01-01T10:00:00Z"];
    insta::assert_snapshot!(table("keep_daily = 9\nkeep_yearly = 2", Tz::UTC, &moments[..2]), @r"
    2026-03-02 10:00 +0000 daily 1 of 9, yearly 1 of 2
    2026-03-01 10:00 +0000 daily 2 of 9, oldest, for yearly
    ");
    insta::assert_snapshot!(table("keep_daily = 2\nkeep_yearly = 2", Tz::UTC, &moments), @r"
    2026-03-02 10:00 +0000 daily 1 of 2, yearly 1 of 2
    2026-03-01 10:00 +0000 daily 2 of 2
    2026-02-01 10:00 +0000
    2026-01-01 10:00 +0000 oldest, for yearly
    ");
    insta::assert_snapshot!(table("keep_daily = 2\nkeep_yearly = 1", Tz::UTC, &moments), @r"
    2026-03-02 10:00 +0000 daily 1 of 2, yearly 1 of 1
    2026-03-01 10:00 +0000 daily 2 of 2
    2026-02-01 10:00 +0000
    2026-01-01 10:00 +0000
    ");
}

/// `keep_last` is never the coarsest rule, so the days have their oldest; alone it keeps none.
#[test]
fn keep_last_keeps_no_oldest() {
    let moments = ["2026-03-02T12:00:00Z", "2026-03-02T11:00:00Z", "2026-03-02T10:00:00Z"];
    insta::assert_snapshot!(table("keep_last = 2", Tz::UTC, &moments), @r"
    2026-03-02 12:00 +0000 last 1 of 2
    2026-03-02 11:00 +0000 last 2 of 2
    2026-03-02 10:00 +0000
    ");
    insta::assert_snapshot!(table("keep_last = 5\nkeep_daily = 2", Tz::UTC, &moments), @r"
    2026-03-02 12:00 +0000 last 1 of 5, daily 1 of 2
    2026-03-02 11:00 +0000 last 2 of 5
    2026-03-02 10:00 +0000 last 3 of 5, oldest, for daily
    ");
}

/// The clock of these tests is at the end of 2026.
#[test]
fn within_counts_from_the_newest_that_is_not_in_the_future() {
    let moments = ["2027-06-01T00:00:00Z", "2026-12-30T00:00:00Z", "2026-12-29T12:00:00Z", "2026-12-01T00:00:00Z"];
    insta::assert_snapshot!(table("keep_within = '1d'", Tz::UTC, &moments), @r"
    2027-06-01 00:00 +0000 within 1d
    2026-12-30 00:00 +0000 within 1d
    2026-12-29 12:00 +0000 within 1d
    2026-12-01 00:00 +0000
    ");
    insta::assert_snapshot!(table("keep_within = '1d'", Tz::UTC, &moments[..1]), @"2027-06-01 00:00 +0000");
}

#[test]
fn of_equal_moments_the_first_is_the_newest() {
    let moments = ["2026-03-02T10:00:00Z"; 3];
    insta::assert_snapshot!(table("keep_last = 2\nkeep_daily = 2", Tz::UTC, &moments), @r"
    2026-03-02 10:00 +0000 last 1 of 2, daily 1 of 2
    2026-03-02 10:00 +0000 last 2 of 2
    2026-03-02 10:00 +0000 oldest, for daily
    ");
}

#[test]
fn nothing_keeps_nothing() {
    let all = "keep_last = 1\nkeep_hourly = 1\nkeep_daily = 1\nkeep_weekly = 1\nkeep_monthly = 1\nkeep_yearly = 1\n";
    assert_eq!(table(&format!("{all}keep_within = '1d'"), Tz::UTC, &[]), "");
    assert_eq!(table("", Tz::UTC, &["2026-03-02T10:00:00Z"]), "2026-03-02 10:00 +0000\n");
}

#[test]
fn a_span_of_any_length_can_be_compared_with_what_a_cloud_keeps() {
    assert_eq!(unsatisfiable(&policy("keep_daily = 35\nkeep_within = '5w'\nkeep_hourly = 840"), 35), None);
    let wishes = "keep_daily = 36\nkeep_weekly = 4294967295\nkeep_within = '4294967295y4294967295m1h'";
    let warning = "snapshots live 35 days at most here, so keep_daily, keep_weekly, keep_within can't be met";
    assert_eq!(unsatisfiable(&policy(wishes), 35).as_deref(), Some(warning));
}

#[test]
fn a_policy_that_fills_all_the_room_there_is_leaves_none_for_the_next() {
    for fits in ["keep_last = 6", "keep_last = 3\nkeep_daily = 4", "keep_within = '9y'"] {
        assert_eq!(overfull(&policy(fits), 7), None, "{fits}");
    }
    let warning = "there is room for 7 snapshots here, the next one included, and keep_daily, keep_weekly may keep 10";
    assert_eq!(overfull(&policy("keep_daily = 7\nkeep_weekly = 4"), 7).as_deref(), Some(warning));
    let most = policy("keep_last = 4294967295\nkeep_yearly = 4294967295");
    assert!(overfull(&most, 7).unwrap().ends_with("may keep 4294967295"));
    assert!(overfull(&policy("keep_last = 7"), 7).is_some());
}

/// Leap days, ends of ISO years and of months, a quiet day.
const EDGES: [&str; 9] = [
    "2020-02-29T12:00:00Z",
    "2024-02-29T00:00:00Z",
    "2023-03-01T00:00:00Z",
    "2020-12-31T23:00:00Z",
    "2021-01-03T23:00:00Z",
    "2024-12-30T00:00:00Z",
    "2027-01-01T00:00:00Z",
    "2026-03-31T22:00:00Z",
    "2026-07-15T12:00:00Z",
];

/// Time zones, each with moments at which its clock is set forward or back. The clocks of the last three go back over
/// the end of an hour or of a day.
const ZONES: [(Tz, &[&str]); 10] = [
    (Tz::UTC, &["2026-01-01T00:00:00Z"]),
    (Tz::Europe__Berlin, &["2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"]),
    (Tz::America__New_York, &["2024-03-10T07:00:00Z", "2024-11-03T06:00:00Z"]),
    (Tz::Asia__Kathmandu, &["2026-01-01T00:00:00Z"]),
    (Tz::Australia__Lord_Howe, &["2024-04-06T15:00:00Z", "2024-10-05T15:30:00Z"]),
    (Tz::Pacific__Apia, &["2011-12-30T10:00:00Z"]),
    (Tz::America__Sao_Paulo, &["2018-02-18T02:00:00Z", "2018-11-04T03:00:00Z"]),
    (Tz::Antarctica__Troll, &["2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"]),
    (Tz::Antarctica__Casey, &["2018-03-10T17:00:00Z"]),
    (Tz::America__St_Johns, &["2010-03-14T03:31:00Z", "2010-11-07T02:31:00Z"]),
];

/// What `keep` is asked.
#[derive(Clone, Debug)]
struct Case {
    policy: Retention,
    zone: Tz,
    moments: Vec<DateTime<Utc>>,
    now: DateTime<Utc>,
}

impl Case {
    fn keep(&self) -> Vec<Vec<Kept>> {
        keep(&self.policy, self.zone, &self.moments, self.now)
    }
}

fn policies() -> impl Strategy<Value = Retention> {
    let count = || prop_oneof![2 => Just(0_u32), 3 => 0..12_u32];
    let within = (0..3_u32, 0..15_u32, 0..6_u32, 0..40_u32, 0..80_u32)
        .prop_map(|(years, months, weeks, days, hours)| Within { years, months, weeks, days, hours });
    let one_unit = (0..5_usize, 1..40_u32).prop_map(|(unit, count)| {
        let of = |this| if this == unit { count } else { 0 };
        Within { years: of(0), months: of(1), weeks: of(2), days: of(3), hours: of(4) }
    });
    let within = proptest::option::of(prop_oneof![within, one_unit]);
    ([count(), count(), count(), count(), count(), count()], within).prop_map(|(counts, keep_within)| {
        let [keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly] = counts;
        let keep_within = keep_within.filter(|within| *within != Within::default());
        Retention {
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            keep_within,
            ..policy("")
        }
    })
}

/// Moments around an edge, dense and sparse, the same ones more than once, and a clock somewhere among them.
fn cases() -> impl Strategy<Value = Case> {
    // On a grid around the edge, in minutes: few points in an hour, so that some come twice.
    let steps = || select(vec![1_i64, 15, 30, 60, 12 * 60, 24 * 60, 7 * 24 * 60, 30 * 24 * 60]);
    let near = prop_oneof![Just(0_i64), select(vec![-120_i64, -90, -60, -45, -30, -1, 1, 15, 30, 60])];
    let moment = (steps(), -30..30_i64, near, prop_oneof![5 => Just(0_i64), 1 => -59..59_i64]);
    let edge = |changes: &'static [&str]| {
        prop_oneof![
            3 => select(changes).prop_map(at),
            2 => select(&EDGES[..]).prop_map(at),
            1 => (1_262_304_000..1_893_456_000_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap())
        ]
    };
    let place = select(&ZONES[..]).prop_flat_map(move |(zone, changes)| (Just(zone), edge(changes)));
    let clock = prop_oneof![3 => Just(6000_i64), 1 => -30..30_i64];
    (policies(), place, proptest::collection::vec(moment, 0..50), steps(), clock).prop_map(
        |(policy, (zone, edge), moments, step, clock)| {
            let moment =
                |(step, nth, near, seconds)| edge + TimeDelta::minutes(step * nth + near) + TimeDelta::seconds(seconds);
            let moments = moments.into_iter().map(moment).collect();
            Case { policy, zone, moments, now: edge + TimeDelta::minutes(step * clock) }
        },
    )
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn every_reason_is_that_of_the_reference(case in cases()) {
        let kept: Vec<Vec<String>> = case.keep().iter().map(|kept| kept.iter().map(Kept::to_string).collect()).collect();
        prop_assert_eq!(kept, reference::keep(&case.policy, case.zone, &case.moments, case.now));
    }

    #[test]
    fn the_newest_is_kept_when_any_rule_has_a_count(case in cases()) {
        let newest = (0..case.moments.len()).rev().max_by_key(|place| case.moments[*place]);
        let any = Rule::ALL.into_iter().any(|rule| rule.count(&case.policy) > 0);
        prop_assert!(!any || newest.is_none_or(|newest| !case.keep()[newest].is_empty()));
    }

    #[test]
    fn the_order_of_the_input_is_of_no_account(case in cases(), seed in any::<u64>()) {
        let moments: Vec<_> = case.moments.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let sorted = Case { moments, ..case };
        let mut shuffled = sorted.clone();
        shuffled.moments.sort_by_key(|moment| (moment.timestamp() as u64).wrapping_mul(seed | 1));
        let by_moment = |case: &Case| -> BTreeMap<_, _> {
            case.moments.iter().copied().zip(case.keep().iter().map(|kept| reasons(kept))).collect()
        };
        prop_assert_eq!(by_moment(&sorted), by_moment(&shuffled));
    }

    /// A coarser rule without a count would take the oldest over from the coarsest one, so only rules in use are raised.
    #[test]
    fn a_higher_count_removes_nothing(case in cases(), more in [0..3_u32, 0..3, 0..3, 0..3, 0..3, 0..3]) {
        let raised = |count: u32, more: u32| if count == 0 { 0 } else { count + more };
        let policy = Retention {
            keep_last: case.policy.keep_last + more[0],
            keep_hourly: raised(case.policy.keep_hourly, more[1]),
            keep_daily: raised(case.policy.keep_daily, more[2]),
            keep_weekly: raised(case.policy.keep_weekly, more[3]),
            keep_monthly: raised(case.policy.keep_monthly, more[4]),
            keep_yearly: raised(case.policy.keep_yearly, more[5]),
            ..case.policy.clone()
        };
        let before = case.keep();
        let after = Case { policy, ..case }.keep();
        prop_assert!(before.iter().zip(&after).all(|(before, after)| before.is_empty() || !after.is_empty()));
    }

    #[test]
    fn the_slots_of_a_rule_are_numbered_up_to_its_count(case in cases()) {
        let kept = case.keep();
        for rule in Rule::ALL {
            let slot = |kept: &Kept| match kept {
                Kept::Slot { rule: own, nth, .. } if *own == rule => Some(*nth),
                _ => None,
            };
            let mut given: Vec<u32> = kept.iter().flatten().filter_map(slot).collect();
            given.sort_unstable();
            prop_assert!(given.len() <= rule.count(&case.policy) as usize);
            prop_assert_eq!(&given, &(1..=given.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_kept_once_is_kept_again(case in cases()) {
        let both = case.moments.iter().copied().zip(case.keep()).filter(|(_, kept)| !kept.is_empty());
        let (moments, before): (Vec<_>, Vec<_>) = both.unzip();
        prop_assert_eq!(Case { moments, ..case }.keep(), before);
    }
}
