//! Who may do what.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde_json::json;

use super::call::{Call, Outcome, Refusal};

/// The tokens that there are.
pub(super) struct Tokens(BTreeMap<String, Scope>);

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    CloudPlatform,
    /// One that has nothing to do with Cloud SQL.
    Other,
}

impl Tokens {
    pub(super) fn of(token: &str) -> Self {
        Self([(token.to_owned(), Scope::CloudPlatform)].into())
    }

    pub(super) fn add(&mut self, token: &str, scope: Scope) {
        self.0.insert(token.to_owned(), scope);
    }

    pub(super) fn remove(&mut self, token: &str) {
        self.0.remove(token);
    }

    /// Refuses a request without a token, or with one that isn't known or isn't for this.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Outcome<()> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        match value.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| self.0.get(token)) {
            Some(Scope::CloudPlatform) => Ok(()),
            Some(Scope::Other) => {
                let info = json!([{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    "domain": "googleapis.com",
                    "metadata": {"service": "sqladmin.googleapis.com"},
                }]);
                let message = "Request had insufficient authentication scopes.";
                Err(Refusal::new(403, "insufficientPermissions", message).with("PERMISSION_DENIED", info))
            }
            None => Err(unauthenticated()),
        }
    }
}

pub(super) fn unauthenticated() -> Refusal {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                   other valid authentication credential.";
    Refusal::new(401, "authError", message).with("UNAUTHENTICATED", json!([]))
}

/// Google's own wording, from which the missing permission can be read.
pub(super) fn denial(permission: &str, call: &Call) -> Refusal {
    let resource = call.instance.as_deref().unwrap_or("-");
    let message = format!(
        "boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission cloudsql.{permission} on \
         resource instances/{resource}."
    );
    Refusal::new(403, "forbidden", message)
}
