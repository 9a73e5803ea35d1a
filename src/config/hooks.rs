//! What the config says of hooks: programs of the user's own around the making of a snapshot.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Elapsed;

/// How long a hook may take, unless it says.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Programs to run around the making of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Before anything is made, under the target's lock. One that fails stops the creation, unless it says `warn`.
    pub before_create: Option<OneOrMore>,
    /// Once the snapshot and its copies are there. One that fails is a warning, unless it says `abort`.
    pub after_create: Option<OneOrMore>,
    /// When the creation failed or was interrupted. One that fails is a warning.
    pub on_failure: Option<OneOrMore>,
}

impl Hooks {
    /// These hooks, and moment by moment those of `others` where these have none.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        Self {
            before_create: self.before_create.or_else(|| others.before_create.clone()),
            after_create: self.after_create.or_else(|| others.after_create.clone()),
            on_failure: self.on_failure.or_else(|| others.on_failure.clone()),
        }
    }
}

/// A hook, or several in their order; of an empty list there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One hook.
    One(Hook),
    /// Several hooks.
    Several(Vec<Hook>),
}

impl OneOrMore {
    /// Each of them.
    pub fn all(&self) -> &[Hook] {
        match self {
            Self::One(hook) => std::slice::from_ref(hook),
            Self::Several(hooks) => hooks,
        }
    }
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments; no shell comes between. A relative path is relative to the config file.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// How long it may take: s, m (minutes), h, d, w and sums; 5m unless set. Then it is stopped, with its children.
    pub timeout: Option<Elapsed>,
    /// What its failure means; `abort` of `before_create` unless set, else `warn`.
    pub on_failure: Option<OnFailure>,
}

impl Hook {
    /// How long it may take.
    pub fn limit(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, Elapsed::duration)
    }
}

/// What the failure of a hook means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The hooks after it are not run, and the command fails.
    Abort,
    /// A warning, and all goes on.
    Warn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_own_hooks_win_moment_by_moment() {
        let hook = |program: &str| Hook { command: vec![program.into()], timeout: None, on_failure: None };
        let all = Hooks {
            before_create: Some(OneOrMore::One(hook("quiesce"))),
            after_create: Some(OneOrMore::One(hook("resume"))),
            on_failure: None,
        };
        let own = Hooks {
            before_create: Some(OneOrMore::Several(Vec::new())),
            on_failure: Some(OneOrMore::One(hook("page"))),
            ..Hooks::default()
        };
        let merged = own.or(&all);
        assert!(merged.before_create.unwrap().all().is_empty(), "an empty list takes away those of all targets");
        assert_eq!(merged.after_create.unwrap().all()[0].command, ["resume"]);
        assert_eq!(merged.on_failure.unwrap().all()[0].command, ["page"]);
    }
}
