//! Flexible servers: those that there are, and those that are restored.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::call::{Answer, Call, Outcome, invalid, not_simulated, refuse};
use super::methods::Service;
use super::operation::{Addresses, Begin, Effect};
use super::server::Server;
use super::world::{World, server_path};

pub(super) fn service(call: &Call) -> Service {
    if call.method.starts_with("mysql") { Service::MySql } else { Service::PostgreSql }
}

pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let (service, subscription, group) = (service(call), call.name("subscription"), call.name("group"));
    let wanted = |server: &&Server| {
        server.service == service
            && server.subscription.eq_ignore_ascii_case(subscription)
            && (group.is_empty() || server.group.eq_ignore_ascii_case(group))
    };
    let entries: Vec<Value> = world.servers.iter().filter(wanted).map(Server::resource).collect();
    world.page(call, &entries)
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    world.look_at_server(&server_path(call));
    let place = world.called(call)?;
    Ok(Answer::json(world.servers[place].resource()))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Outcome {
    let path = server_path(call);
    if !world.servers.iter().any(|server| server.is(&path)) {
        return Ok(Answer::empty(204));
    }
    world.free(&path, call.name("server"))?;
    let Some(server) = world.servers.iter_mut().find(|server| server.is(&path)) else { return Ok(Answer::empty(204)) };
    server.state = "Dropping".to_owned();
    let begin = Begin {
        service: server.service,
        scope: path.clone(),
        kind: "DropServerManagementOperation",
        location: server.location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::NoServer(path),
    };
    Ok(Answer { body: None, ..world.begin(call, begin) })
}

/// Restores a server as a new one. Others aren't made here.
pub(super) fn put(world: &mut World, call: &Call) -> Outcome {
    let (service, path, name) = (service(call), server_path(call), call.name("server").to_owned());
    let moment_field = if service == Service::MySql { "restorePointInTime" } else { "pointInTimeUTC" };
    has_known_fields(call, moment_field)?;
    world.free(&path, &name)?;
    let taken = world.servers.iter().any(|server| server.service == service && server.name.eq_ignore_ascii_case(&name));
    if taken {
        return refuse(409, "ServerNameAlreadyExists", "Specified server name is already used.");
    }
    let now = world.now();
    let source = source(world, call)?;
    let moment = match call.required("/properties/createMode")? {
        "PointInTimeRestore" => moment(call, &format!("/properties/{moment_field}"), &source, now)?,
        "GeoRestore" if source.geo_redundant => now,
        "GeoRestore" => {
            return refuse(400, "GeoBackupNotEnabled", "Geo-redundant backup is not enabled on the source server.");
        }
        "ReviveDropped" if service == Service::PostgreSql => moment(call, "/properties/pointInTimeUTC", &source, now)?,
        other => return not_simulated(format!("{} with the mode {other}", call.method)),
    };
    let location = call.required("/location")?;
    if call.field("/properties/createMode") != Some("GeoRestore") && !same_place(location, &source.location) {
        let message = "Restoring to a different location is not allowed for a point in time restore.";
        return refuse(400, "InvalidLocation", message);
    }
    let mut made = source.restored(&name, (call.name("subscription"), call.name("group")), moment, now);
    made.state.clone_from(&world.state_of_new);
    if let Some(tier) = call.field("/sku/tier") {
        tier.clone_into(&mut made.tier);
    }
    made.tags = call.body.as_ref().and_then(|body| body.get("tags")).cloned().unwrap_or_else(|| made.tags.clone());
    let begin = Begin {
        service,
        scope: path.clone(),
        kind: "RestoreServerManagementOperation",
        location: made.location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::Server(path),
    };
    world.servers.push(made);
    Ok(world.begin(call, begin))
}

/// Nothing may be in a request that isn't known. Of what a new server is to be like, only its tier counts for backups.
fn has_known_fields(call: &Call, moment_field: &str) -> Outcome<()> {
    call.only("", &["location", "tags", "sku", "properties"])?;
    call.only("/sku", &["name", "tier"])?;
    let settings = ["availabilityZone", "backup", "network", "storage"];
    call.only("/properties", &[&["createMode", "sourceServerResourceId", moment_field], &settings[..]].concat())?;
    call.only("/properties/backup", &["backupRetentionDays", "geoRedundantBackup"])?;
    call.only("/properties/storage", &["storageSizeGB"])?;
    let zone = if service(call) == Service::MySql { "privateDnsZoneResourceId" } else { "privateDnsZoneArmResourceId" };
    call.only("/properties/network", &["publicNetworkAccess", "delegatedSubnetResourceId", zone])
}

/// The server that is to be restored; it may be gone.
fn source(world: &World, call: &Call) -> Outcome<Server> {
    let id = call.required("/properties/sourceServerResourceId")?;
    let found = world.servers.iter().chain(&world.dropped).find(|server| server.is(id));
    match found {
        Some(server) if server.service == service(call) => Ok(server.clone()),
        _ => refuse(404, "ResourceNotFound", format!("The source server '{id}' was not found.")),
    }
}

fn moment(call: &Call, pointer: &str, source: &Server, now: DateTime<Utc>) -> Outcome<DateTime<Utc>> {
    let Ok(moment) = call.required(pointer)?.parse::<DateTime<Utc>>() else { return invalid(pointer) };
    if moment < source.earliest(now) || moment > now {
        let message = "The restore point in time is outside of the range in which the source server can be restored.";
        return refuse(400, "InvalidRestorePointInTime", message);
    }
    Ok(moment)
}

/// Whether two names are those of one location: `North Europe` and `northeurope`.
pub(super) fn same_place(one: &str, other: &str) -> bool {
    one.replace(' ', "").eq_ignore_ascii_case(&other.replace(' ', ""))
}

impl World {
    /// Deletes a server with all its backups, as Azure does.
    pub(super) fn drop_server(&mut self, path: &str) {
        let Some(place) = self.servers.iter().position(|server| server.is(path)) else { return };
        let server = self.servers.remove(place);
        self.backups.retain(|backup| !backup.is_of(&server.path()));
        self.dropped.push(server);
    }
}
