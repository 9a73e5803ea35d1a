//! Deleting backups: also those that the cloud made, which it permits.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::CloudSqlProvider;
use super::api::Api;
use super::begin::Turn;
use super::fault::{OrError, is_missing};
use super::wire;
use crate::DELETION_LIMIT;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{NativeId, SnapshotState};

/// How long other operations on the instance are waited for, and how long a deletion is followed: the next one would be
/// refused until it is over.
const QUEUE: Duration = Duration::from_secs(15 * 60);
const FOLLOWED: Duration = Duration::from_secs(5 * 60);
// What is left is for the requests themselves.
const _: () = assert!(QUEUE.as_secs() + FOLLOWED.as_secs() + 300 <= DELETION_LIMIT.as_secs());
/// The first and the longest pause between two looks.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

impl CloudSqlProvider {
    pub(super) async fn remove(&self, id: &NativeId) -> Result<()> {
        let record = match self.find("delete", id).await {
            Ok((record, _)) => record,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if record.state() == SnapshotState::Deleting {
            return Ok(());
        }
        let subject = self.home.id(id);
        let mut turn = Turn::new(&self.home, &self.api, "delete", &subject, QUEUE);
        let operation = loop {
            match self.api.delete(&record).await {
                Ok(operation) => break operation,
                Err(fault) if is_missing(&fault) => return Ok(()),
                Err(fault) => turn.wait(fault, None).await?,
            }
            // The answer to a deletion that has begun may have been lost.
            match self.find("delete", id).await {
                Ok((now, _)) if now.state() == SnapshotState::Deleting => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        match self.followed(&self.api, operation, FOLLOWED, "delete", &subject).await? {
            Some(troubles) => Err(self.operation_failed("delete", &subject, troubles)),
            None => Ok(()),
        }
    }

    /// Follows an operation to its end or for so long; gives what went wrong with it.
    pub(super) async fn followed(
        &self,
        api: &Api,
        mut operation: wire::Operation,
        limit: Duration,
        verb: &str,
        subject: &str,
    ) -> Result<Option<String>> {
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        while !operation.is_over() && since.elapsed() < limit {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            match api.operation(&operation.name).await.or_error(&self.home, verb, subject) {
                Ok(Some(now)) => operation = now,
                // It goes on whether or not one look at it succeeds.
                Ok(None) => {}
                Err(error) if error.kind().is_retryable() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(operation.troubles())
    }

    pub(super) fn operation_failed(&self, verb: &str, subject: &str, troubles: String) -> Error {
        self.home.error(ErrorKind::Failed, verb, subject, "the operation was begun and failed").with_source(troubles)
    }
}
