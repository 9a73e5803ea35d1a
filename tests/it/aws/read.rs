//! Listing, showing and checking, and what each failure says.

use chrono::TimeDelta;

use super::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::rds::{Database, Fault, Order, Place, Snapshot, Trouble};
use crate::support::{Rds, assert_names};

/// Another account's instance of the same name.
fn theirs() -> Database {
    Database::instance("orders-prod").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION))
}

/// One snapshot of every kind, and some of others.
fn of_every_origin() -> Cloud {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-orders-1", |new| owned(new).at("2025-11-20T02:15:00Z").tagged("team", "orders"));
    cloud.take("by-hand", |new| new.at("2025-11-19T02:15:00Z"));
    cloud.take("rds:orders-prod-2025-11-18", |new| new.by("automated").at("2025-11-18T02:15:00Z"));
    cloud.take("awsbackup:job-17", |new| new.by("awsbackup").at("2025-11-17T02:15:00Z"));
    cloud.rds.world(|world| {
        world.take(Snapshot::of(&theirs(), "theirs").shared(Rds::ACCOUNT).at("2025-11-16T02:15:00Z"));
        world.take(Snapshot::of(&theirs(), "open-to-all").shared("all").at("2025-11-15T02:15:00Z"));
        world.take(Snapshot::of(&theirs(), "not-for-us"));
        world.take(Snapshot::of(&Database::instance("another"), "of-another"));
    });
    cloud
}

#[test]
fn origins_are_told_apart() {
    let cloud = of_every_origin();
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/sk-orders-1  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/by-hand  [TIME]  [AGE]  -  available  manual  postgres 16.4  eu-central-1  -  -
    orders/rds:orders-prod-2025-11-18  [TIME]  [AGE]  -  available  automated  postgres 16.4  eu-central-1  -  -
    orders/awsbackup:job-17  [TIME]  [AGE]  -  available  automated  postgres 16.4  eu-central-1  -  -
    ");
    insta::assert_snapshot!(cloud.whole("list --all-origins"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/sk-orders-1  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/by-hand  [TIME]  [AGE]  -  available  manual  postgres 16.4  eu-central-1  -  -
    orders/rds:orders-prod-2025-11-18  [TIME]  [AGE]  -  available  automated  postgres 16.4  eu-central-1  -  -
    orders/awsbackup:job-17  [TIME]  [AGE]  -  available  automated  postgres 16.4  eu-central-1  -  -
    orders/arn:aws:rds:eu-central-1:210987654321:snapshot:theirs  [TIME]  [AGE]  -  available  shared  postgres 16.4  eu-central-1  -  -
    orders/arn:aws:rds:eu-central-1:210987654321:snapshot:open-to-all  [TIME]  [AGE]  -  available  shared  postgres 16.4  eu-central-1  -  -
    ");
    insta::assert_snapshot!(cloud.whole("-o name list --origin automated"), @"
    exit 0
    --- stdout
    orders/rds:orders-prod-2025-11-18
    orders/awsbackup:job-17
    ");
}

#[test]
fn a_snapshot_tells_everything_as_json() {
    let cloud = of_every_origin();
    let item = &cloud.items("list --origin owned")[0];
    insta::assert_snapshot!(serde_json::to_string_pretty(item).unwrap(), @r#"
    {
      "completed_at": null,
      "created_at": "2025-11-20T02:15:00Z",
      "encrypted": false,
      "engine": "postgres",
      "engine_version": "16.4",
      "expires_at": null,
      "hold": null,
      "id": "orders/sk-orders-1",
      "key": null,
      "location": "eu-central-1",
      "locked_until": null,
      "native_id": "sk-orders-1",
      "origin": "owned",
      "provider": "aws_rds",
      "provider_state": "available",
      "size_bytes": null,
      "state": "available",
      "tags": {
        "team": "orders"
      },
      "target": "orders",
      "verified": null
    }
    "#);
}

#[test]
fn every_page_is_read_in_whatever_order_they_come() {
    let cloud = Cloud::of_instance("");
    for day in 1..=28 {
        cloud.take(&format!("s-{:02}", day * 11 % 29), |new| owned(new).at(&format!("2025-10-{day:02}T02:00:00Z")));
    }
    cloud.rds.world(|world| world.page = 5);
    let mut seen = Vec::new();
    for order in [Order::OldestFirst, Order::NewestFirst, Order::ByName] {
        cloud.rds.world(|world| world.order = order);
        seen.push(cloud.done("-o name list").out);
    }
    assert_eq!((seen[0].lines().count(), seen[0].lines().next()), (28, Some("orders/s-18")));
    assert!(seen[1..].iter().all(|other| *other == seen[0]), "{seen:?}");
    let asked = cloud.rds.calls_of("DescribeDBSnapshots");
    assert!(asked.iter().all(|call| call.get("MaxRecords") == Some("100")), "{asked:?}");
}

#[test]
fn a_later_page_that_fails_leaves_the_list_incomplete_and_prune_deletes_nothing() {
    for (fault, code) in [
        (Fault::Internal, "unavailable"),
        (Fault::Throttled, "busy"),
        (Fault::Garbled, "failed"),
        (Fault::SameMarker, "failed"),
        (Fault::CutBefore, "unavailable"),
    ] {
        let mut cloud = Cloud::of_instance("");
        cloud.attempts = 1;
        let config = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "retention = \"few\"");
        cloud.configure(&format!("{config}\n[retention.few]\nkeep_last = 1\n"));
        for day in 1..=3 {
            cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-10-0{day}T02:00:00Z")));
        }
        cloud.rds.world(|world| world.page = 2);
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault.clone()).with("Marker").always());
        let read = if fault == Fault::SameMarker { 3 } else { 2 };
        let ran = cloud.exits(3, "-o json list");
        assert_eq!(ran.document()["items"].as_array().unwrap().len(), read, "{fault:?}: {ran}");
        assert_eq!(ran.error_codes(), [code], "{fault:?}: {ran}");
        let ran = cloud.run("prune apply --yes");
        assert_ne!(ran.code, Some(0), "{fault:?}: {ran}");
        assert_eq!(cloud.rds.changes(), [], "{fault:?}: {ran}");
    }
}

#[test]
fn an_expired_token_is_told_with_what_to_run() {
    let cloud = Cloud::of_instance("");
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::ExpiredToken).always());
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 5
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: the AWS session has run out
    caused by: ExpiredToken: The security token included in the request is expired
    hint: aws sso login, or get new keys
    ");
}

#[test]
fn an_unknown_instance_is_told_with_how_to_find_the_right_one() {
    let cloud = Cloud::of_instance("");
    cloud.configure(&cloud.target("orders", "db_instance_identifier = \"orders-pord\"", ""));
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 4
    --- stderr
    error: aws_rds: cannot list orders: there is no DB instance orders-pord in eu-central-1
    hint: see what is there: `snapkeep targets list --discover`, then correct `db_instance_identifier` or `region`
    ");
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 4
    --- stderr
    error: aws_rds: cannot snapshot orders: there is no such DB instance
    caused by: DBInstanceNotFound: DBInstance orders-pord not found.
    hint: see what is in eu-central-1: `snapkeep targets list --discover`
    ");
}

#[test]
fn a_wrong_region_is_told() {
    let cloud = Cloud::of_instance("");
    let config = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "");
    cloud.configure(&config.replace(Rds::REGION, "eu-north-1"));
    let ran = cloud.exits(4, "list");
    assert_names(&ran.err, &["there is no DB instance orders-prod in eu-north-1", "--discover"]);
    cloud.configure(&config.replace(Rds::REGION, "eu-nowhere-1"));
    insta::assert_snapshot!(cloud.whole("list"), @"
    exit 2
    --- stderr
    error: aws_rds: cannot list orders in eu-nowhere-1: AWS doesn't know that region there
    caused by: SignatureDoesNotMatch: Credential should be scoped to a valid region, not 'eu-nowhere-1'.
    hint: correct `region` of [targets.orders]; it is eu-nowhere-1 now
    ");
}

#[test]
fn no_credentials_are_told_before_anything_is_asked() {
    let cloud = Cloud::of_instance("");
    let mut command = cloud.bench.command();
    let ran = cloud.ran(command.env("AWS_EC2_METADATA_DISABLED", "true").arg("list"));
    assert_eq!((ran.code, cloud.rds.calls().len()), (Some(5), 0), "{ran}");
    assert_names(&ran.err, &["no AWS credentials were found", "aws configure"]);
}

#[test]
fn targets_check_finds_a_working_target_in_order_and_changes_nothing() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\" }]");
    insta::assert_snapshot!(cloud.whole("targets check"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  database  ok  DB instance orders-prod, postgres 16.4, available
    orders  snapshots  ok  they can be listed in eu-central-1
    orders  delete  ok  it is permitted
    orders  copies  ok  eu-west-1: 0 copies
    ");
    assert!(cloud.rds.changes().iter().all(|call| call.action == "DeleteDBSnapshot"), "{:?}", cloud.rds.changes());
}

#[test]
fn targets_check_names_the_iam_action_that_is_missing() {
    for action in ["DescribeDBInstances", "DescribeDBSnapshots", "DeleteDBSnapshot"] {
        let cloud = Cloud::of_instance("");
        cloud.rds.fail(Trouble::on(action, Fault::AccessDenied).always());
        let ran = cloud.exits(5, "targets check");
        assert_names(&[ran.out.as_str(), &ran.err].concat(), &[&format!("rds:{action}"), "docs/aws.md"]);
    }
}

#[test]
fn an_instance_of_a_cluster_is_told_to_be_one() {
    let cloud = Cloud::of_cluster("");
    cloud.configure(&cloud.target("ledger", "db_instance_identifier = \"ledger-prod-a\"", ""));
    for verb in ["targets check", "create ledger"] {
        let ran = cloud.exits(12, verb);
        assert_names(&[ran.out.as_str(), &ran.err].concat(), &["db_cluster_identifier = \"ledger-prod\""]);
    }
}

#[test]
fn doctor_shows_the_quota_in_each_region() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\" }]");
    cloud.take("one", |new| new);
    let ran = cloud.done("doctor");
    assert_names(&ran.out, &["manual snapshots in eu-central-1", "manual snapshots in eu-west-1"]);
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  credentials  ok  account 123456789012, arn:aws:iam::123456789012:user/ops
    orders  database  ok  DB instance orders-prod, postgres 16.4, available
    orders  snapshots  ok  they can be listed in eu-central-1
    orders  delete  ok  it is permitted
    orders  copies  ok  eu-west-1: 0 copies
    orders  create  ok  it is permitted
    orders  copy  ok  it is permitted
    orders  restore  ok  it is permitted
    orders  restore --time  ok  it is permitted
    orders  verify  ok  it is permitted
    orders  export  ok  it is permitted
    orders  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  1, the newest good one is [AGE] old
    orders  clock  ok  as the provider's
    orders  quota  ok  1 of 100 manual snapshots in eu-central-1
    orders  quota  ok  0 of 100 manual snapshots in eu-west-1
    orders  debris  ok  none
    ");
}

#[test]
fn databases_are_discovered_with_the_lines_to_add() {
    let cloud = Cloud::of_cluster("");
    cloud.rds.world(|world| {
        world.add(Database::instance("orders-prod"));
        world.add(Database::instance("elsewhere").in_place(Place::new(Rds::ACCOUNT, Rds::ELSEWHERE)));
    });
    insta::assert_snapshot!(cloud.whole("targets list --discover"), @r#"
    exit 0
    --- stdout
    DATABASE  PROVIDER  LOCATION  ENGINE  STATE  TARGET
    ledger-prod  aws_rds  eu-central-1  aurora-postgresql 16.4  available  ledger
    orders-prod  aws_rds  eu-central-1  postgres 16.4  available  -

    [targets.orders-prod]
    provider = "aws_rds"
    region = "eu-central-1"
    db_instance_identifier = "orders-prod"
    endpoint = "[ENDPOINT]"
    "#);
}

#[test]
fn a_clock_that_is_off_amazons_stops_prune() {
    let cloud = Cloud::of_instance("");
    let config = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "retention = \"few\"");
    cloud.configure(&format!("{config}\n[retention.few]\nkeep_last = 1\n"));
    for day in 1..=2 {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-10-0{day}T02:00:00Z")));
    }
    cloud.rds.clock_ahead(TimeDelta::minutes(9));
    let ran = cloud.exits(10, "prune apply --yes");
    assert_eq!(cloud.rds.changes(), [], "{ran}");
    assert_names(&ran.err, &["clock"]);
}

#[test]
fn a_scratch_instance_of_a_verification_is_not_offered_as_a_target() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| {
        let scratch = world.add(Database::instance("sk-verify-1"));
        scratch.tags.insert("snapkeep:restored-for".into(), "orders".into());
        scratch.tags.insert("snapkeep:scratch".into(), "yes".into());
    });
    let ran = cloud.done("targets list --discover");
    assert!(!ran.out.contains("[targets.sk-verify-1]"), "{ran}");
}
