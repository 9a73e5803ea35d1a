//! Each safety rule has a test that fails when that rule alone is taken out; tried by taking each out once.
//!
//! | rule | test |
//! | --- | --- |
//! | not owned: stays | `what_is_not_owned_is_never_removed` |
//! | not owned: no slot, no floor, no part in the caps | `what_is_not_owned_takes_no_slot_and_is_no_floor`, `the_percentage_is_of_owned_and_available_ones` |
//! | not owned, or not good: not fresh | `only_a_good_one_of_ours_is_fresh` |
//! | held | `what_is_held_is_never_removed` |
//! | locked | `what_is_locked_is_never_removed` |
//! | a hold or lock that ran out | `a_hold_and_a_lock_that_ran_out_are_none` |
//! | last good | `the_last_good_one_is_never_removed` |
//! | last verified | `the_last_verified_one_is_never_removed` |
//! | min_keep | `fewer_than_min_keep_are_never_left` |
//! | max_deletes | `more_deletions_than_max_deletes_refuse_the_whole_target` |
//! | max_delete_percent | `more_deletions_than_max_delete_percent_refuse_the_whole_target` |
//! | a cap refuses the whole target | `a_cap_refuses_the_sweep_of_failed_ones_too` |
//! | max_age | `nothing_goes_while_the_newest_good_one_is_older_than_max_age` |
//! | a snapshot in the future | `nothing_goes_while_a_snapshot_is_in_the_future` |
//! | the provider's clock | `refusal::tests::nothing_goes_while_the_clock_is_off_the_providers` |
//! | failed in verification: takes no slot | `one_that_failed_in_verification_pushes_no_good_one_out` |
//! | failed in verification: not good | `one_that_failed_in_verification_is_not_good` |
//! | failed in verification: stays where none is good | `where_none_is_good_even_a_bad_one_stays` |
//! | failed: swept after 24 h | `failed_ones_are_swept_after_24_hours` |
//! | failed: outside the caps | `failed_ones_count_in_no_cap` |
//! | not available: stays, takes no slot | `what_is_not_available_takes_no_slot_and_stays` |
//! | each location for itself | `each_location_counts_for_itself`, `a_kind_and_location_is_a_group` |

use std::sync::Arc;

use snapkeep_providers::model::{NativeId, SnapshotId, TargetName, Verified};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(super) fn now() -> DateTime<Utc> {
    at("2026-12-01T12:00:00Z")
}

/// A good one of ours, of so many hours ago.
pub(super) fn seen(native: &str, hours: i64) -> Seen {
    Seen {
        native: native.into(),
        created_at: Some(now() - TimeDelta::hours(hours)),
        size_bytes: Some(1 << 20),
        origin: Origin::Owned,
        state: SnapshotState::Available,
        verified: None,
        hold: None,
        locked_until: None,
        group: 0,
        rest: 0,
    }
}

pub(super) fn hold(until: Option<&str>) -> Option<Box<Hold>> {
    Some(Box::new(Hold { reason: "audit".to_owned(), until: until.map(at) }))
}

fn days(count: i64) -> Vec<Seen> {
    (0..count).map(|day| seen(&format!("day-{day}"), day * 24)).collect()
}

fn plan_of(policy: &str, seen: Vec<Seen>) -> TargetPlan {
    let policy: Retention = toml::from_str(policy).unwrap();
    plan_by(&policy, seen)
}

pub(super) fn plan_by(policy: &Retention, seen: Vec<Seen>) -> TargetPlan {
    let (max_deletes, max_delete_percent) = (policy.max_deletes, policy.max_delete_percent);
    let rules = Rules { policy, zone: Tz::UTC, max_deletes, max_delete_percent, clock_ahead: None };
    plan(&rules, seen, now())
}

fn with(plan: &TargetPlan, verdict: Verdict) -> Vec<&str> {
    plan.rows.iter().filter(|row| row.verdict == verdict).map(|row| &*row.seen.native).collect()
}

pub(super) fn removed(plan: &TargetPlan) -> Vec<&str> {
    with(plan, Verdict::Remove)
}

fn refusals_of(plan: &TargetPlan) -> Vec<String> {
    plan.refusals.iter().map(Refusal::to_string).collect()
}

pub(super) const NONE: [&str; 0] = [];

fn table(plan: &TargetPlan) -> String {
    let line = |row: &Row| {
        let reasons: Vec<String> = row.reasons.iter().map(Reason::to_string).collect();
        let verdict = format!("{:?}", row.verdict).to_lowercase();
        format!("{:<10} {verdict:<7} {}\n", row.seen.native, reasons.join(", "))
    };
    plan.rows.iter().map(line).collect()
}

#[test]
fn every_row_says_why() {
    let snapshots = vec![
        Seen { verified: Some(false), ..seen("corrupt", 1) },
        Seen { state: SnapshotState::Pending, ..seen("pending", 2) },
        Seen { state: SnapshotState::Failed, ..seen("failed-23h", 23) },
        Seen { state: SnapshotState::Failed, ..seen("failed-25h", 25) },
        Seen { state: SnapshotState::Failed, hold: hold(None), ..seen("failed-old", 99) },
        Seen { state: SnapshotState::Failed, created_at: None, ..seen("failed-at", 0) },
        Seen { created_at: None, ..seen("no-time", 0) },
        Seen { locked_until: Some(at("2027-01-01T00:00:00Z")), ..seen("newest", 3) },
        seen("too-many", 3 + 2),
        Seen { hold: hold(Some("2026-12-24T18:00:00Z")), ..seen("day-1", 25) },
        Seen { hold: hold(None), ..seen("held", 30) },
        Seen { locked_until: Some(at("2026-12-31T00:00:00Z")), ..seen("locked", 31) },
        seen("day-2", 50),
        seen("old", 70),
        Seen { verified: Some(true), ..seen("verified", 200) },
        Seen { verified: Some(true), ..seen("verified-2", 300) },
        Seen { origin: Origin::Manual, ..seen("by-hand", 400) },
        Seen { origin: Origin::Manual, hold: hold(None), ..seen("by-hand-2", 401) },
        Seen { origin: Origin::Automated, ..seen("by-cloud", 500) },
        Seen { origin: Origin::Shared, state: SnapshotState::Failed, ..seen("shared", 600) },
        Seen { state: SnapshotState::Deleting, ..seen("deleting", 700) },
        Seen { state: SnapshotState::Unknown, ..seen("unknown", 800) },
        Seen { group: 1, ..seen("far-new", 4) },
        Seen { group: 1, ..seen("far-2", 5) },
        Seen { group: 1, ..seen("far-3", 6) },
        Seen { group: 1, ..seen("far-4", 7) },
    ];
    let plan = plan_of("keep_daily = 3\nmin_keep = 3\nmax_age = '1d'", snapshots);
    assert_eq!(refusals_of(&plan), NONE);
    insta::assert_snapshot!(table(&plan), @r"
    corrupt    remove  failed in verification
    pending    keep    not available: pending
    newest     keep    daily 1 of 3, newest good, locked until 2027-01-01 00:00
    far-new    keep    daily 1 of 3, newest good
    too-many   remove  in no slot
    far-2      refused in no slot, min_keep 3
    far-3      remove  in no slot
    far-4      keep    oldest, for daily
    failed-23h keep    failed less than 24 h ago
    failed-25h remove  failed more than 24 h ago
    day-1      keep    daily 2 of 3, held until 2026-12-24 18:00: audit
    held       refused in no slot, held until released: audit
    locked     refused in no slot, locked until 2026-12-31 00:00
    day-2      keep    daily 3 of 3
    old        remove  in no slot
    failed-old refused failed more than 24 h ago, held until released: audit
    verified   refused in no slot, last verified
    verified-2 remove  in no slot
    by-hand    keep    not owned: manual
    by-hand-2  keep    not owned: manual, held until released: audit
    by-cloud   keep    not owned: automated
    shared     keep    not owned: shared
    deleting   keep    not available: deleting
    unknown    keep    not available: unknown
    no-time    keep    its time is unknown
    failed-at  keep    its time is unknown
    ");
}

/// Two of them are refused for two caps, which is one reason.
#[test]
fn a_refused_target_says_so_in_every_row_that_would_go() {
    let policy = "keep_daily = 1\nmin_keep = 2\nmax_age = '1h'\nmax_deletes = 1\nmax_delete_percent = 10";
    let mut snapshots = days(5);
    snapshots[0].created_at = Some(now() - TimeDelta::hours(2));
    snapshots.push(Seen { state: SnapshotState::Failed, ..seen("failed", 500) });
    snapshots.push(Seen { origin: Origin::Automated, ..seen("future", -1) });
    let plan = plan_of(policy, snapshots);
    insta::assert_snapshot!(table(&plan), @r"
    future     keep    not owned: automated
    day-0      keep    daily 1 of 1, newest good
    day-1      refused in no slot, min_keep 2
    day-2      refused in no slot, a snapshot is in the future, max_age: the newest good snapshot is too old, too many deletions for one run
    day-3      refused in no slot, a snapshot is in the future, max_age: the newest good snapshot is too old, too many deletions for one run
    day-4      refused in no slot, a snapshot is in the future, max_age: the newest good snapshot is too old, too many deletions for one run
    failed     refused failed more than 24 h ago, a snapshot is in the future, max_age: the newest good snapshot is too old, too many deletions for one run
    ");
    insta::assert_snapshot!(refusals_of(&plan).join("\n"), @r"
    a snapshot is 1h in the future: a clock is wrong
    the newest good snapshot is 2h old, and max_age is 1h
    3 snapshots would be deleted, and max_deletes is 1
    3 of 5 snapshots would be deleted, and max_delete_percent is 10
    ");
}

#[test]
fn what_is_not_owned_is_never_removed() {
    let mut snapshots = days(1);
    for (name, origin) in [("m", Origin::Manual), ("a", Origin::Automated), ("s", Origin::Shared)] {
        snapshots.push(Seen { origin, ..seen(&format!("{name}-old"), 9000) });
        snapshots.push(Seen { origin, state: SnapshotState::Failed, ..seen(&format!("{name}-failed"), 9000) });
        snapshots.push(Seen { origin, verified: Some(false), ..seen(&format!("{name}-corrupt"), 9000) });
    }
    let plan = plan_of("keep_last = 1", snapshots);
    assert_eq!(removed(&plan), NONE);
    assert_eq!(with(&plan, Verdict::Refused), NONE);
}

#[test]
fn what_is_not_owned_takes_no_slot_and_is_no_floor() {
    let foreign = (0..9).map(|nth| Seen { origin: Origin::Automated, verified: Some(true), ..seen("cloud", nth) });
    let own = vec![Seen { verified: Some(true), ..seen("own-1", 20) }, seen("own-2", 21), seen("own-3", 22)];
    let plan = plan_of("keep_last = 1\nmin_keep = 2", own.into_iter().chain(foreign).collect());
    assert_eq!(removed(&plan), ["own-3"]);
}

/// Also what was swept or failed in verification.
#[test]
fn what_is_held_is_never_removed() {
    for until in [None, Some("2026-12-01T12:00:01Z")] {
        let mut snapshots = days(4);
        snapshots[1].hold = hold(until);
        snapshots[2] = Seen { hold: hold(until), verified: Some(false), ..snapshots[2].clone() };
        snapshots[3] = Seen { hold: hold(until), state: SnapshotState::Failed, ..snapshots[3].clone() };
        let plan = plan_of("keep_last = 1", snapshots);
        assert_eq!(removed(&plan), NONE);
        assert_eq!(with(&plan, Verdict::Refused), ["day-1", "day-2", "day-3"]);
    }
}

#[test]
fn what_is_locked_is_never_removed() {
    let mut snapshots = days(3);
    snapshots[1].locked_until = Some(at("2027-01-01T00:00:00Z"));
    let plan = plan_of("keep_last = 1", snapshots);
    assert_eq!(removed(&plan), ["day-2"]);
    assert_eq!(with(&plan, Verdict::Refused), ["day-1"]);
}

/// No policy of a config keeps nothing at all; the rule stands even so.
#[test]
fn the_last_good_one_is_never_removed() {
    let plan = plan_of("min_keep = 0", days(3));
    assert_eq!(removed(&plan), ["day-1", "day-2"]);
    assert_eq!(plan.rows[0].reasons, [Reason::NoSlot, Reason::LastGood]);
}

#[test]
fn the_last_verified_one_is_never_removed() {
    let mut snapshots = days(5);
    snapshots[3].verified = Some(true);
    snapshots[4].verified = Some(true);
    let plan = plan_of("keep_last = 1", snapshots);
    assert_eq!(removed(&plan), ["day-1", "day-2", "day-4"]);
    assert_eq!(plan.rows[3].reasons, [Reason::NoSlot, Reason::LastVerified]);
}

#[test]
fn fewer_than_min_keep_are_never_left() {
    let plan = plan_of("keep_last = 1\nmin_keep = 3", days(5));
    assert_eq!(removed(&plan), ["day-3", "day-4"]);
    assert_eq!(plan.rows[2].reasons, [Reason::NoSlot, Reason::MinKeep(3)]);
}

#[test]
fn what_stays_for_another_reason_counts_for_min_keep() {
    let mut snapshots = days(5);
    snapshots[3].hold = hold(None);
    snapshots[4].verified = Some(true);
    assert_eq!(removed(&plan_of("keep_last = 1\nmin_keep = 3", snapshots)), ["day-1", "day-2"]);
}

#[test]
fn more_deletions_than_max_deletes_refuse_the_whole_target() {
    assert_eq!(removed(&plan_of("keep_last = 1\nmax_deletes = 2", days(3))), ["day-1", "day-2"]);
    let plan = plan_of("keep_last = 1\nmax_deletes = 2", days(4));
    assert_eq!(removed(&plan), NONE);
    assert_eq!(plan.refusals, [Refusal::Deletes { planned: 3, limit: 2 }]);
}

#[test]
fn more_deletions_than_max_delete_percent_refuse_the_whole_target() {
    assert_eq!(removed(&plan_of("keep_last = 2\nmax_delete_percent = 50", days(4))), ["day-2", "day-3"]);
    let plan = plan_of("keep_last = 2\nmax_delete_percent = 50", days(5));
    assert_eq!(removed(&plan), NONE);
    assert_eq!(plan.refusals, [Refusal::Percent { planned: 3, of: 5, limit: 50 }]);
}

/// The cap is on a target and run, so its locations count together.
#[test]
fn the_caps_count_all_locations() {
    let far = days(3).into_iter().map(|seen| Seen { group: 1, ..seen });
    let plan = plan_of("keep_last = 1\nmax_deletes = 3", days(3).into_iter().chain(far).collect());
    assert_eq!(plan.refusals, [Refusal::Deletes { planned: 4, limit: 3 }]);
}

#[test]
fn the_percentage_is_of_owned_and_available_ones() {
    let mut snapshots = days(4);
    snapshots.extend((0..9).map(|nth| Seen { origin: Origin::Manual, ..seen("manual", nth) }));
    snapshots.extend((0..9).map(|nth| Seen { state: SnapshotState::Failed, ..seen("failed", nth) }));
    let plan = plan_of("keep_last = 1\nmax_delete_percent = 50", snapshots);
    assert_eq!(plan.refusals, [Refusal::Percent { planned: 3, of: 4, limit: 50 }]);
}

#[test]
fn a_cap_refuses_the_sweep_of_failed_ones_too() {
    let mut snapshots = days(4);
    snapshots.push(Seen { state: SnapshotState::Failed, ..seen("failed", 48) });
    let plan = plan_of("keep_last = 1\nmax_deletes = 2", snapshots);
    assert_eq!(with(&plan, Verdict::Refused), ["day-1", "failed", "day-2", "day-3"]);
}

#[test]
fn nothing_goes_while_the_newest_good_one_is_older_than_max_age() {
    let at_the_limit: Vec<Seen> = days(4).split_off(1);
    assert_eq!(removed(&plan_of("keep_last = 1\nmax_age = '24h'", at_the_limit.clone())), ["day-2", "day-3"]);
    let plan = plan_of("keep_last = 1\nmax_age = '23h'", at_the_limit);
    assert_eq!(removed(&plan), NONE);
    assert_eq!(refusals_of(&plan), ["the newest good snapshot is 1d old, and max_age is 23h"]);
    let bad = Seen { verified: Some(false), ..seen("bad", 1) };
    let plan = plan_of("keep_last = 1\nmax_age = '1d'", vec![bad]);
    assert_eq!(refusals_of(&plan), ["there is no good snapshot, and max_age is 1d"]);
}

#[test]
fn only_a_good_one_of_ours_is_fresh() {
    let fresh = [
        Seen { origin: Origin::Automated, ..seen("automated", 1) },
        Seen { verified: Some(false), ..seen("corrupt", 1) },
        Seen { state: SnapshotState::Failed, ..seen("failed", 1) },
        Seen { state: SnapshotState::Pending, ..seen("pending", 1) },
    ];
    for fresh in fresh {
        let stale = vec![fresh.clone(), seen("old-1", 48), seen("old-2", 72)];
        let plan = plan_of("keep_last = 1\nmax_age = '36h'", stale);
        assert_eq!(removed(&plan), NONE, "{}", fresh.native);
    }
}

#[test]
fn nothing_goes_while_a_snapshot_is_in_the_future() {
    for origin in [Origin::Owned, Origin::Manual] {
        let mut snapshots = days(3);
        snapshots.push(Seen { origin, created_at: Some(now() + TimeDelta::seconds(1)), ..seen("future", 0) });
        let plan = plan_of("keep_last = 1", snapshots);
        assert_eq!(removed(&plan), NONE);
        assert_eq!(refusals_of(&plan), ["a snapshot is 1s in the future: a clock is wrong"]);
    }
}

#[test]
fn one_that_failed_in_verification_pushes_no_good_one_out() {
    let mut snapshots = days(4);
    snapshots[0].verified = Some(false);
    assert_eq!(removed(&plan_of("keep_last = 2", snapshots)), ["day-0", "day-3"]);
}

#[test]
fn one_that_failed_in_verification_is_not_good() {
    let mut snapshots = days(4);
    snapshots[1] = Seen { verified: Some(false), hold: hold(None), ..snapshots[1].clone() };
    let plan = plan_of("keep_last = 1\nmin_keep = 2", snapshots);
    assert_eq!(removed(&plan), ["day-3"]);
    assert_eq!(with(&plan, Verdict::Refused), ["day-1", "day-2"]);
}

#[test]
fn where_none_is_good_even_a_bad_one_stays() {
    let snapshots: Vec<Seen> = days(3).into_iter().map(|seen| Seen { verified: Some(false), ..seen }).collect();
    let plan = plan_of("keep_last = 1", snapshots);
    assert_eq!(with(&plan, Verdict::Refused), ["day-0", "day-1", "day-2"]);
}

#[test]
fn a_target_without_snapshots_is_not_stale() {
    assert_eq!(plan_of("keep_last = 1\nmax_age = \"1h\"", Vec::new()).refusals, []);
}

#[test]
fn failed_ones_are_swept_after_24_hours() {
    let failed = |native, hours| Seen { state: SnapshotState::Failed, ..seen(native, hours) };
    let plan = plan_of("keep_last = 1", vec![seen("good", 1), failed("at-24h", 24), failed("at-25h", 25)]);
    assert_eq!(removed(&plan), ["at-25h"]);
}

#[test]
fn failed_ones_count_in_no_cap() {
    let failed = (30..40).map(|hours| Seen { state: SnapshotState::Failed, ..seen("failed", hours) });
    let policy = "keep_last = 1\nmax_deletes = 1\nmax_delete_percent = 50";
    let plan = plan_of(policy, days(2).into_iter().chain(failed).collect());
    assert_eq!((plan.refusals.len(), removed(&plan).len()), (0, 11));
}

#[test]
fn what_is_not_available_takes_no_slot_and_stays() {
    for state in [SnapshotState::Pending, SnapshotState::Deleting, SnapshotState::Unknown] {
        let snapshots = vec![Seen { state, ..seen("new", 1) }, seen("good", 2), Seen { state, ..seen("old", 999) }];
        let plan = plan_of("keep_last = 1\nmax_age = '1d'", snapshots);
        assert_eq!(with(&plan, Verdict::Keep), ["new", "good", "old"]);
    }
}

#[test]
fn what_has_no_time_stays() {
    for state in [SnapshotState::Available, SnapshotState::Failed] {
        let plan =
            plan_of("keep_last = 1", vec![seen("good", 1), Seen { created_at: None, state, ..seen("no-time", 0) }]);
        assert_eq!(plan.rows[1].reasons, [Reason::NoTime]);
        assert_eq!(removed(&plan), NONE);
    }
}

/// For the slots, the last verified one and `min_keep`.
#[test]
fn each_location_counts_for_itself() {
    let mut snapshots = days(4);
    let mut far = days(4);
    snapshots[0].verified = Some(true);
    far[3].verified = Some(true);
    snapshots.extend(far.into_iter().map(|seen| Seen {
        group: 1,
        native: format!("far-{}", seen.native).into(),
        ..seen
    }));
    let plan = plan_of("keep_last = 1\nmin_keep = 2", snapshots);
    assert_eq!(with(&plan, Verdict::Keep), ["far-day-0", "day-0"]);
    assert_eq!(with(&plan, Verdict::Refused), ["day-1", "far-day-3"]);
}

fn snapshot(native: &str, location: &str) -> Snapshot {
    let (target, native_id): (TargetName, _) = ("orders".parse().unwrap(), NativeId::new(native));
    Snapshot {
        id: SnapshotId { target: target.clone(), native: native_id.clone() },
        native_id,
        target,
        provider: "aws_rds".into(),
        origin: Origin::Owned,
        state: SnapshotState::Available,
        provider_state: None,
        created_at: Some(now()),
        completed_at: None,
        size_bytes: Some(1),
        engine: None,
        engine_version: None,
        location: Some(location.into()),
        encrypted: None,
        key: None,
        hold: None,
        verified: Some(Verified { at: now(), level: snapkeep_providers::model::VerifyLevel::Archive, ok: false }),
        expires_at: None,
        tags: Arc::default(),
        locked_until: None,
    }
}

#[test]
fn a_kind_and_location_is_a_group() {
    let mut snapshots = [("a", "eu"), ("b", "us"), ("c", "eu"), ("d", "eu")].map(|(id, place)| snapshot(id, place));
    snapshots[3].provider = "aws_aurora".into();
    let seen = see(&snapshots, now());
    assert_eq!(seen.iter().map(|seen| seen.group).collect::<Vec<_>>(), [0, 1, 0, 2]);
    assert_eq!(seen[0].verified, Some(false));
}

#[test]
fn a_hold_and_a_lock_that_ran_out_are_none() {
    for (until, holds) in [(now(), false), (now() + TimeDelta::seconds(1), true)] {
        let mut snapshot = snapshot("a", "eu");
        snapshot.hold = Some(Hold { reason: "audit".to_owned(), until: Some(until) });
        snapshot.locked_until = Some(until);
        let seen = see(&[snapshot], now());
        assert_eq!((seen[0].hold.is_some(), seen[0].locked_until.is_some()), (holds, holds));
    }
}

#[test]
fn whatever_changes_of_a_snapshot_changes_its_fingerprint() {
    let print = |change: fn(&mut Snapshot)| {
        let mut snapshot = snapshot("a", "here");
        change(&mut snapshot);
        see(&[snapshot], now())[0].fingerprint()
    };
    let same = print(|_| {});
    let changes: [fn(&mut Snapshot); 5] = [
        |snapshot| snapshot.key = Some("k".into()),
        |snapshot| drop(Arc::make_mut(&mut snapshot.tags).insert("a".into(), "b".into())),
        |snapshot| snapshot.completed_at = Some(now()),
        |snapshot| snapshot.engine_version = Some("1".into()),
        |snapshot| snapshot.size_bytes = Some(7),
    ];
    assert_eq!(print(|_| {}), same);
    changes.into_iter().for_each(|change| assert_ne!(print(change), same));
}
