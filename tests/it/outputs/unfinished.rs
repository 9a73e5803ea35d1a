//! What was begun and not waited for.

use super::{both, errors, shown};
use crate::aws::cloud::{Cloud, owned_by};
use crate::cli::{Bench, CloudBench};
use crate::support::rds::{Fault, Trouble};

/// Two targets, of one of which a creation goes on.
fn cloud() -> Cloud {
    let cloud = Cloud::of_instance("");
    let database = "db_instance_identifier = \"orders-prod\"";
    cloud.configure(&(cloud.target("ledger", database, "") + &cloud.target("orders", database, "")));
    cloud.rds.world(|world| world.looks = 1000);
    cloud.done("create orders --no-wait --key upgrade");
    cloud
}

#[test]
fn operations_that_go_on() {
    insta::assert_snapshot!(both(&cloud(), &["operations", "operations ledger"]), @r#"
    $ snapkeep operations
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  running  [TIME]

    $ snapkeep -o json operations
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [
        {
          "id": "orders/[NEW]",
          "target": "orders",
          "snapshot": "orders/[NEW]",
          "state": "running",
          "verb": "create",
          "key": "upgrade",
          "begun_at": "[TIME]",
          "host": "[HOST]"
        }
      ],
      "errors": []
    }

    $ snapkeep operations ledger
    exit 0

    $ snapkeep -o json operations ledger
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [],
      "errors": []
    }
    "#);
}

#[test]
fn operations_that_cannot_be_asked() {
    let shown = [Fault::AccessDenied, Fault::Throttled, Fault::CutBefore].map(|fault| {
        let cloud = cloud();
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault).always());
        errors(&cloud, ["operations"])
    });
    insta::assert_snapshot!(shown.join("\n"), @r#"
    $ snapkeep operations
    exit 3
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  unknown  [TIME]
    --- stderr
    error: aws_rds: cannot find orders/[NEW]: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot find orders/[NEW]: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep operations
    exit 3
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  unknown  [TIME]
    --- stderr
    error: aws_rds: cannot find orders/[NEW]: AWS throttles this account's calls
    caused by: Throttling: Rate exceeded
    hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot find orders/[NEW]: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep operations
    exit 3
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    orders/[NEW]  create  orders/[NEW]  unknown  [TIME]
    --- stderr
    error: aws_rds: cannot find orders/[NEW]: [ENDPOINT] does not answer
    caused by: connection closed before message completed
    hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot find orders/[NEW]: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    "#);
}

#[test]
fn operations_of_some_targets_that_cannot_be_asked() {
    let cloud = cloud();
    cloud.take("first", |new| owned_by("ledger", new));
    cloud.done("copy ledger/first --to-region eu-west-1 --no-wait");
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::AccessDenied).in_region("eu-west-1").always());
    insta::assert_snapshot!(shown(&cloud, &["-o json operations"]), @r#"
    $ snapkeep -o json operations
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [
        {
          "id": "ledger/[NEW]",
          "target": "ledger",
          "snapshot": "ledger/[NEW]",
          "state": "unknown",
          "verb": "copy",
          "key": null,
          "begun_at": "[TIME]",
          "host": "[HOST]"
        },
        {
          "id": "orders/[NEW]",
          "target": "orders",
          "snapshot": "orders/[NEW]",
          "state": "running",
          "verb": "create",
          "key": "upgrade",
          "begun_at": "[TIME]",
          "host": "[HOST]"
        }
      ],
      "errors": [
        {
          "code": "permission",
          "message": "aws_rds: cannot find ledger/[NEW]: rds:DescribeDBSnapshots is not permitted",
          "target": "ledger",
          "retryable": false,
          "hint": "add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb",
          "causes": [
            "AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action"
          ]
        }
      ]
    }
    --- stderr
    error: aws_rds: cannot find ledger/[NEW]: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:snapshot:[NEW] because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    "#);
}

#[test]
fn operations_of_nobody() {
    let bench = Bench::new();
    insta::assert_snapshot!(errors(&bench, ["operations gone", "operations --all"]), @r#"
    $ snapkeep operations gone
    exit 2
    --- stderr
    error: there is no target "gone" in snapkeep.toml
    hint: see `snapkeep targets`
    --- stderr as JSON
    {"level":"error","code":"unknown_target","message":"there is no target \"gone\" in snapkeep.toml","target":"gone","retryable":false,"hint":"see `snapkeep targets`","causes":[]}

    $ snapkeep operations --all
    exit 2
    --- stderr
    error: unexpected argument '--all' found

      tip: to pass '--all' as a value, use '-- --all'

    Usage: snapkeep operations [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--all' found","target":null,"retryable":false,"hint":"to pass '--all' as a value, use '-- --all'","causes":[]}
    "#);
    std::fs::write(bench.path("snapkeep.toml"), "version = 2\n").unwrap();
    insta::assert_snapshot!(errors(&bench, ["operations"]), @r#"
    $ snapkeep operations
    exit 2
    --- stderr
    error: snapkeep.toml:1:11: "version" must be 1, not 2
    --- stderr as JSON
    {"level":"error","code":"config","message":"snapkeep.toml:1:11: \"version\" must be 1, not 2","target":null,"retryable":false,"hint":null,"causes":[]}
    "#);
}
