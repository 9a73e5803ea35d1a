//! What was begun and whose end nobody has seen: kept in the state, so that another process, on another machine, goes on with it.
//!
//! A creation is kept before the cloud hears of it. Whoever is killed between the cloud's "accepted" and its answer leaves an
//! entry without an operation; the same key finds out what became of it. What ends with its process, as a dump does, is not kept.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snapkeep_providers::model::{ListScope, NativeId, Operation, OperationId, OperationState, Snapshot, Work};
use snapkeep_providers::{Error, ErrorKind, Run};

use crate::catalog::Opened;
use crate::failure::Failure;
use crate::operate::{Stopped, is_running};
use crate::state::{Expected, Scope, Version, Written, hex, random};

const KIND: &str = "unfinished";
/// What the id of a creation begins with that the cloud has not answered.
const UNANSWERED: &str = "create:";
/// How often a write is tried that another one comes before.
const TRIES: u32 = 5;
/// How long an entry is kept whose operation has ended, for somebody to ask for it.
pub(crate) const GRACE: TimeDelta = TimeDelta::hours(24);

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doing {
    Create,
    Copy,
    Restore,
    Export,
    Import,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Copy => "copy",
            Self::Restore => "restore",
            Self::Export => "export",
            Self::Import => "import",
        })
    }
}

/// One operation, and who began it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) verb: Doing,
    /// `None` as long as the cloud has not answered.
    pub(crate) operation: Option<OperationId>,
    /// The snapshot that is made, restored or exported, where it is known.
    pub(crate) snapshot: Option<NativeId>,
    /// The caller's.
    pub(crate) key: Option<String>,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) host: String,
}

impl Entry {
    /// What begins now, on this machine.
    pub(crate) fn new(verb: Doing, key: Option<&str>, snapshot: Option<NativeId>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let key = key.map(ToOwned::to_owned);
        Self { verb, operation: None, snapshot, key, begun_at: Utc::now().trunc_subsecs(3), host }
    }

    /// The cloud's answer to what was begun.
    pub(crate) fn answered(self, operation: &Operation<Snapshot>) -> Self {
        let snapshot = operation.so_far().map(|snapshot| snapshot.native_id.clone());
        Self { snapshot, ..self.known_as(&operation.id) }
    }

    /// What goes on under this id.
    pub(crate) fn known_as(self, operation: &OperationId) -> Self {
        Self { operation: Some(operation.clone()), ..self }
    }

    /// The name that it is kept under: of one key always the same.
    fn name(&self) -> String {
        match &self.key {
            Some(key) => format!("{UNANSWERED}{}", hex(&Sha256::digest(key.as_bytes())[..8])),
            None => format!("{UNANSWERED}{:016x}", random()),
        }
    }
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    name: String,
    version: Version,
}

impl Found {
    /// What `snapkeep wait` takes for it.
    pub(crate) fn id(&self) -> OperationId {
        self.entry.operation.clone().unwrap_or_else(|| OperationId::new(&*self.name))
    }

    /// Whether it was begun so long ago that nobody will ask for its end any more.
    pub(crate) fn is_old(&self, now: DateTime<Utc>) -> bool {
        now - self.entry.begun_at > GRACE
    }

    /// Takes it away; `false` when somebody else has done so, or has begun it again.
    pub(crate) async fn end(&self, scope: &Scope) -> Result<bool, Failure> {
        scope.delete(KIND, &kept_name(scope, &self.name), &self.version).await
    }
}

/// Two databases that two configs call by one name may share a folder of state.
fn kept_name(scope: &Scope, name: &str) -> String {
    format!("{}.{name}", scope.site())
}

/// Everything that was begun on a target, the oldest first.
pub(crate) async fn all(scope: &Scope) -> Result<Vec<Found>, Failure> {
    let place = kept_name(scope, "");
    let mut found = Vec::new();
    for kept in scope.names(KIND).await? {
        let Some(name) = kept.strip_prefix(&place) else { continue };
        if let Some((entry, version)) = scope.get::<Entry>(KIND, &kept).await? {
            found.push(Found { entry, name: name.to_owned(), version });
        }
    }
    found.sort_by(|a, b| (a.entry.begun_at, &a.name).cmp(&(b.entry.begun_at, &b.name)));
    Ok(found)
}

/// What was begun under an operation's id, or the id of what has no operation yet, or of the snapshot that is made.
pub(crate) async fn find(scope: &Scope, id: &OperationId) -> Result<Option<Found>, Failure> {
    let is_meant = |found: &Found| {
        let made = found.entry.snapshot.as_ref().filter(|_| matches!(found.entry.verb, Doing::Create | Doing::Copy));
        found.id() == *id || found.name == id.as_str() || made.is_some_and(|made| made.as_str() == id.as_str())
    };
    Ok(all(scope).await?.into_iter().find(is_meant))
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    Done,
    Failed,
    /// The provider knows nothing of it any more.
    Gone,
    /// Its answer was never seen, and nothing is found of it.
    Unanswered,
}

/// Looks how far something is. Looking at a restore may take it further, as waiting does.
pub(crate) async fn look(opened: &Opened, found: &Found) -> Result<Standing, Failure> {
    let Some(operation) = answer(opened, found).await? else { return Ok(Standing::Unanswered) };
    let provider = &*opened.provider;
    match operation.work() {
        Work::Snapshot(_) => standing(provider.poll(&operation).await),
        Work::Restore(_) => standing(provider.poll_restore(&operation).await),
        Work::Export(_) => standing(provider.poll_export(&operation).await),
        Work::Import(_) => standing(provider.poll_import(&operation).await),
    }
}

fn standing<T>(polled: Result<Operation<T>, Error>) -> Result<Standing, Failure> {
    Ok(match polled {
        Ok(operation) => match operation.state {
            OperationState::Running { .. } => Standing::Running,
            OperationState::Done(_) => Standing::Done,
            OperationState::Failed(_) => Standing::Failed,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Standing::Gone,
        Err(error) => return Err(error.into()),
    })
}

/// The operation of what was begun. Where the cloud's answer was never seen, the key finds it.
pub(crate) async fn answer(opened: &Opened, found: &Found) -> Result<Option<OperationId>, Failure> {
    if let Some(operation) = &found.entry.operation {
        return Ok(Some(operation.clone()));
    }
    let Some(key) = &found.entry.key else { return Ok(None) };
    let listing = opened.list(ListScope::Own).await?;
    let made = listing.snapshots.iter().find(|snapshot| snapshot.key.as_ref() == Some(key));
    Ok(made.map(|snapshot| OperationId::new(snapshot.native_id.as_str())))
}

/// Takes away what ended long ago, and what nobody can tell any more.
pub(crate) async fn sweep(opened: &Opened, now: DateTime<Utc>) -> Result<(), Failure> {
    for found in all(&opened.scope).await?.iter().filter(|found| found.is_old(now)) {
        if look(opened, found).await? != Standing::Running {
            found.end(&opened.scope).await?;
        }
    }
    Ok(())
}

/// Something that is being done, and kept until its end is seen.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    scope: &'a Scope,
    /// `None` for what ends with this process.
    found: Option<Found>,
    /// Whether somebody had begun it before, and not seen its end.
    resumed: bool,
}

impl<'a> Kept<'a> {
    /// Keeps what is about to begin. The target's lock is held.
    pub(crate) async fn begin(opened: &'a Opened, entry: Entry) -> Result<Self, Failure> {
        let scope = &opened.scope;
        if opened.stopped == Stopped::LeavesNothing {
            return Ok(Self { scope, found: None, resumed: false });
        }
        let name = entry.name();
        let kept = kept_name(scope, &name);
        for _ in 0..TRIES {
            let earlier = scope.get::<Entry>(KIND, &kept).await?;
            let (entry, expected, resumed) = match earlier {
                // It began when it was first begun.
                Some((earlier, version)) => (earlier, Expected::Version(version), true),
                None => (entry.clone(), Expected::Absent, false),
            };
            if let Written::Yes(version) = scope.put(KIND, &kept, &entry, &expected).await? {
                return Ok(Self { scope, found: Some(Found { entry, name, version }), resumed });
            }
        }
        Err(Failure::new(ErrorKind::Busy, "state: cannot keep what is begun: others write it all the time"))
    }

    /// What somebody had begun before, and not seen the end of.
    pub(crate) fn resumed(&self) -> Option<&Entry> {
        self.found.as_ref().map(|found| &found.entry).filter(|_| self.resumed)
    }

    /// Keeps what goes on already, under the id that the provider gave.
    pub(crate) async fn begun<T>(opened: &'a Opened, entry: Entry, operation: &Operation<T>, run: &Run) -> Self {
        if !is_running(operation) {
            return Self { scope: &opened.scope, found: None, resumed: false };
        }
        match Self::begin(opened, entry.known_as(&operation.id)).await {
            Ok(kept) => kept,
            Err(failure) => {
                run.reporter.warn(&format!("`snapkeep operations` won't show it: {}", failure.message));
                Self { scope: &opened.scope, found: None, resumed: false }
            }
        }
    }

    /// Keeps what the cloud answered. That it can't be kept is told, and stops nothing: the operation goes on.
    pub(crate) async fn answered(&mut self, operation: &Operation<Snapshot>, run: &Run) {
        let Some(found) = &mut self.found else { return };
        let entry = found.entry.clone().answered(operation);
        let expected = Expected::Version(found.version.clone());
        match self.scope.put(KIND, &kept_name(self.scope, &found.name), &entry, &expected).await {
            Ok(Written::Yes(version)) => *found = Found { entry, name: found.name.clone(), version },
            Ok(Written::Conflict) => {}
            Err(failure) => {
                let id = &operation.id;
                run.reporter.warn(&format!("`snapkeep operations` won't show {id} as begun: {}", failure.message));
            }
        }
    }

    /// Ends it, unless what `failed` leaves something that goes on.
    pub(crate) async fn settle(self, failed: Option<&Failure>) {
        if failed.is_some_and(goes_on) {
            return;
        }
        if let Some(found) = &self.found {
            // One that can't be taken away is shown as done.
            let _ = found.end(self.scope).await;
        }
    }
}

/// Whether what failed may have begun, and goes on in the cloud.
pub(crate) fn goes_on(failure: &Failure) -> bool {
    failure.operation.is_some()
        || matches!(
            failure.kind,
            ErrorKind::Interrupted | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Locked
        )
}
