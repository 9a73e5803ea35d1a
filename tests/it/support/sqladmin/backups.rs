//! The backups of a project: the runs of its instances, and those that outlived theirs.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::backup::Backup;
use super::call::{Call, Outcome, not_simulated, refuse};
use super::instances::warned;
use super::page::{List, page};
use super::world::World;

/// Newest first.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let mut found = Vec::new();
    for backup in world.backups.iter().filter(|backup| backup.is_backup_of(&call.project)) {
        let hidden = world.unreachable.iter().any(|region| backup.settings["region"] == **region);
        if !hidden && matches(backup, call)? {
            found.push(backup);
        }
    }
    found.sort_by_key(|backup| std::cmp::Reverse((backup.enqueued, backup.run)));
    let entries = found.into_iter().map(|backup| (backup.uid.as_str(), backup)).collect();
    let list = List { name: "backups", size: ("pageSize", 500), entries, shown: Backup::as_backup };
    page(&mut world.markers, world.page, call, list, warned(&world.unreachable, json!({})))
}

/// Whether a filter lets it pass, such as `instance:orders AND type:FINAL`.
fn matches(backup: &Backup, call: &Call) -> Outcome<bool> {
    for term in call.get("filter").unwrap_or_default().split(' ').filter(|term| !["", "AND"].contains(term)) {
        let (field, value) = term.split_once(':').or_else(|| term.split_once('=')).unwrap_or((term, ""));
        let found = match field {
            "instance" => &backup.instance,
            "type" => &backup.origin,
            "location" => &backup.location,
            _ => return not_simulated(format!("the filter {term}")),
        };
        if found != value.trim_matches('"') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The backup that a call is about.
fn named<'w>(world: &'w mut World, call: &Call) -> Outcome<&'w Backup> {
    let is = |backup: &&Backup| backup.is_backup_of(&call.project) && backup.uid == call.id();
    match world.backups.iter().find(is) {
        Some(backup) => Ok(backup),
        None => refuse(404, "notFound", "The backup does not exist."),
    }
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let uid = named(world, call)?.uid.clone();
    world.look_at_backup(&uid);
    Ok(named(world, call)?.as_backup())
}

pub(super) fn create(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["instance", "description", "location", "ttlDays", "expiryTime"])?;
    let instance = call.required("/instance")?.to_owned();
    let days = call.field("/ttlDays").and_then(|days| days.parse().ok()).map(TimeDelta::days);
    let expires = call.field("/expiryTime").and_then(|time| time.parse::<DateTime<Utc>>().ok());
    let expires = expires.or(days.map(|days| world.now() + days));
    let backup = world.begin_backup(call, &instance)?;
    Ok(world.begin_operation_of(Backup { expires, ..backup }))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Outcome {
    let uid = named(world, call)?.uid.clone();
    world.delete_backup(&call.project, &uid)
}
