//! Restoring: each kind of snapshot into a new database, on this server or, where Azure does that, on another.
//!
//! <https://learn.microsoft.com/azure/azure-sql/database/recovery-using-backups>

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::bacpac::Bacpacs;
use super::destination::{Destination, VERB};
use super::follow::{There, Trust, bookmark, or_there, pause_of, state_of};
use super::options::{self, From};
use super::record::{Kind, Record, state_of_database};
use super::wire::Database;
use super::{AzureSqlProvider, tags};
use crate::azure::begin::{Begun, Standing, Turn};
use crate::azure::fault::{OrError, into_error};
use crate::azure::names::SCRATCH;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{
    NativeId, Operation, OperationId, OperationState, RestoreOptions, RestoreRequest, RestoreTo, Restored, Tags, Work,
};
use crate::{Run, random};

/// The first moment that Azure can restore moves on while it is asked for.
const SLIDE: TimeDelta = TimeDelta::minutes(1);
const RESTORE: &str = "restore";
pub(super) const IMPORT: &str = "import";

/// What a new database is to be.
pub(super) struct Wanted<'w> {
    /// From what it is made.
    pub(super) properties: Map<String, Value>,
    pub(super) options: RestoreOptions,
    pub(super) told: Told<'w>,
}

/// For what it is made, and where that is told of.
#[derive(Clone, Copy)]
pub(super) struct Told<'t> {
    pub(super) verb: &'static str,
    pub(super) subject: &'t str,
    pub(super) run: &'t Run,
}

impl AzureSqlProvider {
    pub(super) async fn begin_restore(
        &self,
        id: &NativeId,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        let subject = self.home.id(id);
        let usage = |reason: String| self.home.error(ErrorKind::Usage, VERB, &subject, reason);
        let RestoreTo::New(name) = &request.to else { return Err(self.not_in_place(&subject)) };
        let to = self.destination(&subject, name)?;
        let (from, options) = options::from(&request.options).map_err(usage)?;
        // An option that there isn't is refused before anything is asked.
        options::set(&mut json!({}), &options).map_err(usage)?;
        let told = Told { verb: VERB, subject: &subject, run };
        let (record, raw) = self.find(VERB, id).await?;
        self.home.refuse_unavailable(VERB, &subject, (record.state(), &record.status))?;
        if from == From::Geo {
            return self.restore_from_region(&to, &record, options, told).await;
        }
        if record.is_continuous() {
            run.reporter.warn(
                "it stands for all moments from its own on, of which the first is restored: --time names another",
            );
        }
        self.restore_record(&record, &raw, &to, options, told, None).await
    }

    /// Restores a snapshot that is whole; `tags` instead of those that a restored database gets.
    pub(super) async fn restore_record(
        &self,
        record: &Record,
        raw: &Value,
        to: &Destination,
        options: RestoreOptions,
        told: Told<'_>,
        tags: Option<Tags>,
    ) -> Result<Operation<Restored>> {
        let Told { verb, subject, .. } = told;
        let is_here = to.api.is_at(&self.api);
        let properties = match &record.kind {
            Kind::Bacpac => return self.import(record, to, &options, told).await,
            Kind::Copy => of("Copy", "sourceDatabaseId", &self.api.id(&["databases", &record.native])),
            Kind::Point(_) if !is_here => return Err(self.here_only(subject, "a restore point")),
            Kind::Dropped if !is_here => return Err(self.here_only(subject, "a deleted database")),
            Kind::Point(_) => {
                let no_moment = || self.home.error(ErrorKind::Failed, verb, subject, "Azure doesn't tell its moment");
                let moment = record.created_at.ok_or_else(no_moment)?;
                self.of_live(if record.is_continuous() { (moment + SLIDE).min(self.now()) } else { moment })
            }
            Kind::Dropped => self.of_dropped(&record.native, None),
            Kind::LongTerm(_) => {
                let no_id = || self.home.error(ErrorKind::Failed, verb, subject, "Azure doesn't tell its id");
                let id = raw.get("id").and_then(Value::as_str).ok_or_else(no_id)?;
                of("RestoreLongTermRetentionBackup", "longTermRetentionBackupResourceId", id)
            }
        };
        self.restore_as(to, Wanted { properties, options, told }, tags).await
    }

    /// Restores the last backup that has arrived in another region: what is left when this one is down.
    async fn restore_from_region(
        &self,
        to: &Destination,
        record: &Record,
        options: RestoreOptions,
        told: Told<'_>,
    ) -> Result<Operation<Restored>> {
        let Told { subject, run, .. } = told;
        if !matches!(record.kind, Kind::Point(_)) {
            let reason = "another region has the last of the backups that restore points stand for, and nothing else";
            let hint = format!("name a restore point: `snapkeep list {} --origin automated`", self.home.target);
            return Err(self.home.error(ErrorKind::Usage, VERB, subject, reason).with_hint(hint));
        }
        let found = self.api.recoverable(&self.home.database).await.or_error(&self.home, VERB, subject)?;
        let Some(found) = found else {
            let reason = "another region has no backup of it: its backup storage redundancy may not be Geo";
            let hint = format!("choose a snapshot, without `--set from=geo`: `snapkeep list {}`", self.home.target);
            return Err(self.home.error(ErrorKind::NotFound, VERB, subject, reason).with_hint(hint));
        };
        let last =
            found.pointer("/properties/lastAvailableBackupDate").and_then(Value::as_str).unwrap_or("some time ago");
        let last: String = last.chars().filter(char::is_ascii_graphic).take(40).collect();
        let id = self.api.id(&["recoverableDatabases", &self.home.database]);
        let properties = of("Recovery", "recoverableDatabaseId", &id);
        run.reporter.warn(&format!("it will hold the last backup that has arrived in another region, of {last}"));
        self.restore_as(to, Wanted { properties, options, told }, None).await
    }

    /// Makes a database where there is none of that name.
    pub(super) async fn restore_as(
        &self,
        to: &Destination,
        wanted: Wanted<'_>,
        tags: Option<Tags>,
    ) -> Result<Operation<Restored>> {
        let Wanted { properties, options, told: Told { verb, subject, run } } = wanted;
        let tags = tags.unwrap_or_else(|| tags::restored(&self.home.target, &random::letters(10)));
        let server = self.server_of(to, verb, subject).await?;
        let mut body = json!({ "location": server.location, "tags": tags, "properties": properties });
        let wrong = |reason| self.home.error(ErrorKind::Usage, verb, subject, reason);
        options::set(&mut body, &options).map_err(wrong)?;
        let what = sha256(&body["properties"].to_string());
        if let Some(going) = self.going_restore(to, &what, (verb, subject)).await? {
            return Ok(going.found());
        }
        self.refuse_taken(to, verb, subject).await?;
        // Of an import that once went there.
        self.desk.forget(&bookmark(IMPORT, &to.place)).await;
        let mark = bookmark(RESTORE, &to.place);
        let send = || to.api.put_database(&to.name, &body);
        let made = || self.still_free(to, verb, subject);
        match self.desk.begin_in_turn((&mark, Some(&what)), (&to.api.home.server, run), made, send).await? {
            Turn::Found(made) => Ok(made),
            Turn::Asked(begun) => {
                let begun = begun.map_err(|fault| into_error(fault, &to.api.home, verb, subject));
                self.after_restore(to, &mark, begun).await
            }
        }
    }

    /// While it waited, somebody else may have made one of that name.
    async fn still_free(&self, to: &Destination, verb: &str, subject: &str) -> Result<Option<Operation<Restored>>> {
        self.refuse_taken(to, verb, subject).await.map(|()| None)
    }

    /// A restore of the same into the same that goes on, by whichever process.
    async fn going_restore(
        &self,
        to: &Destination,
        what: &str,
        (verb, subject): (&str, &str),
    ) -> Result<Option<Operation<Restored>>> {
        for kind in [IMPORT, RESTORE] {
            let mark = bookmark(kind, &to.place);
            if !matches!(self.standing(&mark, subject).await??, Standing::Runs { .. } | Standing::Unseen) {
                continue;
            }
            let id = OperationId::of_restore(&to.place);
            if self.desk.kept(&mark).await?.and_then(|kept| kept.what).is_some_and(|known| known != what) {
                let reason = format!("another restore into {} goes on", to.place);
                let error = self.home.error(ErrorKind::Refused, verb, subject, reason);
                return Err(error.with_hint(format!("see how far it is: `snapkeep wait {}`", self.home.id(&id))));
            }
            return self.look_at_restore(&id).await.map(Some);
        }
        Ok(None)
    }

    /// Makes a database of what a file holds.
    async fn import(
        &self,
        record: &Record,
        to: &Destination,
        options: &RestoreOptions,
        Told { verb, subject, run }: Told<'_>,
    ) -> Result<Operation<Restored>> {
        let usage = |reason: String| self.home.error(ErrorKind::Usage, verb, subject, reason);
        let told = options::of_import(options).map_err(usage)?;
        let Some(bacpacs) = &self.bacpacs else { return Err(self.home.missing(verb, &record.native)) };
        self.server_of(to, verb, subject).await?;
        if let Some(going) = self.going_restore(to, &record.native, (verb, subject)).await? {
            return Ok(going.found());
        }
        self.refuse_taken(to, verb, subject).await?;
        let secrets = self.secrets(bacpacs, verb, subject).await?;
        let mut body = bacpacs.told(&record.native, &secrets);
        body.insert("databaseName".into(), json!(to.name));
        body.extend(told);
        let mark = bookmark(IMPORT, &to.place);
        let body = Value::from(body);
        let send = || to.api.import(&body);
        let made = || self.still_free(to, verb, subject);
        let what = Some(&*record.native);
        match self.desk.begin_in_turn((&mark, what), (&to.api.home.server, run), made, send).await? {
            Turn::Found(made) => Ok(made),
            Turn::Asked(begun) => {
                let begun = begun.map_err(|fault| Bacpacs::refused(fault, &secrets, &to.api.home, verb, subject));
                self.after_restore(to, &mark, begun).await
            }
        }
    }

    async fn after_restore(&self, to: &Destination, mark: &str, begun: Result<Begun>) -> Result<Operation<Restored>> {
        let restored = Restored { to: to.place.clone(), warnings: Vec::new() };
        let (state, pause) = match begun? {
            Begun::Done => {
                self.desk.forget(mark).await;
                (OperationState::Done(restored), None)
            }
            Begun::Runs(pause) => (OperationState::Running { so_far: Some(restored), percent: None }, pause),
            Begun::Lost => (OperationState::Running { so_far: None, percent: None }, None),
        };
        Ok(Operation::begun(OperationId::of_restore(&to.place), state).again_in(pause))
    }

    /// By the place that it goes to.
    pub(super) async fn look_at_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        let subject = self.home.id(operation);
        let missing = || self.home.no_operation(&subject);
        let Work::Restore(place) = operation.work() else { return Err(missing()) };
        let to = Destination::parse(&self.api, place).ok_or_else(missing)?;
        let imported = self.standing(&bookmark(IMPORT, &to.place), &subject).await?;
        let (looked, trust) = match imported {
            Ok(Standing::Forgotten) => (self.standing(&bookmark(RESTORE, &to.place), &subject).await?, Trust::Thing),
            Ok(imported) => (Ok(self.hidden(imported).await), Trust::Operation),
            Err(error) => return Err(error),
        };
        let found = to.api.database(&to.name).await.or_error(&to.api.home, "look at", &subject)?;
        let found = found.map(|found| self.home.parsed::<Database>("look at", &found)).transpose()?;
        let standing = or_there(looked, found.is_some(), trust)?;
        // A database says itself that it was restored; where nothing is known of the operation, only that tells.
        let unsure =
            trust == Trust::Thing && matches!(standing, Standing::Forgotten | Standing::Unseen | Standing::Never);
        let there = found.filter(|database| !unsure || self.is_restored(database)).map(|database| There {
            state: state_of_database(&database.properties.status),
            word: database.properties.status,
            what: Restored { to: to.place.clone(), warnings: Vec::new() },
        });
        let pause = pause_of(&standing);
        let failed = |kind, words: String| -> Error {
            self.home.error(kind, VERB, &subject, "the restore was begun and failed").with_source(words)
        };
        let state = state_of(standing, there, trust, failed).ok_or_else(missing)?;
        if matches!(state, OperationState::Done(_)) && !to.name.starts_with(SCRATCH) {
            self.desk.forget(&bookmark(RESTORE, &to.place)).await;
            self.desk.forget(&bookmark(IMPORT, &to.place)).await;
        }
        Ok(Operation::begun(operation.clone(), state).again_in(pause))
    }

    /// Whether a database says that a restore of this target made it.
    fn is_restored(&self, database: &Database) -> bool {
        let target = &self.home.target;
        let scratch = tags::scratch_of(&database.tags) == Some(target.as_str());
        scratch || tags::restore_of(&database.tags, target).is_some()
    }
}

/// How a database is made, and from what.
fn of(mode: &str, key: &str, id: &str) -> Map<String, Value> {
    Map::from_iter([("createMode".to_owned(), json!(mode)), (key.to_owned(), json!(id))])
}
