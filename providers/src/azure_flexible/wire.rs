//! Azure's own shapes of servers and backups, as far as they are read. Words are open: new ones come with any version.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::azure::moment;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backup {
    pub(super) name: String,
    pub(super) properties: Option<BackupProperties>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BackupProperties {
    pub(super) backup_type: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub(super) completed_time: Option<DateTime<Utc>>,
    pub(super) source: Option<String>,
    pub(super) provisioning_state: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    #[serde(default)]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) location: String,
    #[serde(default)]
    pub(super) tags: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) sku: Option<Sku>,
    #[serde(default)]
    pub(super) system_data: Option<SystemData>,
    #[serde(default)]
    pub(super) identity: Option<Identity>,
    #[serde(default)]
    properties: Option<ServerProperties>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sku {
    pub(super) name: String,
    pub(super) tier: String,
}

/// As whom the server asks for the key that it is encrypted with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Identity {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) user_assigned_identities: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SystemData {
    #[serde(deserialize_with = "moment")]
    pub(super) created_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServerProperties {
    pub(super) version: Option<String>,
    pub(super) minor_version: Option<String>,
    pub(super) state: Option<String>,
    pub(super) availability_zone: Option<String>,
    pub(super) source_server_resource_id: Option<String>,
    pub(super) network: Option<Network>,
    pub(super) backup: Option<BackupPolicy>,
    pub(super) storage: Option<Storage>,
    pub(super) data_encryption: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Network {
    pub(super) public_network_access: Option<String>,
    pub(super) delegated_subnet_resource_id: Option<String>,
    /// MySQL's word.
    private_dns_zone_resource_id: Option<String>,
    /// PostgreSQL's.
    private_dns_zone_arm_resource_id: Option<String>,
}

impl Network {
    pub(super) fn private_dns_zone(&self) -> Option<&str> {
        self.private_dns_zone_arm_resource_id.as_deref().or(self.private_dns_zone_resource_id.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BackupPolicy {
    pub(super) backup_retention_days: Option<u32>,
    pub(super) geo_redundant_backup: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub(super) earliest_restore_date: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Storage {
    /// PostgreSQL's: `PremiumV2_LRS`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

impl Server {
    pub(super) fn properties(&self) -> ServerProperties {
        self.properties.clone().unwrap_or_default()
    }

    /// Azure's word for its state.
    pub(super) fn state(&self) -> &str {
        self.properties.as_ref().and_then(|properties| properties.state.as_deref()).unwrap_or("unknown")
    }

    pub(super) fn is_in_state(&self, word: &str) -> bool {
        self.state().eq_ignore_ascii_case(word)
    }

    pub(super) fn policy(&self) -> BackupPolicy {
        self.properties().backup.unwrap_or_default()
    }

    /// What says of the key that it is encrypted with, where that is not Azure's own.
    pub(super) fn own_key(&self) -> Option<Map<String, Value>> {
        let Some(Value::Object(told)) = self.properties().data_encryption else { return None };
        let kind = told.get("type").and_then(Value::as_str)?;
        kind.eq_ignore_ascii_case("AzureKeyVault").then_some(told)
    }

    pub(super) fn has_own_key(&self) -> bool {
        self.own_key().is_some()
    }

    pub(super) fn is_burstable(&self) -> bool {
        self.sku.as_ref().is_some_and(|sku| sku.tier.eq_ignore_ascii_case("Burstable"))
    }

    /// `16.4`, or `8.0.21`.
    pub(super) fn version(&self) -> Option<String> {
        let properties = self.properties();
        let version = properties.version?;
        Some(match properties.minor_version {
            Some(minor) => format!("{version}.{minor}"),
            None => version,
        })
    }

    /// The resource group that its id tells.
    pub(super) fn group(&self) -> Option<&str> {
        let mut parts = self.id.split('/');
        parts.find(|part| part.eq_ignore_ascii_case("resourceGroups"))?;
        parts.next()
    }
}

/// PostgreSQL's page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) value: Vec<T>,
    #[serde(default)]
    pub(super) next_link: Option<String>,
}

/// A long-term backup of PostgreSQL's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LongTerm {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) properties: LongTermProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LongTermProperties {
    pub(super) backup_name: Option<String>,
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub(super) start_time: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub(super) end_time: Option<DateTime<Utc>>,
    pub(super) percent_complete: Option<f64>,
    pub(super) data_transferred_in_bytes: Option<u64>,
    pub(super) datasource_size_in_bytes: Option<u64>,
    pub(super) error_code: Option<String>,
    pub(super) error_message: Option<String>,
}
