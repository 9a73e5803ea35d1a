//! What fails is tried again, and holds nobody up.

use std::fs;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Served, append, hourly, in_time, key, keys_of, miss};
use crate::cli::{Bench, target, until};

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// Takes more than a minute: the first pause.
#[test]
fn a_run_that_fails_is_tried_again_with_its_key_and_the_others_go_on() {
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

    fs::copy(bench.path("notes.db"), bench.path("gone.db")).unwrap();
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
    assert_eq!(counted, [Some(2.0), Some(1.0), Some(1.0)]);
    served.stopped(Duration::from_secs(5));
    assert_eq!((keys_of(&bench, "gone"), keys_of(&bench, "notes")), (vec![key(due)], vec![key(due)]));
}
