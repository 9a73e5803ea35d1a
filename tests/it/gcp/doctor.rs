//! What `doctor` finds out of a caller: who it is, and what it may do.

use super::cloud::Cloud;
use crate::cli::CloudBench;

#[test]
fn each_verb_has_a_row_with_what_is_missing() {
    let cloud = Cloud::new("");
    cloud.create("billing");
    insta::assert_snapshot!(cloud.whole("doctor"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    billing  credentials  ok  project acme-prod, by the access_token of the config
    billing  database  ok  instance billing-pg in europe-west3, postgresql 17, RUNNABLE
    billing  retention  look  backups go when the instance is deleted
                                     hint: keep them: gcloud sql instances patch billing-pg --retain-backups-on-delete --project acme-prod
    billing  snapshots  ok  they can be listed
    billing  delete  ok  it is permitted
    billing  list  ok  it is permitted
    billing  create  ok  it is permitted
    billing  restore  ok  it is permitted
    billing  restore --time  ok  it is permitted
    billing  verify  ok  it is permitted
    billing  export  ok  it is permitted
    billing  import  ok  it is permitted
    billing  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    billing  state  ok  [DIR]/home/.local/state/snapkeep
    billing  snapshots  ok  1, the newest good one is [AGE] old
    billing  clock  ok  as the provider's
    billing  debris  ok  none
    ");
    cloud.sql.world(|world| {
        world.denied.extend(["backupRuns.create", "instances.clone", "instances.delete"].map(ToOwned::to_owned));
    });
    insta::assert_snapshot!(cloud.whole("doctor"), @"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    billing  credentials  ok  project acme-prod, by the access_token of the config
    billing  database  ok  instance billing-pg in europe-west3, postgresql 17, RUNNABLE
    billing  retention  look  backups go when the instance is deleted
                                     hint: keep them: gcloud sql instances patch billing-pg --retain-backups-on-delete --project acme-prod
    billing  snapshots  ok  they can be listed
    billing  delete  ok  it is permitted
    billing  list  ok  it is permitted
    billing  create  FAILED  gcp_cloud_sql: cannot create snapshots of billing: the caller lacks cloudsql.backupRuns.create
    billing  restore  ok  it is permitted
    billing  restore --time  look  the caller lacks cloudsql.instances.clone
                                     hint: gcloud iam roles update snapkeep --project acme-prod --add-permissions=cloudsql.instances.clone; see docs/gcp.md#permissions
    billing  verify  look  the caller lacks cloudsql.instances.delete
                                     hint: gcloud iam roles update snapkeep --project acme-prod --add-permissions=cloudsql.instances.delete; see docs/gcp.md#permissions
    billing  export  ok  it is permitted
    billing  import  ok  it is permitted
    billing  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    billing  state  ok  [DIR]/home/.local/state/snapkeep
    billing  snapshots  ok  1, the newest good one is [AGE] old
    billing  clock  ok  as the provider's
    billing  debris  ok  none
    --- stderr
    error: gcp_cloud_sql: cannot create snapshots of billing: the caller lacks cloudsql.backupRuns.create
    hint: gcloud iam roles update snapkeep --project acme-prod --add-permissions=cloudsql.backupRuns.create; see docs/gcp.md#permissions
    ");
    assert!(cloud.sql.changes().iter().filter(|call| call.id.as_deref() != Some("1")).count() <= 1, "the snapshot");
}

#[test]
fn a_project_that_can_not_be_asked_is_no_failure() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.has_resource_manager = false);
    let ran = cloud.done("doctor");
    assert!(ran.out.contains("Google doesn't tell what the caller may do (403)"), "{ran}");
    assert!(ran.out.contains("hint: hold the role against docs/gcp.md#permissions"), "{ran}");
}
