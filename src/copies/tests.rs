use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use snapkeep_providers::memory::{Fault, Memory, Verb};
use snapkeep_providers::model::{
    Check, CreateRequest, Details, ListScope, Listing, Operation, OperationId, OperationState, RestoreRequest,
    Restored, SnapshotState, TargetName,
};
use snapkeep_providers::{Capabilities, Error, ErrorKind};
use tempfile::TempDir;

use super::*;

/// A cloud of several regions, each a cloud in memory.
#[derive(Debug)]
struct Regions {
    home: Memory,
    far: Vec<(String, Memory)>,
    /// How many copies went on at once, at most, and now.
    going_on: Mutex<(usize, usize)>,
}

#[async_trait]
impl Provider for Regions {
    fn target(&self) -> &TargetName {
        self.home.target()
    }

    fn name(&self) -> &'static str {
        "regions"
    }

    fn identity(&self) -> String {
        self.home.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.home.capabilities()
    }

    async fn check(&self) -> Vec<Check> {
        self.home.check().await
    }

    async fn list(&self, scope: ListScope) -> Result<Listing, Error> {
        self.home.list(scope).await
    }

    async fn get(&self, id: &NativeId) -> Result<Details, Error> {
        self.home.get(id).await
    }

    async fn create(&self, request: &CreateRequest, run: &Run) -> Result<Operation<Snapshot>, Error> {
        self.home.create(request, run).await
    }

    fn copies(&self) -> Vec<CopyTo> {
        let region =
            |region: &String| CopyTo::Region { region: region.clone(), kms_key_id: None, option_group_name: None };
        self.far.iter().map(|(name, _)| region(name)).collect()
    }

    async fn copy(&self, id: &NativeId, request: &CopyRequest, run: &Run) -> Result<Operation<Snapshot>, Error> {
        let (name, far) = self.far.iter().find(|(name, _)| *name == request.to.to_string()).unwrap();
        let of = CreateRequest { key: Some(id.to_string()), ..CreateRequest::default() };
        let operation = in_region(name, far.create(&of, run).await?);
        let mut going_on = self.going_on.lock().unwrap();
        going_on.1 += usize::from(operate::is_running(&operation));
        going_on.0 = going_on.0.max(going_on.1);
        Ok(operation)
    }

    async fn poll(&self, operation: &OperationId) -> Result<Operation<Snapshot>, Error> {
        let Some((region, id)) = operation.as_str().split_once(' ') else { return self.home.poll(operation).await };
        let (name, far) = self.far.iter().find(|(name, _)| name == region).unwrap();
        let operation = in_region(name, far.poll(&OperationId::new(id)).await?);
        self.going_on.lock().unwrap().1 -= usize::from(!operate::is_running(&operation));
        Ok(operation)
    }

    async fn restore(&self, id: &NativeId, request: &RestoreRequest, run: &Run) -> Result<Operation<Restored>, Error> {
        self.home.restore(id, request, run).await
    }

    async fn delete(&self, id: &NativeId) -> Result<(), Error> {
        self.home.delete(id).await
    }
}

/// As the cloud of all regions shows what goes on in one.
fn in_region(name: &str, operation: Operation<Snapshot>) -> Operation<Snapshot> {
    let placed = |snapshot| Snapshot { location: Some(name.into()), completed_at: None, ..snapshot };
    let state = match operation.state {
        OperationState::Done(snapshot) => OperationState::Done(placed(snapshot)),
        other => other,
    };
    Operation {
        start: operation.start,
        ..Operation::begun(OperationId::new(format!("{name} {}", operation.id)), state)
    }
}

struct Bed {
    regions: Arc<Regions>,
    opened: Opened,
    _folder: TempDir,
}

impl Bed {
    /// A target whose snapshots are copied to these regions; each copy takes so many polls.
    fn new(far: &[(&str, u32)]) -> Self {
        let start: DateTime<Utc> = "2026-11-22T02:00:00Z".parse().unwrap();
        let memory = |polls| Memory::new("orders".parse().unwrap(), start).with_polls(polls);
        let far = far.iter().map(|&(name, polls)| (name.to_owned(), memory(polls))).collect();
        let regions = Arc::new(Regions { home: memory(0), far, going_on: Mutex::default() });
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened::of(regions.clone(), crate::state::tests::scope(&folder.path().join("state")));
        Self { regions, opened, _folder: folder }
    }

    async fn created(&self) -> Snapshot {
        let created = self.regions.create(&CreateRequest::default(), &Run::silent()).await.unwrap();
        Snapshot { location: Some("home".into()), ..created.result().unwrap() }
    }

    async fn make(&self, of: &Snapshot, limit: Option<Duration>) -> Vec<Result<Made, Failure>> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        make(&self.opened, &of.native_id, deadline, &Run::silent()).await
    }
}

fn places(copies: &[Result<Made, Failure>]) -> Vec<&str> {
    copies.iter().flatten().map(|made| made.snapshot.location.as_deref().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn copies_are_made_at_once_and_once() {
    let bed = Bed::new(&[("west", 3), ("east", 5)]);
    let snapshot = bed.created().await;
    let copies = bed.make(&snapshot, None).await;
    assert_eq!(places(&copies), ["west", "east"]);
    assert_eq!(*bed.regions.going_on.lock().unwrap(), (2, 0), "both went on at once, and none does now");
    assert!(copies.iter().flatten().all(|made| !made.begun.found(&made.snapshot)), "they are new");
    let again = bed.make(&snapshot, None).await;
    assert_eq!(places(&again), ["west", "east"]);
    assert!(again.iter().flatten().all(|made| made.begun.found(&made.snapshot)), "they were there");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_fails_stops_no_other_and_is_made_by_waiting_again() {
    let bed = Bed::new(&[("west", 1), ("east", 1)]);
    let snapshot = bed.created().await;
    bed.regions.far[0].1.script(Verb::Create, Fault::Throttle);
    let copies = bed.make(&snapshot, None).await;
    assert_eq!(places(&copies), ["east"]);
    let failure = copies[0].as_ref().unwrap_err();
    assert_eq!(
        (failure.exit, failure.hint.as_deref()),
        (6, Some("`snapkeep wait orders/mem-0001` makes what is missing"))
    );
    assert_eq!(places(&bed.make(&snapshot, None).await), ["west", "east"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_copy_ends_at_the_deadline_and_names_what_goes_on() {
    let bed = Bed::new(&[("west", 1), ("east", 1000)]);
    let snapshot = bed.created().await;
    let copies = bed.make(&snapshot, Some(Duration::from_secs(60))).await;
    assert_eq!(places(&copies), ["west"]);
    let failure = copies[1].as_ref().unwrap_err();
    assert_eq!((failure.exit, failure.operation.as_deref()), (8, Some("orders/east create-0001")));
}

#[tokio::test(start_paused = true)]
async fn where_copies_are_is_remembered_before_they_are_there() {
    let bed = Bed::new(&[("west", 0)]);
    let snapshot = bed.created().await;
    bed.regions.far[0].1.script(Verb::Create, Fault::LostResponse);
    assert_eq!(bed.make(&snapshot, None).await[0].as_ref().unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(bed.opened.scope.names("regions").await.unwrap(), ["west"]);
}

#[tokio::test]
async fn only_a_good_one_of_ours_at_home_is_copied() {
    let bed = Bed::new(&[("west", 0)]);
    let snapshot = bed.created().await;
    let wanted = |snapshot: &Snapshot| are_wanted(&*bed.regions, Some("home"), snapshot);
    assert!(wanted(&snapshot));
    assert!(!wanted(&Snapshot { location: Some("west".into()), ..snapshot.clone() }), "it is a copy itself");
    for origin in [Origin::Manual, Origin::Automated, Origin::Shared] {
        assert!(!wanted(&Snapshot { origin, ..snapshot.clone() }));
    }
    assert!(!wanted(&Snapshot { state: SnapshotState::Failed, ..snapshot.clone() }));
    assert!(!are_wanted(&Bed::new(&[]).regions.home, Some("home"), &snapshot), "the target wants none");
}
