//! Azure Database for MySQL and for PostgreSQL, flexible server: backups of a server, automatic and on demand.
//!
//! A backup has no tags. Whose it is, and its key, stand in its name, which Azure may put something before: the native id is
//! the name that Azure gave. What restores one is a moment, that of its completion. Backups live as long as the server's retention
//! says, 35 days at most.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::azure::begin::Desk;
use crate::azure::fault::OrError;
use crate::azure::permissions::Rows;
use crate::azure::{Clients, Home, bridge};
use crate::bookmarks::Bookmarks;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Check, CreateRequest, Debris, Details, ExportOf, ExportRequest, Exported, ListScope, Listing, NativeId, Operation,
    OperationId, Quota, RestoreRequest, Restored, Snapshot, SnapshotState, TargetName, Verification, VerifyRequest,
};
use crate::owner::Owner;
use crate::rest::Client;
use crate::secret::SecretRef;
use crate::settings::{AzurePostgresql, AzureServer};
use crate::{Capabilities, Discovery, Provider, Run, Support};

use api::{Api, Service};
use mysql::Mysql;
use record::Record;
use wire::{Backup, Server};

mod api;
mod by_hand;
mod check;
mod create;
mod delete;
mod discover;
mod long_term;
mod mysql;
mod options;
mod record;
mod restore;
mod verify;
mod wire;

/// Which of the two services a target is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Mysql,
    Postgresql,
}

impl Flavor {
    /// The provider's name in the config.
    fn provider(self) -> &'static str {
        match self {
            Self::Mysql => "azure_mysql",
            Self::Postgresql => "azure_postgresql",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Mysql => "Microsoft.DBforMySQL/flexibleServers",
            Self::Postgresql => "Microsoft.DBforPostgreSQL/flexibleServers",
        }
    }

    /// As dumps of it are called.
    fn engine(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgresql => "postgresql",
        }
    }

    /// In words.
    fn product(self) -> &'static str {
        match self {
            Self::Mysql => "Azure Database for MySQL",
            Self::Postgresql => "Azure Database for PostgreSQL",
        }
    }

    /// How many backups on demand a server may have.
    fn most_on_demand(self) -> u64 {
        match self {
            Self::Mysql => AzureServer::MOST_OF_MYSQL.into(),
            Self::Postgresql => AzureServer::MOST_OF_POSTGRESQL.into(),
        }
    }

    fn service(self, client: &Client) -> Result<Service, crate::rest::Fault> {
        match self {
            Self::Mysql => Ok(Service::Mysql(Mysql(bridge::mysql(client)?))),
            Self::Postgresql => Ok(Service::Postgresql),
        }
    }

    fn home(self, target: &TargetName, server: &AzureServer) -> Home {
        Home {
            owner: Owner { provider: self.provider(), target: target.clone() },
            subscription: server.access.subscription_id.clone(),
            group: server.resource_group.clone(),
            server: server.server_name.clone(),
            kind: self.kind(),
        }
    }
}

/// What is known of a target before it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'s> {
    pub(crate) flavor: Flavor,
    pub(crate) server: &'s AzureServer,
    /// Where long-term backups go.
    pub(crate) container: Option<&'s SecretRef>,
}

impl<'s> Told<'s> {
    pub(crate) fn mysql(server: &'s AzureServer) -> Self {
        Self { flavor: Flavor::Mysql, server, container: None }
    }

    pub(crate) fn postgresql(settings: &'s AzurePostgresql) -> Self {
        let AzurePostgresql { server, long_term_container } = settings;
        Self { flavor: Flavor::Postgresql, server, container: long_term_container.as_ref() }
    }

    /// A server's name is unique in all of a cloud of Azure's; its resource group may change.
    pub(crate) fn identity(&self) -> String {
        let AzureServer { access, server_name, .. } = self.server;
        let endpoint = access.endpoint.as_ref().map(|endpoint| format!(" at {}", endpoint.trim_end_matches('/')));
        format!("{} {server_name}{}", self.flavor.provider(), endpoint.unwrap_or_default())
    }
}

/// Opens a target; asks Azure nothing.
pub(crate) fn open(
    target: &TargetName,
    told: Told<'_>,
    clients: &Clients,
    bookmarks: Option<&Arc<dyn Bookmarks>>,
    base: &Path,
) -> Result<Arc<dyn Provider>> {
    let flavor = told.flavor;
    let home = flavor.home(target, told.server).checked()?;
    let client = clients.open(home.provider, &told.server.access, base)?;
    let service = flavor.service(&client).or_error(&home, "open", target)?;
    let container = told.container.map(|reference| (reference.clone(), base.to_owned()));
    let desk = Desk::new(client.clone(), bookmarks);
    let api = Api { client, service, home: home.clone() };
    Ok(Arc::new(FlexibleProvider { identity: told.identity(), flavor, home, api, desk, container }))
}

/// Every server of the subscription.
pub(crate) async fn discover(told: Told<'_>, clients: &Clients, base: &Path) -> Result<Discovery> {
    discover::all(told, clients, base).await
}

/// The backups of one server.
#[derive(Debug)]
struct FlexibleProvider {
    flavor: Flavor,
    home: Home,
    identity: String,
    api: Api,
    desk: Desk,
    /// The address of a container with a signature, and where relative paths of the reference start.
    container: Option<(SecretRef, std::path::PathBuf)>,
}

impl FlexibleProvider {
    /// The server; an error when there is none.
    async fn server(&self, verb: &str) -> Result<Server> {
        let found = self.api.server().await.or_error(&self.home, verb, &self.home.target)?;
        found.ok_or_else(|| self.home.no_server(verb))
    }

    /// All backups, the newest first.
    async fn records(&self, verb: &str) -> Result<Vec<Record>> {
        let subject = format!("backups of {}", self.home.target);
        let found = match self.api.backups().await {
            // Of a list that isn't there it is the server that is missing.
            Err(fault) if crate::azure::fault::is_missing(&fault) => {
                let error = Err(fault).or_error(&self.home, verb, &subject);
                self.server(verb).await?;
                return error;
            }
            found => found.or_error(&self.home, verb, &subject)?,
        };
        let mut records: Vec<Record> = found.into_iter().map(Record::from).collect();
        records.sort_by(|a, b| (Reverse(a.completed_at), &a.native).cmp(&(Reverse(b.completed_at), &b.native)));
        Ok(records)
    }

    /// One snapshot, and all that the cloud tells of it.
    async fn find(&self, verb: &str, id: &NativeId) -> Result<(Record, Value)> {
        let found = self.seek(verb, id.as_str()).await?;
        let own = |(record, _): &(Record, Value)| record.native.eq_ignore_ascii_case(id.as_str());
        found.filter(own).ok_or_else(|| self.home.missing(verb, id))
    }

    /// The backup of a name, that which Azure gave it or that which was asked for.
    async fn seek(&self, verb: &str, name: &str) -> Result<Option<(Record, Value)>> {
        let found = self.api.backup(name).await.or_error(&self.home, verb, self.home.id(name))?;
        found.map(|raw| Ok((self.home.parsed::<Backup>(verb, &raw)?.into(), raw))).transpose()
    }

    fn snapshot(&self, record: &Record, server: Option<&Server>) -> Snapshot {
        record.snapshot(&self.home, self.flavor.engine(), server)
    }

    /// Refuses to work with what is not whole.
    fn refuse_unavailable(&self, verb: &str, record: &Record) -> Result<DateTime<Utc>> {
        let subject = self.home.id(&record.native);
        match (record.state(), record.completed_at) {
            (SnapshotState::Available, Some(moment)) => Ok(moment),
            (SnapshotState::Pending, _) => {
                let error = self.home.error(ErrorKind::Busy, verb, &subject, "it is not available yet");
                Err(error.with_hint(format!("wait for it: `snapkeep wait {subject}`")))
            }
            (state, _) => Err(self.home.error(ErrorKind::Failed, verb, &subject, format!("it is {state}"))),
        }
    }
}

#[async_trait]
impl Provider for FlexibleProvider {
    fn target(&self) -> &TargetName {
        &self.home.target
    }

    fn name(&self) -> &'static str {
        self.home.provider
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tags: Support::No,
            adopt: Support::No, // a name can't be changed
            reuses_ids: match self.flavor {
                Flavor::Mysql => Support::No, // a UUID is in each
                Flavor::Postgresql => Support::Yes,
            },
            in_place: Support::No,
            point_in_time: Support::Yes,
            delete: Support::Yes,
            delete_automated: Support::No,
        }
    }

    async fn check(&self) -> Vec<Check> {
        self.check_all(Rows::Folded).await
    }

    async fn examine(&self) -> Vec<Check> {
        let who = self.api.client.credentials(format!("subscription {}", self.home.subscription)).await;
        std::iter::once(who).chain(self.check_all(Rows::Each).await).collect()
    }

    async fn list(&self, scope: ListScope) -> Result<Listing> {
        let records = self.records("list").await?;
        // What it adds to each is good to know, and no reason to show nothing.
        let server = self.server("list").await;
        let problems = server.as_ref().err().map(Error::repeated).into_iter().collect();
        let server = server.ok();
        let found = records.iter().map(|record| self.snapshot(record, server.as_ref()));
        let clock_ahead = self.api.client.clock().ahead();
        let mut listing = Listing { clock_ahead, ..Listing::newest_first(found, problems) };
        if scope == ListScope::AllOrigins {
            self.add_long_term(&mut listing).await;
        }
        Ok(listing)
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let (record, raw) = match self.find("read", id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.long_term_details(id, error).await,
            found => found?,
        };
        let server = self.server("read").await.ok();
        let snapshot = self.snapshot(&record, server.as_ref());
        Ok(Details { record: raw, by_hand: by_hand::lines(&self.home, self.flavor, &record), snapshot })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let subject = self.home.target.to_string();
        self.home.unless_cancelled(run, "snapshot", subject, self.begin_snapshot(request, run)).await
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
        let subject = self.home.target.to_string();
        self.home.unless_cancelled(run, "restore", subject, self.begin_restore_to(time, request, run)).await
    }

    async fn poll_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        self.look_at_restore(operation).await
    }

    async fn export(&self, of: &ExportOf, request: &ExportRequest, run: &Run) -> Result<Operation<Exported>> {
        let subject = self.home.target.to_string();
        self.home.unless_cancelled(run, "export", subject, self.begin_long_term(of, request)).await
    }

    async fn poll_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        self.look_at_long_term(operation).await
    }

    async fn quotas(&self) -> Result<Vec<Quota>> {
        let used = self.records("list").await?.iter().filter(|record| record.is_on_demand()).count();
        let name = format!("backups on demand of {}", self.home.server);
        Ok(vec![Quota { name, used: used as u64, limit: self.flavor.most_on_demand() }])
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
        self.discard(debris.native_id.as_str()).await
    }
}
