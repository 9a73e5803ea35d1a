//! What ends early, goes on without us, or is gone meanwhile.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::cloud::{Cloud, owned};
use crate::cli::{CloudBench, until};
use crate::support::rds::{Fault, Kind, Snapshot, Trouble};
use crate::support::{Rds, assert_names};

#[test]
fn an_interrupted_creation_goes_on_and_its_key_finds_it_again() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let cloud = Cloud::of_instance("");
        cloud.rds.world(|world| world.looks = 1000);
        let mut command = cloud.command();
        let words = ["-o", "json", "create", "orders", "--key", "nightly"];
        let child = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let polled =
            || cloud.rds.calls_of("DescribeDBSnapshots").iter().any(|call| call.get("DBSnapshotIdentifier").is_some());
        until("it is waited for", || polled().then_some(()));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = cloud.bench.ran(child.wait_with_output().unwrap());
        let code = [(Signal::INT, Some(130)), (Signal::TERM, Some(143))].into_iter().find(|(one, _)| *one == signal);
        assert_eq!(ran.code, code.and_then(|(_, code)| code), "{ran}");
        cloud.rds.world(|world| world.looks = 0);
        let id = cloud.create("orders --key nightly");
        assert_eq!(cloud.rds.world(|world| world.snapshots.len()), 1);
        assert_eq!(cloud.done("-o name list").out.trim_end(), id);
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let cloud = Cloud::of_instance("");
    for name in ["sk-1", "sk-2"] {
        cloud.take(name, owned);
    }
    let copy = "copy orders/sk-1 --to-region eu-west-1 --share-with 210987654321";
    let restore = "restore orders/sk-1 --to again";
    for line in ["create orders", copy, restore, "delete orders/sk-1 --yes", "adopt orders/sk-1"] {
        cloud.done(&format!("--dry-run {line}"));
    }
    cloud.done(
        "--dry-run export orders/sk-1 --to s3://archive --iam-role-arn arn:aws:iam::123456789012:role/x --kms-key-id k",
    );
    let trial = |name: &str| name.starts_with("sk-check-"); // whether deletion is permitted, tried on a name that nothing has
    let changes = cloud.rds.changes();
    assert!(changes.iter().all(|call| call.get("DBSnapshotIdentifier").is_some_and(trial)), "{changes:?}");
    assert_eq!(cloud.rds.world(|world| (world.snapshots.len(), world.databases.len())), (2, 1));
}

#[test]
fn snapshots_of_an_instance_that_is_gone_are_still_there() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", owned);
    cloud.rds.world(|world| world.databases.clear());
    assert_eq!(cloud.done("-o name list").out.trim_end(), "orders/sk-1");
    let ran = cloud.done("restore orders/sk-1 --to again");
    assert_names(&ran.err, &["orders-prod is gone", "--set"]);
    assert_eq!(cloud.database(Kind::Instance, "again").unwrap().security_groups, ["sg-default"]);
    cloud.exits(4, "create orders");
}

#[test]
fn a_held_snapshot_stays_whatever_its_id() {
    let cloud = Cloud::of_instance("");
    for name in ["sk-1", "sk-2"] {
        cloud.take(name, owned);
    }
    cloud.take("rds:orders-prod-1", |new| new.by("automated"));
    for id in ["orders/sk-1", "orders/rds:orders-prod-1"] {
        cloud.done(&format!("hold {id} --reason audit"));
    }
    assert_eq!(cloud.items("list").iter().filter(|item| !item["hold"].is_null()).count(), 2);
    assert_names(&cloud.exits(10, "delete orders/sk-1 --yes").err, &["audit"]);
    assert_eq!(cloud.rds.changes(), []);
    cloud.done("release orders/sk-1");
    cloud.done("delete orders/sk-1 --yes");
}

#[test]
fn names_may_be_shortened_and_the_latest_be_asked_for() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-orders-a", |new| owned(new).at("2025-11-19T02:15:00Z"));
    cloud.take("sk-orders-b", |new| owned(new).at("2025-11-20T02:15:00Z"));
    cloud.take("rds:orders-prod-1", |new| new.by("automated").at("2025-11-21T02:15:00Z"));
    assert_eq!(cloud.done("-o name latest orders").out.trim_end(), "orders/rds:orders-prod-1");
    assert_eq!(cloud.done("-o name latest orders --origin owned").out.trim_end(), "orders/sk-orders-b");
    cloud.exits(4, "latest orders --max-age 1h");
    cloud.exits(2, "show orders/sk-orders");
    assert_names(&cloud.done("show orders/rds").out, &["orders/rds:orders-prod-1"]);
    cloud.done("restore orders/latest --to again");
    let restored = &cloud.rds.calls_of("RestoreDBInstanceFromDBSnapshot")[0];
    assert_eq!(restored.get("DBSnapshotIdentifier"), Some("rds:orders-prod-1"));
}

#[test]
fn show_tells_how_to_restore_by_hand() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", |new| owned(new).at("2025-11-20T02:15:00Z").tagged("snapkeep:key", "nightly"));
    insta::assert_snapshot!(cloud.whole("show orders/sk-1"), @"
    exit 0
    --- stdout
    id  orders/sk-1
    created  [TIME] UTC ([AGE] ago)
    state  available
    origin  owned
    engine  postgres 16.4
    location  eu-central-1
    encrypted  no
    key  nightly
    database  orders-prod

    To restore it without snapkeep:

      # without more options AWS takes its defaults: security group, parameter group, one availability zone
      aws rds restore-db-instance-from-db-snapshot --region eu-central-1 --endpoint-url [ENDPOINT] --db-snapshot-identifier sk-1 --db-instance-identifier orders-prod-restored
      aws rds wait db-instance-available --region eu-central-1 --endpoint-url [ENDPOINT] --db-instance-identifier orders-prod-restored
    ");
    cloud.exits(4, "show orders/no-such-snapshot");
    cloud.exits(4, "show orders/../secret");
}

#[test]
fn a_state_that_is_not_known_is_told_as_such() {
    let cloud = Cloud::of_instance("");
    for state in ["pending", "copying", "deleting", "failed", "incompatible-restore", "quantum-leaping"] {
        cloud.take(&format!("in-{state}"), |new| owned(new).in_state(state).at("2025-11-20T02:15:00Z"));
    }
    let items = cloud.items("list");
    let mut states: Vec<_> =
        items.iter().map(|item| (item["provider_state"].to_string(), item["state"].to_string())).collect();
    states.sort();
    let told: String = states.iter().map(|(own, ours)| format!("{own}: {ours}\n")).collect();
    insta::assert_snapshot!(told, @r#"
    "copying": "pending"
    "deleting": "deleting"
    "failed": "failed"
    "incompatible-restore": "failed"
    "pending": "pending"
    "quantum-leaping": "unknown"
    "#);
    cloud.exits(4, "latest orders");
}

#[test]
fn a_snapshot_under_amazons_key_is_shared_by_a_copy_under_ones_own() {
    let cloud = Cloud::of_instance("");
    let managed = format!("arn:aws:kms:{}:{}:key/aws-managed", Rds::REGION, Rds::ACCOUNT);
    cloud.take("sk-1", |new| Snapshot { key: Some(managed), ..owned(new) });
    let line = format!(
        "copy orders/sk-1 --to-region {} --kms-key-id alias/snapshots --share-with {}",
        Rds::REGION,
        Rds::OTHER_ACCOUNT
    );
    cloud.done(&line);
    cloud.done(&line);
    let shared = cloud.rds.world(|world| world.snapshots.iter().map(|one| one.shared_with.len()).collect::<Vec<_>>());
    assert_eq!(shared, [0, 1]);
}

#[test]
fn more_accounts_than_amazon_lets_in_are_a_matter_of_quota() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", |new| (0..20).fold(owned(new), |new, number| new.shared(&format!("1000000000{number:02}"))));
    let ran = cloud.exits(7, &format!("copy orders/sk-1 --share-with {}", Rds::OTHER_ACCOUNT));
    assert_names(&ran.err, &["20 accounts", "--unshare-with"]);
}

#[test]
fn trouble_on_the_way_is_told_apart() {
    for (fault, code) in [
        (Fault::Refused("RequestLimitExceeded", "Request limit exceeded."), "busy"),
        (Fault::Refused("ServiceUnavailable", "Please try again."), "unavailable"),
        (Fault::Refused("SomethingNew", "It is new."), "failed"),
        (Fault::Garbled, "failed"),
        (Fault::CutBefore, "unavailable"),
        (Fault::Refused("OptInRequired", "The AWS Access Key Id needs a subscription for the service"), "permission"),
    ] {
        let mut cloud = Cloud::of_instance("");
        cloud.attempts = 1;
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault.clone()).always());
        assert_eq!(cloud.run("-o json list").error_codes(), [code], "{fault:?}");
    }
}

#[test]
fn who_waits_for_a_snapshot_makes_the_copies_that_were_to_be_made() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\" }]");
    cloud.rds.world(|world| world.looks = 1);
    let ran = cloud.done("-o json create orders --no-wait");
    let id = ran.document()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.rds.world(|world| world.names(Rds::ELSEWHERE).len()), 0);
    std::fs::remove_dir_all(cloud.bench.path("home")).unwrap(); // another machine
    cloud.done(&format!("wait {id}"));
    assert_eq!(cloud.rds.world(|world| world.names(Rds::ELSEWHERE).len()), 1);
    let states: Vec<_> = cloud.items("list").iter().map(|item| item["state"].to_string()).collect();
    assert_eq!(states, ["\"available\"", "\"available\""]);
}

#[test]
fn a_scratch_instance_that_a_killed_verification_left_is_shown_by_doctor() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", owned);
    cloud.rds.world(|world| world.looks = 1000);
    let mut command = cloud.command();
    let words = ["verify", "orders/sk-1", "--level", "restore"];
    let mut child = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is restored", || cloud.rds.world(|world| (world.databases.len() == 2).then_some(())));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let name = cloud.rds.world(|world| world.databases[1].name.clone());
    let ran = cloud.run("doctor");
    assert_names(&ran.out, &["debris", &name]);
}

#[test]
fn a_verification_that_is_interrupted_takes_its_scratch_instance_along() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", owned);
    cloud.rds.world(|world| world.looks = 1000);
    let mut command = cloud.command();
    let words = ["verify", "orders/sk-1", "--level", "restore"];
    let child = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("it is restored", || cloud.rds.world(|world| (world.databases.len() == 2).then_some(())));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = cloud.bench.ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, cloud.rds.world(|world| world.databases.len())), (Some(130), 1), "{ran}");
}
