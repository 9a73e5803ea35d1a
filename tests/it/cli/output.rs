//! stdout has the result and nothing else; stderr has everything else.

use serde_json::Value;

use super::{Bench, keys, target};

#[test]
fn json_is_one_document_whatever_happens() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("gone", "gone.db", "")]);
    let id = bench.create();
    bench.create();
    for (line, kind, code) in [
        ("targets", "TargetList", 0),
        ("targets check", "CheckList", 3),
        ("targets check nots", "CheckList", 2),
        ("list", "SnapshotList", 0),
        ("list nots", "SnapshotList", 2),
        ("latest notes", "SnapshotList", 0),
        ("latest gone", "SnapshotList", 4),
        ("latest nots", "SnapshotList", 2),
        ("show notes/latest", "SnapshotDetails", 0),
        ("show notes/zz", "SnapshotDetails", 4),
        ("show nots/zz", "SnapshotDetails", 2),
        ("create notes", "SnapshotList", 0),
        ("create gone", "SnapshotList", 4),
        ("create notes --dry-run", "SnapshotList", 0),
        ("create nots --no-wait", "OperationList", 2),
        ("create notes gone --no-wait", "OperationList", 3),
        ("wait notes/latest", "SnapshotList", 0),
        ("wait nots/latest", "SnapshotList", 2),
        ("restore notes/latest --to new.db", "RestoreList", 0),
        ("restore notes/latest --to new.db", "RestoreList", 10),
        ("restore nots/latest --to new.db", "RestoreList", 2),
        ("restore notes/latest --to other.db --dry-run", "RestoreList", 0),
        ("export notes --to gs://b/o", "ExportList", 12),
        ("export notes/latest --to gs://b/o --dry-run", "ExportList", 0),
        ("export nots --to gs://b/o", "ExportList", 2),
        ("import notes --from gs://b/o", "ImportList", 10),
        ("import notes --from gs://b/o --confirm notes", "ImportList", 12),
        ("import notes --from gs://b/o --confirm notes --dry-run", "ImportList", 0),
        (&format!("delete {id} --yes"), "DeletionList", 0),
        ("delete nots/x --yes", "DeletionList", 2),
        ("delete notes/latest --dry-run", "DeletionList", 0),
        ("config check", "ConfigCheck", 0),
        ("--config missing.toml config check", "ConfigCheck", 2),
        ("--config missing.toml list", "SnapshotList", 2),
    ] {
        let ran = bench.run(&format!("-o json {line}"));
        let document = ran.document();
        assert_eq!((document["kind"].as_str(), ran.code), (Some(kind), Some(code)), "{line}: {ran}");
        let errors = document["errors"].as_array().unwrap();
        assert_eq!(errors.is_empty(), code == 0, "{line}: {ran}");
        for error in errors {
            for key in ["code", "message", "target", "retryable", "hint"] {
                assert!(error.get(key).is_some(), "{key}: {error}");
            }
        }
    }
}

#[test]
fn the_format_may_come_from_the_environment_and_the_option_wins() {
    let bench = Bench::new();
    bench.create();
    assert_eq!(bench.run_with("SNAPKEEP_OUTPUT", "json", "list").document()["kind"], "SnapshotList");
    let by_option = bench.run_with("SNAPKEEP_OUTPUT", "json", "list -o name");
    assert_eq!(by_option.out, bench.run("list -o name").out);
    let wrong = bench.run_with("SNAPKEEP_OUTPUT", "yaml", "list");
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""), "{wrong}");
}

#[test]
fn quiet_is_silent_on_success_and_not_on_failure() {
    let bench = Bench::new();
    for line in ["-q create notes", "-q list", "-q restore notes/latest --to x.db", "-q config check"] {
        let ran = bench.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{line}: {ran}");
    }
    assert!(bench.run("-q show notes/zz").err.starts_with("error: "));
    assert_eq!(bench.run("-q -v list").code, Some(2));
}

#[test]
fn verbose_says_which_config_it_reads() {
    assert!(Bench::new().run("-v list").err.contains("snapkeep.toml"));
}

#[test]
fn messages_in_json_are_one_object_a_line() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("gone", "gone.db", "")]);
    let ran = bench.run("-v --log-format json create notes gone");
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    for level in ["debug", "info", "error"] {
        assert!(levels.contains(&level), "{level} in {ran}");
    }
    assert!(lines.iter().all(|line| line["message"].is_string()), "{ran}");
    let error = lines.iter().find(|line| line["level"] == "error").unwrap();
    assert_eq!((&error["target"], &error["code"]), (&"gone".into(), &"not_found".into()), "{ran}");
    assert!(keys(error).contains(&"hint".to_owned()));
}

#[test]
fn usage_errors_are_json_too_where_messages_are() {
    let bench = Bench::new();
    for line in ["list nots", "delete notes/latest", "list --since x", "--config missing.toml list"] {
        let ran = bench.run(&format!("--log-format json {line}"));
        for text in ran.err.lines() {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap()["level"], "error", "{line}: {ran}");
        }
    }
}

#[test]
fn a_command_line_that_can_not_be_read_is_one_line_of_json_too() {
    let bench = Bench::new();
    let lines = [
        "",
        "prune",
        "lsit",
        "list --frob",
        "list --orign manual",
        "list --limit many",
        "list --log-format yaml",
        "-q -v list",
        "create",
        "create notes --no-wait --timeout",
        "prune apply --log-format=json",
        "schema SnapshotLst",
        "config chek",
    ];
    let told = lines.map(|line| {
        let ran = bench.run(&format!("--log-format json {line}"));
        assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (Some(2), "", 1), "{ran}");
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!((&error["level"], &error["code"]), (&"error".into(), &"usage".into()), "{ran}");
        format!("{line}\n  {}\n  {}", error["message"].as_str().unwrap(), error["hint"].as_str().unwrap())
    });
    insta::assert_snapshot!(told.join("\n"), @"
      'snapkeep' requires a subcommand but one was not provided [subcommands: demo, targets, list, show, latest, create, wait, operations, status, copy, restore, export, import, delete, hold, release, adopt, prune, verify, guard, run, serve, doctor, tf-external, config, schema, completion, man, help]
      usage: snapkeep [OPTIONS] <COMMAND>
    prune
      a verb is missing
      usage: snapkeep prune [OPTIONS] <COMMAND>
    lsit
      unrecognized subcommand 'lsit'
      a similar subcommand exists: 'list'
    list --frob
      unexpected argument '--frob' found
      to pass '--frob' as a value, use '-- --frob'
    list --orign manual
      unexpected argument '--orign' found
      a similar argument exists: '--origin'
    list --limit many
      invalid value 'many' for '--limit <N>': invalid digit found in string
      see `snapkeep --help`
    list --log-format yaml
      invalid value 'yaml' for '--log-format <FORMAT>' [possible values: text, json]
      see `snapkeep --help`
    -q -v list
      the argument '--quiet' cannot be used with '--verbose'
      usage: snapkeep --log-format <FORMAT> --quiet <COMMAND>
    create
      the following required arguments were not provided: <TARGET>...
      usage: snapkeep create <TARGET>...
    create notes --no-wait --timeout
      a value is required for '--timeout <TIME>' but none was supplied
      see `snapkeep --help`
    prune apply --log-format=json
      the following required arguments were not provided: --plan <FILE>
      usage: snapkeep prune apply --log-format <FORMAT> --plan <FILE> [TARGET]...
    schema SnapshotLst
      invalid value 'SnapshotLst' for '[KIND]' [possible values: SnapshotList, SnapshotDetails, OperationList, RestoreList, ExportList, ImportList, VerificationList, DeletionList, PrunePlan, PruneResult, ConfigCheck, TargetList, DiscoveryList, CheckList, RunList, StatusList, DemoSteps, HookInput, Notification]
      a similar value exists: 'SnapshotList'
    config chek
      unrecognized subcommand 'chek'
      some similar subcommands exist: 'schema', 'check'
    ");
    let of_command = bench.run("list --frob -- --log-format json");
    assert!(of_command.err.starts_with("error: "), "{of_command}");
    for line in ["--help", "--version", "list --help"] {
        let ran = bench.run(&format!("--log-format json {line}"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran}");
    }
}

#[test]
fn there_are_escape_codes_only_where_they_are_asked_for() {
    let bench = Bench::new();
    bench.create();
    for line in
        ["list", "show notes/zz", "--help", "frobnicate", "create notes", "status", "--color never show notes/zz"]
    {
        let ran = bench.run(line);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{line}: {ran}");
    }
    assert!(bench.run("--color always show notes/zz").err.contains("\u{1b}[31m"));
    let (plain, coloured) = (bench.run("status").out, bench.run("--color always status").out);
    assert_eq!(plain.replacen("  ok  ", "  \u{1b}[32mok\u{1b}[39m  ", 1), coloured, "as wide as without colour");
    assert!(!bench.run("--color always -o csv status").out.contains('\u{1b}'));
    assert!(!bench.run_with("NO_COLOR", "1", "show notes/zz").err.contains('\u{1b}'));
    assert!(!bench.run("--color always --log-format json show notes/zz").err.contains('\u{1b}'));
}

#[test]
fn a_reader_that_closes_early_is_no_failure() {
    let bench = Bench::new();
    bench.create();
    for line in ["list", "list -o json", "list -o csv", "show notes/latest", "config schema", "completion bash", "demo"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.command().args(line.split(' ')).stdout(writer).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !err.contains("error") && !err.contains("panicked"), "{line}: {err}");
    }
}

#[test]
fn a_closed_stderr_changes_nothing() {
    let bench = Bench::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = bench.command().args(["create", "notes"]).stderr(writer).output().unwrap();
    assert!(output.status.success());
    assert_eq!(bench.ids().len(), 1);
}

#[test]
fn a_stdout_that_takes_nothing_is_a_failure() {
    let bench = Bench::new();
    bench.create();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = bench.command().arg("list").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_columns_of_a_table_begin_where_their_headings_do() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("a-much-longer-name", "tasks.db", "")]);
    bench.create();
    bench.create_of("a-much-longer-name");
    let out = bench.run("list").out;
    let (head, rows) = out.split_once('\n').unwrap();
    for heading in ["CREATED", "AGE", "SIZE", "STATE", "ORIGIN", "ENGINE", "LOCATION", "VERIFIED", "HOLD"] {
        let place = head.find(heading).unwrap();
        for row in rows.lines() {
            assert!(row[..place].ends_with("  ") && !row[place..].starts_with(' '), "{heading}: {out}");
        }
    }
    assert!(out.lines().all(|line| line.trim_end() == line));
}
