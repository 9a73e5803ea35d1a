//! Every instance of a project, with the settings of a target for it.

use std::path::Path;

use super::api::{Api, is_project};
use super::fault::OrError;
use super::record::engine_and_version;
use super::wire::Instance;
use super::{Home, NAME, identity, verify};
use crate::error::{Error, ErrorKind, Result};
use crate::gcp::Clients;
use crate::model::TargetName;
use crate::settings::GcpCloudSql;
use crate::toml::{toml_secret, toml_text};
use crate::{Discovery, Found};

/// Primaries: replicas have no backups of their own that could be restored onto them.
pub(super) async fn all(place: &GcpCloudSql, clients: &Clients, base: &Path) -> Result<Discovery> {
    let target: TargetName =
        "instances".parse().map_err(|_| Error::new(ErrorKind::Usage, NAME, "discover", "instances", "no name"))?;
    let home = Home::new(&target, place);
    if !is_project(&place.project) {
        let reason = format!("{:?} can't be the id of a project", place.project);
        return Err(home.error(ErrorKind::Usage, "discover", "instances", reason));
    }
    let api = Api { client: clients.open(place, base)?, project: home.project.clone(), instance: String::new() };
    let subject = format!("instances of {}", home.project);
    let (instances, warnings) = api.instances(None).await.or_error(&home, "discover", &subject)?;
    let own = |instance: &Instance| {
        let kind = instance.instance_type.as_deref();
        kind.is_none_or(|kind| kind == "CLOUD_SQL_INSTANCE") && !verify::is_scratch(instance)
    };
    let found = instances.into_iter().filter(own).map(|instance| found(place, instance)).collect();
    let problems = warnings.iter().map(|warning| home.incomplete("discover", &subject, warning)).collect();
    Ok(Discovery { found, problems })
}

fn found(place: &GcpCloudSql, instance: Instance) -> Found {
    let settings = GcpCloudSql { instance: instance.name.clone(), ..place.clone() };
    let mut lines = vec![
        ("provider", toml_text(NAME)),
        ("project", toml_text(&place.project)),
        ("instance", toml_text(&instance.name)),
    ];
    if let Some(endpoint) = &place.endpoint {
        lines.push(("endpoint", toml_text(endpoint)));
    }
    if let Some(token) = &place.access_token {
        lines.push(("access_token", toml_secret(token)));
    }
    let state = if instance.is_stopped() { "stopped".to_owned() } else { instance.state };
    Found {
        engine: Some(engine_and_version(&instance.database_version)),
        provider_state: Some(state),
        identity: identity(&settings),
        name: instance.name,
        settings: lines,
    }
}
