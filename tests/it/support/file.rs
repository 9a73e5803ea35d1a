//! A SQLite file whose dumps go to a store, through the library.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use snapkeep_providers::model::NativeId;
use snapkeep_providers::settings::{Compression, ProviderSettings, Sqlite, StoreSettings};
use snapkeep_providers::{Connections, Error, Provider, Surroundings};
use tempfile::TempDir;

use super::{Proxy, TARGET, TestStore, list, ok, restore};

/// The file, with a note in it, and its store.
pub(crate) struct File {
    pub(crate) store: TestStore,
    pub(crate) provider: Arc<dyn Provider>,
    /// The same past the proxy of the store.
    pub(crate) direct: Arc<dyn Provider>,
    settings: ProviderSettings,
    folder: TempDir,
    count: AtomicU32,
}

/// A provider of a small SQLite file in `folder`, whose dumps go to `store`.
pub(crate) async fn provider(store: &TestStore, folder: &Path) -> Arc<dyn Provider> {
    let path = folder.join("notes.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE IF NOT EXISTS notes (text TEXT)").unwrap();
    let settings = ProviderSettings::Sqlite(Sqlite { path, compression: Compression::default() });
    open(&settings, store.settings(), folder).await
}

/// The name of the file itself.
pub(crate) const SOURCE: &str = "source.db";

impl File {
    pub(crate) async fn new(store: TestStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOURCE);
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (note BLOB)").unwrap();
        let settings = ProviderSettings::Sqlite(Sqlite {
            path,
            compression: Compression { threads: 1, ..Compression::default() },
        });
        let provider = open(&settings, store.settings(), folder.path()).await;
        let direct = open(&settings, store.direct(), folder.path()).await;
        let file = Self { store, provider, direct, settings, folder, count: AtomicU32::new(0) };
        file.change();
        file
    }

    /// A provider of the same by way of a proxy of its own.
    pub(crate) async fn by(&self, proxy: &Proxy, connection: &str) -> Arc<dyn Provider> {
        open(&self.settings, self.store.by(proxy, connection), self.folder.path()).await
    }

    /// Another number at each call.
    pub(crate) fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes the content to what it hasn't been before.
    pub(crate) fn change(&self) {
        let connection = Connection::open(self.path(SOURCE)).unwrap();
        connection.execute("INSERT INTO notes VALUES (?)", [format!("note {}", self.count())]).unwrap();
    }

    /// Adds bytes that don't compress.
    pub(crate) fn add_noise(&self, kib: u32) {
        let connection = Connection::open(self.path(SOURCE)).unwrap();
        let noise = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO notes SELECT randomblob(1024) FROM n";
        connection.execute(noise, [kib]).unwrap();
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A name for a copy; another one at each call.
    pub(crate) fn copy_name(&self) -> String {
        self.path(&format!("copy{}.db", self.count())).display().to_string()
    }

    /// What is in a file: equal if and only if the data is; `None` where there is none.
    pub(crate) fn content(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        path.exists().then_some(())?;
        let connection = Connection::open(path).unwrap();
        digest(&connection, "SELECT CAST(note AS BLOB) FROM notes ORDER BY rowid")
    }

    /// Restores to a new file, which holds `content` then or isn't there.
    pub(crate) async fn try_restore(&self, id: &NativeId, content: &str) -> Result<(), Error> {
        self.restore_by(&*self.provider, id, content).await
    }

    /// The same by another provider.
    pub(crate) async fn restore_by(&self, provider: &dyn Provider, id: &NativeId, content: &str) -> Result<(), Error> {
        let name = self.copy_name();
        let restored = restore(provider, id, &name).await;
        let found = self.content(&name);
        match &restored {
            Ok(_) => assert!(found.as_deref() == Some(content), "{id} was restored to something else"),
            Err(_) => assert!(!self.path(&name).exists(), "a restore that failed must leave nothing"),
        }
        restored.map(drop)
    }

    /// Checks, past the proxy, that what is listed can be restored, and that all else in the store is known as debris.
    /// Gives the list.
    pub(crate) async fn is_sound(&self, content: &str) -> Vec<NativeId> {
        let ids = list(&*self.direct).await;
        for id in &ids {
            ok(self.restore_by(&*self.direct, id, content).await);
        }
        let debris: Vec<_> = ok(self.direct.debris().await).into_iter().map(|debris| debris.native_id).collect();
        for name in self.store.names().await {
            let of = name.split('/').nth(1).unwrap();
            assert!(ids.iter().chain(&debris).any(|id| id.as_str() == of), "{name} is neither");
        }
        ids
    }
}

async fn open(settings: &ProviderSettings, store: StoreSettings, base: &Path) -> Arc<dyn Provider> {
    let (target, stores) = (TARGET.parse().unwrap(), [("offsite".to_owned(), store)]);
    let connections = Connections::default();
    ok(snapkeep_providers::open(&target, settings, Surroundings::new(&connections, &stores, base)).await)
}

/// A hash of the blobs that a query gives; `None` where there is no such table.
pub(crate) fn digest(connection: &Connection, query: &str) -> Option<String> {
    let mut statement = connection.prepare(query).ok()?;
    let blobs = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut hash = Sha256::new();
    for blob in blobs.map(Result::unwrap) {
        hash.update(blob.len().to_le_bytes());
        hash.update(blob);
    }
    Some(format!("{:?}", hash.finalize()))
}
