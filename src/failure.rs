//! What went wrong, as a script sees it: a code, a message, a hint, and the exit code of the process.

use std::fmt;
use std::iter::once;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;
use snapkeep_providers::{Error, ErrorKind};

use crate::config::{ConfigError, Problem};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct Failure {
    /// What kind of error it is, for scripts.
    pub(crate) code: Code,
    /// What could not be done, to what, and why: for people.
    pub(crate) message: String,
    /// The target that it is about; null where it is about none, or about several.
    pub(crate) target: Option<String>,
    /// Whether the same command may succeed later with nothing changed.
    pub(crate) retryable: bool,
    /// What to do about it; null where nothing is known.
    pub(crate) hint: Option<String>,
    /// What caused it, the nearest first.
    pub(crate) causes: Vec<String>,
    /// The id of what goes on although this process stopped waiting, for `snapkeep wait`; not there where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) operation: Option<String>,
    #[serde(skip)]
    pub(crate) exit: u8,
    #[serde(skip)]
    pub(crate) kind: ErrorKind,
}

/// What tells errors apart. More may come within v1, so a reader takes a code that it doesn't know for `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ErrorCode", transform = leave_open)]
pub(crate) enum Code {
    /// Nothing more exact is known.
    Failed,
    /// A server or a service did not answer.
    Unavailable,
    /// The command line makes no sense.
    Usage,
    /// The config has a problem.
    Config,
    /// The config has no such target.
    UnknownTarget,
    /// The config has no such schedule.
    UnknownSchedule,
    /// More than one snapshot is meant by the id.
    Ambiguous,
    /// The file is no plan.
    Plan,
    /// The file of the plan can't be written.
    PlanFile,
    /// What `guard` ran failed, or could not be run.
    Command,
    /// A hook failed that may stop what comes next.
    Hook,
    /// There is no such thing, or none fresh enough.
    NotFound,
    /// The credentials are refused, or may not do this.
    Permission,
    /// Something else is going on, or too much was asked.
    Busy,
    /// A limit of the cloud is reached.
    Quota,
    /// It took longer than it was given.
    Timeout,
    /// The bytes are not what they should be.
    Verification,
    /// It would not be safe.
    Refused,
    /// Another snapkeep works on this target.
    Locked,
    /// This provider, tool, server or version can't do it.
    Unsupported,
    /// A signal ended it.
    Interrupted,
}

impl fmt::Display for Code {
    /// The word that JSON has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Failed => Self::Failed,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Usage => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Permission => Self::Permission,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Quota => Self::Quota,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Verification => Self::Verification,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Interrupted => Self::Interrupted,
        }
    }
}

/// Makes a set of words one that may grow: those of today are examples, and the description says what each means.
fn leave_open(schema: &mut Schema) {
    let words = schema.remove("oneOf").unwrap_or_default();
    let words = words.as_array().map(Vec::as_slice).unwrap_or_default();
    let known: Vec<Value> = words.iter().map(|word| word["const"].clone()).collect();
    let meaning = |word: &Value| Some(format!("- `{}`: {}", word["const"].as_str()?, word["description"].as_str()?));
    let meanings: Vec<String> = words.iter().filter_map(meaning).collect();
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{about}\n\n{}", meanings.join("\n"));
    schema.insert("description".into(), description.into());
    schema.insert("type".into(), "string".into());
    schema.insert("examples".into(), known.into());
}

/// The contract's section 4. The signal decides between 130 and 143 later.
fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed | ErrorKind::Unavailable => 1,
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 4,
        ErrorKind::Permission => 5,
        ErrorKind::Busy => 6,
        ErrorKind::Quota => 7,
        ErrorKind::Timeout => 8,
        ErrorKind::Verification => 9,
        ErrorKind::Refused => 10,
        ErrorKind::Locked => 11,
        ErrorKind::Unsupported => 12,
        ErrorKind::Interrupted => INTERRUPTED,
    }
}

/// The exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// The exit code after SIGTERM.
pub(crate) const TERMINATED: u8 = 143;
/// The exit code when some targets failed and the others are done.
pub(crate) const PARTIAL: u8 = 3;

impl Failure {
    /// A failure of our own.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            code: kind.into(),
            message: message.into(),
            target: None,
            retryable: kind.is_retryable(),
            hint: None,
            causes: Vec::new(),
            operation: None,
            exit: exit_code(kind),
            kind,
        }
    }

    /// What was typed makes no sense; nothing is printed on stdout.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn of(mut self, target: &(impl ToString + ?Sized)) -> Self {
        self.target = Some(target.to_string());
        self
    }

    /// Of the state, as an error of what could not be done with it.
    pub(crate) fn to_error_of_state(&self, verb: &'static str, subject: impl fmt::Display) -> Error {
        let reason = self.message.strip_prefix("state: ").unwrap_or(&self.message);
        let error = Error::new(self.kind, "state", verb, subject, reason);
        match &self.hint {
            Some(hint) => error.with_hint(hint.as_str()),
            None => error,
        }
    }

    /// The message; with several targets, whose error it is comes first.
    pub(crate) fn subject_and_message(&self) -> String {
        match self.target.as_deref().filter(|target| !names(&self.message, target)) {
            Some(target) => format!("{target}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// With its causes and its hint, in a line.
    pub(crate) fn in_one_line(&self) -> String {
        let causes = self.causes.iter().map(|cause| format!("; caused by: {cause}"));
        let hint = self.hint.iter().map(|hint| format!("; hint: {hint}"));
        let line: String = once(self.subject_and_message()).chain(causes).chain(hint).collect();
        line.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// Several as one, where there is room for one only. `None` of none.
    pub(crate) fn joined(failures: &[Self]) -> Option<Self> {
        let (first, rest) = failures.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let lines: Vec<String> = failures.iter().map(Self::in_one_line).collect();
        let message = format!("{} problems: {}", failures.len(), lines.join(" | "));
        Some(Self { message, target: None, hint: None, causes: Vec::new(), ..first.clone() })
    }

    pub(crate) fn is_usage(&self) -> bool {
        self.code == Code::Usage
    }

    pub(crate) fn is_interruption(&self) -> bool {
        self.exit == INTERRUPTED
    }

    /// Whether nothing went wrong: it was stopped, or somebody else is at the target.
    pub(crate) fn is_put_off(&self) -> bool {
        self.kind == ErrorKind::Locked || self.is_interruption()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            let text = cause.to_string();
            match causes.last_mut() {
                // object_store's errors repeat their source in their own words, and SQLite's source repeats the error.
                Some(known) if known.contains(&text) => {}
                Some(known) if text.contains(&*known) => *known = text,
                _ => causes.push(text),
            }
            next = cause.source();
        }
        let hint = error.hint().map(ToOwned::to_owned);
        Self { hint, causes, ..Self::new(error.kind(), error.to_string()) }
    }
}

/// Whether `target` stands in `message` as a whole name: `gone` is not named by `gone.db`.
fn names(message: &str, target: &str) -> bool {
    message.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).any(|word| word == target)
}

/// One failure for each problem of a config.
pub(crate) fn of_config(error: &ConfigError) -> Vec<Failure> {
    let failure = |problem: &Problem| Failure {
        code: Code::Config,
        hint: problem.hint.clone(),
        ..Failure::usage(problem.to_string())
    };
    error.problems().iter().map(failure).collect()
}

/// The exit code of a command that did something for `done` targets and met these failures.
pub(crate) fn exit_of(done: usize, failures: &[Failure]) -> u8 {
    match failures {
        [] => 0,
        failures if failures.iter().any(Failure::is_interruption) => INTERRUPTED,
        _ if done > 0 => PARTIAL,
        [first, rest @ ..] if rest.iter().all(|failure| failure.exit == first.exit) => first.exit,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_said_twice_is_shown_once() {
        let cause = |message: &str, source: Option<Error>| {
            let error = Error::new(ErrorKind::Failed, "x", "do", "y", message);
            match source {
                Some(source) => error.with_source(source),
                None => error,
            }
        };
        let repeats_its_source = cause("top", Some(cause("outer: x: cannot do y: inner", Some(cause("inner", None)))));
        assert_eq!(Failure::from(repeats_its_source).causes, ["x: cannot do y: outer: x: cannot do y: inner"]);
        let says_more = std::io::Error::other("Error code 5: it is locked");
        let repeated_by_it = cause("top", None).with_source(Repeated(says_more));
        assert_eq!(Failure::from(repeated_by_it).causes, ["Error code 5: it is locked"]);
    }

    #[derive(Debug)]
    struct Repeated(std::io::Error);

    impl std::fmt::Display for Repeated {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("it is locked")
        }
    }

    impl std::error::Error for Repeated {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_code_is_the_word_of_its_kind() {
        use ErrorKind::*;
        let kinds = [
            Failed,
            Unavailable,
            Usage,
            NotFound,
            Permission,
            Busy,
            Quota,
            Timeout,
            Verification,
            Refused,
            Locked,
            Unsupported,
            Interrupted,
        ];
        for kind in kinds {
            assert_eq!(Code::from(kind).to_string(), kind.code());
        }
    }

    #[test]
    fn the_exit_code_tells_partial_from_failed() {
        let failure = |kind| Failure::new(kind, "x");
        assert_eq!(exit_of(3, &[]), 0);
        assert_eq!(exit_of(1, &[failure(ErrorKind::Permission)]), 3);
        assert_eq!(exit_of(0, &[failure(ErrorKind::Permission), failure(ErrorKind::Permission)]), 5);
        assert_eq!(exit_of(0, &[failure(ErrorKind::Permission), failure(ErrorKind::NotFound)]), 1);
        assert_eq!(exit_of(4, &[failure(ErrorKind::Busy), failure(ErrorKind::Interrupted)]), 130);
    }
}
