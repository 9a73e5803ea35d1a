//! Making a copy of the database, once for a key and once for a call, and following it.

use serde_json::json;

use super::bacpac::Bacpacs;
use super::follow::{There, Trust, or_there, pause_of, state_of};
use super::record::{Form, Record, form};
use super::tags::Marks;
use super::wire::Database;
use super::{AzureSqlProvider, Read, name};
use crate::Run;
use crate::azure::begin::{Begun, Standing, Turn};
use crate::azure::fault::{into_error, is_busy};
use crate::azure::names::Named;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{
    CreateRequest, NativeId, Operation, OperationId, OperationState, Snapshot, SnapshotState, Tags, Work,
};
use crate::rest::Fault;
use crate::settings::AzureSqlCreate;
use crate::shell::shell_word;

pub(super) const VERB: &str = "snapshot";
const MARK: &str = "copy:";

impl AzureSqlProvider {
    pub(super) async fn begin_snapshot(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let key = request.key.as_deref();
        if self.create == AzureSqlCreate::Copy {
            // What Azure can't keep is refused before anything is asked.
            self.marks("", key, &request.tags)?;
        }
        let source = match key {
            Some(key) => {
                let read = self.read_own(VERB).await;
                if let Some(found) = self.of_key(key, &read).await? {
                    return Ok(found.found());
                }
                match read.problems.into_iter().next() {
                    // A list with gaps might miss it.
                    Some(problem) => return Err(problem),
                    None => read.database,
                }
            }
            None => self.source(VERB).await?,
        };
        let Some(source) = source else {
            self.server(VERB).await?;
            return Err(self.home.no_database(VERB));
        };
        self.refuse_asleep(&source)?;
        self.desk.forget_stale().await;
        match (&self.bacpacs, self.create) {
            (Some(bacpacs), AzureSqlCreate::Bacpac) => {
                if !request.tags.is_empty() {
                    run.reporter.warn("a BACPAC file keeps no tags: they are left out");
                }
                self.begin_export(bacpacs, key, run).await
            }
            _ => self.begin_copy(&source, request, run).await,
        }
    }

    fn marks(&self, copy: &str, key: Option<&str>, tags: &Tags) -> Result<Marks> {
        let home = &self.home;
        let marks = Marks::new(&home.target, &home.database, copy, key, tags);
        match marks.refused() {
            None => Ok(marks),
            Some(reason) => {
                let error = home.error(ErrorKind::Usage, VERB, &home.target, reason);
                Err(error.with_hint("change it where it is set: `--tag`, or `tags` of the config"))
            }
        }
    }

    /// What was made with a key and may serve for it, or is being made.
    async fn of_key(&self, key: &str, read: &Read) -> Result<Option<Operation<Snapshot>>> {
        for record in read.records.iter().filter(|record| record.is_of_key(key)) {
            let id = OperationId::new(&record.native);
            match record.state() {
                SnapshotState::Available => {
                    return Ok(Some(Operation::begun(id, OperationState::Done(record.snapshot(&self.home)))));
                }
                SnapshotState::Failed | SnapshotState::Deleting => {}
                SnapshotState::Pending => {
                    if let Some(going) = self.going(&id).await? {
                        return Ok(Some(going));
                    }
                }
                // It may come back: another one would be the second.
                SnapshotState::Unknown => {
                    let reason = format!("the copy of this key, {}, is {}", record.native, record.status);
                    let error = self.home.error(ErrorKind::Failed, VERB, &self.home.target, reason);
                    let hint = format!("look at it, or delete it: `snapkeep delete {}`", self.home.id(&record.native));
                    return Err(error.with_hint(hint));
                }
            }
        }
        // What was asked for lately is not to be seen yet.
        for mark in self.desk.bookmarks.names().await? {
            let Some(native) = self.native_of(&mark, key) else { continue };
            if read.records.iter().any(|record| record.native == native) {
                continue;
            }
            match self.going(&OperationId::new(native)).await? {
                Some(going) => return Ok(Some(going)),
                None => self.desk.forget(&mark).await,
            }
        }
        Ok(None)
    }

    /// What another has made with the key while this one waited for its turn.
    pub(super) async fn made_meanwhile(&self, key: Option<&str>) -> Result<Option<Operation<Snapshot>>> {
        let Some(key) = key else { return Ok(None) };
        let mut read = self.read_own(VERB).await;
        if let Some(problem) = read.problems.pop() {
            return Err(problem);
        }
        // Only what is there: of what was asked for here it is known that it was refused.
        let made = read.records.iter().find(|record| {
            record.is_of_key(key) && matches!(record.state(), SnapshotState::Available | SnapshotState::Pending)
        });
        let Some(made) = made else { return Ok(None) };
        self.look_at_snapshot(&OperationId::new(&made.native)).await.map(|made| Some(made.found()))
    }

    /// An operation, if it is there and has not failed.
    async fn going(&self, id: &OperationId) -> Result<Option<Operation<Snapshot>>> {
        match self.look_at_snapshot(id).await {
            Ok(operation) if matches!(operation.state, OperationState::Failed(_)) => Ok(None),
            Ok(operation) => Ok(Some(operation)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of what is remembered under a name, when that is of the key.
    fn native_of(&self, mark: &str, key: &str) -> Option<String> {
        if let Some(copy) = mark.strip_prefix(MARK) {
            let (call, hash) = copy.split_once(':')?;
            return (hash == short(key)).then(|| name::of_call(&self.home.database, call));
        }
        let file = mark.strip_prefix(super::bacpac::MARK)?;
        let named = file.strip_suffix(super::record::BACPAC).and_then(Named::parse)?;
        (named.is_of(&self.home.target) && named.is_of_key(key)).then(|| file.to_owned())
    }

    /// Azure copies and exports what can be read. One that is asleep wakes up for it.
    fn refuse_asleep(&self, source: &Database) -> Result<()> {
        if source.is_data_warehouse() {
            let reason = "it is a dedicated SQL pool, which Azure does not copy";
            let hint =
                "its restore points are listed: `snapkeep list`; more of them: az synapse sql pool restore-point";
            let error = self.home.error(ErrorKind::Unsupported, VERB, &self.home.target, reason);
            return Err(error.with_hint(hint));
        }
        let status = source.properties.status.as_str();
        let kind = match status.to_ascii_lowercase().as_str() {
            "online" | "paused" | "pausing" | "resuming" | "autoclosed" | "" => return Ok(()),
            "creating" | "copying" | "restoring" | "recovering" | "scaling" | "starting" => ErrorKind::Busy,
            _ => ErrorKind::Failed,
        };
        let reason = format!("the database is {status}, and Azure copies it only while it is Online");
        let super::azure::Home { group, server, subscription, .. } = &self.home.server;
        let (database, group) = (shell_word(&self.home.database), shell_word(group));
        let look = format!("look at it: az sql db show -n {database} -s {server} -g {group}");
        let error = self.home.error(kind, VERB, &self.home.target, reason);
        Err(error.with_hint(format!("{look} --subscription {subscription}")))
    }

    async fn begin_copy(&self, source: &Database, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let key = request.key.as_deref();
        let copy = name::copy_of(&self.home.database, self.now());
        let marks = self.marks(&copy, key, &request.tags)?;
        let body = json!({
            "location": source.location,
            "tags": marks.to_tags(),
            "properties": {
                "createMode": "Copy",
                "sourceDatabaseId": self.api.id(&["databases", &self.home.database]),
            },
        });
        let mark = mark_of(&copy, key);
        let send = || self.api.put_database(&copy, &body);
        let server = (&*self.home.server.server, run);
        let begun = match self.desk.begin_in_turn((&mark, None), server, || self.made_meanwhile(key), send).await? {
            Turn::Found(made) => return Ok(made),
            Turn::Asked(begun) => begun.map_err(|fault| self.refused(fault)),
        };
        self.after_snapshot(OperationId::new(&copy), &mark, begun).await
    }

    /// What a request for a snapshot has begun. If its answer was lost, that is seen by its name, at this look or at a later one.
    pub(super) async fn after_snapshot(
        &self,
        id: OperationId,
        mark: &str,
        begun: Result<Begun>,
    ) -> Result<Operation<Snapshot>> {
        let pause = match begun? {
            Begun::Runs(pause) => pause,
            Begun::Lost => None,
            Begun::Done => {
                self.desk.forget(mark).await;
                None
            }
        };
        // It is begun, whether or not one look at it succeeds.
        let looked = self.look_at_snapshot(&id).await;
        let running = || Operation::begun(id, OperationState::Running { so_far: None, percent: None });
        Ok(looked.unwrap_or_else(|_| running()).again_in(pause))
    }

    /// A refusal to make a snapshot.
    pub(super) fn refused(&self, fault: Fault) -> Error {
        let busy = is_busy(&fault);
        let error = into_error(fault, &self.home, VERB, &self.home.target);
        if busy { error.with_hint(format!("see what goes on: {}", self.operations_command())) } else { error }
    }

    pub(super) fn operations_command(&self) -> String {
        let super::azure::Home { group, server, subscription, .. } = &self.home.server;
        let (database, group) = (shell_word(&self.home.database), shell_word(group));
        format!("az sql db op list -d {database} -s {server} -g {group} --subscription {subscription}")
    }

    /// What time it is by Azure's clock.
    pub(super) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::Utc::now() + self.api.client.clock().ahead().unwrap_or_default()
    }

    /// By a snapshot's id.
    pub(super) async fn look_at_snapshot(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let subject = self.home.id(operation);
        let missing = || self.home.no_operation(&subject);
        let Work::Snapshot(native) = operation.work() else { return Err(missing()) };
        let of = form(&self.home, native).filter(|form| matches!(form, Form::Copy | Form::Bacpac));
        let is_copy = of.ok_or_else(missing)? == Form::Copy;
        let mark = if is_copy { self.mark_of_copy(native).await? } else { Some(Bacpacs::mark(native)) };
        // Before what is there is looked at: what ends meanwhile is there then.
        let looked = match &mark {
            Some(mark) => self.standing(mark, &subject).await?,
            None => Ok(Standing::Forgotten),
        };
        let there = match self.find("find", &NativeId::new(native)).await {
            Ok((record, _)) => Some(self.there(&record)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // A file may be written for as long as its operation goes on.
        let trust = if is_copy { Trust::Thing } else { Trust::Both };
        let mut standing = or_there(looked, there.is_some(), trust)?;
        if !is_copy {
            standing = self.hidden(standing).await;
        }
        let pause = pause_of(&standing);
        let failed = |kind, words: String| self.snapshot_failed(kind, &subject, words);
        let state = state_of(standing, there, trust, failed).ok_or_else(missing)?;
        if let (OperationState::Done(_), Some(mark)) = (&state, mark) {
            self.desk.forget(&mark).await;
        }
        Ok(Operation::begun(operation.clone(), state).again_in(pause))
    }

    fn there(&self, record: &Record) -> There<Snapshot> {
        There { state: record.state(), word: record.status.clone(), what: record.snapshot(&self.home) }
    }

    fn snapshot_failed(&self, kind: ErrorKind, subject: &str, words: String) -> Error {
        if kind != ErrorKind::Unavailable {
            return self.home.error(kind, VERB, subject, "it was begun and failed").with_source(words);
        }
        let reason = "the answer was lost, and Azure shows nothing of it";
        let error = self.home.error(kind, VERB, subject, reason);
        error.with_hint(format!("try again: `snapkeep create {}`", self.home.target))
    }

    /// Under which name a copy is remembered, if it is.
    pub(super) async fn mark_of_copy(&self, copy: &str) -> Result<Option<String>> {
        let Some(call) = name::call_of(copy) else { return Ok(None) };
        let own = |mark: &String| mark.strip_prefix(MARK).and_then(|mark| mark.get(..call.len())) == Some(call);
        Ok(self.desk.bookmarks.names().await?.into_iter().find(own))
    }
}

/// Under which name a copy is remembered: with a hash of its key, which its name has not.
fn mark_of(copy: &str, key: Option<&str>) -> String {
    let call = name::call_of(copy).unwrap_or(copy);
    match key {
        Some(key) => format!("{MARK}{call}:{}", short(key)),
        None => format!("{MARK}{call}"),
    }
}

fn short(key: &str) -> String {
    sha256(key)[..32].to_owned()
}
