//! Azure SQL Database: copies of a database and BACPAC files, which snapkeep makes, and what Azure keeps by itself: restore points,
//! long-term backups, dropped databases.
//!
//! Azure SQL has no backup on demand. What stands for one is a copy, which is a database with tags of ours and is billed as one;
//! or an export to a blob. Nobody waits here for what was begun, but for deletions.

use std::cmp::Reverse;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::azure::begin::Desk;
use crate::azure::fault::OrError;
use crate::azure::permissions::Rows;
use crate::azure::{self, Clients};
use crate::bookmarks::Bookmarks;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Check, CopyRequest, CreateRequest, Debris, Details, ListScope, Listing, NativeId, Operation, OperationId,
    RestoreRequest, Restored, Snapshot, TargetName, Verification, VerifyRequest,
};
use crate::owner::Owner;
use crate::settings::{AzureSql, AzureSqlCreate};
use crate::{Capabilities, Discovery, Provider, Run, Support};
#[cfg(test)]
pub(crate) use check::needs;

use api::Api;
use bacpac::Bacpacs;
use record::{Form, Record};
use wire::{Database, Dropped, LongTermBackup, RestorePoint, Server};

mod api;
mod bacpac;
mod by_hand;
mod check;
mod create;
mod delete;
mod destination;
mod discover;
mod follow;
mod moment;
mod name;
mod options;
mod record;
mod restore;
mod tags;
mod verify;
mod wire;

const NAME: &str = "azure_sql";
/// The kind of server.
const KIND: &str = "Microsoft.Sql/servers";

/// Where a target's database is.
#[derive(Clone, Debug)]
struct Home {
    server: azure::Home,
    database: String,
}

impl Deref for Home {
    type Target = azure::Home;

    fn deref(&self) -> &azure::Home {
        &self.server
    }
}

impl Home {
    /// Refuses names that can't be ones, which are never sent.
    fn new(target: &TargetName, settings: &AzureSql) -> Result<Self> {
        let AzureSql { access, resource_group, server_name, database, .. } = settings.clone();
        let server = azure::Home {
            owner: Owner { provider: NAME, target: target.clone() },
            subscription: access.subscription_id,
            group: resource_group,
            server: server_name,
            kind: KIND,
        };
        let home = Self { server: server.checked()?, database };
        if name::is_database(&home.database) && !name::is_system(&home.database) {
            return Ok(home);
        }
        let reason = format!("{:?} can't be its database", home.database);
        let error = home.error(ErrorKind::Usage, "open", target, reason);
        Err(error
            .with_hint(format!("correct `database` of [targets.{target}]: a name as the server has it, not master")))
    }

    #[cfg(test)]
    fn for_tests() -> Self {
        let access = crate::settings::AzureAccess {
            subscription_id: "00000000-0000-0000-0000-00000000000a".into(),
            ..Default::default()
        };
        let settings = AzureSql {
            access,
            resource_group: "rg-shop".into(),
            server_name: "shop-sql".into(),
            database: "orders".into(),
            ..AzureSql::default()
        };
        Self::new(&"orders".parse().unwrap(), &settings).unwrap()
    }

    /// The error of a database that isn't there.
    fn no_database(&self, verb: &str) -> Error {
        let reason = format!("there is no database {} on the server {}", self.database, self.server.server);
        self.error(ErrorKind::NotFound, verb, &self.target, reason).with_hint(format!(
            "see what is there: `snapkeep targets list --discover`, then correct `database` of [targets.{}]",
            self.target
        ))
    }
}

/// A server's name is unique in all of a cloud of Azure's, though its resource group may change, a database's on its server.
/// Neither has case.
pub(crate) fn identity(settings: &AzureSql) -> String {
    let AzureSql { access, server_name, database, .. } = settings;
    let endpoint = access.endpoint.as_ref().map(|endpoint| format!(" at {}", endpoint.trim_end_matches('/')));
    format!("{NAME} {}{}", format!("{server_name}/{database}").to_lowercase(), endpoint.unwrap_or_default())
}

/// Opens a target; asks Azure nothing.
pub(crate) fn open(
    target: &TargetName,
    settings: &AzureSql,
    clients: &Clients,
    bookmarks: Option<&Arc<dyn Bookmarks>>,
    base: &Path,
) -> Result<Arc<dyn Provider>> {
    let home = Home::new(target, settings)?;
    let client = clients.open(NAME, &settings.access, base)?;
    let bacpacs = settings.bacpac.as_ref().map(|bacpac| Bacpacs::new(&home, bacpac, base)).transpose()?;
    if settings.create == AzureSqlCreate::Bacpac && bacpacs.is_none() {
        let reason = "create = \"bacpac\" needs to know where to, and as whom";
        let hint = format!("set `bacpac` in [targets.{target}]: see docs/azure.md#bacpac-files");
        return Err(home.error(ErrorKind::Usage, "open", target, reason).with_hint(hint));
    }
    Ok(Arc::new(AzureSqlProvider {
        identity: identity(settings),
        api: Api { client: client.clone(), home: home.server.clone() },
        desk: Desk::new(client, bookmarks),
        home,
        create: settings.create,
        bacpacs,
    }))
}

/// Every database of the subscription.
pub(crate) async fn discover(settings: &AzureSql, clients: &Clients, base: &Path) -> Result<Discovery> {
    discover::all(settings, clients, base).await
}

/// The snapshots of one database.
#[derive(Debug)]
struct AzureSqlProvider {
    home: Home,
    identity: String,
    api: Api,
    create: AzureSqlCreate,
    bacpacs: Option<Bacpacs>,
    desk: Desk,
}

/// What was read of a target's snapshots.
#[derive(Debug, Default)]
struct Read {
    records: Vec<Record>,
    /// The database itself, where it is there.
    database: Option<Database>,
    problems: Vec<Error>,
}

impl AzureSqlProvider {
    /// The server, without which nothing can be said.
    async fn server(&self, verb: &str) -> Result<Server> {
        let found = self.api.server().await.or_error(&self.home, verb, &self.home.target)?;
        found.ok_or_else(|| self.home.no_server(verb))
    }

    /// The database, if it is there.
    async fn source(&self, verb: &str) -> Result<Option<Database>> {
        let found = self.api.database(&self.home.database).await.or_error(&self.home, verb, &self.home.target)?;
        found.map(|found| self.home.parsed(verb, &found)).transpose()
    }

    /// What snapkeep made: copies, and BACPAC files where the config says where they are.
    async fn read_own(&self, verb: &str) -> Read {
        let mut read = Read::default();
        let subject = format!("snapshots of {}", self.home.target);
        match self.api.databases().await.or_error(&self.home, verb, &subject) {
            Ok(databases) => {
                for database in databases {
                    if database.name.eq_ignore_ascii_case(&self.home.database) {
                        read.database = Some(database);
                    } else {
                        read.records.extend(Record::of_copy(&self.home, database));
                    }
                }
            }
            Err(problem) => read.problems.push(problem),
        }
        if let Some(bacpacs) = &self.bacpacs {
            match bacpacs.list(&self.home, verb).await {
                Ok(files) => {
                    for file in files {
                        read.records.push(self.as_its_export_is(file).await);
                    }
                }
                Err(problem) => read.problems.push(problem),
            }
        }
        read
    }

    /// All that there is. Each list that can't be had is a problem; the others are not shorter for it.
    async fn read(&self, verb: &str) -> Result<Read> {
        let server = match self.server(verb).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            server => server,
        };
        let mut read = self.read_own(verb).await;
        let subject = format!("snapshots of {}", self.home.target);
        // Of a list of databases that can't be had nobody knows whether the database is in it.
        if read.database.is_some() || !read.problems.is_empty() {
            match self.api.points(&self.home.database).await.or_error(&self.home, verb, &subject) {
                Ok(points) => read.records.extend(points.into_iter().map(Record::from)),
                Err(problem) => read.problems.push(problem),
            }
        }
        match self.dropped(verb).await {
            Ok(dropped) => read.records.extend(dropped.into_iter().map(Record::from)),
            Err(problem) => read.problems.push(problem),
        }
        match server {
            Ok(server) => {
                let location = crate::azure::location(&server.location);
                let found = self.api.long_term(&location, &self.home.database).await;
                match found.or_error(&self.home, verb, &subject) {
                    Ok(backups) => {
                        let of = |backup| Record::of_long_term(backup, &location);
                        read.records.extend(backups.into_iter().map(of));
                    }
                    Err(problem) => read.problems.push(problem),
                }
            }
            // Where the long-term backups are is not known without it.
            Err(problem) => read.problems.push(problem),
        }
        Ok(read)
    }

    /// The deleted databases of the same name, newest first.
    async fn dropped(&self, verb: &str) -> Result<Vec<Dropped>> {
        let subject = format!("snapshots of {}", self.home.target);
        let mut dropped = self.api.dropped().await.or_error(&self.home, verb, &subject)?;
        let lower = self.home.database.to_lowercase();
        dropped.retain(|dropped| dropped.properties.database_name.to_lowercase() == lower);
        dropped.sort_by_key(|dropped| Reverse(dropped.properties.deletion_date));
        Ok(dropped)
    }

    /// One snapshot, and all that Azure tells of it.
    async fn find(&self, verb: &str, id: &NativeId) -> Result<(Record, Value)> {
        let (native, subject) = (id.as_str(), self.home.id(id));
        let missing = || self.home.missing(verb, id);
        let form = record::form(&self.home, native).ok_or_else(missing)?;
        let (api, database) = (&self.api, &*self.home.database);
        let mut location = String::new();
        let found = match form {
            Form::Copy => api.database(native).await,
            Form::Point => api.point(database, native).await,
            Form::Dropped => api.dropped_one(native).await,
            Form::LongTerm => {
                location = crate::azure::location(&self.server(verb).await?.location);
                api.long_term_one(&location, database, native).await
            }
            Form::Bacpac => {
                let Some(bacpacs) = &self.bacpacs else { return Err(missing()) };
                let (file, told) = bacpacs.find(&self.home, verb, native).await?.ok_or_else(missing)?;
                return Ok((self.as_its_export_is(file).await, told));
            }
        };
        let found = found.or_error(&self.home, verb, &subject)?.ok_or_else(missing)?;
        let record = match form {
            Form::Copy => Record::of_copy(&self.home, self.home.parsed::<Database>(verb, &found)?),
            Form::Point => Some(self.home.parsed::<RestorePoint>(verb, &found)?.into()),
            Form::Dropped => Some(self.home.parsed::<Dropped>(verb, &found)?.into()),
            Form::LongTerm => Some(Record::of_long_term(self.home.parsed::<LongTermBackup>(verb, &found)?, &location)),
            Form::Bacpac => None,
        };
        record.map(|record| (record, found)).ok_or_else(missing)
    }
}

#[async_trait]
impl Provider for AzureSqlProvider {
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
            // A blob that Azure writes has no words of ours but its name.
            tags: if self.create == AzureSqlCreate::Copy { Support::Yes } else { Support::No },
            adopt: Support::No, // nothing is manual
            reuses_ids: Support::No,
            in_place: Support::No,
            point_in_time: Support::Yes,
            delete: Support::Yes,
            delete_automated: Support::Yes, // long-term backups
        }
    }

    async fn check(&self) -> Vec<Check> {
        self.check_all(Rows::Folded).await
    }

    async fn examine(&self) -> Vec<Check> {
        let who = self.api.client.credentials(format!("subscription {}", self.home.subscription)).await;
        std::iter::once(who).chain(self.check_all(Rows::Each).await).collect()
    }

    async fn list(&self, _: ListScope) -> Result<Listing> {
        let Read { records, database, mut problems } = self.read("list").await?;
        if records.is_empty() && !problems.is_empty() {
            return Err(problems.swap_remove(0));
        }
        if records.is_empty() && database.is_none() {
            return Err(self.home.no_database("list"));
        }
        let found = records.iter().map(|record| record.snapshot(&self.home));
        let clock_ahead = self.api.client.clock().ahead();
        Ok(Listing { clock_ahead, ..Listing::newest_first(found, problems) })
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let (record, raw) = self.find("read", id).await?;
        let snapshot = record.snapshot(&self.home);
        let by_hand = by_hand::lines(&self.home, self.bacpacs.as_ref(), &record, &raw);
        Ok(Details { record: raw, by_hand, snapshot })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.home.unless_cancelled(run, "snapshot", &self.home.target, self.begin_snapshot(request, run)).await
    }

    async fn copy(&self, id: &NativeId, _: &CopyRequest, _: &Run) -> Result<Operation<Snapshot>> {
        let reason = "Azure SQL copies no backups to where they would be snapshots";
        let hint = format!("restore it elsewhere: `snapkeep restore {} --to RG/SERVER/NAME`", self.home.id(id));
        Err(self.home.error(ErrorKind::Unsupported, "copy", self.home.id(id), reason).with_hint(hint))
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        self.look_at_snapshot(operation).await
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>> {
        self.home.unless_cancelled(run, "restore", self.home.id(id), self.begin_restore(id, request, run)).await
    }

    async fn restore_to_time(
        &self,
        time: DateTime<Utc>,
        request: &RestoreRequest,
        run: &Run,
    ) -> Result<Operation<Restored>> {
        self.home
            .unless_cancelled(run, "restore", &self.home.target, self.begin_restore_to_time(time, request, run))
            .await
    }

    async fn poll_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        self.look_at_restore(operation).await
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
