//! A request, taken apart, and why one is refused, in the words in which Azure refuses.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::methods::Method;
use crate::support::query::parameters;

/// A call that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// As the tests name it: `mysql.backups.put`.
    pub(crate) method: &'static str,
    /// The path and the query, as they came.
    pub(crate) target: String,
    pub(super) names: BTreeMap<&'static str, String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// How many requests of the subscription were under way when it came, with itself.
    pub(crate) in_flight: usize,
}

/// Why a call is not carried out, as the service tells it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) retry_after: Option<u32>,
    /// What stands before the service answers with a page instead of JSON.
    pub(super) page: Option<String>,
    /// No client may do this: the test fails, too.
    pub(super) finding: bool,
}

pub(super) type Outcome<T = Answer> = Result<T, Refusal>;

/// What the service answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    /// The operation that was begun or looked at, by its place among all: the answer tells where to look at it.
    pub(super) operation: Option<usize>,
}

impl Answer {
    pub(super) fn json(body: Value) -> Self {
        Self { status: 200, body: Some(body), operation: None }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, body: None, operation: None }
    }
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after: None, page: None, finding: false }
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }
}

pub(super) fn refuse<T>(status: u16, code: &str, message: impl Into<String>) -> Outcome<T> {
    Err(Refusal::new(status, code, message))
}

/// As most requests are refused that make no sense.
pub(super) fn invalid<T>(what: &str) -> Outcome<T> {
    refuse(
        400,
        "InvalidParameterValue",
        format!("Invalid value given for parameter {what}. Specify a valid parameter value."),
    )
}

pub(super) fn not_found<T>(call: &Call) -> Outcome<T> {
    let (what, group) = (call.resource(), call.name("group"));
    let message = format!(
        "The Resource '{what}' under resource group '{group}' was not found. For more details please go to \
         https://aka.ms/ARMResourceNotFoundFix"
    );
    refuse(404, "ResourceNotFound", message)
}

/// Makes the test fail, too. No client tries a 400 again, so that its error shows what is missing.
pub(super) fn not_simulated<T>(what: impl Into<String>) -> Outcome<T> {
    let what = format!("not simulated: {}", what.into());
    Err(Refusal { finding: true, ..Refusal::new(400, "NotSimulated", what) })
}

/// What no client may send. Makes the test fail, too.
pub(super) fn violated<T>(status: u16, code: &str, message: impl Into<String>) -> Outcome<T> {
    Err(Refusal { finding: true, ..Refusal::new(status, code, message) })
}

impl Call {
    /// Reads a call whose method is known, with the names that its path gives.
    pub(super) fn read(
        method: &Method,
        names: BTreeMap<&'static str, String>,
        head: &Parts,
        body: &Bytes,
    ) -> Outcome<Self> {
        let body = match serde_json::from_slice(body) {
            _ if body.is_empty() => None,
            Ok(value @ Value::Object(_)) => Some(value),
            _ => {
                return refuse(
                    400,
                    "InvalidRequestContent",
                    "The request content was invalid and could not be deserialized.",
                );
            }
        };
        let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(Self { method: method.name, target, names, query: query(head), body, in_flight: 0 })
    }

    /// What its path names so: `subscription`, `group`, `server`, `database`, `location`, or `id` for what is last.
    pub(crate) fn name(&self, of: &str) -> &str {
        self.names.get(of).map(String::as_str).unwrap_or_default()
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the provider's namespace, in the words of `az`: `Microsoft.DBforMySQL/flexibleServers/crm-db`.
    fn resource(&self) -> String {
        let (_, resource) = self.path().rsplit_once("/providers/").unwrap_or_default();
        resource.to_owned()
    }

    /// What it is about, in lower case: the path, and the file that is to be written or read.
    pub(super) fn subject(&self) -> String {
        let file = self.field("/storageUri").or_else(|| self.field("/backupSettings/backupName"));
        let file = file.map(|file| format!("#{file}")).unwrap_or_default();
        format!("{}{file}", self.path()).to_ascii_lowercase()
    }

    /// A query parameter by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A field of the body, by a pointer such as `/properties/createMode`.
    pub(crate) fn field(&self, pointer: &str) -> Option<&str> {
        self.body.as_ref()?.pointer(pointer)?.as_str()
    }

    /// What must be in a body.
    pub(super) fn required(&self, pointer: &str) -> Outcome<&str> {
        match self.field(pointer) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => refuse(400, "MissingRequiredParameter", format!("The required parameter '{pointer}' is missing.")),
        }
    }

    /// An object of the body in which no field may be that would be ignored.
    pub(super) fn only(&self, pointer: &str, fields: &[&str]) -> Outcome<()> {
        let found = self.body.as_ref().and_then(|body| body.pointer(pointer)).and_then(Value::as_object);
        let odd = |(name, value): &(&String, &Value)| !value.is_null() && !fields.contains(&name.as_str());
        match found.into_iter().flatten().find(odd) {
            Some((name, _)) => not_simulated(format!("{} with {pointer}/{name}", self.method)),
            None => Ok(()),
        }
    }

    /// What the method does, by its last word.
    pub(crate) fn verb(&self) -> &'static str {
        self.method.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it changes something.
    pub(crate) fn is_change(&self) -> bool {
        !["list", "get"].contains(&self.verb())
    }
}

/// The query parameters of a request.
pub(super) fn query(head: &Parts) -> BTreeMap<String, String> {
    parameters(head.uri.query().unwrap_or_default())
}
