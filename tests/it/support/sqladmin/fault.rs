//! Trouble by script, and by chance.

use std::time::Duration;

use serde_json::json;

use super::access::{denial, unauthenticated};
use super::call::{Call, Refusal};
use super::methods::permission;
use super::operation::{End, IN_PROGRESS};
use crate::support::script::{self, Wanted};
use crate::support::weather::Weather;

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused as too frequent, with the seconds after which to come again, if it says so.
    Throttled(Option<u32>),
    /// Refused with this status as another operation is under way.
    InProgress(u16),
    /// Refused in Google's own words for a missing permission.
    Denied,
    /// Refused as the token isn't known any more.
    Unauthenticated,
    /// Refused with a server's error, as JSON.
    Status(u16),
    /// The same, as a page of HTML.
    Html(u16),
    /// Carried out; then answered with a server's error.
    StatusAfter(u16),
    /// Refused with this status, reason and message.
    Refused(u16, &'static str, &'static str),
    /// The connection is closed, and nothing was done.
    CutBefore,
    /// Carried out; then the connection is closed without an answer.
    CutAfter,
    /// Carried out, and answered with half of the JSON.
    Truncated,
    /// Carried out, and answered after this time.
    Slow(Duration),
    /// Carried out; the operation that it begins ends with this code and message.
    EndsBadly(&'static str, &'static str),
    /// Carried out; the operation that it begins doesn't end.
    NeverEnds,
    /// The page names itself as the next one.
    SamePage,
}

/// A fault for some of the calls.
pub(crate) type Trouble = script::Trouble<Calls, Fault>;

/// Those of a method.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    method: &'static str,
    project: Option<&'static str>,
    parameter: Option<&'static str>,
}

impl Wanted for Calls {
    type Request = Call;

    fn is(&self, call: &Call) -> bool {
        (self.method == ANY || self.method == call.method)
            && self.project.is_none_or(|project| project == call.project)
            && self.parameter.is_none_or(|name| call.get(name).is_some())
    }
}

impl Trouble {
    /// The first call of this method: `backupRuns.insert`.
    pub(crate) fn on(method: &'static str, fault: Fault) -> Self {
        assert!(method == ANY || !permission(method).is_empty(), "no method: {method}");
        Self::new(Calls { method, project: None, parameter: None }, fault)
    }

    /// The first call of any method.
    pub(crate) fn any(fault: Fault) -> Self {
        Self::on(ANY, fault)
    }

    /// Only in this project.
    pub(crate) fn in_project(mut self, project: &'static str) -> Self {
        self.wanted.project = Some(project);
        self
    }

    /// Only calls that have this query parameter, such as `pageToken`: a later page.
    pub(crate) fn with(mut self, parameter: &'static str) -> Self {
        self.wanted.parameter = Some(parameter);
        self
    }
}

const ANY: &str = "*";

/// What goes wrong with a call by chance.
pub(super) fn by_chance(weather: &mut Weather, call: &Call) -> Option<Fault> {
    let about = [call.project.as_str(), call.instance(), call.id()].join("/");
    Some(match weather.meet(call.method, about, 10)? {
        0 => Fault::Throttled(Some(0)),
        1 => Fault::Status(503),
        2 => Fault::Status(500),
        3 => Fault::Html(502),
        4 => Fault::StatusAfter(500),
        5 => Fault::CutBefore,
        6 | 7 => Fault::CutAfter,
        8 if call.is_change() => Fault::InProgress(409),
        _ => Fault::Truncated,
    })
}

impl Fault {
    /// What it answers instead of carrying the call out, where that is what it does.
    pub(super) fn refusal(&self, call: &Call) -> Option<Refusal> {
        match *self {
            Self::Throttled(retry_after) => Some(Refusal { retry_after, ..throttled() }),
            Self::InProgress(status) => Some(Refusal::new(status, "operationInProgress", IN_PROGRESS)),
            Self::Denied => Some(denial(permission(call.method), call)),
            Self::Unauthenticated => Some(unauthenticated()),
            Self::Status(status) => Some(broken(status)),
            Self::Refused(status, reason, message) => Some(Refusal::new(status, reason, message)),
            _ => None,
        }
    }

    /// How the operation ends that the call begins.
    pub(super) fn end(&self) -> End {
        match *self {
            Self::EndsBadly(code, message) => End::Badly { code: code.to_owned(), message: message.to_owned() },
            Self::NeverEnds => End::Never,
            _ => End::Well,
        }
    }
}

/// A server's own error.
pub(super) fn broken(status: u16) -> Refusal {
    match status {
        503 => {
            Refusal::new(503, "backendError", "The service is currently unavailable.").with("UNAVAILABLE", json!([]))
        }
        _ => Refusal::new(status, "internalError", "An internal error has occurred.").with("INTERNAL", json!([])),
    }
}

fn throttled() -> Refusal {
    let message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service \
                   'sqladmin.googleapis.com' for consumer 'project_number:123456789012'.";
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {"service": "sqladmin.googleapis.com", "quota_limit": "defaultPerMinutePerUser"},
    });
    Refusal::new(429, "rateLimitExceeded", message).with("RESOURCE_EXHAUSTED", json!([info]))
}
