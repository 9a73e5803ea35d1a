//! Azure SQL: logical servers and their databases. It has no backup on demand: what stands for one is a copy of the
//! database, or an export.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Arm;
use super::call::{Answer, Call, Outcome, not_found};
use super::methods::Service;
use super::operation::{Addresses, Begin};
use super::server::server_id;
use super::world::World;

mod database;
pub(super) mod databases;
pub(super) mod kept;
mod made;
pub(super) mod transfer;

pub(crate) use database::Database;
pub(crate) use kept::LongTermRetention;

/// What there is of it.
#[derive(Default)]
pub(crate) struct Sql {
    pub(crate) servers: Vec<SqlServer>,
    pub(crate) databases: Vec<Database>,
    /// Those that were deleted, for the days in which they can be restored.
    pub(crate) dropped: Vec<Database>,
    pub(crate) kept: Vec<LongTermRetention>,
    /// What was exported, by its URI.
    pub(crate) files: BTreeMap<String, String>,
    /// What is yet to be written to a store on loopback.
    pub(super) uploads: Vec<transfer::Upload>,
}

/// A logical server.
#[derive(Clone, Debug)]
pub(crate) struct SqlServer {
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
}

/// What an operation on a database leaves behind.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The database of this path, online, and with what the other one has by then.
    Copied(String, String),
    /// The database of this path, online.
    Online(String),
    /// No database of this path.
    Gone(String),
    /// These tags on the database of this path.
    Tagged(String, Value),
    /// The database of this path in a file.
    Exported(String, transfer::Upload),
    /// A file in the database of this path, where it is new, or one that was there.
    Imported { path: String, data: String, new: bool },
    /// No long-term backup of this path.
    NoLongerKept(String),
}

impl SqlServer {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            subscription: Arm::SUBSCRIPTION.to_owned(),
            group: Arm::GROUP.to_owned(),
            name: name.to_owned(),
            location: "northeurope".to_owned(),
            tags: json!({}),
        }
    }

    pub(crate) fn in_group(self, subscription: &str, group: &str) -> Self {
        Self { subscription: subscription.to_owned(), group: group.to_owned(), ..self }
    }

    pub(crate) fn path(&self) -> String {
        server_id(Service::Sql, &self.subscription, &self.group, &self.name)
    }

    fn is(&self, path: &str) -> bool {
        self.path().eq_ignore_ascii_case(path)
    }

    fn resource(&self) -> Value {
        json!({
            "kind": "v12.0",
            "properties": {
                "administratorLogin": "acmeadmin",
                "version": "12.0",
                "state": "Ready",
                "fullyQualifiedDomainName": format!("{}.database.windows.net", self.name),
                "privateEndpointConnections": [],
                "minimalTlsVersion": "1.2",
                "publicNetworkAccess": "Enabled",
                "restrictOutboundNetworkAccess": "Disabled",
            },
            "location": self.location,
            "tags": self.tags,
            "id": self.path(),
            "name": self.name,
            "type": "Microsoft.Sql/servers",
        })
    }
}

/// The path of the server in a call's path.
fn path_of_server(call: &Call) -> String {
    server_id(Service::Sql, call.name("subscription"), call.name("group"), call.name("server"))
}

/// The path of the database in a call's path.
fn path_of_database(call: &Call) -> String {
    format!("{}/databases/{}", path_of_server(call), call.name("database"))
}

pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let (subscription, group) = (call.name("subscription"), call.name("group"));
    let wanted = |server: &&SqlServer| {
        server.subscription.eq_ignore_ascii_case(subscription)
            && (group.is_empty() || server.group.eq_ignore_ascii_case(group))
    };
    let entries: Vec<Value> = world.sql.servers.iter().filter(wanted).map(SqlServer::resource).collect();
    world.page(call, &entries)
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    Ok(Answer::json(world.sql.server(call)?.resource()))
}

impl Sql {
    /// The server that a call is about.
    fn server(&self, call: &Call) -> Outcome<&SqlServer> {
        let path = path_of_server(call);
        self.servers.iter().find(|server| server.is(&path)).map_or_else(|| not_found(call), Ok)
    }

    fn position(&self, path: &str) -> Option<usize> {
        self.databases.iter().position(|database| database.is(path))
    }

    /// The database that a call is about, by its place.
    fn called(&self, call: &Call) -> Outcome<usize> {
        self.server(call)?;
        self.position(&path_of_database(call)).map_or_else(|| not_found(call), Ok)
    }
}

impl World {
    /// Adds a server, and its system database.
    pub(crate) fn add_sql(&mut self, server: SqlServer) {
        let mut master = Database::new(&server, "master");
        master.continuous = false;
        self.sql.databases.push(master);
        self.sql.servers.push(server);
    }

    /// Adds a database to the server of this name, and gives it back.
    pub(crate) fn add_database(&mut self, server: &str, name: &str) -> &mut Database {
        let server = self.sql.servers.iter().find(|known| known.name == server).unwrap();
        let database = Database::new(server, name);
        self.sql.databases.push(database);
        self.sql.databases.last_mut().unwrap()
    }

    /// The database of this name, on whatever server.
    pub(crate) fn database(&mut self, name: &str) -> Option<&mut Database> {
        self.sql.databases.iter_mut().find(|database| database.name == name)
    }

    /// Changes what is in a database.
    pub(crate) fn write_database(&mut self, name: &str, data: &str) {
        let now = self.now();
        self.database(name).unwrap().write(data, now);
    }

    /// Begins an operation on the database of this path.
    fn begin_sql(
        &mut self,
        call: &Call,
        scope: &str,
        kind: &'static str,
        addresses: Addresses,
        change: Change,
    ) -> Answer {
        let location =
            self.sql.servers.first().map_or_else(|| "northeurope".to_owned(), |server| server.location.clone());
        let begin = Begin {
            service: Service::Sql,
            scope: scope.to_owned(),
            kind,
            location,
            addresses,
            effect: super::operation::Effect::Sql(change),
        };
        self.begin(call, begin)
    }

    /// What a change of a database leaves behind.
    pub(super) fn change_sql(&mut self, change: Change, done: bool, now: DateTime<Utc>) {
        match (change, done) {
            (Change::Copied(path, of), true) => {
                let data = self.sql.position(&of).map(|place| self.sql.databases[place].data().to_owned());
                self.online(&path, data.as_deref(), now);
            }
            (Change::Online(path), true) => self.online(&path, None, now),
            (Change::Copied(path, _) | Change::Online(path) | Change::Imported { path, new: true, .. }, false) => {
                self.sql.databases.retain(|database| !database.is(&path));
            }
            (Change::Imported { path, data, .. }, true) => self.online(&path, Some(&data), now),
            (Change::Gone(path), true) => {
                let Some(place) = self.sql.position(&path) else { return };
                let gone = self.sql.databases.remove(place).deleted(now);
                self.sql.dropped.push(gone);
            }
            (Change::Tagged(path, tags), true) => {
                let Some(place) = self.sql.position(&path) else { return };
                self.sql.databases[place].tags = tags;
            }
            (Change::Exported(path, upload), true) => {
                let Some(place) = self.sql.position(&path) else { return };
                let upload = transfer::Upload { data: self.sql.databases[place].data().to_owned(), ..upload };
                self.sql.files.insert(upload.uri.clone(), upload.data.clone());
                self.sql.uploads.push(upload);
            }
            (Change::NoLongerKept(path), true) => self.sql.kept.retain(|kept| !kept.is(&path)),
            (_, false) => {}
        }
    }

    fn online(&mut self, path: &str, data: Option<&str>, now: DateTime<Utc>) {
        let Some(place) = self.sql.position(path) else { return };
        let database = &mut self.sql.databases[place];
        database.status = "Online".to_owned();
        if let Some(data) = data {
            database.write(data, now);
        }
    }
}
