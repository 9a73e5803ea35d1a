//! Proof that a backup restores: it is restored into a scratch server, which is deleted again.
//!
//! Azure shows nobody a backup's bytes, so the lower levels can't be had. A scratch server is told by its name and its tag; nothing
//! without them is ever deleted here.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::FlexibleProvider;
use super::restore::{self, Destination};
use super::wire::Server;
use crate::Run;
use crate::azure::begin::Standing;
use crate::azure::fault::{OrError, into_error, is_busy, is_missing};
use crate::azure::names;
use crate::azure::operation::PAUSES;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Debris, NativeId, Operation, OperationId, Restored, Verification, VerifyRequest};
use crate::shell::shell_word;
use crate::trial::{self, Trial};

/// The tag that says for which target a server was made.
pub(super) const LABEL: &str = "snapkeep-scratch";
/// How long is waited until a scratch server can be deleted: Azure may still be making it.
const TURN: Duration = Duration::from_secs(10 * 60);
/// How long a deletion is followed.
const FOLLOWED: Duration = Duration::from_secs(15 * 60);
const VERB: &str = "verify";

/// One restore on trial.
struct Scratch<'v> {
    provider: &'v FlexibleProvider,
    moment: DateTime<Utc>,
    body: Value,
    to: Destination,
    subject: String,
    run: &'v Run,
}

#[async_trait]
impl Trial for Scratch<'_> {
    fn thing(&self) -> &'static str {
        "scratch server"
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
        let Self { provider, moment, body, to, subject, run } = self;
        provider.restore_as(*moment, body.clone(), false, to, (VERB, subject, run)).await
    }

    async fn look(&self, id: &OperationId) -> Result<Operation<Restored>> {
        self.provider.look_at_restore(id).await
    }

    async fn discard(&self) -> Result<()> {
        self.provider.discard(&self.to.name).await
    }

    fn by_hand(&self) -> String {
        self.provider.delete_command(&self.to.name)
    }
}

impl FlexibleProvider {
    pub(super) async fn prove(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        let (home, subject) = (&self.home, self.home.id(id));
        let error = |kind, reason: &str| home.error(kind, VERB, &subject, reason);
        trial::refuse_level("Azure", &subject, (request, run), error)?;
        let (record, _) = self.find(VERB, id).await?;
        let moment = self.refuse_unavailable(VERB, &record)?;
        let source = self.server(VERB).await?;
        let body = restore::scratch(self.flavor, &source, home.target.as_str());
        let body = body.map_err(|reason| error(ErrorKind::Failed, &reason))?;
        let to = Destination { group: home.group.clone(), name: names::of_scratch() };
        trial::prove(&Scratch { provider: self, moment, body, to, subject, run }, run).await
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
            "az {} flexible-server delete --subscription {} --resource-group {} --name {name}",
            self.flavor.command(),
            self.home.subscription,
            shell_word(&self.home.group)
        )
    }

    /// Deletes a scratch server, and waits until it is gone. One that is gone is deleted.
    pub(super) async fn discard(&self, name: &str) -> Result<()> {
        self.discarded(name).await.map_err(|error: Error| error.with_hint(trial::left(&self.delete_command(name))))
    }

    async fn discarded(&self, name: &str) -> Result<()> {
        let (home, mark, since) = (&self.home, format!("restore:{name}"), Instant::now());
        let mut pause = PAUSES.0;
        let answer = loop {
            let found = self.api.other_server(&home.group, name).await.or_error(home, "delete", name)?;
            let busy = match found {
                // What is on its way comes into sight, and must go then.
                None => match self.desk.look(&mark).await?.or_error(home, "delete", name)? {
                    Standing::Runs { .. } | Standing::Unseen => None,
                    _ => return Ok(()),
                },
                Some(found) if !self.is_own_scratch(&found) => {
                    let reason = "it was not made for a verification of this target";
                    return Err(home.error(ErrorKind::Refused, "delete", name, reason));
                }
                Some(_) => match self.api.delete_server(&home.group, name).await {
                    Ok(answer) => break answer,
                    Err(fault) if is_missing(&fault) => return Ok(()),
                    Err(fault) if is_busy(&fault) => Some(fault),
                    Err(fault) => return Err(into_error(fault, home, "delete", name)),
                },
            };
            if since.elapsed() > TURN {
                return match busy {
                    Some(fault) => Err(into_error(fault, home, "delete", name)),
                    None => Err(home.error(ErrorKind::Busy, "delete", name, "it may still come into sight")),
                };
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        };
        self.followed(&answer, FOLLOWED, name).await?;
        self.desk.forget(&mark).await;
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
