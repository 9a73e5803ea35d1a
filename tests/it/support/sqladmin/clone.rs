//! Clones: a new instance with what was in another one at a point in time.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::call::{Call, Outcome, invalid, refuse};
use super::instance::Instance;
use super::operation::{Begin, Effect, End};
use super::world::{World, time};

pub(super) fn clone(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["cloneContext"])?;
    call.only("/cloneContext", &["destinationInstanceName", "pointInTime", "destinationProject"])?;
    let name = call.required("/cloneContext/destinationInstanceName")?.to_owned();
    let project = call.field("/cloneContext/destinationProject").unwrap_or(&call.project).to_owned();
    world.has_project(&project)?;
    let now = world.now();
    let source = world.running(call)?.clone();
    if world.instance_of(&project, &name).is_some() {
        return refuse(409, "instanceAlreadyExists", "The Cloud SQL instance already exists.");
    }
    let data = match call.field("/cloneContext/pointInTime") {
        None => source.data.clone(),
        Some(moment) => data_at(&source, moment, now)?,
    };
    world.add(Instance {
        project: project.clone(),
        name: name.clone(),
        state: "PENDING_CREATE".to_owned(),
        data: String::new(),
        databases: Vec::new(),
        replicas: Vec::new(),
        history: Vec::new(),
        created: now,
        made_with: call.body.clone(),
        ..source.clone()
    });
    let answer = world.begin(Begin {
        project: &project,
        target: &name,
        kind: "CLONE",
        effect: Effect::Content(data, source.databases.clone()),
        context: json!({}),
        end: End::Well,
    });
    world.operations.last_mut().unwrap().source = Some((source.project, source.name));
    Ok(answer)
}

fn data_at(source: &Instance, moment: &str, now: DateTime<Utc>) -> Outcome<String> {
    let Ok(moment) = moment.parse::<DateTime<Utc>>() else { return invalid("pointInTime") };
    match source.window(now) {
        None => no_recovery(),
        Some((first, last)) if moment < first || moment > last => invalid(format!(
            "The point in time {} is outside of the recovery window from {} to {}",
            time(moment),
            time(first),
            time(last)
        )),
        Some(_) => Ok(source.data_at(moment).to_owned()),
    }
}

fn no_recovery<T>() -> Outcome<T> {
    invalid("Point in time recovery is not enabled for this instance")
}

pub(super) fn recovery_time(world: &mut World, call: &Call) -> Outcome {
    let now = world.now();
    let Some((first, last)) = world.called(call)?.window(now) else { return no_recovery() };
    Ok(json!({
        "kind": "sql#getLatestRecoveryTime",
        "earliestRecoveryTime": time(first),
        "latestRecoveryTime": time(last),
    }))
}
