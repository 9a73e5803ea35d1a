//! The schema as the walk needs it: which keys a table has, and what their values must be.
//!
//! Knows the constructs that our serde structs come out as, and no more of JSON Schema; a test makes sure that
//! nothing in the schema is left over.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::Format;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A table with keys of its own.
    Table(Table),
    /// A table whose keys are names.
    Map { names: Option<Format>, values: Box<Shape> },
    /// A reference to a secret: a table with one of these keys.
    Secret(Table),
    /// One of a few words.
    Word(Vec<String>),
    /// A text.
    Text { format: Option<Format>, min_length: u64 },
    /// True or false.
    Flag,
    /// A number without fraction.
    Integer { min: i64, max: i64 },
    /// An array.
    List { items: Box<Shape>, min_items: u64 },
    /// Any of these, told apart by the type of the value.
    Any(Vec<Shape>),
    /// Something that this module doesn't know. Never so in our schema.
    Unknown,
}

/// The keys of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) keys: BTreeMap<String, Key>,
    /// Exactly one of these keys must be set.
    pub(super) exactly_one: Vec<String>,
    /// One of these keys at least must be set, and not to zero.
    pub(super) some_of: Vec<String>,
    /// The keys that must be set too where the key is.
    pub(super) beside: BTreeMap<String, Vec<String>>,
    /// More keys, which depend on the value of one.
    pub(super) variants: Option<Variants>,
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// What it is for.
    pub(super) about: String,
}

/// Tables told apart by the value of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variants {
    /// The key, such as `provider`.
    pub(super) tag: String,
    /// By its value.
    pub(super) tables: BTreeMap<String, Table>,
}

impl Shape {
    /// The shape of a whole document.
    pub(super) fn of_document(root: &Value) -> Self {
        Compiler { root }.shape(root)
    }

    /// The table below, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) | Self::Secret(table) => Some(table),
            _ => None,
        }
    }
}

struct Compiler<'a> {
    root: &'a Value,
}

impl Compiler<'_> {
    fn shape(&self, schema: &Value) -> Shape {
        if let Some(target) = self.referenced(schema)
            && schema["properties"].is_null()
        {
            return self.shape(target);
        }
        if schema["x-secret"] == true {
            return Shape::Secret(self.secret(schema));
        }
        if let Some(branches) = schema["anyOf"].as_array()
            && schema["type"].is_null()
        {
            return Shape::Any(branches.iter().map(|branch| self.shape(branch)).collect());
        }
        match schema["type"].as_str() {
            Some("object") if schema["additionalProperties"].is_object() => Shape::Map {
                names: format_of(&schema["propertyNames"]),
                values: Box::new(self.shape(&schema["additionalProperties"])),
            },
            Some("object") => Shape::Table(self.table(schema)),
            Some("string") => {
                let min_length = schema["minLength"].as_u64().unwrap_or(0);
                Shape::Text { format: format_of(schema), min_length }
            }
            Some("boolean") => Shape::Flag,
            Some("integer") => Shape::Integer {
                min: schema["minimum"].as_i64().unwrap_or(i64::MIN),
                max: schema["maximum"].as_i64().unwrap_or(i64::MAX),
            },
            Some("array") => Shape::List {
                items: Box::new(self.shape(&schema["items"])),
                min_items: schema["minItems"].as_u64().unwrap_or(0),
            },
            _ => words(schema).map_or(Shape::Unknown, Shape::Word),
        }
    }

    /// The keys that `schema` lists itself, and those of the definition it points to.
    fn table(&self, schema: &Value) -> Table {
        let mut table = self.referenced(schema).map(|target| self.table(target)).unwrap_or_default();
        let required = texts(&schema["required"]);
        for (name, value) in schema["properties"].as_object().into_iter().flatten() {
            let about = value["description"].as_str().unwrap_or_default().to_owned();
            let key = Key { shape: self.shape(value), required: required.contains(name), about };
            table.keys.insert(name.clone(), key);
        }
        let branches = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        if branches.iter().any(|branch| branch["properties"].is_object()) {
            table.variants = self.variants(branches);
        } else {
            table.exactly_one.extend(branches.iter().flat_map(|branch| texts(&branch["required"])));
        }
        for (name, needed) in schema["dependentRequired"].as_object().into_iter().flatten() {
            table.beside.insert(name.clone(), texts(needed));
        }
        let alternatives = schema["anyOf"].as_array().into_iter().flatten();
        table.some_of.extend(alternatives.flat_map(|branch| texts(&branch["required"])));
        table
    }

    fn variants(&self, branches: &[Value]) -> Option<Variants> {
        let mut variants: Option<Variants> = None;
        for branch in branches {
            let mut table = self.table(branch);
            let (tag, value) = branch["properties"]
                .as_object()?
                .iter()
                .find_map(|(name, value)| Some((name.clone(), value["const"].as_str()?.to_owned())))?;
            table.keys.remove(&tag);
            variants.get_or_insert_with(|| Variants { tag, tables: BTreeMap::new() }).tables.insert(value, table);
        }
        variants
    }

    /// An enum whose variants are tables of one key.
    fn secret(&self, schema: &Value) -> Table {
        let mut table = Table::default();
        for branch in schema["oneOf"].as_array().into_iter().flatten() {
            table.keys.extend(self.table(branch).keys);
        }
        for (name, key) in &mut table.keys {
            key.required = false;
            table.exactly_one.push(name.clone());
        }
        table
    }

    fn referenced(&self, schema: &Value) -> Option<&Value> {
        self.root.pointer(schema["$ref"].as_str()?.trim_start_matches('#'))
    }
}

fn format_of(schema: &Value) -> Option<Format> {
    schema["format"].as_str().and_then(Format::by_name)
}

/// The words of an enum without data, whether its variants have descriptions or not.
fn words(schema: &Value) -> Option<Vec<String>> {
    let words = match schema["oneOf"].as_array() {
        Some(branches) => branches.iter().map(|branch| branch["const"].as_str().map(str::to_owned)).collect(),
        None => Some(texts(&schema["enum"])),
    };
    words.filter(|words: &Vec<String>| !words.is_empty())
}

fn texts(array: &Value) -> Vec<String> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
