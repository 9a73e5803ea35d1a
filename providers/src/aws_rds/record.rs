//! A snapshot as RDS tells of it, of instances and clusters alike, and what it is in the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Home;
use super::tags::Marks;
use crate::model::{NativeId, Origin, Snapshot, SnapshotId, SnapshotState};

/// What of a snapshot is of use here.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) arn: String,
    /// The instance or cluster that it is of.
    pub(super) database: String,
    /// The API's word for who made it: `manual`, `automated`, `shared`, `public`, `awsbackup`.
    pub(super) made_by: String,
    pub(super) status: String,
    pub(super) created_at: Option<DateTime<Utc>>,
    /// That of the snapshot that it is a copy of; only instances' have it.
    pub(super) original_created_at: Option<DateTime<Utc>>,
    pub(super) engine: Option<String>,
    pub(super) engine_version: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) encrypted: Option<bool>,
    pub(super) kms_key_id: Option<String>,
    pub(super) option_group: Option<String>,
    pub(super) percent: Option<u8>,
    /// Where a copy came from.
    pub(super) source: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// GiB of the instance, for the record only: a snapshot takes up less.
    allocated: Option<i32>,
    port: Option<i32>,
    vpc_id: Option<String>,
    storage_type: Option<String>,
    master_username: Option<String>,
}

pub(super) fn moment(time: Option<&aws_sdk_rds::primitives::DateTime>) -> Option<DateTime<Utc>> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()))
}

pub(super) fn tags(list: Option<Vec<aws_sdk_rds::types::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: aws_sdk_rds::types::Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    list.unwrap_or_default().into_iter().filter_map(pair).collect()
}

impl Record {
    /// `None` where the answer lacks the name, without which nothing can be done with it.
    pub(super) fn of_instance(snapshot: DbSnapshot) -> Option<Self> {
        Some(Self {
            name: snapshot.db_snapshot_identifier?,
            arn: snapshot.db_snapshot_arn.unwrap_or_default(),
            database: snapshot.db_instance_identifier.unwrap_or_default(),
            made_by: snapshot.snapshot_type.unwrap_or_default(),
            status: snapshot.status.unwrap_or_default(),
            created_at: moment(snapshot.snapshot_create_time.as_ref()),
            original_created_at: moment(snapshot.original_snapshot_create_time.as_ref()),
            engine: snapshot.engine,
            engine_version: snapshot.engine_version,
            size_bytes: snapshot.full_snapshot_size_in_bytes.and_then(|size| u64::try_from(size).ok()),
            encrypted: snapshot.encrypted,
            kms_key_id: snapshot.kms_key_id,
            option_group: snapshot.option_group_name,
            percent: percent(snapshot.percent_progress),
            source: snapshot.source_db_snapshot_identifier.filter(|source| !source.is_empty()),
            tags: tags(snapshot.tag_list),
            allocated: snapshot.allocated_storage,
            port: snapshot.port,
            vpc_id: snapshot.vpc_id,
            storage_type: snapshot.storage_type,
            master_username: snapshot.master_username,
        })
    }

    /// The same of a cluster's.
    pub(super) fn of_cluster(snapshot: DbClusterSnapshot) -> Option<Self> {
        Some(Self {
            name: snapshot.db_cluster_snapshot_identifier?,
            arn: snapshot.db_cluster_snapshot_arn.unwrap_or_default(),
            database: snapshot.db_cluster_identifier.unwrap_or_default(),
            made_by: snapshot.snapshot_type.unwrap_or_default(),
            status: snapshot.status.unwrap_or_default(),
            created_at: moment(snapshot.snapshot_create_time.as_ref()),
            original_created_at: None,
            engine: snapshot.engine,
            engine_version: snapshot.engine_version,
            size_bytes: None,
            encrypted: snapshot.storage_encrypted,
            kms_key_id: snapshot.kms_key_id,
            option_group: None,
            percent: percent(snapshot.percent_progress),
            source: snapshot.source_db_cluster_snapshot_arn.filter(|source| !source.is_empty()),
            tags: tags(snapshot.tag_list),
            allocated: snapshot.allocated_storage,
            port: snapshot.port,
            vpc_id: snapshot.vpc_id,
            storage_type: snapshot.storage_type,
            master_username: snapshot.master_username,
        })
    }

    /// Whether it is of that instance or cluster; AWS stores names in lower case.
    pub(super) fn is_of(&self, database: &str) -> bool {
        self.database.eq_ignore_ascii_case(database)
    }

    /// What our tags say of it.
    pub(super) fn marks(&self) -> Marks<'_> {
        Marks::of(&self.tags)
    }

    /// Whether snapkeep made or adopted it for this target.
    pub(super) fn is_owned_by(&self, home: &Home) -> bool {
        self.origin(home) == Origin::Owned
    }

    /// Who made it. A shared one's tags are its owner's, and say nothing here.
    pub(super) fn origin(&self, home: &Home) -> Origin {
        match self.made_by.as_str() {
            // AWS Backup's have names of their own in all APIs:
            // <https://docs.aws.amazon.com/aws-backup/latest/devguide/rds-backup.html>.
            _ if self.name.starts_with("awsbackup:") || self.name.starts_with("rds:") => Origin::Automated,
            "shared" | "public" => Origin::Shared,
            _ if self.name.starts_with("arn:") => Origin::Shared,
            "automated" | "awsbackup" => Origin::Automated,
            _ if self.marks().own(&self.name, &home.target, &home.region) => Origin::Owned,
            _ => Origin::Manual,
        }
    }

    /// The moment that it holds. A copy's is that of what it is a copy of; RDS tells it of instances' only, and our tag
    /// of clusters' that we copied.
    pub(super) fn moment(&self, home: &Home) -> Option<DateTime<Utc>> {
        let tagged = || self.marks().created_at.filter(|_| self.is_owned_by(home));
        self.original_created_at.or_else(tagged).or(self.created_at)
    }

    /// Where it is in its life, by the states that the RDS and Aurora user guides list for snapshots.
    pub(super) fn state(&self) -> SnapshotState {
        match self.status.as_str() {
            "available" => SnapshotState::Available,
            "creating" | "pending" | "copying" | "backing-up" | "modifying" => SnapshotState::Pending,
            "failed" => SnapshotState::Failed,
            status if status.starts_with("incompatible") => SnapshotState::Failed,
            "deleting" | "deleted" => SnapshotState::Deleting,
            _ => SnapshotState::Unknown,
        }
    }

    /// The snapshot of the model, in the region that it was read from.
    pub(super) fn snapshot(&self, home: &Home, region: &str) -> Snapshot {
        let native_id = NativeId::new(&*self.name);
        let (origin, target) = (self.origin(home), &home.target);
        let marks = self.marks();
        Snapshot {
            id: SnapshotId { target: target.clone(), native: native_id.clone() },
            native_id,
            target: target.clone(),
            provider: super::NAME.into(),
            origin,
            state: self.state(),
            provider_state: Some(self.status.as_str()).filter(|status| !status.is_empty()).map(Arc::from),
            created_at: self.moment(home),
            completed_at: None, // RDS doesn't tell
            size_bytes: self.size_bytes,
            engine: self.engine.as_deref().map(Arc::from),
            engine_version: self.engine_version.as_deref().map(Arc::from),
            location: Some(region.into()),
            encrypted: self.encrypted,
            key: marks.key.map(str::to_owned).filter(|_| origin == Origin::Owned),
            hold: None,
            verified: None,
            expires_at: None,
            tags: super::tags::plain(&self.tags).into(),
            locked_until: None,
        }
    }

    /// What RDS says of it, for `show`.
    pub(super) fn json(&self) -> Value {
        json!({
            "arn": self.arn,
            "database": self.database,
            "snapshot_type": self.made_by,
            "status": self.status,
            "snapshot_create_time": self.created_at,
            "original_snapshot_create_time": self.original_created_at,
            "source": self.source,
            "percent_progress": self.percent,
            "kms_key_id": self.kms_key_id,
            "option_group_name": self.option_group,
            "allocated_storage_gib": self.allocated,
            "storage_type": self.storage_type,
            "port": self.port,
            "vpc_id": self.vpc_id,
            "master_username": self.master_username,
            "tags": self.tags,
        })
    }
}

fn percent(progress: Option<i32>) -> Option<u8> {
    progress.and_then(|percent| u8::try_from(percent).ok()).map(|percent| percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::super::api::Family;
    use super::*;
    use crate::aws::Account;

    fn home() -> Home {
        let (target, account) = ("orders".parse().unwrap(), Account::default());
        let (region, database) = ("eu-central-1".into(), "orders-prod".into());
        Home {
            owner: crate::owner::Owner { provider: super::super::NAME, target },
            account,
            region,
            endpoint: None,
            family: Family::Instance,
            database,
        }
    }

    const OURS: [(&str, &str); 3] =
        [("snapkeep:target", "orders"), ("snapkeep:home", "eu-central-1"), ("snapkeep:snapshot", "a")];

    fn record(name: &str, made_by: &str, tags: &[(&str, &str)]) -> Record {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record { name: name.into(), made_by: made_by.into(), tags, ..Record::default() }
    }

    #[test]
    fn only_our_tag_on_a_manual_one_makes_it_owned() {
        let origin = |name, made_by, tags: &[(&str, &str)]| record(name, made_by, tags).origin(&home());
        assert_eq!(origin("a", "manual", &OURS), Origin::Owned);
        assert_eq!(origin("b", "manual", &OURS), Origin::Manual, "a copy with our tags");
        assert_eq!(origin("a", "manual", &OURS[..1]), Origin::Manual);
        assert_eq!(origin("a", "manual", &[]), Origin::Manual);
        assert_eq!(origin("rds:orders-2026", "automated", &OURS), Origin::Automated);
        assert_eq!(origin("awsbackup:job-1", "awsbackup", &OURS), Origin::Automated);
        assert_eq!(origin("awsbackup:job-1", "manual", &OURS), Origin::Automated);
        assert_eq!(origin("arn:aws:rds:eu-west-1:1:snapshot:a", "shared", &OURS), Origin::Shared);
        assert_eq!(origin("arn:aws:rds:eu-west-1:1:snapshot:a", "manual", &OURS), Origin::Shared);
        assert_eq!(origin("a", "public", &OURS), Origin::Shared);
    }

    #[test]
    fn a_copy_holds_the_moment_of_what_it_is_a_copy_of() {
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        let created = ("snapkeep:created-at", "2026-11-20T02:15:00Z");
        let mut copy = record("a", "manual", &[&OURS[..], &[created]].concat());
        copy.created_at = at("2026-11-22T02:15:00Z");
        assert_eq!(copy.moment(&home()), at("2026-11-20T02:15:00Z"));
        copy.original_created_at = at("2026-11-19T02:15:00Z");
        assert_eq!(copy.moment(&home()), at("2026-11-19T02:15:00Z"), "what RDS itself tells is believed first");
        let mut foreign = record("a", "manual", &[created]);
        foreign.created_at = at("2026-11-22T02:15:00Z");
        assert_eq!(foreign.moment(&home()), foreign.created_at, "others' tags are not believed");
    }

    #[test]
    fn states_of_rds_are_told_apart() {
        let state = |status: &str| Record { status: status.into(), ..Record::default() }.state();
        assert_eq!(state("available"), SnapshotState::Available);
        for status in ["creating", "copying", "pending"] {
            assert_eq!(state(status), SnapshotState::Pending);
        }
        assert_eq!(state("failed"), SnapshotState::Failed);
        assert_eq!(state("incompatible-restore"), SnapshotState::Failed);
        assert_eq!(state("deleting"), SnapshotState::Deleting);
        assert_eq!(state("dreaming"), SnapshotState::Unknown);
    }
}
