//! Whole dumps, and what is compared with what was recorded.

use serde_json::json;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{NativeId, VerifyLevel};

use super::{asking, create_counting, edit, findings, no_scratch_is_left, reasons, request, verify};
use crate::support::{Bed, assert_names, create, manifest, ok, on, refused};

/// The parts of a dump: servers with roles have one more.
fn parts(bed: &Bed) -> Vec<&'static str> {
    if bed.server.is_postgresql() { vec!["data.dump.zst", "globals.sql.zst"] } else { vec!["data.sql.zst"] }
}

fn expected(bed: &Bed, more: &[&'static str]) -> Vec<&'static str> {
    let globals = bed.server.is_postgresql().then_some("globals");
    parts(bed).into_iter().chain(globals).chain(more.iter().copied()).collect()
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_whole_dump_is_good_at_every_level);
async fn a_whole_dump_is_good_at_every_level(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let (plain, counted) = (create(&*provider).await, create_counting(&*provider).await);
    for (id, archive, restored) in [(&plain, None, "tables"), (&counted, Some("rows"), "rows")] {
        assert_eq!(findings(&*provider, id, &request(VerifyLevel::Checksum)).await, parts(&bed));
        let read: Vec<_> = ["archive"].into_iter().chain(archive).collect();
        assert_eq!(findings(&*provider, id, &request(VerifyLevel::Archive)).await, expected(&bed, &read));
        let looked: Vec<_> = read.iter().copied().chain(["restore", restored]).collect();
        assert_eq!(findings(&*provider, id, &request(VerifyLevel::Restore)).await, expected(&bed, &looked));
    }
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => rows_are_counted_only_where_that_is_asked_for);
async fn rows_are_counted_only_where_that_is_asked_for(bed: Bed) {
    bed.fill();
    let quoted = bed.quoted("Odd. `\"name");
    bed.sql(&format!("CREATE TABLE {quoted} (t VARCHAR(99)); CREATE VIEW v AS SELECT 1 AS one;"));
    // What could be taken for the end of a row, of a statement or of a table.
    let texts =
        ["), (", "'); UNLOCK TABLES;", "\\", "\\.", "a\nb\n\\.\nc", "it''s \\' \"", "LOCK TABLES `notes` WRITE;", ""];
    let literal = |text: &&str| {
        if bed.server.is_postgresql() {
            format!("('{}')", text.replace("''", "'").replace('\'', "''"))
        } else {
            format!("('{}')", text.replace('\\', "\\\\").replace("''", "'").replace('\'', "''"))
        }
    };
    bed.sql(&format!("INSERT INTO {quoted} VALUES {};", texts.iter().map(literal).collect::<Vec<_>>().join(",")));
    let provider = bed.provider();
    let plain = create(&*provider).await;
    assert_eq!(manifest(&*provider, &plain).await.get("tables"), None);
    let counted = create_counting(&*provider).await;
    let schema = if bed.server.is_postgresql() { "public." } else { "" };
    let recorded = json!({
        format!("{schema}notes"): 3,
        format!("{schema}bulk"): 300,
        format!("{schema}Odd. `\"name"): texts.len(),
    });
    assert_eq!(manifest(&*provider, &counted).await["tables"], recorded);
    assert!(ok(verify(&*provider, &counted, &request(VerifyLevel::Restore)).await).is_good());
}

/// Says that a table had one row more, and that there was one more table.
fn overstate(bed: &Bed, id: &NativeId) {
    edit(bed, id, |manifest| {
        let tables = manifest["tables"].as_object_mut().unwrap();
        let (name, rows) = tables.iter().find(|(name, _)| name.ends_with("notes")).unwrap();
        let (name, rows) = (name.clone(), rows.as_u64().unwrap() + 1);
        tables.insert(name, rows.into());
        tables.insert("gone".into(), 5.into());
    });
}

on!(postgresql_15 postgresql_17 mysql mariadb => rows_that_are_not_those_recorded_are_found);
async fn rows_that_are_not_those_recorded_are_found(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create_counting(&*provider).await;
    overstate(&bed, &id);
    for level in [VerifyLevel::Archive, VerifyLevel::Restore] {
        let verification = ok(verify(&*provider, &id, &request(level)).await);
        let differ = if level == VerifyLevel::Archive { 1 } else { 2 };
        assert_eq!(super::names(&verification).iter().filter(|name| *name == "!rows").count(), differ);
        assert_names(&reasons(&verification), &["notes has 3 rows", "had 4 when it was dumped", "gone is not in the"]);
    }
    assert!(ok(verify(&*provider, &id, &request(VerifyLevel::Checksum)).await).is_good(), "the bytes are as stored");
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => assertions_are_asked_of_the_restored_database);
async fn assertions_are_asked_of_the_restored_database(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.sql("DELETE FROM notes");
    let asked = asking(&[
        ("some notes", "SELECT count(*) > 0 FROM notes;", None),
        ("the second", "SELECT note FROM notes WHERE id = 2", Some("naïve 数据 🦀")),
        ("no note", "SELECT note FROM notes WHERE id = 3 -- null", Some("NULL")),
        ("two lines", "SELECT 'a\nb'", Some("a\nb")),
        ("no more", "SELECT count(*) FROM notes WHERE id > 3", None),
        ("another", "SELECT max(id) FROM notes", Some("4")),
        ("lost table", "SELECT count(*) FROM lost", None),
        ("lost column", "SELECT lost FROM notes", None),
        ("two rows", "SELECT id FROM notes WHERE id < 3", None),
        ("no row", "SELECT id FROM notes WHERE id > 3", None),
    ]);
    let found = findings(&*provider, &id, &asked).await;
    let answers = found.iter().skip_while(|name| *name != "tables").skip(1).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        answers,
        [
            "some notes",
            "the second",
            "no note",
            "two lines",
            "!no more",
            "!another",
            "!lost table",
            "!lost column",
            "!two rows",
            "!no row",
        ]
    );
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_query_that_can_not_be_run_says_nothing_about_the_snapshot);
async fn a_query_that_can_not_be_run_says_nothing_about_the_snapshot(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let writes = if bed.server.is_postgresql() { "CREATE TABLE x (i int)" } else { "INSERT INTO notes VALUES (9, '')" };
    for sql in ["SELEC 1", writes] {
        let error = refused(ErrorKind::Failed, verify(&*provider, &id, &asking(&[("broken", sql, None)])).await);
        assert_names(&error, &["cannot assert broken: its query can't be run", "nothing is said about the snapshot"]);
    }
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => an_assertion_is_one_query_that_changes_nothing);
async fn an_assertion_is_one_query_that_changes_nothing(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let own = &bed.database;
    let touched = bed.folder().join("touched");
    for sql in [
        "DELETE FROM notes".to_owned(),
        "SELECT 1; DELETE FROM notes".to_owned(),
        format!("\\c {own}\nDELETE FROM notes; SELECT 1"),
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DELETE FROM notes; SELECT 1".to_owned(),
        format!("\\! touch {}\nSELECT 1", touched.display()),
        "SELECT 1, 2".to_owned(),
    ] {
        refused(ErrorKind::Failed, verify(&*provider, &id, &asking(&[("asked", &sql, None)])).await);
    }
    assert!(!touched.exists());
    assert!(bed.content(own).unwrap().starts_with("1=first"), "the source is as it was");
}
