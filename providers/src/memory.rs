//! The reference provider: a cloud in memory, with scripted faults and no clock of its own.
//!
//! It shows the contract at its plainest and lets the application be tested against what real clouds do: throttled
//! calls, lost responses, operations that fail, lists that stop half-way. It keeps every promise of `conformance`,
//! and refuses to be a target in a config file.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::model::{
    Check, CreateRequest, Details, ExportOf, ExportRequest, Exported, ImportRequest, Imported, ListScope, Listing,
    NativeId, Operation, OperationId, OperationState, Origin, RestoreRequest, RestoreTo, Restored, Snapshot,
    SnapshotId, SnapshotState, Tags, TargetName,
};
use crate::{Capabilities, Error, ErrorKind, Provider, Result, Run, Support};
use transfer::Transfers;

mod transfer;

/// How far each snapshot moves the clock.
pub const TICK: TimeDelta = TimeDelta::minutes(1);

/// What a fault is scripted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// [`Provider::list`].
    List,
    /// [`Provider::get`].
    Get,
    /// [`Provider::create`].
    Create,
    /// [`Provider::poll`].
    Poll,
    /// [`Provider::restore`].
    Restore,
    /// [`Provider::export`].
    Export,
    /// [`Provider::import`].
    Import,
    /// [`Provider::delete`].
    Delete,
}

impl Verb {
    fn action(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "read",
            Self::Create => "create",
            Self::Poll => "poll",
            Self::Restore => "restore",
            Self::Export => "export",
            Self::Import => "import into",
            Self::Delete => "delete",
        }
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens: [`ErrorKind::Busy`].
    Throttle,
    /// Nothing happens: [`ErrorKind::Unavailable`].
    Unreachable,
    /// Nothing happens: [`ErrorKind::Permission`].
    Denied,
    /// It happens, but the answer does not arrive: [`ErrorKind::Unavailable`].
    LostResponse,
    /// A creation begins and ends badly. Any other verb fails with [`ErrorKind::Failed`].
    FailedOperation,
    /// A list stops after its newer half and says so. Any other verb fails with [`ErrorKind::Failed`].
    IncompleteList,
}

/// A cloud in memory with one target. A clone is the same cloud, as another process sees it.
#[derive(Clone)]
pub struct Memory {
    target: TargetName,
    capabilities: Capabilities,
    polls: u32,
    world: Arc<Mutex<World>>,
}

struct World {
    now: DateTime<Utc>,
    made: u32,
    source: Vec<u8>,
    databases: BTreeMap<String, Vec<u8>>,
    /// Oldest first.
    records: Vec<Record>,
    exports: Transfers<Exported>,
    imports: Transfers<Imported>,
    faults: HashMap<Verb, VecDeque<Fault>>,
}

/// A snapshot, and what only the cloud knows of it.
#[derive(Clone)]
struct Record {
    snapshot: Snapshot,
    content: Vec<u8>,
    operation: OperationId,
    polls_left: u32,
    ends: SnapshotState,
}

impl Memory {
    /// A cloud whose clock stands at `start`, with everything supported and an empty source. Creations are done after
    /// one poll.
    pub fn new(target: TargetName, start: DateTime<Utc>) -> Self {
        let world = World {
            now: start,
            made: 0,
            source: Vec::new(),
            databases: BTreeMap::new(),
            records: Vec::new(),
            exports: Transfers::new(),
            imports: Transfers::new(),
            faults: HashMap::new(),
        };
        let capabilities = Capabilities {
            tags: Support::Yes,
            adopt: Support::Yes,
            reuses_ids: Support::Yes,
            in_place: Support::Yes,
            point_in_time: Support::No,
            delete: Support::Yes,
            delete_automated: Support::Yes,
        };
        Self { target, capabilities, polls: 1, world: Arc::new(Mutex::new(world)) }
    }

    /// The same, with other capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The same, with creations that are done after so many polls; 0 is when `create` returns, as for a dump.
    #[must_use]
    pub fn with_polls(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }

    /// Lets the next call of `verb` that has no fault yet go wrong.
    pub fn script(&self, verb: Verb, fault: Fault) {
        self.world().faults.entry(verb).or_default().push_back(fault);
    }

    /// Replaces the content of the target's database.
    pub fn write_source(&self, content: impl Into<Vec<u8>>) {
        self.world().source = content.into();
    }

    /// The content of the target's database.
    pub fn source(&self) -> Vec<u8> {
        self.world().source.clone()
    }

    /// Makes a database beside the target, or replaces its content.
    pub fn write_database(&self, name: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.world().databases.insert(name.into(), content.into());
    }

    /// The content of a database beside the target, such as a restored one.
    pub fn database(&self, name: &str) -> Option<Vec<u8>> {
        self.world().databases.get(name).cloned()
    }

    /// A finished snapshot of the source that someone else made.
    pub fn add_foreign(&self, origin: Origin) -> NativeId {
        let mut world = self.world();
        let mut record = world.record(&self.target, None, Tags::new(), 0);
        record.snapshot.origin = origin;
        record.settle(world.now);
        let id = record.snapshot.native_id.clone();
        world.records.push(record);
        id
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: ErrorKind, verb: Verb, subject: &dyn fmt::Display, reason: &str) -> Error {
        Error::new(kind, self.name(), verb.action(), subject, reason)
    }

    /// Runs one call under the fault that is scripted for it, if any. The effect is told of a fault that it acts out.
    fn call<T>(
        &self,
        verb: Verb,
        subject: &dyn fmt::Display,
        effect: impl FnOnce(&mut World, Option<Fault>) -> Result<T>,
    ) -> Result<T> {
        let mut world = self.world();
        let fault = world.faults.get_mut(&verb).and_then(VecDeque::pop_front);
        let fail = |kind, reason| Err(self.error(kind, verb, subject, reason));
        match (fault, verb) {
            (None, _) => effect(&mut world, None),
            (Some(Fault::FailedOperation), Verb::Create) | (Some(Fault::IncompleteList), Verb::List) => {
                effect(&mut world, fault)
            }
            (Some(Fault::Throttle), _) => fail(ErrorKind::Busy, "the rate limit is reached"),
            (Some(Fault::Unreachable), _) => fail(ErrorKind::Unavailable, "there is no answer"),
            (Some(Fault::Denied), _) => fail(ErrorKind::Permission, "it is not permitted"),
            (Some(Fault::LostResponse), _) => {
                effect(&mut world, None)?;
                fail(ErrorKind::Unavailable, "the connection broke before the answer")
            }
            (Some(Fault::FailedOperation | Fault::IncompleteList), _) => fail(ErrorKind::Failed, "it failed"),
        }
    }

    /// The snapshot as this cloud shows it: without the tags and the key where it has none.
    fn shown(&self, record: &Record) -> Snapshot {
        let mut snapshot = record.snapshot.clone();
        if self.capabilities.tags == Support::No {
            snapshot.tags = Arc::default();
            snapshot.key = None;
        }
        snapshot
    }

    fn operation(&self, record: &Record) -> Operation<Snapshot> {
        let snapshot = self.shown(record);
        let state = match snapshot.state {
            SnapshotState::Available => OperationState::Done(snapshot),
            SnapshotState::Failed => OperationState::Failed(self.error(
                ErrorKind::Failed,
                Verb::Create,
                &snapshot.id,
                "the cloud gave up on it",
            )),
            _ => OperationState::Running {
                so_far: Some(snapshot),
                percent: u8::try_from(100 * (self.polls - record.polls_left) / self.polls.max(1)).ok(),
            },
        };
        Operation::begun(record.operation.clone(), state)
    }

    /// Where the content goes; refuses what would be overwritten unasked.
    fn place<'w>(&self, world: &'w mut World, to: &RestoreTo, subject: &SnapshotId) -> Result<&'w mut Vec<u8>> {
        let name = match to {
            RestoreTo::InPlace => return Ok(&mut world.source),
            RestoreTo::New(name) => name,
        };
        if name.is_empty() {
            return Err(self.error(ErrorKind::Usage, Verb::Restore, subject, "the new name is empty"));
        }
        let database = world.databases.entry(name.clone()).or_default();
        if database.is_empty() {
            return Ok(database);
        }
        let reason = format!("{name} exists and is not empty");
        Err(self.error(ErrorKind::Refused, Verb::Restore, subject, &reason))
    }

    fn stop_if_cancelled(&self, run: &Run, verb: Verb, subject: &dyn fmt::Display) -> Result<()> {
        if run.cancel.is_cancelled() {
            return Err(self.error(ErrorKind::Interrupted, verb, subject, "it was cancelled"));
        }
        Ok(())
    }

    fn id(&self, native: &NativeId) -> SnapshotId {
        SnapshotId { target: self.target.clone(), native: native.clone() }
    }

    fn missing(&self, verb: Verb, subject: &dyn fmt::Display) -> Error {
        self.error(ErrorKind::NotFound, verb, subject, "there is none of that id")
    }
}

impl World {
    /// A new pending record of the source; moves the clock.
    fn record(&mut self, target: &TargetName, key: Option<String>, tags: Tags, polls_left: u32) -> Record {
        self.made += 1;
        let created_at = self.now;
        self.now += TICK;
        let native_id = NativeId::new(format!("mem-{:04}", self.made));
        let snapshot = Snapshot {
            id: SnapshotId { target: target.clone(), native: native_id.clone() },
            native_id,
            target: target.clone(),
            provider: "memory".into(),
            origin: Origin::Owned,
            state: SnapshotState::Pending,
            provider_state: Some("creating".into()),
            created_at: Some(created_at),
            completed_at: None,
            size_bytes: None,
            engine: Some("memory".into()),
            engine_version: None,
            location: None,
            encrypted: None,
            key,
            hold: None,
            verified: None,
            expires_at: None,
            tags: tags.into(),
            locked_until: None,
        };
        let operation = OperationId::new(format!("create-{:04}", self.made));
        Record { snapshot, content: self.source.clone(), operation, polls_left, ends: SnapshotState::Available }
    }

    fn find(&mut self, id: &NativeId) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.snapshot.native_id == *id)
    }
}

impl Record {
    /// Moves a pending snapshot into its last state, if no poll is left to wait for.
    fn settle(&mut self, now: DateTime<Utc>) {
        let snapshot = &mut self.snapshot;
        if snapshot.state != SnapshotState::Pending || self.polls_left > 0 {
            return;
        }
        snapshot.state = self.ends;
        snapshot.completed_at = Some(now);
        snapshot.provider_state = Some(if self.ends == SnapshotState::Available {
            snapshot.size_bytes = Some(self.content.len() as u64);
            "available".into()
        } else {
            "error".into()
        });
    }

    fn is_of_key(&self, key: &str) -> bool {
        self.snapshot.key.as_deref() == Some(key) && self.snapshot.state != SnapshotState::Failed
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("target", &self.target).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Memory {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    fn identity(&self) -> String {
        format!("memory {}", self.target)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn check(&self) -> Vec<Check> {
        vec![Check::new("connection", Ok("in this process".into()))]
    }

    async fn list(&self, scope: ListScope) -> Result<Listing> {
        self.call(Verb::List, &self.target, |world, fault| {
            let in_scope =
                |record: &&Record| scope == ListScope::AllOrigins || record.snapshot.origin != Origin::Shared;
            let snapshots = world.records.iter().rev().filter(in_scope).map(|record| self.shown(record)).collect();
            let mut listing = Listing { snapshots, ..Listing::default() };
            if fault == Some(Fault::IncompleteList) {
                listing.snapshots.truncate(listing.snapshots.len().div_ceil(2));
                let problem = self.error(ErrorKind::Busy, Verb::List, &self.target, "the second page was throttled");
                listing.problems.push(problem);
            }
            Ok(listing)
        })
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let subject = self.id(id);
        self.call(Verb::Get, &subject, |world, _| {
            let record = world.find(id).ok_or_else(|| self.missing(Verb::Get, &subject))?;
            Ok(Details {
                snapshot: self.shown(record),
                record: json!({ "operation": record.operation }),
                by_hand: vec!["# it is gone with the process that holds it".into()],
            })
        })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.stop_if_cancelled(run, Verb::Create, &self.target)?;
        self.call(Verb::Create, &self.target, |world, fault| {
            let known = request.key.as_ref().and_then(|key| world.records.iter().find(|record| record.is_of_key(key)));
            if let Some(record) = known {
                return Ok(self.operation(record).found());
            }
            let mut record = world.record(&self.target, request.key.clone(), request.tags.clone(), self.polls);
            if fault == Some(Fault::FailedOperation) {
                record.ends = SnapshotState::Failed;
            }
            record.settle(world.now);
            let operation = self.operation(&record);
            world.records.push(record);
            Ok(operation)
        })
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        self.call(Verb::Poll, operation, |world, _| {
            let now = world.now;
            let record = world.records.iter_mut().find(|record| {
                record.operation == *operation || record.snapshot.native_id.as_str() == operation.as_str()
            });
            let record = record.ok_or_else(|| self.missing(Verb::Poll, operation))?;
            record.polls_left = record.polls_left.saturating_sub(1);
            record.settle(now);
            Ok(self.operation(record))
        })
    }

    async fn adopt(&self, id: &NativeId) -> Result<()> {
        let subject = self.id(id);
        self.call(Verb::Get, &subject, |world, _| {
            let record = world.find(id).ok_or_else(|| self.missing(Verb::Get, &subject))?;
            record.snapshot.origin = Origin::Owned;
            Ok(())
        })
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>> {
        let subject = self.id(id);
        if request.to == RestoreTo::InPlace && self.capabilities.in_place == Support::No {
            let reason = "this cloud restores into new databases only";
            return Err(self.error(ErrorKind::Unsupported, Verb::Restore, &subject, reason));
        }
        self.stop_if_cancelled(run, Verb::Restore, &subject)?;
        self.call(Verb::Restore, &subject, |world, _| {
            let record = world.find(id).ok_or_else(|| self.missing(Verb::Restore, &subject))?.clone();
            if record.snapshot.state != SnapshotState::Available {
                return Err(self.error(ErrorKind::Failed, Verb::Restore, &subject, "it is not available"));
            }
            *self.place(world, &request.to, &subject)? = record.content;
            let to = match &request.to {
                RestoreTo::New(name) => name.clone(),
                RestoreTo::InPlace => self.target.to_string(),
            };
            Ok(Operation::done(OperationId::of_restore(&to), Restored { to, warnings: Vec::new() }))
        })
    }

    async fn export(&self, of: &ExportOf, request: &ExportRequest, run: &Run) -> Result<Operation<Exported>> {
        self.begin_export(of, request, run)
    }

    async fn poll_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        self.call(Verb::Poll, operation, |world, _| self.look(operation, world.exports.get_mut(operation)))
    }

    async fn import(&self, request: &ImportRequest, run: &Run) -> Result<Operation<Imported>> {
        self.begin_import(request, run)
    }

    async fn poll_import(&self, operation: &OperationId) -> Result<Operation<Imported>> {
        self.call(Verb::Poll, operation, |world, _| self.look(operation, world.imports.get_mut(operation)))
    }

    async fn delete(&self, id: &NativeId) -> Result<()> {
        let subject = self.id(id);
        if self.capabilities.delete == Support::No {
            let reason = "this cloud lets nobody delete its snapshots";
            return Err(self.error(ErrorKind::Unsupported, Verb::Delete, &subject, reason));
        }
        self.call(Verb::Delete, &subject, |world, _| {
            world.records.retain(|record| record.snapshot.native_id != *id);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
