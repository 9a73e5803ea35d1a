//! Long-term backups of PostgreSQL: files that the server writes into a storage account.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::call::{Answer, Call, Outcome, not_found, refuse};
use super::methods::Service;
use super::operation::{Addresses, Begin, Effect};
use super::world::{World, server_path, time};

/// A long-term backup, or the way to one.
#[derive(Clone, Debug)]
pub(crate) struct LongTerm {
    server: String,
    pub(crate) name: String,
    pub(crate) status: String,
    started: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
}

impl LongTerm {
    pub(super) fn resource(&self) -> Value {
        json!({
            "properties": {
                "datasourceSizeInBytes": 21_424_848,
                "dataTransferredInBytes": if self.ended.is_some() { 21_424_848 } else { 0 },
                "backupName": self.name,
                "status": self.status,
                "startTime": time(self.started),
                "endTime": self.ended.map(time),
                "percentComplete": if self.ended.is_some() { 100.0 } else { 0.0 },
            },
            "id": format!("{}/ltrBackupOperations/{}", self.server, self.name),
            "name": self.name,
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/ltrBackupOperations",
        })
    }
}

/// How many containers the backup needs.
pub(super) fn prepare(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["backupSettings"])?;
    call.required("/backupSettings/backupName")?;
    world.workable(call)?;
    Ok(Answer::json(json!({"properties": {"numberOfContainers": 1}})))
}

pub(super) fn start(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["backupSettings", "targetDetails"])?;
    let name = call.required("/backupSettings/backupName")?.to_owned();
    call.required("/targetDetails/sasUriList/0")?;
    let (place, path) = (world.workable(call)?, server_path(call));
    if world.long_terms.iter().any(|backup| backup.name == name) {
        return refuse(409, "BackupAlreadyExists", format!("A backup with the name '{name}' already exists."));
    }
    let started = world.now();
    let status = "Running".to_owned();
    world.long_terms.push(LongTerm { server: path.clone(), name: name.clone(), status, started, ended: None });
    let begin = Begin {
        service: Service::PostgreSql,
        scope: path,
        kind: "LtrBackupManagementOperation",
        location: world.servers[place].location.clone(),
        addresses: Addresses::FLEXIBLE,
        effect: Effect::LongTerm(name),
    };
    Ok(world.begin(call, begin))
}

pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let path = server_path(call);
    world.look_at_server(&path);
    world.called(call)?;
    let found = world.long_terms.iter().filter(|backup| backup.server.eq_ignore_ascii_case(&path));
    let entries: Vec<Value> = found.map(LongTerm::resource).collect();
    world.page(call, &entries)
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let path = server_path(call);
    world.look_at_server(&path);
    world.called(call)?;
    let is = |backup: &&LongTerm| backup.server.eq_ignore_ascii_case(&path) && backup.name == call.name("id");
    world.long_terms.iter().find(is).map_or_else(|| not_found(call), |backup| Ok(Answer::json(backup.resource())))
}

impl World {
    pub(super) fn end_long_term(&mut self, name: &str, done: bool, now: DateTime<Utc>) {
        if let Some(backup) = self.long_terms.iter_mut().find(|backup| backup.name == name) {
            backup.status = if done { "Succeeded" } else { "Failed" }.to_owned();
            backup.ended = Some(now);
        }
    }
}
