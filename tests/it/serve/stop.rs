//! It is told to stop while something goes on.

use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use super::{Served, append, histories, history, hourly, key, keys_of, miss};
use crate::aws::cloud::Cloud;
use crate::cli::{Bench, CloudBench, below, until};

/// A `serve` whose one dump waits for a writer.
fn dumping(grace: &str) -> (Bench, Served, Connection, String) {
    let bench = Bench::new();
    let (schedule, due) = hourly();
    append(&bench, &format!("{schedule}\n[serve]\ngrace = \"{grace}\"\n"));
    miss(&bench, bench.command(), 1);
    let writer = Connection::open(bench.path("notes.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let served = Served::of(&bench);
    until("it dumps", || bench.has_open(&served.child, "notes.db").then_some(()));
    assert_eq!(served.metric("snapkeep_runs_in_progress"), Some(1.0));
    (bench, served, writer, key(due))
}

#[test]
fn a_dump_may_end_for_a_while_and_meanwhile_it_is_alive_and_not_ready() {
    let (bench, mut served, writer, key) = dumping("30s");
    assert_eq!((served.get("/healthz").status, served.get("/readyz").status), (200, 200));
    served.signal(Signal::TERM);
    until("it isn't ready", || (served.get("/readyz").status == 503).then_some(()));
    assert_eq!(served.get("/healthz").status, 200, "what restarts the dead must not end the dump");
    assert_eq!(served.metric("snapkeep_runs_in_progress"), Some(1.0));
    drop(writer);
    let (code, _) = served.ended(Duration::from_secs(10));
    assert_eq!(code, Some(0), "{}", served.said());
    assert!(!served.said().contains("error"), "{}", served.said());
    assert_eq!(keys_of(&bench, "notes"), [key]);
    let history = history(&histories(&bench)[0]);
    assert_eq!((&history["unfinished"], &history["runs"][0]["error"]), (&Value::Null, &Value::Null), "{history}");
    assert_eq!(history["settled"], history["runs"][0]["due"]);
}

#[test]
fn a_dump_that_takes_too_long_is_given_up_and_the_next_process_makes_it() {
    let (bench, mut served, writer, key) = dumping("2s");
    let took = served.stopped(Duration::from_secs(10));
    assert!(took >= Duration::from_secs(2), "the dump had no grace: {took:?}");
    assert!(bench.files().is_empty(), "{:?}", bench.files());
    assert!(below(&bench.path("tmp")).is_empty());
    let state = below(&bench.path("home/.local/state/snapkeep/notes"));
    let locks: Vec<_> = state.iter().filter(|path| path.parent().is_some_and(|of| of.ends_with("lock"))).collect();
    assert!(locks.is_empty(), "{locks:?}");
    drop(writer);
    let mut next = Served::of(&bench);
    let runs = until("the next one makes it", || Some(next.runs("notes")).filter(|runs| !runs.is_empty()));
    assert!(runs.len() == 1 && runs[0]["error"].is_null(), "who is stopped has failed at nothing: {runs:?}");
    assert_eq!(keys_of(&bench, "notes"), [key]);
    next.stopped(Duration::from_secs(5));
}

/// A `serve` that waits for a cloud, which takes its time.
fn waiting() -> (Cloud, Served, String) {
    let cloud = Cloud::of_instance("");
    let (schedule, due) = hourly();
    append(&cloud.bench, &schedule);
    miss(&cloud.bench, cloud.command(), 1);
    cloud.rds.world(|world| world.looks = 1000);
    let served = Served::start(&cloud.bench, cloud.command(), "serve.log");
    let looks = || cloud.rds.calls_of("DescribeDBSnapshots").len();
    until("the cloud makes it", || (cloud.rds.world(|world| world.snapshots.len()) == 1).then_some(()));
    let before = looks();
    until("it is waited for", || (looks() > before).then_some(()));
    (cloud, served, key(due))
}

/// It stops at once, far within its grace, and the cloud goes on.
fn left(cloud: &Cloud, mut served: Served) {
    served.stopped(Duration::from_secs(5));
    assert!(!served.said().contains("error"), "{}", served.said());
    cloud.rds.world(|world| world.looks = 0);
}

fn made_once(cloud: &Cloud, key: &str) {
    let snapshots = cloud.items("list orders");
    let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };
    assert_eq!((snapshot["key"].as_str(), snapshot["state"].as_str()), (Some(key), Some("available")));
    assert_eq!(cloud.rds.calls_of("CreateDBSnapshot").len(), 1);
    assert!(cloud.items("operations").is_empty());
}

#[test]
fn what_a_cloud_does_is_left_to_it_and_the_next_process_goes_on_with_it() {
    let (cloud, served, key) = waiting();
    left(&cloud, served);
    let mut next = Served::start(&cloud.bench, cloud.command(), "next.log");
    until("it ends", || next.runs("orders").first().filter(|run| run["error"].is_null()).map(drop));
    assert!(next.said().contains("orders: goes on with what "), "{}", next.said());
    next.stopped(Duration::from_secs(5));
    made_once(&cloud, &key);
}

#[test]
fn what_a_cloud_does_is_left_to_it_and_a_run_by_hand_goes_on_with_it() {
    let (cloud, served, key) = waiting();
    left(&cloud, served);
    let ran = cloud.run("run hourly");
    assert_eq!(ran.code, Some(0), "{ran}");
    made_once(&cloud, &key);
    // It was the run that was due, so there is nothing left to do.
    let mut next = Served::start(&cloud.bench, cloud.command(), "next.log");
    until("it has looked", || (!next.runs("orders").is_empty()).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    let runs = next.runs("orders");
    assert!(runs.len() == 1 && runs[0]["due"].is_string(), "{runs:?}");
    next.stopped(Duration::from_secs(5));
    made_once(&cloud, &key);
}
