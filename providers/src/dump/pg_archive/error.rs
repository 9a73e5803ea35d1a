//! Why an archive is not proven to be whole.

use std::fmt;

use super::{NEWEST, OLDEST};

/// Why an archive is not proven to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveError {
    /// Its version is newer than what we know: it can't be checked, which does not make it bad.
    NewerThanKnown(String),
    /// Its version is older than what we know.
    OlderThanKnown(String),
    /// It isn't an archive in the custom format.
    NotCustomFormat,
    /// It ends inside something.
    Truncated {
        /// How many bytes there were.
        at: u64,
        /// What it ends inside of.
        inside: &'static str,
    },
    /// It ends between two blocks, but not every entry had its block.
    MissingData {
        /// How many entries lack their block.
        blocks: usize,
    },
    /// A block that no entry of the TOC waits for, or the second one of an entry.
    UnexpectedBlock {
        /// Where in the stream.
        at: u64,
        /// The entry that it names.
        id: i64,
    },
    /// Something in it can't be what it should be.
    Malformed {
        /// Where in the stream it ends.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerThanKnown(version) => {
                write!(f, "archive version {version} is newer than 1.{NEWEST}, the newest that can be checked")
            }
            Self::OlderThanKnown(version) => {
                write!(f, "archive version {version} is older than 1.{OLDEST}, the oldest that can be checked")
            }
            Self::NotCustomFormat => f.write_str("it is not an archive in the custom format of pg_dump"),
            Self::Truncated { at, inside } => write!(f, "the archive ends after {at} bytes, inside {inside}"),
            Self::MissingData { blocks } => write!(f, "the archive ends before {blocks} of its data blocks"),
            Self::UnexpectedBlock { at, id } => {
                write!(f, "the archive has a data block for entry {id} at byte {at} that it does not list")
            }
            Self::Malformed { at, what } => write!(f, "the archive is damaged before byte {at}: {what}"),
        }
    }
}

impl std::error::Error for ArchiveError {}
