//! What `doctor` finds out of a caller: who it is, and what it may do.

use super::cloud::Cloud;
use crate::cli::CloudBench;

#[test]
fn each_verb_has_a_row_with_what_is_missing() {
    let cloud = Cloud::mysql("");
    insta::assert_snapshot!(cloud.whole("doctor"), @"
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    crm  credentials  ok  subscription 11111111-2222-4333-8444-555555555555, by the access_token of the config
    crm  database  ok  server crm-mysql in northeurope, mysql 8.0.21, Standard_D2ds_v4 (GeneralPurpose), Ready
    crm  retention  look  7 days, back to [TIME], in its own region only; backups go with the server
                                 hint: keep them longer, 35 days at most: az mysql flexible-server update --subscription 11111111-2222-4333-8444-555555555555 --resource-group Acme-Prod --name crm-mysql --backup-retention 35
    crm  snapshots  ok  0 backups, 0 of 50 on demand
    crm  list  ok  it is permitted
    crm  create  ok  it is permitted
    crm  delete  ok  it is permitted
    crm  restore  ok  it is permitted
    crm  verify  ok  it is permitted
    crm  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    crm  state  ok  [DIR]/home/.local/state/snapkeep
    crm  snapshots  ok  0, none is good
    crm  clock  ok  as the provider's
    crm  quota  ok  0 of 50 backups on demand of crm-mysql
    crm  debris  ok  none
    ");
    let lacks = ["Microsoft.DBforMySQL/flexibleServers/backups/write", "Microsoft.DBforMySQL/flexibleServers/write"];
    cloud.arm.world(|world| world.denied.extend(lacks.map(ToOwned::to_owned)));
    insta::assert_snapshot!(cloud.whole("doctor"), @"
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    crm  credentials  ok  subscription 11111111-2222-4333-8444-555555555555, by the access_token of the config
    crm  database  ok  server crm-mysql in northeurope, mysql 8.0.21, Standard_D2ds_v4 (GeneralPurpose), Ready
    crm  retention  look  7 days, back to [TIME], in its own region only; backups go with the server
                                 hint: keep them longer, 35 days at most: az mysql flexible-server update --subscription 11111111-2222-4333-8444-555555555555 --resource-group Acme-Prod --name crm-mysql --backup-retention 35
    crm  snapshots  ok  0 backups, 0 of 50 on demand
    crm  list  ok  it is permitted
    crm  create  FAILED  azure_mysql: cannot create snapshots of crm: the caller lacks Microsoft.DBforMySQL/flexibleServers/backups/write
    crm  delete  ok  it is permitted
    crm  restore  look  the caller lacks Microsoft.DBforMySQL/flexibleServers/write
                                 hint: give the caller a role that has them: see docs/azure.md#permissions
    crm  verify  look  the caller lacks Microsoft.DBforMySQL/flexibleServers/write
                                 hint: give the caller a role that has them: see docs/azure.md#permissions
    crm  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    crm  state  ok  [DIR]/home/.local/state/snapkeep
    crm  snapshots  ok  0, none is good
    crm  clock  ok  as the provider's
    crm  quota  ok  0 of 50 backups on demand of crm-mysql
    crm  debris  ok  none
    --- stderr
    error: azure_mysql: cannot create snapshots of crm: the caller lacks Microsoft.DBforMySQL/flexibleServers/backups/write
    hint: give the caller a role that has them: see docs/azure.md#permissions
    ");
}

#[test]
fn roles_that_may_not_be_looked_at_are_no_failure() {
    let cloud = Cloud::postgresql("");
    cloud.arm.world(|world| world.denied.insert("Microsoft.Authorization/permissions/read".into()));
    let ran = cloud.done("doctor");
    assert!(ran.out.contains("Azure doesn't tell what the caller may do"), "{ran}");
    cloud.arm.world(|world| world.denied.clear());
    let ran = cloud.done("doctor");
    assert!(ran.out.contains("export") && !ran.out.contains("lacks"), "{ran}");
}
