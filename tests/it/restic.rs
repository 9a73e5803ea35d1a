//! The kept sets agree with those of restic, whose rules users know.
//!
//! Only where nothing is documented to differ: restic keeps the oldest for no rule (before 0.16) or for every one with
//! count left, so here every count is spent; it buckets in the offset that a snapshot was made in, so all is in UTC;
//! a month before the 31st is in the next month where a month has no 31st, so the newest is of the 5th.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::{self, Retention};
use snapkeep::retention;

use crate::support::leave_out;

const POLICIES: [&str; 14] = [
    "keep_last = 7",
    "keep_hourly = 8",
    "keep_daily = 10",
    "keep_weekly = 9",
    "keep_weekly = 21",
    "keep_monthly = 9",
    "keep_yearly = 6",
    "keep_within = '36h'",
    "keep_within = '1m3d'",
    "keep_within = '4y2m3d4h'",
    "keep_last = 2\nkeep_hourly = 3\nkeep_daily = 4\nkeep_weekly = 5\nkeep_monthly = 6\nkeep_yearly = 5",
    "keep_hourly = 14\nkeep_monthly = 13",
    "keep_daily = 7\nkeep_weekly = 4\nkeep_yearly = 4\nkeep_within = '9d'",
    "keep_last = 30\nkeep_monthly = 3\nkeep_within = '12h'",
];

/// Hours, days, weeks, months and years, two in some of them; the ends of ISO years and of February in leap years.
fn moments() -> BTreeSet<DateTime<Utc>> {
    let newest = at("2025-03-05T12:10:00Z");
    let hours = (0..9).map(|nth| newest - TimeDelta::minutes(nth * 50));
    let days = (0..18).map(|nth| newest - TimeDelta::hours(nth * 17));
    let weeks = (0..10).map(|nth| newest - TimeDelta::days(nth * 5));
    let months = (1..12).map(|nth| newest - TimeDelta::days(nth * 37));
    let edges = [
        "2024-12-29T23:59:59Z",
        "2024-12-30T00:00:00Z",
        "2024-12-31T23:59:59Z",
        "2025-01-01T00:00:00Z",
        "2024-03-01T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "2024-02-29T00:00:00Z",
        "2023-01-01T12:00:00Z",
        "2022-12-31T12:00:00Z",
        "2021-01-04T00:00:00Z",
        "2021-01-03T23:59:59Z",
        "2020-12-31T12:00:00Z",
        "2020-12-28T00:00:00Z",
        "2020-12-27T23:59:59Z",
        "2019-06-01T00:00:00Z",
    ];
    hours.chain(days).chain(weeks).chain(months).chain(edges.map(at)).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn restic(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo", "repo"])
        .args(arguments)
        .current_dir(folder)
        .envs([("RESTIC_PASSWORD", "test"), ("TZ", "UTC")])
        .output()
        .unwrap();
    assert!(output.status.success(), "restic {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn back_up(folder: &Path, moments: &BTreeSet<DateTime<Utc>>) {
    std::fs::write(folder.join("file"), "x").unwrap();
    restic(folder, &["init", "--repository-version", "2"]);
    let moments: Vec<_> = moments.iter().collect();
    std::thread::scope(|scope| {
        for some in moments.chunks(moments.len().div_ceil(8)) {
            scope.spawn(move || {
                for moment in some {
                    let time = moment.format("%F %T").to_string();
                    restic(folder, &["backup", "--host", "h", "--time", &time, "file"]);
                }
            });
        }
    });
}

fn kept_by_restic(folder: &Path, policy: &str) -> BTreeSet<DateTime<Utc>> {
    let mut arguments: Vec<String> =
        ["forget", "--no-lock", "--dry-run", "--json", "--group-by", "host"].map(Into::into).into();
    for (rule, value) in policy.lines().map(|line| line.split_once(" = ").unwrap()) {
        arguments.push(format!("--{}", rule.replace('_', "-")));
        arguments.push(value.trim_matches('\'').to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let groups: serde_json::Value = serde_json::from_slice(&restic(folder, &arguments)).unwrap();
    let [group] = &groups.as_array().unwrap()[..] else { panic!("one group is expected: {groups}") };
    group["keep"].as_array().unwrap().iter().map(|snapshot| at(snapshot["time"].as_str().unwrap())).collect()
}

fn kept_by_us(policy: &str, moments: &BTreeSet<DateTime<Utc>>) -> BTreeSet<DateTime<Utc>> {
    let config =
        config::parse(&format!("version = 1\n[retention.it]\n{policy}\n"), Path::new("snapkeep.toml")).unwrap();
    let policy: &Retention = &config.retention["it"];
    let moments: Vec<DateTime<Utc>> = moments.iter().copied().collect();
    let kept = retention::keep(policy, policy.timezone.parse().unwrap(), &moments, Utc::now());
    moments.into_iter().zip(kept).filter(|(_, kept)| !kept.is_empty()).map(|(moment, _)| moment).collect()
}

#[test]
fn the_kept_sets_agree_with_restic() {
    if Command::new("restic").arg("version").output().is_err() {
        return leave_out("restic is not there; tests/servers/setup.sh installs it");
    }
    let folder = tempfile::tempdir().unwrap();
    let moments = moments();
    back_up(folder.path(), &moments);
    for policy in POLICIES {
        let kept = kept_by_us(policy, &moments);
        assert!(kept.len() < moments.len(), "a policy that keeps everything shows nothing: {policy}");
        assert_eq!(kept, kept_by_restic(folder.path(), policy), "{policy}");
    }
}
