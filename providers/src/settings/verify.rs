//! What the config says of verifying: for every target in `[verify]`, and for one in its own `verify`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Tls;
use crate::model::VerifyLevel;
use crate::secret::SecretRef;

/// How snapshots are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// How thorough `verify` is; `archive` unless set.
    pub level: Option<VerifyLevel>,
    /// Whether `create` counts the rows of each table, for `verify` to compare; off unless set.
    pub row_counts: Option<bool>,
    /// Questions to the restored database, of the level `restore`.
    pub assertions: Option<Vec<Assertion>>,
    /// The server on which the scratch database is made; the target's own unless set.
    pub scratch: Option<ScratchServer>,
    /// The folder for the scratch file of a SQLite snapshot, relative to the config file.
    #[schemars(length(min = 1))]
    pub scratch_dir: Option<PathBuf>,
}

impl Verify {
    /// These settings, and key by key those of `others` where these have none.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        Self {
            level: self.level.or(others.level),
            row_counts: self.row_counts.or(others.row_counts),
            assertions: self.assertions.or_else(|| others.assertions.clone()),
            scratch: self.scratch.or_else(|| others.scratch.clone()),
            scratch_dir: self.scratch_dir.or_else(|| others.scratch_dir.clone()),
        }
    }
}

/// A question to the restored database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// What it is called in the result.
    #[schemars(length(min = 1))]
    pub name: String,
    /// A query that gives one value.
    #[schemars(length(min = 1))]
    pub sql: String,
    /// The value as text; unless set, it must be true, or a number that is not zero.
    pub expect: Option<String>,
}

/// A server for scratch databases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScratchServer {
    /// Host name or address, or the folder of a Unix socket for PostgreSQL.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Port; the server's usual one unless set.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The role or account, which may make and drop databases.
    #[schemars(length(min = 1))]
    pub user: String,
    /// Its password, by reference.
    pub password: Option<SecretRef>,
    /// Transport security; `{ mode = "prefer" }` unless set.
    #[serde(default)]
    pub tls: Tls,
    /// The folder of the client tools; the target's own unless set.
    pub tool_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_own_settings_win_key_by_key() {
        let all = Verify { level: Some(VerifyLevel::Restore), row_counts: Some(true), ..Verify::default() };
        let own = Verify { row_counts: Some(false), assertions: Some(Vec::new()), ..Verify::default() };
        let merged = own.or(&all);
        assert_eq!(merged.level, Some(VerifyLevel::Restore));
        assert_eq!((merged.row_counts, merged.assertions), (Some(false), Some(Vec::new())));
    }
}
