//! How each kind of item is shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use snapkeep_providers::model::{Check, Hold, OperationId, Snapshot, TargetName, VerifyLevel};

use crate::failure::Failure;
use crate::journal::{Doing, Entry};
use crate::render::Row;
use crate::units;

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

impl Row for Snapshot {
    const KIND: &'static str = "SnapshotList";
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
            or_dash(self.created_at.map(units::time)),
            or_dash(self.created_at.map(|created| units::duration(now - created))),
            or_dash(self.size_bytes.map(units::bytes)),
            self.state.to_string(),
            self.origin.to_string(),
            or_dash(engine),
            // A region, or the name of a store and where that is.
            or_dash(self.location.as_ref().map(|location| location.split(':').next().unwrap_or_default().to_owned())),
            or_dash(verified),
            or_dash(self.hold.as_ref().map(hold_text)),
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
#[derive(Debug, Serialize)]
pub(super) struct TargetRow {
    pub(super) target: String,
    pub(super) provider: String,
    /// The database, instance or file.
    pub(super) subject: String,
    pub(super) store: Vec<String>,
    pub(super) retention: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Row for TargetRow {
    const KIND: &'static str = "TargetList";
    const KEYS: &'static [&'static str] = &["target", "provider", "subject", "store", "retention", "tags"];
    const HEADINGS: &'static [&'static str] = &["TARGET", "PROVIDER", "DATABASE", "STORE", "RETENTION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let store = Some(self.store.join(", ")).filter(|store| !store.is_empty());
        vec![
            self.target.clone(),
            self.provider.clone(),
            self.subject.clone(),
            or_dash(store),
            or_dash(self.retention.clone()),
        ]
    }

    fn name(&self) -> String {
        self.target.clone()
    }
}

/// What `config check` lists: nothing, as every problem is an error of the document.
#[derive(Debug, Serialize)]
pub(super) enum ConfigProblems {}

impl Row for ConfigProblems {
    const KIND: &'static str = "ConfigCheck";
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
#[derive(Debug, Serialize)]
pub(super) struct CheckRow {
    /// The target that it is about; null where it is about a store, or about the whole config.
    pub(super) target: Option<String>,
    /// What was looked at.
    pub(super) check: &'static str,
    /// Whether it will do.
    pub(super) ok: bool,
    /// What was found, or why it won't do.
    pub(super) detail: String,
    /// What to do about it.
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
    const KIND: &'static str = "CheckList";
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
        vec![or_dash(about), self.check.into(), result.into(), format!("{}{advice}", self.detail)]
    }

    fn name(&self) -> String {
        self.target.as_deref().or(self.store.as_deref()).unwrap_or(self.check).to_owned()
    }
}

/// Something that a provider is doing, or has done.
#[derive(Debug, Serialize)]
pub(super) struct OperationRow {
    /// What `snapkeep wait` takes.
    pub(super) id: String,
    pub(super) target: String,
    /// The snapshot that is made, restored or exported, where it is known.
    pub(super) snapshot: Option<String>,
    /// `running`, `done`, `failed`, `gone` (the cloud knows nothing of it any more), or `unknown`.
    pub(super) state: &'static str,
    /// `create`, `copy`, `restore`, `export` or `import`.
    pub(super) verb: String,
    /// The caller's idempotency key.
    pub(super) key: Option<String>,
    pub(super) begun_at: Option<DateTime<Utc>>,
    /// The machine that it was begun on.
    pub(super) host: Option<String>,
}

impl OperationRow {
    /// Of what was begun on a target, and is known by `operation`.
    pub(super) fn of(target: &TargetName, operation: &OperationId, entry: Entry, state: State) -> Self {
        Self {
            id: format!("{target}/{operation}"),
            target: target.to_string(),
            snapshot: entry.snapshot.map(|native| format!("{target}/{native}")),
            state: state.word(),
            verb: entry.verb.to_string(),
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
            state: State::Done.word(),
            verb: verb.to_string(),
            key: snapshot.key.clone(),
            begun_at: snapshot.created_at,
            host: None,
        }
    }
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Done,
    Failed,
    Gone,
    Unknown,
}

impl State {
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
    const KIND: &'static str = "OperationList";
    const KEYS: &'static [&'static str] = &["id", "target", "snapshot", "state", "verb", "key", "begun_at", "host"];
    const HEADINGS: &'static [&'static str] = &["OPERATION", "VERB", "SNAPSHOT", "STATE", "BEGUN (UTC)"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            self.id.clone(),
            self.verb.clone(),
            or_dash(self.snapshot.clone()),
            self.state.into(),
            or_dash(self.begun_at.map(units::time)),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// What was restored.
#[derive(Debug, Serialize)]
pub(super) struct RestoreRow {
    /// The snapshot; `None` where it was a moment, or nobody remembers.
    pub(super) id: Option<String>,
    pub(super) target: String,
    pub(super) to: String,
    pub(super) warnings: Vec<String>,
    /// The moment, where it was one.
    pub(super) time: Option<DateTime<Utc>>,
}

impl Row for RestoreRow {
    const KIND: &'static str = "RestoreList";
    const KEYS: &'static [&'static str] = &["id", "target", "to", "warnings", "time"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "RESTORED TO"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let moment = || self.time.map(|time| format!("{} at {}", self.target, units::time(time)));
        vec![or_dash(self.id.clone().or_else(moment)), self.to.clone()]
    }

    fn name(&self) -> String {
        self.to.clone()
    }
}

/// A snapshot's or database's data that is written as files.
#[derive(Debug, Serialize)]
pub(super) struct ExportRow {
    /// The snapshot; `None` where it was the live database, or the cloud no longer tells.
    pub(super) id: Option<String>,
    pub(super) target: String,
    pub(super) to: String,
    pub(super) operation: String,
    pub(super) state: &'static str,
    pub(super) provider_state: Option<String>,
    pub(super) percent: Option<u8>,
    pub(super) size_bytes: Option<u64>,
    pub(super) warnings: Vec<String>,
}

impl Row for ExportRow {
    const KIND: &'static str = "ExportList";
    const KEYS: &'static [&'static str] =
        &["id", "target", "to", "operation", "state", "provider_state", "percent", "size_bytes", "warnings"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "EXPORTED TO", "STATE", "DONE", "SIZE", "OPERATION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            or_dash(self.id.clone()),
            self.to.clone(),
            self.state.into(),
            or_dash(self.percent.map(|percent| format!("{percent} %"))),
            or_dash(self.size_bytes.map(units::bytes)),
            self.operation.clone(),
        ]
    }

    fn name(&self) -> String {
        self.operation.clone()
    }
}

/// SQL that is read into a database.
#[derive(Debug, Serialize)]
pub(super) struct ImportRow {
    pub(super) target: String,
    pub(super) from: String,
    /// `None` where the file says it.
    pub(super) database: Option<String>,
    pub(super) operation: String,
    pub(super) state: &'static str,
    pub(super) warnings: Vec<String>,
}

impl Row for ImportRow {
    const KIND: &'static str = "ImportList";
    const KEYS: &'static [&'static str] = &["target", "from", "database", "operation", "state", "warnings"];
    const HEADINGS: &'static [&'static str] = &["TARGET", "IMPORTED FROM", "DATABASE", "STATE", "OPERATION"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![
            self.target.clone(),
            self.from.clone(),
            or_dash(self.database.clone()),
            self.state.into(),
            self.operation.clone(),
        ]
    }

    fn name(&self) -> String {
        self.operation.clone()
    }
}

/// A snapshot that was looked into.
#[derive(Debug, Serialize)]
pub(super) struct VerificationRow {
    pub(super) id: String,
    pub(super) target: String,
    pub(super) level: VerifyLevel,
    pub(super) ok: bool,
    pub(super) at: DateTime<Utc>,
    pub(super) checks: Vec<FindingRow>,
}

/// One thing that was compared.
#[derive(Debug, Serialize)]
pub(super) struct FindingRow {
    pub(super) name: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

impl Row for VerificationRow {
    const KIND: &'static str = "VerificationList";
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

/// A snapshot that is gone.
#[derive(Debug, Serialize)]
pub(super) struct DeletionRow {
    pub(super) id: String,
    pub(super) target: String,
    /// `deleted`, or `absent` when it was gone already.
    pub(super) result: &'static str,
}

impl Row for DeletionRow {
    const KIND: &'static str = "DeletionList";
    const KEYS: &'static [&'static str] = &["id", "target", "result"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "RESULT"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![self.id.clone(), self.result.into()]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use snapkeep_providers::{Error, ErrorKind};

    use super::*;
    use crate::render::{self, Format};

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
        render::print(&mut table, Format::Table, &rows, &[], DateTime::UNIX_EPOCH).unwrap();
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
