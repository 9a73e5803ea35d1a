//! Copying a snapshot from one store to another: the same dump under a name of its own.
//!
//! What is stored is copied as it is, by the stores themselves where they can. Only a plain dump that goes to a store which
//! encrypts is encrypted on its way.

use super::manifest::{Manifest, Part};
use super::store::Store;
use super::stream::{At, Meter, interrupted, name_in, send_part};
use super::{DumpProvider, create, unless_cancelled};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CopyRequest, CopyTo, NativeId, Operation, Snapshot};
use crate::objects::{Copied, copy_object};

/// From where to where.
struct Way<'s> {
    from: &'s Store,
    source: &'s NativeId,
    to: &'s Store,
    copy: &'s NativeId,
}

impl DumpProvider {
    /// Copies a snapshot into another store, unless that has a copy of the same dump already.
    pub(super) async fn copy_to(&self, id: &NativeId, request: &CopyRequest, run: &Run) -> Result<Operation<Snapshot>> {
        let CopyTo::Store { name, settings } = &request.to else {
            let reason = "a dump is in a store, not in a region";
            return Err(Error::new(ErrorKind::Unsupported, self.engine.provider(), "copy", self.stores.id(id), reason)
                .with_hint("name another store: `--to-store S`"));
        };
        let (from, manifest) = unless_cancelled(run, "copy", self.stores.id(id), self.find(id)).await?;
        let to = Store::open(name, settings, &self.base).await?;
        let copy = async { self.stores.copy_of(manifest.dump(), &to).await };
        if let Some((native, manifest)) = unless_cancelled(run, "copy", &manifest.id, copy).await? {
            return create::done(vec![Ok(manifest.snapshot(native, to.location()))]).map(Operation::found);
        }
        check_sizes(&to, &manifest)?;
        let claiming = self.claim_name(&to, manifest.created_at);
        let native = unless_cancelled(run, "copy", &manifest.id, claiming).await?;
        if manifest.objects().any(Part::is_encrypted) {
            let from = from.name();
            run.reporter
                .warn(&format!("{}: stays encrypted as it is in {from}, to the recipients of then", manifest.id));
        }
        let way = Way { from, source: id, to: &to, copy: &native };
        match self.transfer(&way, manifest, run).await {
            Ok(snapshot) => create::done(vec![Ok(snapshot)]),
            // What another process has there under the same name is not ours to delete.
            Err(error) if error.kind() == ErrorKind::Locked => Err(error),
            Err(error) => {
                self.clear(&to, &native).await;
                Err(error)
            }
        }
    }

    async fn transfer(&self, way: &Way<'_>, manifest: Manifest, run: &Run) -> Result<Snapshot> {
        let meter = Meter::new(run, Some(manifest.size_bytes));
        let mut parts = Vec::new();
        for part in &manifest.parts {
            parts.push(self.transfer_part(way, part, &meter).await?);
        }
        let globals = match &manifest.globals {
            Some(part) => Some(self.transfer_part(way, part, &meter).await?),
            None => None,
        };
        if run.cancel.is_cancelled() {
            return Err(interrupted("copy", &manifest.id));
        }
        let dump = Some(manifest.dump().to_owned());
        let completed_at = create::now();
        self.commit(way.to, way.copy, Manifest { parts, globals, dump, completed_at, ..manifest }).await
    }

    async fn transfer_part(&self, way: &Way<'_>, part: &Part, meter: &Meter) -> Result<Part> {
        let name = name_in(way.to, part);
        let from = At { store: way.from, path: way.from.path(&self.target, way.source, &part.name) };
        let to = At { store: way.to, path: way.to.path(&self.target, way.copy, &name) };
        if name == part.name
            && unless_cancelled(&meter.run, "copy", &part.name, by_the_store(&from, &to, part, meter)).await?
        {
            return Ok(part.clone());
        }
        send_part(&from, &to, part, meter).await
    }
}

/// Refuses parts that are larger than the store takes: they are copied as they are.
fn check_sizes(to: &Store, manifest: &Manifest) -> Result<()> {
    // A part is ended a little above its limit.
    let most = to.part_limit().saturating_add(to.part_limit() / 64).saturating_add(64 << 20);
    let Some(part) = manifest.objects().find(|part| part.size_bytes > most) else { return Ok(()) };
    let reason =
        format!("{} has {} bytes, and store {} takes parts of {}", part.name, part.size_bytes, to.name(), most);
    Err(Error::new(ErrorKind::Unsupported, "dump", "copy", &manifest.id, reason)
        .with_hint("make a new dump for that store: add it to `store` of the target"))
}

/// Lets the store copy the object itself; `false` where it can't.
async fn by_the_store(from: &At<'_>, to: &At<'_>, part: &Part, meter: &Meter) -> Result<bool> {
    let copied = copy_object((from.store.objects(), &from.path), (to.store.objects(), &to.path)).await?;
    if copied == Copied::ServerSide {
        let bytes = usize::try_from(part.size_bytes).unwrap_or(usize::MAX);
        meter.count(bytes, bytes);
    }
    Ok(copied == Copied::ServerSide)
}
