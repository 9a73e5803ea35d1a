//! Proof that a backup restores: it is restored into a scratch server, which is deleted again.
//!
//! Azure shows nobody a backup's bytes, so the lower levels can't be had. A scratch server is told by its name and its tag; nothing
//! without them is ever deleted here.

use std::time::Duration;

use serde_json::Value;

use super::FlexibleProvider;
use super::delete::PAUSES;
use super::restore::{self, Destination};
use super::wire::Server;
use crate::azure::fault::{OrError, into_error, is_missing};
use crate::azure::names;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, Finding, NativeId, Operation, Restored, Verification, VerifyLevel, VerifyRequest};
use crate::{Run, trial};

/// The tag that says for which target a server was made.
pub(super) const LABEL: &str = "snapkeep-scratch";
/// How long a deletion is followed.
const FOLLOWED: Duration = Duration::from_secs(15 * 60);
const VERB: &str = "verify";

impl FlexibleProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        if request.level != VerifyLevel::Restore {
            let reason = format!("Azure shows nobody a backup's bytes, so there is no level {}", request.level);
            let hint = format!("restore it on trial: `snapkeep verify {subject} --level restore`");
            return Err(home.error(ErrorKind::Unsupported, VERB, &subject, reason).with_hint(hint));
        }
        if !request.assertions.is_empty() {
            run.reporter.warn("assertions are not asked here: the scratch server is not connected to");
        }
        let scratch = Destination { group: home.group.clone(), name: names::of_scratch() };
        // Not cut off: of a call that is under way nobody knows what it has made.
        let restored = match self.begin_scratch(id, &scratch, (&subject, run)).await {
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
                .warn(&format!("deleting the scratch server {}; it costs money while it is there", scratch.name));
        }
        let left_behind = self.discard(&scratch.name).await.err();
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
        id: &NativeId,
        to: &Destination,
        (subject, run): (&str, &Run),
    ) -> Result<Operation<Restored>> {
        let (record, _) = self.find(VERB, id).await?;
        let moment = self.refuse_unavailable(VERB, &record)?;
        let source = self.server(VERB).await?;
        let body = restore::scratch(self.flavor, &source, self.home.target.as_str());
        let body = body.map_err(|reason| self.home.error(ErrorKind::Failed, VERB, subject, reason))?;
        self.restore_as(moment, body, false, to, (VERB, subject, run)).await
    }

    async fn await_scratch(&self, operation: Operation<Restored>) -> Result<String> {
        let look = |id| async move { self.look_at_restore(&id).await };
        // That Azure had no room for it says nothing about the backup.
        let minutes = trial::followed(operation, PAUSES, look).await??;
        Ok(format!("a scratch server was there within {minutes} min"))
    }

    /// Scratch servers that a killed process has left. Who may not look has none.
    pub(super) async fn scratch(&self) -> Result<Vec<Debris>> {
        let found = match self.api.servers().await {
            Err(fault) if fault.status() == Some(403) => Vec::new(),
            found => found.or_error(&self.home, "look for what verifications left of", &self.home.target)?,
        };
        let ours = found.into_iter().filter(|server| self.is_own_scratch(server));
        Ok(Debris::in_cloud(ours.map(|found| (found.name, found.system_data.and_then(|data| data.created_at)))))
    }

    /// Whether it was made here for a verification of this target.
    fn is_own_scratch(&self, found: &Server) -> bool {
        let here = found.group().is_none_or(|group| group.eq_ignore_ascii_case(&self.home.group));
        here && is_scratch(found) && labelled(found) == Some(self.home.target.as_str())
    }

    fn delete_command(&self, name: &str) -> String {
        format!(
            "delete it if it is there, it costs money: az {} flexible-server delete --resource-group {} --name {name}",
            self.flavor.command(),
            self.home.group
        )
    }

    /// Deletes a scratch server, and waits until it is gone. One that is gone is deleted.
    pub(super) async fn discard(&self, name: &str) -> Result<()> {
        self.discarded(name).await.map_err(|error: Error| error.with_hint(self.delete_command(name)))
    }

    async fn discarded(&self, name: &str) -> Result<()> {
        let home = &self.home;
        let found = self.api.other_server(&home.group, name).await.or_error(home, "delete", name)?;
        let Some(found) = found else { return Ok(()) };
        if !self.is_own_scratch(&found) {
            return Err(home.error(
                ErrorKind::Refused,
                "delete",
                name,
                "it was not made for a verification of this target",
            ));
        }
        let answer = match self.api.delete_server(&home.group, name).await {
            Ok(answer) => answer,
            Err(fault) if is_missing(&fault) => return Ok(()),
            Err(fault) => return Err(into_error(fault, home, "delete", name)),
        };
        self.followed(&answer, FOLLOWED, name).await?;
        self.desk.forget(&format!("restore:{name}")).await;
        Ok(())
    }
}

/// Whether it was made for a verification, and goes when that ends.
pub(super) fn is_scratch(found: &Server) -> bool {
    found.name.starts_with(names::SCRATCH) && labelled(found).is_some()
}

fn labelled(found: &Server) -> Option<&str> {
    found.tags.as_ref()?.get(LABEL).and_then(Value::as_str)
}
