//! Proof that a snapshot restores: it is restored as a scratch database on the same server, which is deleted again.
//!
//! Azure shows nobody a backup's bytes, so the lower levels can't be had. A scratch database is told by its name and its tag, or by
//! what is remembered of an import, which sets no tags; nothing else is ever deleted here.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::AzureSqlProvider;
use super::destination::Destination;
use super::follow::bookmark;
use super::record::Record;
use super::restore::{IMPORT, Told};
use super::tags;
use super::wire::Database;
use crate::Run;
use crate::azure::fault::OrError;
use crate::azure::names::{SCRATCH, of_scratch};
use crate::azure::operation::PAUSES;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, NativeId, Operation, OperationId, RestoreOptions, Restored, Verification, VerifyRequest};
use crate::trial::{self, Trial};

const VERB: &str = "verify";

/// One restore on trial.
struct Scratch<'v> {
    provider: &'v AzureSqlProvider,
    record: Record,
    raw: Value,
    to: Destination,
    subject: String,
    run: &'v Run,
}

#[async_trait]
impl Trial for Scratch<'_> {
    fn thing(&self) -> &'static str {
        "scratch database"
    }

    fn name(&self) -> &str {
        &self.to.name
    }

    fn error(&self, kind: ErrorKind, reason: &str) -> Error {
        self.provider.home.error(kind, VERB, &self.subject, reason)
    }

    fn pauses(&self) -> (Duration, Duration) {
        PAUSES
    }

    async fn begin(&self) -> Result<Operation<Restored>> {
        let Self { provider, record, raw, to, subject, run } = self;
        let tags = tags::scratch(&provider.home.target);
        let told = Told { verb: VERB, subject, run };
        provider.restore_record(record, raw, to, RestoreOptions::new(), told, Some(tags)).await
    }

    async fn look(&self, id: &OperationId) -> Result<Operation<Restored>> {
        self.provider.look_at_restore(id).await
    }

    async fn discard(&self) -> Result<()> {
        self.provider.discard_own(&self.to.name).await
    }

    fn by_hand(&self) -> String {
        self.provider.delete_command(&self.to.name)
    }
}

impl AzureSqlProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        let error = |kind, reason: &str| home.error(kind, VERB, &subject, reason);
        trial::refuse_level("Azure", &subject, (request, run), error)?;
        let (record, raw) = self.find(VERB, id).await?;
        self.home.refuse_unavailable(VERB, &subject, (record.state(), &record.status))?;
        let to = Destination::here(&self.api, of_scratch());
        trial::prove(&Scratch { provider: self, record, raw, to, subject, run }, run).await
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
        Err(error.with_hint(trial::left(&self.delete_command(name))))
    }

    fn delete_command(&self, name: &str) -> String {
        let super::azure::Home { group, server, subscription, .. } = &self.home.server;
        format!("az sql db delete -n {name} -s {server} -g {group} --subscription {subscription}")
    }

    /// Deletes a scratch database, and waits until it is gone. One that is gone is deleted.
    pub(super) async fn discard_scratch(&self, name: &str) -> Result<()> {
        let left = |error: Error| error.with_hint(trial::left(&self.delete_command(name)));
        if !name.starts_with(SCRATCH) {
            return Ok(());
        }
        let found = self.api.database(name).await.or_error(&self.home, "delete", name).map_err(left)?;
        let found = found.map(|found| self.home.parsed::<Database>("delete", &found)).transpose()?;
        match found {
            Some(database) if self.is_scratch(&database).await? => {
                self.discard(name).await.map_err(left)?;
                self.desk.forget(&bookmark(IMPORT, name)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
