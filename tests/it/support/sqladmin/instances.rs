//! Instances: found and deleted.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::backup::Backup;
use super::call::{Call, Outcome, not_simulated, refuse};
use super::instance::Instance;
use super::operation::{Begin, Effect, End};
use super::page::{List, page};
use super::world::World;

/// What an incomplete list says.
pub(super) fn warned(unreachable: &BTreeSet<String>, mut body: Value) -> Value {
    let warning = |region: &String| json!({"code": "REGION_UNREACHABLE", "message": format!("Region {region} is unreachable."), "region": region});
    if !unreachable.is_empty() {
        body["warnings"] = unreachable.iter().map(warning).collect();
    }
    body
}

pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let mut entries = Vec::new();
    for instance in world.instances.iter().filter(|instance| instance.project == call.project) {
        if !world.unreachable.contains(&instance.region) && matches(&instance.resource(), call)? {
            entries.push((instance.name.as_str(), instance));
        }
    }
    let list = List { name: "items", size: ("maxResults", 500), entries, shown: Instance::resource };
    let body = warned(&world.unreachable, json!({"kind": "sql#instancesList"}));
    page(&mut world.markers, world.page, call, list, body)
}

/// Whether a filter of `field:value` pairs lets it pass; other filters aren't simulated.
fn matches(resource: &Value, call: &Call) -> Outcome<bool> {
    for term in call.get("filter").unwrap_or_default().split(' ').filter(|term| !["", "AND"].contains(term)) {
        let Some((field, value)) = term.split_once(':') else { return not_simulated(format!("the filter {term}")) };
        let found = resource.pointer(&format!("/{}", field.replace('.', "/")));
        if found.and_then(Value::as_str) != Some(value.trim_matches('"')) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    world.called(call)?;
    world.look_at_instance(&call.project, call.instance());
    Ok(world.called(call)?.resource())
}

pub(super) fn delete(world: &mut World, call: &Call) -> Outcome {
    world.called(call)?;
    world.free(&call.project, call.instance())?;
    let instance = world.called(call)?;
    if instance.flag("/deletionProtectionEnabled") {
        let message = "The instance is protected. Please disable the deletion protection and try again. To disable \
                       deletion protection, update the instance settings with deletionProtectionEnabled set to false.";
        return refuse(400, "invalidRequest", message);
    }
    if !instance.replicas.is_empty() {
        return refuse(400, "invalidOperation", "This operation isn't valid for this instance: it has replicas.");
    }
    instance.state = "PENDING_DELETE".to_owned();
    let asked = call.get("enableFinalBackup").map(|flag| flag == "true");
    if asked.unwrap_or(instance.flag("/finalBackupConfig/enabled")) {
        let instance = instance.clone();
        let (id, uid, now) = (world.next_id(), world.next_uid(), world.now());
        let last = Backup::finished(&instance, id, uid, now).by("FINAL").without_run();
        let description = call.get("finalBackupDescription").map(ToOwned::to_owned);
        world.take(Backup { description, ..last });
    }
    Ok(world.begin(Begin {
        project: &call.project,
        target: call.instance(),
        kind: "DELETE",
        effect: Effect::NoInstance,
        context: json!({}),
        end: End::Well,
    }))
}

impl World {
    /// An instance takes its backups with it, unless they are kept.
    pub(super) fn remove_instance(&mut self, project: &str, name: &str, now: DateTime<Utc>) {
        let Some(place) = self.instances.iter().position(|found| found.is(project, name)) else { return };
        let kept = self.instances.remove(place).flag("/retainBackupsOnDelete");
        let its = |backup: &Backup| backup.project == project && backup.instance == name && backup.orphaned.is_none();
        self.backups.retain(|backup| !its(backup) || kept || backup.origin == "FINAL");
        for backup in self.backups.iter_mut().filter(|backup| its(backup)) {
            backup.orphaned = Some(now);
        }
    }
}
