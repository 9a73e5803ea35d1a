//! Lists in pages. A link is good only once it was given.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::{Answer, Call, Outcome, refuse};
use super::world::World;
use crate::support::encoded;

/// Where the pages begin that were linked to, by token: of which path, and at which entry.
pub(super) type Markers = BTreeMap<String, (String, usize)>;

impl World {
    /// A page of a list.
    pub(super) fn page(&mut self, call: &Call, entries: &[Value]) -> Outcome {
        let start = match call.get("$skiptoken") {
            None => 0,
            Some(token) => match self.markers.get(token) {
                Some((path, start)) if path == call.path() => *start,
                _ => return refuse(400, "InvalidSkipToken", "The skip token is invalid."),
            },
        };
        let end = entries.len().min(start + self.page);
        let mut body = json!({"value": entries.get(start..end).unwrap_or_default()});
        if end < entries.len() {
            body["nextLink"] = self.link(call, end).into();
        }
        Ok(Answer::json(body))
    }

    /// The address of the page that begins with an entry.
    fn link(&mut self, call: &Call, start: usize) -> String {
        let token = format!("eyJsYXN0Ijo{:x}==/+", self.markers.len() * 7919 + 4096);
        self.markers.insert(token.clone(), (call.path().to_owned(), start));
        let version = call.get("api-version").unwrap_or_default();
        format!("{}{}?api-version={version}&%24skiptoken={}", self.origin, call.path(), encoded(&token))
    }

    /// The same page, but linked to itself.
    pub(super) fn leading_to_itself(&mut self, call: &Call, body: &mut Value) {
        let start = call.get("$skiptoken").and_then(|token| Some(self.markers.get(token)?.1)).unwrap_or_default();
        body["nextLink"] = self.link(call, start).into();
    }

    /// The same page, but linked to another host.
    pub(super) fn leading_elsewhere(&mut self, call: &Call, body: &mut Value) {
        let link = self.link(call, self.page).replacen(&self.origin, &self.elsewhere(), 1);
        body["nextLink"] = link.into();
    }
}
