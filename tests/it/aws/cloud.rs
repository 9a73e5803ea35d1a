//! The real binary with targets in the simulator.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::KEYS;
use crate::cli::{Bench, Ran};
use crate::support::Rds;
use crate::support::rds::{Database, Kind, Place, Snapshot};

/// A bench whose targets are in a simulated cloud: `orders`, the instance `orders-prod`, and `ledger`, a cluster.
pub(super) struct Cloud {
    pub(super) rds: Rds,
    pub(super) bench: Bench,
    /// How often each call is tried: few, as the pauses between tries are long.
    pub(super) attempts: u32,
}

impl Cloud {
    /// One instance, and its target `orders` with `more` keys in it.
    pub(super) fn of_instance(more: &str) -> Self {
        let cloud = Self { rds: Rds::start(), bench: Bench::empty(), attempts: 2 };
        cloud.rds.world(|world| world.add(Database::instance("orders-prod")).content = "orders of today".into());
        cloud.configure(&cloud.target("orders", "db_instance_identifier = \"orders-prod\"", more));
        cloud
    }

    /// One Aurora cluster of two instances, and its target `ledger`.
    pub(super) fn of_cluster(more: &str) -> Self {
        let cloud = Self { rds: Rds::start(), bench: Bench::empty(), attempts: 2 };
        cloud.rds.world(|world| {
            let cluster = Database::cluster("ledger-prod");
            for name in ["ledger-prod-a", "ledger-prod-b"] {
                world.add(Database { class: Some("db.r6g.large".into()), ..Database::member(name, &cluster) });
            }
            world.add(cluster).content = "ledger of today".into();
        });
        cloud.configure(&cloud.target("ledger", "db_cluster_identifier = \"ledger-prod\"", more));
        cloud
    }

    pub(super) fn target(&self, name: &str, database: &str, more: &str) -> String {
        let (region, endpoint) = (Rds::REGION, self.rds.endpoint());
        format!(
            "\n[targets.{name}]\nprovider = \"aws_rds\"\nregion = \"{region}\"\nendpoint = \"{endpoint}\"\n{database}\n{more}\n"
        )
    }

    /// Writes a config of these targets.
    pub(super) fn configure(&self, targets: &str) {
        fs::write(self.bench.path("snapkeep.toml"), format!("version = 1\n{targets}")).unwrap();
    }

    /// The binary with the keys of the first account.
    pub(super) fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.envs(KEYS).env("AWS_MAX_ATTEMPTS", self.attempts.to_string());
        command
    }

    /// Runs a command line whose words have no spaces.
    pub(super) fn run(&self, line: &str) -> Ran {
        self.ran(self.command().args(line.split_whitespace()))
    }

    pub(super) fn ran(&self, command: &mut Command) -> Ran {
        let ran = self.bench.ran(command.output().unwrap());
        assert!(!ran.out.contains(Rds::SECRET) && !ran.err.contains(Rds::SECRET), "a secret is shown: {ran}");
        ran
    }

    /// A command's whole output with stable words: what snapkeep names itself, and the simulator's address.
    pub(super) fn shown(&self, ran: &Ran) -> String {
        let text = without_ages(&ran.to_string().replace(&self.rds.endpoint(), "[ENDPOINT]"));
        let mut shown = String::new();
        let mut rest = text.as_str();
        while let Some((before, from)) = rest.split_once("sk-orders-2").or_else(|| rest.split_once("sk-ledger-2")) {
            shown += before;
            shown += "[NEW]";
            rest = from.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '-');
        }
        shown + rest
    }

    /// Runs a command line, and gives its whole output.
    pub(super) fn whole(&self, line: &str) -> String {
        self.shown(&self.run(line))
    }

    /// What must succeed.
    pub(super) fn done(&self, line: &str) -> Ran {
        self.exits(0, line)
    }

    /// What must end with this code.
    pub(super) fn exits(&self, code: i32, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(code), "{line}: {ran}");
        ran
    }

    /// The items of the document that a command prints.
    pub(super) fn items(&self, line: &str) -> Vec<Value> {
        self.done(&format!("-q -o json {line}")).document()["items"].as_array().unwrap().clone()
    }

    /// Makes a snapshot, and gives its id.
    pub(super) fn create(&self, line: &str) -> String {
        self.done(&format!("-q -o name create {line}")).out.trim_end().to_owned()
    }

    /// Adds a snapshot of the target's instance, or cluster, which the closure completes.
    pub(super) fn take(&self, name: &str, complete: impl FnOnce(Snapshot) -> Snapshot) -> String {
        self.rds.world(|world| {
            let database = world.databases.iter().find(|found| found.cluster.is_none()).unwrap();
            let snapshot = complete(Snapshot::of(database, name));
            world.take(snapshot).arn()
        })
    }

    /// The instance or cluster of that name at home.
    pub(super) fn database(&self, kind: Kind, name: &str) -> Option<Database> {
        self.rds.world(|world| world.database(kind, &Place::home(), name).cloned())
    }
}

/// The simulator's snapshots are of days ago.
fn without_ages(text: &str) -> String {
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

/// A snapshot that is one of the target `orders`.
pub(super) fn owned(snapshot: Snapshot) -> Snapshot {
    owned_by("orders", snapshot)
}

/// The same of another target; the tags by which it is.
pub(super) fn owned_by(target: &str, snapshot: Snapshot) -> Snapshot {
    let name = snapshot.name.clone();
    snapshot.tagged("snapkeep:target", target).tagged("snapkeep:home", Rds::REGION).tagged("snapkeep:snapshot", &name)
}
