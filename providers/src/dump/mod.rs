//! Snapshots by logical dump: an engine times a store.
//!
//! A dump becomes a snapshot in the moment in which its manifest is written, and stops being one in the moment in
//! which its manifest is deleted. Whatever else lies in a store is debris.

use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Check, CreateRequest, Debris, Details, ListScope, Listing, NativeId, Operation, OperationId, OperationState,
    RestoreRequest, RestoreTo, Restored, Snapshot, SnapshotId, SnapshotState, TargetName,
};
use crate::settings::{Compression, ProviderSettings, StoreSettings};
use crate::{Capabilities, Provider, Run, Support};
use engine::{DumpPlan, Engine, PartPlan, RestorePlan};
use manifest::{Manifest, ManifestError, Part};
use server::Connection;
use store::Store;
use stream::{Inspected, Meter, interrupted, load_part, open_part, store_part, verify_part};

pub(crate) mod child;
mod engine;
mod inspect;
pub(crate) mod live;
mod loading;
mod manifest;
mod mysql;
mod name;
mod pg_archive;
mod postgresql;
mod server;
mod sqlite;
mod store;
mod stream;
mod tools;

/// The dumps of one database in one store.
#[derive(Debug)]
pub(crate) struct DumpProvider {
    target: TargetName,
    engine: Box<dyn Engine>,
    store: Store,
    compression: Compression,
}

impl DumpProvider {
    /// The provider of a dump target; relative paths start at `base`.
    pub(crate) fn open(
        target: &TargetName,
        settings: &ProviderSettings,
        stores: &[(String, StoreSettings)],
        base: &FilePath,
    ) -> Result<Self> {
        let refuse = |reason: &str| Error::new(ErrorKind::Unsupported, settings.name(), "open", target, reason);
        let [(store, place)] = stores else {
            return Err(refuse("this version writes each dump to one store").with_hint("set `store` to one name"));
        };
        let server = |server: &crate::settings::Server| Connection::new(server.clone(), base);
        let (engine, compression): (Box<dyn Engine>, _) = match settings {
            ProviderSettings::Postgresql(postgresql) => {
                (Box::new(postgresql::PostgreSql::new(server(postgresql))), postgresql.compression)
            }
            ProviderSettings::Mysql(mysql) => (Box::new(mysql::MySql::new(server(mysql))), mysql.compression),
            ProviderSettings::Sqlite(sqlite) => {
                (Box::new(sqlite::Sqlite::new(base.join(&sqlite.path))), sqlite.compression)
            }
            _ => return Err(refuse("it has no logical dumps")),
        };
        Ok(Self { target: target.clone(), engine, store: Store::open(store, place, base)?, compression })
    }

    fn id(&self, native: &NativeId) -> SnapshotId {
        SnapshotId { target: self.target.clone(), native: native.clone() }
    }

    fn parse(&self, native: &NativeId, bytes: &Bytes) -> Result<Manifest> {
        let id = self.id(native);
        Manifest::parse(bytes, &id).map_err(|error| {
            let unusable = |kind, reason: &str| Error::new(kind, "dump", "read the manifest of", &id, reason);
            match error {
                ManifestError::Unreadable(error) => unusable(ErrorKind::Verification, "it is damaged or cut short")
                    .with_source(error)
                    .with_hint(format!("look at it: {}", self.store.shown_path(&self.target, native, manifest::FILE))),
                ManifestError::Newer(schema) => unusable(
                    ErrorKind::Unsupported,
                    &format!("its schema is {schema:?}, and this version knows {:?}", manifest::SCHEMA),
                )
                .with_hint("use the snapkeep that wrote it, or a later one"),
                ManifestError::Foreign(reason) => unusable(ErrorKind::Verification, &reason),
            }
        })
    }

    /// The manifest of a snapshot, or why there is none.
    async fn manifest(&self, native: &NativeId) -> Result<Manifest> {
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                self.engine.provider(),
                "find",
                self.id(native),
                "there is no such snapshot",
            )
            .with_hint(format!("see `snapkeep list {}`", self.target))
        };
        if !name::is_snapshot_name(native.as_str()) {
            return Err(missing());
        }
        let bytes = self.store.manifest(&self.target, native).await?.ok_or_else(missing)?;
        self.parse(native, &bytes)
    }

    fn snapshot(&self, native: &NativeId, manifest: &Manifest) -> Snapshot {
        manifest.snapshot(native.clone(), self.store.location())
    }

    /// The snapshot that has this key.
    ///
    /// A damaged manifest has no key that could be believed, and no old damage may stop new snapshots: it is told.
    /// What could not be read for another reason may be read again, and may have the key.
    async fn with_key(&self, key: &str, run: &Run) -> Result<Option<Snapshot>> {
        let listing = self.list(ListScope::Own).await?;
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

    /// A name that nobody else has: what is deleted after a failure is then always our own.
    fn claim_name(&self, now: DateTime<Utc>) -> Result<NativeId> {
        loop {
            let native = name::new(now);
            if self.store.claim(&self.target, &native)? {
                return Ok(native);
            }
        }
    }

    async fn write_part(
        &self,
        native: &NativeId,
        plan: PartPlan,
        compression: Compression,
        meter: &Meter,
    ) -> Result<(Part, Vec<Inspected>)> {
        let name = format!("{}.zst", plan.name);
        let path = self.store.path(&self.target, native, &name);
        store_part(&self.store, &path, &name, plan.steps, compression, meter).await
    }

    /// Writes the globals; where they can't be had, a note says why, and the dump goes on.
    async fn write_globals(
        &self,
        native: &NativeId,
        plan: Option<PartPlan>,
        meter: &Meter,
        run: &Run,
    ) -> Result<(Option<Part>, Option<String>)> {
        let Some(plan) = plan else { return Ok((None, None)) };
        let compression = Compression { threads: 1, ..self.compression };
        match self.write_part(native, plan, compression, meter).await {
            Ok((part, _)) => Ok((Some(part), None)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                run.reporter.warn(&format!("{}: roles are not in the dump: {reason}", self.engine.provider()));
                Ok((None, Some(format!("globals are missing: {reason}"))))
            }
        }
    }

    /// Writes every part and then the manifest; what is there after an error is debris.
    async fn write(
        &self,
        created_at: DateTime<Utc>,
        native: &NativeId,
        plan: DumpPlan,
        request: &CreateRequest,
        run: &Run,
    ) -> Result<Manifest> {
        let meter = Meter::new(run, plan.estimate);
        let mut notes = plan.notes;
        // Side by side: asking for roles takes as long as a small dump.
        let (globals, data) = tokio::join!(
            self.write_globals(native, plan.globals, &meter, run),
            self.write_part(native, plan.data, self.compression, &meter)
        );
        let (data, inspected) = data?;
        let (globals, note) = globals?;
        notes.extend(note);
        let version = inspected.iter().find_map(|facts| facts.format.as_deref());
        notes.extend(inspected.iter().flat_map(|facts| facts.notes.clone()));
        let size = |sum: fn(&Part) -> u64| [Some(&data), globals.as_ref()].into_iter().flatten().map(sum).sum();
        let manifest = Manifest {
            schema: manifest::SCHEMA.into(),
            id: self.id(native).to_string(),
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
            uncompressed_bytes: size(|part| part.uncompressed_bytes),
            size_bytes: size(|part| part.size_bytes),
            parts: vec![data],
            globals,
            notes,
        };
        if run.cancel.is_cancelled() {
            return Err(interrupted("commit", &manifest.id));
        }
        self.store.commit(&self.target, native, to_json(&manifest)?).await?;
        Ok(manifest)
    }

    async fn load(&self, native: &NativeId, manifest: &Manifest, plan: &mut dyn RestorePlan, run: &Run) -> Result<()> {
        let meter = Meter::new(run, Some(manifest.uncompressed_bytes));
        let mut parts = Vec::new();
        for part in &manifest.parts {
            let path = self.store.path(&self.target, native, &part.name);
            let opening = open_part(&self.store, &path, part);
            let stored = unless_cancelled(run, "open", &part.name, opening).await?;
            parts.push((part, path, stored));
        }
        // From here on the target may be gone: what was deleted since it was verified must have shown by now.
        let (mut sink, stopper) = plan.begin().await?;
        for (part, path, stored) in parts {
            sink = load_part(&self.store, &path, part, stored, sink, stopper.clone(), &meter).await?;
        }
        // Everything is delivered, but a loader may still be at its indexes for long.
        let mut finishing = tokio::task::spawn_blocking(move || sink.finish());
        let finished = tokio::select! {
            biased;
            () = run.cancel.cancelled() => {
                if let Some(stopper) = &stopper {
                    stopper.stop();
                }
                // What it did is taken back next, so it must have ended.
                let _ = finishing.await;
                return Err(interrupted("load", &manifest.id));
            }
            finished = &mut finishing => finished,
        };
        finished.map_err(|error| {
            Error::new(ErrorKind::Failed, "dump", "load", self.id(native), "its thread ended early").with_source(error)
        })?
    }
}

/// Does work that changes nothing, and leaves it as soon as the run is cancelled; tools that it has asked are stopped.
async fn unless_cancelled<T>(
    run: &Run,
    action: &str,
    subject: impl ToString,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => Err(interrupted(action, &subject.to_string())),
        done = work => done,
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

#[async_trait]
impl Provider for DumpProvider {
    fn target(&self) -> &TargetName {
        &self.target
    }

    fn name(&self) -> &'static str {
        self.engine.provider()
    }

    fn identity(&self) -> String {
        self.store.identity()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tags: Support::Yes, in_place: Support::Yes, point_in_time: Support::No, delete: Support::Yes }
    }

    async fn check(&self) -> Vec<Check> {
        let mut checks = self.engine.check().await;
        checks.push(Check { name: "store", outcome: self.store.probe(&self.target).await });
        checks
    }

    async fn list(&self, _: ListScope) -> Result<Listing> {
        let names = self.store.names(&self.target).await?;
        let mut listing = Listing::default();
        for (native, found) in self.store.manifests(&self.target, names).await {
            let manifest = match found {
                Ok(Some(bytes)) => self.parse(&native, &bytes),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match manifest {
                Ok(manifest) => listing.snapshots.push(self.snapshot(&native, &manifest)),
                Err(error) => listing.problems.push(error),
            }
        }
        // Names tell seconds only.
        listing.snapshots.sort_by(|a, b| (b.created_at, &b.native_id).cmp(&(a.created_at, &a.native_id)));
        Ok(listing)
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let manifest = self.manifest(id).await?;
        let shown = |part: &Part| self.store.shown_path(&self.target, id, &part.name);
        let parts: Vec<String> = manifest.parts.iter().map(shown).collect();
        let globals = manifest.globals.as_ref().map(shown);
        let by_hand = self.engine.by_hand(&manifest, &parts, globals.as_deref());
        let record = serde_json::to_value(&manifest).unwrap_or_default();
        Ok(Details { snapshot: self.snapshot(id, &manifest), record, by_hand })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let looked = async {
            match &request.key {
                Some(key) => Ok(self.with_key(key, run).await?),
                None => Ok(None),
            }
        };
        if let Some(snapshot) = unless_cancelled(run, "create", &self.target, looked).await? {
            return Ok(done(snapshot));
        }
        let plan = unless_cancelled(run, "create", &self.target, self.engine.plan_dump(run)).await?;
        let created_at = now();
        let native = self.claim_name(created_at)?;
        match self.write(created_at, &native, plan, request, run).await {
            Ok(manifest) => Ok(done(self.snapshot(&native, &manifest))),
            Err(error) => {
                // What failed is worth more than why the clean-up failed too; what is left is debris.
                let _ = self.store.delete(&self.target, &native).await;
                Err(error)
            }
        }
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let native = NativeId::new(operation.as_str());
        let manifest = self.manifest(&native).await?;
        Ok(done(self.snapshot(&native, &manifest)))
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Restored> {
        let manifest = self.manifest(id).await?;
        if let RestoreTo::New(name) = &request.to
            && name.is_empty()
        {
            return Err(Error::new(ErrorKind::Usage, self.name(), "restore to", "\"\"", "it has no name")
                .with_hint("choose another name with `--to NAME`"));
        }
        let planned = self.engine.plan_restore(&manifest, request);
        let mut plan = unless_cancelled(run, "restore", &manifest.id, planned).await?;
        let own = self.engine.database();
        if request.to == RestoreTo::InPlace && manifest.database != own {
            let reason = format!("the snapshot is of another database, {}", manifest.database);
            return Err(Error::new(ErrorKind::Refused, self.name(), "restore over", own, reason)
                .with_hint("restore it beside: `--to NAME`"));
        }
        let meter = Meter::new(run, Some(manifest.size_bytes));
        for part in manifest.objects() {
            let path = self.store.path(&self.target, id, &part.name);
            verify_part(&self.store, &path, part, &meter).await?;
        }
        let loaded = match self.load(id, &manifest, &mut *plan, run).await {
            Ok(()) if run.cancel.is_cancelled() => Err(interrupted("restore", &manifest.id)),
            Ok(()) => plan.commit().await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(restored) => Ok(restored),
            Err(error) => Err(match plan.undo().await {
                Some(left) => error.with_hint(left),
                None => error,
            }),
        }
    }

    async fn delete(&self, id: &NativeId) -> Result<()> {
        if name::is_snapshot_name(id.as_str()) { self.store.delete(&self.target, id).await } else { Ok(()) }
    }

    async fn debris(&self) -> Result<Vec<Debris>> {
        self.store.debris(&self.target).await
    }

    async fn sweep(&self, debris: &Debris) -> Result<()> {
        let native = &debris.native_id;
        match self.store.manifest(&self.target, native).await? {
            Some(_) => Ok(()),
            None => self.store.sweep(&self.target, native).await,
        }
    }
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// A dump's operation is done when `create` returns; its id is the snapshot's.
fn done(snapshot: Snapshot) -> Operation<Snapshot> {
    Operation { id: OperationId::new(snapshot.native_id.as_str()), state: OperationState::Done(snapshot) }
}

/// Opens a dump target as a provider.
pub(crate) fn open(
    target: &TargetName,
    settings: &ProviderSettings,
    stores: &[(String, StoreSettings)],
    base: &FilePath,
) -> Result<Arc<dyn Provider>> {
    Ok(Arc::new(DumpProvider::open(target, settings, stores, base)?))
}
