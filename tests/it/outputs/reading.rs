//! What only looks, as it succeeds.

use super::{both, shown};
use crate::aws::cloud::{Cloud, owned};
use crate::cli::Bench;

#[test]
fn targets_and_config() {
    let bench = Bench::new();
    insta::assert_snapshot!(both(&bench, &["targets list", "targets check", "config check", "doctor"]), @r#"
    $ snapkeep targets list
    exit 0
    --- stdout
    TARGET  PROVIDER  DATABASE  STORE  RETENTION
    notes  sqlite  notes.db  local  -

    $ snapkeep -o json targets list
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "TargetList",
      "items": [
        {
          "target": "notes",
          "provider": "sqlite",
          "subject": "notes.db",
          "store": [
            "local"
          ],
          "retention": null,
          "tags": {}
        }
      ],
      "errors": []
    }

    $ snapkeep targets check
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  store  ok  local ([DIR]/snapshots)

    $ snapkeep -o json targets check
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "CheckList",
      "items": [
        {
          "target": "notes",
          "check": "connection",
          "ok": true,
          "detail": "[DIR]/notes.db, 8192 bytes, SQLite [SQLITE]",
          "hint": null,
          "store": null
        },
        {
          "target": "notes",
          "check": "store",
          "ok": true,
          "detail": "local ([DIR]/snapshots)",
          "hint": null,
          "store": null
        }
      ],
      "errors": []
    }

    $ snapkeep config check
    exit 0
    --- stderr
    snapkeep.toml: 1 target, 1 store, no problem

    $ snapkeep -o json config check
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "ConfigCheck",
      "items": [],
      "errors": []
    }
    --- stderr
    snapkeep.toml: 1 target, 1 store, no problem

    $ snapkeep doctor
    exit 0
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  0, none is good
    notes  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again

    $ snapkeep -o json doctor
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "CheckList",
      "items": [
        {
          "target": "notes",
          "check": "connection",
          "ok": true,
          "detail": "[DIR]/notes.db, 8192 bytes, SQLite [SQLITE]",
          "hint": null,
          "store": null
        },
        {
          "target": "notes",
          "check": "restore",
          "ok": true,
          "detail": "a file can be made in [DIR]",
          "hint": null,
          "store": null
        },
        {
          "target": "notes",
          "check": "state",
          "ok": true,
          "detail": "[DIR]/home/.local/state/snapkeep",
          "hint": null,
          "store": null
        },
        {
          "target": "notes",
          "check": "snapshots",
          "ok": true,
          "detail": "0, none is good",
          "hint": null,
          "store": null
        },
        {
          "target": "notes",
          "check": "debris",
          "ok": true,
          "detail": "none",
          "hint": null,
          "store": null
        },
        {
          "target": null,
          "check": "list",
          "ok": true,
          "detail": "[DIR]/snapshots can be listed",
          "hint": null,
          "store": "local"
        },
        {
          "target": null,
          "check": "write",
          "ok": true,
          "detail": "an object can be written",
          "hint": null,
          "store": "local"
        },
        {
          "target": null,
          "check": "conditions",
          "ok": true,
          "detail": "what is there is not written over",
          "hint": null,
          "store": "local"
        },
        {
          "target": null,
          "check": "read",
          "ok": true,
          "detail": "what was written can be read",
          "hint": null,
          "store": "local"
        },
        {
          "target": null,
          "check": "delete",
          "ok": true,
          "detail": "it can be deleted again",
          "hint": null,
          "store": "local"
        }
      ],
      "errors": []
    }
    "#);
}

#[test]
fn snapshots() {
    let bench = Bench::new();
    bench.create();
    insta::assert_snapshot!(both(&bench, &["list", "latest notes", "show notes/latest", "wait notes/latest"]), @r##"
    $ snapkeep list
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    $ snapkeep -o json list
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
          "key": null,
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }

    $ snapkeep latest notes
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    $ snapkeep -o json latest notes
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
          "key": null,
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }

    $ snapkeep show notes/latest
    exit 0
    --- stdout
    id  notes/[ID1]
    created  [TIME] UTC ([AGE] ago)
    completed  [TIME] UTC
    state  available
    origin  owned
    size  [SIZE]
    engine  sqlite [SQLITE]
    location  local:[DIR]/snapshots
    encrypted  no
    format  sqlite database
    database  [DIR]/notes.db

    To restore it without snapkeep:

      # are the bytes whole?
      echo '[SHA256]  [DIR]/snapshots/notes/[ID1]/data.sqlite.zst' | sha256sum --check -
      # into a new file
      zstd -dc [DIR]/snapshots/notes/[ID1]/data.sqlite.zst > restored.db
      sqlite3 restored.db 'PRAGMA integrity_check'

    $ snapkeep -o json show notes/latest
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotDetails",
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
          "key": null,
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null,
          "record": {
            "completed_at": "[TIME]",
            "created_at": "[TIME]",
            "database": "[DIR]/notes.db",
            "database_settings": {},
            "engine": "sqlite",
            "engine_version": "[SQLITE]",
            "format": "sqlite database",
            "globals": null,
            "id": "notes/[ID1]",
            "key": null,
            "notes": [],
            "parts": [
              {
                "name": "data.sqlite.zst",
                "sha256": "[SHA256]",
                "size_bytes": [SIZE],
                "uncompressed_bytes": 8192
              }
            ],
            "provider": "sqlite",
            "schema": "snapkeep/manifest/v1",
            "size_bytes": [SIZE],
            "tags": {},
            "target": "notes",
            "tools": [
              {
                "name": "sqlite (bundled)",
                "version": "[SQLITE]"
              }
            ],
            "uncompressed_bytes": 8192
          },
          "restore_commands": [
            "# are the bytes whole?",
            "echo '[SHA256]  [DIR]/snapshots/notes/[ID1]/data.sqlite.zst' | sha256sum --check -",
            "# into a new file",
            "zstd -dc [DIR]/snapshots/notes/[ID1]/data.sqlite.zst > restored.db",
            "sqlite3 restored.db 'PRAGMA integrity_check'"
          ]
        }
      ],
      "errors": []
    }

    $ snapkeep wait notes/latest
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -

    $ snapkeep -o json wait notes/latest
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
          "key": null,
          "hold": null,
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }
    "##);
}

#[test]
fn nothing_is_no_error() {
    let bench = Bench::new();
    insta::assert_snapshot!(both(&bench, &["list", "--log-format json list"]), @r#"
    $ snapkeep list
    exit 0
    --- stderr
    no snapshots

    $ snapkeep -o json list
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": []
    }
    --- stderr
    no snapshots

    $ snapkeep --log-format json list
    exit 0
    --- stderr
    {"level":"info","target":null,"message":"no snapshots"}

    $ snapkeep -o json --log-format json list
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [],
      "errors": []
    }
    --- stderr
    {"level":"info","target":null,"message":"no snapshots"}
    "#);
}

#[test]
fn the_demo() {
    let bench = Bench::empty();
    insta::assert_snapshot!(shown(&bench, &["-o json demo"]), @r#"
    $ snapkeep -o json demo
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "DemoSteps",
      "items": [
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml create notes --tag reason=before-the-change",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml create notes --key change-1",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml create notes --key change-1",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml list notes",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml show notes/[ID1]",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml restore notes/[ID1] --to snapkeep-demo/restored.db",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml delete notes/[ID1] --yes",
          "exit_code": 0
        },
        {
          "command": "snapkeep --config snapkeep-demo/snapkeep.toml list notes",
          "exit_code": 0
        }
      ],
      "errors": []
    }
    --- stderr
    notes: made notes/[ID1] in local, [SIZE], in [DURATION]
    notes: made notes/[ID2] in local, [SIZE], in [DURATION]
    notes: notes/[ID2] is there already in local, with the same key, [SIZE]
    notes: restored notes/[ID1] to [DIR]/snapkeep-demo/restored.db, in [DURATION]
    deleted notes/[ID1]
    "#);
}

#[test]
fn discovery() {
    let cloud = Cloud::of_instance("");
    cloud.take("sk-1", |new| owned(new).at("2025-11-20T02:15:00Z"));
    insta::assert_snapshot!(both(&cloud, &["targets list --discover"]), @r#"
    $ snapkeep targets list --discover
    exit 0
    --- stdout
    DATABASE  PROVIDER  LOCATION  ENGINE  STATE  TARGET
    orders-prod  aws_rds  eu-central-1  postgres 16.4  available  orders

    $ snapkeep -o json targets list --discover
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "DiscoveryList",
      "items": [
        {
          "name": "orders-prod",
          "provider": "aws_rds",
          "location": "eu-central-1",
          "engine": "postgres 16.4",
          "provider_state": "available",
          "target": "orders",
          "config": null
        }
      ],
      "errors": []
    }
    "#);
}
