//! What a cloud answers instead of doing it, for every verb that asks one.

use super::errors;
use crate::aws::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::rds::{Fault, Trouble};

/// The verbs that look at the snapshots first.
const LOOKING: [&str; 20] = [
    "targets check orders",
    "doctor orders",
    "list orders",
    "status orders",
    "show orders/sk-1",
    "latest orders",
    "create orders",
    "create orders --no-wait",
    "wait orders/sk-1",
    "copy orders/sk-1 --to-region eu-west-1",
    "restore orders/sk-1 --to again",
    "export orders/sk-1 --to s3://archive/orders",
    "delete orders/sk-1 --yes",
    "hold orders/sk-1 --reason audit",
    "release orders/sk-1",
    "adopt orders/sk-1",
    "verify orders/sk-1",
    "prune plan orders",
    "prune apply orders --yes",
    "guard orders -- true",
];

/// Two snapshots; every call that looks at snapshots or databases meets this.
pub(super) fn cloud(fault: Option<&Fault>) -> Cloud {
    let mut cloud = Cloud::of_instance("retention = \"one\"");
    cloud.attempts = 1;
    let config = cloud.bench().path("snapkeep.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}\n[retention.one]\nkeep_last = 1\n")).unwrap();
    cloud.take("sk-1", |new| owned(new).at("2025-11-20T02:15:00Z"));
    cloud.take("sk-2", |new| owned(new).at("2025-11-21T02:15:00Z"));
    for action in ["DescribeDBSnapshots", "DescribeDBInstances"] {
        fault.into_iter().for_each(|fault| cloud.rds.fail(Trouble::on(action, fault.clone()).always()));
    }
    cloud
}

#[test]
fn credentials_that_may_not_look() {
    insta::assert_snapshot!(errors(&cloud(Some(&Fault::AccessDenied)), LOOKING), @r#"
    $ snapkeep targets check orders
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  database  FAILED  aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted
    orders  snapshots  FAILED  aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted
    orders  delete  ok  it is permitted
    --- stderr
    error: aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBInstances action
    hint: add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb
    error: aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBInstances action"]}
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep doctor orders
    exit 5
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  credentials  ok  account 123456789012, arn:aws:iam::123456789012:user/ops
    orders  database  FAILED  aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted
    orders  snapshots  FAILED  aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted
    orders  delete  ok  it is permitted
    orders  create  ok  it is permitted
    orders  copy  ok  it is permitted
    orders  restore  ok  it is permitted
    orders  restore --time  ok  it is permitted
    orders  verify  ok  it is permitted
    orders  export  ok  it is permitted
    orders  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  FAILED  aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted
    orders  quota  ok  2 of 100 manual snapshots in eu-central-1
    orders  debris  ok  none
    --- stderr
    error: aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBInstances action
    hint: add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb
    error: aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    error: aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot check orders: rds:DescribeDBInstances is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBInstances action"]}
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep list orders
    $ snapkeep show orders/sk-1
    $ snapkeep latest orders
    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    $ snapkeep restore orders/sk-1 --to again
    $ snapkeep export orders/sk-1 --to s3://archive/orders
    $ snapkeep hold orders/sk-1 --reason audit
    $ snapkeep release orders/sk-1
    $ snapkeep adopt orders/sk-1
    $ snapkeep verify orders/sk-1
    $ snapkeep prune plan orders
    $ snapkeep prune apply orders --yes
    exit 5
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep status orders
    exit 5
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    orders  -  -  -  unknown  -  -  -  look: permission
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep create orders
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/[NEW]  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    --- stderr as JSON
    {"level":"info","target":"orders","message":"made orders/[NEW] in eu-central-1, in [DURATION]"}

    $ snapkeep create orders --no-wait
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  done  [TIME]
    --- stderr
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    --- stderr as JSON
    {"level":"info","target":"orders","message":"made orders/[NEW] in eu-central-1, in [DURATION]"}

    $ snapkeep wait orders/sk-1
    exit 5
    --- stderr
    error: aws_rds: cannot find orders/sk-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot find orders/sk-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep delete orders/sk-1 --yes
    exit 10
    --- stderr
    error: aws_rds: cannot read orders/sk-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: if it may go all the same: `snapkeep delete orders/sk-1 --yes --force`
    --- stderr as JSON
    {"level":"error","code":"refused","message":"aws_rds: cannot read orders/sk-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"if it may go all the same: `snapkeep delete orders/sk-1 --yes --force`","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:sk-1 because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep guard orders -- true
    exit 5
    --- stderr
    orders: made orders/[NEW] in eu-central-1, in [DURATION]
    error: aws_rds: cannot read orders/[NEW]: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"info","target":"orders","message":"made orders/[NEW] in eu-central-1, in [DURATION]"}
    {"level":"error","code":"permission","message":"aws_rds: cannot read orders/[NEW]: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action"]}
    "#);
}

#[test]
fn calls_that_are_too_many() {
    insta::assert_snapshot!(errors(&cloud(Some(&Fault::Throttled)), LOOKING), @r#"
    $ snapkeep targets check orders
    exit 6
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  database  FAILED  aws_rds: cannot check orders: AWS throttles this account's calls
    orders  snapshots  FAILED  aws_rds: cannot list orders: AWS throttles this account's calls
    orders  delete  ok  it is permitted
    --- stderr
    error: aws_rds: cannot check orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    error: aws_rds: cannot list orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot check orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep doctor orders
    exit 6
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  credentials  ok  account 123456789012, arn:aws:iam::123456789012:user/ops
    orders  database  FAILED  aws_rds: cannot check orders: AWS throttles this account's calls
    orders  snapshots  FAILED  aws_rds: cannot list orders: AWS throttles this account's calls
    orders  delete  ok  it is permitted
    orders  create  ok  it is permitted
    orders  copy  ok  it is permitted
    orders  restore  ok  it is permitted
    orders  restore --time  ok  it is permitted
    orders  verify  ok  it is permitted
    orders  export  ok  it is permitted
    orders  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  FAILED  aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls
    orders  quota  ok  2 of 100 manual snapshots in eu-central-1
    orders  debris  FAILED  aws_rds: cannot look for what verifications left of orders: AWS throttles this account's calls
    --- stderr
    error: aws_rds: cannot check orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    error: aws_rds: cannot list orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    error: aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    error: aws_rds: cannot look for what verifications left of orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot check orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}
    {"level":"error","code":"busy","message":"aws_rds: cannot look for what verifications left of orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep list orders
    $ snapkeep show orders/sk-1
    $ snapkeep latest orders
    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    $ snapkeep restore orders/sk-1 --to again
    $ snapkeep export orders/sk-1 --to s3://archive/orders
    $ snapkeep delete orders/sk-1 --yes
    $ snapkeep hold orders/sk-1 --reason audit
    $ snapkeep release orders/sk-1
    $ snapkeep adopt orders/sk-1
    $ snapkeep verify orders/sk-1
    $ snapkeep prune plan orders
    $ snapkeep prune apply orders --yes
    exit 6
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep status orders
    exit 6
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    orders  -  -  -  unknown  -  -  -  look: busy
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep create orders
    $ snapkeep create orders --no-wait
    $ snapkeep guard orders -- true
    exit 6
    --- stderr
    error: aws_rds: cannot snapshot orders: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot snapshot orders: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep wait orders/sk-1
    exit 6
    --- stderr
    error: aws_rds: cannot find orders/sk-1: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot find orders/sk-1: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}
    "#);
}

#[test]
fn a_service_that_does_not_answer() {
    insta::assert_snapshot!(errors(&cloud(Some(&Fault::CutBefore)), LOOKING), @r#"
    $ snapkeep targets check orders
    exit 1
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  database  FAILED  aws_rds: cannot check orders: [ENDPOINT] does not answer
    orders  snapshots  FAILED  aws_rds: cannot list orders: [ENDPOINT] does not answer
    orders  delete  ok  it is permitted
    --- stderr
    error: aws_rds: cannot check orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    error: aws_rds: cannot list orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot check orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}

    $ snapkeep doctor orders
    exit 1
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    orders  credentials  ok  account 123456789012, arn:aws:iam::123456789012:user/ops
    orders  database  FAILED  aws_rds: cannot check orders: [ENDPOINT] does not answer
    orders  snapshots  FAILED  aws_rds: cannot list orders: [ENDPOINT] does not answer
    orders  delete  ok  it is permitted
    orders  create  ok  it is permitted
    orders  copy  ok  it is permitted
    orders  restore  ok  it is permitted
    orders  restore --time  ok  it is permitted
    orders  verify  ok  it is permitted
    orders  export  ok  it is permitted
    orders  tls  ok  plain http, which stays on this machine: [ENDPOINT]
    orders  state  ok  [DIR]/home/.local/state/snapkeep
    orders  snapshots  FAILED  aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer
    orders  quota  ok  2 of 100 manual snapshots in eu-central-1
    orders  debris  FAILED  aws_rds: cannot look for what verifications left of orders: [ENDPOINT] does not answer
    --- stderr
    error: aws_rds: cannot check orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    error: aws_rds: cannot list orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    error: aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    error: aws_rds: cannot look for what verifications left of orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot check orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    {"level":"error","code":"unavailable","message":"aws_rds: cannot look for what verifications left of orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}

    $ snapkeep list orders
    $ snapkeep show orders/sk-1
    $ snapkeep latest orders
    $ snapkeep copy orders/sk-1 --to-region eu-west-1
    $ snapkeep restore orders/sk-1 --to again
    $ snapkeep export orders/sk-1 --to s3://archive/orders
    $ snapkeep delete orders/sk-1 --yes
    $ snapkeep hold orders/sk-1 --reason audit
    $ snapkeep release orders/sk-1
    $ snapkeep adopt orders/sk-1
    $ snapkeep verify orders/sk-1
    $ snapkeep prune plan orders
    $ snapkeep prune apply orders --yes
    exit 1
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}

    $ snapkeep status orders
    exit 1
    --- stdout
    TARGET  NEWEST GOOD (UTC)  AGE  MAX AGE  STATE  VERIFIED  SIZES  NEXT RUN (UTC)  LAST ERROR
    orders  -  -  -  unknown  -  -  -  look: unavailable
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}

    $ snapkeep create orders
    $ snapkeep create orders --no-wait
    $ snapkeep guard orders -- true
    exit 1
    --- stderr
    error: aws_rds: cannot snapshot orders: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot snapshot orders: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}

    $ snapkeep wait orders/sk-1
    exit 1
    --- stderr
    error: aws_rds: cannot find orders/sk-1: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot find orders/sk-1: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    "#);
}
