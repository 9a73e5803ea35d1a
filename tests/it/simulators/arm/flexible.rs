//! Flexible servers of MySQL and PostgreSQL, and their backups.

use chrono::{TimeDelta, Utc};

use super::*;

#[tokio::test]
async fn mysql_makes_a_backup_at_once_under_a_name_of_its_own_and_another_when_asked_again() {
    let arm = arm();
    let backup = mysql("crm-db/backups/backup000003");
    let made = with(&arm, 200, "PUT", &backup, Value::Null).await.json();
    let name = text(&made["name"]).to_owned();
    assert!(name.starts_with("customer-20") && name.ends_with("-backup000003"), "{name}");
    assert_eq!((text(&made["properties"]["backupType"]), text(&made["properties"]["source"])), ("FULL", "Customer"));
    for called in ["backup000003", &name] {
        let found = get(&arm, &mysql(&format!("crm-db/backups/{called}"))).await;
        assert_eq!(found, made, "{called}");
    }
    with(&arm, 200, "PUT", &backup, Value::Null).await;
    arm.world(|world| drop(world.take_automated("crm-db").clone()));
    let list = get(&arm, &mysql("crm-db/backups")).await;
    assert_eq!(all(&list, "/properties/source"), ["Automatic", "Customer", "Customer"], "newest first");
    assert!(all(&list, "/properties/completedTime").is_sorted_by(|one, next| one > next));
    let automated = text(&list["value"][0]["name"]).to_owned();
    let deletion =
        |name: &str| path(&format!("Microsoft.DBforMySQL/flexibleServers/crm-db/backupsV2/{name}"), MYSQL_DELETION);
    refused(&arm, (400, "CannotDeleteAutomaticBackup"), "DELETE", &deletion(&automated), Value::Null).await;
    let begun = with(&arm, 202, "DELETE", &deletion(&name), Value::Null).await;
    awaited(&arm, &begun).await;
    with(&arm, 204, "DELETE", &deletion(&name), Value::Null).await;
    assert_eq!(get(&arm, &mysql("crm-db/backups")).await["value"].as_array().unwrap().len(), 2);
    refused(&arm, (404, "ResourceNotFound"), "GET", &mysql(&format!("crm-db/backups/{name}")), Value::Null).await;
}

#[tokio::test]
async fn postgresql_shows_a_backup_when_it_is_made_and_keeps_its_name() {
    let arm = arm();
    arm.world(|world| (world.looks, world.odd_words) = (3, true));
    let backup = postgresql("billing-db/backups/nightly");
    let begun = with(&arm, 202, "PUT", &backup, Value::Null).await;
    assert_eq!(text(&begun.json()["operation"]), "SnapshotManagementOperation");
    refused(&arm, (404, "ResourceNotFound"), "GET", &backup, Value::Null).await;
    refused(&arm, (409, "ServerIsBusy"), "PUT", &backup, Value::Null).await;
    assert_eq!(arm.resent().len(), 1);
    let (words, last) = awaited(&arm, &begun).await;
    assert!(words.len() == 2 && words.last().unwrap().eq_ignore_ascii_case("succeeded"), "{words:?}");
    assert_eq!(last.get("error"), None);
    let made = get(&arm, &backup).await;
    assert_eq!((text(&made["name"]), text(&made["properties"]["source"])), ("nightly", "Customer Initiated"));
    refused(&arm, (409, "BackupAlreadyExists"), "PUT", &backup, Value::Null).await;
    arm.world(|world| {
        world.looks = 0;
        world.take_automated("billing-db");
    });
    with(&arm, 202, "PUT", &postgresql("billing-db/backups/second"), Value::Null).await;
    let list = get(&arm, &postgresql("billing-db/backups")).await;
    assert_eq!(
        all(&list, "/properties/backupType"),
        ["Customer On-Demand", "Full", "Customer On-Demand"],
        "oldest first"
    );
    with(&arm, 202, "DELETE", &backup, Value::Null).await;
    with(&arm, 204, "DELETE", &backup, Value::Null).await;
}

#[tokio::test]
async fn the_address_of_an_operation_is_long_and_of_two_kinds() {
    let arm = arm();
    for (links, both) in
        [(Links::Both, [true, true]), (Links::OnlyLocation, [false, true]), (Links::OnlyAsyncOperation, [true, false])]
    {
        arm.world(|world| (world.links, world.looks) = (links, 1));
        let name = format!("made-{}", arm.calls().len());
        let begun = with(&arm, 202, "PUT", &postgresql(&format!("billing-db/backups/{name}")), Value::Null).await;
        let found = ["azure-asyncoperation", "location"].map(|header| begun.headers.contains_key(header));
        assert_eq!(found, both);
        let location = begun.header("location");
        if location.is_empty() {
            awaited(&arm, &begun).await;
            continue;
        }
        assert!(location.len() > 3000 && location.contains("/locations/North%20Europe/operationResults/"));
        let again = with(&arm, 202, "GET", location, Value::Null).await;
        assert_eq!((again.header("location"), again.text.as_str()), (location, ""));
        assert_eq!(text(&get(&arm, location).await["name"]), name);
    }
    arm.world(|world| world.links = Links::Both);
    let begun = with(&arm, 202, "DELETE", &postgresql("billing-db/backups/made-0"), Value::Null).await;
    awaited(&arm, &begun).await;
    assert_eq!(with(&arm, 204, "GET", begun.header("location"), Value::Null).await.text, "");
}

fn restore(of: &str, moment: chrono::DateTime<Utc>) -> Value {
    let field = if of.contains("MySQL") { "restorePointInTime" } else { "pointInTimeUTC" };
    let (subscription, group) = (Arm::SUBSCRIPTION.to_uppercase(), Arm::GROUP.to_lowercase());
    let source = format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{of}");
    json!({"location": "northeurope", "properties": {
        "createMode": "PointInTimeRestore", "sourceServerResourceId": source, field: moment.to_rfc3339(),
    }})
}

#[tokio::test]
async fn a_restored_server_has_what_was_there_at_the_moment() {
    let arm = arm();
    for (service, name, path) in
        [("MySQL", "crm-db", mysql as fn(&str) -> String), ("PostgreSQL", "billing-db", postgresql)]
    {
        let source = format!("Microsoft.DBfor{service}/flexibleServers/{name}");
        let before = arm.world(|world| world.now());
        arm.world(|world| world.write(name, "two"));
        let now = arm.world(|world| world.now());
        let new = format!("{name}-restored");
        let target = path(&new);
        for (moment, code) in [
            (now - TimeDelta::days(8), "InvalidRestorePointInTime"),
            (now + TimeDelta::days(1), "InvalidRestorePointInTime"),
        ] {
            refused(&arm, (400, code), "PUT", &target, restore(&source, moment)).await;
        }
        let mut abroad = restore(&source, before);
        abroad["location"] = "eastus".into();
        refused(&arm, (400, "InvalidLocation"), "PUT", &target, abroad).await;
        let begun = with(&arm, 202, "PUT", &target, restore(&source, before)).await;
        assert_eq!(text(&arm.world(|world| world.server(&new).unwrap().state.clone().into())), "Creating");
        refused(&arm, (409, "ServerIsBusy"), "PUT", &target, restore(&source, before)).await;
        awaited(&arm, &begun).await;
        let server = get(&arm, &target).await;
        assert_eq!((text(&server["properties"]["state"]), text(&server["name"])), ("Ready", new.as_str()));
        assert_eq!(arm.world(|world| world.server(&new).unwrap().data().to_owned()), "one");
        refused(&arm, (409, "ServerNameAlreadyExists"), "PUT", &target, restore(&source, now)).await;
        let gone = with(&arm, 202, "DELETE", &target, Value::Null).await;
        awaited(&arm, &gone).await;
        refused(&arm, (404, "ResourceNotFound"), "GET", &target, Value::Null).await;
        with(&arm, 204, "DELETE", &target, Value::Null).await;
    }
    assert_eq!(arm.resent().len(), 2);
}

#[tokio::test]
async fn what_a_server_can_not_take_is_refused() {
    let arm = arm();
    let made = |name: &str| mysql(&format!("{name}/backups/more"));
    arm.world(|world| {
        world.add(Server::mysql("stopped").in_state("Stopped"));
        world.add(Server::postgresql("small").of_tier("Burstable"));
        for number in 0..50 {
            world.take("crm-db", &format!("b{number}"));
        }
        for number in 0..7 {
            world.take("billing-db", &format!("b{number}"));
        }
    });
    refused(&arm, (409, "ServerStopped"), "PUT", &made("stopped"), Value::Null).await;
    refused(&arm, (400, "OnDemandBackupLimitReached"), "PUT", &made("crm-db"), Value::Null).await;
    let more = postgresql("billing-db/backups/more");
    refused(&arm, (400, "OnDemandBackupLimitReached"), "PUT", &more, Value::Null).await;
    let small = postgresql("small/backups/more");
    refused(&arm, (400, "OnDemandBackupNotSupported"), "PUT", &small, Value::Null).await;
}

#[tokio::test]
async fn pages_are_linked_and_a_link_is_good_for_its_list_only() {
    let arm = arm();
    arm.world(|world| {
        world.page = 2;
        for number in 0..5 {
            world.take("crm-db", &format!("b{number}"));
        }
    });
    let (mut seen, mut target) = (BTreeSet::new(), mysql("crm-db/backups"));
    for _ in 0..3 {
        let page = get(&arm, &target).await;
        seen.extend(all(&page, "/name").into_iter().map(ToOwned::to_owned));
        target = text(&page["nextLink"]).to_owned();
    }
    assert_eq!((seen.len(), target.as_str()), (5, ""));
    let page = get(&arm, &mysql("crm-db/backups")).await;
    let other = text(&page["nextLink"]).replace("/backups?", "/backupsV2?");
    refused(&arm, (400, "InvalidSkipToken"), "GET", &other, Value::Null).await;
}

#[tokio::test]
async fn a_long_term_backup_of_postgresql_is_followed() {
    let arm = arm();
    let settings = json!({"backupSettings": {"backupName": "yearly"}});
    let ready = with(&arm, 200, "POST", &postgresql("billing-db/ltrPreBackup"), settings.clone()).await;
    assert_eq!(ready.json()["properties"]["numberOfContainers"], 1);
    let mut body = settings;
    body["targetDetails"] = json!({"sasUriList": ["https://acme.blob.example/c?sig=1"]});
    let begun = with(&arm, 202, "POST", &postgresql("billing-db/startLtrBackup"), body).await;
    awaited(&arm, &begun).await;
    let list = get(&arm, &postgresql("billing-db/ltrBackupOperations")).await;
    assert_eq!(all(&list, "/properties/status"), ["Succeeded"]);
    get(&arm, &postgresql("billing-db/ltrBackupOperations/yearly")).await;
}

#[tokio::test]
async fn the_clock_is_that_of_the_world_and_what_came_is_noted() {
    let arm = Arm::with(Server::mysql("crm-db").kept_for(35));
    arm.latency(std::time::Duration::from_millis(100));
    let (server, list) = (mysql("crm-db"), mysql("crm-db/backups"));
    tokio::join!(get(&arm, &server), get(&arm, &list));
    assert_eq!((arm.most_in_flight(), arm.answers().len()), (2, 2));
    arm.latency(std::time::Duration::ZERO);
    arm.forget_calls();
    arm.world(|world| world.set_time("2027-11-23T02:00:00Z"));
    arm.clock_ahead(TimeDelta::hours(1));
    let made = with(&arm, 200, "PUT", &mysql("crm-db/backups/one"), Value::Null).await;
    assert_names(made.header("date"), &["Tue, 23 Nov 2027 03:00:"]);
    assert_names(text(&made.json()["properties"]["completedTime"]), &["2027-11-23T02:00:", "+00:00"]);
    arm.world(|world| world.pass(TimeDelta::days(1)));
    let gone = path(&format!("Microsoft.DBforMySQL/flexibleServers/crm-db/backupsV2/{}", "one"), MYSQL_DELETION);
    with(&arm, 202, "DELETE", &gone, Value::Null).await;
    assert_eq!((arm.changes().len(), arm.calls_of("mysql.backups.put").len()), (2, 1));
    let operations: Vec<Operation> = arm.world(|world| world.operations.clone());
    assert_eq!((operations[0].kind, operations[0].is_running()), ("DeleteBackupManagementOperation", true));
    let left: Vec<Backup> = arm.world(|world| world.backups.clone());
    assert_eq!((left[0].server(), left[0].data.as_str(), left[0].service), ("crm-db", "", Service::MySql));
}
