//! The Cloud SQL Admin API as a plain client sees it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hyper::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::support::sqladmin::{Backup, Fault, Instance, Trouble};
use crate::support::{SqlAdmin, assert_names, exchange};

mod faults;
mod judge;
mod restores;
mod schema;

const RUNS: &str = "instances/orders/backupRuns";

fn admin() -> SqlAdmin {
    SqlAdmin::with(Instance::new("orders").with_data("one"))
}

/// A request with any token, and the whole answer. The path is what comes after the project's.
async fn sent(admin: &SqlAdmin, token: &str, verb: &str, path: &str, body: Value) -> Option<(u16, HeaderMap, String)> {
    let path =
        if path.starts_with('/') { path.to_owned() } else { format!("/v1/projects/{}/{path}", SqlAdmin::PROJECT) };
    let request = Request::builder().method(verb).uri(path).header("authorization", format!("Bearer {token}"));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(&admin.endpoint(), request.header("content-type", "application/json"), body).await
}

/// The JSON of what must succeed.
async fn done(admin: &SqlAdmin, verb: &str, path: &str, body: Value) -> Value {
    let (status, _, text) = sent(admin, SqlAdmin::TOKEN, verb, path, body).await.unwrap();
    assert_eq!(status, 200, "{verb} {path}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn get(admin: &SqlAdmin, path: &str) -> Value {
    done(admin, "GET", path, Value::Null).await
}

/// The message of what must be refused.
async fn refused(admin: &SqlAdmin, (code, reason): (u16, &str), verb: &str, path: &str, body: Value) -> String {
    let (status, _, text) = sent(admin, SqlAdmin::TOKEN, verb, path, body).await.unwrap();
    let error = serde_json::from_str::<Value>(&text).unwrap()["error"].clone();
    assert_eq!(
        (status, error["code"].as_u64(), error["errors"][0]["reason"].as_str()),
        (code, Some(code.into()), Some(reason)),
        "{verb} {path}: {text}"
    );
    error["message"].as_str().unwrap().to_owned()
}

/// What must be refused for a reason, by a GET.
async fn denied(admin: &SqlAdmin, why: (u16, &str), path: &str) -> String {
    refused(admin, why, "GET", path, Value::Null).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The same field of all that a list has.
fn all<'v>(list: &'v Value, name: &str, field: &str) -> Vec<&'v str> {
    list[name].as_array().into_iter().flatten().map(|item| text(&item[field])).collect()
}

/// Looks at an operation until it is done.
async fn awaited(admin: &SqlAdmin, operation: &Value) -> Value {
    let path = format!("operations/{}", text(&operation["name"]));
    for _ in 0..10 {
        let operation = get(admin, &path).await;
        if operation["status"] == "DONE" {
            return operation;
        }
    }
    panic!("not done: {operation}");
}

#[tokio::test]
async fn a_backup_advances_with_every_look_at_it_or_at_its_operation() {
    let admin = admin();
    admin.world(|world| world.looks = 2);
    let made = done(&admin, "POST", RUNS, json!({"description": "before", "location": "us"})).await;
    assert_eq!((text(&made["status"]), text(&made["operationType"])), ("PENDING", "BACKUP_VOLUME"));
    let id = text(&made["backupContext"]["backupId"]).to_owned();
    let (run, operation) = (format!("{RUNS}/{id}"), format!("operations/{}", text(&made["name"])));
    refused(&admin, (409, "operationInProgress"), "POST", RUNS, json!({})).await;
    let seen = get(&admin, &run).await;
    assert_eq!((text(&seen["status"]), seen.get("endTime")), ("RUNNING", None));
    let seen = get(&admin, &operation).await;
    assert_eq!((text(&seen["status"]), seen.get("error")), ("DONE", None));
    let seen = get(&admin, &run).await;
    assert_eq!(
        (text(&seen["status"]), text(&seen["type"]), text(&seen["location"])),
        ("SUCCESSFUL", "ON_DEMAND", "us")
    );
    let uid = text(&made["backupContext"]["name"]).rsplit('/').next().unwrap().to_owned();
    let backup = get(&admin, &format!("backups/{uid}")).await;
    assert_eq!((text(&backup["state"]), &backup["description"]), ("SUCCESSFUL", &seen["description"]));
    assert_names(text(&backup["backupRun"]), &["instances/orders/backupRuns/", &id]);

    let deleted = done(&admin, "DELETE", &run, Value::Null).await;
    assert_eq!(text(&get(&admin, RUNS).await["items"][0]["status"]), "DELETION_PENDING");
    awaited(&admin, &deleted).await;
    denied(&admin, (404, "backupRunDoesNotExist"), &run).await;
    denied(&admin, (404, "notFound"), &format!("backups/{uid}")).await;
    let operations = get(&admin, "operations?instance=orders").await;
    assert_eq!(all(&operations, "items", "operationType"), ["DELETE_VOLUME", "BACKUP_VOLUME"]);
    denied(&admin, (404, "operationDoesNotExist"), "operations/none").await;
}

#[tokio::test]
async fn what_takes_no_look_is_done_at_once() {
    let admin = admin();
    admin.world(|world| world.looks = 0);
    let project_level = done(&admin, "POST", "backups", json!({"instance": "orders", "ttlDays": "7"})).await;
    assert_eq!(text(&project_level["status"]), "PENDING");
    done(&admin, "POST", RUNS, json!({})).await;
    let (runs, backups) = (get(&admin, RUNS).await, get(&admin, "backups").await);
    assert_eq!(all(&runs, "items", "status"), ["SUCCESSFUL"; 2]);
    assert_eq!(
        (backups["backups"][1].get("expiryTime").is_some(), backups["backups"][0].get("expiryTime")),
        (true, None)
    );
    let uid = text(&backups["backups"][1]["name"]).rsplit('/').next().unwrap();
    done(&admin, "DELETE", &format!("backups/{uid}"), Value::Null).await;
    assert_eq!(get(&admin, RUNS).await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_hold_to_their_tokens() {
    let admin = admin();
    admin.world(|world| {
        for day in 1..=25 {
            let backup = world.backup_of("orders").at(&format!("2026-10-{day:02}T02:00:00Z"));
            world.take(backup);
        }
    });
    for (list, name, size) in [(RUNS, "items", "maxResults"), ("backups", "backups", "pageSize")] {
        let first = get(&admin, list).await;
        assert_eq!(first[name].as_array().unwrap().len(), 20, "{list}");
        let token = crate::support::encoded(text(&first["nextPageToken"]));
        let rest = get(&admin, &format!("{list}?pageToken={token}")).await;
        assert_eq!((rest[name].as_array().unwrap().len(), rest.get("nextPageToken")), (5, None));
        assert_eq!(get(&admin, &format!("{list}?{size}=500")).await[name].as_array().unwrap().len(), 20, "the cap");
        for other in [format!("pageToken={token}&{size}=3"), "pageToken=x".to_owned()] {
            denied(&admin, (400, "invalid"), &format!("{list}?{other}")).await;
        }
    }
    admin.world(|world| world.page = 2);
    let (mut seen, mut query) = (Vec::new(), "?maxResults=3".to_owned());
    loop {
        let page = get(&admin, &format!("{RUNS}{query}")).await;
        seen.extend(all(&page, "items", "enqueuedTime").into_iter().map(ToOwned::to_owned));
        let Some(token) = page.get("nextPageToken") else { break };
        query = format!("?maxResults=3&pageToken={}", crate::support::encoded(text(token)));
    }
    assert!(seen.len() == 25 && seen.is_sorted_by(|one, next| one > next), "{seen:?}");
}

#[tokio::test]
async fn only_known_tokens_projects_and_permissions_are_let_in() {
    let admin = admin();
    admin.trust_without_scope("narrow");
    admin.trust("second");
    for (token, code, words) in [
        ("wrong", 401, "UNAUTHENTICATED"),
        ("narrow", 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        ("second", 200, "orders"),
    ] {
        let (status, _, body) = sent(&admin, token, "GET", "instances/orders", Value::Null).await.unwrap();
        assert_eq!(status, code, "{body}");
        assert_names(&body, &[words]);
    }
    admin.distrust(SqlAdmin::TOKEN);
    denied(&admin, (401, "authError"), RUNS).await;
    admin.trust(SqlAdmin::TOKEN);
    denied(&admin, (404, "instanceDoesNotExist"), "instances/none").await;
    denied(&admin, (403, "notAuthorized"), "/v1/projects/of-others/instances/orders").await;
    admin.world(|world| world.denied.insert("backupRuns.delete".to_owned()));
    let message = refused(&admin, (403, "forbidden"), "DELETE", &format!("{RUNS}/1"), Value::Null).await;
    assert_names(&message, &["missing permission cloudsql.backupRuns.delete on resource instances/orders"]);
    admin.world(|world| world.denied.clear());
    refused(&admin, (404, "backupRunDoesNotExist"), "DELETE", &format!("{RUNS}/1"), Value::Null).await;
    assert_eq!((admin.changes().len(), admin.answers().len()), (2, 8));
}

#[tokio::test]
async fn a_run_and_its_backup_have_their_own_words_for_the_same() {
    let admin = admin();
    let states = [
        ("ENQUEUED", Some("ENQUEUED")),
        ("OVERDUE", Some("ENQUEUED")),
        ("SKIPPED", None),
        ("DELETION_PENDING", Some("DELETING")),
        ("DELETION_FAILED", Some("DELETION_FAILED")),
        ("DELETED", None),
        ("SUCCESSFUL", Some("SUCCESSFUL")),
    ];
    for (status, state) in states {
        let made = |backup: Backup| backup.described("nightly").by("AUTOMATED").in_status(status);
        admin.world(|world| {
            let backup = made(world.backup_of("orders"));
            world.backups = vec![backup];
        });
        let (runs, backups) = (get(&admin, RUNS).await, get(&admin, "backups").await);
        assert_eq!((all(&runs, "items", "status"), all(&runs, "items", "type")), (vec![status], vec!["AUTOMATED"]));
        assert_eq!(all(&backups, "backups", "state"), state.into_iter().collect::<Vec<_>>());
        assert_eq!(all(&runs, "items", "description"), ["nightly"]);
    }
}

#[tokio::test]
async fn an_unreachable_region_makes_lists_short_and_only_some_of_them_say_so() {
    let admin = admin();
    admin.world(|world| {
        world.add(Instance::new("far").in_region("us-east1"));
        for instance in ["orders", "far"] {
            let backup = world.backup_of(instance);
            world.take(backup);
        }
        world.unreachable.insert("us-east1".to_owned());
    });
    let instances = get(&admin, "instances?filter=state:RUNNABLE").await;
    assert_eq!(all(&instances, "items", "name"), ["orders"]);
    assert_eq!(all(&instances, "warnings", "code"), ["REGION_UNREACHABLE"]);
    let backups = get(&admin, "backups").await;
    assert_eq!(
        (all(&backups, "backups", "instance"), all(&backups, "warnings", "region")),
        (vec!["orders"], vec!["us-east1"])
    );
    let runs = get(&admin, "instances/-/backupRuns").await;
    assert_eq!((all(&runs, "items", "instance"), runs.get("warnings")), (vec!["orders"], None));
    assert_eq!(all(&get(&admin, "instances/far/backupRuns").await, "items", "instance"), ["far"]);
}

#[tokio::test]
async fn the_clock_is_that_of_the_world() {
    let admin = admin();
    admin.world(|world| world.set_time("2026-11-23T02:00:00Z"));
    admin.clock_ahead(TimeDelta::hours(1));
    let (_, headers, _) = sent(&admin, SqlAdmin::TOKEN, "GET", "instances/orders", Value::Null).await.unwrap();
    assert_names(headers["date"].to_str().unwrap(), &["Mon, 23 Nov 2026 03:00:"]);
    admin.world(|world| world.pass(TimeDelta::days(1)));
    let made = done(&admin, "POST", RUNS, json!({})).await;
    let moment =
        DateTime::<Utc>::from_timestamp_millis(text(&made["backupContext"]["backupId"]).parse().unwrap()).unwrap();
    assert_names(&moment.to_rfc3339(), &["2026-11-24T02:00:"]);
    assert_names(text(&made["insertTime"]), &["2026-11-24T02:00:"]);
}

#[tokio::test]
async fn requests_that_come_at_once_are_counted() {
    let admin = admin();
    admin.latency(Duration::from_millis(200));
    tokio::join!(get(&admin, RUNS), get(&admin, RUNS), get(&admin, "backups"));
    assert_eq!(admin.most_in_flight(), 3);
    admin.forget_calls();
    get(&admin, RUNS).await;
    assert_eq!((admin.most_in_flight(), admin.calls_of("backupRuns.list").len()), (1, 1));
}

#[tokio::test]
#[should_panic(expected = "not simulated: instances.list with location")]
async fn what_is_not_simulated_fails_the_test() {
    denied(&admin(), (501, "notImplemented"), "instances?location=eu").await;
}
