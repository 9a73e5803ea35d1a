//! Two processes that prune one target at once, killed at random moments: what the plan keeps is never touched.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::{Past, document, left, plant};
use crate::support::Chance;

const RUNS: u64 = 100;
const SNAPSHOTS: u32 = 40;
const MIN_KEEP: usize = 5;

/// What must be there after every step.
struct World {
    past: Past,
    store: PathBuf,
    /// What is kept: by the plan, by a hold, or for being new.
    kept: BTreeSet<String>,
    /// What was held or made on the way.
    marked: BTreeSet<String>,
    told: String,
}

impl World {
    fn new(random: &mut Chance) -> Self {
        let policy = format!("keep_last = {}\nkeep_daily = 2\nmin_keep = {MIN_KEEP}", 2 + random.below(4));
        let past = Past::with(&["notes"], &policy);
        let store = past.path("snapshots");
        let now = Utc::now() - TimeDelta::hours(1);
        for number in 0..SNAPSHOTS {
            plant(&store, "notes", now - TimeDelta::minutes(random.below(10 * 24 * 60) as i64), number);
        }
        let told = format!("{policy:?}\n");
        Self { past, store, kept: BTreeSet::new(), marked: BTreeSet::new(), told }
    }

    fn there(&self) -> BTreeSet<String> {
        left(&self.store).into_iter().collect()
    }

    /// Checks the promises (that each has its data is `left`'s), and gives how many snapshots are there.
    fn check(&self) -> usize {
        let there = self.there();
        let lost: Vec<&String> = self.kept.difference(&there).collect();
        assert!(lost.is_empty(), "{lost:?} is lost");
        assert!(there.len() >= MIN_KEEP, "{there:?}");
        there.len()
    }

    /// What a plan of this moment keeps.
    fn planned(&self, more: &str) -> BTreeSet<String> {
        let plan = document(&self.past.run(&format!("-q -o json prune plan{more}")));
        let rows = plan["items"].as_array().unwrap().iter().filter(|item| item["verdict"] != "remove");
        rows.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    fn start(&mut self, random: &mut Chance) -> Child {
        let how = if random.one_in(2) { "--yes" } else { "--plan=plan.json" };
        writeln!(self.told, "apply {how}").unwrap();
        let mut command = self.past.command();
        command.args(["-q", "prune", "apply", how]).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Somebody else makes a snapshot, or holds one of those that are there.
    fn meddle(&mut self, random: &mut Chance) {
        let id = match random.below(4) {
            0 => plant(&self.store, "notes", Utc::now() - TimeDelta::seconds(1), SNAPSHOTS),
            1 => {
                let there: Vec<String> = self.there().into_iter().collect();
                let id = there[random.below(there.len())].clone();
                let held = self.past.run(&format!("-q hold {id} --reason random"));
                // It may have gone in the moment before; what is there after the hold stays.
                if held.code != Some(0) || !self.there().contains(&id) {
                    return;
                }
                id
            }
            _ => return,
        };
        writeln!(self.told, "new or held: {id}").unwrap();
        // It may take a place that the first plan gave to another, and a process may plan with it or without.
        let now = self.planned("");
        self.kept.retain(|id| now.contains(id));
        self.kept.insert(id.clone());
        self.marked.insert(id);
    }
}

/// Ends a process if it still runs.
fn kill(child: &mut Child) {
    let _ = child.kill();
}

/// A moment in `0..span`.
fn part_of(span: Duration, random: &mut Chance) -> Duration {
    span.mul_f64(random.below(1000) as f64 / 1000.0)
}

/// How long one process takes that nobody disturbs, on this machine at this time.
fn undisturbed() -> Duration {
    let world = World::new(&mut Chance::new(0));
    let begun = Instant::now();
    assert_eq!(world.past.run("-q prune apply --yes").code, Some(0));
    begun.elapsed()
}

/// One run, in which a kill comes within `span`; gives whether a kill came in the middle of the deletions.
fn interleave(random: &mut Chance, span: Duration, told: &mut String) -> bool {
    let mut world = World::new(random);
    let goal = world.planned(" --out plan.json");
    world.kept.clone_from(&goal);
    let mut first = world.start(random);
    if random.one_in(2) {
        std::thread::sleep(part_of(span / 3, random));
    }
    let mut second = world.start(random);
    if random.one_in(2) {
        world.meddle(random);
    }
    let end = Instant::now() + part_of(span, random);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    match random.below(4) {
        0 => kill(&mut first),
        1 => kill(&mut second),
        _ => [&mut first, &mut second].into_iter().for_each(kill),
    }
    let ended = [first.wait().unwrap().code(), second.wait().unwrap().code()];
    writeln!(world.told, "{ended:?}").unwrap();
    told.clone_from(&world.told);
    let count = world.check();
    let in_the_middle = ended.contains(&None) && count < SNAPSHOTS as usize && count > world.kept.len();
    for code in ended.into_iter().flatten() {
        assert!([0, 3, 10, 11].contains(&code), "exit {code}");
    }
    if random.one_in(4) {
        world.meddle(random);
        world.check();
    }
    told.clone_from(&world.told);
    let undisturbed = world.marked.is_empty();
    world.kept = world.planned("");
    assert!(!undisturbed || world.kept == goal, "{:?} is kept now, and {goal:?} was", world.kept);
    assert!(world.marked.is_subset(&world.kept), "{:?}", world.marked);
    let last = world.past.run("-q prune apply --yes");
    assert_eq!(last.code, Some(0), "{last}");
    world.check();
    assert_eq!(world.there(), world.kept);
    in_the_middle
}

#[test]
fn whatever_two_processes_do_and_wherever_they_are_killed_the_kept_ones_stay() {
    let seed = std::env::var("SNAPKEEP_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = seed.map_or(0..RUNS, |seed| seed..seed + 1);
    let begun = Instant::now();
    let span = undisturbed();
    let mut in_the_middle = 0;
    for seed in seeds.clone() {
        let mut told = String::new();
        let run = std::panic::AssertUnwindSafe(|| interleave(&mut Chance::new(seed), span, &mut told));
        match std::panic::catch_unwind(run) {
            Ok(cut) => in_the_middle += u64::from(cut),
            Err(_) => panic!("SNAPKEEP_TEST_SEED={seed}\n{told}"),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let runs = seeds.end - seeds.start;
    let shown = format!(
        "{in_the_middle} of {runs} runs were cut in the middle of the deletions, in {seconds:.0} s ({span:.0?} each)"
    );
    std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{shown}\n")).unwrap();
    assert!(runs < RUNS || in_the_middle * 10 >= RUNS, "too few: {shown}");
}
