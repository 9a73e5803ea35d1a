//! One snapshot, of an instance or of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::call::{Outcome, refuse};
use super::database::Database;
use super::world::Place;
use super::xml::{element, optional, tags, time, within};

/// Of what a snapshot is: the two have actions, parameters and errors of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Instance,
    Cluster,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Instance => "DB",
            Self::Cluster => "DBCluster",
        }
    }

    /// The element of a snapshot.
    pub(super) fn snapshot_element(self) -> String {
        format!("{}Snapshot", self.word())
    }

    pub(crate) fn snapshot_parameter(self) -> String {
        format!("{}SnapshotIdentifier", self.word())
    }

    pub(crate) fn source_parameter(self) -> &'static str {
        match self {
            Self::Instance => "DBInstanceIdentifier",
            Self::Cluster => "DBClusterIdentifier",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::Instance => "snapshot",
            Self::Cluster => "cluster-snapshot",
        }
    }

    pub(super) fn not_found<T>(self, name: &str) -> Outcome<T> {
        match self {
            Self::Instance => refuse("DBSnapshotNotFound", format!("DBSnapshot {name} not found.")),
            Self::Cluster => refuse("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot not found: {name}")),
        }
    }

    pub(super) fn exists<T>(self, name: &str) -> Outcome<T> {
        let code = match self {
            Self::Instance => "DBSnapshotAlreadyExists",
            Self::Cluster => "DBClusterSnapshotAlreadyExistsFault",
        };
        refuse(
            code,
            format!("Cannot create the snapshot because a snapshot with the identifier {name} already exists."),
        )
    }

    pub(super) fn bad_state<T>(self, message: &str) -> Outcome<T> {
        let code = match self {
            Self::Instance => "InvalidDBSnapshotState",
            Self::Cluster => "InvalidDBClusterSnapshotStateFault",
        };
        refuse(code, message)
    }
}

/// A snapshot, as the account that it belongs to sees it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) name: String,
    /// The instance or cluster that it is of.
    pub(crate) source: String,
    /// `manual`, `automated` or `awsbackup`.
    pub(crate) snapshot_type: &'static str,
    pub(crate) status: String,
    /// What it becomes when it was looked at as often as the world asks for.
    pub(crate) ends: &'static str,
    pub(crate) looks: u32,
    pub(crate) created: DateTime<Utc>,
    /// The moment of the first snapshot in a row of copies.
    pub(crate) original: DateTime<Utc>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The ARN of the key that it is encrypted with.
    pub(crate) key: Option<String>,
    /// Accounts that may restore and copy it, or `all`.
    pub(crate) shared_with: BTreeSet<String>,
    pub(crate) copy_of: Option<(String, Place)>,
    pub(crate) option_group: String,
    /// The database as it was.
    pub(crate) database: Database,
}

impl Snapshot {
    /// An available one, made now by hand.
    pub(crate) fn of(database: &Database, name: &str) -> Self {
        let now = Utc::now();
        Self {
            kind: database.kind,
            place: database.place.clone(),
            name: name.to_owned(),
            source: database.name.clone(),
            snapshot_type: "manual",
            status: "available".into(),
            ends: "available",
            looks: 0,
            created: now,
            original: now,
            tags: BTreeMap::new(),
            key: database.key.clone(),
            shared_with: BTreeSet::new(),
            copy_of: None,
            option_group: database.option_group.clone(),
            database: database.clone(),
        }
    }

    /// Made at this moment.
    pub(crate) fn at(self, moment: &str) -> Self {
        let moment = moment.parse().unwrap();
        Self { created: moment, original: moment, ..self }
    }

    /// Made by the cloud itself: `automated` or `awsbackup`.
    pub(crate) fn by(self, snapshot_type: &'static str) -> Self {
        Self { snapshot_type, ..self }
    }

    pub(crate) fn tagged(mut self, name: &str, value: &str) -> Self {
        self.tags.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn in_state(self, status: &str) -> Self {
        Self { status: status.to_owned(), ends: "never", ..self }
    }

    pub(crate) fn shared(mut self, with: &str) -> Self {
        self.shared_with.insert(with.to_owned());
        self
    }

    pub(crate) fn arn(&self) -> String {
        self.place.arn("rds", &format!("{}:{}", self.kind.resource(), self.name))
    }

    /// Whether it is still on its way.
    pub(super) fn is_running(&self) -> bool {
        ["creating", "copying", "pending"].contains(&self.status.as_str())
    }

    pub(super) fn is_manual(&self) -> bool {
        self.snapshot_type == "manual"
    }

    /// Somebody looked at it: so far it has come.
    pub(super) fn look(&mut self, looks: u32) {
        if self.is_running() && self.ends != "never" {
            self.looks += 1;
            if self.looks > looks {
                self.status = self.ends.to_owned();
            }
        }
    }

    /// How the account `viewer` sees it, a copy of `looks` steps.
    pub(super) fn xml(&self, viewer: &str, looks: u32) -> String {
        let percent = if self.is_running() { 100 * self.looks / (looks + 1) } else { 100 };
        let shown_type = if self.place.account == viewer {
            self.snapshot_type
        } else if self.shared_with.contains(viewer) {
            "shared"
        } else {
            "public"
        };
        let (made, source) = (!self.is_running())
            .then_some(())
            .map_or((None, None), |()| (Some(time(self.created)), Some(time(self.original))));
        let common = [
            element("Engine", &self.database.engine),
            element("EngineVersion", &self.database.version),
            element("AllocatedStorage", self.database.allocated),
            element("Status", &self.status),
            element("Port", self.database.port),
            element("SnapshotType", shown_type),
            element("PercentProgress", percent),
            element("StorageType", &self.database.storage_type),
            optional("SnapshotCreateTime", made),
            optional("KmsKeyId", self.key.as_ref()),
            tags(&self.tags),
        ];
        let own = match self.kind {
            Kind::Instance => self.of_instance(source),
            Kind::Cluster => self.of_cluster(),
        };
        within(&self.kind.snapshot_element(), &[common.concat(), own].concat())
    }

    fn of_instance(&self, original: Option<String>) -> String {
        let (copy_of, from) = self.copy_of.clone().unzip();
        [
            element("DBSnapshotIdentifier", &self.name),
            element("DBInstanceIdentifier", &self.source),
            element("DBSnapshotArn", self.arn()),
            element("Encrypted", self.key.is_some()),
            element("OptionGroupName", &self.option_group),
            element("InstanceCreateTime", time(self.database.created)),
            optional("OriginalSnapshotCreateTime", original),
            optional("SourceDBSnapshotIdentifier", copy_of),
            optional("SourceRegion", from.map(|place| place.region)),
        ]
        .concat()
    }

    fn of_cluster(&self) -> String {
        [
            element("DBClusterSnapshotIdentifier", &self.name),
            element("DBClusterIdentifier", &self.source),
            element("DBClusterSnapshotArn", self.arn()),
            element("StorageEncrypted", self.key.is_some()),
            element("ClusterCreateTime", time(self.database.created)),
            optional("SourceDBClusterSnapshotArn", self.copy_of.as_ref().map(|(arn, _)| arn)),
        ]
        .concat()
    }
}
