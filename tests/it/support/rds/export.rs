//! Exports of snapshots to S3.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::call::{Call, Outcome, bad_value, refuse};
use super::names;
use super::page::page;
use super::world::{Place, World};
use super::xml::{element, list, optional, time, within};

/// A task that writes a snapshot as files.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) status: String,
    /// What it becomes: `COMPLETE`, `FAILED`.
    pub(crate) ends: &'static str,
    pub(crate) looks: u32,
    pub(crate) warning: Option<String>,
    source: String,
    snapshot_time: DateTime<Utc>,
    parameters: BTreeMap<String, String>,
    only: Vec<String>,
}

impl Export {
    fn xml(&self, looks: u32) -> String {
        let ended = self.status == self.ends;
        let given = |name: &str| self.parameters.get(name);
        let failed = (self.status == "FAILED").then_some("The bucket is in another account.");
        [
            element("ExportTaskIdentifier", &self.name),
            element("SourceArn", &self.source),
            element("SourceType", "SNAPSHOT"),
            element("Status", &self.status),
            element("PercentProgress", if ended { 100 } else { 100 * self.looks / (looks + 1) }),
            element("TotalExtractedDataInGB", u32::from(ended)),
            element("SnapshotTime", time(self.snapshot_time)),
            optional("S3Bucket", given("S3BucketName")),
            optional("S3Prefix", given("S3Prefix")),
            optional("IamRoleArn", given("IamRoleArn")),
            optional("KmsKeyId", given("KmsKeyId")),
            optional("FailureCause", failed),
            optional("WarningMessage", self.warning.as_ref()),
            list("ExportOnly", "member", &self.only),
        ]
        .concat()
    }
}

pub(super) fn start(world: &mut World, call: &Call) -> Outcome {
    let name = names::export(call.required("ExportTaskIdentifier")?)?;
    let source = call.required("SourceArn")?.to_owned();
    for parameter in ["S3BucketName", "IamRoleArn"] {
        call.required(parameter)?;
    }
    if !call.required("IamRoleArn")?.starts_with("arn:aws:iam::") {
        return refuse("IamRoleNotFound", "The IAM role could not be found.");
    }
    call.required("KmsKeyId")?;
    world.named_key(call)?;
    let Some(snapshot) =
        world.snapshots.iter().find(|snapshot| snapshot.arn() == source && snapshot.place == call.place)
    else {
        return refuse("DBSnapshotNotFound", format!("DBSnapshot {source} not found."));
    };
    if snapshot.status != "available" {
        return refuse("InvalidExportSourceState", "The state of the export source is invalid.");
    }
    if world.exports.iter().any(|export| export.place == call.place && export.name == name) {
        return refuse("ExportTaskAlreadyExists", format!("An export task with the identifier {name} already exists."));
    }
    let going_on = |status: &str| ["STARTING", "IN_PROGRESS"].contains(&status);
    let others = world.exports.iter().filter(|export| export.place == call.place && going_on(&export.status));
    if others.clone().any(|export| export.source == source) {
        return bad_value("The snapshot is already being exported.");
    }
    if others.count() >= 5 {
        return refuse("ExportTaskLimitReachedFault", "You can't have more than 5 export tasks in progress.");
    }
    let export = Export {
        place: call.place.clone(),
        name,
        status: "STARTING".into(),
        ends: if world.doomed { "FAILED" } else { "COMPLETE" },
        looks: 0,
        warning: None,
        source,
        snapshot_time: snapshot.created,
        parameters: call.parameters.clone(),
        only: call.list("ExportOnly.member"),
    };
    let body = export.xml(world.looks);
    world.exports.push(export);
    Ok(body)
}

pub(super) fn describe(world: &mut World, call: &Call) -> Outcome {
    let (name, source, looks) = (call.get("ExportTaskIdentifier"), call.get("SourceArn"), world.looks);
    let asked = |export: &Export| {
        export.place == call.place
            && name.is_none_or(|name| name == export.name)
            && source.is_none_or(|source| source == export.source)
    };
    let found: Vec<(String, String)> = world
        .exports
        .iter()
        .filter(|export| asked(export))
        .map(|export| (export.name.clone(), export.name.clone()))
        .collect();
    if let (Some(name), true) = (name, found.is_empty()) {
        return refuse("ExportTaskNotFound", format!("The export task {name} could not be found."));
    }
    let (names, body) = page(world, call, "ExportTasks", found)?;
    let mut inner = String::new();
    for export in world.exports.iter_mut().filter(|export| export.place == call.place && names.contains(&export.name)) {
        if ["STARTING", "IN_PROGRESS"].contains(&export.status.as_str()) {
            export.looks += 1;
            export.status = if export.looks > looks { export.ends.into() } else { "IN_PROGRESS".into() };
        }
        inner += &within("ExportTask", &export.xml(looks));
    }
    Ok(body(&inner))
}
