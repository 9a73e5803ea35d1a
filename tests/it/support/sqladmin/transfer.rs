//! Exports to Cloud Storage, and imports from there.

use serde_json::{Value, json};

use super::call::{Call, Outcome, invalid, not_simulated};
use super::operation::{Begin, Effect, End};
use super::world::World;

/// The file of a context, and why an instance can't reach it, if so.
fn file(world: &World, call: &Call, pointer: &str) -> Outcome<(String, Option<End>)> {
    let uri = call.required(pointer)?;
    let Some((bucket, path)) = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/')) else {
        return invalid(format!("not the URI of a file: {uri}"));
    };
    if bucket.is_empty() || path.is_empty() {
        return invalid(format!("not the URI of a file: {uri}"));
    }
    let closed = world.closed_buckets.contains(bucket);
    let message = format!("The service account does not have the required permissions for the bucket {bucket}.");
    Ok((uri.to_owned(), closed.then(|| End::badly(message))))
}

fn is_sql(call: &Call, pointer: &str) -> Outcome<()> {
    match call.field(pointer) {
        None | Some("SQL") => Ok(()),
        Some(other) => not_simulated(format!("the file type {other}")),
    }
}

fn context(call: &Call, name: &str) -> Value {
    let mut context = call.body.as_ref().unwrap()[name].clone();
    context["kind"] = format!("sql#{name}").into();
    json!({name: context})
}

/// A file that exists is found only once the operation runs.
pub(super) fn export(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["exportContext"])?;
    call.only("/exportContext", &["uri", "fileType", "databases", "offload"])?;
    is_sql(call, "/exportContext/fileType")?;
    let (uri, closed) = file(world, call, "/exportContext/uri")?;
    let instance = world.running(call)?;
    let databases: Vec<String> = match call.body.as_ref().unwrap().pointer("/exportContext/databases") {
        None => Vec::new(),
        Some(names) => serde_json::from_value(names.clone()).or_else(|_| invalid("databases"))?,
    };
    if instance.version.starts_with("POSTGRES") && databases.len() != 1 {
        return invalid("Exactly one database must be specified for a PostgreSQL instance");
    }
    let missing = databases.iter().find(|name| !instance.databases.contains(name));
    let missing = missing.map(|name| End::badly(format!("database \"{name}\" does not exist")));
    let data = instance.data.clone();
    let taken = world.files.contains_key(&uri).then(|| End::badly(format!("The file {uri} already exists.")));
    Ok(world.begin(Begin {
        project: &call.project,
        target: call.instance(),
        kind: "EXPORT",
        effect: Effect::File { uri, data },
        context: context(call, "exportContext"),
        end: closed.or(missing).or(taken).unwrap_or(End::Well),
    }))
}

pub(super) fn import(world: &mut World, call: &Call) -> Outcome {
    call.only("", &["importContext"])?;
    call.only("/importContext", &["uri", "fileType", "database", "importUser"])?;
    is_sql(call, "/importContext/fileType")?;
    let (uri, closed) = file(world, call, "/importContext/uri")?;
    let instance = world.running(call)?;
    let database = call.field("/importContext/database");
    let databases = instance.databases.clone();
    let missing = database.filter(|name| !databases.iter().any(|known| known == name));
    let missing = missing.map(|name| End::badly(format!("database \"{name}\" does not exist")));
    let data = world.files.get(&uri).cloned();
    let absent = data.is_none().then(|| End::badly(format!("The file {uri} does not exist.")));
    Ok(world.begin(Begin {
        project: &call.project,
        target: call.instance(),
        kind: "IMPORT",
        effect: Effect::Content(data.unwrap_or_default(), databases),
        context: context(call, "importContext"),
        end: closed.or(missing).or(absent).unwrap_or(End::Well),
    }))
}
