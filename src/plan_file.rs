//! A plan as a document: what `prune plan` prints and writes, and what `prune apply --plan` reads back.
//!
//! The digest covers everything that applying believes, so a file that was edited is told from one that was not.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::NativeId;

use crate::apply::Planned;
use crate::failure::{Code, Failure};
use crate::plan::{TargetPlan, Verdict};
use crate::render::{Kind, SCHEMA};
use crate::state::hex;

const MADE_BY: &str = env!("CARGO_PKG_VERSION");

/// The document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    schema: &'static str,
    #[schemars(with = "String")]
    kind: Kind,
    #[serde(flatten)]
    pub(crate) plan: &'a PlanFile,
    /// What went wrong; empty when nothing did.
    pub(crate) errors: &'a [Failure],
}

/// A plan of several targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PlanFile {
    /// The version of snapkeep that made it, and that alone carries it out.
    made_by: String,
    /// When it was made.
    made_at: String,
    /// Of all that applying believes.
    pub(crate) digest: String,
    /// The targets that could be planned.
    pub(crate) targets: Vec<TargetEntry>,
    /// Their snapshots.
    pub(crate) items: Vec<Item>,
}

/// One target of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PlannedTarget")]
pub(crate) struct TargetEntry {
    /// The target.
    pub(crate) target: String,
    /// Names the target's settings and policy: a plan is for these and no others.
    pub(crate) config: String,
    /// Why nothing of it may be deleted.
    pub(crate) refused: Vec<Refused>,
    /// Bytes that would be freed; null where the size of one snapshot is unknown.
    pub(crate) remove_bytes: Option<u64>,
    /// What can't come true, such as a policy that keeps longer than the cloud does.
    pub(crate) warnings: Vec<String>,
}

/// Why nothing of a target may be deleted, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) hint: String,
}

/// One snapshot of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Planned")]
pub(crate) struct Item {
    /// The id of the snapshot.
    pub(crate) id: String,
    /// The target that it is a snapshot of.
    pub(crate) target: String,
    /// The moment that it holds, as near as the provider tells.
    pub(crate) created_at: Option<DateTime<Utc>>,
    /// Bytes that it takes up where it is stored.
    pub(crate) size_bytes: Option<u64>,
    /// What becomes of it.
    pub(crate) verdict: Verdict,
    /// Why; never empty.
    pub(crate) reasons: Vec<String>,
    /// Whether it was good when the plan was made.
    good: bool,
    /// Changes when the snapshot does.
    fingerprint: String,
}

/// What is known of a target when its plan is made.
pub(crate) struct Made<'a> {
    pub(crate) target: &'a str,
    pub(crate) config: String,
    pub(crate) plan: TargetPlan,
    /// The names of the policy's rules, for what is in no slot of them.
    pub(crate) rules: String,
    pub(crate) warnings: Vec<String>,
}

impl PlanFile {
    pub(crate) fn new(made: Vec<Made<'_>>, now: DateTime<Utc>) -> Self {
        let (mut targets, mut items) = (Vec::new(), Vec::new());
        for Made { target, config, plan, rules, warnings } in made {
            let before = items.len();
            items.extend(plan.rows.into_iter().map(|row| {
                let reasons = row.reasons.iter().map(|reason| match reason {
                    crate::plan::Reason::NoSlot => format!("in no slot of {rules}"),
                    reason => reason.to_string(),
                });
                Item {
                    id: format!("{target}/{}", row.seen.native),
                    target: target.to_owned(),
                    created_at: row.seen.created_at,
                    size_bytes: row.seen.size_bytes,
                    verdict: row.verdict,
                    reasons: reasons.collect(),
                    good: row.seen.is_good(),
                    fingerprint: hex(&row.seen.fingerprint().to_be_bytes()),
                }
            }));
            let own: &[Item] = &items[before..];
            let going = own.iter().filter(|item| item.verdict == Verdict::Remove);
            targets.push(TargetEntry {
                target: target.to_owned(),
                config,
                refused: plan
                    .refusals
                    .iter()
                    .map(|refusal| Refused { reason: refusal.to_string(), hint: refusal.hint().to_owned() })
                    .collect(),
                remove_bytes: going.map(|item| item.size_bytes).sum(),
                warnings,
            });
        }
        let made_at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut plan = Self { made_by: MADE_BY.into(), made_at, digest: String::new(), targets, items };
        plan.digest = plan.compute_digest();
        plan
    }

    /// Of everything but the digest itself.
    fn compute_digest(&self) -> String {
        let all = (&self.made_by, &self.made_at, &self.targets, &self.items);
        // It can't fail: every key is a text.
        hex(&Sha256::digest(serde_json::to_vec(&all).unwrap_or_default()))
    }

    /// Reads a plan file, and refuses one that was edited or that another version made.
    pub(crate) fn parse(text: &str, path: &str) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
            kind: String,
            #[serde(default)]
            made_by: String,
        }
        let unreadable = |reason: String| {
            Failure { code: Code::Plan, ..Failure::usage(format!("{path} is no plan: {reason}")) }
                .with_hint("make one: `snapkeep prune plan --out FILE`")
        };
        let refused = |reason: String| {
            Failure::new(ErrorKind::Refused, format!("{path}: {reason}; nothing was deleted"))
                .with_hint("make a new plan: `snapkeep prune plan --out FILE`")
        };
        let head: Head = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        if head.schema != SCHEMA || head.kind != Kind::PrunePlan.name() {
            return Err(unreadable(format!("its schema is {:?} and its kind {:?}", head.schema, head.kind)));
        }
        if head.made_by != MADE_BY {
            let by = head.made_by;
            return Err(refused(format!("it was made by version {by:?}, and this is {MADE_BY}")));
        }
        let plan: Self = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        if plan.digest != plan.compute_digest() {
            return Err(refused("it was changed after it was made: its digest does not fit".into()));
        }
        Ok(plan)
    }

    pub(crate) fn document<'a>(&'a self, errors: &'a [Failure]) -> Document<'a> {
        Document { schema: SCHEMA, kind: Kind::PrunePlan, plan: self, errors }
    }

    /// Whether anything would be deleted.
    pub(crate) fn removes(&self) -> bool {
        self.items.iter().any(|item| item.verdict == Verdict::Remove)
    }

    /// The part of one target, newest first; `None` for an entry that no honest plan has.
    pub(crate) fn planned(&self, target: &str) -> Option<Vec<Planned>> {
        let own = self.items.iter().filter(|item| item.target == target);
        own.map(|item| {
            let native = item.id.strip_prefix(target)?.strip_prefix('/')?;
            let fingerprint = u64::from_str_radix(&item.fingerprint, 16).ok()?;
            Some(Planned { native: NativeId::new(native), verdict: item.verdict, good: item.good, fingerprint })
        })
        .collect()
    }
}
