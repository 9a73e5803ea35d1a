//! The provider contract: one trait for cloud snapshots and for dumps, and the only place that knows them all.
//!
//! A provider translates between an API or a dump tool and the model. It decides nothing about retention, prints
//! nothing, and reads no config file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

mod aws;
mod aws_rds;
mod azure;
mod azure_flexible;
mod azure_sql;
pub mod bookmarks;
mod clock;
mod cloud_sql;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod dump;
pub mod error;
mod gcp;
mod hex;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod model;
mod need;
pub mod objects;
mod options;
mod owner;
pub mod program;
mod random;
mod rest;
pub mod secret;
pub mod settings;
pub mod shell;
mod toml;
mod trial;

pub use dump::examine_store;
pub use dump::live::leave_nothing;
pub use error::{Error, ErrorKind, Result};
pub use rest::on_the_way;

use azure_flexible::Told;
use bookmarks::Bookmarks;
use model::{
    Check, CopyRequest, CopyTo, CreateRequest, Debris, Details, ExportOf, ExportRequest, Exported, ImportRequest,
    Imported, ListScope, Listing, NativeId, Operation, OperationId, Quota, RestoreRequest, Restored, ShareRequest,
    Snapshot, TargetName, Verification, VerifyRequest,
};
use settings::{ProviderSettings, StoreSettings};

/// What is opened once and shared by all targets: the clients of each account and region, and of each project.
#[derive(Debug, Default)]
pub struct Connections {
    aws: aws::Clients,
    azure: azure::Clients,
    gcp: gcp::Clients,
}

/// What a target is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'s> {
    /// Shared with the other targets.
    pub connections: &'s Connections,
    /// The target's own stores, by name.
    pub stores: &'s [(String, StoreSettings)],
    /// Other stores that may hold copies of its snapshots.
    pub held_stores: &'s [(String, StoreSettings)],
    /// Other regions that may hold copies of its snapshots.
    pub held_regions: &'s [String],
    /// What is remembered of its operations after this process has ended; without, nothing is.
    pub bookmarks: Option<&'s Arc<dyn Bookmarks>>,
    /// Where relative paths of the settings start.
    pub base: &'s Path,
}

impl<'s> Surroundings<'s> {
    /// With nothing but the target's own stores.
    pub fn new(connections: &'s Connections, stores: &'s [(String, StoreSettings)], base: &'s Path) -> Self {
        Self { connections, stores, held_stores: &[], held_regions: &[], bookmarks: None, base }
    }
}

/// Opens the provider of a target: the only place that knows them all.
pub async fn open(
    target: &TargetName,
    settings: &ProviderSettings,
    surroundings: Surroundings<'_>,
) -> Result<Arc<dyn Provider>> {
    let Surroundings { connections, stores, held_stores, held_regions, bookmarks, base } = surroundings;
    match settings {
        ProviderSettings::Mysql(_) | ProviderSettings::Postgresql(_) | ProviderSettings::Sqlite(_) => {
            dump::open(target, settings, stores, held_stores, base).await
        }
        ProviderSettings::AwsRds(rds) => aws_rds::open(target, rds, &connections.aws, held_regions).await,
        ProviderSettings::GcpCloudSql(sql) => cloud_sql::open(target, sql, &connections.gcp, base),
        ProviderSettings::AzureMysql(server) => {
            azure_flexible::open(target, Told::mysql(server), &connections.azure, bookmarks, base)
        }
        ProviderSettings::AzurePostgresql(server) => {
            azure_flexible::open(target, Told::postgresql(server), &connections.azure, bookmarks, base)
        }
        ProviderSettings::AzureSql(sql) => azure_sql::open(target, sql, &connections.azure, bookmarks, base),
    }
}

/// A database that a cloud has, as [`discover`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The cloud's own name of it.
    pub name: String,
    /// Its engine and version.
    pub engine: Option<String>,
    /// The cloud's word for its state.
    pub provider_state: Option<String>,
    /// The settings of a target for it, in the order in which one writes them: the key and the value as TOML.
    pub settings: Vec<(&'static str, String)>,
    /// What tells it from every other: [`Provider::identity`] of its target.
    pub identity: String,
}

/// What there is in an account, project or subscription.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The databases.
    pub found: Vec<Found>,
    /// Why some may be missing; empty when none is.
    pub problems: Vec<Error>,
}

/// Every database of the account, project or subscription, and the region, that `settings` point at. Secrets of theirs are
/// found from `base`.
pub async fn discover(connections: &Connections, settings: &ProviderSettings, base: &Path) -> Result<Discovery> {
    match settings {
        ProviderSettings::AwsRds(rds) => {
            let found = aws_rds::discover(rds, &connections.aws).await?;
            Ok(Discovery { found, problems: Vec::new() })
        }
        ProviderSettings::AzureMysql(server) => {
            azure_flexible::discover(Told::mysql(server), &connections.azure, base).await
        }
        ProviderSettings::AzurePostgresql(server) => {
            azure_flexible::discover(Told::postgresql(server), &connections.azure, base).await
        }
        ProviderSettings::AzureSql(sql) => azure_sql::discover(sql, &connections.azure, base).await,
        ProviderSettings::GcpCloudSql(sql) => cloud_sql::discover(sql, &connections.gcp, base).await,
        _ => {
            let reason = "this provider can't look for databases";
            Err(Error::new(ErrorKind::Unsupported, settings.name(), "discover", "databases", reason))
        }
    }
}

/// Where the dumps of a target go, told by its `stores` alone: what [`Provider::identity`] says of a dump target, before it
/// is opened.
pub fn identity_of_dumps(stores: &[(String, StoreSettings)], base: &Path) -> String {
    dump::identity(stores, base)
}

/// Where a cloud target's snapshots are, told by its settings alone: what [`Provider::identity`] says of it, before it is
/// opened; `None` for a dump's.
pub fn identity_of_cloud(settings: &ProviderSettings) -> Option<String> {
    match settings {
        ProviderSettings::AwsRds(rds) => Some(aws_rds::identity(rds)),
        ProviderSettings::GcpCloudSql(sql) => Some(cloud_sql::identity(sql)),
        ProviderSettings::Mysql(_) | ProviderSettings::Postgresql(_) | ProviderSettings::Sqlite(_) => None,
        ProviderSettings::AzureMysql(server) => Some(Told::mysql(server).identity()),
        ProviderSettings::AzurePostgresql(server) => Some(Told::postgresql(server).identity()),
        ProviderSettings::AzureSql(sql) => Some(azure_sql::identity(sql)),
    }
}

/// What a provider can do. Data, so that planning and rendering need no special cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Tags and the key come back with the snapshot.
    pub tags: Support,
    /// Who owns a snapshot can be changed where it is kept; if not, adoptions live in the state.
    pub adopt: Support,
    /// The id of a snapshot that is gone may be given to another.
    pub reuses_ids: Support,
    /// A restore over the target itself.
    pub in_place: Support,
    /// A restore to a moment between snapshots.
    pub point_in_time: Support,
    /// Deleting a snapshot that snapkeep made.
    pub delete: Support,
    /// Deleting a snapshot that the cloud made.
    pub delete_automated: Support,
}

/// Whether a provider can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can.
    Yes,
    /// It can't; asking is an error of kind [`ErrorKind::Unsupported`].
    No,
}

/// How far a call is. Any number may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from the source so far.
    pub read_bytes: u64,
    /// Bytes written to the store so far.
    pub stored_bytes: u64,
    /// What `read_bytes` will be at the end, as the server estimates it.
    pub estimated_bytes: Option<u64>,
    /// 0 to 100, where the provider tells it.
    pub percent: Option<u8>,
}

/// Where a call reports how far it is, and what it noticed. Called often; must be cheap and must not block.
pub trait Reporter: Send + Sync {
    /// How far the call is.
    fn progress(&self, progress: Progress);
    /// Something that the user should know, though the call goes on.
    fn warn(&self, message: &str);
}

/// A reporter that drops everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reporter for Silent {
    fn progress(&self, _: Progress) {}
    fn warn(&self, _: &str) {}
}

/// The surroundings of a long call: where to report, and when to stop.
#[derive(Clone)]
pub struct Run {
    /// Where to report.
    pub reporter: Arc<dyn Reporter>,
    /// When cancelled, the call undoes what it began and ends with [`ErrorKind::Interrupted`].
    pub cancel: CancellationToken,
}

impl Run {
    /// A call that reports nowhere and is never cancelled.
    pub fn silent() -> Self {
        Self { reporter: Arc::new(Silent), cancel: CancellationToken::new() }
    }

    /// Works until it is cancelled, and ends with `stopped` then.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        stopped: impl FnOnce() -> Error,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(stopped()),
            done = work => done,
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("cancelled", &self.cancel.is_cancelled()).finish_non_exhaustive()
    }
}

/// The longest that [`Provider::delete`] may take, so that callers know for how long to keep holds away.
pub const DELETION_LIMIT: Duration = Duration::from_secs(25 * 60);

/// The snapshots of one target.
///
/// The promises below are what `conformance` checks, one function each.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    /// The target that this provider was opened for.
    fn target(&self) -> &TargetName;

    /// The provider's name in the config.
    fn name(&self) -> &'static str;

    /// Where the target's snapshots are: the same on every machine and in every config that means the same ones.
    fn identity(&self) -> String;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Reachable, permitted, tools and versions right: one row each. Changes nothing.
    async fn check(&self) -> Vec<Check>;

    /// What [`Provider::check`] looks at, and what takes longer to ask: what the caller may do, verb by verb, and who it is.
    /// Nothing of the stores, which targets share. Changes nothing.
    async fn examine(&self) -> Vec<Check> {
        self.check().await
    }

    /// Every snapshot in `scope`, newest first.
    ///
    /// What could not be read is in [`Listing::problems`], never silently missing.
    async fn list(&self, scope: ListScope) -> Result<Listing>;

    /// Everything known of one snapshot; [`ErrorKind::NotFound`] when there is none of that id.
    async fn get(&self, id: &NativeId) -> Result<Details>;

    /// Makes a snapshot. The same key is the same snapshot, also after a lost response; a failed one is tried again.
    ///
    /// Two calls at once with one key may make two: callers hold the target's lock.
    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>>;

    /// Copies a snapshot elsewhere; what is there already is not copied again.
    async fn copy(&self, id: &NativeId, _: &CopyRequest, _: &Run) -> Result<Operation<Snapshot>> {
        Err(Error::new(ErrorKind::Unsupported, self.name(), "copy", id, "this provider has no copies"))
    }

    /// Where each new snapshot is to be copied to once it is available. Empty where `create` does it in the same go.
    fn copies(&self) -> Vec<CopyTo> {
        Vec::new()
    }

    /// Whether the place that a copy is to go to answers, and may be looked at. Changes nothing.
    async fn reach(&self, _: &CopyTo) -> Result<()> {
        Ok(())
    }

    /// Lets other accounts restore and copy a snapshot, or no longer. Gives every account that now may.
    async fn share(&self, id: &NativeId, _: &ShareRequest) -> Result<Vec<String>> {
        let reason = "this provider shares no snapshots";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "share", format!("{}/{id}", self.target()), reason))
    }

    /// Takes ownership of a manual snapshot, by tags. Only asked where [`Capabilities::adopt`] is yes.
    async fn adopt(&self, id: &NativeId) -> Result<()> {
        let reason = "this provider changes no tags";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "adopt", format!("{}/{id}", self.target()), reason))
    }

    /// How far a creation or a copy is, by its id or that of the snapshot; [`ErrorKind::NotFound`] when there is none.
    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>>;

    /// Restores a snapshot. Refuses a target that exists and is not empty, and touches nothing before the
    /// snapshot's bytes are proven to be what was stored.
    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>>;

    /// Restores the target as it was at `time` into something new. Only asked where [`Capabilities::point_in_time`] is
    /// yes.
    async fn restore_to_time(&self, time: DateTime<Utc>, _: &RestoreRequest, _: &Run) -> Result<Operation<Restored>> {
        let reason = format!("it has snapshots only, and not what came between them, such as {}", time.to_rfc3339());
        Err(Error::new(ErrorKind::Unsupported, self.name(), "restore", self.target(), reason))
    }

    /// How far a restore is; [`ErrorKind::NotFound`] when there is none of that id.
    async fn poll_restore(&self, operation: &OperationId) -> Result<Operation<Restored>> {
        Err(no_operation(self.name(), self.target(), operation))
    }

    /// Begins to write data as files. One of a snapshot that goes on, or has ended well, is not begun again; one of the
    /// database as it is now is not begun again while it goes on.
    async fn export(&self, of: &ExportOf, _: &ExportRequest, _: &Run) -> Result<Operation<Exported>> {
        let subject = match of {
            ExportOf::Snapshot(id) => format!("{}/{id}", self.target()),
            ExportOf::Now => self.target().to_string(),
        };
        let reason = "this provider exports nothing";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "export", subject, reason))
    }

    /// How far an export is; [`ErrorKind::NotFound`] when there is none of that id.
    async fn poll_export(&self, operation: &OperationId) -> Result<Operation<Exported>> {
        Err(no_operation(self.name(), self.target(), operation))
    }

    /// Begins to read SQL into the target's database as it is now. Only after the caller has confirmed it by name.
    async fn import(&self, _: &ImportRequest, _: &Run) -> Result<Operation<Imported>> {
        let reason = "this provider imports nothing";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "import into", self.target(), reason))
    }

    /// How far an import is; [`ErrorKind::NotFound`] when there is none of that id.
    async fn poll_import(&self, operation: &OperationId) -> Result<Operation<Imported>> {
        Err(no_operation(self.name(), self.target(), operation))
    }

    /// The cloud's limits that creating snapshots uses up.
    async fn quotas(&self) -> Result<Vec<Quota>> {
        Ok(Vec::new())
    }

    /// Looks whether a snapshot is what it was, as thoroughly as asked, and leaves nothing of that behind.
    ///
    /// An error of kind [`ErrorKind::Verification`] means that the snapshot is bad, as a finding that is wrong does;
    /// any other kind says nothing about it. No database that exists is touched.
    async fn verify(&self, id: &NativeId, _: &VerifyRequest, _: &Run) -> Result<Verification> {
        let reason = "this provider has no way to look into its snapshots";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "verify", format!("{}/{id}", self.target()), reason))
    }

    /// Deletes a snapshot, within [`DELETION_LIMIT`]. Deleting a missing one succeeds, so that an interrupted run can be run again.
    async fn delete(&self, id: &NativeId) -> Result<()>;

    /// What was begun by snapkeep and never became a snapshot, oldest first; it is in no list.
    async fn debris(&self) -> Result<Vec<Debris>> {
        Ok(Vec::new())
    }

    /// Deletes debris. What has become a snapshot meanwhile stays; what is gone is swept.
    async fn sweep(&self, _: &Debris) -> Result<()> {
        Ok(())
    }
}

fn no_operation(provider: &'static str, target: &TargetName, operation: &OperationId) -> Error {
    let subject = format!("{target}/{operation}");
    Error::new(ErrorKind::NotFound, provider, "find", subject, "there is no such operation")
}
