//! Making backups: once, whatever becomes of an answer, and when it is the instance's turn.

use super::cloud::{Cloud, at_once, owned};
use crate::cli::CloudBench;
use crate::support::sqladmin::{Fault, Instance, Trouble};

#[test]
fn a_backup_says_in_its_description_whose_it_is() {
    let cloud = Cloud::new("tags = { team = \"crm\" }\nbackup_location = \"europe-west1\"");
    let ran = cloud.done("create billing --key before-7 --tag app=1.9");
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    billing/[BACKUP-1]  [TIME]  [AGE]  4.0 GiB  available  owned  postgresql 17  europe-west1  -  -
    --- stderr
    billing: made billing/[BACKUP-1] in europe-west1, 4.0 GiB, in [DURATION]
    ");
    let [backup] = &*cloud.backups() else { panic!("one backup") };
    let description = backup.description.clone().unwrap();
    let call = description.split("call=").nth(1).unwrap().split(' ').next().unwrap();
    let expected = format!("snapkeep target=billing call={call} key=before-7 tag:app=1.9 tag:team=crm");
    assert_eq!((description, backup.location.as_str()), (expected, "europe-west1"));
}

#[test]
fn progress_is_followed_and_the_same_key_finds_it() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.looks = 2);
    let id = cloud.create("billing --key nightly");
    let again = cloud.done("create billing --key nightly");
    assert!(again.err.contains("is there already") && again.err.contains("with the same key"), "{again}");
    assert_eq!(cloud.create("billing --key nightly"), id);
    assert_ne!(cloud.create("billing"), id);
    assert_eq!(cloud.backups().len(), 2);
}

#[test]
fn an_operation_can_be_left_and_taken_up_again_by_either_name() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.looks = 1000);
    let ran = cloud.done("-o json create billing --no-wait");
    let operation = ran.document()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ran.document()["items"][0]["state"], "running");
    cloud.exits(8, &format!("wait {operation} --timeout 1s"));
    let name = cloud.sql.world(|world| {
        (0..1000).for_each(|_| world.tick());
        world.operations.last().unwrap().name.clone()
    });
    cloud.done(&format!("wait {operation}"));
    cloud.done(&format!("wait billing/{name}"));
    cloud.exits(4, "wait billing/1700000000000");
    cloud.exits(4, "wait billing/no-such-operation");
}

#[test]
fn an_instance_that_is_busy_is_waited_for() {
    for refused in [None, Some(403)] {
        let cloud = Cloud::new("");
        match refused {
            None => drop(cloud.sql.world(|world| world.occupy("billing-pg", 2))),
            Some(status) => cloud.sql.fail(Trouble::on("backupRuns.insert", Fault::InProgress(status))),
        }
        let ran = cloud.done("create billing");
        assert!(ran.err.contains("waiting for"), "{ran}");
        assert_eq!(cloud.backups().len(), 1);
    }
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.occupy("billing-pg", 1000));
    let ran = cloud.exits(8, "create billing --timeout 2s");
    assert!(ran.err.contains("UPDATE of ops@acme.example"), "{ran}");
    assert!(cloud.backups().is_empty());
}

#[test]
fn a_lost_answer_makes_no_second_backup() {
    let troubles = [
        (Fault::CutAfter, "--key k"),
        (Fault::CutAfter, ""),
        (Fault::StatusAfter(500), "--key k"),
        (Fault::Truncated, ""),
        (Fault::CutBefore, "--key k"),
        (Fault::Status(503), ""),
        (Fault::Throttled(Some(0)), ""),
    ];
    at_once(troubles, |(fault, key)| {
        let cloud = Cloud::new("");
        cloud.sql.fail(Trouble::on("backupRuns.insert", fault.clone()));
        cloud.create(&format!("billing {key}"));
        assert_eq!((cloud.backups().len(), cloud.sql.fired()), (1, 1), "{fault:?}");
    });
}

#[test]
fn a_backup_that_fails_says_why_and_its_key_is_free_again() {
    let cloud = Cloud::new("");
    cloud.sql.fail(Trouble::on("backupRuns.insert", Fault::EndsBadly("INTERNAL_ERROR", "the disk is on fire")));
    insta::assert_snapshot!(cloud.whole("create billing --key k"), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot snapshot billing/[BACKUP-1]: the backup was begun and failed
    caused by: INTERNAL_ERROR: the disk is on fire
    ");
    cloud.create("billing --key k");
    assert_eq!(cloud.backups().len(), 2);
    cloud.take(|new| owned(new).in_status("SKIPPED"));
    let skipped = cloud.backups()[2].id();
    cloud.exits(1, &format!("wait billing/{skipped}"));
}

#[test]
fn what_can_not_be_made_says_why() {
    let cloud = Cloud::of(Instance::new("billing-pg").stopped(), "");
    insta::assert_snapshot!(cloud.whole("create billing"), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot snapshot billing: the instance is stopped, and Google makes no backup of it
    caused by: gcp_cloud_sql: cannot snapshot billing: Google refuses the request
    caused by: POST /v1/projects/acme-prod/instances/billing-pg/backupRuns: 400 Bad Request: invalid: Invalid request: Invalid request since instance is not running.
    hint: start it: gcloud sql instances patch billing-pg --activation-policy=ALWAYS --project acme-prod
    ");
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.denied.insert("backupRuns.create".to_owned()));
    insta::assert_snapshot!(cloud.whole("create billing"), @"
    exit 5
    --- stderr
    error: gcp_cloud_sql: cannot snapshot billing: Google does not permit it, or there is no such instance
    caused by: POST /v1/projects/acme-prod/instances/billing-pg/backupRuns: 403 Forbidden: forbidden: boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission cloudsql.backupRuns.create on resource instances/billing-pg.
    hint: look at `project` and `instance` of [targets.billing], and at the role: see docs/gcp.md#permissions
    ");
    let cloud = Cloud::new("");
    let words = "The instance or operation is not in an appropriate state to handle the request.";
    cloud.sql.fail(Trouble::on("backupRuns.insert", Fault::Refused(409, "invalidState", words)));
    let ran = cloud.exits(1, "create billing");
    assert!(ran.err.contains("invalidState") && !ran.err.contains("of that name"), "{ran}");
    let long = "x".repeat(1100);
    let ran = cloud.exits(2, &format!("create billing --tag note={long}"));
    assert!(ran.err.contains("its tags are too long"), "{ran}");
    assert!(cloud.backups().is_empty());
}

#[test]
fn backups_are_neither_copied_nor_shared() {
    let cloud = Cloud::new("");
    cloud.create("billing");
    insta::assert_snapshot!(cloud.whole("copy billing/latest --to-region us"), @r#"
    exit 12
    --- stderr
    error: gcp_cloud_sql: cannot copy billing/[BACKUP-1]: Cloud SQL copies no backups: each is kept where it was made
    hint: have new ones made elsewhere: backup_location = "..." in [targets.billing]
    "#);
    insta::assert_snapshot!(cloud.whole("copy billing/latest --share-with 123"), @"
    exit 2
    --- stderr
    error: invalid value '123' for '--share-with <ACCOUNT>': an account's id has 12 digits

    For more information, try '--help'.
    ");
}
