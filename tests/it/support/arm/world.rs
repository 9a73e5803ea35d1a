//! What there is in all the subscriptions, and what a test may set of how it behaves.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::Arm;
use super::backup::Backup;
use super::call::{Call, Outcome, not_found, refuse};
use super::long_term::LongTerm;
use super::methods::Service;
use super::operation::{End, Links, Operation};
use super::page::Markers;
use super::server::Server;
use super::sql::Sql;

/// Everything there is.
pub(crate) struct World {
    /// Ids and names of those that the caller may use.
    pub(crate) subscriptions: Vec<(String, String)>,
    /// Resource groups, each with its subscription.
    pub(crate) groups: Vec<(String, String)>,
    pub(crate) servers: Vec<Server>,
    /// Servers that were deleted, for the days in which they can be restored.
    pub(crate) dropped: Vec<Server>,
    /// Backups of flexible servers, in the order in which they were made.
    pub(crate) backups: Vec<Backup>,
    pub(crate) long_terms: Vec<LongTerm>,
    pub(crate) sql: Sql,
    pub(crate) operations: Vec<Operation>,
    /// How many looks at an operation, or at what it makes, show it as unfinished. With none it is done when the
    /// answer to the request that began it is written.
    pub(crate) looks: u32,
    /// Pages have at most so many entries.
    pub(crate) page: usize,
    /// Statuses come in all the words and cases in which they were seen.
    pub(crate) odd_words: bool,
    /// Which headers the answer that begins an operation has.
    pub(crate) links: Links,
    /// What the answer that begins an operation says of when to look.
    pub(crate) retry_after: Option<u32>,
    /// MySQL answers 202 before the backup is made, as other services do.
    pub(crate) mysql_takes_its_time: bool,
    /// What a server is while it is made.
    pub(crate) state_of_new: String,
    /// Actions that the caller may not do, such as `Microsoft.DBforMySQL/flexibleServers/backups/write`.
    pub(crate) denied: BTreeSet<String>,
    /// What the caller's roles grant, as they say it; it is told, but only what is denied is refused.
    pub(crate) granted: Vec<String>,
    /// How far the clock of the world is ahead of the machine's.
    pub(crate) ahead: TimeDelta,
    /// How what is begun now ends.
    pub(super) end: End,
    pub(super) markers: Markers,
    /// Where the world is served, without a slash at the end.
    pub(super) origin: String,
    ids: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let subscriptions = [(Arm::SUBSCRIPTION, "Acme Production"), (Arm::OTHER_SUBSCRIPTION, "Acme Staging")];
        let groups = [(Arm::SUBSCRIPTION, Arm::GROUP), (Arm::OTHER_SUBSCRIPTION, Arm::GROUP)];
        let owned = |(one, other): (&str, &str)| (one.to_owned(), other.to_owned());
        Self {
            subscriptions: subscriptions.map(owned).to_vec(),
            groups: groups.map(owned).to_vec(),
            servers: Vec::new(),
            dropped: Vec::new(),
            backups: Vec::new(),
            long_terms: Vec::new(),
            sql: Sql::default(),
            operations: Vec::new(),
            looks: 1,
            page: 20,
            odd_words: false,
            links: Links::Both,
            retry_after: None,
            mysql_takes_its_time: false,
            state_of_new: "Creating".to_owned(),
            denied: BTreeSet::new(),
            granted: vec!["*".to_owned()],
            ahead: TimeDelta::zero(),
            end: End::Well,
            markers: Markers::new(),
            origin: String::new(),
            ids: 0,
        }
    }

    /// The world's time, as fine as it is told.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (Utc::now() + self.ahead).trunc_subsecs(6)
    }

    /// Makes it this moment, from which the clock goes on.
    pub(crate) fn set_time(&mut self, moment: &str) {
        self.ahead = moment.parse::<DateTime<Utc>>().unwrap() - Utc::now();
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: TimeDelta) {
        self.ahead += time;
    }

    /// Adds a server, and gives it back.
    pub(crate) fn add(&mut self, server: Server) -> &mut Server {
        self.servers.push(server);
        self.servers.last_mut().unwrap()
    }

    /// The server of that name in the first group, of whatever kind.
    pub(crate) fn server(&mut self, name: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.name == name)
    }

    /// Changes what is in a server.
    pub(crate) fn write(&mut self, server: &str, data: &str) {
        let now = self.now();
        self.server(server).unwrap().write(data, now);
    }

    pub(super) fn has_subscription(&self, id: &str) -> bool {
        self.subscriptions.iter().any(|(known, _)| known.eq_ignore_ascii_case(id))
    }

    pub(super) fn has_group(&self, subscription: &str, name: &str) -> bool {
        let is =
            |(of, known): &(String, String)| of.eq_ignore_ascii_case(subscription) && known.eq_ignore_ascii_case(name);
        self.groups.iter().any(is)
    }

    /// The flexible server that a call is about, by its place.
    pub(super) fn called(&self, call: &Call) -> Outcome<usize> {
        let path = server_path(call);
        self.servers.iter().position(|server| server.is(&path)).map_or_else(|| not_found(call), Ok)
    }

    /// The same, unless it can't be worked on now.
    pub(super) fn workable(&mut self, call: &Call) -> Outcome<usize> {
        let place = self.called(call)?;
        let (path, name) = (self.servers[place].path(), self.servers[place].name.clone());
        self.free(&path, &name)?;
        let place = self.called(call)?;
        match self.servers[place].state.as_str() {
            "Ready" => Ok(place),
            "Stopped" => {
                let message = format!("Server '{name}' is stopped. Operation is not allowed on a stopped server.");
                refuse(409, "ServerStopped", message)
            }
            state => {
                let message = format!("Server '{name}' is not in a state that permits this operation: {state}.");
                refuse(409, "InvalidServerState", message)
            }
        }
    }

    /// This server under another name: the same port, but not the host to which a token belongs.
    pub(super) fn elsewhere(&self) -> String {
        self.origin.replace("127.0.0.1", "localhost")
    }

    pub(super) fn next_uuid(&mut self) -> String {
        self.ids += 1;
        let mixed = self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [high, low] = [mixed >> 32, mixed & 0xffff_ffff];
        format!("{high:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", low >> 16, low & 0xfff, high & 0xfff, self.ids)
    }
}

/// The path of the flexible server in a call's path.
pub(super) fn server_path(call: &Call) -> String {
    let service = if call.method.starts_with("mysql") { Service::MySql } else { Service::PostgreSql };
    super::server::server_id(service, call.name("subscription"), call.name("group"), call.name("server"))
}

/// A moment as Azure writes it.
pub(super) fn time(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
