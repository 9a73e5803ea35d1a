//! A backup of a flexible server.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::methods::Service;
use super::server::Server;
use super::world::{World, time};

/// A backup as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) service: Service,
    /// The path of its server.
    server: String,
    pub(crate) name: String,
    /// By which name it was asked for, if that was another one.
    pub(crate) asked: Option<String>,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) completed: DateTime<Utc>,
    /// What was in the server then.
    pub(crate) data: String,
    /// Whether it was asked for by `backupsV2`.
    pub(super) long_running: bool,
    /// Whether it is being deleted.
    deleting: bool,
}

impl Backup {
    /// One that somebody asked for by this name.
    pub(super) fn asked_for(server: &Server, asked: &str, uuid: &str, now: DateTime<Utc>) -> Self {
        let (name, asked, kind, source) = match server.service {
            Service::MySql => {
                let name = format!("customer-{}-{uuid}-{asked}", now.format("%Y%m%dt%H%M%S"));
                (name, Some(asked.to_owned()), "FULL", "Customer")
            }
            _ => (asked.to_owned(), None, "Customer On-Demand", "Customer Initiated"),
        };
        Self {
            service: server.service,
            server: server.path(),
            name,
            asked,
            kind: kind.to_owned(),
            source: source.to_owned(),
            completed: now,
            data: server.data_at(now),
            long_running: false,
            deleting: false,
        }
    }

    /// One that the service made by itself.
    pub(super) fn automated(server: &Server, uuid: &str, now: DateTime<Utc>) -> Self {
        let (name, kind) = match server.service {
            Service::MySql => (format!("daily-{}-{uuid}", now.format("%Y%m%dt%H%M%S")), "FULL"),
            _ => (format!("backup_{}", now.timestamp_micros()), "Full"),
        };
        let made = Self::asked_for(server, "", uuid, now);
        Self { name, asked: None, kind: kind.to_owned(), source: "Automatic".to_owned(), ..made }
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/backups/{}", self.server, self.name)
    }

    /// The name of its server.
    pub(crate) fn server(&self) -> &str {
        self.server.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn is(&self, path: &str) -> bool {
        self.path().eq_ignore_ascii_case(path)
    }

    pub(super) fn is_of(&self, server: &str) -> bool {
        self.server.eq_ignore_ascii_case(server)
    }

    /// Whether it has this name, or was asked for by it.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.asked.as_ref().is_some_and(|asked| asked.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_automated(&self) -> bool {
        self.source == "Automatic"
    }

    pub(super) fn delete(&mut self) {
        self.deleting = true;
    }

    pub(super) fn keep(&mut self) {
        self.deleting = false;
    }

    /// As the API shows it, in the newer form for `backupsV2`.
    pub(super) fn resource(&self, long_running: bool) -> Value {
        let kind = if long_running { "backupsV2" } else { "backups" };
        let mut properties =
            json!({"backupType": self.kind, "completedTime": time(self.completed), "source": self.source});
        if long_running {
            properties["backupNameV2"] = self.name.clone().into();
            properties["provisioningState"] = if self.deleting { "Deleting" } else { "Succeeded" }.into();
        }
        json!({
            "properties": properties,
            "id": format!("{}/{kind}/{}", self.server, self.name),
            "name": self.name,
            "type": format!("{}/flexibleServers/{kind}", self.service.namespace()),
        })
    }
}

impl World {
    /// Adds an on-demand backup that is there already, of what is in its server now, and gives it back.
    pub(crate) fn take(&mut self, server: &str, name: &str) -> &mut Backup {
        let (uuid, now) = (self.next_uuid(), self.now());
        let made = Backup::asked_for(self.server(server).unwrap(), name, &uuid, now);
        self.backups.push(made);
        self.backups.last_mut().unwrap()
    }

    /// The same of one that Azure made by itself.
    pub(crate) fn take_automated(&mut self, server: &str) -> &mut Backup {
        let (uuid, now) = (self.next_uuid(), self.now());
        let made = Backup::automated(self.server(server).unwrap(), &uuid, now);
        self.backups.push(made);
        self.backups.last_mut().unwrap()
    }

    /// A backup is there only now.
    pub(super) fn finish(&mut self, mut backup: Backup, now: DateTime<Utc>) {
        let Some(server) = self.servers.iter().find(|server| backup.is_of(&server.path())) else { return };
        (backup.completed, backup.data) = (now, server.data_at(now));
        self.backups.push(backup);
    }
}
