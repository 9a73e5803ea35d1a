//! What S3 keeps and `object_store` doesn't show: uploads that were never completed, and copies that S3 makes itself.

use chrono::TimeDelta;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use snapkeep_providers::model::Debris;

use crate::cli::{Bench, target};
use crate::support::{StoreKind, TARGET, TestStore, create, list, ok, on_s3, provider};

const PART: usize = 5 << 20;
const NAME: &str = "20260101T000000Z-aaaa";

/// Begins an upload as a dump does, and leaves it as `kill -9` would.
async fn leave(store: &TestStore, name: &str, parts: usize) -> Box<dyn MultipartUpload> {
    let key = Key::from(format!("{TARGET}/{name}/data.sqlite.zst"));
    let mut upload = store.objects().await.put_multipart(&key).await.unwrap();
    for _ in 0..parts {
        upload.put_part(PutPayload::from(vec![7; PART])).await.unwrap();
    }
    upload
}

on_s3!(an_unfinished_upload_is_debris_and_swept);
async fn an_unfinished_upload_is_debris_and_swept(store: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let provider = provider(&store, folder.path()).await;
    let begun = chrono::Utc::now() - TimeDelta::seconds(5);
    drop(leave(&store, NAME, 2).await);
    drop(leave(&store, "not-a-snapshot", 1).await);
    let found = ok(provider.debris().await);
    let [Debris { native_id, size_bytes, touched_at }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((native_id.as_str(), *size_bytes), (NAME, 2 * PART as u64));
    assert!(*touched_at >= begun, "{touched_at}");
    ok(provider.sweep(&found[0]).await);
    assert!(ok(provider.debris().await).is_empty());
    let left = store.unfinished();
    assert!(left.len() == 1 && left[0].contains("not-a-snapshot"), "none of ours: {left:?}");
}

on_s3!(an_upload_that_was_touched_since_it_was_found_goes_on);
async fn an_upload_that_was_touched_since_it_was_found_goes_on(store: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let provider = provider(&store, folder.path()).await;
    let mut upload = leave(&store, NAME, 1).await;
    let found = ok(provider.debris().await).remove(0);
    let earlier = Debris { touched_at: found.touched_at - TimeDelta::seconds(1), ..found };
    ok(provider.sweep(&earlier).await);
    upload.complete().await.unwrap();
}

on_s3!(a_stray_upload_below_a_snapshot_goes_alone);
async fn a_stray_upload_below_a_snapshot_goes_alone(store: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let provider = provider(&store, folder.path()).await;
    let id = create(&*provider).await;
    drop(leave(&store, id.as_str(), 1).await);
    let (found, names) = (ok(provider.debris().await), store.names().await);
    assert_eq!((found.len(), found[0].size_bytes), (1, PART as u64));
    ok(provider.sweep(&found[0]).await);
    assert!(store.unfinished().is_empty());
    assert_eq!((list(&*provider).await, store.names().await), (vec![id], names));
}

/// A bench with the stores of these tables.
fn bench(stores: &str) -> Bench {
    let bench = Bench::empty();
    std::fs::write(bench.path("snapkeep.toml"), format!("version = 1\n{}{stores}", target(TARGET, "notes.db", "")))
        .unwrap();
    bench.sql("notes.db", "CREATE TABLE notes (text TEXT)");
    bench
}

#[tokio::test]
async fn the_next_create_sweeps_an_old_upload_and_leaves_a_young_one() {
    // moto says of every upload without parts that it was begun in 2010; it and SeaweedFS tell the truth of one with
    for (kind, parts, swept) in [(StoreKind::Moto, 0, true), (StoreKind::S3, 1, false)] {
        let Some(store) = kind.up() else { continue };
        drop(leave(&store, NAME, parts).await);
        let bench = bench(&store.toml("local"));
        let run = |line: &str| bench.ran_by(bench.command().envs(store.environment()).args(line.split_whitespace()));
        let doctor = run("doctor");
        assert!(doctor.out.contains("1 unfinished") && doctor.out.contains(NAME), "{doctor}");
        let created = run(&format!("create {TARGET}"));
        assert_eq!(created.code, Some(0), "{created}");
        assert_eq!(created.err.contains("swept 1 unfinished"), swept, "{created}");
        assert_eq!(store.unfinished().is_empty(), swept);
    }
}

on_s3!(a_copy_between_buckets_is_made_by_s3_itself);
async fn a_copy_between_buckets_is_made_by_s3_itself(store: TestStore) {
    let near = store.behind_proxy();
    let far = near.kind.up().unwrap().with("bucket = \"test-locked\"");
    let far = far.with(&format!("endpoint = \"{}\"", near.proxy().endpoint()));
    let bench = bench(&format!("{}{}", near.toml("local"), far.toml("far")));
    let run = |line: &str| {
        let ran = bench.ran_by(bench.command().envs(near.environment()).args(line.split_whitespace()));
        assert_eq!(ran.code, Some(0), "{ran}");
        ran
    };
    bench.sql("notes.db", "INSERT INTO notes SELECT hex(randomblob(20000000))");
    let id = run(&format!("-q -o name create {TARGET}")).out.trim_end().to_owned();
    let copy = run(&format!("-q -o name copy {id} --to-store far")).out.trim_end().to_owned();
    assert_eq!(near.proxy().count("GET", "/data."), 0, "no byte of the dump came by");
    let size = async |store: &TestStore, id: &str| {
        let found = store.objects().await.head(&Key::from(format!("{id}/data.sqlite.zst"))).await;
        found.unwrap().size
    };
    assert_eq!(size(&near, &id).await, size(&far, &copy).await);
    run(&format!("restore {copy} --to restored.db"));
    assert_eq!(bench.notes("restored.db"), bench.notes("notes.db"));
    assert!(far.unfinished().is_empty());
}
