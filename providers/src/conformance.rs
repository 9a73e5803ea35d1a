//! The promises of [`Provider`], one function each. Every provider runs all of them: a promise that only some keep is
//! a special case in every caller.
//!
//! A promise looks at a provider from outside, through its trait and what a [`Fixture`] shows of the databases. What
//! is special to one provider (its wire, its faults) is tested beside that provider.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::{
    CreateRequest, ListScope, NativeId, Operation, OperationId, OperationState, Origin, RestoreRequest, RestoreTo,
    Restored, Snapshot, SnapshotId, SnapshotState, Tags,
};
use crate::{Error, ErrorKind, Provider, Result, Run, Support};

/// How often an operation is polled before the promise counts as broken.
const POLLS: u32 = 1000;

/// A provider to try, and a view of the databases behind it.
///
/// Each promise gets a fixture of its own: a target without snapshots, whose source holds some data.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The provider of the target.
    fn provider(&self) -> &dyn Provider;

    /// Changes the source's data to what it hasn't been before.
    async fn change_source(&self);

    /// A fingerprint of the source's data: equal if and only if the data is.
    async fn source(&self) -> String;

    /// A name to restore to; another one that doesn't exist yet at each call.
    fn restore_name(&self) -> String;

    /// The fingerprint of what was restored to `name`; `None` when it doesn't exist or is empty.
    async fn restored(&self, name: &str) -> Option<String>;

    /// Called between two polls; the place to let a simulated cloud's time pass.
    async fn between_polls(&self) {}
}

/// One promise.
struct Promise {
    name: &'static str,
    keep: for<'f> fn(&'f dyn Fixture) -> BoxFuture<'f, ()>,
}

macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        &[$(Promise { name: stringify!($name), keep: |fixture| Box::pin($name(fixture)) }),*]
    };
}

const PROMISES: &[Promise] = promises![
    create_then_listed,
    listed_newest_first,
    get_knows_what_list_shows,
    get_of_unknown_is_not_found,
    poll_of_unknown_is_not_found,
    finished_operation_stays_done,
    same_key_is_same_snapshot,
    other_keys_are_other_snapshots,
    key_of_deleted_snapshot_is_free,
    tags_come_back,
    restore_brings_back_the_content,
    restore_refuses_a_name_that_holds_data,
    restore_of_unknown_is_not_found,
    restore_in_place_replaces_the_content,
    delete_then_gone,
    delete_of_missing_succeeds,
    ids_are_stable,
    unsupported_is_said,
    check_changes_nothing,
    cancelled_create_leaves_nothing,
    cancelled_restore_leaves_nothing,
];

/// Runs every promise on a fixture of its own.
///
/// # Panics
///
/// After the last promise, with the name and the reason of each that was broken.
pub async fn all<F>(fresh: impl Fn() -> F)
where
    F: Future<Output = Box<dyn Fixture>>,
{
    let mut broken = Vec::new();
    for promise in PROMISES {
        let kept = AssertUnwindSafe(async { (promise.keep)(fresh().await.as_ref()).await }).catch_unwind().await;
        if let Err(panic) = kept {
            broken.push(format!("{}: {}", promise.name, message(panic.as_ref())));
        }
    }
    assert!(broken.is_empty(), "{} of {} promises broken:\n{}", broken.len(), PROMISES.len(), broken.join("\n"));
}

/// A created snapshot is the target's only one: whole, owned, and with the provider's name on it.
pub async fn create_then_listed(fixture: &dyn Fixture) {
    assert_eq!(list(fixture).await, [], "a fresh target has no snapshots");
    let created = create(fixture, &CreateRequest::default()).await;
    assert_eq!(list(fixture).await, std::slice::from_ref(&created));
    assert_eq!(created.state, SnapshotState::Available);
    assert_eq!(created.origin, Origin::Owned);
    assert_eq!(created.target, *fixture.provider().target());
    assert_eq!(&*created.provider, fixture.provider().name());
    assert!(created.created_at.is_some(), "the moment that it holds is known");
    assert!(created.is_good());
}

/// The list goes from the newest to the oldest, and misses none.
pub async fn listed_newest_first(fixture: &dyn Fixture) {
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(create(fixture, &CreateRequest::default()).await.native_id);
    }
    let listed = list(fixture).await;
    assert!(listed.is_sorted_by_key(|snapshot| std::cmp::Reverse(snapshot.created_at)), "{listed:?}");
    let mut ids: Vec<_> = listed.into_iter().map(|snapshot| snapshot.native_id).collect();
    ids.sort();
    created.sort();
    assert_eq!(ids, created);
}

/// Reading one snapshot tells nothing else than the list does.
pub async fn get_knows_what_list_shows(fixture: &dyn Fixture) {
    create(fixture, &CreateRequest { key: Some("nightly".into()), tags: some_tags(), ..CreateRequest::default() })
        .await;
    for listed in list(fixture).await {
        let details = ok("get a listed snapshot", fixture.provider().get(&listed.native_id).await);
        assert_eq!(details.snapshot, listed);
    }
}

/// An id that was never given, also one that looks like a path, is not found.
pub async fn get_of_unknown_is_not_found(fixture: &dyn Fixture) {
    create(fixture, &CreateRequest::default()).await;
    for id in unknown_ids() {
        refused("get an unknown snapshot", ErrorKind::NotFound, fixture.provider().get(&id).await);
    }
}

/// An operation that was never begun is not found.
pub async fn poll_of_unknown_is_not_found(fixture: &dyn Fixture) {
    for id in unknown_ids() {
        let polled = fixture.provider().poll(&OperationId::new(id.as_str())).await;
        refused("poll an unknown operation", ErrorKind::NotFound, polled);
    }
}

/// Polling a finished creation tells the same snapshot again, so that another process can wait for it.
pub async fn finished_operation_stays_done(fixture: &dyn Fixture) {
    let operation = begin(fixture, &CreateRequest::default()).await;
    let id = operation.id.clone();
    let snapshot = await_available(fixture, operation).await;
    let again = ok("poll a finished operation", fixture.provider().poll(&id).await);
    assert_eq!(again.id, id);
    assert!(matches!(&again.state, OperationState::Done(same) if *same == snapshot), "{again:?}");
}

/// The same key gives the same snapshot, while it is being made and after, whatever became of the source.
pub async fn same_key_is_same_snapshot(fixture: &dyn Fixture) {
    let request = CreateRequest { key: Some("before-migration-7".into()), ..CreateRequest::default() };
    let first = begin(fixture, &request).await;
    let while_it_runs = begin(fixture, &request).await;
    let first = await_available(fixture, first).await;
    let while_it_runs = await_available(fixture, while_it_runs).await;
    fixture.change_source().await;
    let after = create(fixture, &request).await;
    assert_eq!(while_it_runs.id, first.id);
    assert_eq!(after, first);
    assert_eq!(list(fixture).await.len(), 1);
}

/// Another key, and none, give another snapshot.
pub async fn other_keys_are_other_snapshots(fixture: &dyn Fixture) {
    for key in [Some("monday"), Some("tuesday"), Some("Monday"), None, None] {
        create(fixture, &CreateRequest { key: key.map(String::from), ..CreateRequest::default() }).await;
    }
    assert_eq!(list(fixture).await.len(), 5);
}

/// A key is bound to its snapshot, and not longer.
pub async fn key_of_deleted_snapshot_is_free(fixture: &dyn Fixture) {
    if fixture.provider().capabilities().delete == Support::No {
        return;
    }
    let request = CreateRequest { key: Some("weekly".into()), ..CreateRequest::default() };
    let first = create(fixture, &request).await;
    ok("delete", fixture.provider().delete(&first.native_id).await);
    let second = create(fixture, &request).await;
    assert_eq!(list(fixture).await, [second]);
}

/// Tags and the key come back as they were given, where the provider says that it keeps them.
pub async fn tags_come_back(fixture: &dyn Fixture) {
    let request =
        CreateRequest { key: Some("nightly-2026-11-22".into()), tags: some_tags(), ..CreateRequest::default() };
    let created = create(fixture, &request).await;
    if fixture.provider().capabilities().tags == Support::Yes {
        assert_eq!((created.key, &*created.tags), (request.key, &request.tags));
    } else {
        assert_eq!(*created.tags, Tags::new(), "a provider without tags makes up none");
    }
}

/// A restore holds what the source held when the snapshot was made, and leaves the source alone.
pub async fn restore_brings_back_the_content(fixture: &dyn Fixture) {
    let before = fixture.source().await;
    let snapshot = create(fixture, &CreateRequest::default()).await;
    fixture.change_source().await;
    let after = fixture.source().await;
    assert_ne!(after, before, "the fixture changes the source");
    let name = fixture.restore_name();
    let restored = ok("restore", restore_to(fixture, &snapshot.native_id, &name).await);
    assert!(!restored.to.is_empty(), "a restore says where it went");
    assert_eq!(fixture.restored(&name).await, Some(before));
    assert_eq!(fixture.source().await, after);
}

/// A restore refuses a name that holds data, and leaves that data as it was.
pub async fn restore_refuses_a_name_that_holds_data(fixture: &dyn Fixture) {
    let first = create(fixture, &CreateRequest::default()).await;
    fixture.change_source().await;
    let second = create(fixture, &CreateRequest::default()).await;
    let name = fixture.restore_name();
    ok("restore", restore_to(fixture, &first.native_id, &name).await);
    let held = fixture.restored(&name).await;
    assert!(held.is_some(), "the first restore holds data");
    refused("restore over data", ErrorKind::Refused, restore_to(fixture, &second.native_id, &name).await);
    assert_eq!(fixture.restored(&name).await, held);
}

/// Restoring what isn't there is not found, and makes nothing.
pub async fn restore_of_unknown_is_not_found(fixture: &dyn Fixture) {
    for id in unknown_ids() {
        let name = fixture.restore_name();
        refused("restore an unknown snapshot", ErrorKind::NotFound, restore_to(fixture, &id, &name).await);
        assert_eq!(fixture.restored(&name).await, None);
    }
}

/// A restore over the target gives the source its old data, and keeps the snapshots.
pub async fn restore_in_place_replaces_the_content(fixture: &dyn Fixture) {
    if fixture.provider().capabilities().in_place == Support::No {
        return;
    }
    let before = fixture.source().await;
    let snapshot = create(fixture, &CreateRequest::default()).await;
    fixture.change_source().await;
    ok("restore in place", restore(fixture, &snapshot.native_id, RestoreTo::InPlace, &Run::silent()).await);
    assert_eq!(fixture.source().await, before);
    assert_eq!(list(fixture).await, [snapshot]);
}

/// A deleted snapshot is gone from every verb, and its neighbours are not.
pub async fn delete_then_gone(fixture: &dyn Fixture) {
    if fixture.provider().capabilities().delete == Support::No {
        return;
    }
    let kept = create(fixture, &CreateRequest::default()).await;
    let deleted = create(fixture, &CreateRequest::default()).await.native_id;
    ok("delete", fixture.provider().delete(&deleted).await);
    assert_eq!(list(fixture).await, [kept]);
    refused("get a deleted snapshot", ErrorKind::NotFound, fixture.provider().get(&deleted).await);
    let name = fixture.restore_name();
    refused("restore a deleted snapshot", ErrorKind::NotFound, restore_to(fixture, &deleted, &name).await);
}

/// Deleting what is gone, or never was, succeeds and deletes nothing else.
pub async fn delete_of_missing_succeeds(fixture: &dyn Fixture) {
    if fixture.provider().capabilities().delete == Support::No {
        return;
    }
    let kept = create(fixture, &CreateRequest::default()).await;
    let deleted = create(fixture, &CreateRequest::default()).await.native_id;
    for _ in 0..2 {
        ok("delete a snapshot twice", fixture.provider().delete(&deleted).await);
    }
    for id in unknown_ids() {
        ok("delete an unknown snapshot", fixture.provider().delete(&id).await);
    }
    assert_eq!(list(fixture).await, [kept]);
}

/// A snapshot has one id, from the first answer on, in every verb.
pub async fn ids_are_stable(fixture: &dyn Fixture) {
    let operation = begin(fixture, &CreateRequest::default()).await;
    let early = match &operation.state {
        OperationState::Running { so_far, .. } => so_far.clone(),
        OperationState::Done(snapshot) => Some(snapshot.clone()),
        OperationState::Failed(error) => panic!("create: {error}"),
    };
    let created = await_available(fixture, operation).await;
    let target = fixture.provider().target().clone();
    assert_eq!(created.id, SnapshotId { target, native: created.native_id.clone() });
    assert!(early.is_none_or(|early| early.id == created.id), "the id changed when {} was done", created.id);
    create(fixture, &CreateRequest::default()).await;
    let ids = || async { list(fixture).await.into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>() };
    let listed = ids().await;
    assert!(listed.contains(&created.id), "{listed:?}");
    assert_eq!(ids().await, listed);
}

/// What a provider says that it can't do, it refuses to do, by the kind that says so.
pub async fn unsupported_is_said(fixture: &dyn Fixture) {
    let capabilities = fixture.provider().capabilities();
    let snapshot = create(fixture, &CreateRequest::default()).await;
    if capabilities.in_place == Support::No {
        fixture.change_source().await;
        let held = fixture.source().await;
        let restored = restore(fixture, &snapshot.native_id, RestoreTo::InPlace, &Run::silent()).await;
        refused("restore in place", ErrorKind::Unsupported, restored);
        assert_eq!(fixture.source().await, held);
    }
    if capabilities.delete == Support::No {
        refused("delete", ErrorKind::Unsupported, fixture.provider().delete(&snapshot.native_id).await);
        assert_eq!(list(fixture).await, [snapshot]);
    }
}

/// A check finds a working target in order, and changes nothing.
pub async fn check_changes_nothing(fixture: &dyn Fixture) {
    let created = create(fixture, &CreateRequest::default()).await;
    let source = fixture.source().await;
    let rows = fixture.provider().check().await;
    assert!(!rows.is_empty(), "a check looks at something");
    for row in rows {
        ok(row.name, row.outcome);
    }
    assert_eq!(list(fixture).await, [created]);
    assert_eq!(fixture.source().await, source);
}

/// A creation that was told to stop says so, and leaves no snapshot.
pub async fn cancelled_create_leaves_nothing(fixture: &dyn Fixture) {
    let run = cancelled();
    let created = fixture.provider().create(&CreateRequest::default(), &run).await;
    refused("create when cancelled", ErrorKind::Interrupted, created);
    assert_eq!(list(fixture).await, []);
}

/// A restore that was told to stop says so, and leaves no database.
pub async fn cancelled_restore_leaves_nothing(fixture: &dyn Fixture) {
    let snapshot = create(fixture, &CreateRequest::default()).await;
    let name = fixture.restore_name();
    let restored = restore(fixture, &snapshot.native_id, RestoreTo::New(name.clone()), &cancelled()).await;
    refused("restore when cancelled", ErrorKind::Interrupted, restored);
    assert_eq!(fixture.restored(&name).await, None);
}

/// Polls an operation until its snapshot is available, and panics when it fails or takes more than 1,000 polls.
pub async fn await_available(fixture: &dyn Fixture, operation: Operation<Snapshot>) -> Snapshot {
    let mut operation = operation;
    for _ in 0..POLLS {
        match operation.state {
            OperationState::Done(snapshot) => return snapshot,
            OperationState::Failed(error) => panic!("create: {}", full(&error)),
            OperationState::Running { .. } => fixture.between_polls().await,
        }
        operation = ok("poll", fixture.provider().poll(&operation.id).await);
    }
    panic!("operation {} still runs after {POLLS} polls", operation.id)
}

async fn begin(fixture: &dyn Fixture, request: &CreateRequest) -> Operation<Snapshot> {
    ok("create", fixture.provider().create(request, &Run::silent()).await)
}

async fn create(fixture: &dyn Fixture, request: &CreateRequest) -> Snapshot {
    let operation = begin(fixture, request).await;
    await_available(fixture, operation).await
}

async fn list(fixture: &dyn Fixture) -> Vec<Snapshot> {
    let listing = ok("list", fixture.provider().list(ListScope::Own).await);
    assert!(listing.problems.is_empty(), "the list is incomplete: {:?}", listing.problems);
    listing.snapshots
}

async fn restore(fixture: &dyn Fixture, id: &NativeId, to: RestoreTo, run: &Run) -> Result<Restored> {
    let mut operation = fixture.provider().restore(id, &RestoreRequest::new(to), run).await?;
    for _ in 0..POLLS {
        match operation.state {
            OperationState::Done(restored) => return Ok(restored),
            OperationState::Failed(error) => return Err(error),
            OperationState::Running { .. } => fixture.between_polls().await,
        }
        operation = fixture.provider().poll_restore(&operation.id).await?;
    }
    panic!("operation {} still runs after {POLLS} polls", operation.id)
}

async fn restore_to(fixture: &dyn Fixture, id: &NativeId, name: &str) -> Result<Restored> {
    restore(fixture, id, RestoreTo::New(name.to_owned()), &Run::silent()).await
}

fn unknown_ids() -> [NativeId; 3] {
    ["no-such-snapshot", "20010101T000000Z-zzzz", "../no-such-snapshot"].map(NativeId::new)
}

/// Tags that every cloud can hold.
fn some_tags() -> Tags {
    [("team", "orders"), ("cost-center", "4711")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn cancelled() -> Run {
    let run = Run::silent();
    run.cancel.cancel();
    run
}

fn ok<T>(action: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{action}: {}", full(&error)))
}

fn refused<T: std::fmt::Debug>(action: &str, kind: ErrorKind, result: Result<T>) {
    match result {
        Err(error) if error.kind() == kind => {}
        Err(error) => panic!("{action} must be {}, but is {}: {}", kind.code(), error.kind().code(), full(&error)),
        Ok(done) => panic!("{action} must be {}, but succeeded: {done:?}", kind.code()),
    }
}

/// The error and what caused it.
fn full(error: &Error) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
