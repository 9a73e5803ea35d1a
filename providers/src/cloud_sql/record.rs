//! A backup run, or a backup of the project: one record, and from it a snapshot.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::description::Description;
use super::wire::{Backup, BackupRun, Trouble};
use super::{Home, NAME};
use crate::model::{NativeId, Origin, Snapshot, SnapshotId, SnapshotState};

/// How a backup can be called upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// As a run of the instance, by its id.
    Run(String),
    /// As one of the project, by its whole name.
    Project(String),
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) address: Address,
    /// A run's id, also where the run itself went with its instance; else the last part of the backup's name.
    pub(super) native: String,
    pub(super) instance: Option<String>,
    pub(super) status: String,
    /// Its instance is gone.
    pub(super) orphaned: bool,
    /// Its instance is gone, and another one has the name now.
    pub(super) outlived: bool,
    kind: String,
    description: Option<Description>,
    location: Option<String>,
    pub(super) database_version: Option<String>,
    created_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    size_bytes: Option<u64>,
    trouble: Option<Trouble>,
}

impl From<BackupRun> for Record {
    fn from(run: BackupRun) -> Self {
        Self {
            address: Address::Run(run.id.clone()),
            native: run.id,
            instance: run.instance,
            status: run.status,
            orphaned: false,
            outlived: false,
            kind: run.kind,
            description: run.description.as_deref().and_then(Description::parse),
            location: run.location,
            database_version: run.database_version,
            created_at: run.start_time.or(run.enqueued_time).or(run.window_start_time),
            completed_at: run.end_time,
            expires_at: None,
            size_bytes: run.max_chargeable_bytes.and_then(|bytes| bytes.parse().ok()),
            trouble: run.error,
        }
    }
}

impl From<Backup> for Record {
    fn from(backup: Backup) -> Self {
        let native = run_of(&backup).unwrap_or_else(|| last(&backup.name).to_owned());
        let interval = backup.backup_interval.unwrap_or_default();
        Self {
            address: Address::Project(backup.name),
            native,
            instance: backup.instance,
            status: backup.state,
            orphaned: backup.instance_deletion_time.is_some(),
            outlived: false,
            kind: backup.kind,
            description: backup.description.as_deref().and_then(Description::parse),
            location: backup.location,
            database_version: backup.database_version,
            created_at: interval.start_time.or(interval.end_time),
            completed_at: interval.end_time,
            expires_at: backup.expiry_time,
            size_bytes: backup.max_chargeable_bytes.and_then(|bytes| bytes.parse().ok()),
            trouble: backup.error,
        }
    }
}

/// The id of the run that a backup is the same as.
pub(super) fn run_of(backup: &Backup) -> Option<String> {
    let run = last(backup.backup_run.as_deref()?);
    is_run_id(run).then(|| run.to_owned())
}

/// Whether it could be a run's id: they are numbers.
pub(super) fn is_run_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `uid` of `projects/p/backups/uid`.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Record {
    /// Cloud SQL's words for where a backup is in its life. Those that say that nothing was tried, or that we don't know, make it
    /// neither good nor failed.
    pub(super) fn state(&self) -> SnapshotState {
        match self.status.as_str() {
            "SUCCESSFUL" => SnapshotState::Available,
            "ENQUEUED" | "OVERDUE" | "RUNNING" => SnapshotState::Pending,
            // Of a deletion that failed nobody knows what it has left.
            "FAILED" | "DELETION_FAILED" => SnapshotState::Failed,
            "DELETION_PENDING" | "DELETING" => SnapshotState::Deleting,
            _ => SnapshotState::Unknown,
        }
    }

    /// Whether it is still told of, and no more there.
    pub(super) fn is_gone(&self) -> bool {
        self.status == "DELETED"
    }

    /// Whether Google says that it did not try.
    pub(super) fn is_skipped(&self) -> bool {
        self.status == "SKIPPED"
    }

    /// Ours by its description, where a person or a tool made it. One of an earlier instance of the same name is no older
    /// generation of this one's, and may be the last of that one.
    pub(super) fn origin(&self, home: &Home) -> Origin {
        match (self.kind.as_str(), self.marks(home)) {
            ("ON_DEMAND", Some(_)) if !self.outlived => Origin::Owned,
            ("ON_DEMAND", _) => Origin::Manual,
            _ => Origin::Automated,
        }
    }

    /// Which call made it, where that says so.
    pub(super) fn call(&self) -> Option<&str> {
        self.description.as_ref().map(|described| &*described.call).filter(|call| !call.is_empty())
    }

    /// What our description of it says.
    pub(super) fn marks(&self, home: &Home) -> Option<&Description> {
        self.description.as_ref().filter(|described| described.target == home.target.as_str())
    }

    /// What went wrong, in the cloud's words.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.as_ref().map(Trouble::text)
    }

    pub(super) fn snapshot(&self, home: &Home) -> Snapshot {
        let native = NativeId::new(&self.native);
        let engine = self.database_version.as_deref().map(engine);
        let marks = self.marks(home);
        Snapshot {
            id: SnapshotId { target: home.target.clone(), native: native.clone() },
            native_id: native,
            target: home.target.clone(),
            provider: NAME.into(),
            origin: self.origin(home),
            state: self.state(),
            provider_state: Some(self.status.as_str().into()),
            created_at: self.created_at,
            completed_at: self.completed_at,
            size_bytes: self.size_bytes,
            engine: engine.as_ref().map(|(engine, _)| Arc::from(*engine)),
            engine_version: engine.and_then(|(_, version)| version).map(Arc::from),
            location: self.location.as_deref().map(Arc::from),
            // <https://cloud.google.com/sql/docs/mysql/backup-recovery/backups>: by Google's keys or the customer's.
            encrypted: Some(true),
            key: marks.and_then(|marks| marks.key.clone()),
            hold: None,
            verified: None,
            expires_at: self.expires_at,
            tags: Arc::new(marks.map(|marks| marks.tags.clone()).unwrap_or_default()),
            locked_until: None,
        }
    }
}

/// `("postgresql", "15")` of `POSTGRES_15`, `("mysql", "8.0.31")` of `MYSQL_8_0_31`.
pub(super) fn engine(database_version: &str) -> (&str, Option<String>) {
    let (family, version) = database_version.split_once('_').unwrap_or((database_version, ""));
    let version = Some(version).filter(|version| !version.is_empty());
    match family {
        "POSTGRES" => ("postgresql", version.map(|version| version.replace('_', "."))),
        "MYSQL" => ("mysql", version.map(|version| version.replace('_', "."))),
        "SQLSERVER" => ("sqlserver", version.map(|version| version.replace('_', " ").to_lowercase())),
        _ => (database_version, None),
    }
}

/// `postgresql 15`
pub(super) fn engine_and_version(database_version: &str) -> String {
    match engine(database_version) {
        (engine, Some(version)) => format!("{engine} {version}"),
        (engine, None) => engine.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GcpCloudSql;

    fn home() -> Home {
        let settings = GcpCloudSql { project: "p".into(), instance: "i".into(), ..GcpCloudSql::default() };
        Home::new(&"billing".parse().unwrap(), &settings)
    }

    fn run(status: &str, kind: &str, description: &str) -> Record {
        let run = serde_json::json!({
            "id": "1700000000000", "instance": "i", "status": status, "type": kind, "description": description,
            "databaseVersion": "POSTGRES_15", "maxChargeableBytes": "1048576", "enqueuedTime": "2026-11-22T02:15:00.123Z",
        });
        serde_json::from_value::<BackupRun>(run).unwrap().into()
    }

    #[test]
    fn only_successful_is_good_and_only_failed_is_failed() {
        let states = [
            ("SUCCESSFUL", SnapshotState::Available),
            ("ENQUEUED", SnapshotState::Pending),
            ("OVERDUE", SnapshotState::Pending),
            ("RUNNING", SnapshotState::Pending),
            ("FAILED", SnapshotState::Failed),
            ("DELETION_FAILED", SnapshotState::Failed),
            ("DELETION_PENDING", SnapshotState::Deleting),
            ("DELETING", SnapshotState::Deleting),
            ("SKIPPED", SnapshotState::Unknown),
            ("SQL_BACKUP_RUN_STATUS_UNSPECIFIED", SnapshotState::Unknown),
            ("QUANTUM", SnapshotState::Unknown),
            ("", SnapshotState::Unknown),
        ];
        for (status, state) in states {
            assert_eq!(run(status, "ON_DEMAND", "").state(), state, "{status}");
        }
    }

    #[test]
    fn ours_is_what_was_asked_for_and_says_so() {
        let ours = "snapkeep target=billing call=a key=k tag:a=b";
        let origins = [
            ("ON_DEMAND", ours, Origin::Owned),
            ("ON_DEMAND", "snapkeep target=other call=a", Origin::Manual),
            ("ON_DEMAND", "by hand", Origin::Manual),
            ("AUTOMATED", ours, Origin::Automated),
            ("FINAL", "", Origin::Automated),
            ("NEW_KIND", "", Origin::Automated),
        ];
        for (kind, description, origin) in origins {
            assert_eq!(run("SUCCESSFUL", kind, description).origin(&home()), origin, "{kind} {description}");
        }
        let snapshot = run("SUCCESSFUL", "ON_DEMAND", ours).snapshot(&home());
        assert_eq!((snapshot.key.as_deref(), snapshot.size_bytes), (Some("k"), Some(1_048_576)));
        assert_eq!(snapshot.tags["a"], "b");
        let other = run("SUCCESSFUL", "ON_DEMAND", "snapkeep target=other call=a key=k").snapshot(&home());
        assert_eq!((other.key, other.tags.len()), (None, 0), "another target's key is none of ours");
    }

    #[test]
    fn a_run_and_the_backup_of_it_are_one() {
        let backup = |run: &str| -> Backup {
            let backup =
                serde_json::json!({"name": "projects/p/backups/9f0c", "state": "SUCCESSFUL", "backupRun": run});
            serde_json::from_value(backup).unwrap()
        };
        let of_run = Record::from(backup("projects/p/instances/i/backupRuns/1700000000000"));
        assert_eq!(of_run.native, "1700000000000");
        assert_eq!(of_run.address, Address::Project("projects/p/backups/9f0c".into()));
        assert_eq!(Record::from(backup("")).native, "9f0c");
    }

    #[test]
    fn a_backup_without_id_or_state_can_not_be_read() {
        for lacking in ["{}", r#"{"id": "1"}"#, r#"{"status": "SUCCESSFUL"}"#, r#"{"id": 1, "status": "SUCCESSFUL"}"#] {
            assert!(serde_json::from_str::<BackupRun>(lacking).is_err(), "{lacking}");
        }
    }

    #[test]
    fn engines_have_the_names_that_dumps_have() {
        let of = |text| engine_and_version(text);
        assert_eq!(of("POSTGRES_15"), "postgresql 15");
        assert_eq!(of("POSTGRES_9_6"), "postgresql 9.6");
        assert_eq!(of("MYSQL_8_0_31"), "mysql 8.0.31");
        assert_eq!(of("SQLSERVER_2022_STANDARD"), "sqlserver 2022 standard");
        assert_eq!(of("ORACLE"), "ORACLE");
    }
}
