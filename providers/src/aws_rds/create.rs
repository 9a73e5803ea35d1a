//! Making a snapshot: once for each key, also when AWS's answer is lost.

use chrono::Utc;

use super::api::Family;
use super::fault::{Fault, OrError};
use super::record::Record;
use super::tags::{New, plain};
use super::{RdsProvider, Which, names};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CreateRequest, Operation, OperationId, OperationState, Snapshot, SnapshotState, Tags};

impl RdsProvider {
    /// Begins a snapshot, unless there is one of the same key that has not failed.
    pub(super) async fn begin_snapshot(&self, request: &CreateRequest) -> Result<Operation<Snapshot>> {
        let home = &self.home;
        let (key, name) = (request.key.as_deref(), names::of_snapshot(&home.target, Utc::now()));
        let wrong = |reason: String| home.error(ErrorKind::Usage, "snapshot", &home.target, reason);
        let tagged =
            |tags: &Tags| New { target: &home.target, home: &home.region, name: &name, key, tags, copy: None }.tags();
        let own = tagged(&request.tags).map_err(wrong)?;
        if let Some(key) = key
            && let Some(known) = self.of_key(key).await?
        {
            return Ok(self.operation(&known, &self.api.region).found());
        }
        let tags = self.tags_with_sources(&request.tags).await?.and_then(|tags| tagged(&tags).ok()).unwrap_or(own);
        let made = match self.api.create(&name, &home.database, tags).await {
            // Nobody else has that name: an answer was lost, and the SDK has asked again.
            Err(fault) if fault.is_taken() => self.api.get(&name).await.and_then(|found| found.ok_or(fault)),
            made => made,
        };
        match made {
            Ok(record) => Ok(self.operation(&record, &self.api.region)),
            Err(fault) => Err(self.not_made(fault).await),
        }
    }

    /// The tags with the database's own, where it is to give them to its snapshots: AWS doesn't, when a call has any.
    async fn tags_with_sources(&self, tags: &Tags) -> Result<Option<Tags>> {
        let home = &self.home;
        let source = match self.api.database(&home.database).await {
            Err(fault) if fault.is_denied() => return Ok(None),
            found => found.or_error(home, "snapshot", &home.target)?,
        };
        Ok(source.filter(|source| source.shape.copy_tags == Some(true)).map(|source| {
            let mut all = plain(&source.tags);
            all.extend(tags.clone());
            all
        }))
    }

    /// The snapshot that was made with a key; of several the newest, which another process may have made at the same time.
    async fn of_key(&self, key: &str) -> Result<Option<Record>> {
        let home = &self.home;
        let mut known: Option<Record> = None;
        let each = |record: Record| {
            let fits = record.is_of(&home.database)
                && record.is_owned_by(home)
                && record.marks().copy_of.is_none()
                && record.marks().are_of_key(key)
                && !matches!(record.state(), SnapshotState::Failed | SnapshotState::Deleting);
            if fits && known.as_ref().is_none_or(|known| known.created_at < record.created_at) {
                known = Some(record);
            }
        };
        let which = Which { database: Some(&home.database), made_by: Some("manual"), name: None };
        let asked = self.api.each(which, each).await;
        // What can't be read may be the one: making another would break the promise of the key.
        asked.or_error(home, "look for the key in", &home.target)?;
        Ok(known)
    }

    /// A member of a cluster has no snapshots of its own, and AWS's words for that differ.
    async fn not_made(&self, fault: Fault) -> Error {
        let home = &self.home;
        if home.family == Family::Instance
            && (fault.is("Invalid") || fault.is_of_state())
            && let Ok(Some(instance)) = self.api.database(&home.database).await
            && let Some(cluster) = instance.cluster
        {
            let reason = format!("it belongs to the cluster {cluster}, which has the snapshots");
            return home
                .error(ErrorKind::Unsupported, "snapshot", &home.target, reason)
                .with_hint(format!("write db_cluster_identifier = {cluster:?} instead of db_instance_identifier"));
        }
        let of_state = fault.is_of_state();
        let error = fault.into_error(home, "snapshot", &home.target);
        if of_state { error.with_hint("wait until the database is available, then try again") } else { error }
    }

    /// How far the making of a snapshot is.
    pub(super) fn operation(&self, record: &Record, region: &str) -> Operation<Snapshot> {
        let snapshot = record.snapshot(&self.home, region);
        let ended = |reason: &str| {
            let error = self.home.error(ErrorKind::Failed, "make", &snapshot.id, reason);
            OperationState::Failed(error.with_hint(format!("see `snapkeep show {}`", snapshot.id)))
        };
        let state = match snapshot.state {
            SnapshotState::Available => OperationState::Done(snapshot),
            SnapshotState::Failed => ended(&format!("AWS gave up on it: its state is {}", record.status)),
            SnapshotState::Deleting => ended("it is being deleted"),
            SnapshotState::Pending | SnapshotState::Unknown => {
                OperationState::Running { so_far: Some(snapshot), percent: record.percent }
            }
        };
        Operation::begun(OperationId::new(&*record.name), state)
    }
}
