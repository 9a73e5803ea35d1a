//! RDS keeps every promise of the contract, for instances and for clusters.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use snapkeep_providers::conformance::{self, Fixture};
use snapkeep_providers::settings::{AwsRds, ProviderSettings};
use snapkeep_providers::{Connections, Provider, Surroundings};

use crate::support::rds::{Database, Kind, Place};
use crate::support::{Rds, ok};

/// The provider of a target `orders`; its keys come from the environment.
pub(super) async fn open(endpoint: &str, region: &str, kind: Kind, name: &str) -> Arc<dyn Provider> {
    let name = Some(name.to_owned());
    let (instance, cluster) = if kind == Kind::Instance { (name, None) } else { (None, name) };
    let settings = ProviderSettings::AwsRds(AwsRds {
        region: region.to_owned(),
        db_instance_identifier: instance,
        db_cluster_identifier: cluster,
        profile: None,
        role_arn: None,
        external_id: None,
        copy_to: Vec::new(),
        export: None,
        endpoint: Some(endpoint.to_owned()),
    });
    let connections = Connections::default();
    let surroundings = Surroundings::new(&connections, &[], Path::new("/"));
    ok(snapkeep_providers::open(&"orders".parse().unwrap(), &settings, surroundings).await)
}

/// Whether this process has the keys of the simulator in its environment. If not, it runs the test that calls this in a
/// process that has, as the provider takes keys from nowhere else, and a test must not change its own environment.
pub(super) fn has_keys() -> bool {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == Rds::KEY) {
        return true;
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let done = child.args(["--exact", &test, "--nocapture"]).envs(super::KEYS).env_remove("AWS_PROFILE").output();
    let done = done.unwrap();
    let text = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(done.status.success() && text.contains("1 passed"), "{text}");
    false
}

struct Simulated {
    rds: Rds,
    kind: Kind,
    provider: Arc<dyn Provider>,
    count: AtomicU32,
}

impl Simulated {
    async fn new(kind: Kind, looks: u32) -> Self {
        let rds = Rds::start();
        rds.world(|world| {
            world.looks = looks;
            world.page = 2; // so that lists have pages
            match kind {
                Kind::Instance => world.add(Database::instance("orders")),
                Kind::Cluster => {
                    let cluster = Database::cluster("orders");
                    world.add(Database::member("orders-writer", &cluster));
                    world.add(cluster)
                }
            };
        });
        let provider = open(&rds.endpoint(), Rds::REGION, kind, "orders").await;
        Self { rds, kind, provider, count: AtomicU32::new(0) }
    }

    fn content(&self, name: &str) -> Option<String> {
        self.rds.world(|world| Some(world.database(self.kind, &Place::home(), name)?.content.clone()))
    }

    fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

#[async_trait]
impl Fixture for Simulated {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    async fn change_source(&self) {
        let content = format!("change {}", self.count());
        self.rds.world(|world| world.database(self.kind, &Place::home(), "orders").unwrap().write(&content));
    }

    async fn source(&self) -> String {
        self.content("orders").unwrap()
    }

    fn restore_name(&self) -> String {
        format!("restored-{}", self.count())
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.content(name)
    }
}

async fn keeps_every_promise(kind: Kind, looks: u32) {
    if has_keys() {
        conformance::all(|| async { Box::new(Simulated::new(kind, looks).await) as Box<dyn Fixture> }).await;
    }
}

#[tokio::test]
async fn an_instance_keeps_every_promise() {
    keeps_every_promise(Kind::Instance, 0).await;
}

#[tokio::test]
async fn an_instance_keeps_every_promise_while_it_takes_its_time() {
    keeps_every_promise(Kind::Instance, 3).await;
}

#[tokio::test]
async fn a_cluster_keeps_every_promise() {
    keeps_every_promise(Kind::Cluster, 0).await;
}
