//! What may be asked of a verification, and what it found.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::settings::{Assertion, ScratchServer};

/// How thorough a verification is; each level does what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifyLevel {
    /// Every stored byte is read and compared with the manifest.
    Checksum,
    /// The dump is decrypted, decompressed and read to its end, without a database.
    Archive,
    /// It is restored into a scratch database, which is looked at and dropped.
    Restore,
}

impl fmt::Display for VerifyLevel {
    /// The word that JSON has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checksum => "checksum",
            Self::Archive => "archive",
            Self::Restore => "restore",
        })
    }
}

/// The last verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How thorough it was.
    pub level: VerifyLevel,
    /// Whether it passed.
    pub ok: bool,
}

/// What to verify, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// How thorough to be.
    pub level: VerifyLevel,
    /// Questions to the scratch database.
    pub assertions: Vec<Assertion>,
    /// The server to make the scratch database on, instead of the target's own.
    pub scratch: Option<ScratchServer>,
    /// The folder for the scratch file of a SQLite snapshot, instead of the usual one.
    pub scratch_dir: Option<PathBuf>,
}

/// What a verification found. It may have found that the snapshot is bad: see [`Verification::is_good`].
///
/// An error instead of it means that nothing was found out, unless its kind is [`crate::ErrorKind::Verification`].
#[derive(Debug)]
#[must_use]
pub struct Verification {
    /// How thorough it was.
    pub level: VerifyLevel,
    /// What was compared, in order; it ends with the first thing that makes the rest pointless.
    pub findings: Vec<Finding>,
    /// A scratch database that could not be dropped again. Says nothing about the snapshot.
    pub left_behind: Option<Error>,
}

impl Verification {
    /// Whether everything was as it should be.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome.is_ok())
    }
}

/// One thing that was compared.
#[derive(Debug)]
pub struct Finding {
    /// What: a part, `rows`, the name of an assertion...
    pub name: String,
    /// What was found, or what is wrong with it; never why it could not be looked at.
    pub outcome: Result<String, Error>,
}
