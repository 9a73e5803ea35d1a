//! Plan files that are not what `prune plan` wrote, or not for this config: nothing is deleted.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::Past;
use crate::cli::Ran;

fn past() -> Past {
    let past = Past::with(&["notes", "tasks"], "keep_last = 1");
    past.days("notes", [1, 8, 9]);
    past.days("tasks", [1, 9]);
    past.plan_file();
    past
}

/// Applies a plan that was edited.
fn edited(edit: impl FnOnce(&mut Value)) -> Ran {
    let past = past();
    let path = past.path("plan.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut plan);
    fs::write(path, plan.to_string()).unwrap();
    past.harmless("prune apply --plan plan.json")
}

/// Applies the plan under a config that was edited.
fn under(from: &str, to: &str) -> Ran {
    let past = past();
    past.edit(from, to);
    past.harmless("prune apply --plan plan.json")
}

/// Applies a file that is no plan.
fn file(text: &str) -> Ran {
    let past = past();
    fs::write(past.path("plan.json"), text).unwrap();
    past.harmless("prune apply --plan plan.json")
}

#[test]
fn a_plan_that_is_written_anew_is_the_same_plan() {
    let past = past();
    let path = past.path("plan.json");
    let plan: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(path, plan.to_string()).unwrap();
    assert_eq!(past.run("-q prune apply --plan plan.json").code, Some(0));
    assert_eq!(past.left().len(), 2);
}

#[test]
fn a_flipped_verdict() {
    assert_snapshot!(edited(|plan| plan["items"][0]["verdict"] = "remove".into()), @"
    exit 10
    --- stderr
    error: plan.json: it was changed after it was made: its digest does not fit; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    ");
}

#[test]
fn any_edit_of_what_apply_believes() {
    let edits: [fn(&mut Value); 16] = [
        |plan| plan["items"][1]["verdict"] = "keep".into(),
        |plan| plan["items"][1]["verdict"] = "refused".into(),
        |plan| drop(plan["items"].as_array_mut().unwrap().remove(0)),
        |plan| drop(plan["items"].as_array_mut().unwrap().remove(2)),
        |plan| plan["items"].as_array_mut().unwrap().swap(0, 1),
        |plan| plan["items"][1]["id"] = plan["items"][0]["id"].clone(),
        |plan| plan["items"][1]["target"] = "tasks".into(),
        |plan| plan["items"][1]["fingerprint"] = plan["items"][0]["fingerprint"].clone(),
        |plan| plan["items"][0]["good"] = false.into(),
        |plan| plan["items"][0]["created_at"] = Value::Null,
        |plan| plan["items"][0]["reasons"] = json!(["trust me"]),
        |plan| plan["targets"][0]["config"] = "".into(),
        |plan| plan["targets"][0]["refused"] = json!([{ "reason": "r", "hint": "h" }]),
        |plan| drop(plan["targets"].as_array_mut().unwrap().remove(0)),
        |plan| plan["made_at"] = "2026-01-01T00:00:00Z".into(),
        |plan| plan["digest"] = "0".repeat(64).into(),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let ran = edited(edit);
        assert_eq!(ran.code, Some(10), "{number}: {ran}");
        assert!(ran.err.contains("it was changed after it was made"), "{number}: {ran}");
    }
}

#[test]
fn a_plan_without_what_a_plan_has() {
    let remove = |key: &str| edited(|plan| drop(plan.as_object_mut().unwrap().remove(key)));
    let ran = remove("digest");
    assert!(ran.code == Some(2) && ran.err.starts_with("error: plan.json is no plan: missing field `digest`"), "{ran}");
    for key in ["items", "targets", "made_at", "schema", "kind"] {
        assert_eq!(remove(key).code, Some(2), "{key}");
    }
    assert_eq!(remove("made_by").code, Some(10));
    let without_id = edited(|plan| drop(plan["items"][0].as_object_mut().unwrap().remove("id")));
    assert_eq!(without_id.code, Some(2));
    let unknown_verdict = edited(|plan| plan["items"][0]["verdict"] = "destroy".into());
    assert_eq!(unknown_verdict.code, Some(2));
}

#[test]
fn a_plan_of_another_version() {
    assert_snapshot!(edited(|plan| plan["made_by"] = "0.0.9".into()), @r#"
    exit 10
    --- stderr
    error: plan.json: it was made by version "0.0.9", and this is 0.1.0; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    "#);
    assert_eq!(edited(|plan| plan["schema"] = "snapkeep/v2".into()).code, Some(2));
}

#[test]
fn a_plan_of_another_policy() {
    assert_snapshot!(under("keep_last = 1", "keep_last = 2"), @"
    exit 10
    --- stderr
    error: plan.json is a plan of another config: it has other settings or another policy for notes; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    ");
    assert_eq!(under("keep_last = 1", "keep_last = 1\nmin_keep = 2").code, Some(10));
    assert_eq!(under("keep_last = 1", "keep_last = 1\ntimezone = \"Asia/Tokyo\"").code, Some(10));
}

#[test]
fn a_plan_of_another_store_or_target() {
    assert_snapshot!(under("path = \"snapshots\"", "path = \"elsewhere\""), @"
    exit 10
    --- stderr
    error: plan.json is a plan of another config: it has other settings or another policy for notes; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    ");
    assert_snapshot!(under("[targets.tasks]", "[targets.todos]"), @"
    exit 10
    --- stderr
    error: plan.json is a plan of another config: this one has no target tasks; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    ");
    assert_snapshot!(under("retention = \"standard\"", ""), @"
    exit 10
    --- stderr
    error: plan.json is a plan of another config: it has other settings or another policy for notes; nothing was deleted
    hint: make a new plan: `snapkeep prune plan --out FILE`
    ");
}

#[test]
fn what_is_no_plan() {
    assert_snapshot!(file(""), @"
    exit 2
    --- stderr
    error: plan.json is no plan: EOF while parsing a value at line 1 column 0
    hint: make one: `snapkeep prune plan --out FILE`
    ");
    assert_snapshot!(file("keep everything"), @"
    exit 2
    --- stderr
    error: plan.json is no plan: expected value at line 1 column 1
    hint: make one: `snapkeep prune plan --out FILE`
    ");
    assert_snapshot!(file("{\"schema\":\"snapkeep/v1\",\"kind\":\"SnapshotList\",\"items\":[],\"errors\":[]}"), @r#"
    exit 2
    --- stderr
    error: plan.json is no plan: its schema is "snapkeep/v1" and its kind "SnapshotList"
    hint: make one: `snapkeep prune plan --out FILE`
    "#);
    for text in ["{}", "[]", "null", "7", "\u{0}", "{\"schema\":\"snapkeep/v1\",\"kind\":\"PrunePlan\"}"] {
        let code = file(text).code;
        assert!(code == Some(2) || code == Some(10), "{text:?}");
    }
}

#[test]
fn a_truncated_plan() {
    let past = past();
    let path = past.path("plan.json");
    let text = fs::read_to_string(&path).unwrap();
    for length in [1, text.len() / 2, text.len() - 3] {
        fs::write(&path, &text[..length]).unwrap();
        assert_eq!(past.harmless("prune apply --plan plan.json").code, Some(2));
    }
}

#[test]
fn a_plan_that_is_not_there_a_folder_or_no_text() {
    let past = past();
    assert_snapshot!(past.harmless("prune apply --plan gone.json"), @"
    exit 2
    --- stderr
    error: cannot read the plan gone.json: No such file or directory (os error 2)
    ");
    assert_snapshot!(past.harmless("prune apply --plan snapshots"), @"
    exit 2
    --- stderr
    error: cannot read the plan snapshots: Is a directory (os error 21)
    ");
    fs::write(past.path("plan.json"), b"\xff\xfe").unwrap();
    assert_eq!(past.harmless("prune apply --plan plan.json").code, Some(2));
    let ran = past.harmless("-o json prune apply --plan gone.json");
    assert_eq!(ran.error_codes(), ["plan"]);
}

#[test]
fn a_plan_of_the_same_config_in_another_folder() {
    let (here, there) = (past(), past());
    fs::copy(there.path("plan.json"), here.path("plan.json")).unwrap();
    assert_eq!(here.harmless("prune apply --plan plan.json").code, Some(10));
}
