//! What the config says beside targets and stores: retention, schedules and state, typed and with defaults.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use snapkeep_providers::model::TargetName;

use super::{Cron, Elapsed, Target, Within};

/// How long snapshots are kept. The `keep_` rules are ORed, and one of them at least is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = keep_rules()))]
pub struct Retention {
    /// The time zone whose hours, days, weeks, months and years count; UTC unless set.
    #[serde(default = "utc")]
    #[schemars(extend("format" = "time-zone"))]
    pub timezone: String,
    /// How many of the newest to keep.
    #[serde(default)]
    pub keep_last: u32,
    /// For how many hours to keep the newest of each.
    #[serde(default)]
    pub keep_hourly: u32,
    /// For how many days to keep the newest of each.
    #[serde(default)]
    pub keep_daily: u32,
    /// For how many ISO weeks to keep the newest of each.
    #[serde(default)]
    pub keep_weekly: u32,
    /// For how many months to keep the newest of each.
    #[serde(default)]
    pub keep_monthly: u32,
    /// For how many years to keep the newest of each.
    #[serde(default)]
    pub keep_yearly: u32,
    /// Keep everything this far back from the newest good snapshot: h, d, w, m (months), y and sums such as 1y6m.
    pub keep_within: Option<Within>,
    /// Never leave fewer good snapshots than this.
    #[serde(default = "one")]
    pub min_keep: u32,
    /// Prune nothing while the newest good snapshot is older than this: s, m (minutes), h, d, w and sums.
    pub max_age: Option<Elapsed>,
    /// Refuse a plan that deletes more than this, per target and run.
    pub max_deletes: Option<u32>,
    /// Refuse a plan that deletes more than this part of a target's snapshots.
    #[schemars(range(min = 1, max = 100))]
    pub max_delete_percent: Option<u8>,
}

/// An empty policy is an error.
fn keep_rules() -> serde_json::Value {
    let counts = ["keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"];
    let counts = counts.map(|rule| json!({ "required": [rule], "properties": { rule: { "minimum": 1 } } }));
    counts.into_iter().chain([json!({ "required": ["keep_within"] })]).collect()
}

fn utc() -> String {
    "UTC".to_owned()
}

fn one() -> u32 {
    1
}

/// What to do, to which targets, and when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// When: minute, hour, day of month, month, day of week.
    pub cron: Cron,
    /// The time zone that `cron` is in; UTC unless set.
    #[serde(default)]
    #[schemars(with = "String", extend("format" = "time-zone"))]
    pub timezone: Tz,
    /// Start up to this much later, each target always by the same: s, m (minutes), h, d, w and sums.
    pub jitter: Option<Elapsed>,
    /// What to do about runs that were missed; `run_once` unless set.
    #[serde(default)]
    pub missed: Missed,
    /// Names of targets, `*` for all of them, or tag selectors such as `tag:team=orders`.
    #[schemars(length(min = 1))]
    pub targets: Vec<Selector>,
    /// What to do, in this order.
    #[schemars(length(min = 1))]
    pub actions: Vec<Action>,
}

impl Schedule {
    /// Whether it is about a target.
    pub fn selects(&self, target: &Target) -> bool {
        self.targets.iter().any(|selector| selector.selects(target))
    }
}

/// What to do about runs that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Run once, however many were missed.
    #[default]
    RunOnce,
    /// Wait for the next one.
    Skip,
}

/// What a schedule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create a snapshot.
    Create,
    /// Prune by the target's retention policy.
    Prune,
    /// Verify the newest snapshot.
    Verify,
    /// Copy the newest snapshot to where the target says.
    Copy,
}

impl Action {
    /// As it is written in the config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Prune => "prune",
            Self::Verify => "verify",
            Self::Copy => "copy",
        }
    }
}

/// Which targets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", inline, extend("format" = "target"))]
pub enum Selector {
    /// `*`: all of them.
    All,
    /// The one of this name.
    Name(TargetName),
    /// `tag:key=value`, or `key=value`: those with this tag.
    Tag {
        /// The tag.
        key: String,
        /// Its value.
        value: String,
    },
}

impl Selector {
    /// Whether it means this target.
    pub fn selects(&self, target: &Target) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => *name == target.name,
            Self::Tag { key, value } => target.tags.get(key) == Some(value),
        }
    }
}

/// Why a selector was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSelector;

impl fmt::Display for InvalidSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use a target's name, \"*\" for all of them, or a tag such as \"tag:team=orders\"")
    }
}

impl std::error::Error for InvalidSelector {}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        if text == "*" {
            return Ok(Self::All);
        }
        match text.strip_prefix("tag:").unwrap_or(text).split_once('=') {
            Some(("", _)) => Err(InvalidSelector),
            Some((key, value)) => Ok(Self::Tag { key: key.to_owned(), value: value.to_owned() }),
            None => text.parse().map(Self::Name).map_err(|_| InvalidSelector),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = InvalidSelector;

    fn try_from(text: String) -> Result<Self, InvalidSelector> {
        text.parse()
    }
}

/// Where snapkeep keeps what it must remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The name of a store of any type; a local folder, `$XDG_STATE_HOME/snapkeep`, unless set.
    #[schemars(extend("format" = "store"))]
    pub store: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_a_star_a_name_or_a_tag() {
        let tag = |key: &str, value: &str| Selector::Tag { key: key.to_owned(), value: value.to_owned() };
        assert_eq!("*".parse(), Ok(Selector::All));
        assert_eq!("orders".parse(), Ok(Selector::Name("orders".parse().unwrap())));
        assert_eq!("tag:team=orders".parse(), Ok(tag("team", "orders")));
        assert_eq!("team=a=b".parse(), Ok(tag("team", "a=b")));
        assert_eq!("tag:team=".parse(), Ok(tag("team", "")));
        for text in ["", "tag:=x", "=x", "tag:team", "two words", "../x"] {
            assert_eq!(text.parse::<Selector>(), Err(InvalidSelector), "{text}");
        }
    }
}
