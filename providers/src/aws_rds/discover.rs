//! Every instance and cluster of an account and region, with the settings of a target for it.

use super::api::{Api, Database, Family};
use super::fault::OrError;
use super::{Home, NAME, identity, names, open_region, tags};
use crate::Found;
use crate::aws::Clients;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetName;
use crate::settings::AwsRds;
use crate::toml::toml_text;

/// Clusters first; instances that belong to one have no snapshots of their own.
pub(super) async fn all(settings: &AwsRds, clients: &Clients) -> Result<Vec<Found>> {
    let target: TargetName =
        "databases".parse().map_err(|_| Error::new(ErrorKind::Usage, NAME, "discover", "databases", "no name"))?;
    let home = Home::of_database(&target, settings, Family::Cluster, "");
    let clusters = open_region(&home, clients, &home.region).await;
    let instances = Api { family: Family::Instance, ..clusters.clone() };
    let subject = || format!("databases in {}", home.region);
    let (clusters, instances) = tokio::join!(clusters.databases(), instances.databases());
    let clusters = clusters.or_error(&home, "discover", subject())?;
    let instances = instances.or_error(&home, "discover", subject())?;
    let foreign = |cluster: &Database| ["docdb", "neptune"].contains(&&*cluster.engine);
    let clusters = clusters.into_iter().filter(|cluster| !is_scratch(cluster) && !foreign(cluster));
    let clusters = clusters.map(|cluster| found(settings, cluster, Family::Cluster));
    let alone = instances.into_iter().filter(|instance| instance.cluster.is_none() && !is_scratch(instance));
    Ok(clusters.chain(alone.map(|instance| found(settings, instance, Family::Instance))).collect())
}

/// Whether it was made for a verification, and goes when that ends.
fn is_scratch(database: &Database) -> bool {
    database.name.starts_with(names::SCRATCH) && tags::is_any_scratch(&database.tags)
}

fn found(place: &AwsRds, database: Database, family: Family) -> Found {
    let name = Some(database.name.clone());
    let mut settings = place.clone();
    (settings.db_instance_identifier, settings.db_cluster_identifier) = match family {
        Family::Instance => (name, None),
        Family::Cluster => (None, name),
    };
    let mut lines = vec![("provider", toml_text(NAME)), ("region", toml_text(&place.region))];
    lines.push((family.config_key(), toml_text(&database.name)));
    let others = [
        ("profile", &place.profile),
        ("role_arn", &place.role_arn),
        ("external_id", &place.external_id),
        ("endpoint", &place.endpoint),
    ];
    lines.extend(others.into_iter().filter_map(|(key, value)| Some((key, toml_text(value.as_deref()?)))));
    Found {
        engine: Some(database.engine_and_version()),
        provider_state: Some(database.status),
        name: database.name,
        settings: lines,
        identity: identity(&settings),
    }
}
