//! A database of any engine with a target on it, and the stores that its snapshots go to, for the real binary.

use std::process::Command;

use rusqlite::Connection;
use snapkeep_providers::secret::SecretRef;

use crate::cli::{Bench, Ran, below};
use crate::support::{Bed, TARGET, TestStore, digest};

/// What the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    PostgreSql,
    MySql,
    MariaDb,
    Sqlite,
}

/// A filled database and a folder with a config.
pub(crate) struct Source {
    pub(crate) engine: Engine,
    pub(crate) bench: Bench,
    bed: Option<Bed>,
    environment: Vec<(&'static str, String)>,
}

const FILE: &str = "source.db";

impl Source {
    /// `None` when its server was not started: the test is left out, and says so.
    pub(crate) fn of(engine: Engine) -> Option<Self> {
        let bed = match engine {
            Engine::PostgreSql => Some(Bed::postgresql_15()?),
            Engine::MySql => Some(Bed::mysql()?),
            Engine::MariaDb => Some(Bed::mariadb()?),
            Engine::Sqlite => None,
        };
        let source = Self { engine, bench: Bench::empty(), bed, environment: Vec::new() };
        match &source.bed {
            Some(bed) => bed.fill(),
            None => source.bench.sql(
                FILE,
                "CREATE TABLE notes (id INT NOT NULL PRIMARY KEY, note VARCHAR(200));
                 INSERT INTO notes VALUES (1, 'first'), (2, 'naïve 数据 🦀'), (3, NULL);
                 CREATE TABLE bulk (id INT NOT NULL PRIMARY KEY, body VARCHAR(1000));
                 INSERT INTO bulk WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                 SELECT i, i || printf('%.500c', 'x') FROM n",
            ),
        }
        Some(source)
    }

    /// A target called `orders` whose dumps go to the stores named in `written`, and these stores, by name.
    pub(crate) fn configure(&mut self, stores: &[(&str, &TestStore)], written: &[&str]) {
        let tables: String = stores.iter().map(|(name, store)| store.toml(name)).collect();
        let config = format!(
            "version = 1\n[targets.{TARGET}]\n{}compression = {{ threads = 1 }}\nstore = {written:?}\nretention = \"one\"\n{tables}\n\
             [retention.one]\nkeep_last = 1\nmax_delete_percent = 100\n",
            self.provider()
        );
        std::fs::write(self.bench.path("snapkeep.toml"), config).unwrap();
        self.environment = stores.iter().flat_map(|(_, store)| store.environment()).collect();
    }

    /// What the config says of the database.
    fn provider(&self) -> String {
        let Some(bed) = &self.bed else { return format!("provider = \"sqlite\"\npath = \"{FILE}\"\n") };
        let settings = bed.settings();
        let Some(SecretRef::Env(password)) = &settings.password else { panic!("a password by a variable") };
        let tool_dir = settings.tool_dir.map(|folder| format!("tool_dir = {folder:?}\n")).unwrap_or_default();
        format!(
            "provider = \"{}\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\npassword = {{ env = \"{password}\" }}\n\
             database = \"{}\"\n{tool_dir}",
            if bed.server.is_postgresql() { "postgresql" } else { "mysql" },
            settings.host,
            settings.port.unwrap(),
            settings.user,
            settings.database,
        )
    }

    /// A command line whose words have no spaces, with the variables that it needs.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.bench.command();
        command.args(line.split_whitespace()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(bed) = &self.bed
            && let Some(SecretRef::Env(name)) = bed.settings().password
        {
            command.env(name, bed.server.password());
        }
        command
    }

    /// Runs it. No secret is shown.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let ran = self.bench.ran_by(&mut self.command(line));
        for secret in crate::support::passwords() {
            assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret), "a secret is shown: {ran}");
        }
        ran
    }

    /// The same of what must succeed.
    pub(crate) fn done(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}: {ran}");
        ran
    }

    /// Makes a snapshot and gives its id.
    pub(crate) fn create(&self) -> String {
        self.done("-q -o name create orders").out.trim_end().to_owned()
    }

    /// The ids that `list` shows.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.done("-o name list").out.lines().map(ToOwned::to_owned).collect()
    }

    /// Runs SQL in the database.
    pub(crate) fn sql(&self, sql: &str) {
        match &self.bed {
            Some(bed) => drop(bed.sql(sql)),
            None => self.bench.sql(FILE, sql),
        }
    }

    /// Adds about so many MiB that don't compress, once they are no hexadecimal digits.
    pub(crate) fn add_noise(&self, mib: usize) {
        let kib = mib * 1024;
        let noise = match self.engine {
            Engine::PostgreSql => format!(
                "CREATE TABLE noise (id INT PRIMARY KEY, data BYTEA);
                 INSERT INTO noise SELECT i, (SELECT string_agg(sha512((i || '.' || random() || j)::bytea), ''::bytea)
                 FROM generate_series(1, 64) j) FROM generate_series(1, {kib} / 4) i;"
            ),
            Engine::MySql | Engine::MariaDb => format!(
                "SET SESSION cte_max_recursion_depth = 1000000;
                 CREATE TABLE noise (id INT PRIMARY KEY, data BLOB);
                 INSERT INTO noise WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {kib})
                 SELECT i, RANDOM_BYTES(1024) FROM n;"
            ),
            Engine::Sqlite => format!(
                "CREATE TABLE noise (id INT PRIMARY KEY, data BLOB);
                 INSERT INTO noise WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {mib})
                 SELECT i, randomblob(1 << 20) FROM n"
            ),
        };
        let maria = self.engine == Engine::MariaDb;
        self.sql(&if maria { noise.replace("cte_max_recursion_depth", "max_recursive_iterations") } else { noise });
    }

    /// The database's own name, as `restore --to` takes one.
    pub(crate) fn database(&self) -> String {
        self.bed.as_ref().map_or(FILE.to_owned(), |bed| bed.database.clone())
    }

    /// A name to restore to, which is the test's own.
    pub(crate) fn name(&self, name: &str) -> String {
        self.bed.as_ref().map_or(format!("{name}.db"), |bed| bed.name(name))
    }

    /// The databases that are the test's own, or the files in its folder.
    pub(crate) fn databases(&self) -> Vec<String> {
        match &self.bed {
            Some(bed) => bed.databases(),
            None => {
                let files = below(&self.bench.path("")).into_iter().map(|path| path.display().to_string());
                files.filter(|file| !file.contains("/home")).collect()
            }
        }
    }

    /// What is in a database: the same if and only if the data is; `None` where there is none.
    pub(crate) fn content(&self, database: &str) -> Option<String> {
        let Some(bed) = &self.bed else { return self.content_of_file(database) };
        let notes = bed.content(database)?;
        let (schema, noise) = if bed.server.is_postgresql() {
            ("current_schema()", "SELECT md5(string_agg(md5(data), ',' ORDER BY id)) FROM noise")
        } else {
            ("DATABASE()", "SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(CONCAT(id, data)))) FROM noise")
        };
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'noise' AND table_schema =";
        match bed.sql_in(database, &format!("{tables} {schema}")).as_str() {
            "0" => Some(notes),
            _ => Some(format!("{notes} {}", bed.sql_in(database, noise))),
        }
    }

    fn content_of_file(&self, file: &str) -> Option<String> {
        let path = self.bench.path(file);
        path.exists().then_some(())?;
        let connection = Connection::open(path).unwrap();
        let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        let notes =
            read("SELECT group_concat(id || '=' || coalesce(note, '-')) FROM (SELECT * FROM notes ORDER BY id)");
        let bulk = read("SELECT count(*) || ':' || group_concat(body) FROM (SELECT * FROM bulk ORDER BY id)");
        let noise = digest(&connection, "SELECT CAST(data AS BLOB) FROM noise ORDER BY id").unwrap_or_default();
        Some([notes, bulk, noise].join(";"))
    }
}
