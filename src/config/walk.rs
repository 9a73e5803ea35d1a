//! The walk along a parsed file: finds every problem, each with its place.
//!
//! Tolerant: a wrong value ends the walk below it, never beside it. Values are repeated in messages only where a
//! secret has no business: words, numbers, names, durations.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{Problem, Source};
use super::format::{Format, Names};
use super::nearest;
use super::schema::{FOR_ALL, OWN_KEYS};
use super::shape::{Key, Shape, Table, Variants};

const SECRET_FORMS: &str = r#"write { env = "NAME" }, { file = "/run/secrets/x" } or { command = ["vault", "kv", "get", "-field=password", "secret/om"] }"#;

/// Every problem of a document, in no particular order.
pub(super) fn problems(shape: &Shape, root: &DeTable<'_>, source: Source<'_>) -> Vec<Problem> {
    let mut walk = Walk { source, names: names(root), given: keys(root, "defaults"), problems: Vec::new() };
    if let Some(table) = shape.table() {
        walk.table(table, root, &Spot { subject: String::new(), path: String::new(), header: 0..0 });
    }
    walk.problems
}

fn names(root: &DeTable<'_>) -> Names {
    Names { targets: keys(root, "targets"), stores: keys(root, "stores"), retention: keys(root, "retention") }
}

fn keys(root: &DeTable<'_>, section: &str) -> BTreeSet<String> {
    let table = root.get(section).and_then(|node| node.get_ref().as_table());
    table.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().to_string()).collect()
}

struct Walk<'a> {
    source: Source<'a>,
    names: Names,
    /// The keys of `[defaults]`: no target needs to set them.
    given: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// Where a value is.
struct Spot {
    /// As the subject of a sentence: `"port" in targets.om`.
    subject: String,
    /// As the place of other keys: `targets.om.tls`. Empty for the document.
    path: String,
    /// The key in the file.
    header: Range<usize>,
}

impl Spot {
    fn below(&self, key: &str, header: Range<usize>) -> Self {
        if self.path.is_empty() {
            Self { subject: format!("{key:?}"), path: key.to_owned(), header }
        } else {
            Self { subject: format!("{key:?} in {}", self.path), path: format!("{}.{key}", self.path), header }
        }
    }

    /// ` in targets.om`, or nothing for the document.
    fn within(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) }
    }
}

/// The keys that a table may have, as far as its tag tells.
struct Known<'a> {
    keys: BTreeMap<&'a str, &'a Key>,
    variant: Option<&'a Table>,
}

impl Walk<'_> {
    fn report(&mut self, span: &Range<usize>, message: String, hint: Option<String>) {
        self.problems.push(self.source.problem(span, message, hint));
    }

    fn value(&mut self, shape: &Shape, node: &Spanned<DeValue<'_>>, spot: &Spot) {
        match (shape, node.get_ref()) {
            (Shape::Unknown, _) | (Shape::Flag, DeValue::Boolean(_)) => {}
            (Shape::Any(shapes), value) => match shapes.iter().find(|shape| fits(shape, value)) {
                Some(shape) => self.value(shape, node, spot),
                None => self.wrong_type(shape, node, spot),
            },
            (Shape::Table(table), DeValue::Table(entries)) => self.table(table, entries, spot),
            (Shape::Map { names, values }, DeValue::Table(entries)) => self.map(*names, values, entries, spot),
            (Shape::Secret(forms), value) => self.secret(forms, value, node.span(), spot),
            (Shape::Word(words), DeValue::String(text)) => self.word(words, text, &node.span(), spot),
            (Shape::Text { format, min_length }, DeValue::String(text)) => {
                if *min_length > 0 && text.is_empty() {
                    self.report(&node.span(), format!("{} is empty", spot.subject), None);
                } else if let Some(format) = format {
                    self.format(*format, text, &node.span(), &spot.subject);
                }
            }
            (Shape::Integer { min, max }, DeValue::Integer(number)) => {
                self.integer(*min, *max, number, &node.span(), spot);
            }
            (Shape::List { items, min_items }, DeValue::Array(values)) => {
                if *min_items > 0 && values.is_empty() {
                    self.report(&node.span(), format!("{} is empty", spot.subject), None);
                }
                let subject = format!("an item of {}", spot.subject);
                for value in values.iter() {
                    let item = Spot { subject: subject.clone(), path: spot.path.clone(), header: value.span() };
                    self.value(items, value, &item);
                }
            }
            _ => self.wrong_type(shape, node, spot),
        }
    }

    fn wrong_type(&mut self, shape: &Shape, node: &Spanned<DeValue<'_>>, spot: &Spot) {
        let message = format!("{} must be {}, not {}", spot.subject, expected(shape), found(node.get_ref()));
        self.report(&node.span(), message, None);
    }

    fn map(&mut self, names: Option<Format>, values: &Shape, entries: &DeTable<'_>, spot: &Spot) {
        for (key, node) in entries {
            let below = spot.below(key.get_ref(), key.span());
            if let Some(format) = names {
                self.format(format, key.get_ref(), &key.span(), &format!("a name{}", spot.within()));
            }
            self.value(values, node, &below);
        }
    }

    fn secret(&mut self, forms: &Table, value: &DeValue<'_>, span: Range<usize>, spot: &Spot) {
        let entry = value.as_table().filter(|entries| entries.len() == 1).and_then(|entries| entries.iter().next());
        if let Some((key, node)) = entry
            && let Some(form) = forms.keys.get(key.get_ref().as_ref())
        {
            return self.value(&form.shape, node, &spot.below(key.get_ref(), key.span()));
        }
        // Neither the value nor the keys of a wrong table are repeated: any of them may be the secret.
        let message = format!("{} must be a reference to a secret, never the secret itself", spot.subject);
        self.report(&span, message, Some(SECRET_FORMS.to_owned()));
    }

    fn word(&mut self, words: &[String], text: &str, span: &Range<usize>, spot: &Spot) {
        if !words.iter().any(|word| word == text) {
            let hint = nearest(text, words.iter().map(String::as_str)).map(|word| format!("did you mean {word:?}?"));
            self.report(span, format!("{} can't be {text:?}: use {}", spot.subject, either(words)), hint);
        }
    }

    fn format(&mut self, format: Format, text: &str, span: &Range<usize>, subject: &str) {
        if let Err(misfit) = format.check(text, &self.names) {
            self.report(span, format!("{subject}{}", misfit.message), misfit.hint);
        }
    }

    fn integer(&mut self, min: i64, max: i64, number: &DeInteger<'_>, span: &Range<usize>, spot: &Spot) {
        let value = whole(number);
        if value.is_some_and(|value| (i128::from(min)..=i128::from(max)).contains(&value)) {
            return;
        }
        let range = if min == max {
            min.to_string()
        } else if max < i64::from(u32::MAX) {
            format!("{min} to {max}")
        } else if number.as_str().starts_with('-') {
            format!("{min} or more")
        } else {
            format!("{max} or less")
        };
        self.report(span, format!("{} must be {range}, not {number}", spot.subject), None);
    }

    fn table(&mut self, table: &Table, entries: &DeTable<'_>, spot: &Spot) {
        let problems_before = self.problems.len();
        let known = self.known(table, entries, spot);
        let mut meant = BTreeSet::new();
        for (key, node) in entries {
            let name = key.get_ref().as_ref();
            if let Some(known) = known.keys.get(name) {
                self.value(&known.shape, node, &spot.below(name, key.span()));
            } else if table.variants.as_ref().is_none_or(|variants| variants.tag != name) {
                let hint = self.elsewhere(table.variants.as_ref(), name, spot).or_else(|| {
                    let near = nearest(name, known.keys.keys().copied())?;
                    meant.insert(near);
                    Some(format!("did you mean {near:?}?"))
                });
                self.report(&key.span(), format!("unknown key {name:?}{}", spot.within()), hint);
            }
        }
        for part in [Some(table), known.variant].into_iter().flatten() {
            self.missing(part, table.variants.is_some(), &meant, entries, spot);
            self.exactly_one(part, &meant, entries, spot);
            self.beside(part, entries, spot);
            if self.problems.len() == problems_before {
                self.some_of(part, entries, spot);
            }
        }
    }

    /// Finds the variant by the tag, and reports a tag that is missing or wrong; then every variant's keys are known.
    fn known<'t>(&mut self, table: &'t Table, entries: &DeTable<'_>, spot: &Spot) -> Known<'t> {
        let mut keys: BTreeMap<&str, &Key> = table.keys.iter().map(|(name, key)| (name.as_str(), key)).collect();
        let variant = table.variants.as_ref().and_then(|variants| self.variant(variants, entries, spot));
        let all = table.variants.iter().flat_map(|variants| variants.tables.values());
        for table in all.filter(|table| variant.is_none_or(|variant| std::ptr::eq(variant, *table))) {
            keys.extend(table.keys.iter().map(|(name, key)| (name.as_str(), key)));
        }
        Known { keys, variant }
    }

    fn variant<'t>(&mut self, variants: &'t Variants, entries: &DeTable<'_>, spot: &Spot) -> Option<&'t Table> {
        let Variants { tag, tables } = variants;
        let words: Vec<_> = tables.keys().cloned().collect();
        let Some((key, node)) = entries.get_key_value(tag.as_str()) else {
            let hint = format!("add a line: {tag} = ..., which is {}", either(&words));
            self.report(&spot.header, format!("missing key {tag:?}{}", spot.within()), Some(hint));
            return None;
        };
        let below = spot.below(tag, key.span());
        let word = node.get_ref().as_str().unwrap_or_default();
        self.value(&Shape::Word(words), node, &below);
        tables.get(word)
    }

    /// Where a key belongs that is unknown here.
    fn elsewhere(&self, variants: Option<&Variants>, name: &str, spot: &Spot) -> Option<String> {
        if spot.path == "defaults" && OWN_KEYS.contains(&name) {
            return Some("it is each target's own: set it there".to_owned());
        }
        if spot.path == "defaults" && FOR_ALL.contains(&name) {
            return Some(format!("what holds for every target is in [{name}]"));
        }
        let Variants { tag, tables } = variants?;
        let owners: Vec<_> = tables.iter().filter(|(_, table)| table.keys.contains_key(name)).collect();
        let owners: Vec<_> = owners.into_iter().map(|(name, _)| name.clone()).collect();
        (!owners.is_empty()).then(|| format!("it is a key of {tag} {}", either(&owners)))
    }

    fn missing(&mut self, part: &Table, tagged: bool, meant: &BTreeSet<&str>, entries: &DeTable<'_>, spot: &Spot) {
        let is_target = tagged && spot.path.starts_with("targets.");
        for (name, key) in part.keys.iter().filter(|(_, key)| key.required) {
            let is_given = is_target && self.given.contains(name);
            if !entries.contains_key(name.as_str()) && !is_given && !meant.contains(name.as_str()) {
                let hint = format!("add a line: {name} = {}  # {}", self.example(&key.shape), key.about);
                self.report(&spot.header, format!("missing key {name:?}{}", spot.within()), Some(hint));
            }
        }
    }

    fn exactly_one(&mut self, part: &Table, meant: &BTreeSet<&str>, entries: &DeTable<'_>, spot: &Spot) {
        let Table { exactly_one, .. } = part;
        if exactly_one.is_empty() || exactly_one.iter().any(|name| meant.contains(name.as_str())) {
            return;
        }
        let set = exactly_one.iter().filter_map(|key| entries.get_key_value(key.as_str()));
        let mut spans: Vec<_> = set.map(|(key, _)| key.span()).collect();
        spans.sort_by_key(|span| span.start);
        match spans.as_slice() {
            [] => self.report(&spot.header, format!("{} needs {}", spot.path, either(exactly_one)), None),
            [_] => {}
            [.., last] => {
                self.report(last, format!("{} can't have more than one of {}", spot.path, either(exactly_one)), None);
            }
        }
    }

    /// Keys that make no sense without others.
    fn beside(&mut self, part: &Table, entries: &DeTable<'_>, spot: &Spot) {
        for (name, needed) in &part.beside {
            let Some((key, _)) = entries.get_key_value(name.as_str()) else { continue };
            for missing in needed.iter().filter(|other| !entries.contains_key(other.as_str())) {
                let message = format!("{name:?}{} needs {missing:?} beside it", spot.within());
                self.report(&key.span(), message, None);
            }
        }
    }

    fn some_of(&mut self, part: &Table, entries: &DeTable<'_>, spot: &Spot) {
        let is_set = |name: &String| {
            let value = entries.get(name.as_str()).map(Spanned::get_ref);
            value.is_some_and(|value| value.as_integer().and_then(whole) != Some(0))
        };
        if !part.some_of.is_empty() && !part.some_of.iter().any(is_set) {
            let message = format!("{} is empty: set {}", spot.path, either(&part.some_of));
            self.report(&spot.header, message, None);
        }
    }

    /// A value to start from, as TOML.
    fn example(&self, shape: &Shape) -> String {
        match shape {
            Shape::Text { format: Some(Format::Store), .. } => {
                let store = self.names.stores.first().map_or("...", String::as_str);
                format!("{store:?}")
            }
            Shape::Text { format: Some(Format::Cron), .. } => "\"15 2 * * *\"".to_owned(),
            Shape::Text { format: Some(Format::Endpoint), .. } => "\"https://...\"".to_owned(),
            Shape::Text { format: Some(Format::Target), .. } => "\"*\"".to_owned(),
            Shape::Text { format: Some(Format::Mailbox), .. } => "\"backups@example.com\"".to_owned(),
            Shape::Text { .. } => "\"...\"".to_owned(),
            Shape::Word(words) => format!("{:?}", words.first().map_or("...", String::as_str)),
            Shape::Flag => "true".to_owned(),
            Shape::Integer { min, .. } => min.to_string(),
            Shape::List { items, .. } => format!("[{}]", self.example(items)),
            Shape::Any(shapes) => shapes.first().map_or_else(String::new, |shape| self.example(shape)),
            Shape::Table(_) | Shape::Map { .. } | Shape::Secret(_) | Shape::Unknown => "{ ... }".to_owned(),
        }
    }
}

pub(super) fn fits(shape: &Shape, value: &DeValue<'_>) -> bool {
    match shape {
        Shape::Table(_) | Shape::Map { .. } | Shape::Secret(_) => value.is_table(),
        Shape::Word(_) | Shape::Text { .. } => value.is_str(),
        Shape::Flag => value.is_bool(),
        Shape::Integer { .. } => value.is_integer(),
        Shape::List { .. } => value.is_array(),
        Shape::Any(shapes) => shapes.iter().any(|shape| fits(shape, value)),
        Shape::Unknown => true,
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Table(_) | Shape::Map { .. } | Shape::Secret(_) => "a table".to_owned(),
        Shape::Word(_) | Shape::Text { .. } => "a string".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Integer { .. } => "an integer".to_owned(),
        Shape::List { .. } => "an array".to_owned(),
        Shape::Any(shapes) => either(&shapes.iter().map(expected).collect::<Vec<_>>()),
        Shape::Unknown => "something else".to_owned(),
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The number, unless it is larger than anything that we take.
fn whole(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `a, b or c`.
fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
