//! What marks, verifies and deletes, as it succeeds.

use super::{both, shown};
use crate::cli::Bench;

#[test]
fn marks() {
    let bench = Bench::new();
    bench.create();
    let lines = ["hold notes/latest --reason audit --until 2099-01-01", "release notes/latest", "adopt notes/latest"];
    insta::assert_snapshot!(both(&bench, &lines), @r#"
    $ snapkeep hold notes/latest --reason audit --until 2099-01-01
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  audit, until [TIME]
    --- stderr
    notes/[ID1] is held: audit

    $ snapkeep -o json hold notes/latest --reason audit --until 2099-01-01
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
          "hold": {
            "reason": "audit",
            "until": "[TIME]"
          },
          "verified": null,
          "expires_at": null,
          "tags": {},
          "locked_until": null
        }
      ],
      "errors": []
    }
    --- stderr
    notes/[ID1] is held: audit

    $ snapkeep release notes/latest
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes/[ID1] is released

    $ snapkeep -o json release notes/latest
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
    --- stderr
    notes/[ID1] was not held

    $ snapkeep adopt notes/latest
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes/[ID1] is owned already

    $ snapkeep -o json adopt notes/latest
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
    --- stderr
    notes/[ID1] is owned already
    "#);
}

#[test]
fn verifications() {
    let bench = Bench::new();
    bench.create();
    insta::assert_snapshot!(both(&bench, &["verify notes/latest --level checksum", "verify notes/latest"]), @r#"
    $ snapkeep verify notes/latest --level checksum
    exit 0
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  checksum  ok  data.sqlite.zst  169 bytes, SHA-256 as recorded
    --- stderr
    notes: verified notes/[ID1]: checksum, in [DURATION]

    $ snapkeep -o json verify notes/latest --level checksum
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "VerificationList",
      "items": [
        {
          "id": "notes/[ID1]",
          "target": "notes",
          "level": "checksum",
          "ok": true,
          "at": "[TIME]",
          "checks": [
            {
              "name": "data.sqlite.zst",
              "ok": true,
              "detail": "169 bytes, SHA-256 as recorded"
            }
          ]
        }
      ],
      "errors": []
    }
    --- stderr
    notes: verified notes/[ID1]: checksum, in [DURATION]

    $ snapkeep verify notes/latest
    exit 0
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID1]  archive  ok  data.sqlite.zst  169 bytes, SHA-256 as recorded
                                          ok  archive  8192 bytes of sqlite database, read to their end; PRAGMA integrity_check of SQLite [SQLITE] finds no fault
    --- stderr
    notes: verified notes/[ID1]: archive, in [DURATION]

    $ snapkeep -o json verify notes/latest
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "VerificationList",
      "items": [
        {
          "id": "notes/[ID1]",
          "target": "notes",
          "level": "archive",
          "ok": true,
          "at": "[TIME]",
          "checks": [
            {
              "name": "data.sqlite.zst",
              "ok": true,
              "detail": "169 bytes, SHA-256 as recorded"
            },
            {
              "name": "archive",
              "ok": true,
              "detail": "8192 bytes of sqlite database, read to their end; PRAGMA integrity_check of SQLite [SQLITE] finds no fault"
            }
          ]
        }
      ],
      "errors": []
    }
    --- stderr
    notes: verified notes/[ID1]: archive, in [DURATION]
    "#);
}

#[test]
fn deletions() {
    let cloud = super::pruning::old();
    let lines =
        ["--dry-run delete orders/sk-1", "delete orders/sk-1 --yes", "-o json delete orders/sk-1 orders/sk-2 --yes"];
    insta::assert_snapshot!(shown(&cloud, &lines), @r#"
    $ snapkeep --dry-run delete orders/sk-1
    exit 0
    --- stderr
    would delete orders/sk-1

    $ snapkeep delete orders/sk-1 --yes
    exit 0
    --- stdout
    SNAPSHOT  RESULT
    orders/sk-1  deleted
    --- stderr
    deleted orders/sk-1

    $ snapkeep -o json delete orders/sk-1 orders/sk-2 --yes
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "DeletionList",
      "items": [
        {
          "id": "orders/sk-1",
          "target": "orders",
          "result": "absent"
        },
        {
          "id": "orders/sk-2",
          "target": "orders",
          "result": "deleted"
        }
      ],
      "errors": []
    }
    --- stderr
    orders/sk-1 is not there; nothing to delete
    deleted orders/sk-2
    "#);
}
