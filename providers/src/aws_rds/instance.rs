//! The calls for DB instances.

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbInstance, Tag};

use super::api::{Database, From, NewCopy, PAGE, Page, Pages, Which};
use super::fault::{Called, Fault};
use super::record::{self, Record};
use super::shape::Shape;

pub(super) async fn page(client: &Client, which: Which<'_>, marker: Option<String>) -> Called<Page> {
    let call = client
        .describe_db_snapshots()
        .set_db_instance_identifier(which.database.map(str::to_owned))
        .set_db_snapshot_identifier(which.name.map(str::to_owned))
        .set_snapshot_type(which.made_by.map(str::to_owned))
        .max_records(PAGE)
        .set_marker(marker);
    let answer = call.send().await.map_err(|error| Fault::of("DescribeDBSnapshots", error))?;
    Ok(Page::new(answer.db_snapshots.unwrap_or_default(), answer.marker, Record::of_instance))
}

pub(super) async fn create(client: &Client, name: &str, database: &str, tags: Vec<Tag>) -> Called<Record> {
    let call =
        client.create_db_snapshot().db_snapshot_identifier(name).db_instance_identifier(database).set_tags(Some(tags));
    let answer = call.send().await.map_err(|error| Fault::of("CreateDBSnapshot", error))?;
    made(answer.db_snapshot.and_then(Record::of_instance), "CreateDBSnapshot")
}

pub(super) fn made<T>(made: Option<T>, action: &str) -> Called<T> {
    made.ok_or_else(|| Fault::unreadable(action, "what was made has no name"))
}

pub(super) async fn delete(client: &Client, name: &str) -> Called<()> {
    let call = client.delete_db_snapshot().db_snapshot_identifier(name);
    call.send().await.map(drop).map_err(|error| Fault::of("DeleteDBSnapshot", error))
}

pub(super) async fn copy(client: &Client, copy: &NewCopy<'_>) -> Called<Record> {
    let call = client
        .copy_db_snapshot()
        .source_db_snapshot_identifier(copy.source_arn)
        .target_db_snapshot_identifier(copy.name)
        .set_kms_key_id(copy.kms_key_id.map(str::to_owned))
        .set_option_group_name(copy.option_group.map(str::to_owned))
        .set_tags(Some(copy.tags.clone()));
    let answer = call.send().await.map_err(|error| Fault::of("CopyDBSnapshot", error))?;
    made(answer.db_snapshot.and_then(Record::of_instance), "CopyDBSnapshot")
}

/// The attribute that has the accounts which may restore and copy a snapshot.
pub(super) const SHARED: &str = "restore";

pub(super) async fn share(client: &Client, name: &str, with: &[String], without: &[String]) -> Called<Vec<String>> {
    let call = client
        .modify_db_snapshot_attribute()
        .db_snapshot_identifier(name)
        .attribute_name(SHARED)
        .set_values_to_add(some(with))
        .set_values_to_remove(some(without));
    let answer = call.send().await.map_err(|error| Fault::of("ModifyDBSnapshotAttribute", error))?;
    let attributes = answer.db_snapshot_attributes_result.and_then(|result| result.db_snapshot_attributes);
    let shared = attributes.unwrap_or_default().into_iter().find(|of| of.attribute_name.as_deref() == Some(SHARED));
    let shared = shared.ok_or_else(|| Fault::unreadable("ModifyDBSnapshotAttribute", "it has no accounts"))?;
    Ok(shared.attribute_values.unwrap_or_default())
}

pub(super) fn some(accounts: &[String]) -> Option<Vec<String>> {
    Some(accounts.to_vec()).filter(|accounts| !accounts.is_empty())
}

pub(super) async fn databases(client: &Client, name: Option<&str>) -> Called<Vec<Database>> {
    let mut found = Vec::new();
    let mut pages = Pages::of("DescribeDBInstances");
    loop {
        let call = client
            .describe_db_instances()
            .set_db_instance_identifier(name.map(str::to_owned))
            .max_records(PAGE)
            .set_marker(pages.marker());
        let answer = call.send().await.map_err(|error| Fault::of("DescribeDBInstances", error))?;
        found.extend(answer.db_instances.unwrap_or_default().into_iter().filter_map(database));
        if pages.end_with(answer.marker)? {
            return Ok(found);
        }
    }
}

fn database(instance: DbInstance) -> Option<Database> {
    let groups = instance.vpc_security_groups.unwrap_or_default();
    let shape = Shape {
        class: instance.db_instance_class,
        subnet_group: instance.db_subnet_group.and_then(|group| group.db_subnet_group_name),
        security_groups: Some(groups.into_iter().filter_map(|group| group.vpc_security_group_id).collect()),
        parameter_group: first(instance.db_parameter_groups, |group| group.db_parameter_group_name),
        option_group: first(instance.option_group_memberships, |group| group.option_group_name),
        multi_az: instance.multi_az,
        port: instance.endpoint.and_then(|endpoint| endpoint.port).filter(|port| *port > 0),
        deletion_protection: instance.deletion_protection,
        publicly_accessible: instance.publicly_accessible,
        iam_authentication: instance.iam_database_authentication_enabled,
        copy_tags: instance.copy_tags_to_snapshot,
        minor_upgrades: instance.auto_minor_version_upgrade,
        logs: instance.enabled_cloudwatch_logs_exports,
        ..Shape::default()
    };
    Some(Database {
        name: instance.db_instance_identifier?,
        status: instance.db_instance_status.unwrap_or_default(),
        percent: percent(instance.percent_progress.as_deref()),
        engine: instance.engine.unwrap_or_default(),
        version: instance.engine_version,
        cluster: instance.db_cluster_identifier.filter(|cluster| !cluster.is_empty()),
        members: Vec::new(),
        created_at: record::moment(instance.instance_create_time.as_ref()),
        restorable: (None, record::moment(instance.latest_restorable_time.as_ref())),
        tags: record::tags(instance.tag_list),
        shape,
    })
}

/// RDS tells an instance's progress as text.
pub(super) fn percent(progress: Option<&str>) -> Option<u8> {
    progress.and_then(|text| text.trim_end_matches('%').parse().ok()).filter(|percent| *percent <= 100)
}

fn first<T>(list: Option<Vec<T>>, name: fn(T) -> Option<String>) -> Option<String> {
    list.unwrap_or_default().into_iter().next().and_then(name)
}

pub(super) async fn restore(
    client: &Client,
    from: &From<'_>,
    name: &str,
    shape: &Shape,
    tags: Vec<Tag>,
) -> Called<Database> {
    let shape = shape.clone();
    // The two calls take the same settings, and are of two types.
    macro_rules! with_shape {
        ($call:expr) => {
            $call
                .set_db_instance_class(shape.class)
                .set_db_subnet_group_name(shape.subnet_group)
                .set_vpc_security_group_ids(shape.security_groups.filter(|groups| !groups.is_empty()))
                .set_db_parameter_group_name(shape.parameter_group)
                .set_option_group_name(shape.option_group)
                .set_multi_az(shape.multi_az)
                .set_port(shape.port)
                .set_deletion_protection(shape.deletion_protection)
                .set_publicly_accessible(shape.publicly_accessible)
                .set_enable_iam_database_authentication(shape.iam_authentication)
                .set_copy_tags_to_snapshot(shape.copy_tags)
                .set_auto_minor_version_upgrade(shape.minor_upgrades)
                .set_availability_zone(shape.availability_zone)
                .set_storage_type(shape.storage_type)
                .set_iops(shape.iops)
                .set_backup_retention_period(shape.backup_days)
                .set_enable_cloudwatch_logs_exports(shape.logs.filter(|logs| !logs.is_empty()))
                .set_tags(Some(tags))
        };
    }
    let made_one = match from {
        From::Snapshot(snapshot, _) => {
            let call = client.restore_db_instance_from_db_snapshot();
            let call = with_shape!(call.db_snapshot_identifier(*snapshot).db_instance_identifier(name));
            let answer = call.send().await.map_err(|error| Fault::of("RestoreDBInstanceFromDBSnapshot", error))?;
            answer.db_instance
        }
        From::Time(source, time) => {
            let call = client.restore_db_instance_to_point_in_time();
            let call = call.source_db_instance_identifier(*source).target_db_instance_identifier(name);
            let call = with_shape!(call.restore_time(time_of(*time)));
            let answer = call.send().await.map_err(|error| Fault::of("RestoreDBInstanceToPointInTime", error))?;
            answer.db_instance
        }
    };
    made(made_one.and_then(database), "RestoreDBInstance")
}

pub(super) fn time_of(time: chrono::DateTime<chrono::Utc>) -> aws_sdk_rds::primitives::DateTime {
    aws_sdk_rds::primitives::DateTime::from_secs_and_nanos(time.timestamp(), time.timestamp_subsec_nanos())
}

/// An instance of an Aurora cluster.
pub(super) async fn create_member(
    client: &Client,
    cluster: &Database,
    name: &str,
    shape: &Shape,
    tags: Vec<Tag>,
) -> Called<()> {
    let call = client
        .create_db_instance()
        .db_instance_identifier(name)
        .db_cluster_identifier(&cluster.name)
        .engine(&cluster.engine)
        .set_db_instance_class(shape.class.clone())
        .set_db_parameter_group_name(shape.parameter_group.clone())
        .set_publicly_accessible(shape.publicly_accessible)
        .set_auto_minor_version_upgrade(shape.minor_upgrades)
        .set_availability_zone(shape.availability_zone.clone())
        .set_tags(Some(tags));
    call.send().await.map(drop).map_err(|error| Fault::of("CreateDBInstance", error))
}

pub(super) async fn discard(client: &Client, name: &str) -> Called<()> {
    let call = client
        .delete_db_instance()
        .db_instance_identifier(name)
        .skip_final_snapshot(true)
        .delete_automated_backups(true);
    call.send().await.map(drop).map_err(|error| Fault::of("DeleteDBInstance", error))
}
