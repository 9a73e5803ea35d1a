//! A cloud in memory that can be meddled with, and a target on it to prune.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use snapkeep_providers::memory::Memory;
use snapkeep_providers::model::{
    Check, CreateRequest, Debris, Details, Hold, ListScope, Listing, NativeId, Operation, OperationId, RestoreRequest,
    Restored, Snapshot, SnapshotState, TargetName,
};
use snapkeep_providers::{Capabilities, Error, Provider, Run, Silent};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::{Applied, Planned, apply};
use crate::catalog::Opened;
use crate::config::Retention;
use crate::lock::Lock;
use crate::marks;
use crate::plan::{self, Rules};
use crate::plan_file::{Made, PlanFile};
use crate::state::{Expected, Scope, Written};

/// How a snapshot looks otherwise than it is.
pub(super) type Change = fn(&mut Snapshot);

/// A cloud that shows its snapshots changed, and in which something happens just before a deletion.
#[derive(Default)]
pub(super) struct Meddling {
    pub(super) changes: Mutex<BTreeMap<String, Change>>,
    /// Before the nth deletion, from 0.
    pub(super) before: Mutex<BTreeMap<usize, BoxFuture<'static, ()>>>,
    /// What was asked to be deleted, in order.
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) debris: Mutex<Vec<Debris>>,
    /// How far the cloud's clock is ahead, as its lists tell.
    pub(super) clock_ahead: Mutex<Option<TimeDelta>>,
    /// Takes its time: what is deleted is there for longer, as `deleting`.
    pub(super) slow: Mutex<bool>,
}

struct Cloud {
    memory: Memory,
    meddling: Arc<Meddling>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.memory.fmt(f)
    }
}

impl Cloud {
    fn changed(&self, snapshot: &mut Snapshot) {
        if let Some(change) = self.meddling.changes.lock().unwrap().get(snapshot.native_id.as_str()) {
            change(snapshot);
        }
    }
}

#[async_trait]
impl Provider for Cloud {
    fn target(&self) -> &TargetName {
        self.memory.target()
    }

    fn name(&self) -> &'static str {
        self.memory.name()
    }

    fn identity(&self) -> String {
        self.memory.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Vec<Check> {
        self.memory.check().await
    }

    async fn list(&self, scope: ListScope) -> Result<Listing, Error> {
        let mut listing = self.memory.list(scope).await?;
        listing.snapshots.iter_mut().for_each(|snapshot| self.changed(snapshot));
        listing.clock_ahead = *self.meddling.clock_ahead.lock().unwrap();
        Ok(listing)
    }

    async fn get(&self, id: &NativeId) -> Result<Details, Error> {
        let mut details = self.memory.get(id).await?;
        self.changed(&mut details.snapshot);
        Ok(details)
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>, Error> {
        self.memory.create(request, run).await
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>, Error> {
        self.memory.poll(operation).await
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>, Error> {
        self.memory.restore(id, request, run).await
    }

    async fn delete(&self, id: &NativeId) -> Result<(), Error> {
        let nth = {
            let mut asked = self.meddling.asked.lock().unwrap();
            asked.push(id.to_string());
            asked.len() - 1
        };
        let happens = self.meddling.before.lock().unwrap().remove(&nth);
        if let Some(happens) = happens {
            happens.await;
        }
        if *self.meddling.slow.lock().unwrap() {
            let deleting: Change = |snapshot| snapshot.state = SnapshotState::Deleting;
            self.meddling.changes.lock().unwrap().insert(id.to_string(), deleting);
            return Ok(());
        }
        self.memory.delete(id).await
    }

    async fn debris(&self) -> Result<Vec<Debris>, Error> {
        Ok(self.meddling.debris.lock().unwrap().clone())
    }

    async fn sweep(&self, debris: &Debris) -> Result<(), Error> {
        self.meddling.debris.lock().unwrap().retain(|other| other != debris);
        Ok(())
    }
}

/// A target of six snapshots, a minute apart, of which the policy keeps the newest two.
pub(super) struct Bed {
    pub(super) memory: Memory,
    pub(super) meddling: Arc<Meddling>,
    pub(super) opened: Opened,
    pub(super) policy: Retention,
    pub(super) cancel: CancellationToken,
    pub(super) folder: TempDir,
}

/// The moment of the first snapshot.
pub(super) const START: &str = "2026-11-22T02:00:00Z";

pub(super) fn minute(minutes: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

/// A plan as its file has it.
pub(super) struct Plan {
    pub(super) digest: String,
    pub(super) planned: Vec<Planned>,
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::of("keep_last = 2").await
    }

    pub(super) async fn of(policy: &str) -> Self {
        let memory = Memory::new("om".parse().unwrap(), minute(0)).with_polls(0);
        let meddling = Arc::new(Meddling::default());
        let folder = tempfile::tempdir().unwrap();
        let cloud = Cloud { memory: memory.clone(), meddling: meddling.clone() };
        let scope = crate::state::tests::scope(&folder.path().join("state"));
        let opened = Opened::of(Arc::new(cloud), scope);
        let policy = toml::from_str(policy).unwrap();
        let bed = Self { memory, meddling, opened, policy, cancel: CancellationToken::new(), folder };
        for _ in 0..6 {
            bed.create().await;
        }
        bed
    }

    pub(super) async fn create(&self) {
        self.memory.create(&CreateRequest::default(), &Run::silent()).await.unwrap();
    }

    pub(super) async fn adopt(&self, native: &NativeId) {
        let snapshot = self.opened.get(native).await.unwrap().snapshot;
        marks::adopt(&self.opened.scope, native, snapshot.created_at, minute(8)).await.unwrap();
    }

    pub(super) async fn lock(&self) -> Lock {
        self.opened.lock("prune apply", self.cancel.clone()).await.unwrap()
    }

    /// Somebody else deletes a snapshot.
    pub(super) async fn delete_elsewhere(&self, native: &str) {
        self.memory.delete(&NativeId::new(native)).await.unwrap();
    }

    pub(super) fn change(&self, native: &str, change: Change) {
        self.meddling.changes.lock().unwrap().insert(native.to_owned(), change);
    }

    pub(super) fn before_deletion(&self, nth: usize, happens: impl Future<Output = ()> + Send + 'static) {
        self.meddling.before.lock().unwrap().insert(nth, happens.boxed());
    }

    pub(super) async fn hold(&self, native: &str) {
        hold(&self.opened.scope, native).await;
    }

    pub(super) async fn plan(&self) -> Plan {
        let now = minute(10);
        let listing = self.opened.list(ListScope::Own).await.unwrap();
        let rules = Rules {
            policy: &self.policy,
            zone: chrono_tz::UTC,
            max_deletes: None,
            max_delete_percent: None,
            clock_ahead: listing.clock_ahead,
        };
        let plan = plan::plan(&rules, plan::see(&listing.snapshots, now), now);
        let made = Made { target: "om", config: String::new(), plan, rules: String::new(), warnings: Vec::new() };
        let file = PlanFile::new(vec![made], now);
        Plan { planned: file.planned("om").unwrap(), digest: file.digest }
    }

    /// Applies a plan twelve minutes after the first snapshot.
    pub(super) async fn apply(&self, plan: &Plan) -> String {
        self.apply_at(plan, minute(12)).await
    }

    pub(super) async fn apply_at(&self, plan: &Plan, now: DateTime<Utc>) -> String {
        let run = Run { reporter: Arc::new(Silent), cancel: self.cancel.clone() };
        let lock = self.lock().await;
        shown(&apply(&self.opened, &self.policy, &plan.digest, &plan.planned, &lock, &run, &|| now).await)
    }

    /// The numbers of the snapshots that are left, oldest first.
    pub(super) async fn left(&self) -> BTreeSet<u32> {
        let listing = self.memory.list(ListScope::AllOrigins).await.unwrap();
        let number = |snapshot: &Snapshot| snapshot.native_id.as_str().trim_start_matches("mem-").parse().unwrap();
        listing.snapshots.iter().map(number).collect()
    }

    /// Applies a plan that must be refused with nothing deleted, nor tried.
    pub(super) async fn refused(&self, plan: &Plan) -> String {
        let before = self.left().await;
        let shown = self.apply(plan).await;
        assert_eq!(self.left().await, before, "{shown}");
        assert_eq!(*self.meddling.asked.lock().unwrap(), [""; 0], "{shown}");
        shown
    }
}

pub(super) async fn hold(scope: &Scope, native: &str) {
    let audit = Hold { reason: "audit".into(), until: None };
    marks::hold(scope, &NativeId::new(native), &audit).await.unwrap();
}

/// Somebody holds a snapshot who takes its deleter for dead.
pub(super) async fn hold_over_claim(scope: &Scope, native: &str) {
    let (_, claim) = scope.get::<serde_json::Value>("holds", native).await.unwrap().unwrap();
    let audit = serde_json::json!({ "reason": "audit", "until": null });
    let written = scope.put("holds", native, &audit, &Expected::Version(claim)).await.unwrap();
    assert!(matches!(written, Written::Yes(_)));
}

pub(super) fn all(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
    numbers.into_iter().collect()
}

/// One line for each deletion, and one for each failure with its exit code.
pub(super) fn shown(applied: &Applied) -> String {
    let deleted = applied.deleted.iter().map(|deleted| format!("{}: {:?}", deleted.native, deleted.ended));
    let failures = applied.failures.iter().map(|failure| format!("{} {}", failure.exit, failure.message));
    deleted.chain(failures).collect::<Vec<_>>().join("\n")
}
