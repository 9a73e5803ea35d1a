//! The command line itself: help, version, completion, man, and what is no verb.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;

use super::Bench;

const VERBS: [&str; 24] = [
    "demo",
    "targets",
    "list",
    "show",
    "latest",
    "create",
    "wait",
    "status",
    "copy",
    "restore",
    "export",
    "import",
    "delete",
    "hold",
    "release",
    "adopt",
    "prune",
    "verify",
    "guard",
    "doctor",
    "tf-external",
    "config",
    "completion",
    "man",
];

#[test]
fn version_and_help_go_to_stdout() {
    let bench = Bench::empty();
    let version = bench.run("--version");
    assert_eq!((version.code, version.out), (Some(0), format!("snapkeep {}\n", env!("CARGO_PKG_VERSION"))));
    for help in ["--help", "-h", "help"] {
        let ran = bench.run(help);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran}");
        for verb in VERBS {
            assert!(ran.out.contains(&format!("\n  {verb} ")), "{verb} in {help}: {ran}");
        }
    }
    for verb in VERBS {
        for line in [format!("{verb} --help"), format!("{verb} -h"), format!("help {verb}")] {
            let ran = bench.run(&line);
            assert!(ran.code == Some(0) && ran.out.contains("Usage: snapkeep"), "{line}: {ran}");
        }
    }
}

#[test]
fn help_shows_the_options_of_the_verb_before_the_global_ones() {
    let help = Bench::empty().run("list -h").out;
    let place = |option: &str| help.find(&format!("{option} ")).unwrap_or_else(|| panic!("{option} is not in {help}"));
    let own = ["--origin", "--state", "--since", "--tag", "--limit"].map(place);
    let global = ["--output", "--config", "--dry-run", "--color"].map(place);
    assert!(own.iter().max() < global.iter().min(), "{help}");
}

#[test]
fn no_verb_and_no_such_verb_are_usage_errors() {
    let bench = Bench::empty();
    let none = bench.run("");
    assert!(none.code == Some(2) && none.out.is_empty() && none.err.contains("Usage: snapkeep"), "{none}");
    assert_snapshot!(bench.run("lsit"), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'lsit'

      tip: a similar subcommand exists: 'list'

    Usage: snapkeep [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(bench.run("frobnicate"), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'frobnicate'

    Usage: snapkeep [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(bench.run("list --limt 3"), @"
    exit 2
    --- stderr
    error: unexpected argument '--limt' found

      tip: a similar argument exists: '--limit'

    Usage: snapkeep list --limit <N> [TARGET]...

    For more information, try '--help'.
    ");
}

#[test]
fn usage_errors_print_nothing_on_stdout_in_any_format() {
    let bench = Bench::new();
    for format in ["table", "json", "jsonl", "csv", "name"] {
        for line in ["frobnicate", "list --nonsense", "create", "show notes", "delete notes/latest", "list --since x"] {
            let ran = bench.run(&format!("-o {format} {line}"));
            assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "-o {format} {line}: {ran}");
            assert!(ran.err.starts_with("error: "), "{ran}");
        }
    }
    let ran = bench.run("-o yaml list");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    let bench = Bench::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = bench.run(&format!("completion {shell}"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran}");
        assert!(ran.out.contains("snapkeep") && ran.out.contains("latest"), "{shell}");
    }
    let script = bench.path("completion.bash");
    fs::write(&script, bench.run("completion bash").out).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    assert_eq!(bench.run("completion tcsh").code, Some(2));
}

#[test]
fn manual_pages_are_printed_for_snapkeep_and_each_verb() {
    let bench = Bench::empty();
    let page = bench.run("man");
    assert!(page.code == Some(0) && page.out.contains(".TH snapkeep 1"), "{page}");
    for verb in VERBS {
        let ran = bench.run(&format!("man {verb}"));
        assert!(ran.code == Some(0) && ran.out.contains(".TH") && ran.out.contains(verb), "{ran}");
    }
    assert_snapshot!(bench.run("man frobnicate"), @r#"
    exit 2
    --- stderr
    error: there is no verb "frobnicate"
    hint: see `snapkeep --help`
    "#);
}
