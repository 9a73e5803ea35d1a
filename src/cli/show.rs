//! `snapkeep show`

use chrono::{DateTime, Utc};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use snapkeep_providers::model::{Details, Snapshot, Verified};

use super::rows::hold_text;
use super::{App, Outcome};
use crate::catalog::{self, SnapshotRef};
use crate::failure::Failure;
use crate::marks::Marks;
use crate::render::{Format, Kind, Row, visible};
use crate::units;

/// Show everything known of a snapshot, and the commands that restore it without snapkeep
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The snapshot
    #[arg(value_name = "ID")]
    id: SnapshotRef,
}

/// A snapshot with all its details.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SnapshotDetail")]
pub(super) struct Shown {
    #[serde(flatten)]
    snapshot: Snapshot,
    /// What only its provider knows: a dump's manifest, a cloud's own record. Its keys are no part of this schema.
    record: Value,
    /// Shell commands that restore it without snapkeep, comments included, in order.
    restore_commands: Vec<String>,
}

impl Row for Shown {
    const KIND: Kind = Kind::SnapshotDetails;
    const KEYS: &'static [&'static str] = Snapshot::KEYS;
    const HEADINGS: &'static [&'static str] = Snapshot::HEADINGS;

    fn cells(&self, now: DateTime<Utc>) -> Vec<String> {
        self.snapshot.cells(now)
    }

    fn name(&self) -> String {
        self.snapshot.name()
    }
}

impl Show {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let shown = app.looking(self.find(app)).await;
        match (&shown, app.format) {
            (Ok(shown), Format::Table) => app.print(page(shown, app.now).as_bytes()),
            _ => app.finish(&shown.map_or_else(Outcome::failed, |shown| Ok(shown).into())),
        }
    }

    async fn find(&self, app: &App) -> Result<Shown, Vec<Failure>> {
        let config = app.load()?;
        let one = |failure: Failure| vec![failure];
        let target = catalog::target(&config, &self.id.target).map_err(one)?;
        let opened = catalog::open(&config, target).await.map_err(one)?;
        let snapshot = opened.resolve(&self.id).await.map_err(one)?;
        let details = opened.provider.get(&snapshot.native_id).await;
        let Details { mut snapshot, record, by_hand } =
            details.map_err(|error| vec![Failure::from(error).of(&target.name)])?;
        match Marks::of(&opened.scope, &snapshot.native_id).await {
            Ok(marks) => marks.apply(&mut snapshot),
            // How to restore it is worth knowing all the same.
            Err(failure) => {
                app.report.warn(&format!("{}: its hold and verification are unknown: {}", snapshot.id, failure.message))
            }
        }
        Ok(Shown { snapshot, record, restore_commands: by_hand })
    }
}

/// One fact a line, then the record, then the commands.
fn page(shown: &Shown, now: DateTime<Utc>) -> String {
    let snapshot = &shown.snapshot;
    let mut text = String::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text += &format!("{name:<13}{}\n", visible(&value));
        }
    };
    let size = |size: u64| match size {
        0..1024 => units::bytes(size),
        _ => format!("{} ({size} bytes)", units::bytes(size)),
    };
    let age = |time: DateTime<Utc>| format!("{} UTC ({} ago)", units::time(time), units::duration(now - time));
    let tags: Vec<String> = snapshot.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let version = snapshot.engine_version.as_deref().unwrap_or_default();
    fact("id", Some(snapshot.id.to_string()));
    fact("created", snapshot.created_at.map(age));
    fact("completed", snapshot.completed_at.map(|time| format!("{} UTC", units::time(time))));
    fact("state", Some(snapshot.state.to_string()));
    fact("origin", Some(snapshot.origin.to_string()));
    fact("size", snapshot.size_bytes.map(size));
    fact("engine", snapshot.engine.as_ref().map(|engine| format!("{engine} {version}").trim().to_owned()));
    fact("location", snapshot.location.as_deref().map(str::to_owned));
    fact("encrypted", snapshot.encrypted.map(|encrypted| if encrypted { "yes" } else { "no" }.into()));
    fact("key", snapshot.key.clone());
    fact("hold", snapshot.hold.as_ref().map(hold_text));
    fact(
        "verified",
        snapshot.verified.as_ref().map(|Verified { level, at, ok }| {
            format!("{level}{} at {}", if *ok { "" } else { " FAILED" }, units::time(*at))
        }),
    );
    fact("expires", snapshot.expires_at.map(|time| format!("{} UTC", units::time(time))));
    fact("locked until", snapshot.locked_until.map(|time| format!("{} UTC", units::time(time))));
    fact("tags", Some(tags.join(", ")));
    for key in ["format", "database"] {
        fact(key, shown.record.get(key).and_then(Value::as_str).map(ToOwned::to_owned));
    }
    for note in shown.record.get("notes").and_then(Value::as_array).into_iter().flatten() {
        fact("note", note.as_str().map(ToOwned::to_owned));
    }
    text += "\nTo restore it without snapkeep:\n\n";
    for command in &shown.restore_commands {
        text += &format!("  {}\n", visible(command));
    }
    text
}
