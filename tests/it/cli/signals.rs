//! A signal ends what runs, at once and without a trace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use super::{BINARY, Bench, below, until};
use crate::support::{Action, Bed, Fault, StoreKind};

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

/// What a terminal lets a program do on SIGHUP, and what `nohup` does; a program passes on which of the two it was started by.
const BY_TERMINAL: &str = "--default-signal=HUP";
const BY_NOHUP: &str = "--ignore-signal=HUP";

/// A `create` that waits for a lock; it has said that it began, so it listens to signals.
fn waiting_for_a_lock(bench: &Bench, started: &str) -> (Child, Connection) {
    let holder = Connection::open(bench.path("notes.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut command = bench.command_of("/usr/bin/env");
    command.args([started, BINARY, "-v", "create", "notes"]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("snapkeep.toml"), "{line}");
    until("it has opened the database", || bench.has_open(&child, "notes.db").then_some(()));
    (child, holder)
}

fn ends_without_a_trace(signal: Signal, code: i32) {
    let bench = Bench::new();
    let (child, holder) = waiting_for_a_lock(&bench, BY_TERMINAL);
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

#[test]
fn a_terminal_that_goes_away_ends_a_create_as_a_termination_does() {
    ends_without_a_trace(Signal::HUP, 143);
}

#[test]
fn a_terminal_that_goes_away_ends_nothing_that_nohup_started() {
    let bench = Bench::new();
    let (child, holder) = waiting_for_a_lock(&bench, BY_NOHUP);
    send(&child, Signal::HUP);
    drop(holder);
    let (ended_with, err) = ended(child);
    assert_eq!(ended_with, Some(0), "{err}");
    assert_eq!(bench.ids().len(), 1);
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
    let restore = "restore notes/latest --to x.db";
    let looking = ["list", "show notes/latest", "latest notes", restore, "wait notes/latest"];
    for line in looking.into_iter().chain(CHANGING) {
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

/// What changes something, once it has looked.
const CHANGING: [&str; 6] = [
    "copy notes/latest --to-store local",
    "copy notes/latest --to-store local --dry-run",
    "delete notes/latest --yes",
    "hold notes/latest --reason audit",
    "release notes/latest",
    "verify notes/latest",
];

#[test]
fn a_signal_ends_what_waits_for_a_state_that_does_not_answer() {
    let bench = Bench::of(&[super::target("notes", "notes.db", "retention = \"one\"\n")]);
    let Some(state) = StoreKind::Gcs.up() else { return };
    let state = state.behind_proxy();
    let config = bench.path("snapkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let more = "\n[state]\nstore = \"offsite\"\n[retention.one]\nkeep_last = 1\n";
    fs::write(&config, format!("{text}{}{more}", state.toml("offsite"))).unwrap();
    bench.create();
    let others = ["create notes", "prune apply --yes", "restore notes/latest --to x.db", "wait notes/latest"];
    let all = others.into_iter().chain(CHANGING).map(|line| ("", line));
    let locking = ["create notes", "copy notes/latest --to-store local", "delete notes/latest --yes"];
    for (part, line) in all.chain(locking.map(|line| ("lock/target.json", line))) {
        let before = bench.files();
        state.proxy().fail(Fault::on("GET", part, Action::Stall).times(usize::MAX));
        let fired = state.proxy().fired();
        let mut command = bench.command();
        command.args(["-o", "json"]).args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        until("the state is asked", || (state.proxy().fired() > fired).then_some(()));
        send(&child, Signal::TERM);
        let (ended_with, err) = ended(child);
        assert_eq!(ended_with, Some(143), "{line}: {err}");
        assert_eq!(bench.files(), before, "{line}");
        state.proxy().heal();
    }
    assert_eq!(bench.run("-q create notes").code, Some(0), "nothing is locked");
}

/// The processes whose command line names `path`.
fn processes_of(path: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(path)).collect()
}

/// A target `om`, which is the bed's database with the tools of a folder.
fn configure(bench: &Bench, bed: &Bed, tools: &std::path::Path) {
    let config = format!(
        "version = 1\n[targets.om]\nprovider = \"{}\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\n\
         password = {{ env = \"PASSWORD\" }}\ndatabase = \"{}\"\ntool_dir = \"{}\"\nstore = \"local\"\n{}",
        if bed.server.is_postgresql() { "postgresql" } else { "mysql" },
        bed.server.host(),
        bed.server.port(),
        bed.server.user(),
        bed.database,
        tools.display(),
        super::STORE,
    );
    fs::write(bench.path("snapkeep.toml"), config).unwrap();
}

/// A bench whose client hangs in its first question; the file that it makes then, and the command line of its child.
fn hanging_client(bed: &Bed, number: usize) -> (Bench, std::path::PathBuf, String) {
    let bench = Bench::empty();
    let (begun, asleep) = (bench.path("begun"), format!("sleep 4{}{number}4711", std::process::id()));
    let script = format!("{asleep} &\n: > '{}'\nwait", begun.display());
    let client = bed.server.tools()[1];
    configure(&bench, bed, &bed.sick_tool(&format!("hangs{number}"), client, &script));
    (bench, begun, asleep)
}

fn nothing_is_left(bench: &Bench, asleep: &str) {
    assert!(bench.files().is_empty(), "{:?}", bench.files());
    until("no child is left", || processes_of(asleep).is_empty().then_some(()));
    assert!(below(&bench.path("tmp")).is_empty(), "no password file is left");
}

fn a_question_that_hangs_is_left_at_once(bed: &Bed) {
    for (number, line) in ["create om", "create om --dry-run", "targets check", "doctor"].into_iter().enumerate() {
        let (bench, begun, asleep) = hanging_client(bed, number);
        let mut command = bench.command();
        command.env("PASSWORD", bed.server.password()).args(line.split(' ')).stderr(Stdio::piped());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        until("the client runs", || begun.exists().then_some(()));
        send(&child, Signal::TERM);
        let (ended_with, err) = ended(child);
        assert_eq!(ended_with, Some(143), "{line}: {err}");
        nothing_is_left(&bench, &asleep);
    }
    let (bench, _, asleep) = hanging_client(bed, 9);
    let begun = Instant::now();
    let mut command = bench.command();
    command.env("PASSWORD", bed.server.password()).args(["create", "om", "--timeout", "2s"]);
    let ran = bench.ran_by(&mut command);
    assert_eq!(ran.code, Some(8), "{ran}");
    assert!(begun.elapsed() < AT_ONCE + Duration::from_secs(2), "it took {:?}", begun.elapsed());
    nothing_is_left(&bench, &asleep);
}

#[test]
fn a_question_to_postgresql_that_hangs_is_left_at_once() {
    Bed::postgresql_15().iter().for_each(a_question_that_hangs_is_left_at_once);
}

#[test]
fn a_question_to_mariadb_that_hangs_is_left_at_once() {
    Bed::mariadb().iter().for_each(a_question_that_hangs_is_left_at_once);
}

#[test]
fn a_second_signal_takes_along_what_ignores_the_first() {
    let Some(bed) = Bed::postgresql_15() else { return };
    let bench = Bench::empty();
    let (begun, asleep) = (bench.path("begun"), format!("sleep 5{}4711", std::process::id()));
    let script = format!("trap '' TERM INT\n{asleep} &\n: > '{}'\nwait", begun.display());
    configure(&bench, &bed, &bed.sick_dump("ignores", &script));
    let mut command = bench.command();
    command.env("PASSWORD", bed.server.password()).args(["create", "om"]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    until("the tool runs", || begun.exists().then_some(()));
    send(&child, Signal::INT);
    let mut line = String::new();
    BufReader::with_capacity(1, child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let second = Instant::now();
    send(&child, Signal::TERM);
    assert_eq!(ended(child).0, Some(143));
    assert!(second.elapsed() < Duration::from_secs(3), "it took {:?}", second.elapsed());
    until("no child is left", || processes_of(&asleep).is_empty().then_some(()));
    assert!(below(&bench.path("tmp")).is_empty(), "no password file is left");
}

#[test]
fn a_signal_ends_a_dump_tool_that_hangs_and_its_children() {
    let Some(bed) = Bed::postgresql_15() else { return };
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let bench = Bench::empty();
        let (begun, asleep) = (bench.path("begun"), format!("sleep {code}4711"));
        let script = format!("{asleep} &\necho PGDMP\n: > '{}'\nwait", begun.display());
        let tools = bed.sick_dump(&format!("tools-{code}"), &script);
        configure(&bench, &bed, &tools);
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
