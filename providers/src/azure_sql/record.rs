//! A copy, a BACPAC file, a restore point, a long-term backup or a dropped database: one record, and from it a snapshot.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::tags::Marks;
use super::wire::{Database, Dropped, LongTermBackup, LongTermProperties, RestorePoint};
use super::{Home, NAME, name};
use crate::azure::names::Named;
use crate::model::{NativeId, Origin, Snapshot, SnapshotId, SnapshotState, Tags};

/// What the names of BACPAC files end with.
pub(super) const BACPAC: &str = ".bacpac";
/// All moments from one on, as Azure calls the one restore point that stands for them.
const CONTINUOUS: &str = "CONTINUOUS";

/// What it is that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A database that is a copy.
    Copy,
    /// An export in a blob.
    Bacpac,
    /// A moment that Azure can bring the database back to, with the label that a person gave it.
    Point(Option<String>),
    /// A backup that is kept for long.
    LongTerm(Lock),
    /// A database of the same name that was deleted.
    Dropped,
}

/// Why a long-term backup can't be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    None,
    /// By a legal hold, until that is removed.
    LegalHold,
    /// Until it expires, and nobody can change that.
    Locked,
    /// Until it expires, or the immutability is removed.
    Unlocked,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) native: String,
    pub(super) kind: Kind,
    /// Azure's word for its state, or for what it is.
    pub(super) status: String,
    pub(super) created_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    pub(super) size_bytes: Option<u64>,
    location: Option<String>,
    key: Option<String>,
    tags: Tags,
    /// The key, or its hash.
    marks: Option<Mark>,
    /// A file that was not written to its end.
    has_failed: bool,
}

/// What says that it is ours, and of which key.
#[derive(Clone, Debug)]
enum Mark {
    Tags(Marks),
    Name(Named),
}

impl Record {
    fn new(native: String, kind: Kind, status: impl Into<String>, created_at: Option<DateTime<Utc>>) -> Self {
        Self {
            native,
            kind,
            status: status.into(),
            created_at,
            completed_at: None,
            expires_at: None,
            size_bytes: None,
            location: None,
            key: None,
            tags: Tags::new(),
            marks: None,
            has_failed: false,
        }
    }

    /// A database that is a copy of the target's: by its tags and by its name, both.
    pub(super) fn of_copy(home: &Home, database: Database) -> Option<Self> {
        let named = name::moment_of_copy(&database.name, &home.database)?;
        let marks =
            Marks::of(&database.tags).filter(|marks| marks.are_of(&home.target, &home.database, &database.name))?;
        let properties = database.properties;
        // The copy holds a moment at or after its beginning; while it is made Azure may not tell when that was.
        let created_at = properties.creation_date.unwrap_or(named);
        Some(Self {
            location: text(database.location),
            key: marks.key.clone(),
            tags: marks.tags.clone(),
            marks: Some(Mark::Tags(marks)),
            ..Self::new(database.name, Kind::Copy, properties.status, Some(created_at))
        })
    }

    /// A blob that is an export for the target, by its name.
    pub(super) fn of_blob(home: &Home, name: &str, size: u64, written: DateTime<Utc>, place: &str) -> Option<Self> {
        let named = Named::parse_given(name.strip_suffix(BACPAC)?).filter(|named| named.is_of(&home.target))?;
        // What Azure has begun to write is empty at first.
        let status = if size == 0 { "BACPAC, empty" } else { "BACPAC" };
        let moment = named.moment();
        Some(Self {
            completed_at: Some(written).filter(|_| size > 0),
            size_bytes: Some(size).filter(|size| *size > 0),
            location: Some(place.to_owned()),
            key: named.key().map(str::to_owned),
            marks: Some(Mark::Name(named)),
            ..Self::new(name.to_owned(), Kind::Bacpac, status, Some(moment))
        })
    }

    /// A backup that is kept for long; one of an earlier database of the same name too.
    pub(super) fn of_long_term(backup: LongTermBackup, location: &str) -> Self {
        let properties = backup.properties;
        let lock = lock(&properties);
        let archived = properties.backup_storage_access_tier.as_deref() == Some("Archive");
        let words = [
            Some("LongTermRetention"),
            archived.then_some("Archive"),
            (lock == Lock::LegalHold).then_some("LegalHold"),
            matches!(lock, Lock::Locked | Lock::Unlocked).then_some("Immutable"),
        ];
        let status = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self {
            completed_at: None,
            expires_at: properties.backup_expiration_time,
            location: text(location.to_owned()),
            ..Self::new(backup.name, Kind::LongTerm(lock), status, properties.backup_time)
        }
    }

    /// The same while its export goes on.
    pub(super) fn being_written(self) -> Self {
        Self { status: "BACPAC, being written".into(), size_bytes: None, completed_at: None, ..self }
    }

    /// The same where its export has failed.
    pub(super) fn of_failed_export(self) -> Self {
        Self { status: "BACPAC, failed".into(), has_failed: true, completed_at: None, ..self }
    }

    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }

    /// Whether it stands for all moments from its own on.
    pub(super) fn is_continuous(&self) -> bool {
        matches!(self.kind, Kind::Point(_)) && self.status.eq_ignore_ascii_case(CONTINUOUS)
    }

    /// Until when nobody can delete it, where that has an end.
    fn locked_until(&self) -> Option<DateTime<Utc>> {
        self.expires_at.filter(|_| matches!(self.kind, Kind::LongTerm(Lock::Locked | Lock::Unlocked)))
    }

    pub(super) fn state(&self) -> SnapshotState {
        match self.kind {
            // <https://learn.microsoft.com/azure/azure-sql/database/database-copy>: of a copy that failed this is left.
            Kind::Copy if self.status.eq_ignore_ascii_case("Suspect") => SnapshotState::Failed,
            Kind::Copy => state_of_database(&self.status),
            Kind::Bacpac if self.has_failed => SnapshotState::Failed,
            Kind::Bacpac if self.size_bytes.is_none() => SnapshotState::Pending,
            _ => SnapshotState::Available,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        match self.kind {
            Kind::Copy | Kind::Bacpac => Origin::Owned,
            Kind::Point(_) | Kind::LongTerm(_) | Kind::Dropped => Origin::Automated,
        }
    }

    /// Whether it was made with this key.
    pub(super) fn is_of_key(&self, key: &str) -> bool {
        match &self.marks {
            Some(Mark::Tags(marks)) => marks.is_of_key(key),
            Some(Mark::Name(named)) => named.is_of_key(key),
            None => false,
        }
    }

    pub(super) fn snapshot(&self, home: &Home) -> Snapshot {
        let native = NativeId::new(&self.native);
        let mut tags = self.tags.clone();
        if let Kind::Point(Some(label)) = &self.kind {
            tags.insert("label".into(), label.clone());
        }
        Snapshot {
            id: SnapshotId { target: home.target.clone(), native: native.clone() },
            native_id: native,
            target: home.target.clone(),
            provider: NAME.into(),
            origin: self.origin(),
            state: self.state(),
            provider_state: Some(self.status.as_str().into()),
            created_at: self.created_at,
            completed_at: self.completed_at,
            size_bytes: self.size_bytes,
            engine: Some("sqlserver".into()),
            engine_version: None,
            location: self.location.as_deref().map(Arc::from),
            // Azure Storage encrypts every blob; whether a database is encrypted is not told here.
            encrypted: (self.kind == Kind::Bacpac).then_some(true),
            key: self.key.clone(),
            hold: None,
            verified: None,
            expires_at: self.expires_at,
            tags: Arc::new(tags),
            locked_until: self.locked_until(),
        }
    }
}

impl From<RestorePoint> for Record {
    fn from(point: RestorePoint) -> Self {
        let properties = point.properties;
        let continuous = properties.restore_point_type.eq_ignore_ascii_case(CONTINUOUS);
        let earliest = properties.earliest_restore_date.filter(|_| continuous);
        let moment = earliest.or(properties.restore_point_creation_date).or(properties.earliest_restore_date);
        let label = properties.restore_point_label.filter(|label| !label.is_empty());
        let kind = Kind::Point(label);
        let location = text(point.location);
        Self { location, ..Self::new(point.name, kind, properties.restore_point_type, moment) }
    }
}

impl From<Dropped> for Record {
    fn from(dropped: Dropped) -> Self {
        let properties = dropped.properties;
        Self {
            location: text(dropped.location),
            ..Self::new(dropped.name, Kind::Dropped, "Dropped", properties.deletion_date)
        }
    }
}

/// Azure's words for where a database is in its life. One that is asleep wakes up when it is copied; of one that is in trouble
/// nobody knows what it holds, so that it is neither good nor failed.
pub(super) fn state_of_database(status: &str) -> SnapshotState {
    match status.to_ascii_lowercase().as_str() {
        "online" | "paused" | "pausing" | "resuming" | "scaling" | "autoclosed" => SnapshotState::Available,
        "creating" | "copying" | "restoring" | "recovering" | "starting" => SnapshotState::Pending,
        "deleting" | "dropping" => SnapshotState::Deleting,
        _ => SnapshotState::Unknown,
    }
}

fn lock(properties: &LongTermProperties) -> Lock {
    let enabled = |word: &Option<String>| word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("Enabled"));
    let locked = |word: &Option<String>| word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("Locked"));
    if enabled(&properties.legal_hold_immutability) {
        Lock::LegalHold
    } else if enabled(&properties.time_based_immutability) {
        if locked(&properties.time_based_immutability_mode) { Lock::Locked } else { Lock::Unlocked }
    } else if properties.is_backup_immutable == Some(true) {
        Lock::Unlocked
    } else {
        Lock::None
    }
}

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Which list an id is from, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Copy,
    Bacpac,
    Point,
    LongTerm,
    Dropped,
}

/// `None` for what can be no id of a snapshot of this database.
pub(super) fn form(home: &Home, id: &str) -> Option<Form> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if name::moment_of_copy(id, &home.database).is_some() {
        return Some(Form::Copy);
    }
    if id.strip_suffix(BACPAC).and_then(Named::parse_given).is_some_and(|named| named.is_of(&home.target)) {
        return Some(Form::Bacpac);
    }
    if let Some((database, ticks)) = id.rsplit_once(',') {
        let own = database.to_lowercase() == home.database.to_lowercase() && digits(ticks);
        return own.then_some(Form::Dropped);
    }
    if id.contains(';') {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-;".contains(&byte);
        return (id.len() <= 128 && id.bytes().all(plain)).then_some(Form::LongTerm);
    }
    let is_point = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_point.then_some(Form::Point)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const COPY: &str = "orders_sk_20261122t021500z_7f3k";

    fn copy(name: &str, status: &str, tags: &Value) -> Option<Record> {
        let database = json!({
            "name": name, "location": "westeurope", "tags": tags,
            "properties": {"status": status, "creationDate": "2026-11-22T02:15:04.123Z"},
        });
        Record::of_copy(&Home::for_tests(), serde_json::from_value(database).unwrap())
    }

    fn ours() -> Value {
        json!({"snapkeep:target": "orders", "snapkeep:database": "orders", "snapkeep:copy": COPY, "team": "crm"})
    }

    #[test]
    fn a_copy_is_ours_by_its_name_and_its_tags() {
        let snapshot = copy(COPY, "Online", &ours()).unwrap().snapshot(&Home::for_tests());
        assert_eq!((snapshot.origin, snapshot.state), (Origin::Owned, SnapshotState::Available));
        assert_eq!((snapshot.tags["team"].as_str(), snapshot.tags.len()), ("crm", 1));
        assert_eq!(snapshot.created_at.unwrap().to_rfc3339(), "2026-11-22T02:15:04.123+00:00");
        assert!(copy(COPY, "Online", &json!({})).is_none(), "the name alone says nothing");
        assert!(copy("orders-restored", "Online", &ours()).is_none(), "nor do the tags");
        assert!(copy("orders_sk_20261122t021500z_7f3m", "Online", &ours()).is_none(), "nor those of another copy");
    }

    #[test]
    fn only_a_database_that_can_be_copied_is_good_and_a_copy_that_broke_off_is_failed() {
        for (status, state) in [
            ("Online", SnapshotState::Available),
            ("ONLINE", SnapshotState::Available),
            ("Paused", SnapshotState::Available),
            ("Creating", SnapshotState::Pending),
            ("Copying", SnapshotState::Pending),
            ("Suspect", SnapshotState::Failed),
            ("Offline", SnapshotState::Unknown),
            ("Inaccessible", SnapshotState::Unknown),
            ("Quantum", SnapshotState::Unknown),
            ("", SnapshotState::Unknown),
        ] {
            assert_eq!(copy(COPY, status, &ours()).unwrap().state(), state, "{status}");
        }
    }

    fn long_term(properties: &Value) -> Record {
        let backup = json!({"name": "5555;131637960820000000;Hot", "properties": properties});
        Record::of_long_term(serde_json::from_value(backup).unwrap(), "japaneast")
    }

    #[test]
    fn what_locks_a_long_term_backup_is_told() {
        let expires = "2027-08-23T08:00:00Z";
        let of = |hold: &str, time: &str, mode: &str| {
            long_term(&json!({
                "backupTime": "2017-08-23T08:00:00Z", "backupExpirationTime": expires, "legalHoldImmutability": hold,
                "timeBasedImmutability": time, "timeBasedImmutabilityMode": mode, "backupStorageAccessTier": "Hot",
            }))
        };
        let home = Home::for_tests();
        for (record, lock, until, words) in [
            (of("Disabled", "Disabled", "Unlocked"), Lock::None, false, "LongTermRetention"),
            (of("Enabled", "Disabled", ""), Lock::LegalHold, false, "LongTermRetention LegalHold"),
            (of("Disabled", "Enabled", "Locked"), Lock::Locked, true, "LongTermRetention Immutable"),
            (of("Disabled", "enabled", "Unlocked"), Lock::Unlocked, true, "LongTermRetention Immutable"),
        ] {
            let snapshot = record.snapshot(&home);
            assert_eq!(record.kind, Kind::LongTerm(lock));
            assert_eq!((snapshot.locked_until.is_some(), snapshot.provider_state.as_deref()), (until, Some(words)));
            assert_eq!((snapshot.origin, snapshot.size_bytes), (Origin::Automated, None));
            assert!(snapshot.expires_at.is_some());
        }
        assert_eq!(long_term(&json!({"isBackupImmutable": true})).kind, Kind::LongTerm(Lock::Unlocked));
    }

    #[test]
    fn a_restore_point_holds_its_moment_and_all_of_them_the_first() {
        let point = |properties: Value| -> Record {
            let point = json!({"name": "p", "location": "West US", "properties": properties});
            serde_json::from_value::<RestorePoint>(point).unwrap().into()
        };
        let all = point(json!({"restorePointType": "CONTINUOUS", "earliestRestoreDate": "2017-06-12T00:00:00Z"}));
        assert_eq!(all.created_at.unwrap().to_rfc3339(), "2017-06-12T00:00:00+00:00");
        assert_eq!(all.status, "CONTINUOUS");
        let one = point(json!({
            "restorePointType": "DISCRETE", "restorePointCreationDate": "2017-03-10T08:00:00Z",
            "restorePointLabel": "mylabel1",
        }));
        let snapshot = one.snapshot(&Home::for_tests());
        assert_eq!(snapshot.created_at.unwrap().to_rfc3339(), "2017-03-10T08:00:00+00:00");
        assert_eq!(snapshot.tags["label"], "mylabel1");
    }

    #[test]
    fn an_id_is_of_one_list_or_of_none() {
        let home = Home::for_tests();
        for (id, expected) in [
            (COPY, Some(Form::Copy)),
            ("sk__orders__20261122t021500z-7f3k__k-a.bacpac", Some(Form::Bacpac)),
            ("sk__crm__20261122t021500z-7f3k.bacpac", None),
            ("ContinuousRestorePoint", Some(Form::Point)),
            ("131546477590000000", Some(Form::Point)),
            ("55555555-6666-7777-8888-999999999999;131637960820000000;Hot", Some(Form::LongTerm)),
            ("Orders,131403269876900000", Some(Form::Dropped)),
            ("crm,131403269876900000", None),
            ("../x;y", None),
            ("no-such-snapshot", None),
            ("../no-such-snapshot", None),
            ("", None),
        ] {
            assert_eq!(form(&home, id), expected, "{id}");
        }
    }
}
