//! One snapkeep at a time changes a target, and what can't be remembered is not begun.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rusqlite::Connection;

use super::{Fixed, Past, document};
use crate::cli::until;

/// A `create` that waits for a database which the test has locked, and holds the lock of its target meanwhile.
struct Holder {
    child: Child,
    _locked: Connection,
}

impl Holder {
    fn of(past: &Past) -> Self {
        let locked = Connection::open(past.path("notes.db")).unwrap();
        locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut command = past.command();
        let child =
            command.args(["-q", "create", "notes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the lock is taken", || past.lock_file("notes").exists().then_some(()));
        Self { child, _locked: locked }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[test]
fn what_changes_a_target_is_exit_11_while_another_does_and_names_it() {
    let (past, [_, old]) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    let holder = Holder::of(&past);
    let named = format!("notes is locked: `create` runs on {} as process {} since 2", host(), holder.child.id());
    for line in
        ["prune apply --yes", "prune apply --plan plan.json", "create notes", &format!("delete {old} --yes --force")]
    {
        let ran = past.harmless(line);
        assert_eq!(ran.code, Some(11), "{line}: {ran}");
        assert!(ran.err.contains(&named), "{line}: {ran}");
        let ran = past.harmless(&format!("-o json {line}"));
        let error = &document(&ran)["errors"][0];
        assert_eq!((error["code"].as_str(), error["retryable"].as_bool()), (Some("locked"), Some(true)), "{ran}");
    }
}

#[test]
fn what_only_looks_and_a_hold_wait_for_no_lock() {
    let (past, [_, old]) = Past::of("keep_last = 1", [1, 9]);
    let _holder = Holder::of(&past);
    for line in
        ["list", "prune plan", "prune apply --yes --dry-run", "show notes/latest", &format!("hold {old} --reason r")]
    {
        assert_eq!(past.run(line).code, Some(0), "{line}");
    }
}

#[test]
fn a_locked_target_stops_no_other() {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1");
    past.days("notes", [1, 9]);
    past.days("tasks", [1, 9]);
    let _holder = Holder::of(&past);
    let ran = past.run("-q prune apply --yes");
    assert_eq!(ran.code, Some(3), "{ran}");
    assert_eq!(past.left().len(), 3);
}

#[test]
fn after_kill_9_of_the_holder_the_next_one_takes_over_at_once() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    let mut holder = Holder::of(&past);
    assert_eq!(past.run("prune apply --yes").code, Some(11));
    holder.kill();
    let begun = Instant::now();
    let ran = past.run("-q prune apply --yes");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(begun.elapsed() < Duration::from_secs(10), "a lease would last a minute");
    assert_eq!(past.left().len(), 1);
    assert!(!past.lock_file("notes").exists());
}

#[test]
fn a_state_that_can_not_be_written_deletes_nothing() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    let state = past.path("home/.local/state/snapkeep");
    fs::create_dir_all(&state).unwrap();
    let Some(fixed) = Fixed::new(&state) else { return };
    for line in ["prune apply --yes", "prune apply --plan plan.json"] {
        let ran = past.harmless(line);
        assert_eq!(ran.code, Some(5), "{line}: {ran}");
        assert!(ran.err.contains("state: cannot write ") && ran.err.contains("hint: the state folder"), "{ran}");
    }
    assert_eq!(past.harmless("prune plan").code, Some(0), "to look needs no state");
    let ran = past.harmless("doctor");
    assert!(ran.code == Some(5) && ran.err.contains("state: cannot write "), "{ran}");
    drop(fixed);
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "a file").unwrap();
    for line in ["prune apply --yes", "prune apply --plan plan.json", "prune plan"] {
        let ran = past.harmless(line);
        assert!(ran.code != Some(0) && ran.err.contains("state: cannot "), "{line}: {ran}");
    }
}

#[test]
fn a_damaged_hold_is_told_and_nothing_is_deleted() {
    let (past, [_, old]) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    past.run(&format!("hold {old} --reason r"));
    let held = fs::read_dir(past.state("notes").join("holds")).unwrap().next().unwrap().unwrap().path();
    fs::write(&held, "{\"reason\": \"r").unwrap();
    for line in
        ["list", "prune plan", "prune apply --yes", "prune apply --plan plan.json", &format!("delete {old} --yes")]
    {
        let ran = past.harmless(line);
        assert!(ran.code != Some(0), "{line}: {ran}");
        assert!(ran.err.contains("it is damaged"), "{line}: {ran}");
    }
    let ran = past.harmless("prune apply --yes");
    assert_eq!(ran.code, Some(9));
    let shown = ran.to_string();
    assert_snapshot!(shown, @"
    exit 9
    --- stderr
    error: state: cannot read the holds of notes: cannot read [DIR]/home/.local/state/snapkeep/notes/holds/[ID2].json: it is damaged: EOF while parsing a string at line 1 column 13
    hint: look at the file, and remove it if it means nothing
    ");
}

#[test]
fn a_damaged_lock_is_told_and_nothing_is_deleted() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.run("-q prune apply --yes --dry-run");
    past.run("-q hold notes/latest --reason r");
    let lock = past.lock_file("notes");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    let ran = past.harmless("prune apply --yes");
    assert_eq!(ran.code, Some(9), "{ran}");
    assert!(ran.err.contains(".json: it is damaged"), "{ran}");
}

#[test]
fn the_state_may_live_in_a_store() {
    let (past, [_, old]) = Past::of("keep_last = 1", [1, 9]);
    past.append("\n[state]\nstore = \"local\"\n");
    past.run(&format!("hold {old} --reason r"));
    assert!(!past.path("home/.local/state").exists());
    assert!(past.path("snapshots/.snapkeep").is_dir());
    assert_eq!(past.run("-q prune apply --yes").code, Some(0));
    assert_eq!(past.left().len(), 2, "it is held");
}
