//! Several at once: processes with one target, and targets of one project.

use std::time::Duration;

use futures::future::{join, join_all};
use snapkeep_providers::model::{CreateRequest, ListScope};
use snapkeep_providers::{Connections, Provider, Run};

use super::conformance::Simulated;
use crate::support::ok;
use crate::support::sqladmin::Instance;

/// Begins a backup, and gives its id.
async fn create(provider: &dyn Provider, key: Option<&str>) -> String {
    let request = CreateRequest { key: key.map(ToOwned::to_owned), ..CreateRequest::default() };
    ok(provider.create(&request, &Run::silent()).await).id.to_string()
}

#[tokio::test]
async fn two_processes_with_one_key_make_one_backup() {
    let simulated = Simulated::new(2, 20).await;
    // so that neither is done before the other has looked
    simulated.admin.latency(Duration::from_millis(50));
    let other = simulated.elsewhere().await;
    let (one, same) = join(create(&*simulated.provider, Some("nightly")), create(&*other, Some("nightly"))).await;
    assert_eq!((one, simulated.admin.world(|world| world.backups.len())), (same, 1));
}

#[tokio::test]
async fn two_processes_without_a_key_make_a_backup_each_one_after_the_other() {
    let simulated = Simulated::new(2, 20).await;
    let other = simulated.elsewhere().await;
    let (one, next) = join(create(&*simulated.provider, None), create(&*other, None)).await;
    assert!(one != next && simulated.admin.world(|world| world.backups.len()) == 2);
}

#[tokio::test]
async fn the_targets_of_a_project_send_one_request_at_a_time() {
    let simulated = Simulated::new(1, 20).await;
    let (connections, names) = (Connections::default(), ["a", "b", "c", "d", "e"]);
    for name in names {
        simulated.admin.world(|world| drop(world.add(Instance::new(name)).clone()));
    }
    simulated.admin.latency(Duration::from_millis(10));
    let targets = join_all(names.map(|name| simulated.beside(&connections, name))).await;
    join_all(targets.iter().map(|target| async {
        create(&**target, Some("nightly")).await;
        assert_eq!(ok(target.list(ListScope::Own).await).snapshots.len(), 1);
    }))
    .await;
    assert_eq!(simulated.admin.most_in_flight(), 1);
}
