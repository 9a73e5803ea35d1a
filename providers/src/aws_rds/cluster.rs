//! The calls for Aurora and Multi-AZ clusters.

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbCluster, Tag};

use super::api::{Database, From, NewCopy, PAGE, Page, Pages, Which};
use super::fault::{Called, Fault};
use super::instance::{SHARED, made, percent, some, time_of};
use super::record::{self, Record};
use super::shape::{Capacity, Shape};

pub(super) async fn page(client: &Client, which: Which<'_>, marker: Option<String>) -> Called<Page> {
    let call = client
        .describe_db_cluster_snapshots()
        .set_db_cluster_identifier(which.database.map(str::to_owned))
        .set_db_cluster_snapshot_identifier(which.name.map(str::to_owned))
        .set_snapshot_type(which.made_by.map(str::to_owned))
        .max_records(PAGE)
        .set_marker(marker);
    let answer = call.send().await.map_err(|error| Fault::of("DescribeDBClusterSnapshots", error))?;
    Ok(Page::new(answer.db_cluster_snapshots.unwrap_or_default(), answer.marker, Record::of_cluster))
}

pub(super) async fn create(client: &Client, name: &str, database: &str, tags: Vec<Tag>) -> Called<Record> {
    let call = client
        .create_db_cluster_snapshot()
        .db_cluster_snapshot_identifier(name)
        .db_cluster_identifier(database)
        .set_tags(Some(tags));
    let answer = call.send().await.map_err(|error| Fault::of("CreateDBClusterSnapshot", error))?;
    made(answer.db_cluster_snapshot.and_then(Record::of_cluster), "CreateDBClusterSnapshot")
}

pub(super) async fn delete(client: &Client, name: &str) -> Called<()> {
    let call = client.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name);
    call.send().await.map(drop).map_err(|error| Fault::of("DeleteDBClusterSnapshot", error))
}

pub(super) async fn copy(client: &Client, copy: &NewCopy<'_>) -> Called<Record> {
    let call = client
        .copy_db_cluster_snapshot()
        .source_db_cluster_snapshot_identifier(copy.source_arn)
        .target_db_cluster_snapshot_identifier(copy.name)
        .set_kms_key_id(copy.kms_key_id.map(str::to_owned))
        .set_tags(Some(copy.tags.clone()));
    let answer = call.send().await.map_err(|error| Fault::of("CopyDBClusterSnapshot", error))?;
    made(answer.db_cluster_snapshot.and_then(Record::of_cluster), "CopyDBClusterSnapshot")
}

pub(super) async fn share(client: &Client, name: &str, with: &[String], without: &[String]) -> Called<Vec<String>> {
    let call = client
        .modify_db_cluster_snapshot_attribute()
        .db_cluster_snapshot_identifier(name)
        .attribute_name(SHARED)
        .set_values_to_add(some(with))
        .set_values_to_remove(some(without));
    let answer = call.send().await.map_err(|error| Fault::of("ModifyDBClusterSnapshotAttribute", error))?;
    let attributes = answer.db_cluster_snapshot_attributes_result.and_then(|of| of.db_cluster_snapshot_attributes);
    let shared = attributes.unwrap_or_default().into_iter().find(|of| of.attribute_name.as_deref() == Some(SHARED));
    let shared = shared.ok_or_else(|| Fault::unreadable("ModifyDBClusterSnapshotAttribute", "it has no accounts"))?;
    Ok(shared.attribute_values.unwrap_or_default())
}

pub(super) async fn databases(client: &Client, name: Option<&str>) -> Called<Vec<Database>> {
    let mut found = Vec::new();
    let mut pages = Pages::of("DescribeDBClusters");
    loop {
        let call = client
            .describe_db_clusters()
            .set_db_cluster_identifier(name.map(str::to_owned))
            .max_records(PAGE)
            .set_marker(pages.marker());
        let answer = call.send().await.map_err(|error| Fault::of("DescribeDBClusters", error))?;
        found.extend(answer.db_clusters.unwrap_or_default().into_iter().filter_map(database));
        if pages.end_with(answer.marker)? {
            return Ok(found);
        }
    }
}

fn database(cluster: DbCluster) -> Option<Database> {
    let groups = cluster.vpc_security_groups.unwrap_or_default();
    let scaling = cluster.serverless_v2_scaling_configuration;
    let shape = Shape {
        cluster_class: cluster.db_cluster_instance_class.filter(|class| !class.is_empty()),
        subnet_group: cluster.db_subnet_group,
        security_groups: Some(groups.into_iter().filter_map(|group| group.vpc_security_group_id).collect()),
        cluster_parameter_group: cluster.db_cluster_parameter_group,
        port: cluster.port.filter(|port| *port > 0),
        deletion_protection: cluster.deletion_protection,
        iam_authentication: cluster.iam_database_authentication_enabled,
        copy_tags: cluster.copy_tags_to_snapshot,
        storage_type: cluster.storage_type.filter(|kind| !kind.is_empty()),
        iops: cluster.iops,
        logs: cluster.enabled_cloudwatch_logs_exports,
        capacity: scaling.map(|scaling| Capacity {
            least: scaling.min_capacity,
            most: scaling.max_capacity,
            pause: scaling.seconds_until_auto_pause,
        }),
        ..Shape::default()
    };
    let mut members = cluster.db_cluster_members.unwrap_or_default();
    members.sort_by_key(|member| member.is_cluster_writer != Some(true)); // a new instance is to be like the writer
    Some(Database {
        name: cluster.db_cluster_identifier?,
        status: cluster.status.unwrap_or_default(),
        percent: percent(cluster.percent_progress.as_deref()),
        engine: cluster.engine.unwrap_or_default(),
        version: cluster.engine_version,
        cluster: None,
        members: members.into_iter().filter_map(|member| member.db_instance_identifier).collect(),
        created_at: record::moment(cluster.cluster_create_time.as_ref()),
        restorable: (
            record::moment(cluster.earliest_restorable_time.as_ref()),
            record::moment(cluster.latest_restorable_time.as_ref()),
        ),
        tags: record::tags(cluster.tag_list),
        shape,
    })
}

pub(super) async fn restore(
    client: &Client,
    from: &From<'_>,
    name: &str,
    shape: &Shape,
    tags: Vec<Tag>,
) -> Called<Database> {
    let shape = shape.clone();
    let multi_az = shape.cluster_class.is_some();
    // The two calls take the same settings, and are of two types.
    macro_rules! with_shape {
        ($call:expr) => {
            $call
                .db_cluster_identifier(name)
                .set_db_subnet_group_name(shape.subnet_group)
                .set_vpc_security_group_ids(shape.security_groups.filter(|groups| !groups.is_empty()))
                .set_db_cluster_parameter_group_name(shape.cluster_parameter_group)
                .set_option_group_name(shape.option_group)
                .set_port(shape.port)
                .set_deletion_protection(shape.deletion_protection)
                .set_enable_iam_database_authentication(shape.iam_authentication)
                .set_copy_tags_to_snapshot(shape.copy_tags)
                .set_kms_key_id(shape.kms_key_id)
                .set_serverless_v2_scaling_configuration(shape.capacity.as_ref().map(Capacity::configuration))
                .set_db_cluster_instance_class(shape.cluster_class)
                // Aurora has its storage from the engine; a Multi-AZ cluster must be told.
                .set_storage_type(shape.storage_type.filter(|kind| multi_az || kind.starts_with("aurora-")))
                .set_iops(shape.iops.filter(|_| multi_az))
                .set_publicly_accessible(shape.publicly_accessible.filter(|_| multi_az))
                .set_enable_cloudwatch_logs_exports(shape.logs.filter(|logs| !logs.is_empty()))
                .set_tags(Some(tags))
        };
    }
    let made_one = match from {
        From::Snapshot(snapshot, engine) => {
            let call = client.restore_db_cluster_from_snapshot().snapshot_identifier(*snapshot).engine(*engine);
            let answer = with_shape!(call).set_engine_version(shape.engine_version).send().await;
            answer.map_err(|error| Fault::of("RestoreDBClusterFromSnapshot", error))?.db_cluster
        }
        From::Time(source, time) => {
            let call = client.restore_db_cluster_to_point_in_time().source_db_cluster_identifier(*source);
            let answer = with_shape!(call).restore_to_time(time_of(*time)).send().await;
            answer.map_err(|error| Fault::of("RestoreDBClusterToPointInTime", error))?.db_cluster
        }
    };
    made(made_one.and_then(database), "RestoreDBCluster")
}

pub(super) async fn discard(client: &Client, name: &str) -> Called<()> {
    let call = client.delete_db_cluster().db_cluster_identifier(name).skip_final_snapshot(true);
    call.send().await.map(drop).map_err(|error| Fault::of("DeleteDBCluster", error))
}
