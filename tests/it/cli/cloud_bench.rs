//! The real binary with targets in a simulated cloud: what is the same for all of them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Bench, Ran};

/// A bench whose targets are in a simulated cloud.
pub(crate) trait CloudBench {
    fn bench(&self) -> &Bench;

    /// The binary with the cloud's credentials.
    fn command(&self) -> Command;

    /// What no output may show.
    fn secret(&self) -> &str;

    /// A command's whole output with stable words.
    fn shown(&self, ran: &Ran) -> String;

    /// Writes a config of these targets.
    fn configure(&self, targets: &str) {
        fs::write(self.bench().path("snapkeep.toml"), format!("version = 1\n{targets}")).unwrap();
    }

    /// Runs a command line whose words have no spaces.
    fn run(&self, line: &str) -> Ran {
        self.ran(self.command().args(line.split_whitespace()))
    }

    fn ran(&self, command: &mut Command) -> Ran {
        let ran = self.bench().ran_by(command);
        assert!(!ran.out.contains(self.secret()) && !ran.err.contains(self.secret()), "a secret is shown: {ran}");
        ran
    }

    /// Runs a command line, and gives its whole output.
    fn whole(&self, line: &str) -> String {
        self.shown(&self.run(line))
    }

    /// What must succeed.
    fn done(&self, line: &str) -> Ran {
        self.exits(0, line)
    }

    /// What must end with this code.
    fn exits(&self, code: i32, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(code), "{line}: {ran}");
        ran
    }

    /// The items of the document that a command prints.
    fn items(&self, line: &str) -> Vec<Value> {
        self.done(&format!("-q -o json {line}")).document()["items"].as_array().unwrap().clone()
    }

    /// Makes a snapshot, and gives its id.
    fn create(&self, line: &str) -> String {
        self.done(&format!("-q -o name create {line}")).out.trim_end().to_owned()
    }
}

/// The simulators' snapshots are of days ago.
pub(crate) fn without_ages(text: &str) -> String {
    let mut parts = text.split("[TIME]");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let opened = ["  ", " UTC ("].into_iter().find(|opened| part.starts_with(opened)).unwrap_or_default();
        let rest = &part[opened.len()..];
        let of_age = |letter: char| letter.is_ascii_digit() || "dhms ".contains(letter);
        let age = &rest[..rest.find(|letter| !of_age(letter)).unwrap_or(rest.len())];
        let age = age.split("  ").next().unwrap_or_default().trim_end();
        let shown_age = if opened.is_empty() || age.is_empty() { age } else { "[AGE]" };
        shown += &format!("[TIME]{opened}{shown_age}{}", &rest[age.len()..]);
    }
    shown
}
