//! Every server of a subscription, with the settings of a target for it.

use std::path::Path;

use super::api::Api;
use super::wire::Server;
use super::{Flavor, Told, verify};
use crate::azure::fault::OrError;
use crate::azure::{Clients, names};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetName;
use crate::settings::{AzureAccess, AzureServer};
use crate::toml::toml_text;
use crate::{Discovery, Found};

pub(super) async fn all(told: Told<'_>, clients: &Clients, base: &Path) -> Result<Discovery> {
    let flavor = told.flavor;
    let nameless = || Error::new(ErrorKind::Usage, flavor.provider(), "discover", "servers", "no name");
    let target: TargetName = "servers".parse().map_err(|_| nameless())?;
    let home = flavor.home(&target, told.server);
    if !names::is_subscription(&home.subscription) {
        let reason = format!("{:?} can't be the id of a subscription", home.subscription);
        return Err(home.error(ErrorKind::Usage, "discover", "servers", reason));
    }
    let client = clients.open(home.provider, &told.server.access, base)?;
    let service = flavor.service(&client).or_error(&home, "discover", "servers")?;
    let api = Api { client, service, home };
    let subject = format!("servers of {}", api.home.subscription);
    let servers = api.servers().await.or_error(&api.home, "discover", &subject)?;
    let own = servers.into_iter().filter(|server| !verify::is_scratch(server));
    Ok(Discovery {
        found: own.map(|server| found(flavor, &told.server.access, server)).collect(),
        problems: Vec::new(),
    })
}

fn found(flavor: Flavor, access: &AzureAccess, server: Server) -> Found {
    let group = server.group().unwrap_or_default().to_owned();
    let settings =
        AzureServer { access: access.clone(), resource_group: group.clone(), server_name: server.name.clone() };
    let mut lines = vec![
        ("provider", toml_text(flavor.provider())),
        ("subscription_id", toml_text(&access.subscription_id)),
        ("resource_group", toml_text(&group)),
        ("server_name", toml_text(&server.name)),
    ];
    lines.extend(crate::azure::lines_of_access(access));
    let version = server.version().map(|version| format!(" {version}")).unwrap_or_default();
    Found {
        engine: Some(format!("{}{version}", flavor.engine())),
        provider_state: Some(server.state().to_owned()),
        identity: Told { flavor, server: &settings, container: None }.identity(),
        name: server.name,
        settings: lines,
    }
}
