//! What never became a snapshot: shown by `doctor`, swept by `create` and `prune apply` after a day.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;

use super::Past;

const DAY: u64 = 24 * 3600;

/// Leaves a part of a dump without a manifest, last touched so long ago.
fn leave(past: &Past, id: &str, seconds: u64) {
    let folder = past.stored(id, "");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data.sqlite.zst#1"), "half").unwrap();
    age(&folder.join("data.sqlite.zst#1"), seconds);
    age(&folder, seconds);
}

fn age(path: &Path, seconds: u64) {
    let touched = SystemTime::now() - Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(touched).unwrap();
}

const OLD: &str = "notes/20260101T000000Z-aaaa";

#[test]
fn debris_of_more_than_a_day_is_swept_and_younger_stays() {
    let (past, ids) = Past::of("keep_last = 2", [1, 2]);
    leave(&past, OLD, DAY + 60);
    leave(&past, "notes/20260102T000000Z-bbbb", DAY - 60);
    assert_snapshot!(past.harmless("doctor"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  2, the newest good one is 1d old
    notes  debris  look  2 unfinished, [SIZE]: [ID1], [ID2]; 1 older than 24 h
                                     hint: `snapkeep create` and `snapkeep prune apply` sweep what is older than 24 h
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    ");
    past.harmless("prune plan");
    past.harmless("prune apply --yes --dry-run");
    assert_snapshot!(past.run("prune apply --yes"), @"
    exit 0
    --- stderr
    notes: deleted 0, swept 1 unfinished
    ");
    assert!(!past.stored(OLD, "").exists());
    assert!(past.stored("notes/20260102T000000Z-bbbb", "data.sqlite.zst#1").exists());
    assert_eq!(past.left().len(), ids.len());
    past.harmless("prune apply --yes");
}

#[test]
fn the_next_create_sweeps_too() {
    let (past, _) = Past::of("keep_last = 2", [1]);
    leave(&past, OLD, DAY + 60);
    leave(&past, "notes/20260102T000000Z-bbbb", DAY - 60);
    let created = past.run("create notes").to_string();
    assert!(created.contains("notes: swept 1 unfinished from before"), "{created}");
    assert!(!past.stored(OLD, "").exists());
    assert!(past.stored("notes/20260102T000000Z-bbbb", "").exists());
}

#[test]
fn a_dump_that_is_being_written_is_no_debris_however_long_it_takes() {
    let (past, _) = Past::of("keep_last = 2", [1]);
    leave(&past, OLD, 3 * DAY);
    age(&past.stored(OLD, "data.sqlite.zst#1"), 60);
    past.harmless("prune apply --yes");
    age(&past.stored(OLD, "data.sqlite.zst#1"), 3 * DAY);
    age(&past.stored(OLD, ""), 60);
    past.harmless("prune apply --yes");
}

#[test]
fn what_is_none_of_ours_is_no_debris() {
    let (past, _) = Past::of("keep_last = 2", [1]);
    for other in ["notes/lost+found", "notes/2026", "notes/20260101T000000Z-AAAA", "other/20260101T000000Z-aaaa"] {
        leave(&past, other, 3 * DAY);
    }
    past.harmless("prune apply --yes");
}

#[test]
fn debris_of_a_target_that_is_left_alone_stays() {
    let (past, _) = Past::of("keep_last = 1\nmax_age = \"1h\"", [1, 2]);
    leave(&past, OLD, 3 * DAY);
    assert_eq!(past.harmless("prune apply --yes").code, Some(10));
}

#[test]
fn doctor_knows_a_store_without_debris_and_one_without_a_good_snapshot() {
    let (past, []) = Past::of("keep_last = 1", []);
    assert_snapshot!(past.harmless("doctor"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  0, none is good
    notes  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    ");
}
