//! Cloud SQL keeps every promise of the contract.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use snapkeep_providers::conformance::{self, Fixture};
use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::{GcpCloudSql, ProviderSettings};
use snapkeep_providers::{Connections, Provider, Surroundings};
use tempfile::TempDir;

use crate::support::sqladmin::Instance;
use crate::support::{SqlAdmin, ok};

/// A simulator, and the provider of its instance `orders`.
pub(super) struct Simulated {
    pub(super) admin: SqlAdmin,
    pub(super) provider: Arc<dyn Provider>,
    count: AtomicU32,
    /// Where the token is.
    folder: TempDir,
}

async fn open(admin: &SqlAdmin, folder: &Path, connections: &Connections, instance: &str) -> Arc<dyn Provider> {
    let settings = ProviderSettings::GcpCloudSql(GcpCloudSql {
        project: SqlAdmin::PROJECT.to_owned(),
        instance: instance.to_owned(),
        endpoint: Some(admin.endpoint()),
        access_token: Some(SecretRef::File("token".into())),
        ..GcpCloudSql::default()
    });
    let surroundings = Surroundings::new(connections, &[], folder);
    ok(snapkeep_providers::open(&instance.parse().unwrap(), &settings, surroundings).await)
}

impl Simulated {
    /// One whose operations take so many looks, and whose pages have so many entries.
    pub(super) async fn new(looks: u32, page: usize) -> Self {
        let admin = SqlAdmin::with(Instance::new("orders"));
        admin.world(|world| (world.looks, world.page) = (looks, page));
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("token"), SqlAdmin::TOKEN).unwrap();
        let provider = open(&admin, folder.path(), &Connections::default(), "orders").await;
        Self { admin, provider, count: AtomicU32::new(0), folder }
    }

    /// The same target as another process has it.
    pub(super) async fn elsewhere(&self) -> Arc<dyn Provider> {
        self.beside(&Connections::default(), "orders").await
    }

    /// The target of another instance, of a process with these connections.
    pub(super) async fn beside(&self, connections: &Connections, instance: &str) -> Arc<dyn Provider> {
        open(&self.admin, self.folder.path(), connections, instance).await
    }

    /// What is in an instance.
    pub(super) fn data(&self, instance: &str) -> Option<String> {
        self.admin.world(|world| Some(world.instance(instance)?.data.clone()))
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
        let data = format!("change {}", self.count());
        self.admin.world(|world| world.write("orders", &data));
    }

    async fn source(&self) -> String {
        self.data("orders").unwrap()
    }

    fn restore_name(&self) -> String {
        format!("restored-{}", self.count())
    }

    async fn restored(&self, name: &str) -> Option<String> {
        self.data(name)
    }
}

/// With pages of two, so that lists have several.
async fn keeps_every_promise(looks: u32) {
    conformance::all(|| async { Box::new(Simulated::new(looks, 2).await) as Box<dyn Fixture> }).await;
}

#[tokio::test]
async fn an_instance_keeps_every_promise() {
    keeps_every_promise(0).await;
}

#[tokio::test]
async fn an_instance_keeps_every_promise_while_it_takes_its_time() {
    keeps_every_promise(3).await;
}
