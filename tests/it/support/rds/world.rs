//! What there is in all the accounts and regions, and what a test may set of how it behaves.

use std::collections::{BTreeMap, BTreeSet};

use super::Rds;
use super::call::{Call, Outcome, bad_value, refuse};
use super::database::Database;
use super::export::Export;
use super::key::Key;
use super::page::Marker;
use super::snapshot::{Kind, Snapshot};

const REGIONS: [&str; 4] = [Rds::REGION, Rds::ELSEWHERE, "eu-north-1", "us-east-1"];

/// An account in a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    pub(crate) fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned() }
    }

    /// Where targets are.
    pub(crate) fn home() -> Self {
        Self::new(Rds::ACCOUNT, Rds::REGION)
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

/// The order of lists; Amazon promises none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
    ByName,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) databases: Vec<Database>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) exports: Vec<Export>,
    pub(crate) keys: Vec<Key>,
    /// Subnet, parameter and option groups beside those that databases have.
    pub(crate) groups: Vec<String>,
    /// How often a snapshot or a database shows itself as on its way before it is done.
    pub(crate) looks: u32,
    pub(crate) order: Order,
    /// Pages have at most so many entries, whatever is asked for.
    pub(crate) page: usize,
    /// How many manual snapshots of each kind there may be in a region.
    pub(crate) quota: usize,
    /// How many copies from other regions may be under way in a region.
    pub(crate) copies_at_once: usize,
    /// Actions that the simulator of policies denies: `rds:CopyDBSnapshot`.
    pub(crate) denied: BTreeSet<String>,
    /// Whether the caller may ask that.
    pub(crate) may_simulate: bool,
    /// What is made now ends badly.
    pub(super) doomed: bool,
    pub(super) markers: BTreeMap<String, Marker>,
    accounts: BTreeMap<String, String>,
}

impl World {
    pub(super) fn new() -> Self {
        let accounts = [(Rds::KEY, Rds::ACCOUNT), (Rds::OTHER_KEY, Rds::OTHER_ACCOUNT)];
        let mut keys = Vec::new();
        for (_, account) in accounts {
            for region in REGIONS {
                let place = Place::new(account, region);
                keys.push(Key::new(place.clone(), "aws-managed", "alias/aws/rds").of_aws());
                keys.push(Key::new(place, "customer", "alias/snapshots"));
            }
        }
        Self {
            databases: Vec::new(),
            snapshots: Vec::new(),
            exports: Vec::new(),
            keys,
            groups: Vec::new(),
            looks: 0,
            order: Order::ByName,
            page: 100,
            quota: 100,
            copies_at_once: 20,
            denied: BTreeSet::new(),
            may_simulate: true,
            doomed: false,
            markers: BTreeMap::new(),
            accounts: accounts.map(|(key, account)| (key.to_owned(), account.to_owned())).into(),
        }
    }

    pub(super) fn account(&self, key_id: &str) -> Option<&str> {
        self.accounts.get(key_id).map(String::as_str)
    }

    pub(super) fn has_region(&self, region: &str) -> bool {
        REGIONS.contains(&region)
    }

    /// Adds an instance or a cluster, and gives it back.
    pub(crate) fn add(&mut self, database: Database) -> &mut Database {
        self.databases.push(database);
        self.databases.last_mut().unwrap()
    }

    /// Adds a snapshot, and gives it back.
    pub(crate) fn take(&mut self, snapshot: Snapshot) -> &mut Snapshot {
        self.snapshots.push(snapshot);
        self.snapshots.last_mut().unwrap()
    }

    /// The instance or cluster of that name.
    pub(crate) fn database(&mut self, kind: Kind, place: &Place, name: &str) -> Option<&mut Database> {
        self.databases.iter_mut().find(|found| found.kind == kind && found.place == *place && found.name == name)
    }

    /// The snapshot of that name.
    pub(crate) fn snapshot(&mut self, kind: Kind, place: &Place, name: &str) -> Option<&mut Snapshot> {
        self.snapshots.iter_mut().find(|found| found.kind == kind && found.place == *place && found.name == name)
    }

    /// The names of the snapshots in a region of the first account, in the order in which they were made.
    pub(crate) fn names(&self, region: &str) -> Vec<String> {
        let place = Place::new(Rds::ACCOUNT, region);
        self.snapshots.iter().filter(|found| found.place == place).map(|found| found.name.clone()).collect()
    }

    pub(super) fn key(&self, place: &Place, name: &str) -> Outcome<&Key> {
        match self.keys.iter().find(|key| key.place == *place && key.is_called(name)) {
            Some(key) => Ok(key),
            None => refuse(
                "KMSKeyNotAccessibleFault",
                format!(
                    "The specified KMS key [{name}] does not exist, is not enabled or you do not have permissions to \
                     access it."
                ),
            ),
        }
    }

    /// The ARN of a key that a call names, if it names one.
    pub(super) fn named_key(&self, call: &Call) -> Outcome<Option<String>> {
        call.get("KmsKeyId").map(|name| Ok(self.key(&call.place, name)?.arn())).transpose()
    }

    /// How many manual snapshots there are.
    pub(super) fn manual(&self, kind: Kind, place: &Place) -> usize {
        let counts = |found: &&Snapshot| found.kind == kind && found.place == *place && found.is_manual();
        self.snapshots.iter().filter(counts).count()
    }

    /// Whether a snapshot is encrypted with Amazon's own key.
    pub(super) fn is_under_key_of_aws(&self, snapshot: &Snapshot) -> bool {
        self.keys.iter().any(|key| key.is_of_aws() && snapshot.key.as_ref() == Some(&key.arn()))
    }

    /// The names of a cluster's instances.
    pub(super) fn members(&self, place: &Place, cluster: &str) -> Vec<String> {
        let member = |found: &&Database| found.place == *place && found.cluster.as_deref() == Some(cluster);
        self.databases.iter().filter(member).map(|found| found.name.clone()).collect()
    }

    /// Refuses a database with a group that no other in its region has, and that isn't the default one.
    pub(super) fn has_groups(&self, database: &Database) -> Outcome<()> {
        let there = |name: &String, of: fn(&Database) -> &String| {
            let mut others = self.databases.iter().filter(|found| found.place == database.place);
            name.starts_with("default") || self.groups.contains(name) || others.any(|found| of(found) == name)
        };
        let (subnets, parameters) = (&database.subnet_group, &database.parameter_group);
        if !there(subnets, |found| &found.subnet_group) {
            return refuse("DBSubnetGroupNotFoundFault", format!("DB subnet group '{subnets}' does not exist."));
        }
        if !there(parameters, |found| &found.parameter_group) {
            let code = match database.kind {
                Kind::Instance => "DBParameterGroupNotFound",
                Kind::Cluster => "DBClusterParameterGroupNotFound",
            };
            return refuse(code, format!("DBParameterGroup not found: {parameters}"));
        }
        let options = &database.option_group;
        // one of a snapshot can't be deleted
        let kept = self.snapshots.iter().any(|found| found.place == database.place && found.option_group == *options);
        if !kept && !there(options, |found| &found.option_group) {
            return refuse("OptionGroupNotFoundFault", format!("Specified OptionGroupName: {options} not found."));
        }
        Ok(())
    }

    /// Where an ARN says that something is.
    pub(super) fn place_of(arn: &str) -> Outcome<Place> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", "aws", "rds", region, account, _] => Ok(Place::new(account, region)),
            _ => bad_value(format!("Invalid ARN: {arn}")),
        }
    }
}
