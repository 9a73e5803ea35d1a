//! Deleting, pruning and adopting.

use super::cloud::{Cloud, at_once, owned};
use crate::cli::CloudBench;
use crate::support::sqladmin::{Fault, Trouble};

#[test]
fn what_is_ours_goes_and_the_last_good_one_stays() {
    let cloud = Cloud::new("");
    let (old, new) = (cloud.create("billing"), cloud.create("billing"));
    cloud.done(&format!("delete {old} --yes"));
    cloud.exits(10, &format!("delete {new} --yes"));
    cloud.done(&format!("delete {old} --yes"));
    assert_eq!(cloud.done("-o name list").out.trim_end(), new);
}

#[test]
fn what_the_cloud_made_goes_by_force_only() {
    let cloud = Cloud::new("");
    cloud.create("billing");
    let automated = cloud.take(|new| new.by("AUTOMATED").at("2025-11-18T02:15:00Z"));
    cloud.exits(10, &format!("delete billing/{automated} --yes"));
    cloud.done(&format!("delete billing/{automated} --yes --force"));
    let last = cloud.take(|new| new.by("FINAL").without_run().at("2025-11-13T02:15:00Z"));
    assert_eq!(last, "");
    let uid = cloud.backups()[1].uid.clone();
    cloud.done(&format!("delete billing/{uid} --yes --force"));
    assert_eq!(cloud.backups().len(), 1);
}

#[test]
fn trouble_on_the_way_deletes_what_was_asked_for_and_nothing_else() {
    let troubles = [
        Fault::CutAfter,
        Fault::CutBefore,
        Fault::StatusAfter(500),
        Fault::Truncated,
        Fault::InProgress(409),
        Fault::Throttled(Some(0)),
        Fault::Status(503),
    ];
    at_once(troubles, |fault| {
        let cloud = Cloud::new("");
        let (old, new) = (cloud.create("billing"), cloud.create("billing"));
        cloud.sql.world(|world| world.looks = 1);
        cloud.sql.fail(Trouble::on("backupRuns.delete", fault.clone()));
        cloud.done(&format!("delete {old} --yes"));
        cloud.sql.tick();
        assert_eq!(cloud.done("-o name list").out.trim_end(), new, "{fault:?}");
        assert_eq!(cloud.sql.fired(), 1, "{fault:?}");
    });
    let cloud = Cloud::new("");
    let (old, _) = (cloud.create("billing"), cloud.create("billing"));
    cloud.sql.fail(Trouble::on("backupRuns.delete", Fault::EndsBadly("INTERNAL_ERROR", "no")));
    insta::assert_snapshot!(cloud.whole(&format!("delete {old} --yes")), @"
    exit 1
    --- stderr
    error: gcp_cloud_sql: cannot delete billing/[BACKUP-1]: the operation was begun and failed
    caused by: INTERNAL_ERROR: no
    ");
}

#[test]
fn pruning_keeps_what_is_not_ours() {
    let cloud = Cloud::new("");
    let retention = "\n[retention.few]\nkeep_last = 2\nmax_delete_percent = 100\n";
    cloud.configure(&[cloud.target("billing", "billing-pg", "retention = \"few\""), retention.into()].concat());
    for day in 1..=5 {
        cloud.take(|new| owned(new).at(&format!("2025-11-{day:02}T02:15:00Z")));
    }
    cloud.take(|new| new.described("by hand").at("2025-10-01T02:15:00Z"));
    cloud.take(|new| new.by("AUTOMATED").at("2025-10-02T02:15:00Z"));
    cloud.take(|new| new.described("snapkeep target=other call=x").at("2025-10-03T02:15:00Z"));
    let adopted = cloud.take(|new| new.described("adopt me").at("2025-10-04T02:15:00Z"));
    cloud.done(&format!("adopt billing/{adopted}"));
    assert_eq!(cloud.items("list --origin owned").len(), 6, "an adoption is kept in the state");
    cloud.done("prune apply --yes");
    let left: Vec<String> = cloud.backups().iter().map(|left| left.enqueued.format("%m-%d").to_string()).collect();
    assert_eq!(left, ["11-04", "11-05", "10-01", "10-02", "10-03"]);
    assert!(cloud.sql.changes().iter().all(|call| call.method == "backupRuns.delete"));
}

#[test]
fn what_another_target_of_the_instance_owns_is_not_adopted() {
    let cloud = Cloud::new("");
    cloud.configure(&[cloud.target("one", "billing-pg", ""), cloud.target("two", "billing-pg", "")].concat());
    let id = cloud.create("one");
    let native = id.strip_prefix("one/").unwrap();
    let ran = cloud.exits(10, &format!("adopt two/{native}"));
    assert!(ran.err.contains("it is the target one's"), "{ran}");
    cloud.exits(10, &format!("delete two/{native} --yes"));
    let by_hand = cloud.take(|new| new.described("by hand"));
    cloud.done(&format!("adopt two/{by_hand}"));
    cloud.exits(10, &format!("adopt one/{by_hand}"));
    assert_eq!(cloud.backups().len(), 2);
}

#[test]
fn deletions_that_take_their_time_do_not_meet() {
    let cloud = Cloud::new("");
    let retention = "\n[retention.few]\nkeep_last = 1\nmax_delete_percent = 100\n";
    cloud.configure(&[cloud.target("billing", "billing-pg", "retention = \"few\""), retention.into()].concat());
    for day in 1..=4 {
        cloud.take(|new| owned(new).at(&format!("2025-11-{day:02}T02:15:00Z")));
    }
    cloud.sql.world(|world| world.looks = 2);
    cloud.done("prune apply --yes");
    assert_eq!(cloud.backups().len(), 1);
    let refused = cloud.sql.answers().iter().filter(|(status, _)| *status == 409).count();
    assert_eq!(refused, 0, "the next deletion waits for the one before");
}
