//! Whose credentials a target is reached with. Google's own servers are never asked: no test lets the metadata server or the machine's
//! `gcloud` be looked for.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use serde_json::json;

use super::cloud::{Cloud, owned};
use crate::cli::CloudBench;
use crate::support::sqladmin::{Fault, Instance, Trouble};
use crate::support::{Broken, Serving, SqlAdmin};

/// Gives these tokens, one after the other.
struct TokenServer {
    serving: Serving,
    left: Arc<Mutex<Vec<&'static str>>>,
}

impl TokenServer {
    fn start(tokens: &[&'static str]) -> Self {
        let left = Arc::new(Mutex::new(tokens.iter().rev().copied().collect::<Vec<_>>()));
        let of_server = Arc::clone(&left);
        let serving = Serving::start(move |_| {
            let token = of_server.lock().unwrap().pop();
            let body = json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" });
            let status = if token.is_some() { 200 } else { 400 };
            let reply = Response::builder().status(status).body(Full::<Bytes>::from(body.to_string())).unwrap();
            async { Ok::<_, Broken>(reply) }
        });
        Self { serving, left }
    }

    /// How many tokens nobody has asked for.
    fn left(&self) -> usize {
        self.left.lock().unwrap().len()
    }
}

/// A target without a token, and a backup.
fn without_token() -> Cloud {
    let cloud = Cloud::new("");
    cloud.take(owned);
    cloud.configure(&cloud.target("billing", "billing-pg", "").replace("access_token = { env = \"TOKEN\" }", ""));
    cloud
}

/// The binary where nothing can be found but what a test has put there.
fn alone(cloud: &Cloud) -> Command {
    let mut command = cloud.bench.command();
    command.env("NO_GCE_CHECK", "true").env("PATH", cloud.bench.path("bin"));
    command
}

/// The same with a file of credentials.
fn with_credentials(cloud: &Cloud, credentials: &serde_json::Value) -> Command {
    let file = cloud.bench.path("credentials.json");
    fs::write(&file, credentials.to_string()).unwrap();
    let mut command = alone(cloud);
    command.env("GOOGLE_APPLICATION_CREDENTIALS", file);
    command
}

fn service_account(tokens: &TokenServer) -> serde_json::Value {
    json!({
        "type": "service_account", "client_email": "snapkeep@acme-prod.example",
        "private_key": include_str!("../../../providers/src/gcp/testdata/key.pem"), "token_uri": tokens.serving.url(),
    })
}

#[test]
fn a_service_accounts_key_is_good_for_one_token_and_many_calls() {
    let (cloud, tokens) = (without_token(), TokenServer::start(&["ya29.first", "ya29.second"]));
    cloud.sql.trust("ya29.first");
    let ran = cloud.ran(with_credentials(&cloud, &service_account(&tokens)).args(["-q", "-o", "name", "list"]));
    assert_eq!((ran.code, ran.out.lines().count(), tokens.left()), (Some(0), 1, 1), "{ran}");
    assert!(cloud.sql.calls().len() > 1);
}

#[test]
fn a_token_that_is_refused_is_replaced_by_another_one() {
    let (cloud, tokens) = (without_token(), TokenServer::start(&["ya29.first", "ya29.second"]));
    cloud.sql.trust("ya29.second");
    let ran = cloud.ran(with_credentials(&cloud, &service_account(&tokens)).args(["create", "billing"]));
    assert_eq!((ran.code, tokens.left(), cloud.sql.calls_of("backupRuns.insert").len()), (Some(0), 0, 1), "{ran}");
}

#[test]
fn a_command_is_asked_again_for_a_token_that_is_no_longer_taken() {
    let cloud = without_token();
    fs::write(cloud.bench.path("tokens"), format!("stale\n{}\n", SqlAdmin::TOKEN)).unwrap();
    // The first line of what is left.
    let next = r#"["sed", "-i", "-e", "1{w /dev/stdout", "-e", "d}", "tokens"]"#;
    let target =
        cloud.target("billing", "billing-pg", "").replace("{ env = \"TOKEN\" }", &format!("{{ command = {next} }}"));
    cloud.configure(&target);
    cloud.done("list");
    assert_eq!(fs::read_to_string(cloud.bench.path("tokens")).unwrap(), "", "asked twice, and not for each call");
}

#[test]
fn a_key_that_gets_no_token_says_where_to_look() {
    let (cloud, tokens) = (without_token(), TokenServer::start(&[]));
    let ran = cloud.ran(with_credentials(&cloud, &service_account(&tokens)).arg("list"));
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 5
    --- stderr
    error: billing: gcp_cloud_sql: cannot use the credentials in [DIR]/credentials.json: no token is given for them
    caused by: token request failed
    hint: gcloud iam service-accounts keys list --iam-account=snapkeep@acme-prod.example
    ");
    assert!(cloud.sql.calls().is_empty());
}

#[test]
fn credentials_that_are_not_read_are_named_and_nobody_else_is_asked() {
    let cloud = without_token();
    gcloud_that_prints_auth(&cloud);
    let federated = json!({ "type": "external_account", "audience": "//iam.googleapis.com/projects/1" });
    let ran = cloud.ran(with_credentials(&cloud, &federated).arg("list"));
    insta::assert_snapshot!(cloud.shown(&ran), @r#"
    exit 5
    --- stderr
    error: billing: gcp_cloud_sql: cannot use the credentials in [DIR]/credentials.json: credentials of the type "external_account" are not read from there
    hint: set access_token = { command = ["gcloud", "auth", "application-default", "print-access-token"] } in the target
    "#);
    assert!(cloud.sql.calls().is_empty());
}

#[test]
fn without_any_credentials_it_is_said_what_to_run() {
    let cloud = without_token();
    let ran = cloud.ran(alone(&cloud).arg("list"));
    insta::assert_snapshot!(cloud.shown(&ran), @r#"
    exit 5
    --- stderr
    error: billing: gcp_cloud_sql: cannot sign in to Google Cloud: no Google credentials were found
    hint: run `gcloud auth application-default login`, or set access_token = { command = ["gcloud", "auth", "print-access-token"] } in the target
    "#);
    assert!(cloud.sql.calls().is_empty());
}

#[test]
fn gcloud_is_asked_where_nothing_else_names_somebody() {
    let cloud = without_token();
    gcloud_that_prints_auth(&cloud);
    cloud.sql.trust("auth");
    let ran = cloud.ran(alone(&cloud).args(["-q", "-o", "name", "list"]));
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 1), "{ran}");
}

/// It prints its first argument, which will do for a token.
fn gcloud_that_prints_auth(cloud: &Cloud) {
    fs::create_dir_all(cloud.bench.path("bin")).unwrap();
    symlink("/usr/bin/printf", cloud.bench.path("bin/gcloud")).unwrap();
}

#[test]
fn targets_of_one_project_are_asked_for_one_at_a_time() {
    let cloud = Cloud::new("");
    let names = ["a", "b", "c"];
    cloud.configure(&names.map(|name| cloud.target(name, name, "")).concat());
    cloud.sql.world(|world| {
        world.page = 1;
        for name in names {
            world.add(Instance::new(name));
            for _ in 0..3 {
                let backup = world.backup_of(name);
                world.take(backup);
            }
        }
    });
    cloud.sql.fail(Trouble::on("backupRuns.list", Fault::Throttled(Some(0))).nth(4));
    assert_eq!(cloud.items("list").len(), 9);
    assert_eq!((cloud.sql.most_in_flight(), cloud.sql.fired()), (1, 1));
}
