//! `prune plan`

use std::fs;

use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::Value;

use super::{Past, document, texts};

const TWO: &str = "keep_last = 2\nkeep_within = \"3d\"";

#[test]
fn a_plan_shows_what_goes_and_what_stays_and_why() {
    let (past, [_, _, held, ..]) = Past::of(TWO, [1, 2, 9, 10, 12]);
    past.run_words(&["-q", "hold", &held, "--reason", "audit 7", "--until", "2099-01-01"]);
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 0
    --- stdout
    ID  CREATED (UTC)  SIZE  VERDICT  REASONS
    notes/[ID2]  [TIME]  [SIZE]  keep  last 1 of 2; within 3d; newest good
    notes/[ID3]  [TIME]  [SIZE]  keep  last 2 of 2; within 3d
    notes/[ID1]  [TIME]  [SIZE]  refused  in no slot of keep_last, keep_within; held until 2099-01-01 00:00: audit 7
    notes/[ID4]  [TIME]  [SIZE]  remove  in no slot of keep_last, keep_within
    notes/[ID5]  [TIME]  [SIZE]  remove  in no slot of keep_last, keep_within
    --- stderr
    notes: keep 2, remove 2 ([SIZE]), refused 1
    ");
}

#[test]
fn a_plan_in_json_has_what_a_script_needs() {
    let (past, _) = Past::of(TWO, [1, 9, 10]);
    let ran = past.harmless("prune plan -o json");
    let plan = document(&ran);
    assert_eq!((ran.code, &plan["kind"]), (Some(0), &"PrunePlan".into()), "{ran}");
    assert_eq!(plan["errors"], Value::Array(Vec::new()));
    assert_eq!(texts(&plan, "verdict"), ["keep", "keep", "remove"]);
    assert!(plan["digest"].as_str().unwrap().len() >= 32);
    for key in ["id", "target", "created_at", "size_bytes", "verdict", "reasons"] {
        assert!(plan["items"][0].get(key).is_some(), "{key}: {ran}");
    }
    assert_eq!(plan["targets"][0]["remove_bytes"], plan["items"][2]["size_bytes"]);
    let reasons: Vec<&Value> = plan["items"].as_array().unwrap().iter().map(|item| &item["reasons"]).collect();
    assert_eq!(
        reasons,
        [
            &serde_json::json!(["last 1 of 2", "within 3d", "newest good"]),
            &serde_json::json!(["last 2 of 2"]),
            &serde_json::json!(["in no slot of keep_last, keep_within"]),
        ]
    );
}

#[test]
fn the_other_formats_have_the_same_rows() {
    let (past, ids) = Past::of(TWO, [1, 9, 10]);
    assert_eq!(past.run("-q -o name prune plan").out.trim_end(), ids[2], "names are of what would go");
    assert_snapshot!(past.run("-q -o csv prune plan"), @r#"
    exit 0
    --- stdout
    id,target,created_at,size_bytes,verdict,reasons
    notes/[ID2],notes,[TIME],39,keep,"[""last 1 of 2"",""within 3d"",""newest good""]"
    notes/[ID3],notes,[TIME],39,keep,"[""last 2 of 2""]"
    notes/[ID1],notes,[TIME],39,remove,"[""in no slot of keep_last, keep_within""]"
    "#);
    assert_eq!(past.run("-q -o jsonl prune plan").out.lines().count(), 3);
}

#[test]
fn exit_code_tells_a_plan_that_deletes_from_one_that_does_not() {
    let (past, _) = Past::of(TWO, [1, 9, 10]);
    assert_eq!(past.harmless("prune plan").code, Some(0));
    assert_eq!(past.harmless("prune plan --exit-code").code, Some(20));
    assert_eq!(past.harmless("prune plan --exit-code -o json").code, Some(20));
    past.run("prune apply --yes");
    assert_eq!(past.harmless("prune plan --exit-code").code, Some(0));
}

#[test]
fn a_refused_plan_deletes_nothing_so_exit_code_is_0() {
    let (past, _) = Past::of("keep_last = 1\nmax_deletes = 1", [1, 9, 10]);
    let ran = past.harmless("prune plan --exit-code");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(past.harmless("prune plan --exit-code --max-deletes 2").code, Some(20));
}

#[test]
fn a_plan_file_is_what_json_prints() {
    let (past, _) = Past::of(TWO, [1, 9, 10]);
    let ran = past.harmless("prune plan --out plan.json -o json");
    let (mut file, mut printed) = (fs::read_to_string(past.path("plan.json")).unwrap(), ran.out.clone());
    file.retain(|c| !c.is_whitespace());
    printed.retain(|c| !c.is_whitespace());
    assert_eq!(file, printed);
    assert_eq!(ran.err, "");
}

#[test]
fn a_plan_file_that_can_not_be_written_is_a_failure() {
    let (past, _) = Past::of(TWO, [1, 9, 10]);
    assert_snapshot!(past.harmless("-q -o name prune plan --out gone/plan.json"), @"
    exit 1
    --- stdout
    notes/[ID1]
    --- stderr
    error: cannot write the plan to gone/plan.json: No such file or directory (os error 2)
    ");
}

#[test]
fn targets_can_be_named() {
    let past = Past::with(&["notes", "tasks"], TWO);
    let [.., old] = past.days("notes", [1, 2, 9]);
    past.days("tasks", [1, 2, 9]);
    past.run("-q prune apply notes --yes");
    assert!(!past.left().contains(&old));
    assert_eq!(past.left().len(), 5);
    assert_eq!(texts(&document(&past.run("-o json prune plan tasks")), "target"), ["tasks"; 3]);
}

#[test]
fn an_unknown_target_is_a_usage_error_with_the_nearest_name() {
    let (past, _) = Past::of(TWO, [1, 9, 10]);
    assert_snapshot!(past.harmless("prune plan nots"), @r#"
    exit 2
    --- stderr
    error: there is no target "nots" in snapkeep.toml
    hint: did you mean "notes"?
    "#);
    assert_eq!(past.harmless("prune apply nots --yes").code, Some(2));
}

#[test]
fn a_target_without_a_policy_is_left_out_unless_it_is_named() {
    let (past, _) = Past::of(TWO, [1, 2, 9]);
    past.append("\n[targets.bare]\nprovider = \"sqlite\"\npath = \"notes.db\"\nstore = \"local\"\n");
    past.days("bare", [1, 2, 9]);
    let ran = past.harmless("prune plan -o json");
    assert_eq!((ran.code, texts(&document(&ran), "target")), (Some(0), vec!["notes".to_owned(); 3]));
    assert_snapshot!(past.harmless("prune plan bare"), @"
    exit 2
    --- stderr
    error: without a retention policy nothing can be pruned: bare
    hint: set `retention` of the target, or in [defaults]
    ");
    assert_eq!(past.harmless("prune apply bare notes --yes").code, Some(2));
}

#[test]
fn with_no_policy_at_all_there_is_nothing_to_plan() {
    let (past, _) = Past::of(TWO, [1]);
    past.edit("retention = \"standard\"\n", "");
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 2
    --- stderr
    error: without a retention policy nothing can be pruned: notes
    hint: set `retention` of the target, or in [defaults]
    ");
}

#[test]
fn with_no_snapshot_there_is_nothing_to_do() {
    let (past, []) = Past::of(TWO, []);
    assert_snapshot!(past.harmless("prune plan"), @"
    exit 0
    --- stderr
    notes: keep 0, remove 0 ([SIZE]), refused 0
    ");
    assert_eq!(past.harmless("prune plan --exit-code").code, Some(0));
    assert_snapshot!(past.harmless("prune apply --yes"), @"
    exit 0
    --- stderr
    notes: nothing to delete
    ");
}

#[test]
fn a_snapshot_of_this_moment_is_not_in_the_future() {
    let (past, _) = Past::of("keep_last = 1", [5]);
    for _ in 0..5 {
        past.plant("notes", TimeDelta::zero());
        let ran = past.run("-q prune apply --yes");
        assert_eq!(ran.code, Some(0), "{ran}");
    }
    assert_eq!(past.left().len(), 1);
}
