//! Making a dump: one pass of the database, one copy in each store.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use futures::FutureExt;
use futures::future::join_all;

use super::engine::{DumpPlan, PartPlan};
use super::manifest::{self, Manifest, Part};
use super::store::{MANIFEST_LIMIT, Store};
use super::stream::{Destination, Meter, Saved, interrupted, store_parts};
use super::{DumpProvider, name, unless_cancelled};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CreateRequest, NativeId, Operation, OperationId, Snapshot, SnapshotState};
use crate::settings::Compression;

/// How long a store may take to forget a copy that failed.
const ABORT: Duration = Duration::from_secs(10);

/// One copy that is being made.
struct Copy<'p> {
    store: &'p Store,
    native: NativeId,
}

/// What all copies of a dump have in common.
struct Common {
    manifest: Manifest,
    globals: Vec<Result<Vec<Part>>>,
    data: Vec<Result<Vec<Part>>>,
}

impl DumpProvider {
    /// Makes the copies that are not there yet under the request's key.
    pub(super) async fn make(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let looked = join_all(self.stores.written().map(async |store| {
            let store = store?;
            match &request.key {
                Some(key) => Ok((store, self.with_key(store, key, run).await?)),
                None => Ok((store, None)),
            }
        }));
        let looked = unless_cancelled(run, "create", &self.target, looked.map(Ok)).await?;
        let (mut made, mut missing, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for found in looked {
            match found {
                Ok((_, Some(snapshot))) => made.push(Ok(snapshot)),
                Ok((store, None)) => missing.push(store),
                Err(error) => failed.push(Err(error)),
            }
        }
        if !missing.is_empty() {
            made.extend(self.make_in(missing, request, run).await?);
        }
        made.extend(failed);
        done(made)
    }

    /// The snapshot in `store` that has this key.
    ///
    /// A damaged manifest has no key that could be believed, and no old damage may stop new snapshots: it is told.
    /// What could not be read for another reason may be read again, and may have the key.
    async fn with_key(&self, store: &Store, key: &str, run: &Run) -> Result<Option<Snapshot>> {
        let listing = self.stores.list_in(store).await?;
        let found = listing.snapshots.into_iter().find(|snapshot| snapshot.key.as_deref() == Some(key));
        if found.is_none() {
            for problem in listing.problems {
                match problem.kind() {
                    ErrorKind::Verification | ErrorKind::Unsupported => run.reporter.warn(&problem.to_string()),
                    _ => return Err(problem),
                }
            }
        }
        Ok(found.filter(|snapshot| snapshot.state == SnapshotState::Available))
    }

    async fn make_in(&self, stores: Vec<&Store>, request: &CreateRequest, run: &Run) -> Result<Vec<Result<Snapshot>>> {
        let plan =
            unless_cancelled(run, "create", &self.target, self.engine.plan_dump(request.row_counts, run)).await?;
        let created_at = now();
        let claims = join_all(stores.iter().map(|store| self.claim_name(store, created_at)));
        let claims = unless_cancelled(run, "create", &self.target, claims.map(Ok)).await?;
        let (mut copies, mut failed) = (Vec::new(), Vec::new());
        for (store, claimed) in stores.into_iter().zip(claims) {
            match claimed {
                Ok(native) => copies.push(Copy { store, native }),
                Err(error) => failed.push(Err(error)),
            }
        }
        if copies.is_empty() {
            return Ok(failed);
        }
        let mut made = match self.write(created_at, &copies, plan, request, run).await {
            Ok(made) => made,
            Err(error) => {
                join_all(copies.iter().map(|copy| self.clear(copy.store, &copy.native))).await;
                return Err(error);
            }
        };
        // What another process has there under the same name is not ours to delete.
        let failed_own = copies
            .iter()
            .zip(&made)
            .filter(|(_, made)| made.as_ref().is_err_and(|error| error.kind() != ErrorKind::Locked));
        join_all(failed_own.map(|(copy, _)| self.clear(copy.store, &copy.native))).await;
        made.extend(failed);
        Ok(made)
    }

    /// A name that nobody else has: what is deleted after a failure is then always our own.
    pub(super) async fn claim_name(&self, store: &Store, now: DateTime<Utc>) -> Result<NativeId> {
        loop {
            let native = name::new(now);
            if store.claim(&self.target, &native).await? {
                return Ok(native);
            }
        }
    }

    /// What failed is worth more than why the clean-up failed too; what is left is debris.
    pub(super) async fn clear(&self, store: &Store, native: &NativeId) {
        let _ = tokio::time::timeout(ABORT, store.discard(&self.target, native)).await;
    }

    async fn write_parts(
        &self,
        copies: &[Copy<'_>],
        plan: PartPlan,
        compression: Compression,
        meter: &Meter,
    ) -> Result<Saved> {
        let target = &self.target;
        let destinations: Vec<Destination<'_>> =
            copies.iter().map(|copy| Destination { store: copy.store, target, native: &copy.native }).collect();
        store_parts(&destinations, plan.name, plan.steps, compression, meter).await
    }

    /// Writes the globals; where they can't be had, a note says why, and the dump goes on.
    async fn write_globals(
        &self,
        copies: &[Copy<'_>],
        plan: Option<PartPlan>,
        meter: &Meter,
        run: &Run,
    ) -> Result<(Vec<Result<Vec<Part>>>, Option<String>)> {
        let none = || copies.iter().map(|_| Ok(Vec::new())).collect();
        let Some(plan) = plan else { return Ok((none(), None)) };
        let compression = Compression { threads: 1, ..self.compression };
        match self.write_parts(copies, plan, compression, meter).await {
            Ok(saved) => Ok((saved.copies, None)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                run.reporter.warn(&format!("{}: roles are not in the dump: {reason}", self.engine.provider()));
                Ok((none(), Some(format!("globals are missing: {reason}"))))
            }
        }
    }

    /// Writes every part and then the manifest of each copy; what is there after an error is debris.
    async fn write(
        &self,
        created_at: DateTime<Utc>,
        copies: &[Copy<'_>],
        plan: DumpPlan,
        request: &CreateRequest,
        run: &Run,
    ) -> Result<Vec<Result<Snapshot>>> {
        let meter = Meter::new(run, plan.estimate);
        let DumpPlan { globals, data, .. } = plan;
        // Side by side: asking for roles takes as long as a small dump.
        let (globals, saved) = tokio::join!(
            self.write_globals(copies, globals, &meter, run),
            self.write_parts(copies, data, self.compression, &meter)
        );
        let Saved { copies: data, inspected } = saved?;
        let (globals, note) = globals?;
        let version = inspected.iter().find_map(|facts| facts.format.as_deref());
        let counted: Vec<_> = inspected.iter().filter_map(|facts| facts.tables.clone()).collect();
        let inspected_notes = inspected.iter().flat_map(|facts| facts.notes.clone());
        let manifest = Manifest {
            schema: manifest::SCHEMA.into(),
            id: String::new(),
            target: self.target.clone(),
            created_at,
            completed_at: now(),
            key: request.key.clone(),
            tags: request.tags.clone(),
            provider: self.engine.provider().into(),
            engine: plan.engine,
            engine_version: plan.engine_version,
            database: plan.database,
            format: version.map_or(plan.format.clone(), |version| format!("{} {version}", plan.format)),
            tools: plan.tools,
            database_settings: plan.database_settings,
            uncompressed_bytes: 0,
            size_bytes: 0,
            parts: Vec::new(),
            globals: None,
            locked_until: None,
            dump: (copies.len() > 1).then(|| self.stores.id(&copies[0].native).to_string()),
            tables: (!counted.is_empty()).then(|| counted.into_iter().flatten().collect()),
            notes: plan.notes.into_iter().chain(note).chain(inspected_notes).collect(),
        };
        self.commit_all(copies, Common { manifest, globals, data }, run).await
    }

    async fn commit_all(&self, copies: &[Copy<'_>], common: Common, run: &Run) -> Result<Vec<Result<Snapshot>>> {
        if run.cancel.is_cancelled() {
            return Err(interrupted("commit", self.target.as_str()));
        }
        let mut made = Vec::new();
        for ((copy, data), globals) in copies.iter().zip(common.data).zip(common.globals) {
            if run.cancel.is_cancelled() {
                made.push(Err(interrupted("commit", self.target.as_str())));
                continue;
            }
            let parts = data.and_then(|data| globals.map(|globals| (data, globals)));
            made.push(match parts {
                Ok((data, globals)) => {
                    let globals = globals.into_iter().next();
                    let manifest = Manifest { globals, parts: data, ..common.manifest.clone() };
                    self.commit(copy.store, &copy.native, manifest).await
                }
                Err(error) => Err(error),
            });
        }
        Ok(made)
    }

    /// Writes the manifest of one copy: from then on it is a snapshot.
    pub(super) async fn commit(&self, store: &Store, native: &NativeId, manifest: Manifest) -> Result<Snapshot> {
        let locked_until = store.locked_until(manifest.completed_at);
        let manifest = Manifest { locked_until, ..manifest.of(self.stores.id(native).to_string()) };
        let mut json = to_json(&manifest)?;
        if json.len() as u64 > MANIFEST_LIMIT {
            let without = Manifest { tables: None, ..manifest.clone() };
            let note = "row counts are missing: there are too many tables".to_owned();
            json = to_json(&Manifest { notes: [manifest.notes.clone(), vec![note]].concat(), ..without })?;
        }
        store.commit(&self.target, native, json).await?;
        Ok(manifest.snapshot(native.clone(), store.location()))
    }
}

fn to_json(manifest: &Manifest) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Error::new(ErrorKind::Failed, "dump", "write the manifest of", &manifest.id, "it is not JSON")
            .with_source(error)
    })?;
    json.push(b'\n');
    Ok(json)
}

/// The moment, as exact as a manifest tells it.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// A dump's operation is done when `create` returns; its id is the snapshot's. The first copy that was made is the
/// snapshot; the others, and those that could not be made, come along.
pub(super) fn done(mut made: Vec<Result<Snapshot>>) -> Result<Operation<Snapshot>> {
    let Some(first) = made.iter().position(Result::is_ok) else {
        return Err(made.into_iter().find_map(Result::err).unwrap_or_else(|| {
            Error::new(ErrorKind::Failed, "dump", "create", "a snapshot", "there is no store for it")
        }));
    };
    let snapshot = made.remove(first)?;
    let id = OperationId::new(snapshot.native_id.as_str());
    Ok(Operation { copies: made, ..Operation::done(id, snapshot) })
}
