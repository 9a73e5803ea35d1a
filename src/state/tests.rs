//! What a folder and a bucket both promise, and what each does its own way.

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use serde::Deserialize;
use snapkeep_providers::objects::flaky::{Fault, Flaky};
use tempfile::TempDir;

use super::*;

pub(crate) fn scope(folder: &Path) -> Scope {
    scope_at("a", folder)
}

/// That of a target whose snapshots are at another site.
pub(crate) fn scope_at(site: &str, folder: &Path) -> Scope {
    let place = Place::Folder(Folder::new(folder.to_owned()).of("om"));
    Scope { place, lock: "target".into(), site: site.into() }
}

pub(crate) fn bucket() -> (Flaky, Scope) {
    bucket_of(Flaky::default())
}

fn bucket_of(flaky: Flaky) -> (Flaky, Scope) {
    let objects = Objects::of(Arc::new(flaky.clone()));
    let place = Place::Bucket(Bucket::new(objects).of("om"));
    (flaky, Scope { place, lock: "target".into(), site: "a".into() })
}

/// What tests store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    n: u32,
}

async fn put(scope: &Scope, name: &str, n: u32, expected: &Expected) -> Option<Version> {
    match scope.put("holds", name, &Note { n }, expected).await.unwrap() {
        Written::Yes(version) => Some(version),
        Written::Conflict => None,
    }
}

async fn get(scope: &Scope, name: &str) -> Option<u32> {
    scope.get::<Note>("holds", name).await.unwrap().map(|(note, _)| note.n)
}

/// Runs a check on each kind of place.
async fn on_each(check: impl AsyncFn(&str, Scope)) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    check("folder", scope(folder.path())).await;
    check("bucket", bucket().1).await;
}

#[tokio::test]
async fn a_write_that_expects_something_else_changes_nothing() {
    on_each(async |place, scope| {
        let first = put(&scope, "a/b", 1, &Expected::Absent).await.unwrap();
        assert_eq!(put(&scope, "a/b", 2, &Expected::Absent).await, None, "{place}");
        let first = Expected::Version(first);
        let second = put(&scope, "a/b", 3, &first).await.unwrap();
        assert_eq!(put(&scope, "a/b", 4, &first).await, None, "{place}");
        let Expected::Version(first) = first else { unreachable!() };
        assert!(!scope.delete("holds", "a/b", &first).await.unwrap(), "{place}");
        assert_eq!(scope.all::<Note>("holds").await.unwrap(), [("a/b".to_owned(), Note { n: 3 })], "{place}");
        assert!(scope.delete("holds", "a/b", &second).await.unwrap(), "{place}");
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_can_be_written_again() {
    on_each(async |place, scope| {
        let first = put(&scope, "a", 1, &Expected::Absent).await.unwrap();
        assert!(scope.delete("holds", "a", &first).await.unwrap());
        assert!(scope.delete("holds", "a", &first).await.unwrap(), "{place}: what is gone is deleted");
        assert_eq!(get(&scope, "a").await, None);
        assert!(scope.all::<Note>("holds").await.unwrap().is_empty(), "{place}");
        assert_eq!(put(&scope, "a", 2, &Expected::Version(first.clone())).await, None, "{place}");
        let second = put(&scope, "a", 3, &Expected::Absent).await.unwrap();
        assert!(!scope.delete("holds", "a", &first).await.unwrap(), "{place}: it is another one now");
        assert_eq!(get(&scope, "a").await, Some(3), "{place}");
        assert!(put(&scope, "a", 4, &Expected::Version(second)).await.is_some());
        scope.erase("holds", "a").await.unwrap();
        scope.erase("holds", "a").await.unwrap();
        assert_eq!(get(&scope, "a").await, None, "{place}");
        assert!(put(&scope, "a", 5, &Expected::Absent).await.is_some(), "{place}");
    })
    .await;
}

#[tokio::test]
async fn of_many_writers_at_once_one_wins() {
    on_each(async |place, scope| {
        let all = async |expected: Expected, from: u32| {
            let writers = (from..from + 16).map(|n| put(&scope, "x", n, &expected));
            join_all(writers).await.into_iter().flatten().collect::<Vec<_>>()
        };
        let won = all(Expected::Absent, 0).await;
        assert_eq!(won.len(), 1, "{place}");
        let again = all(Expected::Version(won[0].clone()), 16).await;
        assert_eq!(again.len(), 1, "{place}");
        scope.delete("holds", "x", &again[0]).await.unwrap();
        assert_eq!(all(Expected::Absent, 32).await.len(), 1, "{place}: where something was deleted");
    })
    .await;
}

#[tokio::test]
async fn names_survive_being_stored() {
    on_each(async |place, scope| {
        let mut names = ["20261122T021500Z-ab12", "rds:orders-2026", "../../x", "a%2Fb", ".", "a b+c", "ü", ""];
        for (n, name) in names.iter().enumerate() {
            put(&scope, name, n as u32, &Expected::Absent).await.unwrap();
        }
        let mut all = scope.all::<Note>("holds").await.unwrap();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        names.sort_unstable();
        assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names, "{place}");
        for (name, note) in all {
            assert_eq!(get(&scope, &name).await, Some(note.n), "{place}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_age_counts_from_the_last_write() {
    on_each(async |place, scope| {
        assert_eq!(scope.age("holds", "a").await.unwrap(), None, "{place}");
        put(&scope, "a", 1, &Expected::Absent).await.unwrap();
        assert!(scope.age("holds", "a").await.unwrap().unwrap() < Duration::from_secs(2), "{place}");
        assert_eq!(scope.all::<Note>("holds").await.unwrap().len(), 1, "the clock is no object");
    })
    .await;
}

#[tokio::test]
async fn a_place_with_conditional_writes_passes_the_probe_and_nothing_is_left() {
    on_each(async |place, scope| {
        scope.probe().await.unwrap();
        assert!(scope.all::<Note>("probe").await.unwrap().is_empty(), "{place}");
    })
    .await;
    let (flaky, scope) = bucket();
    assert_eq!(scope.probe().await.unwrap(), "mem://test/.snapkeep");
    assert!(flaky.asked().last().unwrap().starts_with("delete"));
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out() {
    let (_, scope) = bucket_of(Flaky::without_conditions());
    let failure = scope.probe().await.unwrap_err();
    assert_eq!(failure.exit, 12);
    assert!(failure.message.ends_with("/.snapkeep: it ignores the conditions of writes"), "{}", failure.message);
}

#[tokio::test]
async fn what_is_no_json_is_damaged() {
    let (flaky, scope) = bucket();
    let objects = Objects::of(Arc::new(flaky));
    let path = snapkeep_providers::objects::path_of([IN_STORE, "om", "holds", "a.json"]);
    objects.put_new(&path, "{\"n\":".into()).await.unwrap();
    for failure in [
        scope.get::<Note>("holds", "a").await.map(drop).unwrap_err(),
        scope.all::<Note>("holds").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(failure.exit, 9);
        let shown = "state: cannot read mem://test/.snapkeep/om/holds/a.json: it is damaged: ";
        assert!(failure.message.starts_with(shown), "{}", failure.message);
    }
    objects.put_new(&path_of_large(), "x".repeat(100_000).into()).await.unwrap();
    assert_eq!(scope.get::<Note>("holds", "large").await.map(drop).unwrap_err().exit, 9);
}

fn path_of_large() -> snapkeep_providers::objects::Path {
    snapkeep_providers::objects::path_of([IN_STORE, "om", "holds", "large.json"])
}

#[tokio::test(start_paused = true)]
async fn a_write_and_a_deletion_are_known_to_be_done_when_their_answers_are_lost() {
    for fault in [Fault::AnswerLost, Fault::MetItself, Fault::RequestLost] {
        let (flaky, scope) = bucket();
        flaky.script([fault]);
        let first = put(&scope, "a", 1, &Expected::Absent).await.unwrap();
        flaky.script([fault]);
        assert!(scope.delete("holds", "a", &first).await.unwrap(), "{fault:?}");
        assert_eq!(get(&scope, "a").await, None);
    }
}

#[tokio::test]
async fn writes_that_say_the_same_are_not_taken_for_each_other() {
    let (_, scope) = bucket();
    let first = put(&scope, "a", 1, &Expected::Absent).await.unwrap();
    assert_eq!(put(&scope, "a", 1, &Expected::Absent).await, None, "the other one's is no answer that was lost");
    let again = put(&scope, "a", 1, &Expected::Version(first.clone())).await.unwrap();
    assert_ne!(first, again);
    assert!(
        !scope.delete("holds", "a", &first).await.unwrap(),
        "a deletion that comes late must not meet an equal one"
    );
}

#[tokio::test]
async fn where_nothing_is_held_one_request_tells_so() {
    let (flaky, scope) = bucket();
    scope.all::<Note>("holds").await.unwrap();
    assert_eq!(flaky.asked(), ["list .snapkeep/om/holds"]);
    let first = put(&scope, "a", 1, &Expected::Absent).await.unwrap();
    put(&scope, "b", 2, &Expected::Absent).await.unwrap();
    scope.delete("holds", "a", &first).await.unwrap();
    flaky.asked();
    assert_eq!(scope.all::<Note>("holds").await.unwrap().len(), 1);
    assert_eq!(
        flaky.asked(),
        ["list .snapkeep/om/holds", "get .snapkeep/om/holds/b.json"],
        "no request for what is gone"
    );
}
