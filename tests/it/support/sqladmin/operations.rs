//! The operations of a project.

use serde_json::{Value, json};

use super::call::{Call, Outcome, refuse};
use super::operation::Operation;
use super::page::{List, page};
use super::world::World;

/// Newest first.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let instance = call.get("instance");
    if call.get("pageToken").is_none() {
        world.look_at_all(|operation| instance.is_none_or(|name| operation.target == name));
    }
    let of = |project: &str, target: &str| project == call.project && instance.is_none_or(|name| target == name);
    let found = world.operations.iter().rev().filter(|operation| of(&operation.project, &operation.target));
    let entries = found.map(|operation| (operation.name.as_str(), operation)).collect();
    let list = List { name: "items", size: ("maxResults", 100), entries, shown: Operation::resource };
    page(&mut world.markers, world.page, call, list, json!({"kind": "sql#operationsList"}))
}

fn position(world: &World, call: &Call) -> Outcome<usize> {
    let is = |project: &str, name: &str| project == call.project && name == call.id();
    match world.operations.iter().position(|operation| is(&operation.project, &operation.name)) {
        Some(place) => Ok(place),
        None => refuse(404, "operationDoesNotExist", "The Cloud SQL operation does not exist."),
    }
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let place = position(world, call)?;
    world.look(place);
    Ok(world.operations[place].resource())
}

/// Only exports and imports can be cancelled.
pub(super) fn cancel(world: &mut World, call: &Call) -> Outcome {
    let place = position(world, call)?;
    let now = world.now();
    let operation = &mut world.operations[place];
    if operation.is_done() || !["EXPORT", "IMPORT"].contains(&operation.kind.as_str()) {
        return refuse(400, "invalidState", "The operation can't be cancelled.");
    }
    operation.status = "DONE".to_owned();
    operation.ended = Some(now);
    operation.error = Some(("CANCELLED".to_owned(), "The operation was cancelled.".to_owned()));
    Ok(Value::Object(serde_json::Map::new()))
}
