//! The commands of Azure's own CLI that restore a snapshot.

use serde_json::Value;

use super::Home;
use super::bacpac::Bacpacs;
use super::moment;
use super::record::{Kind, Record};
use crate::shell::shell_word;

pub(super) fn lines(home: &Home, bacpacs: Option<&Bacpacs>, record: &Record, raw: &Value) -> Vec<String> {
    let super::azure::Home { group, server, subscription, .. } = &home.server;
    let place = format!("-g {} -s {server} --subscription {subscription}", shell_word(group));
    let (database, new) = (shell_word(&home.database), shell_word(&format!("{}-restored", home.database)));
    let native = shell_word(&record.native);
    let at = record.created_at.map(moment::text).unwrap_or_else(|| "TIME".into());
    let restore = |rest: String| format!("az sql db restore {place} -n {database} --dest-name {new} {rest}");
    let rename = || {
        vec![
            "# to bring it back under its own name, rename what has that name now, and then:".to_owned(),
            format!("az sql db rename {place} -n {new} --new-name {database}"),
        ]
    };
    let first = match &record.kind {
        Kind::Copy => vec![
            "# a copy is a database; another one of it".into(),
            format!("az sql db copy {place} -n {native} --dest-name {new}"),
        ],
        Kind::Point(_) => vec![
            "# a new database as it was then; any later moment will do as well".into(),
            restore(format!("--time {at}")),
        ],
        Kind::Dropped => {
            vec!["# a new database as it was when it was deleted".into(), restore(format!("--deleted-time {at}"))]
        }
        Kind::LongTerm(_) => {
            let id = shell_word(raw.get("id").and_then(Value::as_str).unwrap_or(&record.native));
            let to =
                format!("--dest-database {new} --dest-server {server} --dest-resource-group {}", shell_word(group));
            vec![
                "# a new database, on any server of the subscription".into(),
                format!("az sql db ltr-backup restore --backup-id {id} {to} --subscription {subscription}"),
            ]
        }
        Kind::Bacpac => {
            let (url, login) = bacpacs.map_or_else(Default::default, |bacpacs| {
                (shell_word(&bacpacs.url(&record.native)), shell_word(bacpacs.administrator()))
            });
            let as_whom =
                format!("-u {login} -p \"$PASSWORD\" --storage-key-type StorageAccessKey --storage-key \"$KEY\"");
            vec![
                "# an empty database, and into it what the file holds; SqlPackage reads it too".into(),
                format!("az sql db create {place} -n {new}"),
                format!("az sql db import {place} -n {new} {as_whom} --storage-uri {url}"),
            ]
        }
    };
    [first, rename()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure_sql::wire::{Dropped, LongTermBackup};

    #[test]
    fn ids_are_quoted_for_a_shell() {
        let home = Home::for_tests();
        let backup: LongTermBackup = serde_json::from_str(r#"{"name": "5;1;Hot", "properties": {}}"#).unwrap();
        let record = Record::of_long_term(backup, "westeurope");
        let said = lines(&home, None, &record, &Value::Null);
        assert!(said[1].contains("--backup-id '5;1;Hot' --dest-database orders-restored "), "{said:?}");
        let dropped = r#"{"name": "orders,13", "properties": {"databaseName": "orders", "deletionDate": "2026-11-22T02:15:00Z"}}"#;
        let record = Record::from(serde_json::from_str::<Dropped>(dropped).unwrap());
        let said = lines(&home, None, &record, &Value::Null);
        assert!(said[1].ends_with("--dest-name orders-restored --deleted-time 2026-11-22T02:15:00Z"), "{said:?}");
    }
}
