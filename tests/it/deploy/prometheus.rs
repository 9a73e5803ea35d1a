//! The alert rules, judged by promtool, and what they tell a person to do.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{DEPLOY, assert_taken, good, text, tool};
use crate::cli::{calls, json_of_yaml};

const RULES: &str = "prometheus/snapkeep.rules.yml";

#[test]
fn every_alert_fires_when_it_should_and_not_else() {
    let Some(mut promtool) = tool("promtool") else { return };
    good(promtool.args(["test", "rules", &format!("{DEPLOY}/prometheus/snapkeep.rules.test.yml")]));
    let (rules, tests) = (text(RULES), text("prometheus/snapkeep.rules.test.yml"));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let cases: Vec<&str> = tests.split(&format!("alertname: {alert}\n")).skip(1).collect();
        let fires = |case: &&&str| case.trim_start().starts_with("exp_alerts:");
        assert!(cases.iter().any(|case| fires(&case)), "{alert}: no test in which it fires");
        assert!(cases.iter().any(|case| !fires(&case)), "{alert}: no test in which it doesn't");
    }
}

#[test]
fn the_examples_are_configs_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("snapkeep.token"), "token").unwrap();
    for file in ["snapkeep.rules.yml", "prometheus.yml", "kubernetes.yml"] {
        // Debian's promtool knows no Kubernetes.
        let pods = ("kubernetes_sd_configs:\n      - role: pod\n", "static_configs:\n      - targets: [\"pod\"]\n");
        fs::write(folder.path().join(file), text(Path::new("prometheus").join(file)).replace(pods.0, pods.1)).unwrap();
    }
    for file in ["prometheus.yml", "kubernetes.yml"] {
        let Some(mut promtool) = tool("promtool") else { return };
        good(promtool.args(["check", "config", "--lint=all", "--lint-fatal"]).arg(folder.path().join(file)));
    }
}

#[test]
fn every_command_that_an_alert_tells_is_one_that_the_command_line_takes() {
    let Some(rules) = json_of_yaml(RULES, &text(RULES)) else { return };
    let rules = rules[0]["groups"][0]["rules"].as_array().unwrap().clone();
    let advice = rules.iter().map(|rule| rule["annotations"]["description"].as_str().unwrap());
    let mut found = Vec::new();
    for text in advice {
        // What is in backquotes, with a name in a label's place.
        let text = text.replace("{{ $labels.target }}", "orders").replace("{{ $labels.schedule }}", "nightly");
        found.extend(text.split('`').skip(1).step_by(2).flat_map(calls));
    }
    assert!(rules.iter().all(|rule| rule["alert"] != Value::Null));
    assert_taken(&found);
}
