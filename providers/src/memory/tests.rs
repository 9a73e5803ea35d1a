use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::conformance::{self, Fixture};

const KEYED: &str = "before-migration";

fn memory() -> Memory {
    let start = "2026-11-22T02:15:00Z".parse().unwrap();
    let memory = Memory::new("orders".parse().unwrap(), start);
    memory.write_source("version 1");
    memory
}

struct Bed {
    memory: Memory,
    changes: AtomicU32,
}

impl Bed {
    fn of(memory: Memory) -> Box<dyn Fixture> {
        Box::new(Self { memory, changes: AtomicU32::new(1) })
    }

    fn count(&self) -> u32 {
        self.changes.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[async_trait]
impl Fixture for Bed {
    fn provider(&self) -> &dyn Provider {
        &self.memory
    }

    async fn change_source(&self) {
        self.memory.write_source(format!("version {}", self.count()));
    }

    async fn source(&self) -> String {
        String::from_utf8(self.memory.source()).unwrap()
    }

    fn restore_name(&self) -> String {
        format!("copy-{}", self.count())
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.memory.database(name).map(|content| String::from_utf8(content).unwrap())
    }
}

async fn create(memory: &Memory, key: Option<&str>) -> Result<Operation<Snapshot>> {
    memory.create(&CreateRequest { key: key.map(String::from), ..CreateRequest::default() }, &Run::silent()).await
}

async fn created(memory: &Memory) -> NativeId {
    let OperationState::Done(snapshot) = create(memory, None).await.unwrap().state else { panic!("it still runs") };
    snapshot.native_id
}

async fn listed(memory: &Memory, scope: ListScope) -> Vec<String> {
    let listing = memory.list(scope).await.unwrap();
    listing.snapshots.into_iter().map(|snapshot| snapshot.native_id.to_string()).collect()
}

async fn restore(memory: &Memory, id: &NativeId, name: &str) -> Result<Restored> {
    let restored = memory.restore(id, &RestoreRequest::to_new(name), &Run::silent()).await?;
    Ok(restored.result().unwrap())
}

#[tokio::test]
async fn memory_keeps_every_promise_as_a_cloud() {
    conformance::all(|| async { Bed::of(memory().with_polls(3)) }).await;
}

#[tokio::test]
async fn memory_keeps_every_promise_when_create_waits() {
    conformance::all(|| async { Bed::of(memory().with_polls(0)) }).await;
}

#[tokio::test]
async fn memory_keeps_every_promise_with_the_least_capabilities() {
    let least = Capabilities {
        tags: Support::No,
        adopt: Support::No,
        reuses_ids: Support::No,
        in_place: Support::No,
        point_in_time: Support::No,
        delete: Support::No,
        delete_automated: Support::No,
    };
    conformance::all(|| async { Bed::of(memory().with_capabilities(least)) }).await;
}

#[tokio::test]
#[should_panic(expected = "create_then_listed: list: memory: cannot list orders: the rate limit is reached")]
async fn a_broken_promise_is_named_with_its_reason() {
    conformance::all(|| async {
        let memory = memory();
        memory.script(Verb::List, Fault::Throttle);
        Bed::of(memory)
    })
    .await;
}

#[tokio::test]
async fn a_creation_runs_until_it_was_polled_often_enough() {
    let memory = memory().with_polls(4);
    let operation = create(&memory, None).await.unwrap();
    let mut percents = Vec::new();
    let mut state = operation.state;
    while let OperationState::Running { so_far, percent } = state {
        assert_eq!(so_far.unwrap().state, SnapshotState::Pending);
        percents.push(percent.unwrap());
        state = memory.poll(&operation.id).await.unwrap().state;
    }
    assert_eq!(percents, [0, 25, 50, 75]);
    assert!(matches!(state, OperationState::Done(snapshot) if snapshot.is_good()));
}

#[tokio::test]
async fn ids_and_times_come_from_the_start_alone() {
    let memory = memory().with_polls(0);
    created(&memory).await;
    created(&memory).await;
    let listing = memory.list(ListScope::Own).await.unwrap();
    let seen: Vec<_> = listing
        .snapshots
        .iter()
        .map(|snapshot| (snapshot.id.to_string(), snapshot.created_at.unwrap().to_rfc3339()))
        .collect();
    let expected = [("orders/mem-0002", "2026-11-22T02:16:00+00:00"), ("orders/mem-0001", "2026-11-22T02:15:00+00:00")];
    assert_eq!(seen, expected.map(|(id, time)| (id.to_owned(), time.to_owned())));
}

#[tokio::test]
async fn shared_snapshots_are_listed_only_when_asked_for() {
    let memory = memory();
    memory.add_foreign(Origin::Automated);
    memory.add_foreign(Origin::Shared);
    assert_eq!(listed(&memory, ListScope::Own).await, ["mem-0001"]);
    assert_eq!(listed(&memory, ListScope::AllOrigins).await, ["mem-0002", "mem-0001"]);
}

#[tokio::test]
async fn a_throttled_call_does_nothing_and_the_next_one_works() {
    let memory = memory();
    for (fault, kind) in [
        (Fault::Throttle, ErrorKind::Busy),
        (Fault::Unreachable, ErrorKind::Unavailable),
        (Fault::Denied, ErrorKind::Permission),
    ] {
        memory.script(Verb::Create, fault);
        assert_eq!(create(&memory, None).await.unwrap_err().kind(), kind);
    }
    assert!(listed(&memory, ListScope::Own).await.is_empty());
    assert!(create(&memory, None).await.is_ok());
}

#[tokio::test]
async fn faults_hit_their_verb_only_and_in_the_order_of_the_script() {
    let memory = memory();
    memory.script(Verb::List, Fault::Denied);
    memory.script(Verb::List, Fault::Throttle);
    assert!(create(&memory, None).await.is_ok());
    assert_eq!(memory.list(ListScope::Own).await.unwrap_err().kind(), ErrorKind::Permission);
    assert_eq!(memory.list(ListScope::Own).await.unwrap_err().kind(), ErrorKind::Busy);
    assert!(memory.list(ListScope::Own).await.is_ok());
}

#[tokio::test]
async fn a_key_finds_the_snapshot_whose_response_was_lost() {
    let memory = memory();
    memory.script(Verb::Create, Fault::LostResponse);
    assert_eq!(create(&memory, Some(KEYED)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(create(&memory, Some(KEYED)).await.is_ok());
    assert_eq!(listed(&memory, ListScope::Own).await, ["mem-0001"]);
}

#[tokio::test]
async fn a_delete_whose_response_was_lost_can_be_repeated() {
    let memory = memory().with_polls(0);
    let id = created(&memory).await;
    memory.script(Verb::Delete, Fault::LostResponse);
    assert!(memory.delete(&id).await.is_err());
    assert!(memory.delete(&id).await.is_ok());
    assert!(listed(&memory, ListScope::Own).await.is_empty());
}

#[tokio::test]
async fn a_restore_whose_response_was_lost_is_refused_when_repeated() {
    let memory = memory().with_polls(0);
    let id = created(&memory).await;
    memory.script(Verb::Restore, Fault::LostResponse);
    assert_eq!(restore(&memory, &id, "copy").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(memory.database("copy").unwrap(), b"version 1");
    assert_eq!(restore(&memory, &id, "copy").await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_failed_creation_stays_listed_and_its_key_tries_again() {
    let memory = memory();
    memory.script(Verb::Create, Fault::FailedOperation);
    let first = create(&memory, Some(KEYED)).await.unwrap();
    let polled = memory.poll(&first.id).await.unwrap();
    assert!(matches!(polled.state, OperationState::Failed(error) if error.kind() == ErrorKind::Failed));
    let failed = memory.list(ListScope::Own).await.unwrap().snapshots.remove(0);
    assert_eq!((failed.state, failed.provider_state.as_deref()), (SnapshotState::Failed, Some("error")));
    assert_eq!(restore(&memory, &failed.native_id, "copy").await.unwrap_err().kind(), ErrorKind::Failed);

    let second = create(&memory, Some(KEYED)).await.unwrap();
    assert!(matches!(memory.poll(&second.id).await.unwrap().state, OperationState::Done(_)));
    assert_eq!(listed(&memory, ListScope::Own).await, ["mem-0002", "mem-0001"]);
}

#[tokio::test]
async fn an_incomplete_list_shows_its_newer_half_and_says_so() {
    let memory = memory().with_polls(0);
    for _ in 0..3 {
        created(&memory).await;
    }
    memory.script(Verb::List, Fault::IncompleteList);
    let listing = memory.list(ListScope::Own).await.unwrap();
    let ids: Vec<_> = listing.snapshots.iter().map(|snapshot| snapshot.native_id.as_str()).collect();
    assert_eq!(ids, ["mem-0003", "mem-0002"]);
    assert_eq!(listing.problems[0].to_string(), "memory: cannot list orders: the second page was throttled");
}

#[tokio::test]
async fn a_restore_into_an_empty_database_is_allowed() {
    let memory = memory().with_polls(0);
    let id = created(&memory).await;
    memory.write_database("copy", "");
    assert_eq!(restore(&memory, &id, "copy").await.unwrap().to, "copy");
    assert_eq!(memory.database("copy").unwrap(), b"version 1");
    assert_eq!(restore(&memory, &id, "").await.unwrap_err().kind(), ErrorKind::Usage);
}
