use std::collections::BTreeMap;

use super::reference::tick;
use super::shard::InvalidShard;
use super::*;
use crate::config;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn named(name: &str) -> TargetName {
    name.parse().unwrap()
}

fn schedule(more: &str) -> Schedule {
    toml::from_str(&format!("targets = [\"*\"]\nactions = [\"create\"]\n{more}")).unwrap()
}

pub(super) fn timetable(cron: &str, zone: Tz) -> Timetable {
    Timetable::new("nightly", &schedule(&format!("cron = \"{cron}\"\ntimezone = \"{zone}\"")))
}

/// Daily at 02:15 UTC, the target `orders` up to ten minutes later.
fn nightly(missed: &str) -> Timetable {
    Timetable::new("nightly", &schedule(&format!("cron = \"15 2 * * *\"\njitter = \"10m\"\nmissed = \"{missed}\"")))
}

pub(super) fn settled(settled: Option<DateTime<Utc>>) -> Past<'static> {
    Past { settled, ..Past::default() }
}

fn watch(since: DateTime<Utc>, noticed: DateTime<Utc>) -> Watch {
    Watch { since, noticed }
}

/// What the clock in `zone` shows when it is due.
fn shows(cron: &str, zone: Tz, from: &str, count: usize) -> String {
    let timetable = timetable(cron, zone);
    let due = successors(timetable.next(at(from)), |due| timetable.next(*due)).take(count);
    due.map(|due| due.with_timezone(&zone).format("%a %d %H:%M %z").to_string()).collect::<Vec<_>>().join(", ")
}

/// Berlin, 29 March 2026: 01:59 is followed by 03:00.
#[test]
fn a_time_that_is_skipped_runs_once_as_soon_as_it_is_over() {
    let berlin = |cron| shows(cron, Tz::Europe__Berlin, "2026-03-28T12:00:00Z", 3);
    insta::assert_snapshot!(berlin("30 2 * * *"), @"Sun 29 03:00 +0200, Mon 30 02:30 +0200, Tue 31 02:30 +0200");
    insta::assert_snapshot!(berlin("30 2,14 * * *"), @"Sat 28 14:30 +0100, Sun 29 03:00 +0200, Sun 29 14:30 +0200");
    insta::assert_snapshot!(berlin("*/15 2 29 3 *"), @"Sun 29 03:00 +0200, Mon 29 02:00 +0200, Mon 29 02:15 +0200");
    insta::assert_snapshot!(berlin("0 2,3 * * *"), @"Sun 29 03:00 +0200, Mon 30 02:00 +0200, Mon 30 03:00 +0200");
    insta::assert_snapshot!(berlin("30 2 29 3 *"), @"Sun 29 03:00 +0200, Mon 29 02:30 +0200, Wed 29 02:30 +0200");
}

/// Berlin, 25 October 2026: 02:59 is followed by 02:00.
#[test]
fn a_time_that_comes_twice_runs_the_first_time() {
    let berlin = |cron| shows(cron, Tz::Europe__Berlin, "2026-10-24T12:00:00Z", 3);
    insta::assert_snapshot!(berlin("30 2 * * *"), @"Sun 25 02:30 +0200, Mon 26 02:30 +0100, Tue 27 02:30 +0100");
    insta::assert_snapshot!(berlin("30 2,14 * * *"), @"Sat 24 14:30 +0200, Sun 25 02:30 +0200, Sun 25 14:30 +0100");
    insta::assert_snapshot!(berlin("0 2-4 * * *"), @"Sun 25 02:00 +0200, Sun 25 03:00 +0100, Sun 25 04:00 +0100");
}

#[test]
fn what_runs_at_every_hour_goes_by_what_the_clock_shows() {
    let spring = |cron| shows(cron, Tz::Europe__Berlin, "2026-03-29T00:20:00Z", 4);
    insta::assert_snapshot!(spring("0 * * * *"), @"Sun 29 03:00 +0200, Sun 29 04:00 +0200, Sun 29 05:00 +0200, Sun 29 06:00 +0200");
    insta::assert_snapshot!(spring("*/30 * * * *"), @"Sun 29 01:30 +0100, Sun 29 03:00 +0200, Sun 29 03:30 +0200, Sun 29 04:00 +0200");
    insta::assert_snapshot!(spring("0 */2 * * *"), @"Sun 29 04:00 +0200, Sun 29 06:00 +0200, Sun 29 08:00 +0200, Sun 29 10:00 +0200");
    let autumn = |cron| shows(cron, Tz::Europe__Berlin, "2026-10-24T23:50:00Z", 5);
    insta::assert_snapshot!(autumn("0 * * * *"), @"Sun 25 02:00 +0200, Sun 25 02:00 +0100, Sun 25 03:00 +0100, Sun 25 04:00 +0100, Sun 25 05:00 +0100");
    insta::assert_snapshot!(autumn("*/30 * * * *"), @"Sun 25 02:00 +0200, Sun 25 02:30 +0200, Sun 25 02:00 +0100, Sun 25 02:30 +0100, Sun 25 03:00 +0100");
    insta::assert_snapshot!(autumn("0 */2 * * *"), @"Sun 25 02:00 +0200, Sun 25 02:00 +0100, Sun 25 04:00 +0100, Sun 25 06:00 +0100, Sun 25 08:00 +0100");
}

/// Lord Howe, 4 October 2026: 01:59 is followed by 02:30; 5 April: 01:59 by 01:30.
#[test]
fn clocks_may_change_by_half_an_hour() {
    let lord_howe = |cron, from| shows(cron, Tz::Australia__Lord_Howe, from, 3);
    insta::assert_snapshot!(lord_howe("15 2 * * *", "2026-10-03T10:00:00Z"), @"Sun 04 02:30 +1100, Mon 05 02:15 +1100, Tue 06 02:15 +1100");
    insta::assert_snapshot!(lord_howe("0 * * * *", "2026-10-03T14:00:00Z"), @"Sun 04 01:00 +1030, Sun 04 03:00 +1100, Sun 04 04:00 +1100");
    insta::assert_snapshot!(lord_howe("45 1 * * *", "2026-04-04T10:00:00Z"), @"Sun 05 01:45 +1100, Mon 06 01:45 +1030, Tue 07 01:45 +1030");
    insta::assert_snapshot!(lord_howe("45 * * * *", "2026-04-04T14:00:00Z"), @"Sun 05 01:45 +1100, Sun 05 01:45 +1030, Sun 05 02:45 +1030");
}

/// Apia went from the 29th to the 31st of December 2011.
#[test]
fn a_day_that_is_skipped_runs_once_as_soon_as_it_is_over() {
    let apia = |cron| shows(cron, Tz::Pacific__Apia, "2011-12-29T12:00:00Z", 4);
    insta::assert_snapshot!(apia("0 12 * * *"), @"Thu 29 12:00 -1000, Sat 31 00:00 +1400, Sat 31 12:00 +1400, Sun 01 12:00 +1400");
    insta::assert_snapshot!(apia("0 */8 * * *"), @"Thu 29 08:00 -1000, Thu 29 16:00 -1000, Sat 31 00:00 +1400, Sat 31 08:00 +1400");
    insta::assert_snapshot!(apia("0 12 30 12 *"), @"Sat 31 00:00 +1400, Sun 30 12:00 +1400, Mon 30 12:00 +1400, Tue 30 12:00 +1400");
    let crons = ["0 12 * * *", "30 8-18 * * *", "*/15 * * * *", "0 0 * * *", "0 12 30 12 *"];
    let (from, to) = (at("2011-12-27T00:00:00Z"), at("2012-01-03T00:00:00Z"));
    for (cron, due) in crons.iter().zip(tick(&crons, Tz::Pacific__Apia, from, to).due) {
        let timetable = timetable(cron, Tz::Pacific__Apia);
        let found = successors(timetable.next(from - TimeDelta::seconds(1)), |due| timetable.next(*due));
        assert_eq!(found.take_while(|found| *found < to).collect::<Vec<_>>(), due, "{cron}");
    }
}

#[test]
fn the_ends_of_the_calendar_are_moments_too() {
    for cron in ["0 0 * * *", "* * * * *", "0 0 29 2 *"] {
        for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago, Tz::Europe__Berlin] {
            let timetable = timetable(cron, zone);
            for moment in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
                assert!(timetable.next(moment).is_none_or(|next| next > moment));
                assert!(timetable.last(moment).is_none_or(|last| last <= moment));
                assert!(timetable.next_start(moment, &named("orders")).is_none_or(|start| start > moment));
                let settled = settled(timetable.last(moment));
                assert_eq!(timetable.turn(settled, watch(moment, moment), moment, &named("orders")), Turn::Wait);
            }
        }
    }
}

#[test]
fn what_is_rare_is_found() {
    let rare = timetable("0 3 29 2 */7", Tz::UTC);
    assert_eq!(rare.next(at("2088-03-01T00:00:00Z")), Some(at("2128-02-29T03:00:00Z")));
    assert_eq!(rare.last(at("2128-02-29T02:59:59Z")), Some(at("2088-02-29T03:00:00Z")));
}

/// These never change: a target that changes its place overnight runs twice in an hour, or a day later than it should.
#[test]
fn offsets_are_the_same_in_every_version() {
    let offsets = ["orders", "crm", "billing", "openmetadata"].map(|target| {
        let start = nightly("skip").start(at("2026-05-01T02:15:00Z"), &named(target));
        format!("{target} {}", start.format("%H:%M:%S%.3f"))
    });
    insta::assert_snapshot!(offsets.join(", "), @"orders 02:21:26.005, crm 02:23:16.459, billing 02:19:12.668, openmetadata 02:18:40.286");
    let held = |shard: &str| {
        let shard: Shard = shard.parse().unwrap();
        let names = ["orders", "crm", "billing", "openmetadata", "notes", "app"];
        names.into_iter().filter(|name| shard.holds(&named(name))).collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(format!("{} | {} | {}", held("0/3"), held("1/3"), held("2/3")), @"orders notes app | billing | crm openmetadata");
}

#[test]
fn without_jitter_it_begins_when_it_is_due() {
    let due = at("2026-05-01T02:15:00Z");
    assert_eq!(timetable("15 2 * * *", Tz::UTC).start(due, &named("orders")), due);
}

#[test]
fn the_next_start_may_be_of_what_is_due_already() {
    let (timetable, orders) = (nightly("skip"), named("orders"));
    let start = timetable.start(at("2026-05-01T02:15:00Z"), &orders);
    assert_eq!(timetable.next_start(at("2026-05-01T02:15:01Z"), &orders), Some(start));
    assert_eq!(timetable.next_start(start, &orders), Some(start + TimeDelta::days(1)));
}

#[test]
fn many_missed_runs_are_one_run_or_none() {
    let (past, orders) = (settled(Some(at("2026-05-01T02:15:00Z"))), named("orders"));
    let newest = at("2026-05-04T02:15:00Z");
    let turn = |missed: &str, now: &str| nightly(missed).turn(past, watch(at(now), at(now)), at(now), &orders);
    assert_eq!(turn("run_once", "2026-05-04T12:00:00Z"), Turn::Run(newest));
    assert_eq!(turn("skip", "2026-05-04T12:00:00Z"), Turn::Skip(newest));
    // Three were missed, and the fourth is due right now.
    assert_eq!(turn("skip", "2026-05-04T02:26:00Z"), Turn::Run(newest));
    assert_eq!(turn("skip", "2026-05-01T12:00:00Z"), Turn::Wait);
    // Clocks differ.
    assert_eq!(turn("run_once", "2026-04-30T12:00:00Z"), Turn::Wait);
}

#[test]
fn what_a_wrong_clock_settled_far_ahead_stops_nothing() {
    let (past, since, orders) =
        (settled(Some(at("2031-01-01T02:15:00Z"))), at("2026-05-04T12:00:00Z"), named("orders"));
    let turn = |now: &str| nightly("run_once").turn(past, watch(since, at(now)), at(now), &orders);
    assert_eq!(turn("2026-05-04T12:00:00Z"), Turn::Skip(at("2026-05-04T02:15:00Z")), "as if nothing were known");
    assert_eq!(turn("2026-05-05T02:26:00Z"), Turn::Run(at("2026-05-05T02:15:00Z")));
}

#[test]
fn what_has_begun_is_gone_on_with_however_late() {
    let (due, now, orders) = (at("2026-05-02T02:15:00Z"), at("2026-05-02T08:00:00Z"), named("orders"));
    let turn = |begun: Option<DateTime<Utc>>| {
        let past = Past { begun: begun.map(|begun| (begun, begun)), ..settled(Some(at("2026-05-01T02:15:00Z"))) };
        nightly("skip").turn(past, watch(now, now), now, &orders)
    };
    assert_eq!(turn(Some(due)), Turn::Run(due));
    assert_eq!(turn(Some(at("2026-05-01T02:15:00Z"))), Turn::Skip(due), "another one has");
}

#[test]
fn what_is_awaited_is_what_should_have_begun_or_begins_next() {
    let (orders, now) = (named("orders"), at("2026-05-02T12:00:00Z"));
    let timetable = nightly("run_once");
    let awaited = |past| timetable.awaited(past, now, &orders);
    let start = |due: &str| Some(timetable.start(at(due), &orders));
    assert_eq!(awaited(Past::default()), start("2026-05-03T02:15:00Z"));
    assert_eq!(awaited(settled(Some(at("2026-05-02T02:15:00Z")))), start("2026-05-03T02:15:00Z"));
    assert_eq!(awaited(settled(Some(at("2026-04-20T02:15:00Z")))), start("2026-05-02T02:15:00Z"));
    let again = at("2026-05-02T12:08:00Z");
    let retry = Some((at("2026-05-02T02:15:00Z"), again));
    assert_eq!(awaited(Past { retry, ..settled(Some(at("2026-05-01T02:15:00Z"))) }), Some(again));
}

#[test]
fn what_is_to_begin_later_is_not_missed() {
    let (past, orders) = (settled(Some(at("2026-05-01T02:15:00Z"))), named("orders"));
    for missed in ["run_once", "skip"] {
        let timetable = nightly(missed);
        let due = at("2026-05-02T02:15:00Z");
        let start = timetable.start(due, &orders);
        let turn = |now: DateTime<Utc>| timetable.turn(past, watch(now, now), now, &orders);
        assert_eq!(turn(start - TimeDelta::milliseconds(1)), Turn::Wait);
        assert_eq!(turn(start), Turn::Run(due));
        assert_eq!(turn(start + LATE), Turn::Run(due));
    }
}

#[test]
fn what_was_noticed_in_time_may_wait_long_for_its_turn() {
    let (past, orders) = (settled(Some(at("2026-05-01T02:15:00Z"))), named("orders"));
    let (noticed, now) = (at("2026-05-02T02:26:00Z"), at("2026-05-02T09:00:00Z"));
    let due = at("2026-05-02T02:15:00Z");
    assert_eq!(nightly("skip").turn(past, watch(noticed, noticed), now, &orders), Turn::Run(due));
    assert_eq!(nightly("skip").turn(past, watch(noticed, now), now, &orders), Turn::Skip(due), "it was not");
}

#[test]
fn what_failed_is_tried_again_when_its_pause_is_over() {
    let (due, again, orders) = (at("2026-05-02T02:15:00Z"), at("2026-05-02T02:30:00Z"), named("orders"));
    let past = Past { retry: Some((due, again)), ..settled(Some(at("2026-05-01T02:15:00Z"))) };
    let turn =
        |now| nightly("skip").turn(past, watch(at("2026-05-02T02:26:00Z"), at("2026-05-02T02:26:00Z")), now, &orders);
    assert_eq!(turn(again - TimeDelta::milliseconds(1)), Turn::Later(again));
    assert_eq!(turn(again), Turn::Run(due));
    assert_eq!(turn(at("2026-05-03T02:26:00Z")), Turn::Run(at("2026-05-03T02:15:00Z")), "it is due anew");
    let later = at("2026-05-02T09:00:00Z");
    assert_eq!(nightly("skip").turn(past, watch(later, later), later, &orders), Turn::Run(due), "it was not missed");
}

#[test]
fn who_never_ran_has_missed_nothing() {
    let (orders, since) = (named("orders"), at("2026-05-04T12:00:00Z"));
    for missed in ["run_once", "skip"] {
        let turn = |now: &str| nightly(missed).turn(Past::default(), watch(since, at(now)), at(now), &orders);
        assert_eq!(turn("2026-05-04T12:00:00Z"), Turn::Skip(at("2026-05-04T02:15:00Z")));
        // Nobody could write that down, and still the first run is one.
        assert_eq!(turn("2026-05-05T02:26:00Z"), Turn::Run(at("2026-05-05T02:15:00Z")));
    }
}

#[test]
fn with_another_rule_nothing_was_missed() {
    let (orders, since) = (named("orders"), at("2026-05-04T12:00:00Z"));
    let timetable = nightly("run_once");
    let turn = |rule: &str, now: &str| {
        let past = Past { rule: Some(rule), ..settled(Some(at("2026-05-04T01:00:00Z"))) };
        timetable.turn(past, watch(since, at(now)), at(now), &orders)
    };
    let due = at("2026-05-04T02:15:00Z");
    assert_eq!(timetable.rule(), "15 2 * * * UTC");
    assert_eq!(turn("15 2 * * * UTC", "2026-05-04T12:00:00Z"), Turn::Run(due));
    assert_eq!(turn("0 1 * * * UTC", "2026-05-04T12:00:00Z"), Turn::Skip(due));
    assert_eq!(turn("15 2 * * * Europe/Berlin", "2026-05-04T12:00:00Z"), Turn::Skip(due));
    assert_eq!(turn("0 1 * * * UTC", "2026-05-05T12:00:00Z"), Turn::Run(at("2026-05-05T02:15:00Z")));
}

#[test]
fn shares_are_disjoint_complete_and_about_even() {
    for count in [1_usize, 3, 4, 16] {
        let shards: Vec<Shard> = (0..count).map(|index| format!("{index}/{count}").parse().unwrap()).collect();
        let mut held = vec![0_usize; count];
        for number in 0..10_000 {
            let name = named(&format!("customer-{number}"));
            let holders: Vec<usize> = (0..count).filter(|index| shards[*index].holds(&name)).collect();
            let [holder] = holders[..] else { panic!("{name} is in {holders:?} of {count}") };
            held[holder] += 1;
        }
        let even = 10_000 / count;
        assert!(held.iter().all(|held| held.abs_diff(even) < even / 8), "{held:?}");
    }
}

#[test]
fn a_share_is_counted_from_zero() {
    let refusal = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
    insta::assert_snapshot!(refusal("4/4"), @"shares are counted from 0, so the last of 4 is 3/4");
    insta::assert_snapshot!(refusal("0/0"), @"write I/N, share I of N: 0/4, 1/4, 2/4 and 3/4 are all");
    for text in ["", "1", "/", "1/", "a/4", "-1/4", "1/2/3", "0 / 4", "0/99999999999"] {
        assert_eq!(text.parse::<Shard>(), Err(InvalidShard::Form), "{text}");
    }
}

#[test]
fn a_schedule_means_each_target_once() {
    let target = |name: &str, tags: &str| {
        format!("[targets.{name}]\nprovider = \"sqlite\"\npath = \"{name}.db\"\nstore = \"local\"\ntags = {tags}\n")
    };
    let text = ["version = 1\n[stores.local]\ntype = \"local\"\npath = \"snapshots\"\n".to_owned()].into_iter().chain(
        [("b", "{ team = \"x\" }"), ("a", "{ team = \"x\" }"), ("c", "{}")].map(|(name, tags)| target(name, tags)),
    );
    let config = config::parse(&text.collect::<String>(), std::path::Path::new("snapkeep.toml")).unwrap();
    let meant = |selectors: &str| {
        let text = format!("cron = \"@daily\"\nactions = [\"create\"]\ntargets = {selectors}");
        let names = targets(&config, &toml::from_str(&text).unwrap());
        names.iter().map(|target| target.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    let cases = [
        (r#"["*"]"#, "a b c"),
        (r#"["c", "a"]"#, "a c"),
        (r#"["tag:team=x", "b", "*", "b"]"#, "a b c"),
        (r#"["tag:team=x"]"#, "a b"),
        (r#"["tag:team=y"]"#, ""),
    ];
    for (selectors, names) in BTreeMap::from(cases) {
        assert_eq!(meant(selectors), names, "{selectors}");
    }
}
