//! `create` and `wait`

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::{Bench, below, target};

#[test]
fn create_makes_a_snapshot_and_shows_it() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("create notes"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    assert_eq!(bench.ids().len(), 1);
    let files = bench.files();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files[0].ends_with("/data.sqlite.zst") && files[1].ends_with("/manifest.json"), "{files:?}");
    assert!(below(&bench.path("tmp")).is_empty(), "nothing stays in the folder for temporary files");
}

#[test]
fn one_target_that_fails_stops_no_other() {
    let bench =
        Bench::of(&[target("gone", "gone.db", ""), target("notes", "notes.db", ""), target("tasks", "tasks.db", "")]);
    assert_snapshot!(bench.run("create gone notes"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    ");
    assert_eq!(bench.ids().len(), 1);
    let ran = bench.run("create notes gone tasks -o json");
    assert_eq!(ran.code, Some(3));
    assert_eq!(ran.document()["items"].as_array().unwrap().len(), 2);
    assert_eq!(ran.document()["errors"][0]["target"], "gone");
}

#[test]
fn create_of_a_database_that_is_not_there_makes_nothing() {
    let bench = Bench::of(&[target("gone", "gone.db", "")]);
    assert_snapshot!(bench.run("create gone"), @"
    exit 4
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    ");
    assert_snapshot!(bench.run("create gone -o json"), @r#"
    exit 4
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": [
        {
          "code": "not_found",
          "message": "sqlite: cannot dump [DIR]/gone.db: there is no such file",
          "target": "gone",
          "retryable": false,
          "hint": "check `path` in the config; it is relative to the config file",
          "causes": [
            "No such file or directory (os error 2)"
          ]
        }
      ]
    }
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    "#);
    assert!(bench.files().is_empty());
    assert!(!bench.path("gone.db").exists(), "to look for a database must not make one");
}

#[test]
fn an_unknown_target_stops_all_before_anything_is_made() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("create notes nots"), @r#"
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    "#);
    assert_snapshot!(bench.run("create notes nots -o json"), @r#"
    exit 2
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": [
        {
          "code": "unknown_target",
          "message": "there is no target \"nots\" in snapkeep.toml",
          "target": "nots",
          "retryable": false,
          "hint": "did you mean \"notes\"?",
          "causes": []
        }
      ]
    }
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    "#);
    assert!(bench.files().is_empty());
}

#[test]
fn the_same_target_twice_is_one_snapshot() {
    let bench = Bench::new();
    assert_eq!(bench.run("create notes notes -o name").out.lines().count(), 1);
}

#[test]
fn the_same_key_is_the_same_snapshot() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("tasks", "tasks.db", "")]);
    let first = bench.run("create notes --key release-7 -o name");
    let again = bench.run("create notes --key release-7 -o name");
    assert_eq!(first.out, again.out);
    assert_snapshot!(again, @"
    exit 0
    --- stdout
    notes/[ID1]
    --- stderr
    notes: notes/[ID1] is there already in local, with the same key, [SIZE]
    ");
    assert_ne!(bench.run("create notes --key release-8 -o name").out, first.out);
    assert_ne!(bench.run("create tasks --key release-7 -o name").out, first.out, "a key is a target's own");
    assert_eq!(bench.ids().len(), 3);
}

#[test]
fn the_tags_of_the_command_line_join_those_of_the_target() {
    let bench = Bench::of(&[target("notes", "notes.db", "tags = { team = \"a\", env = \"prod\" }")]);
    let document = bench.run("create notes --tag why=test --tag env=stage --tag eq=a=b -o json").document();
    assert_snapshot!(document["items"][0]["tags"], @r#"
    {"env":"stage","eq":"a=b","team":"a","why":"test"}
    "#);
}

#[test]
fn create_without_waiting_prints_the_operation() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("create notes --no-wait"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    notes/[ID1]  create  notes/[ID1]  done  [TIME]
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    ");
    let document = bench.run("create notes --no-wait -o json").document();
    assert_eq!(document["kind"], "OperationList");
    assert_eq!(document["items"][0]["verb"], "create");
}

#[test]
fn a_dry_run_makes_nothing() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("gone", "gone.db", "")]);
    assert_snapshot!(bench.run("create notes --dry-run"), @"
    exit 0
    --- stderr
    notes: would make a snapshot; everything that it needs is there
    ");
    assert_snapshot!(bench.run("create notes gone --dry-run"), @"
    exit 3
    --- stderr
    notes: would make a snapshot; everything that it needs is there
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    ");
    assert!(bench.files().is_empty());
}

#[test]
fn bad_options_are_usage_errors_and_make_nothing() {
    let bench = Bench::new();
    let long = "k".repeat(257);
    for words in [
        &["create"][..],
        &["create", "notes", "--key", ""],
        &["create", "notes", "--key", "a\nb"],
        &["create", "notes", "--key", &long],
        &["create", "notes", "--tag", "=x"],
        &["create", "notes", "--timeout", "5"],
        &["create", "notes", "--timeout", "0s"],
        &["create", "notes", "--nonsense"],
    ] {
        let ran = bench.run_words(&[words, &["-o", "json"]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{words:?}: {ran}");
        assert!(ran.err.starts_with("error: "), "{ran}");
    }
    assert!(bench.files().is_empty());
}

#[test]
fn a_target_name_that_is_a_path_leads_nowhere() {
    let bench = Bench::new();
    for name in ["../notes", "..", "no tes", "/etc", "notes/x", "."] {
        let ran = bench.run_words(&["create", name, "-o", "json"]);
        assert_eq!((ran.code, ran.error_codes().concat()), (Some(2), "unknown_target".into()), "{name:?}: {ran}");
    }
    assert!(bench.files().is_empty());
}

#[test]
fn wait_for_a_dump_is_over_at_once() {
    let bench = Bench::new();
    let id = bench.create();
    for which in [&*id, &id[..id.len() - 1], "notes/latest"] {
        assert_eq!(bench.run(&format!("wait {which} -o name --timeout 1m")).out.trim_end(), id);
    }
    assert_snapshot!(bench.run("wait notes/nope"), @"
    exit 4
    --- stderr
    error: there is no snapshot notes/nope
    hint: see `snapkeep list notes`
    ");
}

#[test]
fn everything_that_is_made_is_the_users_alone() {
    let bench = Bench::new();
    let id = bench.create();
    assert_eq!(bench.run(&format!("restore {id} --to restored.db")).code, Some(0));
    assert_eq!(bench.run("demo --dir tried").code, Some(0));
    let made = [below(&bench.path("snapshots")), below(&bench.path("tried")), vec![bench.path("restored.db")]].concat();
    assert!(made.len() > 9, "{made:?}");
    for path in made {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn a_store_that_can_not_be_made_is_an_error_and_no_snapshot() {
    let bench = Bench::new();
    fs::write(bench.path("snapshots"), "a file where a folder belongs").unwrap();
    assert_snapshot!(bench.run("create notes"), @"
    exit 1
    --- stderr
    error: notes: store: cannot open local: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/snapshots
    ");
    assert_eq!(fs::read_to_string(bench.path("snapshots")).unwrap(), "a file where a folder belongs");
}
