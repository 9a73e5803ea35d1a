//! MySQL and MariaDB by the dump tool of the server's own flavour.
//!
//! The flavours don't mix: MariaDB's tool writes the values of MySQL's generated columns, and MySQL refuses them
//! when they are loaded (error 3105).

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Utc;

use super::by_hand::ByHand;
use super::child::Program;
use super::engine::{Content, DumpPlan, Engine, PartPlan, Reader, RestorePlan, Scratch};
use super::inspect::EndMark;
use super::manifest::Manifest;
use super::server::{Connection, matching_tables};
use super::stream::{Inspected, Inspector, Source, Step};
use super::tls;
use super::tools::{Flavour, Tool, Wanted};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Check, RestoreRequest, RowCounts, VerifyRequest};
use crate::shell::shell_word;
use client::{Client, LOWEST_MYSQLDUMP, NAME, missing, text_literal};
use rows::RowCount;

mod client;
mod eventless;
mod grants;
mod restore;
mod rows;
mod unnamed;

/// What both flavours print when they have come to their end.
const END: &str = "-- Dump completed";

/// One database of a MySQL or MariaDB server.
#[derive(Debug)]
pub(crate) struct MySql {
    connection: Connection,
}

impl MySql {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn database(&self) -> &str {
        &self.connection.settings.database
    }

    /// A program of `tool` with the options that make a dump right, but for the database.
    fn dump_program(&self, client: &Client, tool: &Tool) -> Result<Program> {
        let program = client.program(tool)?.args([
            "--single-transaction", // one moment for every InnoDB table, without a lock
            "--quick",              // rows as they come, not a table in memory
            "--hex-blob",           // binary data survives every character set
            "--default-character-set=utf8mb4",
            "--no-tablespaces", // else the account needs PROCESS
            "--max-allowed-packet=1G",
            "--comments", // the end mark is one
        ]);
        Ok(match tool.flavour {
            // gtid_mode is on by default in 9.x, and a dump that sets GTID_PURGED restores only on a fresh server
            Flavour::MySql => program.args(["--set-gtid-purged=OFF", "--skip-column-statistics"]),
            _ => program,
        })
    }

    /// The programs whose outputs, one after the other, are the dump.
    ///
    /// MySQL's tool can't leave out only the rows of a table, so those tables' definitions come first by a run of
    /// their own, for both flavours alike.
    async fn data_programs(&self, client: &Client, tool: &Tool, run: &Run) -> Result<(Vec<Program>, Vec<String>)> {
        let settings = &self.connection.settings;
        let (mut programs, mut notes) = (Vec::new(), Vec::new());
        let mut main = self.dump_program(client, tool)?.args(["--routines", "--triggers", "--events"]);
        let tables = self.tables(client).await?;
        let listed: Vec<(String, String)> =
            tables.iter().map(|table| (self.database().to_owned(), table.name.clone())).collect();
        let (gone, idle) = matching_tables(&settings.exclude_tables, &listed);
        let (rowless, idle_data) = matching_tables(&settings.exclude_table_data, &listed);
        for pattern in idle.iter().chain(&idle_data) {
            run.reporter.warn(&format!("{NAME}: no table matches {pattern:?} of the tables to exclude"));
        }
        // A view has no rows; and what it reads is not there yet when those definitions are loaded.
        let is_view = |name: &str| tables.iter().any(|table| table.view && table.name == name);
        let rowless: Vec<_> = rowless.into_iter().filter(|table| !gone.contains(table) && !is_view(&table.1)).collect();
        for (database, table) in gone.iter().chain(&rowless) {
            main = main.arg(format!("--ignore-table={database}.{table}"));
        }
        notes.extend(gone.iter().map(|(_, table)| format!("left out: {table}")));
        notes.extend(rowless.iter().map(|(_, table)| format!("left out but for its definition: {table}")));
        if !rowless.is_empty() {
            let first =
                self.dump_program(client, tool)?.args(["--no-data", "--skip-routines", "--skip-events", "--triggers"]);
            programs.push(first.arg("--").arg(self.database()).args(rowless.iter().map(|(_, table)| table)));
        }
        programs.push(main.arg("--").arg(self.database()));
        let loose: Vec<&str> =
            tables.iter().filter(|table| !table.transactional).map(|table| table.name.as_str()).collect();
        if !loose.is_empty() {
            let note = format!("not of one moment, their engine has no transactions: {}", loose.join(", "));
            run.reporter.warn(&format!("{NAME}: {note}"));
            notes.push(note);
        }
        Ok((programs, notes))
    }

    /// What every check shows, and who can be asked more.
    async fn look(&self) -> (Vec<Check>, Option<Client>) {
        let client = match Client::open(&self.connection).await {
            Ok(client) => client,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return (vec![Check::new("tools", Err(error))], None);
            }
            Err(error) => return (vec![Check::new("connection", Err(error))], None),
        };
        let database = match client.charset(self.database()).await {
            Ok(Some(_)) => Ok(format!("{} {} at {}", client.server, client.version_text, self.connection.shown())),
            Ok(None) => Err(no_database(self.database())),
            Err(error) => Err(error),
        };
        let (mut checks, is_there) = (Vec::new(), database.is_ok());
        checks.push(Check::new("connection", database));
        if is_there {
            let outcome = grants::doubts(&client, self.database()).await.map(|doubts| match &*doubts {
                [] => "everything in the database is seen".to_owned(),
                doubts => doubts.join("; "),
            });
            checks.push(Check::new("create", outcome));
        }
        let lowest = match client.server {
            Flavour::MySql => format!("; {LOWEST_MYSQLDUMP} or higher is needed"),
            _ => String::new(),
        };
        checks.push(Check::new("tools", dump_tool(&client).await.map(|tool| format!("{tool}{lowest}"))));
        (checks, is_there.then_some(client))
    }

    async fn tables(&self, client: &Client) -> Result<Vec<Table>> {
        let sql = format!(
            "SELECT t.table_name, COALESCE(e.transactions, 'YES'), t.table_type = 'VIEW', COALESCE(t.data_length, 0)
             FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
             WHERE t.table_schema = {} AND t.table_type <> 'SEQUENCE' ORDER BY 1;",
            text_literal(self.database())
        );
        let answer = client.run(None, &sql).await?;
        Ok(answer
            .lines()
            .filter_map(|line| {
                let mut columns = line.rsplitn(4, '\t');
                let bytes = columns.next()?.parse().unwrap_or(0);
                let view = columns.next()? == "1";
                let transactional = columns.next()? == "YES";
                Some(Table { name: columns.next()?.to_owned(), transactional, view, bytes })
            })
            .collect())
    }
}

struct Table {
    name: String,
    transactional: bool,
    view: bool,
    bytes: u64,
}

/// The dump tool of the server's flavour, or why there is none.
async fn dump_tool(client: &Client) -> Result<Tool> {
    let found = client
        .places
        .search(|places| places.find_strictly(Wanted { names: &["mysqldump", "mariadb-dump"], flavour: None }))
        .await;
    let server = client.server;
    let shown = format!("{server} {}", client.version);
    let refuse = |tool: &Tool, reason: String, hint: String| {
        Err(Error::new(ErrorKind::Unsupported, NAME, "dump with", tool.name, reason).with_hint(hint))
    };
    let own: Vec<&Tool> = found.iter().filter(|tool| tool.flavour == server).collect();
    let suits = |tool: &&&Tool| server == Flavour::MariaDb || tool.version >= LOWEST_MYSQLDUMP;
    match (own.iter().find(suits), own.first(), found.first()) {
        (Some(tool), ..) => Ok((**tool).clone()),
        (None, Some(old), _) => refuse(
            old,
            format!("{old} is too old for the server, {shown}: it writes the values of generated columns"),
            format!("install mysqldump {LOWEST_MYSQLDUMP} or higher, and set tool_dir to its folder"),
        ),
        (None, None, Some(other)) => refuse(
            other,
            format!("{other} makes dumps that the server, {shown}, can't load"),
            match server {
                Flavour::MariaDb => {
                    "install mariadb-dump (Debian: apt install mariadb-client), and set tool_dir".into()
                }
                _ => format!(
                    "install MySQL's own mysqldump {LOWEST_MYSQLDUMP} or higher, and set tool_dir to its folder"
                ),
            },
        ),
        (None, None, None) => Err(missing("mysqldump or mariadb-dump", Some(server), &client.places)),
    }
}

#[async_trait]
impl Engine for MySql {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn database(&self) -> String {
        self.connection.settings.database.clone()
    }

    async fn check(&self) -> Vec<Check> {
        self.look().await.0
    }

    async fn examine(&self) -> Vec<Check> {
        let (mut checks, client) = self.look().await;
        let Some(client) = client else { return checks };
        checks.push(match grants::to_restore(&client, self.database()).await {
            Ok(check) => check,
            Err(error) => Check::new("restore", Err(error)),
        });
        if client.mysql.flavour == client.server {
            checks.push(Check::new("tools", Ok(client.mysql.to_string())));
        } else {
            let told = format!("no client of {}: nothing can be restored from here", client.server);
            let check = Check::new("tools", Ok(told));
            checks.push(
                check.with_advice(
                    missing("mysql client", Some(client.server), &client.places).hint().unwrap_or_default(),
                ),
            );
        }
        checks.push(match client.agreed().await {
            Ok(agreed) => tls::row(NAME, &self.connection, agreed.as_ref(), Utc::now()),
            Err(error) => Check::new("tls", Err(error)),
        });
        checks
    }

    async fn plan_dump(&self, rows: RowCounts, run: &Run) -> Result<DumpPlan> {
        let client = Client::open(&self.connection).await?;
        let Some((charset, collation)) = client.charset(self.database()).await? else {
            return Err(no_database(self.database()));
        };
        let tool = dump_tool(&client).await?;
        let doubts = grants::doubts(&client, self.database()).await?;
        doubts.iter().for_each(|doubt| run.reporter.warn(&format!("{NAME}: {doubt}")));
        let (programs, mut notes) = self.data_programs(&client, &tool, run).await?;
        notes.extend(doubts);
        let estimate = self.tables(&client).await?.iter().map(|table| table.bytes).sum();
        let steps = programs
            .into_iter()
            .map(|program| Step { source: Source::Program(program), inspector: Text::inspector(rows) });
        Ok(DumpPlan {
            engine: client.server.engine().into(),
            engine_version: client.version_text.clone(),
            database: self.database().to_owned(),
            format: format!("{} sql", tool.name),
            tools: vec![tool.record()],
            database_settings: BTreeMap::from([("charset".to_owned(), charset), ("collation".to_owned(), collation)]),
            estimate: Some(estimate),
            notes,
            globals: None,
            data: PartPlan { name: "data.sql", steps: steps.collect() },
        })
    }

    fn inspector(&self, manifest: &Manifest, _: Content) -> Result<Box<dyn Inspector>> {
        Ok(Text::inspector(manifest.row_counts()))
    }

    async fn reader(&self, _: &Manifest, _: &VerifyRequest, _: &Run) -> Result<Option<Reader>> {
        Ok(None)
    }

    fn blames_the_dump(&self, said: &str) -> bool {
        client::blames_the_dump(said)
    }

    async fn plan_scratch(
        &self,
        manifest: &Manifest,
        name: &str,
        request: &VerifyRequest,
        _: &Run,
    ) -> Result<Box<dyn Scratch>> {
        let connection = self.connection.on(request.scratch.as_ref());
        Ok(Box::new(restore::ScratchDatabase::plan(&connection, manifest, name).await?))
    }

    async fn plan_restore(&self, manifest: &Manifest, request: &RestoreRequest) -> Result<Box<dyn RestorePlan>> {
        Ok(Box::new(restore::plan(&self.connection, manifest, request).await?))
    }

    fn by_hand(&self, manifest: &Manifest, read: &ByHand) -> Vec<String> {
        let settings = &self.connection.settings;
        let client = if manifest.engine == "mariadb" { "mariadb" } else { "mysql" };
        let host = if settings.host.starts_with('/') {
            format!("--socket={}", shell_word(&settings.host))
        } else {
            format!("--host={} --port={}", shell_word(&settings.host), settings.port.unwrap_or(3306))
        };
        let server = format!("{client} {host} --user={} --password", shell_word(&settings.user));
        let mut commands = read.checks.clone();
        let restored = format!("{}_restored", manifest.database);
        let create = restore::create_database(&restored, &manifest.database_settings);
        commands.push("# into a new database; sed keeps the dump from altering the one that it came from".into());
        commands.push(format!("{server} --execute={}", shell_word(&create)));
        commands.push(format!(
            "{} | LC_ALL=C sed 's/^ALTER DATABASE `[^`]*` CHARACTER SET /ALTER DATABASE CHARACTER SET /' | \
             {server} --default-character-set=utf8mb4 --binary-mode {}",
            read.data,
            shell_word(&restored)
        ));
        commands
    }
}

/// The inspector of a dump: its end mark, and its rows where they are to be counted.
struct Text {
    end: Box<EndMark>,
    rows: Option<RowCount>,
}

impl Text {
    fn inspector(rows: RowCounts) -> Box<dyn Inspector> {
        let rows = (rows == RowCounts::Record).then(RowCount::new);
        Box::new(Self { end: Box::new(EndMark::new(END)), rows })
    }
}

impl Inspector for Text {
    fn push(&mut self, bytes: &[u8]) -> std::result::Result<(), String> {
        if let Some(rows) = &mut self.rows {
            rows.push(bytes);
        }
        self.end.push(bytes)
    }

    fn finish(self: Box<Self>) -> std::result::Result<Inspected, String> {
        let inspected = self.end.finish()?;
        Ok(Inspected { tables: self.rows.map(RowCount::finish), ..inspected })
    }
}

fn no_database(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, NAME, "dump", name, "there is no such database, or the account can't see it")
        .with_hint("check `database` in the config, and the account's privileges")
}
