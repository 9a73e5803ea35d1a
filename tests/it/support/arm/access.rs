//! Who may do what, and what a request must have before anything looks at it.

use std::collections::BTreeMap;

use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

use super::call::{Call, Outcome, Refusal, refuse, violated};

/// Who the caller is.
const CLIENT: &str = "5f2d1c8e-8a51-4b7e-9d4f-0d6a1b3c7e90";

/// The tokens that there are, each with whether it is still good.
pub(super) struct Tokens(BTreeMap<String, bool>);

impl Tokens {
    pub(super) fn of(token: &str) -> Self {
        Self([(token.to_owned(), true)].into())
    }

    pub(super) fn set(&mut self, token: &str, good: bool) {
        self.0.insert(token.to_owned(), good);
    }

    /// Refuses a request without a token, or with one that isn't known or isn't good any more.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Outcome<()> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(value) = value else {
            let message = "Authentication failed. The 'Authorization' header is missing.";
            return refuse(401, "AuthenticationFailed", message);
        };
        let Some(token) = value.strip_prefix("Bearer ") else {
            let message = "Authentication failed. The 'Authorization' header is provided in an invalid format.";
            return refuse(401, "AuthenticationFailed", message);
        };
        match self.0.get(token) {
            Some(true) => Ok(()),
            Some(false) => Err(expired()),
            None => refuse(401, "InvalidAuthenticationToken", "The access token is invalid."),
        }
    }
}

pub(super) fn expired() -> Refusal {
    let message = "The access token expiry UTC time '11/22/2026 2:03:04 AM' is earlier than current UTC time \
                   '11/22/2026 2:15:00 AM'.";
    Refusal::new(401, "ExpiredAuthenticationToken", message)
}

/// In Azure's own words for a missing permission.
pub(super) fn denial(action: &str, call: &Call) -> Refusal {
    let scope = call.path();
    let message = format!(
        "The client '{CLIENT}' with object id '{CLIENT}' does not have authorization to perform action '{action}' over \
         scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    Refusal::new(403, "AuthorizationFailed", message)
}

/// A request that says no length isn't seen by anything behind the front.
pub(super) fn has_length(head: &Parts) -> Outcome<()> {
    let bodied = [Method::PUT, Method::POST, Method::PATCH].contains(&head.method);
    if !bodied || head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let page = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
                <HTML><HEAD><TITLE>Length Required</TITLE>\r\n<META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; \
                charset=us-ascii\"></HEAD>\r\n<BODY><h2>Length Required</h2>\r\n<hr><p>HTTP Error 411. The request must \
                be chunked or have a content length.</p>\r\n</BODY></HTML>\r\n";
    Err(Refusal { page: Some(page.to_owned()), ..Refusal::new(411, "", "") })
}

/// A token must not follow a link to another host, and no path may be climbed.
pub(super) fn is_for_here(head: &Parts, host: &str) -> Outcome<()> {
    let asked = head.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if asked != host {
        return violated(421, "MisdirectedRequest", format!("a request that was meant for {asked}: {}", head.uri));
    }
    let odd = |segment: &str| segment.is_empty() || segment == "." || segment == "..";
    if head.uri.path().split('/').skip(1).any(odd) {
        return violated(400, "InvalidRequestUri", format!("a path that leads elsewhere: {}", head.uri));
    }
    Ok(())
}
