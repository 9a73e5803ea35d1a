//! What pruning would do, and does.

use super::shown;
use crate::aws::cloud::{Cloud, owned};
use crate::cli::CloudBench;

/// A policy that keeps one, and four that are a year old.
pub(super) fn old() -> Cloud {
    let cloud = Cloud::of_instance("retention = \"one\"");
    let config = cloud.bench().path("snapkeep.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, format!("{text}\n[retention.one]\nkeep_last = 1\nmax_delete_percent = 100\n")).unwrap();
    for day in 1..5 {
        cloud.take(&format!("sk-{day}"), |new| owned(new).at(&format!("2025-11-2{day}T02:15:00Z")));
    }
    cloud
}

#[test]
fn plans() {
    let cloud = old();
    insta::assert_snapshot!(shown(&cloud, &["prune plan", "prune plan --exit-code --out plan.json", "-o json prune plan"]), @r#"
    $ snapkeep prune plan
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    orders/sk-4  [TIME]  -  keep  last 1 of 1; newest good
    orders/sk-3  [TIME]  -  remove  in no slot of keep_last
    orders/sk-2  [TIME]  -  remove  in no slot of keep_last
    orders/sk-1  [TIME]  -  remove  in no slot of keep_last
    --- stderr
    orders: keep 1, remove 3 (of unknown size), refused 0

    $ snapkeep prune plan --exit-code --out plan.json
    exit 20
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    orders/sk-4  [TIME]  -  keep  last 1 of 1; newest good
    orders/sk-3  [TIME]  -  remove  in no slot of keep_last
    orders/sk-2  [TIME]  -  remove  in no slot of keep_last
    orders/sk-1  [TIME]  -  remove  in no slot of keep_last
    --- stderr
    orders: keep 1, remove 3 (of unknown size), refused 0

    $ snapkeep -o json prune plan
    exit 0
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
      "errors": []
    }
    "#);
}

#[test]
fn pruning() {
    let cloud = old();
    insta::assert_snapshot!(shown(&cloud, &["prune apply --yes", "-o json prune apply --yes"]), @r#"
    $ snapkeep prune apply --yes
    exit 0
    --- stdout
    SNAPSHOT  SIZE  RESULT
    orders/sk-1  -  deleted
    orders/sk-2  -  deleted
    orders/sk-3  -  deleted
    --- stderr
    orders: deleted 3

    $ snapkeep -o json prune apply --yes
    exit 0
    --- stdout
    {
      "schema": "snapkeep/v1",
      "kind": "PruneResult",
      "items": [],
      "errors": []
    }
    --- stderr
    orders: nothing to delete
    "#);
    let cloud = old();
    insta::assert_snapshot!(shown(&cloud, &["-o json prune apply --yes"]), @r#"
    $ snapkeep -o json prune apply --yes
    exit 0
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
      "errors": []
    }
    --- stderr
    orders: deleted 3
    "#);
}
