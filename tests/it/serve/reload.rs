//! SIGHUP: another config, or none.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use super::{Served, append, histories, hourly, key, keys_of, miss};
use crate::cli::{Bench, target, until};

const SUCCESS: &str = "snapkeep_config_reload_success";

#[test]
fn a_good_config_is_taken_and_its_new_target_served() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("tasks", "tasks.db", "")]);
    let (schedule, due) = hourly();
    append(&bench, &schedule);
    miss(&bench, bench.command(), 2);
    let file = bench.path("snapkeep.toml");
    let both = fs::read_to_string(&file).unwrap();
    let one = both.replace(&target("tasks", "tasks.db", ""), "");
    fs::write(&file, &one).unwrap();
    let mut served = Served::of(&bench);
    until("the first is made", || (!served.runs("notes").is_empty()).then_some(()));
    assert_eq!((served.items("/api/v1/targets").len(), served.get("/api/v1/targets/tasks/snapshots").status), (1, 404));

    fs::write(&file, &both).unwrap();
    served.signal(Signal::HUP);
    let runs = until("the new one is made", || Some(served.runs("tasks")).filter(|runs| !runs.is_empty()));
    assert_eq!(runs[0]["error"], Value::Null);
    assert_eq!((keys_of(&bench, "tasks"), keys_of(&bench, "notes")), (vec![key(due)], vec![key(due)]));
    assert_eq!((served.items("/api/v1/targets").len(), served.metric(SUCCESS)), (2, Some(1.0)));
    let runs = "snapkeep_runs_total{target=\"notes\",schedule=\"hourly\"}";
    assert_eq!(served.metric(runs), Some(1.0), "what was counted stays");

    let other = "[schedules.other]\ncron = \"0 0 1 1 *\"\ntargets = [\"notes\"]\nactions = [\"prune\"]\n";
    fs::write(&file, format!("{both}\n{other}")).unwrap();
    served.signal(Signal::HUP);
    let next = "snapkeep_next_run_timestamp_seconds{target=\"notes\",schedule=\"other\"}";
    until("a new schedule is known before the next look", || served.metric(next));

    fs::write(&file, &one).unwrap();
    served.signal(Signal::HUP);
    until("the other is gone", || (served.items("/api/v1/targets").len() == 1).then_some(()));
    assert_eq!(served.metric("snapkeep_target_info{target=\"tasks\",provider=\"sqlite\"}"), None);
    served.stopped(Duration::from_secs(5));
}

#[test]
fn a_bad_config_is_refused_and_the_one_before_stays() {
    let bench = Bench::new();
    let (schedule, _) = hourly();
    append(&bench, &schedule);
    let file = bench.path("snapkeep.toml");
    let good = fs::read_to_string(&file).unwrap();
    let mut served = Served::of(&bench);
    let mut refused = 0;
    let bad = |config: Option<&str>, refused: &mut usize| {
        let at = served.metric("snapkeep_config_reload_timestamp_seconds");
        match config {
            Some(config) => fs::write(&file, config).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        served.signal(Signal::HUP);
        *refused += 1;
        let told = || served.said().matches("the config is refused; the one before stays").count();
        until("it is refused", || (told() == *refused).then_some(()));
        until("a metric tells it", || (served.metric(SUCCESS) == Some(0.0)).then_some(()));
        assert!(served.metric("snapkeep_config_reload_timestamp_seconds") > at);
        assert_eq!((served.items("/api/v1/targets").len(), served.get("/readyz").status), (1, 200));
    };
    bad(Some("nonsense ["), &mut refused);
    bad(Some(&good.replace("\"sqlite\"", "\"oracle\"")), &mut refused);
    bad(Some(&format!("{good}\n[serve]\nlisten = \"0.0.0.0:9870\"\n")), &mut refused);
    bad(Some(""), &mut refused);
    bad(None, &mut refused);
    assert!(served.said().contains("oracle"), "{}", served.said());
    fs::write(&file, &good).unwrap();
    (0..20).for_each(|_| served.signal(Signal::HUP));
    until("a good one is taken", || (served.metric(SUCCESS) == Some(1.0)).then_some(()));
    served.stopped(Duration::from_secs(5));
}

/// Of the run that goes on then, the new config finds that it is somebody's.
#[test]
fn a_run_that_goes_on_is_not_begun_anew() {
    let bench = Bench::new();
    let (schedule, due) = hourly();
    append(&bench, &schedule);
    miss(&bench, bench.command(), 1);
    let writer = Connection::open(bench.path("notes.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut served = Served::of(&bench);
    until("it dumps", || bench.has_open(&served.child, "notes.db").then_some(()));
    for done in 2..5 {
        served.signal(Signal::HUP);
        until("it is read again", || (served.said().matches("runs to plan: 1").count() == done).then_some(()));
    }
    drop(writer);
    until("it is made", || (!served.runs("notes").is_empty()).then_some(()));
    served.stopped(Duration::from_secs(30));
    assert_eq!(keys_of(&bench, "notes"), [key(due)]);
    let history = super::history(&histories(&bench)[0]);
    assert_eq!(history["runs"].as_array().unwrap().len(), 1, "{history}");
    assert!(!served.said().contains("error"), "{}", served.said());
}
