//! The client against a server that answers as it is told.

use std::sync::Mutex;

use futures::future::join_all;
use serde_json::{Value, json};

use super::scripted::{Answer, Row, Scripted, client, with};
use super::*;
use crate::error::{ErrorKind, causes};

fn read() -> Call {
    Call::get(&["v1", "things"])
}

fn change() -> Call {
    Call::post(&["v1", "things"], &json!({ "a": 1 }))
}

/// Everything that can be printed of a fault.
fn printed(fault: &Fault) -> String {
    let chain: Vec<String> = causes(fault).map(|cause| format!("{cause} {cause:?}")).collect();
    format!("{fault} {fault:?} {}", chain.join(" "))
}

#[tokio::test]
async fn a_call_says_who_calls_and_what() {
    let (server, client) = with([Answer::json(r#"{"a": 1}"#), Answer::json("")]).await;
    let call = Call::post(&["v1", "a/../b", "%2f"], &json!({ "b": 2 })).query("c", "d e");
    assert_eq!(client.send::<Value>(&call).await.unwrap(), json!({ "a": 1 }));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /v1/a%2F..%2Fb/%252f?c=d+e HTTP/1.1");
    assert_eq!((asked.body.as_str(), asked.header("Authorization")), (r#"{"b":2}"#, Some("Bearer t0ken")));
    assert_eq!(asked.header("Content-Type"), Some("application/json"));
    assert_eq!(asked.header("X-Goog-User-Project"), Some("payer"));
    assert!(asked.header("User-Agent").unwrap().starts_with("snapkeep/"));
    client.send::<()>(&Call::delete(&["v1", "x"])).await.unwrap();
    assert_eq!(server.asked()[1].line, "DELETE /v1/x HTTP/1.1");
    assert_eq!(server.asked()[1].body, "");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_sent_again() {
    for answer in [Answer::Lost, Answer::Half("{}".into()), Answer::json("<html>"), Answer::refusal(500, "")] {
        let (server, client) = with([answer]).await;
        let fault = client.send::<Value>(&change()).await.unwrap_err();
        assert_eq!(
            (server.asked().len(), fault.arrival(), fault.kind()),
            (1, Arrival::Unknown, ErrorKind::Unavailable)
        );
    }
    // Over a connection that had served one before.
    let (server, client) = with([Answer::json("{}"), Answer::Lost]).await;
    client.send::<Value>(&change()).await.unwrap();
    let fault = client.send::<Value>(&change()).await.unwrap_err();
    assert_eq!((server.asked().len(), fault.arrival()), (2, Arrival::Unknown));
}

#[tokio::test]
async fn a_change_that_met_throttling_is_sent_again() {
    let throttled = r#"{"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}}"#;
    let (server, client) = with([Answer::refusal(429, ""), Answer::refusal(403, throttled), Answer::json("{}")]).await;
    client.send::<Value>(&change()).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn throttling_without_an_end_is_given_up() {
    let (server, client) = with(vec![Answer::refusal(429, ""); 20]).await;
    let fault = client.send::<Value>(&change()).await.unwrap_err();
    assert_eq!((server.asked().len(), fault.kind(), fault.arrival()), (8, ErrorKind::Busy, Arrival::Refused));
}

#[tokio::test]
async fn a_change_that_could_not_be_sent_may_be_sent_again() {
    let gone = Scripted::start([]).await.url;
    let fault = client(&gone, &["t0ken"]).try_once(&change(), Instant::now()).await.unwrap_err();
    assert_eq!((fault.arrival(), fault.kind()), (Arrival::Never, ErrorKind::Unavailable), "{}", printed(&fault));
    assert!(Tries::new(change().repeat).pause(&fault, 1.0).is_some());
}

#[tokio::test]
async fn a_reading_that_was_cut_or_made_no_sense_is_tried_again() {
    let (cut, nonsense) = (Answer::Half("{}".into()), Answer::json("<html>"));
    let (server, client) = with([cut, nonsense, Answer::Lost, Answer::json("[1]")]).await;
    assert_eq!(client.send::<Value>(&read()).await.unwrap(), json!([1]));
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_reading_is_tried_five_times() {
    let (server, client) = with(vec![Answer::refusal(502, "<html><title>Bad\ngateway</title>..."); 9]).await;
    let fault = client.send::<Value>(&read()).await.unwrap_err();
    assert_eq!((server.asked().len(), fault.kind()), (5, ErrorKind::Unavailable));
    assert_eq!(fault.to_string(), "GET /v1/things: 502 Bad Gateway: Bad gateway");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let (server, client) = with([Answer::refusal(401, ""), Answer::json("1"), Answer::json("2")]).await;
    assert_eq!(client.send::<u8>(&change()).await.unwrap(), 1);
    assert_eq!(client.send::<u8>(&change()).await.unwrap(), 2);
    let asked = server.asked();
    let tokens: Vec<_> = asked.iter().filter_map(|asked| asked.header("Authorization")).collect();
    assert_eq!(tokens, ["Bearer t0ken", "Bearer t1ken", "Bearer t1ken"]);

    let (server, client) = with(vec![Answer::refusal(401, ""); 5]).await;
    let fault = client.send::<u8>(&read()).await.unwrap_err();
    assert_eq!((server.asked().len(), fault.kind(), fault.arrival()), (2, ErrorKind::Permission, Arrival::Refused));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let server = Scripted::start([]).await;
    let fault = client(&server.url, &[]).send::<u8>(&read()).await.unwrap_err();
    assert_eq!((fault.arrival(), fault.kind(), server.asked().len()), (Arrival::Never, ErrorKind::Permission, 0));
    assert!(fault.without_credentials().is_some());
}

#[tokio::test]
async fn a_token_is_in_nothing_that_is_printed() {
    let said = json!({ "error": { "code": 400, "message": "t0ken and\u{1b}[31m t0ken",
        "errors": [{ "reason": "bad-t0ken" }], "status": "INVALID_ARGUMENT" } });
    let page = "<p>".to_owned() + &"x".repeat(600) + " t0ken";
    for body in [said.to_string(), page, "t0ken".into(), "\"t0ken\"".into()] {
        let (_server, client) = with([Answer::refusal(400, &body), Answer::json("\"t0ken\"")]).await;
        let call = change().query("password", "hunter2");
        let fault = client.send::<u8>(&call).await.unwrap_err();
        let unreadable = client.send::<u8>(&call).await.unwrap_err();
        for fault in [&fault, &unreadable] {
            let printed = printed(fault);
            assert!(!printed.contains("t0ken") && !printed.contains("hunter2"), "{printed}");
            assert!(fault.to_string().len() < 560 && !printed.contains('\u{1b}'), "{printed}");
        }
    }
    let (_server, client) = with([Answer::refusal(400, &said.to_string())]).await;
    let fault = client.send::<u8>(&read()).await.unwrap_err();
    assert_eq!(fault.to_string(), "GET /v1/things: 400 Bad Request: bad-***: *** and [31m ***");
    assert!(fault.has_code("invalid_argument") && !fault.has_code("INVALID"));
}

#[tokio::test]
async fn a_network_that_fails_prints_no_query() {
    let gone = Scripted::start([]).await.url;
    let call = read().query("password", "hunter2");
    let fault = client(&gone, &["t0ken"]).try_once(&call, Instant::now()).await.unwrap_err();
    assert!(!printed(&fault).contains("hunter2") && !printed(&fault).contains("t0ken"), "{}", printed(&fault));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Scripted::start([]).await;
    let (server, client) = with([Answer::Whole(307, vec![("Location", other.url.clone())], String::new())]).await;
    let fault = client.send::<Value>(&read()).await.unwrap_err();
    assert_eq!((fault.status(), server.asked().len(), other.asked().len()), (Some(307), 1, 0));
}

#[tokio::test]
async fn one_request_is_in_flight() {
    let (server, client) = with(vec![Answer::json("1"); 20]).await;
    let other = client.clone();
    let calls = (0..20).map(|at| if at % 2 == 0 { client.clone() } else { other.clone() });
    let answers = join_all(calls.map(async |client| client.send::<u8>(&read()).await)).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert_eq!((server.asked().len(), server.at_once()), (20, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let server = Scripted::start([Answer::json(&"1".repeat(11))]).await;
    let response = Connections::new().unwrap().0.get(&server.url).send().await.unwrap();
    let fault = whole(&read(), response, 10).await.unwrap_err();
    assert!(fault.to_string().contains("longer"), "{fault}");
}

#[tokio::test]
async fn the_clock_of_the_server_is_heard() {
    let date = (Utc::now() + chrono::TimeDelta::hours(2)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (_server, client) = with([Answer::Whole(200, vec![("Date", date)], "1".into())]).await;
    client.send::<u8>(&read()).await.unwrap();
    let ahead = client.clock().ahead().unwrap().num_seconds();
    assert!((7190..=7200).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    for base in ["sqladmin.googleapis.com", "http://u:hunter2@127.0.0.1", "ftp://127.0.0.1", "http://127.0.0.1?x=1"] {
        let tokens = Arc::new(Row(Mutex::default()));
        let fault = Client::new(&Connections::new().unwrap(), base, tokens).unwrap_err();
        assert!(!printed(&fault).contains("hunter2"));
    }
}
