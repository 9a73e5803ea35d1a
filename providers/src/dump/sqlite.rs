//! SQLite by its online backup, in one read transaction: writers in WAL mode go on meanwhile.
//!
//! The copy is a file that has no name any more by the time it is streamed; nothing else is ever staged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::Access;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::by_hand::ByHand;
use super::child::Stopper;
use super::engine::{Content, DumpPlan, Engine, PartPlan, Reader, RestorePlan, Scratch};
use super::live;
use super::manifest::{Manifest, ToolRecord};
use super::stream::{Inspected, Inspector, Sink, Source, Step, interrupted};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Check, RestoreRequest, RestoreTo, Restored, RowCounts, VerifyRequest};
use crate::objects::kind_of_io;
use scratch::{ScratchFile, count};

mod scratch;

const NAME: &str = "sqlite";
/// How long a lock of another process is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// How long SQLite itself waits for one: it listens to no cancellation.
const BUSY_STEP: Duration = Duration::from_millis(100);
/// Pages copied between two looks at the cancellation.
const STEP_PAGES: i32 = 2_000;
/// What every database file begins with (sqlite.org/fileformat.html).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A database file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

fn open(path: &Path, action: &str) -> Result<Connection> {
    let subject = path.display();
    let metadata = path.metadata().map_err(|error| {
        let reason = if error.kind() == io::ErrorKind::NotFound { "there is no such file" } else { "it can't be read" };
        Error::new(kind_of_io(&error), NAME, action, &subject, reason)
            .with_hint("check `path` in the config; it is relative to the config file")
            .with_source(error)
    })?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Failed, NAME, action, subject, "it is not a file"));
    }
    // Not READ_ONLY: a database in WAL mode that was closed cleanly needs its -shm file made to be read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| explain(action, path, error))?;
    connection.busy_timeout(BUSY_STEP).map_err(|error| explain(action, path, error))?;
    Ok(connection)
}

/// The one place that says what an error of SQLite means.
fn explain(action: &str, path: &Path, error: rusqlite::Error) -> Error {
    let (kind, reason) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Busy, "another process holds its lock")
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => (ErrorKind::Permission, "permission denied"),
        Some(ErrorCode::CannotOpen) => (ErrorKind::Permission, "it can't be opened"),
        Some(ErrorCode::NotADatabase) => (ErrorKind::Failed, "it is not a SQLite database, or it is encrypted"),
        Some(ErrorCode::DatabaseCorrupt) => (ErrorKind::Failed, "it is damaged"),
        Some(ErrorCode::DiskFull) => (ErrorKind::Failed, "no space is left"),
        _ => (ErrorKind::Failed, "SQLite said no"),
    };
    Error::new(kind, NAME, action, path.display(), reason).with_source(error)
}

/// Where SQLite itself puts its temporary files: TMPDIR, else /var/tmp, which is on disk, before /tmp, which may be memory.
fn staging_folder() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    named.chain(["/var/tmp".into()]).find(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir)
}

/// Tries until no other process holds a lock any more, for as long as [`BUSY`].
fn patiently<T>(
    action: &str,
    path: &Path,
    cancel: &CancellationToken,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> Result<T> {
    let end = Instant::now() + BUSY;
    loop {
        match attempt() {
            Err(_) if cancel.is_cancelled() => return Err(interrupted(action, &path.display().to_string())),
            Err(error) if is_busy(&error) && Instant::now() < end => {}
            done => return done.map_err(|error| explain(action, path, error)),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Copies the database as it is at one moment into a file without a name, and tells its size.
///
/// Rows are counted in the same transaction, so that they are the copy's.
fn copy(path: &Path, rows: RowCounts, cancel: &CancellationToken) -> Result<Copied> {
    let source = open(path, "dump")?;
    let folder = staging_folder();
    let full = |error| explain("copy", path, error).with_hint("point TMPDIR at a folder with room for the database");
    // A process that ends leaves no copy of the database behind: it has no name as soon as it is open twice.
    let named = || NamedTempFile::with_prefix_in("snapkeep-", &folder);
    let staged = live::unnamed_file(named, |name| Connection::open(name));
    let (file, destination) = staged.map_err(|error| {
        Error::new(kind_of_io(&error), NAME, "copy", path.display(), format!("{} won't take it", folder.display()))
            .with_hint("point TMPDIR at a folder with room for the database")
            .with_source(error)
    })?;
    let mut destination = destination.map_err(full)?;
    // One read transaction around all steps: else a writer between two of them starts the copy over, for ever.
    source.execute_batch("BEGIN").map_err(|error| explain("copy", path, error))?;
    patiently("copy", path, cancel, || source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())))?;
    let bytes = page_bytes(&source).map_err(|error| explain("read", path, error))?;
    copy_pages(&source, &mut destination, path, cancel)?;
    let tables = match rows {
        RowCounts::Record => Some(count(&source, cancel).map_err(|error| explain("count the rows of", path, error))?),
        RowCounts::Skip => None,
    };
    source.execute_batch("ROLLBACK").map_err(|error| explain("copy", path, error))?;
    Ok(Copied { file, bytes, tables })
}

/// A copy of a database.
struct Copied {
    file: File,
    bytes: u64,
    tables: Option<BTreeMap<String, u64>>,
}

fn copy_pages(
    source: &Connection,
    destination: &mut Connection,
    path: &Path,
    cancel: &CancellationToken,
) -> Result<()> {
    let full = |error| explain("copy", path, error).with_hint("point TMPDIR at a folder with room for the database");
    // The copy is thrown away if anything fails: no journal, no flush.
    destination.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(full)?;
    let backup = Backup::new(source, destination).map_err(full)?;
    loop {
        match backup.step(STEP_PAGES).map_err(full)? {
            StepResult::Done => return Ok(()),
            _ if cancel.is_cancelled() => return Err(interrupted("copy", &path.display().to_string())),
            _ => {}
        }
    }
}

#[async_trait]
impl Engine for Sqlite {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn database(&self) -> String {
        self.path.display().to_string()
    }

    async fn check(&self) -> Vec<Check> {
        let path = self.path.clone();
        let look = move || {
            let connection = open(&path, "dump")?;
            let bytes = patiently("read", &path, &CancellationToken::new(), || page_bytes(&connection))?;
            Ok(format!("{}, {bytes} bytes, SQLite {}", path.display(), rusqlite::version()))
        };
        // Not in this thread: what waits for a lock must not keep a signal waiting.
        let outcome = tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
            let subject = self.path.display();
            Err(Error::new(ErrorKind::Failed, NAME, "read", subject, "its thread ended early").with_source(error))
        });
        vec![Check::new("connection", outcome)]
    }

    async fn examine(&self) -> Vec<Check> {
        let mut checks = self.check().await;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let shown = folder.display();
        checks.push(match rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Check::new("restore", Ok(format!("a file can be made in {shown}"))),
            Err(error) => {
                let told = format!("no file can be made in {shown}: {}", io::Error::from(error));
                let advice =
                    format!("restore to another folder: `--to FILE`; or let this user write there: ls -ld {shown}");
                Check::new("restore", Ok(told)).with_advice(advice)
            }
        });
        checks
    }

    async fn plan_dump(&self, rows: RowCounts, run: &Run) -> Result<DumpPlan> {
        let (path, cancel) = (self.path.clone(), run.cancel.clone());
        let copied = tokio::task::spawn_blocking(move || copy(&path, rows, &cancel)).await.map_err(|error| {
            Error::new(ErrorKind::Failed, NAME, "copy", self.path.display(), "its thread ended early")
                .with_source(error)
        })?;
        let Copied { file, bytes, tables } = copied?;
        let step =
            Step { source: Source::File(file), inspector: Box::new(WholeFile { tables, ..WholeFile::default() }) };
        Ok(DumpPlan {
            engine: NAME.into(),
            engine_version: rusqlite::version().into(),
            database: self.path.display().to_string(),
            format: "sqlite database".into(),
            tools: vec![ToolRecord { name: "sqlite (bundled)".into(), version: rusqlite::version().into() }],
            database_settings: BTreeMap::new(),
            estimate: Some(bytes),
            notes: Vec::new(),
            globals: None,
            data: PartPlan { name: "data.sqlite", steps: vec![step] },
        })
    }

    fn inspector(&self, _: &Manifest, _: Content) -> Result<Box<dyn Inspector>> {
        Ok(Box::new(WholeFile::default()))
    }

    async fn reader(&self, _: &Manifest, request: &VerifyRequest, run: &Run) -> Result<Option<Reader>> {
        let folder = request.scratch_dir.clone().unwrap_or_else(staging_folder);
        let (sink, stopper) = ScratchFile::new(folder, run).begin().await?;
        let name = format!("PRAGMA integrity_check of SQLite {} finds no fault", rusqlite::version());
        Ok(Some(Reader { name, sink, stopper }))
    }

    fn blames_the_dump(&self, _: &str) -> bool {
        false // it loads without a program
    }

    async fn plan_scratch(
        &self,
        _: &Manifest,
        _: &str,
        request: &VerifyRequest,
        run: &Run,
    ) -> Result<Box<dyn Scratch>> {
        let beside = || self.path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Box::new(ScratchFile::new(request.scratch_dir.clone().unwrap_or_else(beside), run)))
    }

    async fn plan_restore(&self, _: &Manifest, request: &RestoreRequest) -> Result<Box<dyn RestorePlan>> {
        let (path, over) = match &request.to {
            RestoreTo::New(name) => (std::path::absolute(name).unwrap_or_else(|_| name.into()), false),
            RestoreTo::InPlace => (self.path.clone(), self.path.exists()),
        };
        if !over {
            refuse_occupied(&path)?;
        }
        Ok(Box::new(Restore { path, over, staged: None }))
    }

    fn by_hand(&self, _: &Manifest, read: &ByHand) -> Vec<String> {
        let mut commands = read.checks.clone();
        commands.push("# into a new file".into());
        commands.push(format!("{} > restored.db", read.data));
        commands.push("sqlite3 restored.db 'PRAGMA integrity_check'".into());
        commands
    }
}

fn page_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    Ok(number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?).unsigned_abs())
}

/// A file that is there and not empty is never written over; nor is one that a leftover journal would spoil.
fn refuse_occupied(path: &Path) -> Result<()> {
    let refuse = |reason: String, hint: &str| {
        Err(Error::new(ErrorKind::Refused, NAME, "restore to", path.display(), reason).with_hint(hint))
    };
    if path.metadata().is_ok_and(|metadata| !metadata.is_file() || metadata.len() > 0) {
        return refuse("it exists and is not empty".into(), "choose another name with `--to FILE`");
    }
    for ending in ["-wal", "-journal", "-shm"] {
        let beside = PathBuf::from(format!("{}{ending}", path.display()));
        if beside.exists() {
            let reason = format!("{} is left from another database, and SQLite would apply it", beside.display());
            return refuse(reason, "move it away, or choose another name with `--to FILE`");
        }
    }
    Ok(())
}

/// A restore that has been looked at. The data is written beside its place, proven, and then put there.
struct Restore {
    path: PathBuf,
    over: bool,
    staged: Option<NamedTempFile>,
}

impl Restore {
    fn failed(&self, reason: &str, error: io::Error) -> Error {
        Error::new(kind_of_io(&error), NAME, "restore to", self.path.display(), reason).with_source(error)
    }
}

#[async_trait]
impl RestorePlan for Restore {
    async fn begin(&mut self) -> Result<(Box<dyn Sink>, Option<Stopper>)> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let staged = NamedTempFile::with_prefix_in(".snapkeep-", folder).map_err(|error| {
            self.failed("its folder won't take it", error).with_hint("the folder must exist and be writable")
        })?;
        let file = staged.reopen().map_err(|error| self.failed("the new file is gone", error))?;
        self.staged = Some(staged);
        Ok((Box::new(Writing { file, path: self.path.clone() }), None))
    }

    async fn commit(&mut self) -> Result<Restored> {
        let Some(staged) = self.staged.take() else {
            return Err(self.failed("nothing was written", io::ErrorKind::NotFound.into()));
        };
        let (path, over) = (self.path.clone(), self.over);
        let put = move || {
            check_whole(staged.path())?;
            if over { replace(staged.path(), &path) } else { publish(staged, &path) }
        };
        tokio::task::spawn_blocking(put)
            .await
            .map_err(|error| self.failed("its thread ended early", io::Error::other(error)))??;
        Ok(Restored { to: self.path.display().to_string(), warnings: Vec::new() })
    }

    async fn undo(&mut self) -> Option<String> {
        self.staged = None; // dropping it deletes it
        None
    }
}

fn check_whole(path: &Path) -> Result<()> {
    let connection = Connection::open(path).map_err(|error| explain("check", path, error))?;
    let answer: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| explain("check", path, error))?;
    // The file's journal mode may be WAL: leave none of its companions behind.
    connection.close().map_err(|(_, error)| explain("check", path, error))?;
    if answer == "ok" {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Verification, NAME, "restore", path.display(), format!("the copy is damaged: {answer}")))
}

fn publish(staged: NamedTempFile, path: &Path) -> Result<()> {
    let fail = |error: io::Error| {
        Error::new(kind_of_io(&error), NAME, "restore to", path.display(), "it can't be put there").with_source(error)
    };
    // An empty file was allowed to be there; one that has got something meanwhile was not.
    if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        std::fs::remove_file(path).map_err(fail)?;
    }
    staged.persist_noclobber(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// Copies over a database that others may have open, in one transaction of SQLite's own.
fn replace(staged: &Path, path: &Path) -> Result<()> {
    let source = Connection::open(staged).map_err(|error| explain("read", staged, error))?;
    let mut destination = open(path, "restore over")?;
    let fail = |error| {
        explain("restore over", path, error)
            .with_hint("stop what has it open; or restore to a new file with `--to FILE`, and put it there yourself")
    };
    let backup = Backup::new(&source, &mut destination).map_err(fail)?;
    // Not `run_to_completion`: it tries for ever where another process holds a lock.
    let end = Instant::now() + BUSY;
    loop {
        match backup.step(-1).map_err(fail)? {
            StepResult::Done => return Ok(()),
            _ if Instant::now() < end => std::thread::sleep(BUSY_STEP),
            _ => return Err(fail(busy())),
        }
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}

struct Writing {
    file: File,
    path: PathBuf,
}

impl Sink for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.sync_all().map_err(|error| {
            Error::new(kind_of_io(&error), NAME, "write", self.path.display(), "the disk failed").with_source(error)
        })
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        error
    }
}

/// A database file's header says how long it is.
#[derive(Default)]
struct WholeFile {
    header: Vec<u8>,
    length: u64,
    /// What was counted in the copy.
    tables: Option<BTreeMap<String, u64>>,
}

impl Inspector for WholeFile {
    fn push(&mut self, bytes: &[u8]) -> std::result::Result<(), String> {
        let missing = 100_usize.saturating_sub(self.header.len()).min(bytes.len());
        self.header.extend_from_slice(&bytes[..missing]);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> std::result::Result<Inspected, String> {
        if self.length == 0 {
            // a database in which nothing was ever made
            return Ok(Inspected { tables: self.tables, ..Inspected::default() });
        }
        let Some((magic, rest)) = self.header.split_first_chunk::<16>().filter(|_| self.header.len() == 100) else {
            return Err("it is too short".into());
        };
        // Offsets 16 and 28 of the header: the page size, where 1 means 65536, and the number of pages.
        let page_size = match u16::from_be_bytes([rest[0], rest[1]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let pages = u64::from(u32::from_be_bytes([rest[12], rest[13], rest[14], rest[15]]));
        if magic != MAGIC || page_size * pages != self.length {
            return Err(format!(
                "its header speaks of {pages} pages of {page_size} bytes, and it has {} bytes",
                self.length
            ));
        }
        Ok(Inspected { tables: self.tables, ..Inspected::default() })
    }
}

#[cfg(test)]
mod tests;
