//! What may be a name. What isn't one must never be sent: a client that builds paths of such names builds other paths.

use std::collections::BTreeMap;

use super::call::{Outcome, violated};
use super::methods::Service;

/// Fails the test for a name that nothing of its kind can have.
pub(super) fn are_good(service: Service, names: &BTreeMap<&'static str, String>) -> Outcome<()> {
    let bad = names.iter().find(|(kind, name)| !is_good(service, kind, name));
    match bad {
        Some((kind, name)) => violated(400, "InvalidResourceName", format!("the name of a {kind} can't be {name:?}")),
        None => Ok(()),
    }
}

fn is_good(service: Service, kind: &str, name: &str) -> bool {
    let plain = |more: &'static str| move |char: char| char.is_ascii_alphanumeric() || more.contains(char);
    if name.chars().all(|char| char == '.') {
        return false;
    }
    match kind {
        "subscription" => is_uuid(name),
        "group" => (1..=90).contains(&name.len()) && name.chars().all(plain("-_.()")) && !name.ends_with('.'),
        "server" => {
            (3..=63).contains(&name.len())
                && name.chars().all(plain("-"))
                && !name.starts_with('-')
                && !name.ends_with('-')
        }
        "location" => !name.is_empty() && name.chars().all(plain(" ")),
        _ if service == Service::Sql => {
            (1..=128).contains(&name.chars().count())
                && !name.contains(['<', '>', '*', '%', '&', ':', '\\', '/', '?'])
                && !name.chars().any(char::is_control)
                && !name.ends_with(['.', ' '])
        }
        _ => (1..=128).contains(&name.len()) && name.chars().all(plain("-_.")),
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .char_indices()
            .all(|(at, char)| if [8, 13, 18, 23].contains(&at) { char == '-' } else { char.is_ascii_hexdigit() })
}

/// Whether it could be a version: `2023-12-30` or `2025-06-01-preview`.
pub(super) fn is_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    date.parse::<chrono::NaiveDate>().is_ok() && date.len() == 10
}

/// Of a name that snapkeep gave: the fields of target and key, which one key must have only once.
pub(super) fn key(name: &str) -> Option<(&str, &str)> {
    let mut fields = name.get(name.find("sk__")?..)?.split("__").skip(1);
    let (target, _, key) = (fields.next()?, fields.next()?, fields.next()?);
    Some((target, key))
}
