//! A request, taken apart, and why one is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode, header};

use super::key;
use super::names::tag_problem;
use super::world::{Place, World};
use crate::support::query::parameters;

const VERSION: &str = "2014-10-31";

/// A call that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) service: String,
    pub(crate) action: String,
    /// Who called, and in which region.
    pub(crate) place: Place,
    /// As they are on the wire: `Tags.Tag.1.Key`.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Why a call is not carried out, as the service tells it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
}

pub(super) type Outcome<T = String> = Result<T, Refusal>;

/// As RDS refuses nearly everything.
pub(super) fn refuse<T>(code: &str, message: impl Into<String>) -> Outcome<T> {
    refuse_with(StatusCode::BAD_REQUEST, code, message)
}

pub(super) fn refuse_with<T>(status: StatusCode, code: &str, message: impl Into<String>) -> Outcome<T> {
    Err(Refusal { status, code: code.to_owned(), message: message.into() })
}

/// Makes the test fail, too.
pub(super) fn not_simulated<T>(what: impl Into<String>) -> Outcome<T> {
    refuse_with(StatusCode::NOT_IMPLEMENTED, "NotImplemented", what)
}

pub(super) fn bad_value<T>(message: impl Into<String>) -> Outcome<T> {
    refuse("InvalidParameterValue", message)
}

impl Call {
    pub(super) fn is_of_kms(&self) -> bool {
        self.service == "kms"
    }

    pub(crate) fn region(&self) -> &str {
        &self.place.region
    }

    /// A parameter by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn required(&self, name: &str) -> Outcome<&str> {
        match self.get(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => refuse("MissingParameter", format!("The request must contain the parameter {name}.")),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => refuse("MalformedInput", format!("{name}: {other}")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Outcome<Option<u32>> {
        match self.get(name).map(|value| (value, value.parse())) {
            None => Ok(None),
            Some((_, Ok(number))) => Ok(Some(number)),
            Some((value, Err(_))) => refuse("MalformedInput", format!("{name}: {value}")),
        }
    }

    /// The values of a list, by its name and that of its members: `VpcSecurityGroupIds.VpcSecurityGroupId`.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        (1..).map_while(|number| self.get(&format!("{name}.{number}")).map(ToOwned::to_owned)).collect()
    }

    /// The tags that it brings, as they are.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let pair = |number: u32| {
            let name = self.get(&format!("Tags.Tag.{number}.Key"))?;
            Some((name.to_owned(), self.get(&format!("Tags.Tag.{number}.Value")).unwrap_or_default().to_owned()))
        };
        (1..).map_while(pair).collect()
    }

    /// The same, unless RDS doesn't take them.
    pub(super) fn valid_tags(&self) -> Outcome<BTreeMap<String, String>> {
        let tags = self.tags();
        match tag_problem(&tags) {
            Some(problem) => bad_value(problem),
            None => Ok(tags),
        }
    }
}

/// Reads a call; the checks are those that every action has in common.
pub(super) fn read(world: &World, head: &Parts, body: &Bytes) -> Outcome<Call> {
    if (&head.method, head.uri.path()) != (&Method::POST, "/") || head.uri.query().is_some() {
        return not_simulated(format!("{} {}", head.method, head.uri));
    }
    let [key_id, region, service] = scope(&head.headers)?;
    let Some(account) = world.account(&key_id) else {
        return refuse_with(
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        );
    };
    if !world.has_region(&region) {
        let message = format!("Credential should be scoped to a valid region, not '{region}'.");
        return refuse_with(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message);
    }
    let (action, parameters) = match service.as_str() {
        "rds" => form(&head.headers, body, VERSION)?,
        "sts" => form(&head.headers, body, "2011-06-15")?,
        "iam" if region == "us-east-1" => form(&head.headers, body, "2010-05-08")?,
        "kms" => key::read(&head.headers, body)?,
        other => return not_simulated(format!("the service {other}")),
    };
    Ok(Call { service, action, place: Place::new(account, &region), parameters })
}

/// Access key, region and service, as the signature has them.
fn scope(headers: &HeaderMap) -> Outcome<[String; 3]> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let credential = header.strip_prefix("AWS4-HMAC-SHA256 Credential=").and_then(|rest| rest.split(',').next());
    let parts: Vec<&str> = credential.unwrap_or_default().split('/').collect();
    match parts[..] {
        [key, date, region, service, "aws4_request"] if date.len() == 8 && header.contains("Signature=") => {
            Ok([key, region, service].map(ToOwned::to_owned))
        }
        _ => {
            refuse_with(StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Request is missing Authentication Token")
        }
    }
}

fn form(headers: &HeaderMap, body: &Bytes, version: &str) -> Outcome<(String, BTreeMap<String, String>)> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return not_simulated(format!("a body of type {content_type:?}"));
    }
    let mut parameters = parameters(&String::from_utf8_lossy(body));
    if parameters.remove("Version").as_deref() != Some(version) {
        return not_simulated("another version of the API");
    }
    let action = parameters.remove("Action").unwrap_or_default();
    Ok((action, parameters))
}
