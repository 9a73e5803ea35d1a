//! SQLite: its scratch is a file that never has a name.

use std::fs;

use crate::cli::{Bench, below, target};

/// A bench whose snapshots are verified by restoring, with these more settings.
fn bench(verify: &str) -> Bench {
    Bench::of(&[target("notes", "notes.db", &format!("verify = {{ row_counts = true, {verify} }}\n"))])
}

fn checks(bench: &Bench, line: &str, code: i32) -> String {
    let before = below(&bench.path("")).len();
    let ran = bench.run(&format!("{line} -o json"));
    assert_eq!(ran.code, Some(code), "{ran}");
    let state = below(&bench.path("home")).len();
    assert!(below(&bench.path("")).len() <= before + state, "no file is left: {:?}", below(&bench.path("")));
    let checks = ran.document()["items"][0]["checks"].as_array().unwrap().clone();
    let name = |check: &serde_json::Value| {
        format!("{}{}", if check["ok"] == true { "" } else { "!" }, check["name"].as_str().unwrap())
    };
    checks.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_file_is_looked_at_by_sqlite_itself() {
    let asked = "assertions = [{ name = \"three\", sql = \"SELECT count(*) FROM notes\", expect = \"3\" }]";
    let bench = bench(asked);
    bench.sql("notes.db", "PRAGMA journal_mode = WAL");
    let id = bench.create();
    assert_eq!(checks(&bench, &format!("verify {id} --level archive"), 0), "data.sqlite.zst archive");
    let restored = "data.sqlite.zst archive restore rows three";
    assert_eq!(checks(&bench, &format!("verify {id} --level restore"), 0), restored);
    bench.sql("notes.db", "DELETE FROM notes");
    assert_eq!(checks(&bench, &format!("verify {id} --level restore"), 0), restored, "it asks the snapshot");
    let empty = bench.create();
    assert_eq!(
        checks(&bench, &format!("verify {empty} --level restore"), 9),
        "data.sqlite.zst archive restore rows !three"
    );
}

#[test]
fn the_scratch_file_is_made_where_the_config_says() {
    let bench = bench("level = \"restore\", scratch_dir = \"nowhere\"");
    let id = bench.create();
    let ran = bench.run(&format!("verify {id}"));
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.err.contains("scratch_dir in [verify]"), "{ran}");
    fs::create_dir(bench.path("nowhere")).unwrap();
    assert_eq!(bench.run(&format!("verify {id}")).code, Some(0));
}
