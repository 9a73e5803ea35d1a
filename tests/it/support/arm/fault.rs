//! Trouble by script, and by chance.

use std::time::Duration;

use super::access::{denial, expired};
use super::call::{Call, Refusal};
use super::methods::action;
use super::operation::End;
use crate::support::script::{self, Wanted};
use crate::support::weather::Weather;

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused as too frequent, with the seconds after which to come again, if it says so.
    Throttled(Option<u32>),
    /// Refused as something else is under way, with this code: `ServerIsBusy`, `OperationInProgress`.
    Busy(&'static str),
    /// Refused in Azure's own words for a missing permission.
    Denied,
    /// Refused as the token has expired meanwhile.
    Expired,
    /// Refused with a server's error, as JSON.
    Status(u16),
    /// The same, as a page of HTML.
    Html(u16),
    /// Carried out; then answered with a server's error.
    StatusAfter(u16),
    /// Refused with this status, code and message.
    Refused(u16, &'static str, &'static str),
    /// The connection is closed, and nothing was done.
    CutBefore,
    /// Carried out; then the connection is closed without an answer.
    CutAfter,
    /// Carried out, and answered with half of the JSON.
    Truncated,
    /// Carried out, and answered after this time.
    Slow(Duration),
    /// Carried out; the operation that it begins ends with this code and message, and nothing is there.
    EndsBadly(&'static str, &'static str),
    /// The same, but what was asked for is there nevertheless.
    EndsBadlyButDone(&'static str, &'static str),
    /// Carried out; somebody cancels the operation that it begins.
    EndsCancelled,
    /// Carried out; the operation that it begins takes so many looks more than others.
    EndsLate(u32),
    /// Carried out; the operation that it begins doesn't end.
    NeverEnds,
    /// The page names itself as the next one.
    SamePage,
    /// The page names one on another host as the next one.
    ForeignPage,
    /// The answer names another host as the place to ask for the operation.
    ForeignOperation,
}

/// A fault for some of the calls.
pub(crate) type Trouble = script::Trouble<Calls, Fault>;

/// Those of a method.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    method: &'static str,
    server: Option<String>,
    later_pages: bool,
}

impl Wanted for Calls {
    type Request = Call;

    fn is(&self, call: &Call) -> bool {
        (self.method == ANY || self.method == call.method)
            && self.server.as_ref().is_none_or(|server| server == call.name("server"))
            && (!self.later_pages || call.get("$skiptoken").is_some())
    }
}

impl Trouble {
    /// The first call of this method: `mysql.backups.put`.
    pub(crate) fn on(method: &'static str, fault: Fault) -> Self {
        assert!(method == ANY || !action(method).is_empty(), "no method: {method}");
        Self::new(Calls { method, server: None, later_pages: false }, fault)
    }

    /// The first call of any method.
    pub(crate) fn any(fault: Fault) -> Self {
        Self::on(ANY, fault)
    }

    /// Only of this server.
    pub(crate) fn of(mut self, server: &str) -> Self {
        self.wanted.server = Some(server.to_owned());
        self
    }

    /// Only pages that a link led to.
    pub(crate) fn on_later_pages(mut self) -> Self {
        self.wanted.later_pages = true;
        self
    }
}

const ANY: &str = "*";

/// What goes wrong with a call by chance.
pub(super) fn by_chance(weather: &mut Weather, call: &Call) -> Option<Fault> {
    let about = call.path().to_ascii_lowercase();
    Some(match weather.meet(call.method, about, 11)? {
        0 => Fault::Throttled(Some(0)),
        1 => Fault::Status(503),
        2 => Fault::Status(500),
        3 => Fault::Html(502),
        4 => Fault::StatusAfter(500),
        5 => Fault::CutBefore,
        6 | 7 => Fault::CutAfter,
        8 if call.is_change() => Fault::Busy("ServerIsBusy"),
        9 if call.is_change() => Fault::EndsLate(2),
        _ => Fault::Truncated,
    })
}

impl Fault {
    /// What it answers instead of carrying the call out, where that is what it does.
    pub(super) fn refusal(&self, call: &Call) -> Option<Refusal> {
        match *self {
            Self::Throttled(retry_after) => Some(Refusal { retry_after, ..throttled(call) }),
            Self::Busy(code) => Some(Refusal::new(409, code, busy(call.name("server")))),
            Self::Denied => Some(denial(action(call.method), call)),
            Self::Expired => Some(expired()),
            Self::Status(status) => Some(broken(status)),
            Self::Html(status) => Some(page(status)),
            Self::Refused(status, code, message) => Some(Refusal::new(status, code, message)),
            _ => None,
        }
    }

    /// How the operation ends that the call begins.
    pub(super) fn end(&self) -> End {
        let badly =
            |code: &str, message: &str, done| End::Badly { code: code.to_owned(), message: message.to_owned(), done };
        match *self {
            Self::EndsBadly(code, message) => badly(code, message, false),
            Self::EndsBadlyButDone(code, message) => badly(code, message, true),
            Self::EndsCancelled => End::Cancelled,
            Self::EndsLate(looks) => End::Late(looks),
            Self::NeverEnds => End::Never,
            _ => End::Well,
        }
    }
}

pub(super) fn busy(server: &str) -> String {
    format!(
        "Cannot complete operation because server '{server}' is busy processing another operation. Please try again later."
    )
}

/// A server's own error.
pub(super) fn broken(status: u16) -> Refusal {
    match status {
        503 => {
            Refusal::new(503, "ServiceUnavailable", "The service is temporarily unavailable. Please try again later.")
        }
        504 => Refusal::new(504, "GatewayTimeout", "The gateway did not receive a response from the service in time."),
        _ => Refusal::new(status, "InternalServerError", "An unexpected error occurred while processing the request."),
    }
}

/// As what stands before the service answers in trouble.
fn page(status: u16) -> Refusal {
    let reason =
        hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let page = format!(
        "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
         <hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"
    );
    Refusal { page: Some(page), ..Refusal::new(status, "", "") }
}

fn throttled(call: &Call) -> Refusal {
    let kind = if call.is_change() { "write" } else { "read" };
    let message = format!(
        "Number of {kind} requests for subscription '{}' actor '5f2d1c8e-8a51-4b7e-9d4f-0d6a1b3c7e90' exceeded. Please try \
         again after '1' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for \
         additional information.",
        call.name("subscription")
    );
    Refusal::new(429, "SubscriptionRequestsThrottled", message)
}
