//! The one error type of the providers.
//!
//! Its kind alone decides what a caller does next: retry or not, which hint, which exit code. What a cloud
//! or a tool said is kept as the source and never pasted into our own sentence.

use std::error::Error as StdError;
use std::fmt;

/// The result of a provider call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller needs to tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It failed, and nothing below says it better.
    Failed,
    /// The server, the host or the network did not answer. Trying again may help.
    Unavailable,
    /// The request itself is wrong: a name that can't be one, an option that doesn't fit.
    Usage,
    /// What was asked for isn't there.
    NotFound,
    /// Credentials were refused, or they don't permit this.
    Permission,
    /// Busy or throttled after our own retries.
    Busy,
    /// A quota is used up.
    Quota,
    /// Waiting ended; the operation goes on.
    Timeout,
    /// The bytes are not what the manifest says they are.
    Verification,
    /// It would have destroyed something.
    Refused,
    /// Another snapkeep works on this target.
    Locked,
    /// This provider, or this combination of tool and server, can't do it.
    Unsupported,
    /// The user or the system asked us to stop.
    Interrupted,
}

impl ErrorKind {
    /// The word in JSON. Stable within `snapkeep/v1`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Permission => "permission",
            Self::Busy => "busy",
            Self::Quota => "quota",
            Self::Timeout => "timeout",
            Self::Verification => "verification",
            Self::Refused => "refused",
            Self::Locked => "locked",
            Self::Unsupported => "unsupported",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy | Self::Timeout | Self::Locked)
    }
}

/// A failure: which provider, doing what, to what, and why.
///
/// Shown as `<provider>: cannot <action> <subject>: <reason>`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    // Boxed, so that a result is not much larger for the error that it seldom holds.
    provider: Box<str>,
    action: Box<str>,
    subject: Box<str>,
    reason: Box<str>,
    hint: Option<Box<str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `provider` that could not `action` the `subject`, for a `reason` in a few words.
    pub fn new(
        kind: ErrorKind,
        provider: impl Into<Box<str>>,
        action: impl Into<Box<str>>,
        subject: impl fmt::Display,
        reason: impl fmt::Display,
    ) -> Self {
        Self {
            kind,
            provider: provider.into(),
            action: action.into(),
            subject: subject.to_string().into(),
            reason: reason.to_string().into(),
            hint: None,
            source: None,
        }
    }

    /// Adds the one thing to do about it; it can be run or typed.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same once more, for what fails each time it is used; the cause is kept in words.
    #[must_use]
    pub fn repeated(&self) -> Self {
        let Self { kind, provider, action, subject, reason, hint, source } = self;
        let (provider, action, subject, reason) = (provider.clone(), action.clone(), subject.clone(), reason.clone());
        let source = source.as_ref().map(|source| source.to_string().into());
        Self { kind: *kind, provider, action, subject, reason, hint: hint.clone(), source }
    }

    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it, where we know.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, action, subject, reason, .. } = self;
        write!(f, "{provider}: cannot {action} {subject}: {reason}")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error and all that caused it.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
