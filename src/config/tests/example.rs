//! `config.example.toml`: as it is and with every commented key turned on, and no key forgotten.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::super::shape::{Shape, Table};
use super::super::walk::fits;
use super::good;
use super::schemas::document;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// The example with each `# key = value` turned into a live key.
fn all_on() -> String {
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let lines = EXAMPLE.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_has_no_problems() {
    good(EXAMPLE);
}

#[test]
fn the_example_has_no_problems_with_everything_turned_on() {
    good(&all_on());
}

#[test]
fn the_example_shows_every_key_of_everything() {
    let text = all_on();
    let root = DeTable::parse(&text).unwrap();
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    mark(&document(), root.get_ref(), "", &mut shown, &mut known);
    let forgotten: Vec<_> = known.difference(&shown).collect();
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}

/// Notes which keys a table could have and which it has, by kind: `targets.mysql.host`.
fn mark(table: &Table, entries: &DeTable<'_>, kind: &str, shown: &mut BTreeSet<String>, known: &mut BTreeSet<String>) {
    let mut parts = vec![(kind.to_owned(), table)];
    if let Some(variants) = &table.variants {
        known.extend(variants.tables.keys().map(|value| format!("{kind}.{value}")));
        let value = entries[variants.tag.as_str()].get_ref().as_str().unwrap();
        shown.insert(format!("{kind}.{value}"));
        parts.push((format!("{kind}.{value}"), &variants.tables[value]));
    }
    for (kind, part) in parts {
        for (name, key) in &part.keys {
            let kind = format!("{kind}.{name}");
            known.insert(kind.clone());
            if let Some(value) = entries.get(name.as_str()) {
                shown.insert(kind.clone());
                mark_value(&key.shape, value.get_ref(), &kind, shown, known);
            }
        }
    }
}

fn mark_value(
    shape: &Shape,
    value: &DeValue<'_>,
    kind: &str,
    shown: &mut BTreeSet<String>,
    known: &mut BTreeSet<String>,
) {
    match (shape, value) {
        (Shape::Table(table), DeValue::Table(entries)) => mark(table, entries, kind, shown, known),
        (Shape::Map { values, .. }, DeValue::Table(entries)) => {
            entries.values().for_each(|value| mark_value(values, value.get_ref(), kind, shown, known));
        }
        (Shape::Any(shapes), value) => {
            if let Some(shape) = shapes.iter().find(|shape| fits(shape, value)) {
                mark_value(shape, value, kind, shown, known);
            }
        }
        (Shape::List { items, .. }, DeValue::Array(values)) => {
            values.iter().for_each(|value| mark_value(items, value.get_ref(), kind, shown, known));
        }
        _ => {}
    }
}
