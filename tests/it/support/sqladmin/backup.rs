//! A backup: what the API shows both as a backup run of an instance and as a backup of the project.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::instance::Instance;
use super::world::time;

/// A backup of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) project: String,
    pub(crate) instance: String,
    /// The last part of its name as a backup.
    pub(crate) uid: String,
    /// Its id as a run, if it is one.
    pub(crate) run: Option<i64>,
    /// `ON_DEMAND`, `AUTOMATED` or `FINAL`.
    pub(crate) origin: String,
    pub(crate) description: Option<String>,
    /// In the words of a run.
    pub(crate) status: String,
    pub(crate) location: String,
    pub(crate) version: String,
    /// A fingerprint of what is in it.
    pub(crate) data: String,
    pub(crate) databases: Vec<String>,
    /// What it keeps of the instance.
    pub(crate) settings: Value,
    pub(crate) disk: u64,
    pub(crate) enqueued: DateTime<Utc>,
    pub(crate) started: Option<DateTime<Utc>>,
    pub(crate) ended: Option<DateTime<Utc>>,
    pub(crate) bytes: Option<i64>,
    pub(crate) error: Option<(String, String)>,
    pub(crate) expires: Option<DateTime<Utc>>,
    /// When its instance was deleted, which it outlived.
    pub(crate) orphaned: Option<DateTime<Utc>>,
}

impl Backup {
    /// One that was just begun.
    pub(super) fn begun(instance: &Instance, run: i64, uid: String, now: DateTime<Utc>) -> Self {
        let location = instance.setting("/backupConfiguration/location");
        Self {
            project: instance.project.clone(),
            instance: instance.name.clone(),
            uid,
            run: Some(run),
            origin: "ON_DEMAND".to_owned(),
            description: None,
            status: "ENQUEUED".to_owned(),
            location: if location.is_empty() { instance.region.clone() } else { location.to_owned() },
            version: instance.version.clone(),
            data: instance.data.clone(),
            databases: instance.databases.clone(),
            settings: instance.kept(),
            disk: instance.disk(),
            enqueued: now,
            started: None,
            ended: None,
            bytes: None,
            error: None,
            expires: None,
            orphaned: None,
        }
    }

    pub(super) fn finished(instance: &Instance, run: i64, uid: String, now: DateTime<Utc>) -> Self {
        let mut backup = Self::begun(instance, run, uid, now);
        backup.finish(now);
        backup
    }

    pub(super) fn start(&mut self, now: DateTime<Utc>) {
        self.status = "RUNNING".to_owned();
        self.started.get_or_insert(now);
    }

    pub(super) fn finish(&mut self, now: DateTime<Utc>) {
        self.start(now);
        self.status = "SUCCESSFUL".to_owned();
        self.ended = Some(now);
        self.bytes = Some(4_294_967_296 + self.data.len() as i64);
    }

    pub(crate) fn described(self, description: &str) -> Self {
        Self { description: Some(description.to_owned()), ..self }
    }

    pub(crate) fn by(self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self }
    }

    /// With this status, in the words of a run.
    pub(crate) fn in_status(self, status: &str) -> Self {
        Self { status: status.to_owned(), ..self }
    }

    /// Begun at this moment, and ended a minute later if it has ended; its id is of that moment.
    pub(crate) fn at(self, moment: &str) -> Self {
        let moment: DateTime<Utc> = moment.parse().unwrap();
        let later = moment + chrono::TimeDelta::minutes(1);
        let run = self.run.map(|_| moment.timestamp_millis());
        let (started, ended) = (self.started.map(|_| moment), self.ended.map(|_| later));
        Self { run, enqueued: moment, started, ended, ..self }
    }

    /// No run of an instance, only a backup of the project.
    pub(crate) fn without_run(self) -> Self {
        Self { run: None, ..self }
    }

    /// Its id as a run.
    pub(crate) fn id(&self) -> String {
        self.run.map(|run| run.to_string()).unwrap_or_default()
    }

    /// Its name as a backup.
    pub(crate) fn name(&self) -> String {
        format!("projects/{}/backups/{}", self.project, self.uid)
    }

    /// Whether the instance's list has it.
    pub(super) fn is_run_of(&self, project: &str, instance: &str) -> bool {
        let of = self.project == project && (self.instance == instance || instance == "-");
        of && self.run.is_some() && self.orphaned.is_none()
    }

    /// Whether the project's list has it.
    pub(super) fn is_backup_of(&self, project: &str) -> bool {
        self.project == project && !["SKIPPED", "DELETED"].contains(&self.status.as_str())
    }

    fn failure(&self) -> Option<Value> {
        let (code, message) = self.error.as_ref()?;
        Some(json!({"kind": "sql#operationError", "code": code, "message": message}))
    }

    /// As a run.
    pub(super) fn as_run(&self) -> Value {
        let Self { project, instance, .. } = self;
        let link = format!("https://sqladmin.googleapis.com/v1/projects/{project}/instances/{instance}/backupRuns");
        without_nulls(json!({
            "kind": "sql#backupRun",
            "id": self.id(),
            "instance": instance,
            "status": self.status,
            "type": self.origin,
            "description": self.description,
            "backupKind": "SNAPSHOT",
            "location": self.location,
            "databaseVersion": self.version,
            "enqueuedTime": time(self.enqueued),
            "windowStartTime": time(self.enqueued),
            "startTime": self.started.map(time),
            "endTime": self.ended.map(time),
            "maxChargeableBytes": self.bytes.map(|bytes| bytes.to_string()),
            "error": self.failure(),
            "selfLink": format!("{link}/{}", self.id()),
        }))
    }

    /// As a backup of the project.
    pub(super) fn as_backup(&self) -> Value {
        let Self { project, instance, .. } = self;
        let state = match self.status.as_str() {
            "OVERDUE" => "ENQUEUED",
            "DELETION_PENDING" => "DELETING",
            other => other,
        };
        let interval = |start| json!({"startTime": time(start), "endTime": time(self.ended.unwrap_or(start))});
        without_nulls(json!({
            "kind": "sql#backup",
            "name": self.name(),
            "selfLink": format!("https://sqladmin.googleapis.com/v1/{}", self.name()),
            "instance": instance,
            "backupRun": self.run.map(|run| format!("projects/{project}/instances/{instance}/backupRuns/{run}")),
            "type": self.origin,
            "description": self.description,
            "state": state,
            "backupKind": "SNAPSHOT",
            "location": self.location,
            "databaseVersion": self.version,
            "backupInterval": self.started.map(interval),
            "maxChargeableBytes": self.bytes.map(|bytes| bytes.to_string()),
            "error": self.failure(),
            "expiryTime": self.expires.map(time),
            "instanceDeletionTime": self.orphaned.map(time),
            "instanceSettings": self.settings,
        }))
    }
}

/// What isn't set isn't sent.
pub(super) fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
