//! What holds for every plan, whatever the list and the policy.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{NONE, hold, now, plan_by, removed, seen};
use super::*;

/// Snapshots of every sort, many of the same hour; few are in the future, so that most plans are not refused for that.
fn snapshots() -> impl Strategy<Value = Vec<Seen>> {
    use SnapshotState::{Available, Deleting, Failed, Pending, Unknown};
    let origin = select(vec![Origin::Owned, Origin::Owned, Origin::Owned, Origin::Manual, Origin::Automated]);
    let state = select(vec![Available, Available, Available, Available, Available, Failed, Pending, Deleting, Unknown]);
    let hours = prop_oneof![20 => 0..100_i64, 20 => 0..9000_i64, 1 => -1..0_i64];
    let created = proptest::option::weighted(0.97, hours);
    let verified = select(vec![None, None, None, Some(true), Some(false)]);
    let marks = (select(vec![false, false, false, true]), select(vec![false, false, false, false, true]));
    let one = (origin, state, created, verified, marks, 0..3_u32).prop_map(
        |(origin, state, hours, verified, (held, locked), group)| Seen {
            created_at: hours.map(|hours| now() - TimeDelta::hours(hours)),
            origin,
            state,
            verified,
            hold: held.then(|| hold(None)).flatten(),
            locked_until: locked.then(|| now() + TimeDelta::hours(1)),
            group,
            ..seen("", 0)
        },
    );
    let name = |(nth, seen): (usize, Seen)| Seen { native: format!("{nth:02}").into(), ..seen };
    vec(one, 0..60).prop_map(move |all| all.into_iter().enumerate().map(name).collect())
}

fn policies() -> impl Strategy<Value = Retention> {
    let counts = ("(keep_last|keep_daily|keep_weekly|keep_monthly|keep_yearly) = [1-9]", "(keep_hourly = [0-9])?");
    let floors = ("(min_keep = [0-9])?", "(max_age = '[1-9]0h')?", "(keep_within = '[1-9]d')?");
    let caps = ("(max_deletes = [1-9][0-9])?", "(max_delete_percent = [1-9]0)?");
    (counts, floors, caps)
        .prop_map(|((a, b), (c, d, e), (f, g))| toml::from_str(&[a, b, c, d, e, f, g].join("\n")).unwrap())
}

fn good<'s>(seen: impl Iterator<Item = &'s Seen>, group: u32) -> Vec<&'s Seen> {
    let is_one = |seen: &&Seen| seen.origin == Origin::Owned && seen.is_good() && seen.created_at.is_some();
    seen.filter(is_one).filter(|seen| seen.group == group).collect()
}

fn left(plan: &TargetPlan) -> Vec<Seen> {
    plan.rows.iter().filter(|row| row.verdict != Verdict::Remove).map(|row| row.seen.clone()).collect()
}

fn newest<'s>(seen: impl IntoIterator<Item = &'s Seen>) -> Option<DateTime<Utc>> {
    seen.into_iter().filter_map(|seen| seen.created_at).max()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn no_location_falls_below_its_floor(policy in policies(), before in snapshots()) {
        let after = left(&plan_by(&policy, before.clone()));
        for group in 0..3 {
            let (before, after) = (good(before.iter(), group), good(after.iter(), group));
            prop_assert!(after.len() >= before.len().min(policy.min_keep.max(1) as usize));
            prop_assert_eq!(newest(before.iter().copied()), newest(after.iter().copied()));
            let verified = |seen: &[&Seen]| newest(seen.iter().copied().filter(|seen| seen.verified == Some(true)));
            prop_assert_eq!(verified(&before), verified(&after));
        }
    }

    #[test]
    fn only_what_may_go_is_removed(policy in policies(), before in snapshots()) {
        let plan = plan_by(&policy, before.clone());
        prop_assert_eq!(plan.rows.len(), before.len());
        for row in &plan.rows {
            let seen = &row.seen;
            prop_assert!(!row.reasons.is_empty());
            let may_go = match seen.state {
                SnapshotState::Available => seen.created_at.is_some(),
                SnapshotState::Failed => seen.created_at.is_some_and(|created| now() - created > GRACE),
                _ => false,
            };
            let may_go = may_go && seen.origin == Origin::Owned && seen.hold.is_none() && seen.locked_until.is_none();
            prop_assert!(row.verdict != Verdict::Remove || may_go && plan.refusals.is_empty());
        }
        let mine = plan.rows.iter().filter(|row| row.seen.origin == Origin::Owned && row.seen.state == SnapshotState::Available);
        let (of, planned) = (mine.clone().count(), mine.filter(|row| row.verdict == Verdict::Remove).count());
        prop_assert!(policy.max_deletes.is_none_or(|limit| planned <= limit as usize));
        prop_assert!(policy.max_delete_percent.is_none_or(|limit| planned * 100 <= of * usize::from(limit)));
    }

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(policy in policies(), before in snapshots()) {
        let after = plan_by(&policy, left(&plan_by(&policy, before)));
        prop_assert_eq!(removed(&after), NONE);
    }

    #[test]
    fn the_order_of_the_list_is_of_no_account(policy in policies(), mut before in snapshots()) {
        let plan = plan_by(&policy, before.clone());
        before.reverse();
        prop_assert_eq!(plan, plan_by(&policy, before));
    }
}
