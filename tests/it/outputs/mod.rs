//! What every verb prints and exits with: whole outputs, for success, partial success and each kind of error.
//!
//! `coverage` reads these very files: a verb or a code that is not shown here fails it.

use crate::cli::{Bench, CloudBench, Ran};

mod cloud_changes;
mod cloud_errors;
mod coverage;
mod finding;
mod interrupted;
mod making;
mod partial;
mod pruning;
mod queries;
mod reading;
mod refusals;
mod removing;
mod scheduled;
mod status;
mod texts;
mod typed;
mod unfinished;
mod usage;

/// Where command lines are run.
trait Stage {
    fn play(&self, line: &str) -> Ran;

    /// The whole output with stable words.
    fn stable(&self, ran: &Ran) -> String;
}

impl Stage for Bench {
    fn play(&self, line: &str) -> Ran {
        self.run(line)
    }

    fn stable(&self, ran: &Ran) -> String {
        ran.to_string()
    }
}

impl<T: CloudBench> Stage for T {
    fn play(&self, line: &str) -> Ran {
        self.run(line)
    }

    fn stable(&self, ran: &Ran) -> String {
        let made_by = |version: &str| format!("\"made_by\": \"{version}\"");
        self.shown(ran).replace(&made_by(env!("CARGO_PKG_VERSION")), &made_by("[VERSION]"))
    }
}

/// What these command lines print, one after the other.
fn shown(stage: &impl Stage, lines: &[&str]) -> String {
    let outputs = lines.iter().map(|line| format!("$ snapkeep {line}\n{}", stage.stable(&stage.play(line))));
    outputs.collect::<Vec<_>>().join("\n")
}

/// What each of these prints as a table and as a document; each can be run again.
fn both(stage: &impl Stage, lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().flat_map(|line| [(*line).to_owned(), format!("-o json {line}")]).collect();
    shown(stage, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What each of these prints as a text, then what is on stderr as JSON; those that print the same are told together.
fn errors<L: AsRef<str>>(stage: &impl Stage, lines: impl IntoIterator<Item = L>) -> String {
    grouped(lines.into_iter().map(|line| {
        let line = line.as_ref();
        let text = stage.stable(&stage.play(line));
        let json = stage.stable(&stage.play(&format!("--log-format json {line}")));
        (line.to_owned(), with_json(&text, &json))
    }))
}

/// An output as a text and its stderr as JSON; how messages look changes nothing else.
fn with_json(text: &str, json: &str) -> String {
    const ERR: &str = "--- stderr\n";
    let (before, _) = text.split_once(ERR).unwrap_or((text, ""));
    let (before_json, messages) = json.split_once(ERR).unwrap_or((json, ""));
    assert_eq!(before, before_json, "as JSON more than stderr differs");
    format!("{text}--- stderr as JSON\n{messages}")
}

/// Outputs with the command lines that have them.
fn grouped(outputs: impl IntoIterator<Item = (String, String)>) -> String {
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for (line, output) in outputs {
        let line = format!("$ snapkeep {line}\n");
        match groups.iter_mut().find(|(_, known)| *known == output) {
            Some((lines, _)) => lines.push(line),
            None => groups.push((vec![line], output)),
        }
    }
    groups.into_iter().map(|(lines, output)| lines.concat() + &output).collect::<Vec<_>>().join("\n")
}

/// Command lines with `id` for ID.
fn of_id(lines: &[&str], id: &str) -> Vec<String> {
    lines.iter().map(|line| line.replace("ID", id)).collect()
}

/// The verbs that take the id of a snapshot.
const BY_ID: [&str; 10] = [
    "show ID",
    "wait ID",
    "copy ID --to-store local",
    "restore ID --to x.db",
    "export ID --to gs://b/o",
    "delete ID --yes",
    "hold ID --reason audit",
    "release ID",
    "adopt ID",
    "verify ID",
];

/// The verbs that take the name of a target.
const BY_TARGET: [&str; 13] = [
    "targets check ID",
    "list ID",
    "status ID",
    "latest ID",
    "create ID",
    "create ID --no-wait",
    "restore ID --time 2026-01-01T00:00:00Z --to x.db",
    "export ID --to gs://b/o",
    "import ID --from gs://b/o --confirm ID",
    "prune plan ID",
    "prune apply ID --yes",
    "guard ID -- true",
    "doctor ID",
];
