//! A flexible server.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Arm;
use super::methods::Service;
use super::world::time;

/// A flexible server of MySQL or PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tier: String,
    pub(crate) version: String,
    pub(crate) state: String,
    pub(crate) tags: Value,
    pub(crate) retention_days: i64,
    pub(crate) geo_redundant: bool,
    pub(crate) created: DateTime<Utc>,
    /// What was in it, and since when.
    history: Vec<(DateTime<Utc>, String)>,
}

/// The path of a server, flexible or logical.
pub(super) fn server_id(service: Service, subscription: &str, group: &str, name: &str) -> String {
    let namespace = service.namespace();
    let kind = if service == Service::Sql { "servers" } else { "flexibleServers" };
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{kind}/{name}")
}

impl Server {
    pub(crate) fn mysql(name: &str) -> Self {
        Self::new(Service::MySql, name, "8.0.21")
    }

    pub(crate) fn postgresql(name: &str) -> Self {
        Self::new(Service::PostgreSql, name, "16")
    }

    fn new(service: Service, name: &str, version: &str) -> Self {
        let created = Utc::now() - TimeDelta::days(400);
        Self {
            service,
            subscription: Arm::SUBSCRIPTION.to_owned(),
            group: Arm::GROUP.to_owned(),
            name: name.to_owned(),
            location: "North Europe".to_owned(),
            tier: "GeneralPurpose".to_owned(),
            version: version.to_owned(),
            state: "Ready".to_owned(),
            tags: json!({}),
            retention_days: 7,
            geo_redundant: false,
            created,
            history: vec![(created, String::new())],
        }
    }

    pub(crate) fn in_group(self, subscription: &str, group: &str) -> Self {
        Self { subscription: subscription.to_owned(), group: group.to_owned(), ..self }
    }

    pub(crate) fn of_tier(self, tier: &str) -> Self {
        Self { tier: tier.to_owned(), ..self }
    }

    pub(crate) fn in_state(self, state: &str) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    pub(crate) fn kept_for(self, days: i64) -> Self {
        Self { retention_days: days, ..self }
    }

    /// What was in it from the first.
    pub(crate) fn with_data(self, data: &str) -> Self {
        Self { history: vec![(self.created, data.to_owned())], ..self }
    }

    /// Another one with what was in this one at a moment.
    pub(super) fn restored(&self, name: &str, group: (&str, &str), moment: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            name: name.to_owned(),
            created: now,
            history: vec![(now, self.data_at(moment))],
            ..self.clone().in_group(group.0, group.1)
        }
    }

    pub(crate) fn path(&self) -> String {
        server_id(self.service, &self.subscription, &self.group, &self.name)
    }

    pub(super) fn is(&self, path: &str) -> bool {
        self.path().eq_ignore_ascii_case(path)
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

    pub(super) fn write(&mut self, data: &str, now: DateTime<Utc>) {
        self.history.push((now, data.to_owned()));
    }

    /// The first moment that it can be restored to.
    pub(super) fn earliest(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.created.max(now - TimeDelta::days(self.retention_days))
    }

    pub(super) fn is_burstable(&self) -> bool {
        self.tier == "Burstable"
    }

    /// As the API shows it.
    pub(super) fn resource(&self) -> Value {
        let (size, domain) = match self.service {
            Service::MySql => ("Standard_D2ds_v4", "mysql"),
            _ => ("Standard_D2s_v3", "postgres"),
        };
        let geo = if self.geo_redundant { "Enabled" } else { "Disabled" };
        let mut properties = json!({
            "administratorLogin": "acmeadmin",
            "version": self.version,
            "state": self.state,
            "fullyQualifiedDomainName": format!("{}.{domain}.database.azure.com", self.name),
            "availabilityZone": "1",
            "replicaCapacity": if self.service == Service::MySql { 10 } else { 5 },
            "network": {"publicNetworkAccess": "Enabled"},
            "backup": {
                "backupRetentionDays": self.retention_days,
                "geoRedundantBackup": geo,
                // far enough back that what depends on the clock needn't be here
                "earliestRestoreDate": time(self.earliest(Utc::now())),
            },
            "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
            "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        });
        let own = match self.service {
            Service::MySql => json!({
                "replicationRole": "None",
                "storage": {
                    "storageSizeGB": 64, "iops": 492, "autoGrow": "Enabled", "autoIoScaling": "Enabled",
                    "storageSku": "Premium_LRS", "logOnDisk": "Disabled",
                },
            }),
            _ => json!({
                "minorVersion": "4",
                "replicationRole": "Primary",
                "replica": {"role": "Primary", "capacity": 5},
                "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
                "dataEncryption": {"type": "SystemManaged"},
                "storage": {"type": "", "iops": 500, "tier": "P10", "storageSizeGB": 128, "autoGrow": "Disabled"},
            }),
        };
        for (name, value) in own.as_object().into_iter().flatten() {
            properties[name] = value.clone();
        }
        json!({
            "sku": {"name": size, "tier": self.tier},
            "systemData": {"createdAt": time(self.created)},
            "properties": properties,
            "location": self.location,
            "tags": self.tags,
            "id": self.path(),
            "name": self.name,
            "type": format!("{}/flexibleServers", self.service.namespace()),
        })
    }
}
