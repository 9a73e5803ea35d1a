//! Subscriptions and resource groups, and what the caller may do with what is in them.

use serde_json::{Value, json};

use super::call::{Answer, Call, Outcome};
use super::world::World;

fn shown(id: &str, name: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"),
        "subscriptionId": id,
        "displayName": name,
        "state": "Enabled",
        "tenantId": "72f988bf-0000-4000-8000-2d7cd011db47",
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off"},
    })
}

pub(super) fn subscriptions(world: &mut World, call: &Call) -> Outcome {
    let entries: Vec<Value> = world.subscriptions.iter().map(|(id, name)| shown(id, name)).collect();
    world.page(call, &entries)
}

pub(super) fn subscription(world: &mut World, call: &Call) -> Outcome {
    let found = world.subscriptions.iter().find(|(id, _)| id.eq_ignore_ascii_case(call.name("subscription")));
    // one that isn't there was refused before
    Ok(Answer::json(found.map(|(id, name)| shown(id, name)).unwrap_or_default()))
}

pub(super) fn group(_: &mut World, call: &Call) -> Outcome {
    let (subscription, name) = (call.name("subscription"), call.name("group"));
    Ok(Answer::json(json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{name}"),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "northeurope",
        "properties": {"provisioningState": "Succeeded"},
    })))
}

/// What roles grant, and what they take away from it.
pub(super) fn permissions(world: &mut World, call: &Call) -> Outcome {
    let roles = [json!({
        "actions": world.granted,
        "notActions": world.denied,
        "dataActions": [],
        "notDataActions": [],
    })];
    world.page(call, &roles)
}
