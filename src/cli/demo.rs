//! `snapkeep demo`: the whole cycle in a folder of its own, by the very commands that it prints.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, FromArgMatches};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::ListScope;
use snapkeep_providers::shell::shell_word;

use super::{App, Cli, Mode, Outcome, command, run};
use crate::catalog::{self, Catalog};
use crate::config;
use crate::failure::Failure;
use crate::render::{Format, Kind, Row};

/// The whole cycle on a SQLite file and a local store: nothing to set up
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The folder to work in; made, and never one that the demo did not make
    #[arg(long, value_name = "DIR", default_value = "snapkeep-demo")]
    dir: PathBuf,
}

/// Tells the demo's folder from any other.
const MARKER: &str = ".made-by-snapkeep-demo";
const CONFIG: &str = r#"# Made by `snapkeep demo`. Every key is explained in config.example.toml.
version = 1

[targets.notes]
provider = "sqlite"
path = "notes.db"
store = "local"

[stores.local]
type = "local"
path = "snapshots"

[state]
store = "local"
"#;
const NOTES: [&str; 3] = ["call the bank", "water the plants 🌱", "renew the certificate"];

/// One command that the demo ran.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DemoStep")]
pub(super) struct StepRow {
    /// The command line.
    command: String,
    /// How it ended.
    exit_code: u8,
}

impl Row for StepRow {
    const KIND: Kind = Kind::DemoSteps;
    const KEYS: &'static [&'static str] = &["command", "exit_code"];
    const HEADINGS: &'static [&'static str] = &["COMMAND", "EXIT CODE"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        vec![self.command.clone(), self.exit_code.to_string()]
    }

    fn name(&self) -> String {
        self.command.clone()
    }
}

/// The demo while it runs.
struct Stage<'a> {
    app: &'a App,
    dir: PathBuf,
    steps: Vec<StepRow>,
}

impl Demo {
    pub(super) async fn run(&self, app: &App) -> u8 {
        if app.mode == Mode::DryRun {
            let failure =
                Failure::usage("the demo can't be a dry run: it shows what really happens, in a folder of its own");
            return app.finish(&Outcome::<StepRow>::failed(vec![failure]));
        }
        let mut stage = Stage { app, dir: self.dir.clone(), steps: Vec::new() };
        let played = stage.play().await;
        let mut outcome = Outcome { items: stage.steps, done: 0, failures: Vec::new() };
        match played {
            Ok(()) => outcome.done = 1,
            Err(failure) => outcome.failures.push(failure),
        }
        if app.format == Format::Table {
            outcome.items.clear(); // they were told one by one
        }
        app.finish(&outcome)
    }
}

impl Stage<'_> {
    async fn play(&mut self) -> Result<(), Failure> {
        self.set_up()?;
        let config = self.shown("snapkeep.toml");
        self.say(&format!("In {}: a database with {} notes, and a config for it.", self.dir.display(), NOTES.len()));
        self.step(&["create", "notes", "--tag", "reason=before-the-change"]).await?;

        self.say("\nNow a change that somebody will regret: one note is lost, another one is new.");
        self.sql("DELETE FROM notes WHERE id = 2; INSERT INTO notes (text) VALUES ('buy milk')")?;
        self.step(&["create", "notes", "--key", "change-1"]).await?;
        self.say("\nThe same key is the same snapshot, so a script may simply try again:");
        self.step(&["create", "notes", "--key", "change-1"]).await?;
        self.step(&["list", "notes"]).await?;

        let first = self.oldest().await?;
        self.say("\nWhat is known of the first one, and how to restore it even without snapkeep:");
        self.step(&["show", &first]).await?;
        self.say("\nRestore it beside the database, and compare:");
        let restored = self.shown("restored.db");
        self.step(&["restore", &first, "--to", &restored]).await?;
        self.compare(Path::new(&restored))?;

        self.say("\nDelete it. The last good snapshot of a target would be refused.");
        self.step(&["delete", &first, "--yes"]).await?;
        self.step(&["list", "notes"]).await?;
        self.say(&format!("\nGo on by hand: snapkeep --config {config} targets"));
        Ok(())
    }

    /// The folder, the database and the config; what an earlier demo made is made anew.
    fn set_up(&self) -> Result<(), Failure> {
        let dir = &self.dir;
        let failed = |error: std::io::Error| {
            Failure::new(ErrorKind::Failed, format!("cannot set up {}: {error}", dir.display()))
        };
        let is_empty = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        if dir.exists() && !is_empty && !dir.join(MARKER).is_file() {
            let message = format!("{} exists, and the demo did not make it", dir.display());
            return Err(Failure::new(ErrorKind::Refused, message).with_hint("choose another folder with `--dir DIR`"));
        }
        if dir.exists() {
            for name in ["notes.db", "notes.db-wal", "notes.db-shm", "restored.db", "snapkeep.toml"] {
                match std::fs::remove_file(dir.join(name)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => {}
                }
            }
            match std::fs::remove_dir_all(dir.join("snapshots").join("notes")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        std::fs::create_dir_all(dir).map_err(failed)?;
        std::fs::write(dir.join(MARKER), "").map_err(failed)?;
        std::fs::write(dir.join("snapkeep.toml"), CONFIG).map_err(failed)?;
        self.sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
        NOTES.iter().try_for_each(|note| self.sql(&format!("INSERT INTO notes (text) VALUES ('{note}')")))
    }

    fn sql(&self, sql: &str) -> Result<(), Failure> {
        let path = self.dir.join("notes.db");
        let run = || Connection::open(&path)?.execute_batch(sql);
        run().map_err(|error| Failure::new(ErrorKind::Failed, format!("cannot write {}: {error}", path.display())))
    }

    fn compare(&self, restored: &Path) -> Result<(), Failure> {
        let read = |path: &Path| -> rusqlite::Result<Vec<String>> {
            let connection = Connection::open(path)?;
            let mut statement = connection.prepare("SELECT text FROM notes ORDER BY id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let failed = |error| Failure::new(ErrorKind::Failed, format!("cannot read {}: {error}", restored.display()));
        let notes = read(restored).map_err(failed)?;
        if notes != NOTES {
            let message = format!("{} holds other notes than the snapshot was made of: {notes:?}", restored.display());
            return Err(Failure::new(ErrorKind::Verification, message));
        }
        let now = read(&self.dir.join("notes.db")).map_err(failed)?;
        self.say(&format!("\n  notes.db     {}\n  restored.db  {}", now.join(" | "), notes.join(" | ")));
        self.say("The restored file holds what the database held before the change.");
        Ok(())
    }

    /// Runs one command as the reader would, in this process.
    async fn step(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        let config = self.shown("snapkeep.toml");
        let line: Vec<&str> = ["snapkeep", "--config", &config].into_iter().chain(arguments.iter().copied()).collect();
        let shown = line.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        self.say(&format!("\n$ {shown}"));
        let parsed = command().try_get_matches_from(&line).and_then(|matches| Cli::from_arg_matches(&matches));
        let cli = parsed.map_err(|error| Failure::new(ErrorKind::Failed, error.to_string()))?;
        let app = App {
            format: Format::Table,
            out: if self.app.format == Format::Table { super::Out::Stdout } else { super::Out::Nowhere },
            report: self.app.report.clone(),
            cancel: self.app.cancel.clone(),
            ..App::new(&cli.global, Utc::now(), self.app.inherited_mask)
        };
        let exit_code = Box::pin(run(&app, cli.verb)).await;
        self.steps.push(StepRow { command: shown.clone(), exit_code });
        if exit_code == 0 {
            return Ok(());
        }
        let kind = if self.app.cancel.is_cancelled() { ErrorKind::Interrupted } else { ErrorKind::Failed };
        Err(Failure::new(kind, format!("the demo ends here: `{shown}` ended with {exit_code}")))
    }

    async fn oldest(&self) -> Result<String, Failure> {
        let config = config::load(&self.dir.join("snapkeep.toml"));
        let config = Catalog::of(config.map_err(|error| Failure::new(ErrorKind::Failed, error.to_string()))?);
        let opened = catalog::open(&config, catalog::target(&config, "notes")?).await?;
        let listing = opened.list(ListScope::Own).await?;
        let oldest = listing.snapshots.last().map(|snapshot| snapshot.id.to_string());
        oldest.ok_or_else(|| Failure::new(ErrorKind::NotFound, "the demo's snapshots are gone"))
    }

    fn shown(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn say(&self, text: &str) {
        if self.app.format == Format::Table {
            self.app.print(format!("{text}\n").as_bytes());
        }
    }
}
