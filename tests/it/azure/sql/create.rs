//! Making copies: once for a key, whatever becomes of an answer.

use chrono::TimeDelta;
use snapkeep_providers::conformance::{Fixture, await_available};
use snapkeep_providers::model::{CreateRequest, ListScope, OperationState};
use snapkeep_providers::{ErrorKind, Run};

use super::cloud::Cloud;
use super::conformance::Simulated;
use crate::cli::CloudBench;
use crate::support::arm::{Fault, Links, Trouble};

fn keyed() -> CreateRequest {
    CreateRequest { key: Some("before-7".into()), ..CreateRequest::default() }
}

#[test]
fn a_copy_says_in_its_tags_whose_it_is() {
    let cloud = Cloud::new("tags = { team = \"shop\" }");
    let ran = cloud.done("create orders --key before-7 --tag app=1.9");
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[COPY-1]  [TIME]  [AGE]  -  available  owned  sqlserver  northeurope  -  -
    --- stderr
    orders: made orders/[COPY-1] in northeurope, in [DURATION]
    ");
    let made = cloud.made();
    let copy = cloud.databases().pop().unwrap();
    let tags = serde_json::json!({
        "app": "1.9", "team": "shop", "snapkeep:target": "orders", "snapkeep:database": "orders", "snapkeep:copy": copy,
        "snapkeep:key": "before-7",
    });
    assert_eq!((&made["tags"], &made["location"]), (&tags, &"northeurope".into()));
    assert_eq!(made["properties"]["createMode"], "Copy");
    assert!(made.get("sku").is_none(), "it is as large as the database");
    assert_eq!(cloud.database(&copy).unwrap().data(), "one");
    let item = &cloud.items("list orders --origin owned")[0];
    assert_eq!((&item["key"], &item["tags"]["app"]), (&"before-7".into(), &"1.9".into()));
    assert_eq!(item["tags"].as_object().unwrap().len(), 2, "ours are not shown: {item}");
}

#[test]
fn an_operation_can_be_left_and_taken_up_again() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| world.looks = 1000);
    let ran = cloud.done("-o json create orders --key k --no-wait");
    let operation = ran.document()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ran.document()["items"][0]["state"], "running");
    cloud.exits(8, &format!("wait {operation} --timeout 1s"));
    let again = cloud.done("-o json create orders --key k --no-wait");
    assert_eq!(again.document()["items"][0]["id"], operation, "it is followed, not begun again");
    cloud.arm.world(|world| (0..1000).for_each(|_| world.tick()));
    cloud.done(&format!("wait {operation}"));
    assert_eq!((cloud.databases().len(), cloud.arm.calls_of("sql.databases.put").len()), (2, 1));
    cloud.exits(4, "wait orders/orders_sk_20261122t021500z_7f3k");
    cloud.exits(4, "wait orders/no-such-operation");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_copy() {
    for (fault, made) in [
        (Fault::CutAfter, 1),
        (Fault::StatusAfter(500), 1),
        (Fault::Truncated, 1),
        (Fault::CutBefore, 0),
        (Fault::Status(503), 0),
        (Fault::Html(502), 0),
    ] {
        let simulated = Simulated::new(3, 20).await;
        simulated.arm.fail(Trouble::on("sql.databases.put", fault.clone()));
        let begun = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
        assert!(matches!(begun.state, OperationState::Running { .. }), "{fault:?}: {begun:?}");
        let again = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
        assert_eq!((again.id.clone(), simulated.others()), (begun.id.clone(), made), "{fault:?}");
        if made == 1 {
            await_available(&simulated, again).await;
        } else {
            simulated.wait(TimeDelta::minutes(6));
            let polled = simulated.provider.poll(&begun.id).await.unwrap();
            let OperationState::Failed(error) = polled.state else { panic!("{fault:?}: {polled:?}") };
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let anew = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
            assert_ne!(anew.id, begun.id, "{fault:?}");
            await_available(&simulated, anew).await;
        }
        assert_eq!(simulated.others(), 1, "{fault:?}");
        assert_eq!(simulated.arm.resent(), [""; 0], "{fault:?}");
    }
}

#[tokio::test]
async fn an_operation_is_followed_by_whatever_its_answer_says() {
    for links in [Links::Both, Links::OnlyLocation, Links::OnlyAsyncOperation] {
        let simulated = Simulated::new(2, 20).await;
        simulated.arm.world(|world| (world.links, world.odd_words) = (links, true));
        let begun = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
        await_available(&simulated, begun).await;
    }
    let simulated = Simulated::new(2, 20).await;
    simulated.arm.fail(Trouble::on("sql.databases.put", Fault::ForeignOperation));
    let begun = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
    await_available(&simulated, begun).await;
}

#[test]
fn a_role_that_may_not_look_at_operations_sees_copies_end_all_the_same() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| {
        world.looks = 2;
        world.denied.insert("Microsoft.Sql/locations/databaseAzureAsyncOperation/read".to_owned());
    });
    cloud.create("orders");
    cloud.done("restore orders/latest --to orders-check");
    assert_eq!(cloud.databases().len(), 3);
}

#[test]
fn old_copies_are_pruned_and_the_database_and_what_azure_keeps_are_not() {
    let cloud = Cloud::new("retention = \"r\"\n[retention.r]\nkeep_last = 1");
    let ids = [0, 1, 2].map(|_| cloud.create("orders"));
    cloud.arm.world(|world| {
        world.add_database("shop-sql", "orders_copy");
        world.keep("orders", world.now());
    });
    let ran = cloud.done("prune apply orders --yes");
    let newest = ids[2].strip_prefix("orders/").unwrap();
    assert_eq!(cloud.databases(), ["orders", newest, "orders_copy"], "{ran}");
    assert_eq!(cloud.arm.world(|world| world.sql.kept.len()), 1);
}

#[tokio::test]
async fn another_machine_follows_by_what_is_there() {
    let simulated = Simulated::new(4, 20).await;
    let begun = simulated.provider.create(&keyed(), &Run::silent()).await.unwrap();
    let elsewhere = simulated.elsewhere().await;
    let found = elsewhere.create(&keyed(), &Run::silent()).await.unwrap();
    assert_eq!(found.id, begun.id);
    for _ in 0..10 {
        simulated.arm.tick();
    }
    let polled = elsewhere.poll(&begun.id).await.unwrap();
    assert!(matches!(polled.state, OperationState::Done(_)), "{polled:?}");
    assert_eq!(simulated.provider.list(ListScope::Own).await.unwrap().snapshots.len(), 1);
}

#[test]
fn a_copy_that_fails_says_why_and_its_key_is_free_again() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| world.looks = 1);
    cloud.arm.fail(Trouble::on("sql.databases.put", Fault::EndsBadly("InternalServerError", "the disk is on fire")));
    let ran = cloud.exits(1, "create orders --key k");
    assert!(ran.err.contains("it was begun and failed") && ran.err.contains("the disk is on fire"), "{ran}");
    cloud.create("orders --key k");
    assert_eq!(cloud.databases().len(), 2);
    let done = Cloud::new("");
    done.arm.fail(Trouble::on("sql.databases.put", Fault::EndsBadlyButDone("InternalServerError", "it took long")));
    done.create("orders --key k");
    done.create("orders --key k");
    assert_eq!(done.databases().len(), 2, "what is there and whole is a snapshot");
}

#[test]
fn what_can_not_be_made_says_why() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| world.database("orders").unwrap().status = "Offline".into());
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 1
    --- stderr
    error: azure_sql: cannot snapshot orders: the database is Offline, and Azure copies it only while it is Online
    hint: look at it: az sql db show -n orders -s shop-sql -g Acme-Prod --subscription 11111111-2222-4333-8444-555555555555
    ");
    cloud.arm.world(|world| world.database("orders").unwrap().status = "Restoring".into());
    cloud.exits(6, "create orders");
    cloud.arm.world(|world| {
        world.database("orders").unwrap().status = "Online".into();
        world.denied.insert("Microsoft.Sql/servers/databases/write".to_owned());
    });
    let ran = cloud.exits(5, "create orders");
    assert!(ran.err.contains("the role lacks the action Microsoft.Sql/servers/databases/write"), "{ran}");
    cloud.arm.world(|world| world.denied.clear());
    let ran = cloud.exits(2, "create orders --tag a/b=x");
    assert!(ran.err.contains("no '/' in a tag's name"), "{ran}");
    assert_eq!(cloud.databases(), ["orders"]);
    cloud.arm.world(|world| world.sql.databases.retain(|database| database.name == "master"));
    let ran = cloud.exits(4, "create orders");
    assert!(ran.err.contains("there is no database orders on the server shop-sql"), "{ran}");
}

#[test]
fn a_busy_server_is_waited_for() {
    let cloud = Cloud::new("");
    for line in ["create orders", "restore orders/latest --to orders-check"] {
        cloud.arm.fail(Trouble::on("sql.databases.put", Fault::Busy("ConflictingDatabaseOperation")));
        let ran = cloud.done(line);
        assert!(ran.err.contains("waiting for the server shop-sql"), "{ran}");
    }
    assert_eq!(cloud.databases().len(), 3);
}

#[test]
fn copies_are_neither_copied_nor_shared() {
    let cloud = Cloud::new("");
    cloud.create("orders");
    let ran = cloud.exits(12, "copy orders/latest --to-region westeurope");
    assert!(ran.err.contains("--to RG/SERVER/NAME"), "{ran}");
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_leaves_nothing() {
    let (simulated, run) = (Simulated::new(0, 20).await, Run::silent());
    run.cancel.cancel();
    let created = simulated.provider().create(&keyed(), &run).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(simulated.others(), 0);
}
