//! Proof that a backup restores: it is restored into a scratch instance, which is deleted again.
//!
//! Google shows nobody a backup's bytes, so the lower levels can't be had. A scratch instance is told by its name and its label;
//! nothing without them is ever deleted here.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::api::Api;
use super::begin::{QUEUE, Turn};
use super::delete::PAUSES;
use super::fault::{OrError, is_denied, is_missing};
use super::restore::Source;
use super::wire::Instance;
use super::{CloudSqlProvider, Home};
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{
    Debris, NativeId, Operation, OperationId, RestoreOptions, Restored, TargetName, Verification, VerifyRequest,
};
use crate::trial::{self, Trial};
use crate::{Run, random};

/// What the names of scratch instances begin with.
pub(super) const SCRATCH: &str = "sk-verify-";
/// The label that says for which target it was made, by a hash: a label has small letters only. A hyphen would not do in a filter.
pub(super) const LABEL: &str = "snapkeep_scratch";
/// How long a deletion is followed.
const FOLLOWED: Duration = Duration::from_secs(10 * 60);
const VERB: &str = "verify";

/// One restore on trial.
struct Scratch<'v> {
    provider: &'v CloudSqlProvider,
    source: Source,
    scratch: Api,
    subject: String,
    run: &'v Run,
}

#[async_trait]
impl Trial for Scratch<'_> {
    fn thing(&self) -> &'static str {
        "scratch instance"
    }

    fn name(&self) -> &str {
        &self.scratch.instance
    }

    fn error(&self, kind: ErrorKind, reason: &str) -> Error {
        self.provider.home.error(kind, VERB, &self.subject, reason)
    }

    fn pauses(&self) -> (Duration, Duration) {
        PAUSES
    }

    async fn begin(&self) -> Result<Operation<Restored>> {
        self.provider.begin_scratch(&self.source, &self.scratch, &self.subject, self.run).await
    }

    async fn look(&self, id: &OperationId) -> Result<Operation<Restored>> {
        self.provider.look_at_restore(id).await
    }

    async fn discard(&self) -> Result<()> {
        self.provider.discard_own(&self.scratch).await
    }

    fn by_hand(&self) -> String {
        self.provider.delete_command(&self.scratch.instance)
    }
}

impl CloudSqlProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        let error = |kind, reason: &str| home.error(kind, VERB, &subject, reason);
        trial::refuse_level("Google", &subject, (request, run), error)?;
        let source = self.source(VERB, id).await?;
        let scratch = self.api.at(&home.project, &format!("{SCRATCH}{}", random::letters(12)));
        trial::prove(&Scratch { provider: self, source, scratch, subject, run }, run).await
    }

    async fn begin_scratch(
        &self,
        source: &Source,
        scratch: &Api,
        subject: &str,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let options = RestoreOptions::from_iter(
            [
                ("availability_type", "ZONAL"),
                ("backups_enabled", "false"),
                ("deletion_protection_enabled", "false"),
                ("point_in_time_recovery_enabled", "false"),
                ("retain_backups_on_delete", "false"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let settings = super::options::instance(source.instance.as_ref(), &options);
        let mut settings = settings.map_err(|reason| self.home.error(ErrorKind::Usage, VERB, subject, reason))?;
        settings["settings"]["userLabels"] = json!({ LABEL: label(&self.home.target) });
        settings["settings"]["finalBackupConfig"] = json!({ "enabled": false });
        self.restore_as(source, scratch, settings, (VERB, subject), run).await
    }

    /// Scratch instances that a killed process has left. Who may not look has none.
    pub(super) async fn scratch(&self) -> Result<Vec<Debris>> {
        let filter = format!("settings.userLabels.{LABEL}:{}", label(&self.home.target));
        let instances = match self.api.instances(Some(&filter)).await {
            Err(fault) if is_denied(&fault) => Vec::new(),
            found => found.or_error(&self.home, "look for what verifications left of", &self.home.target)?.0,
        };
        let ours = instances.into_iter().filter(|found| is_scratch_of(&self.home, found));
        Ok(Debris::in_cloud(ours.map(|found| (found.name, found.create_time))))
    }

    /// Deletes the scratch instance of this run. One that is there without its label is not deleted, and is left behind.
    async fn discard_own(&self, scratch: &Api) -> Result<()> {
        self.discard_scratch(&scratch.instance).await?;
        let left = scratch.instance().await.or_error(&self.home, "delete", &scratch.instance)?;
        if left.is_none_or(|left| is_scratch_of(&self.home, &left)) {
            return Ok(());
        }
        let error = self.home.error(ErrorKind::Failed, "delete", &scratch.instance, "it lost its label");
        Err(error.with_hint(trial::left(&self.delete_command(&scratch.instance))))
    }

    fn delete_command(&self, name: &str) -> String {
        format!("gcloud sql instances delete {name} --project {}", self.home.project)
    }

    /// Deletes a scratch instance, and waits until nothing goes on with it any more. One that is gone is deleted.
    pub(super) async fn discard_scratch(&self, name: &str) -> Result<()> {
        let left = |error: Error| error.with_hint(trial::left(&self.delete_command(name)));
        let scratch = self.api.at(&self.home.project, name);
        let mut turn = Turn::new(&self.home, &scratch, "delete", name, QUEUE);
        let operation = loop {
            let found = scratch.instance().await.or_error(&self.home, "delete", name).map_err(left)?;
            if !found.is_some_and(|found| is_scratch_of(&self.home, &found)) {
                return Ok(());
            }
            match scratch.delete_instance().await {
                Ok(operation) => break operation,
                Err(fault) if is_missing(&fault) => return Ok(()),
                Err(fault) => turn.wait(fault, None).await.map_err(left)?,
            }
        };
        match self.followed(&scratch, operation, FOLLOWED, "delete", name).await.map_err(left)? {
            Some(troubles) => Err(left(self.operation_failed("delete", name, troubles))),
            None => Ok(()),
        }
    }
}

fn label(target: &TargetName) -> String {
    sha256(target.as_str())[..16].to_owned()
}

/// Whether it was made here for a verification of this target.
fn is_scratch_of(home: &Home, found: &Instance) -> bool {
    is_scratch(found) && labelled(found) == Some(&*label(&home.target))
}

/// Whether it was made for a verification, and goes when that ends.
pub(super) fn is_scratch(found: &Instance) -> bool {
    found.name.starts_with(SCRATCH) && labelled(found).is_some()
}

fn labelled(found: &Instance) -> Option<&str> {
    found.setting(&format!("/userLabels/{LABEL}")).and_then(Value::as_str)
}
