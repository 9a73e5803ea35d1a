//! Each fault of the proxy, before the simulator; and a real server behind it, which checks signatures.

use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::{MIB, bytes, client};
use crate::support::{Action, Fault, Gcs, Proxy, assert_names, leave_out, until, variable};

/// A store behind the proxy with one object in it, whose name is `there`.
struct Bench {
    gcs: Gcs,
    proxy: Proxy,
    there: Path,
}

impl Bench {
    async fn new(fault: Fault) -> Self {
        let gcs = Gcs::start();
        let there = Path::from("there");
        super::plain(&gcs).put(&there, "0123456789".into()).await.unwrap();
        let proxy = Proxy::before(&gcs.endpoint());
        proxy.fail(fault);
        Self { gcs, proxy, there }
    }

    fn store(&self, max_retries: usize) -> GoogleCloudStorage {
        client(&self.proxy.endpoint(), Gcs::TOKEN, max_retries)
    }

    /// The statuses of the requests so far; zero where there was none.
    fn statuses(&self) -> Vec<u16> {
        self.proxy.seen().iter().map(|seen| seen.status.unwrap_or(0)).collect()
    }
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let bench = Bench::new(Fault::on("GET", "nowhere", Action::CutBefore)).await;
    let (store, path, whole) = (bench.store(0), Path::from("a b/parts"), bytes(12 * MIB));
    let mut upload = store.put_multipart(&path).await.unwrap();
    for part in whole.chunks(5 * MIB) {
        upload.put_part(part.to_vec().into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == whole, "other bytes");
    assert_eq!(store.head(&path).await.unwrap().size, whole.len() as u64);
    assert_eq!(store.list(None).count().await, 2);
    store.delete(&path).await.unwrap();
    assert_eq!(bench.statuses(), [200, 200, 200, 200, 200, 200, 200, 200, 204]);
    assert_eq!(bench.proxy.count("PUT", "/test-bucket/a b/parts?partNumber="), 3);
    assert_eq!(bench.proxy.fired(), 0);
}

#[tokio::test]
async fn a_connection_cut_before_has_no_effect_and_after_it_has() {
    for (action, stored) in [(Action::CutBefore, false), (Action::CutRequest(1000), false), (Action::CutAfter, true)] {
        let bench = Bench::new(Fault::on("PUT", "/new", action.clone())).await;
        let put = bench.store(0).put(&Path::from("new"), bytes(4 * MIB).into()).await;
        assert!(put.is_err(), "{action:?}");
        assert_eq!(bench.gcs.objects().contains_key("new"), stored, "{action:?}");
        assert_eq!(bench.statuses(), [if stored { 200 } else { 0 }], "{action:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_makes_a_conditional_put_fail_on_itself() {
    let bench = Bench::new(Fault::on("PUT", "/new", Action::CutAfter)).await;
    let (store, path) = (bench.store(0), Path::from("new"));
    store.put_opts(&path, "one".into(), PutMode::Create.into()).await.unwrap_err();
    let again = store.put_opts(&path, "one".into(), PutMode::Create.into()).await;
    assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })), "{again:?}");
    assert_eq!(bench.statuses(), [200, 412]);
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error_or_read_on_from_there() {
    let bench = Bench::new(Fault::on("GET", "/there", Action::CutBody(4)).times(2)).await;
    let cut = bench.store(0).get(&bench.there).await.unwrap();
    assert!(cut.bytes().await.is_err());
    let whole = bench.store(1).get(&bench.there).await.unwrap().bytes().await.unwrap();
    assert_eq!(whole, "0123456789");
    assert_eq!(bench.statuses(), [200, 200, 206]);
    assert_eq!(bench.proxy.fired(), 2);
}

#[tokio::test]
async fn a_status_is_answered_without_forwarding() {
    const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code></Error>";
    let refusal = Action::Status(503, SLOW_DOWN.to_owned());
    let bench = Bench::new(Fault::on("PUT", "/new", refusal.clone()).nth(2).times(2)).await;
    let (store, path) = (bench.store(2), Path::from("new"));
    store.put(&path, "one".into()).await.unwrap();
    store.put(&path, bytes(MIB).into()).await.unwrap();
    assert_eq!(bench.statuses(), [200, 503, 503, 200]);

    bench.proxy.fail(Fault::on("PUT", "/new", refusal).times(usize::MAX));
    let error = store.put(&path, bytes(MIB).into()).await.unwrap_err();
    assert_names(&format!("{error:?}"), &["503", "SlowDown"]);
    bench.proxy.heal();
    bench.proxy.fail(Fault::on("PUT", "/new", Action::Status(400, "<Code>EntityTooSmall</Code>".to_owned())));
    let error = store.put(&path, bytes(MIB).into()).await.unwrap_err();
    assert_names(&error.to_string(), &["400", "EntityTooSmall"]);
    store.put(&path, "two".into()).await.unwrap();
    assert_eq!(bench.gcs.objects()["new"], "two");
}

#[tokio::test]
async fn a_stalled_request_ends_with_the_proxy() {
    let bench = Bench::new(Fault::on("GET", "/there", Action::Stall)).await;
    let (store, there) = (bench.store(0), bench.there.clone());
    let get = tokio::spawn(async move { store.get(&there).await });
    until("the request has come", || bench.proxy.count("GET", "/there") == 1).await;
    assert_eq!((bench.statuses(), get.is_finished()), (vec![0], false));
    drop(bench.proxy);
    assert!(get.await.unwrap().is_err());
}

#[tokio::test]
async fn a_stalled_body_begins_and_ends_with_the_proxy() {
    let bench = Bench::new(Fault::on("GET", "/there", Action::StallBody(4))).await;
    let mut body = bench.store(0).get(&bench.there).await.unwrap().into_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "0123");
    drop(bench.proxy);
    assert!(body.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_signature_holds_through_the_proxy() {
    if std::env::var_os("SK_S3_ENDPOINT").is_none() {
        return leave_out("S3 is not there: SK_S3_ENDPOINT is not set; tests/run.sh runs it all");
    }
    let proxy = Proxy::before(&variable("SK_S3_ENDPOINT"));
    let builder = AmazonS3Builder::new().with_endpoint(proxy.endpoint()).with_allow_http(true);
    let builder = builder.with_region(variable("SK_S3_REGION")).with_bucket_name(variable("SK_S3_BUCKET"));
    let builder = builder.with_access_key_id(variable("SK_S3_ACCESS_KEY_ID"));
    let store = builder.with_secret_access_key(variable("SK_S3_SECRET_ACCESS_KEY")).build().unwrap();
    let path = Path::from("simulators/a b+c");
    store.put(&path, bytes(MIB).into()).await.unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == bytes(MIB), "other bytes");
    store.delete(&path).await.unwrap();
    assert_eq!(proxy.count("PUT", "simulators/a b+c"), 1);
}
