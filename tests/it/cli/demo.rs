//! `demo`

use std::fs;

use insta::assert_snapshot;

use super::Bench;

#[test]
fn demo_plays_the_whole_cycle_and_prints_each_command() {
    assert_snapshot!(Bench::empty().run("demo"), @"
    exit 0
    --- stdout
    In snapkeep-demo: a database with 3 notes, and a config for it.

    $ snapkeep --config snapkeep-demo/snapkeep.toml create notes --tag reason=before-the-change
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    Now a change that somebody will regret: one note is lost, another one is new.

    $ snapkeep --config snapkeep-demo/snapkeep.toml create notes --key change-1
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    The same key is the same snapshot, so a script may simply try again:

    $ snapkeep --config snapkeep-demo/snapkeep.toml create notes --key change-1
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    $ snapkeep --config snapkeep-demo/snapkeep.toml list notes
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    What is known of the first one, and how to restore it even without snapkeep:

    $ snapkeep --config snapkeep-demo/snapkeep.toml show notes/[ID1]
    id  notes/[ID1]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  owned
    size  [SIZE]
    engine  sqlite [SQLITE]
    location  local:[DIR]/snapkeep-demo/snapshots
    encrypted  no
    tags  reason=before-the-change
    format  sqlite database
    database  [DIR]/snapkeep-demo/notes.db

    To restore it without snapkeep:

      # are the bytes whole?
      echo '[SHA256]  [DIR]/snapkeep-demo/snapshots/notes/[ID1]/data.sqlite.zst' | sha256sum --check -
      # into a new file
      zstd -dc [DIR]/snapkeep-demo/snapshots/notes/[ID1]/data.sqlite.zst > restored.db
      sqlite3 restored.db 'PRAGMA integrity_check'

    Restore it beside the database, and compare:

    $ snapkeep --config snapkeep-demo/snapkeep.toml restore notes/[ID1] --to snapkeep-demo/restored.db
    SNAPSHOT  RESTORED TO
    notes/[ID1]  [DIR]/snapkeep-demo/restored.db

      notes.db  call the bank | renew the certificate | buy milk
      restored.db  call the bank | water the plants 🌱 | renew the certificate
    The restored file holds what the database held before the change.

    Delete it. The last good snapshot of a target would be refused.

    $ snapkeep --config snapkeep-demo/snapkeep.toml delete notes/[ID1] --yes
    SNAPSHOT  RESULT
    notes/[ID1]  deleted

    $ snapkeep --config snapkeep-demo/snapkeep.toml list notes
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    Go on by hand: snapkeep --config snapkeep-demo/snapkeep.toml targets
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: made notes/[ID2] in local, [SIZE], in [DURATION]
    notes: notes/[ID2] is there already in local, with the same key, [SIZE]
    notes: restored notes/[ID1] to [DIR]/snapkeep-demo/restored.db, in [DURATION]
    deleted notes/[ID1]
    ");
}

#[test]
fn demo_runs_again_in_its_own_folder() {
    let bench = Bench::empty();
    assert_eq!(bench.run("demo").code, Some(0));
    fs::write(bench.path("snapkeep-demo/mine.txt"), "mine").unwrap();
    let again = bench.run("demo");
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(fs::read_to_string(bench.path("snapkeep-demo/mine.txt")).unwrap(), "mine");
    let listed = bench.run("--config snapkeep-demo/snapkeep.toml -o name list");
    assert_eq!(listed.out.lines().count(), 1, "{listed}");
}

#[test]
fn the_commands_that_demo_prints_work_by_hand() {
    let bench = Bench::empty();
    let demo = bench.run("demo --dir tried");
    let lines = demo.out.lines().filter_map(|line| line.strip_prefix("$ snapkeep "));
    let by_hand: Vec<&str> = lines.filter(|line| line.contains(" create ") || line.contains(" list ")).collect();
    assert_eq!(by_hand.len(), 5);
    for line in by_hand {
        let ran = bench.run(line);
        assert_eq!(ran.code, Some(0), "{line}: {ran}");
    }
}

#[test]
fn demo_refuses_a_folder_that_it_did_not_make() {
    let bench = Bench::empty();
    fs::create_dir(bench.path("mine")).unwrap();
    fs::write(bench.path("mine/notes.db"), "precious").unwrap();
    assert_snapshot!(bench.run("demo --dir mine"), @"
    exit 10
    --- stderr
    error: mine exists, and the demo did not make it
    hint: choose another folder with `--dir DIR`
    ");
    assert_snapshot!(bench.run("demo --dir mine -o json"), @r#"
    exit 10
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "DemoSteps",
      "items": [],
      "errors": [
        {
          "code": "refused",
          "message": "mine exists, and the demo did not make it",
          "target": null,
          "retryable": false,
          "hint": "choose another folder with `--dir DIR`",
          "causes": []
        }
      ]
    }
    --- stderr
    error: mine exists, and the demo did not make it
    hint: choose another folder with `--dir DIR`
    "#);
    assert_eq!(fs::read_to_string(bench.path("mine/notes.db")).unwrap(), "precious");
}

#[test]
fn demo_in_json_is_one_document_of_steps() {
    let ran = Bench::empty().run("demo -o json");
    let document = ran.document();
    assert_eq!(document["kind"], "DemoSteps");
    let steps = document["items"].as_array().unwrap();
    assert_eq!(steps.len(), 8);
    assert!(steps.iter().all(|step| step["exit_code"] == 0));
}

#[test]
fn demo_in_a_path_with_spaces_quotes_what_it_prints() {
    let bench = Bench::empty();
    let ran = bench.run_words(&["demo", "--dir", "my demo"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.out.contains("$ snapkeep --config 'my demo/snapkeep.toml' list notes"), "{ran}");
}
