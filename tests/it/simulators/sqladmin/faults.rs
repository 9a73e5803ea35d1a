//! Trouble with the Cloud SQL Admin API, as it was asked for.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn trouble_strikes_once_where_it_was_asked_for() {
    let admin = admin();
    admin.world(|world| world.looks = 0);
    for (fault, status, words) in [
        (Fault::Throttled(Some(0)), 429, "RATE_LIMIT_EXCEEDED"),
        (Fault::Throttled(None), 429, "rateLimitExceeded"),
        (Fault::InProgress(403), 403, "operationInProgress"),
        (Fault::Denied, 403, "cloudsql.backupRuns.list"),
        (Fault::Unauthenticated, 401, "authError"),
        (Fault::Status(500), 500, "internalError"),
        (Fault::Status(503), 503, "UNAVAILABLE"),
        (Fault::Html(502), 502, "<title>Error 502 (Bad Gateway)"),
        (Fault::StatusAfter(503), 503, "backendError"),
        (Fault::Refused(412, "conditionNotMet", "no"), 412, "conditionNotMet"),
    ] {
        let retry_after = matches!(fault, Fault::Throttled(Some(0)));
        admin.fail(Trouble::on("backupRuns.list", fault.clone()));
        let (found, headers, body) = sent(&admin, SqlAdmin::TOKEN, "GET", RUNS, Value::Null).await.unwrap();
        assert_eq!((found, headers.contains_key("retry-after")), (status, retry_after), "{fault:?}: {body}");
        assert_names(&body, &[words]);
        get(&admin, RUNS).await;
    }
    assert_eq!((admin.fired(), admin.calls().len()), (10, 20));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_and_a_lost_request_none() {
    let admin = admin();
    admin.world(|world| world.looks = 0);
    admin.fail(Trouble::on("backupRuns.insert", Fault::CutBefore));
    admin.fail(Trouble::on("backupRuns.insert", Fault::CutAfter).nth(2));
    admin.fail(Trouble::on("backupRuns.insert", Fault::StatusAfter(500)).nth(3));
    admin.fail(Trouble::on("backupRuns.insert", Fault::Truncated).nth(4));
    for (runs, status) in [(0, None), (1, None), (2, Some(500)), (3, Some(200))] {
        let answer = sent(&admin, SqlAdmin::TOKEN, "POST", RUNS, json!({"description": "lost"})).await;
        assert_eq!(answer.as_ref().map(|(status, ..)| *status), status);
        assert!(status != Some(200) || serde_json::from_str::<Value>(&answer.unwrap().2).is_err());
        assert_eq!(admin.world(|world| world.backups.len()), runs);
    }
}

#[tokio::test]
async fn trouble_can_be_told_by_project_parameter_and_number() {
    let admin = admin();
    admin.fail(Trouble::any(Fault::Status(500)).in_project(SqlAdmin::OTHER_PROJECT).always());
    admin.fail(Trouble::on("backupRuns.list", Fault::Status(503)).with("maxResults").nth(2).times(2));
    for _ in 0..2 {
        denied(&admin, (500, "internalError"), &format!("/v1/projects/{}/instances", SqlAdmin::OTHER_PROJECT)).await;
    }
    let few = format!("{RUNS}?maxResults=3");
    get(&admin, &few).await;
    get(&admin, RUNS).await;
    denied(&admin, (503, "backendError"), &few).await;
    denied(&admin, (503, "backendError"), &few).await;
    get(&admin, &few).await;
    admin.heal();
    assert_eq!(admin.fired(), 4);
    get(&admin, &format!("/v1/projects/{}/instances", SqlAdmin::OTHER_PROJECT)).await;
}

#[tokio::test]
async fn operations_end_badly_or_never() {
    let admin = admin();
    admin.fail(Trouble::on("backupRuns.insert", Fault::EndsBadly("ERROR_BACKUP", "no space")));
    let made = done(&admin, "POST", RUNS, json!({})).await;
    let operation = awaited(&admin, &made).await;
    assert_eq!(text(&operation["error"]["errors"][0]["code"]), "ERROR_BACKUP");
    let run = get(&admin, RUNS).await["items"][0].clone();
    assert_eq!((text(&run["status"]), text(&run["error"]["message"])), ("FAILED", "no space"));

    let name = admin.world(|world| world.occupy("orders", 1));
    refused(&admin, (409, "operationInProgress"), "POST", RUNS, json!({})).await;
    admin.tick();
    assert_eq!(text(&get(&admin, &format!("operations/{name}")).await["operationType"]), "UPDATE");

    admin.fail(Trouble::on("backupRuns.insert", Fault::NeverEnds));
    let made = done(&admin, "POST", RUNS, json!({})).await;
    for _ in 0..50 {
        admin.tick();
    }
    let operation = get(&admin, &format!("operations/{}", text(&made["name"]))).await;
    assert_eq!(text(&operation["status"]), "RUNNING");
}

#[tokio::test]
async fn a_page_may_lead_to_itself_and_an_answer_may_be_slow() {
    let admin = admin();
    admin.fail(Trouble::on("backupRuns.list", Fault::SamePage).times(3));
    let first = get(&admin, RUNS).await;
    let path = format!("{RUNS}?pageToken={}", text(&first["nextPageToken"]));
    for _ in 0..2 {
        assert_eq!(get(&admin, &path).await["nextPageToken"], first["nextPageToken"]);
    }
    admin.fail(Trouble::on("instances.get", Fault::Slow(Duration::from_millis(150))));
    let start = Instant::now();
    get(&admin, "instances/orders").await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn faults_by_chance_come_again_with_their_seed_and_never_too_many_in_a_row() {
    let mut scripts = Vec::new();
    for seed in [1, 1, 2] {
        let admin = admin();
        admin.fail_by_chance(seed, 2, 3);
        let (mut script, mut row) = (Vec::new(), 0);
        for _ in 0..60 {
            let answer = sent(&admin, SqlAdmin::TOKEN, "GET", RUNS, Value::Null).await;
            let whole = answer.filter(|(status, _, body)| *status == 200 && body.ends_with('}'));
            row = if whole.is_some() { 0 } else { row + 1 };
            assert!(row <= 3);
            script.push(row);
        }
        assert!(admin.fired() > 10);
        scripts.push(script);
    }
    assert!(scripts[0] == scripts[1] && scripts[0] != scripts[2]);
}
