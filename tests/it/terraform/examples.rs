//! The examples, with a real Terraform, on a SQLite file: what a user of them relies on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::{BINARY, Bench, Ran, below, until};
use crate::support::{install, variable_or_leave_out};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/terraform/terraform.py");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/terraform");

/// A copy of the examples, one of which is applied to a target `notes`.
struct Upgrade {
    bench: Bench,
    python: String,
    example: &'static str,
}

impl Upgrade {
    fn new() -> Option<Self> {
        Self::of("upgrade")
    }

    /// `None` without a Terraform.
    fn of(example: &'static str) -> Option<Self> {
        let python = variable_or_leave_out("SK_TERRAFORM_PYTHON")?;
        let upgrade = Self { bench: Bench::new(), python, example };
        for file in below(Path::new(EXAMPLES)).into_iter().filter(|path| path.is_file()) {
            let copy = upgrade.bench.path("terraform").join(file.strip_prefix(EXAMPLES).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&file, copy).unwrap();
        }
        // The migration notes what it sees: how many snapshots there are when it begins.
        let migrate = upgrade.bench.path("migrate");
        let (folder, snapkeep) = (upgrade.bench.path(""), env!("CARGO_BIN_EXE_snapkeep"));
        let script = format!(
            "#!/bin/sh\ncd '{}'\necho \"$1 after $({snapkeep} -o name list notes | wc -l)\" >> log\n[ ! -e broken ]\n",
            folder.display()
        );
        install(&script, &migrate);
        upgrade.succeeds(&["init", "-no-color"]);
        Some(upgrade)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bench.command_of(&self.python);
        command.args(["-I", SCRIPT]).args(words).current_dir(self.bench.path("terraform").join(self.example));
        command.env("CHECKPOINT_DISABLE", "1").env("TF_CLI_CONFIG_FILE", "/dev/null").env("TF_INPUT", "0");
        for (name, value) in [
            ("target", "notes".into()),
            ("migrate", self.bench.path("migrate")),
            ("config", self.bench.path("snapkeep.toml")),
            ("program", PathBuf::from(env!("CARGO_BIN_EXE_snapkeep"))),
        ] {
            command.env(format!("TF_VAR_{name}"), value);
        }
        command
    }

    fn terraform(&self, words: &[&str]) -> Ran {
        self.bench.ran(self.command(words).output().unwrap())
    }

    fn succeeds(&self, words: &[&str]) -> Ran {
        let ran = self.terraform(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {ran}");
        ran
    }

    fn applying(&self, version: &str) -> Command {
        let mut command = self.command(&["apply", "-auto-approve", "-no-color"]);
        command.arg(format!("-var=app_version={version}"));
        command
    }

    fn apply(&self, version: &str) -> Ran {
        self.bench.ran(self.applying(version).output().unwrap())
    }

    /// What a plan for a version would do: 0 nothing, 1 it fails, 2 something.
    fn plan(&self, version: &str) -> Option<i32> {
        self.terraform(&["plan", "-detailed-exitcode", "-no-color", &format!("-var=app_version={version}")]).code
    }

    /// The keys of the snapshots, newest first.
    fn keys(&self) -> Vec<String> {
        let document = self.bench.run("-o json list notes").document();
        let keys = document["items"].as_array().unwrap().iter();
        keys.map(|item| item["key"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What the migrations saw.
    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.bench.path("log")).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
    }
}

/// As words, since Terraform breaks lines where it likes.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_apply_takes_one_snapshot_before_the_change_and_a_second_plan_plans_nothing() {
    let Some(upgrade) = Upgrade::new() else { return };
    let ran = upgrade.apply("1.9.3");
    assert_eq!(ran.code, Some(0), "{ran}");
    let [id] = &upgrade.bench.ids()[..] else { panic!("{:?}", upgrade.bench.ids()) };
    assert!(ran.out.contains(id.as_str()), "the log tells which: {ran}");
    let outputs: Value = serde_json::from_str(&upgrade.succeeds(&["output", "-json"]).out).unwrap();
    assert_eq!(upgrade.keys(), [outputs["snapshot_key"]["value"].as_str().unwrap()]);
    assert_eq!(upgrade.log(), ["1.9.3 after 1"]);
    assert_eq!(upgrade.plan("1.9.3"), Some(0));
    assert_eq!(upgrade.apply("1.9.3").code, Some(0));
    assert_eq!((upgrade.keys().len(), upgrade.log().len()), (1, 1));
    let ran = upgrade.succeeds(&["destroy", "-auto-approve", "-no-color", "-var=app_version=1.9.3"]);
    assert_eq!(upgrade.bench.ids().len(), 1, "Terraform never deletes a snapshot: {ran}");
}

#[test]
fn each_change_takes_its_own_snapshot_also_one_back_to_what_was() {
    let Some(upgrade) = Upgrade::new() else { return };
    for (version, log) in [("1.9.3", "1.9.3 after 1"), ("1.9.4", "1.9.4 after 2"), ("1.9.3", "1.9.3 after 3")] {
        assert_eq!(upgrade.plan(version), Some(2));
        let ran = upgrade.apply(version);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(upgrade.log().last().unwrap(), log);
    }
    let keys = upgrade.keys();
    let begin = |key: &String, with: &str| assert!(key.starts_with(with), "{keys:?}");
    begin(&keys[0], "terraform-1.9.3-");
    begin(&keys[1], "terraform-1.9.4-");
    begin(&keys[2], "terraform-1.9.3-");
    assert_ne!(keys[0], keys[2]);
    let tagged = upgrade.bench.run("-o name list notes --tag change=1.9.4");
    assert_eq!(tagged.out.trim_end(), upgrade.bench.ids()[1]);
}

#[test]
fn a_snapshot_that_fails_fails_the_apply_with_its_error_and_nothing_is_changed() {
    let Some(upgrade) = Upgrade::new() else { return };
    fs::rename(upgrade.bench.path("notes.db"), upgrade.bench.path("elsewhere.db")).unwrap();
    let config = upgrade.bench.path("snapkeep.toml");
    let told = upgrade.bench.run_words(&["--config", config.to_str().unwrap(), "create", "notes"]);
    assert_ne!(told.code, Some(0), "{told}");
    let ran = upgrade.apply("1.9.3");
    assert_eq!(ran.code, Some(1), "{ran}");
    for line in told.err.lines() {
        assert!(flowing(&ran.err).contains(&flowing(line)), "{line}: {ran}");
    }
    assert!(upgrade.log().is_empty(), "{:?}", upgrade.log());
    assert_eq!(upgrade.plan("1.9.3"), Some(2), "it is still to be done");
    fs::rename(upgrade.bench.path("elsewhere.db"), upgrade.bench.path("notes.db")).unwrap();
    assert_eq!(upgrade.apply("1.9.3").code, Some(0));
    assert_eq!((upgrade.keys().len(), upgrade.log()), (1, vec!["1.9.3 after 1".to_owned()]));
}

#[test]
fn a_migration_that_fails_under_guard_shows_how_to_go_back_and_is_tried_again_on_the_same_snapshot() {
    let Some(upgrade) = Upgrade::of("guard") else { return };
    fs::write(upgrade.bench.path("broken"), "").unwrap();
    let ran = upgrade.apply("1.9.3");
    assert_eq!(ran.code, Some(1), "{ran}");
    let [id] = &upgrade.bench.ids()[..] else { panic!("{:?}", upgrade.bench.ids()) };
    let config = upgrade.bench.path("snapkeep.toml");
    let back = format!("snapkeep --config {} restore {id} --in-place --confirm notes", config.display());
    assert!(flowing(&ran.err).contains(&back), "{back}: {ran}");
    fs::remove_file(upgrade.bench.path("broken")).unwrap();
    let ran = upgrade.apply("1.9.3");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!((upgrade.keys().len(), upgrade.log()), (1, vec!["1.9.3 after 1".to_owned(); 2]));
    assert_eq!(upgrade.plan("1.9.3"), Some(0));
}

#[test]
fn what_is_no_name_and_no_version_is_refused_before_anything_runs() {
    let Some(upgrade) = Upgrade::new() else { return };
    for version in ["", "$(touch owned)", "1\n2", "1'; touch owned #", "--key"] {
        let ran = upgrade.apply(version);
        assert!(ran.code == Some(1) && ran.err.contains("Invalid value for variable"), "{version:?}: {ran}");
    }
    let marked = upgrade.bench.path("$(touch owned)\"; touch owned; \".toml");
    fs::copy(upgrade.bench.path("snapkeep.toml"), &marked).unwrap();
    let mut command = upgrade.applying("1.9.3");
    let ran = upgrade.bench.ran(command.env("TF_VAR_config", &marked).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(below(&upgrade.bench.path("")).iter().all(|path| !path.ends_with("owned")), "a value was read as shell");
}

/// What dies besides Terraform, while a snapshot is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Terraform,
    SnapkeepToo,
}

/// The snapkeep that has opened a file, once there is one. A child of another test may have it too, until it has its own program.
fn user_of(file: &Path) -> Pid {
    let uses = |pid: i32| {
        if !fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == Path::new(BINARY)) {
            return false;
        }
        let mut open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.any(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == file))
    };
    until("something has opened the database", || {
        let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut pids = names.filter_map(|name| name.parse().ok());
        pids.find(|pid| uses(*pid)).and_then(Pid::from_raw)
    })
}

fn one_snapshot_though_it_was_cut_off(dies: Dies) {
    let Some(upgrade) = Upgrade::new() else { return };
    let holder = Connection::open(upgrade.bench.path("notes.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut command = upgrade.applying("1.9.3");
    let mut terraform = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let snapkeep = user_of(&upgrade.bench.path("notes.db"));
    terraform.kill().unwrap();
    terraform.wait().unwrap();
    if dies == Dies::SnapkeepToo {
        kill_process(snapkeep, Signal::KILL).unwrap();
    }
    drop(holder);
    if dies == Dies::Terraform {
        until("what was begun is done", || (upgrade.keys().len() == 1).then_some(()));
    }
    let again = until("nothing else works on the target", || {
        let ran = upgrade.apply("1.9.3");
        (!ran.err.contains("another snapkeep")).then_some(ran)
    });
    assert_eq!(again.code, Some(0), "{dies:?}: {again}");
    assert_eq!((upgrade.keys().len(), upgrade.log()), (1, vec!["1.9.3 after 1".to_owned()]), "{dies:?}");
    assert_eq!(upgrade.plan("1.9.3"), Some(0));
}

#[test]
fn an_apply_that_is_killed_and_run_again_finds_the_snapshot_that_went_on() {
    one_snapshot_though_it_was_cut_off(Dies::Terraform);
}

#[test]
fn an_apply_that_is_killed_with_its_snapshot_makes_one_when_it_is_run_again() {
    one_snapshot_though_it_was_cut_off(Dies::SnapkeepToo);
}

#[test]
fn the_examples_are_formatted_and_valid() {
    let Some(upgrade) = Upgrade::new() else { return };
    upgrade.succeeds(&["fmt", "-check", "-diff", "-recursive", EXAMPLES]);
    // The provider of `external` can't be had without a network.
    for example in ["snapshot", "upgrade", "guard"] {
        let folder = format!("-chdir={}", upgrade.bench.path("terraform").join(example).display());
        upgrade.succeeds(&[&folder, "init", "-no-color"]);
        upgrade.succeeds(&[&folder, "validate", "-no-color"]);
    }
}
