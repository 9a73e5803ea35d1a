//! Restores of backups: over an instance, or to a new one.

use serde_json::{Value, json};

use super::backup::Backup;
use super::call::{Call, Outcome, invalid, no_instance, refuse};
use super::instance::{Instance, overlay};
use super::operation::{Begin, Effect, End};
use super::world::World;

const SETTINGS: &str = "/restoreInstanceSettings";

pub(super) fn restore(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["restoreBackupContext", "backup", "restoreInstanceSettings"])?;
    let backup = source(world, call)?;
    if backup.status != "SUCCESSFUL" {
        return invalid(format!("Backup {} is not in a state to be restored: {}", backup.name(), backup.status));
    }
    let settings = call.body.as_ref().and_then(|body| body.pointer(SETTINGS)).cloned();
    let there = world.instance_of(&call.project, call.instance()).is_some();
    match (settings, there) {
        (None, false) => return no_instance(),
        (Some(_), true) => {
            return invalid("restore_instance_settings is not applicable for a restore to an existing instance");
        }
        (None, true) => over(world, call, &backup)?,
        (Some(settings), false) => {
            let instance = new(world, call, &backup, &settings)?;
            world.add(instance);
        }
    }
    Ok(world.begin(Begin {
        project: &call.project,
        target: call.instance(),
        kind: "RESTORE_VOLUME",
        effect: Effect::Content(backup.data, backup.databases),
        context: json!({}),
        end: End::Well,
    }))
}

/// The backup that a call names in one of two ways.
fn source(world: &mut World, call: &Call) -> Outcome<Backup> {
    let context = call.body.as_ref().and_then(|body| body.get("restoreBackupContext"));
    let found = match (context, call.field("/backup")) {
        (Some(_), None) => {
            call.only("/restoreBackupContext", &["backupRunId", "instanceId", "project"])?;
            let Ok(run) = call.required("/restoreBackupContext/backupRunId")?.parse::<i64>() else {
                return invalid("backupRunId");
            };
            let project = call.field("/restoreBackupContext/project").unwrap_or(&call.project);
            let instance = call.field("/restoreBackupContext/instanceId").unwrap_or(call.instance());
            world.has_project(project)?;
            if world.instance_of(project, instance).is_none() {
                return no_instance();
            }
            let is = |backup: &&Backup| backup.is_run_of(project, instance) && backup.run == Some(run);
            world.backups.iter().find(is)
        }
        (None, Some(name)) => {
            let project = name.strip_prefix("projects/").and_then(|rest| rest.split_once("/backups/"));
            let Some((project, _)) = project else { return invalid(format!("not the name of a backup: {name}")) };
            world.has_project(project)?;
            world.backups.iter().find(|backup| backup.is_backup_of(project) && backup.name() == name)
        }
        _ => return invalid("Only one of restore_backup_context, backup, backupdr_backup can be passed to the input"),
    };
    match found {
        Some(backup) => Ok(backup.clone()),
        None => refuse(404, "backupRunDoesNotExist", "The Cloud SQL backup run does not exist."),
    }
}

/// Begins a restore over what is in an instance.
fn over(world: &mut World, call: &Call, backup: &Backup) -> Outcome<()> {
    let instance = world.running(call)?;
    if !instance.replicas.is_empty() || instance.primary.is_some() {
        return refuse(
            400,
            "invalidOperation",
            "This operation isn't valid for this instance: delete its read replicas before the restore.",
        );
    }
    if instance.version != backup.version {
        return invalid(format!(
            "Database type of target instance and backup differ. Instance database type: {}, Backup database type: {}",
            instance.version, backup.version
        ));
    }
    // so unhelpful: https://github.com/ovotech/cloud_sql_backup/pull/13
    if instance.disk() < backup.disk {
        return refuse(400, "invalidOperation", "This operation isn't valid for this instance.");
    }
    instance.state = "MAINTENANCE".to_owned();
    Ok(())
}

/// The instance that a restore makes: what the backup keeps of its own, with the settings that the call brings.
fn new(world: &World, call: &Call, backup: &Backup, settings: &Value) -> Outcome<Instance> {
    let mut merged = backup.settings.clone();
    if let (Some(under), Some(over)) = (merged.as_object_mut(), settings.as_object()) {
        overlay(under, over);
    }
    if settings.get("name").is_some_and(|name| name != call.instance()) {
        return invalid("The instance name in restore_instance_settings differs from that of the request");
    }
    let text = |pointer: &str| merged.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let made = Instance {
        version: text("/databaseVersion"),
        region: text("/region"),
        settings: merged["settings"].clone(),
        made_with: call.body.clone(),
        created: world.now(),
        state: "PENDING_CREATE".to_owned(),
        data: String::new(),
        databases: Vec::new(),
        ..Instance::new(call.instance()).in_project(&call.project)
    };
    if made.version != backup.version {
        return invalid(format!(
            "Database type of target instance and backup differ. Instance database type: {}, Backup database type: {}",
            made.version, backup.version
        ));
    }
    if made.disk() < backup.disk {
        return invalid("The disk size can't be smaller than that of the backup");
    }
    Ok(made)
}
