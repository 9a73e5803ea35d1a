use snapkeep_providers::memory::{Fault, Verb};
use snapkeep_providers::model::{Debris, Origin, SnapshotState, Verified, VerifyLevel};
use tokio_util::sync::CancellationToken;

use self::bed::{Bed, Change, all, hold, hold_over_claim, minute, shown};
use super::*;

mod bed;

#[tokio::test]
async fn what_the_plan_removes_goes_and_the_oldest_first() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Deleted
    mem-0002: Deleted
    mem-0003: Deleted
    mem-0004: Deleted
    ");
    assert_eq!(bed.left().await, all([5, 6]));
    assert_eq!(*bed.meddling.asked.lock().unwrap(), ["mem-0001", "mem-0002", "mem-0003", "mem-0004"]);
}

#[tokio::test]
async fn a_plan_that_was_carried_out_has_nothing_left_to_do() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.apply(&plan).await;
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Absent
    mem-0002: Absent
    mem-0003: Absent
    mem-0004: Absent
    ");
    assert_eq!(bed.left().await, all([5, 6]));
}

#[tokio::test]
async fn a_snapshot_made_since_is_no_reason_to_refuse_and_stays() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.create().await;
    bed.memory.add_foreign(Origin::Manual);
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([5, 6, 7, 8]));
}

// What was kept

#[tokio::test]
async fn a_kept_good_one_that_is_gone_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.delete_elsewhere("mem-0006").await;
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: om/mem-0006 is gone; nothing was deleted");
}

#[tokio::test]
async fn a_kept_good_one_that_is_bad_now_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.change("mem-0005", |snapshot| {
        snapshot.verified = Some(Verified { at: minute(11), level: VerifyLevel::Checksum, ok: false });
    });
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: om/mem-0005 is not good any more; nothing was deleted");
    bed.change("mem-0005", |snapshot| snapshot.state = SnapshotState::Deleting);
    assert!(bed.refused(&plan).await.contains("not good any more"));
}

#[tokio::test]
async fn a_floor_that_stood_on_an_adoption_is_gone_with_it() {
    let bed = Bed::of("keep_last = 1\nmin_keep = 1").await;
    let foreign = bed.memory.add_foreign(Origin::Manual);
    bed.adopt(&foreign).await;
    let plan = bed.plan().await;
    marks::forget(&bed.opened.scope, &foreign, Reuse::Possible).await.unwrap();
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: 0 good ones would be left, and min_keep is 1; nothing was deleted");
}

#[tokio::test]
async fn the_last_verified_one_goes_no_more_when_the_one_that_is_kept_is_unverified_now() {
    fn verified(snapshot: &mut Snapshot) {
        snapshot.verified = Some(Verified { at: minute(9), level: VerifyLevel::Restore, ok: true });
    }
    let bed = Bed::new().await;
    bed.change("mem-0003", verified);
    bed.change("mem-0005", verified);
    let plan = bed.plan().await;
    bed.change("mem-0005", |_| {});
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: no verified one would be left; nothing was deleted");
}

// What was to go

#[tokio::test]
async fn a_hold_since_the_plan_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.hold("mem-0003").await;
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: om/mem-0003 is held: audit; nothing was deleted");
}

#[tokio::test]
async fn a_hold_on_what_is_kept_is_no_reason_to_refuse() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.hold("mem-0006").await;
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([5, 6]));
}

#[tokio::test]
async fn what_was_to_go_and_changed_stops_all() {
    let changes: [Change; 6] = [
        |snapshot| snapshot.size_bytes = Some(4711),
        |snapshot| snapshot.created_at = Some(minute(-5)),
        |snapshot| snapshot.origin = Origin::Manual,
        |snapshot| snapshot.state = SnapshotState::Unknown,
        |snapshot| snapshot.locked_until = Some(minute(600)),
        |snapshot| snapshot.verified = Some(Verified { at: minute(11), level: VerifyLevel::Restore, ok: true }),
    ];
    for change in changes {
        let bed = Bed::new().await;
        let plan = bed.plan().await;
        bed.change("mem-0002", change);
        let shown = bed.refused(&plan).await;
        assert!(shown.starts_with("10 ") && shown.contains("om/mem-0002 has changed"), "{shown}");
    }
}

#[tokio::test]
async fn what_somebody_else_deleted_of_the_good_ones_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.delete_elsewhere("mem-0002").await;
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: om/mem-0002 is gone; nothing was deleted");
}

#[tokio::test]
async fn what_somebody_else_deleted_of_the_bad_ones_is_gone_and_no_more() {
    let bed = Bed::new().await;
    bed.change("mem-0002", |snapshot| {
        snapshot.verified = Some(Verified { at: minute(9), level: VerifyLevel::Checksum, ok: false });
    });
    let plan = bed.plan().await;
    bed.delete_elsewhere("mem-0002").await;
    assert!(bed.apply(&plan).await.contains("mem-0002: Absent"));
    assert_eq!(bed.left().await, all([5, 6]));
}

// The list and the clock

#[tokio::test]
async fn an_incomplete_list_stops_all_with_the_code_of_its_cause() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    for (fault, exit) in
        [(Fault::IncompleteList, "6 "), (Fault::Throttle, "6 "), (Fault::Denied, "5 "), (Fault::Unreachable, "1 ")]
    {
        bed.memory.script(Verb::List, fault);
        let run = Run::silent();
        let lock = bed.lock().await;
        let applied = apply(&bed.opened, &bed.policy, &plan.digest, &plan.planned, &lock, &run, &|| minute(12)).await;
        drop(lock);
        assert!(shown(&applied).starts_with(exit), "{fault:?}: {}", shown(&applied));
        assert_eq!(bed.left().await, all(1..=6), "{fault:?}");
    }
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([5, 6]), "the same plan is good when the list is whole");
}

#[tokio::test]
async fn what_got_stale_since_the_plan_is_left_alone() {
    let bed = Bed::of("keep_last = 2\nmax_age = \"1h\"").await;
    let plan = bed.plan().await;
    insta::assert_snapshot!(bed.apply_at(&plan, minute(66)).await, @"10 om: nothing was deleted: the newest good snapshot is 1h 1m old, and max_age is 1h");
    assert_eq!(bed.left().await, all(1..=6));
    bed.apply_at(&plan, minute(65)).await;
    assert_eq!(bed.left().await, all([5, 6]));
}

#[tokio::test]
async fn a_clock_that_went_back_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    insta::assert_snapshot!(bed.apply_at(&plan, minute(3)).await, @"10 om: nothing was deleted: a snapshot is 2m in the future: a clock is wrong");
    assert_eq!(bed.left().await, all(1..=6));
}

#[tokio::test]
async fn the_clock_is_asked_when_the_list_is_read_so_nothing_in_it_is_in_the_future() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.memory.script(Verb::List, Fault::Denied);
    let clock = || panic!("it is asked too early");
    let lock = bed.lock().await;
    let applied = apply(&bed.opened, &bed.policy, &plan.digest, &plan.planned, &lock, &Run::silent(), &clock).await;
    assert_eq!(applied.failures[0].exit, 5);
}

// What goes wrong on the way

#[tokio::test]
async fn a_deletion_that_fails_stops_no_other() {
    for (fault, exit) in
        [(Fault::FailedOperation, 1), (Fault::Throttle, 6), (Fault::Denied, 5), (Fault::Unreachable, 1)]
    {
        let bed = Bed::new().await;
        let plan = bed.plan().await;
        bed.memory.script(Verb::Delete, fault);
        let shown = bed.apply(&plan).await;
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..4], ["mem-0001: Failed", "mem-0002: Deleted", "mem-0003: Deleted", "mem-0004: Deleted"]);
        assert!(lines[4].starts_with(&format!("{exit} memory: cannot delete om/mem-0001: ")), "{shown}");
        assert_eq!(bed.left().await, all([1, 5, 6]));
        assert_eq!(
            bed.apply(&plan).await.lines().next(),
            Some("mem-0001: Deleted"),
            "the same plan ends what it began"
        );
        assert_eq!(bed.left().await, all([5, 6]));
    }
}

#[tokio::test]
async fn one_that_can_not_be_read_again_is_not_deleted() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.memory.script(Verb::Get, Fault::Throttle);
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Failed
    mem-0002: Deleted
    mem-0003: Deleted
    mem-0004: Deleted
    6 memory: cannot read om/mem-0001: the rate limit is reached
    ");
    assert_eq!(bed.left().await, all([1, 5, 6]));
}

#[tokio::test]
async fn a_lost_answer_is_a_failure_once_and_then_absent() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.memory.script(Verb::Delete, Fault::LostResponse);
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Failed
    mem-0002: Deleted
    mem-0003: Deleted
    mem-0004: Deleted
    1 memory: cannot delete om/mem-0001: the connection broke before the answer
    ");
    assert!(bed.apply(&plan).await.starts_with("mem-0001: Absent\n"));
    assert_eq!(bed.left().await, all([5, 6]));
}

#[tokio::test]
async fn an_interruption_keeps_the_rest_and_the_same_plan_carries_on() {
    let mut bed = Bed::new().await;
    let plan = bed.plan().await;
    let cancel = bed.cancel.clone();
    bed.before_deletion(1, async move { cancel.cancel() });
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Deleted
    mem-0002: Deleted
    130 interrupted before om/mem-0003 was deleted
    ");
    assert_eq!(bed.left().await, all(3..=6));
    bed.cancel = CancellationToken::new();
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Absent
    mem-0002: Absent
    mem-0003: Deleted
    mem-0004: Deleted
    ");
    assert_eq!(bed.left().await, all([5, 6]));
}

#[tokio::test]
async fn what_is_carried_on_still_refuses_when_a_kept_one_is_gone() {
    let mut bed = Bed::new().await;
    let plan = bed.plan().await;
    let cancel = bed.cancel.clone();
    bed.before_deletion(0, async move { cancel.cancel() });
    bed.apply(&plan).await;
    bed.cancel = CancellationToken::new();
    bed.delete_elsewhere("mem-0005").await;
    assert!(bed.apply(&plan).await.contains("om/mem-0005 is gone"));
    assert_eq!(bed.left().await, all([2, 3, 4, 6]));
}

#[tokio::test]
async fn a_hold_in_the_middle_keeps_that_one_and_the_rest() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    let scope = bed.opened.scope.clone();
    bed.before_deletion(1, async move { hold(&scope, "mem-0003").await });
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Deleted
    mem-0002: Deleted
    10 the world has moved while the plan was applied: om/mem-0003 is held: audit; the rest stays
    ");
    assert_eq!(bed.left().await, all(3..=6));
}

#[tokio::test]
async fn a_deletion_that_fails_takes_no_hold_away_that_came_over_its_claim() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    let scope = bed.opened.scope.clone();
    bed.before_deletion(0, async move { hold_over_claim(&scope, "mem-0001").await });
    bed.memory.script(Verb::Delete, Fault::Unreachable);
    assert!(bed.apply(&plan).await.starts_with("mem-0001: Failed\n"));
    let held = bed.opened.get(&NativeId::new("mem-0001")).await.unwrap().snapshot.hold;
    assert_eq!(held.map(|hold| hold.reason), Some("audit".to_owned()));
}

#[tokio::test]
async fn a_deletion_that_fails_gives_its_claim_back() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.memory.script(Verb::Delete, Fault::Unreachable);
    bed.apply(&plan).await;
    bed.hold("mem-0001").await;
}

// What is remembered

#[tokio::test]
async fn nothing_is_deleted_when_nothing_can_be_remembered() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    let plans = bed.folder.path().join("state");
    std::fs::remove_dir_all(&plans).ok();
    std::fs::create_dir(&plans).unwrap();
    let own = bed.opened.scope.clone();
    hold(&own, "mem-none").await;
    let folder = std::fs::read_dir(&plans).unwrap().next().unwrap().unwrap().path();
    std::fs::write(folder.join("plans"), "in the way").unwrap();
    let shown = bed.refused(&plan).await;
    assert!(shown.starts_with("1 state: cannot "), "{shown}");
}

#[tokio::test]
async fn a_plan_that_deletes_nothing_is_not_remembered() {
    let bed = Bed::of("keep_last = 6").await;
    let plan = bed.plan().await;
    bed.apply(&plan).await;
    assert_eq!(bed.opened.scope.all::<serde_json::Value>(BEGUN).await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_hold_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.hold("mem-0009").await;
    let target = std::fs::read_dir(bed.folder.path().join("state")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(target.join("holds/mem-0009.json"), "{\"reason\":").unwrap();
    let shown = bed.refused(&plan).await;
    assert!(shown.starts_with("9 state: cannot read "), "{shown}");
}

#[tokio::test]
async fn the_marks_of_what_is_deleted_are_forgotten() {
    let bed = Bed::new().await;
    let early = bed.memory.add_foreign(Origin::Manual);
    bed.adopt(&early).await;
    bed.create().await;
    bed.create().await;
    let plan = bed.plan().await;
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([8, 9]));
    assert_eq!(bed.opened.scope.all::<serde_json::Value>("adopted").await.unwrap(), []);
}

#[tokio::test]
async fn debris_is_swept_when_its_grace_is_over() {
    let bed = Bed::new().await;
    let debris = |name: &str, touched_at| Debris { native_id: NativeId::new(name), touched_at, size_bytes: 1 };
    let day = TimeDelta::hours(24);
    let (young, old) = (debris("young", minute(12) - day), debris("old", minute(11) - day));
    *bed.meddling.debris.lock().unwrap() = vec![young.clone(), old];
    let plan = bed.plan().await;
    bed.apply(&plan).await;
    assert_eq!(*bed.meddling.debris.lock().unwrap(), [young]);
}

#[tokio::test]
async fn a_lock_that_was_taken_away_stops_the_next_deletion() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    let (lock, run) = (bed.lock().await, Run::silent());
    std::fs::remove_file(bed.folder.path().join("state/om/lock/target.json")).unwrap();
    let _thief = bed.lock().await;
    let applied = apply(&bed.opened, &bed.policy, &plan.digest, &plan.planned, &lock, &run, &|| minute(12)).await;
    assert_eq!((applied.deleted.len(), applied.failures[0].exit), (0, 11));
}

// Clouds that take their time, and what is others'

#[tokio::test]
async fn what_an_earlier_run_began_to_delete_counts_as_gone() {
    let mut bed = Bed::new().await;
    let plan = bed.plan().await;
    *bed.meddling.slow.lock().unwrap() = true;
    let cancel = bed.cancel.clone();
    bed.before_deletion(1, async move { cancel.cancel() });
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Deleted
    mem-0002: Deleted
    130 interrupted before om/mem-0003 was deleted
    ");
    bed.cancel = CancellationToken::new();
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Absent
    mem-0002: Absent
    mem-0003: Deleted
    mem-0004: Deleted
    ");
    assert_eq!(*bed.meddling.asked.lock().unwrap(), ["mem-0001", "mem-0002", "mem-0003", "mem-0004"], "each once");
}

#[tokio::test]
async fn what_somebody_else_is_deleting_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    bed.change("mem-0002", |snapshot| snapshot.state = SnapshotState::Deleting);
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 the world has moved since the plan was made: om/mem-0002 is being deleted by somebody else; nothing was deleted");
}

#[tokio::test]
async fn what_somebody_else_begins_to_delete_meanwhile_stops_the_rest() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    let meddling = bed.meddling.clone();
    bed.before_deletion(0, async move {
        let deleting: Change = |snapshot| snapshot.state = SnapshotState::Deleting;
        meddling.changes.lock().unwrap().insert("mem-0002".to_owned(), deleting);
    });
    insta::assert_snapshot!(bed.apply(&plan).await, @r"
    mem-0001: Deleted
    10 the world has moved while the plan was applied: om/mem-0002 is being deleted by somebody else; the rest stays
    ");
}

#[tokio::test]
async fn what_another_account_shares_is_in_no_plan_and_stays() {
    let bed = Bed::new().await;
    let shared = bed.memory.add_foreign(Origin::Shared);
    bed.change(shared.as_str(), |snapshot| snapshot.created_at = Some(minute(6000)));
    let plan = bed.plan().await;
    assert!(plan.planned.iter().all(|planned| planned.native != shared));
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([5, 6, 7]), "one in the future, of others, is no reason to refuse either");
    bed.apply(&bed.plan().await).await;
    assert_eq!(bed.left().await, all([5, 6, 7]));
}

#[tokio::test]
async fn a_clock_that_is_off_the_providers_since_the_plan_stops_all() {
    let bed = Bed::new().await;
    let plan = bed.plan().await;
    *bed.meddling.clock_ahead.lock().unwrap() = Some(TimeDelta::minutes(-6));
    insta::assert_snapshot!(bed.refused(&plan).await, @"10 om: nothing was deleted: the clock of this machine is 6m ahead of the provider's");
    *bed.meddling.clock_ahead.lock().unwrap() = Some(TimeDelta::minutes(5));
    bed.apply(&plan).await;
    assert_eq!(bed.left().await, all([5, 6]));
}
