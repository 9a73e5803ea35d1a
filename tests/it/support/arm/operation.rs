//! What takes its time.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::backup::Backup;
use super::call::{Answer, Call, Outcome, refuse};
use super::fault::busy;
use super::methods::Service;
use super::sql::Change;
use super::world::{World, time};

/// How an operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Badly {
        code: String,
        message: String,
        /// What was asked for is there nevertheless.
        done: bool,
    },
    Cancelled,
    Late(u32),
    Never,
}

/// What there is once it is done.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// This backup, with the moment of the end as its own.
    Backup(Backup),
    /// No backup of this path.
    NoBackup(String),
    /// The server of this path, ready.
    Server(String),
    /// No server of this path.
    NoServer(String),
    /// The long-term backup of this name, finished.
    LongTerm(String),
    Sql(Change),
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// Which of the two headers the answer that begins an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Both,
    OnlyLocation,
    OnlyAsyncOperation,
}

/// What the two addresses of an operation are called, and whether they are in its resource group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    async_operation: &'static str,
    location: &'static str,
    in_group: bool,
}

impl Addresses {
    pub(super) const FLEXIBLE: Self = Self::new("azureAsyncOperation", "operationResults", false);
    pub(super) const DATABASE: Self = Self::new("databaseAzureAsyncOperation", "databaseOperationResults", true);
    pub(super) const TRANSFER: Self =
        Self::new("importExportAzureAsyncOperation", "importExportOperationResults", true);
    pub(super) const KEPT: Self =
        Self::new("longTermRetentionBackupAzureAsyncOperation", "longTermRetentionBackupOperationResults", false);

    const fn new(async_operation: &'static str, location: &'static str, in_group: bool) -> Self {
        Self { async_operation, location, in_group }
    }
}

/// An operation on a server.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) status: Status,
    /// The path of the server that is busy meanwhile, in lower case.
    pub(super) scope: String,
    /// What is made, changed or removed, in lower case.
    pub(super) subject: String,
    /// The paths and queries at which it may be looked at: of `Azure-AsyncOperation` and of `Location`.
    pub(super) links: [String; 2],
    pub(super) started: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) error: Option<(String, String)>,
    pub(super) effect: Effect,
    end: End,
    left: u32,
    looked: usize,
}

/// What is to be begun.
pub(super) struct Begin {
    pub(super) service: Service,
    pub(super) scope: String,
    pub(super) kind: &'static str,
    pub(super) location: String,
    pub(super) addresses: Addresses,
    pub(super) effect: Effect,
}

impl Operation {
    pub(crate) fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// As `Azure-AsyncOperation` tells it, in the words of the day.
    pub(super) fn shown(&self, odd: bool) -> Value {
        let words: &[&str] = match (self.status, odd) {
            (Status::Running, true) => &["inprogress", "Running", "PENDING", "InProgress", "Dropping"],
            (Status::Running, false) => &["InProgress"],
            (Status::Succeeded, true) => &["SUCCEEDED", "succeeded"],
            (Status::Succeeded, false) => &["Succeeded"],
            (Status::Failed, true) => &["failed", "FAILED"],
            (Status::Failed, false) => &["Failed"],
            (Status::Cancelled, true) => &["Cancelled", "canceled"],
            (Status::Cancelled, false) => &["Canceled"],
        };
        let status = words[(self.looked + self.id.len()) % words.len()];
        let mut shown = json!({"name": self.id, "status": status, "startTime": time(self.started)});
        if let Some(ended) = self.ended {
            shown["endTime"] = time(ended).into();
        }
        if let Some((code, message)) = &self.error {
            let detail = json!({"code": "InnerError", "message": format!("correlation {}", self.id)});
            shown["error"] = json!({"code": code, "message": message, "details": [detail]});
        }
        shown
    }
}

impl World {
    /// Begins an operation, and answers where to look at it.
    pub(super) fn begin(&mut self, call: &Call, begin: Begin) -> Answer {
        let (id, started) = (self.next_uuid(), self.now());
        let late = if let End::Late(looks) = self.end { looks } else { 0 };
        let operation = Operation {
            links: self.links_of(call, &begin, &id),
            id,
            kind: begin.kind,
            status: Status::Running,
            scope: begin.scope.to_ascii_lowercase(),
            subject: call.subject(),
            started,
            ended: None,
            error: None,
            effect: begin.effect,
            end: self.end.clone(),
            left: self.looks + late,
            looked: 0,
        };
        self.operations.push(operation);
        let place = self.operations.len() - 1;
        if self.looks + late == 0 {
            self.look(place);
        }
        let body = json!({"operation": begin.kind, "startTime": time(started)});
        Answer { status: 202, body: Some(body), operation: Some(place) }
    }

    /// The addresses of an operation, signed: some kilobytes each, which only the service can read.
    fn links_of(&self, call: &Call, begin: &Begin, id: &str) -> [String; 2] {
        let group =
            if begin.addresses.in_group { format!("/resourceGroups/{}", call.name("group")) } else { String::new() };
        let base = format!(
            "/subscriptions/{}{group}/providers/{}/locations/{}",
            call.name("subscription"),
            begin.service.namespace(),
            begin.location.replace(' ', "%20")
        );
        let version = call.get("api-version").unwrap_or_default();
        let ticks = self.now().timestamp_millis() * 10_000 + 621_355_968_000_000_000;
        let signed = |salt: usize| {
            let (certificate, signature, hash) =
                (noise(id, salt, 2600), noise(id, salt + 1, 342), noise(id, salt + 2, 43));
            format!("api-version={version}&t={ticks}&c={certificate}&s={signature}&h={hash}")
        };
        [
            format!("{base}/{}/{id}?{}", begin.addresses.async_operation, signed(1)),
            format!("{base}/{}/{id}?{}", begin.addresses.location, signed(5)),
        ]
    }

    /// Refuses what would be a second operation on a server. The next try counts as a look at the first.
    pub(super) fn free(&mut self, scope: &str, server: &str) -> Outcome<()> {
        let holds = |operation: &Operation| operation.is_running() && operation.scope.eq_ignore_ascii_case(scope);
        let Some(found) = self.operations.iter().position(holds) else { return Ok(()) };
        self.look(found);
        refuse(409, "ServerIsBusy", busy(server))
    }

    /// The same of a database.
    pub(super) fn is_free(&mut self, scope: &str) -> Outcome<()> {
        let message =
            "There is already some operation on the database and the current operation should wait till it is done.";
        self.free(scope, "").or_else(|_| refuse(409, "ConflictingDatabaseOperation", message))
    }

    /// A look at everything that is under way.
    pub(crate) fn tick(&mut self) {
        self.look_at_all(|_| true);
    }

    /// A look at what is done to a server or in it.
    pub(super) fn look_at_server(&mut self, path: &str) {
        self.look_at_all(|operation| operation.scope.eq_ignore_ascii_case(path));
    }

    /// A look at what is done in what is under a path.
    pub(super) fn look_at_part(&mut self, path: &str) {
        let path = format!("{}/", path.to_ascii_lowercase());
        self.look_at_all(|operation| operation.scope.starts_with(&path));
    }

    fn look_at_all(&mut self, of: impl Fn(&Operation) -> bool) {
        for place in 0..self.operations.len() {
            if of(&self.operations[place]) {
                self.look(place);
            }
        }
    }

    /// An operation goes on by being looked at.
    pub(super) fn look(&mut self, place: usize) {
        let now = self.now();
        let operation = &mut self.operations[place];
        operation.looked += 1;
        if !operation.is_running() || operation.end == End::Never {
            return;
        }
        if operation.left > 0 {
            operation.left -= 1;
            return;
        }
        operation.ended = Some(now);
        let done = match operation.end.clone() {
            End::Badly { code, message, done } => {
                operation.error = Some((code, message));
                operation.status = Status::Failed;
                done
            }
            End::Cancelled => {
                operation.error = Some(("OperationCanceled".to_owned(), "The operation was canceled.".to_owned()));
                operation.status = Status::Cancelled;
                false
            }
            End::Well | End::Late(_) | End::Never => {
                operation.status = Status::Succeeded;
                true
            }
        };
        let effect = operation.effect.clone();
        self.carry_through(effect, done, now);
    }

    /// What an operation leaves behind.
    fn carry_through(&mut self, effect: Effect, done: bool, now: DateTime<Utc>) {
        match (effect, done) {
            (Effect::Backup(backup), true) => self.finish(backup, now),
            (Effect::Backup(_), false) => {}
            (Effect::NoBackup(path), true) => self.backups.retain(|backup| !backup.is(&path)),
            (Effect::NoBackup(path), false) => {
                self.backups.iter_mut().filter(|backup| backup.is(&path)).for_each(Backup::keep)
            }
            (Effect::Server(path), true) | (Effect::NoServer(path), false) => {
                let found = self.servers.iter_mut().find(|server| server.is(&path));
                found.into_iter().for_each(|server| server.state = "Ready".to_owned());
            }
            (Effect::Server(path), false) => self.servers.retain(|server| !server.is(&path)),
            (Effect::NoServer(path), true) => self.drop_server(&path),
            (Effect::LongTerm(name), done) => self.end_long_term(&name, done, now),
            (Effect::Sql(change), done) => self.change_sql(change, done, now),
        }
    }
}

/// What can't be told from what a key has signed.
fn noise(seed: &str, salt: usize, length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.bytes().fold(salt as u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(DIGITS[(state >> 58) as usize])
    };
    (0..length).map(|_| digit()).collect()
}
