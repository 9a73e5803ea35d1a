//! `snapkeep verify` as a user runs it, and what the other commands make of its result.

use std::fs;

use insta::assert_snapshot;

use crate::cli::{Bench, keys, target};

fn flip(bench: &Bench, id: &str) {
    let path = bench.stored(id, "data.sqlite.zst");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What `list` has of each snapshot's verification, the newest snapshot first.
fn verified(bench: &Bench) -> Vec<String> {
    let document = bench.run("list -o json").document();
    let shown = |item: &serde_json::Value| match &item["verified"] {
        serde_json::Value::Null => "-".to_owned(),
        verified => format!("{} {}", verified["level"].as_str().unwrap(), verified["ok"]),
    };
    document["items"].as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn a_good_snapshot_is_shown_check_by_check_and_remembered() {
    let bench = Bench::new();
    let id = bench.create();
    assert_snapshot!(bench.run("verify notes/latest"), @"
    exit 0
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  archive  ok  data.sqlite.zst  169 bytes, SHA-256 as recorded
                                          ok  archive  8192 bytes of sqlite database, read to their end; PRAGMA integrity_check of SQLite [SQLITE] finds no fault
    --- stderr
    notes: verified notes/[ID1]: archive, in [DURATION]
    ");
    assert_eq!(verified(&bench), ["archive true"]);
    let ran = bench.run(&format!("verify {id} --level checksum -o json"));
    let document = ran.document();
    assert_eq!((ran.code, &document["kind"]), (Some(0), &"VerificationList".into()));
    let item = &document["items"][0];
    assert_eq!(keys(item), ["at", "checks", "id", "level", "ok", "target"]);
    assert_eq!((&item["id"], &item["level"], &item["ok"]), (&id.clone().into(), &"checksum".into(), &true.into()));
    assert_eq!(keys(&item["checks"][0]), ["detail", "name", "ok"]);
    assert_eq!(bench.run(&format!("verify {id} -o name")).out, format!("{id}\n"));
    let show = bench.run(&format!("show {id}"));
    assert!(show.out.contains("verified") && show.out.contains("archive at "), "{show}");
}

#[test]
fn a_bad_snapshot_is_exit_9_and_told_with_its_reason() {
    let bench = Bench::new();
    let id = bench.create();
    flip(&bench, &id);
    assert_snapshot!(bench.run(&format!("verify {id}")), @"
    exit 9
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  archive  FAILED  data.sqlite.zst  dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    --- stderr
    error: sqlite: cannot trust notes/[ID1]: 1 of 1 checks failed
    caused by: data.sqlite.zst: dump: cannot use data.sqlite.zst: its SHA-256 is not the manifest's
    hint: use another one: `snapkeep list notes`
    ");
    let ran = bench.run(&format!("verify {id} -o json"));
    let document = ran.document();
    assert_eq!((ran.code, ran.error_codes()), (Some(9), vec!["verification".to_owned()]), "{ran}");
    assert_eq!((&document["items"][0]["ok"], &document["items"][0]["checks"][0]["ok"]), (&false.into(), &false.into()));
    assert_eq!(verified(&bench), ["archive false"]);
    let show = bench.run(&format!("show {id}"));
    assert!(show.out.contains("archive FAILED at "), "{show}");
    assert_eq!(bench.run("latest notes").code, Some(4), "a bad one is no snapshot to rely on");
}

#[test]
fn a_manifest_that_can_not_be_believed_is_exit_9() {
    let bench = Bench::new();
    let (first, second) = (bench.create(), bench.create());
    fs::copy(bench.stored(&first, "manifest.json"), bench.stored(&second, "manifest.json")).unwrap();
    assert_snapshot!(bench.run(&format!("verify {second}")), @"
    exit 9
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID2]  archive  FAILED  manifest  dump: cannot read the manifest of notes/[ID2]: it says that it belongs to notes/[ID1]
    --- stderr
    error: sqlite: cannot trust notes/[ID2]: 1 of 1 checks failed
    caused by: manifest: dump: cannot read the manifest of notes/[ID2]: it says that it belongs to notes/[ID1]
    hint: use another one: `snapkeep list notes`
    ");
    assert_eq!(bench.run(&format!("verify {first}")).code, Some(0));
    fs::remove_file(bench.stored(&second, "manifest.json")).unwrap();
    assert_eq!(bench.run(&format!("verify {second}")).code, Some(4), "without a manifest there is no snapshot");
}

#[test]
fn of_several_each_is_verified_and_some_that_are_bad_are_exit_3() {
    let bench = Bench::new();
    let ids = [(); 3].map(|()| bench.create());
    flip(&bench, &ids[1]);
    let ran = bench.run(&format!("verify {} -o json", ids.join(" ")));
    assert_eq!(ran.code, Some(3), "{ran}");
    let oks: Vec<_> = ran.document()["items"].as_array().unwrap().iter().map(|item| item["ok"] == true).collect();
    assert_eq!(oks, [true, false, true]);
    flip(&bench, &ids[0]);
    assert_eq!(bench.run(&format!("verify {} {}", ids[0], ids[1])).code, Some(9));
    let unknown = bench.run(&format!("verify {} nots/latest", ids[2]));
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""), "{unknown}");
}

#[test]
fn the_newest_that_passed_is_found_by_name() {
    let bench = Bench::new();
    let ids = [(); 3].map(|()| bench.create());
    assert_eq!(bench.run("latest notes --verified").code, Some(4));
    assert_eq!(bench.run("show notes/latest-verified").code, Some(4));
    assert_eq!(bench.run(&format!("-q verify {} {}", ids[0], ids[1])).code, Some(0));
    for line in ["-o name latest notes --verified", "-o name show notes/latest-verified"] {
        assert_eq!(bench.run(line).out.trim_end(), ids[1], "{line}");
    }
    flip(&bench, &ids[1]);
    assert_eq!(bench.run("-q verify notes/latest-verified").code, Some(9));
    assert_eq!(bench.run("-o name latest notes --verified").out.trim_end(), ids[0]);
    assert_eq!(bench.run("-o name latest notes").out.trim_end(), ids[2], "nobody looked into that one");
}

#[test]
fn a_pass_hides_nothing_that_a_more_thorough_look_found() {
    let more = "verify = { assertions = [{ name = \"four\", sql = \"SELECT count(*) = 4 FROM notes\" }] }\n";
    let bench = Bench::of(&[target("notes", "notes.db", more)]);
    let id = bench.create();
    assert_eq!(bench.run(&format!("verify {id} --level restore")).code, Some(9));
    assert_eq!(verified(&bench), ["restore false"]);
    assert_eq!(bench.run(&format!("verify {id} --level checksum")).code, Some(0));
    assert_eq!(verified(&bench), ["restore false"], "its bytes were never in doubt");
    let config = fs::read_to_string(bench.path("snapkeep.toml")).unwrap();
    fs::write(bench.path("snapkeep.toml"), config.replace("= 4 FROM", "= 3 FROM")).unwrap();
    assert_eq!(bench.run(&format!("verify {id} --level restore")).code, Some(0));
    assert_eq!(verified(&bench), ["restore true"]);
    assert_eq!(bench.run(&format!("verify {id}")).code, Some(0));
    assert_eq!(verified(&bench), ["restore true"]);
}

#[test]
fn the_level_is_the_flags_then_the_targets_then_that_of_all() {
    let bench = Bench::of(&[
        target("notes", "notes.db", "verify = { level = \"restore\" }\n"),
        target("tasks", "tasks.db", ""),
        "\n[verify]\nlevel = \"checksum\"\n".to_owned(),
    ]);
    let ids = [bench.create_of("notes"), bench.create_of("tasks")];
    let level = |line: &str| bench.run(&format!("{line} -o json")).document()["items"][0]["level"].clone();
    assert_eq!(level(&format!("verify {}", ids[0])), "restore");
    assert_eq!(level(&format!("verify {}", ids[1])), "checksum");
    assert_eq!(level(&format!("verify {} --level archive", ids[1])), "archive");
}

#[test]
fn a_dry_run_looks_into_nothing() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("verify notes/latest --level restore --dry-run"), @"
    exit 0
    --- stderr
    would verify notes/[ID1]: restore
    ");
    assert_eq!(verified(&bench), ["-"]);
}

#[test]
fn pruning_keeps_the_last_verified_one_and_forgets_those_that_go() {
    let bench = Bench::of(&[
        target("notes", "notes.db", "retention = \"one\"\n"),
        "\n[retention.one]\nkeep_last = 1\nmax_delete_percent = 100\n".to_owned(),
    ]);
    let ids = [(); 4].map(|()| bench.create());
    assert_eq!(bench.run(&format!("-q verify {} {}", ids[0], ids[1])).code, Some(0));
    let records = || {
        let all = crate::cli::below(&bench.path("home"));
        all.iter().filter(|path| path.display().to_string().contains("/verified/") && path.is_file()).count()
    };
    assert_eq!(records(), 2);
    let pruned = bench.run("prune apply --yes");
    assert_eq!(pruned.code, Some(0), "{pruned}");
    assert_eq!(bench.ids(), [ids[3].clone(), ids[1].clone()]);
    assert_eq!(records(), 1);
    assert_eq!(bench.run(&format!("delete {} --yes", ids[1])).code, Some(0));
    assert_eq!(records(), 0);
}

#[test]
fn a_bad_snapshot_is_none_that_pruning_relies_on() {
    let bench = Bench::of(&[
        target("notes", "notes.db", "retention = \"one\"\n"),
        "\n[retention.one]\nkeep_last = 1\nmax_delete_percent = 100\n".to_owned(),
    ]);
    let ids = [(); 2].map(|()| bench.create());
    flip(&bench, &ids[1]);
    assert_eq!(bench.run(&format!("-q verify {}", ids[1])).code, Some(9));
    assert!(bench.run("prune apply --yes").code.is_some());
    assert!(bench.ids().contains(&ids[0]), "the last good one stays");
}

#[test]
fn a_snapshot_that_is_being_verified_or_restored_is_not_deleted() {
    for (line, done) in [("verify ID", "verified"), ("restore ID --to copy.db", "restored")] {
        not_deleted_while(line, done);
    }
}

fn not_deleted_while(line: &str, done: &str) {
    let bench = Bench::new();
    let ids = [bench.create(), bench.create()];
    let data = bench.stored(&ids[0], "data.sqlite.zst");
    // A part that never ends: opening it waits for a writer.
    fs::remove_file(&data).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&data).status().unwrap().success());
    let mut child = bench.command().arg("-q").args(line.replace("ID", &ids[0]).split(' ')).spawn().unwrap();
    let held = || bench.run("list -o json").document()["items"][1]["hold"]["reason"].as_str().map(ToOwned::to_owned);
    let reason = crate::cli::until("it is held", held);
    assert!(reason.starts_with(&format!("it is being {done} by process")), "{reason}");
    let refused = bench.run(&format!("delete {} --yes", ids[0]));
    assert_eq!(refused.code, Some(10), "{refused}");
    assert_eq!(bench.run("create notes").code, Some(0), "a backup need not wait");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Nothing of this kind can be written into the state, nor read from it.
fn break_state(bench: &Bench, kind: &str) {
    let folder = bench.path("home/.local/state/snapkeep/notes").join(kind);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    fs::write(folder, "no folder").unwrap();
}

#[test]
fn what_was_found_is_told_also_when_it_can_not_be_remembered() {
    let bench = Bench::new();
    let (good, bad) = (bench.create(), bench.create());
    flip(&bench, &bad);
    break_state(&bench, "verified");
    let ran = bench.run_words(&["verify", &bad, "-o", "json"]);
    let document = ran.document();
    assert_eq!((ran.code, &document["items"][0]["ok"]), (Some(9), &false.into()), "{ran}");
    assert!(document["errors"][0]["causes"].to_string().contains("it can't be remembered: state:"), "{document}");
    let ran = bench.run_words(&["verify", &good, "-o", "json"]);
    assert_eq!((ran.code, &ran.document()["items"][0]["ok"]), (Some(1), &true.into()), "{ran}");
}

#[test]
fn a_state_that_can_not_be_written_keeps_nobody_from_restoring() {
    let bench = Bench::new();
    let id = bench.create();
    break_state(&bench, "holds");
    let ran = bench.run(&format!("restore {id} --to copy.db"));
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.err.contains(&format!("{id}: it is not held while it is restored: state:")), "{ran}");
    assert_eq!(bench.notes("copy.db").len(), 3);
}
