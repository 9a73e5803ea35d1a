//! A database of a test's own with an empty store beside it; both are gone when the test ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use snapkeep_providers::model::{
    CreateRequest, ListScope, NativeId, OperationState, RestoreRequest, RestoreTo, Restored, Snapshot,
};
use snapkeep_providers::settings::{self, Local, Place, ProviderSettings, StoreSettings};
use snapkeep_providers::{Connections, Error, Provider, Run, Surroundings};
use tempfile::TempDir;

use super::{Server, ok};

/// The name of every test's target; what tells tests apart are their folders and databases.
pub(crate) const TARGET: &str = "orders";

static BEDS: AtomicU32 = AtomicU32::new(0);

/// A place to test in.
pub(crate) struct Bed {
    pub(crate) server: Server,
    /// Its own database, empty at first.
    pub(crate) database: String,
    prefix: String,
    folder: TempDir,
}

impl Bed {
    pub(crate) fn postgresql_15() -> Option<Self> {
        Server::Pg15.up().map(Self::of)
    }

    pub(crate) fn postgresql_17() -> Option<Self> {
        Server::Pg17.up().map(Self::of)
    }

    pub(crate) fn mysql() -> Option<Self> {
        Server::MySql.up().map(Self::of)
    }

    pub(crate) fn mariadb() -> Option<Self> {
        Server::MariaDb.up().map(Self::of)
    }

    fn of(server: Server) -> Self {
        let prefix = format!("it{}n{}_", std::process::id(), BEDS.fetch_add(1, Ordering::Relaxed));
        let bed = Self { server, database: format!("{prefix}db"), prefix, folder: tempfile::tempdir().unwrap() };
        bed.admin(&format!("CREATE DATABASE {}", bed.quoted(&bed.database)));
        bed
    }

    /// A name on the server that is this test's own; its database or role goes when the test ends.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// An identifier in SQL.
    pub(crate) fn quoted(&self, name: &str) -> String {
        let quote = if self.server.is_postgresql() { '"' } else { '`' };
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }

    /// A folder of the test's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder in which the snapshots of the target are.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.folder().join("snapshots").join(TARGET)
    }

    /// Every file in the store.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        files(&self.folder().join("snapshots"))
    }

    // SQL, by the vendor's client

    /// Runs SQL in the test's database.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.sql_in(&self.database, sql)
    }

    /// Runs SQL in a database of the server's that is always there.
    pub(crate) fn admin(&self, sql: &str) -> String {
        self.sql_in(if self.server.is_postgresql() { "postgres" } else { "information_schema" }, sql)
    }

    /// Runs SQL and gives its rows: lines of columns, `|` or a tab between them.
    pub(crate) fn sql_in(&self, database: &str, sql: &str) -> String {
        self.try_sql_in(database, sql).unwrap_or_else(|stderr| panic!("{stderr}\nin {database}: {sql:.500}"))
    }

    fn try_sql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut child = self.client(database).stdin(Stdio::piped()).spawn().unwrap();
        // A client that fails early takes no more; its stderr says why.
        let _ = child.stdin.take().unwrap().write_all(sql.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The client that takes SQL, with `database` open.
    pub(crate) fn client(&self, database: &str) -> Command {
        let mut command = self.tool(self.server.tools()[1]);
        if self.server.is_postgresql() {
            command.args(["-XqAt", "--set=ON_ERROR_STOP=1"]).env("PGDATABASE", database);
        } else {
            command.args(["--batch", "--skip-column-names", "--raw", "--default-character-set=utf8mb4"]);
            command.arg(format!("--database={database}"));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A client tool with all it needs to log in; the password is never an argument.
    pub(crate) fn tool(&self, name: &str) -> Command {
        let server = self.server;
        let mut command = Command::new(server.bin().join(name));
        if server.is_postgresql() {
            command.env("PGHOST", server.host()).env("PGPORT", server.port().to_string());
            command.env("PGUSER", server.user()).env("PGPASSWORD", server.password());
        } else {
            command.args(["--no-defaults", "--host", &server.host(), "--user", &server.user(), "--protocol=tcp"]);
            command.arg(format!("--port={}", server.port())).env("MYSQL_PWD", server.password());
        }
        command
    }

    /// Fills the database with a little of everything that a fingerprint shows.
    pub(crate) fn fill(&self) {
        let bulk = if self.server.is_postgresql() {
            "INSERT INTO bulk SELECT i, md5(i::text) || repeat('x', 500) FROM generate_series(1, 300) i;"
        } else {
            "INSERT INTO bulk WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             SELECT i, CONCAT(SHA2(i, 256), REPEAT('x', 500)) FROM n;"
        };
        self.sql(&format!(
            "CREATE TABLE notes (id INT NOT NULL PRIMARY KEY, note VARCHAR(200));
             INSERT INTO notes VALUES (1, 'first'), (2, 'naïve 数据 🦀'), (3, NULL);
             CREATE TABLE bulk (id INT NOT NULL PRIMARY KEY, body VARCHAR(1000));
             {bulk}"
        ));
    }

    /// What `fill` and later changes left in a database; `None` where there is no database, or no table in it.
    pub(crate) fn content(&self, database: &str) -> Option<String> {
        let notes = if self.server.is_postgresql() {
            "SELECT string_agg(id || '=' || coalesce(note, '-'), ',' ORDER BY id) || (SELECT ';' || count(*) FROM bulk) FROM notes"
        } else {
            "SELECT CONCAT(GROUP_CONCAT(id, '=', COALESCE(note, '-') ORDER BY id), (SELECT CONCAT(';', COUNT(*)) FROM bulk)) FROM notes"
        };
        self.try_sql_in(database, notes).ok()
    }

    /// Whether the server has a database of that name.
    pub(crate) fn exists(&self, database: &str) -> bool {
        self.databases().iter().any(|name| name == database)
    }

    /// The databases that are this test's own.
    pub(crate) fn databases(&self) -> Vec<String> {
        let (prefix, length) = (&self.prefix, self.prefix.len());
        let found = self.admin(&if self.server.is_postgresql() {
            format!("SELECT datname FROM pg_database WHERE left(datname, {length}) = '{prefix}'")
        } else {
            format!(
                "SELECT schema_name FROM information_schema.schemata WHERE LEFT(schema_name, {length}) = '{prefix}'"
            )
        });
        found.lines().map(ToOwned::to_owned).collect()
    }

    /// A dump by the vendor's own tool, without the comments that tell names and times.
    pub(crate) fn dump(&self, database: &str) -> String {
        let mut command = self.tool(self.server.tools()[0]);
        match self.server {
            Server::Pg15 | Server::Pg17 => command.env("PGDATABASE", database),
            Server::MySql => command.args(["--set-gtid-purged=OFF", "--no-tablespaces"]),
            Server::MariaDb => command.arg("--no-tablespaces"),
        };
        if !self.server.is_postgresql() {
            command.args(["--single-transaction", "--routines", "--triggers", "--events", "--hex-blob"]);
            command.args(["--default-character-set=utf8mb4", "--", database]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        comparable(&output.stdout)
    }

    // the provider

    /// The settings of the test's target.
    pub(crate) fn settings(&self) -> settings::Server {
        self.server.settings(&self.database)
    }

    /// The provider of the test's target.
    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        self.open(self.settings())
    }

    /// A provider on the test's store, of a target with other settings.
    pub(crate) fn open(&self, settings: settings::Server) -> Arc<dyn Provider> {
        open_at(self.folder(), &self.server.provider(settings))
    }

    /// A provider of the test's target with the tools of a folder.
    pub(crate) fn with_tools(&self, tool_dir: PathBuf) -> Arc<dyn Provider> {
        self.open(settings::Server { tool_dir: Some(tool_dir), ..self.settings() })
    }
}

impl Drop for Bed {
    /// Databases first: what is in them may belong to the roles.
    fn drop(&mut self) {
        let (prefix, length) = (&self.prefix, self.prefix.len());
        let (roles, force, role) = if self.server.is_postgresql() {
            (
                format!("SELECT rolname FROM pg_roles WHERE left(rolname, {length}) = '{prefix}'"),
                " WITH (FORCE)",
                "ROLE",
            )
        } else {
            (format!("SELECT user FROM mysql.user WHERE LEFT(user, {length}) = '{prefix}'"), "", "USER")
        };
        let mut drops: Vec<String> =
            self.databases().iter().map(|name| format!("DROP DATABASE {}{force};", self.quoted(name))).collect();
        drops.extend(self.admin(&roles).lines().map(|name| format!("DROP {role} {};", self.quoted(name))));
        self.admin(&drops.join("\n"));
    }
}

/// A provider of `settings` whose store is in `folder`.
pub(crate) fn open_at(folder: &Path, settings: &ProviderSettings) -> Arc<dyn Provider> {
    ok(try_open_at(folder, settings, "snapshots"))
}

/// A provider of `settings` whose store is the folder `store`, seen from `folder`.
pub(crate) fn try_open_at(
    folder: &Path,
    settings: &ProviderSettings,
    store: impl Into<PathBuf>,
) -> Result<Arc<dyn Provider>, Error> {
    let place = Place::Local(Local { path: store.into() });
    let store = ("local".to_owned(), StoreSettings { place, encrypt: None, max_part_mib: None });
    let (target, stores) = (TARGET.parse().unwrap(), [store]);
    let connections = Connections::default();
    snapkeep_providers::open(&target, settings, Surroundings::new(&connections, &stores, folder))
        .now_or_never()
        .unwrap_or_else(|| panic!("a folder is opened at once"))
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A dump's text without the lines that differ between two dumps of the same.
pub(crate) fn comparable(text: &[u8]) -> String {
    let differs = |line: &&str| ["-- ", "\\restrict", "\\unrestrict"].iter().any(|start| line.starts_with(start));
    String::from_utf8_lossy(text).lines().filter(|line| !differs(line)).collect::<Vec<_>>().join("\n")
}

/// Makes a snapshot, or says why there is none.
pub(crate) async fn try_create(provider: &dyn Provider) -> Result<Snapshot, Error> {
    match provider.create(&CreateRequest::default(), &Run::silent()).await?.state {
        OperationState::Done(snapshot) => Ok(snapshot),
        state => panic!("a dump is done when create returns: {state:?}"),
    }
}

/// Makes a snapshot.
pub(crate) async fn create(provider: &dyn Provider) -> NativeId {
    ok(try_create(provider).await).native_id
}

/// Restores a snapshot to a new database, owners as dumped.
pub(crate) async fn restore(provider: &dyn Provider, id: &NativeId, name: &str) -> Result<Restored, Error> {
    let request = RestoreRequest::to_new(name);
    Ok(provider.restore(id, &request, &Run::silent()).await?.result().unwrap())
}

/// Restores a snapshot over its target.
pub(crate) async fn restore_in_place(provider: &dyn Provider, id: &NativeId) -> Result<Restored, Error> {
    let request = RestoreRequest::new(RestoreTo::InPlace);
    Ok(provider.restore(id, &request, &Run::silent()).await?.result().unwrap())
}

/// The ids of a list that has no problems.
pub(crate) async fn list(provider: &dyn Provider) -> Vec<NativeId> {
    let listing = ok(provider.list(ListScope::Own).await);
    assert!(listing.problems.is_empty(), "{:?}", listing.problems);
    listing.snapshots.into_iter().map(|snapshot| snapshot.native_id).collect()
}

/// The manifest of a snapshot.
pub(crate) async fn manifest(provider: &dyn Provider, id: &NativeId) -> serde_json::Value {
    ok(provider.get(id).await).record
}

/// What the manifest of a snapshot notes.
pub(crate) async fn notes(provider: &dyn Provider, id: &NativeId) -> String {
    manifest(provider, id).await["notes"].to_string()
}
