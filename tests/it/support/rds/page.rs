//! Lists in pages. A marker is opaque, is good only once it was given, and only for the same question.

use std::collections::BTreeMap;

use super::call::{Call, Outcome, bad_value};
use super::world::World;
use super::xml::{element, within};

/// Where a page ended.
pub(super) struct Marker {
    question: BTreeMap<String, String>,
    /// The id of the last entry, and where it was.
    last: String,
    after: usize,
}

/// What the next page is asked for with, apart from the marker.
fn question(call: &Call) -> BTreeMap<String, String> {
    let own = |name: &String| !["Marker", "MaxRecords"].contains(&name.as_str());
    let mut question: BTreeMap<_, _> = call
        .parameters
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    question.insert("Action".into(), call.action.clone());
    question.insert("Place".into(), call.place.arn("rds", ""));
    question
}

/// The body of a page of `entries`, each with an id of its own, as elements of the list `name`.
pub(super) fn page<T>(
    world: &mut World,
    call: &Call,
    name: &str,
    entries: Vec<(String, T)>,
) -> Outcome<(Vec<T>, impl Fn(&str) -> String + use<T>)> {
    let most = match call.number("MaxRecords")? {
        None => 100,
        Some(most @ 20..=100) => most as usize,
        Some(most) => return bad_value(format!("Invalid value {most} for MaxRecords. Must be between 20 and 100")),
    };
    let start = match call.get("Marker") {
        None => 0,
        Some(token) => match world.markers.get(token) {
            Some(marker) if marker.question == question(call) => {
                entries.iter().position(|(id, _)| *id == marker.last).map_or(marker.after, |last| last + 1)
            }
            _ => return bad_value("The specified marker is not valid."),
        },
    };
    let end = entries.len().min(start + most.min(world.page));
    let token = (end < entries.len()).then(|| {
        let token = format!("{:032x}/+==", 0x9e37_79b9_7f4a_7c15_u128 * (world.markers.len() as u128 + 1));
        let marker = Marker { question: question(call), last: entries[end - 1].0.clone(), after: end };
        world.markers.insert(token.clone(), marker);
        token
    });
    let name = name.to_owned();
    let body = move |inner: &str| {
        let marker = token.as_ref().map(|token| element("Marker", token)).unwrap_or_default();
        [within(&name, inner), marker].concat()
    };
    Ok((entries.into_iter().skip(start).take(end.saturating_sub(start)).map(|(_, entry)| entry).collect(), body))
}

/// The same body, but with the marker that the call came with.
pub(super) fn with_marker_of(call: &Call, body: &str) -> String {
    let body = match (body.find("<Marker>"), body.find("</Marker>")) {
        (Some(start), Some(end)) => [&body[..start], &body[end + "</Marker>".len()..]].concat(),
        _ => body.to_owned(),
    };
    [body, call.get("Marker").map(|token| element("Marker", token)).unwrap_or_default()].concat()
}
