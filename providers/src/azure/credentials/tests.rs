//! Each way to a token, against a server that answers what a test wrote down; never the process's own environment.

use serde_json::{Value, json};
use tokio::time::{advance, pause, resume};

use super::*;
use crate::error::{ErrorKind, causes};
use crate::rest::scripted::{Answer, Asked, Scripted};

mod applications;
mod machines;
mod refusals;

pub(super) const SCOPE: &str = "https://management.azure.com/.default";

/// Where nothing is.
pub(super) fn nowhere() -> Environment {
    Environment { machines: "http://127.0.0.1:1".into(), az: vec!["/nonexistent/az".into()], ..Environment::default() }
}

/// An application with a secret, whose tokens a server on loopback gives.
pub(super) fn application(server: &Scripted) -> Environment {
    Environment {
        tenant: Some("contoso.example".into()),
        client: Some("c11e47".into()),
        secret: Some(Secret::new("hunter2".into())),
        authority: Some(server.url.clone()),
        ..nowhere()
    }
}

pub(super) fn found(environment: Environment) -> Found {
    let authority = environment.authority_host().unwrap_or_else(|| "http://127.0.0.1:1".into());
    Found::new(environment, &Connections::new().unwrap(), authority, SCOPE.into())
}

pub(super) fn token(text: &str, seconds: i64) -> Answer {
    Answer::json(&json!({ "token_type": "Bearer", "expires_in": seconds, "access_token": text }).to_string())
}

pub(super) fn refusal(status: u16, words: &str) -> Answer {
    let body = json!({ "error": "invalid_client", "error_description": words, "error_codes": [1] });
    Answer::refusal(status, &body.to_string())
}

/// The form that was sent.
pub(super) fn form(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect()
}

pub(super) fn field(asked: &Asked, name: &str) -> String {
    form(asked).into_iter().find(|(known, _)| known == name).unwrap().1
}

/// All that is ever shown of an error.
pub(super) fn printed(error: &Error) -> String {
    let hint = error.hint().unwrap_or_default();
    causes(error).map(|cause| format!("{cause} {cause:?} ")).collect::<String>() + hint
}

/// The clock goes on while nobody is asked.
async fn later(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

#[tokio::test]
async fn a_token_is_kept_until_it_is_nearly_over() {
    let server = Scripted::start([token("first", 3599), token("second", 3599)]).await;
    let found = found(application(&server));
    for _ in 0..3 {
        assert_eq!(found.token().await.unwrap().expose(), "first");
    }
    later(Duration::from_secs(3599) - SOON).await;
    assert_eq!(found.token().await.unwrap().expose(), "second");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn an_old_token_is_used_to_its_end_where_there_is_no_new_one() {
    let server = Scripted::start([token("first", 200), refusal(400, "no")]).await;
    let found = found(application(&server));
    for _ in 0..3 {
        assert_eq!(found.token().await.unwrap().expose(), "first");
    }
    assert_eq!(server.asked().len(), 2, "a failure is believed for a while");
    later(Duration::from_secs(200)).await;
    server.then([refusal(400, "no")]);
    assert_eq!(found.token().await.unwrap_err().kind(), ErrorKind::Permission);
}

#[tokio::test]
async fn a_refused_token_is_replaced_by_another_one() {
    let server = Scripted::start([token("first", 3599), token("second", 3599), token("second", 3599)]).await;
    let found = found(application(&server));
    let first = found.token().await.unwrap();
    let second = found.renew(&first).await.unwrap().unwrap();
    assert_eq!((first.expose(), second.expose()), ("first", "second"));
    // Another call that was refused with the first one.
    assert_eq!(found.renew(&first).await.unwrap(), Some(second.clone()));
    assert_eq!(server.asked().len(), 2);
    assert_eq!(found.renew(&second).await.unwrap(), None, "the same one again is none");
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_ask_and_after_a_while_asked_about_again() {
    let server = Scripted::start([refusal(401, "AADSTS7000222: x")]).await;
    let found = found(application(&server));
    let (first, second) = tokio::join!(found.token(), found.token());
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert_eq!((first.to_string(), first.hint()), (second.to_string(), second.hint()));
    assert!(printed(&second).contains("AADSTS7000222"), "{}", printed(&second));
    assert_eq!(server.asked().len(), 1);
    later(FAILED).await;
    server.then([token("first", 3599)]);
    assert_eq!(found.token().await.unwrap().expose(), "first");
}

#[tokio::test]
async fn nothing_that_is_secret_is_ever_printed() {
    let server = Scripted::start([token("eyJ0b2tlbg", 3599)]).await;
    let environment = Environment { identity_header: Some(Secret::new("hunter3".into())), ..application(&server) };
    let found = found(environment);
    found.token().await.unwrap();
    let shown = format!("{found:?}");
    assert!(!shown.contains("hunter") && !shown.contains("eyJ0"), "{shown}");
}

#[test]
fn the_first_that_names_somebody_is_the_only_one() {
    let ways = |environment: Environment| -> Vec<String> {
        let ways = environment.ways("https://login.example").unwrap();
        ways.iter().map(|way| format!("{way:?}").split(['(', ' ']).take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let named = Environment { tenant: Some("t".into()), client: Some("c".into()), ..nowhere() };
    let secret = Some(Secret::new("s".into()));
    assert_eq!(ways(named.clone()), ["Identity Machine", "Az Az"]);
    assert_eq!(ways(Environment { secret: secret.clone(), ..named.clone() }), ["Application Application"]);
    let federated = Environment { federated: Some("/token".into()), ..named };
    assert_eq!(ways(federated.clone()), ["Application Application"]);
    let both = Environment { secret, ..federated };
    let by = |permitted: &str| Environment { permitted: Some(permitted.into()), ..both.clone() };
    assert_eq!(ways(by("dev")), ["Az Az"]);
    assert_eq!(ways(by("PROD")), ["Application Application"]);
    assert_eq!(ways(by("managedidentitycredential")), ["Identity Machine"]);
    assert_eq!(ways(by("AzureCLICredential")), ["Az Az"]);
    let workload = by("WorkloadIdentityCredential").ways("https://login.example").unwrap();
    assert!(format!("{workload:?}").contains("Federated"), "{workload:?}");
    let error = by("AzurePowerShellCredential").ways("https://login.example").unwrap_err();
    assert!(error.hint().unwrap().starts_with("one of dev, prod, EnvironmentCredential, "), "{error}");
}

#[test]
fn what_is_named_by_half_is_an_error() {
    let secret = |text: &str| Some(Secret::new(text.into()));
    let (tenant, client) = (Some("t".to_owned()), Some("c".to_owned()));
    for (environment, words) in [
        (Environment { secret: secret("s"), ..nowhere() }, "AZURE_CLIENT_SECRET: AZURE_TENANT_ID is not set"),
        (
            Environment { secret: secret("s"), tenant: tenant.clone(), ..nowhere() },
            "AZURE_CLIENT_SECRET: AZURE_CLIENT_ID is not set",
        ),
        (
            Environment { certificate: Some("/c".into()), client: client.clone(), ..nowhere() },
            "AZURE_CLIENT_CERTIFICATE_PATH: AZURE_TENANT_ID is not set",
        ),
        (
            Environment { federated: Some("/f".into()), client: client.clone(), ..nowhere() },
            "AZURE_FEDERATED_TOKEN_FILE: AZURE_TENANT_ID is not set",
        ),
        (Environment { secret: secret(""), tenant, client, ..nowhere() }, "AZURE_CLIENT_SECRET: it is set, and empty"),
        (
            Environment {
                identity_endpoint: Some("http://127.0.0.1".into()),
                other_platform: Some("IMDS_ENDPOINT"),
                ..nowhere()
            },
            "IMDS_ENDPOINT: the managed identities of Service Fabric and of Azure Arc are not asked for",
        ),
    ] {
        let error = environment.ways("https://login.example").unwrap_err();
        assert_eq!(error.to_string(), format!("azure: cannot use {words}"));
        assert!(error.kind() == ErrorKind::Permission && error.hint().is_some());
    }
    let lone = Environment { secret: secret(""), ..nowhere() };
    assert_eq!(lone.ways("https://login.example").unwrap().len(), 2, "an empty secret of nobody is none");
}
