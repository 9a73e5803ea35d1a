use std::sync::Arc;

use super::super::flaky::{Fault, Flaky};
use super::*;

const LIMIT: u64 = 1000;

fn flaky() -> (Flaky, Objects, Path) {
    let flaky = Flaky::default();
    (flaky.clone(), Objects::of(Arc::new(flaky)), Path::from("a/b.json"))
}

fn done(swap: Result<Swap>) -> Version {
    match swap.unwrap() {
        Swap::Done(version) => version,
        Swap::Other(other) => panic!("{other:?} is there"),
    }
}

#[tokio::test]
async fn a_write_takes_effect_only_on_what_was_read() {
    let (_, objects, path) = flaky();
    let swap = async |bytes: &'static str, expected| objects.swap(&path, bytes.into(), expected, LIMIT).await;
    let first = done(swap("one", None).await);
    assert!(matches!(swap("two", None).await.unwrap(), Swap::Other(Some((bytes, _))) if bytes == "one"));
    let second = done(swap("three", Some(&first)).await);
    assert!(matches!(swap("four", Some(&first)).await.unwrap(), Swap::Other(Some((bytes, _))) if bytes == "three"));
    let there = objects.read_version(&path, LIMIT).await.unwrap();
    assert_eq!(there, Some(("three".into(), second.clone())));
    objects.delete(&path).await.unwrap();
    assert_eq!(swap("five", Some(&second)).await.unwrap(), Swap::Other(None));
}

#[tokio::test(start_paused = true)]
async fn what_took_effect_is_known_whatever_became_of_the_answer() {
    for fault in [Fault::AnswerLost, Fault::MetItself, Fault::RequestLost] {
        let (flaky, objects, path) = flaky();
        flaky.script([fault]);
        let first = done(objects.swap(&path, "one".into(), None, LIMIT).await);
        flaky.script([fault]);
        let second = done(objects.swap(&path, "two".into(), Some(&first), LIMIT).await);
        let there = objects.read_version(&path, LIMIT).await.unwrap();
        assert_eq!(there, Some(("two".into(), second)), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_an_error_in_the_end() {
    let (flaky, objects, path) = flaky();
    flaky.script([Fault::RequestLost; ATTEMPTS as usize]);
    let error = objects.swap(&path, "one".into(), None, LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(objects.read_version(&path, LIMIT).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_is_listed_without_what_is_below_it() {
    let (_, objects, _) = flaky();
    for name in ["f/a.json", "f/b%2F.json", "f/deeper/c.json", "fa.json"] {
        done(objects.swap(&Path::parse(name).unwrap(), "one".into(), None, LIMIT).await);
    }
    let mut names = objects.sizes(&Path::from("f")).await.unwrap();
    names.sort();
    assert_eq!(names, [("a.json".to_owned(), 3), ("b%2F.json".to_owned(), 3)]);
}

#[tokio::test]
async fn what_is_too_large_is_no_object_of_ours() {
    let (_, objects, path) = flaky();
    done(objects.swap(&path, "x".repeat(1001).into(), None, LIMIT).await);
    assert_eq!(objects.read_version(&path, LIMIT).await.unwrap_err().kind(), ErrorKind::Verification);
}
