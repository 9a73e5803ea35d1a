//! What the Cloud SQL Admin API says, as far as it is asked: <https://cloud.google.com/sql/docs/mysql/admin-api/rest/v1>.
//!
//! Words that may grow are text, and numbers of 64 bits are text in its JSON. A field that is missing is empty, but for those
//! without which nothing could be said of a backup: a page that lacks one can't be read.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// A backup of an instance that is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BackupRun {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) instance: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    pub(super) description: Option<String>,
    pub(super) location: Option<String>,
    pub(super) database_version: Option<String>,
    pub(super) enqueued_time: Option<DateTime<Utc>>,
    pub(super) window_start_time: Option<DateTime<Utc>>,
    pub(super) start_time: Option<DateTime<Utc>>,
    pub(super) end_time: Option<DateTime<Utc>>,
    pub(super) max_chargeable_bytes: Option<String>,
    pub(super) error: Option<Trouble>,
}

/// A page of them. It has no warnings: of a region that does not answer nothing is said.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BackupRuns {
    pub(super) items: Vec<BackupRun>,
    pub(super) next_page_token: Option<String>,
}

/// A backup as the project has it; it may outlive its instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backup {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) instance: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    pub(super) description: Option<String>,
    pub(super) location: Option<String>,
    pub(super) database_version: Option<String>,
    pub(super) backup_interval: Option<Interval>,
    #[serde(alias = "backup_run")] // as a sample of Google's documents has it
    pub(super) backup_run: Option<String>,
    pub(super) instance_deletion_time: Option<DateTime<Utc>>,
    pub(super) expiry_time: Option<DateTime<Utc>>,
    pub(super) max_chargeable_bytes: Option<String>,
    pub(super) instance_settings: Option<Instance>,
    pub(super) error: Option<Trouble>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Interval {
    pub(super) start_time: Option<DateTime<Utc>>,
    pub(super) end_time: Option<DateTime<Utc>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Backups {
    pub(super) backups: Vec<Backup>,
    pub(super) next_page_token: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

/// Why a list may miss something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Warning {
    pub(super) code: String,
    pub(super) message: Option<String>,
    pub(super) region: Option<String>,
}

/// Why something ended badly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Trouble {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

/// What the cloud is doing, or did.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) operation_type: String,
    pub(super) target_id: Option<String>,
    pub(super) status: String,
    pub(super) user: Option<String>,
    pub(super) backup_context: Option<BackupContext>,
    pub(super) export_context: Option<Transfer>,
    pub(super) import_context: Option<Transfer>,
    pub(super) error: Option<Troubles>,
}

impl Operation {
    pub(super) fn is_over(&self) -> bool {
        self.status == "DONE"
    }

    /// What went wrong, in the cloud's words.
    pub(super) fn troubles(&self) -> Option<String> {
        let troubles = &self.error.as_ref()?.errors;
        let all: Vec<String> = troubles.iter().map(Trouble::text).collect();
        Some(if all.is_empty() { "the cloud doesn't say why".to_owned() } else { all.join("; ") })
    }
}

impl Trouble {
    pub(super) fn text(&self) -> String {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "the cloud doesn't say why".to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Troubles {
    pub(super) errors: Vec<Trouble>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BackupContext {
    pub(super) backup_id: Option<String>,
    pub(super) name: Option<String>,
}

/// An export or an import.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Transfer {
    pub(super) uri: Option<String>,
    pub(super) database: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Operations {
    pub(super) items: Vec<Operation>,
    pub(super) next_page_token: Option<String>,
}

/// An instance. Its settings are kept whole, since what is restored is to have them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) database_version: String,
    pub(super) region: Option<String>,
    pub(super) instance_type: Option<String>,
    pub(super) create_time: Option<DateTime<Utc>>,
    pub(super) replica_names: Vec<String>,
    pub(super) settings: Value,
}

impl Instance {
    /// A setting, by its path: `/backupConfiguration/enabled`.
    pub(super) fn setting(&self, path: &str) -> Option<&Value> {
        self.settings.pointer(path)
    }

    /// Whether a setting is on.
    pub(super) fn has(&self, path: &str) -> bool {
        self.setting(path).and_then(Value::as_bool) == Some(true)
    }

    /// Whether somebody has stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        self.setting("/activationPolicy").and_then(Value::as_str) == Some("NEVER")
    }

    /// The size of its disk in GB.
    pub(super) fn disk_gb(&self) -> Option<u64> {
        let size = self.setting("/dataDiskSizeGb")?;
        size.as_u64().or_else(|| size.as_str()?.parse().ok())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Instances {
    pub(super) items: Vec<Instance>,
    pub(super) next_page_token: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

/// Between which moments the instance can be restored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RecoveryTimes {
    pub(super) earliest_recovery_time: Option<DateTime<Utc>>,
    pub(super) latest_recovery_time: Option<DateTime<Utc>>,
}
