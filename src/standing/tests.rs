//! What is concluded from what was read, and samples for whoever shows it.

use std::sync::Arc;

use snapkeep_providers::model::{Hold, NativeId, Origin, SnapshotId, SnapshotState, Verified, VerifyLevel};
use snapkeep_providers::{Error, ErrorKind};

use super::*;
use crate::config::{Action, Schedule};

/// The moment of the samples.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T12:00:00Z").unwrap().to_utc()
}

/// A good snapshot of ours, so many hours old and of so many MiB.
pub(crate) fn snapshot(target: &str, hours: i64, mebibytes: u64) -> Snapshot {
    let created = now() - TimeDelta::hours(hours);
    let native = NativeId::new(created.format("%Y%m%dT%H%M%SZ-ab12").to_string());
    let target: TargetName = target.parse().unwrap();
    Snapshot {
        id: SnapshotId { target: target.clone(), native: native.clone() },
        native_id: native,
        target,
        provider: "memory".into(),
        origin: Origin::Owned,
        state: SnapshotState::Available,
        provider_state: None,
        created_at: Some(created),
        completed_at: Some(created),
        size_bytes: Some(mebibytes << 20),
        engine: None,
        engine_version: None,
        location: Some("local:/snapshots".into()),
        encrypted: None,
        key: None,
        hold: None,
        verified: None,
        expires_at: None,
        tags: Arc::default(),
        locked_until: None,
    }
}

/// The same, verified so.
pub(crate) fn verified(snapshot: Snapshot, ok: bool) -> Snapshot {
    let at = snapshot.created_at.unwrap() + TimeDelta::minutes(30);
    Snapshot { verified: Some(Verified { at, level: VerifyLevel::Restore, ok }), ..snapshot }
}

/// The same, held.
pub(crate) fn held(snapshot: Snapshot, reason: &str) -> Snapshot {
    Snapshot { hold: Some(Hold { reason: reason.to_owned(), until: None }), ..snapshot }
}

pub(crate) fn policy() -> Retention {
    toml::from_str("keep_last = 2\nkeep_daily = 7\nmax_age = '36h'\nmin_keep = 1").unwrap()
}

/// What was read of a target with these snapshots.
pub(crate) fn facts<'p>(target: &str, policy: Option<&'p Retention>, snapshots: Vec<Snapshot>) -> Facts<'p> {
    Facts {
        target: target.parse().unwrap(),
        provider: "memory",
        policy,
        listing: Some(Listing { snapshots, problems: Vec::new(), clock_ahead: None }),
        schedules: Vec::new(),
        failures: Vec::new(),
        seen_at: now(),
    }
}

/// A run that ended so many hours ago.
pub(crate) fn run(hours: i64, error: Option<&str>) -> Run {
    let ended_at = now() - TimeDelta::hours(hours);
    let error = error.map(|message| RunError {
        action: Some(Action::Create),
        code: "unavailable".to_owned(),
        message: message.to_owned(),
        hint: Some("see whether it is up".to_owned()),
    });
    Run {
        due: Some(ended_at),
        begun_at: ended_at - TimeDelta::minutes(3),
        ended_at,
        host: "db1".into(),
        attempt: 1,
        snapshot: error.is_none().then(|| "om/20261123T021500Z-ab12".into()),
        size_bytes: error.is_none().then_some(1 << 30),
        deleted: 0,
        error,
    }
}

/// A schedule with these runs, the newest first.
pub(crate) fn scheduled(name: &str, runs: Vec<Run>) -> Scheduled {
    let next_run = Some(now() + TimeDelta::hours(14));
    Scheduled::of(name.to_owned(), next_run, &History { runs, ..History::default() })
}

fn standing(snapshots: Vec<Snapshot>) -> Standing {
    Standing::of(facts("om", Some(&policy()), snapshots))
}

#[test]
fn the_newest_good_one_is_ours_whole_and_not_failed_in_verification() {
    let foreign = Snapshot { origin: Origin::Automated, ..snapshot("om", 1, 1) };
    let pending = Snapshot { state: SnapshotState::Pending, ..snapshot("om", 2, 1) };
    let failed = verified(snapshot("om", 3, 1), false);
    let good = snapshot("om", 4, 1);
    let standing = standing(vec![snapshot("om", 9, 1), good.clone(), failed, pending, foreign]);
    assert_eq!(standing.newest_good(), Some(&good));
    assert_eq!((standing.count_good(), standing.age(now())), (Some(2), Some(TimeDelta::hours(4))));
}

#[test]
fn it_is_stale_by_the_clock_that_is_asked() {
    let standing = standing(vec![snapshot("om", 30, 1)]);
    assert_eq!(standing.freshness(now()), Freshness::Ok);
    assert_eq!(standing.freshness(now() + TimeDelta::hours(6)), Freshness::Ok, "just as old as it may be");
    assert_eq!(standing.freshness(now() + TimeDelta::hours(7)), Freshness::Stale);
}

#[test]
fn without_a_good_one_there_is_none_and_without_max_age_nothing_is_stale() {
    assert_eq!(standing(vec![]).freshness(now()), Freshness::None);
    let failed = verified(snapshot("om", 1, 1), false);
    assert_eq!(standing(vec![failed]).freshness(now()), Freshness::None);
    let old = Standing::of(facts("om", None, vec![snapshot("om", 9999, 1)]));
    assert_eq!((old.freshness(now()), old.count(Verdict::Keep)), (Freshness::Ok, None));
    let timeless = Snapshot { created_at: None, ..snapshot("om", 1, 1) };
    assert_eq!(standing(vec![timeless]).freshness(now()), Freshness::Stale, "of unknown age");
}

#[test]
fn of_a_list_that_is_not_whole_nobody_knows() {
    let mut partial = facts("om", None, vec![snapshot("om", 1, 1)]);
    let problem = Error::new(ErrorKind::Permission, "state", "read the holds of", "om", "denied");
    partial.listing.as_mut().unwrap().problems.push(problem);
    let partial = Standing::of(partial);
    assert_eq!((partial.freshness(now()), partial.count_good()), (Freshness::Unknown, None));
    assert!(partial.was_read() && partial.is_failing() && partial.age(now()).is_some());
    assert_eq!(partial.failures[0].target.as_deref(), Some("om"));
    let unread = Standing::of(Facts { listing: None, ..facts("om", Some(&policy()), vec![]) });
    assert!(!unread.was_read() && unread.freshness(now()) == Freshness::Unknown);
}

#[test]
fn what_could_not_be_remembered_takes_nothing_from_the_list() {
    let failure = Failure::new(ErrorKind::Busy, "state: cannot read");
    let standing = Standing::of(Facts { failures: vec![failure], ..facts("om", None, vec![snapshot("om", 1, 1)]) });
    assert_eq!(standing.freshness(now()), Freshness::Ok);
    assert!(standing.is_failing());
}

#[test]
fn verdicts_are_those_of_prune() {
    // Two on each of twelve days: two of the last day, one of each of six more, and the oldest goes not.
    let snapshots: Vec<_> = (0..24).map(|nth| snapshot("om", 1 + 12 * nth, 1)).collect();
    let rules = policy();
    let rules = Rules::of(&rules, None).unwrap();
    let planned = plan::plan(&rules, plan::see(&snapshots, now()), now());
    let standing = standing(snapshots.into_iter().rev().collect());
    let judged = standing.snapshots.open();
    let verdicts: Vec<_> = judged.iter().map(|judged| judged.verdict).collect();
    assert_eq!(verdicts, planned.rows.iter().map(|row| Some(row.verdict)).collect::<Vec<_>>());
    let same = |(judged, row): (&Judged, &plan::Row)| judged.snapshot.native_id.as_str() == &*row.seen.native;
    assert!(judged.iter().zip(&planned.rows).all(same));
    assert_eq!((standing.count(Verdict::Keep), standing.count(Verdict::Remove)), (Some(7), Some(17)));
}

#[test]
fn it_fails_as_long_as_the_last_run_of_a_schedule_failed() {
    let of = |schedules| Standing::of(Facts { schedules, ..facts("om", None, vec![snapshot("om", 1, 1)]) });
    let recovered = of(vec![scheduled("nightly", vec![run(1, None), run(25, Some("gone"))])]);
    assert!(!recovered.is_failing() && recovered.last_error().is_none());
    assert_eq!(recovered.schedules[0].last_failure().unwrap().ended_at, now() - TimeDelta::hours(25));
    let failing = of(vec![
        scheduled("hourly", vec![run(3, Some("older"))]),
        scheduled("nightly", vec![run(2, Some("newer")), run(26, None)]),
        scheduled("weekly", vec![run(1, None)]),
    ]);
    assert!(failing.is_in_trouble(now()) && failing.freshness(now()) == Freshness::Ok);
    assert_eq!(failing.last_error().unwrap().2.message, "newer");
    assert_eq!(failing.next_run(), Some(now() + TimeDelta::hours(14)));
}

#[test]
fn sizes_are_those_beside_the_newest_the_oldest_first() {
    let copy = Snapshot { location: Some("offsite:s3".into()), ..snapshot("om", 1, 9) };
    let unsized_one = Snapshot { size_bytes: None, ..snapshot("om", 2, 0) };
    let standing = standing(vec![snapshot("om", 0, 4), copy, unsized_one, snapshot("om", 3, 2), snapshot("om", 4, 1)]);
    let sizes: Vec<u64> = standing.sizes().iter().map(|(_, size)| size >> 20).collect();
    assert_eq!(sizes, [1, 2, 4]);
}

#[test]
fn no_more_sizes_are_at_hand_than_are_shown() {
    let snapshots: Vec<_> = (0..40).map(|nth| snapshot("om", nth, nth as u64)).collect();
    let standing = standing(snapshots);
    let sizes: Vec<u64> = standing.sizes().iter().map(|(_, size)| size >> 20).collect();
    assert_eq!(sizes, (0..30).rev().collect::<Vec<_>>());
    assert_eq!((standing.snapshots.open().len(), standing.count_good()), (40, Some(40)));
}

#[test]
fn of_the_runs_those_are_at_hand_that_tell_how_it_goes() {
    let runs = [(1, Some("new")), (2, Some("old")), (3, None), (4, None)].map(|(hours, error)| run(hours, error));
    for all in [&runs[..], &runs[2..], &runs[..2], &[]] {
        let scheduled = scheduled("nightly", all.to_vec());
        assert_eq!(scheduled.runs.open(), all);
        assert_eq!(scheduled.last_run(), all.first());
        assert_eq!(scheduled.last_success(), all.iter().find(|run| run.error.is_none()));
        assert_eq!(scheduled.last_failure(), all.iter().find(|run| run.error.is_some()));
    }
}

#[test]
fn the_worst_come_first() {
    let policy = policy();
    let of = |name: &str, snapshots: Vec<i64>| {
        let snapshots = snapshots.into_iter().map(|hours| snapshot(name, hours, 1)).collect();
        Standing::of(facts(name, Some(&policy), snapshots))
    };
    let unread = Standing::of(Facts { listing: None, ..facts("unread", None, vec![]) });
    let late = vec![scheduled("nightly", vec![run(1, Some("gone"))])];
    let failing = Standing::of(Facts { schedules: late, ..facts("failing", None, vec![snapshot("failing", 1, 1)]) });
    let mut standings = [of("b", vec![1]), of("a", vec![1]), of("old", vec![99]), unread, failing, of("none", vec![])];
    standings.sort_by_cached_key(|standing| order(standing, now()));
    let names: Vec<&str> = standings.iter().map(|standing| standing.target.as_str()).collect();
    assert_eq!(names, ["none", "old", "unread", "failing", "a", "b"]);
}

#[tokio::test]
async fn a_look_reads_snapshots_and_the_histories_of_the_schedules_that_select_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let config = "version = 1\n[state]\nstore = 'local'\n[stores.local]\ntype = 'local'\npath = 'snapshots'\n
        [targets.notes]\nprovider = 'sqlite'\npath = 'notes.db'\nstore = 'local'\n
        [schedules.nightly]\ncron = '15 2 * * *'\ntargets = ['*']\nactions = ['create']\n
        [schedules.other]\ncron = '15 2 * * *'\ntargets = ['tag:team=om']\nactions = ['create']\n";
    std::fs::write(folder.path().join("snapkeep.toml"), config).unwrap();
    let config = crate::config::load(&folder.path().join("snapkeep.toml")).unwrap();
    assert!(config.schedules.values().all(|schedule: &Schedule| schedule.jitter.is_none()));
    let catalog = crate::catalog::Catalog::of(config);
    let target = catalog.targets.values().next().unwrap();
    let scope = crate::catalog::open(&catalog, target).await.unwrap().scope;
    for schedule in ["nightly", "gone"] {
        crate::history::change(&scope, schedule, |history| history.add(run(1, Some("gone")))).await.unwrap();
    }
    let standing = look(&catalog, target).await;
    let schedules: Vec<&str> = standing.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
    assert_eq!(schedules, ["nightly"]);
    assert_eq!(standing.last_error().unwrap().2.message, "gone");
    assert_eq!((standing.freshness(Utc::now()), standing.failures.len()), (Freshness::None, 0));
}
