//! Operations that are lost sight of: at addresses that lead elsewhere, that Azure has forgotten, or whose words aren't what is there.

use chrono::TimeDelta;
use snapkeep_providers::model::{CreateRequest, ListScope, Operation, OperationState, RestoreRequest, Snapshot, Start};
use snapkeep_providers::{Error, ErrorKind, Run};

use super::conformance::{Kind, Simulated};
use crate::support::arm::{Fault, Links, Trouble};
use crate::support::{assert_names, full, ok};

const KEY: &str = "nightly";

/// A target of PostgreSQL, whose creations take `looks` looks and meet `faults`, one after the other.
async fn postgresql(looks: u32, faults: &[Fault]) -> Simulated {
    let simulated = Simulated::new(Kind::Postgresql, looks, 20).await;
    for (number, fault) in faults.iter().enumerate() {
        simulated.arm.fail(Trouble::on(Kind::Postgresql.creation(), fault.clone()).nth(number + 1));
    }
    simulated
}

impl Simulated {
    async fn create(&self) -> Result<Operation<Snapshot>, Error> {
        let request = CreateRequest { key: Some(KEY.to_owned()), ..CreateRequest::default() };
        self.provider.create(&request, &Run::silent()).await
    }

    /// Polls so often, or until the end.
    async fn polled(&self, mut operation: Operation<Snapshot>, polls: u32) -> Operation<Snapshot> {
        for _ in 0..polls {
            if !matches!(operation.state, OperationState::Running { .. }) {
                break;
            }
            operation = ok(self.provider.poll(&operation.id).await);
        }
        operation
    }

    /// The snapshot that is there in the end.
    async fn made(&self) -> Snapshot {
        let operation = ok(self.create().await);
        match self.polled(operation, 20).await.state {
            OperationState::Done(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// How many requests for a snapshot came, and how many snapshots there are.
    fn counts(&self) -> (usize, usize) {
        let sent = self.arm.calls_of(Kind::Postgresql.creation()).len();
        (sent, self.arm.world(|world| world.backups.len()))
    }
}

fn failure(operation: Operation<Snapshot>) -> Error {
    match operation.state {
        OperationState::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_token_follows_an_operation_to_another_host() {
    let simulated = postgresql(1, &[Fault::ForeignOperation]).await;
    let operation = ok(simulated.create().await);
    let looked = simulated.provider.poll(&operation.id).await;
    assert_names(&full(&looked.unwrap_err()), &["localhost"]);
    simulated.arm.tick();
    simulated.arm.tick();
    // what is there is found without it
    assert_eq!((simulated.made().await.key.as_deref(), simulated.counts()), (Some(KEY), (1, 1)));
}

#[tokio::test]
async fn an_operation_that_azure_has_forgotten_is_told_by_what_is_there() {
    let simulated = postgresql(0, &[]).await;
    let operation = ok(simulated.create().await);
    simulated.arm.world(|world| world.operations.clear());
    let ended = simulated.polled(operation, 3).await;
    assert!(matches!(ended.state, OperationState::Done(_)), "{ended:?}");
    assert_eq!(simulated.counts(), (1, 1));
}

#[tokio::test]
async fn what_is_told_as_failed_or_cancelled_and_is_there_is_not_made_again() {
    let simulated = postgresql(1, &[Fault::EndsBadlyButDone("OperationTimedOut", "took too long")]).await;
    let operation = ok(simulated.create().await);
    let error = failure(simulated.polled(operation, 20).await);
    assert_names(&full(&error), &["OperationTimedOut", "took too long"]);
    assert_eq!((simulated.made().await.key.as_deref(), simulated.counts()), (Some(KEY), (1, 1)));

    let simulated = postgresql(1, &[Fault::EndsCancelled]).await;
    let operation = ok(simulated.create().await);
    let error = failure(simulated.polled(operation, 20).await);
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_names(&full(&error), &["OperationCanceled"]);
    assert_eq!((simulated.made().await.key.as_deref(), simulated.counts()), (Some(KEY), (2, 1)));
}

#[tokio::test]
async fn a_request_that_was_never_taken_is_sent_again_only_when_that_is_certain() {
    let simulated = postgresql(0, &[Fault::CutBefore]).await;
    let operation = ok(simulated.create().await);
    let again = ok(simulated.create().await);
    assert_eq!((again.id == operation.id, simulated.counts()), (true, (1, 0)));
    simulated.wait(TimeDelta::minutes(6));
    let error = failure(simulated.polled(again, 20).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_names(&full(&error), &["hint: try again"]);
    assert_eq!((simulated.made().await.key.as_deref(), simulated.counts()), (Some(KEY), (2, 1)));
}

#[tokio::test]
async fn only_the_result_is_asked_for_where_azure_tells_nothing_else() {
    for fault in [Fault::EndsLate(3), Fault::EndsBadly("InternalServerError", "no luck")] {
        let simulated = postgresql(1, std::slice::from_ref(&fault)).await;
        simulated.arm.world(|world| world.links = Links::OnlyLocation);
        let operation = ok(simulated.create().await);
        let ended = simulated.polled(operation, 20).await;
        match &ended.state {
            OperationState::Done(_) => assert_eq!(fault, Fault::EndsLate(3)),
            OperationState::Failed(error) => assert_names(&full(error), &["no luck"]),
            other @ OperationState::Running { .. } => panic!("{other:?}"),
        }
        assert!(simulated.arm.calls_of("postgresql.operations.get").is_empty());
    }
}

#[tokio::test]
async fn a_token_that_expires_meanwhile_is_read_again() {
    let simulated = postgresql(2, &[]).await;
    let operation = ok(simulated.create().await);
    simulated.renew_token();
    let ended = simulated.polled(operation, 20).await;
    assert!(matches!(ended.state, OperationState::Done(_)), "{ended:?}");
    assert_eq!(ok(simulated.provider.list(ListScope::Own).await).snapshots.len(), 1);
}

#[tokio::test]
async fn a_backup_whose_answer_was_lost_long_ago_is_found_when_it_is_done() {
    let simulated = postgresql(4, &[Fault::CutAfter]).await;
    drop(ok(simulated.create().await));
    // It is believed lost by now, and Azure still makes it: the server is busy with it.
    simulated.wait(TimeDelta::hours(1));
    let made = ok(simulated.create().await);
    assert!(matches!(made.state, OperationState::Done(_)), "{made:?}");
    assert_eq!(simulated.arm.world(|world| world.backups.len()), 1);
}

#[tokio::test]
async fn two_restores_into_one_name_are_one_only_if_they_are_of_one_moment() {
    for kind in Kind::ALL {
        let simulated = Simulated::new(kind, 0, 20).await;
        let mut made = Vec::new();
        for key in ["first", "second"] {
            let request = CreateRequest { key: Some(key.to_owned()), ..CreateRequest::default() };
            let begun = ok(simulated.provider.create(&request, &Run::silent()).await);
            made.push(simulated.polled(begun, 5).await.result().unwrap().native_id);
            simulated.arm.world(|world| world.pass(TimeDelta::seconds(1)));
        }
        simulated.arm.world(|world| world.looks = 1000);
        let to = RestoreRequest::to_new("copy");
        let restore = async |id| simulated.provider.restore(id, &to, &Run::silent()).await;
        let begun = ok(restore(&made[0]).await);
        let again = ok(restore(&made[0]).await);
        assert_eq!((again.id, again.start), (begun.id, Start::Found));
        let error = restore(&made[1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_names(&full(&error), &["another restore into copy goes on", "snapkeep wait orders/restore:copy"]);
        assert_eq!(simulated.arm.calls_of(kind.restore()).len(), 1);
    }
}
