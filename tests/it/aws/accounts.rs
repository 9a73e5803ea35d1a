//! Several accounts in one config, and where their credentials come from.

use std::fs;

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::rds::{Database, Fault, Place, Trouble};
use crate::support::{Rds, assert_names};

/// A target for each of two accounts, by profile, with an instance of the same name and a snapshot in each.
fn two_accounts() -> Cloud {
    let cloud = Cloud::of_instance("");
    let theirs = Database::instance("orders-prod").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
    cloud.rds.world(|world| world.databases.push(theirs));
    let target =
        |name: &str| cloud.target(name, "db_instance_identifier = \"orders-prod\"", &format!("profile = \"{name}\""));
    cloud.configure(&[target("first"), target("second")].concat());
    fs::create_dir_all(cloud.bench.path("home/.aws")).unwrap();
    let keys = [("first", Rds::KEY), ("second", Rds::OTHER_KEY)]
        .map(|(name, key)| format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {}\n", Rds::SECRET));
    fs::write(cloud.bench.path("home/.aws/credentials"), keys.concat()).unwrap();
    cloud
}

#[test]
fn each_target_sees_its_own_account_only() {
    let cloud = two_accounts();
    let ids = [cloud.create("first"), cloud.create("second")];
    for (name, id) in ["first", "second"].into_iter().zip(&ids) {
        assert_eq!(cloud.done(&format!("-o name list {name}")).out.trim_end(), id);
    }
    let accounts: Vec<String> =
        cloud.rds.calls_of("CreateDBSnapshot").into_iter().map(|call| call.place.account).collect();
    assert_eq!(accounts, [Rds::ACCOUNT, Rds::OTHER_ACCOUNT]);
    // what one shares, the other finds among all origins, and takes a copy of its own
    cloud.done(&format!("copy {} --share-with {}", ids[0], Rds::OTHER_ACCOUNT));
    let arn = cloud.rds.world(|world| world.snapshots[0].arn());
    assert_eq!(cloud.items("list second").len(), 1);
    assert_names(&cloud.done("-o name list second --all-origins --origin shared").out, &[&arn]);
    cloud.done(&format!("copy second/{arn} --to-region {}", Rds::REGION));
    let owned = cloud.items("list second --origin owned");
    assert_eq!(owned.len(), 2, "{owned:?}");
}

#[test]
fn an_account_that_refuses_does_not_keep_the_others_from_being_listed() {
    let cloud = two_accounts();
    cloud.create("second");
    fs::write(cloud.bench.path("home/.aws/config"), "[profile first]\n").unwrap();
    let credentials = fs::read_to_string(cloud.bench.path("home/.aws/credentials")).unwrap();
    fs::write(cloud.bench.path("home/.aws/credentials"), credentials.replace(Rds::KEY, "AKIAREVOKED")).unwrap();
    let ran = cloud.exits(3, "-o json list");
    assert_eq!((ran.document()["items"].as_array().unwrap().len(), ran.error_codes()), (1, vec!["permission".into()]));
    assert_names(&ran.err, &["aws sts get-caller-identity", "--profile first"]);
}

#[test]
fn databases_of_every_account_are_discovered() {
    let cloud = two_accounts();
    cloud.rds.world(|world| {
        let reports = Database::instance("reports").in_place(Place::new(Rds::OTHER_ACCOUNT, Rds::REGION));
        world.databases.push(reports);
    });
    let ran = cloud.done("targets list --discover");
    assert_names(&ran.out, &["[targets.reports]", "profile = \"second\""]);
    assert!(!ran.out.contains("[targets.orders-prod]"), "both are configured: {ran}");
    cloud.rds.fail(Trouble::on("DescribeDBClusters", Fault::AccessDenied).always());
    let ran = cloud.exits(5, "targets list --discover");
    assert_names(&ran.err, &["rds:DescribeDBClusters"]);
}
