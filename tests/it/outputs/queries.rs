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
    insta::assert_snapshot!(answers(&bench, &bench, || bench.command(), &queries), @"");
    std::fs::write(bench.path("snapkeep.toml"), "version = 2\n").unwrap();
    insta::assert_snapshot!(answers(&bench, &bench, || bench.command(), &[r#"{"target":"notes"}"#]), @"");
}

#[test]
fn of_a_cloud() {
    let faults = [Fault::AccessDenied, Fault::Throttled, Fault::CutBefore];
    let shown = faults.map(|fault| {
        let cloud = cloud(None);
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault).always());
        answers(&cloud.bench, &cloud, || cloud.command(), &[r#"{"target":"orders"}"#])
    });
    insta::assert_snapshot!(shown.join("\n"), @"");
}
