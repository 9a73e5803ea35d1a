//! Hooks: what they are told, when they run, and what their failure means.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::{Bench, target, until};
use crate::schema;
use crate::support::install;

/// Notes its event and what it was told, besides what `script` does.
const NOTES: &str = "echo \"$SNAPKEEP_EVENT\" >> events; env | grep ^SNAPKEEP_ | sort > \"$SNAPKEEP_EVENT.env\"; cat > \"$SNAPKEEP_EVENT.json\"";

/// A bench whose one target has these hooks: programs `before`, `after` and `failed`, each with a script of its own.
fn bench(hooks: &str, scripts: &[(&str, &str)]) -> Bench {
    let bench = Bench::of(&[target("notes", "notes.db", &format!("\n[hooks]\n{hooks}\n"))]);
    for (name, script) in scripts {
        install(&format!("#!/bin/sh\n{NOTES}\n{script}\n"), &bench.path(name));
    }
    bench
}

const ALL: &str = "before_create = { command = [\"./before\"] }
after_create = { command = [\"./after\"] }
on_failure = { command = [\"./failed\"] }";

/// The moments at which hooks ran, in their order.
fn events(bench: &Bench) -> String {
    fs::read_to_string(bench.path("events")).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn input(bench: &Bench, event: &str) -> Value {
    let input = serde_json::from_str(&fs::read_to_string(bench.path(&format!("{event}.json"))).unwrap()).unwrap();
    schema::hold_document(&input);
    input
}

#[test]
fn hooks_run_around_a_snapshot_and_are_told_of_it() {
    let bench = bench(ALL, &[("before", "echo quiet; ls snapshots 2>&1"), ("after", ""), ("failed", "")]);
    let ran = bench.run("create notes --key k1");
    assert_snapshot!(ran, @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    assert_eq!(events(&bench), "before_create after_create");
    let told = |event: &str| fs::read_to_string(bench.path(&format!("{event}.env"))).unwrap();
    assert_snapshot!(told("before_create"), @"
    SNAPKEEP_EVENT=before_create
    SNAPKEEP_KEY=k1
    SNAPKEEP_PROVIDER=sqlite
    SNAPKEEP_TARGET=notes
    ");
    let id = bench.ids().remove(0);
    let native = id.strip_prefix("notes/").unwrap();
    let document: Value = bench.run("list -o json").document();
    let size = document["items"][0]["size_bytes"].to_string();
    let shown = told("after_create").replace(native, "[ID]").replace(&format!("={size}\n"), "=[SIZE]\n");
    assert_snapshot!(shown.replace(&bench.path("").display().to_string(), "[DIR]/"), @"
    SNAPKEEP_EVENT=after_create
    SNAPKEEP_KEY=k1
    SNAPKEEP_LOCATION=local:[DIR]/snapshots
    SNAPKEEP_NATIVE_ID=[ID]
    SNAPKEEP_PROVIDER=sqlite
    SNAPKEEP_SIZE_BYTES=[SIZE]
    SNAPKEEP_SNAPSHOT_ID=notes/[ID]
    SNAPKEEP_TARGET=notes
    ");
    let before = input(&bench, "before_create");
    assert_snapshot!(before, @r#"
    {"errors":[],"event":"before_create","key":"k1","kind":"HookInput","provider":"sqlite","schema":"snapkeep/v1","snapshots":[],"target":"notes"}
    "#);
    let after = input(&bench, "after_create");
    assert_eq!(after["snapshots"], document["items"], "in the form of every document");
    assert_eq!((&after["kind"], &after["key"]), (&"HookInput".into(), &"k1".into()));
}

#[test]
fn what_hooks_print_is_for_the_verbose() {
    let bench =
        bench(ALL, &[("before", "echo on stdout; printf 'on \\033[1mstderr' >&2"), ("after", ""), ("failed", "")]);
    let ran = bench.run("create notes -v -o name");
    let lines: Vec<_> = ran.err.lines().filter(|line| line.contains("hook")).collect();
    let mut before = lines[1..3].to_vec();
    before.sort_unstable();
    assert_snapshot!(before.join("\n"), @r#"
    notes: hook before_create: before: on \u{1b}[1mstderr
    notes: hook before_create: before: on stdout
    "#);
    assert_eq!(ran.out.lines().count(), 1, "stdout is for results: {ran}");
    assert_eq!(
        (lines.len(), lines[0], lines[3]),
        (4, "notes: hook before_create: before begins", "notes: hook after_create: after begins")
    );
}

#[test]
fn before_create_stops_the_creation() {
    let bench =
        bench(ALL, &[("before", "echo first >&2; echo 'no answer' >&2; exit 3"), ("after", ""), ("failed", "")]);
    assert_snapshot!(bench.run("create notes"), @"
    exit 1
    --- stderr
    error: notes: hook before_create failed: before ended with exit status 3
    caused by: first
      no answer
    hint: run it by hand; its output is shown with `-v`
    ");
    assert!(bench.files().is_empty());
    assert_eq!(events(&bench), "before_create on_failure", "what was begun is undone");
    let told = input(&bench, "on_failure");
    assert_eq!((&told["errors"][0]["code"], &told["errors"][0]["target"]), (&"hook".into(), &"notes".into()));
    assert_snapshot!(fs::read_to_string(bench.path("on_failure.env")).unwrap(), @"
    SNAPKEEP_ERROR=notes: hook before_create failed: before ended with exit status 3
    SNAPKEEP_ERROR_CODE=hook
    SNAPKEEP_EVENT=on_failure
    SNAPKEEP_PROVIDER=sqlite
    SNAPKEEP_TARGET=notes
    ");
    assert_eq!(bench.run("create notes -o json").error_codes(), ["hook"]);
}

#[test]
fn before_create_may_only_warn() {
    let hooks = "before_create = [{ command = [\"./before\"], on_failure = \"warn\" }, { command = [\"./after\"] }]";
    let bench = bench(hooks, &[("before", "echo first >&2; echo 'no answer' >&2; exit 3"), ("after", "")]);
    assert_snapshot!(bench.run("create notes"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    warning: notes: hook before_create failed: before ended with exit status 3: no answer
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    assert_eq!(events(&bench), "before_create before_create", "the next one runs too");
}

#[test]
fn after_create_warns_unless_it_says_more() {
    let warns = bench(ALL, &[("before", ""), ("after", "kill -9 $$"), ("failed", "")]);
    assert_snapshot!(warns.run("create notes"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    warning: notes: hook after_create failed: after was ended by signal 9
    ");
    let hooks = "after_create = [{ command = [\"./after\"], on_failure = \"abort\" }, { command = [\"./before\"] }]
                 on_failure = { command = [\"./failed\"] }";
    let aborts = bench(hooks, &[("before", ""), ("after", "exit 1"), ("failed", "")]);
    assert_snapshot!(aborts.run("create notes"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    error: notes: hook after_create failed: after ended with exit status 1
    hint: run it by hand; its output is shown with `-v`
    ");
    assert_eq!(events(&aborts), "after_create", "neither the next one nor what is for failures");
    assert_eq!(aborts.ids().len(), 1, "the snapshot stays");
}

#[test]
fn on_failure_runs_when_the_creation_fails() {
    let bench = bench(ALL, &[("before", ""), ("after", ""), ("failed", "echo 'in vain' >&2; exit 1")]);
    fs::write(bench.path("notes.db"), "no database at all, but long enough to be looked at as one").unwrap();
    let ran = bench.run("create notes");
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(
        ran.err.lines().next(),
        Some("warning: notes: hook on_failure failed: failed ended with exit status 1: in vain")
    );
    assert_eq!(events(&bench), "before_create on_failure");
    let told = input(&bench, "on_failure");
    assert!(ran.err.contains(told["errors"][0]["message"].as_str().unwrap()), "{told}");
}

#[test]
fn a_hook_that_takes_too_long_is_stopped_with_its_children() {
    let bench = bench(
        "before_create = { command = [\"./before\"], timeout = \"1s\" }",
        &[("before", "sleep 600 & echo $! > pid; wait")],
    );
    let begun = Instant::now();
    assert_snapshot!(bench.run("create notes"), @"
    exit 1
    --- stderr
    error: notes: hook before_create failed: before took longer than 1s, and was stopped
    hint: run it by hand; its output is shown with `-v`
    ");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let stat = format!("/proc/{}/stat", fs::read_to_string(bench.path("pid")).unwrap().trim());
    until("its child is gone", || (!fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"))).then_some(()));
    assert!(bench.files().is_empty());
}

#[test]
fn a_hook_that_is_not_there_stops_the_creation() {
    let bench = bench("before_create = { command = [\"hooks/quiesce\"] }", &[]);
    assert_snapshot!(bench.run("create notes"), @"
    exit 1
    --- stderr
    error: notes: hook before_create failed: quiesce can't be run
    caused by: No such file or directory (os error 2)
    hint: check its `command`: a name is looked for along PATH; `./NAME` is a file beside the config
    ");
    assert!(bench.files().is_empty());
}

#[test]
fn a_snapshot_that_is_there_needs_no_hooks() {
    let bench = bench(ALL, &[("before", ""), ("after", ""), ("failed", "")]);
    for _ in 0..2 {
        assert_eq!(bench.run("create notes --key k1").code, Some(0));
    }
    assert_eq!((events(&bench).as_str(), bench.ids().len()), ("before_create after_create", 1));
}

#[test]
fn a_target_that_is_locked_runs_no_hooks() {
    let bench = bench(ALL, &[("before", "until test -e go; do sleep 0.01; done"), ("after", ""), ("failed", "")]);
    let mut first =
        bench.command().args(["create", "notes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first hook runs", || bench.path("before_create.json").exists().then_some(()));
    assert_eq!(bench.run("create notes").code, Some(11));
    assert_eq!(events(&bench), "before_create", "those of the other one are at work");
    fs::write(bench.path("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(events(&bench), "before_create after_create");
}

#[test]
fn a_dry_run_says_which_hooks_would_run() {
    let bench = bench(ALL, &[("before", ""), ("after", ""), ("failed", "")]);
    assert_snapshot!(bench.run("create notes --dry-run"), @"
    exit 0
    --- stderr
    notes: would make a snapshot; everything that it needs is there
    notes: would run the hook before_create: before
    notes: would run the hook after_create: after
    notes: would run the hook on_failure: failed
    ");
    assert_eq!(events(&bench), "");
}

#[test]
fn an_interruption_stops_a_hook_and_cleans_up() {
    let bench = bench(
        ALL,
        &[
            ("before", "trap 'echo stopped >> events; exit 1' TERM; sleep 600 & : > asleep; wait"),
            ("after", ""),
            ("failed", ""),
        ],
    );
    let child = bench.command().args(["create", "notes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("the hook sleeps", || bench.path("asleep").exists().then_some(()));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran = bench.ran(child.wait_with_output().unwrap());
    assert_snapshot!(ran, @"
    exit 143
    --- stderr
    stopping; once more to stop at once
    error: notes: hook before_create: before was stopped
    ");
    assert_eq!(events(&bench), "before_create stopped on_failure");
    assert_eq!(input(&bench, "on_failure")["errors"][0]["code"], "interrupted");
}

#[test]
fn a_targets_own_hooks_go_before_those_of_all() {
    let bench = bench(ALL, &[("before", ""), ("after", ""), ("failed", "")]);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let own = "store = \"local\"\nhooks = { before_create = [] }\n";
    fs::write(bench.path("snapkeep.toml"), config.replacen("store = \"local\"\n", own, 1)).unwrap();
    assert_eq!(bench.run("create notes").code, Some(0));
    assert_eq!(events(&bench), "after_create");
}

#[test]
fn guard_runs_nothing_after_a_hook_that_may_stop_it() {
    let hooks = "after_create = { command = [\"./after\"], on_failure = \"abort\" }";
    let bench = bench(hooks, &[("after", "exit 1")]);
    assert_snapshot!(bench.run("guard notes -- touch ran"), @"
    exit 1
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    error: notes: hook after_create failed: after ended with exit status 1
    hint: run it by hand; its output is shown with `-v`
    ");
    assert!(!bench.path("ran").exists());
    assert_eq!((bench.ids().len(), events(&bench).as_str()), (1, "after_create"));
}
