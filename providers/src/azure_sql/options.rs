//! What a restored database is to be like where `--set` says so: `sku_name=GP_S_Gen5_1`, `elastic_pool_id=...`.

use serde_json::{Map, Value};

use crate::model::RestoreOptions;
use crate::options::{Form, Known, apply, unknown, value};

/// Each option, and its place in a database: <https://learn.microsoft.com/rest/api/sql/databases/create-or-update>.
const OPTIONS: &[Known] = &[
    ("backup_storage_redundancy", "properties/requestedBackupStorageRedundancy", Form::Text),
    ("elastic_pool_id", "properties/elasticPoolId", Form::Text),
    ("license_type", "properties/licenseType", Form::Text),
    ("max_size_bytes", "properties/maxSizeBytes", Form::Number),
    ("sku_capacity", "sku/capacity", Form::Number),
    ("sku_name", "sku/name", Form::Text),
    ("sku_tier", "sku/tier", Form::Text),
    ("zone_redundant", "properties/zoneRedundant", Form::Switch),
];
/// From where the data comes.
const FROM: &str = "from";
/// From the copies of the backups that Azure keeps in another region.
const GEO: &str = "geo";

/// Those that an import of a BACPAC file takes, under its own names:
/// <https://learn.microsoft.com/rest/api/sql/servers/import-database>.
const IMPORT_OPTIONS: &[(&str, &str)] =
    &[("max_size_bytes", "maxSizeBytes"), ("sku_name", "serviceObjectiveName"), ("sku_tier", "edition")];

/// Where the data of a restored database comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From the snapshot.
    Snapshot,
    /// From the last backup that has arrived in another region.
    Geo,
}

/// The options without the one that says where the data comes from, and that one.
pub(super) fn from(options: &RestoreOptions) -> Result<(From, RestoreOptions), String> {
    let mut others = options.clone();
    match others.remove(FROM).as_deref() {
        None => Ok((From::Snapshot, others)),
        Some(GEO) => Ok((From::Geo, others)),
        Some(other) => Err(format!("{FROM} is {GEO} or left out, not {other:?}")),
    }
}

/// Sets them in what Azure is told of a new database.
pub(super) fn set(database: &mut Value, options: &RestoreOptions) -> Result<(), String> {
    apply(database, options, OPTIONS, &[FROM])?;
    match (database.pointer("/sku/name"), database.get("sku")) {
        (None, Some(_)) => Err("sku_tier and sku_capacity need sku_name too: az sql db list-editions".into()),
        _ => Ok(()),
    }
}

/// What an import is told of the new database.
pub(super) fn of_import(options: &RestoreOptions) -> Result<Map<String, Value>, String> {
    let mut told = Map::new();
    for (name, text) in options {
        let known = IMPORT_OPTIONS.iter().find(|(known, _)| known == name);
        let names = IMPORT_OPTIONS.iter().map(|(name, _)| *name);
        let Some((_, key)) = known else { return Err(format!("{} for a BACPAC file", unknown(name, names))) };
        let form = if *name == "max_size_bytes" { Form::Number } else { Form::Text };
        value(name, text, form)?;
        // All are text here.
        told.insert((*key).to_owned(), text.as_str().into());
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(set: &[(&str, &str)]) -> RestoreOptions {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_set_stands_where_azure_reads_it() {
        let mut database = json!({ "location": "westeurope", "properties": { "createMode": "Copy" } });
        let all =
            [("sku_name", "GP_S_Gen5"), ("sku_capacity", "2"), ("zone_redundant", "false"), ("max_size_bytes", "7")];
        set(&mut database, &options(&all)).unwrap();
        assert_eq!(
            database,
            json!({
                "location": "westeurope", "sku": { "name": "GP_S_Gen5", "capacity": 2 },
                "properties": { "createMode": "Copy", "zoneRedundant": false, "maxSizeBytes": 7 },
            })
        );
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_azure_is_asked() {
        let refused = |all: &[(&str, &str)]| set(&mut json!({ "properties": {} }), &options(all)).unwrap_err();
        assert!(
            refused(&[("tier", "x")]).starts_with("there is no option tier; there are backup_storage_redundancy, ")
        );
        assert!(refused(&[("sku_name", "S0"), ("sku_capacity", "two")]).contains("is a number, not \"two\""));
        assert!(refused(&[("zone_redundant", "yes")]).contains("is true or false"));
        assert!(refused(&[("sku_name", "")]).contains("is empty"));
        assert!(refused(&[("sku_tier", "Standard")]).contains("need sku_name"));
        assert!(of_import(&options(&[("zone_redundant", "true")])).unwrap_err().ends_with("for a BACPAC file"));
        let told = of_import(&options(&[("sku_name", "S0"), ("max_size_bytes", "7")])).unwrap();
        assert_eq!(Value::from(told), json!({ "serviceObjectiveName": "S0", "maxSizeBytes": "7" }));
    }

    #[test]
    fn where_the_data_comes_from_is_told_apart() {
        let (source, others) = from(&options(&[("from", "geo"), ("sku_name", "S0")])).unwrap();
        assert_eq!((source, others), (From::Geo, options(&[("sku_name", "S0")])));
        assert_eq!(from(&options(&[])).unwrap().0, From::Snapshot);
        assert!(from(&options(&[("from", "moon")])).unwrap_err().contains("geo or left out"));
    }
}
