//! The actions that are simulated, with every parameter that each takes.

use super::call::{Call, Outcome, not_simulated};
use super::snapshot::Kind::{Cluster, Instance};
use super::world::World;
use super::{attributes, caller, databases, export, key, restore, snapshots};

type Handler = fn(&mut World, &Call) -> Outcome;

/// An action. A parameter with a dot at its end is a list.
pub(super) struct Action {
    name: &'static str,
    parameters: &'static [&'static str],
    handler: Handler,
}

macro_rules! actions {
    ($($name:literal [$($parameter:literal)*] $handler:expr;)*) => {
        &[$(Action { name: $name, parameters: &[$($parameter),*], handler: $handler }),*]
    };
}

const ACTIONS: &[Action] = actions! {
    "DescribeDBSnapshots" [
        "DBInstanceIdentifier" "DBSnapshotIdentifier" "SnapshotType" "IncludeShared" "IncludePublic" "MaxRecords"
        "Marker"
    ] |world, call| snapshots::describe(world, call, Instance);
    "DescribeDBClusterSnapshots" [
        "DBClusterIdentifier" "DBClusterSnapshotIdentifier" "SnapshotType" "IncludeShared" "IncludePublic"
        "MaxRecords" "Marker"
    ] |world, call| snapshots::describe(world, call, Cluster);
    "CreateDBSnapshot" ["DBSnapshotIdentifier" "DBInstanceIdentifier" "Tags.Tag."]
        |world, call| snapshots::create(world, call, Instance);
    "CreateDBClusterSnapshot" ["DBClusterSnapshotIdentifier" "DBClusterIdentifier" "Tags.Tag."]
        |world, call| snapshots::create(world, call, Cluster);
    "DeleteDBSnapshot" ["DBSnapshotIdentifier"]
        |world, call| snapshots::delete(world, call, Instance);
    "DeleteDBClusterSnapshot" ["DBClusterSnapshotIdentifier"]
        |world, call| snapshots::delete(world, call, Cluster);
    "CopyDBSnapshot" [
        "SourceDBSnapshotIdentifier" "TargetDBSnapshotIdentifier" "KmsKeyId" "Tags.Tag." "CopyTags"
        "OptionGroupName"
    ] |world, call| snapshots::copy(world, call, Instance);
    "CopyDBClusterSnapshot" [
        "SourceDBClusterSnapshotIdentifier" "TargetDBClusterSnapshotIdentifier" "KmsKeyId" "Tags.Tag." "CopyTags"
    ] |world, call| snapshots::copy(world, call, Cluster);
    "DescribeDBSnapshotAttributes" ["DBSnapshotIdentifier"]
        |world, call| attributes::describe(world, call, Instance);
    "DescribeDBClusterSnapshotAttributes" ["DBClusterSnapshotIdentifier"]
        |world, call| attributes::describe(world, call, Cluster);
    "ModifyDBSnapshotAttribute" [
        "DBSnapshotIdentifier" "AttributeName" "ValuesToAdd.AttributeValue." "ValuesToRemove.AttributeValue."
    ] |world, call| attributes::modify(world, call, Instance);
    "ModifyDBClusterSnapshotAttribute" [
        "DBClusterSnapshotIdentifier" "AttributeName" "ValuesToAdd.AttributeValue." "ValuesToRemove.AttributeValue."
    ] |world, call| attributes::modify(world, call, Cluster);
    "AddTagsToResource" ["ResourceName" "Tags.Tag."] attributes::add_tags;
    "DescribeAccountAttributes" [] attributes::quotas;
    "DescribeDBInstances" ["DBInstanceIdentifier" "MaxRecords" "Marker"]
        |world, call| databases::describe(world, call, Instance);
    "DescribeDBClusters" ["DBClusterIdentifier" "MaxRecords" "Marker"]
        |world, call| databases::describe(world, call, Cluster);
    "DeleteDBInstance" [
        "DBInstanceIdentifier" "SkipFinalSnapshot" "FinalDBSnapshotIdentifier" "DeleteAutomatedBackups"
    ] |world, call| databases::delete(world, call, Instance);
    "DeleteDBCluster" [
        "DBClusterIdentifier" "SkipFinalSnapshot" "FinalDBSnapshotIdentifier" "DeleteAutomatedBackups"
    ] |world, call| databases::delete(world, call, Cluster);
    "RestoreDBInstanceFromDBSnapshot" [
        "DBInstanceIdentifier" "DBSnapshotIdentifier" "DBInstanceClass" "Port" "AvailabilityZone" "DBSubnetGroupName"
        "MultiAZ" "PubliclyAccessible" "AutoMinorVersionUpgrade" "BackupRetentionPeriod" "Iops" "OptionGroupName"
        "Tags.Tag." "StorageType"
        "VpcSecurityGroupIds.VpcSecurityGroupId." "CopyTagsToSnapshot" "EnableIAMDatabaseAuthentication"
        "DBParameterGroupName" "DeletionProtection"
    ] |world, call| restore::from_snapshot(world, call, Instance);
    "RestoreDBInstanceToPointInTime" [
        "SourceDBInstanceIdentifier" "TargetDBInstanceIdentifier" "RestoreTime" "UseLatestRestorableTime"
        "DBInstanceClass" "Port" "AvailabilityZone" "DBSubnetGroupName" "MultiAZ" "PubliclyAccessible"
        "AutoMinorVersionUpgrade" "BackupRetentionPeriod" "Iops" "OptionGroupName" "Tags.Tag." "StorageType"
        "VpcSecurityGroupIds.VpcSecurityGroupId." "CopyTagsToSnapshot" "EnableIAMDatabaseAuthentication"
        "DBParameterGroupName" "DeletionProtection"
    ] |world, call| restore::to_moment(world, call, Instance);
    "RestoreDBClusterFromSnapshot" [
        "DBClusterIdentifier" "SnapshotIdentifier" "Engine" "EngineVersion" "Port" "DBSubnetGroupName" "OptionGroupName"
        "VpcSecurityGroupIds.VpcSecurityGroupId." "Tags.Tag." "KmsKeyId" "EnableIAMDatabaseAuthentication"
        "DBClusterParameterGroupName" "DeletionProtection" "CopyTagsToSnapshot" "DBClusterInstanceClass" "StorageType"
        "Iops" "PubliclyAccessible"
    ] |world, call| restore::from_snapshot(world, call, Cluster);
    "RestoreDBClusterToPointInTime" [
        "DBClusterIdentifier" "SourceDBClusterIdentifier" "RestoreToTime" "UseLatestRestorableTime" "Port"
        "DBSubnetGroupName" "OptionGroupName" "VpcSecurityGroupIds.VpcSecurityGroupId." "Tags.Tag." "KmsKeyId"
        "EnableIAMDatabaseAuthentication" "DBClusterParameterGroupName" "DeletionProtection" "CopyTagsToSnapshot"
        "DBClusterInstanceClass" "StorageType" "Iops" "PubliclyAccessible"
    ] |world, call| restore::to_moment(world, call, Cluster);
    "CreateDBInstance" [
        "DBInstanceIdentifier" "DBInstanceClass" "Engine" "DBClusterIdentifier" "Tags.Tag." "DBParameterGroupName"
        "PubliclyAccessible" "AutoMinorVersionUpgrade" "AvailabilityZone" "DBSubnetGroupName" "CopyTagsToSnapshot"
    ] restore::create_member;
    "StartExportTask" [
        "ExportTaskIdentifier" "SourceArn" "S3BucketName" "S3Prefix" "IamRoleArn" "KmsKeyId" "ExportOnly.member."
    ] export::start;
    "DescribeExportTasks" ["ExportTaskIdentifier" "SourceArn" "MaxRecords" "Marker"] export::describe;
    "DescribeKey" ["KeyId"] key::describe;
    "GetCallerIdentity" [] caller::identity;
    "SimulatePrincipalPolicy" ["PolicySourceArn" "ActionNames.member." "ResourceArns.member." "ContextEntries.member."]
        caller::simulate;
};

impl Action {
    /// The action of a call, if all of it is simulated.
    pub(super) fn of(call: &Call) -> Outcome<&'static Self> {
        let of_kms = |action: &Action| action.name == "DescribeKey";
        let found = ACTIONS.iter().find(|action| action.name == call.action && of_kms(action) == call.is_of_kms());
        let Some(found) = found else { return not_simulated(format!("{}:{}", call.service, call.action)) };
        let known = |name: &str| {
            found.parameters.iter().any(|known| *known == name || known.ends_with('.') && name.starts_with(known))
        };
        match call.parameters.keys().find(|name| !known(name)) {
            Some(name) => not_simulated(format!("{} with {name}", call.action)),
            None => Ok(found),
        }
    }

    pub(super) fn carry_out(&self, world: &mut World, call: &Call) -> Outcome {
        (self.handler)(world, call)
    }
}
