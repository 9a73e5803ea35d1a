//! Policies that make no sense: an error that points at the place, and nothing is deleted.

use insta::assert_snapshot;

use super::Past;

/// The errors of every verb that prunes, under a policy that is wrong.
fn wrong(policy: &str) -> String {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.plan_file();
    past.edit("keep_last = 1", policy);
    let shown = past.harmless("prune apply --yes").to_string();
    for line in ["prune plan", "prune apply --plan plan.json", "config check"] {
        assert_eq!(past.harmless(line).to_string(), shown, "{line}");
    }
    let ran = past.harmless("-o json prune apply --yes");
    assert_eq!(ran.error_codes(), vec!["config"; ran.error_codes().len()], "{ran}");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
    shown
}

#[test]
fn a_policy_with_nothing_in_it() {
    assert_snapshot!(wrong(""), @"
    exit 2
    --- stderr
    error: snapkeep.toml:13:12: retention.standard is empty: set keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly or keep_within
    ");
    assert_snapshot!(wrong("keep_last = 0\nkeep_daily = 0\nmin_keep = 5"), @"
    exit 2
    --- stderr
    error: snapkeep.toml:13:12: retention.standard is empty: set keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly or keep_within
    ");
}

#[test]
fn negative_counts() {
    assert_snapshot!(wrong("keep_last = -1\nkeep_daily = -7\nmax_deletes = -1\nmin_keep = -2"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:13: "keep_last" in retention.standard must be 0 or more, not -1
    error: snapkeep.toml:15:14: "keep_daily" in retention.standard must be 0 or more, not -7
    error: snapkeep.toml:16:15: "max_deletes" in retention.standard must be 0 or more, not -1
    error: snapkeep.toml:17:12: "min_keep" in retention.standard must be 0 or more, not -2
    "#);
}

#[test]
fn counts_that_are_no_numbers_or_too_large() {
    assert_snapshot!(wrong("keep_last = \"3\"\nkeep_daily = 1.5\nkeep_weekly = 99999999999"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:13: "keep_last" in retention.standard must be an integer, not a string
    error: snapkeep.toml:15:14: "keep_daily" in retention.standard must be an integer, not a number with a fraction
    error: snapkeep.toml:16:15: "keep_weekly" in retention.standard must be 4294967295 or less, not 99999999999
    "#);
}

#[test]
fn an_unknown_time_zone() {
    assert_snapshot!(wrong("keep_last = 1\ntimezone = \"Europe/Berln\""), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:15:12: "timezone" in retention.standard can't be "Europe/Berln": use an IANA name such as UTC or Europe/Berlin
    hint: did you mean "Europe/Berlin"?
    "#);
}

#[test]
fn a_span_that_can_not_be_parsed() {
    assert_snapshot!(wrong("keep_within = \"14 days\"\nmax_age = \"1y\""), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:15: "keep_within" in retention.standard can't be "14 days": write numbers with h, d, w, m (months) or y, such as 14d or 1y6m
    error: snapkeep.toml:15:11: "max_age" in retention.standard can't be "1y": write numbers with s, m (minutes), h, d or w, such as 36h
    "#);
    assert_snapshot!(wrong("keep_within = \"-1d\""), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:15: "keep_within" in retention.standard can't be "-1d": write numbers with h, d, w, m (months) or y, such as 14d or 1y6m
    "#);
    assert_snapshot!(wrong("keep_within = \"0d\""), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:15: "keep_within" in retention.standard can't be "0d": it must be longer than nothing
    "#);
    assert_snapshot!(wrong("keep_within = \"99999999999d\""), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:14:15: "keep_within" in retention.standard can't be "99999999999d": it is too long
    "#);
}

#[test]
fn a_percentage_beyond_100() {
    assert_snapshot!(wrong("keep_last = 1\nmax_delete_percent = 101"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:15:22: "max_delete_percent" in retention.standard must be 1 to 100, not 101
    "#);
}

#[test]
fn a_rule_that_does_not_exist() {
    assert_snapshot!(wrong("keep_last = 1\nkeep_dayly = 7"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:15:1: unknown key "keep_dayly" in retention.standard
    hint: did you mean "keep_daily"?
    "#);
}

#[test]
fn a_policy_that_does_not_exist() {
    let (past, _) = Past::of("keep_last = 1", [1, 9]);
    past.edit("retention = \"standard\"", "retention = \"standrd\"");
    assert_snapshot!(past.harmless("prune apply --yes"), @r#"
    exit 2
    --- stderr
    error: snapkeep.toml:7:13: "retention" in targets.notes: there is no retention policy "standrd"
    hint: did you mean "standard"?
    "#);
}

#[test]
fn spans_beyond_the_calendar_keep_everything() {
    for policy in
        ["keep_within = \"4000000000y\"", "keep_within = \"300000y4000000000m4000000000w\"", "keep_yearly = 4294967295"]
    {
        let (past, _) = Past::of(policy, [1, 9]);
        let ran = past.harmless("prune apply --yes");
        assert_eq!(ran.code, Some(0), "{policy}: {ran}");
    }
}
