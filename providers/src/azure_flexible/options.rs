//! What a restored server is like: as its source, and where `--set` says so otherwise.

use serde_json::{Map, Value, json};

use super::Flavor;
use super::wire::{Network, Server};
use crate::azure::location;
use crate::model::RestoreOptions;
use crate::options::{Form, Known, apply};

/// Each option, and its place in a server.
const OPTIONS: &[Known] = &[
    ("availability_zone", "properties/availabilityZone", Form::Text),
    ("backup_retention_days", "properties/backup/backupRetentionDays", Form::Number),
    ("delegated_subnet_id", "properties/network/delegatedSubnetResourceId", Form::Text),
    ("geo_redundant_backup", "properties/backup/geoRedundantBackup", Form::Enabled),
    ("location", "location", Form::Text),
    ("public_network_access", "properties/network/publicNetworkAccess", Form::Enabled),
    ("sku_name", "sku/name", Form::Text),
    ("sku_tier", "sku/tier", Form::Text),
    ("storage_size_gb", "properties/storage/storageSizeGB", Form::Number),
];
/// The one that the two services have in different places.
const MYSQL_ZONE: Known = ("private_dns_zone_id", "properties/network/privateDnsZoneResourceId", Form::Text);
const POSTGRESQL_ZONE: Known = ("private_dns_zone_id", "properties/network/privateDnsZoneArmResourceId", Form::Text);

/// A new server as Azure is told of it, without what says of when it is to be. In another region the source's network and
/// zone are of no use.
pub(super) fn server(flavor: Flavor, source: &Server, options: &RestoreOptions) -> Result<Value, String> {
    let properties = source.properties();
    let mut made = json!({ "location": source.location, "properties": {} });
    if let Some(sku) = &source.sku {
        made["sku"] = json!({ "name": sku.name, "tier": sku.tier });
    }
    if !is_elsewhere(source, options) {
        if let Some(zone) = properties.availability_zone.filter(|zone| !zone.is_empty()) {
            made["properties"]["availabilityZone"] = zone.into();
        }
        if let Some(network) = properties.network {
            made["properties"]["network"] = Value::Object(like(flavor, &network));
        }
    }
    if let Some(key) = source.own_key() {
        // What says how the key is now is Azure's to say.
        let told = key.into_iter().filter(|(name, value)| !name.ends_with("Status") && !value.is_null());
        made["properties"]["dataEncryption"] = Value::Object(told.collect());
        let identity = source.identity.clone().unwrap_or_default();
        let users = identity.user_assigned_identities.unwrap_or_default();
        let users: Map<String, Value> = users.into_iter().map(|(id, _)| (id, json!({}))).collect();
        made["identity"] = json!({ "type": identity.kind, "userAssignedIdentities": users });
    }
    let zone = if flavor == Flavor::Mysql { MYSQL_ZONE } else { POSTGRESQL_ZONE };
    apply(&mut made, options, &[OPTIONS, &[zone]].concat(), &[])?;
    if made.get("sku").is_some_and(|sku| sku.get("name").is_none() || sku.get("tier").is_none()) {
        return Err("sku_name and sku_tier belong together".into());
    }
    Ok(made)
}

/// Whether a server is to be in another region than its source. Azure writes `North Europe` and `northeurope`.
pub(super) fn is_elsewhere(source: &Server, options: &RestoreOptions) -> bool {
    options.get("location").is_some_and(|asked| location(asked) != location(&source.location))
}

/// The part of a network that a new server can be given. With a subnet of its own a server has no public access to speak of.
fn like(flavor: Flavor, network: &Network) -> Map<String, Value> {
    let zone = match flavor {
        Flavor::Mysql => "privateDnsZoneResourceId",
        Flavor::Postgresql => "privateDnsZoneArmResourceId",
    };
    let subnet = network.delegated_subnet_resource_id.as_deref().filter(|subnet| !subnet.is_empty());
    let told = match subnet {
        Some(subnet) => vec![
            ("delegatedSubnetResourceId", Some(subnet)),
            (zone, network.private_dns_zone().filter(|zone| !zone.is_empty())),
        ],
        None => vec![("publicNetworkAccess", network.public_network_access.as_deref())],
    };
    told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Server {
        serde_json::from_value(json!({
            "name": "crm", "location": "North Europe", "sku": {"name": "Standard_D2ds_v4", "tier": "GeneralPurpose"},
            "properties": {
                "availabilityZone": "2",
                "network": {
                    "publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": "/subnet", "privateDnsZoneResourceId": "/zone",
                },
            },
        }))
        .unwrap()
    }

    fn made(flavor: Flavor, set: &[(&str, &str)]) -> Result<Value, String> {
        let options = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        server(flavor, &source(), &options)
    }

    #[test]
    fn a_new_server_has_the_machine_the_network_and_the_zone_of_its_source() {
        let sku = json!({"name": "Standard_D2ds_v4", "tier": "GeneralPurpose"});
        let like = made(Flavor::Mysql, &[]).unwrap();
        assert_eq!(
            like,
            json!({
                "location": "North Europe", "sku": sku,
                "properties": {
                    "availabilityZone": "2",
                    "network": {"delegatedSubnetResourceId": "/subnet", "privateDnsZoneResourceId": "/zone"},
                },
            })
        );
        let set = [("location", "northeurope"), ("availability_zone", "3"), ("private_dns_zone_id", "/other")];
        let other = made(Flavor::Postgresql, &set).unwrap();
        assert_eq!(other["properties"]["network"]["privateDnsZoneArmResourceId"], "/other");
        assert_eq!(other["properties"]["availabilityZone"], "3");
    }

    #[test]
    fn a_new_server_is_encrypted_with_the_key_of_its_source() {
        let mut told = json!({
            "name": "crm", "location": "x", "sku": {"name": "s", "tier": "t"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/id": {"principalId": "p"}}},
            "properties": {"dataEncryption": {
                "type": "AzureKeyVault", "primaryKeyURI": "https://v/k", "primaryEncryptionKeyStatus": "Valid", "geoBackupKeyURI": null,
            }},
        });
        let of = |told: &Value| {
            let source: Server = serde_json::from_value(told.clone()).unwrap();
            server(Flavor::Postgresql, &source, &RestoreOptions::new()).unwrap()
        };
        let made = of(&told);
        assert_eq!(made["identity"], json!({"type": "UserAssigned", "userAssignedIdentities": {"/id": {}}}));
        let key = json!({"type": "AzureKeyVault", "primaryKeyURI": "https://v/k"});
        assert_eq!(made["properties"]["dataEncryption"], key);
        told["properties"]["dataEncryption"] = json!({"type": "SystemManaged"});
        assert_eq!(of(&told).get("identity"), None);
    }

    #[test]
    fn in_another_region_the_network_of_the_source_is_left_out() {
        let there = made(Flavor::Mysql, &[("location", "westeurope"), ("public_network_access", "true")]).unwrap();
        assert_eq!(there["properties"], json!({"network": {"publicNetworkAccess": "Enabled"}}));
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_azure_is_asked() {
        let refused = |set: &[(&str, &str)]| made(Flavor::Mysql, set).unwrap_err();
        assert!(refused(&[("port", "1")]).starts_with("there is no option port; there are availability_zone, "));
        assert!(refused(&[("storage_size_gb", "big")]).contains("is a number"));
        assert!(refused(&[("public_network_access", "maybe")]).contains("is true or false"));
        assert!(refused(&[("sku_name", "")]).contains("is empty"));
    }
}
