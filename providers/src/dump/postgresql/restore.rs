//! Restores into a new database, or over the old one by loading a new one and swapping the names.
//!
//! In place, the old database is untouched until the new one is whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::client::{Client, NAME, explain, identifier, literal, missing};
use crate::dump::child::{Ended, Program, Stopper};
use crate::dump::engine::RestorePlan;
use crate::dump::loading::Loading;
use crate::dump::manifest::Manifest;
use crate::dump::server::{Connection, check_new_name};
use crate::dump::stream::Sink;
use crate::dump::tools::{Flavour, Places, Tool, Version, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Ownership, RestoreRequest, RestoreTo, Restored};

mod scratch;

pub(super) use scratch::ScratchDatabase;

/// How the database that is loaded comes to be, and what becomes of it.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// It does not exist: made, and dropped again if loading fails.
    New,
    /// It exists and is empty: filled, and left as it is if loading fails.
    Empty,
    /// A new one is loaded and then takes this name.
    Swap(String),
}

/// A restore that has been looked at.
pub(super) struct Restore {
    client: Client,
    maintenance: String,
    /// The database that is loaded.
    database: String,
    place: Place,
    /// Whether anything was changed yet: what another process made meanwhile is not ours to drop.
    touched: bool,
    /// A database that may take no connections since a swap of it failed.
    closed: Option<String>,
    loader: Tool,
    ownership: Ownership,
    /// More options for the loader.
    options: Vec<&'static str>,
    settings: BTreeMap<String, String>,
    warnings: Warnings,
}

type Warnings = Arc<Mutex<Vec<String>>>;

pub(super) async fn plan(connection: &Connection, manifest: &Manifest, request: &RestoreRequest) -> Result<Restore> {
    let (database, swap_with) = match &request.to {
        RestoreTo::New(name) => {
            check_new_name(NAME, name)?;
            (name.clone(), None)
        }
        RestoreTo::InPlace => {
            let own = connection.settings.database.clone();
            (format!("snapkeep_{}", crate::random::letters(8)), Some(own))
        }
    };
    let client = Client::open(connection).await?;
    let loader = loader(&client.places, manifest).await?;
    let maintenance = client.maintenance_database(swap_with.as_deref().unwrap_or(&database)).await?;
    let place = match swap_with {
        Some(name) if client.exists(&maintenance, &name).await? => Place::Swap(name),
        Some(name) => return Ok(Restore::new(client, maintenance, name, Place::New, loader, manifest, request)),
        None if !client.exists(&maintenance, &database).await? => Place::New,
        None if client.is_empty(&database).await? => Place::Empty,
        None => {
            return Err(Error::new(ErrorKind::Refused, NAME, "restore to", &database, "it exists and is not empty")
                .with_hint("choose another name with `--to NAME`"));
        }
    };
    Ok(Restore::new(client, maintenance, database, place, loader, manifest, request))
}

/// A pg_restore that can read what pg_dump wrote: the nearest that is not older.
pub(super) async fn loader(places: &Places, manifest: &Manifest) -> Result<Tool> {
    let dump = manifest.tools.iter().find(|tool| tool.name == "pg_dump");
    let dump = dump.and_then(|tool| Version::find(&tool.version)).unwrap_or(Version::new(0, 0));
    let wanted = Wanted { names: &["pg_restore"], flavour: Some(Flavour::PostgreSql) };
    let found = places.search(move |places| places.find(wanted)).await;
    let nearest = found.iter().filter(|tool| tool.version.major >= dump.major).min_by_key(|tool| tool.version.major);
    match (nearest, found.first()) {
        (Some(tool), _) => Ok(tool.clone()),
        (None, Some(old)) => {
            let reason = format!("{old} is older than the pg_dump that made the dump, {dump}");
            Err(Error::new(ErrorKind::Unsupported, NAME, "restore with", "pg_restore", reason).with_hint(format!(
                "install postgresql-client-{} or higher, or set tool_dir to its folder",
                dump.major
            )))
        }
        (None, None) => Err(missing("pg_restore", places)),
    }
}

impl Client {
    async fn exists(&self, maintenance: &str, database: &str) -> Result<bool> {
        let name = literal(database);
        self.query(maintenance, &format!("SELECT to_json(EXISTS (SELECT 1 FROM pg_database WHERE datname = {name}));"))
            .await
    }

    /// Whether nothing of a user's is in the database.
    async fn is_empty(&self, database: &str) -> Result<bool> {
        self.query(
            database,
            "WITH own AS (SELECT oid FROM pg_namespace
                          WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%')
             SELECT to_json(NOT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace IN (SELECT oid FROM own))
                        AND NOT EXISTS (SELECT 1 FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own))
                        AND NOT EXISTS (SELECT 1 FROM pg_type WHERE typnamespace IN (SELECT oid FROM own))
                        AND NOT EXISTS (SELECT 1 FROM pg_largeobject_metadata)
                        AND (SELECT count(*) FROM own) <= 1);",
        )
        .await
    }
}

impl Restore {
    fn new(
        client: Client,
        maintenance: String,
        database: String,
        place: Place,
        loader: Tool,
        manifest: &Manifest,
        request: &RestoreRequest,
    ) -> Self {
        let (settings, ownership) = (manifest.database_settings.clone(), request.ownership);
        let warnings = Warnings::default();
        Self {
            client,
            maintenance,
            database,
            place,
            touched: false,
            closed: None,
            loader,
            ownership,
            options: Vec::new(),
            settings,
            warnings,
        }
    }

    fn loader_program(&self) -> Program {
        let program = self.client.program(&self.loader, &self.database).args(self.options.iter().copied());
        match self.ownership {
            Ownership::Keep => program,
            Ownership::Drop => program.args(["--no-owner", "--no-privileges"]),
        }
    }

    /// Sets what `ALTER DATABASE ... SET` had set. `set_config` takes a value as it is stored; a list would not
    /// survive being quoted as one string. The transaction is for `default_transaction_read_only`.
    async fn restore_settings(&self) -> Result<()> {
        let database = identifier(&self.database);
        for (name, value) in self.settings.iter().filter_map(|(key, value)| Some((key.strip_prefix("set.")?, value))) {
            let sql = format!(
                "BEGIN READ WRITE;\nSELECT set_config({}, {}, false);\nALTER DATABASE {database} SET {} FROM CURRENT;\nCOMMIT;",
                literal(name),
                literal(value),
                name.split('.').map(identifier).collect::<Vec<_>>().join("."),
            );
            if let Err(error) = self.client.run(&self.database, &sql).await {
                let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                self.warn(format!("the database's setting {name} could not be restored: {}", one_line(&reason)));
            }
        }
        Ok(())
    }

    fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// Gives the new database the owner of the old one, and tells of grants on the database itself.
    async fn adopt_owner(&self, name: &str) -> Result<()> {
        let sql = format!(
            "SELECT json_build_array(pg_get_userbyid(datdba), datacl::text) FROM pg_database WHERE datname = {};",
            literal(name)
        );
        let (owner, grants): (String, Option<String>) = self.client.query(&self.maintenance, &sql).await?;
        let sql = format!("ALTER DATABASE {} OWNER TO {};", identifier(&self.database), identifier(&owner));
        if self.client.run(&self.maintenance, &sql).await.is_err() {
            self.warn(format!("the database belonged to {owner}, and can't be given back to that role"));
        }
        if let Some(grants) = grants {
            self.warn(format!("grants on the database itself are not restored; they were {grants}"));
        }
        Ok(())
    }

    /// Renames in a moment in which no one is connected; the old database goes last.
    async fn swap(&mut self, name: &str) -> Result<()> {
        self.adopt_owner(name).await?;
        let (new, name_sql, old) = (&self.database, identifier(name), format!("{}_old", self.database));
        let sql = format!(
            "ALTER DATABASE {name_sql} WITH ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname IN ({}, {}) AND pid <> pg_backend_pid();
             BEGIN;
             ALTER DATABASE {name_sql} RENAME TO {};
             ALTER DATABASE {} RENAME TO {name_sql};
             COMMIT;",
            literal(name),
            literal(new),
            identifier(&old),
            identifier(new),
        );
        if let Err(error) = self.client.run(&self.maintenance, &sql).await {
            self.closed = Some(name.to_owned());
            return Err(error);
        }
        let drop = format!("DROP DATABASE {};", identifier(&old));
        if self.client.run(&self.maintenance, &drop).await.is_err() {
            self.warn(format!("the old database could not be dropped and is now called {old}"));
        }
        Ok(())
    }
}

#[async_trait]
impl RestorePlan for Restore {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        if self.place != Place::Empty {
            let sql = create_database(&self.database, &self.settings);
            self.client.run(&self.maintenance, &sql).await?;
        }
        self.touched = true;
        let program = self.loader_program();
        let mut watch = Watch::new(self.warnings.clone());
        let failed = watch.verdict();
        let accepts = move |ended: &Ended| {
            // 1 is "errors ignored on restore"; with none that is fatal they were all about owners, and are reported.
            let ignored = ended.status.code() == Some(1) && ended.stderr.0.contains("errors ignored on restore");
            !failed() && (ended.status.success() || ignored)
        };
        Loading::start(&program, &self.database, move |line| watch.goes_on(line), accepts, explain)
    }

    async fn commit(&mut self) -> Result<Restored> {
        self.restore_settings().await?;
        let to = match &self.place {
            Place::Swap(name) => name.clone(),
            Place::New | Place::Empty => self.database.clone(),
        };
        if to != self.database {
            self.swap(&to).await?;
        }
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Restored { to, warnings })
    }

    async fn undo(&mut self) -> Option<String> {
        let database = &self.database;
        if !self.touched {
            return None;
        }
        if self.place == Place::Empty {
            return Some(format!("{database} was empty and holds a part of the data now: empty it by hand"));
        }
        let mut left = Vec::new();
        if let Some(closed) = &self.closed {
            let open = format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true;", identifier(closed));
            if self.client.run(&self.maintenance, &open).await.is_err() {
                left.push(format!("{closed} may take no connections now, run `{open}`"));
            }
        }
        // What was stopped half-way may still be at work there; the database is ours alone.
        let leave = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND usename = current_user;",
            literal(database)
        );
        let _ = self.client.run(&self.maintenance, &leave).await;
        let drop = format!("DROP DATABASE IF EXISTS {};", identifier(database));
        if self.client.run(&self.maintenance, &drop).await.is_err() {
            left.push(format!("{database} was made and could not be dropped again: drop it by hand"));
        }
        (!left.is_empty()).then(|| left.join("; "))
    }
}

fn create_database(name: &str, settings: &BTreeMap<String, String>) -> String {
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", identifier(name));
    let mut add = |option: &str, value: &str| sql += &format!(" {option} {}", literal(value));
    let value = |key: &str| settings.get(key);
    for (option, key) in [("ENCODING", "encoding"), ("LC_COLLATE", "lc_collate"), ("LC_CTYPE", "lc_ctype")] {
        if let Some(value) = value(key) {
            add(option, value);
        }
    }
    // pg_database.datlocprovider: c is libc, i is icu, b is builtin (17 and later)
    match (value("locale_provider").map(String::as_str), value("locale")) {
        (Some("i"), Some(locale)) => {
            add("LOCALE_PROVIDER", "icu");
            add("ICU_LOCALE", locale);
            if let Some(rules) = value("icu_rules") {
                add("ICU_RULES", rules);
            }
        }
        (Some("b"), Some(locale)) => {
            add("LOCALE_PROVIDER", "builtin");
            add("BUILTIN_LOCALE", locale);
        }
        _ => {}
    }
    sql + ";"
}

/// Reads what pg_restore says while it works: an owner or a grant that can't be given here is reported, anything
/// else stops it.
///
/// It says what failed first, and below that what it had asked for: `Command was: ALTER TABLE t OWNER TO r;`. Only the
/// command decides: a row or a default can lack a role as well, and then data is missing.
struct Watch {
    warnings: Warnings,
    fatal: Arc<Mutex<bool>>,
    /// Whether what was fatal is about the dump: a statement that the server refused, a row, or the archive itself.
    of_the_dump: bool,
    /// The reason of a failed query whose command is still to come.
    failed: Option<String>,
}

impl Watch {
    fn new(warnings: Warnings) -> Self {
        Self { warnings, fatal: Arc::default(), of_the_dump: false, failed: None }
    }

    fn goes_on(&mut self, line: &str) -> bool {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        if line.starts_with("pg_restore: ") && self.failed.take().is_some() {
            *fatal = true; // its command was never told
        }
        if let Some((_, error)) = line.split_once("pg_restore: error: ") {
            match error.strip_prefix("could not execute query: ERROR:") {
                Some(reason) => self.failed = Some(reason.trim().to_owned()),
                None => {
                    self.of_the_dump |= !*fatal && is_of_the_archive(error);
                    *fatal = true;
                }
            }
        } else if let Some(command) = line.strip_prefix("Command was: ")
            && let Some(reason) = self.failed.take()
        {
            if is_about_owners(command, &reason) {
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                warnings.push(format!("{reason}: {command}"));
            } else if !is_unknown_default(command, &reason) {
                self.of_the_dump |= !*fatal;
                *fatal = true;
            }
        }
        !*fatal
    }

    /// What tells, when pg_restore has ended, whether anything failed that matters.
    fn verdict(&self) -> impl Fn() -> bool + Send + 'static {
        let fatal = self.fatal.clone();
        move || *fatal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what pg_restore says proves that the dump is at fault, and not what it was to be loaded into: it names a
/// statement or a row that the server refused, or what it can't read itself.
pub(super) fn blames_the_dump(said: &str) -> bool {
    let mut watch = Watch::new(Warnings::default());
    !said.lines().all(|line| watch.goes_on(line)) && watch.of_the_dump
}

/// Whether an error that names no statement is about a row, or about the archive's structure.
fn is_of_the_archive(error: &str) -> bool {
    const UNREADABLE: [&str; 10] = [
        "could not read from input file",
        "unexpected end of file",
        "did not find magic string",
        "unsupported version",
        "unrecognized archive format",
        "unrecognized data block type",
        "unexpected block ID",
        "could not find block ID",
        "out of range",
        "could not uncompress data",
    ];
    let row = error.strip_prefix("COPY failed for table ").is_some_and(|rest| rest.contains("\": ERROR:"));
    row || UNREADABLE.iter().any(|words| error.contains(words))
}

/// Whether a failed command only gives or takes rights. Without a policy of a role that isn't here its table shows no
/// rows to that role, so that one is reported too.
fn is_about_owners(command: &str, reason: &str) -> bool {
    let gives = ["GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "COMMENT ON EXTENSION "];
    let lacks_role = reason.starts_with("role \"") && reason.ends_with("\" does not exist");
    gives.iter().any(|verb| command.starts_with(verb))
        || sets_owner(command)
        || (lacks_role && command.starts_with("CREATE POLICY "))
}

/// `ALTER kind name OWNER TO role;` and nothing else: the words may also be inside of a string.
fn sets_owner(command: &str) -> bool {
    let owner = command.strip_prefix("ALTER ").and_then(|rest| rest.rsplit_once(" OWNER TO "));
    owner.is_some_and(|(object, role)| !object.contains('\'') && role.ends_with(';'))
}

/// A pg_restore newer than the server first sets what that server doesn't know; to its default.
fn is_unknown_default(command: &str, reason: &str) -> bool {
    command.starts_with("SET ") && reason.starts_with("unrecognized configuration parameter")
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
