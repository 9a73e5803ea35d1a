//! `guard`: a good snapshot, then the command; and the way back when the command fails.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{BINARY, Bench, Ran, STORE, until};
use crate::support::{Bed, install, on};

/// Writes a program into the bench's folder.
fn program(bench: &Bench, name: &str, script: &str) {
    install(&format!("#!/bin/sh\n{script}\n"), &bench.path(name));
}

fn until_of(ran: &Ran) -> &str {
    ran.err.split("held until ").nth(1).unwrap().split(" UTC").next().unwrap()
}

/// The command that the hint of a failure gives to go back.
fn way_back(ran: &Ran) -> String {
    ran.err.split("to go back: `").nth(1).unwrap_or_else(|| panic!("{ran}")).split('`').next().unwrap().to_owned()
}

/// Types what was printed into a shell, somewhere else than in the bench's folder.
fn typed(bench: &Bench, line: &str, with: impl FnOnce(&mut Command)) -> Ran {
    let mut shell = bench.command_of("/bin/sh");
    let path = format!("{}:/usr/bin:/bin", Path::new(BINARY).parent().unwrap().display());
    shell.args(["-c", line]).env("PATH", path).current_dir("/");
    with(&mut shell);
    bench.ran(shell.output().unwrap())
}

fn hold(bench: &Bench, id: &str) -> serde_json::Value {
    bench.run(&format!("-o json show {id}")).document()["items"][0]["hold"].clone()
}

on!(postgresql_15 postgresql_17 mysql mariadb => the_command_that_is_printed_undoes_a_migration_that_fails);
async fn the_command_that_is_printed_undoes_a_migration_that_fails(bed: Bed) {
    bed.fill();
    let before = bed.content(&bed.database).unwrap();
    let (server, bench) = (bed.server, Bench::empty());
    let provider = if server.is_postgresql() { "postgresql" } else { "mysql" };
    let (host, port, user) = (server.host(), server.port(), server.user());
    let (database, tools) = (&bed.database, server.bin().display().to_string());
    fs::write(
        bench.path("snapkeep.toml"),
        format!(
            "version = 1\n[targets.openmetadata]\nprovider = \"{provider}\"\nhost = \"{host}\"\nport = {port}\n\
             user = \"{user}\"\npassword = {{ env = \"SHOP_PASSWORD\" }}\ndatabase = \"{database}\"\n\
             tool_dir = \"{tools}\"\nstore = \"local\"\n{STORE}"
        ),
    )
    .unwrap();
    fs::write(
        bench.path("migration.sql"),
        "DROP TABLE bulk;\nCREATE TABLE half_migrated (x INT);\nUPDATE no_such_table SET x = 1;\n",
    )
    .unwrap();
    let client = bed.client(&bed.database);
    let mut guard = bench.command();
    guard
        .args(["guard", "openmetadata", "--verify", "archive", "--"])
        .arg(client.get_program())
        .args(client.get_args());
    guard.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    guard.env("SHOP_PASSWORD", server.password());
    let ran = bench.ran_by(guard.stdin(fs::File::open(bench.path("migration.sql")).unwrap()));
    assert!(ran.code.is_some_and(|code| code != 0), "the client's own: {ran}");
    assert!(ran.err.contains("no_such_table"), "its stderr is seen: {ran}");
    assert!(!bed.dump(&bed.database).contains("TABLE bulk"), "the migration has done harm");
    let back = typed(&bench, &way_back(&ran), |shell| {
        shell.env("SHOP_PASSWORD", server.password());
    });
    assert_eq!(back.code, Some(0), "{back}");
    assert_eq!(bed.content(&bed.database).unwrap(), before);
    assert!(!bed.dump(&bed.database).contains("half_migrated"), "what the migration made is gone");
}

#[test]
fn a_command_that_succeeds_is_all_that_is_on_stdout() {
    let bench = Bench::new();
    program(&bench, "upgrade", "read line; echo \"got $line for $SNAPKEEP_TARGET\"; echo complains >&2");
    let mut command = bench.command();
    command.args(["guard", "notes", "--", "./upgrade", "--password=hunter2"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a line\n").unwrap();
    assert_snapshot!(bench.ran(child.wait_with_output().unwrap()), @"
    exit 0
    --- stdout
    got a line for notes
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: notes/[ID1] is held; now `./upgrade`
    complains
    notes: `./upgrade` is done
    ");
    let id = bench.ids().remove(0);
    assert!(hold(&bench, &id).is_null(), "it was held while the command ran");
}

#[test]
fn a_command_that_fails_leaves_a_held_snapshot_and_the_way_back() {
    let bench = Bench::new();
    program(&bench, "upgrade", "exit 7");
    let ran = bench.run("guard notes -- ./upgrade --password=hunter2");
    assert_snapshot!(ran, @"
    exit 7
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: notes/[ID1] is held; now `./upgrade`
    error: `./upgrade` ended with exit status 7; notes/[ID1] is from before it, held until [TIME] UTC
    hint: to go back: `snapkeep --config [DIR]/snapkeep.toml restore notes/[ID1] --in-place --confirm notes`
    ");
    let id = bench.ids().remove(0);
    let held = hold(&bench, &id);
    assert_eq!(held["reason"], "guard: `./upgrade` ended with exit status 7", "its arguments are nobody's business");
    let until = chrono::NaiveDateTime::parse_from_str(until_of(&ran), "%Y-%m-%d %H:%M:%S").unwrap().and_utc();
    let days = (until - Utc::now()).num_hours();
    assert!((7 * 24 - 1..=7 * 24).contains(&days), "{days} hours");
    // A file is restored beside it.
    bench.sql("notes.db", "DELETE FROM notes");
    let back = typed(&bench, &way_back(&ran), |_| {});
    assert_eq!(back.code, Some(0), "{back}");
}

#[test]
fn a_command_that_a_signal_ends_is_told_as_a_shell_tells_it() {
    let bench = Bench::new();
    program(&bench, "upgrade", "kill -9 $$");
    let ran = bench.run("guard notes -- ./upgrade");
    assert_eq!(ran.code, Some(137), "{ran}");
    assert!(ran.err.contains("`./upgrade` was ended by signal 9"), "{ran}");
}

#[test]
fn a_command_that_is_not_there_costs_no_snapshot() {
    let bench = Bench::new();
    fs::write(bench.path("plain"), "").unwrap();
    assert_snapshot!(bench.run("guard notes -- no-such-program --password=hunter2"), @"
    exit 127
    --- stderr
    error: the command `no-such-program` is not found
    hint: what is a shell's own needs a shell: `-- sh -c '...'`
    ");
    assert_snapshot!(bench.run("-o json guard notes -- ./plain"), @r#"
    exit 126
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": [
        {
          "code": "command",
          "message": "the command `./plain` can't be executed",
          "target": null,
          "retryable": false,
          "hint": "what is a shell's own needs a shell: `-- sh -c '...'`",
          "causes": []
        }
      ]
    }
    --- stderr
    error: the command `./plain` can't be executed
    hint: what is a shell's own needs a shell: `-- sh -c '...'`
    "#);
    assert!(bench.files().is_empty());
}

#[test]
fn a_snapshot_that_is_young_enough_will_do() {
    let bench = Bench::new();
    let id = bench.create();
    assert_snapshot!(bench.run("guard notes --max-age 1h -- echo done"), @"
    exit 0
    --- stdout
    done
    --- stderr
    notes: notes/[ID1] is [AGE] old, and will do
    notes: notes/[ID1] is held; now `echo`
    notes: `echo` is done
    ");
    assert_eq!(bench.ids(), std::slice::from_ref(&id));
    bench.date(&id, Utc::now() - Duration::from_secs(7200));
    let ran = bench.run("guard notes --max-age 1h -- echo done");
    assert_eq!((ran.code, bench.ids().len()), (Some(0), 2), "{ran}");
    // Without an age, one is always made.
    assert_eq!((bench.run("guard notes -- true").code, bench.ids().len()), (Some(0), 3));
}

#[test]
fn a_snapshot_that_fails_its_verification_gives_way_to_a_new_one() {
    let bench = Bench::new();
    let id = bench.create();
    let data = fs::read_dir(bench.path("snapshots").join(&id)).unwrap().map(|entry| entry.unwrap().path());
    let data = data.into_iter().find(|path| path.extension().is_some_and(|end| end == "zst")).unwrap();
    let mut bytes = fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&data, bytes).unwrap();
    let ran = bench.run("guard notes --max-age 1h --verify restore -- echo done");
    assert_snapshot!(ran, @"
    exit 0
    --- stdout
    done
    --- stderr
    notes: notes/[ID1] is [AGE] old, and will do
    warning: sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed; another one is made
    notes: made notes/[ID2] in local, [SIZE], in [DURATION]
    notes: verified notes/[ID2]: restore, in [DURATION]
    notes: notes/[ID2] is held; now `echo`
    notes: `echo` is done
    ");
    assert_eq!(bench.ids().len(), 2);
    let again = bench.run("guard notes --max-age 1h --verify restore -- echo done");
    assert!(!again.err.contains("verif"), "it has passed that level: {again}");
    assert_eq!(bench.ids().len(), 2, "{again}");
}

#[test]
fn it_is_held_for_as_long_as_was_asked_and_a_longer_hold_stays() {
    let bench = Bench::new();
    let id = bench.create();
    let guard = |line: &str| bench.run(&format!("guard notes --max-age 1h {line} -- sh -c false"));
    guard("--hold 30d");
    let first = hold(&bench, &id);
    assert_eq!(first["reason"], "guard: before `sh`");
    guard("");
    assert_eq!(hold(&bench, &id), first, "7 days are shorter");
    assert_eq!(bench.run(&format!("hold {id} --reason audit")).code, Some(0));
    let ran = guard("");
    assert!(ran.err.contains("held until it is released"), "{ran}");
}

#[test]
fn a_dry_run_makes_nothing_and_runs_nothing() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("--dry-run guard notes --verify restore -- touch was-here"), @"
    exit 0
    --- stderr
    notes: would make a snapshot, verify it: restore, hold it, and run `touch`
    ");
    bench.create();
    assert_snapshot!(bench.run("--dry-run guard notes --max-age 1h -- touch was-here"), @"
    exit 0
    --- stderr
    notes: would take notes/[ID1], hold it, and run `touch`
    ");
    assert!(bench.ids().len() == 1 && !bench.path("was-here").exists());
}

#[test]
fn where_no_snapshot_can_be_made_the_command_does_not_run() {
    let bench = Bench::new();
    fs::remove_file(bench.path("notes.db")).unwrap();
    assert_snapshot!(bench.run("-o json guard notes -- touch was-here"), @r#"
    exit 4
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": [
        {
          "code": "not_found",
          "message": "sqlite: cannot dump [DIR]/notes.db: there is no such file",
          "target": "notes",
          "retryable": false,
          "hint": "check `path` in the config; it is relative to the config file",
          "causes": [
            "No such file or directory (os error 2)"
          ]
        }
      ]
    }
    --- stderr
    error: notes: sqlite: cannot dump [DIR]/notes.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    "#);
    assert!(!bench.path("was-here").exists());
}

/// A guard whose command waits for signals, once it runs.
fn waiting(bench: &Bench, script: &str) -> Child {
    program(bench, "upgrade", &format!("{script}\ntouch ready; while :; do sleep 0.05; done"));
    let mut command = bench.command();
    command.args(["guard", "notes", "--", "./upgrade"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("the command runs", || bench.path("ready").exists().then_some(()));
    child
}

#[test]
fn signals_are_passed_on_and_the_command_decides() {
    let bench = Bench::new();
    let child = waiting(&bench, "trap 'echo reloaded' USR1; trap 'echo stopping; exit 0' TERM");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::USR1).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    kill_process(pid, Signal::TERM).unwrap();
    assert_snapshot!(bench.ran(child.wait_with_output().unwrap()), @"
    exit 0
    --- stdout
    reloaded
    stopping
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: notes/[ID1] is held; now `./upgrade`
    notes: `./upgrade` is done
    ");
}

#[test]
fn a_signal_that_ends_the_command_is_its_exit_code_and_the_way_back_is_told() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let bench = Bench::new();
        let child = waiting(&bench, "");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = bench.ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(ran.err.contains("was ended by signal") && ran.err.contains("to go back: `"), "{ran}");
    }
}

#[test]
fn what_guards_cannot_be_pruned_while_the_command_runs() {
    let bench = Bench::new();
    let child = waiting(&bench, "trap 'exit 0' TERM");
    let id = bench.ids().remove(0);
    bench.create();
    let refused = bench.run(&format!("delete {id} --yes"));
    assert_eq!(refused.code, Some(10), "{refused}");
    assert!(refused.err.contains("it is held: it is being kept for what `guard` runs by process"), "{refused}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(bench.ran(child.wait_with_output().unwrap()).code, Some(0));
    assert_eq!(bench.run(&format!("delete {id} --yes")).code, Some(0));
}
