//! Whether requests and answers are as the API's discovery document says.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::DateTime;
use hyper::http::request::Parts;
use serde_json::{Map, Value};

use super::call::{Call, query};
use super::fields::split;
use crate::support::leave_out;
use crate::support::query::decoded;

/// Where `tests/servers/setup.sh` put the document.
pub(crate) const DOCUMENT: &str = "SK_SQLADMIN_DOCUMENT";

/// Holds requests and answers against the document. Without one it finds nothing.
pub(super) struct Judge(Option<Arc<Document>>);

impl Judge {
    /// Read once for all the tests of a process.
    pub(super) fn installed() -> Self {
        static READ: OnceLock<Option<Arc<Document>>> = OnceLock::new();
        let read = || {
            let Some(path) = std::env::var_os(DOCUMENT) else {
                leave_out(&format!(
                    "{DOCUMENT} is not set, so nothing is held against the API's document, here and later"
                ));
                return None;
            };
            Some(Arc::new(Document::parse(&std::fs::read(path).unwrap())))
        };
        Self(READ.get_or_init(read).clone())
    }

    pub(super) fn request(&self, head: &Parts, body: &Bytes) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |document| document.request(head, body))
    }

    pub(super) fn answer(&self, call: &Call, body: &Value, novelties: &BTreeSet<String>) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |document| document.answer(call.method, body, novelties))
    }
}

/// A discovery document: <https://developers.google.com/discovery/v1/reference/apis>.
pub(crate) struct Document {
    schemas: Map<String, Value>,
    common: Map<String, Value>,
    methods: Vec<Value>,
}

impl Document {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(bytes).unwrap();
        let object = |name: &str| document[name].as_object().unwrap().clone();
        let mut methods = Vec::new();
        gather(&document["resources"], &mut methods);
        Self { schemas: object("schemas"), common: object("parameters"), methods }
    }

    /// What is wrong with a request: its method, path, query parameters or body.
    pub(crate) fn request(&self, head: &Parts, body: &Bytes) -> Vec<String> {
        let (verb, path) = (head.method.as_str(), head.uri.path());
        let found = self.methods.iter().filter(|method| method["httpMethod"] == verb);
        let Some((method, names)) = found.filter_map(|method| Some((method, names(method, path)?))).next() else {
            return vec![format!("{verb} {path}: no such method")];
        };
        let mut check = Check::new(self, Side::Request);
        for (name, value) in names {
            if let Some(parameter) = method["parameters"].get(&name) {
                check.parameter(parameter, &value, &format!("{{{name}}}"));
            }
        }
        for (name, value) in query(head) {
            let own = method["parameters"].get(&name).filter(|parameter| parameter["location"] == "query");
            match own.or_else(|| self.common.get(&name)) {
                Some(parameter) => check.parameter(parameter, &value, &format!("?{name}")),
                None => check.note(&format!("?{name}"), "unknown parameter"),
            }
        }
        if let Some(fields) = query(head).get("fields") {
            check.selection(&method["response"], fields, "?fields");
        }
        match (method["request"]["$ref"].as_str(), serde_json::from_slice::<Value>(body)) {
            (None, _) if body.is_empty() => {}
            (None, _) => check.note("", "a body, where there must be none"),
            (Some(schema), Ok(value)) => check.reference(schema, &value),
            (Some(_), Err(error)) => check.note("", &format!("not JSON: {error}")),
        }
        check.found(method)
    }

    /// What is wrong with an answer to a method, apart from `novelties` as the values of enums.
    pub(crate) fn answer(&self, method: &str, body: &Value, novelties: &BTreeSet<String>) -> Vec<String> {
        let id = format!("sql.{method}");
        let Some(method) = self.methods.iter().find(|found| found["id"] == *id) else {
            return vec![format!("{id}: no such method")];
        };
        let mut check = Check::new(self, Side::Answer(novelties));
        check.reference(method["response"]["$ref"].as_str().unwrap(), body);
        check.found(method)
    }

    /// What is wrong with a body of this schema.
    pub(crate) fn body(&self, schema: &str, body: &Value) -> Vec<String> {
        let mut check = Check::new(self, Side::Answer(&NONE));
        check.reference(schema, body);
        check.findings
    }
}

static NONE: BTreeSet<String> = BTreeSet::new();

/// All the methods of resources, and of those within.
fn gather(resources: &Value, methods: &mut Vec<Value>) {
    for resource in resources.as_object().into_iter().flatten().map(|(_, resource)| resource) {
        methods.extend(resource["methods"].as_object().into_iter().flatten().map(|(_, method)| method.clone()));
        gather(&resource["resources"], methods);
    }
}

/// The names that a path gives to what is in braces, if it is one of this method.
fn names(method: &Value, path: &str) -> Option<Vec<(String, String)>> {
    let template = method["flatPath"].as_str().or_else(|| method["path"].as_str())?.split('/');
    let segments = path.strip_prefix('/')?.split('/');
    if template.clone().count() != segments.clone().count() {
        return None;
    }
    let mut names = Vec::new();
    for (wanted, segment) in template.zip(segments) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => names.push((name.to_owned(), decoded(segment))),
            None if wanted == segment => {}
            _ => return None,
        }
    }
    Some(names)
}

/// Which way something goes.
#[derive(Clone, Copy)]
enum Side<'s> {
    Request,
    /// With values that enums may have beside their own.
    Answer(&'s BTreeSet<String>),
}

/// A look at one request or answer.
struct Check<'d> {
    document: &'d Document,
    side: Side<'d>,
    findings: Vec<String>,
}

impl<'d> Check<'d> {
    fn new(document: &'d Document, side: Side<'d>) -> Self {
        Self { document, side, findings: Vec::new() }
    }

    fn note(&mut self, path: &str, what: &str) {
        self.findings.push(format!("{path}: {what}"));
    }

    fn found(self, method: &Value) -> Vec<String> {
        let (id, side) = (&method["id"], if matches!(self.side, Side::Request) { "request" } else { "answer" });
        self.findings.into_iter().map(|finding| format!("{} of {id}: {finding}", side)).collect()
    }

    fn reference(&mut self, schema: &str, value: &Value) {
        match self.document.schemas.get(schema) {
            Some(found) => self.value(found, value, schema),
            None => self.note(schema, "no such schema"),
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let document = self.document;
            return match document.schemas.get(name) {
                Some(found) => self.value(found, value, path),
                None => self.note(path, &format!("no such schema: {name}")),
            };
        }
        let kind = schema["type"].as_str().unwrap_or("any");
        match (kind, value) {
            ("any", _) => {}
            (_, Value::Null) => self.note(path, "null, where the API omits what isn't set"),
            ("object", Value::Object(fields)) => self.object(schema, fields, path),
            ("array", Value::Array(values)) => {
                for (place, value) in values.iter().enumerate() {
                    self.value(&schema["items"], value, &format!("{path}[{place}]"));
                }
            }
            ("string", Value::String(text)) => self.text(schema, text, path),
            ("integer", Value::Number(number)) => self.integer(schema, number, path),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
            (_, other) => self.note(path, &format!("must be of type {kind}, and is {other}")),
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(property), _) => {
                    if matches!(self.side, Side::Request) && property["readOnly"] == true {
                        self.note(&path, "only for answers, and in a request");
                    }
                    self.value(property, value, &path);
                }
                (None, Some(any)) => self.value(any, value, &path),
                (None, None) => self.note(&path, "unknown field"),
            }
        }
    }

    /// The fields that a partial answer is to have.
    fn selection(&mut self, schema: &Value, fields: &str, path: &str) {
        let document = self.document;
        let schema = schema["$ref"].as_str().map_or(schema, |name| &document.schemas[name]);
        if schema["type"] == "array" {
            return self.selection(&schema["items"], fields, path);
        }
        let Some(fields) = split(fields) else { return self.note(path, &format!("can't be read: {fields}")) };
        for field in fields {
            let (name, inner) = field.split_once('(').unwrap_or((field, ")"));
            let inner = inner.strip_suffix(')').unwrap_or(inner);
            match schema["properties"].get(name) {
                None => self.note(&format!("{path}.{name}"), "unknown field"),
                Some(property) if !inner.is_empty() => self.selection(property, inner, &format!("{path}.{name}")),
                Some(_) => {}
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let fits = match schema["format"].as_str() {
            Some("int64") => is_decimal(text) && text.parse::<i64>().is_ok(),
            Some("uint64") => is_decimal(text) && text.parse::<u64>().is_ok(),
            Some("google-datetime" | "date-time") => is_moment(text),
            Some("google-duration") => is_duration(text),
            Some("byte") => is_base64(text),
            _ => true,
        };
        if !fits {
            self.note(path, &format!("not a {}: {text:?}", schema["format"].as_str().unwrap_or_default()));
        }
        let known = schema["enum"].as_array().is_none_or(|values| values.iter().any(|value| value == text));
        if !known && !matches!(self.side, Side::Answer(novelties) if novelties.contains(text)) {
            self.note(path, &format!("not one of its values: {text:?}"));
        }
    }

    fn integer(&mut self, schema: &Value, number: &serde_json::Number, path: &str) {
        let range = match schema["format"].as_str() {
            Some("uint32") => 0..=i64::from(u32::MAX),
            Some("int32") => i64::from(i32::MIN)..=i64::from(i32::MAX),
            _ => i64::MIN..=i64::MAX,
        };
        if !number.as_i64().is_some_and(|number| range.contains(&number)) {
            self.note(path, &format!("not of its range: {number}"));
        }
    }

    /// A parameter of a path or query, where everything is text.
    fn parameter(&mut self, parameter: &Value, text: &str, path: &str) {
        let value = match parameter["type"].as_str() {
            Some("integer" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            _ => Value::from(text),
        };
        self.value(parameter, &value, path);
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// RFC 3339, with a `T` and nanoseconds at most.
fn is_moment(text: &str) -> bool {
    let fraction = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    text.as_bytes().get(10) == Some(&b'T') && fraction <= 9 && DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_duration(text: &str) -> bool {
    let (whole, fraction) = text.strip_suffix('s').map_or(("", None), |number| {
        number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)))
    });
    let nanoseconds = |digits: &str| is_decimal(digits) && digits.len() <= 9 && !digits.starts_with('-');
    is_decimal(whole) && fraction.is_none_or(nanoseconds)
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    text.len().is_multiple_of(4) && text.len() - digits.len() <= 2 && digits.bytes().all(known)
}
