//! PostgreSQL by `pg_dump` in its custom format, uncompressed, so that our own zstd does that.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use chrono::Utc;

use super::by_hand::ByHand;
use super::child::Program;
use super::engine::{Content, DumpPlan, Engine, PartPlan, Reader, RestorePlan, Scratch};
use super::inspect::EndMark;
use super::manifest::Manifest;
use super::pg_archive::{ArchiveCheck, ArchiveError, is_known};
use super::server::{Connection, matching_tables};
use super::stream::{Inspected, Inspector, Source, Step};
use super::tls;
use super::tools::{Flavour, Places, Tool, Version, Wanted};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Check, RestoreRequest, RowCounts, VerifyRequest};
use crate::shell::shell_word;
use client::{Client, Facts, LOWEST_PG_DUMP, NAME, identifier, missing};
use rights::Rights;

mod client;
mod listing;
mod restore;
mod rights;

/// What `pg_dumpall` prints when it has come to its end.
const GLOBALS_END: &str = "-- PostgreSQL database cluster dump complete";

/// One database of a PostgreSQL server.
#[derive(Debug)]
pub(crate) struct PostgreSql {
    connection: Connection,
}

impl PostgreSql {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn database(&self) -> &str {
        &self.connection.settings.database
    }

    /// Connects, and finds a pg_dump that suits the server.
    async fn preflight(&self) -> Result<(Client, Facts, Tool)> {
        let client = Client::open(&self.connection).await?;
        let wanted = Wanted { names: &["pg_dump"], flavour: Some(Flavour::PostgreSql) };
        let search = client.places.search(move |places| places.find_strictly(wanted));
        let (found, facts) = tokio::join!(search, client.facts(self.database()));
        let facts = facts?;
        if found.is_empty() {
            return Err(missing("pg_dump", &client.places));
        }
        let tool = choose(&found, facts.version())?;
        Ok((client, facts, tool))
    }

    /// What every check shows, and what there is to ask more of.
    async fn look(&self) -> (Vec<Check>, Option<(Client, Option<Rights>)>) {
        let client = match Client::open(&self.connection).await {
            Ok(client) => client,
            Err(error) => return (vec![Check::new("tools", Err(error))], None),
        };
        let facts = match client.facts(self.database()).await {
            Ok(facts) => facts,
            Err(error) => return (vec![Check::new("connection", Err(error))], None),
        };
        let connected = format!("PostgreSQL {} at {}", facts.version, self.connection.shown());
        let lowest = LOWEST_PG_DUMP.max(Version::new(facts.version().major, 0));
        let tool = self.preflight().await.map(|(_, _, tool)| format!("{tool}; {lowest} or higher is needed"));
        let settings = &self.connection.settings;
        let left_out = [&settings.exclude_tables[..], &settings.exclude_table_data].concat();
        let rights = Rights::ask(&client, self.database()).await;
        let create = match &rights {
            Ok(rights) => rights.to_create(self.database(), &left_out),
            Err(error) => Err(error.repeated()),
        };
        let checks =
            vec![Check::new("connection", Ok(connected)), Check::new("create", create), Check::new("tools", tool)];
        (checks, Some((client, rights.ok())))
    }

    /// The tools that restore, and that read the roles.
    async fn other_tools(&self, client: &Client) -> Vec<Check> {
        let look = async |name: &'static str, without: &str| {
            let names: &'static [&'static str] = if name == "pg_restore" { &["pg_restore"] } else { &["pg_dumpall"] };
            let wanted = Wanted { names, flavour: Some(Flavour::PostgreSql) };
            let found = client.places.search(move |places| places.find(wanted)).await;
            match found.iter().max_by_key(|tool| tool.version) {
                Some(tool) => Check::new("tools", Ok(tool.to_string())),
                None => Check::new("tools", Ok(format!("no {name} in {}: {without}", client.places.describe())))
                    .with_advice(
                        "install PostgreSQL's client tools (Debian: apt install postgresql-client), or set tool_dir",
                    ),
            }
        };
        vec![
            look("pg_restore", "nothing can be restored from here").await,
            look("pg_dumpall", "roles are in no snapshot").await,
        ]
    }

    async fn data_program(&self, client: &Client, tool: &Tool, run: &Run) -> Result<(Program, Vec<String>)> {
        let settings = &self.connection.settings;
        let mut program = client.program(tool, self.database()).args(["--format=custom", "--compress=0"]);
        let mut notes = Vec::new();
        if settings.exclude_tables.is_empty() && settings.exclude_table_data.is_empty() {
            return Ok((program, notes));
        }
        let tables: Vec<(String, String)> = client
            .query(
                self.database(),
                "SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY 1, 2), '[]'::json)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                   AND n.nspname NOT LIKE 'pg\\_toast%';",
            )
            .await?;
        for (option, patterns, what) in [
            ("exclude-table", &settings.exclude_tables, "left out"),
            ("exclude-table-data", &settings.exclude_table_data, "left out but for its definition"),
        ] {
            let (found, idle) = matching_tables(patterns, &tables);
            for (schema, table) in found {
                program = program.arg(format!("--{option}={}.{}", identifier(schema), identifier(table)));
                notes.push(format!("{what}: {schema}.{table}"));
            }
            for pattern in idle {
                run.reporter.warn(&format!("{NAME}: no table matches {pattern:?} of {}", option.replace('-', "_")));
            }
        }
        Ok((program, notes))
    }
}

/// The tool nearest above the server, so that an old server's tools can still read the dump.
fn choose(found: &[Tool], server: Version) -> Result<Tool> {
    let suits = |tool: &&Tool| tool.version.major >= server.major && tool.version >= LOWEST_PG_DUMP;
    if let Some(tool) = found.iter().filter(suits).min_by_key(|tool| tool.version.major) {
        return Ok(tool.clone());
    }
    let best = found.iter().max_by_key(|tool| tool.version);
    let best = best.map_or_else(|| "no pg_dump".to_owned(), ToString::to_string);
    let reason = if server > LOWEST_PG_DUMP {
        format!("{best} is too old for the server, PostgreSQL {server}")
    } else {
        format!("{best} is too old: {LOWEST_PG_DUMP} or higher is needed")
    };
    let major = server.major.max(LOWEST_PG_DUMP.major);
    Err(Error::new(ErrorKind::Unsupported, NAME, "dump with", "pg_dump", reason)
        .with_hint(format!("install postgresql-client-{major} or higher, or set tool_dir to its folder")))
}

#[async_trait]
impl Engine for PostgreSql {
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
        let (mut checks, found) = self.look().await;
        let Some((client, rights)) = found else { return checks };
        checks.extend(rights.map(|rights| rights.to_restore()));
        checks.extend(self.other_tools(&client).await);
        checks.push(match rights::agreed(&client, self.database()).await {
            Ok(agreed) => tls::row(NAME, &self.connection, agreed.as_ref(), Utc::now()),
            Err(error) => Check::new("tls", Err(error)),
        });
        checks
    }

    async fn plan_dump(&self, rows: RowCounts, run: &Run) -> Result<DumpPlan> {
        let (client, facts, tool) = self.preflight().await?;
        let (program, mut notes) = self.data_program(&client, &tool, run).await?;
        let wanted = Wanted { names: &["pg_dumpall"], flavour: Some(Flavour::PostgreSql) };
        let places = client.places.beginning_with(tool.path.parent().unwrap_or(Path::new("/")));
        let major = tool.version.major;
        let dumpall = places.search(move |places| places.first(wanted, |found| found.version.major == major)).await;
        let mut tools = vec![tool.record()];
        let globals = match dumpall {
            Some(dumpall) => {
                tools.push(dumpall.record());
                let program = client.program(&dumpall, self.database()).args(["--globals-only", "--no-role-passwords"]);
                let inspector = globals();
                let source = Source::Program(program);
                Some(PartPlan { name: "globals.sql", steps: vec![Step { source, inspector }] })
            }
            None => {
                notes.push(format!("globals are missing: no pg_dumpall of version {}", tool.version.major));
                None
            }
        };
        let source = Source::Program(program);
        let step = Step { source, inspector: archive(rows) };
        Ok(DumpPlan {
            engine: Flavour::PostgreSql.engine().into(),
            engine_version: facts.version.clone(),
            database: self.database().to_owned(),
            format: "pg_dump custom".into(),
            tools,
            database_settings: database_settings(&facts),
            estimate: facts.size,
            notes,
            globals,
            data: PartPlan { name: "data.dump", steps: vec![step] },
        })
    }

    fn inspector(&self, manifest: &Manifest, content: Content) -> Result<Box<dyn Inspector>> {
        let version = manifest.format.rsplit(' ').next().unwrap_or_default();
        if content == Content::Globals {
            return Ok(globals());
        }
        if version.starts_with("1.") && !is_known(version) {
            let reason = format!("this version can't check archives of version {version} yet");
            return Err(Error::new(ErrorKind::Unsupported, NAME, "verify", &manifest.id, reason)
                .with_hint("use the snapkeep that wrote it, or a later one; or `--level checksum`"));
        }
        Ok(archive(manifest.row_counts()))
    }

    async fn reader(&self, manifest: &Manifest, _: &VerifyRequest, run: &Run) -> Result<Option<Reader>> {
        match restore::loader(&Places::new(self.connection.tool_dir()), manifest).await {
            Ok(tool) => listing::start(&tool).map(Some),
            Err(error) => {
                run.reporter.warn(&format!("{NAME}: read without pg_restore: {error}"));
                Ok(None)
            }
        }
    }

    fn blames_the_dump(&self, said: &str) -> bool {
        restore::blames_the_dump(said)
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
        let port = settings.port.unwrap_or(5432);
        let server =
            format!("--host={} --port={port} --username={}", shell_word(&settings.host), shell_word(&settings.user));
        let mut commands = read.checks.clone();
        if let Some(globals) = &read.globals {
            commands.push("# roles, if this server lacks them: look before you run it".into());
            commands.push(format!("{globals} | psql {server} --dbname=postgres"));
        }
        let value = |key: &str| manifest.database_settings.get(key).map(String::as_str);
        let mut options = String::from(" --template=template0");
        for (option, key) in [("encoding", "encoding"), ("lc-collate", "lc_collate"), ("lc-ctype", "lc_ctype")] {
            if let Some(value) = value(key) {
                options += &format!(" --{option}={}", shell_word(value));
            }
        }
        let restored = shell_word(&format!("{}_restored", manifest.database));
        commands.push("# into a new database".into());
        commands.push(format!("createdb {server}{options} {restored}"));
        commands.push(format!("{} | pg_restore {server} --dbname={restored}", read.data));
        commands
    }
}

/// What a new database must be made with, so that it sorts and compares as the old one did.
fn database_settings(facts: &Facts) -> BTreeMap<String, String> {
    let column =
        |names: &[&str]| names.iter().find_map(|name| facts.database.get(*name)?.as_str()).map(ToOwned::to_owned);
    let mut settings = BTreeMap::from([("encoding".to_owned(), facts.encoding.clone())]);
    for (key, columns) in [
        ("lc_collate", &["datcollate"][..]),
        ("lc_ctype", &["datctype"]),
        ("locale_provider", &["datlocprovider"]),
        ("locale", &["datlocale", "daticulocale"]), // 17 renamed it
        ("icu_rules", &["daticurules"]),
    ] {
        if let Some(value) = column(columns) {
            settings.insert(key.to_owned(), value);
        }
    }
    for setting in facts.settings.iter().flatten() {
        if let Some((name, value)) = setting.split_once('=') {
            settings.insert(format!("set.{name}"), value.to_owned());
        }
    }
    settings
}

fn archive(rows: RowCounts) -> Box<dyn Inspector> {
    let check = ArchiveCheck::new();
    Box::new(Archive(if rows == RowCounts::Record { check.counting_rows() } else { check }))
}

fn globals() -> Box<dyn Inspector> {
    Box::new(EndMark::new(GLOBALS_END))
}

/// The custom format's own inspector.
struct Archive(ArchiveCheck);

impl Inspector for Archive {
    fn push(&mut self, bytes: &[u8]) -> std::result::Result<(), String> {
        self.0.push(bytes).map_err(|error: ArchiveError| error.to_string())
    }

    fn finish(self: Box<Self>) -> std::result::Result<Inspected, String> {
        let summary = self.0.finish().map_err(|error| error.to_string())?;
        Ok(Inspected { format: Some(summary.format), tables: summary.rows, notes: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(version: &str) -> Tool {
        let version = Version::find(version).unwrap();
        Tool { name: "pg_dump", path: format!("/{version}/pg_dump").into(), flavour: Flavour::PostgreSql, version }
    }

    #[test]
    fn the_nearest_tool_that_is_not_older_than_the_server_dumps() {
        let found = ["18.1", "13.2", "15.18", "17.6", "14.0"].map(tool);
        let chosen = |server: &str| choose(&found, Version::find(server).unwrap()).map(|tool| tool.version.to_string());
        assert_eq!(chosen("15.18").unwrap(), "15.18");
        assert_eq!(chosen("16.2").unwrap(), "17.6");
        assert_eq!(chosen("13.9").unwrap(), "14.0", "13.2 is below 13.3");
        assert_eq!(chosen("19.0").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_tool_that_is_too_old_is_refused_with_both_versions() {
        let error = choose(&[tool("15.18")], Version::find("17.2").unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "postgresql: cannot dump with pg_dump: pg_dump 15.18 of PostgreSQL (/15.18/pg_dump) is too old for the \
             server, PostgreSQL 17.2"
        );
        assert_eq!(error.hint(), Some("install postgresql-client-17 or higher, or set tool_dir to its folder"));
    }
}
