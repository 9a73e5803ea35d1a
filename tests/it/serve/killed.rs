//! Three processes on one state in S3, one of which is always being killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use rustix::process::Signal;
use serde_json::Value;

use super::{Served, in_time};
use crate::cli::{BINARY, Bench, below};
use crate::support::{Chance, StoreKind, TestStore};

/// How long one is killed after the other.
const KILLING: Duration = Duration::from_secs(120);
/// A lease, a look every quarter of a minute for each of the two locks, and the run itself.
const TAKE_OVER: u64 = 120;
const PLACES: usize = 3;

/// Each run lasts some seconds, in which a kill may strike: before its snapshot is made, while it is, and when it is there and
/// nobody has written that down.
const BEFORE: &str = "#!/bin/sh\necho \"$SNAPKEEP_TARGET $SNAPKEEP_KEY\" >> \"${0%/*}/begun\"\nsleep 3\n";
const AFTER: &str = "#!/bin/sh\nsleep 3\n";

/// What all the processes share.
struct Fleet {
    store: TestStore,
    /// The databases and the hooks.
    shared: Bench,
    /// The folder of each process, with a config and a home of its own.
    places: Vec<Bench>,
    /// How many targets are due once, within which time, and how many every minute.
    once: usize,
    jitter: &'static str,
    every: usize,
    /// When those are due that are due once.
    due: DateTime<Utc>,
}

impl Fleet {
    fn new(store: TestStore, due: DateTime<Utc>, (once, jitter): (usize, &'static str), every: usize) -> Self {
        let shared = Bench::empty();
        let places = (0..PLACES).map(|_| Bench::empty()).collect();
        let fleet = Self { store, shared, places, once, jitter, every, due };
        for (name, script) in [("before", BEFORE), ("after", AFTER)] {
            fs::write(fleet.shared.path(name), script).unwrap();
            fs::set_permissions(fleet.shared.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let config = fleet.config();
        fleet.places.iter().for_each(|place| fs::write(place.path("snapkeep.toml"), &config).unwrap());
        fleet
    }

    fn config(&self) -> String {
        let shared = |name: &str| self.shared.path(name).display().to_string();
        let hook = |name| format!("{{ command = [\"{}\"], timeout = \"1m\" }}", shared(name));
        let mut config = format!(
            "version = 1\n[hooks]\nbefore_create = {}\nafter_create = {}\n[serve]\nmax_per_account = 16\n\
             [state]\nstore = \"bucket\"\n{}",
            hook("before"),
            hook("after"),
            self.store.toml("bucket"),
        );
        for (schedule, target) in self.pairs() {
            let file = format!("{target}.db");
            self.shared.sql(&file, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one')");
            let path = shared(&file);
            write!(config, "\n[targets.{target}]\nprovider = \"sqlite\"\npath = \"{path}\"\nstore = \"bucket\"\n")
                .unwrap();
            writeln!(config, "tags = {{ group = \"{schedule}\" }}").unwrap();
        }
        let hourly = format!("{} * * * *", self.due.minute());
        for (schedule, cron, jitter) in [("once", &*hourly, self.jitter), ("every", "* * * * *", "1m")] {
            let targets = format!("targets = [\"tag:group={schedule}\"]\nactions = [\"create\"]\n");
            write!(config, "\n[schedules.{schedule}]\ncron = \"{cron}\"\njitter = \"{jitter}\"\n{targets}").unwrap();
        }
        config
    }

    /// Each schedule with each of its targets.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let of = |schedule: &'static str, count| (0..count).map(move |n| (schedule, format!("{schedule}-{n}")));
        of("once", self.once).chain(of("every", self.every)).collect()
    }

    /// The first process is on this machine. Where the others are, a pid of here means nothing: so they are elsewhere to it and to
    /// each other, and only a lease that has run out tells that one is gone.
    fn start(&self, number: usize, name: &str) -> Served {
        let place = &self.places[number];
        let mut command = if number == 0 {
            place.command()
        } else {
            let mut command = place.command_of("/usr/bin/unshare");
            command.args(["--pid", "--fork", "--kill-child", "--mount-proc", BINARY]);
            command
        };
        command.envs(self.store.environment());
        Served::start(place, command, name)
    }

    /// So many processes, and up to when each target's runs were due before it was first seen: those are nobody's.
    fn begin(&self, processes: usize) -> (Vec<Served>, BTreeMap<String, DateTime<Utc>>) {
        let processes = (0..processes).map(|number| self.start(number, "serve-0.log")).collect();
        // What is first seen of each: one whose past is there may run before the last one has any.
        let mut past = BTreeMap::new();
        in_time(60, "each target has a past", || {
            // Of one whose first run has begun there is none yet.
            for (target, history) in self.histories().into_iter().filter(|(_, history)| history["settled"].is_string())
            {
                past.entry(target).or_insert_with(|| time(&history["settled"]));
            }
            (past.len() == self.pairs().len()).then_some(())
        });
        (processes, past)
    }

    /// What is remembered of each pair, by the target's name.
    fn histories(&self) -> BTreeMap<String, Value> {
        let read = async || {
            let objects = self.store.objects().await;
            let mut found = BTreeMap::new();
            for name in self.store.names().await {
                let [_, target, "history", _] = name.split('/').collect::<Vec<_>>()[..] else { continue };
                let bytes = objects.get(&Path::parse(&name).unwrap()).await.unwrap().bytes().await.unwrap();
                found.insert(target.to_owned(), serde_json::from_slice(&bytes).unwrap());
            }
            found
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(read())
    }

    /// Target and key of each run that began to make its snapshot, as often as it did.
    fn begun(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.shared.path("begun")).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(target, key)| (target.to_owned(), key.to_owned())).unwrap();
        text.lines().map(pair).collect()
    }

    /// How often a run found its snapshot made.
    fn found(&self) -> usize {
        let files = self
            .places
            .iter()
            .flat_map(|place| below(&place.path("")))
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "log"));
        files.map(|log| fs::read_to_string(log).unwrap().matches(" is there already ").count()).sum()
    }

    /// Target and key of each snapshot there is, all of which are good.
    fn made(&self) -> Vec<(String, String)> {
        let mut command = self.places[0].command();
        command.envs(self.store.environment()).args(["-q", "-o", "json", "list"]);
        let ran = self.places[0].ran_by(&mut command);
        assert_eq!(ran.code, Some(0), "{ran}");
        let document = ran.document();
        let pair = |item: &Value| {
            assert_eq!(item["state"], "available", "{item}");
            let text = |key: &str| item[key].as_str().unwrap().to_owned();
            (text("target"), text("key"))
        };
        document["items"].as_array().unwrap().iter().map(pair).collect()
    }
}

fn minute(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0).with_second(0).unwrap()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn key(schedule: &str, due: DateTime<Utc>) -> String {
    format!("{schedule}@{}", due.format("%Y-%m-%dT%H:%M:%SZ"))
}

fn can_unshare() -> bool {
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "true"]).status().is_ok_and(|done| done.success())
}

/// What the killing came to.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    kills_elsewhere: usize,
    /// Of those that were at work.
    at_work: usize,
}

fn kill_one_after_the_other(fleet: &Fleet, processes: &mut [Served]) -> Figures {
    let mut chance = Chance::new(Utc::now().timestamp_millis().unsigned_abs());
    let (begun, mut figures) = (Instant::now(), Figures::default());
    while begun.elapsed() < KILLING {
        std::thread::sleep(Duration::from_millis(4000 + chance.below(1500) as u64));
        let number = chance.below(PLACES);
        let process = &mut processes[number];
        figures.at_work += usize::from(process.metric("snapkeep_runs_in_progress").is_some_and(|runs| runs > 0.0));
        process.kill();
        figures.kills += 1;
        figures.kills_elsewhere += usize::from(number > 0);
        *process = fleet.start(number, &format!("serve-{}.log", figures.kills));
    }
    figures
}

/// Of the schedule that is due once nothing may be missing. The other one is due again before a lease has run out: of what was due while
/// nobody could begin it, only the newest is made up for, which is what `run_once` says.
#[test]
fn of_three_processes_one_is_killed_every_few_seconds_and_no_run_is_lost_and_none_is_doubled() {
    let Some(store) = StoreKind::S3.up() else { return };
    if !can_unshare() {
        return crate::support::leave_out("a namespace of pids can't be had");
    }
    let (begun, fleet) =
        (Instant::now(), Fleet::new(store, minute(Utc::now() + TimeDelta::seconds(10)), (40, "150s"), 4));
    let (mut processes, past) = fleet.begin(PLACES);
    let figures = kill_one_after_the_other(&fleet, &mut processes);
    let killed_until = Utc::now();
    let is_settled = |(schedule, target): &(&str, String), histories: &BTreeMap<String, Value>| {
        let due = if *schedule == "every" { minute(killed_until) - TimeDelta::minutes(1) } else { fleet.due };
        let settled = &histories[target]["settled"];
        settled.is_string() && time(settled) >= due && histories[target]["unfinished"].is_null()
    };
    in_time(TAKE_OVER, "all is made up for", || {
        let histories = fleet.histories();
        fleet.pairs().iter().all(|pair| is_settled(pair, &histories)).then_some(())
    });
    let quiet = Utc::now() - killed_until;
    processes.iter_mut().for_each(|process| {
        process.stopped(Duration::from_secs(30));
    });
    let counted = held(&fleet, &past);
    let Figures { kills, kills_elsewhere, at_work } = figures;
    let told = format!(
        "{kills:>4} kills, {kills_elsewhere} of them elsewhere, {at_work} of them at work\n{counted}{:>4} s until all was made up for\n\
         {:>4} s in all\n",
        quiet.num_seconds(),
        begun.elapsed().as_secs(),
    );
    // Past libtest's capture: the figures are for whoever reads the log.
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    assert!(at_work > 0 && fleet.found() > 0, "nothing was cut off:\n{told}");
}

/// Holds what is in the store against what was due after `past`, and counts it.
fn held(fleet: &Fleet, past: &BTreeMap<String, DateTime<Utc>>) -> String {
    let (made, histories) = (fleet.made(), fleet.histories());
    let keys: BTreeSet<&(String, String)> = made.iter().collect();
    assert_eq!(keys.len(), made.len(), "two snapshots have one key: {made:?}");
    let (mut due_once, mut due_every, mut merged) = (0, 0, 0);
    for (schedule, target) in fleet.pairs() {
        let settled = time(&histories[&target]["settled"]);
        let step = if schedule == "every" { TimeDelta::minutes(1) } else { TimeDelta::hours(1) };
        let dues: Vec<_> = std::iter::successors(Some(past[&target] + step), |due| Some(*due + step))
            .take_while(|due| *due <= settled)
            .collect();
        let expected: BTreeSet<String> = dues.iter().map(|due| key(schedule, *due)).collect();
        // What was first seen to be settled may have been run, or was nobody's.
        let nobodys = key(schedule, past[&target]);
        let of = made.iter().filter(|(name, key)| *name == target && *key != nobodys);
        let of: BTreeSet<String> = of.map(|(_, key)| key.clone()).collect();
        if schedule == "once" {
            assert_eq!(of, expected, "{target}");
            due_once += expected.len();
        } else {
            assert!(
                of.is_subset(&expected) && (of.contains(&key(schedule, settled)) || settled == past[&target]),
                "{target}: {of:?} of {expected:?}"
            );
            due_every += expected.len();
            merged += expected.len() - of.len();
        }
    }
    for (target, history) in &histories {
        assert_eq!(history["unfinished"], Value::Null, "{target}: {history}");
        let failed = history["runs"].as_array().unwrap().iter().filter(|run| !run["error"].is_null());
        assert_eq!(failed.count(), 0, "{target} has failed: {history}");
    }
    let (begun, found) = (fleet.begun(), fleet.found());
    let begun_keys: BTreeSet<_> = begun.iter().collect();
    let again = begun.len() - begun_keys.len();
    format!(
        "{due_once:>4} runs were due of those that are due once, {due_every} of those that are due every minute\n\
         {:>4} snapshots, none of them with a key of another; {merged} runs were made up for by the next one\n\
         {:>4} times a run that was cut off was taken over, {found} of them when its snapshot was made\n\
         {:>4} runs that were cut off were left to the next one\n",
        made.len(),
        again + found,
        begun_keys.iter().filter(|pair| !keys.contains(**pair)).count(),
    )
}

/// As a machine that is suspended. Both processes are on one machine: that the owner is there says nothing of whether it works.
pub(super) fn one_that_sleeps_longer_than_its_lease_makes_nothing_when_it_wakes() {
    let Some(store) = StoreKind::S3.up() else { return };
    let fleet = Fleet::new(store, minute(Utc::now() + TimeDelta::seconds(80)), (12, "15s"), 0);
    let (mut processes, past) = fleet.begin(1);
    in_time(120, "it is at work", || (fleet.begun().len() >= 2).then_some(()));
    processes[0].signal(Signal::STOP);
    let asleep = Instant::now();
    let place = &fleet.places[1];
    let mut command = place.command();
    command.envs(fleet.store.environment());
    processes.push(Served::start(place, command, "serve-0.log"));
    in_time(TAKE_OVER, "the other one has made up for all", || {
        let is_settled = |history: &Value| history["settled"].is_string() && time(&history["settled"]) >= fleet.due;
        fleet.histories().values().all(is_settled).then_some(())
    });
    let asleep = asleep.elapsed();
    assert!(asleep > Duration::from_secs(40), "a lease runs out after a minute, the last renewal was a quarter before");
    processes[0].signal(Signal::CONT);
    std::thread::sleep(Duration::from_secs(10));
    let woken = processes[0].said();
    processes.iter_mut().for_each(|process| {
        process.stopped(Duration::from_secs(30));
    });
    held(&fleet, &past);
    assert!(woken.contains("was cut off; who runs next goes on with it"), "it was not at work: {woken}");
}
