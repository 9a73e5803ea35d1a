//! `snapkeep schema`: the JSON Schema of what is printed, made from the very types that are printed.
//!
//! A document of a new kind does not compile before it is here.

use clap::{Args, ValueEnum};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use snapkeep_providers::model::Snapshot;

use super::App;
use super::delete::DeletionRow;
use super::demo::StepRow;
use super::discover::FoundRow;
use super::prune::PrunedRow;
use super::rows::{
    CheckRow, ConfigProblems, ExportRow, ImportRow, OperationRow, RestoreRow, TargetRow, VerificationRow,
};
use super::run::RunRow;
use super::show::Shown;
use super::status::StatusRow;
use crate::hooks::HookInput;
use crate::notices::Notice;
use crate::plan_file::{self, Item};
use crate::render::{Document, Kind, Row, SCHEMA};
use crate::report::Message;

/// Print the JSON Schema of what is printed, for generators and checks
#[derive(Debug, Args)]
pub(super) struct SchemaCommand {
    /// Only this kind of document [default: all of them, and the messages on stderr]
    #[arg(value_enum, value_name = "KIND")]
    kind: Option<Kind>,
}

impl SchemaCommand {
    pub(super) fn run(&self, app: &App) -> u8 {
        app.print(text(&self.kind.map_or_else(all, one)).as_bytes())
    }
}

fn text(schema: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(schema).unwrap_or_default())
}

/// Every document, and every line that `--log-format json` prints on stderr.
fn all() -> Value {
    let mut generator = generator();
    let message = generator.subschema_for::<Message<'_>>();
    let documents: Map<String, Value> =
        Kind::value_variants().iter().map(|&kind| (kind.name(), document(kind, &mut generator).to_value())).collect();
    let mut branches: Vec<Value> = documents.keys().map(|kind| json!({ "$ref": format!("#/$defs/{kind}") })).collect();
    branches.push(message.to_value());
    let mut definitions = generator.take_definitions(true);
    definitions.extend(documents);
    json!({
        "$schema": DIALECT,
        "title": SCHEMA,
        "description": "A document that snapkeep prints on stdout with `-o json` or hands to a hook or a webhook, or a line \
                        that it prints on stderr with `--log-format json`. Keys may be added: a reader passes over those that it doesn't know.",
        "oneOf": branches,
        "$defs": definitions,
    })
}

/// One kind of document.
fn one(kind: Kind) -> Value {
    let mut generator = generator();
    let mut schema = document(kind, &mut generator);
    schema.insert("$schema".into(), DIALECT.into());
    schema.insert("$defs".into(), generator.take_definitions(true).into());
    schema.to_value()
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(plain_numbers)).into_generator()
}

/// How many bits a number has here is nobody's business, and no format of the standard.
fn plain_numbers(schema: &mut Schema) {
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
        schema.remove("maximum");
    }
}

fn document(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = match kind {
        Kind::SnapshotList => of::<Snapshot>(generator),
        Kind::SnapshotDetails => of::<Shown>(generator),
        Kind::OperationList => of::<OperationRow>(generator),
        Kind::RestoreList => of::<RestoreRow>(generator),
        Kind::ExportList => of::<ExportRow>(generator),
        Kind::ImportList => of::<ImportRow>(generator),
        Kind::VerificationList => of::<VerificationRow>(generator),
        Kind::DeletionList => of::<DeletionRow>(generator),
        Kind::PrunePlan => plan(generator),
        Kind::PruneResult => of::<PrunedRow>(generator),
        Kind::ConfigCheck => of::<ConfigProblems>(generator),
        Kind::TargetList => of::<TargetRow>(generator),
        Kind::DiscoveryList => of::<FoundRow>(generator),
        Kind::CheckList => of::<CheckRow>(generator),
        Kind::RunList => of::<RunRow>(generator),
        Kind::StatusList => of::<StatusRow>(generator),
        Kind::DemoSteps => of::<StepRow>(generator),
        Kind::HookInput => HookInput::json_schema(generator),
        Kind::Notification => Notice::json_schema(generator),
    };
    if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        keys.insert("schema".into(), json!({ "const": SCHEMA }));
        keys.insert("kind".into(), json!({ "const": kind.name() }));
    }
    let about = kind.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
    schema.insert("title".into(), kind.name().into());
    schema.insert("description".into(), about.into());
    schema
}

fn of<T: Row>(generator: &mut SchemaGenerator) -> Schema {
    Document::<T>::json_schema(generator)
}

/// Of a plan; when none could be made, there are only the errors.
fn plan(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = of::<Item>(generator);
    let whole = plan_file::Document::json_schema(generator).to_value();
    if let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (key, value) in whole["properties"].as_object().into_iter().flatten() {
            keys.entry(key).or_insert_with(|| value.clone());
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_described_under_its_own_name() {
        for &kind in Kind::value_variants() {
            let schema = document(kind, &mut generator()).to_value();
            assert_eq!(schema["properties"]["kind"]["const"], kind.name());
            assert_eq!(schema["title"], serde_json::to_value(kind).unwrap());
        }
    }
}
