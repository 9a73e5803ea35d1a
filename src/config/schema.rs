//! The JSON Schema of the config, made from the serde structs and completed with what attributes can't say.

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::document::Document;
use super::format::Format;

/// Keys that name the one database of a target, and so have no default.
pub(super) const OWN_KEYS: [&str; 7] =
    ["database", "path", "db_instance_identifier", "db_cluster_identifier", "server_name", "instance", "provider"];

/// Keys of targets that have a table of their own for all of them, and so none in `[defaults]`.
pub(super) const FOR_ALL: [&str; 2] = ["hooks", "verify"];

const TARGET: &str = "TargetTable";

/// The JSON Schema (2020-12) of the config file, for editors and for generators of configs.
///
/// It says a little less than `parse` checks: a key that `[defaults]` can give is never required of a target, and
/// whether a name exists is not looked up.
pub fn schema() -> Value {
    let mut schema = full();
    relax(&mut schema);
    RecursiveTransform(publish).transform(&mut schema);
    schema.to_value()
}

/// The schema that the walk follows: what a target needs, when nothing comes from `[defaults]`.
pub(super) fn full() -> Schema {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Document>();
    RecursiveTransform(tidy).transform(&mut schema);
    ask_dumps_for_a_store(&mut schema);
    fill_defaults(&mut schema);
    for tagged in [TARGET, "StoreSettings", "Notification"] {
        if let Some(table) = definition(&mut schema, tagged) {
            table.insert("unevaluatedProperties".to_owned(), json!(false));
        }
    }
    schema
}

/// Drops `null`, which TOML doesn't have, and says how large 32 bits are.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(types) = object.get_mut("type")
        && let Some(only) = types.as_array().and_then(|types| types.first()).cloned()
    {
        *types = only;
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch["type"] != "null");
        if let [Value::Object(only)] = branches.as_mut_slice() {
            let only = std::mem::take(only);
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if object.get("format").is_some_and(|format| format == "uint32") {
        object.entry("maximum").or_insert(json!(u32::MAX));
    }
}

/// Moves `store` from every target to those whose snapshots are dumps, which need one.
fn ask_dumps_for_a_store(schema: &mut Schema) {
    let Some(target) = definition(schema, TARGET) else { return };
    let Some(store) = target.get_mut("properties").and_then(|keys| keys.as_object_mut()?.remove("store")) else {
        return;
    };
    for variant in array(target, "oneOf") {
        if variant["x-dump"] == true {
            variant["properties"]["store"] = store.clone();
            if let Some(required) = variant["required"].as_array_mut() {
                required.push(json!("store"));
            }
        }
    }
}

/// Gives `[defaults]` every key of every target but those that name one database; none is required.
fn fill_defaults(schema: &mut Schema) {
    let mut keys = Map::new();
    let Some(target) = definition(schema, TARGET).cloned() else { return };
    let mut sources = vec![Value::Object(target.clone())];
    for variant in target["oneOf"].as_array().into_iter().flatten() {
        sources.push(variant.clone());
        sources.extend(variant["$ref"].as_str().and_then(|to| schema.pointer(to.trim_start_matches('#'))).cloned());
    }
    for source in sources {
        for (key, value) in source["properties"].as_object().into_iter().flatten() {
            if !OWN_KEYS.contains(&key.as_str()) && !FOR_ALL.contains(&key.as_str()) {
                let mut value = value.clone();
                // In `[defaults]` a key that isn't there has no value at all.
                value.as_object_mut().and_then(|value| value.remove("default"));
                keys.entry(key).or_insert(value);
            }
        }
    }
    if let Some(defaults) = definition(schema, "Defaults") {
        defaults.insert("description".to_owned(), json!("Keys for every target whose provider knows them."));
        defaults.insert("properties".to_owned(), Value::Object(keys));
        defaults.insert("additionalProperties".to_owned(), json!(false));
    }
}

/// Stops requiring of a target what `[defaults]` may give.
fn relax(schema: &mut Schema) {
    let keep_own = |required: &mut Vec<Value>| required.retain(|key| OWN_KEYS.iter().any(|own| key == own));
    let mut referenced = Vec::new();
    for variant in definition(schema, TARGET).map(|target| array(target, "oneOf")).unwrap_or_default() {
        referenced.extend(variant["$ref"].as_str().map(str::to_owned));
        variant["required"].as_array_mut().map(keep_own);
    }
    for reference in referenced {
        schema
            .pointer_mut(reference.trim_start_matches('#'))
            .and_then(|definition| definition["required"].as_array_mut())
            .map(keep_own);
    }
}

/// Turns our own words into those that every reader of JSON Schema knows.
fn publish(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.retain(|key, _| !key.starts_with("x-"));
    let format = object.remove("format");
    if let Some(pattern) = format.as_ref().and_then(Value::as_str).and_then(Format::by_name).and_then(Format::pattern) {
        object.insert("pattern".to_owned(), json!(pattern));
    }
}

fn definition<'a>(schema: &'a mut Schema, name: &str) -> Option<&'a mut Map<String, Value>> {
    schema.pointer_mut(&format!("/$defs/{name}"))?.as_object_mut()
}

fn array<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut [Value] {
    object.get_mut(key).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}
