//! Damage in a bucket: found by `verify`, and by `restore` before it touches anything.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::cycle::keys::Keys;
use crate::cycle::source::{Engine, Source};
use crate::support::{StoreKind, TestStore};

/// A snapshot of several parts, and the same database with one more row since.
struct Ground {
    source: Source,
    store: TestStore,
    objects: Arc<dyn ObjectStore>,
    id: String,
    /// What is in the database.
    now: String,
}

impl Ground {
    async fn new(engine: Engine, kind: StoreKind, key: &str) -> Option<Self> {
        let (mut source, store) = (Source::of(engine)?, kind.up()?.with(key));
        source.configure(&[("offsite", &store)], &["offsite"]);
        let id = source.create();
        source.sql("INSERT INTO notes VALUES (4, 'later')");
        let (objects, now) = (store.objects().await, source.content(&source.database()).unwrap());
        Some(Self { source, store, objects, id, now })
    }

    /// An object of the snapshot.
    async fn object(&self, part: &str) -> Path {
        let names = self.store.names().await;
        Path::from(names.into_iter().find(|name| name.starts_with(&self.id) && name.contains(part)).unwrap())
    }

    async fn bytes(&self, path: &Path) -> Vec<u8> {
        self.objects.get(path).await.unwrap().bytes().await.unwrap().to_vec()
    }

    async fn put(&self, path: &Path, bytes: Vec<u8>) {
        self.objects.put(path, bytes.into()).await.unwrap();
    }

    /// Neither a new database is made nor the old one touched, and `verify` says the same.
    fn is_found(&self, code: i32, words: &str) {
        let (id, copy) = (&self.id, self.source.name("copy"));
        for line in [format!("restore {id} --to {copy}"), format!("restore {id} --in-place --confirm orders")] {
            let before = self.source.databases();
            let ran = self.source.run(&line);
            assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{line}: {ran}");
            assert!(ran.err.contains(words), "{words:?} is not in: {ran}");
            assert_eq!(self.source.databases(), before, "{line}");
            assert_eq!(self.source.content(&self.source.database()).as_ref(), Some(&self.now), "{line}");
        }
        for level in ["checksum", "archive", "restore"] {
            let ran = self.source.run(&format!("verify {id} --level {level}"));
            let readable = code == 5 && level == "checksum";
            assert_eq!(ran.code, Some(if readable { 0 } else { code }), "{level}: {ran}");
        }
    }
}

#[tokio::test]
async fn one_flipped_bit_is_found() {
    for (engine, part) in [(Engine::Sqlite, "data."), (Engine::PostgreSql, "data."), (Engine::PostgreSql, "globals.")] {
        let Some(ground) = Ground::new(engine, StoreKind::Gcs, "").await else { return };
        let object = ground.object(part).await;
        let length = ground.bytes(&object).await.len();
        ground.store.gcs().flip(&format!("{}/{object}", ground.store.prefix()), length / 2);
        ground.is_found(9, "its SHA-256 is not the manifest's");
    }
}

#[tokio::test]
async fn a_part_that_was_cut_short_is_found() {
    for engine in [Engine::Sqlite, Engine::MySql] {
        let Some(ground) = Ground::new(engine, StoreKind::S3, "").await else { return };
        let object = ground.object("data.").await;
        let mut bytes = ground.bytes(&object).await;
        bytes.truncate(bytes.len() - 1);
        ground.put(&object, bytes).await;
        ground.is_found(9, "and the manifest says");
    }
}

#[tokio::test]
async fn a_part_that_is_missing_is_found() {
    for kind in [StoreKind::S3, StoreKind::Azurite, StoreKind::Gcs] {
        let Some(ground) = Ground::new(Engine::Sqlite, kind, "").await else { return };
        ground.objects.delete(&ground.object("data.").await).await.unwrap();
        ground.is_found(9, "it is missing from the store");
    }
}

#[tokio::test]
async fn the_manifest_of_another_snapshot_is_found() {
    let Some(ground) = Ground::new(Engine::Sqlite, StoreKind::S3, "").await else { return };
    let other = ground.source.create();
    let path = |id: &str| Path::from(format!("{id}/manifest.json"));
    let swapped = ground.bytes(&path(&other)).await;
    ground.put(&path(&ground.id), swapped).await;
    ground.is_found(9, "it says that it belongs to");
    ground.source.done(&format!("verify {other}"));
}

#[tokio::test]
async fn a_part_of_another_snapshot_is_found() {
    let Some(ground) = Ground::new(Engine::MariaDb, StoreKind::S3, "").await else { return };
    let (own, other) = (ground.object("data.").await, ground.source.create());
    let name = ground.store.names().await.into_iter().find(|name| name.starts_with(&other) && name.contains("data."));
    let foreign = ground.bytes(&Path::from(name.unwrap())).await;
    ground.put(&own, foreign).await;
    ground.is_found(9, "data.sql.zst");
}

#[tokio::test]
async fn an_identity_that_is_wrong_or_missing_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [
        ("", "the config names no age identity"),
        ("other", "its age identity is another one"),
        ("gone", "it can't be read"),
    ];
    for (file, words) in keys {
        let (own, other) = (Keys::age(), Keys::other_age());
        let lock = match file {
            "" => own.lock(),
            file => Keys { recipient: own.recipient, identity: other.identity }.lock_and_key(folder.path(), file),
        };
        if file == "gone" {
            std::fs::remove_file(folder.path().join(file)).unwrap();
        }
        let Some(ground) = Ground::new(Engine::Sqlite, StoreKind::S3, &lock).await else { return };
        ground.is_found(5, words);
    }
}

#[tokio::test]
async fn one_flipped_bit_of_an_encrypted_part_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Keys::age().lock_and_key(folder.path(), "identity");
    for at in [3, 150, 400] {
        let Some(ground) = Ground::new(Engine::Sqlite, StoreKind::Gcs, &lock).await else { return };
        let object = ground.object("data.").await;
        ground.store.gcs().flip(&format!("{}/{object}", ground.store.prefix()), at);
        ground.is_found(9, "data.sqlite.zst.age");
    }
}
