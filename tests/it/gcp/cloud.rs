//! The real binary with targets in the simulator.

use std::collections::BTreeMap;
use std::process::Command;

use crate::cli::{Bench, CloudBench, Ran, without_ages};
use crate::support::SqlAdmin;
use crate::support::sqladmin::{Backup, Instance};

/// A bench whose target `billing` is the instance `billing-pg` of a simulated project.
pub(crate) struct Cloud {
    pub(crate) sql: SqlAdmin,
    pub(crate) bench: Bench,
}

impl Cloud {
    /// With `more` keys in the target.
    pub(crate) fn new(more: &str) -> Self {
        Self::of(Instance::new("billing-pg"), more)
    }

    pub(crate) fn of(instance: Instance, more: &str) -> Self {
        let cloud = Self { sql: SqlAdmin::with(instance), bench: Bench::empty() };
        cloud.sql.world(|world| world.looks = 0);
        cloud.configure(&cloud.target("billing", "billing-pg", more));
        cloud
    }

    pub(crate) fn target(&self, name: &str, instance: &str, more: &str) -> String {
        let (project, endpoint) = (SqlAdmin::PROJECT, self.sql.endpoint());
        format!(
            "\n[targets.{name}]\nprovider = \"gcp_cloud_sql\"\nproject = \"{project}\"\ninstance = \"{instance}\"\n\
             endpoint = \"{endpoint}\"\naccess_token = {{ env = \"TOKEN\" }}\n{more}\n"
        )
    }

    /// Adds a backup of the instance that the closure completes, and gives its id.
    pub(crate) fn take(&self, complete: impl FnOnce(Backup) -> Backup) -> String {
        self.sql.world(|world| {
            let backup = complete(world.backup_of("billing-pg"));
            world.take(backup).id()
        })
    }

    pub(crate) fn instance(&self, name: &str) -> Option<Instance> {
        self.sql.world(|world| world.instance(name).cloned())
    }

    pub(crate) fn backups(&self) -> Vec<Backup> {
        self.sql.world(|world| world.backups.clone())
    }
}

impl CloudBench for Cloud {
    fn bench(&self) -> &Bench {
        &self.bench
    }

    fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.env("TOKEN", SqlAdmin::TOKEN);
        command
    }

    fn secret(&self) -> &str {
        SqlAdmin::TOKEN
    }

    /// The ids of backups are times, and those of operations are made by chance.
    fn shown(&self, ran: &Ran) -> String {
        let mut text = without_ages(&ran.to_string().replace(&self.sql.endpoint(), "[ENDPOINT]"));
        let names: BTreeMap<String, String> = self.sql.world(|world| {
            let ids =
                world.backups.iter().enumerate().map(|(nth, backup)| (backup.id(), format!("[BACKUP-{}]", nth + 1)));
            let operations = world
                .operations
                .iter()
                .enumerate()
                .map(|(nth, one)| (one.name.clone(), format!("[OPERATION-{}]", nth + 1)));
            let uids = world
                .backups
                .iter()
                .enumerate()
                .map(|(nth, backup)| (backup.uid.clone(), format!("[UID-{}]", nth + 1)));
            ids.chain(uids).chain(operations).filter(|(name, _)| !name.is_empty()).collect()
        });
        for (name, shown) in &names {
            text = text.replace(name, shown);
        }
        text
    }
}

/// Tries all the cases at once: each waits most of its time.
pub(crate) fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, case: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for one in cases {
            scope.spawn(|| case(one));
        }
    });
}

/// A backup that is one of the target `billing`.
pub(crate) fn owned(backup: Backup) -> Backup {
    let call = backup.id();
    backup.described(&format!("snapkeep target=billing call={call}"))
}
