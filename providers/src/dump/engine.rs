//! The seam between a dump and the database it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;

use super::by_hand::ByHand;
use super::child::Stopper;
use super::manifest::{Manifest, ToolRecord};
use super::stream::{Inspector, Sink, Step};
use crate::Run;
use crate::error::{Error, Result};
use crate::model::{Check, RestoreRequest, Restored, RowCounts, VerifyRequest};

/// A database that can be dumped and loaded.
#[async_trait]
pub(crate) trait Engine: Send + Sync + Debug {
    /// The provider's name in the config.
    fn provider(&self) -> &'static str;

    /// The database, as a manifest names it.
    fn database(&self) -> String;

    /// Tools, connection, versions; changes nothing.
    async fn check(&self) -> Vec<Check>;

    /// The same, and what the account may do besides, and how it is connected; changes nothing.
    async fn examine(&self) -> Vec<Check>;

    /// Everything that must be right before the first byte, and how to make the dump then.
    async fn plan_dump(&self, rows: RowCounts, run: &Run) -> Result<DumpPlan>;

    /// What proves from the bytes of a dump that they are all there. Counts rows where the manifest has their numbers.
    fn inspector(&self, manifest: &Manifest, content: Content) -> Result<Box<dyn Inspector>>;

    /// What else can read the data without a database, if anything can here.
    async fn reader(&self, manifest: &Manifest, request: &VerifyRequest, run: &Run) -> Result<Option<Reader>>;

    /// Whether what a loader said proves that the dump is at fault, and not the server that it was to be loaded into.
    fn blames_the_dump(&self, said: &str) -> bool;

    /// A database that is made to be looked at and dropped. Its name is `name`, which no other has.
    async fn plan_scratch(
        &self,
        manifest: &Manifest,
        name: &str,
        request: &VerifyRequest,
        run: &Run,
    ) -> Result<Box<dyn Scratch>>;

    /// Refuses what can't be restored there, before anything is touched.
    async fn plan_restore(&self, manifest: &Manifest, request: &RestoreRequest) -> Result<Box<dyn RestorePlan>>;

    /// Shell commands that restore the snapshot, which is read as `read` says.
    fn by_hand(&self, manifest: &Manifest, read: &ByHand) -> Vec<String>;
}

/// Which of a dump's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The database.
    Data,
    /// Roles and the like.
    Globals,
}

/// What reads a dump, and keeps nothing of it.
pub(crate) struct Reader {
    /// What it is, for people.
    pub(crate) name: String,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) stopper: Option<Stopper>,
}

/// How a dump will be made, and what is known of it already.
pub(crate) struct DumpPlan {
    pub(crate) engine: String,
    pub(crate) engine_version: String,
    pub(crate) database: String,
    pub(crate) format: String,
    pub(crate) tools: Vec<ToolRecord>,
    pub(crate) database_settings: BTreeMap<String, String>,
    /// Bytes that the server thinks it holds.
    pub(crate) estimate: Option<u64>,
    pub(crate) notes: Vec<String>,
    /// Roles and the like. When it can't be made the dump goes on, and the manifest says why.
    pub(crate) globals: Option<PartPlan>,
    pub(crate) data: PartPlan,
}

/// One object to store.
pub(crate) struct PartPlan {
    /// Its name without the compression's ending.
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// A restore whose target has been looked at.
#[async_trait]
pub(crate) trait RestorePlan: Send {
    /// Makes the place for the data, and starts what loads it.
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)>;

    /// The data is loaded: puts it where it was asked for.
    async fn commit(&mut self) -> Result<Restored>;

    /// Takes back what `begin` made; tells what is left behind all the same, and what to do about it.
    async fn undo(&mut self) -> Option<String>;
}

/// A scratch database. `undo` drops it, also after `commit`.
#[async_trait]
pub(crate) trait Scratch: RestorePlan {
    /// The tables in it, as `rows` and a manifest name them.
    async fn tables(&mut self) -> Result<BTreeSet<String>>;

    /// How many rows each of these tables has. One whose rows are not all a dump's own is left out.
    async fn rows(&mut self, tables: &[&str]) -> Result<BTreeMap<String, u64>>;

    /// The one value that a query gives, as text.
    async fn value(&mut self, sql: &str) -> Result<String, Unanswered>;
}

/// Why a query gave no value.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// What it asks about is not in the database, or it gives something else than one value.
    Missing(String),
    /// It could not be asked.
    Failed(Error),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
