//! Instances and clusters that are there: listed and deleted.

use super::call::{Call, Outcome, bad_value, refuse};
use super::database::{self, Database};
use super::names;
use super::page::page;
use super::snapshot::Kind;
use super::world::World;

pub(super) fn describe(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let name = call.get(kind.source_parameter()).map(|name| names::database(kind, name)).transpose()?;
    let asked = |found: &&Database| {
        found.kind == kind && found.place == call.place && name.as_ref().is_none_or(|name| *name == found.name)
    };
    let mut found: Vec<_> =
        world.databases.iter().filter(asked).map(|found| (found.name.clone(), found.name.clone())).collect();
    found.sort();
    if let (Some(name), true) = (&name, found.is_empty()) {
        return database::not_found(kind, name);
    }
    let list = match kind {
        Kind::Instance => "DBInstances",
        Kind::Cluster => "DBClusters",
    };
    let (names, body) = page(world, call, list, found)?;
    let looks = world.looks;
    let mut inner = String::new();
    for name in names {
        let members = world.members(&call.place, &name);
        if let Some(found) = world.database(kind, &call.place, &name) {
            found.look(looks);
            inner += &found.xml(&members);
        }
    }
    Ok(body(&inner))
}

pub(super) fn delete(world: &mut World, call: &Call, kind: Kind) -> Outcome {
    let name = names::database(kind, call.required(kind.source_parameter())?)?;
    let members = world.members(&call.place, &name);
    let Some(found) = world.database(kind, &call.place, &name) else {
        return database::not_found(kind, &name);
    };
    if found.deletion_protection {
        return refuse(
            "InvalidParameterCombination",
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        );
    }
    let is_member = kind == Kind::Instance && found.cluster.is_some();
    match (call.flag("SkipFinalSnapshot")?.unwrap_or(false), call.get("FinalDBSnapshotIdentifier")) {
        (true, None) => {}
        (false, None) if is_member => {}
        (false, None) => {
            let message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.";
            return refuse("InvalidParameterCombination", message);
        }
        _ => return bad_value("A final snapshot is not made here."),
    }
    if kind == Kind::Cluster && !members.is_empty() {
        let message = "Cluster cannot be deleted, it still contains DB instances in non-deleting state.";
        return database::bad_state(kind, message);
    }
    found.status = "deleting".into();
    let body = found.xml(&members);
    world.databases.retain(|found| (found.kind, &found.place, &found.name) != (kind, &call.place, &name));
    Ok(body)
}
