//! What Azure's refusals mean, and the one thing to do about each.

use std::fmt;

use super::Home;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::{Arrival, Fault};
use crate::shell::shell_word;

/// Where the server works on something else. Azure's services have many words for it.
const BUSY: [&str; 10] = [
    "ServerIsBusy",
    "ServerBusy",
    "OperationInProgress",
    "AnotherOperationInProgress",
    "ConflictingServerOperation",
    "ConflictingDatabaseOperation",
    "ResourceBusy",
    "ServerIsNotReady",
    "RetryableError",
    "ManagementServiceDatabaseBusy",
];
const TAKEN: [&str; 6] = [
    "ServerNameAlreadyExists",
    "ServerAlreadyExists",
    "NameAlreadyExists",
    "ResourceAlreadyExists",
    "DatabaseAlreadyExists",
    "AlreadyExists",
];
const STOPPED: [&str; 5] =
    ["ServerStopped", "ServerIsStopped", "ServerNotRunning", "InvalidServerState", "ServerNotInReadyState"];

pub(crate) fn is_missing(fault: &Fault) -> bool {
    fault.status() == Some(404)
}

/// Whether the request may have taken effect, though no answer says so.
pub(crate) fn is_uncertain(fault: &Fault) -> bool {
    fault.arrival() == Arrival::Unknown
}

pub(crate) fn is_busy(fault: &Fault) -> bool {
    BUSY.iter().any(|code| fault.has_code(code))
}

/// Whether the name of what is to be made is somebody's.
pub(crate) fn is_taken(fault: &Fault) -> bool {
    TAKEN.iter().any(|code| fault.has_code(code))
}

/// What isn't there is nothing; but a server, a group or a subscription that isn't there is an error.
pub(crate) fn none_if_missing<T>(called: Result<T, Fault>) -> Result<Option<T>, Fault> {
    let of_parent = ["ParentResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound"];
    match called {
        Ok(found) => Ok(Some(found)),
        Err(fault) if is_missing(&fault) && !of_parent.iter().any(|code| fault.has_code(code)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Turns a fault into an error of the provider.
pub(crate) trait OrError<T> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> OrError<T> for Result<T, Fault> {
    fn or_error(self, home: &Home, verb: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|fault| into_error(fault, home, verb, subject))
    }
}

pub(crate) fn into_error(fault: Fault, home: &Home, verb: &str, subject: impl fmt::Display) -> Error {
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
    reason: String,
    hint: Option<String>,
}

impl Meaning {
    fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), hint: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

fn meaning(fault: &Fault, home: &Home) -> Meaning {
    let code = |codes: &[&str]| codes.iter().any(|code| fault.has_code(code));
    if fault.is_throttled() {
        return Meaning::new(ErrorKind::Busy, "Azure throttles the requests of this subscription");
    }
    if is_busy(fault) {
        return Meaning::new(ErrorKind::Busy, "the server is busy with another operation");
    }
    if code(&["ExpiredAuthenticationToken"]) {
        return expired();
    }
    if code(&["AuthorizationFailed", "LinkedAuthorizationFailed"]) {
        return denied(fault, home);
    }
    if let Some(missing) = missing_place(fault, home) {
        return missing;
    }
    if is_taken(fault) {
        return Meaning::new(ErrorKind::Refused, "there is one of that name already");
    }
    if code(&STOPPED) {
        return Meaning::new(ErrorKind::Failed, "the server is stopped, or not ready");
    }
    if fault.codes().iter().any(|code| code.to_ascii_lowercase().contains("quota")) {
        return Meaning::new(ErrorKind::Quota, "a quota is used up");
    }
    if code(&["MissingSubscriptionRegistration"]) {
        let namespace = home.kind.split('/').next().unwrap_or(home.kind);
        let hint = format!("register it: az provider register --namespace {namespace}");
        return Meaning::new(ErrorKind::Failed, "the subscription has not registered the service").with_hint(hint);
    }
    by_status(fault)
}

fn by_status(fault: &Fault) -> Meaning {
    match fault.status() {
        Some(401) => {
            let hint = "get a new one: az account get-access-token, or leave out `access_token`; a sovereign cloud has its own `endpoint`";
            Meaning::new(ErrorKind::Permission, "Azure does not take the access token").with_hint(hint)
        }
        Some(403) => Meaning::new(ErrorKind::Permission, "Azure does not permit it")
            .with_hint("look at the role, at locks and at policies: see docs/azure.md#permissions"),
        Some(404) => Meaning::new(ErrorKind::NotFound, "Azure finds nothing there"),
        Some(400..=499) => Meaning::new(ErrorKind::Failed, "Azure refuses the request"),
        _ if fault.kind() == ErrorKind::Unavailable => {
            Meaning::new(ErrorKind::Unavailable, "Azure's API does not answer")
        }
        _ => Meaning::new(ErrorKind::Failed, "the answer is none that the API gives"),
    }
}

fn expired() -> Meaning {
    Meaning::new(ErrorKind::Permission, "the access token has run out")
        .with_hint("get a new one: az account get-access-token, or leave out `access_token`")
}

/// Names the action that the role lacks, as Azure's words have it.
fn denied(fault: &Fault, home: &Home) -> Meaning {
    let action = action(fault.message());
    let reason = match action {
        Some(action) => format!("the role lacks the action {action}"),
        None => "the role lacks an action".to_owned(),
    };
    let Home { subscription, group, .. } = home;
    let scope = shell_word(&format!("/subscriptions/{subscription}/resourceGroups/{group}"));
    let hint = format!(
        "give the caller a role that has it, see docs/azure.md#permissions: az role assignment create --role ROLE --assignee CALLER --scope {scope}"
    );
    Meaning::new(ErrorKind::Permission, reason).with_hint(hint)
}

/// `Microsoft.Sql/servers/read` of "does not have authorization to perform action 'Microsoft.Sql/servers/read' over scope".
pub(crate) fn action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("perform action '")?;
    let (action, _) = rest.split_once('\'')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./-_*".contains(&byte);
    action.bytes().all(plain).then_some(action)
}

/// What of the target's place Azure doesn't find.
fn missing_place(fault: &Fault, home: &Home) -> Option<Meaning> {
    let Home { owner, subscription, group, server, .. } = home;
    let target = &owner.target;
    let (key, reason, look) = if fault.has_code("SubscriptionNotFound") || fault.has_code("InvalidSubscriptionId") {
        ("subscription_id", format!("there is no subscription {subscription} for this caller"), "az account list")
    } else if fault.has_code("ResourceGroupNotFound") {
        ("resource_group", format!("there is no resource group {group}"), "az group list")
    } else if fault.has_code("ParentResourceNotFound") {
        let look = "snapkeep targets list --discover";
        ("server_name", format!("there is no server {server} in the resource group {group}"), look)
    } else {
        return None;
    };
    let hint = format!("see what is there: `{look}`, then correct `{key}` of [targets.{target}]");
    Some(Meaning::new(ErrorKind::NotFound, reason).with_hint(hint))
}

impl Home {
    /// The error of a server that isn't there.
    pub(crate) fn no_server(&self, verb: &str) -> Error {
        let Self { owner, group, server, .. } = self;
        let target = &owner.target;
        let reason = format!("there is no server {server} in the resource group {group}");
        self.error(ErrorKind::NotFound, verb, target, reason).with_hint(format!(
            "see what is there: `snapkeep targets list --discover`, then correct `server_name` or `resource_group` of [targets.{target}]"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_that_a_role_lacks_is_found_in_azures_words() {
        let said = "The client 'a@b' with object id '1' does not have authorization to perform action \
            'Microsoft.DBforMySQL/flexibleServers/backups/write' over scope '/subscriptions/x' or the scope is invalid.";
        assert_eq!(action(said), Some("Microsoft.DBforMySQL/flexibleServers/backups/write"));
        for other in ["", "perform action '", "perform action 'a\u{1b}[2J' over"] {
            assert_eq!(action(other), None, "{other:?}");
        }
    }
}
