//! The stand-ins themselves: Google Cloud Storage and RDS as their clients see them, and the proxy that fails by script.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutPayload, RetryConfig,
    UpdateVersion,
};

use crate::support::{Gcs, assert_names};

mod arm;
mod proxy;
mod rds;
mod sqladmin;

const MIB: usize = 1024 * 1024;

/// As many retries as a test wants, without waiting.
fn retries(max_retries: usize) -> RetryConfig {
    let soon = Duration::from_millis(1);
    let backoff = BackoffConfig { init_backoff: soon, max_backoff: soon, base: 2.0 };
    RetryConfig { backoff, max_retries, ..RetryConfig::default() }
}

fn client(endpoint: &str, token: &str, max_retries: usize) -> GoogleCloudStorage {
    let builder = GoogleCloudStorageBuilder::new().with_base_url(endpoint).with_bucket_name(Gcs::BUCKET);
    builder.with_bearer_token(token).with_retry(retries(max_retries)).build().unwrap()
}

fn plain(gcs: &Gcs) -> GoogleCloudStorage {
    client(&gcs.endpoint(), Gcs::TOKEN, 0)
}

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 7 + place / 1021) as u8).collect()
}

#[tokio::test]
async fn an_object_comes_back_whole_in_ranges_and_under_any_name() {
    let gcs = Gcs::start();
    let store = plain(&gcs);
    for name in ["plain", "a/b c/d+e=f&g", "näme 数据/%2F?#\"<x>'"] {
        let path = Path::from(name);
        store.put(&path, "0123456789".into()).await.unwrap();
        assert!(gcs.objects().contains_key(path.as_ref()), "{name}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "0123456789");
        assert_eq!(store.get_range(&path, 2..5).await.unwrap(), "234");
        assert_eq!(store.get_range(&path, 7..10).await.unwrap(), "789");
        let outside = store.get_range(&path, 10..12).await.unwrap_err();
        assert_names(&outside.to_string(), &["416", "InvalidRange"]);
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(listed.iter().map(|meta| &meta.location).collect::<Vec<_>>(), [&path]);
        let meta = store.head(&path).await.unwrap();
        assert_eq!((meta.size, listed[0].size), (10, 10));
        assert_eq!((&meta.e_tag, meta.e_tag.is_some()), (&listed[0].e_tag, true));
        store.delete(&path).await.unwrap();
    }
    let missing = Path::from("missing");
    assert!(matches!(store.get(&missing).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.head(&missing).await, Err(Error::NotFound { .. })));
    let error = store.delete(&missing).await.unwrap_err();
    assert_names(&error.to_string(), &["404", "NoSuchKey"]);
    assert_eq!(gcs.objects().len(), 0);
}

#[tokio::test]
async fn a_precondition_that_fails_changes_nothing() {
    let gcs = Gcs::start();
    let (store, path) = (plain(&gcs), Path::from("lock"));
    let first = store.put_opts(&path, "one".into(), PutMode::Create.into()).await.unwrap();
    let again = store.put_opts(&path, "two".into(), PutMode::Create.into()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    let update = |version: &Option<String>| PutMode::Update(UpdateVersion { e_tag: None, version: version.clone() });
    let second = store.put_opts(&path, "two".into(), update(&first.version).into()).await.unwrap();
    assert_ne!((&first.e_tag, &first.version), (&second.e_tag, &second.version));
    let late = store.put_opts(&path, "three".into(), update(&first.version).into()).await;
    assert!(matches!(late, Err(Error::Precondition { .. })), "{late:?}");
    assert_eq!(gcs.objects()["lock"], "two");

    store.delete(&path).await.unwrap();
    let gone = store.put_opts(&path, "three".into(), update(&second.version).into()).await;
    assert!(matches!(gone, Err(Error::Precondition { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_copy_heeds_what_is_at_its_destination() {
    let gcs = Gcs::start();
    let store = plain(&gcs);
    let [from, to] = ["a/from", "a/to"].map(Path::from);
    store.put(&from, "one".into()).await.unwrap();
    store.copy_if_not_exists(&from, &to).await.unwrap();
    let again = store.copy_if_not_exists(&from, &to).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    store.put(&from, "two".into()).await.unwrap();
    store.copy(&from, &to).await.unwrap();
    assert_eq!(gcs.objects()["a/to"], "two");
    let missing = store.copy(&Path::from("missing"), &to).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

#[tokio::test]
async fn an_upload_in_parts_is_invisible_until_it_is_completed() {
    let gcs = Gcs::start();
    let (store, path, whole) = (plain(&gcs), Path::from("a/parts"), bytes(10 * MIB + 3));
    let mut upload = store.put_multipart(&path).await.unwrap();
    for part in whole.chunks(5 * MIB) {
        upload.put_part(part.to_vec().into()).await.unwrap();
    }
    assert_eq!((gcs.objects().len(), gcs.unfinished()), (0, vec!["a/parts".to_owned()]));
    assert_eq!(store.list(None).count().await, 0);
    let done = upload.complete().await.unwrap();
    assert_eq!(done.e_tag, store.head(&path).await.unwrap().e_tag);
    assert!(gcs.objects()["a/parts"] == whole, "other bytes");
    assert_eq!(gcs.unfinished().len(), 0);

    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part("other".into()).await.unwrap();
    upload.abort().await.unwrap();
    assert!(gcs.objects()["a/parts"] == whole, "an aborted upload must change nothing");
    assert_eq!(gcs.unfinished().len(), 0);
}

#[tokio::test]
async fn an_upload_is_refused_when_its_parts_are_small_or_unknown() {
    let gcs = Gcs::start();
    let (store, path) = (plain(&gcs), Path::from("parts"));
    let id = store.create_multipart_opts(&path, PutMultipartOptions::default()).await.unwrap();
    let put = async |number: usize, length: usize| {
        store.put_part(&path, &id, number, PutPayload::from(bytes(length))).await.unwrap()
    };
    let complete = async |parts: &[&PartId]| {
        store.complete_multipart(&path, &id, parts.iter().map(|part| (*part).clone()).collect()).await
    };
    let refused = async |parts: &[&PartId], code: &str| {
        assert_names(&format!("{:?}", complete(parts).await.unwrap_err()), &["400", code]);
    };
    let (small, last) = (put(0, 5 * MIB - 1).await, put(1, 1).await);
    refused(&[&small, &last], "EntityTooSmall").await;
    refused(&[&small, &PartId { content_id: "\"other\"".to_owned() }], "InvalidPart").await;
    refused(&[&small, &last, &last], "InvalidPart").await;
    let large = put(0, 5 * MIB).await;
    refused(&[&small, &last], "InvalidPart").await;
    assert_eq!((gcs.objects().len(), gcs.unfinished().len()), (0, 1), "refused, an upload stays as it was");
    complete(&[&large, &last]).await.unwrap();
    assert_eq!(gcs.objects()["parts"].len(), 5 * MIB + 1);

    assert_names(&format!("{:?}", complete(&[&large, &last]).await.unwrap_err()), &["404", "NoSuchUpload"]);
    let late = store.put_part(&path, &id, 0, "late".into()).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    let late = store.abort_multipart(&path, &id).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
}

#[tokio::test]
async fn a_list_is_whole_however_small_its_pages() {
    let gcs = Gcs::start();
    let store = plain(&gcs);
    let names = ["a!", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "c"];
    for name in names {
        store.put(&Path::from(name), name.into()).await.unwrap();
    }
    for page in 1..=names.len() {
        gcs.page(page);
        let all: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        assert_eq!(all, names, "pages of {page}");
        let after: Vec<_> = store.list_with_offset(None, &Path::from("a/b/1")).try_collect().await.unwrap();
        assert_eq!(after.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), &names[4..]);
        for (folder, folders, objects) in
            [(None, vec!["a", "b"], vec!["a!", "a0", "c"]), (Some("a"), vec!["a/b"], vec!["a/1", "a/2"])]
        {
            let listed = store.list_with_delimiter(folder.map(Path::from).as_ref()).await.unwrap();
            assert_eq!(listed.common_prefixes.iter().map(Path::as_ref).collect::<Vec<_>>(), folders);
            assert_eq!(listed.objects.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), objects);
        }
    }
}

#[tokio::test]
async fn only_a_known_token_is_let_in() {
    // {"alg":"RS256","typ":"JWT"} {"iss":"backup@example","iat":0,"exp":99999999999}
    const SELF_SIGNED: &str =
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiYWNrdXBAZXhhbXBsZSIsImlhdCI6MCwiZXhwIjo5OTk5OTk5OTk5OX0.c2ln";
    let gcs = Gcs::start();
    let path = Path::from("a");
    plain(&gcs).put(&path, "one".into()).await.unwrap();
    for token in ["", "wrong", SELF_SIGNED] {
        let store = client(&gcs.endpoint(), token, 0);
        let read = store.get(&path).await;
        assert!(matches!(read, Err(Error::Unauthenticated { .. })), "{read:?}");
        let written = store.put(&path, "two".into()).await;
        assert!(matches!(written, Err(Error::Unauthenticated { .. })), "{written:?}");
    }
    gcs.trust("backup@example");
    client(&gcs.endpoint(), SELF_SIGNED, 0).put(&path, "three".into()).await.unwrap();
    assert_eq!(gcs.objects()["a"], "three");
}

#[tokio::test]
async fn a_flipped_bit_shows_in_nothing_but_the_data() {
    let gcs = Gcs::start();
    let (store, path) = (plain(&gcs), Path::from("a"));
    store.put(&path, Bytes::from_static(b"abc").into()).await.unwrap();
    let before = store.head(&path).await.unwrap();
    gcs.flip("a", 1);
    assert_eq!(store.head(&path).await.unwrap(), before);
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "acc");
}
