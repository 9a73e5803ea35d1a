//! What every request must have.

use super::*;

/// A request as it is, to this path of the server.
async fn raw(arm: &Arm, verb: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(verb).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (status, headers, text) = exchange(&arm.endpoint(), request, "").await.unwrap();
    Answer { status, headers, text }
}

const KNOWN: (&str, &str) = ("authorization", "Bearer test-token");

#[tokio::test]
async fn a_put_that_says_no_length_gets_no_further_than_the_front() {
    let arm = arm();
    let backup = mysql("crm-db/backups/nightly");
    let answer = raw(&arm, "PUT", &backup, &[KNOWN]).await;
    assert_eq!((answer.status, answer.header("content-type")), (411, "text/html; charset=us-ascii"));
    assert_names(&answer.text, &["HTTP Error 411. The request must be chunked or have a content length."]);
    assert!(arm.calls().is_empty());
    let answer = raw(&arm, "PUT", &backup, &[KNOWN, ("content-length", "0")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn only_good_tokens_are_let_in() {
    let arm = arm();
    arm.trust("second");
    arm.expire("old");
    let list = mysql("crm-db/backups");
    for (token, status, code) in [
        (None, 401, "AuthenticationFailed"),
        (Some("Basic dGVzdA=="), 401, "AuthenticationFailed"),
        (Some("Bearer unknown"), 401, "InvalidAuthenticationToken"),
        (Some("Bearer old"), 401, "ExpiredAuthenticationToken"),
        (Some("Bearer second"), 200, ""),
    ] {
        let headers: Vec<(&str, &str)> = token.map(|token| ("authorization", token)).into_iter().collect();
        let answer = raw(&arm, "GET", &list, &headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.header("www-authenticate").starts_with("Bearer "), status == 401);
    }
}

#[tokio::test]
async fn a_version_must_be_named_known_and_have_what_is_asked_for() {
    let arm = arm();
    let server = "Microsoft.DBforMySQL/flexibleServers/crm-db";
    let none = path(server, "");
    refused(&arm, (400, "MissingApiVersionParameter"), "GET", none.split('?').next().unwrap(), Value::Null).await;
    for (version, code) in [
        ("", "MissingApiVersionParameter"),
        ("latest", "InvalidApiVersionParameter"),
        ("2023-13-30", "InvalidApiVersionParameter"),
        ("2019-01-01", "NoRegisteredProviderFound"),
        (POSTGRESQL, "NoRegisteredProviderFound"),
    ] {
        refused(&arm, (400, code), "GET", &path(server, version), Value::Null).await;
    }
    let deleted = |version| path(&format!("{server}/backupsV2/one"), version);
    refused(&arm, (405, "MethodNotAllowed"), "DELETE", &deleted(MYSQL), Value::Null).await;
    with(&arm, 204, "DELETE", &deleted(MYSQL_DELETION), Value::Null).await;
}

#[tokio::test]
async fn what_is_not_there_or_not_permitted_is_told_apart() {
    let arm = arm();
    let (known, group) = (Arm::SUBSCRIPTION, Arm::GROUP);
    let other = "00000000-0000-4000-8000-000000000000";
    let list = mysql("crm-db/backups");
    for (from, to, status, code) in [
        (known, other, 404, "SubscriptionNotFound"),
        (group, "none", 404, "ResourceGroupNotFound"),
        ("crm-db", "none", 404, "ResourceNotFound"),
        ("MySQL", "PostgreSQL", 400, "NoRegisteredProviderFound"),
    ] {
        refused(&arm, (status, code), "GET", &list.replace(from, to), Value::Null).await;
    }
    let shouted = list.replace("resourceGroups/Acme-Prod", "RESOURCEGROUPS/ACME-PROD").replace("crm-db", "CRM-db");
    get(&arm, &shouted).await;
    let action = "Microsoft.DBforMySQL/flexibleServers/backups/write";
    arm.world(|world| world.denied.insert(action.to_owned()));
    let backup = mysql("crm-db/backups/nightly");
    let message = refused(&arm, (403, "AuthorizationFailed"), "PUT", &backup, Value::Null).await;
    let permissions =
        path("Microsoft.DBforMySQL/flexibleServers/crm-db/providers/Microsoft.Authorization/permissions", "2022-04-01");
    let permissions = get(&arm, &permissions).await;
    assert_eq!(permissions["value"][0]["notActions"], json!([action]));
    assert_names(&message, &["The client '", action, "over scope '/subscriptions/", "or the scope is invalid."]);
}

#[tokio::test]
async fn subscriptions_are_listed() {
    let arm = arm();
    let list = get(&arm, "/subscriptions?api-version=2022-12-01").await;
    assert_eq!(all(&list, "/subscriptionId"), [Arm::SUBSCRIPTION, Arm::OTHER_SUBSCRIPTION]);
    let one = get(&arm, &format!("/subscriptions/{}?api-version=2022-12-01", Arm::SUBSCRIPTION)).await;
    assert_eq!(text(&one["state"]), "Enabled");
    let group = format!("/subscriptions/{}/resourcegroups/acme-prod?api-version=2021-04-01", Arm::SUBSCRIPTION);
    assert_eq!(text(&get(&arm, &group).await["type"]), "Microsoft.Resources/resourceGroups");
}

#[tokio::test]
async fn what_no_client_may_send_fails_the_test() {
    let arm = arm();
    arm.world(|world| world.looks = 1);
    let begun = with(&arm, 202, "PUT", &postgresql("billing-db/backups/one"), Value::Null).await;
    let look = begun.header("azure-asyncoperation").strip_prefix(&arm.endpoint()).unwrap().to_owned();
    let host = arm.endpoint().replace("http://127.0.0.1", "localhost");
    let elsewhere = raw(&arm, "GET", &mysql("crm-db"), &[KNOWN, ("host", &host)]).await;
    assert_eq!(elsewhere.status, 421);
    let targets = [
        mysql("crm-db/backups/a b"),
        mysql("crm-db/backups/%2e%2e"),
        mysql("crm-db/backups/.."),
        mysql("crm_db/backups"),
        mysql("crm-db/backups").replace(Arm::SUBSCRIPTION, "acme"),
        mysql("crm-db/backups?color=red"),
        mysql("crm-db/logFiles"),
        look.replace("North%20Europe", "northeurope"),
        look.replace("&t=", "&T="),
    ];
    for target in &targets {
        let target = target.replace(' ', "%20");
        let answer = sent(&arm, "GET", &target, Value::Null).await.unwrap();
        assert!([400, 403].contains(&answer.status), "{target}: {}", answer.text);
    }
    let findings = arm.take_findings();
    assert_eq!(findings.len(), 1 + targets.len(), "{findings:#?}");
}

#[tokio::test]
#[should_panic(expected = "not simulated: mysql.servers.put with /properties/version")]
async fn what_would_be_ignored_fails_the_test() {
    let body = json!({"location": "northeurope", "properties": {"version": "8.0.21"}});
    drop(sent(&arm(), "PUT", &mysql("new-db"), body).await);
}
