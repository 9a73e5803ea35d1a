//! The service's XML.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, Utc};

use super::call::Refusal;
use super::{Reply, reply};

pub(super) const CONTENT_TYPE: &str = "text/xml";
pub(super) const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";
const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

pub(super) fn response(action: &str, result: &str) -> String {
    let metadata = format!("<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>");
    let result = match result {
        "" => String::new(),
        result => format!("<{action}Result>{result}</{action}Result>"),
    };
    format!("<{action}Response xmlns=\"{NAMESPACE}\">{result}{metadata}</{action}Response>")
}

pub(super) fn refused(refusal: &Refusal) -> Reply {
    let fault = if refusal.status.is_server_error() { "Receiver" } else { "Sender" };
    let told = [element("Type", fault), element("Code", &refusal.code), element("Message", &refusal.message)].concat();
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error>{told}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    );
    reply(refusal.status, CONTENT_TYPE, body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn element(name: &str, value: impl Display) -> String {
    format!("<{name}>{}</{name}>", escaped(&value.to_string()))
}

/// Nothing at all where there is no value.
pub(super) fn optional(name: &str, value: Option<impl Display>) -> String {
    value.map(|value| element(name, value)).unwrap_or_default()
}

/// An element with others in it.
pub(super) fn within(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// A list of elements that hold text only.
pub(super) fn list<'v>(name: &str, member: &str, values: impl IntoIterator<Item = &'v String>) -> String {
    within(name, &values.into_iter().map(|value| element(member, value)).collect::<String>())
}

pub(super) fn tags(tags: &BTreeMap<String, String>) -> String {
    let tag = |(name, value)| within("Tag", &format!("{}{}", element("Key", name), element("Value", value)));
    within("TagList", &tags.iter().map(tag).collect::<String>())
}

pub(super) fn time(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}
