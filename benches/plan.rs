//! Plans pruning for a million snapshots: `cargo bench --bench plan`. The target is a second and 300 MiB, the snapshots
//! themselves included.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails by panicking")]

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use snapkeep::config::Retention;
use snapkeep::plan::{self, Rules, Seen, Verdict};
use snapkeep::retention;
use snapkeep_providers::model::{Hold, Origin, SnapshotState};

const POLICY: &str = "
keep_last = 100
keep_hourly = 1000
keep_daily = 365
keep_weekly = 104
keep_monthly = 60
keep_yearly = 20
keep_within = '3m'
min_keep = 10
max_age = '1d'
max_deletes = 2000000
max_delete_percent = 100
";

/// A target's snapshots, one every five minutes for as long as it takes, as a store lists them: in no order of theirs.
fn snapshots(count: u64, now: DateTime<Utc>) -> Vec<Seen> {
    let one = |nth: u64| {
        let nth = nth.wrapping_mul(7_919) % count; // a prime that divides no count used here: every number once
        let created = now - TimeDelta::minutes(5 * nth as i64);
        Seen {
            native: format!("{}-{nth:04x}", created.format("%Y%m%dT%H%M%SZ")).into(),
            created_at: Some(created),
            size_bytes: Some(nth << 20),
            origin: if nth % 50 == 7 { Origin::Manual } else { Origin::Owned },
            state: if nth % 100 == 9 { SnapshotState::Failed } else { SnapshotState::Available },
            verified: [None, None, Some(true), Some(nth % 1000 != 3)][nth as usize % 4],
            hold: (nth % 1000 == 11).then(|| Box::new(Hold { reason: "audit".to_owned(), until: None })),
            locked_until: (nth % 1000 == 13).then(|| now + TimeDelta::days(1)),
            group: 0,
            rest: 0,
        }
    };
    (0..count).map(one).collect()
}

/// The most memory that this process ever had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

fn main() {
    let policy: Retention = toml::from_str(POLICY).unwrap();
    let (zone, now) = (Tz::Europe__Berlin, "2026-12-01T12:00:00Z".parse().unwrap());
    let rules = Rules {
        policy: &policy,
        zone,
        max_deletes: policy.max_deletes,
        max_delete_percent: policy.max_delete_percent,
        clock_ahead: None,
    };
    println!("{:>9}  {:>8}  {:>8}  {:>8}  {:>8}  peak MiB", "snapshots", "seen MiB", "keep s", "plan s", "removed");
    // From few to many, as the peak never falls.
    for count in [10_000, 100_000, 1_000_000] {
        let seen = snapshots(count, now);
        let before = peak();
        let (planning, plan) = timed(|| plan::plan(&rules, seen, now));
        let (peak, removed) = (peak(), plan.rows.iter().filter(|row| row.verdict == Verdict::Remove).count());
        let moments: Vec<DateTime<Utc>> = plan.rows.iter().filter_map(|row| row.seen.created_at).collect();
        drop(plan);
        let (keeping, kept) = timed(|| retention::keep(&policy, zone, &moments, now));
        assert!(plan_is_whole(&kept, removed));
        let (keeping, planning) = (keeping.as_secs_f64(), planning.as_secs_f64());
        println!("{count:>9}  {before:>8.1}  {keeping:>8.3}  {planning:>8.3}  {removed:>8}  {peak:>8.1}");
    }
}

/// So that no work can be left out as unused.
fn plan_is_whole(kept: &[Vec<retention::Kept>], removed: usize) -> bool {
    removed > 0 && kept.iter().any(|kept| !kept.is_empty())
}
