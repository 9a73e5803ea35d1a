//! Making a backup run, once for a key and once for a call, and following it.

use std::ops::ControlFlow;

use super::begin::{QUEUE, Turn};
use super::description::Description;
use super::fault::{OrError, is_busy, is_uncertain};
use super::record::{Address, Record, is_run_id};
use super::wire::{self, BackupRun};
use super::{CloudSqlProvider, Read, api};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    CreateRequest, NativeId, Operation, OperationId, OperationState, Origin, Snapshot, SnapshotState, Work,
};

/// How often a run that was begun without an id is looked for.
const LOOKS: u32 = 5;
const VERB: &str = "snapshot";

/// What was there before a backup is asked for.
struct Known {
    /// The one that was made with the key and has not failed.
    of_key: Option<Record>,
    /// The id of the newest run.
    newest: Option<String>,
}

impl CloudSqlProvider {
    pub(super) async fn begin_snapshot(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let home = &self.home;
        let described = Description::new(&home.target, request.key.as_deref(), &request.tags);
        if let Some(reason) = described.refused() {
            let error = home.error(ErrorKind::Usage, VERB, &home.target, reason);
            return Err(error.with_hint("give fewer or shorter ones with `--tag`, or in `tags` of the config"));
        }
        let (text, subject) = (described.text(), home.target.to_string());
        let mut newest = None;
        if let Some(key) = &request.key {
            let known = self.known(key).await?;
            if let Some(found) = known.of_key {
                return Ok(self.progress(&found).found());
            }
            newest = known.newest;
        }
        let mut turn = Turn::new(home, &self.api, VERB, &subject, QUEUE);
        loop {
            let fault = match self.api.insert_run(&text, home.backup_location.as_deref()).await {
                Ok(begun) => return self.begun(begun, &described).await,
                Err(fault) => fault,
            };
            let refused = !is_busy(&fault) && !is_uncertain(&fault);
            let waited = turn.wait(fault, Some(run)).await;
            // Before it is asked for again, and before it is said to have failed: an answer may be lost, and what was waited for
            // may be another's backup of the same key.
            if turn.is_uncertain() || request.key.is_some() {
                let found = self.find_new(&described, request.key.as_deref(), newest.as_deref()).await;
                let found = found.map_err(|error| if turn.is_uncertain() { turn.may_have_begun(error) } else { error });
                if let Some(found) = found? {
                    let ours = found.call() == Some(&*described.call);
                    let operation = self.progress(&found);
                    return Ok(if ours { operation } else { operation.found() });
                }
            }
            if let Err(error) = waited {
                return Err(if refused { self.explained(error).await } else { error });
            }
        }
    }

    /// All that there is, looked through for a key. A list with gaps might miss it.
    async fn known(&self, key: &str) -> Result<Known> {
        let Read { records, problems, orphaned } = self.read("list").await;
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        if orphaned {
            return Err(self.no_instance(VERB));
        }
        let is_run = |record: &&Record| matches!(record.address, Address::Run(_));
        let newest = records.iter().find(is_run).map(|run| run.native.clone());
        Ok(Known { newest, of_key: records.into_iter().find(|record| self.is_of_key(record, key)) })
    }

    /// Whether a backup was made with this key and may serve for it.
    fn is_of_key(&self, record: &Record, key: &str) -> bool {
        let failed = matches!(record.state(), SnapshotState::Failed | SnapshotState::Deleting) || record.is_skipped();
        let of_key = record.marks(&self.home).is_some_and(|marks| marks.is_of_key(key));
        of_key && !failed && record.origin(&self.home) == Origin::Owned
    }

    /// The run that a call has made, or another one with the key meanwhile. The newest come first, down to the one that was
    /// known.
    async fn find_new(
        &self,
        described: &Description,
        key: Option<&str>,
        known: Option<&str>,
    ) -> Result<Option<Record>> {
        let mut found = None;
        let each = |run: BackupRun| {
            if known == Some(&*run.id) {
                return ControlFlow::Break(());
            }
            let record = Record::from(run);
            let of_call = record.call() == Some(&*described.call);
            if of_call || key.is_some_and(|key| self.is_of_key(&record, key)) {
                found = Some(record);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        self.api.runs(each).await.or_error(&self.home, VERB, &self.home.target)?;
        Ok(found)
    }

    async fn begun(&self, begun: wire::Operation, described: &Description) -> Result<Operation<Snapshot>> {
        if let Some(troubles) = begun.troubles() {
            return Err(self.failed(&self.home.target.to_string(), troubles));
        }
        if let Some(id) = begun.backup_context.as_ref().and_then(|context| context.backup_id.clone()) {
            let operation = OperationId::new(id.as_str());
            // It is begun, whether or not one look at it succeeds.
            let looked = self.look_at_snapshot(&operation).await;
            return Ok(looked.unwrap_or_else(|_| running(operation)));
        }
        for _ in 0..LOOKS {
            if let Ok(Some(found)) = self.find_new(described, None, None).await {
                return Ok(self.progress(&found));
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        Ok(running(OperationId::new(begun.name)))
    }

    /// By a backup's id, or by the cloud's own name of the operation that makes it.
    pub(super) async fn look_at_snapshot(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let subject = self.home.id(operation);
        let missing = || self.home.no_operation(&subject);
        let Work::Snapshot(id) = operation.work() else { return Err(missing()) };
        if !is_run_id(id) && api::is_possible(id) {
            let found = self.api.operation(id).await.or_error(&self.home, "look at", &subject)?;
            if let Some(found) = found {
                return self.look_at_maker(operation, &subject, found).await;
            }
        }
        let (record, _) = self.find("find", &NativeId::new(id)).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => error,
        })?;
        Ok(self.progress(&record))
    }

    async fn look_at_maker(
        &self,
        id: &OperationId,
        subject: &str,
        found: wire::Operation,
    ) -> Result<Operation<Snapshot>> {
        if let Some(troubles) = found.troubles() {
            return Ok(Operation::begun(id.clone(), OperationState::Failed(self.failed(subject, troubles))));
        }
        if !found.is_over() && found.operation_type.starts_with("BACKUP") {
            return Ok(running(id.clone()));
        }
        let Some(made) = found.backup_context.and_then(|context| context.backup_id) else {
            let reason = format!("it makes no backup: it is {}", found.operation_type);
            return Err(self.home.error(ErrorKind::NotFound, "find", subject, reason));
        };
        let (record, _) = self.find("find", &NativeId::new(made)).await?;
        Ok(Operation { id: id.clone(), ..self.progress(&record) })
    }

    /// How far it is.
    pub(super) fn progress(&self, record: &Record) -> Operation<Snapshot> {
        let id = OperationId::new(record.native.as_str());
        let (subject, snapshot) = (self.home.id(&record.native), record.snapshot(&self.home));
        let failed = |words: String| OperationState::Failed(self.failed(&subject, words));
        let state = match (record.state(), &*record.status) {
            (SnapshotState::Available, _) => OperationState::Done(snapshot),
            (SnapshotState::Failed, status) => failed(record.trouble().unwrap_or_else(|| status.to_owned())),
            (SnapshotState::Deleting, status) => failed(status.to_owned()),
            (SnapshotState::Unknown, status) if record.is_skipped() => failed(status.to_owned()),
            (SnapshotState::Pending | SnapshotState::Unknown, _) => {
                OperationState::Running { so_far: Some(snapshot), percent: None }
            }
        };
        Operation::begun(id, state)
    }

    fn failed(&self, subject: &str, words: String) -> Error {
        self.home.error(ErrorKind::Failed, VERB, subject, "the backup was begun and failed").with_source(words)
    }

    /// A refusal that the state of the instance explains.
    async fn explained(&self, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::Failed | ErrorKind::NotFound) {
            return error;
        }
        match self.api.instance().await {
            Ok(None) => self.no_instance(VERB),
            Ok(Some(instance)) if instance.is_stopped() => {
                let reason = "the instance is stopped, and Google makes no backup of it";
                let error = self.home.error(ErrorKind::Failed, VERB, &self.home.target, reason).with_source(error);
                error.with_hint(self.start_command())
            }
            Ok(Some(instance)) if instance.state != "RUNNABLE" => {
                let reason = format!("the instance is {}", instance.state);
                self.home.error(ErrorKind::Failed, VERB, &self.home.target, reason).with_source(error)
            }
            Ok(Some(_)) | Err(_) => error,
        }
    }

    pub(super) fn start_command(&self) -> String {
        let super::Home { instance, project, .. } = &self.home;
        format!("start it: gcloud sql instances patch {instance} --activation-policy=ALWAYS --project {project}")
    }
}

fn running(id: OperationId) -> Operation<Snapshot> {
    Operation::begun(id, OperationState::Running { so_far: None, percent: None })
}
