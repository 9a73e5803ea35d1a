//! Azure's providers keep every promise of the contract.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use snapkeep_providers::bookmarks::{Bookmarks, Fleeting};
use snapkeep_providers::conformance::{self, Fixture};
use snapkeep_providers::secret::SecretRef;
use snapkeep_providers::settings::{AzureAccess, AzurePostgresql, AzureServer, ProviderSettings};
use snapkeep_providers::{Connections, Provider, Surroundings};
use tempfile::TempDir;

use crate::support::arm::Server;
use crate::support::{Arm, ok};

/// The server, and the target, of every test.
pub(super) const NAME: &str = "orders";

/// Which of Azure's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mysql,
    Postgresql,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Mysql, Self::Postgresql];

    /// What the simulator calls the request for a snapshot.
    pub(super) fn creation(self) -> &'static str {
        match self {
            Self::Mysql => "mysql.backups.put",
            Self::Postgresql => "postgresql.backups.put",
        }
    }

    /// And that for a new server.
    pub(super) fn restore(self) -> &'static str {
        match self {
            Self::Mysql => "mysql.servers.put",
            Self::Postgresql => "postgresql.servers.put",
        }
    }

    fn settings(self, arm: &Arm) -> ProviderSettings {
        let access = AzureAccess {
            subscription_id: Arm::SUBSCRIPTION.to_owned(),
            endpoint: Some(arm.endpoint()),
            access_token: Some(SecretRef::File("token".into())),
            ..AzureAccess::default()
        };
        let server = AzureServer { access, resource_group: Arm::GROUP.to_owned(), server_name: NAME.to_owned() };
        match self {
            Self::Mysql => ProviderSettings::AzureMysql(server),
            Self::Postgresql => {
                ProviderSettings::AzurePostgresql(AzurePostgresql { server, ..AzurePostgresql::default() })
            }
        }
    }
}

/// A simulator, and the provider of its server `orders`.
pub(super) struct Simulated {
    kind: Kind,
    pub(super) arm: Arm,
    pub(super) provider: Arc<dyn Provider>,
    /// What any process knows of operations.
    bookmarks: Arc<Fleeting>,
    count: AtomicU32,
    /// Where the token is.
    folder: TempDir,
}

async fn open(arm: &Arm, kind: Kind, folder: &Path, bookmarks: &Arc<Fleeting>) -> Arc<dyn Provider> {
    let bookmarks = Arc::clone(bookmarks) as Arc<dyn Bookmarks>;
    let connections = Connections::default();
    let mut surroundings = Surroundings::new(&connections, &[], folder);
    surroundings.bookmarks = Some(&bookmarks);
    ok(snapkeep_providers::open(&NAME.parse().unwrap(), &kind.settings(arm), surroundings).await)
}

impl Simulated {
    /// One whose operations take so many looks, and whose pages have so many entries.
    pub(super) async fn new(kind: Kind, looks: u32, page: usize) -> Self {
        let arm = match kind {
            Kind::Mysql => Arm::with(Server::mysql(NAME)),
            Kind::Postgresql => Arm::with(Server::postgresql(NAME)),
        };
        arm.world(|world| (world.looks, world.page) = (looks, page));
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("token"), Arm::TOKEN).unwrap();
        let bookmarks = Arc::new(Fleeting::default());
        let provider = open(&arm, kind, folder.path(), &bookmarks).await;
        Self { kind, arm, provider, bookmarks, count: AtomicU32::new(0), folder }
    }

    /// From now on another process has the target, with what the one before remembered.
    pub(super) async fn reopen(&mut self) {
        self.provider = open(&self.arm, self.kind, self.folder.path(), &self.bookmarks).await;
    }

    /// What is in the server, or in one that was restored.
    pub(super) fn data(&self, name: &str) -> Option<String> {
        self.arm.world(|world| world.server(name).map(|server| server.data().to_owned()))
    }

    pub(super) fn write(&self, data: &str) {
        self.arm.world(|world| world.write(NAME, data));
    }

    /// Another token than the one that there was, which has expired.
    pub(super) fn renew_token(&self) {
        self.arm.expire(Arm::TOKEN);
        self.arm.trust("second-token");
        fs::write(self.folder.path().join("token"), "second-token").unwrap();
    }

    /// Lets so much time pass for all that was asked for, as far as the provider remembers it.
    pub(super) fn wait(&self, time: TimeDelta) {
        self.bookmarks.alter(|bookmark| bookmark.sent_at -= time);
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
        self.write(&format!("change {}", self.count()));
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
async fn keeps_every_promise(kind: Kind, looks: u32, mysql_takes_its_time: bool) {
    let fresh = || async {
        let simulated = Simulated::new(kind, looks, 2).await;
        simulated.arm.world(|world| world.mysql_takes_its_time = mysql_takes_its_time);
        Box::new(simulated) as Box<dyn Fixture>
    };
    conformance::all(fresh).await;
}

#[tokio::test]
async fn mysql_keeps_every_promise() {
    keeps_every_promise(Kind::Mysql, 0, false).await;
}

#[tokio::test]
async fn mysql_keeps_every_promise_while_it_takes_its_time() {
    keeps_every_promise(Kind::Mysql, 3, true).await;
}

#[tokio::test]
async fn postgresql_keeps_every_promise() {
    keeps_every_promise(Kind::Postgresql, 0, false).await;
}

#[tokio::test]
async fn postgresql_keeps_every_promise_while_it_takes_its_time() {
    keeps_every_promise(Kind::Postgresql, 3, false).await;
}
