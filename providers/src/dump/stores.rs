//! The stores of one target: those that each new dump goes to, and those that hold copies of some.
//!
//! A store that can't be opened or asked makes a list incomplete; it takes no other store with it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path as FilePath;

use bytes::Bytes;
use futures::future::join_all;

use super::manifest::{self, Manifest, ManifestError};
use super::name;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Listing, NativeId, Snapshot, SnapshotId, TargetName};
use crate::objects::identity_of;
use crate::settings::StoreSettings;

/// The stores of one target, those named first in its config first.
#[derive(Debug)]
pub(crate) struct Stores {
    target: TargetName,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    role: Role,
    /// The store, or why it can't be used.
    store: Result<Store>,
}

/// What a store is to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Each new dump goes there.
    Written,
    /// It has copies of some.
    Held,
}

impl Stores {
    /// Opens them all, each place once whatever names it has; an error only when none can be used.
    pub(crate) async fn open(
        target: &TargetName,
        written: &[(String, StoreSettings)],
        held: &[(String, StoreSettings)],
        base: &FilePath,
    ) -> Result<Self> {
        let written = written.iter().map(|named| (named, Role::Written));
        let mut seen = BTreeSet::new();
        let all = written.chain(held.iter().map(|named| (named, Role::Held)));
        let each_once = all.filter(|((_, settings), _)| seen.insert(identity_of(&settings.place, base)));
        let opening = each_once.map(|((name, settings), role)| async move {
            Slot { role, store: Store::open(name, settings, base).await }
        });
        let slots = join_all(opening).await;
        match slots.iter().all(|slot| slot.store.is_err()) {
            true => Err(slots.into_iter().find_map(|slot| slot.store.err()).unwrap_or_else(|| {
                let reason = "a dump needs a store";
                Error::new(ErrorKind::Usage, "dump", "open", target, reason).with_hint("set `store` to the name of one")
            })),
            false => Ok(Self { target: target.clone(), slots }),
        }
    }

    /// Those that can be used.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &Store> {
        self.slots.iter().filter_map(|slot| slot.store.as_ref().ok())
    }

    /// Why the others can't.
    pub(crate) fn broken(&self) -> impl Iterator<Item = Error> {
        self.slots.iter().filter_map(|slot| slot.store.as_ref().err()).map(Error::repeated)
    }

    /// Those that each new dump goes to.
    pub(crate) fn written(&self) -> impl Iterator<Item = Result<&Store>> {
        let written = self.slots.iter().filter(|slot| slot.role == Role::Written);
        written.map(|slot| slot.store.as_ref().map_err(Error::repeated))
    }

    pub(crate) fn id(&self, native: &NativeId) -> SnapshotId {
        SnapshotId { target: self.target.clone(), native: native.clone() }
    }

    /// The manifest of a snapshot and the store that it is in; `None` where there is none.
    ///
    /// A store that can't be asked may have it: its error is told when no other does.
    pub(crate) async fn find(&self, native: &NativeId) -> Result<Option<(&Store, Manifest)>> {
        if !name::is_snapshot_name(native.as_str()) {
            return Ok(None);
        }
        let mut unasked = self.broken().next();
        for store in self.opened() {
            match store.manifest(&self.target, native).await {
                Ok(Some(bytes)) => return Ok(Some((store, self.parse(store, native, &bytes)?))),
                Ok(None) => {}
                Err(error) => unasked = unasked.or(Some(error)),
            }
        }
        unasked.map_or(Ok(None), Err)
    }

    /// The snapshots of every store, newest first; of one dump's copies, that in the store named first comes first.
    pub(crate) async fn list(&self) -> Result<Listing> {
        let mut all = Listing { problems: self.broken().collect(), ..Listing::default() };
        let mut asked = 0;
        for listed in join_all(self.opened().map(|store| self.list_in(store))).await {
            match listed {
                Ok(listing) => {
                    asked += 1;
                    all.snapshots.extend(listing.snapshots);
                    all.problems.extend(listing.problems);
                }
                Err(error) => all.problems.push(error),
            }
        }
        if asked == 0 && !all.problems.is_empty() {
            return Err(all.problems.remove(0));
        }
        let locations: Vec<String> = self.opened().map(Store::location).collect();
        let rank =
            |snapshot: &Snapshot| locations.iter().position(|location| snapshot.location.as_deref() == Some(location));
        // Names tell seconds only.
        all.snapshots.sort_by_cached_key(|snapshot| {
            (Reverse(snapshot.created_at), rank(snapshot), Reverse(snapshot.native_id.clone()))
        });
        Ok(all)
    }

    /// The snapshots of one store.
    pub(crate) async fn list_in(&self, store: &Store) -> Result<Listing> {
        let names = store.names(&self.target).await?;
        let mut listing = Listing::default();
        for (native, found) in store.manifests(&self.target, names).await {
            let manifest = match found {
                Ok(Some(bytes)) => self.parse(store, &native, &bytes),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match manifest {
                Ok(manifest) => listing.snapshots.push(manifest.snapshot(native, store.location())),
                Err(error) => listing.problems.push(error),
            }
        }
        Ok(listing)
    }

    /// The snapshot in `store` that is a copy of the dump `dump`, where there is one.
    pub(crate) async fn copy_of(&self, dump: &str, store: &Store) -> Result<Option<(NativeId, Manifest)>> {
        let names = store.names(&self.target).await?;
        for (native, found) in store.manifests(&self.target, names).await {
            let Some(bytes) = found? else { continue };
            // What is damaged is no copy of anything.
            if let Ok(manifest) = self.parse(store, &native, &bytes)
                && manifest.dump() == dump
            {
                return Ok(Some((native, manifest)));
            }
        }
        Ok(None)
    }

    fn parse(&self, store: &Store, native: &NativeId, bytes: &Bytes) -> Result<Manifest> {
        let id = self.id(native);
        Manifest::parse(bytes, &id).map_err(|error| {
            let unusable = |kind, reason: &str| Error::new(kind, "dump", "read the manifest of", &id, reason);
            match error {
                ManifestError::Unreadable(error) => unusable(ErrorKind::Verification, "it is damaged or cut short")
                    .with_source(error)
                    .with_hint(format!("look at it: {}", store.shown_path(&self.target, native, manifest::FILE))),
                ManifestError::Newer(schema) => unusable(
                    ErrorKind::Unsupported,
                    &format!("its schema is {schema:?}, and this version knows {:?}", manifest::SCHEMA),
                )
                .with_hint("use the snapkeep that wrote it, or a later one"),
                ManifestError::Foreign(reason) => unusable(ErrorKind::Verification, &reason),
            }
        })
    }
}
