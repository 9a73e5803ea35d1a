//! The real binary with targets in the simulator.

use std::process::Command;

use crate::cli::{Bench, CloudBench, Ran, without_ages};
use crate::support::Arm;
use crate::support::arm::{Backup, Server};

/// A bench with targets in a simulated subscription.
pub(super) struct Cloud {
    pub(super) arm: Arm,
    pub(super) bench: Bench,
}

impl Cloud {
    /// The target `crm` is the MySQL server `crm-mysql`.
    pub(super) fn mysql(more: &str) -> Self {
        let cloud = Self::of(Server::mysql("crm-mysql"));
        cloud.configure(&cloud.target("crm", "azure_mysql", "crm-mysql", more));
        cloud
    }

    /// The target `tickets` is the PostgreSQL server `tickets-pg`.
    pub(super) fn postgresql(more: &str) -> Self {
        let cloud = Self::of(Server::postgresql("tickets-pg"));
        cloud.configure(&cloud.target("tickets", "azure_postgresql", "tickets-pg", more));
        cloud
    }

    pub(super) fn of(server: Server) -> Self {
        let cloud = Self { arm: Arm::with(server), bench: Bench::empty() };
        cloud.arm.world(|world| world.looks = 0);
        cloud
    }

    pub(super) fn target(&self, name: &str, provider: &str, server: &str, more: &str) -> String {
        let (subscription, group, endpoint) = (Arm::SUBSCRIPTION, Arm::GROUP, self.arm.endpoint());
        format!(
            "\n[targets.{name}]\nprovider = \"{provider}\"\nsubscription_id = \"{subscription}\"\n\
             resource_group = \"{group}\"\nserver_name = \"{server}\"\nendpoint = \"{endpoint}\"\n\
             access_token = {{ env = \"TOKEN\" }}\n{more}\n"
        )
    }

    pub(super) fn backups(&self) -> Vec<Backup> {
        self.arm.world(|world| world.backups.clone())
    }

    pub(super) fn server(&self, name: &str) -> Option<Server> {
        self.arm.world(|world| world.server(name).cloned())
    }
}

impl CloudBench for Cloud {
    fn bench(&self) -> &Bench {
        &self.bench
    }

    fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.env("TOKEN", Arm::TOKEN);
        command
    }

    fn secret(&self) -> &str {
        Arm::TOKEN
    }

    /// Names of backups have times and letters by chance in them.
    fn shown(&self, ran: &Ran) -> String {
        let mut text = without_ages(&ran.to_string().replace(&self.arm.endpoint(), "[ENDPOINT]"));
        let backups = self.backups();
        let real =
            backups.iter().enumerate().map(|(nth, backup)| (backup.name.clone(), format!("[BACKUP-{}]", nth + 1)));
        let asked = backups
            .iter()
            .enumerate()
            .filter_map(|(nth, backup)| Some((backup.asked.clone()?, format!("[ASKED-{}]", nth + 1))));
        for (name, shown) in real.chain(asked).filter(|(name, _)| !name.is_empty()) {
            text = text.replace(&name, &shown);
        }
        text
    }
}

/// Tries all the cases at once: each waits most of its time.
pub(super) fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, case: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for one in cases {
            scope.spawn(|| case(one));
        }
    });
}
