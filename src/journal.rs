//! What was begun and whose end nobody has seen: kept in the state, so that another process, on another machine, goes on with it.
//!
//! A creation is kept before the cloud hears of it. Whoever is killed between the cloud's "accepted" and its answer leaves an
//! entry without an operation; the same key finds out what became of it. What ends with its process, as a dump does, is not kept.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snapkeep_providers::model::{ListScope, NativeId, Operation, OperationId, OperationState, Snapshot, Work};
use snapkeep_providers::{Error, ErrorKind, Run};

use crate::catalog::Opened;
use crate::failure::Failure;
use crate::lock::host;
use crate::operate::{Stopped, is_running};
use crate::state::{Expected, Scope, Version, Written, hex, random};

const KIND: &str = "unfinished";
/// What the id of a creation begins with that the cloud has not answered.
const UNANSWERED: &str = "create:";
/// How often a write is tried that another one comes before.
const TRIES: u32 = 5;
/// How long an entry is kept whose operation has ended, for somebody to ask for it.
pub(crate) const GRACE: TimeDelta = TimeDelta::days(7);

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OperationVerb")]
pub(crate) enum Doing {
    /// A snapshot.
    Create,
    /// A copy of a snapshot.
    Copy,
    /// A database from a snapshot, or from a moment.
    Restore,
    /// Files from a snapshot or a database.
    Export,
    /// A database's content from files.
    Import,
}

impl fmt::Display for Doing {
    /// The word that JSON has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
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
    /// Whether hooks and notifications have had a failure for its end, although it goes on.
    #[serde(default)]
    pub(crate) told: bool,
}

impl Entry {
    /// What begins now, on this machine.
    pub(crate) fn new(verb: Doing, key: Option<&str>, snapshot: Option<NativeId>) -> Self {
        let key = key.map(ToOwned::to_owned);
        Self { verb, operation: None, snapshot, key, begun_at: Utc::now().trunc_subsecs(3), host: host(), told: false }
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
            Some(key) => name_of(key),
            None => format!("{UNANSWERED}{:016x}", random()),
        }
    }

    /// Whether it is a creation of whose end nobody was told.
    pub(crate) fn is_untold(&self) -> bool {
        self.verb == Doing::Create && !self.told
    }
}

fn name_of(key: &str) -> String {
    format!("{UNANSWERED}{}", hex(&Sha256::digest(key.as_bytes())[..8]))
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

    /// Takes it away; `false` when it has been begun again. What is gone already is taken away.
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

/// Whether something was begun with a caller's key of whose end nobody was told.
pub(crate) async fn untold(scope: &Scope, key: &str) -> Result<bool, Failure> {
    let found = scope.get::<Entry>(KIND, &kept_name(scope, &name_of(key))).await?;
    Ok(found.is_some_and(|(entry, _)| entry.is_untold()))
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
                Some((earlier, version)) => (Entry { told: false, ..earlier }, Expected::Version(version), true),
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

    /// Ends it, unless what `failed` leaves something that goes on: of that the failure is told.
    pub(crate) async fn settle(self, opened: &Opened, failed: Option<&Failure>) {
        let Some(found) = &self.found else { return };
        let may_go_on = match failed {
            None => false,
            // What was refused before anything was begun has left nothing.
            Some(failure) if !goes_on(failure) && !self.resumed && found.entry.operation.is_none() => false,
            Some(failure) => may_go_on(opened, found, failure).await,
        };
        if may_go_on {
            let (told, expected) =
                (Entry { told: true, ..found.entry.clone() }, Expected::Version(found.version.clone()));
            // At worst it is told once more.
            let _ = self.scope.put(KIND, &kept_name(self.scope, &found.name), &told, &expected).await;
            return;
        }
        // One that can't be taken away is shown as done.
        let _ = found.end(self.scope).await;
    }
}

/// Whether it may go on although waiting for it failed: unless the cloud says that it has failed too, or knows nothing of it any
/// more. Who could not look has not seen that.
pub(crate) async fn may_go_on(opened: &Opened, found: &Found, failure: &Failure) -> bool {
    goes_on(failure) || !matches!(look(opened, found).await, Ok(Standing::Failed | Standing::Gone))
}

/// Whether what failed may have begun, and goes on in the cloud.
pub(crate) fn goes_on(failure: &Failure) -> bool {
    failure.operation.is_some()
        || matches!(
            failure.kind,
            ErrorKind::Interrupted | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Locked
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snapkeep_providers::Provider;
    use snapkeep_providers::memory::{Fault, Memory, Verb};
    use snapkeep_providers::model::CreateRequest;

    use super::*;
    use crate::state::tests::{scope, scope_at};

    fn opened(memory: &Memory, folder: &std::path::Path) -> Opened {
        Opened::of(Arc::new(memory.clone()), scope(folder))
    }

    fn memory() -> Memory {
        Memory::new("orders".parse().unwrap(), DateTime::UNIX_EPOCH)
    }

    fn request(key: &str) -> CreateRequest {
        CreateRequest { key: Some(key.into()), ..CreateRequest::default() }
    }

    fn creation(key: &str) -> Entry {
        Entry::new(Doing::Create, Some(key), None)
    }

    fn failure(kind: ErrorKind) -> Failure {
        Failure::new(kind, "x")
    }

    #[tokio::test]
    async fn what_was_accepted_and_never_answered_is_found_by_its_key() {
        let (memory, folder) = (memory().with_polls(2), tempfile::tempdir().unwrap());
        let opened = opened(&memory, folder.path());
        let killed = Kept::begin(&opened, creation("k")).await.unwrap();
        let asked = killed.found.clone().unwrap();
        assert_eq!(look(&opened, &asked).await.unwrap(), Standing::Unanswered);
        memory.script(Verb::Create, Fault::LostResponse);
        assert!(memory.create(&request("k"), &Run::silent()).await.is_err());
        drop(killed);
        let again = Kept::begin(&opened, creation("k")).await.unwrap();
        let resumed = again.resumed().unwrap();
        assert_eq!(resumed.begun_at, asked.entry.begun_at, "it began when it was first begun");
        let found = find(&opened.scope, &asked.id()).await.unwrap().unwrap();
        assert_eq!(look(&opened, &found).await.unwrap(), Standing::Running);
        assert_eq!(all(&opened.scope).await.unwrap().len(), 1, "one key is one entry");
    }

    #[tokio::test]
    async fn what_was_answered_since_is_not_taken_away() {
        let (memory, folder) = (memory(), tempfile::tempdir().unwrap());
        let opened = opened(&memory, folder.path());
        let mut kept = Kept::begin(&opened, creation("k")).await.unwrap();
        let seen_early = kept.found.clone().unwrap();
        let operation = memory.create(&request("k"), &Run::silent()).await.unwrap();
        kept.answered(&operation, &Run::silent()).await;
        assert!(!seen_early.end(&opened.scope).await.unwrap(), "it is another one since");
        let found = find(&opened.scope, &operation.id).await.unwrap().unwrap();
        assert!(found.end(&opened.scope).await.unwrap());
        assert_eq!(all(&opened.scope).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_goes_on_stays_and_knows_that_a_failure_was_told_of_it() {
        let (memory, folder) = (memory(), tempfile::tempdir().unwrap());
        let opened = opened(&memory, folder.path());
        for (key, kind) in [("a", ErrorKind::Timeout), ("b", ErrorKind::Interrupted), ("c", ErrorKind::Unavailable)] {
            let kept = Kept::begin(&opened, creation(key)).await.unwrap();
            assert!(untold(&opened.scope, key).await.unwrap());
            kept.settle(&opened, Some(&failure(kind))).await;
            assert!(!untold(&opened.scope, key).await.unwrap(), "{kind:?}");
            let again = Kept::begin(&opened, creation(key)).await.unwrap();
            assert!(again.resumed().is_some() && untold(&opened.scope, key).await.unwrap(), "it is begun once more");
        }
        for (key, failed) in [("d", None), ("e", Some(failure(ErrorKind::Permission)))] {
            Kept::begin(&opened, creation(key)).await.unwrap().settle(&opened, failed.as_ref()).await;
        }
        assert_eq!(all(&opened.scope).await.unwrap().len(), 3, "what has ended is not kept");
    }

    #[tokio::test]
    async fn the_sweep_takes_what_ended_long_ago_and_leaves_what_goes_on() {
        let (memory, folder) = (memory(), tempfile::tempdir().unwrap());
        let memory = memory.with_polls(2);
        let opened = opened(&memory, folder.path());
        let begin = async |key: &str| {
            let mut kept = Kept::begin(&opened, creation(key)).await.unwrap();
            let operation = memory.create(&request(key), &Run::silent()).await.unwrap();
            kept.answered(&operation, &Run::silent()).await;
        };
        begin("goes-on").await;
        Kept::begin(&opened, creation("never-arrived")).await.unwrap();
        let count = async || all(&opened.scope).await.unwrap().len();
        sweep(&opened, Utc::now()).await.unwrap();
        assert_eq!(count().await, 2, "both are young");
        let later = Utc::now() + GRACE + TimeDelta::minutes(1);
        memory.script(Verb::Poll, Fault::Denied);
        assert!(sweep(&opened, later).await.is_err(), "what can't be looked at stays");
        assert_eq!(count().await, 2);
        sweep(&opened, later).await.unwrap();
        assert_eq!(count().await, 1);
        sweep(&opened, later).await.unwrap();
        assert_eq!(count().await, 0);
    }

    #[tokio::test]
    async fn a_dump_leaves_nothing_and_another_database_of_the_same_name_is_not_seen() {
        let (memory, folder) = (memory().with_polls(0), tempfile::tempdir().unwrap());
        let opened = opened(&memory, folder.path());
        let other = Opened::of(Arc::new(memory.clone()), scope_at("elsewhere", folder.path()));
        Kept::begin(&other, creation("k")).await.unwrap();
        assert_eq!(all(&opened.scope).await.unwrap(), []);
        let mut dump = opened;
        dump.stopped = Stopped::LeavesNothing;
        Kept::begin(&dump, creation("k")).await.unwrap();
        assert_eq!(all(&dump.scope).await.unwrap(), []);
    }
}
