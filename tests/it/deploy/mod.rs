//! What is in `deploy/` is taken by the programs that it is for, or by those that judge such files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

mod dockerfile;
mod kubernetes;
mod prometheus;
mod systemd;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

fn text(file: impl AsRef<Path>) -> String {
    let path = Path::new(DEPLOY).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One of the programs that `tests/servers/setup.sh` took out of their packages.
fn tool(name: &str) -> Option<Command> {
    let folder = crate::support::variable_or_leave_out("SK_DEPLOY_TOOLS")?;
    let mut command = Command::new(Path::new(&folder).join("bin").join(name));
    command.stdin(Stdio::null()).env("HOME", "/nonexistent");
    Some(command)
}

/// Runs what must succeed.
fn good(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", both(&output));
    output
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Fails with each call that the command line doesn't take.
fn assert_taken(calls: &[Vec<String>]) {
    assert!(!calls.is_empty(), "no call of snapkeep was found");
    let refused = |words: &Vec<String>| snapkeep::cli::reference::check(words).err();
    let wrong: Vec<String> = calls.iter().filter_map(refused).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
