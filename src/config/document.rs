//! The config file as serde reads it: the one source of its keys.
//!
//! The doc comments are user text: `snapkeep config schema` and the hints for missing keys come from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use snapkeep_providers::model::{Tags, TargetName};
use snapkeep_providers::settings::{ProviderSettings, StoreSettings, Verify};

use super::{Hooks, Notification, Retention, Schedule, Serve, State};

/// The config of snapkeep: which databases, where their dumps go, and how long they are kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "snapkeep config")]
pub(super) struct Document {
    /// The version of this format; 1 is the only one.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked before it is read")]
    version: u32,
    /// Keys for every target whose provider knows them and that doesn't set them; tags are merged one by one.
    #[serde(default)]
    #[schemars(with = "Option<Defaults>")]
    #[expect(dead_code, reason = "put into the targets before they are read")]
    defaults: serde::de::IgnoredAny,
    /// The databases, by the name that every command uses.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, TargetTable>", extend("propertyNames" = names()))]
    pub(super) targets: BTreeMap<TargetName, TargetTable>,
    /// The places for dumps, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = names()))]
    pub(super) stores: BTreeMap<String, StoreSettings>,
    /// Where snapkeep keeps holds, verification results, unfinished operations and locks.
    #[serde(default)]
    pub(super) state: State,
    /// How snapshots are verified.
    #[serde(default)]
    pub(super) verify: Verify,
    /// What runs around the making of snapshots.
    #[serde(default)]
    pub(super) hooks: Hooks,
    /// Who is told of what happens, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = names()))]
    pub(super) notifications: BTreeMap<String, Notification>,
    /// How long snapshots are kept, by the policy's name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = names()))]
    pub(super) retention: BTreeMap<String, Retention>,
    /// What `snapkeep run` and `snapkeep serve` do, by the schedule's name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = names()))]
    pub(super) schedules: BTreeMap<String, Schedule>,
    /// How `snapkeep serve` works.
    #[serde(default)]
    pub(super) serve: Serve,
}

/// What the names of tables must look like.
fn names() -> serde_json::Value {
    serde_json::json!({ "format": "name" })
}

/// Stands for `[defaults]` until its keys are taken from the targets'.
#[derive(JsonSchema)]
struct Defaults {}

/// A database.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TargetTable {
    /// Which database, and through what.
    #[serde(flatten)]
    pub(super) settings: ProviderSettings,
    /// Where its dumps go: the name of a store, or a list of names.
    #[serde(default)]
    pub(super) store: StoreNames,
    /// How long its snapshots are kept: the name of a policy; without one, they are never pruned.
    #[schemars(extend("format" = "retention"))]
    pub(super) retention: Option<String>,
    /// Labels that its snapshots get.
    #[serde(default)]
    pub(super) tags: Tags,
    /// How its snapshots are verified, where that is not as `[verify]` says.
    #[serde(default)]
    pub(super) verify: Verify,
    /// What runs around the making of its snapshots, where that is not as `[hooks]` says.
    #[serde(default)]
    pub(super) hooks: Hooks,
}

/// A store's name, or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum StoreNames {
    /// One store.
    One(#[schemars(extend("format" = "store"))] String),
    /// Several stores.
    Several(#[schemars(length(min = 1), extend("items" = { "type": "string", "format": "store" }))] Vec<String>),
}

impl Default for StoreNames {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl From<StoreNames> for Vec<String> {
    fn from(names: StoreNames) -> Self {
        match names {
            StoreNames::One(name) => vec![name],
            StoreNames::Several(names) => names,
        }
    }
}
