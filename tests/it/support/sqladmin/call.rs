//! A request, taken apart, and why one is refused, in the words in which Google's APIs refuse.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::methods::Method;
use crate::support::query::parameters;

/// A call that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// As the API names it: `backupRuns.insert`.
    pub(crate) method: &'static str,
    pub(crate) project: String,
    /// The instance of its path; `-` is all.
    pub(crate) instance: Option<String>,
    /// What else its path names: a run, a backup or an operation.
    pub(crate) id: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// How many requests for the project were under way when it came, with itself.
    pub(crate) in_flight: usize,
}

/// Why a call is not carried out, as the service tells it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) message: String,
    /// Of newer errors: the status in words, and the details.
    pub(super) more: Option<(&'static str, Value)>,
    pub(super) retry_after: Option<u32>,
}

pub(super) type Outcome<T = Value> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(status: u16, reason: &str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, reason: reason.to_owned(), message: message.into(), more: None, retry_after: None }
    }

    pub(super) fn with(self, status: &'static str, details: Value) -> Self {
        Self { more: Some((status, details)), ..self }
    }

    /// Google's whole error body.
    pub(super) fn body(&self) -> Value {
        let one = json!({"message": self.message, "domain": "global", "reason": self.reason});
        let mut error = json!({"code": self.status.as_u16(), "message": self.message, "errors": [one]});
        if let Some((status, details)) = &self.more {
            error["status"] = json!(status);
            error["details"] = details.clone();
        }
        json!({"error": error})
    }
}

pub(super) fn refuse<T>(status: u16, reason: &str, message: impl Into<String>) -> Outcome<T> {
    Err(Refusal::new(status, reason, message))
}

/// As most requests are refused that make no sense.
pub(super) fn invalid<T>(message: impl AsRef<str>) -> Outcome<T> {
    refuse(400, "invalid", format!("Invalid request: {}.", message.as_ref()))
}

pub(super) fn no_instance<T>() -> Outcome<T> {
    refuse(404, "instanceDoesNotExist", "The Cloud SQL instance does not exist.")
}

/// Makes the test fail, too.
pub(super) fn not_simulated<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Refusal::new(501, "notImplemented", what).with("UNIMPLEMENTED", json!([])))
}

impl Call {
    /// Reads a call whose method is known, with the names that its path gives.
    pub(super) fn read(method: &Method, names: &[(&str, String)], head: &Parts, body: &Bytes) -> Outcome<Self> {
        let named = |wanted: &str| names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        let body = match serde_json::from_slice(body) {
            _ if body.is_empty() => None,
            Ok(value @ Value::Object(_)) => Some(value),
            _ => return refuse(400, "badRequest", "Invalid JSON payload received."),
        };
        Ok(Self {
            method: method.name,
            project: named("project").unwrap(),
            instance: named("instance"),
            id: named("id"),
            query: query(head),
            body,
            in_flight: 0,
        })
    }

    /// A query parameter by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A field of the body, by a pointer such as `/cloneContext/pointInTime`.
    pub(crate) fn field(&self, pointer: &str) -> Option<&str> {
        self.body.as_ref()?.pointer(pointer)?.as_str()
    }

    /// What must be in a body.
    pub(super) fn required(&self, pointer: &str) -> Outcome<&str> {
        match self.field(pointer) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => refuse(400, "required", format!("Required parameter: {pointer}")),
        }
    }

    /// An object of the body in which no field may be that would be ignored.
    pub(super) fn only(&self, pointer: &str, fields: &[&str]) -> Outcome<()> {
        let found = self.body.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_object);
        match found.into_iter().flatten().find(|(name, _)| *name != "kind" && !fields.contains(&name.as_str())) {
            Some((name, _)) => not_simulated(format!("{} with {pointer}/{name}", self.method)),
            None => Ok(()),
        }
    }

    pub(super) fn instance(&self) -> &str {
        self.instance.as_deref().unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Whether it changes something.
    pub(crate) fn is_change(&self) -> bool {
        let (_, verb) = self.method.rsplit_once('.').unwrap();
        !["list", "get", "ListBackups", "GetBackup", "getLatestRecoveryTime"].contains(&verb)
    }
}

/// The query parameters of a request.
pub(super) fn query(head: &Parts) -> BTreeMap<String, String> {
    parameters(head.uri.query().unwrap_or_default())
}
