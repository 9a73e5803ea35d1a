//! Looks into a stored dump: are its bytes those of the manifest, can they be read to their end, can they be restored.
//!
//! What is wrong with the snapshot becomes a finding. What keeps us from looking, such as a server that doesn't answer,
//! is an error, and says nothing about the snapshot; see docs/decisions/0007-verify.md.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::child::Stderr;
use super::engine::{Content, Scratch, Unanswered};
use super::manifest::Part;
use super::stream::{Inspected, Meter, unlock, verify_part};
use super::{DumpProvider, Held, unless_cancelled};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Finding, NativeId, Verification, VerifyLevel, VerifyRequest};
use crate::settings::Assertion;
use inspecting::Inspecting;

mod inspecting;

/// What a scratch database's name begins with.
const SCRATCH: &str = "snapkeep_verify_";
/// How many tables are named of those that differ.
const NAMED: usize = 5;

/// What tools say when the scratch server is at fault and not the dump, also where they name a statement of the dump.
const OF_THE_PLACE: [&str; 27] = [
    "No space left",
    "disk full",
    "Disk full",
    "could not extend file",
    "could not write",
    "out of memory",
    "Out of memory",
    "out of shared memory",
    "temporary file size exceeds",
    "stack depth limit exceeded",
    "is full", // MySQL 1114
    "canceling statement",
    "terminating connection",
    "deadlock detected",
    "Lock wait timeout",
    "max_allowed_packet",
    "read-only transaction",
    "extension control file",    // PostgreSQL: an extension that is not installed there
    "is not available",          // the same since 15
    "could not access file",     // its library
    "could not load library",    // the same
    "shared_preload_libraries",  // one that must be loaded when the server starts
    "can only create extension", // pg_cron: in one database of the server
    "\" for encoding \"",        // a collation that the system there lacks
    "could not open collator",   // one of ICU's
    "ERROR:  role \"",           // roles are of the server
    "Plugin",                    // MySQL 1524, MariaDB: a storage engine that is not there
];

/// Verifies one snapshot, and gathers what it finds.
struct Look<'a> {
    provider: &'a DumpProvider,
    held: Held<'a>,
    request: &'a VerifyRequest,
    run: &'a Run,
    findings: Vec<Finding>,
}

/// Whether it makes sense to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sofar {
    Good,
    Bad,
}

impl DumpProvider {
    /// [`crate::Provider::verify`].
    pub(super) async fn look_into(
        &self,
        native: &NativeId,
        request: &VerifyRequest,
        run: &Run,
    ) -> Result<Verification> {
        let found = unless_cancelled(run, "verify", self.stores.id(native), self.find(native));
        let (store, manifest) = found.await?;
        if request.level > VerifyLevel::Checksum && manifest.provider != self.engine.provider() {
            let reason = format!("it is of {}, and the target is {} now", manifest.provider, self.engine.provider());
            return Err(Error::new(ErrorKind::Unsupported, self.engine.provider(), "verify", &manifest.id, reason)
                .with_hint("compare its bytes with `--level checksum`"));
        }
        let held = Held { store, native, manifest, key: None };
        let mut look = Look { provider: self, held, request, run, findings: Vec::new() };
        let left_behind = look.look().await?;
        Ok(Verification { level: request.level, findings: look.findings, left_behind })
    }
}

impl Look<'_> {
    async fn look(&mut self) -> Result<Option<Error>> {
        if self.checksums().await? == Sofar::Bad || self.request.level == VerifyLevel::Checksum {
            return Ok(None);
        }
        self.unlock().await?;
        if self.globals().await? == Sofar::Bad {
            return Ok(None);
        }
        match self.request.level {
            VerifyLevel::Restore => self.restore().await,
            VerifyLevel::Checksum | VerifyLevel::Archive => self.archive().await.map(|()| None),
        }
    }

    fn found(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.findings.push(Finding { name: name.into(), outcome: Ok(detail.into()) });
    }

    /// Keeps an error that is the snapshot's own fault as a finding, and gives back any other.
    fn wrong(&mut self, name: &str, error: Error) -> Result<Sofar> {
        if error.kind() != ErrorKind::Verification {
            return Err(error);
        }
        self.findings.push(Finding { name: name.to_owned(), outcome: Err(error) });
        Ok(Sofar::Bad)
    }

    fn bad(&mut self, name: &str, reason: &str) {
        let error = Error::new(
            ErrorKind::Verification,
            self.provider.engine.provider(),
            "verify",
            &self.held.manifest.id,
            reason,
        );
        self.findings.push(Finding { name: name.to_owned(), outcome: Err(error) });
    }

    /// Every part is read, also after one that is bad: what else is lost is worth knowing.
    async fn checksums(&mut self) -> Result<Sofar> {
        let meter = Meter::new(self.run, Some(self.held.manifest.size_bytes));
        let parts: Vec<Part> = self.held.manifest.objects().cloned().collect();
        let mut sofar = Sofar::Good;
        for part in &parts {
            let Held { store, native, .. } = &self.held;
            let path = store.path(&self.provider.target, native, &part.name);
            // Opening may hang, as a folder on a network does.
            match unless_cancelled(self.run, "verify", &part.name, verify_part(store, &path, part, &meter)).await {
                Ok(()) => self.found(&part.name, format!("{} bytes, SHA-256 as recorded", part.size_bytes)),
                Err(error) => sofar = self.wrong(&part.name, error)?,
            }
        }
        Ok(sofar)
    }

    /// The bytes are those that were stored, so what can't be decrypted now lacks its identity.
    async fn unlock(&mut self) -> Result<()> {
        let Held { store, native, manifest, .. } = &self.held;
        if let Some(part) = manifest.parts.first() {
            let path = store.path(&self.provider.target, native, &part.name);
            let unlocking = unlock(store, &path, part);
            self.held.key = unless_cancelled(self.run, "verify", &manifest.id, unlocking).await?;
        }
        Ok(())
    }

    async fn globals(&mut self) -> Result<Sofar> {
        let Some(part) = self.held.manifest.globals.clone() else { return Ok(Sofar::Good) };
        let inspector = self.provider.engine.inspector(&self.held.manifest, Content::Globals)?;
        let (sink, _) = Inspecting::new(&self.held.manifest.id, inspector, None);
        let begin = async { Ok((sink.boxed(), None)) };
        match self.provider.load(&self.held, std::slice::from_ref(&part), begin, self.run).await {
            Ok(()) => self.found("globals", "read to its end"),
            Err(error) => return self.wrong("globals", error),
        }
        Ok(Sofar::Good)
    }

    async fn archive(&mut self) -> Result<()> {
        let engine = &self.provider.engine;
        let inspector = engine.inspector(&self.held.manifest, Content::Data)?;
        let planned = engine.reader(&self.held.manifest, self.request, self.run);
        let reader = unless_cancelled(self.run, "verify", &self.held.manifest.id, planned).await?;
        let (name, sink, stopper) = match reader {
            Some(reader) => (Some(reader.name), Some(reader.sink), reader.stopper),
            None => (None, None, None),
        };
        let (sink, inspected) = Inspecting::new(&self.held.manifest.id, inspector, sink);
        let begin = async { Ok((sink.boxed(), stopper)) };
        match self.provider.load(&self.held, &self.held.manifest.parts, begin, self.run).await {
            Ok(()) => {
                self.found("archive", self.read_to_its_end(name.as_deref()));
                self.compare_archive(inspected.take());
            }
            Err(error) => {
                self.wrong("archive", error)?;
            }
        }
        Ok(())
    }

    fn read_to_its_end(&self, more: Option<&str>) -> String {
        let more = more.map(|more| format!("; {more}")).unwrap_or_default();
        format!(
            "{} bytes of {}, read to their end{more}",
            self.held.manifest.uncompressed_bytes, self.held.manifest.format
        )
    }

    /// Compares the rows that went by with what was counted when the dump was made.
    fn compare_archive(&mut self, inspected: Option<Inspected>) {
        if let (Some(found), Some(recorded)) =
            (inspected.and_then(|facts| facts.tables), self.held.manifest.tables.clone())
        {
            self.compare(&recorded, &found, "in the archive");
        }
    }

    /// Restores into a scratch database, looks at it, and drops it whatever happened. What can't be dropped is given
    /// back, or told where there is a worse error.
    async fn restore(&mut self) -> Result<Option<Error>> {
        let database = format!("{SCRATCH}{}", crate::random::letters(8));
        let engine = &self.provider.engine;
        let planned = engine.plan_scratch(&self.held.manifest, &database, self.request, self.run);
        let mut scratch = unless_cancelled(self.run, "verify", &self.held.manifest.id, planned).await?;
        let looked = self.load_and_ask(&mut *scratch).await;
        let left = scratch.undo().await.map(|left| {
            Error::new(ErrorKind::Failed, self.provider.engine.provider(), "drop", &database, left)
                .with_hint(format!("drop it by hand: DROP DATABASE {database}"))
        });
        match (looked, left) {
            (Ok(()), left) => Ok(left),
            (Err(error), None) => Err(error),
            (Err(error), Some(left)) => {
                self.run.reporter.warn(&left.to_string());
                Err(error.with_hint(format!("drop {database} by hand, and then try again")))
            }
        }
    }

    async fn load_and_ask(&mut self, scratch: &mut dyn Scratch) -> Result<()> {
        if self.load(scratch).await? == Sofar::Bad {
            return Ok(());
        }
        let restored = scratch.commit().await?;
        restored.warnings.iter().for_each(|warning| self.run.reporter.warn(warning));
        self.found("restore", "loaded into a scratch database");
        let run = self.run.clone();
        let id = self.held.manifest.id.clone();
        unless_cancelled(&run, "verify", &id, self.tables(scratch)).await?;
        for assertion in &self.request.assertions {
            unless_cancelled(&run, "verify", &id, self.assert(scratch, assertion)).await?;
        }
        Ok(())
    }

    async fn load(&mut self, scratch: &mut dyn Scratch) -> Result<Sofar> {
        let inspector = self.provider.engine.inspector(&self.held.manifest, Content::Data)?;
        let (mut sink, inspected) = Inspecting::new(&self.held.manifest.id, inspector, None);
        let begun = AtomicBool::new(false);
        let begin = async {
            let (loader, stopper) = scratch.begin().await?;
            begun.store(true, Ordering::Relaxed);
            sink.hand_on(loader);
            Ok((sink.boxed(), stopper))
        };
        let loaded = self.provider.load(&self.held, &self.held.manifest.parts, begin, self.run).await;
        match loaded {
            Ok(()) if self.run.cancel.is_cancelled() => Err(super::interrupted("verify", &self.held.manifest.id)),
            Ok(()) => {
                self.found("archive", self.read_to_its_end(None));
                self.compare_archive(inspected.take());
                Ok(Sofar::Good)
            }
            Err(error)
                if begun.load(Ordering::Relaxed)
                    && is_of_the_dump(&error, |said| self.provider.engine.blames_the_dump(said)) =>
            {
                let reason = "the archive is whole, and can't be restored";
                let id = &self.held.manifest.id;
                let bad = Error::new(ErrorKind::Verification, self.provider.engine.provider(), "restore", id, reason);
                self.wrong("restore", bad.with_source(error))
            }
            Err(error) => self.wrong("archive", error),
        }
    }

    async fn tables(&mut self, scratch: &mut dyn Scratch) -> Result<()> {
        let there = scratch.tables().await?;
        let Some(recorded) = self.held.manifest.tables.clone() else {
            let tables = counted(there.len(), "table");
            self.found("tables", format!("{tables}; no rows were recorded to compare with"));
            return Ok(());
        };
        let wanted: Vec<&str> = recorded.keys().map(String::as_str).filter(|&table| there.contains(table)).collect();
        let rows = scratch.rows(&wanted).await?;
        // Those that are there and were left out of the count are an extension's: being there is all that can be said.
        let comparable = recorded.iter().filter(|(table, _)| rows.contains_key(*table) || !there.contains(*table));
        let comparable: BTreeMap<String, u64> = comparable.map(|(table, rows)| (table.clone(), *rows)).collect();
        self.compare(&comparable, &rows, "in the scratch database");
        Ok(())
    }

    fn compare(&mut self, recorded: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>, place: &str) {
        let differs = |(table, rows): (&String, &u64)| match found.get(table) {
            Some(found) if found == rows => None,
            Some(found) => Some(format!("{table} has {found} rows {place}, and had {rows} when it was dumped")),
            None => Some(format!("{table} is not {place}")),
        };
        let wrong: Vec<String> = recorded.iter().filter_map(differs).collect();
        if wrong.is_empty() {
            let rows: u64 = recorded.values().sum();
            let tables = counted(recorded.len(), "table");
            self.found("rows", format!("{} in {tables} {place}, as recorded", counted(rows, "row")));
            return;
        }
        let more = wrong.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let named: Vec<&str> = wrong.iter().take(NAMED).map(String::as_str).collect();
        self.bad("rows", &format!("{}{more}", named.join("; ")));
    }

    async fn assert(&mut self, scratch: &mut dyn Scratch, assertion: &Assertion) -> Result<()> {
        let Assertion { name, sql, expect } = assertion;
        let sql = sql.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
        match scratch.value(sql).await {
            Ok(value) => match (expect, is_true(&value)) {
                (Some(expected), _) if *expected == value => self.found(name, format!("it is {value}")),
                (Some(expected), _) => self.bad(name, &format!("{name} is {value:?}, and must be {expected:?}")),
                (None, true) => self.found(name, format!("it is {value}")),
                (None, false) => self.bad(name, &format!("{name} is {value:?}, and must be true")),
            },
            Err(Unanswered::Missing(what)) => self.bad(name, &format!("{name} has no answer: {what}")),
            Err(Unanswered::Failed(error)) if error.kind() == ErrorKind::Failed => {
                let reason = "its query can't be run";
                return Err(Error::new(ErrorKind::Failed, self.provider.engine.provider(), "assert", name, reason)
                    .with_hint("correct its `sql` in [verify]; nothing is said about the snapshot")
                    .with_source(error));
            }
            Err(Unanswered::Failed(error)) => return Err(error),
        }
        Ok(())
    }
}

/// `1 row`, `2 rows`
fn counted(number: impl std::fmt::Display, what: &str) -> String {
    let number = number.to_string();
    format!("{number} {what}{}", if number == "1" { "" } else { "s" })
}

/// As the three engines show a true value or a number that is not zero.
fn is_true(value: &str) -> bool {
    matches!(value, "t" | "true") || value.parse::<f64>().is_ok_and(|number| number != 0.0)
}

/// Whether what a loader said proves that the dump is at fault. What is not proven condemns nothing: a good snapshot that is
/// called bad may be pruned.
fn is_of_the_dump(error: &Error, blames_the_dump: impl Fn(&str) -> bool) -> bool {
    let said = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Stderr>());
    let is_proof = |said: &str| blames_the_dump(said) && !OF_THE_PLACE.iter().any(|words| said.contains(words));
    error.kind() == ErrorKind::Failed && said.is_some_and(|Stderr(said)| is_proof(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engines_show_as_true_is_true() {
        for value in ["t", "true", "1", "-2", "0.5"] {
            assert!(is_true(value), "{value}");
        }
        for value in ["f", "false", "0", "0.00", "", "NULL", "yes"] {
            assert!(!is_true(value), "{value}");
        }
    }

    #[test]
    fn a_full_disk_says_nothing_about_the_dump() {
        let error = |said: &str| {
            Error::new(ErrorKind::Failed, "x", "load", "y", "the server said no").with_source(Stderr(said.to_owned()))
        };
        let is_of_the_dump = |error: &Error| is_of_the_dump(error, |said| said.contains("ERROR"));
        assert!(is_of_the_dump(&error("ERROR:  syntax error at or near \"x\"")));
        assert!(!is_of_the_dump(&error("it was killed")));
        assert!(!is_of_the_dump(&error("ERROR:  canceling statement due to statement timeout")));
        assert!(!is_of_the_dump(&error("ERROR:  could not extend file \"base/1\": No space left on device")));
        assert!(!is_of_the_dump(&error("ERROR 1114 (HY000) at line 5: The table 't' is full")));
        assert!(!is_of_the_dump(&Error::new(ErrorKind::Unavailable, "x", "load", "y", "gone")));
    }
}
