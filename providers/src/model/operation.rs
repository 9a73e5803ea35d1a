//! What a provider is still doing, and the id by which another process finds it again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The id of something that a provider is still doing; it outlives this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    /// Wraps an id as the provider gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The restore into something of this name.
    pub fn of_restore(name: &str) -> Self {
        Self(format!("{RESTORE}{name}"))
    }

    /// The export that the provider knows by this name.
    pub fn of_export(name: &str) -> Self {
        Self(format!("{EXPORT}{name}"))
    }

    /// The import that the provider knows by this name.
    pub fn of_import(name: &str) -> Self {
        Self(format!("{IMPORT}{name}"))
    }

    /// The id as the provider gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is that goes on.
    pub fn work(&self) -> Work<'_> {
        let after = |prefix| self.0.strip_prefix(prefix);
        let restore = after(RESTORE).map(Work::Restore);
        let export = || after(EXPORT).map(Work::Export);
        let import = || after(IMPORT).map(Work::Import);
        restore.or_else(export).or_else(import).unwrap_or(Work::Snapshot(&self.0))
    }
}

const RESTORE: &str = "restore:";
const EXPORT: &str = "export:";
const IMPORT: &str = "import:";

/// What goes on under an operation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work<'id> {
    /// A snapshot is made, by creation or copy: [`crate::Provider::poll`].
    Snapshot(&'id str),
    /// Something of this name is restored: [`crate::Provider::poll_restore`].
    Restore(&'id str),
    /// An export of this name is written: [`crate::Provider::poll_export`].
    Export(&'id str),
    /// An import of this name is read: [`crate::Provider::poll_import`].
    Import(&'id str),
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a provider was asked to do, and how far it is.
///
/// A dump's is done when `create` returns; a cloud's is polled.
#[derive(Debug)]
pub struct Operation<T> {
    /// Names the operation in another process.
    pub id: OperationId,
    /// How far it is.
    pub state: OperationState<T>,
    /// Whether the call that gave it began it.
    pub start: Start,
    /// What was made beside it in the same go, such as a dump's copies in other stores, and why others were not.
    pub copies: Vec<crate::Result<T>>,
    /// How long the provider asks to wait before the next look.
    pub again_in: Option<Duration>,
}

/// Whether a call began an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It did.
    Begun,
    /// It found it: what was asked for is there, or goes on.
    Found,
}

/// How far an operation is.
#[derive(Debug)]
pub enum OperationState<T> {
    /// Not done yet, with a percentage where the provider tells one.
    Running {
        /// What exists of the result so far.
        so_far: Option<T>,
        /// 0 to 100.
        percent: Option<u8>,
    },
    /// Done, with its result.
    Done(T),
    /// It ended badly.
    Failed(crate::Error),
}

impl<T> Operation<T> {
    /// One that was done when the call returned, with nothing made beside it.
    pub fn done(id: OperationId, result: T) -> Self {
        Self::begun(id, OperationState::Done(result))
    }

    /// One that the call began, with nothing made beside it.
    pub fn begun(id: OperationId, state: OperationState<T>) -> Self {
        Self { id, state, start: Start::Begun, copies: Vec::new(), again_in: None }
    }

    /// The same, when it was found.
    #[must_use]
    pub fn found(self) -> Self {
        Self { start: Start::Found, ..self }
    }

    /// The same, to be looked at again after so long.
    #[must_use]
    pub fn again_in(self, pause: Option<Duration>) -> Self {
        Self { again_in: pause, ..self }
    }

    /// What exists of the result.
    pub fn so_far(&self) -> Option<&T> {
        match &self.state {
            OperationState::Done(result) => Some(result),
            OperationState::Running { so_far, .. } => so_far.as_ref(),
            OperationState::Failed(_) => None,
        }
    }

    /// The result, where it is there.
    pub fn result(self) -> Option<T> {
        match self.state {
            OperationState::Done(result) => Some(result),
            OperationState::Running { .. } | OperationState::Failed(_) => None,
        }
    }
}
