//! The config file: where it is, what it says, and every problem in it at once, each with its place.
//!
//! The serde structs are the only source of keys. Their JSON Schema is what `snapkeep config schema` prints, and the
//! same schema is walked along the parsed file to find unknown keys, wrong values and names that don't exist; so
//! neither can know a key that the other doesn't. Only a file without problems is read into typed values.
//!
//! No message repeats a value that may be a secret, and nothing here resolves one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use snapkeep_providers::model::{Tags, TargetName};
use snapkeep_providers::settings::{ProviderSettings, StoreSettings, Verify};

use crate::retention::{overfull, unsatisfiable};

mod cron;
mod document;
mod duration;
mod error;
mod find;
mod format;
mod hooks;
mod load;
mod nearest;
mod notifications;
mod policy;
mod schema;
mod serve;
mod shape;
#[cfg(test)]
mod tests;
mod walk;

pub use cron::{Cron, InvalidCron};
pub use duration::{Elapsed, InvalidDuration, Within, elapsed};
pub use error::{ConfigError, Position, Problem};
pub use find::{Surroundings, find};
pub use hooks::{Hook, Hooks, OnFailure, OneOrMore};
pub use load::{load, parse};
pub use nearest::nearest;
pub use notifications::{Address, Channel, Email, Event, MailTls, Notification, NotifiedAction, Webhook};
pub use policy::{Action, InvalidSelector, Missed, Retention, Schedule, Selector, State};
pub use schema::schema;
pub use serve::{InvalidListen, Listen, Serve};

/// A config without problems: every name that it mentions exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The databases.
    pub targets: BTreeMap<TargetName, Target>,
    /// The places for dumps.
    pub stores: BTreeMap<String, StoreSettings>,
    /// The retention policies.
    pub retention: BTreeMap<String, Retention>,
    /// The schedules.
    pub schedules: BTreeMap<String, Schedule>,
    /// Who is told of what happens, by name.
    pub notifications: BTreeMap<String, Notification>,
    /// Where holds, verification results, unfinished operations and locks are kept.
    pub state: State,
    /// How `snapkeep serve` works.
    pub serve: Serve,
    /// The file it came from, as it was named.
    pub path: PathBuf,
    /// The file's folder, absolute: what relative paths and secret files in it are relative to.
    pub base: PathBuf,
}

impl Target {
    /// The region that its snapshots are made in, where its cloud has regions and copies between them.
    pub fn region(&self) -> Option<&str> {
        match &self.settings {
            ProviderSettings::AwsRds(rds) => Some(&rds.region),
            _ => None,
        }
    }

    /// Why `policy` can't come true here, if it can't.
    pub fn cannot_meet(&self, policy: &Retention) -> Vec<String> {
        let days = self.settings.keeps_at_most_days().and_then(|days| unsatisfiable(policy, days));
        let room = self.settings.holds_at_most().and_then(|room| overfull(policy, room));
        days.into_iter().chain(room).collect()
    }
}

/// A database, with `[defaults]` applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How every command addresses it.
    pub name: TargetName,
    /// Which database, and through what.
    pub settings: ProviderSettings,
    /// The names of the stores its dumps go to: one at least for a dump, none for a cloud snapshot.
    pub store: Vec<String>,
    /// The name of its retention policy.
    pub retention: Option<String>,
    /// Labels that its snapshots get.
    pub tags: Tags,
    /// How its snapshots are verified: its own settings, and those of `[verify]` where it has none.
    pub verify: Verify,
    /// What runs around the making of its snapshots: its own hooks, and those of `[hooks]` where it has none.
    pub hooks: Hooks,
    /// The config file's folder, absolute: where its hooks run.
    pub base: PathBuf,
}

impl Config {
    /// A path in the config as the file system has it: relative ones are relative to the config file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}
