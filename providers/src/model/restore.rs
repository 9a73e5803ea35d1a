//! Where a snapshot is brought back to, and how.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where to restore to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreTo {
    /// A new database, instance or file of this name. Refused when it exists and is not empty.
    New(String),
    /// Over the target itself. Only after the caller has confirmed it by name.
    InPlace,
}

/// Who owns what a restore brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Owners and grants as dumped where the roles exist; the others are reported.
    Keep,
    /// Everything belongs to the user who restores.
    Drop,
}

/// What a restored instance is to have instead of what the source has, in the cloud's own words: `port`, `multi_az`.
pub type RestoreOptions = BTreeMap<String, String>;

/// A restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Where to.
    pub to: RestoreTo,
    /// Owners and grants.
    pub ownership: Ownership,
    /// Refused as a usage error where the provider has no such option.
    pub options: RestoreOptions,
}

impl RestoreRequest {
    /// As like the source as it can be.
    pub fn new(to: RestoreTo) -> Self {
        Self { to, ownership: Ownership::Keep, options: RestoreOptions::new() }
    }

    /// The same into something new.
    pub fn to_new(name: impl Into<String>) -> Self {
        Self::new(RestoreTo::New(name.into()))
    }
}

/// What a restore made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The database, instance or file that holds the data now.
    pub to: String,
    /// What could not be brought back as it was, such as owners that don't exist here.
    pub warnings: Vec<String>,
}
