//! S3 Object Lock: a snapshot is locked whole or isn't made, and what is locked is not deleted.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::Snapshot;

use crate::cli::{Bench, target};
use crate::support::{
    Action, Fault, TestStore, assert_names, list, manifest, ok, on_s3, provider, refused, try_create,
};

const LOCK: &str = "object_lock = { mode = \"governance\", days = 3 }";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

fn locked(store: TestStore) -> TestStore {
    store.with("bucket = \"test-locked\"").with(LOCK)
}

on_s3!(a_snapshot_is_locked_whole_and_says_until_when);
async fn a_snapshot_is_locked_whole_and_says_until_when(store: TestStore) {
    let (store, folder) = (locked(store), tempfile::tempdir().unwrap());
    let provider = provider(&store, folder.path()).await;
    let Snapshot { native_id, locked_until, completed_at, .. } = ok(try_create(&*provider).await);
    let until = completed_at.unwrap().trunc_subsecs(0) + TimeDelta::days(3);
    assert_eq!(locked_until, Some(until));
    assert_eq!(ok(provider.get(&native_id).await).snapshot.locked_until, Some(until));
    assert_eq!(
        manifest(&*provider, &native_id).await["locked_until"],
        until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    );
    let names = store.names().await;
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        let (mode, date) = store.locked(&name).unwrap();
        assert_eq!((mode.as_str(), date.parse::<DateTime<Utc>>().unwrap()), ("GOVERNANCE", until), "{name}");
    }
}

on_s3!(what_is_locked_is_not_deleted_and_nothing_of_it_goes);
async fn what_is_locked_is_not_deleted_and_nothing_of_it_goes(store: TestStore) {
    let (store, folder) = (locked(store), tempfile::tempdir().unwrap());
    let provider = provider(&store, folder.path()).await;
    let snapshot = ok(try_create(&*provider).await);
    let names = store.names().await;
    let until = snapshot.locked_until.unwrap().format("%Y-%m-%d %H:%M").to_string();
    let text = refused(ErrorKind::Unsupported, provider.delete(&snapshot.native_id).await);
    assert_names(&text, &["cannot delete", &format!("locked until {until}")]);
    assert_eq!(store.names().await, names);
    assert_eq!(list(&*provider).await, [snapshot.native_id]);
}

on_s3!(what_was_locked_by_another_config_is_not_deleted_either);
async fn what_was_locked_by_another_config_is_not_deleted_either(store: TestStore) {
    let (store, folder) = (locked(store), tempfile::tempdir().unwrap());
    let id = ok(try_create(&*provider(&store, folder.path()).await).await).native_id;
    let store = store.without("object_lock");
    let text = refused(ErrorKind::Unsupported, provider(&store, folder.path()).await.delete(&id).await);
    assert_names(&text, &["locked until"]);
}

on_s3!(a_lock_that_s3_no_longer_holds_stops_nothing);
async fn a_lock_that_s3_no_longer_holds_stops_nothing(store: TestStore) {
    let plain = store.with("bucket = \"test-locked\"");
    let folder = tempfile::tempdir().unwrap();
    let id = ok(try_create(&*provider(&plain, folder.path()).await).await).native_id;
    let provider = provider(&plain.with(LOCK), folder.path()).await;
    ok(provider.delete(&id).await);
    assert!(list(&*provider).await.is_empty());
}

on_s3!(a_bucket_without_object_lock_is_told_before_the_dump);
async fn a_bucket_without_object_lock_is_told_before_the_dump(store: TestStore) {
    let (store, folder) = (store.with(LOCK), tempfile::tempdir().unwrap());
    let provider = provider(&store, folder.path()).await;
    let text = refused(ErrorKind::Unsupported, try_create(&*provider).await);
    assert_names(&text, &["without Object Lock", "hint: the bucket must have Object Lock", "--bucket test"]);
    assert!(store.names().await.is_empty());
}

on_s3!(a_create_that_cannot_lock_leaves_no_snapshot);
async fn a_create_that_cannot_lock_leaves_no_snapshot(store: TestStore) {
    let (store, folder) = (locked(store).behind_proxy(), tempfile::tempdir().unwrap());
    let provider = provider(&store, folder.path()).await;
    // the part's, then the manifest's
    for nth in [1, 2] {
        store.proxy().fail(Fault::on("PUT", "?retention", Action::Status(403, DENIED.into())).nth(nth));
        let text = refused(ErrorKind::Permission, try_create(&*provider).await);
        assert_names(&text, &["cannot lock", "AccessDenied", "hint: the bucket must have Object Lock"]);
        assert_eq!(store.proxy().fired(), nth);
        assert!(list(&*provider).await.is_empty());
        assert!(store.names().await.is_empty() && store.unfinished().is_empty());
        store.proxy().heal();
    }
    ok(try_create(&*provider).await);
}

on_s3!(a_retention_is_set_again_after_an_answer_that_tells_nothing);
async fn a_retention_is_set_again_after_an_answer_that_tells_nothing(store: TestStore) {
    let (store, folder) = (locked(store).behind_proxy(), tempfile::tempdir().unwrap());
    let provider = provider(&store, folder.path()).await;
    store.proxy().fail(Fault::on(
        "PUT",
        "?retention",
        Action::Status(503, "<Error><Code>SlowDown</Code></Error>".into()),
    ));
    store.proxy().fail(Fault::on("PUT", "manifest.json?retention", Action::CutAfter));
    ok(try_create(&*provider).await);
    assert_eq!(store.proxy().fired(), 2);
}

on_s3!(prune_reports_a_lock_and_delete_refuses_it);
async fn prune_reports_a_lock_and_delete_refuses_it(store: TestStore) {
    let store = locked(store);
    let bench = Bench::empty();
    let target = target("notes", "notes.db", "retention = \"one\"\n");
    let policy = "\n[retention.one]\nkeep_last = 1\n";
    std::fs::write(bench.path("snapkeep.toml"), format!("version = 1\n{target}{policy}{}", store.toml("local")))
        .unwrap();
    bench.sql("notes.db", "CREATE TABLE notes (text TEXT)");
    let run = |line: &str| bench.ran_by(bench.command().envs(store.environment()).args(line.split_whitespace()));
    let id = run("-q -o name create notes").out.trim_end().to_owned();
    run("-q -o name create notes");
    let plan = run("prune plan");
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.out.contains("refused") && plan.out.contains("locked until 20"), "{plan}");
    let applied = run("prune apply --yes");
    assert_eq!((applied.code, applied.out.as_str()), (Some(0), ""), "{applied}");
    for line in [format!("delete {id} --yes"), format!("delete {id} --yes --force")] {
        let deleted = run(&line);
        assert_eq!(deleted.code, Some(12), "{deleted}");
        assert!(deleted.err.contains("locked until 20"), "{deleted}");
    }
    let shown = run(&format!("show {id}"));
    assert!(shown.out.contains("locked until"), "{shown}");
    assert_eq!(run("-o name list").out.lines().count(), 2);
}
