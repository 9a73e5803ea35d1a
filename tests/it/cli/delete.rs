//! `delete`

use std::fs;

use insta::assert_snapshot;

use super::{Bench, target};

#[test]
fn delete_removes_a_snapshot_and_its_files() {
    let bench = Bench::new();
    let first = bench.create();
    let second = bench.create();
    assert_snapshot!(bench.run(&format!("delete {first} --yes")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESULT
    notes/[ID1]  deleted
    --- stderr
    deleted notes/[ID1]
    ");
    assert_eq!(bench.ids(), [second]);
    assert!(!bench.stored(&first, "").exists());
    assert_eq!(bench.files().len(), 2);
}

#[test]
fn deleting_what_is_gone_is_done_already() {
    let bench = Bench::new();
    let id = bench.create();
    bench.create();
    assert_eq!(bench.run(&format!("delete {id} --yes")).code, Some(0));
    assert_snapshot!(bench.run(&format!("delete {id} --yes")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESULT
    notes/[ID1]  absent
    --- stderr
    notes/[ID1] is not there; nothing to delete
    ");
    let document = bench.run(&format!("delete {id} --yes -o json")).document();
    assert_eq!((&document["kind"], &document["items"][0]["result"]), (&"DeletionList".into(), &"absent".into()));
}

#[test]
fn several_are_deleted_and_one_that_fails_stops_no_other() {
    let bench = Bench::new();
    let (first, second) = (bench.create(), bench.create());
    bench.create();
    assert_snapshot!(bench.run(&format!("delete {first} notes/2026 {second} --yes")), @"
    exit 3
    --- stdout
    SNAPSHOT  RESULT
    notes/[ID1]  deleted
    notes/[ID2]  deleted
    --- stderr
    deleted notes/[ID1]
    deleted notes/[ID2]
    error: notes/2026 means 2 snapshots: notes/[ID3], notes/[ID2]
    hint: type more of the id
    ");
    assert_eq!(bench.ids().len(), 1);
}

#[test]
fn an_unknown_target_stops_all_before_anything_is_gone() {
    let bench = Bench::new();
    let first = bench.create();
    bench.create();
    assert_snapshot!(bench.run(&format!("delete {first} nots/x --yes")), @r#"
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    "#);
    assert_eq!(bench.ids().len(), 2);
}

#[test]
fn without_yes_and_with_no_one_to_ask_nothing_is_deleted() {
    let bench = Bench::new();
    let id = bench.create();
    bench.create();
    assert_snapshot!(bench.run(&format!("delete {id}")), @"
    exit 2
    --- stderr
    error: deleting needs a confirmation, and no one can be asked
    hint: add `--yes`
    ");
    assert_snapshot!(bench.run(&format!("delete {id} --no-input -o json")), @"
    exit 2
    --- stderr
    error: deleting needs a confirmation, and no one can be asked
    hint: add `--yes`
    ");
    assert_eq!(bench.ids().len(), 2);
}

#[test]
fn the_last_good_snapshot_goes_only_by_force_and_its_whole_id() {
    let bench = Bench::new();
    let id = bench.create();
    assert_snapshot!(bench.run(&format!("delete {id} --yes")), @"
    exit 10
    --- stderr
    error: cannot delete notes/[ID1]: it is the last good snapshot of notes
    hint: if it must go: `snapkeep delete notes/[ID1] --yes --force`
    ");
    assert_snapshot!(bench.run(&format!("delete {} --yes --force", &id[..id.len() - 1])), @"
    exit 10
    --- stderr
    error: cannot delete notes/[ID1]: `--force` wants the id typed in full
    hint: if it must go: `snapkeep delete notes/[ID1] --yes --force`
    ");
    assert_eq!(bench.run("delete notes/latest --yes --force -o json").error_codes(), ["refused"]);
    assert_eq!(bench.ids().len(), 1);
    assert_eq!(bench.run(&format!("delete {id} --yes --force")).code, Some(0));
    assert!(bench.ids().is_empty() && bench.files().is_empty());
}

#[test]
fn deleting_all_keeps_the_last_good_one_of_each_target() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("tasks", "tasks.db", "")]);
    for target in ["notes", "notes", "notes", "tasks"] {
        bench.create_of(target);
    }
    let ran = bench.run(&format!("delete {} --yes", bench.ids().join(" ")));
    assert_eq!(ran.code, Some(3), "{ran}");
    let left = bench.ids();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].starts_with("notes/") && left[1].starts_with("tasks/"));
}

#[test]
fn a_dry_run_deletes_nothing_and_obeys_the_same_rules() {
    let bench = Bench::new();
    let id = bench.create();
    assert_eq!(bench.run(&format!("delete {id} --dry-run")).code, Some(10), "the last good one");
    bench.create();
    assert_snapshot!(bench.run(&format!("delete {id} --dry-run")), @"
    exit 0
    --- stderr
    would delete notes/[ID1]
    ");
    assert_eq!(bench.ids().len(), 2);
    assert_eq!(bench.files().len(), 4);
}

#[test]
fn an_id_that_is_a_path_deletes_nothing() {
    let bench = Bench::new();
    bench.create();
    bench.create();
    fs::create_dir_all(bench.path("snapshots/other")).unwrap();
    fs::write(bench.path("snapshots/other/manifest.json"), "{}").unwrap();
    let before = bench.files();
    for id in ["notes/../other", "notes/..", "notes/.", "notes//"] {
        bench.run(&format!("delete {id} --yes"));
        bench.run(&format!("delete {id} --yes --force"));
    }
    assert_eq!(bench.run("delete ../other --yes").code, Some(2));
    assert_eq!(bench.files(), before);
}
