//! What needs no server: SQLite files, a store in a folder, policies, time.

use std::fs;
use std::net::TcpListener;

use insta::assert_snapshot;

use crate::cli::{Bench, keys, target};

const POLICY: &str = "\n[retention.daily]\nkeep_last = 3\nmax_age = \"1d\"\n";

/// A target with that policy.
fn aging() -> Bench {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let config = config.replace("store = \"local\"", "store = \"local\"\nretention = \"daily\"");
    fs::write(bench.path("snapkeep.toml"), config + POLICY).unwrap();
    bench
}

#[test]
fn a_healthy_file_and_folder_pass_every_check_and_nothing_is_left_there() {
    let bench = aging();
    bench.create();
    let files = bench.files();
    assert_snapshot!(bench.run("doctor"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  1, the newest good one is [AGE] old
    notes  age  ok  the newest good snapshot is [AGE] old, and max_age is 1d
    notes  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    ");
    assert_eq!(bench.files(), files);
}

#[test]
fn a_row_is_about_a_target_or_about_a_store() {
    let document = Bench::new().run("doctor -o json").document();
    let items = document["items"].as_array().unwrap();
    assert_eq!(document["kind"], "CheckList");
    assert!(items.iter().all(|item| keys(item) == ["check", "detail", "hint", "ok", "store", "target"]));
    let about = |item: &serde_json::Value| format!("{} {}", item["target"], item["store"]);
    let mut about: Vec<String> = items.iter().map(about).collect();
    about.dedup();
    assert_eq!(about, ["\"notes\" null", "null \"local\""]);
    assert_eq!(Bench::new().run("doctor -o name").out.lines().last(), Some("local"));
}

#[test]
fn what_is_sick_is_told_with_what_to_do_and_the_rest_is_looked_at() {
    let bench = Bench::of(&[
        target("gone", "gone.db", ""),
        target("notes", "notes.db", "").replace("\"local\"", "\"nas\""),
        target("tasks", "tasks.db", ""),
    ]);
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config + "\n[stores.nas]\ntype = \"local\"\npath = \"nas\"\n").unwrap();
    fs::write(bench.path("nas"), "no folder").unwrap();
    assert_snapshot!(bench.run("doctor"), @"
    exit 3
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  restore  ok  a file can be made in [DIR]
    gone  state  ok  [DIR]/home/.local/state/snapkeep
    gone  snapshots  ok  0, none is good
    gone  debris  ok  none
    notes  provider  FAILED  store: cannot open nas: its folder can't be made
    tasks  connection  ok  [DIR]/tasks.db, 8192 bytes, SQLite [SQLITE]
    tasks  restore  ok  a file can be made in [DIR]
    tasks  state  ok  [DIR]/home/.local/state/snapkeep
    tasks  snapshots  ok  0, none is good
    tasks  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    store nas  store  FAILED  store: cannot open nas: its folder can't be made
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    error: notes: store: cannot open nas: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/nas
    error: store: cannot open nas: its folder can't be made
    caused by: File exists (os error 17)
    hint: check `path` of the store: [DIR]/nas
    ");
    assert_eq!(bench.run("doctor tasks").code, Some(0));
    assert_eq!(bench.run("doctor gone").code, Some(4));
}

#[test]
fn a_snapshot_that_is_too_old_is_a_failure_and_none_yet_is_something_to_do() {
    let bench = aging();
    let ran = bench.run("doctor");
    assert!(ran.code == Some(0) && ran.out.contains("hint: make the first one: `snapkeep create notes`"), "{ran}");
    let id = bench.create();
    let (target, name) = id.split_once('/').unwrap();
    let old = "20250101T000000Z-aaaa";
    let text = fs::read_to_string(bench.stored(&id, "manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["id"] = format!("{target}/{old}").into();
    for key in ["created_at", "completed_at"] {
        manifest[key] = "2025-01-01T00:00:00Z".into();
    }
    fs::write(bench.stored(&id, "manifest.json"), manifest.to_string()).unwrap();
    fs::rename(bench.path("snapshots/notes").join(name), bench.path("snapshots/notes").join(old)).unwrap();
    let ran = bench.run("doctor");
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.err.contains("the newest good snapshot is ") && ran.err.contains("max_age is 1d"), "{ran}");
    assert!(ran.err.contains("hint: make a new one: `snapkeep create notes`"), "{ran}");
}

#[test]
fn a_server_that_never_answers_is_left_after_a_while_and_the_order_is_that_of_the_config() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("endpoint = \"http://{}\"", deaf.local_addr().unwrap());
    let cloud = format!(
        "\n[targets.billing]\nprovider = \"gcp_cloud_sql\"\nproject = \"acme-prod\"\ninstance = \"billing-pg\"\n{endpoint}\n\
         access_token = {{ env = \"TOKEN\" }}\n"
    );
    let bench = Bench::of(&[target("zeta", "notes.db", ""), cloud, target("alpha", "tasks.db", "")]);
    let ran = bench.run_with("TOKEN", "t", "doctor --timeout 2s");
    assert_eq!(ran.code, Some(3), "{ran}");
    assert!(ran.err.contains("doctor: cannot look at the snapshots of billing: no answer within 2s"), "{ran}");
    assert!(ran.err.contains("`--timeout 5m` waits longer"), "{ran}");
    let mut targets: Vec<&str> = ran.out.lines().skip(1).filter_map(|line| line.split("  ").next()).collect();
    targets.dedup();
    let names: Vec<&str> = targets.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names, ["alpha", "billing", "zeta", "store local"]);
}

#[test]
fn an_identity_that_can_not_be_read_is_told_before_a_restore_needs_it() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let with = |identity: &str| {
        let encrypt = format!("encrypt = {{ age_recipients = [\"{recipient}\"]{identity} }}\n");
        fs::write(bench.path("snapkeep.toml"), format!("{config}{encrypt}")).unwrap();
        bench.run("doctor")
    };
    let without = with("");
    assert!(without.code == Some(0) && without.out.contains("this machine can't read them"), "{without}");
    let missing = with(", age_identity = { file = \"no.key\" }");
    assert!(missing.code == Some(5) && missing.err.contains("no.key: it can't be read"), "{missing}");
}
