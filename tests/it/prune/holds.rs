//! `hold`, `release`, `adopt`

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Fixed, Past, document, sorted, texts};
use crate::cli::until;

/// What `list` and `show` say of the hold on a snapshot.
fn hold_of(past: &Past, id: &str) -> Value {
    let listed = document(&past.run("-o json list"));
    let place = texts(&listed, "id").iter().position(|other| other == id).unwrap();
    let shown = document(&past.run(&format!("-o json show {id}")));
    assert_eq!(listed["items"][place]["hold"], shown["items"][0]["hold"]);
    listed["items"][place]["hold"].clone()
}

#[test]
fn a_hold_is_shown_until_it_is_released() {
    let (past, [_, id]) = Past::of("keep_last = 1", [1, 9]);
    assert_eq!(hold_of(&past, &id), Value::Null);
    assert_snapshot!(past.run_words(&["hold", &id, "--reason", "audit of 2026"]), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  9d  [SIZE]  available  owned  sqlite [SQLITE]  local  -  audit of 2026
    --- stderr
    notes/[ID2] is held: audit of 2026
    ");
    assert_eq!(hold_of(&past, &id), json!({ "reason": "audit of 2026", "until": null }));
    assert_snapshot!(past.run("prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID1]  [TIME]  [SIZE]  keep  last 1 of 1; newest good
    notes/[ID2]  [TIME]  [SIZE]  refused  in no slot of keep_last; held until released: audit of 2026
    --- stderr
    notes: keep 1, remove 0 ([SIZE]), refused 1
    ");
    assert_snapshot!(past.run(&format!("release {id}")), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID2]  [TIME]  9d  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes/[ID2] is released
    ");
    assert_eq!(hold_of(&past, &id), Value::Null);
    assert_eq!(texts(&document(&past.run("-o json prune plan")), "verdict"), ["keep", "remove"]);
    assert_snapshot!(past.run(&format!("-q -o name release {id}")), @"
    exit 0
    --- stdout
    notes/[ID2]
    ");
}

#[test]
fn a_hold_ends_on_a_date_at_a_time_or_after_a_while() {
    let (past, [id]) = Past::of("keep_last = 1", [1]);
    for (text, shown) in [("2099-01-02", "2099-01-02T00:00:00Z"), ("2099-01-02T04:00:00+02:00", "2099-01-02T02:00:00Z")]
    {
        assert_eq!(past.run(&format!("-q hold {id} --reason r --until {text}")).code, Some(0));
        assert_eq!(hold_of(&past, &id)["until"], shown);
    }
    assert_eq!(past.run("-q hold notes/latest --reason r --until 30d").code, Some(0));
    let ends: chrono::DateTime<chrono::Utc> = hold_of(&past, &id)["until"].as_str().unwrap().parse().unwrap();
    assert_eq!((ends - chrono::Utc::now()).num_hours(), 30 * 24 - 1);
}

#[test]
fn a_hold_that_makes_no_sense_is_a_usage_error() {
    let (past, [id]) = Past::of("keep_last = 1", [1]);
    assert_snapshot!(past.run(&format!("hold {id} --reason r --until 2020-01-01")), @"
    exit 2
    --- stderr
    error: --until: [TIME] has passed already
    ");
    assert_snapshot!(past.run(&format!("hold {id} --reason r --until soon")), @r#"
    exit 2
    --- stderr
    error: --until: "soon" is no time: write 2026-12-01, [TIME], or 30d for thirty days from now
    "#);
    for words in [&["--reason", ""][..], &["--reason", "a\nb"], &[]] {
        let ran = past.run_words(&[&["hold", &id], words].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran}");
    }
    assert_eq!(hold_of(&past, &id), Value::Null);
}

#[test]
fn marks_are_for_snapshots_that_are_there() {
    let (past, _) = Past::of("keep_last = 1", [1]);
    for (verb, more) in [("hold", " --reason r"), ("release", ""), ("adopt", "")] {
        assert_eq!(past.run(&format!("{verb} notes/20200101T000000Z-aaaa{more}")).code, Some(4), "{verb}");
        let ran = past.run(&format!("-o json {verb} nots/x{more}"));
        assert_eq!((ran.code, document(&ran)["kind"].as_str()), (Some(2), Some("SnapshotList")), "{ran}");
    }
}

#[test]
fn a_dry_run_changes_no_mark() {
    let (past, [id]) = Past::of("keep_last = 1", [1]);
    assert_eq!(past.run(&format!("hold {id} --reason r --dry-run")).code, Some(0));
    assert_eq!(hold_of(&past, &id), Value::Null);
    past.run(&format!("hold {id} --reason r"));
    assert_eq!(past.run(&format!("release {id} --dry-run")).code, Some(0));
    assert_eq!(hold_of(&past, &id)["reason"], "r");
}

#[test]
fn a_second_hold_takes_the_place_of_the_first() {
    let (past, [id]) = Past::of("keep_last = 1", [1]);
    past.run(&format!("hold {id} --reason first --until 2099-01-01"));
    past.run(&format!("hold {id} --reason second"));
    assert_eq!(hold_of(&past, &id), json!({ "reason": "second", "until": null }));
}

#[test]
fn what_is_held_is_deleted_only_by_force_and_its_whole_id() {
    let (past, [new, id]) = Past::of("keep_last = 1", [1, 9]);
    past.run(&format!("hold {id} --reason audit"));
    assert_snapshot!(past.harmless(&format!("delete {id} --yes")), @"
    exit 10
    --- stderr
    error: cannot delete notes/[ID1]: it is held: audit
    hint: if it must go: `snapkeep delete notes/[ID1] --yes --force`
    ");
    let prefix = &id[..id.len() - 1];
    assert_eq!(past.harmless(&format!("delete {prefix} --yes --force")).code, Some(10));
    assert_eq!(past.run(&format!("delete {id} --yes --force")).code, Some(0));
    assert_eq!(past.left(), [new]);
    assert_eq!(fs::read_dir(past.state("notes").join("holds")).unwrap().count(), 0, "its mark is forgotten");
}

#[test]
fn a_hold_that_has_run_out_holds_nothing() {
    let (past, [new, id, other]) = Past::of("keep_last = 1", [1, 9, 10]);
    for id in [&id, &other] {
        past.run(&format!("hold {id} --reason short --until 1s"));
    }
    until("the hold has run out", || {
        let ran = past.run("-o json prune plan");
        (texts(&document(&ran), "verdict") == ["keep", "remove", "remove"]).then_some(())
    });
    assert_eq!(hold_of(&past, &id), Value::Null);
    assert_eq!(past.run(&format!("delete {id} --yes")).code, Some(0));
    assert_eq!(past.run("-q prune apply --yes").code, Some(0));
    assert_eq!(past.left(), [new]);
    assert_eq!(fs::read_dir(past.state("notes").join("holds")).unwrap().count(), 0, "the marks are forgotten");
}

#[test]
fn a_hold_that_ends_while_a_plan_waits_changes_nothing_for_it() {
    let (past, ids) = Past::of("keep_last = 1", [1, 9, 10]);
    past.run(&format!("hold {} --reason r", ids[1]));
    past.plan_file();
    past.run(&format!("release {}", ids[1]));
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0));
    assert_eq!(past.left(), sorted(&ids[..2]));
}

#[test]
fn a_hold_since_the_plan_stops_it() {
    let (past, ids) = Past::of("keep_last = 1", [1, 9, 10]);
    past.plan_file();
    past.run(&format!("hold {} --reason audit", ids[1]));
    assert_snapshot!(past.harmless("prune apply --plan plan.json"), @"
    exit 10
    --- stderr
    error: the world has moved since the plan was made: notes/[ID2] is held: audit; nothing was deleted
    hint: make a new plan: `snapkeep prune plan`
    ");
    assert_eq!(past.run("-q prune apply --yes").code, Some(0));
    assert_eq!(past.left(), sorted(&ids[..2]));
}

#[test]
fn what_is_owned_already_is_adopted() {
    let (past, [id]) = Past::of("keep_last = 1", [1]);
    assert_snapshot!(past.run(&format!("adopt {id}")), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  AGE  SIZE  STATE  ORIGIN  ENGINE  LOCATION  VERIFIED  HOLD
    notes/[ID1]  [TIME]  1d  [SIZE]  available  owned  sqlite [SQLITE]  local  -  -
    --- stderr
    notes/[ID1] is owned already
    ");
}

#[test]
fn a_hold_survives_the_move_of_its_store() {
    let (past, [_, old]) = Past::of("keep_last = 1", [1, 9]);
    past.run(&format!("-q hold {old} --reason audit"));
    std::fs::rename(past.path("snapshots"), past.path("moved")).unwrap();
    let config = std::fs::read_to_string(past.path("snapkeep.toml")).unwrap();
    std::fs::write(past.path("snapkeep.toml"), config.replace("\"snapshots\"", "\"moved\"")).unwrap();
    let ran = past.run("prune apply --yes");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(past.path("moved").join(&old).join("manifest.json").exists(), "{ran}");
}

#[test]
fn a_forced_deletion_that_fails_leaves_the_hold() {
    let (past, [_, id]) = Past::of("keep_last = 1", [1, 9]);
    past.run_words(&["hold", &id, "--reason", "audit"]);
    let Some(fixed) = Fixed::new(&past.stored(&id, "")) else { return };
    let ran = past.harmless(&format!("delete {id} --yes --force"));
    assert_eq!(ran.code, Some(5), "{ran}");
    drop(fixed);
    assert_eq!(hold_of(&past, &id), json!({ "reason": "audit", "until": null }));
    assert_eq!(past.run(&format!("delete {id} --yes")).code, Some(10));
}
