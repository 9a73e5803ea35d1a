//! `snapkeep prune`: plan, then apply.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::ListScope;

use super::{App, Mode, Outcome};
use crate::apply::{self, Ended};
use crate::catalog::{self, Catalog, Opened};
use crate::config::{Config, NotifiedAction, Retention, Target};
use crate::failure::{Code, Failure, PARTIAL, exit_of};
use crate::notices::Told;
use crate::plan::{self, Rules, TargetPlan, Verdict};
use crate::plan_file::{Item, Made, PlanFile, TargetEntry};
use crate::render::{Format, Kind, Row};
use crate::retention::rule_names;
use crate::units;

/// How many targets are listed at once.
const CONCURRENCY: usize = 16;
/// The exit code of `prune plan --exit-code` when the plan deletes something.
const DELETES: u8 = 20;

/// Delete what the retention policy no longer keeps, under rules that can't hurt
#[derive(Debug, Args)]
pub(super) struct Prune {
    #[command(subcommand)]
    verb: PruneVerb,
}

#[derive(Debug, Subcommand)]
enum PruneVerb {
    /// Show what would be kept and deleted, and why; changes nothing
    Plan(Plan),
    /// Delete what a plan removes, if the world is still as the plan saw it
    Apply(Apply),
}

#[derive(Debug, Default, Args)]
struct Limits {
    /// Instead of the policy's max_deletes, for this run
    #[arg(long, value_name = "N")]
    max_deletes: Option<u32>,
    /// Instead of the policy's max_delete_percent, for this run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    max_delete_percent: Option<u8>,
}

#[derive(Debug, Args)]
struct Plan {
    /// The targets; all that have a retention policy unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Write the plan to a file too, for `prune apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 20 when the plan deletes something
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Args)]
struct Apply {
    /// The targets; all of the plan, or all that have a retention policy, unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// The plan to carry out
    #[arg(long, value_name = "FILE", required_unless_present = "yes", conflicts_with_all = ["max_deletes", "max_delete_percent"])]
    plan: Option<PathBuf>,
    /// Plan and apply in one step
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    limits: Limits,
}

impl Row for Item {
    const KIND: Kind = Kind::PrunePlan;
    const KEYS: &'static [&'static str] = &["id", "target", "created_at", "size_bytes", "verdict", "reasons"];
    const HEADINGS: &'static [&'static str] = &["ID", "CREATED (UTC)", "SIZE", "VERDICT", "REASONS"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Keep => "keep",
            Verdict::Remove => "remove",
            Verdict::Refused => "refused",
        };
        vec![
            self.id.clone(),
            self.created_at.map_or_else(|| "-".into(), units::time),
            self.size_bytes.map_or_else(|| "-".into(), units::bytes),
            verdict.into(),
            self.reasons.join("; "),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A snapshot that was to go.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pruned")]
pub(super) struct PrunedRow {
    /// The id of the snapshot.
    id: String,
    /// The target that it was a snapshot of.
    target: String,
    /// Bytes that it took up.
    size_bytes: Option<u64>,
    /// What became of it.
    result: Ended,
}

impl Row for PrunedRow {
    const KIND: Kind = Kind::PruneResult;
    const KEYS: &'static [&'static str] = &["id", "target", "size_bytes", "result"];
    const HEADINGS: &'static [&'static str] = &["SNAPSHOT", "SIZE", "RESULT"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let result = match self.result {
            Ended::Deleted => "deleted",
            Ended::Absent => "absent",
            Ended::Failed => "FAILED",
        };
        vec![self.id.clone(), self.size_bytes.map_or_else(|| "-".into(), units::bytes), result.into()]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// What planning gave: the plan of the targets that could be listed, and why the others could not.
struct Planning {
    plan: PlanFile,
    failures: Vec<Failure>,
}

impl Prune {
    pub(super) async fn run(&self, app: &App) -> u8 {
        match &self.verb {
            PruneVerb::Plan(plan) => plan.run(app).await,
            PruneVerb::Apply(apply) => apply.run(app).await,
        }
    }
}

impl Plan {
    async fn run(&self, app: &App) -> u8 {
        let planned = async {
            let config = app.load()?;
            app.looking(make_plan(app, &config, &self.targets, &self.limits)).await
        };
        let Planning { plan, mut failures } = match planned.await {
            Ok(planning) => planning,
            Err(failures) => return app.finish(&Outcome::<Item>::failed(failures)),
        };
        if let Some(path) = &self.out
            && let Err(error) = write_plan(path, &plan)
        {
            let message = format!("cannot write the plan to {}: {error}", path.display());
            failures.push(Failure { code: Code::PlanFile, ..Failure::new(ErrorKind::Failed, message) });
        }
        match show(app, &plan, &failures) {
            // Of the plan that was asked for there is nothing, however many targets are in it.
            PARTIAL if failures.iter().any(|failure| failure.code == Code::PlanFile) => 1,
            0 if self.exit_code && plan.removes() => DELETES,
            code => code,
        }
    }
}

/// Prints a plan as a table with its sums, or as its document.
fn show(app: &App, plan: &PlanFile, failures: &[Failure]) -> u8 {
    let failed = |entry: &&TargetEntry| failures.iter().any(|failure| failure.target.as_deref() == Some(&entry.target));
    let done = plan.targets.len() - plan.targets.iter().filter(failed).count();
    for entry in &plan.targets {
        let refused = entry.refused.iter().filter(|_| !failed(&entry));
        refused.for_each(|refused| {
            let message = format!("nothing may be deleted: {}; {}", refused.reason, refused.hint);
            app.report.warn_of(Some(&entry.target), &message);
        });
        entry.warnings.iter().for_each(|warning| app.report.warn_of(Some(&entry.target), warning));
    }
    if app.format == Format::Json {
        failures.iter().for_each(|failure| app.report.failure(failure));
        let text = serde_json::to_string_pretty(&plan.document(failures)).unwrap_or_default();
        let printed = app.print(format!("{text}\n").as_bytes());
        return if printed == 0 { exit_of(done, failures) } else { printed };
    }
    // Names are for piping on: only of what would go.
    let listed = |item: &&Item| app.format != Format::Name || item.verdict == Verdict::Remove;
    let items = plan.items.iter().filter(listed).cloned().collect();
    let code = app.finish(&Outcome { items, done, failures: failures.to_vec() });
    for entry in &plan.targets {
        let count =
            |verdict| plan.items.iter().filter(|item| item.target == entry.target && item.verdict == verdict).count();
        let (keep, remove, refused) = (count(Verdict::Keep), count(Verdict::Remove), count(Verdict::Refused));
        let bytes = match entry.remove_bytes {
            None => "of unknown size".to_owned(),
            Some(bytes) => units::bytes(bytes),
        };
        let message = format!("keep {keep}, remove {remove} ({bytes}), refused {refused}");
        app.report.info_of(Some(&entry.target), &message);
    }
    code
}

fn write_plan(path: &std::path::Path, plan: &PlanFile) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(&plan.document(&[]))?;
    std::fs::write(path, text + "\n")
}

/// Lists every target, and plans those whose list is whole.
async fn make_plan(app: &App, config: &Catalog, names: &[String], limits: &Limits) -> Result<Planning, Vec<Failure>> {
    let targets = with_policy(app, config, names)?;
    let planned: Vec<_> = stream::iter(targets)
        .map(|(target, policy)| async move {
            plan_target(config, target, policy, limits).await.map_err(|failure| failure.of(&target.name))
        })
        .buffered(CONCURRENCY)
        .collect()
        .await;
    let (mut made, mut failures) = (Vec::new(), Vec::new());
    for result in planned {
        match result {
            Ok(one) => made.push(one),
            Err(failure) => failures.push(failure),
        }
    }
    Ok(Planning { plan: PlanFile::new(made, app.now), failures })
}

/// The targets to prune with their policies. One that was named and has none is an error.
fn with_policy<'c>(
    app: &App,
    config: &'c Config,
    names: &[String],
) -> Result<Vec<(&'c Target, &'c Retention)>, Vec<Failure>> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for target in catalog::targets(config, names)? {
        match target.retention.as_ref().and_then(|name| config.retention.get(name)) {
            Some(policy) => found.push((target, policy)),
            None => without.push(target.name.to_string()),
        }
    }
    if !without.is_empty() && (!names.is_empty() || found.is_empty()) {
        let message = format!("without a retention policy nothing can be pruned: {}", without.join(", "));
        let failure = Failure { code: Code::Config, ..Failure::usage(message) };
        return Err(vec![failure.with_hint("set `retention` of the target, or in [defaults]")]);
    }
    for target in without {
        app.report.debug(&format!("{target}: has no retention policy"));
    }
    Ok(found)
}

async fn plan_target<'c>(
    config: &Catalog,
    target: &'c Target,
    policy: &'c Retention,
    limits: &Limits,
) -> Result<Made<'c>, Failure> {
    let opened = catalog::open(config, target).await?;
    let plan = plan_opened(&opened, policy, limits).await?;
    let warnings = target.cannot_meet(policy);
    let (target, config) = (target.name.as_str(), config_digest(config, target, policy));
    Ok(Made { target, config, plan, rules: rule_names(policy), warnings })
}

async fn plan_opened(opened: &Opened, policy: &Retention, limits: &Limits) -> Result<TargetPlan, Failure> {
    // What other accounts share is none of our business, and nothing of it holds us up.
    let listing = opened.list(ListScope::Own).await?;
    if let Some(problem) = listing.problems.into_iter().next() {
        return Err(problem.into());
    }
    let rules = Rules::of(policy, listing.clock_ahead)
        .ok_or_else(|| Failure::usage(format!("no time zone {:?}", policy.timezone)))?;
    let rules = Rules {
        max_deletes: limits.max_deletes.or(rules.max_deletes),
        max_delete_percent: limits.max_delete_percent.or(rules.max_delete_percent),
        ..rules
    };
    // Not when this process began: a snapshot made since then would be in the future.
    let now = Utc::now();
    Ok(plan::plan(&rules, plan::see(&listing.snapshots, now), now))
}

/// Names the settings that a plan was made for. Secrets are references here, never themselves.
fn config_digest(config: &Config, target: &Target, policy: &Retention) -> String {
    use sha2::{Digest, Sha256};
    let stores: Vec<_> = target.store.iter().map(|name| config.stores.get(name)).collect();
    let text = format!("{:?} {stores:?} {policy:?} {}", target.settings, config.base.display());
    crate::state::hex(&Sha256::digest(text)[..16])
}

/// Why nothing of a target may be deleted: all of it, so that no reason waits behind another.
fn refusals(entry: &TargetEntry) -> impl Iterator<Item = Failure> {
    entry.refused.iter().map(|refused| {
        let message = format!("{}: nothing was deleted: {}", entry.target, refused.reason);
        Failure::new(ErrorKind::Refused, message).with_hint(&refused.hint).of(&entry.target)
    })
}

/// Tells of the targets of which nothing can be deleted: why they could not be planned, or were refused.
fn tell_unplanned(app: &App, config: &Catalog, failures: &[Failure]) {
    for target in config.targets.values() {
        let of_target = |failure: &&Failure| failure.target.as_deref() == Some(target.name.as_str());
        let why: Vec<Failure> = failures.iter().filter(of_target).cloned().collect();
        if !why.is_empty() {
            app.telling(config, NotifiedAction::Prune, target).end(Some(Told::new::<PrunedRow>([], &why)));
        }
    }
}

impl Apply {
    async fn run(&self, app: &App) -> u8 {
        let planned = async {
            let config = app.load()?;
            let planning = match &self.plan {
                Some(path) => self.read_plan(path, &config).map_err(|failure| vec![failure])?,
                None => app.looking(make_plan(app, &config, &self.targets, &self.limits)).await?,
            };
            Ok::<_, Vec<Failure>>((config, planning))
        };
        let (config, Planning { plan, mut failures }) = match planned.await {
            Ok(planned) => planned,
            Err(failures) => return app.finish(&Outcome::<PrunedRow>::failed(failures)),
        };
        failures.extend(plan.targets.iter().flat_map(refusals));
        if app.mode == Mode::DryRun {
            return show(app, &plan, &failures);
        }
        tell_unplanned(app, &config, &failures);
        let mut outcome = Outcome::failed(failures);
        for entry in plan.targets.iter().filter(|entry| entry.refused.is_empty()) {
            let target = catalog::target(&config, &entry.target).ok();
            let telling = target.map(|target| app.telling(&config, NotifiedAction::Prune, target));
            let (items, failures) = (outcome.items.len(), outcome.failures.len());
            apply_target(app, &config, &plan, &entry.target, &mut outcome).await;
            if let Some(telling) = telling {
                telling.end(Some(Told::new(&outcome.items[items..], &outcome.failures[failures..])));
            }
        }
        let code = app.finish(&outcome);
        config.notices().flush().await;
        code
    }

    /// Reads the plan file, and keeps the targets that are asked for.
    fn read_plan(&self, path: &std::path::Path, config: &Config) -> Result<Planning, Failure> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Failure {
            code: Code::Plan,
            ..Failure::usage(format!("cannot read the plan {shown}: {error}"))
        })?;
        let mut plan = PlanFile::parse(&text, &shown)?;
        let other = |target: &str, what: &str| {
            let message = format!("{shown} is a plan of another config: {what} {target}; nothing was deleted");
            Failure::new(ErrorKind::Refused, message)
                .with_hint("make a new plan: `snapkeep prune plan --out FILE`")
                .of(target)
        };
        for entry in &plan.targets {
            let target =
                catalog::target(config, &entry.target).map_err(|_| other(&entry.target, "this one has no target"))?;
            let policy = target.retention.as_ref().and_then(|name| config.retention.get(name));
            if policy.is_none_or(|policy| config_digest(config, target, policy) != entry.config) {
                return Err(other(&entry.target, "it has other settings or another policy for"));
            }
        }
        if let Some(name) = self.targets.iter().find(|name| !plan.targets.iter().any(|entry| entry.target == **name)) {
            let failure = Failure::usage(format!("{shown} has no target {name:?}"));
            return Err(Failure { code: Code::UnknownTarget, ..failure }.of(name));
        }
        if !self.targets.is_empty() {
            plan.targets.retain(|entry| self.targets.contains(&entry.target));
            plan.items.retain(|item| self.targets.contains(&item.target));
        }
        Ok(Planning { plan, failures: Vec::new() })
    }
}

/// Plans and applies at once for one target, and gives how many snapshots it deleted. Nothing is done to one without a policy.
pub(super) async fn apply_now(app: &App, config: &Catalog, target: &Target) -> (u64, Vec<Failure>) {
    let Some(policy) = target.retention.as_ref().and_then(|name| config.retention.get(name)) else {
        app.report.debug(&format!("{}: has no retention policy", target.name));
        return (0, Vec::new());
    };
    let telling = app.telling(config, NotifiedAction::Prune, target);
    let mut outcome = Outcome::<PrunedRow>::new();
    match app.asking(plan_target(config, target, policy, &Limits::default())).await {
        Err(failure) => outcome.failures.push(failure),
        Ok(made) => {
            let plan = PlanFile::new(vec![made], app.now);
            outcome.failures.extend(plan.targets.iter().flat_map(refusals));
            if outcome.failures.is_empty() {
                apply_target(app, config, &plan, target.name.as_str(), &mut outcome).await;
            }
        }
    }
    telling.end(Some(Told::new(&outcome.items, &outcome.failures)));
    let deleted = outcome.items.iter().filter(|row| row.result == Ended::Deleted).count();
    (deleted as u64, outcome.failures)
}

async fn apply_target(app: &App, config: &Catalog, plan: &PlanFile, name: &str, outcome: &mut Outcome<PrunedRow>) {
    let prepared = async {
        let target = catalog::target(config, name)?;
        let opened = app.asking(catalog::open(config, target)).await?;
        let policy = target.retention.as_ref().and_then(|name| config.retention.get(name));
        let policy = policy.ok_or_else(|| Failure::usage("it has no retention policy"))?;
        let planned = plan.planned(name).ok_or_else(|| Failure::usage("the plan names what can't be a snapshot"))?;
        let (task, run) = app.run(name, "prune");
        let lock = opened.lock("prune apply", run.cancel.clone()).await?;
        Ok::<_, Failure>((opened, policy, planned, task, run, lock))
    };
    let (opened, policy, planned, _task, run, lock) = match prepared.await {
        Ok(prepared) => prepared,
        Err(failure) => return outcome.failures.push(failure.of(name)),
    };
    let applied = apply::apply(&opened, policy, &plan.digest, &planned, &lock, &run, &Utc::now).await;
    lock.release().await;
    let removed = applied.deleted.iter().filter(|deleted| deleted.ended == Ended::Deleted).count();
    if removed > 0 || applied.swept > 0 {
        let swept = if applied.swept > 0 { format!(", swept {} unfinished", applied.swept) } else { String::new() };
        app.report.info_of(Some(name), &format!("deleted {removed}{swept}"));
    } else if applied.failures.is_empty() {
        app.report.info_of(Some(name), "nothing to delete");
    }
    // A target in which something could not be deleted is half done: 3, never the code of a single failure.
    outcome.done += usize::from(!applied.deleted.is_empty() || applied.failures.is_empty());
    outcome.failures.extend(applied.failures.into_iter().map(|failure| app.or_lock_lost(failure)));
    outcome.items.extend(applied.deleted.into_iter().map(|deleted| PrunedRow {
        id: format!("{name}/{}", deleted.native),
        target: name.to_owned(),
        size_bytes: deleted.size_bytes,
        result: deleted.ended,
    }));
}
