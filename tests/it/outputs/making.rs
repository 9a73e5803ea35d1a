//! What makes something, as it succeeds.

use std::fs;

use super::{both, errors, of_id, shown};
use crate::aws::cloud::{Cloud, owned};
use crate::cli::{Bench, CloudBench, target};
use crate::gcp;

const EXPORT: &str =
    "export = { iam_role_arn = \"arn:aws:iam::123456789012:role/export\", kms_key_id = \"alias/snapshots\" }";

#[test]
fn snapshots_and_their_copies() {
    let bench = Bench::new();
    let config = bench.path("snapkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[stores.second]\ntype = \"local\"\npath = \"second\"\n")).unwrap();
    let lines = ["create notes --key k", "create notes --key k --no-wait", "copy notes/latest --to-store second"];
    insta::assert_snapshot!(both(&bench, &lines), @r#"
    $ snapkeep create notes --key k
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]

    $ snapkeep -o json create notes --key k
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [
        {
          "id": "notes/[ID1]",
          "native_id": "[ID1]",
          "target": "notes",
          "provider": "sqlite",
          "origin": "owned",
          "state": "available",
          "provider_state": null,
          "created_at": "[TIME]",
          "completed_at": "[TIME]",
          "size_bytes": [SIZE],
          "engine": "sqlite",
          "engine_version": "[SQLITE]",
          "location": "local:[DIR]/snapshots",
          "encrypted": false,
          "key": "k",
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: notes/[ID1] is there already in local, with the same key, [SIZE]

    $ snapkeep create notes --key k --no-wait
    exit 0
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    notes/[ID1]  create  notes/[ID1]  done  [TIME]
    --- stderr
    notes: notes/[ID1] is there already in local, with the same key, [SIZE]

    $ snapkeep -o json create notes --key k --no-wait
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [
        {
          "id": "notes/[ID1]",
          "target": "notes",
          "snapshot": "notes/[ID1]",
          "state": "done",
          "verb": "create",
          "key": "k",
          "begun_at": "[TIME]",
          "host": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: notes/[ID1] is there already in local, with the same key, [SIZE]

    $ snapkeep copy notes/latest --to-store second
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  second  -  -
    --- stderr
    notes: made notes/[ID2] in second, [SIZE], in [DURATION]

    $ snapkeep -o json copy notes/latest --to-store second
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [
        {
          "id": "notes/[ID2]",
          "native_id": "[ID2]",
          "target": "notes",
          "provider": "sqlite",
          "origin": "owned",
          "state": "available",
          "provider_state": null,
          "created_at": "[TIME]",
          "completed_at": "[TIME]",
          "size_bytes": [SIZE],
          "engine": "sqlite",
          "engine_version": "[SQLITE]",
          "location": "second:[DIR]/second",
          "encrypted": false,
          "key": "k",
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: notes/[ID2] is there already in second, a copy of the same dump, [SIZE]
    "#);
}

#[test]
fn the_demo_tells_what_it_does() {
    let told = shown(&Bench::empty(), &["demo"]);
    let lines: Vec<&str> = told.lines().take(9).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    $ snapkeep demo
    exit 0
    --- stdout
    In snapkeep-demo: a database with 3 notes, and a config for it.

    $ snapkeep --config snapkeep-demo/snapkeep.toml create notes --tag reason=before-the-change
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    ");
}

#[test]
fn a_guarded_command() {
    let bench = Bench::new();
    let lines = ["guard notes -- echo done", "--dry-run guard notes -- echo done", "guard notes --max-age 1h -- true"];
    insta::assert_snapshot!(shown(&bench, &lines), @"
    $ snapkeep guard notes -- echo done
    exit 0
    --- stdout
    done
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: notes/[ID1] is held; now `echo`
    notes: `echo` is done

    $ snapkeep --dry-run guard notes -- echo done
    exit 0
    --- stderr
    notes: would make a snapshot, hold it, and run `echo`

    $ snapkeep guard notes --max-age 1h -- true
    exit 0
    --- stderr
    notes: notes/[ID1] is [AGE] old, and will do
    notes: notes/[ID1] is held; now `true`
    notes: `true` is done
    ");
}

#[test]
fn a_hook_that_stops_it() {
    let hooks = "\n[hooks]\nbefore_create = { command = [\"sh\", \"-c\", \"echo no space left; exit 3\"] }\n";
    let bench = Bench::of(&[target("notes", "notes.db", hooks)]);
    insta::assert_snapshot!(errors(&bench, of_id(&["create ID", "create ID --no-wait", "guard ID -- true"], "notes")), @r#"
    $ snapkeep create notes
    $ snapkeep create notes --no-wait
    $ snapkeep guard notes -- true
    exit 1
    --- stderr
    error: notes: hook before_create failed: sh ended with exit status 3
    hint: run it by hand; its output is shown with `-v`
    --- stderr as JSON
    {"level":"error","code":"hook","message":"notes: hook before_create failed: sh ended with exit status 3","target":"notes","retryable":false,"hint":"run it by hand; its output is shown with `-v`","causes":[]}
    "#);
}

#[test]
fn restored_databases() {
    let bench = Bench::new();
    bench.create();
    let lines = [
        "restore notes/latest --to new.db",
        "-o json restore notes/latest --to newer.db",
        "--dry-run restore notes/latest --to x.db",
    ];
    insta::assert_snapshot!(shown(&bench, &lines), @r#"
    $ snapkeep restore notes/latest --to new.db
    exit 0
    --- stdout
    SNAPSHOT  RESTORED TO
    notes/[ID1]  [DIR]/new.db
    --- stderr
    notes: restored notes/[ID1] to [DIR]/new.db, in [DURATION]

    $ snapkeep -o json restore notes/latest --to newer.db
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "RestoreList",
      "items": [
        {
          "id": "notes/[ID1]",
          "target": "notes",
          "to": "[DIR]/newer.db",
          "warnings": [],
          "time": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes: restored notes/[ID1] to [DIR]/newer.db, in [DURATION]

    $ snapkeep --dry-run restore notes/latest --to x.db
    exit 0
    --- stderr
    would restore notes/[ID1] to x.db
    "#);
}

#[test]
fn exports_and_what_goes_on() {
    let cloud = Cloud::of_instance(EXPORT);
    cloud.take("sk-1", owned);
    let line = "export orders/sk-1 --to s3://archive/orders";
    let told = both(&cloud, &[line]);
    let operation = cloud.items(line)[0]["operation"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(told.replace(&operation, "orders/export:[NEW]"), @r#"
    $ snapkeep export orders/sk-1 --to s3://archive/orders
    exit 0
    --- stdout
    SNAPSHOT  EXPORTED TO  STATE  DONE  SIZE  OPERATION
    orders/sk-1  s3://archive/orders  done  100 %  1.0 GiB  orders/export:[NEW]
    --- stderr
    orders: orders/sk-1 is exported, in [DURATION], to s3://archive/orders

    $ snapkeep -o json export orders/sk-1 --to s3://archive/orders
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "ExportList",
      "items": [
        {
          "id": "orders/sk-1",
          "target": "orders",
          "to": "s3://archive/orders",
          "operation": "orders/export:[NEW]",
          "state": "done",
          "provider_state": "complete",
          "percent": 100,
          "size_bytes": [SIZE],
          "warnings": []
        }
      ],
      "errors": []
    }
    --- stderr
    orders: orders/sk-1 is exported already, to s3://archive/orders
    "#);
    cloud.rds.world(|world| world.looks = 1000);
    let lines = ["restore orders/sk-1 --to one --no-wait", "-o json restore orders/sk-1 --to two --no-wait"];
    insta::assert_snapshot!(shown(&cloud, &lines), @r#"
      $ snapkeep restore orders/sk-1 --to one --no-wait
      exit 0
      --- stdout
      OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
      orders/restore:one  restore  orders/sk-1  running  [TIME]

      $ snapkeep -o json restore orders/sk-1 --to two --no-wait
      exit 0
      --- stdout
      {
        "schema": "snapkeep/v1",
        "kind": "OperationList",
        "items": [
          {
            "id": "orders/restore:two",
            "target": "orders",
            "snapshot": "orders/sk-1",
            "state": "running",
            "verb": "restore",
            "key": null,
            "begun_at": "[TIME]",
            "host": "[HOST]"
          }
        ],
        "errors": []
      }
      "#);
}

#[test]
fn imports() {
    let cloud = gcp::cloud::Cloud::new("");
    const FILE: &str = "gs://acme-dumps/billing.sql.gz";
    cloud.done(&format!("export billing --to {FILE} --database billing-pg"));
    let line = format!("import billing --from {FILE} --database billing-pg --confirm billing");
    insta::assert_snapshot!(both(&cloud, &[&line]), @r#"
    $ snapkeep import billing --from gs://acme-dumps/billing.sql.gz --database billing-pg --confirm billing
    exit 0
    --- stdout
    TARGET  IMPORTED FROM  DATABASE  STATE  OPERATION
    billing  gs://acme-dumps/billing.sql.gz  billing-pg  done  billing/import:[OPERATION-2]
    --- stderr
    billing: imported gs://acme-dumps/billing.sql.gz, in [DURATION]; before the next, a snapshot first is wise: `snapkeep create billing`

    $ snapkeep -o json import billing --from gs://acme-dumps/billing.sql.gz --database billing-pg --confirm billing
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "ImportList",
      "items": [
        {
          "target": "billing",
          "from": "gs://acme-dumps/billing.sql.gz",
          "database": "billing-pg",
          "operation": "billing/import:[OPERATION-3]",
          "state": "done",
          "warnings": []
        }
      ],
      "errors": []
    }
    --- stderr
    billing: imported gs://acme-dumps/billing.sql.gz, in [DURATION]; before the next, a snapshot first is wise: `snapkeep create billing`
    "#);
}
