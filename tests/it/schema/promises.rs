//! What may change in the schema within v1: keys, kinds and codes may be added. Nothing goes, and nothing means another thing.

use serde_json::{Map, Value, json};

/// Only for people; of an open set of words the examples are those of today.
const TEXTS: [&str; 4] = ["title", "description", "examples", "$schema"];

/// Why readers of what `old` describes could not read what `new` describes.
pub(super) fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, broken: Vec::new(), seen: Vec::new() };
    let (before, now) = (branches(old), branches(new));
    for (name, reference) in &before {
        match now.get(name) {
            Some(other) => comparison.compare(name, reference, other),
            None => comparison.broken.push(format!("{name}: is gone")),
        }
    }
    comparison.broken
}

/// The documents and the message, by the names that they are referred to by.
fn branches(schema: &Value) -> Map<String, Value> {
    let branches = schema["oneOf"].as_array().into_iter().flatten();
    let name = |branch: &Value| branch["$ref"].as_str().unwrap().trim_start_matches("#/$defs/").to_owned();
    branches.map(|branch| (name(branch), branch.clone())).collect()
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    broken: Vec<String>,
    /// Pairs of references that were compared, by where they lead to.
    seen: Vec<(Value, Value)>,
}

impl Comparison<'_> {
    fn compare(&mut self, place: &str, old: &Value, new: &Value) {
        let pair = (old["$ref"].clone(), new["$ref"].clone());
        if pair.0.is_string() && pair.1.is_string() {
            if self.seen.contains(&pair) {
                return;
            }
            self.seen.push(pair);
        }
        let (old, new) = (inlined(self.old, old), inlined(self.new, new));
        self.keys(place, &old, &new);
        for word in ["items", "additionalProperties"] {
            if let (Some(old), Some(new)) = (old.get(word), new.get(word)) {
                self.compare(&format!("{place}/{word}"), old, new);
            }
        }
        self.branches(place, &old, &new);
        let ignored = ["properties", "required", "items", "additionalProperties", "anyOf", "oneOf"];
        let words = old.keys().chain(new.keys()).filter(|word| !ignored.contains(&word.as_str()));
        let mut changed: Vec<&String> = words.filter(|word| sorted(old.get(*word)) != sorted(new.get(*word))).collect();
        changed.dedup();
        for word in changed {
            let value = |of: &Map<String, Value>| of.get(word).map_or("none".to_owned(), Value::to_string);
            self.broken.push(format!("{place}: {word} was {} and is {}", value(&old), value(&new)));
        }
        for word in ["items", "additionalProperties", "anyOf", "oneOf"] {
            if old.contains_key(word) != new.contains_key(word) {
                self.broken.push(format!("{place}: {word} came or went"));
            }
        }
    }

    fn keys(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let none = Map::new();
        let properties = |of: &Map<String, Value>| of.get("properties").and_then(Value::as_object).cloned();
        let (before, now) = (properties(old).unwrap_or_default(), properties(new).unwrap_or(none));
        for (key, value) in &before {
            match now.get(key) {
                Some(other) => self.compare(&format!("{place}/{key}"), value, other),
                None => self.broken.push(format!("{place}/{key}: is gone")),
            }
        }
        let required = |of: &Map<String, Value>, key: &Value| {
            of.get("required").and_then(Value::as_array).is_some_and(|keys| keys.contains(key))
        };
        for key in old.get("required").and_then(Value::as_array).into_iter().flatten() {
            if now.contains_key(key.as_str().unwrap()) && !required(new, key) {
                self.broken.push(format!("{place}/{}: may be missing now", key.as_str().unwrap()));
            }
        }
    }

    /// Alternatives are a closed set: null or not, one of these words, one of these levels.
    fn branches(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        for word in ["anyOf", "oneOf"] {
            let (Some(Value::Array(before)), Some(Value::Array(now))) = (old.get(word), new.get(word)) else {
                continue;
            };
            if before.len() != now.len() {
                self.broken.push(format!("{place}: there were {} alternatives and are {}", before.len(), now.len()));
                continue;
            }
            for (number, (old, new)) in before.iter().zip(now).enumerate() {
                self.compare(&format!("{place}/{number}"), old, new);
            }
        }
    }
}

/// A schema with what it refers to, and without its texts.
fn inlined(root: &Value, schema: &Value) -> Map<String, Value> {
    let Some(own) = schema.as_object() else { return json!({ "is": schema }).as_object().unwrap().clone() };
    let mut whole = match own.get("$ref").and_then(Value::as_str) {
        Some(reference) => inlined(root, root.pointer(reference.trim_start_matches('#')).unwrap()),
        None => Map::new(),
    };
    for (word, value) in own.iter().filter(|(word, _)| *word != "$ref" && !TEXTS.contains(&word.as_str())) {
        match (whole.get_mut(word), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.clone()),
            _ => _ = whole.insert(word.clone(), value.clone()),
        }
    }
    whole
}

/// The order of types and words has no meaning.
fn sorted(value: Option<&Value>) -> Option<Value> {
    let mut value = value?.clone();
    if let Value::Array(values) = &mut value {
        values.sort_by_key(Value::to_string);
    }
    Some(value)
}

/// A small schema of the same make, changed by `change`.
fn after(change: impl Fn(&mut Value)) -> Vec<String> {
    let old = json!({
        "title": "snapkeep/v1",
        "oneOf": [{ "$ref": "#/$defs/ThingList" }],
        "$defs": {
            "ThingList": {
                "properties": {
                    "kind": { "const": "ThingList" },
                    "items": { "type": "array", "items": { "$ref": "#/$defs/Thing" } },
                },
                "required": ["kind", "items"],
                "type": "object",
            },
            "Thing": {
                "properties": {
                    "id": { "type": "string" },
                    "size": { "type": ["integer", "null"], "minimum": 0 },
                    "hold": { "anyOf": [{ "$ref": "#/$defs/Hold" }, { "type": "null" }] },
                    "code": { "type": "string", "examples": ["a"] },
                    "state": { "$ref": "#/$defs/State" },
                    "note": { "type": "string" },
                },
                "required": ["id", "size", "hold", "code", "state"],
                "type": "object",
            },
            "Hold": { "type": "object", "properties": { "reason": { "type": "string" } }, "required": ["reason"] },
            "State": { "type": "string", "enum": ["running", "done"] },
        },
    });
    let mut new = old.clone();
    change(&mut new);
    broken(&old, &new)
}

#[test]
fn keys_kinds_codes_and_texts_may_be_added() {
    assert!(after(|_| ()).is_empty());
    let added = after(|schema| {
        let thing = &mut schema["$defs"]["Thing"];
        thing["properties"]["engine"] = json!({ "type": "string" });
        thing["required"] = json!(["id", "size", "hold", "code", "state", "note", "engine"]);
        thing["properties"]["size"]["type"] = json!(["null", "integer"]);
        thing["properties"]["code"]["examples"] = json!(["a", "b"]);
        thing["properties"]["id"]["description"] = json!("told better");
        schema["$defs"]["OtherList"] = json!({ "type": "object" });
        schema["oneOf"].as_array_mut().unwrap().push(json!({ "$ref": "#/$defs/OtherList" }));
    });
    assert_eq!(added, Vec::<String>::new());
}

#[test]
fn a_type_may_be_given_a_name_of_its_own() {
    let named = after(|schema| {
        schema["$defs"]["Id"] = json!({ "type": "string" });
        schema["$defs"]["Thing"]["properties"]["id"] = json!({ "$ref": "#/$defs/Id", "description": "by name" });
    });
    assert_eq!(named, Vec::<String>::new());
}

#[test]
fn nothing_goes_and_no_type_changes() {
    let thing = |key: &'static str, value: Value| {
        after(move |schema| schema["$defs"]["Thing"]["properties"][key] = value.clone()).join("; ")
    };
    let changes = [
        after(|schema| schema["oneOf"] = json!([])).join("; "),
        after(|schema| {
            schema["$defs"]["Thing"]["properties"].as_object_mut().unwrap().remove("size");
        })
        .join("; "),
        after(|schema| schema["$defs"]["Thing"]["required"] = json!(["id", "hold", "code", "state"])).join("; "),
        after(|schema| schema["$defs"]["State"]["enum"] = json!(["running", "done", "lost"])).join("; "),
        after(|schema| schema["$defs"]["Hold"]["properties"]["reason"]["type"] = json!(["string", "null"])).join("; "),
        thing("id", json!({ "type": "integer" })),
        thing("size", json!({ "type": "integer", "minimum": 0 })),
        thing("hold", json!({ "$ref": "#/$defs/Hold" })),
        thing("code", json!({ "type": "string", "enum": ["a"] })),
        thing("note", json!({ "type": "array", "items": { "type": "string" } })),
    ];
    insta::assert_snapshot!(changes.join("\n"), @r#"
    ThingList: is gone
    ThingList/items/items/size: is gone
    ThingList/items/items/size: may be missing now
    ThingList/items/items/state: enum was ["running","done"] and is ["running","done","lost"]
    ThingList/items/items/hold/0/reason: type was "string" and is ["string","null"]
    ThingList/items/items/id: type was "string" and is "integer"
    ThingList/items/items/size: type was ["integer","null"] and is "integer"
    ThingList/items/items/hold: type was none and is "object"; ThingList/items/items/hold: anyOf came or went
    ThingList/items/items/code: enum was none and is ["a"]
    ThingList/items/items/note: type was "string" and is "array"; ThingList/items/items/note: items came or went
    "#);
}
