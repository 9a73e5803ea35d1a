//! Lists in pages. A token is opaque, is good only once it was given, and only for the same question.

use std::collections::BTreeMap;

use serde_json::Value;

use super::call::{Call, Outcome, refuse};
use super::world::World;

/// Where a page ended.
pub(super) struct Marker {
    question: BTreeMap<String, String>,
    /// The id of the last entry, and where it was.
    last: String,
    after: usize,
}

pub(super) type Markers = BTreeMap<String, Marker>;

/// What the next page is asked for with, apart from the token.
fn question(call: &Call) -> BTreeMap<String, String> {
    let mut question = call.query.clone();
    question.remove("pageToken");
    for (name, value) in [("method", call.method), ("project", &call.project), ("of", call.instance())] {
        question.insert(format!("/{name}"), value.to_owned());
    }
    question
}

/// A list.
pub(super) struct List<'l, T> {
    /// What the answer calls it.
    pub(super) name: &'static str,
    /// The parameter that says how many entries a page has at most, and how many it has without that.
    pub(super) size: (&'static str, usize),
    /// All entries, each with an id of its own.
    pub(super) entries: Vec<(&'l str, &'l T)>,
    pub(super) shown: fn(&T) -> Value,
}

/// Puts a page of a list, with `cap` entries at most, into `body`.
pub(super) fn page<T>(
    markers: &mut Markers,
    cap: usize,
    call: &Call,
    List { name, size: (size, usual), entries, shown }: List<'_, T>,
    mut body: Value,
) -> Outcome {
    let most = match call.get(size).map(str::parse) {
        None | Some(Ok(0)) => usual,
        Some(Ok(most)) => most,
        Some(Err(_)) => return refuse(400, "invalidParameter", format!("Invalid value for {size}.")),
    };
    let start = match call.get("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => match markers.get(token) {
            Some(marker) if marker.question == question(call) => {
                entries.iter().position(|(id, _)| **id == marker.last).map_or(marker.after, |last| last + 1)
            }
            _ => return refuse(400, "invalid", "Invalid value for pageToken: it was not given for this request."),
        },
    };
    let end = entries.len().min(start + most.min(cap));
    if end < entries.len() {
        let token = format!("CAE={:032x}+/", 0x9e37_79b9_7f4a_7c15_u128 * (markers.len() as u128 + 1));
        let marker = Marker { question: question(call), last: entries[end - 1].0.to_owned(), after: end };
        markers.insert(token.clone(), marker);
        body["nextPageToken"] = token.into();
    }
    // an empty list isn't there at all
    if start < end {
        body[name] = entries[start..end].iter().map(|(_, entry)| shown(entry)).collect();
    }
    Ok(body)
}

/// The same page, but with the token that the call came with, or that of the page itself.
pub(super) fn leading_to_itself(world: &mut World, call: &Call, mut body: Value) -> Value {
    if body.is_object() {
        let token = call.get("pageToken").map(ToOwned::to_owned).unwrap_or_else(|| {
            let token = format!("CAE=self{}", world.markers.len());
            let marker = Marker { question: question(call), last: String::new(), after: 0 };
            world.markers.insert(token.clone(), marker);
            token
        });
        body["nextPageToken"] = token.into();
    }
    body
}
