//! Proof by restoring into a scratch database, of which nothing is left.

use serde_json::{Value, json};

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::arm::{Fault, Trouble};

#[test]
fn a_copy_is_restored_on_trial_and_nothing_is_left() {
    let cloud = Cloud::new("");
    cloud.arm.world(|world| world.looks = 1);
    let id = cloud.create("orders");
    insta::assert_snapshot!(cloud.whole(&format!("verify {id} --level restore")), @"
    exit 0
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    orders/[COPY-1]  restore  ok  restore  a scratch database was there within 0 min
    --- stderr
    orders: verified orders/[COPY-1]: restore, in [DURATION]
    ");
    assert_eq!(cloud.databases().len(), 2);
    assert_eq!(cloud.made()["tags"], json!({"snapkeep:scratch": "orders"}));
    assert_eq!(cloud.done("-o name latest orders --verified").out.trim_end(), id);
    cloud.exits(12, &format!("verify {id} --level checksum"));
}

#[test]
fn a_trial_that_azure_fails_says_nothing_about_the_copy_and_leaves_nothing() {
    let cloud = Cloud::new("");
    let id = cloud.create("orders");
    cloud.arm.world(|world| world.looks = 1);
    cloud.arm.fail(Trouble::on("sql.databases.put", Fault::EndsBadly("InternalServerError", "no room in the region")));
    let ran = cloud.exits(1, &format!("verify {id} --level restore"));
    assert!(ran.err.contains("no room in the region"), "{ran}");
    assert_eq!(cloud.databases().len(), 2);
    assert_eq!(cloud.items("list orders --origin owned")[0]["verified"], Value::Null);
}

#[test]
fn what_a_killed_trial_left_is_shown_and_swept_and_nothing_else_is() {
    let cloud = Cloud::new("");
    cloud.create("orders");
    cloud.arm.world(|world| {
        for (name, of) in [
            ("sk-verify-abcdefghijkm", Some("orders")),
            ("sk-verify-of-another", Some("crm")),
            ("sk-verify-of-somebody", None),
            ("theirs", Some("orders")),
        ] {
            let made = world.add_database("shop-sql", name);
            made.tags = of.map_or_else(|| json!({}), |of| json!({"snapkeep:scratch": of}));
        }
    });
    let ran = cloud.run("doctor");
    assert!(ran.out.contains("sk-verify-abcdefghijkm") && !ran.out.contains("sk-verify-of"), "{ran}");
    let ran = cloud.done("create orders");
    assert!(ran.err.contains("swept 1 unfinished"), "{ran}");
    let left = cloud.databases();
    assert!(!left.iter().any(|name| name == "sk-verify-abcdefghijkm"), "{left:?}");
    assert_eq!(left.len(), 6);
}
