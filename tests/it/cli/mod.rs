//! The real binary, as a user runs it: whole stdout, stderr and exit code, on SQLite files and a store in a folder.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::schema;

mod cloud_bench;
mod clouds;
mod config;
mod crashes;
mod create;
mod damage;
mod delete;
mod demo;
mod doc_lines;
mod docs;
mod killed;
mod output;
mod read;
mod redact;
mod restore;
mod signals;
mod verbs;

pub(crate) use cloud_bench::{CloudBench, without_ages};
pub(crate) use doc_lines::{calls, in_yaml, json_of_yaml};
pub(crate) use killed::{Killed, NEVER};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_snapkeep");
pub(crate) const STORE: &str = "\n[stores.local]\ntype = \"local\"\npath = \"snapshots\"\n";

/// A folder with a config and databases, and nothing else of the machine but the programs in /usr/bin.
pub(crate) struct Bench {
    folder: TempDir,
    ids: RefCell<Vec<String>>,
}

/// A target that keeps its dumps in the bench's store.
pub(crate) fn target(name: &str, path: &str, more: &str) -> String {
    format!("\n[targets.{name}]\nprovider = \"sqlite\"\npath = \"{path}\"\nstore = \"local\"\n{more}")
}

impl Bench {
    /// One target `notes` on a database of three notes.
    pub(crate) fn new() -> Self {
        Self::of(&[target("notes", "notes.db", "")])
    }

    /// These targets; `notes.db` and `tasks.db` are there.
    pub(crate) fn of(targets: &[String]) -> Self {
        let bench = Self::empty();
        fs::write(bench.path("snapkeep.toml"), format!("version = 1\n{}{STORE}", targets.concat())).unwrap();
        for file in ["notes.db", "tasks.db"] {
            bench.sql(file, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one'), ('two'), ('three')");
        }
        bench
    }

    /// A folder without a config.
    pub(crate) fn empty() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), ids: RefCell::default() };
        fs::create_dir(bench.path("tmp")).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Runs SQL on a database file, which is made if it isn't there.
    pub(crate) fn sql(&self, file: &str, sql: &str) {
        Connection::open(self.path(file)).unwrap().execute_batch(sql).unwrap();
    }

    /// The notes in a database file.
    pub(crate) fn notes(&self, file: &str) -> Vec<String> {
        let connection = Connection::open(self.path(file)).unwrap();
        let mut statement = connection.prepare("SELECT text FROM notes ORDER BY rowid").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        self.command_of(BINARY)
    }

    /// The same surroundings for another program.
    pub(crate) fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.path("")).stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command
    }

    /// Runs a command line whose words have no spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        self.ran_by(self.command().args(words))
    }

    pub(crate) fn run_with(&self, variable: &str, value: &str, line: &str) -> Ran {
        self.ran_by(self.command().env(variable, value).args(line.split_whitespace()))
    }

    /// Runs a command, and holds what it prints against the schema.
    pub(crate) fn ran_by(&self, command: &mut Command) -> Ran {
        let ran = self.ran(command.output().unwrap());
        schema::hold(command, &ran);
        ran
    }

    /// What a process did that was started before.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        let ran = self.whole(output);
        schema::hold_what_it_looks_like(&ran);
        ran
    }

    fn whole(&self, output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        let mut ids = self.ids.borrow_mut();
        let mut shown = format!("exit {}\n", output.status.code().map_or("by signal".into(), |code| code.to_string()));
        for (name, text) in [("stdout", &out), ("stderr", &err)] {
            if !text.is_empty() {
                shown += &format!(
                    "--- {name}\n{}",
                    redact::redacted(text, &self.folder.path().canonicalize().unwrap(), &mut ids)
                );
            }
        }
        Ran { code: output.status.code(), out, err, shown }
    }

    /// Makes a snapshot of `notes` and gives its id.
    pub(crate) fn create(&self) -> String {
        self.create_of("notes")
    }

    pub(crate) fn create_of(&self, target: &str) -> String {
        let ran = self.run(&format!("-q -o name create {target}"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran}");
        ran.out.trim_end().to_owned()
    }

    /// The ids that `list` shows.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.run("-o name list").out.lines().map(ToOwned::to_owned).collect()
    }

    /// Lets a snapshot be one of another time.
    pub(crate) fn date(&self, id: &str, time: DateTime<Utc>) {
        let manifest = self.stored(id, "manifest.json");
        let text = fs::read_to_string(&manifest).unwrap();
        let created = text.lines().find(|line| line.contains("created_at")).unwrap();
        let dated = format!("  \"created_at\": \"{}\",", time.to_rfc3339());
        fs::write(&manifest, text.replace(created, &dated)).unwrap();
    }

    /// A file of a snapshot.
    pub(crate) fn stored(&self, id: &str, file: &str) -> PathBuf {
        self.path("snapshots").join(id).join(file)
    }

    /// Whether a process has opened a file here.
    pub(crate) fn has_open(&self, child: &Child, file: &str) -> bool {
        let folder = format!("/proc/{}/fd", child.id());
        let mut open = fs::read_dir(folder).unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        open.any(|path| path == self.path(file))
    }

    /// Every file in the store, as seen from there.
    pub(crate) fn files(&self) -> Vec<String> {
        let store = self.path("snapshots");
        let found = below(&store).into_iter().filter(|path| !path.is_dir());
        found.map(|path| path.strip_prefix(&store).unwrap().display().to_string()).collect()
    }
}

/// Every file and folder below a folder, sorted.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let deeper: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir()).flat_map(|path| below(path)).collect();
    paths.extend(deeper);
    paths.sort();
    paths
}

/// What a command did.
pub(crate) struct Ran {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    shown: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Ran {
    /// The one document on stdout, which has what every document has.
    pub(crate) fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"));
        assert_eq!(keys(&document), ["errors", "items", "kind", "schema"], "{self}");
        assert_eq!(document["schema"], "snapkeep/v1");
        assert!(document["kind"].is_string() && document["items"].is_array() && document["errors"].is_array());
        document
    }

    /// The codes of the document's errors.
    pub(crate) fn error_codes(&self) -> Vec<String> {
        let errors = self.document()["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

/// Waits until `condition` gives something, and panics when it doesn't in 30 s.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
