//! Stores in which something is not as it was written.

use std::fs;

use insta::assert_snapshot;

use super::{Bench, below};

/// Three snapshots, the oldest first.
fn three() -> (Bench, [String; 3]) {
    let bench = Bench::new();
    let ids = [(); 3].map(|()| bench.create());
    (bench, ids)
}

fn truncate(bench: &Bench, id: &str) {
    let manifest = bench.stored(id, "manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &text[..text.len() / 2]).unwrap();
}

fn rewrite(bench: &Bench, id: &str, from: &str, to: &str) {
    let manifest = bench.stored(id, "manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(from));
    fs::write(&manifest, text.replace(from, to)).unwrap();
}

#[test]
fn a_truncated_manifest_makes_the_list_incomplete_and_hides_no_other() {
    let (bench, [_, second, _]) = three();
    truncate(&bench, &second);
    assert_snapshot!(bench.run("list"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID3]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: it is damaged or cut short
    caused by: EOF while parsing an object at line 16 column 2
    hint: look at it: [DIR]/snapshots/notes/[ID2]/manifest.json
    ");
    let ran = bench.run("list -o json");
    assert_eq!((ran.code, ran.error_codes()), (Some(3), vec!["verification".to_owned()]), "{ran}");
    assert_eq!(ran.document()["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_an_incomplete_list_might_hide_is_not_guessed() {
    let (bench, [first, second, _]) = three();
    truncate(&bench, &second);
    assert_snapshot!(bench.run("latest notes"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID3]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: it is damaged or cut short
    caused by: EOF while parsing an object at line 16 column 2
    hint: look at it: [DIR]/snapshots/notes/[ID2]/manifest.json
    ");
    for line in ["show notes/latest", "restore notes/latest --to x.db", "wait notes/latest"] {
        let ran = bench.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (Some(9), ""), "{line}: {ran}");
    }
    let prefix = &first[..first.len() - 1];
    assert_eq!(bench.run(&format!("show {prefix}")).code, Some(9), "a prefix may mean the one that can't be read");
    assert_eq!(bench.run(&format!("delete {prefix} --yes")).code, Some(9));
    assert_eq!(bench.run(&format!("show {first} -o name")).out.trim_end(), first, "a whole id is no guess");
    assert_eq!(bench.run(&format!("restore {first} --to x.db")).code, Some(0));
    let keyed = bench.run("create notes --key k");
    assert_eq!(keyed.code, Some(0), "old damage stops no new snapshot: {keyed}");
    assert!(keyed.err.contains("it is damaged or cut short"), "{keyed}");
    assert_eq!(bench.run("create notes").code, Some(0));
    assert!(bench.stored(&second, "manifest.json").exists());
}

#[test]
fn a_manifest_of_a_later_version_is_left_to_that_version() {
    let (bench, [_, second, _]) = three();
    rewrite(&bench, &second, "snapkeep/manifest/v1", "snapkeep/manifest/v2");
    assert_snapshot!(bench.run("list"), @r#"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID3]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: its schema is "snapkeep/manifest/v2", and this version knows "snapkeep/manifest/v1"
    hint: use the snapkeep that wrote it, or a later one
    "#);
    for line in ["latest notes --verified", &format!("restore {second} --to x.db"), &format!("show {second}")] {
        assert_eq!(bench.run(line).code, Some(12), "{line}");
    }
    assert_eq!(bench.run(&format!("delete {second} --yes")).code, Some(10));
    assert!(!bench.path("x.db").exists());
}

#[test]
fn a_manifest_copied_from_another_snapshot_is_not_believed() {
    let (bench, [first, second, _]) = three();
    fs::copy(bench.stored(&first, "manifest.json"), bench.stored(&second, "manifest.json")).unwrap();
    assert_snapshot!(bench.run("list"), @"
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID3]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: it says that it belongs to notes/[ID1]
    ");
    assert_snapshot!(bench.run(&format!("restore {second} --to x.db")), @"
    exit 9
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: it says that it belongs to notes/[ID1]
    ");
    assert!(!bench.path("x.db").exists());
    assert_eq!(bench.run(&format!("delete {second} --yes")).code, Some(10));
    assert!(bench.stored(&first, "manifest.json").exists());
}

#[test]
fn a_manifest_that_names_a_file_outside_its_folder_is_not_believed() {
    let (bench, [_, second, _]) = three();
    rewrite(&bench, &second, "data.sqlite.zst", "../../../notes.db");
    for line in [format!("restore {second} --to x.db"), format!("show {second}")] {
        assert_eq!(bench.run(&line).code, Some(9), "{line}");
    }
    assert_eq!(bench.run(&format!("delete {second} --yes --force")).code, Some(0));
    assert!(bench.path("notes.db").exists());
}

#[test]
fn what_can_not_be_read_goes_only_by_force_and_its_whole_id() {
    let (bench, [_, second, _]) = three();
    truncate(&bench, &second);
    assert_snapshot!(bench.run(&format!("delete {second} --yes")), @"
    exit 10
    --- stderr
    error: dump: cannot read the manifest of notes/[ID2]: it is damaged or cut short
    caused by: EOF while parsing an object at line 16 column 2
    hint: if it may go all the same: `snapkeep delete notes/[ID2] --yes --force`
    ");
    let prefix = &second[..second.len() - 1];
    assert_eq!(bench.run(&format!("delete {prefix} --yes --force")).code, Some(9));
    assert_eq!(bench.run(&format!("delete {second} --force --dry-run")).code, Some(0));
    assert!(bench.stored(&second, "manifest.json").exists());
    assert_snapshot!(bench.run(&format!("delete {second} --yes --force")), @"
    exit 0
    --- stdout
    SNAPSHOT  RESULT
    notes/[ID2]  deleted
    --- stderr
    deleted notes/[ID2]
    ");
    assert!(!bench.stored(&second, "").exists());
    assert_eq!(bench.run("list").code, Some(0));
}

#[test]
fn the_last_one_that_can_be_read_counts_as_the_last_good_one() {
    let (bench, [first, second, third]) = three();
    truncate(&bench, &first);
    truncate(&bench, &second);
    let ran = bench.run(&format!("delete {third} --yes"));
    assert_eq!(ran.code, Some(10), "{ran}");
    assert_eq!(bench.run(&format!("restore {third} --to x.db")).code, Some(0));
}

#[test]
fn debris_is_no_snapshot() {
    let (bench, [first, second, third]) = three();
    fs::remove_file(bench.stored(&second, "manifest.json")).unwrap();
    fs::create_dir_all(bench.path("snapshots/notes/20200101T000000Z-aaaa")).unwrap();
    fs::create_dir_all(bench.path("snapshots/notes/lost+found")).unwrap();
    fs::write(bench.path("snapshots/notes/README"), "by a person").unwrap();
    let ran = bench.run("list -o name");
    assert_eq!((ran.code, ran.out), (Some(0), format!("{third}\n{first}\n")));
    assert_eq!(bench.run(&format!("show {second}")).code, Some(4));
    assert_eq!(bench.run(&format!("restore {second} --to x.db")).code, Some(4));
}

#[test]
fn an_empty_manifest_or_a_folder_in_its_place_is_a_problem_and_no_panic() {
    let (bench, [first, second, third]) = three();
    fs::write(bench.stored(&first, "manifest.json"), "").unwrap();
    fs::write(bench.stored(&second, "manifest.json"), b"\xff\x00[[[[[[").unwrap();
    let ran = bench.run("list -o json");
    assert_eq!((ran.code, ran.error_codes().len()), (Some(3), 2), "{ran}");
    let manifest = bench.stored(&third, "manifest.json");
    fs::remove_file(&manifest).unwrap();
    fs::create_dir(&manifest).unwrap();
    let ran = bench.run("list");
    assert!(ran.out.is_empty(), "{ran}");
    assert!(below(&bench.path("snapshots")).len() > 6);
}
