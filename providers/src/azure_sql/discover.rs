//! Every database of a subscription, with the settings of a target for it.

use std::path::Path;

use super::api::Api;
use super::wire::{Database, Server};
use super::{KIND, NAME, identity, name, tags};
use crate::azure::fault::OrError;
use crate::azure::names::{SCRATCH, is_subscription};
use crate::azure::{self, Clients};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetName;
use crate::owner::Owner;
use crate::settings::AzureSql;
use crate::toml::{toml_secret, toml_text};
use crate::{Discovery, Found};

pub(super) async fn all(place: &AzureSql, clients: &Clients, base: &Path) -> Result<Discovery> {
    let target: TargetName =
        "databases".parse().map_err(|_| Error::new(ErrorKind::Usage, NAME, "discover", "databases", "no name"))?;
    let subscription = place.access.subscription_id.clone();
    let (group, server) = (String::new(), String::new());
    let home = azure::Home { owner: Owner { provider: NAME, target }, subscription, group, server, kind: KIND };
    if !is_subscription(&home.subscription) {
        let reason = format!("{:?} can't be the id of a subscription", home.subscription);
        return Err(home.error(ErrorKind::Usage, "discover", "databases", reason));
    }
    let api = Api { client: clients.open(NAME, &place.access, base)?, home: home.clone() };
    let subject = format!("databases of {}", home.subscription);
    let servers = api.servers().await.or_error(&home, "discover", &subject)?;
    let mut discovery = Discovery::default();
    for server in servers {
        let Some(group) = group_of(&server) else { continue };
        let subject = format!("databases of {}", server.name);
        match api.at(group, &server.name).databases().await.or_error(&home, "discover", &subject) {
            Ok(databases) => {
                let own = databases.into_iter().filter(is_own);
                discovery.found.extend(own.map(|database| found(place, group, &server, database)));
            }
            Err(problem) => discovery.problems.push(problem),
        }
    }
    Ok(discovery)
}

/// Whether it is somebody's, and not the server's or snapkeep's.
fn is_own(database: &Database) -> bool {
    let scratch = database.name.starts_with(SCRATCH) && tags::scratch_of(&database.tags).is_some();
    let copy = name::is_copy(&database.name) && tags::Marks::of(&database.tags).is_some();
    !name::is_system(&database.name) && !scratch && !copy
}

/// `rg` of `/subscriptions/s/resourceGroups/rg/providers/...`
fn group_of(server: &Server) -> Option<&str> {
    let mut parts = server.id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("resourceGroups"))?;
    parts.next().filter(|group| !group.is_empty())
}

fn found(place: &AzureSql, group: &str, server: &Server, database: Database) -> Found {
    let settings = AzureSql {
        resource_group: group.to_owned(),
        server_name: server.name.clone(),
        database: database.name.clone(),
        ..place.clone()
    };
    let access = &place.access;
    let mut lines = vec![
        ("provider", toml_text(NAME)),
        ("subscription_id", toml_text(&access.subscription_id)),
        ("resource_group", toml_text(group)),
        ("server_name", toml_text(&server.name)),
        ("database", toml_text(&database.name)),
    ];
    let addresses = [("endpoint", &access.endpoint), ("authority_host", &access.authority_host)];
    lines.extend(addresses.into_iter().filter_map(|(key, value)| Some((key, toml_text(value.as_deref()?)))));
    if let Some(token) = &access.access_token {
        lines.push(("access_token", toml_secret(token)));
    }
    Found {
        name: format!("{}/{}", server.name, database.name),
        engine: Some("sqlserver".into()),
        provider_state: Some(database.properties.status).filter(|status| !status.is_empty()),
        identity: identity(&settings),
        settings: lines,
    }
}
