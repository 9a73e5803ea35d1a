//! What is wrong with the command line or the config, for every verb.

use std::fs;

use super::{BY_ID, BY_TARGET, errors, of_id};
use crate::cli::{Bench, STORE, target};

/// The verbs that read the config.
fn reading_the_config() -> Vec<String> {
    let others = ["targets list", "list", "status", "prune plan", "prune apply --yes", "config check", "doctor"]
        .map(str::to_owned);
    let mut lines = of_id(&BY_TARGET, "notes");
    lines.extend(of_id(&BY_ID, "notes/x"));
    lines.extend(others);
    lines
}

#[test]
fn no_config_is_told_by_every_verb_that_reads_one() {
    insta::assert_snapshot!(errors(&Bench::empty(), reading_the_config()), @r#"
    $ snapkeep targets check notes
    $ snapkeep list notes
    $ snapkeep status notes
    $ snapkeep latest notes
    $ snapkeep create notes
    $ snapkeep create notes --no-wait
    $ snapkeep restore notes --time 2026-01-01T00:00:00Z --to x.db
    $ snapkeep export notes --to gs://b/o
    $ snapkeep import notes --from gs://b/o --confirm notes
    $ snapkeep prune plan notes
    $ snapkeep prune apply notes --yes
    $ snapkeep guard notes -- true
    $ snapkeep doctor notes
    $ snapkeep show notes/x
    $ snapkeep wait notes/x
    $ snapkeep copy notes/x --to-store local
    $ snapkeep restore notes/x --to x.db
    $ snapkeep export notes/x --to gs://b/o
    $ snapkeep delete notes/x --yes
    $ snapkeep hold notes/x --reason audit
    $ snapkeep release notes/x
    $ snapkeep adopt notes/x
    $ snapkeep verify notes/x
    $ snapkeep targets list
    $ snapkeep list
    $ snapkeep status
    $ snapkeep prune plan
    $ snapkeep prune apply --yes
    $ snapkeep config check
    $ snapkeep doctor
    exit 2
    --- stderr
    error: no config file: looked at snapkeep.toml, [DIR]/home/.config/snapkeep/config.toml, /etc/snapkeep/config.toml
    hint: name one with `--config FILE`, or see a whole cycle that needs none with `snapkeep demo`
    --- stderr as JSON
    {"level":"error","code":"config","message":"no config file: looked at snapkeep.toml, [DIR]/home/.config/snapkeep/config.toml, /etc/snapkeep/config.toml","target":null,"retryable":false,"hint":"name one with `--config FILE`, or see a whole cycle that needs none with `snapkeep demo`","causes":[]}
    "#);
}

#[test]
fn each_problem_of_a_config_is_told_by_every_verb_that_reads_one() {
    let bench = Bench::empty();
    let config = format!("version = 1\n{}retenton = \"none\"\n{STORE}", target("notes", "notes.db", "store = 3\n"));
    fs::write(bench.path("snapkeep.toml"), config.replacen("store = \"local\"\n", "", 1)).unwrap();
    insta::assert_snapshot!(errors(&bench, reading_the_config()), @r#"
    $ snapkeep targets check notes
    $ snapkeep list notes
    $ snapkeep status notes
    $ snapkeep latest notes
    $ snapkeep create notes
    $ snapkeep create notes --no-wait
    $ snapkeep restore notes --time 2026-01-01T00:00:00Z --to x.db
    $ snapkeep export notes --to gs://b/o
    $ snapkeep import notes --from gs://b/o --confirm notes
    $ snapkeep prune plan notes
    $ snapkeep prune apply notes --yes
    $ snapkeep guard notes -- true
    $ snapkeep doctor notes
    $ snapkeep show notes/x
    $ snapkeep wait notes/x
    $ snapkeep copy notes/x --to-store local
    $ snapkeep restore notes/x --to x.db
    $ snapkeep export notes/x --to gs://b/o
    $ snapkeep delete notes/x --yes
    $ snapkeep hold notes/x --reason audit
    $ snapkeep release notes/x
    $ snapkeep adopt notes/x
    $ snapkeep verify notes/x
    $ snapkeep targets list
    $ snapkeep list
    $ snapkeep status
    $ snapkeep prune plan
    $ snapkeep prune apply --yes
    $ snapkeep config check
    $ snapkeep doctor
    exit 2
    --- stderr
    error: snapkeep.toml:6:9: "store" in targets.notes must be a string or an array, not an integer
    error: snapkeep.toml:7:1: unknown key "retenton" in targets.notes
    hint: did you mean "retention"?
    --- stderr as JSON
    {"level":"error","code":"config","message":"snapkeep.toml:6:9: \"store\" in targets.notes must be a string or an array, not an integer","target":null,"retryable":false,"hint":null,"causes":[]}
    {"level":"error","code":"config","message":"snapkeep.toml:7:1: unknown key \"retenton\" in targets.notes","target":null,"retryable":false,"hint":"did you mean \"retention\"?","causes":[]}
    "#);
}

#[test]
fn a_target_that_is_not_there_is_told_by_every_verb_that_takes_one() {
    let bench = Bench::new();
    let mut lines = of_id(&BY_TARGET, "nots");
    lines.extend(of_id(&BY_ID, "nots/x"));
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep targets check nots
    $ snapkeep list nots
    $ snapkeep status nots
    $ snapkeep latest nots
    $ snapkeep create nots
    $ snapkeep create nots --no-wait
    $ snapkeep restore nots --time 2026-01-01T00:00:00Z --to x.db
    $ snapkeep export nots --to gs://b/o
    $ snapkeep import nots --from gs://b/o --confirm nots
    $ snapkeep prune plan nots
    $ snapkeep prune apply nots --yes
    $ snapkeep guard nots -- true
    $ snapkeep doctor nots
    $ snapkeep show nots/x
    $ snapkeep wait nots/x
    $ snapkeep copy nots/x --to-store local
    $ snapkeep restore nots/x --to x.db
    $ snapkeep export nots/x --to gs://b/o
    $ snapkeep delete nots/x --yes
    $ snapkeep hold nots/x --reason audit
    $ snapkeep release nots/x
    $ snapkeep adopt nots/x
    $ snapkeep verify nots/x
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    --- stderr as JSON
    {"level":"error","code":"unknown_target","message":"there is no target \"nots\" in snapkeep.toml","target":"nots","retryable":false,"hint":"did you mean \"notes\"?","causes":[]}
    "#);
}

#[test]
fn what_is_no_plan_or_can_not_be_one_is_told_by_pruning() {
    let bench =
        Bench::of(&[target("notes", "notes.db", "retention = \"standard\"\n"), target("tasks", "tasks.db", "")]);
    let config = bench.path("snapkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[retention.standard]\nkeep_last = 1\n")).unwrap();
    let lines = [
        "prune apply --plan notes.db",
        "prune apply --plan missing.json",
        "prune plan --out missing/plan.json",
        "prune plan tasks",
        "prune apply tasks --yes",
        "delete notes/x",
        "demo --dry-run",
        "man lsit",
    ];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep prune apply --plan notes.db
    exit 2
    --- stderr
    error: cannot read the plan notes.db: stream did not contain valid UTF-8
    --- stderr as JSON
    {"level":"error","code":"plan","message":"cannot read the plan notes.db: stream did not contain valid UTF-8","target":null,"retryable":false,"hint":null,"causes":[]}

    $ snapkeep prune apply --plan missing.json
    exit 2
    --- stderr
    error: cannot read the plan missing.json: No such file or directory (os error 2)
    --- stderr as JSON
    {"level":"error","code":"plan","message":"cannot read the plan missing.json: No such file or directory (os error 2)","target":null,"retryable":false,"hint":null,"causes":[]}

    $ snapkeep prune plan --out missing/plan.json
    exit 1
    --- stderr
    error: cannot write the plan to missing/plan.json: No such file or directory (os error 2)
    notes: keep 0, remove 0 ([SIZE]), refused 0
    --- stderr as JSON
    {"level":"error","code":"plan_file","message":"cannot write the plan to missing/plan.json: No such file or directory (os error 2)","target":null,"retryable":false,"hint":null,"causes":[]}
    {"level":"info","target":"notes","message":"keep 0, remove 0 ([SIZE]), refused 0"}

    $ snapkeep prune plan tasks
    $ snapkeep prune apply tasks --yes
    exit 2
    --- stderr
    error: without a retention policy nothing can be pruned: tasks
    hint: set `retention` of the target, or in [defaults]
    --- stderr as JSON
    {"level":"error","code":"config","message":"without a retention policy nothing can be pruned: tasks","target":null,"retryable":false,"hint":"set `retention` of the target, or in [defaults]","causes":[]}

    $ snapkeep delete notes/x
    exit 2
    --- stderr
    error: deleting needs a confirmation, and no one can be asked
    hint: add `--yes`
    --- stderr as JSON
    {"level":"error","code":"usage","message":"deleting needs a confirmation, and no one can be asked","target":null,"retryable":false,"hint":"add `--yes`","causes":[]}

    $ snapkeep demo --dry-run
    exit 2
    --- stderr
    error: the demo can't be a dry run: it shows what really happens, in a folder of its own
    --- stderr as JSON
    {"level":"error","code":"usage","message":"the demo can't be a dry run: it shows what really happens, in a folder of its own","target":null,"retryable":false,"hint":null,"causes":[]}

    $ snapkeep man lsit
    exit 2
    --- stderr
    error: there is no verb "lsit"
    hint: see `snapkeep --help`
    --- stderr as JSON
    {"level":"error","code":"usage","message":"there is no verb \"lsit\"","target":null,"retryable":false,"hint":"see `snapkeep --help`","causes":[]}
    "#);
}
