//! Every verb and every code is among the outputs that are shown here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::BINARY;

/// What is a text itself: no document.
const TEXTS: [&str; 7] = ["completion", "config schema", "guard", "man", "schema", "serve", "tf-external"];
/// The verbs that do several things, of which some may fail.
const MAY_BE_PARTIAL: [&str; 13] = [
    "adopt",
    "create",
    "delete",
    "doctor",
    "list",
    "operations",
    "prune apply",
    "prune plan",
    "run",
    "status",
    "targets check",
    "targets list",
    "verify",
];

/// An output that is shown: its verb, its options, its exit code, and the codes of its errors.
#[derive(Debug)]
struct Shown {
    verb: String,
    document: bool,
    exit: u8,
    codes: BTreeSet<String>,
}

/// The verbs of the reference that have no verbs below them.
fn verbs() -> Vec<String> {
    let page = read("docs/cli.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## `snapkeep ")?.strip_suffix('`'));
    let headings: Vec<&str> = headings.collect();
    let has_verbs = |verb: &str| headings.iter().any(|other| other.starts_with(&format!("{verb} ")));
    headings.iter().filter(|verb| !has_verbs(verb)).map(|verb| (*verb).to_owned()).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// All that the snapshots in these files show.
fn all() -> Vec<Shown> {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/outputs")).unwrap();
    let verbs = verbs();
    let mut all: Vec<Shown> = Vec::new();
    for file in folder {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let (mut lines, mut told_together) = (Vec::new(), all.len());
        for line in text.lines().map(str::trim) {
            if let Some(command) = line.strip_prefix("$ snapkeep ") {
                lines.push(command.to_owned());
            } else if let Some(exit) = line.strip_prefix("exit ").and_then(|exit| exit.parse().ok()) {
                told_together = all.len();
                all.extend(lines.drain(..).map(|command: String| shown(&verbs, &command, exit)));
            } else if let Some((_, rest)) = line.split_once("\"code\":") {
                let code = rest.split('"').nth(1).unwrap_or_default();
                all[told_together..].iter_mut().for_each(|one| _ = one.codes.insert(code.to_owned()));
            } else {
                lines.clear(); // the demo's own
            }
        }
    }
    all
}

fn shown(verbs: &[String], command: &str, exit: u8) -> Shown {
    let own = command.split(" -- ").next().unwrap_or_default();
    let words: Vec<&str> = own.split_whitespace().collect();
    let plain = |from: usize| words.get(from).copied().unwrap_or_default();
    let options =
        words.iter().take_while(|word| !verbs.iter().any(|verb| verb.split(' ').next() == Some(word))).count();
    let (first, both) = (plain(options).to_owned(), format!("{} {}", plain(options), plain(options + 1)));
    let verb = match verbs.contains(&both) {
        true => both,
        // `targets` is `targets list`.
        false if first == "targets" => "targets list".to_owned(),
        false => first,
    };
    Shown { verb, document: own.contains("-o json"), exit, codes: BTreeSet::new() }
}

#[test]
fn every_verb_is_shown_as_it_succeeds_fails_and_does_a_part() {
    let all = all();
    let mut missing = Vec::new();
    for verb in &verbs() {
        let of_verb = || all.iter().filter(|shown| shown.verb == *verb);
        let mut need = |what: &str, is_there: bool| {
            if !is_there {
                missing.push(format!("{verb}: {what}"));
            }
        };
        need("success", of_verb().any(|shown| shown.exit == 0 && !shown.document));
        let prints_text = TEXTS.contains(&verb.as_str());
        need("success as a document", prints_text || of_verb().any(|shown| shown.exit == 0 && shown.document));
        need("a failure", of_verb().any(|shown| !matches!(shown.exit, 0 | 3 | 20) && !shown.codes.is_empty()));
        let may_be_partial = MAY_BE_PARTIAL.contains(&verb.as_str());
        need("partial success", !may_be_partial || of_verb().any(|shown| shown.exit == 3));
    }
    assert!(missing.is_empty(), "not among the outputs in tests/it/outputs:\n{}", missing.join("\n"));
}

#[test]
fn every_code_is_shown_with_the_verbs_that_end_with_it() {
    let output = Command::new(BINARY).arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes = schema["$defs"]["ErrorCode"]["examples"].as_array().unwrap();
    let mut shown: BTreeMap<String, BTreeSet<String>> =
        codes.iter().map(|code| (code.as_str().unwrap().to_owned(), BTreeSet::new())).collect();
    for one in all() {
        for code in one.codes {
            shown.get_mut(&code).unwrap_or_else(|| panic!("{code} is not in the schema")).insert(one.verb.clone());
        }
    }
    let table = shown.iter().map(|(code, verbs)| {
        assert!(!verbs.is_empty(), "no output in tests/it/outputs shows the code {code}");
        format!("{code}: {}", verbs.iter().cloned().collect::<Vec<_>>().join(", "))
    });
    insta::assert_snapshot!(table.collect::<Vec<_>>().join("\n"), @"
    ambiguous: adopt, copy, delete, export, hold, release, restore, show, verify, wait
    busy: adopt, copy, create, delete, doctor, export, guard, hold, latest, list, operations, prune apply, prune plan, release, restore, show, status, targets check, tf-external, verify, wait
    command: guard
    config: adopt, config check, copy, create, delete, doctor, export, guard, hold, import, latest, list, operations, prune apply, prune plan, release, restore, run, serve, show, status, targets check, targets list, tf-external, verify, wait
    failed: adopt, copy, create, delete, doctor, guard, import, prune apply, restore, status, targets check
    hook: create, guard
    interrupted: adopt, copy, create, delete, guard, hold, latest, list, prune apply, prune plan, release, restore, show, status, verify, wait
    locked: copy, create, delete, guard, prune apply
    not_found: adopt, copy, create, doctor, export, guard, hold, latest, release, restore, run, show, status, targets check, tf-external, verify, wait
    permission: adopt, copy, create, delete, doctor, export, guard, hold, import, latest, list, operations, prune apply, prune plan, release, restore, show, status, targets check, targets list, tf-external, verify, wait
    plan: prune apply
    plan_file: prune plan
    quota: create, guard, restore, verify
    refused: delete, demo, import, prune apply, restore
    timeout: copy, create, guard, restore, wait
    unavailable: adopt, copy, create, delete, doctor, export, guard, hold, latest, list, operations, prune apply, prune plan, release, restore, show, status, targets check, tf-external, verify, wait
    unknown_schedule: run
    unknown_target: adopt, copy, create, delete, doctor, export, guard, hold, import, latest, list, operations, prune apply, prune plan, release, restore, show, status, targets check, tf-external, verify, wait
    unsupported: adopt, copy, delete, export, import, restore
    usage: adopt, completion, config, config check, config schema, copy, create, delete, demo, doctor, export, guard, hold, import, latest, list, man, operations, prune, prune apply, prune plan, release, restore, run, schema, serve, show, status, targets check, targets list, tf-external, verify, wait
    verification: copy, restore, verify
    ");
}
