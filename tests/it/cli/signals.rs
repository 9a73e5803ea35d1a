//! A signal ends what runs, at once and without a trace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use super::{Bench, below, until};
use crate::support::Bed;

/// How long a process may take to end.
const AT_ONCE: Duration = Duration::from_secs(5);

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// The exit code of a process that must end at once, and what it said.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let begun = Instant::now();
    let status = until("the process ends", || {
        assert!(begun.elapsed() < AT_ONCE, "it still runs after {AT_ONCE:?}");
        child.try_wait().unwrap()
    });
    assert_eq!(status.signal(), None);
    (status.code(), std::io::read_to_string(child.stderr.take().unwrap()).unwrap())
}

/// A `create` that waits for a lock; it has said that it began, so it listens to signals.
fn waiting_for_a_lock(bench: &Bench) -> (Child, Connection) {
    let holder = Connection::open(bench.path("notes.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut command = bench.command();
    let mut child = command.args(["-v", "create", "notes"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("snapkeep.toml"), "{line}");
    until("it has opened the database", || bench.has_open(&child, "notes.db").then_some(()));
    (child, holder)
}

fn ends_without_a_trace(signal: Signal, code: i32) {
    let bench = Bench::new();
    let (child, holder) = waiting_for_a_lock(&bench);
    send(&child, signal);
    let (ended_with, err) = ended(child);
    assert_eq!(ended_with, Some(code), "{err}");
    assert!(bench.files().is_empty(), "{:?}", bench.files());
    assert!(below(&bench.path("tmp")).is_empty());
    drop(holder);
    assert_eq!(bench.run("create notes").code, Some(0), "the next one works");
}

#[test]
fn an_interruption_ends_a_create_that_waits_for_a_lock() {
    ends_without_a_trace(Signal::INT, 130);
}

#[test]
fn a_termination_ends_a_create_that_waits_for_a_lock() {
    ends_without_a_trace(Signal::TERM, 143);
}

/// A `list` that hangs in its store.
fn hanging_list(bench: &Bench, line: &str) -> Child {
    let fifo = bench.path("snapshots/notes/20200101T000000Z-aaaa/manifest.json");
    fs::create_dir_all(fifo.parent().unwrap()).unwrap();
    if !fifo.exists() {
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    let mut command = bench.command();
    command.args(["-v", "-o", "json"]).args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut text = String::new();
    BufReader::with_capacity(1, child.stderr.as_mut().unwrap()).read_line(&mut text).unwrap();
    child
}

#[test]
fn a_signal_ends_what_only_looks_even_when_the_store_hangs() {
    let bench = Bench::new();
    for line in ["list", "show notes/latest", "latest notes", "restore notes/latest --to x.db", "wait notes/latest"] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let mut child = hanging_list(&bench, line);
            let out = child.stdout.take().unwrap();
            send(&child, signal);
            let (ended_with, err) = ended(child);
            assert_eq!(ended_with, Some(code), "{line}: {err}");
            let document: serde_json::Value = serde_json::from_reader(out).unwrap();
            assert_eq!(document["errors"][0]["code"], "interrupted", "{line}: {document}");
        }
    }
}

/// The processes whose command line names `path`.
fn processes_of(path: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(path)).collect()
}

#[test]
fn a_signal_ends_a_dump_tool_that_hangs_and_its_children() {
    let Some(bed) = Bed::postgresql_15() else { return };
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let bench = Bench::empty();
        let (begun, asleep) = (bench.path("begun"), format!("sleep {code}4711"));
        let script = format!("{asleep} &\necho PGDMP\n: > '{}'\nwait", begun.display());
        let tools = bed.sick_dump(&format!("tools-{code}"), &script);
        let config = format!(
            "version = 1\n[targets.om]\nprovider = \"postgresql\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\n\
             password = {{ env = \"PASSWORD\" }}\ndatabase = \"{}\"\ntool_dir = \"{}\"\nstore = \"local\"\n{}",
            bed.server.host(),
            bed.server.port(),
            bed.server.user(),
            bed.database,
            tools.display(),
            super::STORE,
        );
        fs::write(bench.path("snapkeep.toml"), config).unwrap();
        let mut command = bench.command();
        command.env("PASSWORD", bed.server.password()).args(["create", "om"]).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        until("the tool runs", || begun.exists().then_some(()));
        send(&child, signal);
        let (ended_with, err) = ended(child);
        assert_eq!(ended_with, Some(code), "{err}");
        assert!(bench.files().is_empty(), "{:?}", bench.files());
        assert_eq!(processes_of(&asleep), Vec::<String>::new(), "no child is left");
        assert!(below(&bench.path("tmp")).is_empty(), "no password file is left");
    }
}
