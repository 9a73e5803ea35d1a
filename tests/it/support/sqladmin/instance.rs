//! A database instance.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::SqlAdmin;
use super::world::time;

/// An instance, in the first project unless another one is set.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) project: String,
    pub(crate) name: String,
    /// A fingerprint of what is in it.
    pub(crate) data: String,
    pub(crate) databases: Vec<String>,
    pub(crate) version: String,
    pub(crate) region: String,
    pub(crate) state: String,
    /// As the API has them.
    pub(crate) settings: Value,
    pub(crate) replicas: Vec<String>,
    /// Of which it is a replica.
    pub(crate) primary: Option<String>,
    pub(crate) created: DateTime<Utc>,
    /// The body of the request that made it.
    pub(crate) made_with: Option<Value>,
    /// What was in it before, and until when.
    pub(super) history: Vec<(DateTime<Utc>, String)>,
}

impl Instance {
    /// PostgreSQL 17 with 100 GB, recovery to points in time, and nothing out of the ordinary.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            project: SqlAdmin::PROJECT.to_owned(),
            name: name.to_owned(),
            data: "first".to_owned(),
            databases: ["postgres", name].map(ToOwned::to_owned).to_vec(),
            version: "POSTGRES_17".to_owned(),
            region: SqlAdmin::REGION.to_owned(),
            state: "RUNNABLE".to_owned(),
            settings: json!({
                "kind": "sql#settings",
                "tier": "db-custom-2-7680",
                "edition": "ENTERPRISE",
                "availabilityType": "ZONAL",
                "activationPolicy": "ALWAYS",
                "dataDiskSizeGb": "100",
                "dataDiskType": "PD_SSD",
                "storageAutoResize": true,
                "pricingPlan": "PER_USE",
                "settingsVersion": "7",
                "deletionProtectionEnabled": false,
                "retainBackupsOnDelete": false,
                "userLabels": {"team": "crm"},
                "ipConfiguration": {"ipv4Enabled": true, "sslMode": "ENCRYPTED_ONLY"},
                "backupConfiguration": {
                    "kind": "sql#backupConfiguration",
                    "enabled": true,
                    "startTime": "02:00",
                    "location": "eu",
                    "pointInTimeRecoveryEnabled": true,
                    "transactionLogRetentionDays": 7,
                    "backupRetentionSettings": {"retentionUnit": "COUNT", "retainedBackups": 7},
                },
            }),
            replicas: Vec::new(),
            primary: None,
            created: "2026-01-15T09:30:00Z".parse().unwrap(),
            made_with: None,
            history: Vec::new(),
        }
    }

    pub(crate) fn in_project(self, project: &str) -> Self {
        Self { project: project.to_owned(), ..self }
    }

    pub(crate) fn in_region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    pub(crate) fn of_version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    pub(crate) fn in_state(self, state: &str) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    pub(crate) fn with_data(self, data: &str) -> Self {
        Self { data: data.to_owned(), ..self }
    }

    pub(crate) fn with_databases(self, names: &[&str]) -> Self {
        Self { databases: names.iter().map(|name| (*name).to_owned()).collect(), ..self }
    }

    pub(crate) fn with_replica(mut self, name: &str) -> Self {
        self.replicas.push(name.to_owned());
        self
    }

    /// With a setting, by a pointer such as `/backupConfiguration/pointInTimeRecoveryEnabled`; null takes it away.
    pub(crate) fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = self.settings.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value.into() {
            Value::Null => drop(parent.remove(name)),
            value => drop(parent.insert(name.to_owned(), value)),
        }
        self
    }

    pub(crate) fn stopped(self) -> Self {
        self.set("/activationPolicy", "NEVER")
    }

    pub(crate) fn with_disk(self, gigabytes: u32) -> Self {
        self.set("/dataDiskSizeGb", gigabytes.to_string())
    }

    pub(super) fn is(&self, project: &str, name: &str) -> bool {
        self.project == project && self.name == name
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.setting("/activationPolicy") == "NEVER"
    }

    /// A setting as text, empty when there is none.
    pub(super) fn setting(&self, pointer: &str) -> &str {
        self.settings.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, pointer: &str) -> bool {
        self.settings.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn disk(&self) -> u64 {
        self.setting("/dataDiskSizeGb").parse().unwrap_or(10)
    }

    pub(super) fn write(&mut self, data: &str, now: DateTime<Utc>) {
        let before = std::mem::replace(&mut self.data, data.to_owned());
        self.history.push((now, before));
    }

    /// What was in it then.
    pub(super) fn data_at(&self, moment: DateTime<Utc>) -> &str {
        self.history.iter().find(|(until, _)| moment < *until).map_or(&self.data, |(_, data)| data)
    }

    /// From when to when it can be recovered to a point in time, if it can.
    pub(super) fn window(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let logs = if self.version.starts_with("MYSQL") { "binaryLogEnabled" } else { "pointInTimeRecoveryEnabled" };
        let configuration = "/backupConfiguration";
        if !self.flag(&format!("{configuration}/enabled")) || !self.flag(&format!("{configuration}/{logs}")) {
            return None;
        }
        let days = self.settings.pointer("/backupConfiguration/transactionLogRetentionDays").and_then(Value::as_i64);
        Some((self.created.max(now - TimeDelta::days(days.unwrap_or(7))), now))
    }

    /// What a backup keeps of it.
    pub(super) fn kept(&self) -> Value {
        json!({
            "kind": "sql#instance",
            "name": self.name,
            "project": self.project,
            "region": self.region,
            "databaseVersion": self.version,
            "settings": self.settings,
        })
    }

    pub(super) fn resource(&self) -> Value {
        let Self { project, name, region, .. } = self;
        let more = json!({
            "state": self.state,
            "backendType": "SECOND_GEN",
            "instanceType": if self.primary.is_some() { "READ_REPLICA_INSTANCE" } else { "CLOUD_SQL_INSTANCE" },
            "connectionName": format!("{project}:{region}:{name}"),
            "createTime": time(self.created),
            "gceZone": format!("{region}-b"),
            "ipAddresses": [{"type": "PRIMARY", "ipAddress": "192.0.2.7"}],
            "serviceAccountEmailAddress": format!("p123456789012-{name}@gcp-sa-cloud-sql.iam.gserviceaccount.com"),
            "selfLink": format!("https://sqladmin.googleapis.com/v1/projects/{project}/instances/{name}"),
        });
        let Value::Object(mut resource) = self.kept() else { return Value::Null };
        resource.extend(more.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        if !self.replicas.is_empty() {
            resource.insert("replicaNames".into(), json!(self.replicas));
        }
        if let Some(primary) = &self.primary {
            resource.insert("masterInstanceName".into(), json!(primary));
        }
        Value::Object(resource)
    }
}

/// Puts the fields of one object into another, those of objects in it as well.
pub(super) fn overlay(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (under.get_mut(name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => overlay(under, over),
            _ => drop(under.insert(name.clone(), value.clone())),
        }
    }
}
