//! How each kind of item is shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::model::{Check, Hold, OperationId, Snapshot, TargetName, VerifyLevel};

use crate::failure::Failure;
use crate::journal::{Doing, Entry};
use crate::render::{Kind, Row};
use crate::units;

impl Row for Snapshot {
    const KIND: Kind = Kind::SnapshotList;
    const KEYS: &'static [&'static str] = &[
        "id",
        "native_id",
        "target",
        "provider",
        "origin",
        "state",
        "provider_state",
        "created_at",
        "completed_at",
        "size_bytes",
        "engine",
        "engine_version",
        "location",
        "encrypted",
        "key",
        "hold",
        "verified",
        "expires_at",
        "tags",
        "locked_until",
    ];
    const HEADINGS: &'static [&'static str] =
        &["ID", "CREATED (UTC)", "AGE", "SIZE", "STATE", "ORIGIN", "ENGINE", "LOCATION", "VERIFIED", "HOLD"];

    fn cells(&self, now: DateTime<Utc>) -> Vec<String> {
        let engine = self.engine.as_ref().map(|engine| {
            let version = self.engine_version.as_deref().and_then(|version| version.split([' ', '-']).next());
            format!("{engine} {}", version.unwrap_or_default()).trim().to_owned()
        });
        let verified = self.verified.as_ref().map(|verified| {
            if verified.ok { verified.level.to_string() } else { format!("{} FAILED", verified.level) }
        });
        vec![
            self.id.to_string(),
            units::or_dash(self.created_at.map(units::time)),
            units::or_dash(self.created_at.map(|created| units::duration(now - created))),
            units::or_dash(self.size_bytes.map(units::bytes)),
            self.state.to_string(),
            self.origin.to_string(),
            units::or_dash(engine),
            // A region, or the name of a store and where that is.
            units::or_dash(
                self.location.as_ref().map(|location| location.split(':').next().unwrap_or_default().to_owned()),
            ),
            units::or_dash(verified),
            units::or_dash(self.hold.as_ref().map(hold_text)),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}

/// `audit, until 2026-12-01 02:15:00`
pub(super) fn hold_text(hold: &Hold) -> String {
    let until = hold.until.map(|until| format!(", until {}", units::time(until))).unwrap_or_default();
    format!("{}{until}", hold.reason)
}

/// A configured target.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Target")]
pub(super) struct TargetRow {
    /// Its name in the config.
    pub(super) target: String,
    /// The provider's name in the config.
    pub(super) provider: String,
    /// The database, instance or file.
    pub(super) subject: String,
    /// The stores of its dumps, the first for new ones; empty where the cloud keeps its snapshots.
    pub(super) store: Vec<String>,
    /// The name of its retention policy; null where it has none.
    pub(super) retention: Option<String>,
    /// The tags that its snapshots get.
    pub(super) tags: BTreeMap<String, String>,
}

impl Row for TargetRow {
    const KIND: Kind = Kind::TargetList;
    const KEYS: &'static [&'static str] = &["target", "provider", "subject", "store", "retention", "tags"];
    const HEADINGS: &'static [&'static str] = &["TARGET", "PROVIDER", "DATABASE", "STORE", "RETENTION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let store = Some(self.store.join(", ")).filter(|store| !store.is_empty());
        vec![
            self.target.clone(),
            self.provider.clone(),
            self.subject.clone(),
            units::or_dash(store),
            units::or_dash(self.retention.clone()),
        ]
    }

    fn name(&self) -> String {
        self.target.clone()
    }
}

/// What `config check` lists: nothing, as every problem is an error of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Nothing")]
pub(super) enum ConfigProblems {}

impl Row for ConfigProblems {
    const KIND: Kind = Kind::ConfigCheck;
    const KEYS: &'static [&'static str] = &[];
    const HEADINGS: &'static [&'static str] = &[];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        match *self {}
    }

    fn name(&self) -> String {
        match *self {}
    }
}

/// One thing that was checked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub(super) struct CheckRow {
    /// The target that it is about; null where it is about a store, or about the whole config.
    pub(super) target: Option<String>,
    /// What was looked at: `tools`, `connection`, `store` and others.
    pub(super) check: &'static str,
    /// Whether it will do.
    pub(super) ok: bool,
    /// What was found, or why it won't do.
    pub(super) detail: String,
    /// What to do about it; where it is `ok`, something to look at.
    pub(super) hint: Option<String>,
    /// The store that it is about, where all its targets share what was found.
    pub(super) store: Option<String>,
}

/// What a check is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'n> {
    Target(&'n TargetName),
    Store(&'n str),
    /// No one of its targets and stores.
    Config,
}

impl CheckRow {
    pub(super) fn new(about: About<'_>, check: &'static str, outcome: &Result<String, Failure>) -> Self {
        let (ok, detail, hint) = match outcome {
            Ok(detail) => (true, detail.clone(), None),
            Err(failure) => (false, failure.message.clone(), failure.hint.clone()),
        };
        let (target, store) = match about {
            About::Target(target) => (Some(target.to_string()), None),
            About::Store(store) => (None, Some(store.to_owned())),
            About::Config => (None, None),
        };
        Self { target, check, ok, detail, hint, store }
    }

    /// What was looked at; a failure besides, where it won't do.
    pub(super) fn of(about: About<'_>, check: Check) -> (Self, Option<Failure>) {
        let outcome = check.outcome.map_err(|error| about.own(error.into()));
        let row = Self::new(about, check.name, &outcome);
        (Self { hint: row.hint.or(check.advice), ..row }, outcome.err())
    }
}

impl About<'_> {
    /// A failure of it.
    pub(super) fn own(self, failure: Failure) -> Failure {
        match self {
            Self::Target(target) => failure.of(target),
            Self::Store(_) | Self::Config => failure,
        }
    }
}

impl Row for CheckRow {
    const KIND: Kind = Kind::CheckList;
    const KEYS: &'static [&'static str] = &["target", "check", "ok", "detail", "hint", "store"];
    const HEADINGS: &'static [&'static str] = &["TARGET", "CHECK", "RESULT", "DETAIL"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let result = match (self.ok, &self.hint) {
            (true, None) => "ok",
            (true, Some(_)) => "look",
            (false, _) => "FAILED",
        };
        // Of a failure it is told on stderr.
        let advice =
            self.hint.as_ref().filter(|_| self.ok).map(|advice| format!("\nhint: {advice}")).unwrap_or_default();
        // No target's name has a space in it.
        let about = self.store.as_ref().map(|store| format!("store {store}")).or_else(|| self.target.clone());
        vec![units::or_dash(about), self.check.into(), result.into(), format!("{}{advice}", self.detail)]
    }

    fn name(&self) -> String {
        self.target.as_deref().or(self.store.as_deref()).unwrap_or(self.check).to_owned()
    }
}

/// Something that a provider is doing, or has done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub(super) struct OperationRow {
    /// What `snapkeep wait` takes.
    pub(super) id: String,
    /// The target that it is done for.
    pub(super) target: String,
    /// The snapshot that is made, restored or exported; null where it is not known.
    pub(super) snapshot: Option<String>,
    /// How far it is.
    pub(super) state: State,
    /// What was begun.
    pub(super) verb: Doing,
    /// The caller's idempotency key; null where it gave none.
    pub(super) key: Option<String>,
    /// When it was begun; null where it is not known.
    pub(super) begun_at: Option<DateTime<Utc>>,
    /// The machine that it was begun on; null where it is not known.
    pub(super) host: Option<String>,
}

impl OperationRow {
    /// Of what was begun on a target, and is known by `operation`.
    pub(super) fn of(target: &TargetName, operation: &OperationId, entry: Entry, state: State) -> Self {
        Self {
            id: format!("{target}/{operation}"),
            target: target.to_string(),
            snapshot: entry.snapshot.map(|native| format!("{target}/{native}")),
            state,
            verb: entry.verb,
            key: entry.key,
            begun_at: Some(entry.begun_at),
            host: Some(entry.host),
        }
    }

    /// Of a snapshot that is there, made by `verb`.
    pub(super) fn of_snapshot(snapshot: &Snapshot, verb: Doing) -> Self {
        Self {
            id: snapshot.id.to_string(),
            target: snapshot.target.to_string(),
            snapshot: Some(snapshot.id.to_string()),
            state: State::Done,
            verb,
            key: snapshot.key.clone(),
            begun_at: snapshot.created_at,
            host: None,
        }
    }
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OperationState")]
pub(super) enum State {
    /// It goes on.
    Running,
    /// It has ended well.
    Done,
    /// It has ended, and not well.
    Failed,
    /// The cloud knows nothing of it any more.
    Gone,
    /// The cloud could not be asked.
    Unknown,
}

impl State {
    /// The word that JSON has for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl Row for OperationRow {
    const KIND: Kind = Kind::OperationList;
    const KEYS: &'static [&'static str] = &["id", "target", "snapshot", "state", "verb", "key", "begun_at", "host"];
    const HEADINGS: &'static [&'static str] = &["OPERATION", "VERB", "SNAPSHOT", "STATE", "BEGUN (UTC)"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            self.id.clone(),
            self.verb.to_string(),
            units::or_dash(self.snapshot.clone()),
            self.state.word().into(),
            units::or_dash(self.begun_at.map(units::time)),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// What was restored.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Restore")]
pub(super) struct RestoreRow {
    /// The id of the snapshot; null where it was a moment, or nobody remembers.
    pub(super) id: Option<String>,
    /// The target whose snapshot it is.
    pub(super) target: String,
    /// What it was restored to: a database, an instance or a file.
    pub(super) to: String,
    /// What was noticed, though it went well.
    pub(super) warnings: Vec<String>,
    /// The moment; null where it was a snapshot.
    pub(super) time: Option<DateTime<Utc>>,
}

impl Row for RestoreRow {
    const KIND: Kind = Kind::RestoreList;
    const KEYS: &'static [&'static str] = &["id", "target", "to", "warnings", "time"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "RESTORED TO"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let moment = || self.time.map(|time| format!("{} at {}", self.target, units::time(time)));
        vec![units::or_dash(self.id.clone().or_else(moment)), self.to.clone()]
    }

    fn name(&self) -> String {
        self.to.clone()
    }
}

/// A snapshot's or database's data that is written as files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Export")]
pub(super) struct ExportRow {
    /// The id of the snapshot; null where it was the live database, or the cloud no longer tells.
    pub(super) id: Option<String>,
    /// The target whose data it is.
    pub(super) target: String,
    /// Where the files are.
    pub(super) to: String,
    /// What `snapkeep wait` takes.
    pub(super) operation: String,
    /// Whether it goes on.
    pub(super) state: State,
    /// The cloud's own word for the state.
    pub(super) provider_state: Option<String>,
    /// How much of it is done.
    pub(super) percent: Option<u8>,
    /// Bytes that were written.
    pub(super) size_bytes: Option<u64>,
    /// What was noticed, though it went well.
    pub(super) warnings: Vec<String>,
}

impl Row for ExportRow {
    const KIND: Kind = Kind::ExportList;
    const KEYS: &'static [&'static str] =
        &["id", "target", "to", "operation", "state", "provider_state", "percent", "size_bytes", "warnings"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "EXPORTED TO", "STATE", "DONE", "SIZE", "OPERATION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            units::or_dash(self.id.clone()),
            self.to.clone(),
            self.state.word().into(),
            units::or_dash(self.percent.map(|percent| format!("{percent} %"))),
            units::or_dash(self.size_bytes.map(units::bytes)),
            self.operation.clone(),
        ]
    }

    fn name(&self) -> String {
        self.operation.clone()
    }
}

/// SQL that is read into a database.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Import")]
pub(super) struct ImportRow {
    /// The target that it is read into.
    pub(super) target: String,
    /// Where the file is.
    pub(super) from: String,
    /// The database; null where the file says it.
    pub(super) database: Option<String>,
    /// What `snapkeep wait` takes.
    pub(super) operation: String,
    /// Whether it goes on.
    pub(super) state: State,
    /// What was noticed, though it went well.
    pub(super) warnings: Vec<String>,
}

impl Row for ImportRow {
    const KIND: Kind = Kind::ImportList;
    const KEYS: &'static [&'static str] = &["target", "from", "database", "operation", "state", "warnings"];
    const HEADINGS: &'static [&'static str] = &["TARGET", "IMPORTED FROM", "DATABASE", "STATE", "OPERATION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            self.target.clone(),
            self.from.clone(),
            units::or_dash(self.database.clone()),
            self.state.word().into(),
            self.operation.clone(),
        ]
    }

    fn name(&self) -> String {
        self.operation.clone()
    }
}

/// A snapshot that was looked into.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Verification")]
pub(super) struct VerificationRow {
    /// The id of the snapshot.
    pub(super) id: String,
    /// The target that it is a snapshot of.
    pub(super) target: String,
    /// How thorough it was.
    pub(super) level: VerifyLevel,
    /// Whether everything was as it should be.
    pub(super) ok: bool,
    /// When it ended.
    pub(super) at: DateTime<Utc>,
    /// What was compared, in order.
    pub(super) checks: Vec<FindingRow>,
}

/// One thing that was compared.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
pub(super) struct FindingRow {
    /// A part of the snapshot, `rows`, the name of an assertion and others.
    pub(super) name: String,
    /// Whether it was as it should be.
    pub(super) ok: bool,
    /// What was found, or what is wrong with it.
    pub(super) detail: String,
}

impl Row for VerificationRow {
    const KIND: Kind = Kind::VerificationList;
    const KEYS: &'static [&'static str] = &["id", "target", "level", "ok", "at", "checks"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "LEVEL", "RESULT", "CHECK", "DETAIL"];

    /// A line for each check.
    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let lines = |cell: fn(&FindingRow) -> String| self.checks.iter().map(cell).collect::<Vec<_>>().join("\n");
        vec![
            self.id.clone(),
            self.level.to_string(),
            lines(|check| if check.ok { "ok" } else { "FAILED" }.to_owned()),
            lines(|check| check.name.replace('\n', " ")),
            lines(|check| check.detail.replace('\n', " ")),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use snapkeep_providers::{Error, ErrorKind};

    use super::*;
    use crate::render::{self, Format, Paint};

    #[test]
    fn advice_is_shown_with_what_it_is_about_and_that_of_a_failure_goes_with_the_failure() {
        let failed = Error::new(ErrorKind::Permission, "memory", "look at", "billing", "403").with_hint("get the role");
        let checks = [
            Check::new("instance", Ok("POSTGRES_16, RUNNABLE".into())),
            Check::new("retention", Ok("backups go with the instance".into())).with_advice("retain them"),
            Check::new("delete", Err(failed)).with_advice("never mind"),
        ];
        let target: TargetName = "billing".parse().unwrap();
        let (rows, failures): (Vec<_>, Vec<_>) =
            checks.into_iter().map(|check| CheckRow::of(About::Target(&target), check)).unzip();
        let mut table = Vec::new();
        render::print(&mut table, Format::Table, &rows, &[], DateTime::UNIX_EPOCH, Paint::Plain).unwrap();
        insta::assert_snapshot!(String::from_utf8(table).unwrap(), @"
        TARGET   CHECK      RESULT  DETAIL
        billing  instance   ok      POSTGRES_16, RUNNABLE
        billing  retention  look    backups go with the instance
                                    hint: retain them
        billing  delete     FAILED  memory: cannot look at billing: 403
        ");
        let hints: Vec<_> = rows.iter().map(|row| row.hint.as_deref()).collect();
        assert_eq!(hints, [None, Some("retain them"), Some("get the role")]);
        assert_eq!(failures.iter().flatten().map(|failure| failure.exit).collect::<Vec<_>>(), [5]);
    }
}
