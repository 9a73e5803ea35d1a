//! What only looks: `targets`, `list`, `show`, `latest`

use std::fs;

use chrono::DateTime;
use insta::assert_snapshot;

use super::{Bench, keys, target};

fn two_targets() -> Bench {
    Bench::of(&[target("notes", "notes.db", "tags = { team = \"a\" }"), target("tasks", "tasks.db", "")])
}

#[test]
fn targets_shows_what_is_configured() {
    let bench = two_targets();
    assert_snapshot!(bench.run("targets"), @"
    exit 0
    --- stdout
    TARGET  PROVIDER  DATABASE  STORE  RETENTION
    notes  sqlite  notes.db  local  -
    tasks  sqlite  tasks.db  local  -
    ");
    assert_eq!(bench.run("targets list").out, bench.run("targets").out);
    assert_snapshot!(bench.run("targets -o name"), @"
    exit 0
    --- stdout
    notes
    tasks
    ");
    assert_snapshot!(bench.run("targets -o csv"), @r#"
    exit 0
    --- stdout
    target,provider,subject,store,retention,tags
    notes,sqlite,notes.db,"[""local""]",,"{""team"":""a""}"
    tasks,sqlite,tasks.db,"[""local""]",,{}
    "#);
    assert_eq!(bench.run("targets -o json").document()["kind"], "TargetList");
}

#[test]
fn targets_check_shows_each_check_and_leaves_nothing_behind() {
    let bench = two_targets();
    assert_snapshot!(bench.run("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  store  ok  local ([DIR]/snapshots)
    tasks  connection  ok  [DIR]/tasks.db, 8192 bytes, SQLite [SQLITE]
    tasks  store  ok  local ([DIR]/snapshots)
    ");
    assert!(bench.files().is_empty(), "{:?}", bench.files());
}

#[test]
fn targets_check_fails_for_a_database_that_is_not_there_and_checks_the_others() {
    let bench = Bench::of(&[target("gone", "gone.db", ""), target("notes", "notes.db", "")]);
    assert_snapshot!(bench.run("targets check"), @"
    exit 3
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  store  ok  local ([DIR]/snapshots)
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  store  ok  local ([DIR]/snapshots)
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    ");
    let document = bench.run("targets check gone -o json").document();
    assert_eq!(document["kind"], "CheckList");
    assert_eq!(document["items"].as_array().unwrap().iter().filter(|check| check["ok"] == false).count(), 1);
}

#[test]
fn targets_check_tells_a_file_that_is_no_database() {
    let bench = Bench::of(&[target("notes", "text.db", "")]);
    fs::write(bench.path("text.db"), "a text file, and long enough to have the header of a database in it".repeat(9))
        .unwrap();
    assert_snapshot!(bench.run("targets check"), @"
    exit 1
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  FAILED  sqlite: cannot read [DIR]/text.db: it is not a SQLite database, or it is encrypted
    notes  store  ok  local ([DIR]/snapshots)
    --- stderr
    error: notes: sqlite: cannot read [DIR]/text.db: it is not a SQLite database, or it is encrypted
    caused by: Error code 26: file is not a database
    ");
}

#[test]
fn list_of_nothing_says_so_on_stderr_only() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("list"), @"
    exit 0
    --- stderr
    no snapshots
    ");
    assert_snapshot!(bench.run("list -o json"), @r#"
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": []
    }
    --- stderr
    no snapshots
    "#);
    assert_eq!(bench.run("list -o jsonl").out, "");
    assert_eq!(bench.run("list -o name").out, "");
    assert_eq!(bench.run("list -o csv").out.lines().count(), 1, "the header");
}

#[test]
fn list_has_the_newest_first_in_every_format() {
    let bench = Bench::new();
    let first = bench.create();
    let second = bench.run("-q -o name create notes --key k1").out.trim_end().to_owned();
    assert_snapshot!(bench.run("list"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    ");
    assert_eq!(bench.ids(), [second, first]);
    assert_snapshot!(bench.run("list -o csv"), @"
    exit 0
    --- stdout
    id,native_id,target,provider,origin,state,provider_state,created_at,completed_at,size_bytes,engine,engine_version,location,encrypted,key,hold,verified,expires_at,tags,locked_until
    notes/[ID2],[ID2],notes,sqlite,owned,available,,[TIME],[TIME],[SIZE],sqlite,[SQLITE],local:[DIR]/snapshots,false,k1,,,,{},
    notes/[ID1],[ID1],notes,sqlite,owned,available,,[TIME],[TIME],[SIZE],sqlite,[SQLITE],local:[DIR]/snapshots,false,,,,,{},
    ");
    let lines = bench.run("list -o jsonl").out;
    let keys_of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].clone();
    assert_eq!(lines.lines().map(keys_of).collect::<Vec<_>>(), ["k1".into(), serde_json::Value::Null]);
}

#[test]
fn a_snapshot_in_json_has_exactly_the_keys_of_the_contract() {
    let bench = Bench::new();
    bench.create();
    let mut wanted = [
        "id",
        "native_id",
        "target",
        "provider",
        "origin",
        "state",
        "provider_state",
        "created_at",
        "completed_at",
        "size_bytes",
        "engine",
        "engine_version",
        "location",
        "encrypted",
        "key",
        "hold",
        "verified",
        "expires_at",
        "tags",
        "locked_until",
    ];
    wanted.sort_unstable();
    for line in ["list", "latest notes", "create notes", "wait notes/latest"] {
        let document = bench.run(&format!("{line} -o json")).document();
        assert_eq!(document["kind"], "SnapshotList", "{line}");
        assert_eq!(keys(&document["items"][0]), wanted, "{line}");
    }
    let header = bench.run("list -o csv").out.lines().next().unwrap().to_owned();
    let mut header: Vec<&str> = header.split(',').collect();
    header.sort_unstable();
    assert_eq!(header, wanted);
}

#[test]
fn list_filters_and_limits() {
    let bench = two_targets();
    let old = bench.create();
    let tagged = bench.run("-q -o name create notes --tag why=test").out.trim_end().to_owned();
    let task = bench.create_of("tasks");
    let listed =
        |line: &str| bench.run(&format!("list -o name {line}")).out.lines().map(String::from).collect::<Vec<_>>();
    assert_eq!(listed("--tag why=test"), [&*tagged]);
    assert_eq!(listed("--tag why=test --tag team=a"), [&*tagged]);
    assert!(listed("--tag why=test --tag team=b").is_empty());
    assert_eq!(listed("tasks"), [&*task]);
    assert_eq!(listed("--limit 1"), [&*tagged, &*task], "of each target");
    assert_eq!(listed("notes --origin owned --state available --since 1h"), [&*tagged, &*old]);
    assert_eq!(listed("notes --since 2000-01-01").len(), 2);
    for none in ["--origin manual", "--origin automated", "--origin shared", "--state failed", "--since 2999-01-01"] {
        assert!(listed(none).is_empty(), "{none}");
    }
}

#[test]
fn list_goes_on_when_one_target_can_not_be_listed() {
    let bench = two_targets();
    bench.create();
    fs::write(bench.path("snapshots/tasks"), "a file where a folder belongs").unwrap();
    let ran = bench.run("list -o json");
    assert_eq!(ran.document()["items"].as_array().unwrap().len(), 1, "{ran}");
}

#[test]
fn bad_filters_are_usage_errors() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("list --since garbage"), @r#"
    exit 2
    --- stderr
    error: --since: "garbage" is no time: write [TIME], 2026-11-22, or 7d for seven days ago
    "#);
    assert_snapshot!(bench.run("list --tag nonsense"), @"
    exit 2
    --- stderr
    error: invalid value 'nonsense' for '--tag <K=V>': write KEY=VALUE

    For more information, try '--help'.
    ");
    for line in ["list --origin x", "list --state x", "list --limit x", "list --limit -1", "latest notes --max-age x"] {
        let ran = bench.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {ran}");
    }
}

#[test]
fn show_tells_everything_and_how_to_restore_by_hand() {
    let bench = Bench::new();
    let id = bench.run("-q -o name create notes --key k1 --tag why=test").out.trim_end().to_owned();
    assert_snapshot!(bench.run(&format!("show {id}")), @"
    exit 0
    --- stdout
    id  notes/[ID1]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  owned
    size  [SIZE]
    engine  sqlite [SQLITE]
    location  local:[DIR]/snapshots
    encrypted  no
    key  k1
    tags  why=test
    format  sqlite database
    database  [DIR]/notes.db

    To restore it without snapkeep:

      # are the bytes whole?
      echo '[SHA256]  [DIR]/snapshots/notes/[ID1]/data.sqlite.zst' | sha256sum --check -
      # into a new file
      zstd -dc [DIR]/snapshots/notes/[ID1]/data.sqlite.zst > restored.db
      sqlite3 restored.db 'PRAGMA integrity_check'
    ");
    let document = bench.run(&format!("show {id} -o json")).document();
    assert_eq!(document["kind"], "SnapshotDetails");
    assert_eq!(document["items"][0]["record"]["schema"], "snapkeep/manifest/v1");
    assert!(document["items"][0]["restore_commands"].as_array().is_some_and(|commands| !commands.is_empty()));
}

#[test]
fn a_snapshot_is_found_by_its_id_a_unique_prefix_or_latest() {
    let bench = Bench::new();
    let (first, second) = (bench.create(), bench.create());
    let shown = |id: &str| bench.run(&format!("show {id} -o name"));
    assert_eq!(shown(&first).out.trim_end(), first);
    assert_eq!(shown(&first[..first.len() - 1]).out.trim_end(), first);
    assert_eq!(shown("notes/latest").out.trim_end(), second);
    assert_snapshot!(shown("notes/2"), @"
    exit 2
    --- stderr
    error: notes/2 means 2 snapshots: notes/[ID2], notes/[ID1]
    hint: type more of the id
    ");
    assert_eq!(bench.run("show notes/2 -o json").error_codes(), ["ambiguous"]);
    assert_snapshot!(shown("notes/19990101"), @"
    exit 4
    --- stderr
    error: there is no snapshot notes/19990101
    hint: see `snapkeep list notes`
    ");
    assert_snapshot!(shown("notes/latest-verified"), @"
    exit 4
    --- stderr
    error: there is no snapshot notes/latest-verified
    hint: see `snapkeep list notes`
    ");
}

#[test]
fn what_names_no_snapshot_is_a_usage_error() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("show notes"), @r#"
    exit 2
    --- stderr
    error: invalid value 'notes' for '<ID>': "notes" names no snapshot: write TARGET/ID, TARGET/latest or TARGET/latest-verified

    For more information, try '--help'.
    "#);
    for id in ["", "/", "notes/", "/x", "../x", "a b/x", "../../etc/passwd", "notes\n/x"] {
        let ran = bench.run_words(&["show", id, "-o", "json"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{id:?}: {ran}");
    }
    for id in ["notes/..", "notes/../x", "notes/a b", "notes/.", "notes/a/b", "notes/*"] {
        let ran = bench.run_words(&["show", id, "-o", "json"]);
        assert_eq!((ran.code, ran.error_codes().concat()), (Some(4), "not_found".into()), "{id:?}: {ran}");
    }
}

#[test]
fn latest_is_the_newest_good_one_if_it_is_fresh() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("latest notes"), @"
    exit 4
    --- stderr
    error: notes has no good snapshot
    hint: make one: `snapkeep create notes`
    ");
    bench.create();
    let second = bench.create();
    assert_eq!(bench.run("latest notes -o name").out.trim_end(), second);
    assert_eq!(bench.run("latest notes --max-age 1h -o name").out.trim_end(), second);
    assert_eq!(bench.run("latest notes --origin manual").code, Some(4));
    assert_snapshot!(bench.run("latest notes --verified"), @"
    exit 4
    --- stderr
    error: notes has no verified snapshot
    hint: see which there are: `snapkeep list notes`
    ");
}

#[test]
fn latest_refuses_one_that_is_too_old() {
    let bench = Bench::new();
    let id = bench.create();
    bench.date(&id, DateTime::UNIX_EPOCH);
    let ran = bench.run("latest notes --max-age 36h");
    assert_eq!((ran.code, ran.out.as_str()), (Some(4), ""), "{ran}");
    assert!(ran.err.contains("more than 1d 12h"), "{ran}");
    assert_eq!(bench.run("latest notes --max-age 36h -o json").error_codes(), ["not_found"]);
}
