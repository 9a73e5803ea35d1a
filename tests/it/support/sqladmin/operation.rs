//! What takes its time.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::SqlAdmin;
use super::backup::without_nulls;
use super::call::{Outcome, refuse};
use super::world::{World, time};

pub(super) const IN_PROGRESS: &str = "Operation failed because another operation was already in progress. Try your request after the current operation \
     is complete.";

/// How an operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Badly { code: String, message: String },
    Never,
}

impl End {
    pub(super) fn badly(message: impl Into<String>) -> Self {
        Self::Badly { code: "ERROR_RDBMS".to_owned(), message: message.into() }
    }
}

/// What there is once it is done.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// The backup of this uid.
    Backup(String),
    /// No backup of this uid.
    NoBackup(String),
    /// This in the instance: data and databases.
    Content(String, Vec<String>),
    /// No instance.
    NoInstance,
    /// This in a file.
    File {
        uri: String,
        data: String,
    },
    Nothing,
}

/// An operation on an instance.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) project: String,
    /// The instance.
    pub(crate) target: String,
    /// Another instance that is busy for as long.
    pub(crate) source: Option<(String, String)>,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) inserted: DateTime<Utc>,
    pub(crate) started: Option<DateTime<Utc>>,
    pub(crate) ended: Option<DateTime<Utc>>,
    pub(crate) error: Option<(String, String)>,
    /// The fields that only some have: `backupContext` and the like.
    pub(crate) context: Value,
    effect: Effect,
    end: End,
    left: u32,
}

/// What is to be begun.
pub(super) struct Begin<'b> {
    pub(super) project: &'b str,
    pub(super) target: &'b str,
    pub(super) kind: &'static str,
    pub(super) effect: Effect,
    pub(super) context: Value,
    pub(super) end: End,
}

impl Operation {
    pub(crate) fn is_done(&self) -> bool {
        self.status == "DONE"
    }

    /// Whether the instance can't take another one meanwhile.
    fn holds(&self, project: &str, instance: &str) -> bool {
        let source = self.source.as_ref().is_some_and(|(its, name)| its == project && name == instance);
        !self.is_done() && (self.is_on(project, instance) || source)
    }

    fn is_on(&self, project: &str, instance: &str) -> bool {
        self.project == project && self.target == instance
    }

    pub(super) fn resource(&self) -> Value {
        let link = format!("https://sqladmin.googleapis.com/v1/projects/{}", self.project);
        let error = self.error.as_ref().map(|(code, message)| {
            let one = json!({"kind": "sql#operationError", "code": code, "message": message});
            json!({"kind": "sql#operationErrors", "errors": [one]})
        });
        let mut resource = without_nulls(json!({
            "kind": "sql#operation",
            "name": self.name,
            "operationType": self.kind,
            "status": self.status,
            "targetId": self.target,
            "targetProject": self.project,
            "targetLink": format!("{link}/instances/{}", self.target),
            "selfLink": format!("{link}/operations/{}", self.name),
            "user": SqlAdmin::USER,
            "insertTime": time(self.inserted),
            "startTime": self.started.map(time),
            "endTime": self.ended.map(time),
            "error": error,
        }));
        for (name, value) in self.context.as_object().into_iter().flatten() {
            resource[name] = value.clone();
        }
        resource
    }
}

impl World {
    /// Begins an operation, and answers with it.
    pub(super) fn begin(&mut self, begin: Begin<'_>) -> Value {
        let (name, inserted) = (self.next_uid(), self.now());
        // what a test asks for goes before what would come by itself
        let end = if self.end == End::Well { begin.end } else { self.end.clone() };
        let operation = Operation {
            project: begin.project.to_owned(),
            target: begin.target.to_owned(),
            source: None,
            name,
            kind: begin.kind.to_owned(),
            status: "PENDING".to_owned(),
            inserted,
            started: None,
            ended: None,
            error: None,
            context: begin.context,
            effect: begin.effect,
            end,
            left: self.looks,
        };
        let answer = operation.resource();
        self.operations.push(operation);
        if self.looks == 0 {
            self.look(self.operations.len() - 1);
        }
        answer
    }

    /// Refuses what would be a second operation on an instance. The next try counts as a look at the first.
    pub(super) fn free(&mut self, project: &str, instance: &str) -> Outcome<()> {
        let Some(found) = self.operations.iter().position(|operation| operation.holds(project, instance)) else {
            return Ok(());
        };
        self.look(found);
        refuse(409, "operationInProgress", IN_PROGRESS)
    }

    /// Begins an operation as somebody else would, which ends after this many looks. It does nothing else.
    pub(crate) fn occupy(&mut self, instance: &str, looks: u32) -> String {
        let before = std::mem::replace(&mut self.looks, looks);
        let begin = Begin {
            project: SqlAdmin::PROJECT,
            target: instance,
            kind: "UPDATE",
            effect: Effect::Nothing,
            context: json!({}),
            end: End::Well,
        };
        let name = self.begin(begin)["name"].as_str().unwrap().to_owned();
        self.looks = before;
        name
    }

    /// A look at everything that is under way.
    pub(crate) fn tick(&mut self) {
        self.look_at_all(|_| true);
    }

    pub(super) fn look_at_all(&mut self, of: impl Fn(&Operation) -> bool) {
        for place in 0..self.operations.len() {
            if of(&self.operations[place]) {
                self.look(place);
            }
        }
    }

    /// A look at what is done to an instance.
    pub(super) fn look_at_instance(&mut self, project: &str, instance: &str) {
        self.look_at_all(|operation| operation.is_on(project, instance));
    }

    /// A look at what is done to a backup.
    pub(super) fn look_at_backup(&mut self, uid: &str) {
        let about = |effect: &Effect| matches!(effect, Effect::Backup(its) | Effect::NoBackup(its) if its == uid);
        self.look_at_all(|operation| about(&operation.effect));
    }

    /// An operation goes on by being looked at.
    pub(super) fn look(&mut self, place: usize) {
        let now = self.now();
        let operation = &mut self.operations[place];
        if operation.is_done() {
            return;
        }
        let endless = operation.end == End::Never;
        if operation.left > 0 || endless {
            operation.left = operation.left.saturating_sub(1);
            if operation.left == 0 || endless {
                operation.status = "RUNNING".to_owned();
                operation.started.get_or_insert(now);
                if let Effect::Backup(uid) = &operation.effect {
                    let started = self.backups.iter_mut().find(|backup| backup.uid == *uid);
                    started.into_iter().for_each(|backup| backup.start(now));
                }
            }
            return;
        }
        operation.status = "DONE".to_owned();
        operation.started.get_or_insert(now);
        operation.ended = Some(now);
        if let End::Badly { code, message } = &operation.end {
            operation.error = Some((code.clone(), message.clone()));
        }
        let operation = operation.clone();
        self.carry_through(&operation, now);
    }

    /// What an operation leaves behind.
    fn carry_through(&mut self, operation: &Operation, now: DateTime<Utc>) {
        let (project, target) = (&operation.project, &operation.target);
        let failed = operation.error.clone();
        match (&operation.effect, failed) {
            (Effect::Backup(uid), failed) => {
                let Some(backup) = self.backups.iter_mut().find(|backup| backup.uid == *uid) else { return };
                backup.finish(now);
                if failed.is_some() {
                    backup.status = "FAILED".to_owned();
                    (backup.error, backup.bytes) = (failed, None);
                }
            }
            (Effect::NoBackup(uid), None) => self.backups.retain(|backup| backup.uid != *uid),
            (Effect::NoBackup(uid), Some(_)) => {
                let kept = self.backups.iter_mut().find(|backup| backup.uid == *uid);
                kept.into_iter().for_each(|backup| backup.status = "DELETION_FAILED".to_owned());
            }
            (Effect::Content(data, databases), failed) => {
                let Some(instance) = self.instance_of(project, target) else { return };
                let was_new = instance.state == "PENDING_CREATE";
                instance.state = if was_new && failed.is_some() { "FAILED" } else { "RUNNABLE" }.to_owned();
                if failed.is_none() {
                    instance.write(data, now);
                    instance.databases.clone_from(databases);
                }
            }
            (Effect::NoInstance, None) => self.remove_instance(project, target, now),
            (Effect::NoInstance, Some(_)) => {
                let kept = self.instance_of(project, target);
                kept.into_iter().for_each(|instance| instance.state = "RUNNABLE".to_owned());
            }
            (Effect::File { uri, data }, None) => drop(self.files.insert(uri.clone(), data.clone())),
            (Effect::File { .. }, Some(_)) | (Effect::Nothing, _) => {}
        }
    }
}
