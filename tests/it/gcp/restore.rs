//! Restoring: into a new instance, over the instance itself, into another project, to a moment.

use std::process::Stdio;

use serde_json::json;

use super::cloud::{Cloud, at_once};
use crate::cli::{CloudBench, until};
use crate::support::SqlAdmin;
use crate::support::sqladmin::{Fault, Instance, Trouble};

#[test]
fn a_new_instance_is_like_the_source_and_as_it_was_then() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.world(|world| world.write("billing-pg", "second"));
    insta::assert_snapshot!(cloud.whole(&format!("restore {id} --to billing-check --set availability_type=REGIONAL")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    billing/[BACKUP-1]  billing-check
    --- stderr
    billing: restored billing/[BACKUP-1] to billing-check, in [DURATION]
    ");
    let restored = cloud.instance("billing-check").unwrap();
    assert_eq!(restored.data, "first");
    let settings = &restored.made_with.as_ref().unwrap()["restoreInstanceSettings"];
    assert_eq!(settings["settings"], json!({"tier": "db-custom-2-7680", "availabilityType": "REGIONAL"}));
    assert_eq!(cloud.instance("billing-pg").unwrap().data, "second");
    let ran = cloud.exits(10, &format!("restore {id} --to billing-check"));
    assert!(ran.err.contains("there is an instance billing-check already"), "{ran}");
}

#[test]
fn a_run_without_a_backup_of_the_project_takes_the_settings_of_the_instance_along() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.fail(Trouble::on("Backups.ListBackups", Fault::Refused(404, "notFound", "no such list")).nth(2).always());
    let ran = cloud.run(&format!("restore {id} --to billing-check"));
    assert_eq!(ran.code, Some(4), "a list that is refused is no empty list: {ran}");
}

#[test]
fn in_place_replaces_what_is_there_once_it_is_confirmed() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.looks = 1);
    let id = cloud.create("billing");
    cloud.sql.world(|world| world.write("billing-pg", "second"));
    cloud.exits(10, &format!("restore {id} --in-place"));
    cloud.exits(10, &format!("restore {id} --in-place --confirm bill"));
    cloud.exits(2, &format!("restore {id} --in-place --confirm billing --set tier=db-g1-small"));
    assert_eq!(cloud.instance("billing-pg").unwrap().data, "second");
    cloud.done(&format!("restore {id} --in-place --confirm billing"));
    assert_eq!(cloud.instance("billing-pg").unwrap().data, "first");
}

#[test]
fn what_google_would_refuse_late_is_refused_before() {
    let with_replica = Instance::new("billing-pg").with_replica("billing-replica");
    let cases = [
        (with_replica, 10, "delete replicas first"),
        (Instance::new("billing-pg").of_version("POSTGRES_18"), 12, "the backup is of postgresql 17"),
        (Instance::new("billing-pg").with_disk(50), 12, "has 50 GB, and the backup is of one with 100 GB"),
        (Instance::new("billing-pg").stopped(), 1, "the instance is stopped"),
        (Instance::new("billing-pg").in_state("MAINTENANCE"), 6, "the instance is MAINTENANCE"),
    ];
    for (now, code, said) in cases {
        let cloud = Cloud::new("");
        let id = cloud.create("billing");
        cloud.sql.world(|world| world.instances = vec![now]);
        let ran = cloud.exits(code, &format!("restore {id} --in-place --confirm billing"));
        assert!(ran.err.contains(said) && ran.err.contains("hint: "), "{ran}");
        assert!(cloud.sql.calls_of("instances.restoreBackup").is_empty());
    }
}

#[test]
fn another_project_can_have_it() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.looks = 1);
    let id = cloud.create("billing");
    let ran = cloud.done(&format!("-o json restore {id} --to {}/billing-copy --no-wait", SqlAdmin::OTHER_PROJECT));
    let operation = ran.document()["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(operation.starts_with("billing/restore:acme-staging/billing-copy/"), "{operation}");
    let waited = cloud.items(&format!("wait {operation}"));
    assert_eq!(waited[0]["to"], "acme-staging/billing-copy");
    let there = cloud.sql.world(|world| world.instance_of(SqlAdmin::OTHER_PROJECT, "billing-copy").cloned());
    assert_eq!(there.unwrap().data, "first");
}

#[test]
fn a_moment_is_cloned_when_google_has_it() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.set_time("2026-11-22T02:00:00Z"));
    cloud.sql.world(|world| world.write("billing-pg", "second"));
    cloud.sql.world(|world| world.set_time("2026-11-22T03:00:00Z"));
    cloud.done("restore billing --time 2026-11-22T01:30:00Z --to then");
    assert_eq!(cloud.instance("then").unwrap().data, "first");
    cloud.done("restore billing --time 2026-11-22T02:30:00Z --to later");
    assert_eq!(cloud.instance("later").unwrap().data, "second");
    let ran = cloud.exits(4, "restore billing --time 2026-12-24T00:00:00Z --to future");
    assert!(ran.err.contains("the latest moment that Google can restore is 2026-11-22T03:0"), "{ran}");
    let ran = cloud.exits(4, "restore billing --time 2026-01-01T00:00:00Z --to past");
    assert!(ran.err.contains("the earliest moment"), "{ran}");
    cloud.exits(2, "restore billing --time 2026-11-22T01:30:00Z --to other --set tier=db-g1-small");
    cloud.exits(10, "restore billing --time 2026-11-22T01:30:00Z --to then");
    let off = Instance::new("billing-pg").set("/backupConfiguration/pointInTimeRecoveryEnabled", false);
    let cloud = Cloud::of(off, "");
    insta::assert_snapshot!(cloud.whole("restore billing --time 2026-11-22T01:30:00Z --to then"), @"
    exit 12
    --- stderr
    error: gcp_cloud_sql: cannot restore billing to [TIME]: point-in-time recovery is off for the instance
    hint: choose a snapshot: `snapkeep list billing`; for later: gcloud sql instances patch billing-pg --enable-point-in-time-recovery --project acme-prod
    ");
}

/// What may happen to a call that begins something.
const TROUBLES: [Fault; 5] =
    [Fault::CutAfter, Fault::StatusAfter(500), Fault::Truncated, Fault::CutBefore, Fault::Status(503)];

#[test]
fn a_lost_answer_restores_once() {
    at_once(TROUBLES, |fault| {
        let cloud = Cloud::new("");
        let id = cloud.create("billing");
        cloud.sql.world(|world| world.looks = 1);
        cloud.sql.fail(Trouble::on("instances.restoreBackup", fault.clone()));
        cloud.done(&format!("restore {id} --to again"));
        assert_eq!(cloud.instance("again").unwrap().data, "first", "{fault:?}");
        assert_eq!((cloud.sql.fired(), cloud.sql.world(|world| world.instances.len())), (1, 2), "{fault:?}");
    });
}

#[test]
fn a_lost_answer_clones_once() {
    at_once(TROUBLES, |fault| {
        let cloud = Cloud::new("");
        cloud.sql.world(|world| world.looks = 1);
        cloud.sql.fail(Trouble::on("instances.clone", fault.clone()));
        let moment = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        cloud.done(&format!("restore billing --time {moment} --to again"));
        assert_eq!(cloud.instance("again").unwrap().data, "first", "{fault:?}");
        assert_eq!((cloud.sql.fired(), cloud.sql.world(|world| world.instances.len())), (1, 2), "{fault:?}");
    });
}

#[test]
fn a_lost_answer_restores_in_place_once() {
    at_once(TROUBLES, |fault| {
        let cloud = Cloud::new("");
        let id = cloud.create("billing");
        cloud.sql.world(|world| world.looks = 1);
        cloud.sql.fail(Trouble::on("instances.restoreBackup", fault.clone()));
        cloud.done(&format!("restore {id} --in-place --confirm billing"));
        let is_restore = |kind: &str| kind == "RESTORE_VOLUME";
        let restores =
            cloud.sql.world(|world| world.operations.iter().filter(|operation| is_restore(&operation.kind)).count());
        assert_eq!((restores, cloud.sql.fired()), (1, 1), "{fault:?}");
    });
}

#[test]
fn an_instance_that_appears_while_its_name_is_waited_for_is_left_alone() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.fail(Trouble::on("instances.restoreBackup", Fault::InProgress(409)));
    let mut command = cloud.command();
    command.args(["restore", &id, "--to", "again"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let restoring = command.spawn().unwrap();
    until("Google is asked", || (!cloud.sql.calls_of("instances.restoreBackup").is_empty()).then_some(()));
    cloud.sql.world(|world| world.add(Instance::new("again")).data = "theirs".into());
    let ran = cloud.bench.ran(restoring.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(10), "{ran}");
    assert_eq!(cloud.sql.calls_of("instances.restoreBackup").len(), 1);
    assert_eq!(cloud.instance("again").unwrap().data, "theirs");
}

#[test]
fn a_region_that_is_down_keeps_nobody_from_restoring_elsewhere() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    for method in ["backupRuns.list", "backupRuns.get"] {
        cloud.sql.fail(Trouble::on(method, Fault::Status(503)).always());
    }
    cloud.done(&format!("restore {id} --to again --set region=europe-west1"));
    assert_eq!(cloud.instance("again").unwrap().region, "europe-west1");
    cloud.exits(1, &format!("delete {id} --yes --force"));
    assert_eq!(cloud.backups().len(), 1);
}

#[test]
fn an_operation_is_of_the_instance_that_it_names() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.done(&format!("restore {id} --to again"));
    let name = cloud.sql.world(|world| world.operations.last().unwrap().name.clone());
    cloud.done(&format!("wait billing/restore:again/{name}"));
    for other in
        [format!("restore:other/{name}"), format!("restore:{name}"), "restore:again/x".into(), "restore:again".into()]
    {
        cloud.exits(4, &format!("wait billing/{other}"));
    }
}

#[test]
fn an_operation_that_fails_shows_what_google_says() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.fail(Trouble::on("instances.restoreBackup", Fault::EndsBadly("ERROR_RDBMS", "the version is odd")));
    insta::assert_snapshot!(cloud.whole(&format!("restore {id} --to billing-check")), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot restore billing/restore:billing-check/[OPERATION-2]: the operation was begun and failed
    caused by: ERROR_RDBMS: the version is odd
    ");
}

#[test]
fn names_and_options_that_can_not_be_are_refused_before_google_is_asked_to_do_anything() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    let before = cloud.sql.changes().len();
    for (to, set) in [
        ("Billing", ""),
        ("9billing", ""),
        ("billing-", ""),
        ("../billing", ""),
        ("a/b/c", ""),
        ("/billing", ""),
        ("ok", "--set port=3307"),
        ("ok", "--set data_disk_size_gb=50"),
        ("ok", "--set storage_auto_resize=maybe"),
    ] {
        let ran = cloud.exits(2, &format!("restore {id} --to {to} {set}"));
        assert!(ran.err.contains("error: "), "{ran}");
    }
    assert_eq!(cloud.sql.changes().len(), before);
    cloud.take(|new| new.in_status("RUNNING").described("running").at("2025-01-01T00:00:00Z"));
    cloud.exits(6, &format!("restore billing/{} --to ok", cloud.backups()[1].id()));
    cloud.exits(4, "restore billing/1600000000000 --to ok");
}
