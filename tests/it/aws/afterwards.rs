//! What runs, and who is told, at the end of a creation that its own process did not see.

use std::fs;

use super::cloud::Cloud;
use crate::cli::{CloudBench, until};
use crate::support::Recorder;
use crate::support::rds::{Fault, Trouble};

/// A cloud whose one target has hooks that note their event, the key and the snapshot. What is begun goes on until it [`ends`].
fn cloud(recorder: &Recorder) -> Cloud {
    let note =
        r#"{ command = ["sh", "-c", "echo $SNAPKEEP_EVENT $SNAPKEEP_KEY ${SNAPKEEP_SNAPSHOT_ID:+made} >> events"] }"#;
    let hooks = format!("before_create = {note}\nafter_create = {note}\non_failure = {note}");
    let notification = "[notifications.ops]\ntype = \"webhook\"\nurl = { file = \"address\" }\n\
                        on = [\"start\", \"success\", \"failure\"]";
    let cloud = Cloud::of_instance(&format!("[hooks]\n{hooks}\n{notification}\n"));
    fs::write(cloud.bench.path("address"), recorder.url()).unwrap();
    cloud.rds.world(|world| world.looks = 1000);
    cloud
}

fn ends(cloud: &Cloud) {
    cloud.rds.world(|world| world.looks = 0);
}

fn events(cloud: &Cloud) -> String {
    fs::read_to_string(cloud.bench.path("events")).unwrap_or_default().replace('\n', ";")
}

fn told(recorder: &Recorder) -> Vec<String> {
    recorder.seen().iter().map(|seen| seen.json()["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_waits_for_it_runs_them_once() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    let id = cloud.done("-o name create orders --no-wait --key k").out.trim().to_owned();
    assert_eq!(events(&cloud), "before_create k;");
    assert_eq!(told(&recorder), ["start"]);
    cloud.exits(8, &format!("wait {id} --timeout 1s"));
    assert_eq!(events(&cloud), "before_create k;", "it goes on");
    ends(&cloud);
    cloud.done(&format!("wait {id}"));
    cloud.done(&format!("wait {id}"));
    assert_eq!(events(&cloud), "before_create k;after_create k made;");
    assert_eq!(told(&recorder), ["start", "success"]);
}

#[test]
fn the_same_key_runs_them_where_the_first_was_cut_off() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    cloud.done("create orders --no-wait --key k");
    ends(&cloud);
    cloud.done("create orders --key k");
    assert_eq!(events(&cloud), "before_create k;after_create k made;", "the snapshot was there already");
    cloud.done("create orders --key k");
    assert_eq!(events(&cloud), "before_create k;after_create k made;", "and whoever comes now finds nothing to do");
}

#[test]
fn one_that_failed_is_told_as_a_failure() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    cloud.rds.fail(Trouble::on("CreateDBSnapshot", Fault::EndsFailed));
    let id = cloud.done("-o name create orders --no-wait").out.trim().to_owned();
    ends(&cloud);
    cloud.exits(1, &format!("wait {id}"));
    assert_eq!(events(&cloud), "before_create;on_failure;");
    assert_eq!(told(&recorder), ["start", "failure"]);
}

#[test]
fn what_was_told_as_a_failure_is_not_told_again() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    cloud.exits(8, "create orders --timeout 1s");
    assert_eq!(events(&cloud), "before_create;on_failure;");
    let id = cloud.done("-o name operations").out.trim().to_owned();
    ends(&cloud);
    cloud.done(&format!("wait {id}"));
    assert_eq!(events(&cloud), "before_create;on_failure;", "one of the two, never both");
    assert_eq!(told(&recorder), ["start", "failure"]);
    assert_eq!(cloud.items("operations").len(), 0);
}

#[test]
fn of_several_who_wait_one_runs_them() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    let id = cloud.done("-o name create orders --no-wait --key k").out.trim().to_owned();
    let waiting: Vec<_> = (0..3).map(|_| cloud.command().args(["-q", "wait", &id]).spawn().unwrap()).collect();
    let looked = cloud.rds.calls_of("DescribeDBSnapshots").len();
    until("all look", || (cloud.rds.calls_of("DescribeDBSnapshots").len() > looked + 6).then_some(()));
    ends(&cloud);
    for mut child in waiting {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(events(&cloud), "before_create k;after_create k made;");
    assert_eq!(told(&recorder), ["start", "success"]);
}

#[test]
fn who_cannot_look_has_not_seen_the_end() {
    for fault in [Fault::AccessDenied, Fault::Throttled] {
        let recorder = Recorder::start();
        let cloud = cloud(&recorder);
        let id = cloud.done("-o name create orders --no-wait --key k").out.trim().to_owned();
        cloud.rds.fail(Trouble::on("DescribeDBSnapshots", fault).always());
        assert_ne!(cloud.run(&format!("wait {id}")).code, Some(0));
        cloud.rds.heal();
        assert_eq!(cloud.items("operations").len(), 1, "it goes on");
        assert_eq!(events(&cloud), "before_create k;");
        ends(&cloud);
        cloud.done(&format!("wait {id}"));
        assert_eq!(events(&cloud), "before_create k;after_create k made;");
        assert_eq!(told(&recorder), ["start", "success"]);
    }
}

#[test]
fn the_same_key_that_finds_nobody_to_ask_leaves_what_goes_on() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    cloud.done("create orders --no-wait --key k");
    cloud.rds.fail(Trouble::on("DescribeDBSnapshots", Fault::AccessDenied).always());
    cloud.exits(5, "create orders --key k");
    cloud.rds.heal();
    assert_eq!(cloud.items("operations").len(), 1);
    let told = events(&cloud);
    assert!(told.ends_with("on_failure k;"), "what was begun before it is undone: {told}");
}

#[test]
fn the_same_key_goes_on_without_another_beginning() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    cloud.done("create orders --no-wait --key k");
    let looked = cloud.rds.calls_of("DescribeDBSnapshots").len();
    let mut again = cloud.command().args(["-q", "create", "orders", "--key", "k"]).spawn().unwrap();
    until("it waits", || (cloud.rds.calls_of("DescribeDBSnapshots").len() > looked + 2).then_some(()));
    ends(&cloud);
    assert!(again.wait().unwrap().success());
    assert_eq!(events(&cloud), "before_create k;after_create k made;");
}

#[test]
fn waiting_ends_in_time_while_another_process_waits_for_the_same() {
    let recorder = Recorder::start();
    let cloud = cloud(&recorder);
    let id = cloud.done("-o name create orders --no-wait --key k").out.trim().to_owned();
    let looked = cloud.rds.calls_of("DescribeDBSnapshots").len();
    let mut other = cloud.command().args(["-q", "create", "orders", "--key", "k"]).spawn().unwrap();
    until("it waits", || (cloud.rds.calls_of("DescribeDBSnapshots").len() > looked + 2).then_some(()));
    let ran = cloud.exits(8, &format!("wait {id} --timeout 1s"));
    assert_eq!(ran.err.matches("error").count(), 1, "{ran}");
    ends(&cloud);
    assert!(other.wait().unwrap().success());
}
