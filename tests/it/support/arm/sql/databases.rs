//! Databases that there are: read, tagged and deleted.

use serde_json::{Value, json};

use super::{Change, path_of_database, path_of_server};
use crate::support::arm::call::{Answer, Call, Outcome, not_found, refuse};
use crate::support::arm::operation::Addresses;
use crate::support::arm::world::{World, time};

pub(in crate::support::arm) use super::made::put;

pub(in crate::support::arm) fn list(world: &mut World, call: &Call) -> Outcome {
    let (path, now) = (path_of_server(call), world.now());
    world.sql.server(call)?;
    world.look_at_part(&path);
    let found = world.sql.databases.iter().filter(|database| database.is_of(&path));
    let entries: Vec<Value> = found.map(|database| database.resource(now)).collect();
    world.page(call, &entries)
}

pub(in crate::support::arm) fn get(world: &mut World, call: &Call) -> Outcome {
    world.look_at_server(&path_of_database(call));
    let (place, now) = (world.sql.called(call)?, world.now());
    Ok(Answer::json(world.sql.databases[place].resource(now)))
}

/// Changes tags, and nothing else.
pub(in crate::support::arm) fn patch(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["tags"])?;
    let path = path_of_database(call);
    world.sql.called(call)?;
    world.is_free(&path)?;
    let tags = call.body.as_ref().and_then(|body| body.get("tags")).cloned().unwrap_or_else(|| json!({}));
    Ok(world.begin_sql(call, &path, "UpdateLogicalDatabase", Addresses::DATABASE, Change::Tagged(path.clone(), tags)))
}

pub(in crate::support::arm) fn delete(world: &mut World, call: &Call) -> Outcome {
    let path = path_of_database(call);
    world.sql.server(call)?;
    if world.sql.position(&path).is_none() {
        return Ok(Answer::empty(204));
    }
    if call.name("database").eq_ignore_ascii_case("master") {
        return refuse(
            400,
            "CannotUseReservedDatabaseName",
            "Cannot use reserved database name 'master' in this operation.",
        );
    }
    world.is_free(&path)?;
    Ok(world.begin_sql(call, &path, "DropLogicalDatabase", Addresses::DATABASE, Change::Gone(path.clone())))
}

/// The only restore point of a database that isn't a data warehouse says from when on it can be restored.
pub(in crate::support::arm) fn restore_points(world: &mut World, call: &Call) -> Outcome {
    let (place, now) = (world.sql.called(call)?, world.now());
    let database = &world.sql.databases[place];
    let point = json!({
        "location": database.location,
        "properties": {
            "restorePointType": "CONTINUOUS",
            "restorePointCreationDate": null,
            "earliestRestoreDate": time(database.earliest(now)),
        },
        "id": format!("{}/restorePoints/ContinuousRestorePoint", database.path()),
        "name": "ContinuousRestorePoint",
        "type": "Microsoft.Sql/servers/databases/restorePoints",
    });
    let points: Vec<Value> = database.continuous.then_some(point).into_iter().collect();
    let Some(id) = call.query.get("id").cloned().or_else(|| named(call)) else { return world.page(call, &points) };
    let found =
        points.into_iter().find(|point| point["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&id)));
    found.map_or_else(|| not_found(call), |point| Ok(Answer::json(point)))
}

fn named(call: &Call) -> Option<String> {
    Some(call.name("id")).filter(|id| !id.is_empty()).map(ToOwned::to_owned)
}

pub(in crate::support::arm) fn dropped(world: &mut World, call: &Call) -> Outcome {
    let (path, now) = (path_of_server(call), world.now());
    world.sql.server(call)?;
    let found = world.sql.dropped.iter().filter(|database| database.is_of(&path));
    let entries: Vec<Value> = found.map(|database| database.dropped(now)).collect();
    one_or_all(world, call, &entries)
}

pub(in crate::support::arm) fn recoverable(world: &mut World, call: &Call) -> Outcome {
    let (path, now) = (path_of_server(call), world.now());
    world.sql.server(call)?;
    let found = world.sql.databases.iter().filter(|database| database.is_of(&path) && database.continuous);
    let entries: Vec<Value> = found.map(|database| database.recoverable(now)).collect();
    one_or_all(world, call, &entries)
}

/// A page, or the entry that the path names.
pub(super) fn one_or_all(world: &mut World, call: &Call, entries: &[Value]) -> Outcome {
    let Some(id) = named(call) else { return world.page(call, entries) };
    let found = entries.iter().find(|entry| entry["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&id)));
    found.map_or_else(|| not_found(call), |entry| Ok(Answer::json(entry.clone())))
}

pub(in crate::support::arm) fn long_term_policy(world: &mut World, call: &Call) -> Outcome {
    let place = world.sql.called(call)?;
    let database = &world.sql.databases[place];
    let [weekly, monthly, yearly] = &database.long_term;
    Ok(Answer::json(json!({
        "properties": {
            "weeklyRetention": weekly, "monthlyRetention": monthly, "yearlyRetention": yearly, "weekOfYear": 5,
        },
        "id": format!("{}/backupLongTermRetentionPolicies/default", database.path()),
        "name": "default",
        "type": "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies",
    })))
}

pub(in crate::support::arm) fn short_term_policy(world: &mut World, call: &Call) -> Outcome {
    let place = world.sql.called(call)?;
    let database = &world.sql.databases[place];
    Ok(Answer::json(json!({
        "properties": {"retentionDays": database.retention_days, "diffBackupIntervalInHours": 24},
        "id": format!("{}/backupShortTermRetentionPolicies/default", database.path()),
        "name": "default",
        "type": "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies",
    })))
}
