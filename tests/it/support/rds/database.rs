//! One database: an instance, or a cluster.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::call::{Outcome, refuse};
use super::snapshot::Kind;
use super::world::Place;
use super::xml::{element, list, optional, tags, time, within};

/// An instance, perhaps a member of a cluster, or a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) status: String,
    /// What it becomes when it was looked at as often as the world asks for.
    pub(crate) ends: &'static str,
    pub(crate) looks: u32,
    pub(crate) engine: String,
    pub(crate) version: String,
    /// The instance class; of a cluster only where the cluster makes its own instances.
    pub(crate) class: Option<String>,
    pub(crate) port: u32,
    pub(crate) allocated: u32,
    pub(crate) storage_type: String,
    pub(crate) iops: Option<u32>,
    pub(crate) zone: String,
    pub(crate) subnet_group: String,
    pub(crate) security_groups: Vec<String>,
    pub(crate) parameter_group: String,
    pub(crate) option_group: String,
    pub(crate) multi_az: bool,
    pub(crate) deletion_protection: bool,
    pub(crate) public: bool,
    pub(crate) iam_authentication: bool,
    pub(crate) copy_tags: bool,
    pub(crate) minor_upgrades: bool,
    /// The ARN of the key that it is encrypted with.
    pub(crate) key: Option<String>,
    /// The cluster that it is a member of.
    pub(crate) cluster: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: DateTime<Utc>,
    /// What is in it; travels into snapshots and what is restored of them.
    pub(crate) content: String,
    /// What was in it until when, oldest first: for point in time.
    pub(crate) past: Vec<(DateTime<Utc>, String)>,
}

impl Database {
    /// An available instance of PostgreSQL in the first account, set up as production is: nothing is the default.
    pub(crate) fn instance(name: &str) -> Self {
        Self {
            kind: Kind::Instance,
            place: Place::home(),
            name: name.to_owned(),
            status: "available".into(),
            ends: "available",
            looks: 0,
            engine: "postgres".into(),
            version: "16.4".into(),
            class: Some("db.m6g.large".into()),
            port: 5433,
            allocated: 20,
            storage_type: "gp3".into(),
            iops: None,
            zone: "eu-central-1b".into(),
            subnet_group: "private".into(),
            security_groups: vec!["sg-app".into(), "sg-ops".into()],
            parameter_group: "tuned-postgres16".into(),
            option_group: "audited-postgres16".into(),
            multi_az: true,
            deletion_protection: true,
            public: false,
            iam_authentication: true,
            copy_tags: true,
            minor_upgrades: false,
            key: None,
            cluster: None,
            tags: BTreeMap::new(),
            created: "2024-05-01T08:00:00Z".parse().unwrap(),
            content: "as it began".into(),
            past: Vec::new(),
        }
    }

    /// An available Aurora cluster, set up likewise, without instances.
    pub(crate) fn cluster(name: &str) -> Self {
        Self {
            kind: Kind::Cluster,
            engine: "aurora-postgresql".into(),
            storage_type: "aurora".into(),
            parameter_group: "tuned-aurora-postgresql16".into(),
            class: None,
            allocated: 1,
            ..Self::instance(name)
        }
    }

    /// An instance that is a member of `cluster`.
    pub(crate) fn member(name: &str, cluster: &Self) -> Self {
        Self {
            engine: cluster.engine.clone(),
            place: cluster.place.clone(),
            storage_type: cluster.storage_type.clone(),
            cluster: Some(cluster.name.clone()),
            ..Self::instance(name)
        }
    }

    pub(crate) fn encrypted(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    pub(crate) fn in_place(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Something else is in it from now on.
    pub(crate) fn write(&mut self, content: &str) {
        let before = std::mem::replace(&mut self.content, content.to_owned());
        self.past.push((Utc::now(), before));
    }

    /// What was in it at a moment.
    pub(super) fn content_at(&self, moment: DateTime<Utc>) -> &str {
        let then = self.past.iter().find(|(until, _)| moment < *until);
        then.map_or(&self.content, |(_, content)| content)
    }

    /// Until when it can be restored: RDS uploads its logs every five minutes.
    pub(super) fn latest_restorable() -> DateTime<Utc> {
        Utc::now() - TimeDelta::minutes(5)
    }

    pub(crate) fn arn(&self) -> String {
        let resource = match self.kind {
            Kind::Instance => "db",
            Kind::Cluster => "cluster",
        };
        self.place.arn("rds", &format!("{resource}:{}", self.name))
    }

    pub(super) fn is_aurora(&self) -> bool {
        self.engine.starts_with("aurora")
    }

    /// Somebody looked at it: so far it has come.
    pub(super) fn look(&mut self, looks: u32) {
        if self.status == "creating" && self.ends != "never" {
            self.looks += 1;
            if self.looks > looks {
                self.status = self.ends.to_owned();
            }
        }
    }

    /// A cluster shows the names of its `members`.
    pub(super) fn xml(&self, members: &[String]) -> String {
        let groups = |id: &String| {
            within(
                "VpcSecurityGroupMembership",
                &[element("VpcSecurityGroupId", id), element("Status", "active")].concat(),
            )
        };
        let common = [
            element("Engine", &self.engine),
            element("EngineVersion", &self.version),
            element("AllocatedStorage", self.allocated),
            element("StorageType", &self.storage_type),
            optional("Iops", self.iops),
            element("MultiAZ", self.multi_az),
            element("DeletionProtection", self.deletion_protection),
            element("IAMDatabaseAuthenticationEnabled", self.iam_authentication),
            element("CopyTagsToSnapshot", self.copy_tags),
            element("StorageEncrypted", self.key.is_some()),
            optional("KmsKeyId", self.key.as_ref()),
            element("BackupRetentionPeriod", 7),
            within("VpcSecurityGroups", &self.security_groups.iter().map(groups).collect::<String>()),
            element("LatestRestorableTime", time(Self::latest_restorable())),
            tags(&self.tags),
        ];
        match self.kind {
            Kind::Instance => within("DBInstance", &[common.concat(), self.of_instance()].concat()),
            Kind::Cluster => within("DBCluster", &[common.concat(), self.of_cluster(members)].concat()),
        }
    }

    fn of_instance(&self) -> String {
        let (name, region) = (&self.name, &self.place.region);
        let address = element("Address", format!("{name}.abcdefgh.{region}.rds.amazonaws.com"));
        let endpoint = within("Endpoint", &[address, element("Port", self.port)].concat());
        let subnets = [element("DBSubnetGroupName", &self.subnet_group), element("VpcId", "vpc-1")].concat();
        let parameters =
            [element("DBParameterGroupName", &self.parameter_group), element("ParameterApplyStatus", "in-sync")];
        let options = [element("OptionGroupName", &self.option_group), element("Status", "in-sync")];
        [
            element("DBInstanceIdentifier", name),
            element("DBInstanceArn", self.arn()),
            element("DbiResourceId", format!("db-{}", name.to_uppercase())),
            element("DBInstanceStatus", &self.status),
            optional("DBInstanceClass", self.class.as_ref()),
            if self.status == "creating" { String::new() } else { endpoint },
            element("DbInstancePort", 0),
            element("InstanceCreateTime", time(self.created)),
            element("AvailabilityZone", &self.zone),
            within("DBSubnetGroup", &subnets),
            within("DBParameterGroups", &within("DBParameterGroup", &parameters.concat())),
            within("OptionGroupMemberships", &within("OptionGroupMembership", &options.concat())),
            element("PubliclyAccessible", self.public),
            element("AutoMinorVersionUpgrade", self.minor_upgrades),
            optional("DBClusterIdentifier", self.cluster.as_ref()),
        ]
        .concat()
    }

    fn of_cluster(&self, members: &[String]) -> String {
        let member = |(place, name)| {
            let writer = element("IsClusterWriter", place == 0);
            within("DBClusterMember", &[element("DBInstanceIdentifier", name), writer].concat())
        };
        let address = format!("{}.cluster-abcdefgh.{}.rds.amazonaws.com", self.name, self.place.region);
        [
            element("DBClusterIdentifier", &self.name),
            element("DBClusterArn", self.arn()),
            element("Status", &self.status),
            element("Endpoint", address),
            element("Port", self.port),
            element("ClusterCreateTime", time(self.created)),
            element("DBSubnetGroup", &self.subnet_group),
            element("DBClusterParameterGroup", &self.parameter_group),
            element("EngineMode", "provisioned"),
            element("DatabaseName", "app"),
            optional("DBClusterInstanceClass", self.class.as_ref()),
            list("AvailabilityZones", "AvailabilityZone", std::slice::from_ref(&self.zone)),
            within("DBClusterMembers", &members.iter().enumerate().map(member).collect::<String>()),
        ]
        .concat()
    }
}

pub(super) fn not_found<T>(kind: Kind, name: &str) -> Outcome<T> {
    match kind {
        Kind::Instance => refuse("DBInstanceNotFound", format!("DBInstance {name} not found.")),
        Kind::Cluster => refuse("DBClusterNotFoundFault", format!("DBCluster {name} not found.")),
    }
}

pub(super) fn bad_state<T>(kind: Kind, message: &str) -> Outcome<T> {
    let code = match kind {
        Kind::Instance => "InvalidDBInstanceState",
        Kind::Cluster => "InvalidDBClusterStateFault",
    };
    refuse(code, message)
}
