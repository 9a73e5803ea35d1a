//! Exit code 3: some is done and some is not.

use super::{both, errors, shown};
use crate::aws::cloud::{Cloud, owned};
use crate::cli::{Bench, CloudBench, target};
use crate::support::Rds;
use crate::support::rds::{Fault, Trouble};

#[test]
fn of_several_targets_some_are_done() {
    let bench = Bench::of(&[target("notes", "notes.db", ""), target("gone", "gone.db", "")]);
    bench.create();
    insta::assert_snapshot!(both(&bench, &["create notes gone", "create notes gone --no-wait"]), @r#"
    $ snapkeep create notes gone
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes: made notes/[ID2] in local, [SIZE], in [DURATION]
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file

    $ snapkeep -o json create notes gone
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "SnapshotList",
      "items": [
        {
          "id": "notes/[ID3]",
          "native_id": "[ID3]",
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
      "errors": [
        {
          "code": "not_found",
          "message": "sqlite: cannot dump [DIR]/gone.db: there is no such file",
          "target": "gone",
          "retryable": false,
          "hint": "check `path` in the config; it is relative to the config file",
          "causes": [
            "No such file or directory (os error 2)"
          ]
        }
      ]
    }
    --- stderr
    notes: made notes/[ID3] in local, [SIZE], in [DURATION]
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file

    $ snapkeep create notes gone --no-wait
    exit 3
    --- stdout
    OPERATION  VERB  SNAPSHOT  STATE  BEGUN (UTC)
    notes/[ID4]  create  notes/[ID4]  done  [TIME]
    --- stderr
    notes: made notes/[ID4] in local, [SIZE], in [DURATION]
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file

    $ snapkeep -o json create notes gone --no-wait
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "OperationList",
      "items": [
        {
          "id": "notes/[ID5]",
          "target": "notes",
          "snapshot": "notes/[ID5]",
          "state": "done",
          "verb": "create",
          "key": null,
          "begun_at": "[TIME]",
          "host": null
        }
      ],
      "errors": [
        {
          "code": "not_found",
          "message": "sqlite: cannot dump [DIR]/gone.db: there is no such file",
          "target": "gone",
          "retryable": false,
          "hint": "check `path` in the config; it is relative to the config file",
          "causes": [
            "No such file or directory (os error 2)"
          ]
        }
      ]
    }
    --- stderr
    notes: made notes/[ID5] in local, [SIZE], in [DURATION]
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    "#);
    insta::assert_snapshot!(errors(&bench, ["targets check", "doctor"]), @r#"
    $ snapkeep targets check
    exit 3
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  store  ok  local ([DIR]/snapshots)
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  store  ok  local ([DIR]/snapshots)
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/gone.db: there is no such file","target":"gone","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}

    $ snapkeep doctor
    exit 3
    --- stdout
    TARGET  CHECK  RESULT  DETAIL
    gone  connection  FAILED  sqlite: cannot dump [DIR]/gone.db: there is no such file
    gone  restore  ok  a file can be made in [DIR]
    gone  state  ok  [DIR]/home/.local/state/snapkeep
    gone  snapshots  ok  0, none is good
    gone  debris  ok  none
    notes  connection  ok  [DIR]/notes.db, 8192 bytes, SQLite [SQLITE]
    notes  restore  ok  a file can be made in [DIR]
    notes  state  ok  [DIR]/home/.local/state/snapkeep
    notes  snapshots  ok  5, the newest good one is [AGE] old
    notes  debris  ok  none
    store local  list  ok  [DIR]/snapshots can be listed
    store local  write  ok  an object can be written
    store local  conditions  ok  what is there is not written over
    store local  read  ok  what was written can be read
    store local  delete  ok  it can be deleted again
    --- stderr
    error: gone: sqlite: cannot dump [DIR]/gone.db: there is no such file
    caused by: No such file or directory (os error 2)
    hint: check `path` in the config; it is relative to the config file
    --- stderr as JSON
    {"level":"error","code":"not_found","message":"sqlite: cannot dump [DIR]/gone.db: there is no such file","target":"gone","retryable":false,"hint":"check `path` in the config; it is relative to the config file","causes":["No such file or directory (os error 2)"]}
    "#);
}

#[test]
fn of_several_snapshots_some_are_done() {
    let bench = Bench::new();
    bench.create();
    bench.create();
    let ids = "notes/latest notes/zz";
    let lines = [format!("verify {ids} --level checksum"), format!("adopt {ids}")];
    insta::assert_snapshot!(errors(&bench, lines), @r#"
    $ snapkeep verify notes/latest notes/zz --level checksum
    exit 3
    --- stdout
    SNAPSHOT  LEVEL  RESULT  CHECK  DETAIL
    notes/[ID2]  checksum  ok  data.sqlite.zst  169 bytes, SHA-256 as recorded
    --- stderr
    notes: verified notes/[ID2]: checksum, in [DURATION]
    error: there is no snapshot notes/zz
    hint: see `snapkeep list notes`
    --- stderr as JSON
    {"level":"info","target":"notes","message":"verified notes/[ID2]: checksum, in [DURATION]"}
    {"level":"error","code":"not_found","message":"there is no snapshot notes/zz","target":"notes","retryable":false,"hint":"see `snapkeep list notes`","causes":[]}

    $ snapkeep adopt notes/latest notes/zz
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  [AGE]  [SIZE]  available  owned  sqlite [SQLITE]  local  checksum  -
    --- stderr
    notes/[ID2] is owned already
    error: there is no snapshot notes/zz
    hint: see `snapkeep list notes`
    --- stderr as JSON
    {"level":"info","target":null,"message":"notes/[ID2] is owned already"}
    {"level":"error","code":"not_found","message":"there is no snapshot notes/zz","target":"notes","retryable":false,"hint":"see `snapkeep list notes`","causes":[]}
    "#);
    insta::assert_snapshot!(shown(&bench, &["delete notes/latest notes/latest --yes"]), @"
    $ snapkeep delete notes/latest notes/latest --yes
    exit 3
    --- stdout
    SNAPSHOT  RESULT
    notes/[ID2]  deleted
    --- stderr
    deleted notes/[ID2]
    error: cannot delete notes/[ID1]: it is the last good snapshot of notes
    hint: if it must go: `snapkeep delete notes/[ID1] --yes --force`
    ");
}

/// Two targets, of which one is in a region that refuses.
fn half() -> Cloud {
    let cloud = Cloud::of_instance("");
    for day in 1..5 {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-11-2{day}T02:15:00Z")));
    }
    let orders = cloud.target("orders", "db_instance_identifier = \"orders-prod\"", "retention = \"one\"");
    let ledger = cloud.target("ledger", "db_instance_identifier = \"ledger-prod\"", "retention = \"one\"");
    let ledger = ledger.replace(Rds::REGION, Rds::ELSEWHERE);
    cloud.configure(&format!("{orders}{ledger}\n[retention.one]\nkeep_last = 1\nmax_delete_percent = 100\n"));
    for action in ["DescribeDBSnapshots", "DescribeDBInstances"] {
        cloud.rds.fail(Trouble::on(action, Fault::AccessDenied).in_region(Rds::ELSEWHERE).always());
    }
    cloud
}

#[test]
fn of_several_accounts_some_are_closed() {
    insta::assert_snapshot!(errors(&half(), ["list", "prune plan", "targets list --discover"]), @r#"
    $ snapkeep list
    exit 3
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    orders/sk-4  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/sk-3  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/sk-2  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    orders/sk-1  [TIME]  [AGE]  -  available  owned  postgres 16.4  eu-central-1  -  -
    --- stderr
    error: aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted","target":"ledger","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}

    $ snapkeep prune plan
    exit 3
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    orders/sk-4  [TIME]  -  keep  last 1 of 1; newest good
    orders/sk-3  [TIME]  -  remove  in no slot of keep_last
    orders/sk-2  [TIME]  -  remove  in no slot of keep_last
    orders/sk-1  [TIME]  -  remove  in no slot of keep_last
    --- stderr
    error: aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    orders: keep 1, remove 3 (of unknown size), refused 0
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted","target":"ledger","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}
    {"level":"info","target":"orders","message":"keep 1, remove 3 (of unknown size), refused 0"}

    $ snapkeep targets list --discover
    exit 3
    --- stdout
    DATABASE  PROVIDER  LOCATION  ENGINE  STATE  TARGET
    orders-prod  aws_rds  eu-central-1  postgres 16.4  available  orders
    --- stderr
    error: aws_rds: cannot discover databases in eu-west-1: rds:DescribeDBInstances is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-west-1:123456789012:db:* because no identity-based policy allows the rds:DescribeDBInstances action
    hint: add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb
    --- stderr as JSON
    {"level":"error","code":"permission","message":"aws_rds: cannot discover databases in eu-west-1: rds:DescribeDBInstances is not permitted","target":null,"retryable":false,"hint":"add rds:DescribeDBInstances to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:eu-west-1:123456789012:db:* because no identity-based policy allows the rds:DescribeDBInstances action"]}
    "#);
    insta::assert_snapshot!(shown(&half(), &["prune apply --yes"]), @"
    $ snapkeep prune apply --yes
    exit 3
    --- stdout
    SNAPSHOT  SIZE  RESULT
    orders/sk-1  -  deleted
    orders/sk-2  -  deleted
    orders/sk-3  -  deleted
    --- stderr
    orders: deleted 3
    error: aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    ");
    insta::assert_snapshot!(shown(&half(), &["-o json --log-format json prune apply --yes"]), @r#"
    $ snapkeep -o json --log-format json prune apply --yes
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "PruneResult",
      "items": [
        {
          "id": "orders/sk-1",
          "target": "orders",
          "size_bytes": null,
          "result": "deleted"
        },
        {
          "id": "orders/sk-2",
          "target": "orders",
          "size_bytes": null,
          "result": "deleted"
        },
        {
          "id": "orders/sk-3",
          "target": "orders",
          "size_bytes": null,
          "result": "deleted"
        }
      ],
      "errors": [
        {
          "code": "permission",
          "message": "aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted",
          "target": "ledger",
          "retryable": false,
          "hint": "add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb",
          "causes": [
            "AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"
          ]
        }
      ]
    }
    --- stderr
    {"level":"info","target":"orders","message":"deleted 3"}
    {"level":"error","code":"permission","message":"aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted","target":"ledger","retryable":false,"hint":"add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb","causes":["AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"]}
    "#);
}

#[test]
fn the_document_of_a_part_has_items_and_errors() {
    insta::assert_snapshot!(shown(&half(), &["-o json prune plan"]), @r#"
    $ snapkeep -o json prune plan
    exit 3
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "PrunePlan",
      "made_by": "[VERSION]",
      "made_at": "[TIME]",
      "digest": "[SHA256]",
      "targets": [
        {
          "target": "orders",
          "config": "[HASH]",
          "refused": [],
          "remove_bytes": null,
          "warnings": []
        }
      ],
      "items": [
        {
          "id": "orders/sk-4",
          "target": "orders",
          "created_at": "[TIME]",
          "size_bytes": null,
          "verdict": "keep",
          "reasons": [
            "last 1 of 1",
            "newest good"
          ],
          "good": true,
          "fingerprint": "f249d0197eb33aa1"
        },
        {
          "id": "orders/sk-3",
          "target": "orders",
          "created_at": "[TIME]",
          "size_bytes": null,
          "verdict": "remove",
          "reasons": [
            "in no slot of keep_last"
          ],
          "good": true,
          "fingerprint": "3b2be06df69adfa0"
        },
        {
          "id": "orders/sk-2",
          "target": "orders",
          "created_at": "[TIME]",
          "size_bytes": null,
          "verdict": "remove",
          "reasons": [
            "in no slot of keep_last"
          ],
          "good": true,
          "fingerprint": "6f843548a4a73cb0"
        },
        {
          "id": "orders/sk-1",
          "target": "orders",
          "created_at": "[TIME]",
          "size_bytes": null,
          "verdict": "remove",
          "reasons": [
            "in no slot of keep_last"
          ],
          "good": true,
          "fingerprint": "b8678481fc54ce68"
        }
      ],
      "errors": [
        {
          "code": "permission",
          "message": "aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted",
          "target": "ledger",
          "retryable": false,
          "hint": "add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb",
          "causes": [
            "AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action"
          ]
        }
      ]
    }
    --- stderr
    error: aws_rds: cannot list ledger in eu-west-1: rds:DescribeDBSnapshots is not permitted
    caused by: AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: rds:DescribeDBSnapshots on resource: arn:aws:rds:eu-west-1:123456789012:db:ledger-prod because no identity-based policy allows the rds:DescribeDBSnapshots action
    hint: add rds:DescribeDBSnapshots to the policy of who runs this; docs/aws.md has the policy for each verb
    "#);
}
