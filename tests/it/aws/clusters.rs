//! What is special to clusters.

use super::cloud::{Cloud, owned_by};
use crate::cli::CloudBench;
use crate::support::rds::{Database, Fault, Kind, Place, Snapshot, Trouble};
use crate::support::{Rds, assert_names};

/// A cluster with a snapshot of its target `ledger`, and one that the cloud made.
fn with_snapshots() -> Cloud {
    let cloud = Cloud::of_cluster("");
    cloud.take("sk-1", |new| owned_by("ledger", new).at("2025-11-20T02:15:00Z"));
    cloud.take("rds:ledger-prod-1", |new| new.by("automated").at("2025-11-19T02:15:00Z"));
    cloud
}

#[test]
fn clusters_have_an_api_of_their_own() {
    let cloud = with_snapshots();
    let theirs = Database::cluster("ledger-prod").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
    let shared = Snapshot::of(&theirs, "theirs").shared(Rds::ACCOUNT).at("2025-11-18T02:15:00Z");
    cloud.rds.world(|world| world.snapshots.push(shared));
    insta::assert_snapshot!(cloud.whole("list --all-origins"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    ledger/sk-1  [TIME]  [AGE]  -  available  owned  aurora-postgresql 16.4  eu-central-1  -  -
    ledger/rds:ledger-prod-1  [TIME]  [AGE]  -  available  automated  aurora-postgresql 16.4  eu-central-1  -  -
    ledger/arn:aws:rds:eu-central-1:210987654321:cluster-snapshot:theirs  [TIME]  [AGE]  -  available  shared  aurora-postgresql 16.4  eu-central-1  -  -
    ");
    cloud.create("ledger --key nightly");
    cloud.done("copy ledger/sk-1 --to-region eu-west-1");
    cloud.done(&format!("copy ledger/sk-1 --share-with {}", Rds::OTHER_ACCOUNT));
    cloud.take("by-hand", |new| new.at("2025-11-01T02:15:00Z"));
    cloud.done("adopt ledger/by-hand");
    cloud.done("delete ledger/by-hand --yes");
    cloud.exits(12, "delete ledger/rds:ledger-prod-1 --yes");
    cloud.done("targets check");
    let ran = cloud.done("doctor");
    assert_names(&ran.out, &["manual cluster snapshots in eu-central-1", "manual cluster snapshots in eu-west-1"]);
    let others = [
        "AddTagsToResource",
        "DescribeAccountAttributes",
        "DescribeDBInstances",
        "GetCallerIdentity",
        "SimulatePrincipalPolicy",
    ];
    let calls: Vec<String> = cloud.rds.calls().into_iter().map(|call| call.action).collect();
    assert!(calls.iter().all(|name| name.contains("Cluster") || others.contains(&name.as_str())), "{calls:?}");
}

#[test]
fn a_name_of_a_clusters_snapshot_is_short_enough() {
    let cloud = Cloud::of_cluster("");
    let name = "a-target-whose-name-is-as-long-as-a-targets-name-may-be-63-chars";
    let name = &name[..63];
    cloud.configure(&cloud.target(name, "db_cluster_identifier = \"ledger-prod\"", ""));
    let first = cloud.create(name);
    cloud.done(&format!("copy {first} --to-region eu-west-1"));
    let names = cloud.rds.world(|world| [world.names(Rds::REGION), world.names(Rds::ELSEWHERE)].concat());
    assert!(names.len() == 2 && names.iter().all(|name| name.len() <= 63), "{names:?}");
    assert_eq!(cloud.items("list --origin owned").len(), 2);
}

#[test]
fn a_multi_az_cluster_makes_its_own_instances() {
    let cloud = Cloud::of_cluster("");
    cloud.rds.world(|world| {
        world.databases.retain(|found| found.kind == Kind::Cluster);
        let cluster = &mut world.databases[0];
        (cluster.engine, cluster.class) = ("postgres".into(), Some("db.m6gd.large".into()));
    });
    cloud.take("sk-1", |new| owned_by("ledger", new));
    cloud.done("restore ledger/sk-1 --to again");
    assert_eq!(cloud.rds.calls_of("CreateDBInstance"), []);
    let members = cloud.rds.world(|world| world.databases.iter().filter(|found| found.cluster.is_some()).count());
    assert_eq!((members, cloud.database(Kind::Cluster, "again").unwrap().class.as_deref()), (3, Some("db.m6gd.large")));
}

#[test]
fn an_encrypted_clusters_restore_may_have_another_key() {
    let cloud = with_snapshots();
    let keys = cloud.rds.world(|world| {
        let home = world.keys.iter().filter(|key| key.arn().contains(&format!("{}:{}", Rds::REGION, Rds::ACCOUNT)));
        home.map(crate::support::rds::Key::arn).collect::<Vec<_>>()
    });
    cloud.take("sk-sealed", |new| Snapshot { key: Some(keys[0].clone()), ..owned_by("ledger", new) });
    cloud.done("restore ledger/sk-sealed --to same");
    cloud.done("restore ledger/sk-sealed --to other --set kms_key_id=alias/snapshots");
    let key = |name| cloud.database(Kind::Cluster, name).unwrap().key;
    assert_eq!((key("same"), key("other")), (Some(keys[0].clone()), Some(keys[1].clone())));
    let ran = cloud.exits(5, "restore ledger/sk-sealed --to none --set kms_key_id=alias/missing");
    assert_names(&ran.err, &["KMS key", "aws kms list-aliases --region eu-central-1"]);
}

#[test]
fn a_clusters_scratch_restore_goes_with_its_instance() {
    let cloud = with_snapshots();
    cloud.done("verify ledger/sk-1 --level restore");
    let left = cloud.rds.world(|world| world.databases.iter().map(|found| found.name.clone()).collect::<Vec<_>>());
    assert_eq!(left, ["ledger-prod-a", "ledger-prod-b", "ledger-prod"]);
}

#[test]
fn a_restore_that_nobody_waits_for_does_not_wait_for_the_cluster() {
    let cloud = with_snapshots();
    cloud.rds.world(|world| world.looks = 1);
    cloud.done("restore ledger/sk-1 --to again --no-wait");
    assert!(cloud.rds.calls_of("CreateDBInstance").len() <= 1, "it has waited until the cluster took its instance");
    cloud.done("wait ledger/restore:again");
    assert_eq!(cloud.database(Kind::Instance, "again-1").unwrap().status, "available");
}

#[test]
fn a_lost_answer_makes_one_cluster_with_one_instance_only() {
    let cloud = with_snapshots();
    cloud.rds.fail(Trouble::on("RestoreDBClusterFromSnapshot", Fault::CutAfter));
    cloud.rds.fail(Trouble::on("CreateDBInstance", Fault::CutAfter));
    cloud.done("restore ledger/sk-1 --to again");
    assert_eq!(cloud.rds.fired(), 2);
    assert_eq!(cloud.rds.world(|world| world.databases.len()), 5);
}
