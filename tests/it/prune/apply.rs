//! `prune apply`

use std::fs;
use std::process::Stdio;

use chrono::TimeDelta;
use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Fixed, Past, document, sorted, texts};
use crate::cli::until;

#[test]
fn a_plan_file_is_carried_out_once() {
    let (past, ids) = Past::of("keep_last = 2", [1, 2, 9, 10]);
    past.plan_file();
    assert_snapshot!(past.run("prune apply --plan plan.json"), @"
    exit 0
    --- stdout
    SNAPSHOT  SIZE  RESULT
    notes/[ID4]  [SIZE]  deleted
    notes/[ID3]  [SIZE]  deleted
    --- stderr
    notes: deleted 2
    ");
    assert_eq!(past.left(), sorted(&ids[..2]));
    assert_snapshot!(past.harmless("prune apply --plan plan.json"), @"
    exit 0
    --- stdout
    SNAPSHOT  SIZE  RESULT
    notes/[ID4]  -  absent
    notes/[ID3]  -  absent
    --- stderr
    notes: nothing to delete
    ");
}

#[test]
fn yes_plans_and_applies_and_then_has_nothing_to_do() {
    let (past, ids) = Past::of("keep_last = 2", [1, 2, 9]);
    assert_snapshot!(past.run("prune apply --yes"), @"
    exit 0
    --- stdout
    SNAPSHOT  SIZE  RESULT
    notes/[ID1]  [SIZE]  deleted
    --- stderr
    notes: deleted 1
    ");
    assert_eq!(past.left(), sorted(&ids[..2]));
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 0
    --- stderr
    notes: nothing to delete
    ");
}

#[test]
fn the_result_in_json_has_each_deletion() {
    let (past, ids) = Past::of("keep_last = 1", [1, 2, 9]);
    let ran = past.run("-q prune apply --yes -o json");
    let result = document(&ran);
    assert_eq!((ran.code, &result["kind"], ran.err.as_str()), (Some(0), &"PruneResult".into(), ""), "{ran}");
    assert_eq!(texts(&result, "id"), [ids[2].clone(), ids[1].clone()], "the oldest first");
    assert_eq!(texts(&result, "result"), ["deleted", "deleted"]);
}

#[test]
fn a_dry_run_deletes_nothing() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    for line in ["prune apply --yes --dry-run", "prune apply --plan plan.json --dry-run"] {
        let ran = past.harmless(&format!("-o json {line}"));
        assert_eq!(texts(&document(&ran), "verdict"), ["keep", "remove"], "{line}: {ran}");
        assert_eq!(ran.code, Some(0), "{line}: {ran}");
    }
}

#[test]
fn a_dry_run_of_what_is_refused_is_refused() {
    let (past, _) = Past::of("keep_last = 1\nmax_age = \"1h\"", [1, 9]);
    assert_snapshot!(past.harmless("prune apply --yes --dry-run"), @"
    exit 10
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID1]  [TIME]  [SIZE]  keep  last 1 of 1; newest good
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_last; max_age: the newest good snapshot is too old
    --- stderr
    error: notes: nothing was deleted: the newest good snapshot is 1d old, and max_age is 1h
    hint: make a new snapshot first: old ones are the only ones that you have
    notes: keep 1, remove 0 ([SIZE]), refused 1
    ");
}

#[test]
fn apply_wants_a_plan_or_a_yes() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    let ran = past.harmless("prune apply");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran}");
    assert!(ran.err.contains("--plan <FILE>"), "{ran}");
}

#[test]
fn the_limits_are_the_plans_and_can_not_be_raised_later() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    let ran = past.harmless("prune apply --plan plan.json --max-deletes 9");
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn a_plan_of_two_targets_can_be_carried_out_one_by_one() {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1");
    let [new, _] = past.days("notes", [1, 9]);
    let others = past.days("tasks", [1, 9]);
    past.plan_file();
    assert_eq!(past.run("-q prune apply notes --plan plan.json").code, Some(0));
    assert_eq!(past.left(), sorted([&new, &others[0], &others[1]]));
    let ran = past.harmless("-o json prune apply nots --plan plan.json");
    assert_eq!((ran.code, document(&ran)["errors"][0]["code"].as_str()), (Some(2), Some("unknown_target")), "{ran}");
    let ran = past.harmless("-q -o name prune apply tasks --plan plan.json --dry-run");
    assert_eq!(ran.out.trim_end(), others[1]);
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0));
    assert_eq!(past.left(), sorted([&new, &others[0]]));
}

#[test]
fn a_newer_snapshot_is_no_reason_to_refuse_and_a_missing_one_is() {
    let (past, ids) = Past::of("keep_last = 2", [1, 2, 9, 10]);
    past.plan_file();
    let newer = past.plant("notes", TimeDelta::hours(1));
    fs::remove_dir_all(past.stored(&ids[0], "")).unwrap();
    assert_snapshot!(past.harmless("prune apply --plan plan.json"), @"
    exit 10
    --- stderr
    error: the world has moved since the plan was made: notes/[ID1] is gone; nothing was deleted
    hint: make a new plan: `snapkeep prune plan`
    ");
    past.plan_file();
    let newest = past.plant("notes", TimeDelta::minutes(1));
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0));
    assert_eq!(past.left(), sorted([&ids[1], &newer, &newest]));
}

#[test]
fn what_changed_since_the_plan_stops_all() {
    let (past, ids) = Past::of("keep_last = 2", [1, 2, 9, 10]);
    past.plan_file();
    let manifest = past.stored(&ids[2], "manifest.json");
    let mut content: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    content["size_bytes"] = 4711.into();
    fs::write(&manifest, content.to_string()).unwrap();
    assert_snapshot!(past.harmless("prune apply --plan plan.json"), @"
    exit 10
    --- stderr
    error: the world has moved since the plan was made: notes/[ID3] has changed; nothing was deleted
    hint: make a new plan: `snapkeep prune plan`
    ");
}

#[test]
fn a_deletion_that_fails_stops_no_other_and_ends_with_3() {
    let (past, ids) = Past::of("keep_last = 1", [1, 8, 9, 10]);
    let Some(fixed) = Fixed::new(&past.stored(&ids[2], "")) else { return };
    let ran = past.run("-q -o json prune apply --yes");
    let result = document(&ran);
    assert_eq!((ran.code, result["errors"][0]["code"].as_str()), (Some(3), Some("permission")), "{ran}");
    assert_eq!(texts(&result, "result"), ["deleted", "failed", "deleted"], "{ran}");
    assert_eq!(past.left(), sorted([&ids[0], &ids[2]]));
    drop(fixed);
    assert_eq!(past.run("-q prune apply --yes").code, Some(0));
    assert_eq!(past.left(), ids[..1]);
}

/// A store that hangs: a snapshot whose manifest is a pipe that nobody writes to.
fn hang(past: &Past) {
    let fifo = past.path("snapshots/notes/20200101T000000Z-aaaa/manifest.json");
    fs::create_dir_all(fifo.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
}

#[test]
fn a_signal_ends_planning_and_applying_even_when_the_store_hangs() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    hang(&past);
    for line in ["prune plan", "prune apply --yes", "prune apply --plan plan.json"] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let mut command = past.command();
            command.args(["-o", "json"]).args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            until("the store is read", || waits_for_a_pipe(child.id()).then_some(()));
            kill_process(Pid::from_child(&child), signal).unwrap();
            let status = until("it ends", || child.try_wait().unwrap());
            assert_eq!(status.code(), Some(code), "{line}");
        }
    }
    fs::remove_dir_all(past.path("snapshots/notes/20200101T000000Z-aaaa")).unwrap();
    assert_eq!(past.left().len(), 2);
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0), "no lock is left");
}

/// Whether a thread of the process is in the open of a pipe: proc(5), `wchan` and, where that is hidden, `syscall`.
fn waits_for_a_pipe(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let read = |task: &fs::DirEntry, file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
    tasks
        .filter_map(Result::ok)
        .any(|task| read(&task, "wchan").contains("fifo") || read(&task, "stack").contains("fifo"))
}
