//! Deleting what may be deleted, and saying why the rest can't be.

use chrono::TimeDelta;

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::arm::{Fault, Trouble};

#[test]
fn a_copy_is_deleted_to_its_end_and_nothing_beside_it() {
    let cloud = Cloud::new("");
    let (kept, gone) = (cloud.create("orders"), cloud.create("orders"));
    cloud.arm.world(|world| world.looks = 2);
    cloud.done(&format!("delete {gone} --yes"));
    let native = |id: &str| id.strip_prefix("orders/").unwrap().to_owned();
    assert_eq!(cloud.databases(), ["orders".to_owned(), native(&kept)]);
    cloud.done(&format!("delete {gone} --yes"));
    assert_eq!(cloud.arm.calls_of("sql.databases.delete").len(), 1);
}

#[test]
fn a_database_that_lost_its_tags_or_has_anothers_name_is_not_touched() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    let native = id.strip_prefix("orders/").unwrap().to_owned();
    let tags = cloud.database(&native).unwrap().tags;
    cloud.arm.world(|world| {
        world.database(&native).unwrap().tags = serde_json::json!({"team": "shop"});
        let theirs = world.add_database("shop-sql", "orders-of-theirs");
        theirs.tags = tags;
    });
    cloud.run(&format!("delete {id} --yes --force"));
    cloud.run("delete orders/orders-of-theirs --yes --force");
    assert!(cloud.arm.calls_of("sql.databases.delete").is_empty());
    assert_eq!(cloud.databases().len(), 3);
}

#[test]
fn a_busy_server_is_waited_for_and_a_deletion_that_fails_says_why() {
    let cloud = Cloud::new("");
    let (kept, id) = (cloud.create("orders"), cloud.create("orders"));
    cloud.arm.fail(Trouble::on("sql.databases.delete", Fault::Busy("ConflictingDatabaseOperation")));
    cloud.done(&format!("delete {kept} --yes"));
    assert_eq!(cloud.databases().len(), 2);
    cloud.create("orders");
    cloud.arm.fail(Trouble::on("sql.databases.delete", Fault::EndsBadly("InternalServerError", "it is in use")));
    let ran = cloud.exits(1, &format!("delete {id} --yes"));
    assert!(ran.err.contains("the deletion was begun and failed") && ran.err.contains("it is in use"), "{ran}");
    cloud.done(&format!("delete {id} --yes"));
}

#[test]
fn a_lost_answer_to_a_deletion_does_no_harm() {
    for fault in [Fault::CutAfter, Fault::Status(503), Fault::CutBefore, Fault::Throttled(Some(0))] {
        let cloud = Cloud::new("");
        let (id, _kept) = (cloud.create("orders"), cloud.create("orders"));
        cloud.arm.fail(Trouble::on("sql.databases.delete", fault.clone()));
        cloud.done(&format!("delete {id} --yes"));
        assert_eq!((cloud.databases().len(), cloud.arm.fired()), (2, 1), "{fault:?}");
    }
}

#[test]
fn a_deletion_that_can_not_be_looked_at_is_followed_until_the_copy_is_gone() {
    let cloud = Cloud::new("");
    let (id, _kept) = (cloud.create("orders"), cloud.create("orders"));
    cloud.arm.world(|world| {
        world.looks = 3;
        world.denied.insert("Microsoft.Sql/locations/databaseAzureAsyncOperation/read".to_owned());
    });
    cloud.done(&format!("delete {id} --yes"));
    assert_eq!(cloud.databases().len(), 2);
}

#[test]
fn long_term_backups_are_deleted_unless_they_are_immutable() {
    let cloud = Cloud::new("");
    cloud.create("orders");
    let [kept, locked] = [false, true].map(|immutable| {
        cloud.arm.world(|world| {
            let expires = world.now() + TimeDelta::days(365);
            let backup = world.keep("orders", expires);
            backup.immutable = immutable;
            format!("orders/{}", backup.name)
        })
    });
    cloud.done(&format!("delete {kept} --yes --force"));
    let items = cloud.items("list orders --origin automated");
    let item = items.iter().find(|item| item["id"] == locked.as_str()).unwrap();
    assert_eq!(item["locked_until"], item["expires_at"]);
    let ran = cloud.exits(10, &format!("delete {locked} --yes --force"));
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 10
    --- stderr
    error: azure_sql: cannot delete orders/[LONG-TERM-1]: it is immutable until [TIME], and locked
    hint: it goes by itself when it expires
    ");
    assert_eq!(cloud.arm.world(|world| world.sql.kept.len()), 1);
}

#[test]
fn what_azure_ends_by_itself_nobody_deletes() {
    let cloud = Cloud::new("");
    cloud.create("orders");
    insta::assert_snapshot!(cloud.whole("delete orders/ContinuousRestorePoint --yes --force"), @"
    exit 12
    --- stderr
    error: azure_sql: cannot delete orders/ContinuousRestorePoint: Azure keeps a restore point for as long as backups are retained, and nobody can delete it
    hint: it goes by itself; shorten the retention: az sql db str-policy set --retention-days DAYS
    ");
    cloud.arm.world(|world| {
        let mut gone = world.database("orders").unwrap().clone();
        gone.deleted = Some(world.now());
        world.sql.dropped.push(gone);
    });
    let items = cloud.items("list orders --origin automated");
    let dropped = items.iter().find(|item| item["provider_state"] == "Dropped").unwrap();
    cloud.exits(12, &format!("delete {} --yes --force", dropped["id"].as_str().unwrap()));
}
