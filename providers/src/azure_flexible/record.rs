//! A backup of a flexible server: one record, and from it a snapshot.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::wire::{Backup, Server};
use crate::azure::names::Named;
use crate::azure::{Home, location};
use crate::model::{NativeId, Origin, Snapshot, SnapshotId, SnapshotState, Tags};

#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The name that Azure gave it.
    pub(super) native: String,
    /// What our name of it says.
    named: Option<Named>,
    backup_type: Option<String>,
    source: Option<String>,
    provisioning_state: Option<String>,
    pub(super) completed_at: Option<DateTime<Utc>>,
}

impl From<Backup> for Record {
    fn from(backup: Backup) -> Self {
        let properties = backup.properties.unwrap_or_default();
        Self {
            named: Named::parse(&backup.name),
            native: backup.name,
            backup_type: properties.backup_type,
            source: properties.source,
            provisioning_state: properties.provisioning_state,
            completed_at: properties.completed_time,
        }
    }
}

impl Record {
    /// Whether somebody asked for it. MySQL says `source` `Customer`, PostgreSQL `Customer Initiated` and `backupType`
    /// `Customer On-Demand`; where neither is told, the name does.
    pub(super) fn is_on_demand(&self) -> bool {
        let starts = |text: &str| text.to_ascii_lowercase().starts_with("customer");
        match (&self.source, &self.backup_type) {
            (Some(source), _) if !source.is_empty() => starts(source),
            (_, Some(kind)) if starts(kind) => true,
            _ => self.named.is_some() || starts(&self.native),
        }
    }

    pub(super) fn origin(&self, home: &Home) -> Origin {
        match (self.is_on_demand(), self.marks(home)) {
            (true, Some(_)) => Origin::Owned,
            (true, None) => Origin::Manual,
            (false, _) => Origin::Automated,
        }
    }

    /// What our name of it says, if it is of this target.
    pub(super) fn marks(&self, home: &Home) -> Option<&Named> {
        self.named.as_ref().filter(|named| named.is_of(&home.target))
    }

    /// Lists show what is done; what one version of the API tells of its state is heeded.
    pub(super) fn state(&self) -> SnapshotState {
        match self.provisioning_state.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("failed" | "canceled" | "cancelled") => SnapshotState::Failed,
            Some("deleting") => SnapshotState::Deleting,
            Some("succeeded") | None if self.completed_at.is_some() => SnapshotState::Available,
            Some("creating" | "updating" | "running" | "inprogress") | None => SnapshotState::Pending,
            Some(_) => SnapshotState::Unknown,
        }
    }

    /// `server` tells what the backup itself does not, where it could be asked.
    pub(super) fn snapshot(&self, home: &Home, engine: &str, server: Option<&Server>) -> Snapshot {
        let native = NativeId::new(&self.native);
        let kept = server.and_then(|server| server.policy().backup_retention_days);
        let expires_at = self.completed_at.zip(kept).map(|(made, days)| made + TimeDelta::days(days.into()));
        Snapshot {
            id: SnapshotId { target: home.target.clone(), native: native.clone() },
            native_id: native,
            target: home.target.clone(),
            provider: home.provider.into(),
            origin: self.origin(home),
            state: self.state(),
            provider_state: self.provisioning_state.as_deref().map(Arc::from),
            created_at: self.completed_at,
            completed_at: self.completed_at,
            size_bytes: None,
            engine: Some(engine.into()),
            engine_version: server.and_then(Server::version).map(Arc::from),
            location: server.map(|server| Arc::from(location(&server.location))),
            // By Azure's keys or the customer's: <https://learn.microsoft.com/azure/mysql/flexible-server/concepts-backup-restore>.
            encrypted: Some(true),
            key: self.marks(home).and_then(Named::key).map(str::to_owned),
            hold: None,
            verified: None,
            expires_at,
            tags: Arc::new(Tags::new()),
            locked_until: None,
        }
    }
}
