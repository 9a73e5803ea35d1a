//! What a cloud answers to a call that changes something, and how long it takes.

use super::cloud_errors::cloud;
use super::{errors, shown};
use crate::gcp;
use crate::support::rds::{Fault, Trouble};
use crate::support::sqladmin;

/// The calls that change something, and the verbs that make them.
const CHANGING: [(&str, &str); 8] = [
    ("CreateDBSnapshot", "create orders"),
    ("CreateDBSnapshot", "create orders --no-wait"),
    ("CreateDBSnapshot", "guard orders -- true"),
    ("CopyDBSnapshot", "copy orders/sk-1 --to-region eu-west-1"),
    ("RestoreDBInstanceFromDBSnapshot", "restore orders/sk-1 --to again"),
    ("DeleteDBSnapshot", "delete orders/sk-1 --yes"),
    ("DeleteDBSnapshot", "prune apply orders --yes"),
    ("AddTagsToResource", "adopt orders/by-hand"),
];

fn changing(fault: &Fault) -> String {
    let cloud = cloud(None);
    cloud.take("by-hand", |new| new.at("2025-11-19T02:15:00Z"));
    for action in CHANGING.map(|(action, _)| action) {
        cloud.rds.fail(Trouble::on(action, fault.clone()).always());
    }
    errors(&cloud, CHANGING.map(|(_, line)| line))
}

#[test]
fn credentials_that_may_look_and_not_change() {
    insta::assert_snapshot!(changing(&Fault::AccessDenied), @r#"
    $ snapkeep create orders
    $ snapkeep create orders --no-wait
    $ snapkeep guard orders -- true
    exit 5
    --- stderr
    error: aws_rds: cannot snapshot orders: rds:CreateDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:CreateDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:CreateDBSnapshot action
    hint: add rds:CreateDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot snapshot orders: rds:CreateDBSnapshot is not permitted","target":"orders","retryable":false,"hint":"add rds:CreateDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:CreateDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:CreateDBSnapshot action"]}

    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    exit 5
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    error: aws_rds: cannot copy orders/sk-1 to eu-west-1: rds:CopyDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:CopyDBSnapshot on resource: arn:aws:rds:eu-west-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:CopyDBSnapshot action
    hint: add rds:CopyDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"warning","target":"orders","message":"its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`"}
    {"level":"error","code":"permission","message":"aws_rds: cannot copy orders/sk-1 to eu-west-1: rds:CopyDBSnapshot is not permitted","target":"orders","retryable":false,"hint":"add rds:CopyDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:CopyDBSnapshot on resource: arn:aws:rds:eu-west-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:CopyDBSnapshot action"]}

    $ snapkeep restore orders/sk-1 --to again
    exit 5
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: rds:RestoreDBInstanceFromDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:RestoreDBInstanceFromDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:RestoreDBInstanceFromDBSnapshot action
    hint: add rds:RestoreDBInstanceFromDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot restore orders/sk-1: rds:RestoreDBInstanceFromDBSnapshot is not permitted","target":"orders","retryable":false,"hint":"add rds:RestoreDBInstanceFromDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:RestoreDBInstanceFromDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:RestoreDBInstanceFromDBSnapshot action"]}

    $ snapkeep delete orders/sk-1 --yes
    exit 5
    --- stderr
    error: aws_rds: cannot delete orders/sk-1: rds:DeleteDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DeleteDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DeleteDBSnapshot action
    hint: add rds:DeleteDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot delete orders/sk-1: rds:DeleteDBSnapshot is not permitted","target":"orders","retryable":false,"hint":"add rds:DeleteDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DeleteDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DeleteDBSnapshot action"]}

    $ snapkeep prune apply orders --yes
    exit 3
    --- stdout
    SNAPSHOT  SIZE  RESULT
    orders/sk-1  -  FAILED
    --- stderr
    error: aws_rds: cannot delete orders/sk-1: rds:DeleteDBSnapshot is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DeleteDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DeleteDBSnapshot action
    hint: add rds:DeleteDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot delete orders/sk-1: rds:DeleteDBSnapshot is not permitted","target":"orders","retryable":false,"hint":"add rds:DeleteDBSnapshot to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DeleteDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DeleteDBSnapshot action"]}

    $ snapkeep adopt orders/by-hand
    exit 5
    --- stderr
    error: aws_rds: cannot adopt orders/by-hand: rds:AddTagsToResource is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:AddTagsToResource on resource: arn:aws:rds:eu-central-1:123456789012:db:* because no identity-based policy allows the rds:AddTagsToResource action
    hint: add rds:AddTagsToResource to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot adopt orders/by-hand: rds:AddTagsToResource is not permitted","target":"orders","retryable":false,"hint":"add rds:AddTagsToResource to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:AddTagsToResource on resource: arn:aws:rds:eu-central-1:123456789012:db:* because no identity-based policy allows the rds:AddTagsToResource action"]}
    "#);
}

#[test]
fn changes_that_the_service_refuses_for_no_known_reason() {
    insta::assert_snapshot!(changing(&Fault::Refused("InternalMess", "Something is wrong.")), @r#"
    $ snapkeep create orders
    $ snapkeep create orders --no-wait
    $ snapkeep guard orders -- true
    exit 1
    --- stderr
    error: aws_rds: cannot snapshot orders: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"aws_rds: cannot snapshot orders: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}

    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    exit 1
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    error: aws_rds: cannot copy orders/sk-1 to eu-west-1: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"warning","target":"orders","message":"its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`"}
    {"level":"error","code":"failed","message":"aws_rds: cannot copy orders/sk-1 to eu-west-1: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}

    $ snapkeep restore orders/sk-1 --to again
    exit 1
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"aws_rds: cannot restore orders/sk-1: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}

    $ snapkeep delete orders/sk-1 --yes
    exit 1
    --- stderr
    error: aws_rds: cannot delete orders/sk-1: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"aws_rds: cannot delete orders/sk-1: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}

    $ snapkeep prune apply orders --yes
    exit 3
    --- stdout
    SNAPSHOT  SIZE  RESULT
    orders/sk-1  -  FAILED
    --- stderr
    error: aws_rds: cannot delete orders/sk-1: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"aws_rds: cannot delete orders/sk-1: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}

    $ snapkeep adopt orders/by-hand
    exit 1
    --- stderr
    error: aws_rds: cannot adopt orders/by-hand: AWS refused it
    caused by: InternalMess: Something is wrong.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"aws_rds: cannot adopt orders/by-hand: AWS refused it","target":"orders","retryable":false,"hint":null,"causes":["InternalMess: Something is wrong."]}
    "#);
}

#[test]
fn limits_that_are_reached() {
    let cloud = cloud(None);
    cloud.rds.world(|world| world.quota = 1);
    let full = Fault::Refused("InstanceQuotaExceeded", "Cannot create more instances");
    cloud.rds.fail(Trouble::on("RestoreDBInstanceFromDBSnapshot", full).always());
    let lines = [
        "create orders",
        "guard orders -- true",
        "copy orders/sk-1 --to-region eu-west-1",
        "restore orders/sk-1 --to again",
        "verify orders/sk-1 --level restore",
    ];
    insta::assert_snapshot!(errors(&cloud, lines), @r#"
    $ snapkeep create orders
    $ snapkeep guard orders -- true
    exit 7
    --- stderr
    error: aws_rds: cannot snapshot orders: the quota of manual snapshots is used up
    caused by: SnapshotQuotaExceeded: Cannot create more than 1 manual snapshots
    hint: make room: `snapkeep prune plan orders`, or ask AWS for more
    --- stderr as JSON
    {"level":"error","code":"quota","message":"aws_rds: cannot snapshot orders: the quota of manual snapshots is used up","target":"orders","retryable":false,"hint":"make room: `snapkeep prune plan orders`, or ask AWS for more","causes":["SnapshotQuotaExceeded: Cannot create more than 1 manual snapshots"]}

    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-west-1  -  -
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    orders: made orders/[NEW] in eu-west-1, in [DURATION]
    --- stderr as JSON
    {"level":"warning","target":"orders","message":"its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`"}
    {"level":"info","target":"orders","message":"orders/[NEW] is there already in eu-west-1, a copy of the same snapshot"}

    $ snapkeep restore orders/sk-1 --to again
    exit 7
    --- stderr
    error: aws_rds: cannot restore orders/sk-1: a quota of the account is used up
    caused by: InstanceQuotaExceeded: Cannot create more instances
    hint: see the quotas: aws service-quotas list-service-quotas --service-code rds --region eu-central-1
    --- stderr as JSON
    {"level":"error","code":"quota","message":"aws_rds: cannot restore orders/sk-1: a quota of the account is used up","target":"orders","retryable":false,"hint":"see the quotas: aws service-quotas list-service-quotas --service-code rds --region eu-central-1","causes":["InstanceQuotaExceeded: Cannot create more instances"]}

    $ snapkeep verify orders/sk-1 --level restore
    exit 7
    --- stderr
    error: aws_rds: cannot verify orders/sk-1: a quota of the account is used up
    caused by: InstanceQuotaExceeded: Cannot create more instances
    hint: see the quotas: aws service-quotas list-service-quotas --service-code rds --region eu-central-1
    --- stderr as JSON
    {"level":"error","code":"quota","message":"aws_rds: cannot verify orders/sk-1: a quota of the account is used up","target":"orders","retryable":false,"hint":"see the quotas: aws service-quotas list-service-quotas --service-code rds --region eu-central-1","causes":["InstanceQuotaExceeded: Cannot create more instances"]}
    "#);
}

#[test]
fn what_takes_too_long_goes_on() {
    let cloud = cloud(None);
    cloud.rds.world(|world| world.looks = 1000);
    let restore =
        ["restore orders/sk-1 --to one --timeout 1s", "--log-format json restore orders/sk-1 --to two --timeout 1s"];
    insta::assert_snapshot!(shown(&cloud, &restore), @r#"
    $ snapkeep restore orders/sk-1 --to one --timeout 1s
    exit 8
    --- stderr
    error: aws_rds: waiting for orders timed out
    hint: it goes on: `snapkeep wait orders/restore:one`

    $ snapkeep --log-format json restore orders/sk-1 --to two --timeout 1s
    exit 8
    --- stderr
    {"level":"error","code":"timeout","message":"aws_rds: waiting for orders timed out","target":"orders","retryable":true,"hint":"it goes on: `snapkeep wait orders/restore:two`","causes":[],"operation":"orders/restore:two"}
    "#);
    let lines = [
        "create orders --key k --timeout 1s",
        "guard orders --key k --timeout 1s -- true",
        "wait orders/restore:one --timeout 1s",
        "copy orders/sk-1 --to-region eu-west-1 --timeout 1s",
    ];
    insta::assert_snapshot!(errors(&cloud, lines), @r#"
    $ snapkeep create orders --key k --timeout 1s
    exit 8
    --- stderr
    error: aws_rds: waiting for orders timed out
    hint: it goes on: `snapkeep wait orders/[NEW]`
    --- stderr as JSON
    {"level":"info","target":"orders","message":"goes on with what [HOST] began at [TIME] UTC"}
    {"level":"error","code":"timeout","message":"aws_rds: waiting for orders timed out","target":"orders","retryable":true,"hint":"it goes on: `snapkeep wait orders/[NEW]`","causes":[],"operation":"orders/[NEW]"}

    $ snapkeep guard orders --key k --timeout 1s -- true
    exit 8
    --- stderr
    orders: goes on with what [HOST] began at [TIME] UTC
    error: aws_rds: waiting for orders timed out
    hint: it goes on: `snapkeep wait orders/[NEW]`
    --- stderr as JSON
    {"level":"info","target":"orders","message":"goes on with what [HOST] began at [TIME] UTC"}
    {"level":"error","code":"timeout","message":"aws_rds: waiting for orders timed out","target":"orders","retryable":true,"hint":"it goes on: `snapkeep wait orders/[NEW]`","causes":[],"operation":"orders/[NEW]"}

    $ snapkeep wait orders/restore:one --timeout 1s
    exit 8
    --- stderr
    error: aws_rds: waiting for orders timed out
    hint: it goes on: `snapkeep wait orders/restore:one`
    --- stderr as JSON
    {"level":"error","code":"timeout","message":"aws_rds: waiting for orders timed out","target":"orders","retryable":true,"hint":"it goes on: `snapkeep wait orders/restore:one`","causes":[],"operation":"orders/restore:one"}

    $ snapkeep copy orders/sk-1 --to-region eu-west-1 --timeout 1s
    exit 8
    --- stderr
    warning: orders: its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`
    error: aws_rds: waiting for orders timed out
    hint: it goes on: `snapkeep wait orders/[NEW]`
    --- stderr as JSON
    {"level":"warning","target":"orders","message":"its option group audited-postgres16 is not taken along to another region; name one with `--option-group-name`"}
    {"level":"error","code":"timeout","message":"aws_rds: waiting for orders timed out","target":"orders","retryable":true,"hint":"it goes on: `snapkeep wait orders/[NEW]`","causes":[],"operation":"orders/[NEW]"}
    "#);
}

#[test]
fn imports_of_what_is_not_there_or_not_permitted() {
    let cloud = gcp::cloud::Cloud::new("");
    let import = |file: &str| format!("import billing --from {file} --database billing-pg --confirm billing");
    let missing = errors(&cloud, [import("gs://acme-dumps/none.sql")]);
    cloud.sql.fail(sqladmin::Trouble::on("instances.get", sqladmin::Fault::Status(403)).always());
    let forbidden = errors(
        &cloud,
        [import("gs://acme-dumps/x.sql"), "export billing --to gs://acme-dumps/x.sql --database billing-pg".into()],
    );
    insta::assert_snapshot!(format!("{missing}\n{forbidden}"), @r#"
    $ snapkeep import billing --from gs://acme-dumps/none.sql --database billing-pg --confirm billing
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot import into billing/import:[OPERATION-1]: the operation was begun and failed
    caused by: ERROR_RDBMS: The file gs://acme-dumps/none.sql does not exist.
    --- stderr as JSON
    {"level":"error","code":"failed","message":"gcp_cloud_sql: cannot import into billing/import:[OPERATION-2]: the operation was begun and failed","target":"billing","retryable":false,"hint":null,"causes":["ERROR_RDBMS: The file gs://acme-dumps/none.sql does not exist."]}

    $ snapkeep import billing --from gs://acme-dumps/x.sql --database billing-pg --confirm billing
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot import into billing: Google does not permit it, or there is no such instance
    caused by: GET /v1/projects/acme-prod/instances/billing-pg: 403 Forbidden: internalError: An internal error has occurred.
    hint: look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions
    --- stderr as JSON
    {"level":"error","code":"permission","message":"gcp_cloud_sql: cannot import into billing: Google does not permit it, or there is no such instance","target":"billing","retryable":false,"hint":"look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions","causes":["GET /v1/projects/acme-prod/instances/billing-pg: 403 Forbidden: internalError: An internal error has occurred."]}

    $ snapkeep export billing --to gs://acme-dumps/x.sql --database billing-pg
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot export billing: Google does not permit it, or there is no such instance
    caused by: GET /v1/projects/acme-prod/instances/billing-pg: 403 Forbidden: internalError: An internal error has occurred.
    hint: look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions
    --- stderr as JSON
    {"level":"error","code":"permission","message":"gcp_cloud_sql: cannot export billing: Google does not permit it, or there is no such instance","target":"billing","retryable":false,"hint":"look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions","causes":["GET /v1/projects/acme-prod/instances/billing-pg: 403 Forbidden: internalError: An internal error has occurred."]}
    "#);
}
