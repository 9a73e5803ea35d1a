//! What `doctor` finds out of a caller: who it is, and what it may do.

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::{Rds, assert_names};

#[test]
fn each_verb_has_a_row_with_what_is_missing() {
    let cloud = Cloud::of_instance("copy_to = [{ region = \"eu-west-1\" }]");
    cloud.rds.world(|world| world.denied.extend(["rds:CopyDBSnapshot", "rds:StartExportTask"].map(ToOwned::to_owned)));
    insta::assert_snapshot!(cloud.whole("doctor"), @"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  credentials  ok  account 123456789012, arn:aws:iam::123456789012:user/ops
    orders  database  ok  DB instance orders-prod, postgres 16.4, available
    orders  snapshots  ok  they can be listed in eu-central-1
    orders  delete  ok  it is permitted
    orders  copies  ok  eu-west-1: 0 copies
    orders  create  ok  it is permitted
    orders  copy  FAILED  aws_rds: cannot copy snapshots of orders: the caller lacks rds:CopyDBSnapshot
    orders  restore  ok  it is permitted
    orders  restore --time  ok  it is permitted
    orders  verify  ok  it is permitted
    orders  export  look  the caller lacks rds:StartExportTask
                                    hint: permit it: see docs/aws.md#permissions
    orders  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  ok  0, none is good
    orders  clock  ok  as the provider's
    orders  quota  ok  0 of 100 manual snapshots in eu-central-1
    orders  quota  ok  0 of 100 manual snapshots in eu-west-1
    orders  debris  ok  none
    --- stderr
    error: aws_rds: cannot copy snapshots of orders: the caller lacks rds:CopyDBSnapshot
    hint: permit it: see docs/aws.md#permissions
    ");
    let asked = cloud.rds.calls_of("SimulatePrincipalPolicy");
    let create = asked.iter().find(|call| call.get("ActionNames.member.1") == Some("rds:CreateDBSnapshot")).unwrap();
    let account = Rds::ACCOUNT;
    assert_eq!(
        create.list("ResourceArns.member"),
        [
            format!("arn:aws:rds:eu-central-1:{account}:db:orders-prod"),
            format!("arn:aws:rds:eu-central-1:{account}:snapshot:sk-doctor"),
        ]
    );
    let copy = asked.iter().find(|call| call.get("ActionNames.member.1") == Some("rds:CopyDBSnapshot")).unwrap();
    assert_eq!(copy.list("ResourceArns.member"), [format!("arn:aws:rds:eu-west-1:{account}:snapshot:sk-doctor")]);
    assert!(cloud.rds.changes().iter().all(|call| call.action == "DeleteDBSnapshot"), "{:?}", cloud.rds.changes());
}

#[test]
fn a_cluster_has_actions_and_resources_of_its_own() {
    let cloud = Cloud::of_cluster("");
    cloud.rds.world(|world| world.denied.insert("rds:CreateDBClusterSnapshot".into()));
    let ran = cloud.exits(5, "doctor");
    assert_names(&ran.err, &["cannot create snapshots of ledger: the caller lacks rds:CreateDBClusterSnapshot"]);
    let arns: Vec<String> = cloud
        .rds
        .calls_of("SimulatePrincipalPolicy")
        .iter()
        .flat_map(|call| call.list("ResourceArns.member"))
        .collect();
    assert!(
        arns.iter().any(|arn| arn.ends_with(":cluster:ledger-prod"))
            && !arns.iter().any(|arn| arn.contains(":snapshot:"))
    );
}

#[test]
fn a_caller_that_may_not_ask_iam_is_no_failure() {
    let cloud = Cloud::of_instance("");
    cloud.rds.world(|world| world.may_simulate = false);
    let ran = cloud.done("doctor");
    assert_names(
        &ran.out,
        &["IAM doesn't tell what the caller may do: AccessDenied", "hint: permit iam:SimulatePrincipalPolicy"],
    );
    assert_eq!(cloud.rds.calls_of("SimulatePrincipalPolicy").len(), 1, "it is not asked again and again");
}
