//! Scratch databases: where they are made, and that they go, whatever happens.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use snapkeep_providers::model::{VerifyLevel, VerifyRequest};
use snapkeep_providers::settings::{self, ScratchServer};
use snapkeep_providers::{ErrorKind, Run};

use super::{asking, findings, no_scratch_is_left, request, scratch_databases, verify};
use crate::cli::{Bench, STORE};
use crate::support::{Bed, Server, assert_names, create, ok, on, refused, until};

fn scratch_on(settings: settings::Server) -> ScratchServer {
    let settings::Server { host, port, user, password, tls, tool_dir, .. } = settings;
    ScratchServer { host, port, user, password, tls, tool_dir }
}

/// A question that no one answers in time.
fn sleeping(bed: &Bed) -> &'static str {
    if bed.server.is_postgresql() { "SELECT pg_sleep(600)" } else { "SELECT SLEEP(600)" }
}

#[tokio::test]
async fn another_server_takes_the_scratch_database() {
    let (Some(bed), Some(other)) = (Bed::postgresql_15(), Server::Pg17.up()) else { return };
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let version = [("version", "SELECT current_setting('server_version_num')::int / 10000", Some("17"))];
    let request = VerifyRequest { scratch: Some(scratch_on(other.settings("postgres"))), ..asking(&version) };
    assert_eq!(findings(&*provider, &id, &request).await.last().unwrap(), "version");
}

on!(postgresql_15 mysql mariadb => a_scratch_server_that_is_not_there_says_nothing_about_the_snapshot);
async fn a_scratch_server_that_is_not_there_says_nothing_about_the_snapshot(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let nowhere = settings::Server { port: Some(1), ..bed.settings() };
    let request = VerifyRequest { scratch: Some(scratch_on(nowhere)), ..request(VerifyLevel::Restore) };
    refused(ErrorKind::Unavailable, verify(&*provider, &id, &request).await);
    let stranger = settings::Server { user: bed.name("nobody"), ..bed.settings() };
    let request = VerifyRequest { scratch: Some(scratch_on(stranger)), ..request };
    refused(ErrorKind::Permission, verify(&*provider, &id, &request).await);
}

on!(postgresql_15 postgresql_17 mysql mariadb => an_interruption_drops_the_scratch_database);
async fn an_interruption_drops_the_scratch_database(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let (run, request) = (Run::silent(), asking(&[("asleep", sleeping(&bed), None)]));
    let (cancel, before) = (run.cancel.clone(), scratch_databases(&bed));
    let verifying = tokio::spawn(async move { provider.verify(&id, &request, &run).await });
    until("there is a scratch database", || !scratch_databases(&bed).is_subset(&before)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    cancel.cancel();
    refused(ErrorKind::Interrupted, verifying.await.unwrap());
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_signal_drops_the_scratch_database);
async fn a_signal_drops_the_scratch_database(bed: Bed) {
    bed.fill();
    let bench = Bench::empty();
    let tools = bed.settings().tool_dir.map(|folder| format!("tool_dir = \"{}\"\n", folder.display()));
    let config = format!(
        "version = 1\n[targets.om]\nprovider = \"{}\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\n\
         password = {{ env = \"PASSWORD\" }}\ndatabase = \"{}\"\nstore = \"local\"\n{}\
         verify = {{ level = \"restore\", assertions = [{{ name = \"asleep\", sql = \"{}\" }}] }}\n{STORE}",
        if bed.server.is_postgresql() { "postgresql" } else { "mysql" },
        bed.server.host(),
        bed.server.port(),
        bed.server.user(),
        bed.database,
        tools.unwrap_or_default(),
        sleeping(&bed),
    );
    fs::write(bench.path("snapkeep.toml"), config).unwrap();
    let made = bench.run_with("PASSWORD", &bed.server.password(), "create om");
    assert_eq!(made.code, Some(0), "{made}");
    let before = scratch_databases(&bed);
    let mut command = bench.command();
    command.env("PASSWORD", bed.server.password()).args(["verify", "om/latest", "-o", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("there is a scratch database", || !scratch_databases(&bed).is_subset(&before)).await;
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran = bench.ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.error_codes()), (Some(143), vec!["interrupted".to_owned()]), "{ran}");
    no_scratch_is_left(&bed).await;
    let listed = bench.run_with("PASSWORD", "", "list -o json").document();
    assert!(listed["items"][0]["verified"].is_null() && listed["items"][0]["hold"].is_null(), "{listed}");
}

#[tokio::test]
async fn a_scratch_database_that_can_not_be_dropped_is_told_loudly() {
    let Some(bed) = Bed::postgresql_15() else { return };
    bed.fill();
    let id = create(&*bed.provider()).await;
    let script = "sql=$(cat)\ncase \"$sql\" in *'DROP DATABASE'*) echo no >&2; exit 3 ;; esac\n\
                  printf '%s\\n' \"$sql\" | \"$real\" \"$@\"";
    let provider = bed.with_tools(bed.sick_tool("tools", "psql", script));
    let verification = ok(verify(&*provider, &id, &request(VerifyLevel::Restore)).await);
    assert!(verification.is_good(), "that says nothing about the snapshot");
    let left = verification.left_behind.unwrap();
    let name = scratch_databases(&bed).into_iter().find(|name| left.to_string().contains(name)).unwrap();
    assert_names(&crate::support::full(&left), &["cannot drop", &name, &format!("DROP DATABASE {name}")]);
    bed.admin(&format!("DROP DATABASE {name}"));
}
