//! Trouble with Azure, as it was asked for.

use std::time::{Duration, Instant};

use super::*;

#[tokio::test]
async fn trouble_strikes_once_where_it_was_asked_for() {
    let arm = arm();
    let list = mysql("crm-db/backups");
    for (fault, status, words) in [
        (Fault::Throttled(Some(0)), 429, "SubscriptionRequestsThrottled"),
        (Fault::Throttled(None), 429, "https://aka.ms/arm-throttling"),
        (Fault::Busy("OperationInProgress"), 409, "OperationInProgress"),
        (Fault::Denied, 403, "Microsoft.DBforMySQL/flexibleServers/backups/read"),
        (Fault::Expired, 401, "ExpiredAuthenticationToken"),
        (Fault::Status(500), 500, "InternalServerError"),
        (Fault::Status(503), 503, "ServiceUnavailable"),
        (Fault::Html(502), 502, "<title>502 Bad Gateway"),
        (Fault::StatusAfter(503), 503, "ServiceUnavailable"),
        (Fault::Refused(412, "PreconditionFailed", "no"), 412, "PreconditionFailed"),
    ] {
        let retry_after = matches!(fault, Fault::Throttled(Some(0)));
        arm.fail(Trouble::on("mysql.backups.list", fault.clone()));
        let answer = with(&arm, status, "GET", &list, Value::Null).await;
        assert_eq!(answer.headers.contains_key("retry-after"), retry_after, "{fault:?}");
        assert_names(&answer.text, &[words]);
        get(&arm, &list).await;
    }
    assert_eq!((arm.fired(), arm.calls().len()), (10, 20));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect_and_a_lost_request_none() {
    let arm = arm();
    let backup = mysql("crm-db/backups/sk__crm__20261122t021500z-7f3k__k-nightly");
    arm.fail(Trouble::on("mysql.backups.put", Fault::CutBefore));
    arm.fail(Trouble::on("mysql.backups.put", Fault::CutAfter).nth(2));
    arm.fail(Trouble::on("mysql.backups.put", Fault::StatusAfter(500)).nth(3));
    arm.fail(Trouble::on("mysql.backups.put", Fault::Truncated).nth(4));
    for (backups, status) in [(0, None), (1, None), (2, Some(500)), (3, Some(200))] {
        let answer = sent(&arm, "PUT", &backup, Value::Null).await;
        assert_eq!(answer.as_ref().map(|answer| answer.status), status);
        assert!(status != Some(200) || serde_json::from_str::<Value>(&answer.unwrap().text).is_err());
        assert_eq!(arm.backups_by_key().values().sum::<usize>(), backups);
    }
    let key = ("crm".to_owned(), "k-nightly".to_owned());
    assert_eq!(arm.backups_by_key(), [(key, 3)].into());
}

#[tokio::test]
async fn operations_end_badly_late_cancelled_or_never() {
    let arm = arm();
    let mut ended = Vec::new();
    for (number, fault) in [
        Fault::EndsBadly("InternalError", "no luck"),
        Fault::EndsBadlyButDone("OperationTimedOut", "too long"),
        Fault::EndsCancelled,
        Fault::EndsLate(3),
    ]
    .into_iter()
    .enumerate()
    {
        arm.fail(Trouble::on("postgresql.backups.put", fault));
        let backup = postgresql(&format!("billing-db/backups/b{number}"));
        let begun = with(&arm, 202, "PUT", &backup, Value::Null).await;
        let (words, last) = awaited(&arm, &begun).await;
        let there = sent(&arm, "GET", &backup, Value::Null).await.unwrap().status == 200;
        ended.push((words.len(), words.last().unwrap().clone(), text(&last["error"]["code"]).to_owned(), there));
        let result = sent(&arm, "GET", begun.header("location"), Value::Null).await.unwrap();
        assert_eq!(result.status, if last.get("error").is_some() { 409 } else { 200 });
    }
    let expected = [
        (2, "Failed", "InternalError", false),
        (2, "Failed", "OperationTimedOut", true),
        (2, "Canceled", "OperationCanceled", false),
        (5, "Succeeded", "", true),
    ];
    assert_eq!(ended, expected.map(|(looks, word, code, there)| (looks, word.to_owned(), code.to_owned(), there)));
    arm.fail(Trouble::on("postgresql.backups.put", Fault::NeverEnds));
    let begun = with(&arm, 202, "PUT", &postgresql("billing-db/backups/last"), Value::Null).await;
    for _ in 0..50 {
        arm.tick();
    }
    assert_eq!(text(&get(&arm, begun.header("azure-asyncoperation")).await["status"]), "InProgress");
    arm.fail(Trouble::on("mysql.backups.put", Fault::EndsBadly("InternalError", "no luck")));
    refused(&arm, (400, "InternalError"), "PUT", &mysql("crm-db/backups/one"), Value::Null).await;
}

#[tokio::test]
async fn pages_and_operations_may_lead_astray_and_answers_may_be_slow() {
    let arm = arm();
    let list = mysql("crm-db/backups");
    arm.fail(Trouble::on("mysql.backups.list", Fault::SamePage).times(3));
    arm.fail(Trouble::on("mysql.backups.list", Fault::ForeignPage).nth(4));
    let mut target = list.clone();
    for _ in 0..3 {
        target = text(&get(&arm, &target).await["nextLink"]).to_owned();
        assert!(target.starts_with(&arm.endpoint()));
    }
    assert!(text(&get(&arm, &list).await["nextLink"]).starts_with("http://localhost:"));
    arm.fail(Trouble::any(Fault::Status(500)).on_later_pages().always());
    refused(&arm, (500, "InternalServerError"), "GET", &target, Value::Null).await;
    get(&arm, &list).await;
    arm.heal();
    get(&arm, &target).await;
    arm.fail(Trouble::on("postgresql.backups.put", Fault::ForeignOperation));
    let begun = with(&arm, 202, "PUT", &postgresql("billing-db/backups/one"), Value::Null).await;
    for header in ["location", "azure-asyncoperation"] {
        assert!(begun.header(header).starts_with("http://localhost:"));
    }
    arm.fail(Trouble::on("mysql.servers.get", Fault::Slow(Duration::from_millis(150))).of("crm-db"));
    let start = Instant::now();
    get(&arm, &mysql("crm-db")).await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn faults_by_chance_come_again_with_their_seed_and_never_too_many_in_a_row() {
    let mut scripts = Vec::new();
    for seed in [1, 1, 2] {
        let arm = arm();
        arm.fail_by_chance(seed, 2, 3);
        let (mut script, mut row) = (Vec::new(), 0);
        for _ in 0..60 {
            let answer = sent(&arm, "GET", &mysql("crm-db/backups"), Value::Null).await;
            let whole = answer.filter(|answer| answer.status == 200 && answer.text.ends_with('}'));
            row = if whole.is_some() { 0 } else { row + 1 };
            assert!(row <= 3);
            script.push(row);
        }
        assert!(arm.fired() > 10);
        scripts.push(script);
    }
    assert!(scripts[0] == scripts[1] && scripts[0] != scripts[2]);
}
