//! The schema: nothing in it that the walk doesn't know, and nothing that only the walk knows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::schema;
use super::super::schema::{OWN_KEYS, full};
use super::super::shape::{Shape, Table};

pub(super) fn document() -> Table {
    Shape::of_document(full().as_value()).table().unwrap().clone()
}

pub(super) fn section(name: &str) -> Table {
    match &document().keys[name].shape {
        Shape::Map { values, .. } => values.table().unwrap().clone(),
        shape => shape.table().unwrap().clone(),
    }
}

#[test]
fn the_walk_knows_every_construct() {
    let document = format!("{:?}", document());
    assert!(!document.contains("Unknown"), "{document}");
}

#[test]
fn a_key_means_the_same_in_every_provider() {
    let target = section("targets");
    let mut shapes = BTreeMap::new();
    for (provider, table) in &target.variants.as_ref().unwrap().tables {
        for (name, key) in &table.keys {
            let shape = shapes.entry(name.clone()).or_insert_with(|| key.shape.clone());
            // A default can't be checked once for all targets otherwise.
            assert!(*shape == key.shape || OWN_KEYS.contains(&name.as_str()), "{name} of {provider}");
            assert!(!target.keys.contains_key(name), "{name} of {provider} is a key of every target too");
        }
    }
    for own in OWN_KEYS.iter().filter(|own| **own != "provider") {
        assert!(shapes.contains_key(*own), "{own} is a key of no provider");
    }
}

#[test]
fn defaults_have_every_key_but_a_targets_own() {
    let names: Vec<_> = section("defaults").keys.into_keys().collect();
    insta::assert_snapshot!(names.join(" "), @"access_token authority_host backup_location bacpac compression copy_to create endpoint exclude_table_data exclude_tables export external_id host long_term_container password port profile project region resource_group retention role_arn store subscription_id tags tls tool_dir user");
}

#[test]
fn the_printed_schema_has_none_of_our_own_words() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["TargetTable"]["unevaluatedProperties"], false);
    assert_eq!(schema["$defs"]["Server"]["required"], serde_json::json!(["database"]));
    let text = schema.to_string();
    for word in ["\"x-", "\"format\":", "\"null\""] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn every_key_is_described() {
    fn visit(schema: &Value, path: &str) {
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let is_tag = value["const"].is_string();
            assert!(is_tag || value["description"].is_string(), "{path}.{key}");
        }
    }
    let schema = schema();
    visit(&schema, "");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        visit(definition, name);
    }
}
