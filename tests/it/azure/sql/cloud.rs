//! The real binary with targets in the simulator.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::cli::{Bench, CloudBench, Ran, without_ages};
use crate::support::Arm;
use crate::support::arm::{Database, SqlServer};

/// A bench whose target `orders` is a database of the server `shop-sql`.
pub(super) struct Cloud {
    pub(super) arm: Arm,
    pub(super) bench: Bench,
}

impl Cloud {
    /// With `more` keys in the target.
    pub(super) fn new(more: &str) -> Self {
        let cloud = Self { arm: Arm::start(), bench: Bench::empty() };
        cloud.arm.world(|world| {
            world.looks = 0;
            world.add_sql(SqlServer::new("shop-sql"));
            world.add_database("shop-sql", "orders");
            world.write_database("orders", "one");
        });
        cloud.configure(&cloud.target("orders", "orders", more));
        cloud
    }

    pub(super) fn target(&self, name: &str, database: &str, more: &str) -> String {
        let (subscription, group, endpoint) = (Arm::SUBSCRIPTION, Arm::GROUP, self.arm.endpoint());
        format!(
            "\n[targets.{name}]\nprovider = \"azure_sql\"\nsubscription_id = \"{subscription}\"\n\
             resource_group = \"{group}\"\nserver_name = \"shop-sql\"\ndatabase = \"{database}\"\n\
             endpoint = \"{endpoint}\"\naccess_token = {{ env = \"TOKEN\" }}\n{more}\n"
        )
    }

    pub(super) fn database(&self, name: &str) -> Option<Database> {
        self.arm.world(|world| world.database(name).cloned())
    }

    /// The names of all databases but the server's own.
    pub(super) fn databases(&self) -> Vec<String> {
        let names = |databases: &[Database]| databases.iter().map(|database| database.name.clone()).collect::<Vec<_>>();
        let mut names = self.arm.world(|world| names(&world.sql.databases));
        names.retain(|name| name != "master");
        names
    }

    /// The body of the last request that made a database.
    pub(super) fn made(&self) -> Value {
        self.arm.calls_of("sql.databases.put").last().unwrap().body.clone().unwrap()
    }
}

impl CloudBench for Cloud {
    fn bench(&self) -> &Bench {
        &self.bench
    }

    fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.env("TOKEN", Arm::TOKEN).env("SQL_PASSWORD", PASSWORD);
        if let Ok(key) = std::env::var("SK_AZURITE_KEY") {
            command.env("SK_AZURITE_KEY", key);
        }
        command
    }

    fn secret(&self) -> &str {
        Arm::TOKEN
    }

    /// Names of copies have moments and letters by chance, those of backups and of what was deleted moments.
    fn shown(&self, ran: &Ran) -> String {
        let mut text = without_ages(&ran.to_string().replace(&self.arm.endpoint(), "[ENDPOINT]"));
        let names: BTreeMap<String, String> = self.arm.world(|world| {
            let all = world.sql.databases.iter().chain(&world.sql.dropped);
            let copies = all.map(|database| &database.name).filter(|name| name.contains("_sk_"));
            let copies = copies.enumerate().map(|(nth, name)| (name.clone(), format!("[COPY-{}]", nth + 1)));
            let kept = world.sql.kept.iter().enumerate();
            let kept = kept.map(|(nth, kept)| (kept.name.clone(), format!("[LONG-TERM-{}]", nth + 1)));
            copies.chain(kept).collect()
        });
        for (name, shown) in &names {
            text = text.replace(name, shown);
        }
        text
    }
}

/// That of the administrator.
pub(super) const PASSWORD: &str = "hunter2-of-sql";
