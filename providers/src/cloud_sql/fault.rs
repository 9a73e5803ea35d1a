//! What Google's refusals mean, and the one thing to do about each.

use std::fmt;

use super::Home;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::{Arrival, Fault};
use crate::shell::shell_word;

/// One admin operation goes on for an instance at a time; whoever is second is refused. The code is 409, and was 403: the
/// reason tells.
pub(super) fn is_busy(fault: &Fault) -> bool {
    fault.has_code("operationInProgress") || fault.has_code("OPERATION_IN_PROGRESS")
}

pub(super) fn is_missing(fault: &Fault) -> bool {
    fault.status() == Some(404)
}

pub(super) fn is_denied(fault: &Fault) -> bool {
    fault.status() == Some(403) && !is_busy(fault) && !fault.is_throttled()
}

/// Whether the name of what is to be made is somebody's. Google says 409 of other things too.
pub(super) fn is_taken(fault: &Fault) -> bool {
    ["instanceAlreadyExists", "alreadyExists", "ALREADY_EXISTS"].iter().any(|code| fault.has_code(code))
}

/// Whether the request may have taken effect, though no answer says so.
pub(super) fn is_uncertain(fault: &Fault) -> bool {
    fault.arrival() == Arrival::Unknown
}

/// Turns a fault into an error of the provider.
pub(super) trait OrError<T> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> OrError<T> for Result<T, Fault> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|fault| into_error(fault, home, verb, subject))
    }
}

/// What isn't there is nothing.
pub(super) fn none_if_missing<T>(called: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match called {
        Ok(found) => Ok(Some(found)),
        Err(fault) if is_missing(&fault) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) fn into_error(fault: Fault, home: &Home, verb: &str, subject: impl fmt::Display) -> Error {
    // Credentials that can't be had say themselves what to do.
    if let Some(own) = fault.without_credentials() {
        return own.repeated();
    }
    let Meaning { kind, reason, hint } = meaning(&fault, home);
    let error = home.error(kind, verb, subject, reason).with_source(fault);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

struct Meaning {
    kind: ErrorKind,
    reason: &'static str,
    hint: Option<String>,
}

fn meaning(fault: &Fault, home: &Home) -> Meaning {
    let project = shell_word(&home.project);
    let means = |kind, reason| Meaning { kind, reason, hint: None };
    let to_do = |kind, reason, hint: String| Meaning { kind, reason, hint: Some(hint) };
    let code = |codes: &[&str]| codes.iter().any(|code| fault.has_code(code));
    if is_busy(fault) {
        return means(ErrorKind::Busy, "another operation on the instance is in progress");
    }
    if fault.is_throttled() {
        return means(ErrorKind::Busy, "Google throttles the requests of this project");
    }
    if code(&["SERVICE_DISABLED", "accessNotConfigured"]) {
        let hint = format!("enable it: gcloud services enable sqladmin.googleapis.com --project {project}");
        return to_do(ErrorKind::Permission, "the Cloud SQL Admin API is not enabled in the project", hint);
    }
    if code(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"]) {
        let hint =
            "get one of the scope https://www.googleapis.com/auth/cloud-platform: gcloud auth print-access-token";
        return to_do(ErrorKind::Permission, "the access token is not for Cloud SQL", hint.into());
    }
    if code(&["quotaExceeded", "limitExceeded", "QUOTA_EXCEEDED"]) {
        return means(ErrorKind::Quota, "a quota of the project is used up");
    }
    if is_taken(fault) {
        return means(ErrorKind::Refused, "there is one of that name already");
    }
    match fault.status() {
        Some(401) => {
            let hint = "get a new one: gcloud auth print-access-token, or leave out `access_token`";
            to_do(ErrorKind::Permission, "Google does not take the access token", hint.into())
        }
        Some(403) => {
            let hint = format!(
                "look at `project` and `instance` of [targets.{}], and at the role: see docs/gcp.md#permissions",
                home.target
            );
            to_do(ErrorKind::Permission, "Google does not permit it, or there is no such instance", hint)
        }
        Some(404) => means(ErrorKind::NotFound, "Google finds nothing there"),
        Some(400..=499) => means(ErrorKind::Failed, "Google refuses the request"),
        _ if fault.kind() == ErrorKind::Unavailable => means(ErrorKind::Unavailable, "Google's API does not answer"),
        _ => means(ErrorKind::Failed, "the answer is none that the API gives"),
    }
}
