//! Deleting copies, BACPAC files and long-term backups. What Azure keeps by itself it also ends by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::AzureSqlProvider;
use super::api::VERSION;
use super::bacpac::Bacpacs;
use super::record::{Form, Kind, Lock, Record, form};
use crate::DELETION_LIMIT;
use crate::azure::fault::{OrError, into_error, is_busy, is_missing};
use crate::azure::operation::{self, End, PAUSES};
use crate::error::{Error, ErrorKind, Result};
use crate::model::NativeId;
use crate::rest::{Answer, Called};
use crate::shell::shell_word;

const VERB: &str = "delete";
/// How long a busy server is waited for, and how long a deletion is followed.
const QUEUE: Duration = Duration::from_secs(10 * 60);
/// An operation that is over is followed no longer, and what it leaves is looked for as long again.
const FOLLOWED: Duration = Duration::from_secs(5 * 60);
// What is left is for the requests themselves.
const _: () = assert!(QUEUE.as_secs() + 2 * FOLLOWED.as_secs() + 300 <= DELETION_LIMIT.as_secs());

impl AzureSqlProvider {
    pub(super) async fn remove(&self, id: &NativeId) -> Result<()> {
        let (subject, since) = (self.home.id(id), Instant::now());
        let mut pause = PAUSES.0;
        let (kind, answer) = loop {
            // Looked at right before: a database is deleted only while its name and its tags say that it is a copy.
            let record = match self.find(VERB, id).await {
                Ok((record, _)) => record,
                Err(error) if error.kind() == ErrorKind::NotFound && self.is_gone(id).await? => return Ok(()),
                Err(error) => return Err(error),
            };
            match self.send_deletion(&record, &subject).await? {
                Ok(Some(answer)) => break (record.kind, answer),
                Ok(None) => return Ok(()),
                Err(fault) if is_missing(&fault) => return Ok(()),
                Err(fault) if is_busy(&fault) && since.elapsed() < QUEUE => {
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(fault) => return Err(into_error(fault, &self.home, VERB, &subject)),
            }
        };
        // Where the operation can't be looked at, what it leaves is.
        if let Ok(End::Badly(words)) = operation::followed(&self.api.client, &answer, FOLLOWED).await {
            return Err(self.deletion_failed(&subject, words));
        }
        if matches!(kind, Kind::LongTerm(_)) && !self.is_soon_gone(id).await? {
            return Err(self.still_there(&subject));
        }
        if kind == Kind::Copy {
            if !self.await_gone(id.as_str()).await {
                return Err(self.still_there(&subject));
            }
            if let Some(mark) = self.mark_of_copy(id.as_str()).await? {
                self.desk.forget(&mark).await;
            }
        }
        Ok(())
    }

    /// Waits until a database is no longer told of, also where the operation can't be looked at, or for so long.
    async fn await_gone(&self, name: &str) -> bool {
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        while since.elapsed() < FOLLOWED {
            match self.api.database(name).await {
                Ok(None) => return true,
                Err(fault) if !fault.kind().is_retryable() => return false,
                Ok(Some(_)) | Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        false
    }

    /// The same of a long-term backup.
    async fn is_soon_gone(&self, id: &NativeId) -> Result<bool> {
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        while since.elapsed() < FOLLOWED {
            match self.find(VERB, id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
                Err(error) if !error.kind().is_retryable() => return Err(error),
                Ok(_) | Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(false)
    }

    fn still_there(&self, subject: &str) -> Error {
        let reason = "Azure took the deletion, and still shows it";
        let error = self.home.error(ErrorKind::Busy, VERB, subject, reason);
        error.with_hint(format!("see whether it goes: `snapkeep list {}`", self.home.target))
    }

    /// Whether what is not found is no snapshot; without its server nobody knows.
    async fn is_gone(&self, id: &NativeId) -> Result<bool> {
        let subject = self.home.id(id);
        match form(&self.home, id.as_str()) {
            None | Some(Form::Bacpac) => return Ok(true),
            Some(Form::Copy) => {
                if self.api.database(id.as_str()).await.or_error(&self.home, VERB, &subject)?.is_some() {
                    let reason = "there is such a database, and its tags don't say that it is a copy of this target";
                    return Err(self.home.error(ErrorKind::Refused, VERB, &subject, reason));
                }
            }
            Some(_) => {}
        }
        self.server(VERB).await.map(|_| true)
    }

    /// What Azure answers; nothing where it is done already.
    async fn send_deletion(&self, record: &Record, subject: &str) -> Result<Called<Option<Answer>>> {
        let (api, database) = (&self.api, &self.home.database);
        match &record.kind {
            Kind::Copy if record.native.eq_ignore_ascii_case(database) => {
                Err(self.home.error(ErrorKind::Refused, VERB, subject, "it is the database itself"))
            }
            Kind::Copy => Ok(api.delete_database(&record.native).await.map(Some)),
            Kind::Bacpac => {
                if let Some(bacpacs) = &self.bacpacs {
                    bacpacs.delete(&record.native).await?;
                }
                self.desk.forget(&Bacpacs::mark(&record.native)).await;
                Ok(Ok(None))
            }
            Kind::LongTerm(lock) => {
                let location = crate::azure::location(&self.server(VERB).await?.location);
                self.refuse_locked(*lock, record, &location, subject)?;
                Ok(api.delete_long_term(&location, database, &record.native).await.map(Some))
            }
            Kind::Point(_) | Kind::Dropped => {
                let what = if record.kind == Kind::Dropped { "a deleted database" } else { "a restore point" };
                let reason =
                    format!("Azure keeps {what} for as long as backups are retained, and nobody can delete it");
                let hint = "it goes by itself; shorten the retention: az sql db str-policy set --retention-days DAYS";
                Err(self.home.error(ErrorKind::Unsupported, VERB, subject, reason).with_hint(hint))
            }
        }
    }

    /// Refuses what Azure would refuse: an immutable backup.
    fn refuse_locked(&self, lock: Lock, record: &Record, location: &str, subject: &str) -> Result<()> {
        let until = record.expires_at().map(|until| format!(" until {}", super::moment::text(until)));
        let until = until.unwrap_or_default();
        let free = |action: &str| {
            let id = self.api.long_term_id(location, &self.home.database, &record.native);
            let url = shell_word(&format!("{id}/{action}?api-version={VERSION}"));
            format!("whoever may can lift it: az rest --method post --url {url}")
        };
        let (reason, hint) = match lock {
            Lock::None => return Ok(()),
            Lock::LegalHold => ("a legal hold is on it".to_owned(), free("removeLegalHoldImmutability")),
            Lock::Unlocked => (format!("it is immutable{until}"), free("removeTimeBasedImmutability")),
            Lock::Locked => {
                (format!("it is immutable{until}, and locked"), "it goes by itself when it expires".to_owned())
            }
        };
        Err(self.home.error(ErrorKind::Refused, VERB, subject, reason).with_hint(hint))
    }

    pub(super) fn deletion_failed(&self, subject: &str, words: String) -> Error {
        self.home.error(ErrorKind::Failed, VERB, subject, "the deletion was begun and failed").with_source(words)
    }

    /// Deletes a database and waits until it is gone; one that is busy is waited for.
    pub(super) async fn discard(&self, name: &str) -> Result<()> {
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        let answer = loop {
            match self.api.delete_database(name).await {
                Ok(answer) => break answer,
                Err(fault) if is_missing(&fault) => return Ok(()),
                Err(fault) if is_busy(&fault) && since.elapsed() < QUEUE => {
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(fault) => return Err(into_error(fault, &self.home, VERB, name)),
            }
        };
        match operation::followed(&self.api.client, &answer, FOLLOWED).await {
            Ok(End::Badly(words)) => Err(self.deletion_failed(name, words)),
            _ if self.await_gone(name).await => Ok(()),
            _ => Err(self.still_there(name)),
        }
    }
}
