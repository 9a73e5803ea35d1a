//! Restoring, to snapshots and to moments, and exporting.

use chrono::{TimeDelta, Utc};

use super::cloud::{Cloud, owned, owned_by};
use crate::cli::CloudBench;
use crate::support::rds::{Database, Fault, Kind, Place, Snapshot, Trouble};
use crate::support::{Rds, assert_names};

/// An owned snapshot of what was there before.
fn with_snapshot() -> Cloud {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", |new| owned(new).at("2025-11-20T02:15:00Z"));
    cloud.rds.world(|world| world.databases[0].write("orders of later"));
    cloud
}

#[test]
fn a_new_instance_is_as_the_source_is() {
    let cloud = with_snapshot();
    cloud.rds.world(|world| world.looks = 1);
    insta::assert_snapshot!(cloud.whole("restore orders/sk-1 --to Orders-Copy"), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    orders/sk-1  orders-copy
    --- stderr
    orders: restored orders/sk-1 to orders-copy, in [DURATION]
    ");
    let source = cloud.database(Kind::Instance, "orders-prod").unwrap();
    let made = cloud.database(Kind::Instance, "orders-copy").unwrap();
    assert_eq!((made.status.as_str(), made.content.as_str()), ("available", "orders of today"));
    assert_eq!(source.content, "orders of later");
    let shape = |of: &Database| {
        let Database { class, port, subnet_group, security_groups, parameter_group, option_group, .. } = of.clone();
        let Database { multi_az, deletion_protection, public, iam_authentication, copy_tags, minor_upgrades, .. } = *of;
        let flags = [multi_az, deletion_protection, public, iam_authentication, copy_tags, minor_upgrades];
        (class, port, subnet_group, security_groups, parameter_group, option_group, flags)
    };
    assert_eq!(shape(&made), shape(&source));
}

#[test]
fn what_is_set_wins_over_the_source() {
    let cloud = with_snapshot();
    cloud.rds.world(|world| world.groups = vec!["small".into(), "loose".into(), "other".into()]);
    let set = [
        "db_instance_class=db.t4g.micro",
        "port=6000",
        "multi_az=false",
        "deletion_protection=false",
        "publicly_accessible=true",
        "iam_database_authentication=false",
        "copy_tags_to_snapshot=false",
        "auto_minor_version_upgrade=true",
        "db_subnet_group_name=small",
        "db_parameter_group_name=loose",
        "option_group_name=other",
        "vpc_security_group_ids=sg-1,sg-2",
        "availability_zone=eu-central-1c",
        "storage_type=io2",
        "iops=4000",
    ];
    let options: String = set.iter().map(|option| format!(" --set {option}")).collect();
    cloud.done(&format!("restore orders/sk-1 --to again{options}"));
    let made = cloud.database(Kind::Instance, "again").unwrap();
    assert_eq!((made.class.as_deref(), made.port, made.iops), (Some("db.t4g.micro"), 6000, Some(4000)));
    assert_eq!((made.subnet_group.as_str(), made.parameter_group.as_str()), ("small", "loose"));
    assert_eq!((made.option_group.as_str(), made.zone.as_str()), ("other", "eu-central-1c"));
    assert_eq!((made.storage_type.as_str(), made.security_groups), ("io2", vec!["sg-1".into(), "sg-2".into()]));
    let flags = [made.multi_az, made.deletion_protection, made.public, made.iam_authentication, made.copy_tags];
    assert_eq!((flags, made.minor_upgrades), ([false, false, true, false, false], true));
}

#[test]
fn an_option_that_is_none_or_has_a_bad_value_is_refused_before_any_change() {
    let cloud = with_snapshot();
    for (option, named) in [
        ("prot=1", "port"),
        ("port=many", "port"),
        ("multi_az=perhaps", "multi_az"),
        ("db_cluster_parameter_group_name=x", "cluster"),
    ] {
        let ran = cloud.exits(2, &format!("restore orders/sk-1 --to again --set {option}"));
        assert_names(&ran.err, &[named]);
    }
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn a_group_that_is_not_there_is_told_with_what_to_set() {
    let cloud = with_snapshot();
    insta::assert_snapshot!(cloud.whole("restore orders/sk-1 --to again --set db_subnet_group_name=missing"), @"
    exit 4
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: something that it names isn't there
    caused by: DBSubnetGroupNotFoundFault: DB subnet group 'missing' does not exist.
    hint: name one that is there with `--set NAME=VALUE`
    ");
}

#[test]
fn nothing_is_restored_onto_the_source_or_over_what_is_there() {
    let cloud = with_snapshot();
    cloud.rds.world(|world| world.add(Database::instance("taken")).content = "precious".into());
    insta::assert_snapshot!(cloud.whole("restore orders/sk-1 --to taken"), @"
    exit 10
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: there is a DB instance taken already
    hint: choose another name with `--to NAME`; if it is from an earlier try: `snapkeep wait orders/restore:taken`
    ");
    let ran = cloud.exits(10, "restore orders/sk-1 --to Orders-Prod");
    assert_names(&ran.err, &["the source itself"]);
    cloud.exits(12, "restore orders/sk-1 --in-place --confirm orders");
    cloud.exits(2, "restore orders/sk-1 --to no_such_name");
    assert_eq!(cloud.rds.changes(), []);
    assert_eq!(cloud.database(Kind::Instance, "taken").unwrap().content, "precious");
}

#[test]
fn a_lost_answer_makes_one_instance_only() {
    let cloud = with_snapshot();
    cloud.rds.fail(Trouble::on("RestoreDBInstanceFromDBSnapshot", Fault::CutAfter));
    cloud.done("restore orders/sk-1 --to again");
    assert_eq!((cloud.rds.fired(), cloud.rds.world(|world| world.databases.len())), (1, 2));
}

#[test]
fn a_restore_that_fails_ends_the_wait() {
    let cloud = with_snapshot();
    cloud.rds.fail(Trouble::on("RestoreDBInstanceFromDBSnapshot", Fault::EndsFailed));
    insta::assert_snapshot!(cloud.whole("restore orders/sk-1 --to again"), @"
    exit 1
    --- stderr
    error: aws_rds: cannot restore orders/restore:again: AWS gave up on again: its state is incompatible-restore
    hint: see why: aws rds describe-events --source-type db-instance --source-identifier again --region eu-central-1
    ");
}

#[test]
fn a_restore_can_be_waited_for_later() {
    let cloud = with_snapshot();
    cloud.rds.world(|world| world.looks = 2);
    let ran = cloud.done("-o json restore orders/sk-1 --to again --no-wait");
    assert_eq!(ran.document()["items"][0]["id"], "orders/restore:again", "{ran}");
    insta::assert_snapshot!(cloud.whole("wait orders/restore:again"), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    -  again
    ");
    cloud.exits(4, "wait orders/restore:another");
}

#[test]
fn a_moment_between_snapshots_comes_back() {
    let cloud = with_snapshot();
    let between = Utc::now() - TimeDelta::hours(1);
    cloud
        .rds
        .world(|world| world.databases[0].past = vec![(Utc::now() - TimeDelta::minutes(30), "an hour ago".into())]);
    let moment = between.format("%Y-%m-%dT%H:%M:%SZ");
    cloud.done(&format!("restore orders --time {moment} --to again"));
    let made = cloud.database(Kind::Instance, "again").unwrap();
    assert_eq!((made.content.as_str(), made.port, made.multi_az), ("an hour ago", 5433, true));
    let ran = cloud.run("restore orders --time 2099-01-01T00:00:00Z --to future");
    assert_ne!(ran.code, Some(0), "{ran}");
    assert_names(&ran.err, &["latest moment"]);
    assert_eq!(cloud.rds.changes().len(), 1);
}

#[test]
fn a_restored_cluster_gets_an_instance_like_the_sources() {
    let cloud = Cloud::of_cluster("");
    cloud.take("sk-1", |new| owned_by("ledger", new));
    cloud.done("restore ledger/sk-1 --to again");
    let made = cloud.database(Kind::Cluster, "again").unwrap();
    assert_eq!((made.content.as_str(), made.port, made.deletion_protection), ("ledger of today", 5433, true));
    assert_eq!((made.parameter_group.as_str(), made.subnet_group.as_str()), ("tuned-aurora-postgresql16", "private"));
    let member = cloud.database(Kind::Instance, "again-1").unwrap();
    assert_eq!((member.cluster.as_deref(), member.class.as_deref()), (Some("again"), Some("db.r6g.large")));
    assert_eq!((member.status.as_str(), member.parameter_group.as_str()), ("available", "tuned-postgres16"));
    let between = (Utc::now() - TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ");
    cloud.done(&format!("restore ledger --time {between} --to then --set db_instance_class=db.t4g.medium"));
    assert_eq!(cloud.database(Kind::Instance, "then-1").unwrap().class.as_deref(), Some("db.t4g.medium"));
}

#[test]
fn a_cluster_whose_instance_was_not_begun_gets_it_when_the_restore_is_waited_for() {
    let mut cloud = Cloud::of_cluster("");
    cloud.attempts = 1;
    cloud.take("sk-1", |new| owned_by("ledger", new));
    cloud.rds.fail(Trouble::on("CreateDBInstance", Fault::Throttled).always());
    let ran = cloud.run("restore ledger/sk-1 --to again");
    assert_ne!(ran.code, Some(0), "{ran}");
    cloud.rds.heal();
    cloud.done("wait ledger/restore:again --timeout 5s");
    assert!(cloud.database(Kind::Instance, "again-1").is_some());
}

#[test]
fn a_shared_snapshot_is_restored_by_its_arn() {
    let cloud = Cloud::of_instance("");
    let theirs = Database::instance("orders-prod").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
    let arn = cloud.rds.world(|world| world.take(Snapshot::of(&theirs, "theirs").shared(Rds::ACCOUNT)).arn());
    cloud.done(&format!("restore orders/{arn} --to again"));
    assert!(cloud.database(Kind::Instance, "again").is_some());
}

const EXPORT: &str =
    "export = { iam_role_arn = \"arn:aws:iam::123456789012:role/export\", kms_key_id = \"alias/snapshots\" }";

#[test]
fn an_export_is_waited_for_and_not_begun_twice() {
    let cloud = Cloud::of_instance(EXPORT);
    cloud.take("sk-1", owned);
    cloud.rds.world(|world| world.looks = 1);
    let first = cloud.done("-o json export orders/sk-1 --to s3://archive/rds/orders");
    let again = cloud.done("-o json export orders/sk-1 --to s3://archive/rds/orders");
    assert_eq!(first.document()["items"], again.document()["items"]);
    let begun = cloud.rds.calls_of("StartExportTask");
    assert_eq!((begun.len(), begun[0].get("S3BucketName")), (1, Some("archive")));
    assert_eq!(begun[0].get("S3Prefix"), Some("rds/orders"));
    assert!(begun[0].get("ExportTaskIdentifier").unwrap().len() <= 60);
}

#[test]
fn an_export_can_be_waited_for_later_and_tells_how_it_failed() {
    let cloud = Cloud::of_instance(EXPORT);
    cloud.take("sk-1", owned);
    cloud.rds.world(|world| world.looks = 1);
    cloud.rds.fail(Trouble::on("StartExportTask", Fault::EndsFailed));
    let ran = cloud.done("-o json export orders/sk-1 --to s3://archive --no-wait");
    let id = ran.document()["items"][0]["operation"].as_str().unwrap().to_owned();
    let ran = cloud.exits(1, &format!("wait {id}"));
    assert_names(&ran.err, &["The bucket is in another account."]);
}

#[test]
fn an_export_needs_a_role_and_a_key() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", owned);
    insta::assert_snapshot!(cloud.whole("export orders/sk-1 --to s3://archive"), @"
    exit 2
    --- stderr
    error: aws_rds: cannot export orders/sk-1: RDS needs a role to write with
    hint: name it: `--iam-role-arn`, or iam_role_arn in [targets.orders.export]
    ");
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn a_snapshot_is_proven_by_a_scratch_instance_that_goes_again() {
    let cloud = with_snapshot();
    insta::assert_snapshot!(cloud.whole("verify orders/sk-1 --level checksum"), @"
    exit 12
    --- stderr
    error: aws_rds: cannot verify orders/sk-1: RDS shows nobody a snapshot's bytes, so there is no level checksum
    hint: restore it on trial: `snapkeep verify orders/sk-1 --level restore`
    ");
    assert_eq!(cloud.rds.changes(), []);
    cloud.done("verify orders/sk-1 --level restore");
    assert_eq!(cloud.rds.world(|world| world.databases.len()), 1, "the scratch one is deleted");
}

#[test]
fn a_snapshot_that_does_not_restore_is_bad_and_its_scratch_instance_goes_too() {
    let cloud = with_snapshot();
    cloud.rds.fail(Trouble::on("RestoreDBInstanceFromDBSnapshot", Fault::EndsFailed));
    cloud.exits(9, "verify orders/sk-1 --level restore");
    assert_eq!(cloud.rds.world(|world| world.databases.len()), 1, "also after it failed");
}

#[test]
fn a_copy_is_restored_where_it_is_and_waited_for_there() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", owned);
    cloud.done("restore orders/sk-1 --to again");
    cloud.done("copy orders/sk-1 --to-region eu-west-1");
    let copy = cloud.items("list").remove(1)["id"].as_str().unwrap().to_owned();
    cloud.rds.world(|world| world.looks = 2);
    let begun = cloud.items(&format!("restore {copy} --to again --no-wait")).remove(0)["id"].clone();
    assert_eq!(begun, "orders/restore:eu-west-1/again");
    cloud.done("wait orders/restore:eu-west-1/again");
    let there = Place::new(Rds::ACCOUNT, Rds::ELSEWHERE);
    let made = cloud.rds.world(|world| world.database(Kind::Instance, &there, "again").cloned()).unwrap();
    assert_eq!((made.status.as_str(), made.public), ("available", false));
}
