//! The provider contract: one trait for cloud snapshots and for dumps, and the only place that knows them all.
//!
//! A provider translates between an API or a dump tool and the model. It decides nothing about retention, prints
//! nothing, and reads no config file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod dump;
pub mod error;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod model;
pub mod objects;
pub mod secret;
pub mod settings;

pub use dump::live::leave_nothing;
pub use error::{Error, ErrorKind, Result};

use model::{
    Check, CopyRequest, CreateRequest, Debris, Details, ListScope, Listing, NativeId, Operation, OperationId,
    RestoreRequest, Restored, Snapshot, TargetName, Verification, VerifyRequest,
};
use settings::{ProviderSettings, StoreSettings};

/// Opens the provider of a target: the only place that knows them all.
///
/// `stores` are the target's own, by name, and `held` others that may hold copies of its snapshots; relative paths of the
/// settings start at `base`.
pub async fn open(
    target: &TargetName,
    settings: &ProviderSettings,
    stores: &[(String, StoreSettings)],
    held: &[(String, StoreSettings)],
    base: &Path,
) -> Result<Arc<dyn Provider>> {
    match settings {
        ProviderSettings::Mysql(_) | ProviderSettings::Postgresql(_) | ProviderSettings::Sqlite(_) => {
            dump::open(target, settings, stores, held, base).await
        }
        ProviderSettings::AwsRds(_)
        | ProviderSettings::AzureMysql(_)
        | ProviderSettings::AzurePostgresql(_)
        | ProviderSettings::AzureSql(_)
        | ProviderSettings::GcpCloudSql(_) => {
            let reason = "this version has no such provider yet";
            Err(Error::new(ErrorKind::Unsupported, settings.name(), "open", target, reason))
        }
    }
}

/// Where the dumps of a target go, told by its `stores` alone: what [`Provider::identity`] says of a dump target, before it
/// is opened.
pub fn identity_of_dumps(stores: &[(String, StoreSettings)], base: &Path) -> String {
    dump::identity(stores, base)
}

/// What a provider can do. Data, so that planning and rendering need no special cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Tags and the key come back with the snapshot; if not, they live in the state store.
    pub tags: Support,
    /// A restore over the target itself.
    pub in_place: Support,
    /// A restore to a moment between snapshots.
    pub point_in_time: Support,
    /// Deleting a snapshot that snapkeep made.
    pub delete: Support,
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
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("cancelled", &self.cancel.is_cancelled()).finish_non_exhaustive()
    }
}

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

    /// How far a creation is; [`ErrorKind::NotFound`] when there is none of that id.
    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>>;

    /// Restores a snapshot. Refuses a target that exists and is not empty, and touches nothing before the
    /// snapshot's bytes are proven to be what was stored.
    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Restored>;

    /// Looks whether a snapshot is what it was, as thoroughly as asked, and leaves nothing of that behind.
    ///
    /// An error of kind [`ErrorKind::Verification`] means that the snapshot is bad, as a finding that is wrong does;
    /// any other kind says nothing about it. No database that exists is touched.
    async fn verify(&self, id: &NativeId, _: &VerifyRequest, _: &Run) -> Result<Verification> {
        let reason = "this provider has no way to look into its snapshots";
        Err(Error::new(ErrorKind::Unsupported, self.name(), "verify", format!("{}/{id}", self.target()), reason))
    }

    /// Deletes a snapshot. Deleting a missing one succeeds, so that an interrupted run can be run again.
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
