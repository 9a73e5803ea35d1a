//! One dump to several stores at once: one that fails, fails its own copy only.

use super::source::{Engine, Source};
use crate::support::{Action, Fault, StoreKind, TestStore};

const FEW_RETRIES: &str = "connection = { timeout_seconds = 5, retries = 1 }";

/// Two stores in which nothing is yet; the second one through a proxy.
fn two() -> Option<(Source, TestStore, TestStore)> {
    let offsite = StoreKind::S3.up()?.with(FEW_RETRIES).behind_proxy();
    Some((Source::of(Engine::Sqlite)?, StoreKind::Gcs.up()?, offsite))
}

fn fail_all(store: &TestStore, action: &Action) {
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
        store.proxy().fail(Fault::on(method, "", action.clone()).times(usize::MAX));
    }
}

/// The stores of what `list` shows, the newest snapshot first.
fn places(source: &Source) -> Vec<String> {
    let document = source.run("list orders -o json").document();
    let items = document["items"].as_array().unwrap();
    let place = |item: &serde_json::Value| item["location"].as_str().unwrap().split(':').next().unwrap().to_owned();
    items.iter().map(place).collect()
}

#[tokio::test]
async fn one_pass_makes_a_snapshot_in_each_store() {
    let Some((mut source, near, offsite)) = two() else { return };
    source.configure(&[("near", &near), ("offsite", &offsite)], &["near", "offsite"]);
    let made = source.done("create orders --key one -o name");
    let ids: Vec<&str> = made.out.lines().collect();
    assert_eq!((ids.len(), places(&source)), (2, vec!["near".to_owned(), "offsite".to_owned()]));
    assert_eq!(source.done("create orders --key one -o name").out, made.out);
    for (number, id) in ids.iter().enumerate() {
        let copy = source.name(&format!("copy{number}"));
        source.done(&format!("restore {id} --to {copy}"));
        assert_eq!(source.content(&copy), source.content(&source.database()));
    }
    let data = |names: Vec<String>| names.into_iter().filter(|name| name.contains("/data.")).count();
    assert_eq!((data(near.names().await), data(offsite.names().await)), (1, 1));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_fails_its_copy_and_the_key_makes_it_later() {
    let Some((mut source, near, offsite)) = two() else { return };
    let offsite = offsite.with("bucket = \"missing-bucket\"");
    source.configure(&[("near", &near), ("offsite", &offsite)], &["offsite", "near"]);
    let ran = source.run("create orders --key release-7 -o json");
    assert_eq!(ran.code, Some(3), "{ran}");
    assert_eq!(ran.document()["items"].as_array().unwrap().len(), 1);
    assert_eq!(ran.document()["errors"].as_array().unwrap().len(), 1, "{ran}");
    assert!(ran.err.contains("there is no such bucket") && ran.err.contains("store offsite"), "{ran}");

    let offsite = offsite.with("bucket = \"test\"");
    source.configure(&[("near", &near), ("offsite", &offsite)], &["offsite", "near"]);
    let first = source.ids();
    let again = source.done("create orders --key release-7 -o name");
    assert_eq!(again.out.lines().count(), 2, "{again}");
    assert!(again.out.contains(&first[0]) && again.err.contains("is there already in near"), "{again}");
    assert_eq!(source.ids().len(), 2, "only the missing copy was made");
    assert_eq!(near.names().await.len(), 2);
    let fresh = source.ids().into_iter().find(|id| *id != first[0]).unwrap();
    source.done(&format!("restore {fresh} --to copy.db"));
    assert_eq!(source.content("copy.db"), source.content(&source.database()));
}

#[tokio::test]
async fn a_store_that_fails_for_ever_takes_no_other_with_it_and_keeps_nothing() {
    let Some((mut source, near, offsite)) = two() else { return };
    source.configure(&[("near", &near), ("offsite", &offsite)], &["near", "offsite"]);
    for part in ["uploads", "partNumber", "uploadId", "manifest.json"] {
        for method in ["POST", "PUT"] {
            let error = Action::Status(500, "<Error><Code>InternalError</Code></Error>".into());
            offsite.proxy().fail(Fault::on(method, part, error).times(usize::MAX));
        }
        let ran = source.run("create orders -o json");
        assert_eq!((ran.code, ran.error_codes()), (Some(3), vec!["unavailable".to_owned()]), "{part}: {ran}");
        assert!(offsite.proxy().fired() > 0);
        offsite.proxy().heal();
        assert_eq!(offsite.names().await, <[String; 0]>::default(), "{part}");
        assert_eq!(offsite.unfinished(), <[String; 0]>::default(), "{part}");
    }
    assert_eq!(places(&source), ["near"; 4]);
}

#[tokio::test]
async fn when_every_store_fails_the_exit_code_is_theirs() {
    let Some((mut source, near, offsite)) = two() else { return };
    let near = near.behind_proxy().with(FEW_RETRIES);
    source.configure(&[("near", &near), ("offsite", &offsite)], &["near", "offsite"]);
    let actions = [
        (Action::Status(503, "<Error><Code>SlowDown</Code></Error>".into()), 6),
        (Action::Status(403, "<Error><Code>AccessDenied</Code></Error>".into()), 5),
        (Action::CutBefore, 1),
    ];
    for (action, code) in actions {
        for store in [&near, &offsite] {
            fail_all(store, &action);
        }
        let ran = source.run("create orders -o json");
        assert_eq!(ran.code, Some(code), "{action:?}: {ran}");
        assert!(ran.document()["items"].as_array().unwrap().is_empty());
        for store in [&near, &offsite] {
            store.proxy().heal();
            assert_eq!(store.names().await, <[String; 0]>::default());
        }
    }
    source.done("create orders");
    assert_eq!(places(&source), ["near", "offsite"]);
}

#[tokio::test]
async fn a_key_makes_what_it_can_while_a_store_is_away() {
    let Some((mut source, near, offsite)) = two() else { return };
    source.configure(&[("near", &near), ("offsite", &offsite)], &["near", "offsite"]);
    fail_all(&offsite, &Action::CutBefore);
    let ran = source.run("create orders --key k -o json");
    assert_eq!(ran.code, Some(3), "{ran}");
    offsite.proxy().heal();
    assert_eq!(source.done("create orders --key k -o name").out.lines().count(), 2);
    assert_eq!(places(&source), ["offsite", "near"], "the missing copy is the newer one");
}
