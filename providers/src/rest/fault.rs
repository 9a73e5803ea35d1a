//! What a call failed with, in words that hold no token and no query.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

use super::said::{MESSAGE, Said, bounded};
use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// What a call gives.
pub(crate) type Called<T> = Result<T, Fault>;

/// What Google calls throttling; most of these come with a 403.
const THROTTLED: [&str; 3] = ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"];

/// Whether a call that failed took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was not sent.
    Never,
    /// The server refused it.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// Whether another try may go better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// After a rest that the whole client takes.
    Throttled,
    /// After a while.
    Transient,
    /// It may not.
    Final,
}

/// What a call failed with.
#[derive(Debug)]
pub(crate) struct Fault {
    called: String,
    status: Option<StatusCode>,
    codes: Vec<String>,
    message: String,
    arrival: Arrival,
    nature: Nature,
    pause: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// What was not sent.
    pub(crate) fn unsent(called: String, message: impl Into<String>) -> Self {
        let (message, arrival) = (message.into(), Arrival::Never);
        let nature = Nature::Final;
        Self { called, status: None, codes: Vec::new(), message, arrival, nature, pause: None, source: None }
    }

    /// What was not sent since the server has throttled for too long.
    pub(super) fn unsent_in_time(called: String) -> Self {
        Self { nature: Nature::Throttled, ..Self::unsent(called, "the server still has too many requests") }
    }

    /// What was not sent since there is no token.
    pub(super) fn without_token(called: String, error: Error) -> Self {
        Self { source: Some(Box::new(error)), ..Self::unsent(called, "there is no token to send it with") }
    }

    /// What the network did to a request or to its answer.
    pub(super) fn of_network(called: String, error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        let message = match () {
            () if error.is_builder() => "it can't be sent",
            () if error.is_connect() => "no connection",
            () if error.is_timeout() => "no answer in time",
            () => "the connection broke off",
        };
        let arrival = if unsent { Arrival::Never } else { Arrival::Unknown };
        let nature = if error.is_builder() { Nature::Final } else { Nature::Transient };
        // The address is in `called`, less its query.
        let source = Some(error.without_url().into());
        Self { arrival, nature, source, ..Self::unsent(called, message) }
    }

    /// An answer that is not what it should be.
    pub(crate) fn unreadable(called: String, error: &serde_json::Error) -> Self {
        // Its words may repeat a text of the answer; then only the place is told.
        let words = error.to_string();
        let (line, column) = (error.line(), error.column());
        let words = if words.contains('"') { format!("line {line} column {column}") } else { bounded(&words, MESSAGE) };
        let message = format!("the answer can't be read: {words}");
        Self { arrival: Arrival::Unknown, nature: Nature::Transient, ..Self::unsent(called, message) }
    }

    /// An answer that no second try makes better.
    pub(crate) fn useless(called: impl Into<String>, message: impl Into<String>) -> Self {
        Self { arrival: Arrival::Unknown, ..Self::unsent(called.into(), message) }
    }

    /// What the server answered instead of yes.
    pub(super) fn of_answer(
        called: String,
        status: StatusCode,
        body: &[u8],
        token: &Secret,
        pause: Option<Duration>,
    ) -> Self {
        let Said { codes, message } = Said::in_body(body, token);
        let arrival = if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            Arrival::Unknown
        } else {
            Arrival::Refused
        };
        let throttled = |code: &String| THROTTLED.iter().any(|known| known.eq_ignore_ascii_case(code));
        let nature = match status.as_u16() {
            429 => Nature::Throttled,
            403 if codes.iter().any(throttled) => Nature::Throttled,
            408 | 500 | 502 | 503 | 504 => Nature::Transient,
            _ => Nature::Final,
        };
        Self { called, status: Some(status), codes, message, arrival, nature, pause, source: None }
    }

    /// The status of the answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status.map(|status| status.as_u16())
    }

    /// Whether the server used this code for it, in capitals or not.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known.eq_ignore_ascii_case(code))
    }

    /// All codes that the server used, the most telling first.
    pub(crate) fn codes(&self) -> &[String] {
        &self.codes
    }

    /// The server's words.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The server's code and words, without what was called.
    pub(crate) fn words(&self) -> String {
        match self.codes.first() {
            Some(code) if self.message.is_empty() => code.clone(),
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// Whether the call took effect.
    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether there were too many calls.
    pub(crate) fn is_throttled(&self) -> bool {
        self.nature == Nature::Throttled
    }

    /// Whether another try may go better, of a call that can bear one.
    pub(crate) fn is_transient(&self) -> bool {
        self.nature != Nature::Final
    }

    /// How long the server asks to wait.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.pause
    }

    /// What it is when nothing about the call says it better.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self.status() {
            _ if self.is_throttled() => ErrorKind::Busy,
            Some(401 | 403) => ErrorKind::Permission,
            Some(404) => ErrorKind::NotFound,
            Some(408 | 500..) => ErrorKind::Unavailable,
            Some(_) => ErrorKind::Failed,
            None => match self.without_credentials() {
                Some(error) => error.kind(),
                None if self.is_transient() => ErrorKind::Unavailable,
                None => ErrorKind::Failed,
            },
        }
    }

    /// Why there was no token, where that is all that is wrong.
    pub(crate) fn without_credentials(&self) -> Option<&Error> {
        self.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { called, status, codes, message, .. } = self;
        f.write_str(called)?;
        if let Some(status) = status {
            write!(f, ": {status}")?;
        }
        if let Some(code) = codes.first() {
            write!(f, ": {code}")?;
        }
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, body: &str) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        Fault::of_answer("GET /v1".into(), status, body.as_bytes(), &Secret::new("t0ken".into()), None)
    }

    #[test]
    fn what_google_says_is_found() {
        let fault = fault(
            409,
            r#"{"error": {"code": 409, "message": "Operation failed because another operation was already in progress.",
                "errors": [{"message": "...", "domain": "global", "reason": "operationInProgress"}]}}"#,
        );
        assert_eq!(fault.codes, ["operationInProgress"]);
        let said = "Operation failed because another operation was already in progress.";
        assert_eq!(fault.to_string(), format!("GET /v1: 409 Conflict: operationInProgress: {said}"));
        assert_eq!((fault.kind(), fault.arrival()), (ErrorKind::Failed, Arrival::Refused));
    }

    #[test]
    fn what_google_says_in_details_is_found() {
        let fault = fault(
            403,
            r#"{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED", "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
                 "domain": "googleapis.com", "metadata": {"service": "sqladmin.googleapis.com"}},
                {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "x"}]}]}}"#,
        );
        assert_eq!(fault.codes, ["SERVICE_DISABLED", "PERMISSION_DENIED"]);
        assert_eq!(fault.kind(), ErrorKind::Permission);
    }

    #[test]
    fn what_azure_says_is_found() {
        let body = r#"{"error": {"code": "ResourceNotFound", "message": "no", "details": [{"code": "Inner", "message": "x"}]}}"#;
        let fault = fault(404, body);
        assert!(fault.has_code("resourcenotfound") && fault.has_code("Inner"));
        assert_eq!((fault.kind(), &*fault.message), (ErrorKind::NotFound, "no"));
    }

    #[test]
    fn a_body_of_any_other_kind_is_told_in_short() {
        for (body, message) in [
            ("", ""),
            ("no", "no"),
            ("{\"error\": \"no\"}", "{\"error\": \"no\"}"),
            ("{\"error\": {\"errors\": 7}}", "{\"error\": {\"errors\": 7}}"),
            ("<html>\n<head><title>404\r\nNot Found</title></head>", "404 Not Found"),
            ("a\u{7}\u{1b}[2Jb\u{9b}c", "a [2Jb c"),
        ] {
            assert_eq!(fault(400, body).message, message);
        }
        let long = fault(400, &"ü".repeat(5000));
        assert_eq!(long.message.chars().count(), MESSAGE + 3);
        let many = format!("{{\"error\": {{\"errors\": [{}]}}}}", vec!["{\"reason\": \"a\"}"; 5000].join(","));
        assert_eq!(fault(400, &many).codes, ["a"]);
    }

    #[test]
    fn too_many_requests_are_told_from_a_refusal() {
        let said = |reason: &str| format!("{{\"error\": {{\"errors\": [{{\"reason\": \"{reason}\"}}]}}}}");
        assert!(fault(429, "").is_throttled());
        for reason in ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"] {
            assert!(fault(403, &said(reason)).is_throttled(), "{reason}");
        }
        for reason in ["forbidden", "quotaExceeded", "operationInProgress"] {
            assert!(!fault(403, &said(reason)).is_transient(), "{reason}");
        }
    }
}
