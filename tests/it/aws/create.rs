//! Making snapshots, with the trouble that a cloud has.

use super::cloud::{Cloud, owned, owned_by};
use crate::cli::CloudBench;
use crate::support::rds::{Fault, Kind, Place, Trouble};
use crate::support::{Rds, assert_names};

#[test]
fn a_snapshot_has_a_name_that_rds_takes_and_tags_that_tell_whose_it_is() {
    let cloud = Cloud::of_instance("tags = { team = \"orders\" }");
    let config = cloud.target("Or.de_rs-2", "db_instance_identifier = \"Orders-PROD\"", "");
    cloud.configure(&config.replace("[targets.Or.de_rs-2]", "[targets.\"Or.de_rs-2\"]"));
    for key in ["nightly", "50% off; a key that AWS's tags can't hold"] {
        let ran =
            cloud.ran(cloud.command().args(["-q", "-o", "json", "create", "Or.de_rs-2", "--key", key, "--tag", "a=b"]));
        assert_eq!(ran.code, Some(0), "{ran}");
        let item = &ran.document()["items"][0];
        let expected = if key == "nightly" { Some(key) } else { None };
        assert_eq!((item["key"].as_str(), &item["tags"]["a"]), (expected, &"b".into()), "{ran}");
        let again =
            cloud.ran(cloud.command().args(["-q", "-o", "json", "create", "Or.de_rs-2", "--key", key, "--tag", "a=b"]));
        assert_eq!(again.document()["items"][0]["id"], item["id"], "{again}");
    }
    let made = cloud.rds.calls_of("CreateDBSnapshot");
    assert_eq!(made.len(), 2, "each key made one");
    for call in made {
        let name = call.get("DBSnapshotIdentifier").unwrap();
        assert!(name.starts_with("sk-or-de-rs-2-2") && name.len() <= 63, "{name}");
        let tags = call.tags();
        assert_eq!((tags["a"].as_str(), tags["snapkeep:target"].as_str()), ("b", "Or.de_rs-2"));
        assert!(tags["snapkeep:tool"].starts_with("snapkeep ") && tags.contains_key("snapkeep:tool"), "{tags:?}");
    }
}

#[test]
fn a_tag_that_aws_refuses_is_refused_before_the_call() {
    let cloud = Cloud::of_instance("");
    for tag in ["aws:team=x", "snapkeep:key=x", "team=a;b"] {
        let ran = cloud.exits(2, &format!("create orders --tag {tag}"));
        assert_names(&ran.err, &[tag.split('=').next().unwrap()]);
    }
    assert_eq!(cloud.rds.changes(), []);
}

#[test]
fn creation_is_waited_for_to_its_end() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.looks = 2);
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    ");
    let snapshots = cloud.rds.world(|world| world.snapshots.iter().map(|one| one.status.clone()).collect::<Vec<_>>());
    assert_eq!(snapshots, ["available"]);
}

#[test]
fn what_is_not_waited_for_can_be_waited_for_later_by_anybody() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.looks = 2);
    let ran = cloud.done("-o json create orders --no-wait --key k");
    let item = &ran.document()["items"][0];
    assert_eq!((ran.document()["kind"].as_str(), &item["state"]), (Some("OperationList"), &"running".into()), "{ran}");
    let id = item["id"].as_str().unwrap();
    let again = cloud.done("-o json create orders --no-wait --key k").document();
    assert_eq!(again["items"][0]["id"], item["id"]);
    std::fs::remove_dir_all(cloud.bench.path("home")).unwrap(); // another machine
    let waited = cloud.items(&format!("wait {id}"));
    assert_eq!(waited[0]["state"], "available", "{waited:?}");
    assert_eq!(cloud.rds.calls_of("CreateDBSnapshot").len(), 1);
}

#[test]
fn a_wait_that_runs_out_of_time_names_the_operation() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.looks = 1000);
    let ran = cloud.exits(8, "-o json create orders --timeout 1s");
    let error = &ran.document()["errors"][0];
    assert!(error["operation"].as_str().is_some_and(|id| id.starts_with("orders/sk-orders-")), "{ran}");
}

#[test]
fn a_lost_answer_makes_one_snapshot_only() {
    for key in ["", " --key nightly"] {
        let cloud = Cloud::of_instance("");
        cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutAfter));
        let id = cloud.create(&format!("orders{key}"));
        assert_eq!(cloud.done("-o name list").out.trim_end(), id);
        assert_eq!((cloud.rds.fired(), cloud.rds.calls_of("CreateDBSnapshot").len()), (1, 2));
    }
}

#[test]
fn after_every_answer_was_lost_the_key_finds_the_snapshot_again() {
    let cloud = Cloud::of_instance("");
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutAfter));
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutBefore));
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::CutBefore).nth(2));
    let ran = cloud.run("-o json create orders --key nightly");
    assert_eq!(
        (ran.error_codes(), &ran.document()["errors"][0]["retryable"]),
        (vec!["unavailable".into()], &true.into())
    );
    let id = cloud.create("orders --key nightly");
    assert_eq!((cloud.done("-o name list").out.trim_end(), cloud.rds.world(|world| world.snapshots.len())), (&*id, 1));
}

#[test]
fn throttling_is_outlasted_or_told_apart_from_failure() {
    let mut cloud = Cloud::of_instance("");
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::Throttled));
    cloud.create("orders");
    assert_eq!(cloud.rds.calls_of("CreateDBSnapshot").len(), 2);
    cloud.attempts = 1;
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::Throttled).always());
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 6
    --- stderr
    error: aws_rds: cannot snapshot orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    ");
    let json = cloud.run("-o json create orders");
    assert_eq!((json.code, &json.document()["errors"][0]["retryable"]), (Some(6), &true.into()), "{json}");
}

#[test]
fn a_poll_that_is_throttled_or_broken_does_not_end_the_wait() {
    for fault in [Fault::Throttled, Fault::Internal, Fault::CutBefore] {
        let mut cloud = Cloud::of_instance("");
        cloud.attempts = 1;
        cloud.rds.world(|world| world.looks = 1);
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault.clone()).with("DBSnapshotIdentifier"));
        cloud.create("orders");
        assert_eq!(cloud.rds.fired(), 1, "{fault:?}");
    }
}

#[test]
fn a_snapshot_that_fails_ends_the_wait_and_frees_its_key() {
    let cloud = Cloud::of_instance("");
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::EndsFailed));
    insta::assert_snapshot!(cloud.whole("create orders --key nightly"), @"
    exit 1
    --- stderr
    error: aws_rds: cannot make orders/[NEW]: AWS gave up on it: its state is failed
    hint: see `snapkeep show orders/[NEW]`
    ");
    let id = cloud.create("orders --key nightly");
    assert_eq!(cloud.done("-o name list --state available").out.trim_end(), id);
    assert_eq!(cloud.rds.world(|world| world.snapshots.len()), 2);
}

#[test]
fn the_quota_has_a_code_of_its_own() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.quota = 1);
    cloud.take("by-hand", |new| new);
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 7
    --- stderr
    error: aws_rds: cannot snapshot orders: the quota of manual snapshots is used up
    caused by: SnapshotQuotaExceeded: Cannot create more than 1 manual snapshots
    hint: make room: `snapkeep prune plan orders`, or ask AWS for more
    ");
}

#[test]
fn a_missing_permission_is_named() {
    let cloud = Cloud::of_instance("");
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::AccessDenied).always());
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 5
    --- stderr
    error: aws_rds: cannot snapshot orders: rds:CreateDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:CreateDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:CreateDBSnapshot action
    hint: add rds:CreateDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    ");
}

#[test]
fn a_database_that_is_busy_is_worth_another_try() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.databases[0].status = "modifying".into());
    let ran = cloud.exits(6, "create orders");
    assert_names(&ran.err, &["available", "try again"]);
}

#[test]
fn copies_are_part_of_making_a_snapshot() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\" }]");
    cloud.rds.world(|world| world.looks = 1);
    let ran = cloud.done("-o json create orders --key nightly --tag team=orders");
    assert_eq!(ran.document()["items"].as_array().unwrap().len(), 2, "{ran}");
    let items = cloud.items("list");
    let places: Vec<_> = items.iter().map(|item| item["location"].as_str().unwrap()).collect();
    assert_eq!(places, ["eu-central-1", "eu-west-1"]);
    assert_eq!(items[0]["created_at"], items[1]["created_at"], "a copy holds the moment of its original");
    assert_eq!((&items[1]["origin"], &items[1]["tags"]["team"]), (&"owned".into(), &"orders".into()));
    cloud.rds.forget_calls();
    cloud.done("create orders --key nightly --tag team=orders");
    assert_eq!(cloud.rds.changes(), [], "all of it is there");
}

#[test]
fn a_copy_that_fails_is_told_and_the_snapshot_stays() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\", kms_key_id = \"alias/missing\" }]");
    cloud.rds.world(|world| world.looks = 1);
    insta::assert_snapshot!(cloud.whole("create orders"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    error: aws_rds: cannot copy orders/[NEW] to eu-west-1: the KMS key isn't there, isn't enabled, or isn't permitted
    caused by: KMSKeyNotAccessibleFault: The specified KMS key [alias/missing] does not exist, is not enabled or you do not have permissions to access it.
    hint: see the keys of the region: aws kms list-aliases --region eu-west-1
    ");
    assert_eq!((cloud.rds.world(|world| world.names(Rds::REGION).len()), cloud.items("list").len()), (1, 1));
}

#[test]
fn a_key_is_not_found_on_another_targets_snapshot() {
    let cloud = Cloud::of_instance("");
    cloud.take("foreign", |new| owned_by("billing", new).tagged("snapkeep:key", "nightly"));
    let id = cloud.create("orders --key nightly");
    assert_ne!(id, "orders/foreign");
    assert!(cloud.rds.world(|world| world.snapshot(Kind::Instance, &Place::home(), "foreign").is_some()));
    assert_eq!(cloud.items("list --origin owned").len(), 1);
    cloud.take("mine", owned);
    assert_eq!(cloud.items("list --origin owned").len(), 2);
}
