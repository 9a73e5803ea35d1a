//! Databases that are made of others: copied, or restored.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::database::Database;
use super::{Change, path_of_database};
use crate::support::arm::call::{Call, Outcome, invalid, not_simulated, refuse};
use crate::support::arm::operation::Addresses;
use crate::support::arm::servers::same_place;
use crate::support::arm::world::World;

/// What of a database may be chosen when it is made; none of it changes anything here.
const SETTINGS: &[&str] =
    &["elasticPoolId", "licenseType", "maxSizeBytes", "requestedBackupStorageRedundancy", "zoneRedundant"];

/// From what a database is made.
struct Origin {
    of: Database,
    data: String,
    status: &'static str,
    /// What it is a copy of; its data is what is there in the end.
    copy_of: Option<String>,
}

pub(in crate::support::arm) fn put(world: &mut World, call: &Call) -> Outcome {
    let (path, name) = (path_of_database(call), call.name("database").to_owned());
    call.only("", &["location", "tags", "sku", "properties"])?;
    let server = world.sql.server(call)?.clone();
    world.is_free(&path)?;
    if world.sql.position(&path).is_some() {
        return refuse(
            409,
            "DatabaseAlreadyExists",
            format!("Database '{name}' already exists. Choose a different database name."),
        );
    }
    if !same_place(call.required("/location")?, &server.location) {
        let message = format!("The location of the database must be that of its server, '{}'.", server.location);
        return refuse(400, "LocationNotAcceptingRequests", message);
    }
    let Origin { of, data, status, copy_of } = origin(world, call)?;
    let mut made = of.made(&server, &name, data, world.now());
    made.status = status.to_owned();
    made.tags = call
        .body
        .as_ref()
        .and_then(|body| body.get("tags"))
        .cloned()
        .unwrap_or_else(|| Value::Object(Default::default()));
    world.sql.databases.push(made);
    let change = match copy_of {
        Some(source) => Change::Copied(path.clone(), source),
        None => Change::Online(path.clone()),
    };
    Ok(world.begin_sql(call, &path, "CreateLogicalDatabase", Addresses::DATABASE, change))
}

/// What the mode of a request is about, and nothing else may be in it.
fn origin(world: &World, call: &Call) -> Outcome<Origin> {
    let mode = call.required("/properties/createMode")?;
    let own: &[&str] = match mode {
        "Copy" => &["sourceDatabaseId"],
        "PointInTimeRestore" => &["sourceDatabaseId", "restorePointInTime"],
        "Restore" => &["restorableDroppedDatabaseId", "restorePointInTime"],
        "Recovery" => &["recoverableDatabaseId"],
        "RestoreLongTermRetentionBackup" => &["longTermRetentionBackupResourceId"],
        other => return not_simulated(format!("{} with the mode {other}", call.method)),
    };
    call.only("/properties", &[&["createMode"], own, SETTINGS].concat())?;
    let now = world.now();
    let restored = |of: Database, data| Origin { of, data, status: "Restoring", copy_of: None };
    Ok(match mode {
        "Copy" => {
            let of = living(world, call, "/properties/sourceDatabaseId")?;
            if of.status != "Online" {
                let message = format!("Database '{}' is {} and can't be copied.", of.name, of.status);
                return refuse(409, "SourceDatabaseNotOnline", message);
            }
            let copy_of = Some(of.path());
            Origin { data: of.data().to_owned(), of, status: "Copying", copy_of }
        }
        "PointInTimeRestore" => {
            let of = living(world, call, "/properties/sourceDatabaseId")?;
            let moment = moment(call, &of, now)?;
            let data = of.data_at(moment);
            restored(of, data)
        }
        "Restore" => {
            let id = call.required("/properties/restorableDroppedDatabaseId")?;
            let found = world.sql.dropped.iter().find(|database| database.dropped_path().eq_ignore_ascii_case(id));
            let Some(of) = found.cloned() else { return no_source(id) };
            let last = of.deleted.unwrap_or(now);
            let asked = call.field("/properties/restorePointInTime").is_some();
            let moment = if asked { moment(call, &of, last)? } else { last };
            let data = of.data_at(moment);
            restored(of, data)
        }
        "Recovery" => {
            let id = call.required("/properties/recoverableDatabaseId")?;
            let found =
                world.sql.databases.iter().find(|database| database.recoverable_path().eq_ignore_ascii_case(id));
            let Some(of) = found.cloned() else { return no_source(id) };
            let data = of.data().to_owned();
            restored(of, data)
        }
        _ => {
            let id = call.required("/properties/longTermRetentionBackupResourceId")?;
            let Some(kept) = world.sql.kept.iter().find(|kept| kept.is(id)) else { return no_source(id) };
            restored(kept.of.clone(), kept.data.clone())
        }
    })
}

fn no_source<T>(id: &str) -> Outcome<T> {
    refuse(404, "SourceDatabaseNotFound", format!("The source database '{id}' was not found."))
}

fn living(world: &World, call: &Call, pointer: &str) -> Outcome<Database> {
    let id = call.required(pointer)?;
    world.sql.position(id).map_or_else(|| no_source(id), |place| Ok(world.sql.databases[place].clone()))
}

fn moment(call: &Call, of: &Database, last: DateTime<Utc>) -> Outcome<DateTime<Utc>> {
    let pointer = "/properties/restorePointInTime";
    let Ok(moment) = call.required(pointer)?.parse::<DateTime<Utc>>() else { return invalid(pointer) };
    if !of.continuous || moment < of.earliest(last) || moment > last {
        let message = format!(
            "The point in time '{moment}' is not valid. Valid point in time range from {} days early to now and not before \
             source server creation time.",
            of.retention_days
        );
        return refuse(400, "InvalidPointInTime", message);
    }
    Ok(moment)
}
