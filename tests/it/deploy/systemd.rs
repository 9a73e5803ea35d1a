//! The units, judged by systemd.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{assert_taken, both, good, text};
use crate::cli::calls;
use crate::support::{install, leave_out};

const SERVICES: [&str; 2] = ["snapkeep.service", "snapkeep-run@.service"];
const TIMER: &str = "snapkeep-run@.timer";
/// In tenths, as systemd 252 counts: 0 is a service that can do nothing, 96 one without any restriction. What is left is
/// the network, Unix sockets, and a store that may be in any folder.
const EXPOSURE: &str = "--threshold=11";

fn analyze() -> Option<Command> {
    const PROGRAM: &str = "/usr/bin/systemd-analyze";
    if !Path::new(PROGRAM).exists() {
        leave_out("systemd-analyze is not installed");
        return None;
    }
    Some(Command::new(PROGRAM))
}

/// A machine's root with the units on it, and a program in snapkeep's place.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let own = root.path().join("etc/systemd/system");
    for folder in
        [&own, &root.path().join("usr/lib/systemd"), &root.path().join("usr/local/bin"), &root.path().join("bin")]
    {
        fs::create_dir_all(folder).unwrap();
    }
    good(Command::new("cp").args(["-r", "/usr/lib/systemd/system"]).arg(root.path().join("usr/lib/systemd/")));
    for unit in SERVICES.into_iter().chain([TIMER]) {
        fs::write(own.join(unit), text(Path::new("systemd").join(unit))).unwrap();
    }
    for program in ["usr/local/bin/snapkeep", "bin/sh"] {
        install("#!/bin/sh\n", &root.path().join(program));
    }
    root
}

fn verify(root: &TempDir) -> Option<String> {
    let mut command = analyze()?;
    command.arg("verify").arg("--man=no").arg(format!("--root={}", root.path().display()));
    command.args(["snapkeep.service", "snapkeep-run@nightly.service", "snapkeep-run@nightly.timer"]);
    Some(both(&command.output().unwrap()))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let root = root();
    let Some(said) = verify(&root) else { return };
    assert_eq!(said, "");
    // It does look: with an unknown key it says so, though it exits with 0.
    let unit = root.path().join("etc/systemd/system/snapkeep.service");
    fs::write(&unit, text("systemd/snapkeep.service").replace("UMask=", "Umask=")).unwrap();
    let said = verify(&root).unwrap();
    assert!(said.contains("Unknown key"), "{said}");
}

#[test]
fn the_services_are_as_little_exposed_as_they_can_be() {
    for unit in SERVICES {
        let Some(mut command) = analyze() else { return };
        let path = format!("{}/systemd/{unit}", super::DEPLOY);
        good(command.args(["security", "--offline=true", "--no-pager", EXPOSURE, &path]));
    }
}

#[test]
fn both_services_have_the_same_restrictions() {
    let of = |unit: &str| {
        let text = text(Path::new("systemd").join(unit));
        let (_, rest) = text.split_once("# hardening\n").unwrap();
        rest.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(of(SERVICES[0]), of(SERVICES[1]));
}

#[test]
fn the_services_account_is_one_that_systemd_makes() {
    if !Path::new("/usr/bin/systemd-sysusers").exists() {
        return leave_out("systemd-sysusers is not installed");
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("/usr/bin/systemd-sysusers");
    command.arg("--dry-run").arg(format!("--root={}", root.path().display())).arg("--inline");
    good(command.args(text("systemd/snapkeep.sysusers").lines().filter(|line| !line.starts_with('#'))));
    assert!(SERVICES.iter().all(|unit| text(Path::new("systemd").join(unit)).contains("\nUser=snapkeep\n")));
}

#[test]
fn every_command_of_the_units_is_one_that_the_command_line_takes() {
    let texts = SERVICES.map(|unit| text(Path::new("systemd").join(unit)));
    let lines = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("ExecStart="));
    assert_taken(&lines.flat_map(calls).collect::<Vec<_>>());
}
