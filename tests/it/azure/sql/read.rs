//! What is listed, found and checked, and what is said when some of it can't be.

use serde_json::{Value, json};

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::arm::{Fault, SqlServer, Trouble};

/// A database with one snapshot of each kind.
fn with_all() -> Cloud {
    let cloud = Cloud::new("");
    cloud.create("orders --key before-7");
    cloud.arm.world(|world| {
        world.add_database("shop-sql", "other");
        let expires = world.now() + chrono::TimeDelta::days(365);
        world.keep("orders", expires);
        world.keep("other", expires);
    });
    cloud
}

/// Origins and the cloud's words, newest first.
fn kinds(items: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items.iter().map(|item| (text(&item["origin"]), text(&item["provider_state"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(origin, word)| ((*origin).to_owned(), (*word).to_owned())).collect()
}

#[test]
fn all_kinds_are_listed_newest_first_and_of_this_database_only() {
    let cloud = with_all();
    let items = cloud.items("list orders");
    let expected = [("automated", "LongTermRetention"), ("owned", "Online"), ("automated", "CONTINUOUS")];
    assert_eq!(kinds(&items), pairs(&expected));
    assert!(items[0]["expires_at"].is_string() && items[0]["size_bytes"].is_null(), "{}", items[0]);
    assert_eq!((&items[0]["location"], &items[1]["engine"]), (&"northeurope".into(), &"sqlserver".into()));
    insta::assert_snapshot!(cloud.whole("list orders"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[LONG-TERM-1]  [TIME]  [AGE]  -  available  automated  sqlserver  northeurope  -  -
    orders/[COPY-1]  [TIME]  [AGE]  -  available  owned  sqlserver  northeurope  -  -
    orders/ContinuousRestorePoint  [TIME]  [AGE]  -  available  automated  sqlserver  northeurope  -  -
    ");
}

#[test]
fn what_is_left_of_a_database_that_is_gone_is_listed() {
    let cloud = with_all();
    let path = cloud.database("orders").unwrap().path();
    cloud.arm.world(|world| {
        let place = world.sql.databases.iter().position(|database| database.path() == path).unwrap();
        let mut gone = world.sql.databases.remove(place);
        gone.deleted = Some(world.now());
        world.sql.dropped.push(gone);
    });
    let items = cloud.items("list orders");
    let expected = [("automated", "Dropped"), ("automated", "LongTermRetention"), ("owned", "Online")];
    assert_eq!(kinds(&items), pairs(&expected));
    let dropped = items[0]["native_id"].as_str().unwrap();
    assert!(dropped.starts_with("orders,"), "{dropped}");
    let shown = cloud.items(&format!("show orders/{dropped}"));
    assert_eq!(shown[0]["created_at"], items[0]["created_at"]);
}

#[test]
fn a_list_that_can_not_be_had_makes_the_whole_incomplete() {
    for (method, left) in [
        ("sql.databases.list", 2),
        ("sql.restorePoints.list", 2),
        ("sql.longTermRetentionBackups.list", 2),
        ("sql.restorableDroppedDatabases.list", 3),
        ("sql.servers.get", 2),
    ] {
        let cloud = with_all();
        cloud.arm.fail(Trouble::on(method, Fault::Denied));
        let ran = cloud.exits(3, "-o json list orders");
        let document = ran.document();
        assert_eq!(document["items"].as_array().unwrap().len(), left, "{method}: {ran}");
        assert_eq!(document["errors"][0]["code"], "permission", "{method}: {ran}");
        assert_eq!(cloud.arm.fired(), 1, "{method}");
    }
    let cloud = with_all();
    cloud.arm.world(|world| world.page = 1);
    cloud.arm.fail(Trouble::on("sql.databases.list", Fault::ForeignPage));
    let ran = cloud.exits(3, "list orders");
    assert!(ran.err.contains("another server"), "{ran}");
}

#[test]
fn a_server_or_a_database_that_is_not_there_is_said_to_be_missing() {
    let cloud = Cloud::new("");
    cloud.configure(&cloud.target("orders", "nothing", ""));
    let ran = cloud.exits(4, "list orders");
    assert!(ran.err.contains("there is no database nothing on the server shop-sql"), "{ran}");
    cloud.arm.world(|world| world.sql.servers.clear());
    insta::assert_snapshot!(cloud.whole("list orders"), @"
    exit 4
    --- stderr
    error: azure_sql: cannot list orders: there is no server shop-sql in the resource group Acme-Prod
    hint: see what is there: `snapkeep targets list --discover`, then correct `server_name` or `resource_group` of [targets.orders]
    ");
    for (database, words) in [("master", "can't be its database"), ("a/b", "can't be its database")] {
        cloud.configure(&cloud.target("orders", database, ""));
        let ran = cloud.exits(2, "list orders");
        assert!(ran.err.contains(words), "{ran}");
    }
}

#[test]
fn a_snapshot_says_how_it_is_restored_without_snapkeep() {
    let cloud = with_all();
    let ids: Vec<String> =
        cloud.items("list orders").iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    for (id, words) in ids.iter().zip([
        "az sql db ltr-backup restore --backup-id '/subscriptions/",
        "az sql db copy -g Acme-Prod -s shop-sql --subscription",
        "az sql db restore -g Acme-Prod -s shop-sql --subscription",
    ]) {
        let ran = cloud.done(&format!("show {id}"));
        assert!(ran.out.contains(words), "{id}: {ran}");
    }
    cloud.exits(4, "show orders/131546477590000000");
}

#[test]
fn a_check_tells_what_azure_keeps_and_what_the_role_lacks() {
    let cloud = Cloud::new("");
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  server  ok  server shop-sql in northeurope, Ready
    orders  database  ok  database orders, GP_S_Gen5 2 (GeneralPurpose), Online
    orders  retention  ok  any moment of the last 7 days can be restored, from [TIME] on
    orders  long-term  look  Azure keeps no backup for long
                                 hint: keep one of each week for 12: az sql db ltr-policy set -n orders -s shop-sql -g Acme-Prod --weekly-retention P12W --subscription 11111111-2222-4333-8444-555555555555
    orders  snapshots  ok  they can be listed
    orders  permissions  ok  the role has the actions that are needed
    ");
    cloud.arm.world(|world| {
        world.database("orders").unwrap().long_term = ["P12W", "P12M", "P5Y"].map(ToOwned::to_owned);
        world.granted = vec!["*/read".to_owned()];
    });
    let ran = cloud.run("targets check");
    assert!(ran.out.contains("of each year (week 5) for 5 years"), "{ran}");
    assert!(ran.err.contains("lacks Microsoft.Sql/servers/databases/write"), "{ran}");
    cloud.arm.world(|world| world.database("orders").unwrap().status = "Offline".into());
    let ran = cloud.run("targets check");
    assert!(ran.out.contains("only while it is Online, and it is Offline"), "{ran}");
}

#[test]
fn every_database_of_the_subscription_is_found_but_those_of_snapkeeps_own() {
    let cloud = with_all();
    cloud.arm.world(|world| {
        world.add_sql(SqlServer::new("crm-sql").in_group(crate::support::Arm::SUBSCRIPTION, "Acme-Prod"));
        world.add_database("crm-sql", "crm");
        let scratch = world.add_database("crm-sql", "sk-verify-abcdefghijkm");
        scratch.tags = json!({"snapkeep:scratch": "orders"});
    });
    let ran = cloud.done("-o json targets list --discover");
    let found = ran.out.as_str();
    for name in ["shop-sql/other", "crm-sql/crm"] {
        assert!(found.contains(name), "{name}: {ran}");
    }
    for name in ["_sk_", "sk-verify", "master"] {
        assert!(!found.contains(name), "{name}: {ran}");
    }
}
