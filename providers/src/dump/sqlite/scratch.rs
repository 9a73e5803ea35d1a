//! A file that is made to look at a snapshot in it. It has no name: whatever ends the process, nothing is left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::{NAME, explain};
use crate::Run;
use crate::dump::child::Stopper;
use crate::dump::engine::{RestorePlan, Scratch, Unanswered};
use crate::dump::stream::{Sink, interrupted};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Restored;
use crate::objects::kind_of_io;

/// How many steps of SQLite's machine lie between two looks at the cancellation.
const STEPS: i32 = 10_000;

/// Where a database file says which journal it is written and read with (sqlite.org/fileformat.html). Ours says the one
/// that needs no file beside it for reading: a file without a name has nothing beside it.
const MODES: std::ops::Range<usize> = 18..20;
const ROLLBACK: u8 = 1;
const WAL: u8 = 2;

/// The rows of every table, unless the run is cancelled. Virtual tables keep theirs in tables of their own.
pub(super) fn count(connection: &Connection, cancel: &CancellationToken) -> rusqlite::Result<BTreeMap<String, u64>> {
    heed(connection, cancel)?;
    let mut counted = BTreeMap::new();
    for table in tables(connection)? {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        counted.insert(table, rows.unsigned_abs());
    }
    Ok(counted)
}

fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let sql = r"SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\_%' ESCAPE '\'";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Lets the cancellation end what runs on this connection.
fn heed(connection: &Connection, cancel: &CancellationToken) -> rusqlite::Result<()> {
    let cancel = cancel.clone();
    connection.progress_handler(STEPS, Some(move || cancel.is_cancelled()))
}

/// A scratch file, and what SQLite sees in it.
pub(super) struct ScratchFile {
    folder: PathBuf,
    run: Run,
    connection: Shared,
}

type Shared = Arc<Mutex<Option<Connection>>>;

impl ScratchFile {
    pub(super) fn new(folder: PathBuf, run: &Run) -> Self {
        Self { folder, run: run.clone(), connection: Shared::default() }
    }

    /// Makes the file, opens it as a database, and takes its name away before a byte is in it.
    fn make(&self) -> Result<(File, Connection)> {
        let folder = self.folder.display();
        let refused = |error: io::Error| {
            Error::new(kind_of_io(&error), NAME, "make a scratch file in", &folder, "the folder won't take it")
                .with_hint("point scratch_dir in [verify] at a folder with room for the database")
                .with_source(error)
        };
        let named = NamedTempFile::with_prefix_in("snapkeep_verify_", &self.folder).map_err(refused)?;
        // Without locks: nobody else can open it.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = |path: &Path| {
            let connection = Connection::open_with_flags(uri(path), flags)?;
            // Its schema comes from the store: nothing in it may call functions that do things.
            connection.execute_batch("PRAGMA trusted_schema = OFF")?;
            heed(&connection, &self.run.cancel)?;
            Ok(connection)
        };
        let connection = open(named.path()).map_err(|error| explain("open", named.path(), error))?;
        let (file, name) = named.into_parts();
        name.close().map_err(refused)?;
        Ok((file, connection))
    }

    /// Asks the database, in a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<rusqlite::Result<T>> {
        let connection = self.connection.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.as_ref().map(question)
        });
        let lost = |reason: &str| Error::new(ErrorKind::Failed, NAME, "ask", "the scratch file", reason);
        let answer = asked.await.map_err(|error| lost("its thread ended early").with_source(error))?;
        answer.ok_or_else(|| lost("it was never made"))
    }

    fn explain(&self, error: rusqlite::Error) -> Error {
        if self.run.cancel.is_cancelled() {
            return interrupted("look into", "the scratch file");
        }
        explain("look into", &self.folder.join("snapkeep_verify"), error)
    }
}

#[async_trait]
impl RestorePlan for ScratchFile {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        let (file, connection) = self.make()?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        let (connection, run) = (self.connection.clone(), self.run.clone());
        Ok((Box::new(Filling { file, written: 0, connection, run }), None))
    }

    async fn commit(&mut self) -> Result<Restored> {
        Ok(Restored { to: self.folder.display().to_string(), warnings: Vec::new() })
    }

    async fn undo(&mut self) -> Option<String> {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        None
    }
}

#[async_trait]
impl Scratch for ScratchFile {
    async fn tables(&mut self) -> Result<BTreeSet<String>> {
        self.ask(tables).await?.map_err(|error| self.explain(error))
    }

    async fn rows(&mut self, wanted: &[&str]) -> Result<BTreeMap<String, u64>> {
        let cancel = self.run.cancel.clone();
        let mut rows = self.ask(move |db| count(db, &cancel)).await?.map_err(|error| self.explain(error))?;
        rows.retain(|table, _| wanted.contains(&table.as_str()));
        Ok(rows)
    }

    async fn value(&mut self, sql: &str) -> Result<String, Unanswered> {
        let sql = sql.to_owned();
        match self.ask(move |connection| one_value(connection, &sql)).await? {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Unanswered::Missing("it gives no row, or more than one value".into())),
            Err(error) => {
                let said = error.to_string();
                let missing =
                    ["no such table", "no such column", "no such view"].iter().any(|what| said.contains(what));
                Err(if missing { Unanswered::Missing(said) } else { Unanswered::Failed(self.explain(error)) })
            }
        }
    }
}

/// The value that a query gives, as SQLite's own shell shows it; `None` if it isn't one.
fn one_value(connection: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(sql)?;
    if statement.column_count() != 1 {
        return Ok(None);
    }
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let value = match row.get_ref(0)? {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    };
    Ok(rows.next()?.is_none().then_some(value))
}

/// A path as SQLite's URIs have it (sqlite.org/uri.html).
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let encode = |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("file:{}?nolock=1", path.as_os_str().as_bytes().iter().map(encode).collect::<String>())
}

/// Writes the file, and has SQLite look at it when it is whole.
struct Filling {
    file: File,
    written: usize,
    connection: Shared,
    run: Run,
}

impl Filling {
    fn damaged(what: &str) -> Error {
        Error::new(ErrorKind::Verification, NAME, "use", "the database", format!("it is damaged: {what}"))
            .with_hint("this snapshot can't be trusted: restore another one, see `snapkeep list`")
    }

    /// What SQLite says of the file, in its own words.
    fn check(&self, connection: &Connection) -> rusqlite::Result<String> {
        let ask = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0));
        match ask("PRAGMA integrity_check(1)") {
            // A collation or a function of the application's own: what needs it can't be compared here.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                self.run.reporter.warn(&format!("{NAME}: indexes are not compared with their tables: {error}"));
                ask("PRAGMA quick_check(1)")
            }
            answer => answer,
        }
    }
}

impl Sink for Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let head = MODES.end.saturating_sub(self.written).min(bytes.len());
        let mut patched = bytes[..head].to_vec();
        for (at, byte) in patched.iter_mut().enumerate() {
            if MODES.contains(&(self.written + at)) && *byte == WAL {
                *byte = ROLLBACK;
            }
        }
        self.written += bytes.len();
        self.file.write_all(&patched)?;
        self.file.write_all(&bytes[head..])
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = connection.as_ref() else {
            return Err(Error::new(ErrorKind::Failed, NAME, "look into", "the scratch file", "it was never made"));
        };
        match self.check(connection) {
            Ok(answer) if answer == "ok" => Ok(()),
            Ok(answer) => Err(Self::damaged(&answer)),
            Err(_) if self.run.cancel.is_cancelled() => Err(interrupted("look into", "the scratch file")),
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Err(Self::damaged("SQLite can't read it").with_source(error))
                }
                _ => Err(explain("look into", Path::new("the scratch file"), error)),
            },
        }
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in WAL mode, whose header says so.
    fn database() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL;
                 CREATE TABLE \"a\"\"b\" (x TEXT PRIMARY KEY); INSERT INTO \"a\"\"b\" VALUES ('one'), ('two');
                 CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words VALUES ('some words');",
            )
            .unwrap();
        drop(connection);
        std::fs::read(path).unwrap()
    }

    async fn filled(folder: &Path, bytes: &[u8]) -> (ScratchFile, Result<()>) {
        let mut scratch = ScratchFile::new(folder.to_owned(), &Run::silent());
        let (mut sink, _) = scratch.begin().await.unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "the file has no name");
        sink.write(bytes).unwrap();
        let finished = sink.finish();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nor has it companions");
        (scratch, finished)
    }

    #[tokio::test]
    async fn a_database_is_seen_in_a_file_without_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let (mut scratch, finished) = filled(folder.path(), &database()).await;
        finished.unwrap();
        assert!(scratch.tables().await.unwrap().contains("a\"b"));
        assert_eq!(scratch.rows(&["a\"b"]).await.unwrap(), BTreeMap::from([("a\"b".to_owned(), 2)]));
        assert_eq!(scratch.value("SELECT count(*) FROM words").await.unwrap(), "1");
        assert!(matches!(scratch.value("SELECT x FROM gone").await, Err(Unanswered::Missing(_))));
        assert!(matches!(scratch.value("SELECT 1, 2").await, Err(Unanswered::Missing(_))));
        assert!(matches!(scratch.value("SELEC 1").await, Err(Unanswered::Failed(_))));
        assert!(matches!(scratch.value("DELETE FROM \"a\"\"b\" RETURNING x").await, Err(Unanswered::Failed(_))));
    }

    #[tokio::test]
    async fn a_page_that_is_not_what_it_was_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let good = database();
        let text = good.windows(3).position(|bytes| bytes == b"two").unwrap();
        let mut index_differs = good.clone();
        index_differs[text] = b'x';
        let mut page_is_gone = good.clone();
        page_is_gone[1024..2048].fill(0);
        for bad in [index_differs, page_is_gone, good[..good.len() - 1024].to_vec(), b"no database".repeat(100)] {
            let (_, finished) = filled(folder.path(), &bad).await;
            assert_eq!(finished.unwrap_err().kind(), ErrorKind::Verification);
        }
    }
}
