//! Copies in other regions, and what other accounts may use.

use std::process::Stdio;

use super::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::rds::{Database, Fault, Place, Snapshot, Trouble};
use crate::support::{Rds, assert_names};

/// One owned snapshot, encrypted with this key of its region, or not at all.
fn with_snapshot(key: Option<&str>) -> Cloud {
    let cloud = Cloud::of_instance("");
    let key = key.map(|alias| format!("arn:aws:kms:{}:{}:{alias}", Rds::REGION, Rds::ACCOUNT));
    cloud.take("sk-1", |new| {
        let new = owned(new).at("2025-11-20T02:15:00Z").tagged("team", "orders").tagged("aws:cloudformation", "x");
        Snapshot { key, ..new }
    });
    cloud
}

const CUSTOMER: Option<&str> = Some("key/customer");
const AWS_MANAGED: Option<&str> = Some("key/aws-managed");

#[test]
fn a_region_that_has_no_copy_in_the_end_is_not_looked_at_again() {
    let cloud = with_snapshot(CUSTOMER);
    cloud.exits(2, "copy orders/sk-1 --to-region eu-nowhere-1 --kms-key-id k");
    cloud.exits(2, "copy orders/sk-1 --to-region eu-west-1"); // for want of a key
    cloud.rds.forget_calls();
    cloud.done("list");
    assert!(cloud.rds.calls().iter().all(|call| call.region() == Rds::REGION));
}

#[test]
fn a_copy_is_made_once_and_without_tags_of_aws() {
    let cloud = with_snapshot(None);
    cloud.rds.world(|world| world.looks = 1);
    insta::assert_snapshot!(cloud.whole("copy orders/sk-1 --to-region eu-west-1"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-west-1  -  -
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    orders: made orders/[NEW] in eu-west-1, in [DURATION]
    ");
    cloud.done("copy orders/sk-1 --to-region eu-west-1");
    let calls = cloud.rds.calls_of("CopyDBSnapshot");
    assert_eq!((calls.len(), calls[0].region()), (1, Rds::ELSEWHERE));
    let tags: Vec<String> = calls[0].tags().into_keys().collect();
    let ours = [
        "snapkeep:copy-of",
        "snapkeep:created-at",
        "snapkeep:home",
        "snapkeep:snapshot",
        "snapkeep:target",
        "snapkeep:tool",
        "team",
    ];
    assert_eq!(tags, ours);
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/sk-1  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-west-1  -  -
    ");
}

#[test]
fn an_encrypted_copy_abroad_needs_a_key_before_anything_is_called() {
    let cloud = with_snapshot(CUSTOMER);
    insta::assert_snapshot!(cloud.whole("copy orders/sk-1 --to-region eu-west-1"), @"
    exit 2
    --- stderr
    error: aws_rds: cannot copy orders/sk-1: it is encrypted, and keys are a region's own: the copy needs a KMS key of eu-west-1
    hint: name one: `--kms-key-id KEY`, or `kms_key_id` in copy_to
    ");
    assert_eq!(cloud.rds.changes(), []);
    cloud.done("copy orders/sk-1 --to-region eu-west-1 --kms-key-id alias/snapshots");
    assert_eq!(cloud.items("list")[1]["encrypted"], true);
}

#[test]
fn a_kms_key_that_is_not_there_is_told_with_how_to_find_one() {
    let cloud = with_snapshot(CUSTOMER);
    insta::assert_snapshot!(cloud.whole("copy orders/sk-1 --to-region eu-west-1 --kms-key-id alias/missing"), @"
    exit 5
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    error: aws_rds: cannot copy orders/sk-1 to eu-west-1: the KMS key isn't there, isn't enabled, or isn't permitted
    caused by: KMSKeyNotAccessibleFault: The specified KMS key [alias/missing] does not exist, is not enabled or you do not have permissions to access it.
    hint: see the keys of the region: aws kms list-aliases --region eu-west-1
    ");
}

#[test]
fn a_lost_answer_makes_one_copy_only() {
    let cloud = with_snapshot(None);
    cloud.rds.fail(Trouble::on("CopyDBSnapshot", Fault::CutAfter));
    cloud.done("copy orders/sk-1 --to-region eu-west-1");
    assert_eq!((cloud.rds.fired(), cloud.rds.world(|world| world.names(Rds::ELSEWHERE).len())), (1, 1));
}

#[test]
fn a_copy_that_failed_is_made_again_under_another_name() {
    let cloud = with_snapshot(None);
    cloud.rds.fail(Trouble::on("CopyDBSnapshot", Fault::EndsFailed));
    let ran = cloud.exits(1, "copy orders/sk-1 --to-region eu-west-1");
    assert_names(&ran.err, &["failed"]);
    cloud.done("copy orders/sk-1 --to-region eu-west-1");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::ELSEWHERE).len()), 2);
    assert_eq!(cloud.items("list --state available").len(), 2);
}

#[test]
fn copies_queue_under_amazons_cap() {
    let cloud = with_snapshot(None);
    cloud.rds.world(|world| {
        let (under_way, from) = (Database::instance("billing"), Place::home());
        let copy = Snapshot::of(&under_way, "busy").in_state("copying");
        let copy_of = Some(("arn:aws:rds:eu-central-1:123456789012:snapshot:busy".into(), from));
        world.take(Snapshot { place: Place::new(Rds::ACCOUNT, Rds::ELSEWHERE), copy_of, ..copy });
        world.copies_at_once = 1;
    });
    let mut child = cloud.command();
    child.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.args("copy orders/sk-1 --to-region eu-west-1".split(' ')).spawn().unwrap();
    crate::cli::until("the copy was refused", || (!cloud.rds.calls_of("CopyDBSnapshot").is_empty()).then_some(()));
    cloud.rds.world(|world| world.snapshots.retain(|one| one.name != "busy"));
    assert!(child.wait().unwrap().success());
    assert_eq!(cloud.rds.world(|world| world.names(Rds::ELSEWHERE).len()), 1);
}

#[test]
fn a_snapshot_is_shared_and_taken_back() {
    let cloud = with_snapshot(CUSTOMER);
    let other = Rds::OTHER_ACCOUNT;
    insta::assert_snapshot!(cloud.whole(&format!("copy orders/sk-1 --share-with {other}")), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/sk-1  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    orders/sk-1: other accounts that can restore it: 210987654321
    ");
    assert_eq!(cloud.rds.world(|world| world.snapshots[0].shared_with.iter().cloned().collect::<Vec<_>>()), [other]);
    cloud.done(&format!("copy orders/sk-1 --unshare-with {other}"));
    assert!(cloud.rds.world(|world| world.snapshots[0].shared_with.is_empty()));
}

#[test]
fn sharing_with_everybody_is_refused() {
    let cloud = with_snapshot(None);
    let ran = cloud.run("copy orders/sk-1 --share-with all");
    assert!([Some(10), Some(2)].contains(&ran.code), "{ran}");
    assert_eq!(cloud.rds.changes(), [], "{ran}");
}

#[test]
fn a_snapshot_under_the_key_that_aws_manages_is_not_shared() {
    let cloud = with_snapshot(AWS_MANAGED);
    let line = format!("copy orders/sk-1 --share-with {}", Rds::OTHER_ACCOUNT);
    insta::assert_snapshot!(cloud.whole(&line), @"
    exit 12
    --- stderr
    error: aws_rds: cannot share orders/sk-1: it is encrypted with the key that AWS manages, which no other account can use
    hint: copy it under a key of your own: `snapkeep copy orders/sk-1 --to-region eu-central-1 --kms-key-id KEY --share-with ACCOUNT`
    ");
    assert_eq!(cloud.rds.changes(), []);
    // who may not look at the key leaves it to AWS to refuse
    cloud.rds.fail(Trouble::on("DescribeKey", Fault::AccessDenied).always());
    let ran = cloud.run(&line);
    assert_ne!(ran.code, Some(0), "{ran}");
    assert_eq!(cloud.rds.calls_of("ModifyDBSnapshotAttribute").len(), 1);
}

#[test]
fn what_the_cloud_made_is_not_shared() {
    let cloud = Cloud::of_instance("");
    cloud.take("rds:orders-prod-1", |new| new.by("automated"));
    cloud.exits(12, &format!("copy orders/rds:orders-prod-1 --share-with {}", Rds::OTHER_ACCOUNT));
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn what_another_account_shares_can_be_copied_and_then_is_ours() {
    let cloud = Cloud::of_instance("");
    let theirs = Database::instance("orders-prod").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
    let arn = cloud.rds.world(|world| world.take(Snapshot::of(&theirs, "theirs").shared(Rds::ACCOUNT)).arn());
    cloud.done(&format!("copy orders/{arn} --to-region {}", Rds::REGION));
    let items = cloud.items("list");
    assert_eq!((items.len(), &items[0]["origin"]), (1, &"owned".into()), "{items:?}");
}

#[test]
fn a_copy_can_be_restored_shown_and_deleted_where_it_is() {
    let cloud = with_snapshot(None);
    let copy = cloud.done("-q -o name copy orders/sk-1 --to-region eu-west-1").out.trim_end().to_owned();
    assert_names(&cloud.done(&format!("show {copy}")).out, &["eu-west-1"]);
    cloud.done(&format!("restore {copy} --to again --no-wait"));
    assert_eq!(cloud.rds.calls_of("RestoreDBInstanceFromDBSnapshot")[0].region(), Rds::ELSEWHERE);
    cloud.done(&format!("delete {copy} --yes"));
    let left = cloud.rds.world(|world| (world.names(Rds::REGION), world.names(Rds::ELSEWHERE)));
    assert_eq!(left, (vec!["sk-1".to_owned()], Vec::new()));
}
