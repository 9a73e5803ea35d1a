//! What may be deleted, by id and by prune, and what becomes one's own.

use chrono::{TimeDelta, Utc};

use super::cloud::{Cloud, owned, owned_by};
use crate::cli::CloudBench;
use crate::support::rds::{Fault, Trouble};
use crate::support::{Rds, assert_names};

const STATE: Fault = Fault::Refused("InvalidDBSnapshotState", "Cannot delete the snapshot because it is being copied.");
const RETENTION: &str = "\n[retention.few]\nkeep_last = 1\n";

/// Two owned snapshots, the second newer.
fn with_two() -> Cloud {
    let cloud = Cloud::of_instance("");
    for day in [19, 20] {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-11-{day}T02:15:00Z")));
    }
    cloud
}

#[test]
fn an_owned_snapshot_goes_and_what_is_gone_is_no_failure() {
    let cloud = with_two();
    cloud.done("delete orders/sk-19 --yes");
    cloud.done("delete orders/sk-19 --yes");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::REGION)), ["sk-20"]);
    assert_eq!(cloud.exits(10, "delete orders/sk-20 --yes").out, "");
}

#[test]
fn what_the_cloud_made_is_never_tried() {
    let cloud = with_two();
    cloud.take("rds:orders-prod-1", |new| new.by("automated"));
    cloud.take("awsbackup:job-1", |new| new.by("awsbackup"));
    insta::assert_snapshot!(cloud.whole("delete orders/rds:orders-prod-1 --yes"), @"
    exit 12
    --- stderr
    error: aws_rds: cannot delete orders/rds:orders-prod-1: the cloud made it, and lets nobody else delete it
    ");
    for id in ["orders/rds:orders-prod-1", "orders/awsbackup:job-1"] {
        cloud.exits(12, &format!("delete {id} --yes --force"));
    }
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn a_copy_that_took_our_tags_along_and_one_of_a_database_elsewhere_are_not_owned() {
    let cloud = with_two();
    cloud.take("by-hand", |new| owned(new).tagged("snapkeep:snapshot", "sk-20"));
    cloud.take("of-elsewhere", |new| owned(new).tagged("snapkeep:home", Rds::ELSEWHERE));
    for id in ["orders/by-hand", "orders/of-elsewhere"] {
        cloud.exits(10, &format!("delete {id} --yes"));
    }
    assert_eq!(cloud.items("list --origin manual").len(), 2);
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn where_the_database_is_not_there_nothing_is_absent() {
    let cloud = with_two();
    cloud.configure(&cloud.target("orders", "db_instance_identifier = \"orders-pord\"", ""));
    let ran = cloud.exits(4, "delete orders/sk-19 --yes");
    assert_names(&ran.err, &["there is no DB instance orders-pord"]);
    cloud.configure(&cloud.target("orders", "db_instance_identifier = \"orders-prod\"", ""));
    cloud.exits(4, "delete orders/SK-19 --yes");
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn what_is_not_owned_needs_force_and_its_whole_id() {
    let cloud = with_two();
    cloud.take("by-hand", |new| new);
    cloud.take("of-billing", |new| owned_by("billing", new));
    for id in ["orders/by-hand", "orders/of-billing"] {
        let ran = cloud.exits(10, &format!("delete {id} --yes"));
        assert_names(&ran.err, &["--force"]);
    }
    assert_eq!(cloud.rds.changes(), []);
    cloud.done("delete orders/by-hand --yes --force");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::REGION).len()), 3);
}

#[test]
fn a_state_that_forbids_it_is_waited_out() {
    let cloud = with_two();
    cloud.rds.fail(Trouble::on("DeleteDBSnapshot", STATE).times(2));
    cloud.done("delete orders/sk-19 --yes");
    assert_eq!(cloud.rds.calls_of("DeleteDBSnapshot").len(), 3);
}

#[test]
fn a_state_that_goes_on_forbidding_it_is_told_as_busy() {
    let cloud = with_two();
    cloud.rds.fail(Trouble::on("DeleteDBSnapshot", STATE).always());
    let ran = cloud.exits(6, "delete orders/sk-19 --yes");
    assert_names(&ran.err, &["its state does not permit that now", "being copied"]);
}

#[test]
fn an_adopted_snapshot_is_owned_by_its_tags() {
    let cloud = with_two();
    cloud.take("by-hand", |new| new.at("2025-11-18T02:15:00Z"));
    cloud.done("adopt orders/by-hand");
    let tags = cloud.rds.world(|world| world.snapshots[2].tags.clone());
    assert_eq!(tags["snapkeep:target"], "orders");
    std::fs::remove_dir_all(cloud.bench.path("home")).ok(); // another machine
    assert_eq!(cloud.items("list --origin owned").len(), 3);
    cloud.done("delete orders/by-hand --yes");
    cloud.take("rds:orders-prod-1", |new| new.by("automated"));
    let ran = cloud.run("adopt orders/rds:orders-prod-1");
    assert!([Some(10), Some(12)].contains(&ran.code), "{ran}");
}

#[test]
fn prune_removes_what_the_policy_does_not_keep_and_nothing_of_others() {
    let cloud = with_two();
    let target = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "retention = \"few\"");
    cloud.configure(&format!("{target}{RETENTION}"));
    for (name, day) in [("by-hand", 17), ("rds:orders-prod-1", 16)] {
        let by = if name.starts_with("rds:") { "automated" } else { "manual" };
        cloud.take(name, |new| new.by(by).at(&format!("2025-11-{day}T02:15:00Z")));
    }
    insta::assert_snapshot!(cloud.whole("prune plan --exit-code --out plan.json"), @"
    exit 20
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    orders/sk-20  [TIME]  -  keep  last 1 of 1; newest good
    orders/sk-19  [TIME]  -  remove  in no slot of keep_last
    orders/by-hand  [TIME]  -  keep  not owned: manual
    orders/rds:orders-prod-1  [TIME]  -  keep  not owned: automated
    --- stderr
    orders: keep 3, remove 1 (of unknown size), refused 0
    ");
    assert_eq!(cloud.rds.changes(), []);
    cloud.done("prune apply --plan plan.json");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::REGION)), ["sk-20", "by-hand", "rds:orders-prod-1"]);
}

#[test]
fn retention_counts_each_region_for_itself() {
    let cloud = with_two();
    let more = "retention = \"few\"\ncopy_to = [{ region = \"eu-west-1\" }]";
    let target = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", more);
    cloud.configure(&format!("{target}{RETENTION}"));
    for day in [19, 20] {
        cloud.done(&format!("copy orders/sk-{day} --to-region eu-west-1"));
    }
    cloud.done("prune apply --yes");
    let left = cloud.rds.world(|world| (world.names(Rds::REGION), world.names(Rds::ELSEWHERE)));
    assert_eq!((&left.0, left.1.len()), (&vec!["sk-20".to_owned()], 1));
    assert!(left.1[0].contains("20251120t"), "{left:?}");
}

#[test]
fn a_region_that_does_not_answer_stops_prune_in_all() {
    let cloud = with_two();
    let more = "retention = \"few\"\ncopy_to = [{ region = \"eu-west-1\" }]";
    let target = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", more);
    cloud.configure(&format!("{target}{RETENTION}"));
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::AccessDenied).in_region(Rds::ELSEWHERE).always());
    let ran = cloud.exits(5, "prune apply --yes");
    assert_names(&ran.err, &["eu-west-1"]);
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn copies_that_the_config_no_longer_names_are_still_seen() {
    let cloud = with_two();
    cloud.done("copy orders/sk-20 --to-region eu-west-1");
    assert_eq!(cloud.items("list").len(), 3, "the state remembers the region");
}

#[test]
fn a_snapshot_that_is_still_being_made_is_not_deleted_by_prune() {
    let cloud = with_two();
    let target = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "retention = \"few\"");
    cloud.configure(&format!("{target}{RETENTION}"));
    cloud.take("sk-new", |new| owned(new).in_state("creating"));
    let failed = (Utc::now() - TimeDelta::hours(30)).to_rfc3339();
    cloud.take("sk-failed", |new| owned(new).in_state("failed").at(&failed));
    cloud.done("prune apply --yes");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::REGION)), ["sk-20", "sk-new"]);
}

#[test]
fn force_is_no_way_round_a_missing_permission() {
    let cloud = with_two();
    cloud.rds.fail(Trouble::on("DeleteDBSnapshot", Fault::AccessDenied).always());
    let ran = cloud.exits(5, "delete orders/sk-19 --yes --force");
    assert_names(&ran.err, &["rds:DeleteDBSnapshot is not permitted"]);
}

#[test]
fn what_may_be_there_when_it_is_asked_again_is_no_matter_of_force() {
    let mut cloud = with_two();
    cloud.attempts = 1;
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::Throttled).always());
    let ran = cloud.exits(6, "delete orders/sk-19 --yes");
    assert_names(&ran.err, &["throttles", "try again later"]);
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn a_lost_answer_of_a_deletion_is_no_failure() {
    let cloud = with_two();
    cloud.rds.fail(Trouble::on("DeleteDBSnapshot", Fault::CutAfter));
    cloud.done("delete orders/sk-19 --yes");
    assert_eq!(cloud.rds.world(|world| world.names(Rds::REGION)), ["sk-20"]);
}
