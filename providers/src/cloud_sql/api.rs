//! The calls of the Cloud SQL Admin API that are made, one function each.
//!
//! Lists are walked to their last page; a page may hold fewer than were asked for.

use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault::none_if_missing;
use super::record::{Address, Record, is_run_id, last};
use super::wire::{
    Backup, BackupRun, BackupRuns, Backups, Instance, Instances, Operation, Operations, RecoveryTimes, Warning,
};
use crate::rest::{Call, Called, Client, Next};

/// What a page is asked to hold at most; the API's own default is 20 for backup runs.
const PAGE: &str = "500";
/// Of a backup in a list: all but the settings of its instance, which are long.
const BRIEF: &str = "nextPageToken,warnings,backups(name,instance,state,type,description,location,databaseVersion,\
    backupInterval,backupRun,expiryTime,instanceDeletionTime,maxChargeableBytes,error)";

/// One instance of a project, which may not be there.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) project: String,
    pub(super) instance: String,
}

impl Api {
    /// The same for another instance.
    pub(super) fn at(&self, project: &str, instance: &str) -> Self {
        Self { project: project.to_owned(), instance: instance.to_owned(), client: self.client.clone() }
    }

    /// Google's own command that shows what goes on with it.
    pub(super) fn operations_command(&self) -> String {
        format!("gcloud sql operations list --instance {} --project {}", self.instance, self.project)
    }

    fn in_project<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        [&["v1", "projects", &self.project], rest].concat()
    }

    fn on_instance<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        self.in_project(&[&["instances", &*self.instance], rest].concat())
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Called<T> {
        self.client.send(&Call::get(path)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Called<T> {
        self.client.send(&Call::post(path, body)).await
    }

    /// The instance; nothing when there is none of that name.
    pub(super) async fn instance(&self) -> Called<Option<Instance>> {
        none_if_missing(self.get(&self.on_instance(&[])).await)
    }

    /// Every instance of the project, and why some may be missing.
    pub(super) async fn instances(&self, filter: Option<&str>) -> Called<(Vec<Instance>, Vec<Warning>)> {
        let mut call = Call::get(&self.in_project(&["instances"]));
        if let Some(filter) = filter {
            call = call.query("filter", filter);
        }
        let (mut instances, mut warnings) = (Vec::new(), Vec::new());
        let each = |page: Instances| {
            instances.extend(page.items);
            warnings.extend(page.warnings);
            ControlFlow::Continue(())
        };
        self.client.pages(&call, |page: &Instances| next("pageToken", page.next_page_token.as_ref()), each).await?;
        Ok((instances, warnings))
    }

    /// Each backup run of the instance, the newest first, until `each` has seen enough.
    pub(super) async fn runs(&self, mut each: impl FnMut(BackupRun) -> ControlFlow<()>) -> Called<()> {
        let call = Call::get(&self.on_instance(&["backupRuns"])).query("maxResults", PAGE);
        let next = |page: &BackupRuns| next("pageToken", page.next_page_token.as_ref());
        self.client.pages(&call, next, |page: BackupRuns| page.items.into_iter().try_for_each(&mut each)).await
    }

    /// One page of them: that it is permitted, not what there is.
    pub(super) async fn first_runs(&self) -> Called<()> {
        let call = Call::get(&self.on_instance(&["backupRuns"])).query("maxResults", "1");
        self.client.send::<BackupRuns>(&call).await.map(drop)
    }

    /// Each backup of the instance that the project has, briefly; gives why some may be missing.
    pub(super) async fn backups(&self, mut each: impl FnMut(Backup)) -> Called<Vec<Warning>> {
        let call = Call::get(&self.in_project(&["backups"]))
            .query("filter", format!("instance:{}", self.instance))
            .query("pageSize", PAGE)
            .query("fields", BRIEF);
        let mut warnings = Vec::new();
        let next = |page: &Backups| next("pageToken", page.next_page_token.as_ref());
        let page = |page: Backups| {
            warnings.extend(page.warnings);
            // The filter is Google's to read: what it lets through is looked at once more.
            let own = |backup: &Backup| backup.instance.as_deref().map(last) == Some(&*self.instance);
            page.backups.into_iter().filter(own).for_each(&mut each);
            ControlFlow::Continue(())
        };
        self.client.pages(&call, next, page).await?;
        Ok(warnings)
    }

    /// A backup run as the API tells it; nothing when there is none.
    pub(super) async fn run(&self, id: &str) -> Called<Option<Value>> {
        none_if_missing(self.get(&self.on_instance(&["backupRuns", id])).await)
    }

    /// A backup of the project as the API tells it; nothing when there is none.
    pub(super) async fn backup(&self, uid: &str) -> Called<Option<Value>> {
        none_if_missing(self.get(&self.in_project(&["backups", uid])).await)
    }

    pub(super) async fn insert_run(&self, description: &str, location: Option<&str>) -> Called<Operation> {
        let mut run = json!({ "description": description });
        if let Some(location) = location {
            run["location"] = location.into();
        }
        self.post(&self.on_instance(&["backupRuns"]), &run).await
    }

    pub(super) async fn delete(&self, record: &Record) -> Called<Operation> {
        match &record.address {
            Address::Run(id) => self.delete_run(id).await,
            Address::Project(name) => {
                let call = Call::delete(&self.in_project(&["backups", last(name)]));
                self.client.send(&call).await
            }
        }
    }

    pub(super) async fn delete_run(&self, id: &str) -> Called<Operation> {
        self.client.send(&Call::delete(&self.on_instance(&["backupRuns", id]))).await
    }

    /// With nothing left of it, whatever its settings say.
    pub(super) async fn delete_instance(&self) -> Called<Operation> {
        self.client.send(&Call::delete(&self.on_instance(&[])).query("enableFinalBackup", "false")).await
    }

    /// `restoreBackup`, `clone`, `export` or `import` on the instance.
    pub(super) async fn act(&self, action: &str, body: &Value) -> Called<Operation> {
        self.post(&self.on_instance(&[action]), body).await
    }

    pub(super) async fn recovery_times(&self) -> Called<RecoveryTimes> {
        self.get(&self.on_instance(&["getLatestRecoveryTime"])).await
    }

    /// Nothing when there is none of that name.
    pub(super) async fn operation(&self, name: &str) -> Called<Option<Operation>> {
        none_if_missing(self.get(&self.in_project(&["operations", name])).await)
    }

    /// The last operations on the instance, the newest first: one page.
    pub(super) async fn operations(&self) -> Called<Vec<Operation>> {
        let call = Call::get(&self.in_project(&["operations"])).query("instance", &self.instance);
        Ok(self.client.send::<Operations>(&call.query("maxResults", "50")).await?.items)
    }
}

fn next(parameter: &'static str, token: Option<&String>) -> Option<Next> {
    token.map(|token| Next::Query(parameter, token.clone()))
}

/// Whether an id could be the last part of a backup's or an operation's name.
pub(super) fn is_possible(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        || is_run_id(id)
}

/// Whether an instance can have this name; it needs no quoting anywhere:
/// <https://cloud.google.com/sql/docs/mysql/instance-settings>.
pub(super) fn is_instance(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=98).contains(&name.len())
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(letters)
}

/// Whether a project can have this id; one of a domain is `example.com:crm`.
pub(super) fn is_project(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    id.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) && id.bytes().all(plain)
}
