//! Results on stdout, in each of the formats.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::object::Cell;
use tabled::settings::{Color, Padding, Style};

use crate::failure::Failure;

/// The schema of every JSON document.
pub(crate) const SCHEMA: &str = "snapkeep/v1";

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One document, also when it failed.
    Json,
    /// One item a line.
    Jsonl,
    /// A header and one item a line.
    Csv,
    /// Only the names or ids, one a line.
    Name,
}

/// What a document is of. What each is made of is in `cli::schema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Kind {
    /// Snapshots
    SnapshotList,
    /// One snapshot, with all that is known of it
    SnapshotDetails,
    /// What a provider is doing, or has done
    OperationList,
    /// What was restored
    RestoreList,
    /// What was exported
    ExportList,
    /// What was imported
    ImportList,
    /// What verifications found
    VerificationList,
    /// Snapshots that are gone
    DeletionList,
    /// What pruning would do
    PrunePlan,
    /// What pruning did
    PruneResult,
    /// The problems of a config, all of them in `errors`
    ConfigCheck,
    /// The targets of the config
    TargetList,
    /// The databases of the accounts and regions
    DiscoveryList,
    /// What was checked
    CheckList,
    /// What the runs of a schedule came to
    RunList,
    /// How targets stand
    StatusList,
    /// What the demo did
    DemoSteps,
    /// What a hook is told on its stdin
    HookInput,
    /// What a webhook is told
    Notification,
}

impl Kind {
    /// The word that JSON has for it.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

/// One item of a result.
pub(crate) trait Row: Serialize + JsonSchema {
    /// The document's `kind`.
    const KIND: Kind;
    /// The keys of its JSON, in the order of the columns of CSV.
    const KEYS: &'static [&'static str];
    /// The headings of its table.
    const HEADINGS: &'static [&'static str];

    /// Its cells under the headings.
    fn cells(&self, now: DateTime<Utc>) -> Vec<String>;

    /// Its name or id.
    fn name(&self) -> String;

    /// Which of its cells, counted from 0, a colour sets off.
    fn tone(&self) -> Option<(usize, Tone)> {
        None
    }
}

/// What a colour says of a cell. Its text says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Not as it should be.
    Bad,
}

impl Tone {
    fn colour(self) -> Color {
        match self {
            Self::Good => Color::FG_GREEN,
            Self::Doubtful => Color::FG_YELLOW,
            Self::Bad => Color::FG_RED,
        }
    }
}

/// Whether tables are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Coloured,
}

/// Prints `items`, and in JSON the failures too.
pub(crate) fn print<T: Row>(
    out: &mut impl Write,
    format: Format,
    items: &[T],
    failures: &[Failure],
    now: DateTime<Utc>,
    paint: Paint,
) -> io::Result<()> {
    match format {
        Format::Table => table(out, items, now, paint),
        Format::Json => document(out, items, failures),
        Format::Jsonl => items.iter().try_for_each(|item| {
            serde_json::to_writer(&mut *out, item)?;
            writeln!(out)
        }),
        Format::Csv => csv(out, items),
        Format::Name => items.iter().try_for_each(|item| writeln!(out, "{}", item.name())),
    }?;
    out.flush()
}

/// The one JSON document of a command.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a, T> {
    schema: &'static str,
    #[schemars(with = "String")]
    kind: Kind,
    /// What was asked for; empty when nothing was found or done.
    items: &'a [T],
    /// What went wrong; empty when nothing did.
    errors: &'a [Failure],
}

fn document<T: Row>(out: &mut impl Write, items: &[T], errors: &[Failure]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Document { schema: SCHEMA, kind: T::KIND, items, errors })?;
    writeln!(out)
}

fn table<T: Row>(out: &mut impl Write, items: &[T], now: DateTime<Utc>, paint: Paint) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let mut builder = Builder::default();
    builder.push_record(T::HEADINGS.iter().copied());
    for item in items {
        let visible_lines = |cell: &String| cell.split('\n').map(visible).collect::<Vec<_>>().join("\n");
        builder.push_record(item.cells(now).iter().map(visible_lines));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let tones = items.iter().map(T::tone).enumerate().filter(|_| paint == Paint::Coloured);
    for (nth, (column, tone)) in tones.filter_map(|(nth, tone)| Some((nth, tone?))) {
        table.modify(Cell::new(nth + 1, column), tone.colour()); // below the headings
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A text for a terminal: what came from a manifest, a tag or a server can't move the cursor or begin a line.
pub(crate) fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn csv<T: Row>(out: &mut impl Write, items: &[T]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(T::KEYS)?;
    for item in items {
        let value = serde_json::to_value(item)?;
        writer.write_record(T::KEYS.iter().map(|key| cell(value.get(key))))?;
    }
    writer.flush()
}

/// A text as it is, nothing for null, anything else as JSON.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => json!(value).to_string(),
    }
}
