//! Azure SQL keeps every promise of the contract.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use snapkeep_providers::bookmarks::{Bookmarks, Fleeting};
use snapkeep_providers::conformance::{self, Fixture};
use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::{AzureAccess, AzureSql, ProviderSettings};
use snapkeep_providers::{Connections, Provider, Surroundings};
use tempfile::TempDir;

use crate::support::arm::SqlServer;
use crate::support::{Arm, ok};

/// The database, and the target, of every test.
const NAME: &str = "orders";
const SERVER: &str = "shop-sql";

/// A simulator, and the provider of its database `orders`.
pub(super) struct Simulated {
    pub(super) arm: Arm,
    pub(super) provider: Arc<dyn Provider>,
    /// What any process knows of operations.
    bookmarks: Arc<Fleeting>,
    count: AtomicU32,
    /// Where the token is.
    folder: TempDir,
}

async fn open(arm: &Arm, folder: &Path, bookmarks: Arc<dyn Bookmarks>) -> Arc<dyn Provider> {
    let access = AzureAccess {
        subscription_id: Arm::SUBSCRIPTION.to_owned(),
        endpoint: Some(arm.endpoint()),
        access_token: Some(SecretRef::File("token".into())),
        ..AzureAccess::default()
    };
    let settings = ProviderSettings::AzureSql(AzureSql {
        access,
        resource_group: Arm::GROUP.to_owned(),
        server_name: SERVER.to_owned(),
        database: NAME.to_owned(),
        ..AzureSql::default()
    });
    let connections = Connections::default();
    let mut surroundings = Surroundings::new(&connections, &[], folder);
    surroundings.bookmarks = Some(&bookmarks);
    ok(snapkeep_providers::open(&NAME.parse().unwrap(), &settings, surroundings).await)
}

impl Simulated {
    /// One whose operations take so many looks, and whose pages have so many entries. Of its database there is no backup yet.
    pub(super) async fn new(looks: u32, page: usize) -> Self {
        let arm = Arm::start();
        arm.world(|world| {
            (world.looks, world.page) = (looks, page);
            world.add_sql(SqlServer::new(SERVER));
            world.add_database(SERVER, NAME).continuous = false;
        });
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("token"), Arm::TOKEN).unwrap();
        let bookmarks = Arc::new(Fleeting::default());
        let provider = open(&arm, folder.path(), Arc::clone(&bookmarks) as Arc<dyn Bookmarks>).await;
        Self { arm, provider, bookmarks, count: AtomicU32::new(0), folder }
    }

    /// The same target as another machine has it, without what this one remembers.
    pub(super) async fn elsewhere(&self) -> Arc<dyn Provider> {
        open(&self.arm, self.folder.path(), Arc::new(Fleeting::default())).await
    }

    /// What is in a database.
    pub(super) fn data(&self, name: &str) -> Option<String> {
        self.arm.world(|world| world.database(name).map(|database| database.data().to_owned()))
    }

    /// Lets so much time pass for all that was asked for, as far as the provider remembers it.
    pub(super) fn wait(&self, time: TimeDelta) {
        self.bookmarks.alter(|bookmark| bookmark.sent_at -= time);
    }

    /// How many databases there are beside the target's own and the server's.
    pub(super) fn others(&self) -> usize {
        let others = |name: &str| ![NAME, "master"].contains(&name);
        self.arm.world(|world| world.sql.databases.iter().filter(|database| others(&database.name)).count())
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
        self.arm.world(|world| world.write_database(NAME, &data));
    }

    async fn source(&self) -> String {
        self.data(NAME).unwrap()
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
async fn a_database_keeps_every_promise() {
    keeps_every_promise(0).await;
}

#[tokio::test]
async fn a_database_keeps_every_promise_while_it_takes_its_time() {
    keeps_every_promise(3).await;
}
