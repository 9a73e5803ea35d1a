//! A plan as a document: what `prune plan` prints and writes, and what `prune apply --plan` reads back.
//!
//! The digest covers everything that applying believes, so a file that was edited is told from one that was not.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::NativeId;

use crate::apply::Planned;
use crate::failure::Failure;
use crate::plan::{TargetPlan, Verdict};
use crate::render::SCHEMA;
use crate::state::hex;

const KIND: &str = "PrunePlan";
const MADE_BY: &str = env!("CARGO_PKG_VERSION");

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    schema: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    pub(crate) plan: &'a PlanFile,
    pub(crate) errors: &'a [Failure],
}

/// A plan of several targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanFile {
    made_by: String,
    made_at: String,
    pub(crate) digest: String,
    pub(crate) targets: Vec<TargetEntry>,
    pub(crate) items: Vec<Item>,
}

/// One target of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetEntry {
    pub(crate) target: String,
    /// Names the target's settings and policy: a plan is for these and no others.
    pub(crate) config: String,
    /// Why nothing of it may be deleted.
    pub(crate) refused: Vec<Refused>,
    /// What would be freed, where all of that is known.
    pub(crate) remove_bytes: Option<u64>,
    /// What can't come true, such as a policy that keeps longer than the cloud does.
    pub(crate) warnings: Vec<String>,
}

/// Why nothing of a target may be deleted, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) hint: String,
}

/// One snapshot of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) verdict: Verdict,
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
            Failure { code: "plan", ..Failure::usage(format!("{path} is no plan: {reason}")) }
                .with_hint("make one: `snapkeep prune plan --out FILE`")
        };
        let refused = |reason: String| {
            Failure::new(ErrorKind::Refused, format!("{path}: {reason}; nothing was deleted"))
                .with_hint("make a new plan: `snapkeep prune plan --out FILE`")
        };
        let head: Head = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        if head.schema != SCHEMA || head.kind != KIND {
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
        Document { schema: SCHEMA, kind: KIND, plan: self, errors }
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
