//! By whom Azure takes an app or a machine for, and by the sign-in of `az`.

use super::*;

fn app(server: &Scripted, client: Option<&str>) -> Environment {
    Environment {
        client: client.map(ToOwned::to_owned),
        identity_endpoint: Some(format!("{}/msi/token", server.url)),
        identity_header: Some(Secret::new("hunter2".into())),
        ..nowhere()
    }
}

fn machine(server: &Scripted, client: Option<&str>) -> Environment {
    Environment { client: client.map(ToOwned::to_owned), machines: server.url.clone(), ..nowhere() }
}

/// As the platforms write it: all numbers are texts.
fn given(text: &str, left: i64) -> Answer {
    let end = (chrono::Utc::now().timestamp() + left).to_string();
    Answer::json(&json!({ "access_token": text, "expires_on": end, "token_type": "Bearer" }).to_string())
}

#[tokio::test]
async fn an_app_asks_its_platform() {
    let server = Scripted::start([given("first", 86_000), given("second", 86_000)]).await;
    assert_eq!(found(app(&server, None)).token().await.unwrap().expose(), "first");
    assert_eq!(found(app(&server, Some("1d"))).token().await.unwrap().expose(), "second");
    let [system, user] = &server.asked()[..] else { panic!("asked twice") };
    let path = "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com";
    assert_eq!(system.line, format!("{path} HTTP/1.1"));
    assert_eq!(user.line, format!("{path}&client_id=1d HTTP/1.1"));
    assert_eq!(system.header("X-IDENTITY-HEADER"), Some("hunter2"));
}

#[tokio::test]
async fn an_app_without_an_identity_is_told_and_nobody_else_is_asked() {
    let body = r#"{"statusCode":400,"message":"No Managed Identity found for specified ClientId hunter2."}"#;
    let server = Scripted::start([Answer::refusal(400, body)]).await;
    let environment = Environment { az: vec!["printf".into()], ..app(&server, Some("1d")) };
    let error = found(environment).token().await.unwrap_err();
    assert_eq!(error.to_string(), "azure: cannot use this app's managed identity 1d: no token is given for it");
    assert!(printed(&error).contains("No Managed Identity found for specified ClientId ***."), "{error:?}");
    assert!(error.hint().unwrap().contains("AZURE_CLIENT_ID=1d"), "{error:?}");
}

#[tokio::test]
async fn a_machine_asks_the_server_of_all_machines() {
    let body = json!({ "access_token": "first", "expires_in": "3599", "expires_on": "1", "token_type": "Bearer" });
    let server = Scripted::start([Answer::refusal(410, ""), Answer::json(&body.to_string())]).await;
    let found = found(machine(&server, Some("1d")));
    assert_eq!(found.token().await.unwrap().expose(), "first");
    let asked = server.asked();
    let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01";
    let resource = "resource=https%3A%2F%2Fmanagement.azure.com";
    assert_eq!(asked[1].line, format!("{path}&{resource}&client_id=1d HTTP/1.1"));
    assert_eq!((asked.len(), asked[1].header("Metadata")), (2, Some("true")));
}

#[tokio::test]
async fn where_no_machine_of_azures_is_az_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let none = json!({ "error": "invalid_request", "error_description": "Identity not found" }).to_string();
    for answer in [
        Answer::refusal(404, "<html><title>404 Not Found</title></html>"),
        Answer::refusal(401, ""),
        Answer::refusal(404, r#"{"code": 404, "message": "no"}"#),
        Answer::json("ami-id"),
        Answer::refusal(400, &none),
    ] {
        let server = Scripted::start([answer]).await;
        let environment = Environment { az: az(folder.path(), &signed_in(3600)), ..machine(&server, None) };
        assert_eq!(found(environment).token().await.unwrap().expose(), "of-az");
    }
    let environment = Environment { az: az(folder.path(), &signed_in(3600)), ..nowhere() };
    assert_eq!(found(environment).token().await.unwrap().expose(), "of-az");
    // Who is named and isn't there is missed.
    let server = Scripted::start([Answer::refusal(400, &none)]).await;
    let environment = Environment { az: az(folder.path(), &signed_in(3600)), ..machine(&server, Some("1d")) };
    let error = found(environment).token().await.unwrap_err();
    assert!(error.to_string().contains("this machine's managed identity 1d"), "{error}");
    let named = Environment { identity_host: Some("http://127.0.0.1:1".into()), ..nowhere() };
    let named = Environment { az: az(folder.path(), &signed_in(3600)), ..named };
    assert_eq!(found(named).token().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_identity_that_is_gone_is_an_error_and_nobody_elses_turn() {
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::start([given("first", 3600), Answer::refusal(404, "")]).await;
    let environment = Environment { az: az(folder.path(), &signed_in(3600)), ..machine(&server, None) };
    let found = found(environment);
    let first = found.token().await.unwrap();
    let error = found.renew(&first).await.unwrap_err();
    assert!(error.to_string().ends_with("who gave the tokens is no longer there"), "{error}");
}

/// A program that writes down its arguments beside itself, and then does as the script says.
fn az(folder: &std::path::Path, script: &str) -> Vec<String> {
    let file = folder.join("az");
    std::fs::write(&file, format!("echo \"$@\" >\"$0.asked\"\n{script}\n")).unwrap();
    vec!["sh".into(), file.display().to_string()]
}

fn signed_in(left: i64) -> String {
    let end = chrono::Utc::now().timestamp() + left;
    let printed = json!({ "accessToken": "of-az", "expiresOn": "x", "expires_on": end, "tokenType": "Bearer" });
    format!("echo '{printed}'")
}

async fn by_az(az: Vec<String>) -> Result<Secret> {
    found(Environment { az, permitted: Some("dev".into()), ..nowhere() }).token().await
}

#[tokio::test]
async fn az_is_asked_for_the_scope_and_for_the_tenant_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let program = az(folder.path(), &signed_in(3600));
    assert_eq!(by_az(program.clone()).await.unwrap().expose(), "of-az");
    let asked = || std::fs::read_to_string(folder.path().join("az.asked")).unwrap();
    assert_eq!(asked(), format!("account get-access-token --output json --scope {SCOPE}\n"));
    let environment = Environment { az: program, ..nowhere() }.of_subscription("s");
    found(environment.clone()).token().await.unwrap();
    assert_eq!(asked(), format!("account get-access-token --output json --scope {SCOPE} --subscription s\n"));
    found(Environment { tenant: Some("t".into()), ..environment }).token().await.unwrap();
    assert_eq!(asked(), format!("account get-access-token --output json --scope {SCOPE} --tenant t\n"));
    // Older versions write the time of this machine's zone only.
    let end = chrono::Local::now() + chrono::TimeDelta::hours(1);
    let printed = json!({ "accessToken": "old", "expiresOn": end.format("%Y-%m-%d %H:%M:%S%.6f").to_string() });
    assert_eq!(by_az(az(folder.path(), &format!("echo '{printed}'"))).await.unwrap().expose(), "old");
}

#[tokio::test]
async fn what_az_says_is_told_and_what_it_prints_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let login = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1";
    let error = by_az(az(folder.path(), login)).await.unwrap_err();
    assert_eq!(error.to_string(), "azure: cannot use the sign-in of az: it gives no token");
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Permission, Some("az login")));
    assert!(printed(&error).contains("Please run 'az login' to setup account"), "{error:?}");
    for (script, reason) in [
        ("echo hunter2", "what it prints is no token"),
        ("echo '\"hunter2\"'", "what it prints is no token"),
        (r#"echo '{"accessToken": "hunter2"}'"#, "the answer doesn't say how long the token is good"),
        (r#"echo '{"accessToken": "hunter2 x", "expires_on": 99999999999}'"#, "the token that was given is none"),
    ] {
        let error = by_az(az(folder.path(), script)).await.unwrap_err();
        assert!(error.to_string().ends_with(reason) && !printed(&error).contains("hunter2"), "{}", printed(&error));
    }
    let error = by_az(az(folder.path(), &signed_in(-60))).await.unwrap_err();
    assert!(error.to_string().contains("over already by this machine's clock"), "{error}");
    assert_eq!(error.hint(), Some("compare the clock: date -u"));
}

#[tokio::test]
async fn where_nobody_is_found_it_is_told_where_it_was_looked() {
    let error = found(nowhere()).token().await.unwrap_err();
    assert_eq!(error.to_string(), "azure: cannot sign in to Azure: no Azure credentials were found");
    assert!(error.hint().unwrap().starts_with("run `az login`, or set AZURE_TENANT_ID, "), "{error:?}");
    let printed = printed(&error);
    assert!(printed.contains("this is no machine of Azure's, or it has no identity; there is no program az"));
    let only = Environment { permitted: Some("EnvironmentCredential".into()), ..nowhere() };
    let error = found(only).token().await.unwrap_err();
    assert!(super::printed(&error).contains("AZURE_TOKEN_CREDENTIALS permits EnvironmentCredential only"));
}
