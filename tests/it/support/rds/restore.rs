//! Instances and clusters that are made of snapshots and of moments, and members of clusters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::call::{Call, Outcome, bad_value, refuse};
use super::database::{self, Database};
use super::names;
use super::snapshot::Kind;
use super::snapshots;
use super::world::World;

/// A new database, as RDS sets it up where the call doesn't say: little of the source is taken over.
fn plain(call: &Call, kind: Kind, like: &Database, name: String) -> Database {
    Database {
        kind,
        place: call.place.clone(),
        name,
        status: "creating".into(),
        looks: 0,
        zone: "eu-central-1a".into(),
        subnet_group: "default".into(),
        security_groups: vec!["sg-default".into()],
        parameter_group: format!("default.{}16", like.engine),
        option_group: "default:postgres-16".into(),
        multi_az: false,
        deletion_protection: false,
        public: false,
        iam_authentication: false,
        copy_tags: false,
        minor_upgrades: true,
        cluster: None,
        tags: BTreeMap::new(),
        created: Utc::now(),
        past: Vec::new(),
        ..like.clone()
    }
}

fn set_text(call: &Call, name: &str, value: &mut String) {
    if let Some(given) = call.get(name) {
        given.clone_into(value);
    }
}

fn set_flag(call: &Call, name: &str, value: &mut bool) -> Outcome<()> {
    *value = call.flag(name)?.unwrap_or(*value);
    Ok(())
}

/// The database with what the call asks for. Groups must be there in its region.
fn configured(world: &World, call: &Call, mut database: Database) -> Outcome<Database> {
    database.tags = call.valid_tags()?;
    set_text(call, "AvailabilityZone", &mut database.zone);
    set_text(call, "DBSubnetGroupName", &mut database.subnet_group);
    set_text(call, "DBParameterGroupName", &mut database.parameter_group);
    set_text(call, "DBClusterParameterGroupName", &mut database.parameter_group);
    set_text(call, "OptionGroupName", &mut database.option_group);
    set_text(call, "StorageType", &mut database.storage_type);
    if let Some(days) = call.get("BackupRetentionPeriod") {
        assert!(days.parse::<u8>().is_ok_and(|days| days <= 35), "{days} days of backups");
    }
    set_flag(call, "MultiAZ", &mut database.multi_az)?;
    set_flag(call, "DeletionProtection", &mut database.deletion_protection)?;
    set_flag(call, "PubliclyAccessible", &mut database.public)?;
    set_flag(call, "EnableIAMDatabaseAuthentication", &mut database.iam_authentication)?;
    set_flag(call, "CopyTagsToSnapshot", &mut database.copy_tags)?;
    set_flag(call, "AutoMinorVersionUpgrade", &mut database.minor_upgrades)?;
    database.port = call.number("Port")?.unwrap_or(database.port);
    database.iops = call.number("Iops")?.or(database.iops);
    for parameter in ["DBInstanceClass", "DBClusterInstanceClass"] {
        if let Some(class) = call.get(parameter) {
            database.class = Some(known_class(class)?);
        }
    }
    let groups = call.list("VpcSecurityGroupIds.VpcSecurityGroupId");
    if !groups.is_empty() {
        database.security_groups = groups;
    }
    if call.flag("MultiAZ")? == Some(true) && call.get("AvailabilityZone").is_some() {
        return refuse(
            "InvalidParameterCombination",
            "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        );
    }
    world.has_groups(&database)?;
    if world.doomed {
        database.ends = "incompatible-restore";
    }
    Ok(database)
}

fn known_class(class: &str) -> Outcome {
    if class.starts_with("db.") {
        return Ok(class.to_owned());
    }
    bad_value(format!("Invalid DB Instance class: {class}"))
}

/// A name that is free.
fn new_name(world: &mut World, call: &Call, kind: Kind, parameter: &str) -> Outcome {
    let name = names::database(kind, call.required(parameter)?)?;
    if world.database(kind, &call.place, &name).is_none() {
        return Ok(name);
    }
    match kind {
        Kind::Instance => refuse("DBInstanceAlreadyExists", "DB instance already exists"),
        Kind::Cluster => refuse("DBClusterAlreadyExistsFault", "DB Cluster already exists"),
    }
}

/// Adds what a call makes, and gives the answer.
fn begin(world: &mut World, call: &Call, database: Database) -> Outcome {
    let database = configured(world, call, database)?;
    let (kind, place, name) = (database.kind, database.place.clone(), database.name.clone());
    // a Multi-AZ cluster makes its own instances, an Aurora cluster has none at first
    if kind == Kind::Cluster && !database.is_aurora() {
        if database.class.is_none() {
            return bad_value("DBClusterInstanceClass is required.");
        }
        for number in 1..=3 {
            let member = Database::member(&format!("{name}-instance-{number}"), &database);
            world.add(Database { status: "creating".into(), ..member });
        }
    }
    let members = world.members(&place, &name);
    Ok(world.add(database).xml(&members))
}

pub(super) fn from_snapshot(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let parameter = match kind {
        Kind::Instance => "DBSnapshotIdentifier",
        Kind::Cluster => "SnapshotIdentifier",
    };
    let snapshot = snapshots::source(world, call, kind, call.required(parameter)?)?;
    if snapshot.place.region != call.place.region {
        return kind.not_found(&snapshot.arn());
    }
    let name = new_name(world, call, kind, kind.source_parameter())?;
    if snapshot.status != "available" {
        return kind.bad_state("The snapshot is not in the available state.");
    }
    if snapshot.place.account != call.place.account && snapshot.key.is_some() {
        return refuse("KMSKeyNotAccessibleFault", "A shared encrypted snapshot must be copied before it is restored.");
    }
    if kind == Kind::Cluster && call.required("Engine")? != snapshot.database.engine {
        return refuse("InvalidRestoreFault", "The engine is not that of the snapshot.");
    }
    let key = world.named_key(call)?.or_else(|| snapshot.key.clone());
    let like = Database { key, ..snapshot.database };
    begin(world, call, plain(call, kind, &like, name))
}

pub(super) fn to_moment(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let (source, target, moment) = match kind {
        Kind::Instance => ("SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier", "RestoreTime"),
        Kind::Cluster => ("SourceDBClusterIdentifier", "DBClusterIdentifier", "RestoreToTime"),
    };
    let source = names::database(kind, call.required(source)?)?;
    let Some(database) = world.database(kind, &call.place, &source).map(|found| found.clone()) else {
        return database::not_found(kind, &source);
    };
    let name = new_name(world, call, kind, target)?;
    let latest = call.flag("UseLatestRestorableTime")?.unwrap_or(false);
    let moment: DateTime<Utc> = match (call.get(moment), latest) {
        (None, true) => Database::latest_restorable(),
        (Some(text), false) => match text.parse() {
            Ok(moment) => moment,
            Err(_) => return refuse("MalformedInput", format!("no timestamp: {text}")),
        },
        _ => return refuse("InvalidParameterCombination", "Exactly one of the moment and the latest is needed."),
    };
    if moment > Utc::now() || moment < database.created {
        return bad_value(format!("The specified restore time {moment} is not within the restorable period."));
    }
    let content = database.content_at(moment).to_owned();
    let like = Database { content, ..database };
    begin(world, call, plain(call, kind, &like, name))
}

/// An instance for a cluster; no other kind of instance is made here.
pub(super) fn create_member(world: &mut World, call: &Call) -> Outcome {
    let name = new_name(world, call, Kind::Instance, "DBInstanceIdentifier")?;
    let cluster = names::database(Kind::Cluster, call.required("DBClusterIdentifier")?)?;
    let class = known_class(call.required("DBInstanceClass")?)?;
    let looks = world.looks;
    let Some(found) = world.database(Kind::Cluster, &call.place, &cluster) else {
        return database::not_found(Kind::Cluster, &cluster);
    };
    found.look(looks);
    let cluster = found.clone();
    if cluster.status != "available" {
        return database::bad_state(Kind::Cluster, "The DB cluster is not in the available state.");
    }
    if call.required("Engine")? != cluster.engine || !cluster.is_aurora() {
        return refuse("InvalidParameterCombination", "The engine of the instance is not that of an Aurora cluster.");
    }
    if call.flag("DeletionProtection")? == Some(true) {
        return bad_value("Deletion protection is set for the cluster.");
    }
    let member = plain(call, Kind::Instance, &cluster, name);
    let member = Database { cluster: Some(cluster.name.clone()), class: Some(class), ..member };
    let member = configured(world, call, Database { subnet_group: cluster.subnet_group, ..member })?;
    Ok(world.add(member).xml(&[]))
}
