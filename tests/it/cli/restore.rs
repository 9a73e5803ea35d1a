//! `restore`

use std::fs;
use std::process::Stdio;

use insta::assert_snapshot;
use rusqlite::Connection;

use super::{Bench, below, until};

#[test]
fn restore_makes_a_new_file_of_what_was_there() {
    let bench = Bench::new();
    let id = bench.create();
    bench.sql("notes.db", "DELETE FROM notes");
    assert_snapshot!(bench.run(&format!("restore {id} --to restored.db")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    notes/[ID1]  [DIR]/restored.db
    --- stderr
    notes: restored notes/[ID1] to [DIR]/restored.db, in [DURATION]
    ");
    assert_eq!(bench.notes("restored.db"), ["one", "two", "three"]);
    assert!(bench.notes("notes.db").is_empty(), "the target itself stays as it is");
    let document = bench.run(&format!("restore {id} --to again.db -o json")).document();
    assert_eq!(document["kind"], "RestoreList");
    assert_eq!(document["items"][0]["to"], bench.path("again.db").display().to_string());
}

#[test]
fn restore_finds_the_snapshot_by_prefix_or_latest() {
    let bench = Bench::new();
    let id = bench.create();
    assert_eq!(bench.run(&format!("restore {} --to a.db", &id[..id.len() - 2])).code, Some(0));
    assert_eq!(bench.run("restore notes/latest --to b.db").code, Some(0));
    assert_eq!(bench.notes("a.db"), bench.notes("b.db"));
    bench.create();
    assert_eq!(bench.run("restore notes/2 --to c.db").code, Some(2), "ambiguous");
    assert!(!bench.path("c.db").exists());
}

#[test]
fn restore_never_writes_over_a_file_that_holds_something() {
    let bench = Bench::new();
    let id = bench.create();
    fs::write(bench.path("mine.db"), "precious").unwrap();
    assert_snapshot!(bench.run(&format!("restore {id} --to mine.db")), @"
    exit 10
    --- stderr
    error: notes: sqlite: cannot restore to [DIR]/mine.db: it exists and is not empty
    hint: choose another name with `--to FILE`
    ");
    assert_eq!(bench.run(&format!("restore {id} --to mine.db -o json")).error_codes(), ["refused"]);
    assert_eq!(fs::read_to_string(bench.path("mine.db")).unwrap(), "precious");
    assert_eq!(bench.run(&format!("restore {id} --to notes.db")).code, Some(10), "nor over the target itself");
    assert_eq!(bench.run(&format!("restore {id} --to .")).code, Some(10), "nor over a folder");
}

#[test]
fn restore_into_a_file_that_is_there_and_empty_works() {
    let bench = Bench::new();
    let id = bench.create();
    fs::write(bench.path("empty.db"), "").unwrap();
    assert_eq!(bench.run(&format!("restore {id} --to empty.db")).code, Some(0));
    assert_eq!(bench.notes("empty.db").len(), 3);
}

#[test]
fn restore_beside_a_foreign_journal_is_refused() {
    let bench = Bench::new();
    let id = bench.create();
    fs::write(bench.path("new.db-wal"), "of another database").unwrap();
    assert_snapshot!(bench.run(&format!("restore {id} --to new.db")), @"
    exit 10
    --- stderr
    error: notes: sqlite: cannot restore to [DIR]/new.db: [DIR]/new.db-wal is left from another database, and SQLite would apply it
    hint: move it away, or choose another name with `--to FILE`
    ");
    assert!(!bench.path("new.db").exists());
}

#[test]
fn restore_in_place_wants_the_name_of_the_target() {
    let bench = Bench::new();
    let id = bench.create();
    bench.sql("notes.db", "DELETE FROM notes");
    assert_snapshot!(bench.run(&format!("restore {id} --in-place")), @"
    exit 10
    --- stderr
    error: restoring in place replaces what notes holds now
    hint: to confirm, add `--confirm notes`
    ");
    assert_snapshot!(bench.run(&format!("restore {id} --in-place --confirm Notes")), @r#"
    exit 10
    --- stderr
    error: restoring in place: "Notes" is not the name of the target, notes
    hint: to confirm, add `--confirm notes`
    "#);
    assert_eq!(bench.run(&format!("restore {id} --in-place --confirm Notes -o json")).error_codes(), ["refused"]);
    assert_snapshot!(bench.run(&format!("restore {id} --in-place --confirm notes --dry-run")), @"
    exit 0
    --- stderr
    would restore notes/[ID1] over notes.db, and lose what notes holds now
    ");
    assert!(bench.notes("notes.db").is_empty());
    assert_snapshot!(bench.run(&format!("restore {id} --in-place --confirm notes")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    notes/[ID1]  [DIR]/notes.db
    --- stderr
    notes: restored notes/[ID1] to [DIR]/notes.db, in [DURATION]
    ");
    assert_eq!(bench.notes("notes.db").len(), 3);
}

#[test]
fn restore_of_what_is_not_there_is_not_found() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("restore notes/latest --to new.db"), @"
    exit 4
    --- stderr
    error: there is no snapshot notes/latest
    hint: see `snapkeep list notes`
    ");
    assert_eq!(bench.run("restore notes/19990101 --to new.db").code, Some(4));
    assert!(!bench.path("new.db").exists());
}

#[test]
fn restore_needs_one_place_to_restore_to() {
    let bench = Bench::new();
    let id = bench.create();
    assert_snapshot!(bench.run("restore notes/latest"), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --to <NAME>

    Usage: snapkeep restore --to <NAME> <ID>

    For more information, try '--help'.
    ");
    for words in [
        &["restore", &id, "--to", ""][..],
        &["restore", &id, "--to", "x.db", "--in-place"],
        &["restore", &id, "--to", "x.db", "--confirm", "notes"],
        &["restore", "--to", "x.db"],
    ] {
        let ran = bench.run_words(&[words, &["-o", "json"]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{words:?}: {ran}");
    }
    assert!(!bench.path("x.db").exists());
}

#[test]
fn restore_into_a_folder_that_is_not_there_says_so() {
    let bench = Bench::new();
    let id = bench.create();
    let ran = bench.run(&format!("restore {id} --to missing/new.db"));
    assert!(ran.code != Some(0) && ran.err.contains("the folder must exist"), "{ran}");
    assert!(!bench.path("missing").exists());
}

#[test]
fn a_dry_run_restores_nothing() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("restore notes/latest --to new.db --dry-run"), @"
    exit 0
    --- stderr
    would restore notes/[ID1] to new.db
    ");
    assert!(!bench.path("new.db").exists());
}

#[test]
fn data_that_is_damaged_or_gone_is_restored_nowhere() {
    for spoil in ["flip", "cut", "remove"] {
        let bench = Bench::new();
        let id = bench.create();
        bench.sql("notes.db", "DELETE FROM notes WHERE text = 'two'");
        let data = bench.stored(&id, "data.sqlite.zst");
        let mut bytes = fs::read(&data).unwrap();
        match spoil {
            "flip" => bytes[100] ^= 1,
            "cut" => bytes.truncate(100),
            _ => {}
        }
        if spoil == "remove" {
            fs::remove_file(&data).unwrap()
        } else {
            fs::write(&data, bytes).unwrap()
        }
        // What the state locks with stays.
        let files = || below(&bench.path("")).iter().filter(|path| path.is_file() && !path.ends_with("guard")).count();
        let before = files();
        for to in ["--to new.db", "--in-place --confirm notes"] {
            let ran = bench.run(&format!("restore {id} {to}"));
            assert_eq!((ran.code, ran.out.as_str()), (Some(9), ""), "{spoil} {to}: {ran}");
        }
        assert_eq!(bench.notes("notes.db"), ["one", "three"], "{spoil}: the target stays as it is");
        assert_eq!(files(), before, "{spoil}: nothing new is left");
    }
}

#[test]
fn restore_over_a_database_that_is_in_use_waits_for_its_lock() {
    let bench = Bench::new();
    bench.create();
    bench.sql("notes.db", "DELETE FROM notes");
    let holder = Connection::open(bench.path("notes.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut command = bench.command();
    command.args(["restore", "notes/latest", "--in-place", "--confirm", "notes"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has opened the database", || bench.has_open(&child, "notes.db").then_some(()));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    drop(holder);
    assert!(child.wait().unwrap().success());
    assert_eq!(bench.notes("notes.db").len(), 3);
}

#[test]
fn in_place_takes_no_snapshot_of_another_database() {
    let bench = Bench::new();
    let id = bench.create();
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config.replace("notes.db", "tasks.db")).unwrap();
    bench.sql("tasks.db", "INSERT INTO notes VALUES ('a task')");
    let ran = bench.run(&format!("restore {id} --in-place --confirm notes"));
    assert_eq!(ran.code, Some(10), "{ran}");
    assert!(ran.err.contains("the snapshot is of another database") && ran.err.contains("--to NAME"), "{ran}");
    assert_eq!(bench.notes("tasks.db"), ["one", "two", "three", "a task"]);
    assert_eq!(bench.run(&format!("restore {id} --to copy.db")).code, Some(0));
    assert_eq!(bench.notes("copy.db"), ["one", "two", "three"]);
}
