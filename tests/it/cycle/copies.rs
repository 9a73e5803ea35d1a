//! `copy ID --to-store`

use super::keys::Keys;
use super::source::{Engine, Source};
use crate::cli::below;
use crate::support::{StoreKind, TestStore};

/// A snapshot in a plain store, and a target that knows another one only by name.
struct Ground {
    source: Source,
    near: TestStore,
    far: TestStore,
}

impl Ground {
    fn new(near: &str, far: &str) -> Option<Self> {
        let (mut source, s3, gcs) = (Source::of(Engine::Sqlite)?, StoreKind::S3.up()?, StoreKind::Gcs.up()?);
        let with = |store: TestStore, key: &str| if key.is_empty() { store } else { store.with(key) };
        let (near, far) = (with(s3, near), with(gcs, far));
        source.configure(&[("near", &near), ("far", &far)], &["near"]);
        Some(Self { source, near, far })
    }

    fn copy(&self, id: &str) -> String {
        self.source.done(&format!("-o name copy {id} --to-store far")).out.trim_end().to_owned()
    }

    fn restores(&self, id: &str) {
        let copy = self.source.name("restored");
        self.source.done(&format!("restore {id} --to {copy}"));
        assert_eq!(self.source.content(&copy), self.source.content(&self.source.database()));
        std::fs::remove_file(self.source.bench.path(&copy)).unwrap();
    }

    /// What `list` shows of a snapshot.
    fn item(&self, id: &str) -> serde_json::Value {
        let document = self.source.done("list orders -o json").document();
        let items = document["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{id} is not in {document}")).clone()
    }
}

#[tokio::test]
async fn a_copy_is_a_snapshot_of_its_own_and_is_made_once() {
    let Some(ground) = Ground::new("max_part_mib = 1", "") else { return };
    ground.source.add_noise(14);
    let id = ground.source.create();
    let copy = ground.copy(&id);
    assert_ne!(copy, id);
    assert_eq!(ground.copy(&id), copy, "it is there already");
    assert_eq!(ground.copy(&copy), copy, "a copy of a copy is a copy of the same dump");
    let (original, item) = (ground.item(&id), ground.item(&copy));
    assert!(item["location"].as_str().unwrap().starts_with("far:gs://"), "{item}");
    assert_eq!((&item["created_at"], &item["size_bytes"]), (&original["created_at"], &original["size_bytes"]));
    assert!(ground.far.names().await.len() > 2, "part by part");
    ground.restores(&copy);
    let other = ground.source.create();
    ground.source.done(&format!("delete {id} --yes"));
    ground.restores(&copy);
    ground.source.done(&format!("delete {copy} --yes"));
    assert_eq!(ground.source.ids(), [other]);
    assert_eq!((ground.far.names().await.len(), ground.far.unfinished().len()), (0, 0));
}

#[tokio::test]
async fn a_plain_dump_is_encrypted_on_its_way_to_a_store_that_encrypts() {
    let folder = tempfile::tempdir().unwrap();
    let Some(ground) = Ground::new("", &Keys::age().lock_and_key(folder.path(), "identity")) else { return };
    let id = ground.source.create();
    let copy = ground.copy(&id);
    assert_eq!((&ground.item(&id)["encrypted"], &ground.item(&copy)["encrypted"]), (&false.into(), &true.into()));
    assert!(ground.far.names().await.iter().any(|name| name.ends_with("/data.sqlite.zst.age")));
    ground.restores(&copy);
    assert_eq!(ground.copy(&id), copy, "it is there already");
}

#[tokio::test]
async fn an_encrypted_dump_stays_encrypted_in_a_plain_store() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut ground) = Ground::new(&Keys::age().lock(), "") else { return };
    let id = ground.source.create();
    let copy = ground.copy(&id);
    assert_eq!(ground.item(&copy)["encrypted"], true, "copied by a machine that can't read it");
    assert_eq!(ground.source.run(&format!("restore {copy} --to copy.db")).code, Some(5));
    assert!(!ground.source.bench.path("copy.db").exists());
    ground.far = ground.far.with(&Keys::age().lock_and_key(folder.path(), "identity"));
    ground.source.configure(&[("near", &ground.near), ("far", &ground.far)], &["near"]);
    ground.restores(&copy);
}

#[test]
fn a_copy_that_is_known_to_be_bad_is_no_copy() {
    let mut source = Source::of(Engine::Sqlite).unwrap();
    let (near, far) = (StoreKind::Local.up().unwrap(), StoreKind::Local.up().unwrap().with("path = \"far\""));
    source.configure(&[("near", &near), ("far", &far)], &["near"]);
    let id = source.create();
    let to_far = format!("-q -o name copy {id} --to-store far");
    let copy = source.done(&to_far).out.trim_end().to_owned();
    let files = below(&source.bench.path("far"));
    let data = files.iter().find(|file| file.ends_with("data.sqlite.zst")).unwrap();
    let mut bytes = std::fs::read(data).unwrap();
    bytes[20] ^= 1;
    std::fs::write(data, bytes).unwrap();
    source.done(&to_far);
    assert_eq!(source.run(&format!("verify {copy} --level checksum")).code, Some(9));
    let again = source.run(&to_far);
    assert_eq!((again.code, again.out.as_str()), (Some(9), ""), "{again}");
    assert!(again.err.contains(&format!("hint: delete it first: `snapkeep delete {copy} --yes`")), "{again}");
    let itself = source.run(&format!("copy {copy} --to-store far"));
    assert!(itself.code == Some(9) && itself.err.contains("hint: use another one"), "{itself}");
    source.done(&format!("delete {copy} --yes"));
    assert_ne!(source.done(&to_far).out.trim_end(), copy);
}

#[tokio::test]
async fn a_dump_goes_to_a_known_store_and_to_no_region() {
    let Some(ground) = Ground::new("", "") else { return };
    let id = ground.source.create();
    let unknown = ground.source.run(&format!("copy {id} --to-store fat"));
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""), "{unknown}");
    assert!(unknown.err.contains("did you mean \"far\"?"), "{unknown}");
    let region = ground.source.run(&format!("copy {id} --to-region eu-west-1 -o json"));
    assert_eq!((region.code, region.error_codes()), (Some(12), vec!["unsupported".to_owned()]), "{region}");
    assert_eq!(ground.source.run("copy orders/20260101 --to-store far").code, Some(4));
    assert_eq!(ground.source.run(&format!("copy {id} --to-store near -o name")).out.trim_end(), id);
    assert_eq!(ground.source.run(&format!("copy {id} --to-store far --dry-run")).code, Some(0));
    assert_eq!((ground.source.ids(), ground.far.names().await.len()), (vec![id], 0));
}
