//! The judge of requests and answers, by what is wrong on purpose.

use hyper::Method;
use hyper::http::request::Parts;

use super::*;
use crate::support::sqladmin::schema::{DOCUMENT, Document};
use crate::support::variable_or_leave_out;

fn document() -> Option<Document> {
    Some(Document::parse(&std::fs::read(variable_or_leave_out(DOCUMENT)?).unwrap()))
}

fn head(verb: &Method, path: &str) -> Parts {
    let request = Request::builder().method(verb).uri(format!("/v1/projects/p/{path}")).body(());
    request.unwrap().into_parts().0
}

#[test]
fn broken_bodies_are_found() {
    let Some(document) = document() else { return };
    let whole = json!({
        "kind": "sql#backupRun", "id": "1790000000000", "status": "SUCCESSFUL", "enqueuedTime": "2026-11-22T10:00:00.094Z",
        "diskEncryptionStatus": {"kmsKeyVersionName": "k"}, "maxChargeableBytes": "-1",
    });
    assert_eq!(document.body("BackupRun", &whole), Vec::<String>::new());
    for (field, value, finding) in [
        ("id", json!(1_790_000_000_000_i64), "must be of type string"),
        ("id", json!("1e3"), "not a int64"),
        ("id", json!("9223372036854775808"), "not a int64"),
        ("status", json!("DONE"), "not one of its values"),
        ("enqueuedTime", json!("2026-11-22 10:00:00Z"), "not a google-datetime"),
        ("enqueuedTime", json!("2026-11-22T10:00:00.1234567890Z"), "not a google-datetime"),
        ("enqueuedTime", json!("yesterday"), "not a google-datetime"),
        ("description", Value::Null, "null"),
        ("labels", json!({}), "unknown field"),
        ("error", json!([]), "must be of type object"),
        ("error", json!({"code": 5}), "BackupRun.error.code: must be of type string"),
    ] {
        let mut broken = whole.clone();
        broken[field] = value;
        let findings = document.body("BackupRun", &broken);
        assert!(findings.len() == 1 && findings[0].contains(finding), "{field}: {findings:?}");
    }
    let settings = |settings: Value| document.body("DatabaseInstance", &json!({"settings": settings}));
    assert_eq!(settings(json!({"userLabels": {"any": "text"}, "storageAutoResize": true})), Vec::<String>::new());
    for (broken, finding) in [
        (json!({"userLabels": {"any": 1}}), "DatabaseInstance.settings.userLabels.any"),
        (json!({"storageAutoResize": "true"}), "must be of type boolean"),
        (json!({"dataDiskSizeGb": 100}), "must be of type string"),
        (json!({"replicationLagMaxSeconds": 4_294_967_296_i64}), "not of its range"),
        (json!({"replicationLagMaxSeconds": 1.5}), "not of its range"),
        (json!({"databaseFlags": [{"name": "a"}, {"nom": "b"}]}), "databaseFlags[1].nom: unknown field"),
    ] {
        let findings = settings(broken);
        assert!(findings.len() == 1 && findings[0].contains(finding), "{findings:?}");
    }
}

#[test]
fn broken_requests_are_found() {
    let Some(document) = document() else { return };
    let findings = |verb: Method, path: &str, body: &str| document.request(&head(&verb, path), &body.to_owned().into());
    for (verb, path, body) in [
        (Method::GET, "instances/i/backupRuns?maxResults=5&pageToken=a%2Bb&alt=json", ""),
        (Method::DELETE, "instances/i/backupRuns/1", ""),
        (Method::POST, "instances/i/backupRuns", r#"{"description": "d"}"#),
        (Method::GET, "backups?filter=instance%3Ai", ""),
        (Method::GET, "backups?fields=nextPageToken,backups(name,instanceSettings(settings(tier)))", ""),
        (Method::DELETE, "backups/uid", ""),
        (Method::POST, "operations/op/cancel", ""),
    ] {
        assert_eq!(findings(verb, path, body), Vec::<String>::new(), "{path}");
    }
    for (verb, path, body, finding) in [
        (Method::PATCH, "instances/i/backupRuns/1", "{}", "no such method"),
        (Method::GET, "instances/i/backups", "", "no such method"),
        (Method::GET, "instances/i/backupRuns/one", "", "{id}: not a int64"),
        (Method::GET, "instances/i/backupRuns?pageSize=5", "", "?pageSize: unknown parameter"),
        (Method::GET, "instances/i/backupRuns?maxResults=many", "", "?maxResults: must be of type integer"),
        (Method::GET, "backups?fields=items(name)", "", "?fields.items: unknown field"),
        (Method::GET, "backups?fields=backups(name,status)", "", "?fields.backups.status: unknown field"),
        (Method::GET, "backups?fields=backups(name", "", "?fields: can't be read"),
        (Method::DELETE, "instances/i?enableFinalBackup=yes", "", "?enableFinalBackup: must be of type boolean"),
        (Method::DELETE, "backups/uid", "{}", "a body, where there must be none"),
        (Method::POST, "instances/i/backupRuns", "", "not JSON"),
        (Method::POST, "instances/i/backupRuns", r#"{"maxChargeableBytes": "1"}"#, "only for answers"),
        (Method::POST, "instances/i/restoreBackup", r#"{"backup": {}}"#, "must be of type string"),
        (Method::POST, "instances/i/restoreBackup", r#"{"backupId": "1"}"#, "unknown field"),
    ] {
        let found = findings(verb, path, body);
        assert!(found.len() == 1 && found[0].contains(finding), "{path}: {found:?}");
    }
}

#[tokio::test]
async fn a_simulator_fails_its_test_for_what_it_finds() {
    if document().is_none() {
        return;
    }
    let admin = admin();
    done(
        &admin,
        "POST",
        "instances/orders/clone",
        json!({"cloneContext": {"destinationInstanceName": "a", "kind": 1}}),
    )
    .await;
    let findings = admin.take_findings();
    assert!(findings.len() == 1, "{findings:?}");
    assert_names(&findings[0], &["request of \"sql.instances.clone\": InstancesCloneRequest.cloneContext.kind"]);
    admin.world(|world| {
        let odd = world.backup_of("orders").by("ODD");
        world.take(odd);
    });
    get(&admin, RUNS).await;
    assert_names(&admin.take_findings()[0], &["answer of \"sql.backupRuns.list\"", "items[0].type", "ODD"]);
    admin.world(|world| world.novelties.insert("ODD".to_owned()));
    get(&admin, RUNS).await;
}
