//! Restoring each kind of snapshot, and what is refused before Azure is asked.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::Value;

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::arm::{Fault, SqlServer, Trouble};

/// Calls that make something, so far.
fn puts(cloud: &Cloud) -> usize {
    cloud.arm.calls_of("sql.databases.put").len()
}

fn data(cloud: &Cloud, name: &str) -> Option<String> {
    cloud.database(name).map(|database| database.data().to_owned())
}

#[test]
fn a_copy_is_restored_as_a_database_that_is_nobodys_copy() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    cloud.arm.world(|world| world.write_database("orders", "two"));
    insta::assert_snapshot!(cloud.whole(&format!("restore {id} --to orders-check")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    orders/[COPY-1]  orders-check
    --- stderr
    orders: restored orders/[COPY-1] to orders-check, in [DURATION]
    ");
    assert_eq!(data(&cloud, "orders-check").as_deref(), Some("one"));
    let made = cloud.made();
    let tags = made["tags"].as_object().unwrap();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["snapkeep:restore"]);
    assert_eq!(cloud.items("list orders --origin owned").len(), 1, "what was restored is no snapshot");
}

#[test]
fn what_a_restored_database_is_like_can_be_said() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    cloud.done(&format!(
        "restore {id} --to big --set sku_name=GP_Gen5 --set sku_capacity=4 --set backup_storage_redundancy=Local"
    ));
    let made = cloud.made();
    assert_eq!(made["sku"], serde_json::json!({"name": "GP_Gen5", "capacity": 4}));
    assert_eq!(made["properties"]["requestedBackupStorageRedundancy"], "Local");
    let before = puts(&cloud);
    let ran = cloud.exits(2, &format!("restore {id} --to small --set tier=Basic"));
    assert!(ran.err.contains("there is no option tier; there are backup_storage_redundancy,"), "{ran}");
    assert_eq!(puts(&cloud), before);
}

#[test]
fn long_term_backups_and_what_was_deleted_are_restored() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| {
        let expires = world.now() + TimeDelta::days(365);
        world.keep("orders", expires);
        world.write_database("orders", "two");
        world.add_database("shop-sql", "orders-2");
        let mut gone = world.sql.databases.iter().find(|database| database.name == "orders").unwrap().clone();
        gone.deleted = Some(world.now());
        world.sql.dropped.push(gone);
        world.write_database("orders", "three");
    });
    let items = cloud.items("list orders");
    let of = |word: &str| {
        let item = items.iter().find(|item| item["provider_state"] == word).unwrap();
        item["id"].as_str().unwrap().to_owned()
    };
    cloud.done(&format!("restore {} --to kept", of("LongTermRetention")));
    cloud.done(&format!("restore {} --to dropped", of("Dropped")));
    assert_eq!((data(&cloud, "kept").as_deref(), data(&cloud, "dropped").as_deref()), (Some("one"), Some("two")));
    assert_eq!(cloud.made()["properties"]["createMode"], "Restore");
}

#[test]
fn a_moment_is_restored_and_one_out_of_reach_is_not_found() {
    let cloud = Cloud::new("");
    let moment = |ago: TimeDelta| {
        let then = cloud.arm.world(|world| world.now()) - ago;
        then.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    cloud.done(&format!("restore orders --time {} --to then", moment(TimeDelta::hours(3))));
    assert_eq!(data(&cloud, "then").as_deref(), Some(""));
    assert_eq!(cloud.made()["properties"]["createMode"], "PointInTimeRestore");
    let before = puts(&cloud);
    let ran = cloud.exits(4, &format!("restore orders --time {} --to early", moment(TimeDelta::days(8))));
    assert!(ran.err.contains("the earliest moment that Azure can restore is"), "{ran}");
    let ran = cloud.exits(4, &format!("restore orders --time {} --to late", moment(-TimeDelta::hours(1))));
    assert!(ran.err.contains("it is in the future"), "{ran}");
    assert_eq!(puts(&cloud), before, "Azure is not asked");
}

#[test]
fn a_moment_of_a_database_that_is_gone_comes_from_the_one_that_was_deleted() {
    let cloud = Cloud::new("");
    let (then, id) = cloud.arm.world(|world| {
        let place = world.sql.databases.iter().position(|database| database.name == "orders").unwrap();
        let mut gone = world.sql.databases.remove(place);
        gone.deleted = Some(world.now());
        world.sql.dropped.push(gone);
        (world.now() - TimeDelta::hours(2), "orders")
    });
    let then = then.to_rfc3339_opts(SecondsFormat::Secs, true);
    cloud.done(&format!("restore {id} --time {then} --to then"));
    let made = cloud.made();
    assert_eq!(
        (&made["properties"]["createMode"], &made["properties"]["restorePointInTime"]),
        (&"Restore".into(), &Value::from(then))
    );
}

#[test]
fn names_that_are_taken_or_snapkeeps_own_are_refused_before_anything_is_made() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    let before = puts(&cloud);
    insta::assert_snapshot!(cloud.whole(&format!("restore {id} --to orders")), @"
    exit 10
    --- stderr
    error: azure_sql: cannot restore orders/[COPY-1]: there is a database orders already
    hint: choose another name with `--to NAME`
    ");
    cloud.exits(10, &format!("restore {id} --to ORDERS"));
    for name in
        ["master", "a*b", "x/y", "Acme-Prod/shop-sql/a:b", "orders_sk_20261122t021500z_7f3k", "sk-verify-abcdefghijkm"]
    {
        let ran = cloud.exits(2, &format!("restore {id} --to {name}"));
        assert!(!ran.err.is_empty(), "{name}");
    }
    cloud.exits(12, &format!("restore {id} --in-place --confirm orders"));
    cloud.exits(4, "restore orders/orders_sk_20261122t021500z_7f3k --to other");
    assert_eq!(puts(&cloud), before);
}

#[test]
fn another_server_gets_what_azure_restores_there() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    cloud.arm.world(|world| {
        world.add_sql(SqlServer { location: "West Europe".into(), ..SqlServer::new("dr-sql") });
    });
    cloud.done(&format!("restore {id} --to Acme-Prod/dr-sql/orders"));
    assert_eq!(cloud.made()["location"], "West Europe");
    let call = cloud.arm.calls_of("sql.databases.put").pop().unwrap();
    assert!(call.path().contains("/servers/dr-sql/databases/orders"), "{}", call.path());
    let point = "orders/ContinuousRestorePoint";
    let ran = cloud.exits(12, &format!("restore {point} --to Acme-Prod/dr-sql/then"));
    assert!(ran.err.contains("--set from=geo"), "{ran}");
    let ran = cloud.done(&format!("restore {point} --to Acme-Prod/dr-sql/geo --set from=geo"));
    assert!(ran.err.contains("the last backup that has arrived in another region"), "{ran}");
    assert_eq!(cloud.made()["properties"]["createMode"], "Recovery");
    let ran = cloud.exits(2, &format!("restore {id} --to Acme-Prod/dr-sql/geo2 --set from=geo"));
    assert!(ran.err.contains("name a restore point"), "{ran}");
    let ran = cloud.exits(4, &format!("restore {id} --to Acme-Prod/no-sql/orders"));
    assert!(ran.err.contains("there is no server no-sql in the resource group Acme-Prod"), "{ran}");
}

#[test]
fn a_lost_answer_makes_no_second_database() {
    for fault in [Fault::CutAfter, Fault::StatusAfter(500), Fault::Truncated] {
        let cloud = Cloud::new("");
        cloud.arm.world(|world| world.looks = 2);
        cloud.arm.fail(Trouble::on("sql.databases.put", fault.clone()));
        cloud.done("restore orders/ContinuousRestorePoint --to then");
        assert_eq!((puts(&cloud), cloud.arm.fired()), (1, 1), "{fault:?}");
    }
}

#[test]
fn a_restore_can_be_left_and_fails_in_azures_words() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| world.looks = 1000);
    let ran = cloud.done("-o json restore orders/ContinuousRestorePoint --to then --no-wait");
    let operation = ran.document()["items"][0]["id"].as_str().unwrap().to_owned();
    cloud.arm.world(|world| (0..1001).for_each(|_| world.tick()));
    cloud.done(&format!("wait {operation}"));
    cloud.exits(4, "wait orders/restore:orders");
    cloud.arm.world(|world| world.looks = 1);
    cloud.arm.fail(Trouble::on("sql.databases.put", Fault::EndsBadly("InternalServerError", "no room in the region")));
    let ran = cloud.exits(1, "restore orders/ContinuousRestorePoint --to later");
    assert!(ran.err.contains("the restore was begun and failed") && ran.err.contains("no room in the region"), "{ran}");
}
