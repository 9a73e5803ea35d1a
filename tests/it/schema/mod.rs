//! What is printed is what `snapkeep schema` says: every output that a test sees is held against it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::cli::{BINARY, Ran};

mod promises;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let output = Command::new(BINARY).arg("schema").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
});
static DOCUMENT: LazyLock<Validator> = LazyLock::new(|| validator(&SCHEMA));
static MESSAGE: LazyLock<Validator> = LazyLock::new(|| validator(&definition("Message")));
static ITEM: LazyLock<Validator> = LazyLock::new(|| {
    let of_kind = |kind: &String| format!("#/$defs/{kind}/properties/items/items");
    let has_items = |kind: &&String| !SCHEMA["$defs"][*kind]["properties"]["items"].is_null();
    let items: Vec<Value> = kinds().iter().filter(has_items).map(|kind| json!({ "$ref": of_kind(kind) })).collect();
    validator(&json!({ "anyOf": items, "$defs": SCHEMA["$defs"] }))
});

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}"), "$defs": SCHEMA["$defs"] })
}

/// The kinds of documents.
fn kinds() -> Vec<String> {
    let definitions = SCHEMA["$defs"].as_object().unwrap().iter();
    definitions.filter(|(_, schema)| !schema["properties"]["kind"].is_null()).map(|(name, _)| name.clone()).collect()
}

/// What a command line says of its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    document: bool,
    items: bool,
    messages: bool,
}

impl Wanted {
    fn of(command: &Command) -> Self {
        let words = command.get_args().map(|word| word.to_str().unwrap_or_default());
        // What comes after `--` is another command's.
        let words: Vec<&str> = words.take_while(|word| *word != "--").collect();
        let given = |option: &str, value: &str| {
            let joined = format!("{option}={value}");
            words.contains(&&*joined) || words.windows(2).any(|pair| pair == [option, value])
        };
        // Where no document is asked for, `guard` has the stdout of its command.
        let prints_text = ["guard", "completion", "man", "schema", "help", "--help", "-h", "--version", "-V"];
        let is_result = !words.iter().any(|word| prints_text.contains(word));
        let by_option = ["table", "csv", "name", "jsonl", "json"];
        let format = by_option.into_iter().find(|format| given("-o", format) || given("--output", format));
        let by_variable = command.get_envs().find(|(name, _)| *name == OsStr::new("SNAPKEEP_OUTPUT"));
        let format = format.or(by_variable.and_then(|(_, value)| value?.to_str()));
        Self {
            document: is_result && format == Some("json"),
            items: is_result && format == Some("jsonl"),
            messages: given("--log-format", "json"),
        }
    }
}

/// Holds what a hook or a webhook got against the schema.
pub(crate) fn hold_document(document: &Value) {
    let problems = problems(&DOCUMENT, document);
    assert!(problems.is_empty(), "not as the schema says: {}\n{document}", problems.join("\n"));
}

/// Holds what a command printed against the schema.
pub(crate) fn hold(command: &Command, ran: &Ran) {
    let wanted = Wanted::of(command);
    // A mistake on the command line prints nothing on stdout.
    if wanted.document && !(ran.out.is_empty() && ran.code == Some(2)) {
        fits(&DOCUMENT, &ran.out, ran);
    }
    if wanted.items {
        ran.out.lines().for_each(|line| fits(&ITEM, line, ran));
    }
    if wanted.messages {
        ran.err.lines().for_each(|line| fits(&MESSAGE, line, ran));
    }
}

/// The same where nobody knows how the process was started: what looks like a document is one.
pub(crate) fn hold_what_it_looks_like(ran: &Ran) {
    if ran.out.starts_with("{\n") && ran.out.contains("\"schema\": \"snapkeep/v1\"") {
        fits(&DOCUMENT, &ran.out, ran);
    }
}

#[track_caller]
fn fits(validator: &Validator, text: &str, ran: &Ran) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}: {ran}"));
    let problems = problems(validator, &value);
    assert!(problems.is_empty(), "not as the schema says: {}\n{ran}", problems.join("\n"));
}

/// Why a value does not fit; of a document by its own kind's schema, as "none of many" says nothing.
fn problems(validator: &Validator, value: &Value) -> Vec<String> {
    if validator.is_valid(value) {
        return Vec::new();
    }
    let nearer = value["kind"].as_str().filter(|kind| kinds().iter().any(|known| known == kind));
    let found: Vec<String> = match nearer.map(|kind| self::validator(&definition(kind))) {
        Some(of_kind) => {
            of_kind.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
        }
        None => Vec::new(),
    };
    if found.is_empty() { validator.iter_errors(value).map(|error| error.to_string()).collect() } else { found }
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&SCHEMA));
    for kind in kinds() {
        let output = Command::new(BINARY).args(["schema", &kind]).output().unwrap();
        let alone: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&alone), "{kind}");
        assert_eq!((&alone["title"], &alone["properties"]["kind"]["const"]), (&json!(kind), &json!(kind)));
    }
}

#[test]
fn everything_in_the_schema_is_described() {
    for (name, schema) in SCHEMA["$defs"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let is_told = value["description"].is_string() || value["const"].is_string();
            assert!(is_told, "{key} of {name}");
        }
    }
}

#[test]
fn a_document_may_have_more_keys_and_no_fewer() {
    let document = |hint: Value| {
        json!({ "schema": "snapkeep/v1", "kind": "DeletionList", "later": 1, "items": [
            { "id": "a/b", "target": "a", "result": "deleted", "later": [] },
        ], "errors": [
            { "code": "not known today", "message": "m", "target": null, "retryable": false, "hint": hint, "causes": [] },
        ] })
    };
    assert_eq!(problems(&DOCUMENT, &document(Value::Null)), Vec::<String>::new());
    assert_eq!(problems(&DOCUMENT, &document(json!(1))), ["/errors/0/hint: 1 is not of types \"null\", \"string\""]);
    let mut fewer = document(Value::Null);
    fewer["items"][0].as_object_mut().unwrap().remove("target");
    assert_eq!(problems(&DOCUMENT, &fewer), ["/items/0: \"target\" is a required property"]);
}

#[test]
fn what_a_command_line_says_of_its_output_is_known() {
    let of = |line: &str| Wanted::of(Command::new("snapkeep").args(line.split(' ')));
    assert_eq!(of("list -o json"), Wanted { document: true, ..Wanted::default() });
    assert_eq!(of("--output=jsonl list"), Wanted { items: true, ..Wanted::default() });
    assert_eq!(of("--log-format json guard a -- x -o json"), Wanted { messages: true, ..Wanted::default() });
    assert_eq!(of("-o json config schema"), Wanted::default());
    let by_variable = Wanted::of(Command::new("snapkeep").env("SNAPKEEP_OUTPUT", "json").args(["list", "-o", "name"]));
    assert_eq!(by_variable, Wanted::default());
}

#[test]
fn the_published_schema_is_what_the_program_says_and_keeps_its_promises() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/snapkeep-v1.json");
    let output = Command::new(BINARY).arg("schema").output().unwrap();
    let current = String::from_utf8(output.stdout).unwrap();
    let published = fs::read_to_string(&path).unwrap_or_default();
    if published == current {
        return;
    }
    let promised: Value = serde_json::from_str(&published).unwrap_or_else(|_| json!({}));
    let broken = promises::broken(&promised, &SCHEMA);
    assert!(broken.is_empty(), "v1 has promised otherwise:\n{}", broken.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        return fs::write(&path, &current).unwrap();
    }
    panic!("docs/schema/snapkeep-v1.json is not what the program says: UPDATE_DOCS=1 cargo test published_schema");
}
