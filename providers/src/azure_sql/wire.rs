//! What Azure SQL says, as far as it is asked: <https://learn.microsoft.com/rest/api/sql>, api-version 2025-01-01.
//!
//! Words that may grow are text. A field that is missing is empty, but for names: a page that lacks one can't be read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// A page of any list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) value: Vec<T>,
    pub(super) next_link: Option<String>,
}

/// A logical server.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Server {
    #[serde(default)]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) location: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) properties: ServerProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServerProperties {
    pub(super) state: Option<String>,
}

/// A database, be it the target, a copy or another.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Database {
    pub(super) name: String,
    #[serde(default)]
    pub(super) location: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) tags: BTreeMap<String, String>,
    pub(super) sku: Option<Sku>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) properties: DatabaseProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DatabaseProperties {
    pub(super) status: String,
    pub(super) creation_date: Option<DateTime<Utc>>,
    pub(super) earliest_restore_date: Option<DateTime<Utc>>,
    pub(super) secondary_type: Option<String>,
}

impl Database {
    /// A dedicated SQL pool. <https://learn.microsoft.com/rest/api/sql/databases/create-or-update#createmode>: no copies.
    pub(super) fn is_data_warehouse(&self) -> bool {
        self.sku.as_ref().and_then(|sku| sku.tier.as_deref()).is_some_and(|tier| tier == "DataWarehouse")
    }
}

/// What kind of machine a database is on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sku {
    pub(super) name: String,
    pub(super) tier: Option<String>,
    pub(super) capacity: Option<u64>,
}

/// A moment that a database can be brought back to, or all of them from one on.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RestorePoint {
    pub(super) name: String,
    #[serde(default)]
    pub(super) location: String,
    pub(super) properties: RestorePointProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RestorePointProperties {
    pub(super) restore_point_type: String,
    pub(super) earliest_restore_date: Option<DateTime<Utc>>,
    pub(super) restore_point_creation_date: Option<DateTime<Utc>>,
    pub(super) restore_point_label: Option<String>,
}

/// A backup that is kept for years, also when its database and its server are gone.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LongTermBackup {
    pub(super) name: String,
    pub(super) properties: LongTermProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LongTermProperties {
    pub(super) backup_time: Option<DateTime<Utc>>,
    pub(super) backup_expiration_time: Option<DateTime<Utc>>,
    pub(super) is_backup_immutable: Option<bool>,
    pub(super) time_based_immutability: Option<String>,
    pub(super) time_based_immutability_mode: Option<String>,
    pub(super) legal_hold_immutability: Option<String>,
    pub(super) backup_storage_access_tier: Option<String>,
}

/// A database that was deleted and can still be had.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Dropped {
    pub(super) name: String,
    #[serde(default)]
    pub(super) location: String,
    pub(super) properties: DroppedProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DroppedProperties {
    pub(super) database_name: String,
    pub(super) deletion_date: Option<DateTime<Utc>>,
    pub(super) earliest_restore_date: Option<DateTime<Utc>>,
}

/// How long the moments between backups can be restored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShortTermPolicy {
    #[serde(deserialize_with = "or_empty")]
    pub(super) properties: ShortTermProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ShortTermProperties {
    pub(super) retention_days: Option<u32>,
}

/// Which backups are kept for long.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LongTermPolicy {
    #[serde(deserialize_with = "or_empty")]
    pub(super) properties: LongTermPolicyProperties,
}

/// Each for so long, in the form of ISO 8601: `P12W`, `P1Y`; `PT0S` is never.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LongTermPolicyProperties {
    pub(super) weekly_retention: Option<String>,
    pub(super) monthly_retention: Option<String>,
    pub(super) yearly_retention: Option<String>,
    pub(super) week_of_year: Option<u32>,
}

/// `null` where Azure has nothing to say is the same as nothing.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_azure_leaves_out_is_empty_and_a_name_is_never_left_out() {
        let database = r#"{"name": "orders", "tags": null, "sku": null, "properties": {"status": "Online", "new": 1}}"#;
        let database: Database = serde_json::from_str(database).unwrap();
        assert!(database.tags.is_empty() && database.properties.creation_date.is_none());
        for lacking in [r#"{"properties": {}}"#, r#"{"name": null}"#, r#"{"name": 7}"#] {
            assert!(serde_json::from_str::<Database>(lacking).is_err(), "{lacking}");
        }
        assert!(serde_json::from_str::<Page<Database>>("{}").is_err(), "a page without a list is none");
    }
}
