//! Google Cloud SQL: backup runs of an instance, and the project's backups, which outlive it.
//!
//! It translates between the Cloud SQL Admin API and the model. What is ours is told by a backup's description, so that any
//! machine with the same config sees the same. One operation at a time goes on for an instance: to begin one, the others
//! are waited for; nobody waits here for what was begun, but for deletions, which the next one would meet.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{ControlFlow, Deref};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::gcp::Clients;
use crate::model::{
    Check, CopyRequest, CreateRequest, Debris, Details, ExportOf, ExportRequest, Exported, ImportRequest, Imported,
    ListScope, Listing, NativeId, Operation, OperationId, RestoreRequest, Restored, Snapshot, TargetName, Verification,
    VerifyRequest,
};
use crate::owner::Owner;
use crate::rest::Client;
use crate::settings::GcpCloudSql;
use crate::{Capabilities, Discovery, Provider, Run, Support};

use api::Api;
use fault::OrError;
use record::Record;
use wire::{Backup, BackupRun, Warning};

mod api;
mod begin;
mod by_hand;
mod check;
mod create;
mod delete;
mod description;
mod discover;
mod fault;
mod options;
mod record;
mod restore;
mod transfer;
mod verify;
mod wire;

const NAME: &str = "gcp_cloud_sql";

/// Where a target's instance is.
#[derive(Clone, Debug)]
struct Home {
    owner: Owner,
    project: String,
    instance: String,
    backup_location: Option<String>,
}

impl Deref for Home {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Home {
    fn new(target: &TargetName, settings: &GcpCloudSql) -> Self {
        let GcpCloudSql { project, instance, backup_location, .. } = settings.clone();
        Self { owner: Owner { provider: NAME, target: target.clone() }, project, instance, backup_location }
    }

    /// The error of a list that the cloud itself calls incomplete.
    fn incomplete(&self, verb: &str, subject: impl fmt::Display, warning: &Warning) -> Error {
        let reason = match (&*warning.code, &warning.region) {
            ("REGION_UNREACHABLE", Some(region)) => format!("the region {region} does not answer Google"),
            (code, _) => format!("Google warns that it may be incomplete: {code}"),
        };
        let error = self.error(ErrorKind::Unavailable, verb, subject, reason);
        match &warning.message {
            Some(message) => error.with_source(message.clone()),
            None => error,
        }
    }
}

/// A project's name is unique in all of Google Cloud, an instance's in its project.
pub(crate) fn identity(settings: &GcpCloudSql) -> String {
    let endpoint = settings.endpoint.as_ref().map(|endpoint| format!(" at {}", endpoint.trim_end_matches('/')));
    format!("{NAME} {}/{}{}", settings.project, settings.instance, endpoint.unwrap_or_default())
}

/// Opens a target; asks Google nothing.
pub(crate) fn open(
    target: &TargetName,
    settings: &GcpCloudSql,
    clients: &Clients,
    base: &Path,
) -> Result<Arc<dyn Provider>> {
    let home = Home::new(target, settings);
    let wrong = |key: &str, value: &str| {
        let error = home.error(ErrorKind::Usage, "open", target, format!("{value:?} can't be its {key}"));
        error.with_hint(format!(
            "correct `{key}` of [targets.{target}]: small letters, digits and hyphens, a letter first"
        ))
    };
    if !api::is_project(&home.project) {
        return Err(wrong("project", &home.project));
    }
    if !api::is_instance(&home.instance) {
        return Err(wrong("instance", &home.instance));
    }
    let api =
        Api { client: clients.open(settings, base)?, project: home.project.clone(), instance: home.instance.clone() };
    let resource_manager = clients.resource_manager(settings, base)?;
    Ok(Arc::new(CloudSqlProvider { identity: identity(settings), home, api, resource_manager }))
}

/// Every instance of the project that can have backups.
pub(crate) async fn discover(settings: &GcpCloudSql, clients: &Clients, base: &Path) -> Result<Discovery> {
    discover::all(settings, clients, base).await
}

/// The backups of one instance.
#[derive(Debug)]
struct CloudSqlProvider {
    home: Home,
    identity: String,
    api: Api,
    /// What the project itself is asked by.
    resource_manager: Client,
}

/// What was read of a target's backups.
#[derive(Debug, Default)]
struct Read {
    records: Vec<Record>,
    /// The instance itself is not there.
    orphaned: bool,
    problems: Vec<Error>,
}

impl CloudSqlProvider {
    /// Runs and the project's backups as one: of a run and the backup of it, the run.
    async fn read(&self, verb: &str) -> Read {
        let subject = format!("backups of {}", self.home.target);
        let mut read = Read::default();
        let each = |run: BackupRun| {
            read.records.push(run.into());
            ControlFlow::Continue(())
        };
        match fault::none_if_missing(self.api.runs(each).await).or_error(&self.home, verb, &subject) {
            Ok(found) => read.orphaned = found.is_none(),
            Err(problem) => read.problems.push(problem),
        }
        let natives: BTreeSet<String> = read.records.iter().map(|run| run.native.clone()).collect();
        let calls: BTreeSet<String> = read.records.iter().filter_map(|run| run.call().map(str::to_owned)).collect();
        let mut others = Vec::new();
        let each = |backup: Backup| {
            let mut record = Record::from(backup);
            record.outlived = record.orphaned && !read.orphaned;
            let of_run = natives.contains(&record.native) || record.call().is_some_and(|call| calls.contains(call));
            if !of_run {
                others.push(record);
            }
        };
        match self.api.backups(each).await.or_error(&self.home, verb, &subject) {
            Ok(warnings) => {
                let told = warnings.iter().map(|warning| self.home.incomplete(verb, &subject, warning));
                read.problems.extend(told);
            }
            Err(problem) => read.problems.push(problem),
        }
        read.records.extend(others);
        read.records.retain(|record| !record.is_gone());
        read
    }

    /// One snapshot, and all that the cloud tells of it.
    async fn find(&self, verb: &str, id: &NativeId) -> Result<(Record, Value)> {
        let (native, subject) = (id.as_str(), self.home.id(id));
        if !api::is_possible(native) {
            return Err(self.home.missing(verb, id));
        }
        let found = if record::is_run_id(native) {
            match self.api.run(native).await.or_error(&self.home, verb, &subject) {
                Ok(Some(run)) => Some((self.home.parsed::<BackupRun>(verb, &run)?.into(), run)),
                Ok(None) => self.of_project(verb, self.backup_of_run(verb, native).await?).await?,
                // The region of the instance may be down: then the project still tells what can be restored elsewhere.
                Err(error) if error.kind() == ErrorKind::Unavailable && verb != "delete" => {
                    let backup = self.backup_of_run(verb, native).await.ok().flatten();
                    Some(self.of_project(verb, backup).await.ok().flatten().ok_or(error)?)
                }
                Err(error) => return Err(error),
            }
        } else {
            let backup = self.api.backup(native).await.or_error(&self.home, verb, &subject)?;
            self.of_project(verb, backup).await?
        };
        let of_instance = |of: &String| record::last(of) == self.home.instance;
        let own = |record: &Record| record.native == native && record.instance.as_ref().is_none_or(of_instance);
        found.filter(|(record, _)| own(record) && !record.is_gone()).ok_or_else(|| self.home.missing(verb, id))
    }

    /// A backup of the project, as a record. What one is whose instance is gone depends on whether there is another.
    async fn of_project(&self, verb: &str, backup: Option<Value>) -> Result<Option<(Record, Value)>> {
        let Some(backup) = backup else { return Ok(None) };
        let mut record = Record::from(self.home.parsed::<Backup>(verb, &backup)?);
        if record.orphaned {
            let instance = self.api.instance().await.or_error(&self.home, verb, self.home.id(&record.native))?;
            record.outlived = instance.is_some();
        }
        Ok(Some((record, backup)))
    }

    /// The project's backup that is the same as a run.
    async fn backup_of_run(&self, verb: &str, run: &str) -> Result<Option<Value>> {
        let (subject, mut name) = (self.home.id(run), None);
        let each = |backup: Backup| {
            if record::run_of(&backup).as_deref() == Some(run) {
                name = Some(backup.name);
            }
        };
        let warnings = self.api.backups(each).await.or_error(&self.home, verb, &subject)?;
        match (name, warnings.first()) {
            (Some(name), _) => self.api.backup(record::last(&name)).await.or_error(&self.home, verb, &subject),
            // It may be in the part that is missing.
            (None, Some(warning)) => Err(self.home.incomplete(verb, &subject, warning)),
            (None, None) => Ok(None),
        }
    }

    /// Ends with [`ErrorKind::Interrupted`] as soon as the run is cancelled.
    async fn unless_cancelled<T>(
        &self,
        run: &Run,
        verb: &str,
        subject: impl fmt::Display,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stopped = || {
            let project = &self.home.project;
            let hint = format!("see whether Google has begun it: gcloud sql operations list --project {project}");
            self.home.error(ErrorKind::Interrupted, verb, subject, "it was interrupted").with_hint(hint)
        };
        run.unless_cancelled(work, stopped).await
    }
}

#[async_trait]
impl Provider for CloudSqlProvider {
    fn target(&self) -> &TargetName {
        &self.home.target
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tags: Support::Yes,
            adopt: Support::No, // a description can't be changed
            reuses_ids: Support::No,
            in_place: Support::Yes,
            point_in_time: Support::Yes,
            delete: Support::Yes,
            delete_automated: Support::Yes,
        }
    }

    async fn check(&self) -> Vec<Check> {
        self.check_all().await
    }

    async fn examine(&self) -> Vec<Check> {
        self.examine_all().await
    }

    async fn list(&self, _: ListScope) -> Result<Listing> {
        let Read { records, orphaned, mut problems } = self.read("list").await;
        if records.is_empty() && !problems.is_empty() {
            return Err(problems.swap_remove(0));
        }
        if records.is_empty() && orphaned {
            return Err(self.no_instance("list"));
        }
        let found = records.iter().map(|record| record.snapshot(&self.home));
        let clock_ahead = self.api.client.clock().ahead();
        Ok(Listing { clock_ahead, ..Listing::newest_first(found, problems) })
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let (record, raw) = self.find("read", id).await?;
        let snapshot = record.snapshot(&self.home);
        Ok(Details { record: raw, by_hand: by_hand::lines(&self.home, &record), snapshot })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.unless_cancelled(run, "snapshot", &self.home.target, self.begin_snapshot(request, run)).await
    }

    async fn copy(&self, id: &NativeId, _: &CopyRequest, _: &Run) -> Result<Operation<Snapshot>> {
        let reason = "Cloud SQL copies no backups: each is kept where it was made";
        let hint = format!("have new ones made elsewhere: backup_location = \"...\" in [targets.{}]", self.home.target);
        Err(self.home.error(ErrorKind::Unsupported, "copy", self.home.id(id), reason).with_hint(hint))
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        self.look_at_snapshot(operation).await
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>> {
        self.unless_cancelled(run, "restore", self.home.id(id), self.begin_restore(id, request, run)).await
    }

    async fn restore_to_time(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        self.unless_cancelled(run, "restore", &self.home.target, self.begin_clone(time, request, run)).await
    }

    async fn poll_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        self.look_at_restore(operation).await
    }

    async fn export(&self, of: &ExportOf, request: &ExportRequest, run: &Run) -> Result<Operation<Exported>> {
        self.unless_cancelled(run, "export", &self.home.target, self.begin_export(of, request, run)).await
    }

    async fn poll_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        self.look_at_export(operation).await
    }

    async fn import(&self, request: &ImportRequest, run: &Run) -> Result<Operation<Imported>> {
        self.unless_cancelled(run, "import into", &self.home.target, self.begin_import(request, run)).await
    }

    async fn poll_import(&self, operation: &OperationId) -> Result<Operation<Imported>> {
        self.look_at_import(operation).await
    }

    async fn verify(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        self.prove(id, request, run).await
    }

    async fn delete(&self, id: &NativeId) -> Result<()> {
        self.remove(id).await
    }

    async fn debris(&self) -> Result<Vec<Debris>> {
        self.scratch().await
    }

    async fn sweep(&self, debris: &Debris) -> Result<()> {
        self.discard_scratch(debris.native_id.as_str()).await
    }
}
