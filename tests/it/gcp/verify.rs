//! Proof by restoring into a scratch instance, of which nothing is left.

use super::cloud::Cloud;
use crate::cli::CloudBench;
use crate::support::sqladmin::{Fault, Instance, Trouble};

#[test]
fn a_backup_is_restored_on_trial_and_nothing_is_left() {
    let protected = Instance::new("billing-pg").set("/deletionProtectionEnabled", true);
    let cloud = Cloud::of(protected.set("/finalBackupConfig", serde_json::json!({"enabled": true})), "");
    cloud.sql.world(|world| world.looks = 1);
    let id = cloud.create("billing");
    insta::assert_snapshot!(cloud.whole(&format!("verify {id} --level restore")), @"
    exit 0
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    billing/[BACKUP-1]  restore  ok  restore  a scratch instance was there within 0 min
    --- stderr
    billing: verified billing/[BACKUP-1]: restore, in [DURATION]
    ");
    assert_eq!(
        (cloud.sql.world(|world| world.instances.len()), cloud.backups().len()),
        (1, 1),
        "no final backup either"
    );
    let made = cloud.sql.calls_of("instances.restoreBackup")[0].clone();
    let settings = &made.body.as_ref().unwrap()["restoreInstanceSettings"]["settings"];
    assert_eq!(
        (&settings["availabilityType"], &settings["deletionProtectionEnabled"]),
        (&"ZONAL".into(), &false.into())
    );
    assert_eq!(cloud.done("-o name latest billing --verified").out.trim_end(), id);
    cloud.exits(12, &format!("verify {id} --level checksum"));
}

#[test]
fn a_trial_that_google_fails_says_nothing_about_the_backup_and_leaves_nothing() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.sql.fail(Trouble::on("instances.restoreBackup", Fault::EndsBadly("INTERNAL_ERROR", "no room in the zone")));
    let ran = cloud.exits(1, &format!("verify {id} --level restore"));
    assert!(ran.err.contains("no room in the zone"), "{ran}");
    assert_eq!(cloud.sql.world(|world| world.instances.len()), 1);
    assert_eq!(cloud.items("list")[0]["verified"], serde_json::Value::Null);
}

#[test]
fn what_a_killed_trial_left_is_shown_and_swept_and_nothing_else_is() {
    let cloud = Cloud::new("");
    let id = cloud.create("billing");
    cloud.done(&format!("verify {id} --level restore"));
    let made = cloud.sql.calls_of("instances.restoreBackup")[0].clone();
    let labels = made.body.unwrap()["restoreInstanceSettings"]["settings"]["userLabels"].clone();
    let scratch = |name: &str| Instance::new(name).set("/userLabels", labels.clone());
    cloud.sql.world(|world| {
        world.add(scratch("sk-verify-abandoned"));
        world.add(scratch("theirs"));
        world.add(Instance::new("sk-verify-of-somebody"));
    });
    let ran = cloud.run("doctor");
    assert!(ran.out.contains("sk-verify-abandoned") && !ran.out.contains("theirs"), "{ran}");
    let ran = cloud.done("create billing");
    assert!(ran.err.contains("swept 1 unfinished"), "{ran}");
    let left: Vec<String> = cloud.sql.world(|world| world.instances.iter().map(|left| left.name.clone()).collect());
    assert_eq!(left, ["billing-pg", "theirs", "sk-verify-of-somebody"]);
}
