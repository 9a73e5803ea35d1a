//! The rules that leave a whole target alone, and what becomes of the others.

use std::fs;

use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::json;

use super::{Past, document, sorted, texts};

fn truncate(past: &Past, id: &str) {
    let manifest = past.stored(id, "manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &text[..60]).unwrap();
}

#[test]
fn more_than_max_deletes_is_refused_and_the_flag_is_named() {
    let (past, ids) = Past::of("keep_last = 1\nmax_deletes = 2", [1, 7, 8, 9]);
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID1]  [TIME]  [SIZE]  keep  last 1 of 1; newest good
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_last; too many deletions for one run
    notes/[ID3]  [TIME]  [SIZE]  refused  in no slot of keep_last; too many deletions for one run
    notes/[ID4]  [TIME]  [SIZE]  refused  in no slot of keep_last; too many deletions for one run
    --- stderr
    warning: notes: nothing may be deleted: 3 snapshots would be deleted, and max_deletes is 2; look at the plan; if it is right, raise the limit for this run with `--max-deletes N`
    notes: keep 1, remove 0 ([SIZE]), refused 3
    ");
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 10
    --- stderr
    error: notes: nothing was deleted: 3 snapshots would be deleted, and max_deletes is 2
    hint: look at the plan; if it is right, raise the limit for this run with `--max-deletes N`
    ");
    assert_eq!(past.harmless("prune apply --yes --max-deletes 2").code, Some(10));
    assert_eq!(past.run("prune apply --yes --max-deletes 3").code, Some(0));
    assert_eq!(past.left(), ids[..1]);
}

#[test]
fn more_than_max_delete_percent_is_refused_and_the_flag_is_named() {
    let (past, ids) = Past::of("keep_last = 2\nmax_delete_percent = 50", [1, 2, 7, 8, 9]);
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 10
    --- stderr
    error: notes: nothing was deleted: 3 of 5 snapshots would be deleted, and max_delete_percent is 50
    hint: look at the plan; if it is right, raise the limit for this run with `--max-delete-percent N`
    ");
    assert_eq!(past.harmless("prune apply --yes --max-delete-percent 59").code, Some(10));
    assert_eq!(past.run("prune apply --yes --max-delete-percent 60").code, Some(0));
    assert_eq!(past.left(), sorted(&ids[..2]));
}

#[test]
fn exactly_the_limit_is_not_more() {
    let (past, _) = Past::of("keep_last = 2\nmax_deletes = 2\nmax_delete_percent = 50", [1, 2, 7, 8]);
    assert_eq!(past.run("prune apply --yes").code, Some(0));
    assert_eq!(past.left().len(), 2);
}

#[test]
fn both_limits_are_named_at_once() {
    let (past, _) = Past::of("keep_last = 1\nmax_deletes = 1\nmax_delete_percent = 10", [1, 2, 7]);
    let ran = past.harmless("prune apply --yes");
    assert_eq!(ran.code, Some(10), "{ran}");
    assert!(ran.err.contains("--max-deletes N") && ran.err.contains("--max-delete-percent N"), "{ran}");
}

#[test]
fn a_percentage_is_1_to_100() {
    let (past, _) = Past::of("keep_last = 1", [1, 2]);
    for wrong in ["0", "101", "-1", "x"] {
        assert_eq!(past.harmless(&format!("prune apply --yes --max-delete-percent {wrong}")).code, Some(2), "{wrong}");
        assert_eq!(past.harmless(&format!("prune plan --max-delete-percent {wrong}")).code, Some(2), "{wrong}");
    }
}

#[test]
fn a_refused_plan_in_a_file_is_refused_and_names_the_flag() {
    let (past, _) = Past::of("keep_last = 1\nmax_deletes = 1", [1, 7, 8]);
    past.plan_file();
    assert_snapshot!(past.harmless("prune apply --plan plan.json"), @"
    exit 10
    --- stderr
    error: notes: nothing was deleted: 2 snapshots would be deleted, and max_deletes is 1
    hint: look at the plan; if it is right, raise the limit for this run with `--max-deletes N`
    ");
    past.run("-q prune plan --max-deletes 2 --out plan.json");
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0));
    assert_eq!(past.left().len(), 1);
}

#[test]
fn nothing_goes_while_the_newest_is_too_old() {
    let (past, _) = Past::of("keep_last = 1\nmax_age = \"36h\"", [3, 7, 8]);
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID1]  [TIME]  [SIZE]  keep  last 1 of 1; newest good
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_last; max_age: the newest good snapshot is too old
    notes/[ID3]  [TIME]  [SIZE]  refused  in no slot of keep_last; max_age: the newest good snapshot is too old
    --- stderr
    warning: notes: nothing may be deleted: the newest good snapshot is 3d old, and max_age is 1d 12h; make a new snapshot first: old ones are the only ones that you have
    notes: keep 1, remove 0 ([SIZE]), refused 2
    ");
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 10
    --- stderr
    error: notes: nothing was deleted: the newest good snapshot is 3d old, and max_age is 1d 12h
    hint: make a new snapshot first: old ones are the only ones that you have
    ");
    past.plan_file();
    assert_eq!(past.harmless("prune apply --plan plan.json").code, Some(10));
    let newest = past.plant("notes", TimeDelta::hours(1));
    assert_eq!(past.run("prune apply --yes").code, Some(0));
    assert_eq!(past.left(), [newest]);
}

#[test]
fn nothing_goes_while_a_snapshot_is_in_the_future() {
    let (past, _) = Past::of("keep_last = 1", [1, 7, 8]);
    past.plan_file();
    past.plant("notes", -TimeDelta::hours(2) - TimeDelta::minutes(1));
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID4]  [TIME]  [SIZE]  keep  last 1 of 1; newest good
    notes/[ID1]  [TIME]  [SIZE]  refused  in no slot of keep_last; a snapshot is in the future
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_last; a snapshot is in the future
    notes/[ID3]  [TIME]  [SIZE]  refused  in no slot of keep_last; a snapshot is in the future
    --- stderr
    warning: notes: nothing may be deleted: a snapshot is 2h in the future: a clock is wrong; set the clock of this machine, or of the one that made the snapshot
    notes: keep 1, remove 0 ([SIZE]), refused 3
    ");
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 10
    --- stderr
    error: notes: nothing was deleted: a snapshot is 2h in the future: a clock is wrong
    hint: set the clock of this machine, or of the one that made the snapshot
    ");
    assert_eq!(past.harmless("prune apply --plan plan.json").code, Some(10));
}

#[test]
fn a_manifest_that_can_not_be_read_stops_its_target() {
    let (past, ids) = Past::of("keep_last = 1", [1, 7, 8]);
    past.plan_file();
    truncate(&past, &ids[2]);
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 9
    --- stderr
    error: dump: cannot read the manifest of notes/[ID3]: it is damaged or cut short
    caused by: EOF while parsing a string at line 1 column 60
    hint: look at it: [DIR]/snapshots/notes/[ID3]/manifest.json
    ");
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 9
    --- stderr
    error: dump: cannot read the manifest of notes/[ID3]: it is damaged or cut short
    caused by: EOF while parsing a string at line 1 column 60
    hint: look at it: [DIR]/snapshots/notes/[ID3]/manifest.json
    ");
    assert_eq!(past.harmless("prune plan --exit-code").code, Some(9));
    assert_eq!(past.harmless("prune apply --plan plan.json").code, Some(9));
    let ran = past.harmless("prune plan -o json");
    assert_eq!(
        (&document(&ran)["items"], document(&ran)["errors"][0]["code"].as_str()),
        (&json!([]), Some("verification"))
    );
}

#[test]
fn a_manifest_that_can_not_be_read_stops_no_other_target() {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1");
    let ids = past.days("notes", [1, 7]);
    let [new, _] = past.days("tasks", [1, 7]);
    truncate(&past, &ids[1]);
    let ran = past.harmless("prune plan -o json --out plan.json");
    assert_eq!((ran.code, texts(&document(&ran), "target")), (Some(3), vec!["tasks".to_owned(); 2]), "{ran}");
    assert_eq!(past.harmless("prune plan --exit-code").code, Some(3));
    assert_snapshot!(past.run("prune apply --yes"), @"
    exit 3
    --- stdout
    SNAPSHOT  SIZE  RESULT
    tasks/[ID2]  [SIZE]  deleted
    --- stderr
    tasks: deleted 1
    error: dump: cannot read the manifest of notes/[ID3]: it is damaged or cut short
    caused by: EOF while parsing a string at line 1 column 60
    hint: look at it: [DIR]/snapshots/notes/[ID3]/manifest.json
    ");
    assert_eq!(past.left(), sorted([&ids[0], &ids[1], &new]));
}

#[test]
fn one_refused_and_one_pruned_is_partial() {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1\nmax_age = \"36h\"");
    let stale = past.days("notes", [5, 7]);
    let [new, _] = past.days("tasks", [1, 7]);
    assert_eq!(past.harmless("prune plan").code, Some(0));
    assert_snapshot!(past.run("prune apply --yes"), @"
    exit 3
    --- stdout
    SNAPSHOT  SIZE  RESULT
    tasks/[ID4]  [SIZE]  deleted
    --- stderr
    tasks: deleted 1
    error: notes: nothing was deleted: the newest good snapshot is 5d old, and max_age is 1d 12h
    hint: make a new snapshot first: old ones are the only ones that you have
    ");
    assert_eq!(past.left(), sorted([&stale[0], &stale[1], &new]));
    let ran = past.harmless("prune apply --yes -o json");
    assert_eq!(ran.code, Some(3), "one is refused, the other has nothing to do: {ran}");
    assert_eq!(document(&ran)["errors"][0]["target"], "notes");
}

#[test]
fn one_refused_and_one_unreadable_is_a_failure() {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1\nmax_age = \"36h\"");
    past.days("notes", [5, 7]);
    let [_, old] = past.days("tasks", [1, 7]);
    truncate(&past, &old);
    let ran = past.harmless("prune apply --yes");
    assert_eq!(ran.code, Some(1), "{ran}");
}

#[test]
fn the_last_good_one_and_min_keep_are_told() {
    let (past, _) = Past::of("keep_within = \"1h\"\nmin_keep = 3", [5, 6, 7, 8]);
    assert_snapshot!(past.run("-q prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID1]  [TIME]  [SIZE]  keep  within 1h; newest good
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_within; min_keep 3
    notes/[ID3]  [TIME]  [SIZE]  refused  in no slot of keep_within; min_keep 3
    notes/[ID4]  [TIME]  [SIZE]  remove  in no slot of keep_within
    ");
    assert_eq!(past.run("-q prune apply --yes").code, Some(0));
    assert_eq!(past.left().len(), 3);
}

#[test]
fn a_store_that_is_not_there_is_no_reason_to_delete() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    fs::rename(past.path("snapshots"), past.path("elsewhere")).unwrap();
    let ran = past.run("prune apply --plan plan.json");
    assert_eq!(ran.code, Some(10), "{ran}");
    fs::remove_dir_all(past.path("snapshots")).ok();
    fs::rename(past.path("elsewhere"), past.path("snapshots")).unwrap();
    assert_eq!(past.left().len(), 2);
}
