//! `tf-external`, which reads its query on stdin.

use serde_json::json;

use super::cloud_errors::cloud;
use super::{Stage, grouped, with_json};
use crate::cli::{Bench, CloudBench};
use crate::support::rds::{Fault, Trouble};
use crate::terraform::ask;

/// What is answered to each of these queries, and each error as JSON too.
fn answers(bench: &Bench, stage: &impl Stage, command: impl Fn() -> std::process::Command, queries: &[&str]) -> String {
    grouped(queries.iter().map(|query| {
        let play = |line: &str| stage.stable(&ask(bench, &mut command(), line, query));
        let text = play("tf-external");
        let output = match text.starts_with("exit 0") {
            true => text,
            false => with_json(&text, &play("--log-format json tf-external")),
        };
        (format!("tf-external <<< '{query}'"), output)
    }))
}

#[test]
fn of_a_dump() {
    let bench = Bench::new();
    bench.create();
    let target = |target: &str| json!({ "target": target }).to_string();
    let queries =
        [target("notes"), target("gone"), "{}".into(), "no json".into(), r#"{"target":"notes","age":"1h"}"#.into()];
    let old = r#"{"target":"notes","verified":"true"}"#;
    let queries: Vec<&str> = queries.iter().map(String::as_str).chain([old]).collect();
    insta::assert_snapshot!(answers(&bench, &bench, || bench.command(), &queries), @r#"
    $ snapkeep tf-external <<< '{"target":"notes"}'
    exit 0
    --- stdout
    {"completed_at":"[TIME]","created_at":"[TIME]","encrypted":"false","engine":"sqlite","engine_version":"[SQLITE]","expires_at":"","held":"false","hold_reason":"","hold_until":"","id":"notes/[ID1]","key":"","location":"local:[DIR]/snapshots","locked_until":"","native_id":"[ID1]","origin":"owned","provider":"sqlite","provider_state":"","size_bytes":"169","state":"available","tags":"{}","target":"notes","verified":"","verified_at":"","verified_level":""}

    $ snapkeep tf-external <<< '{"target":"gone"}'
    exit 2
    --- stderr
    error: there is no target "gone" in snapkeep.toml; hint: see `snapkeep targets`
    --- stderr as JSON
    {"level":"error","code":"unknown_target","message":"there is no target \"gone\" in snapkeep.toml","target":"gone","retryable":false,"hint":"see `snapkeep targets`","causes":[]}

    $ snapkeep tf-external <<< '{}'
    exit 2
    --- stderr
    error: tf-external: cannot read the query: it has no "target"; hint: name one of those that `snapkeep targets` shows: target = "..."
    --- stderr as JSON
    {"level":"error","code":"usage","message":"tf-external: cannot read the query: it has no \"target\"","target":null,"retryable":false,"hint":"name one of those that `snapkeep targets` shows: target = \"...\"","causes":[]}

    $ snapkeep tf-external <<< 'no json'
    exit 2
    --- stderr
    error: tf-external: cannot read the query: it is no JSON: expected ident at line 1 column 2; hint: give it a JSON object of strings on stdin: {"target":"TARGET"}
    --- stderr as JSON
    {"level":"error","code":"usage","message":"tf-external: cannot read the query: it is no JSON: expected ident at line 1 column 2","target":null,"retryable":false,"hint":"give it a JSON object of strings on stdin: {\"target\":\"TARGET\"}","causes":[]}

    $ snapkeep tf-external <<< '{"target":"notes","age":"1h"}'
    exit 2
    --- stderr
    error: tf-external: cannot read the query: unknown key "age"; hint: did you mean "max_age"?
    --- stderr as JSON
    {"level":"error","code":"usage","message":"tf-external: cannot read the query: unknown key \"age\"","target":null,"retryable":false,"hint":"did you mean \"max_age\"?","causes":[]}

    $ snapkeep tf-external <<< '{"target":"notes","verified":"true"}'
    exit 4
    --- stderr
    error: notes has no verified snapshot; hint: see which there are: `snapkeep list notes`
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"notes has no verified snapshot","target":"notes","retryable":false,"hint":"see which there are: `snapkeep list notes`","causes":[]}
    "#);
    std::fs::write(bench.path("snapkeep.toml"), "version = 2\n").unwrap();
    insta::assert_snapshot!(answers(&bench, &bench, || bench.command(), &[r#"{"target":"notes"}"#]), @r#"
    $ snapkeep tf-external <<< '{"target":"notes"}'
    exit 2
    --- stderr
    error: snapkeep.toml:1:11: "version" must be 1, not 2
    --- stderr as JSON
    {"level":"error","code":"config","message":"snapkeep.toml:1:11: \"version\" must be 1, not 2","target":null,"retryable":false,"hint":null,"causes":[]}
    "#);
}

#[test]
fn of_a_cloud() {
    let faults = [Fault::AccessDenied, Fault::Throttled, Fault::CutBefore];
    let shown = faults.map(|fault| {
        let cloud = cloud(None);
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault).always());
        answers(&cloud.bench, &cloud, || cloud.command(), &[r#"{"target":"orders"}"#])
    });
    insta::assert_snapshot!(shown.join("\n"), @r#"
    $ snapkeep tf-external <<< '{"target":"orders"}'
    exit 5
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted; caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action; hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot list orders in eu-central-1: rds:DescribeDBSnapshots is not permitted","target":"orders","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-central-1:123456789012:db:orders-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep tf-external <<< '{"target":"orders"}'
    exit 6
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls; caused by: Throttling: Rate exceeded; hint: try again later
    --- stderr as JSON
    {"level":"error","code":"busy","message":"aws_rds: cannot list orders in eu-central-1: AWS throttles this account's calls","target":"orders","retryable":true,"hint":"try again later","causes":["Throttling: Rate exceeded"]}

    $ snapkeep tf-external <<< '{"target":"orders"}'
    exit 1
    --- stderr
    error: aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer; caused by: connection closed before message completed; hint: see whether its `endpoint` is right and up
    --- stderr as JSON
    {"level":"error","code":"unavailable","message":"aws_rds: cannot list orders in eu-central-1: [ENDPOINT] does not answer","target":"orders","retryable":true,"hint":"see whether its `endpoint` is right and up","causes":["connection closed before message completed"]}
    "#);
}
