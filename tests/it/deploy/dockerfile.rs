//! The Dockerfile: nothing here can build it, so it is read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{DEPLOY, REPOSITORY, good, text, tool};

/// What the instructions copy out of the repository.
fn sources() -> BTreeSet<String> {
    let text = text("Dockerfile");
    let copies = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--from="));
    let sources = copies.flat_map(|rest| rest.rsplit_once(' ').unwrap().0.split(' '));
    sources.map(ToOwned::to_owned).collect()
}

#[test]
fn hadolint_finds_nothing_wrong() {
    let Some(mut hadolint) = tool("hadolint") else { return };
    good(hadolint.arg("--no-color").arg(format!("{DEPLOY}/Dockerfile")));
}

#[test]
fn what_is_copied_is_all_that_the_build_context_has() {
    let ignored = text("Dockerfile.dockerignore");
    let context: BTreeSet<String> =
        ignored.lines().filter_map(|line| line.strip_prefix('!')).map(ToOwned::to_owned).collect();
    assert_eq!(ignored.lines().next(), Some("*"));
    assert_eq!(context, sources());
}

#[test]
fn what_is_copied_is_a_package_that_cargo_reads() {
    let folder = tempfile::tempdir().unwrap();
    for source in sources() {
        good(Command::new("cp").arg("-r").arg(Path::new(REPOSITORY).join(source)).arg(folder.path()));
    }
    let mut cargo = Command::new(env!("CARGO"));
    good(
        cargo.args(["metadata", "--format-version=1", "--no-deps", "--offline", "--locked"]).current_dir(folder.path()),
    );
}

#[test]
fn its_rust_is_new_enough() {
    let manifest: toml::Table = fs::read_to_string(format!("{REPOSITORY}/Cargo.toml")).unwrap().parse().unwrap();
    let needed = manifest["workspace"]["package"]["rust-version"].as_str().unwrap().to_owned();
    let text = text("Dockerfile");
    let has = text.split_once("FROM rust:").unwrap().1.split_once('-').unwrap().0;
    let number = |version: &str| version.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    assert!(number(has) >= number(&needed), "{has} is older than {needed}");
}
