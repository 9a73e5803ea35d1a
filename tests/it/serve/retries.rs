//! What fails is tried again, and holds nobody up.

use std::fs;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Served, append, histories, history, hourly, in_time, key, keys_of, miss};
use crate::cli::{Bench, target, until};
use crate::support::install;

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// Takes more than a minute: the first pause. Another process keeps it too.
pub(super) fn a_run_that_fails_is_tried_again_with_its_key_and_the_others_go_on() {
    let bench = Bench::of(&[target("gone", "gone.db", ""), target("notes", "notes.db", "")]);
    let (schedule, due) = hourly();
    append(&bench, &schedule);
    miss(&bench, bench.command(), 2);
    let mut served = Served::of(&bench);
    let runs = until("the other one is made", || Some(served.runs("notes")).filter(|runs| !runs.is_empty()));
    assert_eq!(runs[0]["error"], Value::Null);
    let failed = until("the broken one has failed", || served.runs("gone").into_iter().next());
    assert_eq!((failed["error"]["action"].as_str(), &failed["attempt"]), (Some("create"), &json!(1)), "{failed}");
    assert_eq!(time(&failed["due"]), due);
    until("that is told", || served.said().contains("gone: hourly is tried again at ").then_some(()));
    let of_gone = "{target=\"gone\",schedule=\"hourly\"}";
    let counted = ["runs_total", "run_failures_total", "last_run_success"]
        .map(|name| served.metric(&format!("snapkeep_{name}{of_gone}")));
    assert_eq!(counted, [Some(1.0), Some(1.0), Some(0.0)]);

    served.stopped(Duration::from_secs(5));
    fs::copy(bench.path("notes.db"), bench.path("gone.db")).unwrap();
    let mut served = Served::of(&bench);
    let again = in_time(90, "it is tried again", || Some(served.runs("gone")).filter(|runs| runs.len() == 2));
    let [again, before] = again.as_slice() else { unreachable!() };
    assert_eq!(before, &failed);
    assert_eq!(
        (&again["error"], &again["attempt"], &again["due"]),
        (&Value::Null, &json!(2), &failed["due"]),
        "{again}"
    );
    let pause = time(&again["begun_at"]) - time(&failed["ended_at"]);
    assert!(pause >= TimeDelta::seconds(60) && pause < TimeDelta::seconds(75), "{pause}");
    let counted = ["runs_total", "run_failures_total", "last_run_success"]
        .map(|name| served.metric(&format!("snapkeep_{name}{of_gone}")));
    assert_eq!(counted, [Some(1.0), Some(0.0), Some(1.0)]);
    served.stopped(Duration::from_secs(5));
    assert_eq!((keys_of(&bench, "gone"), keys_of(&bench, "notes")), (vec![key(due)], vec![key(due)]));
}

/// Two schedules are due at one moment, on one target, and the first takes its time.
#[test]
fn a_run_that_meets_another_one_at_its_target_has_not_failed_and_waits() {
    let bench = Bench::new();
    let (schedule, due) = hourly();
    append(&bench, &schedule);
    append(&bench, &schedule.replace("hourly", "other"));
    miss(&bench, bench.command(), 2);
    let writer = Connection::open(bench.path("notes.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut served = Served::of(&bench);
    until("one dumps", || bench.has_open(&served.child, "notes.db").then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    drop(writer);
    let runs = in_time(40, "both are made", || Some(served.runs("notes")).filter(|runs| runs.len() == 2));
    assert!(runs.iter().all(|run| run["error"].is_null() && run["attempt"] == 1), "{runs:?}");
    let mut keys = keys_of(&bench, "notes");
    keys.sort();
    assert_eq!(keys, [key(due), key(due).replace("hourly", "other")]);
    assert!(!served.said().contains("error"), "{}", served.said());
    served.stopped(Duration::from_secs(5));
}

/// As after a sleep that was longer than the lease: what another process has taken over has not failed.
#[test]
fn a_run_that_was_taken_over_meanwhile_leaves_the_end_to_the_other() {
    let bench =
        Bench::of(&[target("notes", "notes.db", "\n[hooks]\nbefore_create = [{ command = [\"./before\"] }]\n")]);
    append(&bench, &hourly().0);
    install(
        "#!/bin/sh\nfind home -path '*history*' -name '*.json' -exec sed -i 's/\"key\": *\"/&other-/' {} +\nexit 1\n",
        &bench.path("before"),
    );
    let ran = bench.run("run hourly");
    assert_eq!(ran.code, Some(11), "{ran}");
    assert!(ran.err.contains("lost to another process"), "{ran}");
    let history = history(&histories(&bench)[0]);
    assert_eq!(history["runs"], json!([]), "{history}");
    assert!(history["unfinished"]["key"].as_str().unwrap().starts_with("other-"), "{history}");
}

/// The state can be read, and nothing can be locked.
#[test]
fn a_run_that_can_not_be_written_down_is_told_by_the_process_that_tried() {
    let bench = Bench::new();
    append(&bench, &hourly().0);
    miss(&bench, bench.command(), 1);
    let locks = histories(&bench)[0].parent().unwrap().with_file_name("lock");
    let _ = fs::remove_dir_all(&locks);
    fs::write(&locks, "in the way").unwrap();
    let mut served = Served::of(&bench);
    let runs = until("it has failed", || Some(served.runs("notes")).filter(|runs| !runs.is_empty()));
    let error = &runs[0]["error"];
    assert!(error["action"].is_null() && error["message"].as_str().unwrap().contains("state: "), "{error}");
    assert_eq!(served.metric("snapkeep_last_run_success{target=\"notes\",schedule=\"hourly\"}"), Some(0.0));
    assert_eq!(served.items("/api/v1/status")[0]["failing"], true);
    assert!(served.get("/").body.contains("run failed"));
    served.stopped(Duration::from_secs(5));
    assert_eq!(history(&histories(&bench)[0])["runs"], json!([]));
}

/// Takes up to a minute. Others are looked at each hour.
pub(super) fn what_is_mended_by_hand_is_seen_soon() {
    let bench = Bench::new();
    let mut served = Served::of(&bench);
    let good = || served.metric("snapkeep_good_snapshots{target=\"notes\"}");
    until("it is seen that there is none", || (good() == Some(0.0)).then_some(()));
    assert_eq!(bench.run("create notes").code, Some(0));
    in_time(90, "it is seen that there is one", || (good() == Some(1.0)).then_some(()));
    served.stopped(Duration::from_secs(5));
}

#[test]
fn a_run_by_hand_is_the_next_try_of_what_failed() {
    let bench = Bench::of(&[target("gone", "gone.db", "")]);
    let (schedule, due) = hourly();
    append(&bench, &schedule);
    bench.sql("gone.db", "CREATE TABLE notes (text TEXT)");
    miss(&bench, bench.command(), 1);
    fs::rename(bench.path("gone.db"), bench.path("elsewhere.db")).unwrap();
    let mut served = Served::of(&bench);
    until("it has failed", || served.runs("gone").into_iter().next());
    served.stopped(Duration::from_secs(5));
    fs::rename(bench.path("elsewhere.db"), bench.path("gone.db")).unwrap();
    let ran = bench.run("-o json run hourly");
    let run = &ran.document()["items"][0];
    assert_eq!((ran.code, &run["attempt"], time(&run["due"])), (Some(0), &json!(2), due), "{ran}");
    let history = history(&histories(&bench)[0]);
    assert_eq!((&history["retry"], time(&history["settled"])), (&Value::Null, due), "{history}");
    assert_eq!(keys_of(&bench, "gone"), [key(due)]);
}
