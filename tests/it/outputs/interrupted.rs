//! A signal while a verb works.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::{BY_ID, grouped, of_id, with_json};
use crate::cli::{Bench, Ran, target, until};
use crate::support::{Action, Fault, StoreKind, TestStore};

/// What reads a list first.
const OTHERS: [&str; 7] = [
    "list",
    "status",
    "latest notes",
    "create notes --key k",
    "guard notes --max-age 1h -- true",
    "prune plan",
    "prune apply --yes",
];

/// A bench with a snapshot, and its store, which never answers a question.
fn hanging() -> (Bench, TestStore) {
    let store = StoreKind::Gcs.up().unwrap().behind_proxy();
    let bench = Bench::of(&[target("notes", "notes.db", "retention = \"one\"\n").replace("local", "offsite")]);
    let config = bench.path("snapkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}{}\n[retention.one]\nkeep_last = 1\n", store.toml("offsite"))).unwrap();
    bench.create();
    store.proxy().fail(Fault::on("GET", "", Action::Stall).times(usize::MAX));
    (bench, store)
}

/// Runs a command line, and sends a signal once it has asked the store.
fn stopped(bench: &Bench, store: &TestStore, signal: Signal, line: &str) -> Ran {
    let fired = store.proxy().fired();
    let mut command = bench.command();
    command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("the store is asked", || (store.proxy().fired() > fired).then_some(()));
    kill_process(Pid::from_child(&child), signal).unwrap();
    bench.ran(child.wait_with_output().unwrap())
}

fn interrupted(signal: Signal) -> String {
    let (bench, store) = hanging();
    let mut lines = of_id(&BY_ID, "notes/latest");
    // It looks at no snapshot.
    lines.retain(|line| !line.starts_with("export"));
    lines.extend(OTHERS.map(str::to_owned));
    grouped(lines.into_iter().map(|line| {
        let text = stopped(&bench, &store, signal, &line).to_string();
        let json = stopped(&bench, &store, signal, &format!("--log-format json {line}")).to_string();
        (line, with_json(&text, &json))
    }))
}

#[test]
fn an_interruption_is_told() {
    insta::assert_snapshot!(interrupted(Signal::INT), @r#"
    $ snapkeep show notes/latest
    $ snapkeep restore notes/latest --to x.db
    $ snapkeep list
    $ snapkeep status
    $ snapkeep latest notes
    $ snapkeep prune plan
    $ snapkeep prune apply --yes
    exit 130
    --- stderr
    stopping; once more to stop at once
    error: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"interrupted","target":null,"retryable":false,"hint":null,"causes":[]}

    $ snapkeep wait notes/latest
    $ snapkeep copy notes/latest --to-store local
    $ snapkeep delete notes/latest --yes
    $ snapkeep hold notes/latest --reason audit
    $ snapkeep release notes/latest
    $ snapkeep adopt notes/latest
    $ snapkeep verify notes/latest
    $ snapkeep guard notes --max-age 1h -- true
    exit 130
    --- stderr
    stopping; once more to stop at once
    error: notes: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"interrupted","target":"notes","retryable":false,"hint":null,"causes":[]}

    $ snapkeep create notes --key k
    exit 130
    --- stderr
    stopping; once more to stop at once
    error: dump: cannot create notes: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"dump: cannot create notes: interrupted","target":"notes","retryable":false,"hint":null,"causes":[]}
    "#);
}

#[test]
fn a_termination_is_told() {
    insta::assert_snapshot!(interrupted(Signal::TERM), @r#"
    $ snapkeep show notes/latest
    $ snapkeep restore notes/latest --to x.db
    $ snapkeep list
    $ snapkeep status
    $ snapkeep latest notes
    $ snapkeep prune plan
    $ snapkeep prune apply --yes
    exit 143
    --- stderr
    stopping; once more to stop at once
    error: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"interrupted","target":null,"retryable":false,"hint":null,"causes":[]}

    $ snapkeep wait notes/latest
    $ snapkeep copy notes/latest --to-store local
    $ snapkeep delete notes/latest --yes
    $ snapkeep hold notes/latest --reason audit
    $ snapkeep release notes/latest
    $ snapkeep adopt notes/latest
    $ snapkeep verify notes/latest
    $ snapkeep guard notes --max-age 1h -- true
    exit 143
    --- stderr
    stopping; once more to stop at once
    error: notes: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"interrupted","target":"notes","retryable":false,"hint":null,"causes":[]}

    $ snapkeep create notes --key k
    exit 143
    --- stderr
    stopping; once more to stop at once
    error: dump: cannot create notes: interrupted
    --- stderr as JSON
    {"level":"info","target":null,"message":"stopping; once more to stop at once"}
    {"level":"error","code":"interrupted","message":"dump: cannot create notes: interrupted","target":"notes","retryable":false,"hint":null,"causes":[]}
    "#);
}
