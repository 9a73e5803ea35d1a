//! Restoring the database as it was at a moment, also when it was deleted since.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::AzureSqlProvider;
use super::destination::VERB;
use super::options::{self, From};
use super::restore::{Told, Wanted};
use super::wire::Dropped;
use crate::Run;
use crate::error::{ErrorKind, Result};
use crate::model::{Operation, RestoreRequest, RestoreTo, Restored};

/// A moment as Azure reads it.
pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl AzureSqlProvider {
    pub(super) async fn begin_restore_to_time(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let subject = format!("{} to {}", self.home.target, text(time));
        let usage = |reason: String| self.home.error(ErrorKind::Usage, VERB, &subject, reason);
        let RestoreTo::New(name) = &request.to else { return Err(self.not_in_place(&subject)) };
        let to = self.destination(&subject, name)?;
        let (from, options) = options::from(&request.options).map_err(usage)?;
        if from == From::Geo {
            return Err(usage("another region has the last backup only, and no moment before it".into()));
        }
        if !to.api.is_at(&self.api) {
            return Err(self.here_only(&subject, "a moment"));
        }
        let properties = self.at_moment(time, &subject).await?;
        let wanted = Wanted { properties, options, told: Told { verb: VERB, subject: &subject, run } };
        self.restore_as(&to, wanted, None).await
    }

    /// From what the moment can be had: from the database, or from one of the same name that was deleted after it.
    async fn at_moment(&self, time: DateTime<Utc>, subject: &str) -> Result<Map<String, Value>> {
        let live = self.source(VERB).await?;
        let earliest = live.as_ref().and_then(|live| live.properties.earliest_restore_date);
        if live.is_some() && earliest.is_none_or(|earliest| time >= earliest) && time <= self.now() {
            return Ok(self.of_live(time));
        }
        let dropped = self.dropped(VERB).await?;
        if let Some(covers) = dropped.iter().find(|dropped| covers(dropped, time)) {
            return Ok(self.of_dropped(&covers.name, Some(time)));
        }
        let reason = match (live.is_some(), earliest) {
            (true, _) if time > self.now() => "it is in the future".to_owned(),
            (true, Some(earliest)) => format!("the earliest moment that Azure can restore is {}", text(earliest)),
            _ => "the database is not there, and no deleted one of its name reaches that moment".to_owned(),
        };
        let hint = format!("choose a snapshot: `snapkeep list {}`", self.home.target);
        Err(self.home.error(ErrorKind::NotFound, VERB, subject, reason).with_hint(hint))
    }

    /// What Azure is told to restore the database as it was.
    pub(super) fn of_live(&self, time: DateTime<Utc>) -> Map<String, Value> {
        Map::from_iter([
            ("createMode".to_owned(), json!("PointInTimeRestore")),
            ("sourceDatabaseId".to_owned(), json!(self.api.id(&["databases", &self.home.database]))),
            ("restorePointInTime".to_owned(), json!(text(time))),
        ])
    }

    /// What Azure is told to restore a deleted database, as it was at the end unless a moment is named.
    pub(super) fn of_dropped(&self, name: &str, time: Option<DateTime<Utc>>) -> Map<String, Value> {
        let id = self.api.id(&["restorableDroppedDatabases", name]);
        let mut told = Map::from_iter([
            ("createMode".to_owned(), json!("Restore")),
            ("restorableDroppedDatabaseId".to_owned(), json!(id)),
        ]);
        if let Some(time) = time {
            told.insert("restorePointInTime".into(), json!(text(time)));
        }
        told
    }
}

/// Whether a deleted database was there at a moment, as far as Azure tells.
fn covers(dropped: &Dropped, time: DateTime<Utc>) -> bool {
    let properties = &dropped.properties;
    properties.earliest_restore_date.is_none_or(|earliest| time >= earliest)
        && properties.deletion_date.is_some_and(|deletion| time <= deletion)
}
