//! What was begun and is not waited for: kept, shown, and gone when its end is seen.

use super::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::rds::{Fault, Trouble};

/// What is begun goes on until it [`ends`].
fn cloud() -> Cloud {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.looks = 1000);
    cloud
}

fn ends(cloud: &Cloud) {
    cloud.rds.world(|world| world.looks = 0);
}

#[test]
fn a_creation_is_shown_until_it_was_waited_for() {
    let cloud = cloud();
    insta::assert_snapshot!(cloud.whole("operations"), @"exit 0");
    insta::assert_snapshot!(cloud.whole("create orders --no-wait --key upgrade"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  running  [TIME]
    ");
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  running  [TIME]
    ");
    ends(&cloud);
    insta::assert_snapshot!(cloud.whole("-o json operations"), @r#"
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [
        {
          "id": "orders/[NEW]",
          "target": "orders",
          "snapshot": "orders/[NEW]",
          "state": "done",
          "verb": "create",
          "key": "upgrade",
          "begun_at": "[TIME]",
          "host": "[HOST]"
        }
      ],
      "errors": []
    }
    "#);
    let id = cloud.done("-o name operations").out;
    cloud.done(&format!("wait {}", id.trim()));
    insta::assert_snapshot!(cloud.whole("-o json operations orders"), @r#"
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [],
      "errors": []
    }
    "#);
}

#[test]
fn a_creation_that_was_waited_for_leaves_nothing() {
    let cloud = cloud();
    ends(&cloud);
    cloud.create("orders --key a");
    cloud.create("orders");
    assert_eq!(cloud.items("operations").len(), 0);
}

#[test]
fn waiting_that_ends_early_leaves_what_goes_on() {
    let cloud = cloud();
    cloud.exits(8, "create orders --timeout 1s");
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  running  [TIME]
    ");
    ends(&cloud);
    cloud.done("wait orders/latest");
    let id = cloud.done("-o name operations").out;
    cloud.done(&format!("wait {}", id.trim()));
    assert_eq!(cloud.items("operations").len(), 0);
}

#[test]
fn what_is_refused_was_never_begun() {
    let cloud = cloud();
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::AccessDenied));
    cloud.exits(5, "create orders --key a");
    assert_eq!(cloud.items("operations").len(), 0);
}

#[test]
fn what_never_reached_the_cloud_is_unknown_and_the_same_key_makes_it() {
    let cloud = cloud();
    ends(&cloud);
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutBefore).always());
    cloud.exits(1, "create orders --key a");
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/create:ca978112ca1bbdca  create  -  unknown  [TIME]
    ");
    let id = cloud.done("-o name operations").out;
    insta::assert_snapshot!(cloud.whole(&format!("wait {}", id.trim())), @"
    exit 4
    --- stderr
    error: orders/create:ca978112ca1bbdca was asked for, and the answer was never seen; nothing is found of it
    hint: the same key finds or makes it: `snapkeep create orders --key a`
    ");
    cloud.rds.heal();
    insta::assert_snapshot!(cloud.whole("create orders --key a"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    orders: goes on with what [HOST] began at [TIME] UTC
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    ");
    assert_eq!(cloud.items("operations").len(), 0);
}

#[test]
fn one_that_failed_or_that_nobody_knows_any_more_says_so() {
    let cloud = cloud();
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::EndsFailed));
    cloud.done("create orders --no-wait");
    ends(&cloud);
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  failed  [TIME]
    ");
    cloud.rds.world(|world| world.snapshots.clear());
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  gone  [TIME]
    ");
    let id = cloud.done("-o name operations").out;
    cloud.exits(4, &format!("wait {}", id.trim()));
    assert_eq!(cloud.items("operations").len(), 0, "who waited has seen its end");
}

#[test]
fn restores_copies_and_exports_are_shown_too() {
    let cloud = cloud();
    cloud.take("first", owned);
    cloud.done("restore orders/first --to orders-check --no-wait");
    cloud.done("copy orders/first --to-region eu-west-1 --no-wait");
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/restore:orders-check  restore  orders/first  running  [TIME]
    orders/[NEW]  copy  orders/[NEW]  running  [TIME]
    ");
    insta::assert_snapshot!(cloud.whole("operations --dry-run"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/restore:orders-check  restore  orders/first  unknown  [TIME]
    orders/[NEW]  copy  orders/[NEW]  running  [TIME]
    ");
    ends(&cloud);
    cloud.done("wait orders/restore:orders-check");
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  copy  orders/[NEW]  done  [TIME]
    ");
}

#[test]
fn what_cannot_be_asked_is_unknown_with_the_reason() {
    let cloud = cloud();
    cloud.done("create orders --no-wait");
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::AccessDenied).always());
    insta::assert_snapshot!(cloud.whole("operations"), @"
    exit 5
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  unknown  [TIME]
    --- stderr
    error: aws_rds: cannot find orders/[NEW]: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    ");
}
