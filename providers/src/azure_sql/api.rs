//! The calls of Azure SQL that are made, one function each: <https://learn.microsoft.com/rest/api/sql>.
//!
//! Lists are walked to their last page.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::{Database, Dropped, LongTermBackup, Page, RestorePoint, Server};
use crate::azure::fault::{is_missing, none_if_missing};
use crate::azure::{Home, pages, versioned};
use crate::rest::{Answer, Call, Called, Client};

pub(super) const VERSION: &str = "2025-01-01";

/// A logical server, which may not be there.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) home: Home,
}

impl Api {
    /// The same for another server of the subscription.
    pub(super) fn at(&self, group: &str, server: &str) -> Self {
        let home = Home { group: group.to_owned(), server: server.to_owned(), ..self.home.clone() };
        Self { client: self.client.clone(), home }
    }

    /// Whether it is the same server.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        same(&self.home.group, &other.home.group) && same(&self.home.server, &other.home.server)
    }

    /// The resource id of something of the server.
    pub(super) fn id(&self, rest: &[&str]) -> String {
        self.home.resource_id(&self.home.group, &self.home.server, rest)
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Called<T> {
        self.client.send(&versioned(Call::get(path), VERSION)).await
    }

    async fn all<T: DeserializeOwned>(&self, path: &[&str]) -> Called<Vec<T>> {
        let first = versioned(Call::get(path), VERSION);
        pages(&self.client, &first, |page: &Page<T>| page.next_link.clone(), |page| page.value).await
    }

    /// The server; nothing when there is none of that name.
    pub(super) async fn server(&self) -> Called<Option<Server>> {
        none_if_missing(self.get(&self.home.path(&[])).await)
    }

    /// Every server of the subscription.
    pub(super) async fn servers(&self) -> Called<Vec<Server>> {
        self.all(&["subscriptions", &self.home.subscription, "providers", "Microsoft.Sql", "servers"]).await
    }

    pub(super) async fn databases(&self) -> Called<Vec<Database>> {
        self.all(&self.home.path(&["databases"])).await
    }

    /// As Azure tells it; nothing when there is none of that name.
    pub(super) async fn database(&self, name: &str) -> Called<Option<Value>> {
        none_if_missing(self.get(&self.home.path(&["databases", name])).await)
    }

    /// Makes a database. Never sent twice in doubt.
    pub(super) async fn put_database(&self, name: &str, body: &Value) -> Called<Answer> {
        let call = Call::put(&self.home.path(&["databases", name]), Some(body));
        self.client.ask(&versioned(call, VERSION)).await
    }

    pub(super) async fn delete_database(&self, name: &str) -> Called<Answer> {
        self.client.ask(&versioned(Call::delete(&self.home.path(&["databases", name])), VERSION)).await
    }

    /// The moments that a database can be brought back to; none of one that isn't there.
    pub(super) async fn points(&self, database: &str) -> Called<Vec<RestorePoint>> {
        empty_if_missing(self.all(&self.home.path(&["databases", database, "restorePoints"])).await)
    }

    pub(super) async fn point(&self, database: &str, name: &str) -> Called<Option<Value>> {
        any_missing(self.get(&self.home.path(&["databases", database, "restorePoints", name])).await)
    }

    /// Every database of the server that was deleted and can still be had.
    pub(super) async fn dropped(&self) -> Called<Vec<Dropped>> {
        self.all(&self.home.path(&["restorableDroppedDatabases"])).await
    }

    pub(super) async fn dropped_one(&self, name: &str) -> Called<Option<Value>> {
        none_if_missing(self.get(&self.home.path(&["restorableDroppedDatabases", name])).await)
    }

    /// What has arrived of a database in another region; nothing where its backups are kept in one only.
    pub(super) async fn recoverable(&self, database: &str) -> Called<Option<Value>> {
        none_if_missing(self.get(&self.home.path(&["recoverableDatabases", database])).await)
    }

    /// By the resource group, as a role may be for that and no more.
    fn long_term_path<'p>(&'p self, location: &'p str, database: &'p str, rest: &[&'p str]) -> Vec<&'p str> {
        let Home { subscription, group, server, .. } = &self.home;
        let start = ["subscriptions", subscription, "resourceGroups", group, "providers", "Microsoft.Sql"];
        let of = ["locations", location, "longTermRetentionServers", server, "longTermRetentionDatabases", database];
        [&start[..], &of, &["longTermRetentionBackups"], rest].concat()
    }

    /// The resource id of a long-term backup.
    pub(super) fn long_term_id(&self, location: &str, database: &str, name: &str) -> String {
        format!("/{}", self.long_term_path(location, database, &[name]).join("/"))
    }

    pub(super) async fn long_term(&self, location: &str, database: &str) -> Called<Vec<LongTermBackup>> {
        empty_if_missing(self.all(&self.long_term_path(location, database, &[])).await)
    }

    pub(super) async fn long_term_one(&self, location: &str, database: &str, name: &str) -> Called<Option<Value>> {
        any_missing(self.get(&self.long_term_path(location, database, &[name])).await)
    }

    pub(super) async fn delete_long_term(&self, location: &str, database: &str, name: &str) -> Called<Answer> {
        let call = Call::delete(&self.long_term_path(location, database, &[name]));
        self.client.ask(&versioned(call, VERSION)).await
    }

    /// A policy of a database; nothing where it has none.
    pub(super) async fn policy<T: DeserializeOwned>(&self, database: &str, kind: &str) -> Called<Option<T>> {
        any_missing(self.get(&self.home.path(&["databases", database, kind, "default"])).await)
    }

    /// Writes a database into a blob. Never sent twice in doubt.
    pub(super) async fn export(&self, database: &str, body: &Value) -> Called<Answer> {
        let call = Call::post(&self.home.path(&["databases", database, "export"]), body);
        self.client.ask(&versioned(call, VERSION)).await
    }

    /// Makes a database of what a blob holds. Never sent twice in doubt.
    pub(super) async fn import(&self, body: &Value) -> Called<Answer> {
        self.client.ask(&versioned(Call::post(&self.home.path(&["import"]), body), VERSION)).await
    }
}

/// Of what belongs to a database: whether that is there is known by other calls.
fn any_missing<T>(called: Called<T>) -> Called<Option<T>> {
    match called {
        Ok(found) => Ok(Some(found)),
        Err(fault) if is_missing(&fault) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn empty_if_missing<T>(called: Called<Vec<T>>) -> Called<Vec<T>> {
    Ok(any_missing(called)?.unwrap_or_default())
}
