//! Exports and imports of SQL, to and from Cloud Storage.

use super::cloud::{Cloud, at_once};
use crate::cli::CloudBench;
use crate::support::sqladmin::{Fault, Instance, Trouble};

const TO: &str = "gs://acme-dumps/billing.sql.gz";

#[test]
fn what_is_there_now_is_exported() {
    let cloud = Cloud::new("");
    insta::assert_snapshot!(cloud.whole(&format!("export billing --to {TO} --database billing-pg --serverless")), @"
    exit 0
    --- stdout
    SNAPSHOT  EXPORTED TO  STATE  DONE  SIZE  OPERATION
    -  gs://acme-dumps/billing.sql.gz  done  100 %  -  billing/export:[OPERATION-1]
    --- stderr
    billing: the live database of billing is exported, in [DURATION], to gs://acme-dumps/billing.sql.gz
    ");
    assert_eq!(cloud.sql.world(|world| world.files.get(TO).cloned()).as_deref(), Some("first"));
    let call = &cloud.sql.calls_of("instances.export")[0];
    assert_eq!(call.body.as_ref().unwrap()["exportContext"]["offload"], true);
    let ran = cloud.exits(1, &format!("export billing --to {TO} --database billing-pg"));
    assert!(ran.err.contains("exist"), "the file is there, which Google says late: {ran}");
}

#[test]
fn an_export_goes_on_without_us_and_is_begun_once() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.looks = 5);
    let line = format!("-o json export billing --to {TO} --database billing-pg --no-wait");
    let first = cloud.done(&line).document()["items"][0]["operation"].as_str().unwrap().to_owned();
    let second = cloud.done(&line).document()["items"][0]["operation"].as_str().unwrap().to_owned();
    assert_eq!(first, second, "the same place, while it goes on");
    assert!(first.starts_with("billing/export:"), "{first}");
    assert_eq!(cloud.items(&format!("wait {first}"))[0]["to"], TO);
    cloud.exits(4, "wait billing/export:no-such");
}

#[test]
fn a_lost_answer_exports_once() {
    at_once([Fault::CutAfter, Fault::Truncated, Fault::Status(503), Fault::InProgress(409)], |fault| {
        let cloud = Cloud::new("");
        cloud.sql.fail(Trouble::on("instances.export", fault.clone()));
        cloud.done(&format!("export billing --to {TO} --database billing-pg"));
        let exports = cloud.sql.world(|world| world.operations.iter().filter(|one| one.kind == "EXPORT").count());
        assert_eq!((exports, cloud.sql.fired()), (1, 1), "{fault:?}");
    });
}

#[test]
fn what_google_would_refuse_late_is_refused_before() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    for (code, line) in [
        (2, format!("export billing --to {TO}")),
        (2, format!("export billing --to {TO} --database a --database b")),
        (2, "export billing --to s3://acme-dumps/x --database billing-pg".to_owned()),
        (2, format!("export billing --to {TO} --database billing-pg --kms-key-id k")),
        (12, format!("export {id} --to {TO} --database billing-pg")),
    ] {
        let ran = cloud.exits(code, &line);
        assert!(ran.err.contains("hint: "), "{ran}");
    }
    cloud.exits(2, "export billing --to gs://acme-dumps --database billing-pg");
    assert!(cloud.sql.calls_of("instances.export").is_empty());
    let cloud = Cloud::of(Instance::new("billing-pg").stopped(), "");
    cloud.exits(1, &format!("export billing --to {TO} --database billing-pg"));
    let cloud = Cloud::of(Instance::new("billing-pg").of_version("MYSQL_8_0"), "");
    cloud.done(&format!("export billing --to {TO}"));
}

#[test]
fn a_bucket_that_is_closed_to_the_instance_says_whom_to_let_in() {
    let cloud = Cloud::new("");
    cloud.sql.world(|world| world.closed_buckets.insert("acme-dumps".into()));
    let ran = cloud.run(&format!("export billing --to {TO} --database billing-pg"));
    assert_ne!(ran.code, Some(0));
    insta::assert_snapshot!(cloud.shown(&ran), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot export billing/export:[OPERATION-1]: the operation was begun and failed
    caused by: ERROR_RDBMS: The service account does not have the required permissions for the bucket acme-dumps.
    hint: give roles/storage.objectAdmin on the bucket to the instance's own account, which this tells: gcloud sql instances describe billing-pg --project acme-prod --format='value(serviceAccountEmailAddress)'
    ");
}

#[test]
fn an_import_needs_the_typed_name() {
    let cloud = Cloud::new("");
    cloud.done(&format!("export billing --to {TO} --database billing-pg"));
    cloud.sql.world(|world| world.write("billing-pg", "second"));
    cloud.exits(10, &format!("import billing --from {TO} --database billing-pg"));
    cloud.exits(10, &format!("import billing --from {TO} --database billing-pg --confirm bill"));
    assert_eq!(cloud.instance("billing-pg").unwrap().data, "second");
    insta::assert_snapshot!(cloud.whole(&format!("import billing --from {TO} --database billing-pg --confirm billing")), @"
    exit 0
    --- stdout
    TARGET  IMPORTED FROM  DATABASE  STATE  OPERATION
    billing  gs://acme-dumps/billing.sql.gz  billing-pg  done  billing/import:[OPERATION-2]
    --- stderr
    billing: imported gs://acme-dumps/billing.sql.gz, in [DURATION]; before the next, a snapshot first is wise: `snapkeep create billing`
    ");
    assert_ne!(cloud.instance("billing-pg").unwrap().data, "second");
    cloud.exits(1, "import billing --from gs://acme-dumps/none.sql --database billing-pg --confirm billing");
    cloud.exits(2, "import billing --from s3://acme-dumps/none.sql --confirm billing");
}
