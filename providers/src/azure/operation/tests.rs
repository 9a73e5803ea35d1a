//! Operations at a server that answers as it is told.

use chrono::TimeDelta;

use super::*;
use crate::rest::scripted::{Answer as Told, Scripted, client};

/// What one look at an operation gives.
async fn looked(status: bool, told: Told) -> (String, Called<Progress>) {
    let server = Scripted::start([told]).await;
    // Signed, and with what a client might think it knows better.
    let url = format!(
        "{}/subscriptions/s/x/North%20Europe/op?api-version=1&t=639&c=a%2Fb+c%3D{}",
        server.url,
        "M".repeat(3000)
    );
    let url_of = |wanted: bool| (wanted == status).then(|| url.clone());
    let bookmark = Bookmark { status_url: url_of(true), result_url: url_of(false), ..intended(Utc::now(), None) };
    let progress = look(&client(&server.url, &["t0ken"]), &bookmark).await;
    let line = server.asked()[0].line.clone();
    assert_eq!(line, format!("GET {} HTTP/1.1", url.strip_prefix(&server.url).unwrap()), "to the letter");
    (line, progress)
}

fn shown(progress: Called<Progress>) -> String {
    match progress {
        Ok(Progress::Running { percent, pause }) => format!("running {percent:?} {pause:?}"),
        Ok(Progress::Succeeded) => "succeeded".into(),
        Ok(Progress::Failed(words)) => format!("failed: {words}"),
        Ok(Progress::Unknown) => "unknown".into(),
        Err(fault) => format!("fault: {fault}"),
    }
}

#[tokio::test]
async fn a_status_is_read_in_any_case_and_a_new_word_goes_on() {
    for (body, expected) in [
        (r#"{"status": "InProgress", "percentComplete": 40.5}"#, "running Some(40) None"),
        (r#"{"status": "inprogress", "percentComplete": -1}"#, "running None None"),
        (r#"{"status": "Pending"}"#, "running None None"),
        (r#"{"status": "Running"}"#, "running None None"),
        (r#"{"status": "Dancing"}"#, "running None None"),
        (r#"{"status": "SUCCEEDED", "properties": "all of it"}"#, "succeeded"),
        (r#"{"status": "succeeded", "properties": null}"#, "succeeded"),
        (r#"{"status": "Canceled"}"#, "failed: the operation is Canceled"),
        (r#"{"status": "CANCELLED"}"#, "failed: the operation is CANCELLED"),
        (
            r#"{"status": "Failed", "error": {"code": "InternalServerError", "message": "no luck",
                "details": [{"code": "Inner", "message": "disk"}]}}"#,
            "failed: InternalServerError: no luck; Inner: disk",
        ),
        (r#"{"properties": {"provisioningState": "Succeeded"}}"#, "succeeded"),
        (r#"{"name": "x"}"#, "unknown"),
        ("", "unknown"),
    ] {
        assert_eq!(shown(looked(true, Told::json(body)).await.1), expected, "{body}");
    }
}

#[tokio::test]
async fn a_result_is_there_as_soon_as_it_is_not_accepted_only() {
    let told = |status, body: &str| Told::Whole(status, vec![("Retry-After", "7".into())], body.into());
    for (answer, expected) in [
        (told(202, ""), "running None Some(7s)"),
        (told(202, r#"{"status": "Succeeded"}"#), "running None Some(7s)"),
        (told(200, r#"{"name": "copy", "properties": {"status": "Online"}}"#), "succeeded"),
        (told(200, r#"{"name": "copy", "properties": {"provisioningState": "Creating"}}"#), "running None Some(7s)"),
        (told(204, ""), "succeeded"),
        (told(404, ""), "unknown"),
        (told(409, r#"{"error": {"code": "Taken", "message": "there is one"}}"#), "failed: Taken: there is one"),
    ] {
        assert_eq!(shown(looked(false, answer).await.1), expected);
    }
}

#[tokio::test]
async fn a_look_that_fails_says_nothing_of_the_operation() {
    for status in [401, 403] {
        let refused =
            Told::Whole(status, vec![], r#"{"error": {"code": "AuthorizationFailed", "message": "no"}}"#.into());
        assert!(shown(looked(true, refused).await.1).starts_with("fault: "), "{status}");
    }
}

#[tokio::test]
async fn an_address_on_another_server_is_never_asked() {
    let (own, other) = (Scripted::start([]).await, Scripted::start([]).await);
    let bookmark = Bookmark { status_url: Some(format!("{}/op", other.url)), ..intended(Utc::now(), None) };
    let fault = look(&client(&own.url, &["t0ken"]), &bookmark).await.unwrap_err();
    assert!(fault.to_string().contains("another server"), "{fault}");
    assert_eq!((own.asked().len(), other.asked().len()), (0, 0));
}

#[tokio::test]
async fn an_answer_tells_whether_something_goes_on_and_where() {
    let status = ("Azure-AsyncOperation", "http://127.0.0.1:1/status".to_owned());
    let result = ("Location", "http://127.0.0.1:1/result".to_owned());
    let of = async |code: u16, headers: Vec<(&'static str, String)>, body: &str| {
        let server = Scripted::start([Told::Whole(code, headers, body.into())]).await;
        let answer = client(&server.url, &["t0ken"]).ask(&Call::get(&["x"])).await.unwrap();
        begun(&intended(Utc::now(), None), &answer)
            .map(|bookmark| (bookmark.status_url.is_some(), bookmark.result_url.is_some()))
    };
    assert_eq!(of(202, vec![status.clone(), result.clone()], "").await, Some((true, true)));
    assert_eq!(of(202, vec![result.clone()], "").await, Some((false, true)));
    assert_eq!(of(202, vec![], "{}").await, Some((false, false)), "accepted, without a word where to look");
    assert_eq!(of(201, vec![status.clone()], "{}").await, Some((true, false)));
    assert_eq!(of(200, vec![], r#"{"name": "b"}"#).await, None);
    assert_eq!(
        of(200, vec![status], r#"{"properties": {"provisioningState": "Updating"}}"#).await,
        Some((true, false))
    );
    assert_eq!(of(204, vec![], "").await, None);
}

#[test]
fn what_was_lost_is_looked_for_until_it_must_have_been_seen() {
    let bookmark = intended(Utc::now(), None);
    assert!(!is_settled(&bookmark, SETTLED, bookmark.sent_at + SETTLED));
    assert!(is_settled(&bookmark, SETTLED, bookmark.sent_at + SETTLED + TimeDelta::seconds(1)));
}
