//! Databases of Azure SQL: copied, exported, restored.

use chrono::{TimeDelta, Utc};

use super::*;
use crate::support::arm::{Database, LongTermRetention};

const VERSION: &str = "2025-01-01";

/// A server with the database `orders`.
fn sql_arm() -> Arm {
    let arm = Arm::start();
    arm.world(|world| {
        world.add_sql(SqlServer::new("acme-sql"));
        world.add_database("acme-sql", "orders");
        world.write_database("orders", "one");
    });
    arm
}

fn sql(rest: &str) -> String {
    path(&format!("Microsoft.Sql/servers/{rest}"), VERSION)
}

fn id(rest: &str) -> String {
    sql(rest).split('?').next().unwrap().to_owned()
}

fn data(arm: &Arm, database: &str) -> Option<String> {
    arm.world(|world| world.database(database).map(|database| database.data().to_owned()))
}

/// The body of a request that makes a database.
fn made(mode: &str, fields: &Value) -> Value {
    let mut body = json!({"location": "North Europe", "tags": {"made": mode}, "properties": fields});
    body["properties"]["createMode"] = mode.into();
    body
}

#[tokio::test]
async fn a_copy_has_what_was_there_at_its_end_and_its_own_tags() {
    let arm = sql_arm();
    arm.world(|world| world.looks = 2);
    let target = sql("acme-sql/databases/orders_copy");
    let copy = made("Copy", &json!({"sourceDatabaseId": id("acme-sql/databases/orders").to_uppercase()}));
    let begun = with(&arm, 202, "PUT", &target, copy.clone()).await;
    assert!(
        begun.header("location").contains(
            "/resourceGroups/Acme-Prod/providers/Microsoft.Sql/locations/northeurope/databaseOperationResults/"
        )
    );
    refused(&arm, (409, "ConflictingDatabaseOperation"), "PUT", &target, copy.clone()).await;
    assert_eq!(text(&get(&arm, &target).await["properties"]["status"]), "Copying");
    arm.world(|world| world.write_database("orders", "two"));
    awaited(&arm, &begun).await;
    let copied = get(&arm, &target).await;
    assert_eq!((text(&copied["properties"]["status"]), text(&copied["tags"]["made"])), ("Online", "Copy"));
    assert_eq!(data(&arm, "orders_copy").as_deref(), Some("two"));
    refused(&arm, (409, "DatabaseAlreadyExists"), "PUT", &target, copy).await;
    let changed = with(&arm, 202, "PATCH", &target, json!({"tags": {"kept": "yes"}})).await;
    awaited(&arm, &changed).await;
    assert_eq!(get(&arm, &target).await["tags"], json!({"kept": "yes"}));
    let list = get(&arm, &sql("acme-sql/databases")).await;
    assert_eq!(all(&list, "/name"), ["master", "orders", "orders_copy"]);
    assert_eq!(arm.resent().len(), 1);
    refused(&arm, (400, "CannotUseReservedDatabaseName"), "DELETE", &sql("acme-sql/databases/master"), Value::Null)
        .await;
    let gone = with(&arm, 202, "DELETE", &target, Value::Null).await;
    awaited(&arm, &gone).await;
    with(&arm, 204, "DELETE", &target, Value::Null).await;
}

#[tokio::test]
async fn each_mode_restores_what_it_names() {
    let arm = sql_arm();
    arm.world(|world| world.looks = 0);
    let before = arm.world(|world| world.now());
    arm.world(|world| {
        let kept: &mut LongTermRetention = world.keep("orders", Utc::now() + TimeDelta::days(300));
        kept.taken = before - TimeDelta::days(30);
        world.write_database("orders", "two");
    });
    let source = id("acme-sql/databases/orders");
    let points = get(&arm, &sql("acme-sql/databases/orders/restorePoints")).await;
    assert_eq!(all(&points, "/properties/restorePointType"), ["CONTINUOUS"]);
    let kept = format!(
        "/subscriptions/{}/providers/Microsoft.Sql/locations/northeurope/longTermRetentionServers/acme-sql/\
         longTermRetentionDatabases/orders/longTermRetentionBackups?api-version={VERSION}",
        Arm::SUBSCRIPTION
    );
    let kept_backups = get(&arm, &kept).await;
    let recoverable = get(&arm, &sql("acme-sql/recoverableDatabases/orders")).await;
    for (mode, fields, expected) in [
        ("PointInTimeRestore", json!({"sourceDatabaseId": source, "restorePointInTime": before.to_rfc3339()}), "one"),
        ("Recovery", json!({"recoverableDatabaseId": recoverable["id"]}), "two"),
        (
            "RestoreLongTermRetentionBackup",
            json!({"longTermRetentionBackupResourceId": kept_backups["value"][0]["id"]}),
            "one",
        ),
    ] {
        with(&arm, 202, "PUT", &sql(&format!("acme-sql/databases/{mode}")), made(mode, &fields)).await;
        assert_eq!(data(&arm, mode).as_deref(), Some(expected), "{mode}");
    }
    let early = json!({"sourceDatabaseId": source, "restorePointInTime": (before - TimeDelta::days(8)).to_rfc3339()});
    let target = sql("acme-sql/databases/early");
    refused(&arm, (400, "InvalidPointInTime"), "PUT", &target, made("PointInTimeRestore", &early)).await;
    with(&arm, 202, "DELETE", &sql("acme-sql/databases/orders"), Value::Null).await;
    let dropped = get(&arm, &sql("acme-sql/restorableDroppedDatabases")).await;
    assert!(text(&dropped["value"][0]["name"]).starts_with("orders,13"));
    let restored = made("Restore", &json!({"restorableDroppedDatabaseId": dropped["value"][0]["id"]}));
    with(&arm, 202, "PUT", &sql("acme-sql/databases/again"), restored).await;
    assert_eq!(data(&arm, "again").as_deref(), Some("two"));
    let one = kept.replace(
        "longTermRetentionBackups?",
        &format!("longTermRetentionBackups/{}?", text(&kept_backups["value"][0]["name"])),
    );
    get(&arm, &one).await;
    let gone = with(&arm, 202, "DELETE", &one, Value::Null).await;
    awaited(&arm, &gone).await;
    refused(&arm, (404, "ResourceNotFound"), "GET", &one, Value::Null).await;
}

#[tokio::test]
async fn an_export_is_a_file_that_can_be_imported() {
    let arm = sql_arm();
    let file = json!({
        "storageKeyType": "StorageAccessKey", "storageKey": "a2V5", "storageUri": "https://acme.blob.example/c/orders.bacpac",
        "administratorLogin": "acmeadmin", "administratorLoginPassword": "secret",
    });
    let export = sql("acme-sql/databases/orders/export");
    let begun = with(&arm, 202, "POST", &export, file.clone()).await;
    awaited(&arm, &begun).await;
    let result = get(&arm, begun.header("location")).await;
    assert_eq!(
        (text(&result["properties"]["requestType"]), text(&result["properties"]["status"])),
        ("Export", "Completed")
    );
    let again = with(&arm, 202, "POST", &export, file.clone()).await;
    assert_eq!(text(&awaited(&arm, &again).await.1["error"]["code"]), "BlobAlreadyExists");
    let mut import = file.clone();
    import["databaseName"] = "imported".into();
    let begun = with(&arm, 202, "POST", &sql("acme-sql/import"), import.clone()).await;
    awaited(&arm, &begun).await;
    assert_eq!(data(&arm, "imported").as_deref(), Some("one"));
    import["databaseName"] = "lost".into();
    import["storageUri"] = "https://acme.blob.example/c/none.bacpac".into();
    let begun = with(&arm, 202, "POST", &sql("acme-sql/import"), import).await;
    assert_eq!(text(&awaited(&arm, &begun).await.1["error"]["code"]), "BlobNotFound");
    assert_eq!(data(&arm, "lost"), None);
    arm.world(|world| world.write_database("orders", "two"));
    let begun = with(&arm, 202, "POST", &sql("acme-sql/databases/orders/import"), file).await;
    awaited(&arm, &begun).await;
    assert_eq!(data(&arm, "orders").as_deref(), Some("one"));
}

#[tokio::test]
async fn policies_and_servers_are_told() {
    let arm = sql_arm();
    arm.world(|world| {
        let database: &mut Database = world.database("orders").unwrap();
        database.long_term[0] = "P4W".to_owned();
        database.retention_days = 14;
        world.add_sql(SqlServer::new("other").in_group(Arm::OTHER_SUBSCRIPTION, Arm::GROUP));
    });
    let long = get(&arm, &sql("acme-sql/databases/orders/backupLongTermRetentionPolicies/default")).await;
    let short = get(&arm, &sql("acme-sql/databases/orders/backupShortTermRetentionPolicies/default")).await;
    assert_eq!(
        (text(&long["properties"]["weeklyRetention"]), &short["properties"]["retentionDays"]),
        ("P4W", &json!(14))
    );
    let servers = format!("/subscriptions/{}/providers/Microsoft.Sql/servers?api-version={VERSION}", Arm::SUBSCRIPTION);
    assert_eq!(all(&get(&arm, &servers).await, "/name"), ["acme-sql"]);
    assert_eq!(text(&get(&arm, &sql("acme-sql")).await["properties"]["state"]), "Ready");
    refused(&arm, (404, "ResourceNotFound"), "GET", &sql("acme-sql/databases/none"), Value::Null).await;
    let of_pg = sql("acme-sql").replace(VERSION, POSTGRESQL);
    refused(&arm, (400, "NoRegisteredProviderFound"), "GET", &of_pg, Value::Null).await;
}
