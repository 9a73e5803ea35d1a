//! Whose snapshots a cloud's provider works on, and what is said of them in the same words for every cloud.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{SnapshotState, TargetName};

/// A target of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// The provider's name in the config.
    pub(crate) provider: &'static str,
    pub(crate) target: TargetName,
}

impl Owner {
    /// The id of one of its snapshots or operations.
    pub(crate) fn id(&self, native: impl fmt::Display) -> String {
        format!("{}/{native}", self.target)
    }

    pub(crate) fn error(
        &self,
        kind: ErrorKind,
        verb: &str,
        subject: impl fmt::Display,
        reason: impl fmt::Display,
    ) -> Error {
        Error::new(kind, self.provider, verb, subject, reason)
    }

    /// The error of a snapshot that isn't there.
    pub(crate) fn missing(&self, verb: &str, native: impl fmt::Display) -> Error {
        self.error(ErrorKind::NotFound, verb, self.id(native), "there is no such snapshot")
            .with_hint(format!("see `snapkeep list {}`", self.target))
    }

    /// The error of an operation that isn't there.
    pub(crate) fn no_operation(&self, subject: &str) -> Error {
        self.error(ErrorKind::NotFound, "find", subject, "there is no such operation")
    }

    /// Refuses to work with what is not whole; `word` is the cloud's own for how it is.
    pub(crate) fn refuse_unavailable(
        &self,
        verb: &str,
        subject: &str,
        (state, word): (SnapshotState, &str),
    ) -> Result<()> {
        match state {
            SnapshotState::Available => Ok(()),
            SnapshotState::Pending => {
                let reason = format!("it is not available yet, but {word}");
                let error = self.error(ErrorKind::Busy, verb, subject, reason);
                Err(error.with_hint(format!("wait for it: `snapkeep wait {subject}`")))
            }
            SnapshotState::Failed | SnapshotState::Deleting | SnapshotState::Unknown => {
                Err(self.error(ErrorKind::Failed, verb, subject, format!("it is {word}")))
            }
        }
    }

    /// An answer as what it is to be.
    pub(crate) fn parsed<T: DeserializeOwned>(&self, verb: &str, answer: &Value) -> Result<T> {
        T::deserialize(answer).map_err(|error| {
            self.error(ErrorKind::Failed, verb, &self.target, "the answer can't be read").with_source(error)
        })
    }
}
