//! The backup runs of an instance.

use serde_json::{Value, json};

use super::backup::Backup;
use super::call::{Call, Outcome, refuse};
use super::operation::{Begin, Effect, End};
use super::page::{List, page};
use super::world::World;

/// Newest first; `-` is every instance, and says nothing of what it can't reach.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let all = call.instance() == "-";
    if !all {
        world.called(call)?;
    }
    let hidden = |backup: &Backup| all && world.unreachable.iter().any(|region| backup.settings["region"] == **region);
    let found = world.backups.iter().filter(|backup| backup.is_run_of(&call.project, call.instance()));
    let mut found: Vec<_> = found.filter(|backup| !hidden(backup)).collect();
    found.sort_by_key(|backup| std::cmp::Reverse((backup.enqueued, backup.run)));
    let entries = found.into_iter().map(|backup| (backup.uid.as_str(), backup)).collect();
    let list = List { name: "items", size: ("maxResults", 20), entries, shown: Backup::as_run };
    page(&mut world.markers, world.page, call, list, json!({"kind": "sql#backupRunsList"}))
}

/// The run that a call is about.
fn named<'w>(world: &'w mut World, call: &Call) -> Outcome<&'w mut Backup> {
    world.called(call)?;
    let Ok(id) = call.id().parse::<i64>() else {
        return refuse(400, "invalidParameter", format!("Invalid value for id: {}.", call.id()));
    };
    let is = |backup: &&mut Backup| backup.is_run_of(&call.project, call.instance()) && backup.run == Some(id);
    match world.backups.iter_mut().find(is) {
        Some(backup) => Ok(backup),
        None => refuse(404, "backupRunDoesNotExist", "The Cloud SQL backup run does not exist."),
    }
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let uid = named(world, call)?.uid.clone();
    world.look_at_backup(&uid);
    Ok(named(world, call)?.as_run())
}

pub(super) fn insert(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["description", "location", "instance", "type"])?;
    let begun = world.begin_backup(call, call.instance())?;
    Ok(world.begin_operation_of(begun))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Outcome {
    let uid = named(world, call)?.uid.clone();
    world.delete_backup(&call.project, &uid)
}

impl World {
    /// A backup of an instance, with what the body of a call says of it.
    pub(super) fn begin_backup(&mut self, call: &Call, instance: &str) -> Outcome<Backup> {
        let call = &Call { instance: Some(instance.to_owned()), ..call.clone() };
        let (id, uid, now) = (self.next_id(), self.next_uid(), self.now());
        let backup = Backup::begun(self.running(call)?, id, uid, now);
        let location = call.field("/location").map_or(backup.location.clone(), ToOwned::to_owned);
        Ok(Backup { description: call.field("/description").map(ToOwned::to_owned), location, ..backup })
    }

    pub(super) fn begin_operation_of(&mut self, backup: Backup) -> Value {
        let (project, target, uid) = (backup.project.clone(), backup.instance.clone(), backup.uid.clone());
        let id = backup.run.map(|run| run.to_string());
        let context = json!({"kind": "sql#backupContext", "backupId": id, "name": backup.name()});
        self.backups.push(backup);
        self.begin(Begin {
            project: &project,
            target: &target,
            kind: "BACKUP_VOLUME",
            effect: Effect::Backup(uid),
            context: json!({"backupContext": super::backup::without_nulls(context)}),
            end: End::Well,
        })
    }

    /// Deletes a run or a backup, which are one.
    pub(super) fn delete_backup(&mut self, project: &str, uid: &str) -> Outcome {
        let found = self.backups.iter().position(|backup| backup.uid == uid).unwrap();
        let instance = self.backups[found].instance.clone();
        self.free(project, &instance)?;
        // what was under way may have been its own deletion
        let Some(backup) = self.backups.iter_mut().find(|backup| backup.uid == uid) else {
            return refuse(404, "backupRunDoesNotExist", "The Cloud SQL backup run does not exist.");
        };
        backup.status = "DELETION_PENDING".to_owned();
        let context = json!({"kind": "sql#backupContext", "backupId": backup.id(), "name": backup.name()});
        let context = if backup.run.is_some() { context } else { json!({"name": backup.name()}) };
        Ok(self.begin(Begin {
            project,
            target: &instance,
            kind: "DELETE_VOLUME",
            effect: Effect::NoBackup(uid.to_owned()),
            context: json!({"backupContext": context}),
            end: End::Well,
        }))
    }
}
