//! kill -9 at any moment: what is listed restores, and the next create works.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;

use super::Bench;

const RUNS: u32 = 30;
const ROWS: i64 = 400;

/// 50 MB of bytes that don't compress.
fn fill(bench: &Bench) {
    bench.sql(
        "notes.db",
        &format!(
            "CREATE TABLE blobs (id INTEGER PRIMARY KEY, bytes BLOB);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO blobs SELECT i, randomblob(125000) FROM n"
        ),
    );
}

fn rows(bench: &Bench, file: &str) -> i64 {
    let connection = Connection::open(bench.path(file)).unwrap();
    connection.query_row("SELECT count(*) FROM blobs WHERE length(bytes) = 125000", [], |row| row.get(0)).unwrap()
}

/// Restores a snapshot, counts its rows, and lets go of the file.
fn prove(bench: &Bench, id: &str) {
    let ran = bench.run(&format!("restore {id} --to restored.db"));
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(rows(bench, "restored.db"), ROWS);
    fs::remove_file(bench.path("restored.db")).unwrap();
}

/// A moment in `0..span`: one of `RUNS` parts of it in turn, and within that by the clock.
fn moment(run: u32, span: Duration) -> Duration {
    let part = span / RUNS;
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    part * run + part.mul_f64(f64::from(nanos % 1000) / 1000.0)
}

#[test]
fn a_kill_at_any_moment_leaves_only_snapshots_that_restore() {
    let bench = Bench::new();
    fill(&bench);
    let begun = Instant::now();
    let mut proven = BTreeSet::from([bench.create()]);
    let span = begun.elapsed().mul_f64(1.1);
    for run in 0..RUNS {
        let mut child = bench.command().args(["-q", "create", "notes"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment(run, span));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = bench.run("list -o name");
        assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""), "{listed}");
        for id in listed.out.lines() {
            if proven.insert(id.to_owned()) {
                prove(&bench, id);
            }
        }
    }
    let left: u64 = super::below(&bench.path("tmp")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(left, 0, "no copy of the database is left in the folder for temporary files");
    let after = bench.create();
    prove(&bench, &after);
    assert_eq!(bench.ids().len(), proven.len() + 1, "debris is no snapshot");
}
