use chrono::TimeDelta;
use snapkeep_providers::objects::flaky::{Fault, Flaky};
use snapkeep_providers::objects::path_of;

use super::*;
use crate::state::tests::{bucket, scope};

async fn take(scope: &Scope) -> Result<Lock, Failure> {
    Lock::take(scope, &"om".parse().unwrap(), "create", CancellationToken::new()).await
}

async fn plant(scope: &Scope, change: impl Fn(&mut Lease)) {
    let owner = Owner { host: "elsewhere".into(), pid: 1, process: Some("1".into()), machine: Some("other".into()) };
    let mut lease = Lease { owner, since: Utc::now(), renewals: 0, verb: "prune apply".into() };
    change(&mut lease);
    assert!(matches!(scope.put(KIND, scope.lock_name(), &lease, &Expected::Absent).await, Ok(Written::Yes(_))));
}

#[tokio::test]
async fn a_lock_is_held_once_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    for scope in [scope(folder.path()), bucket().1] {
        for _ in 0..2 {
            let first = take(&scope).await.unwrap();
            let failure = take(&scope).await.unwrap_err();
            assert_eq!(failure.exit, 11);
            assert!(failure.message.contains(&format!("process {}", std::process::id())), "{}", failure.message);
            first.check().await.unwrap();
            first.release().await;
        }
    }
}

#[tokio::test]
async fn in_a_folder_a_lock_that_is_dropped_is_given_back_too() {
    let folder = tempfile::tempdir().unwrap();
    let scope = scope(folder.path());
    drop(take(&scope).await.unwrap());
    assert!(take(&scope).await.is_ok());
}

#[tokio::test]
async fn a_living_owner_elsewhere_keeps_its_lock_until_the_lease_ends() {
    let folder = tempfile::tempdir().unwrap();
    let scope = scope(folder.path());
    plant(&scope, |_| {}).await;
    assert_eq!(take(&scope).await.unwrap_err().exit, 11);
    let other = tempfile::tempdir().unwrap();
    let expired = self::scope(other.path());
    plant(&expired, |_| {}).await;
    let file = other.path().join("om/lock/target.json");
    let age = |seconds| std::time::SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(&file).unwrap().set_modified(age(55)).unwrap();
    assert_eq!(take(&expired).await.unwrap_err().exit, 11);
    std::fs::File::open(&file).unwrap().set_modified(age(62)).unwrap();
    assert!(take(&expired).await.is_ok());
}

#[tokio::test]
async fn in_a_bucket_its_lease_ends_by_the_clock_of_the_bucket() {
    let (flaky, scope) = bucket();
    plant(&scope, |_| {}).await;
    let path = path_of([".snapkeep", "om", "lock", "target.json"]);
    for (seconds, taken) in [(0, false), (59, false), (62, true)] {
        flaky.older(&path, TimeDelta::seconds(seconds));
        assert_eq!(take(&scope).await.is_ok(), taken, "{seconds}");
    }
}

#[tokio::test]
async fn a_dead_owner_on_this_machine_is_taken_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    for scope in [scope(folder.path()), bucket().1] {
        plant(&scope, |lease| {
            lease.owner = Owner { pid, process: Some("12345".into()), ..Owner::this_process() };
        })
        .await;
        assert!(take(&scope).await.is_ok());
    }
}

/// A lock in a bucket that was just taken, and what tells of its loss.
async fn in_bucket() -> (Flaky, Scope, Lock, CancellationToken) {
    let (flaky, scope) = bucket();
    let lost = CancellationToken::new();
    let lock = Lock::take(&scope, &"om".parse().unwrap(), "create", lost.clone()).await.unwrap();
    (flaky, scope, lock, lost)
}

async fn renewals(scope: &Scope) -> u64 {
    scope.get::<Lease>(KIND, scope.lock_name()).await.unwrap().unwrap().0.renewals
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_its_owner_works() {
    let (_, scope, lock, lost) = in_bucket().await;
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert_eq!((renewals(&scope).await, lost.is_cancelled()), (20, false));
    lock.release().await;
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert!(scope.get::<Lease>(KIND, scope.lock_name()).await.unwrap().is_none());
    assert!(!lost.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_before_the_lease_loses_nothing() {
    // What was sent before it may have arrived, with its answer lost, or may come in late: three renewals of ten seconds.
    for fault in [Fault::AnswerHangs(Duration::from_secs(60)), Fault::AnswerLost, Fault::RequestLost, Fault::MetItself]
    {
        let (flaky, scope, lock, lost) = in_bucket().await;
        flaky.script([fault; 3]);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(!lost.is_cancelled(), "{fault:?}");
        assert!(renewals(&scope).await >= 6, "{fault:?}");
        lock.check().await.unwrap();
        lock.release().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_as_long_as_the_lease_stops_the_owner_before_it_ends() {
    let begun = Instant::now();
    let (flaky, _, lock, lost) = in_bucket().await;
    flaky.script([Fault::RequestLost; 1000]);
    lost.cancelled().await;
    let elapsed = begun.elapsed();
    assert!(elapsed >= Duration::from_secs(50) && elapsed < LEASE, "{elapsed:?}");
    lock.release().await;
}

#[tokio::test(start_paused = true)]
async fn giving_back_waits_for_no_store_that_is_gone() {
    let (flaky, _, lock, _) = in_bucket().await;
    flaky.script([Fault::RequestLost; 1000]);
    let begun = Instant::now();
    lock.release().await;
    assert!(begun.elapsed() <= TRY);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_away_stops_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let scope = scope(folder.path());
    let lost = CancellationToken::new();
    let lock = Lock::take(&scope, &"om".parse().unwrap(), "create", lost.clone()).await.unwrap();
    let (_, version) = scope.get::<Lease>(KIND, scope.lock_name()).await.unwrap().unwrap();
    scope.delete(KIND, scope.lock_name(), &version).await.unwrap();
    plant(&scope, |_| {}).await;
    lost.cancelled().await;
    drop(lock);
    assert_eq!(
        scope.get::<Lease>(KIND, scope.lock_name()).await.unwrap().unwrap().0.owner.host,
        "elsewhere",
        "it is the other's now"
    );
}
