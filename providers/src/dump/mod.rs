//! Snapshots by logical dump: an engine times a store.
//!
//! A dump becomes a snapshot in the moment in which its manifest is written, and stops being one in the moment in
//! which its manifest is deleted. Whatever else lies in a store is debris.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Check, CopyRequest, CreateRequest, Debris, Details, ListScope, Listing, NativeId, Operation, OperationId,
    RestoreRequest, RestoreTo, Restored, Snapshot, TargetName, Verification, VerifyRequest,
};
use crate::objects::identity_of;
use crate::settings::{Compression, ProviderSettings, StoreSettings};
use crate::{Capabilities, Provider, Run, Support};
use by_hand::ByHand;
use child::Stopper;
use encryption::Key;
use engine::Engine;
use manifest::{Manifest, Part};
use server::Connection;
use store::Store;
use stores::Stores;
use stream::{Meter, Sink, interrupted, load_part, open_part, unlock, verify_part};

mod by_hand;
pub(crate) mod child;
mod copy;
mod create;
mod encryption;
mod engine;
mod examine;
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
mod stores;
mod stream;
mod tls;
mod tools;
mod verify;

pub use examine::examine_store;

/// The dumps of one database in its stores.
#[derive(Debug)]
pub(crate) struct DumpProvider {
    target: TargetName,
    engine: Box<dyn Engine>,
    /// Where new dumps go, whatever the config calls it.
    identity: String,
    stores: Stores,
    compression: Compression,
    base: PathBuf,
}

impl DumpProvider {
    /// What a dump is restored into is there already, or has nothing to choose.
    fn refuse_options(&self, id: &NativeId, request: &RestoreRequest) -> Result<()> {
        let Some(option) = request.options.keys().next() else { return Ok(()) };
        let reason = format!("a dump has no option {option:?} to restore with");
        Err(Error::new(ErrorKind::Usage, self.engine.provider(), "restore", self.stores.id(id), reason))
    }

    /// The provider of a dump target; relative paths start at `base`.
    pub(crate) async fn open(
        target: &TargetName,
        settings: &ProviderSettings,
        stores: &[(String, StoreSettings)],
        held: &[(String, StoreSettings)],
        base: &FilePath,
    ) -> Result<Self> {
        let refuse = |reason: &str| Error::new(ErrorKind::Unsupported, settings.name(), "open", target, reason);
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
        let identity = identity(stores, base);
        let stores = Stores::open(target, stores, held, base).await?;
        Ok(Self { target: target.clone(), identity, engine, stores, compression, base: base.to_owned() })
    }

    /// The manifest of a snapshot and the store that it is in, or why there is none.
    async fn find(&self, native: &NativeId) -> Result<(&Store, Manifest)> {
        self.stores.find(native).await?.ok_or_else(|| {
            let reason = "there is no such snapshot";
            Error::new(ErrorKind::NotFound, self.engine.provider(), "find", self.stores.id(native), reason)
                .with_hint(format!("see `snapkeep list {}`", self.target))
        })
    }

    /// Reads every object of a snapshot once and compares it with the manifest, having made sure that it can be decrypted.
    async fn prove<'s>(
        &self,
        store: &'s Store,
        native: &'s NativeId,
        manifest: Manifest,
        run: &Run,
    ) -> Result<Held<'s>> {
        let path = |part: &Part| store.path(&self.target, native, &part.name);
        let key = match manifest.parts.first() {
            Some(part) => unless_cancelled(run, "restore", &manifest.id, unlock(store, &path(part), part)).await?,
            None => None,
        };
        let meter = Meter::new(run, Some(manifest.size_bytes));
        for part in manifest.objects() {
            verify_part(store, &path(part), part, &meter).await?;
        }
        Ok(Held { store, native, manifest, key })
    }

    /// Streams parts of a snapshot, one after the other, into what `begin` starts once all of them are open.
    async fn load(
        &self,
        from: &Held<'_>,
        wanted: &[Part],
        begin: impl Future<Output = Result<(Box<dyn Sink>, Option<Stopper>)>>,
        run: &Run,
    ) -> Result<()> {
        let Held { store, native, manifest, key } = from;
        let meter = Meter::new(run, Some(wanted.iter().map(|part| part.uncompressed_bytes).sum()));
        let mut parts = Vec::new();
        for part in wanted {
            let path = store.path(&self.target, native, &part.name);
            let opening = open_part(store, &path, part, key.as_ref());
            let stored = unless_cancelled(run, "open", &part.name, opening).await?;
            parts.push((part, path, stored));
        }
        // From here on the target may be gone: what was deleted since it was verified must have shown by now.
        let (mut sink, stopper) = begin.await?;
        for (part, path, stored) in parts {
            sink = load_part(store, &path, part, stored, sink, stopper.clone(), &meter).await?;
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
            Error::new(ErrorKind::Failed, "dump", "load", self.stores.id(native), "its thread ended early")
                .with_source(error)
        })?
    }
}

/// A snapshot whose bytes are proven to be what was stored.
struct Held<'s> {
    store: &'s Store,
    native: &'s NativeId,
    manifest: Manifest,
    /// What decrypts it, if it is encrypted.
    key: Option<Key>,
}

/// Does work that changes nothing, and leaves it as soon as the run is cancelled; tools that it has asked are stopped.
async fn unless_cancelled<T>(
    run: &Run,
    action: &str,
    subject: impl ToString,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    run.unless_cancelled(work, || interrupted(action, &subject.to_string())).await
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
        self.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tags: Support::Yes,
            adopt: Support::No, // whatever is in a store under a target's name is its own
            reuses_ids: Support::No,
            in_place: Support::Yes,
            point_in_time: Support::No,
            delete: Support::Yes,
            delete_automated: Support::No,
        }
    }

    async fn check(&self) -> Vec<Check> {
        let mut checks = self.engine.check().await;
        for store in self.stores.opened() {
            checks.push(Check::new("store", store.probe(&self.target).await));
        }
        checks.extend(self.stores.broken().map(|error| Check::new("store", Err(error))));
        checks
    }

    async fn examine(&self) -> Vec<Check> {
        self.engine.examine().await
    }

    async fn list(&self, _: ListScope) -> Result<Listing> {
        self.stores.list().await
    }

    async fn get(&self, id: &NativeId) -> Result<Details> {
        let (store, manifest) = self.find(id).await?;
        let by_hand = self.engine.by_hand(&manifest, &ByHand::of(store, &self.target, id, &manifest));
        let record = serde_json::to_value(&manifest).unwrap_or_default();
        Ok(Details { snapshot: manifest.snapshot(id.clone(), store.location()), record, by_hand })
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.make(request, run).await
    }

    async fn copy(&self, id: &NativeId, request: &CopyRequest, run: &Run) -> Result<Operation<Snapshot>> {
        self.copy_to(id, request, run).await
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>> {
        let native = NativeId::new(operation.as_str());
        let (store, manifest) = self.find(&native).await?;
        create::done(vec![Ok(manifest.snapshot(native, store.location()))])
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>> {
        self.refuse_options(id, request)?;
        let (store, manifest) = unless_cancelled(run, "restore", self.stores.id(id), self.find(id)).await?;
        if let RestoreTo::New(name) = &request.to
            && name.is_empty()
        {
            return Err(Error::new(ErrorKind::Usage, self.name(), "restore to", "\"\"", "it has no name")
                .with_hint("choose another name with `--to NAME`"));
        }
        if manifest.provider != self.engine.provider() {
            let reason = format!("it is of {}, and the target is {}", manifest.provider, self.engine.provider());
            return Err(Error::new(ErrorKind::Unsupported, self.name(), "restore", &manifest.id, reason)
                .with_hint(format!("see `snapkeep show {}`: it can be restored by hand", manifest.id)));
        }
        let planned = self.engine.plan_restore(&manifest, request);
        let mut plan = unless_cancelled(run, "restore", &manifest.id, planned).await?;
        let own = self.engine.database();
        if request.to == RestoreTo::InPlace && manifest.database != own {
            let reason = format!("the snapshot is of another database, {}", manifest.database);
            return Err(Error::new(ErrorKind::Refused, self.name(), "restore over", own, reason)
                .with_hint("restore it beside: `--to NAME`"));
        }
        let held = self.prove(store, id, manifest, run).await?;
        let manifest = &held.manifest;
        let loaded = match self.load(&held, &manifest.parts, plan.begin(), run).await {
            Ok(()) if run.cancel.is_cancelled() => Err(interrupted("restore", &manifest.id)),
            Ok(()) => plan.commit().await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(restored) => Ok(Operation::done(OperationId::of_restore(&restored.to), restored)),
            Err(error) => Err(match plan.undo().await {
                Some(left) => error.with_hint(left),
                None => error,
            }),
        }
    }

    async fn verify(&self, id: &NativeId, request: &VerifyRequest, run: &Run) -> Result<Verification> {
        self.look_into(id, request, run).await
    }

    async fn delete(&self, id: &NativeId) -> Result<()> {
        if !name::is_snapshot_name(id.as_str()) {
            return Ok(());
        }
        match self.find(id).await {
            Ok((store, manifest)) => {
                store.refuse_locked(&self.target, id, manifest.locked_until, create::now()).await?;
                store.delete(&self.target, id).await
            }
            // Without a manifest, or with one that can't be used: what is left of it, wherever it is.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Verification | ErrorKind::Unsupported) =>
            {
                if let Some(unasked) = self.stores.broken().next() {
                    return Err(unasked);
                }
                for store in self.stores.opened() {
                    store.refuse_locked(&self.target, id, None, create::now()).await?;
                }
                for store in self.stores.opened() {
                    store.delete(&self.target, id).await?;
                }
                Ok(())
            }
            // Whether it is there is what can't be told.
            Err(error) => Err(error),
        }
    }

    async fn debris(&self) -> Result<Vec<Debris>> {
        let mut found = Vec::new();
        for store in self.stores.opened() {
            found.extend(store.debris(&self.target).await?);
        }
        found.sort_by(|a, b| a.native_id.cmp(&b.native_id));
        Ok(found)
    }

    async fn sweep(&self, debris: &Debris) -> Result<()> {
        let native = &debris.native_id;
        for store in self.stores.opened() {
            store.abort_uploads(&self.target, debris).await?;
            if store.manifest(&self.target, native).await?.is_none() {
                store.sweep(&self.target, native).await?;
            }
        }
        Ok(())
    }
}

/// Where the dumps of a target go, told by its stores alone: the same whether or not they can be used now.
pub(crate) fn identity(stores: &[(String, StoreSettings)], base: &FilePath) -> String {
    stores.iter().map(|(_, settings)| identity_of(&settings.place, base)).collect::<Vec<_>>().join(" ")
}

/// Opens a dump target as a provider.
pub(crate) async fn open(
    target: &TargetName,
    settings: &ProviderSettings,
    stores: &[(String, StoreSettings)],
    held: &[(String, StoreSettings)],
    base: &FilePath,
) -> Result<Arc<dyn Provider>> {
    Ok(Arc::new(DumpProvider::open(target, settings, stores, held, base).await?))
}
