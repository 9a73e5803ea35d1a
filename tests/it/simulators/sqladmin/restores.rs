//! Restores, clones, exports and imports of the Cloud SQL Admin API, and instances that go.

use super::*;

/// A simulator where everything is done at once, with one backup of what was in its instance before.
async fn with_backup(instance: Instance) -> (SqlAdmin, String, String) {
    let admin = SqlAdmin::with(instance.with_data("one"));
    admin.world(|world| world.looks = 0);
    let made = done(&admin, "POST", RUNS, json!({})).await;
    admin.world(|world| world.write("orders", "two"));
    let [id, name] = ["backupId", "name"].map(|field| text(&made["backupContext"][field]).to_owned());
    (admin, id, name)
}

fn data(admin: &SqlAdmin, instance: &str) -> String {
    admin.world(|world| world.instance(instance).unwrap().data.clone())
}

const RESTORE: &str = "instances/orders/restoreBackup";

#[tokio::test]
async fn a_restore_goes_over_an_instance_that_fits() {
    let (admin, id, name) = with_backup(Instance::new("orders")).await;
    admin.world(|world| world.looks = 1);
    let context =
        json!({"restoreBackupContext": {"backupRunId": id, "instanceId": "orders", "project": SqlAdmin::PROJECT}});
    let began = done(&admin, "POST", RESTORE, context).await;
    assert_eq!(data(&admin, "orders"), "two");
    awaited(&admin, &began).await;
    assert_eq!(data(&admin, "orders"), "one");

    let over = json!({"backup": name, "restoreInstanceSettings": {"name": "orders"}});
    assert_names(&refused(&admin, (400, "invalid"), "POST", RESTORE, over).await, &["not applicable"]);
    let both = json!({"backup": name, "restoreBackupContext": {"backupRunId": id}});
    refused(&admin, (400, "invalid"), "POST", RESTORE, both).await;
    let missing = json!({"backup": "projects/acme-prod/backups/none"});
    refused(&admin, (404, "backupRunDoesNotExist"), "POST", RESTORE, missing).await;
    refused(&admin, (404, "instanceDoesNotExist"), "POST", "instances/none/restoreBackup", json!({"backup": name}))
        .await;
    for (change, reason) in [
        (Instance::new("small").with_disk(50), "invalidOperation"),
        (Instance::new("old").of_version("POSTGRES_16"), "invalid"),
        (Instance::new("primary").with_replica("r"), "invalidOperation"),
        (Instance::new("off").stopped(), "invalid"),
        (Instance::new("suspended").in_state("SUSPENDED"), "invalidState"),
    ] {
        let path = format!("instances/{}/restoreBackup", change.name);
        admin.world(|world| world.add(change).created);
        refused(&admin, (400, reason), "POST", &path, json!({"backup": name})).await;
    }
}

#[tokio::test]
async fn a_restore_makes_a_new_instance_in_any_project() {
    let (admin, _, name) = with_backup(Instance::new("orders")).await;
    admin.world(|world| world.looks = 2);
    let settings = json!({"settings": {"tier": "db-f1-micro", "userLabels": {"snapkeep_scratch": "yes"}}});
    let body = json!({"backup": name, "restoreInstanceSettings": settings});
    let path = format!("/v1/projects/{}/instances/copy", SqlAdmin::OTHER_PROJECT);
    done(&admin, "POST", &format!("{path}/restoreBackup"), body.clone()).await;
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(text(&get(&admin, &path).await["state"]).to_owned());
    }
    assert_eq!(states, ["PENDING_CREATE", "PENDING_CREATE", "RUNNABLE"]);
    let made = get(&admin, &path).await;
    assert_eq!(
        (&made["settings"]["tier"], &made["settings"]["dataDiskSizeGb"]),
        (&json!("db-f1-micro"), &json!("100"))
    );
    let (data, with) = admin.world(|world| {
        let made = world.instance_of(SqlAdmin::OTHER_PROJECT, "copy").unwrap();
        (made.data.clone(), made.made_with.clone())
    });
    assert_eq!((data.as_str(), with), ("one", Some(body)));
    for wrong in
        [json!({"databaseVersion": "POSTGRES_16"}), json!({"settings": {"dataDiskSizeGb": "10"}}), json!({"name": "x"})]
    {
        let body = json!({"backup": name, "restoreInstanceSettings": wrong});
        refused(&admin, (400, "invalid"), "POST", "instances/other/restoreBackup", body).await;
    }
}

#[tokio::test]
async fn a_clone_has_what_was_there_at_the_moment() {
    let admin = admin();
    let [before, between, after] = ["2026-11-20T00:00:00Z", "2026-11-21T12:00:00Z", "2026-11-23T00:00:00Z"];
    admin.world(|world| {
        world.set_time("2026-11-21T00:00:00Z");
        world.write("orders", "two");
        world.set_time("2026-11-22T00:00:00Z");
        world.write("orders", "three");
        world.looks = 0;
    });
    let window = get(&admin, "instances/orders/getLatestRecoveryTime").await;
    assert_names(text(&window["earliestRecoveryTime"]), &["2026-11-15T00:00:"]);
    assert_names(text(&window["latestRecoveryTime"]), &["2026-11-22T00:00:"]);
    let clone =
        |name: &str, moment: &str| json!({"cloneContext": {"destinationInstanceName": name, "pointInTime": moment}});
    const CLONE: &str = "instances/orders/clone";
    for (name, moment, found) in [("a", before, "one"), ("b", between, "two")] {
        done(&admin, "POST", CLONE, clone(name, moment)).await;
        assert_eq!(data(&admin, name), found);
    }
    refused(&admin, (400, "invalid"), "POST", CLONE, clone("c", after)).await;
    refused(&admin, (409, "instanceAlreadyExists"), "POST", CLONE, clone("a", before)).await;
    admin.world(|world| {
        let instance = world.instance("orders").unwrap();
        *instance = instance.clone().set("/backupConfiguration/pointInTimeRecoveryEnabled", false);
        world.looks = 1;
    });
    refused(&admin, (400, "invalid"), "POST", CLONE, clone("c", before)).await;
    denied(&admin, (400, "invalid"), "instances/orders/getLatestRecoveryTime").await;
    let now = json!({"cloneContext": {"destinationInstanceName": "c"}});
    let began = done(&admin, "POST", CLONE, now).await;
    refused(&admin, (409, "operationInProgress"), "POST", RUNS, json!({})).await;
    awaited(&admin, &began).await;
    assert_eq!(data(&admin, "c"), "three");
}

#[tokio::test]
async fn an_export_to_a_file_that_exists_fails_only_later() {
    let admin = SqlAdmin::with(Instance::new("orders").with_data("one").with_databases(&["orders"]));
    let (uri, path) = ("gs://dumps/orders.sql.gz", "instances/orders/export");
    let context = |uri: &str, database: &str| json!({"exportContext": {"uri": uri, "fileType": "SQL", "databases": [database], "offload": true}});
    let began = done(&admin, "POST", path, context(uri, "orders")).await;
    assert_eq!(text(&began["exportContext"]["uri"]), uri);
    assert_eq!(awaited(&admin, &began).await.get("error"), None);
    admin.world(|world| world.closed_buckets.insert("theirs".to_owned()));
    for (uri, database, words) in [
        (uri, "orders", "already exists"),
        ("gs://theirs/x", "orders", "permissions"),
        ("gs://dumps/y", "none", "does not exist"),
    ] {
        let began = done(&admin, "POST", path, context(uri, database)).await;
        assert_names(text(&awaited(&admin, &began).await["error"]["errors"][0]["message"]), &[words]);
    }
    refused(&admin, (400, "invalid"), "POST", path, json!({"exportContext": {"uri": "gs://dumps/z"}})).await;
    refused(&admin, (400, "invalid"), "POST", path, context("dumps", "orders")).await;
    assert_eq!(admin.world(|world| world.files.clone()), [(uri.to_owned(), "one".to_owned())].into());

    admin.world(|world| world.write("orders", "two"));
    let import = |uri: &str| json!({"importContext": {"uri": uri, "fileType": "SQL", "database": "orders"}});
    let began = done(&admin, "POST", "instances/orders/import", import("gs://dumps/none")).await;
    assert_names(text(&awaited(&admin, &began).await["error"]["errors"][0]["message"]), &["does not exist"]);
    let began = done(&admin, "POST", "instances/orders/import", import(uri)).await;
    awaited(&admin, &began).await;
    assert_eq!(data(&admin, "orders"), "one");

    let began = done(&admin, "POST", path, context("gs://dumps/late", "orders")).await;
    let cancel = format!("operations/{}/cancel", text(&began["name"]));
    assert_eq!(done(&admin, "POST", &cancel, Value::Null).await, json!({}));
    refused(&admin, (400, "invalidState"), "POST", &cancel, Value::Null).await;
    assert_eq!(admin.world(|world| world.files.len()), 1);
}

#[tokio::test]
async fn an_instance_takes_its_backups_with_it_unless_they_are_kept() {
    for kept in [false, true] {
        let instance = Instance::new("orders").set("/retainBackupsOnDelete", kept);
        let (admin, id, name) = with_backup(instance.set("/deletionProtectionEnabled", true)).await;
        refused(&admin, (400, "invalidRequest"), "DELETE", "instances/orders", Value::Null).await;
        admin.world(|world| world.instance("orders").unwrap().settings["deletionProtectionEnabled"] = false.into());
        done(&admin, "DELETE", "instances/orders?enableFinalBackup=true", Value::Null).await;
        denied(&admin, (404, "instanceDoesNotExist"), RUNS).await;
        let backups = get(&admin, "backups?filter=instance:orders").await;
        assert_eq!(all(&backups, "backups", "type"), if kept { vec!["FINAL", "ON_DEMAND"] } else { vec!["FINAL"] });
        assert_eq!(backups["backups"][0].get("backupRun"), None);
        let last = text(&backups["backups"][0]["name"]).to_owned();
        if kept {
            assert_names(text(&backups["backups"][1]["backupRun"]), &[&id]);
            assert!(backups["backups"][1].get("instanceDeletionTime").is_some());
            done(
                &admin,
                "POST",
                "instances/again/restoreBackup",
                json!({"backup": name, "restoreInstanceSettings": {}}),
            )
            .await;
            assert_eq!(data(&admin, "again"), "one");
        }
        done(&admin, "DELETE", &format!("/v1/{last}"), Value::Null).await;
        assert_eq!(all(&get(&admin, "backups?filter=type:FINAL").await, "backups", "name").len(), 0);
    }
}
