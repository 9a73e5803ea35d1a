//! The real binary with targets in the simulator.

use std::process::Command;

use super::KEYS;
use crate::cli::{Bench, CloudBench, Ran, without_ages};
use crate::support::Rds;
use crate::support::rds::{Database, Kind, Place, Snapshot};

/// A bench whose targets are in a simulated cloud: `orders`, the instance `orders-prod`, and `ledger`, a cluster.
pub(crate) struct Cloud {
    pub(crate) rds: Rds,
    pub(crate) bench: Bench,
    /// How often each call is tried: few, as the pauses between tries are long.
    pub(crate) attempts: u32,
}

impl Cloud {
    /// One instance, and its target `orders` with `more` keys in it.
    pub(crate) fn of_instance(more: &str) -> Self {
        let cloud = Self { rds: Rds::start(), bench: Bench::empty(), attempts: 2 };
        cloud.rds.world(|world| world.add(Database::instance("orders-prod")).content = "orders of today".into());
        cloud.configure(&cloud.target("orders", "db_instance_identifier = \"orders-prod\"", more));
        cloud
    }

    /// One Aurora cluster of two instances, and its target `ledger`.
    pub(crate) fn of_cluster(more: &str) -> Self {
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

    pub(crate) fn target(&self, name: &str, database: &str, more: &str) -> String {
        let (region, endpoint) = (Rds::REGION, self.rds.endpoint());
        format!(
            "\n[targets.{name}]\nprovider = \"aws_rds\"\nregion = \"{region}\"\nendpoint = \"{endpoint}\"\n{database}\n{more}\n"
        )
    }

    /// Adds a snapshot of the target's instance, or cluster, which the closure completes.
    pub(crate) fn take(&self, name: &str, complete: impl FnOnce(Snapshot) -> Snapshot) -> String {
        self.rds.world(|world| {
            let database = world.databases.iter().find(|found| found.cluster.is_none()).unwrap();
            let snapshot = complete(Snapshot::of(database, name));
            world.take(snapshot).arn()
        })
    }

    /// The instance or cluster of that name at home.
    pub(crate) fn database(&self, kind: Kind, name: &str) -> Option<Database> {
        self.rds.world(|world| world.database(kind, &Place::home(), name).cloned())
    }
}

impl CloudBench for Cloud {
    fn bench(&self) -> &Bench {
        &self.bench
    }

    /// The binary with the keys of the first account.
    fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.envs(KEYS).env("AWS_MAX_ATTEMPTS", self.attempts.to_string());
        command
    }

    fn secret(&self) -> &str {
        Rds::SECRET
    }

    /// What snapkeep names itself is told apart by nothing, nor is the simulator's address.
    fn shown(&self, ran: &Ran) -> String {
        let text = without_ages(&ran.to_string().replace(&self.rds.endpoint(), "[ENDPOINT]"));
        let mut shown = String::new();
        let mut rest = text.as_str();
        let next = |rest: &str| ["sk-orders-2", "sk-ledger-2"].iter().filter_map(|name| rest.find(name)).min();
        while let Some(at) = next(rest) {
            shown += &rest[..at];
            shown += "[NEW]";
            rest = rest[at..].trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '-');
        }
        shown + rest
    }
}

/// A snapshot that is one of the target `orders`.
pub(crate) fn owned(snapshot: Snapshot) -> Snapshot {
    owned_by("orders", snapshot)
}

/// The same of another target; the tags by which it is.
pub(crate) fn owned_by(target: &str, snapshot: Snapshot) -> Snapshot {
    let name = snapshot.name.clone();
    snapshot.tagged("snapkeep:target", target).tagged("snapkeep:home", Rds::REGION).tagged("snapkeep:snapshot", &name)
}
