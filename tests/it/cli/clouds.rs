//! What only clouds can do, asked of dumps, and the flags of it that make no sense.

use insta::assert_snapshot;

use super::{Bench, keys};

#[test]
fn a_dump_is_shared_with_nobody_and_with_all_is_never_asked_for() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("copy notes/latest --share-with 123456789012"), @"
    exit 12
    --- stderr
    error: sqlite: cannot share notes/[ID1]: this provider shares no snapshots
    ");
    assert_snapshot!(bench.run("copy notes/latest --share-with all"), @"
    exit 10
    --- stderr
    error: cannot share notes/latest with all: everybody could restore it and read the data
    hint: name accounts: `--share-with ACCOUNT`
    ");
    assert_eq!(bench.run("copy notes/latest --share-with all -o json").error_codes(), ["refused"]);
    assert_snapshot!(bench.run("copy notes/latest --share-with 12345"), @"
    exit 2
    --- stderr
    error: invalid value '12345' for '--share-with <ACCOUNT>': an account's id has 12 digits

    For more information, try '--help'.
    ");
}

#[test]
fn copy_needs_something_to_do_and_only_what_can_be_done() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("copy notes/latest"), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <--to-store <STORE>|--to-region <REGION>|--share-with <ACCOUNT>|--unshare-with <ACCOUNT>>

    Usage: snapkeep copy <--to-store <STORE>|--to-region <REGION>|--share-with <ACCOUNT>|--unshare-with <ACCOUNT>> <ID>

    For more information, try '--help'.
    ");
    for line in [
        "--to-store local --to-region eu-west-1",
        "--share-with 123456789012 --unshare-with 123456789012",
        "--share-with 123456789012 --no-wait",
        "--to-region eu-west-1 --share-with 123456789012 --no-wait",
        "--unshare-with me",
        "--kms-key-id alias/dr --share-with 123456789012",
    ] {
        let ran = bench.run(&format!("-o json copy notes/latest {line}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {ran}");
    }
    assert_snapshot!(bench.run("copy notes/latest --to-region eu-west-1 --share-with 123456789012 --dry-run"), @"
    exit 0
    --- stderr
    notes: would copy notes/[ID1] to eu-west-1, and share the copy with 123456789012
    ");
}

#[test]
fn what_is_done_at_once_is_a_done_operation_without_waiting() {
    let bench = Bench::new();
    let id = bench.create();
    for (line, operation) in [
        (format!("copy {id} --to-store local --no-wait"), id.clone()),
        (format!("restore {id} --to new.db --no-wait"), format!("notes/restore:{}", bench.path("new.db").display())),
    ] {
        let ran = bench.run(&format!("{line} -o json"));
        let document = ran.document();
        assert_eq!((ran.code, &document["kind"]), (Some(0), &"OperationList".into()), "{ran}");
        let item = &document["items"][0];
        assert_eq!(keys(item), ["begun_at", "host", "id", "key", "snapshot", "state", "target", "verb"]);
        assert_eq!((&item["state"], &item["snapshot"]), (&"done".into(), &id.clone().into()), "{ran}");
        assert_eq!(item["id"], operation, "{ran}");
    }
    assert_eq!(bench.notes("new.db").len(), 3);
    let failed = bench.run("restore notes/nothing --to x.db --no-wait -o json");
    assert_eq!((failed.code, &failed.document()["kind"]), (Some(4), &"OperationList".into()));
}

#[test]
fn a_dump_is_restored_with_no_options() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("restore notes/latest --to new.db --set port=3307"), @r#"
    exit 2
    --- stderr
    error: sqlite: cannot restore notes/[ID1]: a dump has no option "port" to restore with
    "#);
    assert_snapshot!(bench.run("restore notes/latest --to new.db --set port=1 --set port=2"), @"
    exit 2
    --- stderr
    error: --set: port is set twice
    ");
    for set in ["port", "=1", ""] {
        let ran = bench.run_words(&["restore", "notes/latest", "--to", "new.db", "--set", set]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{set:?}: {ran}");
    }
    assert!(!bench.path("new.db").exists());
    assert_snapshot!(bench.run("restore notes/latest --to new.db --set port=3307 --set multi_az=true --dry-run"), @"
    exit 0
    --- stderr
    would restore notes/[ID1] to new.db with port=3307, multi_az=true
    ");
}

#[test]
fn a_dump_has_no_moments_between_snapshots() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("restore notes --time 2026-11-22T02:15:00Z --to new.db"), @"
    exit 12
    --- stderr
    error: sqlite: cannot restore notes to [TIME]: it has snapshots only
    hint: choose a snapshot from before: `snapkeep list notes`
    ");
    let ran = bench.run("restore notes --time 2026-11-22T02:15:00Z");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran}");
}

#[test]
fn a_dump_is_exported_nowhere() {
    let bench = Bench::new();
    bench.create();
    assert_snapshot!(bench.run("export notes/latest --to s3://bucket/prefix"), @"
    exit 12
    --- stderr
    error: sqlite: cannot export notes/[ID1]: this provider exports nothing
    ");
    assert_eq!(bench.run("export notes/latest --to s3://bucket -o json").document()["kind"], "ExportList");
    assert_snapshot!(bench.run("export notes/latest --to s3://bucket --dry-run"), @"
    exit 0
    --- stderr
    would export notes/[ID1] to s3://bucket
    ");
    assert_snapshot!(bench.run("export notes --to gs://bucket/notes.sql.gz --database a --database b --serverless"), @"
    exit 12
    --- stderr
    error: sqlite: cannot export notes: this provider exports nothing
    ");
    assert_snapshot!(bench.run("export notes --to gs://bucket/notes.sql.gz --database a --database b --dry-run"), @"
    exit 0
    --- stderr
    would export the live database of notes (a, b) to gs://bucket/notes.sql.gz
    ");
    assert_snapshot!(bench.run("export nots --to gs://bucket/notes.sql.gz"), @r#"
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    "#);
    assert_snapshot!(bench.run("export notes --to ftp://bucket/x"), @"
    exit 2
    --- stderr
    error: invalid value 'ftp://bucket/x' for '--to <URL>': write s3://BUCKET/PREFIX, gs://BUCKET/OBJECT or https://ACCOUNT.blob.core.windows.net/CONTAINER

    For more information, try '--help'.
    ");
    for to in
        ["bucket", "s3://", "s3:///x", "gs://", "gs://bucket", "gs://bucket/", "gs:///x", "gs://bucket/x/", "GS://b/x"]
    {
        let ran = bench.run(&format!("export notes/latest --to {to}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{to}: {ran}");
    }
    for what in ["", "/", "notes/", "/x", "../x", "a b"] {
        let ran = bench.run_words(&["export", what, "--to", "gs://bucket/x"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{what:?}: {ran}");
    }
    let ran = bench.run_words(&["export", "notes", "--to", "gs://bucket/x", "--database", ""]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran}");
}

#[test]
fn nothing_is_imported_into_a_dump_target_and_nothing_anywhere_without_its_name() {
    let bench = Bench::new();
    let from = "--from gs://bucket/notes.sql";
    assert_snapshot!(bench.run(&format!("import notes {from}")), @"
    exit 10
    --- stderr
    error: importing changes what notes holds now
    hint: to confirm, add `--confirm notes`
    ");
    assert_snapshot!(bench.run(&format!("import notes {from} --confirm note")), @r#"
    exit 10
    --- stderr
    error: importing: "note" is not the name of the target, notes
    hint: to confirm, add `--confirm notes`
    "#);
    assert_snapshot!(bench.run(&format!("import notes {from} --confirm notes")), @"
    exit 12
    --- stderr
    error: sqlite: cannot import into notes: this provider imports nothing
    ");
    assert_snapshot!(bench.run(&format!("import notes {from} --confirm notes --dry-run")), @"
    exit 0
    --- stderr
    would import gs://bucket/notes.sql into notes.db; a snapshot first is wise: `snapkeep create notes`
    ");
    assert_snapshot!(bench.run("import notes --from s3://bucket/x --confirm notes"), @"
    exit 2
    --- stderr
    error: invalid value 's3://bucket/x' for '--from <URL>': write gs://BUCKET/OBJECT

    For more information, try '--help'.
    ");
    for (line, code) in [
        (format!("nots {from} --confirm nots"), 2),
        (format!("notes {from} --confirm notes -o json"), 12),
        (format!("notes {from} --dry-run"), 10),
        (format!("notes/latest {from} --confirm notes/latest"), 2),
        ("notes --confirm notes".into(), 2),
        ("notes --from gs://bucket --confirm notes".into(), 2),
        (format!("notes {from} --confirm notes --timeout x"), 2),
    ] {
        let ran = bench.run(&format!("import {line}"));
        assert_eq!(ran.code, Some(code), "{line}: {ran}");
        assert!(code != 12 || ran.document()["kind"] == "ImportList", "{ran}");
    }
    assert_eq!(bench.run(&format!("import notes {from} --confirm x -o json")).error_codes(), ["refused"]);
}

#[test]
fn waiting_for_a_restore_an_export_or_an_import_shows_what_came_of_it() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("wait notes/restore:copy"), @"
    exit 4
    --- stderr
    error: sqlite: cannot find notes/restore:copy: there is no such operation
    ");
    assert_snapshot!(bench.run("wait notes/restore:acme-dr/7f3a"), @"
    exit 4
    --- stderr
    error: sqlite: cannot find notes/restore:acme-dr/7f3a: there is no such operation
    ");
    for (id, kind) in [
        ("restore:copy", "RestoreList"),
        ("export:x", "ExportList"),
        ("import:x", "ImportList"),
        ("nothing", "SnapshotList"),
    ] {
        let ran = bench.run(&format!("wait notes/{id} -o json"));
        assert_eq!((ran.code, &ran.document()["kind"]), (Some(4), &kind.into()), "{ran}");
    }
}

#[test]
fn databases_are_looked_for_in_clouds_only() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("targets list --discover"), @"
    exit 2
    --- stderr
    error: no target's cloud can be asked for its databases
    hint: name a region of AWS, `--region eu-central-1`, a project of Google Cloud, `--project acme-prod`, or a subscription of Azure, `--subscription ID`
    ");
    for line in [
        "--region eu-central-1",
        "--project acme",
        "--subscription 7",
        "--discover --profile prod",
        "--discover --project=",
        "--discover --subscription=",
        "--discover --region=",
    ] {
        let ran = bench.run(&format!("targets list {line}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {ran}");
    }
    assert_eq!(Bench::empty().run("targets list --discover").code, Some(2), "there is no config, and no region");
}
