//! Microsoft's own clients in Python, which know nothing of this simulator, work on it without a complaint.

use std::process::Command;

use chrono::{TimeDelta, Utc};

use super::*;
use crate::support::variable_or_leave_out;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/simulators/arm/official.py");

#[test]
fn the_official_clients_find_nothing_odd() {
    let Some(python) = variable_or_leave_out("SK_AZURE_PYTHON") else { return };
    let arm = arm();
    arm.world(|world| {
        (world.page, world.retry_after) = (2, Some(0));
        world.add_sql(SqlServer::new("acme-sql"));
        world.add_database("acme-sql", "orders");
        world.keep("orders", Utc::now() + TimeDelta::days(300));
        for name in ["b1", "b2", "b3"] {
            world.take("crm-db", name);
            world.take("billing-db", name);
        }
    });
    arm.fail(Trouble::on("postgresql.backups.list", Fault::Throttled(Some(0))));
    arm.fail(Trouble::on("sql.databases.export", Fault::EndsBadly("ExportFailed", "no luck")).nth(2));
    let done = Command::new(python)
        .args(["-I", SCRIPT, &arm.endpoint(), Arm::TOKEN, Arm::SUBSCRIPTION, Arm::GROUP])
        .env_clear()
        .output()
        .unwrap();
    let text = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text)).concat();
    assert!(done.status.success() && done.stderr.is_empty(), "{text}");
    let seen: Value = serde_json::from_slice(&done.stdout).unwrap();
    let expected = json!({
        "mysql servers": ["crm-db", "crm-db"],
        "mysql state": "Ready",
        "mysql made": [true, "FULL", "Customer"],
        "mysql found": true,
        "mysql lost": [404, "ResourceNotFound"],
        "mysql long": [true, "Succeeded"],
        "mysql backups": [5, 5],
        "mysql restored": "Ready",
        "mysql taken": [409, "ServerNameAlreadyExists"],
        "mysql gone": null,
        "postgresql servers": ["billing-db"],
        "postgresql state": "Ready",
        "postgresql made": ["first", "Customer On-Demand", "Customer Initiated"],
        "postgresql twice": [409, "BackupAlreadyExists"],
        "postgresql backups": ["b1", "b2", "b3", "first"],
        "postgresql restored": "Ready",
        "postgresql gone": null,
        "postgresql lost": [404, "ResourceNotFound"],
        "long term": 1,
        "long term made": ["Succeeded"],
        "long term one": "yearly",
        "sql servers": ["acme-sql", "acme-sql"],
        "sql version": "12.0",
        "sql points": ["CONTINUOUS"],
        "sql copied": "Online",
        "sql restored": "Online",
        "sql recovered": "Online",
        "sql recoverable": ["orders"],
        "sql kept": "Online",
        "sql kept left": 0,
        "sql tagged": {"kept": "yes"},
        "sql exported": "Completed",
        "sql imported": "Completed",
        "sql imported again": "Import",
        "sql dropped": "Online",
        "sql policies": ["PT0S", 7],
        "sql databases": ["master", "orders", "restored", "recovered", "kept", "imported", "again"],
        "sql lost": [404, "ResourceNotFound"],
        // the answer that tells of the failure is a 200
        "sql failed": [200, "ExportFailed"],
        "unknown fields": [],
    });
    assert_eq!(seen, expected);
    assert_eq!((arm.fired(), arm.most_in_flight(), arm.resent().len()), (2, 1, 0));
}
