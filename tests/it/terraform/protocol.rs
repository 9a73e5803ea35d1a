//! `tf-external` by whole output: one JSON object of strings, or one line on stderr.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use chrono::{TimeDelta, Utc};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::cli::{Bench, Ran, below, target};

/// Runs `snapkeep LINE` with a query on stdin, and holds it to what the protocol promises whatever happens.
pub(crate) fn ask(bench: &Bench, command: &mut Command, line: &str, query: &str) -> Ran {
    let command = command.args(line.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses what is too large reads no further.
    let _ = child.stdin.take().unwrap().write_all(query.as_bytes());
    let ran = bench.ran(child.wait_with_output().unwrap());
    match ran.code {
        Some(0) => {
            assert_eq!(ran.err, "", "{query}: {ran}");
            let answer: Value = serde_json::from_str(&ran.out).unwrap();
            assert!(answer.as_object().unwrap().values().all(Value::is_string), "{query}: {ran}");
        }
        _ => {
            assert_eq!(ran.out, "", "{query}: {ran}");
            assert!(ran.err.lines().count() == 1 && ran.err.ends_with('\n'), "{query}: {ran}");
        }
    }
    ran
}

fn answer(bench: &Bench, query: &Value) -> Ran {
    ask(bench, &mut bench.command(), "tf-external", &query.to_string())
}

#[test]
fn an_answer_is_the_newest_good_snapshot_in_strings() {
    let bench = Bench::of(&[target("notes", "notes.db", "tags = { team = \"orders\" }\n")]);
    bench.create();
    let made = bench.run("-q create notes --key before-1.9.3 --tag app_version=1.9.3");
    assert_eq!(made.code, Some(0), "{made}");
    let query = json!({ "target": "notes" });
    assert_snapshot!(answer(&bench, &query), @r#"
    exit 0
    --- stdout
    {"completed_at":"[TIME]","created_at":"[TIME]","encrypted":"false","engine":"sqlite","engine_version":"[SQLITE]","expires_at":"","held":"false","hold_reason":"","hold_until":"","id":"notes/[ID2]","key":"before-1.9.3","location":"local:[DIR]/snapshots","locked_until":"","native_id":"[ID2]","origin":"owned","provider":"sqlite","provider_state":"","size_bytes":"169","state":"available","tags":"{\"app_version\":\"1.9.3\",\"team\":\"orders\"}","target":"notes","verified":"","verified_at":"","verified_level":""}
    "#);
    assert_eq!(bench.run("verify notes/latest --level checksum").code, Some(0));
    let held = bench.run("hold notes/latest --until 2099-01-01 --reason upgrade");
    assert_eq!(held.code, Some(0), "{held}");
    assert_snapshot!(answer(&bench, &json!({ "target": "notes", "verified": "true", "max_age": "1h", "origin": "owned" })), @r#"
    exit 0
    --- stdout
    {"completed_at":"[TIME]","created_at":"[TIME]","encrypted":"false","engine":"sqlite","engine_version":"[SQLITE]","expires_at":"","held":"true","hold_reason":"upgrade","hold_until":"[TIME]","id":"notes/[ID2]","key":"before-1.9.3","location":"local:[DIR]/snapshots","locked_until":"","native_id":"[ID2]","origin":"owned","provider":"sqlite","provider_state":"","size_bytes":"169","state":"available","tags":"{\"app_version\":\"1.9.3\",\"team\":\"orders\"}","target":"notes","verified":"true","verified_at":"[TIME]","verified_level":"checksum"}
    "#);
}

#[test]
fn an_answer_has_every_key_of_a_snapshot_and_is_the_same_a_second_time() {
    let bench = Bench::new();
    bench.create();
    let listed = bench.run("-o json latest notes").document()["items"][0].clone();
    let (first, second) =
        (answer(&bench, &json!({ "target": "notes" })), answer(&bench, &json!({ "target": "notes" })));
    assert_eq!(first.out, second.out);
    let flat: Value = serde_json::from_str(&first.out).unwrap();
    for (key, value) in listed.as_object().unwrap() {
        match (key.as_str(), value) {
            ("hold", _) => assert_eq!(flat["held"], "false"),
            (key, Value::Null) => assert_eq!(flat[key], "", "{key}"),
            (key, Value::String(text)) => assert_eq!(flat[key], *text, "{key}"),
            (key, value) => assert_eq!(flat[key], value.to_string(), "{key}"),
        }
    }
}

#[test]
fn what_will_not_do_is_one_line_and_the_exit_code_of_latest() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("tasks", "tasks.db", "")]);
    let id = bench.create();
    let never = |query: Value| answer(&bench, &query).to_string();
    assert_snapshot!(never(json!({ "target": "tasks" })), @"
    exit 4
    --- stderr
    error: tasks has no good snapshot; hint: make one: `snapkeep create tasks`
    ");
    assert_snapshot!(never(json!({ "target": "notes", "verified": "true" })), @"
    exit 4
    --- stderr
    error: notes has no verified snapshot; hint: see which there are: `snapkeep list notes`
    ");
    assert_snapshot!(never(json!({ "target": "notes", "origin": "manual" })), @"
    exit 4
    --- stderr
    error: notes has no good snapshot; hint: make one: `snapkeep create notes`
    ");
    assert_snapshot!(never(json!({ "target": "nots" })), @r#"
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml; hint: did you mean "notes"?
    "#);
    bench.date(&id, Utc::now() - TimeDelta::seconds(7201));
    assert_snapshot!(never(json!({ "target": "notes", "max_age": "1h" })), @"
    exit 4
    --- stderr
    error: the newest good snapshot, notes/[ID1], is 2h old: more than 1h; hint: make one: `snapkeep create notes`
    ");
}

#[test]
fn what_is_no_query_is_told_in_one_line() {
    let bench = Bench::new();
    for (query, told) in [
        ("", "stdin is empty"),
        ("{\"target\":\n\n", "it is no JSON: EOF"),
        ("[\"notes\"]", "it is no JSON object"),
        ("{\"taget\":\"notes\"}", "unknown key \"taget\"; hint: did you mean \"target\"?"),
        ("{\"target\":\"notes\",\"a\\nb\":\"c\"}", "unknown key \"a\\nb\"; hint: it may have target, max_age"),
        ("{\"target\":\"notes\",\"max_age\":24}", "\"max_age\" is no string"),
        ("{\"target\":\"no\\u001btes\"}", "there is no target \"no\\u{1b}tes\""),
    ] {
        let ran = ask(&bench, &mut bench.command(), "tf-external", query);
        assert!(ran.code == Some(2) && ran.err.contains(told), "{query}: {ran}");
    }
    let ran = ask(&bench, &mut bench.command(), "tf-external", &format!("{{\"target\":\"{}\"}}", "x".repeat(70_000)));
    assert_snapshot!(ran, @"
    exit 2
    --- stderr
    error: tf-external: cannot read the query: it is larger than 64 KiB; hint: give it a JSON object of some strings on stdin
    ");
    let ran = ask(&bench, &mut bench.command(), "tf-external --log-format json", "{}");
    assert_snapshot!(ran, @r#"
    exit 2
    --- stderr
    {"level":"error","code":"usage","message":"tf-external: cannot read the query: it has no \"target\"","target":null,"retryable":false,"hint":"name one of those that `snapkeep targets` shows: target = \"...\"","causes":[]}
    "#);
}

#[test]
fn a_terminal_is_told_what_is_expected() {
    let bench = Bench::new();
    let line = format!("{} tf-external", env!("CARGO_BIN_EXE_snapkeep"));
    let output = bench.command_of("/usr/bin/script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"), @r#"error: tf-external: cannot read the query: stdin is a terminal; hint: give it a JSON object: `echo '{"target":"TARGET"}' | snapkeep tf-external`"#);
}

#[test]
fn the_query_names_the_config_and_goes_before_the_command_line() {
    let bench = Bench::new();
    bench.create();
    fs::rename(bench.path("snapkeep.toml"), bench.path("other.toml")).unwrap();
    let with = |line: &str, config: &str| {
        let query = json!({ "target": "notes", "config": config }).to_string();
        ask(&bench, &mut bench.command(), line, &query)
    };
    for (line, config) in [
        ("tf-external", "other.toml"),
        ("--config missing.toml tf-external", "other.toml"),
        ("--config other.toml tf-external", ""),
    ] {
        assert_eq!(with(line, config).code, Some(0), "{line}");
    }
    assert_snapshot!(with("tf-external", "missing.toml"), @"
    exit 2
    --- stderr
    error: missing.toml: there is no such file; hint: check `config` of the query, which counts from [DIR]
    ");
}

#[test]
fn all_problems_of_a_config_are_in_the_one_line() {
    let bench = Bench::new();
    fs::write(bench.path("snapkeep.toml"), "version = 1\n[targets.notes]\nprovidr = \"sqlite\"\npath = 3\n").unwrap();
    assert_snapshot!(answer(&bench, &json!({ "target": "notes" })), @r#"
    exit 2
    --- stderr
    error: 3 problems: snapkeep.toml:2:10: missing key "provider" in targets.notes; hint: add a line: provider = ..., which is aws_rds, azure_mysql, azure_postgresql, azure_sql, gcp_cloud_sql, mysql, postgresql or sqlite | snapkeep.toml:3:1: unknown key "providr" in targets.notes | snapkeep.toml:4:8: "path" in targets.notes must be a string, not an integer
    "#);
    let ran = ask(&bench, &mut bench.command(), "--log-format json tf-external", "{\"target\":\"notes\"}");
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((&error["code"], &error["hint"]), (&json!("config"), &Value::Null), "{ran}");
}

#[test]
fn an_incomplete_list_is_an_error_though_a_snapshot_was_found() {
    let bench = Bench::new();
    let damaged = bench.create();
    bench.create();
    fs::write(bench.stored(&damaged, "manifest.json"), "{").unwrap();
    assert_eq!(bench.run("latest notes").code, Some(3), "a person is shown what was found");
    assert_snapshot!(answer(&bench, &json!({ "target": "notes" })), @"
    exit 9
    --- stderr
    error: the list of notes is incomplete: dump: cannot read the manifest of notes/[ID1]: it is damaged or cut short; caused by: EOF while parsing an object at line 1 column 1; hint: look at it: [DIR]/snapshots/notes/[ID1]/manifest.json
    ");
}

#[test]
fn a_question_makes_nothing_and_says_nothing_besides() {
    let bench = Bench::new();
    let files = || below(&bench.path(""));
    let ask_all = |code: i32| {
        for line in ["tf-external", "-v -o csv --color always --dry-run tf-external"] {
            let before = files();
            let ran = ask(&bench, &mut bench.command(), line, "{\"target\":\"notes\"}");
            assert_eq!((ran.code, files()), (Some(code), before), "{ran}");
        }
    };
    ask_all(4);
    assert_snapshot!(answer(&bench, &json!({ "target": "notes" })), @"
    exit 4
    --- stderr
    error: notes has no snapshot: there is no [DIR]/snapshots, the folder of the store local; hint: mount it, or make the first snapshot: `snapkeep create notes`
    ");
    bench.create();
    ask_all(0);
}
