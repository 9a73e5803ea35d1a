//! From a file to a [`Config`]: parse, walk, apply the defaults, and only then deserialise.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::error::Source;
use super::schema::full;
use super::shape::{Shape, Table};
use super::{Config, ConfigError, Target, walk};

/// Reads and checks a config file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let bytes = std::fs::read(path)
        .map_err(|error| ConfigError::of_file(Some(path), format!("the config can't be read: {error}"), None))?;
    match str::from_utf8(&bytes) {
        Ok(text) => parse(text, path),
        Err(error) => {
            let start = error.valid_up_to();
            let text = str::from_utf8(&bytes[..start]).unwrap_or_default();
            let problem = Source { text, file: path }.problem(&(start..start), "this is not UTF-8".to_owned(), None);
            Err(ConfigError::new(vec![problem]))
        }
    }
}

/// Checks a config's text; `path` is the file it came from. Reads no file.
///
/// The error holds every problem, unless the text isn't TOML: then it is the first.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let source = Source { text, file: path };
    let root = DeTable::parse(text).map_err(|error| unreadable(source, error.span(), error.message()))?;
    let (span, mut root) = (root.span(), root.into_inner());
    let shape = Shape::of_document(full().as_value());
    let problems = walk::problems(&shape, &root, source);
    if !problems.is_empty() {
        return Err(ConfigError::new(problems));
    }
    apply_defaults(&shape, &mut root);
    let document = Document::deserialize(toml::Deserializer::from(Spanned::new(span, root)))
        // serde's message may repeat a value. What the walk allows and serde refuses is a mistake of ours anyway.
        .map_err(|error| unreadable(source, error.span(), "this can't be read, though the schema allows it"))?;
    typed(document, path)
}

/// `toml`'s own `Display` prints the line, which may hold a secret; its message doesn't.
fn unreadable(source: Source<'_>, span: Option<std::ops::Range<usize>>, message: &str) -> ConfigError {
    match span {
        Some(span) => ConfigError::new(vec![source.problem(&span, message.to_owned(), None)]),
        None => ConfigError::of_file(Some(source.file), message.to_owned(), None),
    }
}

/// Gives every target the default keys that its provider knows and that it doesn't set; tags one by one.
fn apply_defaults(shape: &Shape, root: &mut DeTable<'_>) {
    let Some(defaults) = root.remove("defaults").map(Spanned::into_inner) else { return };
    let (Some(defaults), Some(target)) = (defaults.as_table(), target_table(shape)) else { return };
    let Some(DeValue::Table(targets)) = root.get_mut("targets").map(Spanned::get_mut) else { return };
    for (_, node) in targets.iter_mut() {
        let DeValue::Table(entries) = node.get_mut() else { continue };
        let provider = entries.get("provider").and_then(|node| node.get_ref().as_str()).unwrap_or_default();
        let own_keys = target.variants.as_ref().and_then(|variants| variants.tables.get(provider));
        let knows =
            |key: &str| [Some(target), own_keys].into_iter().flatten().any(|table| table.keys.contains_key(key));
        for (key, value) in defaults.iter().filter(|(key, _)| knows(key.get_ref())) {
            if key.get_ref() == "tags"
                && let Some(DeValue::Table(tags)) = entries.get_mut("tags").map(Spanned::get_mut)
            {
                add_missing(tags, value.get_ref());
            } else if !entries.contains_key(key.get_ref().as_ref()) {
                entries.insert(key.clone(), value.clone());
            }
        }
    }
}

fn add_missing<'i>(table: &mut DeTable<'i>, defaults: &DeValue<'i>) {
    for (key, value) in defaults.as_table().into_iter().flatten() {
        if !table.contains_key(key.get_ref().as_ref()) {
            table.insert(key.clone(), value.clone());
        }
    }
}

fn target_table(shape: &Shape) -> Option<&Table> {
    match &shape.table()?.keys.get("targets")?.shape {
        Shape::Map { values, .. } => values.table(),
        _ => None,
    }
}

fn typed(document: Document, path: &Path) -> Result<Config, ConfigError> {
    let absolute = std::path::absolute(path)
        .map_err(|error| ConfigError::of_file(Some(path), format!("its folder can't be told: {error}"), None))?;
    let base = absolute.parent().unwrap_or(&absolute).to_owned();
    let targets = document.targets.into_iter().map(|(name, table)| {
        let target = Target {
            name: name.clone(),
            settings: table.settings,
            store: table.store.into(),
            retention: table.retention,
            tags: table.tags,
            verify: table.verify.or(&document.verify),
            hooks: table.hooks.or(&document.hooks),
            base: base.clone(),
        };
        (name, target)
    });
    if document.serve.is_open_to_all() {
        let message = "\"listen\" in [serve] can be reached from other machines, by everyone".to_owned();
        let hint = "add bearer_token = { file = ... } to [serve], or listen on 127.0.0.1".to_owned();
        return Err(ConfigError::of_file(Some(path), message, Some(hint)));
    }
    Ok(Config {
        targets: targets.collect(),
        stores: document.stores,
        retention: document.retention,
        schedules: document.schedules,
        notifications: document.notifications,
        state: document.state,
        serve: document.serve,
        path: path.to_owned(),
        base,
    })
}
