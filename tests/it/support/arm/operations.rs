//! Looks at operations, at the addresses that they were given.

use serde_json::{Value, json};

use super::call::{Answer, Call, Outcome, refuse, violated};
use super::operation::{Effect, Status};
use super::world::World;

/// The operation of a call, if it came back to the very address that was given for it.
fn found(world: &mut World, call: &Call, link: usize) -> Outcome<usize> {
    let id = call.name("id");
    let Some(place) = world.operations.iter().position(|operation| operation.id.eq_ignore_ascii_case(id)) else {
        return refuse(404, "OperationIdNotFound", format!("The operation '{id}' was not found."));
    };
    if world.operations[place].links[link] != call.target {
        let message = format!("the address of the operation {id} came back changed: {}", call.target);
        return violated(403, "InvalidSignature", message);
    }
    world.look(place);
    Ok(place)
}

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let place = found(world, call, 0)?;
    Ok(Answer::json(world.operations[place].shown(world.odd_words)))
}

/// Says nothing until it is done, then what came of it.
pub(super) fn result(world: &mut World, call: &Call) -> Outcome {
    let place = found(world, call, 1)?;
    let operation = &world.operations[place];
    match (operation.status, &operation.error) {
        (Status::Running, _) => Ok(Answer { operation: Some(place), ..Answer::empty(202) }),
        (_, Some((code, message))) => refuse(409, code, message.clone()),
        (_, None) => Ok(world.made(&operation.effect).map_or_else(|| Answer::empty(204), Answer::json)),
    }
}

impl World {
    /// What an operation has made, if that is still there.
    fn made(&self, effect: &Effect) -> Option<Value> {
        match effect {
            Effect::Backup(made) => {
                Some(self.backups.iter().find(|backup| backup.is(&made.path()))?.resource(made.long_running))
            }
            Effect::Server(path) => Some(self.servers.iter().find(|server| server.is(path))?.resource()),
            Effect::LongTerm(name) => {
                let found = self.long_terms.iter().find(|backup| backup.name == *name)?;
                Some(json!({"properties": found.resource()["properties"]}))
            }
            Effect::Sql(change) => self.made_sql(change),
            Effect::NoBackup(_) | Effect::NoServer(_) => None,
        }
    }
}
