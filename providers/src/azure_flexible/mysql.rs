//! The calls for MySQL that `azure_mgmt_mysql` puts together. It has no deletion of backups.

use azure_mgmt_mysql::package_flexibleserver_2024_01_01::{Client, models};
use serde_json::Value;

use super::wire::{Backup, Server};
use crate::azure::{Home, bridge};
use crate::rest::{Answer, Called, Fault};

#[derive(Clone)]
pub(super) struct Mysql(pub(super) Client);

impl Mysql {
    pub(super) async fn servers(&self, home: &Home) -> Called<Vec<Server>> {
        let pages = self.0.servers_client().list(&home.subscription).into_stream();
        bridge::pages("GET flexibleServers", pages).await
    }

    pub(super) async fn server(&self, home: &Home, group: &str, name: &str) -> Called<Answer> {
        let sent = self.0.servers_client().get(&home.subscription, group, name).send().await;
        bridge::answer("GET flexibleServers", sent).await
    }

    pub(super) async fn create_server(&self, home: &Home, group: &str, name: &str, body: &Value) -> Called<Answer> {
        let called = "PUT flexibleServers";
        let server = serde_json::from_value::<models::Server>(body.clone());
        let server = server.map_err(|error| Fault::unsent(called.into(), error.to_string()))?;
        let sent = self.0.servers_client().create(&home.subscription, group, name, server).send().await;
        bridge::answer(called, sent).await
    }

    pub(super) async fn delete_server(&self, home: &Home, group: &str, name: &str) -> Called<Answer> {
        let sent = self.0.servers_client().delete(&home.subscription, group, name).send().await;
        bridge::answer("DELETE flexibleServers", sent).await
    }

    pub(super) async fn backups(&self, home: &Home) -> Called<Vec<Backup>> {
        let Home { subscription, group, server, .. } = home;
        let pages = self.0.backups_client().list_by_server(subscription, group, server).into_stream();
        bridge::pages("GET flexibleServers/backups", pages).await
    }

    pub(super) async fn backup(&self, home: &Home, name: &str) -> Called<Answer> {
        let Home { subscription, group, server, .. } = home;
        let sent = self.0.backups_client().get(subscription, group, server, name).send().await;
        bridge::answer("GET flexibleServers/backups", sent).await
    }

    pub(super) async fn create_backup(&self, home: &Home, name: &str) -> Called<Answer> {
        let Home { subscription, group, server, .. } = home;
        let sent = self.0.backups_client().put(subscription, group, server, name).send().await;
        bridge::answer("PUT flexibleServers/backups", sent).await
    }
}

impl std::fmt::Debug for Mysql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mysql")
    }
}
