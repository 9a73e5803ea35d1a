//! A database of Azure SQL.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::SqlServer;
use crate::support::arm::world::time;

/// A database, or what is left of one that was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// The path of its server.
    pub(super) server: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) status: String,
    pub(crate) tags: Value,
    pub(crate) created: DateTime<Utc>,
    pub(crate) deleted: Option<DateTime<Utc>>,
    pub(crate) retention_days: i64,
    /// Whether there are backups yet to restore it from.
    pub(crate) continuous: bool,
    /// Of weekly, monthly and yearly backups: how long they are kept.
    pub(crate) long_term: [String; 3],
    pub(super) sku: Value,
    history: Vec<(DateTime<Utc>, String)>,
}

impl Database {
    pub(super) fn new(server: &SqlServer, name: &str) -> Self {
        let created = Utc::now() - TimeDelta::days(400);
        Self {
            server: server.path(),
            name: name.to_owned(),
            location: server.location.clone(),
            status: "Online".to_owned(),
            tags: json!({}),
            created,
            deleted: None,
            retention_days: 7,
            continuous: true,
            long_term: ["PT0S"; 3].map(ToOwned::to_owned),
            sku: json!({"name": "GP_S_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 2}),
            history: vec![(created, String::new())],
        }
    }

    /// Another one with something in it.
    pub(super) fn made(&self, server: &SqlServer, name: &str, data: String, now: DateTime<Utc>) -> Self {
        let made = Self::new(server, name);
        Self { created: now, sku: self.sku.clone(), continuous: false, history: vec![(now, data)], ..made }
    }

    pub(super) fn deleted(self, now: DateTime<Utc>) -> Self {
        Self { deleted: Some(now), ..self }
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/databases/{}", self.server, self.name)
    }

    pub(super) fn is(&self, path: &str) -> bool {
        self.path().eq_ignore_ascii_case(path)
    }

    pub(super) fn is_of(&self, server: &str) -> bool {
        self.server.eq_ignore_ascii_case(server)
    }

    /// The path of what is left of it: its name and when it was deleted, in Windows' ticks.
    pub(super) fn dropped_path(&self) -> String {
        let ticks = self.deleted.map_or(0, |deleted| deleted.timestamp_micros() * 10 + 116_444_736_000_000_000);
        format!("{}/restorableDroppedDatabases/{},{ticks}", self.server, self.name)
    }

    pub(super) fn recoverable_path(&self) -> String {
        format!("{}/recoverableDatabases/{}", self.server, self.name)
    }

    /// What is in it.
    pub(crate) fn data(&self) -> &str {
        self.history.last().map(|(_, data)| data.as_str()).unwrap_or_default()
    }

    /// What was in it then.
    pub(super) fn data_at(&self, moment: DateTime<Utc>) -> String {
        let then = self.history.iter().rfind(|(since, _)| *since <= moment);
        then.or(self.history.first()).map(|(_, data)| data.clone()).unwrap_or_default()
    }

    pub(crate) fn write(&mut self, data: &str, now: DateTime<Utc>) {
        self.history.push((now, data.to_owned()));
    }

    /// The first moment that it can be restored to.
    pub(super) fn earliest(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.created.max(now - TimeDelta::days(self.retention_days))
    }

    pub(super) fn resource(&self, now: DateTime<Utc>) -> Value {
        let earliest = self.continuous.then(|| time(self.earliest(now)));
        json!({
            "sku": self.sku,
            "kind": if self.name == "master" { "v12.0,system" } else { "v12.0,user,vcore,serverless" },
            "properties": {
                "collation": "SQL_Latin1_General_CP1_CI_AS",
                "maxSizeBytes": 34_359_738_368_i64,
                "status": self.status,
                "databaseId": "5d1d0c6e-1a52-4d5b-8f6e-0f2f5a3d7c11",
                "creationDate": time(self.created),
                "currentServiceObjectiveName": "GP_S_Gen5_2",
                "requestedServiceObjectiveName": "GP_S_Gen5_2",
                "defaultSecondaryLocation": "westeurope",
                "catalogCollation": "SQL_Latin1_General_CP1_CI_AS",
                "zoneRedundant": false,
                "earliestRestoreDate": earliest,
                "readScale": "Disabled",
                "currentSku": self.sku,
                "currentBackupStorageRedundancy": "Geo",
                "requestedBackupStorageRedundancy": "Geo",
                "isLedgerOn": false,
            },
            "location": self.location,
            "tags": self.tags,
            "id": self.path(),
            "name": self.name,
            "type": "Microsoft.Sql/servers/databases",
        })
    }

    /// As one that was deleted.
    pub(super) fn dropped(&self, now: DateTime<Utc>) -> Value {
        let path = self.dropped_path();
        json!({
            "sku": self.sku,
            "properties": {
                "databaseName": self.name,
                "maxSizeBytes": 34_359_738_368_i64,
                "creationDate": time(self.created),
                "deletionDate": self.deleted.map(time),
                "earliestRestoreDate": time(self.earliest(now)),
                "backupStorageRedundancy": "Geo",
            },
            "location": self.location,
            "tags": self.tags,
            "id": path,
            "name": path.rsplit('/').next(),
            "type": "Microsoft.Sql/servers/restorableDroppedDatabases",
        })
    }

    /// As one whose backups are in another region, too.
    pub(super) fn recoverable(&self, now: DateTime<Utc>) -> Value {
        json!({
            "properties": {
                "edition": "GeneralPurpose",
                "serviceLevelObjective": "GP_S_Gen5_2",
                "lastAvailableBackupDate": time(now - TimeDelta::minutes(40)),
            },
            "id": self.recoverable_path(),
            "name": self.name,
            "type": "Microsoft.Sql/servers/recoverableDatabases",
        })
    }
}
