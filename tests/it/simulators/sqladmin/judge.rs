//! Google's own client in Python, which knows nothing of this simulator, works on it without a complaint.

use std::process::Command;

use super::*;
use crate::support::variable_or_leave_out;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/simulators/sqladmin/judge.py");

#[test]
fn the_official_client_finds_nothing_odd() {
    let Some(python) = variable_or_leave_out("SK_GOOGLE_PYTHON") else { return };
    let admin = admin();
    admin.world(|world| {
        for day in 1..=25 {
            let backup = world.backup_of("orders").at(&format!("2026-10-{day:02}T02:00:00Z"));
            world.take(backup);
        }
    });
    // the last of all lists of runs
    admin.fail(Trouble::on("backupRuns.list", Fault::Throttled(Some(0))).nth(5));
    let done = Command::new(python)
        .args(["-I", SCRIPT, &admin.endpoint(), SqlAdmin::TOKEN, SqlAdmin::PROJECT, "orders"])
        .env_clear()
        .output()
        .unwrap();
    let text = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text)).concat();
    assert!(done.status.success() && done.stderr.is_empty(), "{text}");
    let seen: Value = serde_json::from_slice(&done.stdout).unwrap();
    let busy = "Operation failed because another operation was already in progress. Try your request after the current \
                operation is complete.";
    let expected = json!({
        "instances": ["orders"],
        "runs": 25,
        "backups": 25,
        "busy": [409, "operationInProgress", busy],
        "made": ["PENDING", "BACKUP_VOLUME", true],
        "run": ["SUCCESSFUL", "ON_DEMAND", "judged"],
        "backup": ["SUCCESSFUL", true],
        "restored": "DONE",
        "new": "db-f1-micro",
        "cloned": "RUNNABLE",
        "exported": false,
        "exported again": true,
        "imported": false,
        "gone": [404, "backupRunDoesNotExist", "The Cloud SQL backup run does not exist."],
        "none": [404, "instanceDoesNotExist", "The Cloud SQL instance does not exist."],
        "theirs": [403, "notAuthorized", "The client is not authorized to make this request."],
        "throttled": 20,
        "operations": [
            "DELETE_VOLUME", "BACKUP_VOLUME", "DELETE_VOLUME", "IMPORT", "EXPORT", "EXPORT", "RESTORE_VOLUME", "BACKUP_VOLUME",
        ],
    });
    assert_eq!(seen, expected);
    assert_eq!((admin.fired(), admin.most_in_flight()), (1, 1));
}
