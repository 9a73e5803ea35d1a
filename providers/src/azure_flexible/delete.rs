//! Deleting backups that somebody asked for. Automatic ones are Azure's to delete.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Flavor, FlexibleProvider};
use crate::DELETION_LIMIT;
use crate::azure::fault::{OrError, into_error, is_busy, is_missing};
use crate::azure::operation::{self, End, PAUSES};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{NativeId, SnapshotState};
use crate::rest::{Answer, Fault};

const VERB: &str = "delete";
/// How long other operations on the server are waited for, and how long a deletion is followed.
const QUEUE: Duration = Duration::from_secs(10 * 60);
const FOLLOWED: Duration = Duration::from_secs(10 * 60);
/// How often what was deleted is looked for, with pauses that double.
const LOOKS: u32 = 7;
// What is left is for the requests themselves.
const _: () = assert!(QUEUE.as_secs() + FOLLOWED.as_secs() + 300 <= DELETION_LIMIT.as_secs());

impl FlexibleProvider {
    pub(super) async fn remove(&self, id: &NativeId) -> Result<()> {
        let subject = self.home.id(id);
        let record = match self.find(VERB, id).await {
            Ok((record, _)) => record,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The backup is gone; that the server is not there is another matter.
                self.server(VERB).await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !record.is_on_demand() {
            let reason = "it is an automatic backup, which Azure deletes itself when its retention is over";
            let hint = format!("shorten the retention: {} --backup-retention DAYS", self.az("update"));
            return Err(self.home.error(ErrorKind::Unsupported, VERB, &subject, reason).with_hint(hint));
        }
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        let answer = loop {
            match self.api.delete_backup(&record.native).await {
                Ok(answer) => break answer,
                Err(fault) if is_missing(&fault) => return self.gone(id, &subject, fault).await,
                Err(fault) if is_busy(&fault) && since.elapsed() < QUEUE => {
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(fault) if lacks_deletion(&fault) => return Err(self.no_deletion(&subject, fault)),
                Err(fault) => return Err(into_error(fault, &self.home, VERB, &subject)),
            }
        };
        self.followed(&answer, FOLLOWED, &subject).await?;
        self.await_gone(id, &subject).await
    }

    /// What Azure says is deleted is looked for: it may know the backup by another name, or tell of no operation.
    async fn await_gone(&self, id: &NativeId, subject: &str) -> Result<()> {
        let mut pause = PAUSES.0;
        for _ in 0..LOOKS {
            match self.find(VERB, id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
                Ok((record, _)) if record.state() == SnapshotState::Deleting => return Ok(()),
                Ok(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        let reason = "Azure says that it is deleted, and still shows it";
        let error = self.home.error(ErrorKind::Failed, VERB, subject, reason);
        Err(error.with_hint(format!("see whether it goes: `snapkeep list {}`", self.home.target)))
    }

    /// After a 404: the backup is gone, or this cloud has no way to delete it.
    async fn gone(&self, id: &NativeId, subject: &str, fault: Fault) -> Result<()> {
        match self.find(VERB, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(self.no_deletion(subject, fault)),
        }
    }

    fn no_deletion(&self, subject: &str, fault: Fault) -> Error {
        let reason = match self.flavor {
            Flavor::Mysql => "this cloud of Azure's has no API yet that deletes backups of MySQL (2025-06-01-preview)",
            Flavor::Postgresql => "this cloud of Azure's has no API that deletes backups",
        };
        let error = self.home.error(ErrorKind::Unsupported, VERB, subject, reason).with_source(fault);
        error.with_hint("it goes by itself when the server's retention is over")
    }

    /// Follows what a request began to its end.
    pub(super) async fn followed(&self, answer: &Answer, limit: Duration, subject: &str) -> Result<()> {
        let home = &self.home;
        match operation::followed(&self.api.client, answer, limit).await.or_error(home, VERB, subject)? {
            End::Well | End::Untold => Ok(()),
            End::Badly(words) => {
                let reason = "the deletion was begun and failed";
                Err(home.error(ErrorKind::Failed, VERB, subject, reason).with_source(words))
            }
            End::Late => {
                let reason = format!("Azure is not done with it after {} minutes, and goes on", limit.as_secs() / 60);
                Err(home.error(ErrorKind::Busy, VERB, subject, reason))
            }
        }
    }
}

/// Whether the service itself says that it has no such call.
fn lacks_deletion(fault: &Fault) -> bool {
    let codes = ["NoRegisteredProviderFound", "InvalidApiVersionParameter", "InvalidResourceType", "MethodNotAllowed"];
    fault.status() == Some(405) || codes.iter().any(|code| fault.has_code(code))
}
