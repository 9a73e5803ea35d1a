//! What RDS takes as a name and as a tag.

use std::collections::BTreeMap;

use super::call::{Outcome, bad_value};
use super::snapshot::Kind;

/// `[A-Za-z](-?[A-Za-z0-9])*`, at most so long.
fn is_identifier(text: &str, most: usize) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && !text.ends_with('-')
        && !text.contains("--")
        && text.len() <= most
}

/// A new snapshot's name as it is kept, in lower case.
pub(super) fn new_snapshot(kind: Kind, name: &str) -> Outcome {
    let most = match kind {
        Kind::Instance => 255,
        Kind::Cluster => 63,
    };
    if !is_identifier(name, most) {
        let parameter = kind.snapshot_parameter();
        return bad_value(format!(
            "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain only \
             ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        ));
    }
    Ok(name.to_lowercase())
}

/// The name of a snapshot that is looked for: also one that the cloud made, or an ARN.
pub(super) fn known_snapshot(name: &str) -> Outcome {
    let plain = ["rds:", "awsbackup:"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if name.starts_with("arn:aws:rds:") || is_identifier(plain, 255) {
        return Ok(name.to_lowercase());
    }
    bad_value(format!("Invalid snapshot identifier:  {name}"))
}

/// A database's name as it is kept, in lower case.
pub(super) fn database(kind: Kind, name: &str) -> Outcome {
    if !is_identifier(name, 63) {
        let parameter = kind.source_parameter();
        return bad_value(format!(
            "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain only \
             ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        ));
    }
    Ok(name.to_lowercase())
}

/// A task's name; at most 60 characters.
pub(super) fn export(name: &str) -> Outcome {
    if !is_identifier(name, 60) {
        return bad_value(format!("The parameter ExportTaskIdentifier is not a valid identifier: {name}"));
    }
    Ok(name.to_owned())
}

/// Why RDS doesn't take these tags.
pub(super) fn tag_problem(tags: &BTreeMap<String, String>) -> Option<String> {
    let allowed = |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter));
    if tags.len() > 50 {
        return Some("The number of tags exceeds the limit of 50.".to_owned());
    }
    let bad = |(name, value): &(&String, &String)| {
        name.is_empty()
            || name.chars().count() > 128
            || value.chars().count() > 256
            || name.to_lowercase().starts_with("aws:")
            || !allowed(name)
            || !allowed(value)
    };
    tags.iter().find(bad).map(|(name, value)| format!("Invalid tag: {name}={value}"))
}
