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

/// What the next page is asked for with, apart from the token.
fn question(call: &Call) -> BTreeMap<String, String> {
    let mut question = call.query.clone();
    question.remove("pageToken");
    for (name, value) in [("method", call.method), ("project", &call.project), ("of", call.instance())] {
        question.insert(format!("/{name}"), value.to_owned());
    }
    question
}

/// Puts a page of `entries`, each with an id of its own, into `body` as its list `name`. Where a call doesn't say how
/// many it wants, it gets `usual`.
pub(super) fn page(
    world: &mut World,
    call: &Call,
    (name, size, usual): (&str, &str, usize),
    entries: Vec<(String, Value)>,
    mut body: Value,
) -> Outcome {
    let most = match call.get(size).map(str::parse) {
        None | Some(Ok(0)) => usual,
        Some(Ok(most)) => most,
        Some(Err(_)) => return refuse(400, "invalidParameter", format!("Invalid value for {size}.")),
    };
    let start = match call.get("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => match world.markers.get(token) {
            Some(marker) if marker.question == question(call) => {
                entries.iter().position(|(id, _)| *id == marker.last).map_or(marker.after, |last| last + 1)
            }
            _ => return refuse(400, "invalid", "Invalid value for pageToken: it was not given for this request."),
        },
    };
    let end = entries.len().min(start + most.min(world.page));
    if end < entries.len() {
        let token = format!("CAE={:032x}+/", 0x9e37_79b9_7f4a_7c15_u128 * (world.markers.len() as u128 + 1));
        let marker = Marker { question: question(call), last: entries[end - 1].0.clone(), after: end };
        world.markers.insert(token.clone(), marker);
        body["nextPageToken"] = token.into();
    }
    // an empty list isn't there at all
    if start < end {
        body[name] = entries.into_iter().skip(start).take(end - start).map(|(_, entry)| entry).collect();
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
