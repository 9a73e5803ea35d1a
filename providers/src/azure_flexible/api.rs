//! The calls of the flexible servers' APIs that are made, one function each. What `azure_mgmt_mysql` covers goes by it; the rest, and
//! all of PostgreSQL, is plain REST through the same client.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::mysql::Mysql;
use super::wire::{Backup, LongTerm, Page, Server};
use crate::azure::fault::none_if_missing;
use crate::azure::{Home, names, pages, versioned};
use crate::rest::{Answer, Call, Called, Client};

/// The newest stable version of PostgreSQL's API.
const POSTGRESQL: &str = "2026-10-01";
/// The first version of MySQL's that deletes backups: <https://github.com/Azure/azure-cli/issues/32498>.
const MYSQL_DELETION: &str = "2025-06-01-preview";

/// Which of the two services.
#[derive(Clone, Debug)]
pub(super) enum Service {
    Mysql(Mysql),
    Postgresql,
}

/// One server, which may not be there.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) service: Service,
    pub(super) home: Home,
}

fn postgresql(call: Call) -> Call {
    versioned(call, POSTGRESQL)
}

impl Api {
    pub(super) fn is_mysql(&self) -> bool {
        matches!(self.service, Service::Mysql(_))
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Called<T> {
        self.client.send(&postgresql(Call::get(path))).await
    }

    /// Every server of the subscription.
    pub(super) async fn servers(&self) -> Called<Vec<Server>> {
        let Home { subscription, kind, .. } = &self.home;
        match &self.service {
            Service::Mysql(mysql) => mysql.servers(&self.home).await,
            Service::Postgresql => {
                let (namespace, kind) = kind.split_once('/').unwrap_or((kind, ""));
                let path = ["subscriptions", subscription, "providers", namespace, kind];
                self.pages(&path).await
            }
        }
    }

    async fn pages<T: DeserializeOwned>(&self, path: &[&str]) -> Called<Vec<T>> {
        pages(&self.client, &postgresql(Call::get(path)), |page: &Page<T>| page.next_link.clone(), |page| page.value)
            .await
    }

    /// The server; nothing when there is none of that name.
    pub(super) async fn server(&self) -> Called<Option<Server>> {
        self.other_server(&self.home.group, &self.home.server).await
    }

    /// Another one of the same subscription.
    pub(super) async fn other_server(&self, group: &str, name: &str) -> Called<Option<Server>> {
        let found = match &self.service {
            Service::Mysql(mysql) => mysql.server(&self.home, group, name).await.and_then(|answer| answer.parsed()),
            Service::Postgresql => self.get(&self.home.path_of(group, name, &[])).await,
        };
        none_if_missing(found)
    }

    pub(super) async fn create_server(&self, group: &str, name: &str, body: &Value) -> Called<Answer> {
        match &self.service {
            Service::Mysql(mysql) => mysql.create_server(&self.home, group, name, body).await,
            Service::Postgresql => {
                let path = self.home.path_of(group, name, &[]);
                self.client.ask(&postgresql(Call::put(&path, Some(body)))).await
            }
        }
    }

    pub(super) async fn delete_server(&self, group: &str, name: &str) -> Called<Answer> {
        match &self.service {
            Service::Mysql(mysql) => mysql.delete_server(&self.home, group, name).await,
            Service::Postgresql => {
                let call = Call::delete(&self.home.path_of(group, name, &[]));
                self.client.ask(&postgresql(call)).await
            }
        }
    }

    /// Every backup of the server, in the service's own order.
    pub(super) async fn backups(&self) -> Called<Vec<Backup>> {
        match &self.service {
            Service::Mysql(mysql) => mysql.backups(&self.home).await,
            Service::Postgresql => self.pages(&self.home.path(&["backups"])).await,
        }
    }

    /// A backup as the API tells it; nothing when there is none. MySQL's is found by the name that was asked for, too.
    pub(super) async fn backup(&self, name: &str) -> Called<Option<Value>> {
        // One that can't be a name is not sent.
        if !names::is_backup(name) {
            return Ok(None);
        }
        let found = match &self.service {
            Service::Mysql(mysql) => mysql.backup(&self.home, name).await.and_then(|answer| answer.parsed()),
            Service::Postgresql => self.get(&self.home.path(&["backups", name])).await,
        };
        none_if_missing(found)
    }

    pub(super) async fn create_backup(&self, name: &str) -> Called<Answer> {
        match &self.service {
            Service::Mysql(mysql) => mysql.create_backup(&self.home, name).await,
            Service::Postgresql => {
                let path = self.home.path(&["backups", name]);
                self.client.ask(&postgresql(Call::put(&path, None::<&Value>))).await
            }
        }
    }

    pub(super) async fn delete_backup(&self, name: &str) -> Called<Answer> {
        let call = match &self.service {
            Service::Mysql(_) => versioned(Call::delete(&self.home.path(&["backupsV2", name])), MYSQL_DELETION),
            Service::Postgresql => postgresql(Call::delete(&self.home.path(&["backups", name]))),
        };
        self.client.ask(&call).await
    }

    /// What PostgreSQL would need for a long-term backup: how many containers.
    pub(super) async fn prepare_long_term(&self, name: &str) -> Called<Value> {
        let body = json!({ "backupSettings": { "backupName": name } });
        self.client.send(&postgresql(Call::post(&self.home.path(&["ltrPreBackup"]), &body))).await
    }

    pub(super) async fn start_long_term(&self, name: &str, container: &str) -> Called<Answer> {
        let body = json!({
            "backupSettings": { "backupName": name }, "targetDetails": { "sasUriList": [container] },
        });
        self.client.ask(&postgresql(Call::post(&self.home.path(&["startLtrBackup"]), &body))).await
    }

    pub(super) async fn long_term_backups(&self) -> Called<Vec<LongTerm>> {
        self.pages(&self.home.path(&["ltrBackupOperations"])).await
    }

    pub(super) async fn long_term_backup(&self, name: &str) -> Called<Option<LongTerm>> {
        none_if_missing(self.get(&self.home.path(&["ltrBackupOperations", name])).await)
    }
}
