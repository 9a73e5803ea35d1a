//! Backups of flexible servers. MySQL names them anew, and makes another one each time that it is asked; PostgreSQL
//! keeps the name, and refuses to make a second one of it.

use serde_json::Value;

use super::backup::Backup;
use super::call::{Answer, Call, Outcome, not_found, refuse};
use super::methods::Service;
use super::operation::{Addresses, Begin, Effect, End};
use super::world::{World, server_path};

/// How many on-demand backups a server can have.
fn most(service: Service) -> usize {
    if service == Service::MySql { 50 } else { 7 }
}

/// Newest first of MySQL, oldest first of PostgreSQL.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let path = server_path(call);
    world.look_at_server(&path);
    world.called(call)?;
    let mut found: Vec<&Backup> = world.backups.iter().filter(|backup| backup.is_of(&path)).collect();
    found.sort_by_key(|backup| backup.completed);
    if call.method.starts_with("mysql") {
        found.reverse();
    }
    let entries: Vec<Value> = found.iter().map(|backup| backup.resource(is_long_running(call))).collect();
    world.page(call, &entries)
}

fn is_long_running(call: &Call) -> bool {
    call.method.contains("backupsV2")
}

/// The backup that a call is about, also by the name by which it was asked for.
fn found(world: &World, call: &Call) -> Option<usize> {
    let path = server_path(call);
    world.backups.iter().rposition(|backup| backup.is_of(&path) && backup.is_called(call.name("id")))
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    world.look_at_server(&server_path(call));
    world.called(call)?;
    match found(world, call) {
        Some(place) => Ok(Answer::json(world.backups[place].resource(is_long_running(call)))),
        None => not_found(call),
    }
}

/// MySQL makes it before it answers.
pub(super) fn put(world: &mut World, call: &Call) -> Outcome {
    call.only("", &[])?;
    let (place, made) = new(world, call)?;
    let server = &world.servers[place];
    if server.service == Service::MySql && !world.mysql_takes_its_time {
        return at_once(world, made);
    }
    let is_mysql = server.service == Service::MySql;
    let begin = Begin {
        service: server.service,
        scope: server.path(),
        kind: "SnapshotManagementOperation",
        location: server.location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::Backup(made),
    };
    let mut answer = world.begin(call, begin);
    if is_mysql {
        answer.body = None;
    }
    Ok(answer)
}

/// What would be the end of an operation is the answer.
fn at_once(world: &mut World, made: Backup) -> Outcome {
    let shown = made.resource(false);
    let (error, done) = match world.end.clone() {
        End::Badly { code, message, done } => (Some((code, message)), done),
        _ => (None, true),
    };
    if done {
        world.backups.push(made);
    }
    error.map_or(Ok(Answer::json(shown)), |(code, message)| refuse(400, &code, message))
}

pub(super) fn put_long_running(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["properties"])?;
    call.only("/properties", &["backupNameV2"])?;
    let (place, mut made) = new(world, call)?;
    made.long_running = true;
    let server = &world.servers[place];
    let begin = Begin {
        service: server.service,
        scope: server.path(),
        kind: "CreateBackupManagementOperation",
        location: server.location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::Backup(made),
    };
    Ok(world.begin(call, begin))
}

/// A backup that may be made, and the place of its server.
fn new(world: &mut World, call: &Call) -> Outcome<(usize, Backup)> {
    let place = world.workable(call)?;
    let (server, asked) = (world.servers[place].clone(), call.name("id"));
    let service = server.service;
    if service == Service::PostgreSql && server.is_burstable() {
        let message = "On-demand backup is not supported for servers of the Burstable tier.";
        return refuse(400, "OnDemandBackupNotSupported", message);
    }
    let there = || world.backups.iter().filter(|backup| backup.is_of(&server.path()) && !backup.is_automated());
    if service == Service::PostgreSql && there().any(|backup| backup.is_called(asked)) {
        return refuse(409, "BackupAlreadyExists", format!("A backup with the name '{asked}' already exists."));
    }
    if there().count() >= most(service) {
        let message = format!("The server has reached the limit of {} on-demand backups.", most(service));
        return refuse(400, "OnDemandBackupLimitReached", message);
    }
    let (uuid, now) = (world.next_uuid(), world.now());
    Ok((place, Backup::asked_for(&server, asked, &uuid, now)))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Outcome {
    world.called(call)?;
    if found(world, call).is_none() {
        return Ok(Answer::empty(204));
    }
    let server = world.workable(call)?;
    let Some(place) = found(world, call) else { return Ok(Answer::empty(204)) };
    if world.backups[place].is_automated() {
        return refuse(400, "CannotDeleteAutomaticBackup", "Only on-demand backups can be deleted.");
    }
    world.backups[place].delete();
    let (path, server) = (world.backups[place].path(), &world.servers[server]);
    let begin = Begin {
        service: server.service,
        scope: server.path(),
        kind: "DeleteBackupManagementOperation",
        location: server.location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::NoBackup(path),
    };
    Ok(Answer { body: None, ..world.begin(call, begin) })
}
