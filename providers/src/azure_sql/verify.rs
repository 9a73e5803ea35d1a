//! Proof that a snapshot restores: it is restored as a scratch database on the same server, which is deleted again.
//!
//! Azure shows nobody a backup's bytes, so the lower levels can't be had. A scratch database is told by its name and its tag, or by
//! what is remembered of an import, which sets no tags; nothing else is ever deleted here.

use super::AzureSqlProvider;
use super::destination::Destination;
use super::follow::{PAUSES, bookmark};
use super::record::Record;
use super::restore::IMPORT;
use super::tags;
use super::wire::Database;
use crate::azure::fault::OrError;
use crate::azure::names::{SCRATCH, of_scratch};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Debris, Finding, NativeId, Operation, RestoreOptions, Restored, Verification, VerifyLevel, VerifyRequest,
};
use crate::{Run, trial};

const VERB: &str = "verify";

impl AzureSqlProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        if request.level != VerifyLevel::Restore {
            let reason = format!("Azure shows nobody a backup's bytes, so there is no level {}", request.level);
            let hint = format!("restore it on trial: `snapkeep verify {subject} --level restore`");
            return Err(home.error(ErrorKind::Unsupported, VERB, &subject, reason).with_hint(hint));
        }
        if !request.assertions.is_empty() {
            run.reporter.warn("assertions are not asked here: the scratch database is not connected to");
        }
        let (record, raw) = self.find(VERB, id).await?;
        self.refuse_unavailable(VERB, &subject, &record)?;
        let scratch = Destination::here(&self.api, of_scratch());
        // Not cut off: of a call that is under way nobody knows what it has made.
        let restored = match self.begin_scratch(&record, &raw, &scratch, &subject).await {
            Ok(operation) => tokio::select! {
                biased;
                () = run.cancel.cancelled() => {
                    Err(home.error(ErrorKind::Interrupted, VERB, &subject, "it was interrupted"))
                }
                restored = self.await_scratch(operation) => restored,
            },
            Err(error) => Err(error),
        };
        if run.cancel.is_cancelled() {
            run.reporter
                .warn(&format!("deleting the scratch database {}; it costs money while it is there", scratch.name));
        }
        let left_behind = self.discard_own(&scratch.name).await.err();
        let outcome = restored.map_err(|error| match &left_behind {
            Some(left) => error.with_hint(left.hint().unwrap_or_default()),
            // Of what nobody knows whether it has begun it may be there later.
            None if error.kind().is_retryable() => error.with_hint(self.delete_command(&scratch.name)),
            None => error,
        })?;
        let findings = vec![Finding { name: "restore".into(), outcome: Ok(outcome) }];
        Ok(Verification { level: VerifyLevel::Restore, findings, left_behind })
    }

    async fn begin_scratch(
        &self,
        record: &Record,
        raw: &serde_json::Value,
        scratch: &Destination,
        subject: &str,
    ) -> Result<Operation<Restored>> {
        let tags = tags::scratch(&self.home.target);
        self.restore_record(record, raw, scratch, RestoreOptions::new(), (VERB, subject), Some(tags)).await
    }

    async fn await_scratch(&self, operation: Operation<Restored>) -> Result<String> {
        let look = |id| async move { self.look_at_restore(&id).await };
        // That Azure had no room for it says nothing about the backup.
        let minutes = trial::followed(operation, PAUSES, look).await??;
        Ok(format!("a scratch database was there within {minutes} min"))
    }

    /// Scratch databases that a killed process has left.
    pub(super) async fn scratch(&self) -> Result<Vec<Debris>> {
        let subject = format!("what verifications left of {}", self.home.target);
        let mut found = Vec::new();
        for database in self.api.databases().await.or_error(&self.home, "look for", &subject)? {
            if self.is_scratch(&database).await? {
                found.push((database.name, database.properties.creation_date));
            }
        }
        Ok(Debris::in_cloud(found.into_iter()))
    }

    /// Whether a database was made here for a verification of this target.
    async fn is_scratch(&self, database: &Database) -> Result<bool> {
        if !database.name.starts_with(SCRATCH) {
            return Ok(false);
        }
        match tags::scratch_of(&database.tags) {
            Some(target) => Ok(target == self.home.target.as_str()),
            None => Ok(self.desk.bookmarks.kept(&bookmark(IMPORT, &database.name)).await?.is_some()),
        }
    }

    /// Deletes the scratch database of this run. One that is there and doesn't say that it is one is left behind.
    async fn discard_own(&self, name: &str) -> Result<()> {
        self.discard_scratch(name).await?;
        let left = self.api.database(name).await.or_error(&self.home, "delete", name)?;
        if left.is_none() {
            return Ok(());
        }
        let error = self.home.error(ErrorKind::Failed, "delete", name, "it is still there, or lost its tag");
        Err(error.with_hint(self.delete_command(name)))
    }

    fn delete_command(&self, name: &str) -> String {
        let super::azure::Home { group, server, subscription, .. } = &self.home.server;
        format!(
            "delete it if it is there, it costs money: az sql db delete -n {name} -s {server} -g {group} --subscription {subscription}"
        )
    }

    /// Deletes a scratch database, and waits until it is gone. One that is gone is deleted.
    pub(super) async fn discard_scratch(&self, name: &str) -> Result<()> {
        let left = |error: Error| error.with_hint(self.delete_command(name));
        if !name.starts_with(SCRATCH) {
            return Ok(());
        }
        let found = self.api.database(name).await.or_error(&self.home, "delete", name).map_err(left)?;
        let found = found.map(|found| self.parsed::<Database>("delete", &found)).transpose()?;
        match found {
            Some(database) if self.is_scratch(&database).await? => {
                self.discard(&self.api, name).await.map_err(left)?;
                self.desk.forget(&bookmark(IMPORT, name)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
