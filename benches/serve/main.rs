//! Serves 10,000 targets whose clouds are in memory: `cargo bench --bench serve --features bench`, with `-- --quick` 1,000.
//!
//! What is measured is another process in the same program, which reads a real config and keeps a real state, over HTTP and from
//! /proc. It takes ten minutes, most of them waiting for what is due.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use bed::{Bed, Daily, Scale, minute_after, names};
use served::{Served, ask, mebibytes, until};

mod bed;
mod served;

const FULL: Scale = Scale { targets: 10_000, idle: Duration::from_secs(60), minutes: 4 };
const QUICK: Scale = Scale { targets: 1_000, idle: Duration::from_secs(10), minutes: 1 };
/// How many snapshots and runs each target has where it has many.
const MANY: i32 = 30;

/// When each target of each schedule begins next, jitter included.
type Planned = BTreeMap<(String, String), DateTime<Utc>>;

/// What is printed.
#[derive(Default)]
struct Table {
    missed: u32,
}

impl Table {
    fn head(&self, words: &str) {
        println!("\n{words}");
    }

    fn figure(&self, what: &str, figure: f64, unit: &str) {
        println!("  {what:<58} {figure:>9.2} {unit}");
    }

    /// A figure that must be below its limit.
    fn limited(&mut self, what: &str, figure: f64, unit: &str, limit: f64) {
        let verdict = if figure < limit { "ok" } else { "MISSED" };
        self.missed += u32::from(figure >= limit);
        println!("  {what:<58} {figure:>9.2} {unit:<4} limit {limit:>6.1}  {verdict}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next().unwrap_or_default();
    let number = |word: Option<OsString>| word.unwrap().into_string().unwrap().parse().unwrap();
    match role.to_str() {
        Some("--serve") => {
            let snapshots = number(arguments.next());
            let words = [OsString::from("snapkeep"), "serve".into()].into_iter().chain(arguments);
            ExitCode::from(snapkeep::cli::in_memory(words, snapshots))
        }
        Some("--clouds") => {
            let targets = number(arguments.next());
            let (before, _clouds) = (resident(), snapkeep::cli::fill_clouds(names(targets as usize), MANY));
            println!("{}", resident() - before);
            ExitCode::SUCCESS
        }
        _ => measure(if std::env::args().any(|word| word == "--quick") { QUICK } else { FULL }),
    }
}

fn resident() -> f64 {
    mebibytes(&std::fs::read_to_string("/proc/self/status").unwrap(), "VmRSS:")
}

fn measure(scale: Scale) -> ExitCode {
    let (bed, mut table) = (Bed::new(scale), Table::default());
    println!("{} targets in one process, their clouds in its memory", scale.targets);
    let catching_up = begin(&bed, &mut table, scale);
    busy(&bed, &mut table, scale, catching_up);
    with_many(&bed, &mut table, scale);
    match table.missed {
        0 => ExitCode::SUCCESS,
        missed => {
            println!("\n{missed} figures miss their limits");
            ExitCode::FAILURE
        }
    }
}

/// With a state that is new: how it starts, and what it takes when nothing is due.
fn begin(bed: &Bed, table: &mut Table, scale: Scale) -> Duration {
    bed.configure(&[]);
    let begun = Instant::now();
    let served = Served::start(bed.folder(), 1);
    let (began, places) = (served.taken(), bed.places(1));
    table.head("Start, nothing known");
    table.limited("from exec to ready", served.ready_after.as_secs_f64(), "s", 2.0);
    table.figure("processor time of that", began.cpu, "s");
    bed.wait_for_histories(places);
    wait_for_looks(&served, scale);
    let catching_up = begun.elapsed();
    table.figure(
        &format!("until {places} pairs have their baseline, all are looked at"),
        catching_up.as_secs_f64(),
        "s",
    );
    table.figure("processor time of that", served.taken().seconds_since(&began), "s");
    idle(&served, table, scale);
    answers(&served, table);
    let stopped = served.stop();
    table.figure("to stop", stopped.as_secs_f64(), "s");
    catching_up
}

fn wait_for_looks(served: &Served, scale: Scale) {
    until(Duration::from_secs(1), || {
        let known =
            served.get("/metrics").body.lines().filter(|line| line.starts_with("snapkeep_look_failures{")).count();
        known >= scale.targets
    });
}

fn idle(served: &Served, table: &mut Table, scale: Scale) {
    std::thread::sleep(Duration::from_secs(3));
    let before = served.taken();
    std::thread::sleep(scale.idle);
    let after = served.taken();
    table.head(&format!("Nothing is due, for {} s", scale.idle.as_secs()));
    table.limited("of a core", after.percent_since(&before), "%", 1.0);
    table.limited("memory (VmRSS)", after.resident, "MiB", 150.0);
    table.figure("the most until then (VmHWM)", after.peak, "MiB");
}

fn answers(served: &Served, table: &Table) {
    for path in ["/metrics", "/", "/api/v1/status", "/api/v1/runs?limit=10000"] {
        let (before, answer) = (served.taken(), served.get(path));
        let size = answer.body.len() as f64 / 1024.0 / 1024.0;
        table.figure(&format!("GET {path}, {size:.1} MiB"), answer.took.as_secs_f64(), "s");
        table.figure("  memory after it", served.taken().resident - before.resident, "MiB more");
    }
}

/// Started again, with two more schedules: one that is spread by jitter, and one that is due for all at once.
fn busy(bed: &Bed, table: &mut Table, scale: Scale, catching_up: Duration) {
    let spread = minute_after(catching_up * 3 + Duration::from_secs(20));
    let burst = spread + TimeDelta::minutes(scale.minutes + 1);
    let more = |name, at, jitter| Daily { name, at, jitter };
    bed.configure(&[more("spread", spread, scale.minutes), more("burst", burst, 0)]);
    let served = Served::start(bed.folder(), 1);
    table.head("Started again, with two more schedules");
    table.limited("from exec to ready", served.ready_after.as_secs_f64(), "s", 2.0);
    bed.wait_for_histories(bed.places(3));
    wait_for_looks(&served, scale);
    let reload = Instant::now();
    served.reload();
    table.figure("to read the config again", reload.elapsed().as_secs_f64(), "s");
    assert!(Utc::now() < spread, "catching up took longer than before");
    let planned = planned(&served);
    spread_runs(&served, table, scale, spread, &planned);
    burst_runs(&served, table, scale, burst, &planned);
    let stopped = served.stop();
    table.figure("to stop", stopped.as_secs_f64(), "s");
}

fn planned(served: &Served) -> Planned {
    let metrics = served.get("/metrics").body;
    let of_line = |line: &str| {
        let (labels, value) = line.strip_prefix("snapkeep_next_run_timestamp_seconds{")?.split_once("} ")?;
        let mut labels = labels.split('"');
        let target = labels.nth(1)?.to_owned();
        let millis = (value.parse::<f64>().ok()? * 1000.0).round() as i64;
        Some(((target, labels.nth(1)?.to_owned()), DateTime::from_timestamp_millis(millis)?))
    };
    metrics.lines().filter_map(of_line).collect()
}

fn spread_runs(served: &Served, table: &mut Table, scale: Scale, at: DateTime<Utc>, planned: &Planned) {
    std::thread::sleep((at - Utc::now()).to_std().unwrap());
    let before = served.taken();
    std::thread::sleep(Duration::from_secs(60) * u32::try_from(scale.minutes).unwrap());
    let after = served.taken();
    table.head(&format!("All due within {} min, by jitter", scale.minutes));
    wait_for_runs(served, "spread", scale.targets);
    let runs = runs(served, "spread");
    late(table, &runs, planned, Some(2.0));
    table.figure("of a core", after.percent_since(&before), "%");
    table.figure("memory (VmRSS)", after.resident, "MiB");
}

fn burst_runs(served: &Served, table: &mut Table, scale: Scale, at: DateTime<Utc>, planned: &Planned) {
    std::thread::sleep((at - Utc::now()).to_std().unwrap_or_default());
    let (before, over, address) = (served.taken(), AtomicBool::new(false), served.address());
    let slowest = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let ready = ask(address, "/readyz").unwrap();
                assert_eq!(ready.status, 200, "it is not ready");
                slowest = slowest.max(ready.took);
                std::thread::sleep(Duration::from_millis(100));
            }
            slowest
        });
        wait_for_runs(served, "burst", scale.targets);
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let after = served.taken();
    table.head("All due at one moment");
    let runs = runs(served, "burst");
    let ended = runs.iter().map(|run| moment(run, "ended_at")).max().unwrap();
    table.figure("until the last is done", (ended - at).as_seconds_f64(), "s");
    late(table, &runs, planned, None);
    table.figure("slowest answer of /readyz meanwhile", slowest.as_secs_f64(), "s");
    table.figure("processor time", after.seconds_since(&before), "s");
    table.figure("the most memory ever (VmHWM)", after.peak, "MiB");
    table.figure("memory (VmRSS)", after.resident, "MiB");
}

fn wait_for_runs(served: &Served, schedule: &str, count: usize) {
    let of_it = format!("schedule=\"{schedule}\"");
    until(Duration::from_secs(2), || {
        let metrics = served.get("/metrics").body;
        let lines =
            metrics.lines().filter(|line| line.starts_with("snapkeep_run_late_seconds{") && line.contains(&of_it));
        lines.count() >= count
    });
}

/// The last run of each target by a schedule.
fn runs(served: &Served, schedule: &str) -> Vec<Value> {
    let document: Value =
        serde_json::from_str(&served.get(&format!("/api/v1/runs?schedule={schedule}&limit=10000")).body).unwrap();
    let items = document["items"].as_array().unwrap();
    items.iter().filter(|run| run["schedule"] == schedule).cloned().collect()
}

fn moment(run: &Value, key: &str) -> DateTime<Utc> {
    serde_json::from_value(run[key].clone()).unwrap()
}

/// How much later than planned the runs began, by what they wrote down themselves.
fn late(table: &mut Table, runs: &[Value], planned: &Planned, limit: Option<f64>) {
    let of_run = |run: &Value| {
        let pair = ["target", "schedule"].map(|key| run[key].as_str().unwrap().to_owned());
        (moment(run, "begun_at") - planned[&pair.into()]).as_seconds_f64()
    };
    let mut late: Vec<f64> = runs.iter().map(of_run).collect();
    late.sort_by(f64::total_cmp);
    let at = |part: f64| late[((late.len() - 1) as f64 * part) as usize];
    let failed: Vec<&Value> = runs.iter().filter(|run| !run["error"].is_null()).collect();
    failed.iter().take(3).for_each(|run| eprintln!("{run}"));
    table.figure("runs", runs.len() as f64, "");
    table.limited("of these failed", failed.len() as f64, "", 0.5);
    table.figure("late, half of them less than", at(0.5), "s");
    table.figure("late, 99 % of them less than", at(0.99), "s");
    match limit {
        Some(limit) => table.limited("late, the latest", at(1.0), "s", limit),
        None => table.figure("late, the latest", at(1.0), "s"),
    }
}

/// Where each target has many snapshots and runs.
fn with_many(bed: &Bed, table: &mut Table, scale: Scale) {
    bed.fill_histories(MANY.into());
    let mut clouds = std::process::Command::new(std::env::current_exe().unwrap());
    let told = clouds.args(["--clouds", &scale.targets.to_string()]).output().unwrap().stdout;
    let of_clouds: f64 = String::from_utf8(told).unwrap().trim().parse().unwrap();
    let served = Served::start(bed.folder(), MANY);
    wait_for_looks(&served, scale);
    std::thread::sleep(Duration::from_secs(3));
    let taken = served.taken();
    table.head(&format!("{MANY} snapshots of each target, {MANY} runs of each of two schedules"));
    table.limited("from exec to ready", served.ready_after.as_secs_f64(), "s", 2.0);
    table.figure("memory (VmRSS)", taken.resident, "MiB");
    table.figure("what the clouds themselves take of it", of_clouds, "MiB");
    table.limited("without the clouds", taken.resident - of_clouds, "MiB", 150.0);
    answers(&served, table);
    served.stop();
}
