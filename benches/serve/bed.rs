//! The folder that is served: its config, and what its state says.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};

use crate::served::until;

/// How many databases one server has.
const DATABASES: usize = 50;

/// How much of everything there is.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) targets: usize,
    pub(crate) idle: Duration,
    /// Over how many minutes the runs are spread.
    pub(crate) minutes: i64,
}

/// Its config and its state.
pub(crate) struct Bed {
    folder: tempfile::TempDir,
    scale: Scale,
    /// When the schedules are due that are not to be; always the same, as a run is missed that was not due before.
    far: DateTime<Utc>,
}

pub(crate) fn names(targets: usize) -> impl Iterator<Item = String> {
    (0..targets).map(|nth| format!("customer-{nth:05}"))
}

/// A schedule that is due once a day, at that minute.
pub(crate) struct Daily {
    pub(crate) name: &'static str,
    pub(crate) at: DateTime<Utc>,
    /// In minutes.
    pub(crate) jitter: i64,
}

impl Bed {
    pub(crate) fn new(scale: Scale) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), scale, far: Utc::now() + TimeDelta::hours(12) }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a config of all targets, with two schedules that are not due for long, and these.
    pub(crate) fn configure(&self, more: &[Daily]) {
        let mut config =
            "version = 1\n[serve]\nlisten = \"127.0.0.1:0\"\n[stores.main]\ntype = \"local\"\npath = \"dumps\"\n"
                .to_owned();
        config += "[retention.standard]\nkeep_last = 100\nmax_age = \"2d\"\n";
        let far = self.far;
        let often = Daily { name: "nightly", at: far, jitter: 120 };
        for Daily { name, at, jitter } in std::iter::once(&often).chain(more) {
            let (minute, hour) = (at.minute(), at.hour());
            writeln!(config, "[schedules.{name}]\ncron = \"{minute} {hour} * * *\"\ntargets = [\"*\"]").unwrap();
            writeln!(config, "actions = [\"create\"]").unwrap();
            if *jitter > 0 {
                writeln!(config, "jitter = \"{jitter}m\"").unwrap();
            }
        }
        let (day, team) = (far.format("%a").to_string().to_uppercase(), "team-7");
        writeln!(config, "[schedules.weekly]\ncron = \"0 {} * * {day}\"\ntimezone = \"Europe/Berlin\"", far.hour())
            .unwrap();
        writeln!(config, "targets = [\"tag:team={team}\"]\nactions = [\"create\", \"prune\"]").unwrap();
        for (nth, name) in names(self.scale.targets).enumerate() {
            let (server, team) = (nth / DATABASES, nth % 20);
            writeln!(config, "[targets.{name}]\nprovider = \"postgresql\"\nhost = \"db-{server}.internal\"").unwrap();
            writeln!(config, "user = \"backup\"\npassword = {{ env = \"PASSWORD_{server}\" }}\ndatabase = \"c{nth}\"")
                .unwrap();
            writeln!(config, "store = \"main\"\nretention = \"standard\"").unwrap();
            writeln!(config, "tags = {{ team = \"team-{team}\", stage = \"production\" }}").unwrap();
        }
        std::fs::write(self.folder().join("snapkeep.toml"), config).unwrap();
    }

    /// How many targets of a schedule there are: those of one team, or all.
    pub(crate) fn places(&self, of_all: usize) -> usize {
        let of_team = (0..self.scale.targets).filter(|nth| nth % 20 == 7).count();
        of_all * self.scale.targets + of_team
    }

    /// Waits until the state knows so many pairs of a target and a schedule.
    pub(crate) fn wait_for_histories(&self, count: usize) {
        until(Duration::from_secs(1), || self.histories().count() >= count);
    }

    fn histories(&self) -> impl Iterator<Item = PathBuf> {
        let targets = std::fs::read_dir(self.folder().join("state/snapkeep")).into_iter().flatten().flatten();
        let files = targets.flat_map(|target| std::fs::read_dir(target.path().join("history")).into_iter().flatten());
        files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "json"))
    }

    /// Lets every history that has a run have so many, no two alike: what is alike would be kept in less room.
    pub(crate) fn fill_histories(&self, runs: i64) {
        for path in self.histories() {
            let mut history: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let Some(run) = history["runs"].get(0).cloned() else { continue };
            let earlier = |days: i64| {
                let mut run = run.clone();
                let other = days * 7_654_321 % 600_000;
                for (key, millis) in [("due", 0), ("begun_at", other / 7), ("ended_at", other)] {
                    let at: DateTime<Utc> = serde_json::from_value(run[key].clone()).unwrap();
                    run[key] = json!(at - TimeDelta::days(days) + TimeDelta::milliseconds(millis));
                }
                let name = run["snapshot"].as_str().unwrap();
                run["snapshot"] = json!(format!("{name}-{:04x}", other % 0x1_0000));
                run["size_bytes"] = json!((1 << 30) + other * other);
                run
            };
            history["runs"] = (0..runs).map(earlier).collect();
            std::fs::write(&path, serde_json::to_vec_pretty(&history).unwrap()).unwrap();
        }
    }
}

/// The minute that begins next, if it is at least so far away.
pub(crate) fn minute_after(pause: Duration) -> DateTime<Utc> {
    let at = Utc::now() + pause;
    at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap() + TimeDelta::minutes(1)
}
