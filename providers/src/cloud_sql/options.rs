//! What a restored instance is to be like where `--set` says so, in the API's own words in small letters: `data_disk_size_gb=100`, `availability_type=ZONAL`.

use serde_json::{Map, Value, json};

use super::wire::Instance;
use crate::model::RestoreOptions;
use crate::options::{Form, Known, apply, unknown};

/// Each option, and its place in an instance.
const OPTIONS: &[Known] = &[
    ("activation_policy", "settings/activationPolicy", Form::Text),
    ("allocated_ip_range", "settings/ipConfiguration/allocatedIpRange", Form::Text),
    ("availability_type", "settings/availabilityType", Form::Text),
    ("backups_enabled", "settings/backupConfiguration/enabled", Form::Switch),
    ("data_disk_size_gb", "settings/dataDiskSizeGb", Form::NumberAsText),
    ("data_disk_type", "settings/dataDiskType", Form::Text),
    ("deletion_protection_enabled", "settings/deletionProtectionEnabled", Form::Switch),
    ("edition", "settings/edition", Form::Text),
    ("ipv4_enabled", "settings/ipConfiguration/ipv4Enabled", Form::Switch),
    ("kms_key_name", "diskEncryptionConfiguration/kmsKeyName", Form::Text),
    ("point_in_time_recovery_enabled", "settings/backupConfiguration/pointInTimeRecoveryEnabled", Form::Switch),
    ("private_network", "settings/ipConfiguration/privateNetwork", Form::Text),
    ("region", "region", Form::Text),
    ("retain_backups_on_delete", "settings/retainBackupsOnDelete", Form::Switch),
    ("ssl_mode", "settings/ipConfiguration/sslMode", Form::Text),
    ("storage_auto_resize", "settings/storageAutoResize", Form::Switch),
    ("tier", "settings/tier", Form::Text),
    ("zone", "settings/locationPreference/zone", Form::Text),
];

/// What a clone can be given; it has the settings of its source otherwise.
const CLONE_OPTIONS: &[(&str, &str)] = &[
    ("allocated_ip_range", "allocatedIpRange"),
    ("private_network", "destinationNetwork"),
    ("secondary_zone", "preferredSecondaryZone"),
    ("zone", "preferredZone"),
];

/// What Google is told of a new instance: the backup itself has the settings of its source, and what stands here wins.
pub(super) fn instance(source: Option<&Instance>, options: &RestoreOptions) -> Result<Value, String> {
    let mut instance = Map::new();
    if let Some(source) = source {
        let Instance { database_version, region, .. } = source;
        let told = [("databaseVersion", Some(database_version)), ("region", region.as_ref())];
        for (name, value) in told {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                instance.insert(name.into(), value.clone().into());
            }
        }
        if let Some(tier) = source.setting("/tier") {
            instance.insert("settings".into(), json!({ "tier": tier }));
        }
    }
    let mut instance = Value::Object(instance);
    apply(&mut instance, options, OPTIONS, &[])?;
    refuse_smaller(source, &instance)?;
    match instance.pointer("/settings/tier") {
        Some(_) => Ok(instance),
        None => Err("its source is gone, and so is what machine it had: say `--set tier=...`".into()),
    }
}

/// What a clone is given, as its context has it.
pub(super) fn clone_context(name: &str, options: &RestoreOptions) -> Result<Map<String, Value>, String> {
    let mut context = Map::from_iter([("destinationInstanceName".to_owned(), json!(name))]);
    for (name, text) in options {
        let known = CLONE_OPTIONS.iter().find(|(known, _)| known == name);
        let Some((_, key)) = known else {
            let reason = unknown(name, CLONE_OPTIONS.iter().map(|(name, _)| *name));
            return Err(format!("{reason}; Cloud SQL clones an instance as it is"));
        };
        context.insert((*key).to_owned(), text.as_str().into());
    }
    Ok(context)
}

/// A disk can only grow: Google says so late.
fn refuse_smaller(source: Option<&Instance>, instance: &Value) -> Result<(), String> {
    let asked = instance.pointer("/settings/dataDiskSizeGb").and_then(Value::as_str).and_then(|size| size.parse().ok());
    match (source.and_then(Instance::disk_gb), asked) {
        (Some(own), Some(asked)) if asked < own => {
            let asked: u64 = asked;
            Err(format!("data_disk_size_gb={asked} is less than the source's {own}: a disk can only grow"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Instance {
        serde_json::from_value(json!({
            "name": "billing-pg", "databaseVersion": "POSTGRES_15", "region": "europe-west3",
            "settings": {
                "tier": "db-custom-2-7680", "dataDiskSizeGb": "100", "settingsVersion": "7", "kind": "sql#settings",
                "availabilityType": "REGIONAL",
                "backupConfiguration": {"enabled": true, "backupTier": "STANDARD", "kind": "sql#backupConfiguration"},
            },
        }))
        .unwrap()
    }

    fn options(set: &[(&str, &str)]) -> RestoreOptions {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_new_instance_is_like_the_source_with_what_is_set_instead() {
        let set = options(&[("availability_type", "ZONAL"), ("ipv4_enabled", "false"), ("region", "europe-west1")]);
        let made = instance(Some(&source()), &set).unwrap();
        assert_eq!(
            made,
            json!({
                "databaseVersion": "POSTGRES_15", "region": "europe-west1",
                "settings": {
                    "tier": "db-custom-2-7680", "availabilityType": "ZONAL", "ipConfiguration": {"ipv4Enabled": false},
                },
            }),
            "the backup has the others itself"
        );
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_google_is_asked() {
        let refused = |set: &[(&str, &str)]| instance(Some(&source()), &options(set)).unwrap_err();
        assert!(refused(&[("port", "3307")]).starts_with("there is no option port; there are activation_policy, "));
        assert!(refused(&[("data_disk_size_gb", "big")]).contains("is a number, not \"big\""));
        assert!(refused(&[("data_disk_size_gb", "50")]).contains("less than the source's 100"));
        assert!(refused(&[("storage_auto_resize", "yes")]).contains("is true or false"));
        assert!(refused(&[("tier", "")]).contains("is empty"));
        let gone = instance(None, &RestoreOptions::new()).unwrap_err();
        assert!(gone.contains("--set tier="), "{gone}");
        assert!(instance(None, &options(&[("tier", "db-g1-small")])).is_ok());
        assert!(clone_context("b", &options(&[("tier", "x")])).unwrap_err().contains("clones an instance as it is"));
    }
}
