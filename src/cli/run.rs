//! `snapkeep run`: one pass of a schedule, now.

use chrono::{DateTime, Utc};
use clap::Args;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;

use super::pass::{Occasion, Pass, Passed, Ran};
use super::{App, Mode, Outcome};
use crate::budget::{Budget, account};
use crate::catalog::Catalog;
use crate::config::{Schedule, Target, nearest};
use crate::failure::{Code, Failure};
use crate::history::Run;
use crate::render::{Kind, Row};
use crate::schedule::{self, Shard};
use crate::units;

/// How many targets may stand in line at once.
const QUEUE: usize = 1000;

/// Do now what a schedule does, once, to all its targets: for cron, systemd timers and Kubernetes
#[derive(Debug, Args)]
pub(super) struct RunSchedule {
    /// The schedule
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
    /// Only the targets of share I of N, counted from 0; together the shares have every target once
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Names this pass: one with the same key goes on with it, and makes no second snapshot
    #[arg(long, value_name = "KEY", value_parser = super::create::key)]
    key: Option<String>,
}

/// What a run on one target came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduledRun")]
pub(super) struct RunRow {
    /// The target.
    pub(super) target: String,
    /// The schedule.
    pub(super) schedule: String,
    #[serde(flatten)]
    pub(super) run: Run,
}

impl Row for RunRow {
    const KIND: Kind = Kind::RunList;
    const KEYS: &'static [&'static str] = &[
        "target",
        "schedule",
        "due",
        "begun_at",
        "ended_at",
        "host",
        "attempt",
        "snapshot",
        "size_bytes",
        "deleted",
        "error",
    ];
    const HEADINGS: &'static [&'static str] = &["TARGET", "RESULT", "TOOK", "SNAPSHOT", "SIZE", "DELETED"];

    fn cells(&self, _: DateTime<Utc>) -> Vec<String> {
        let run = &self.run;
        let result = run.error.as_ref().map_or_else(|| "done".to_owned(), |error| format!("FAILED: {}", error.code));
        vec![
            self.target.clone(),
            result,
            units::duration(run.ended_at - run.begun_at),
            run.snapshot.as_deref().unwrap_or("-").into(),
            run.size_bytes.map_or_else(|| "-".into(), units::bytes),
            run.deleted.to_string(),
        ]
    }

    fn name(&self) -> String {
        self.target.clone()
    }
}

impl RunSchedule {
    pub(super) async fn run(&self, app: &App) -> u8 {
        let config = match app.load() {
            Ok(config) => config,
            Err(failures) => return app.finish(&Outcome::<RunRow>::failed(failures)),
        };
        let schedule = match self.schedule(&config) {
            Ok(schedule) => schedule,
            Err(failure) => return app.finish(&Outcome::<RunRow>::failed(vec![failure])),
        };
        let mut targets = schedule::targets(&config, schedule);
        targets.retain(|target| self.shard.is_none_or(|shard| shard.holds(&target.name)));
        if app.mode == Mode::DryRun {
            return self.tell_intent(app, schedule, &targets);
        }
        if targets.is_empty() {
            app.report.info(&format!("{}: there is no target in it, nothing to do", self.schedule));
        }
        let outcome = self.pass(app, &config, schedule, targets).await;
        let code = app.finish(&outcome);
        config.notices().flush().await;
        code
    }

    fn schedule<'c>(&self, config: &'c Catalog) -> Result<&'c Schedule, Failure> {
        config.schedules.get(&self.schedule).ok_or_else(|| {
            let names = config.schedules.keys().map(String::as_str);
            let hint = match nearest(&self.schedule, names.clone()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if config.schedules.is_empty() => "add one to the config: [schedules.nightly]".to_owned(),
                None => format!("there is: {}", names.collect::<Vec<_>>().join(", ")),
            };
            let file = config.path.display();
            let failure = Failure::usage(format!("there is no schedule {:?} in {file}", self.schedule));
            Failure { code: Code::UnknownSchedule, ..failure }.with_hint(hint)
        })
    }

    async fn pass(&self, app: &App, config: &Catalog, schedule: &Schedule, targets: Vec<&Target>) -> Outcome<RunRow> {
        let budget = Budget::new(config.serve.max_concurrent(), config.serve.max_per_account());
        let (budget, occasion) = (&budget, Occasion::Asked(self.key.as_deref()));
        let passes = stream::iter(targets).map(|target| async move {
            let turn = app.asking(async { Ok(budget.turn(&account(&target.settings)).await) }).await;
            let _turn = turn.map_err(|failure| failure.of(&target.name))?;
            let (pass, begun_at) = (Pass { app, config, target, name: &self.schedule, schedule, occasion }, Utc::now());
            // A future of this size for each of those that wait would be much.
            let passed = Box::pin(pass.run()).await.map_err(|failure| app.or_lock_lost(failure).of(&target.name));
            Ok((target, begun_at, passed))
        });
        let passed: Vec<Result<_, Failure>> = passes.buffered(QUEUE).collect().await;
        let mut outcome = Outcome::new();
        for result in passed {
            let (target, run, failure) = match result {
                // Its turn never came.
                Err(failure) => {
                    outcome.failures.push(failure);
                    continue;
                }
                Ok((target, begun_at, Err(failure) | Ok(Passed::Elsewhere(failure)))) => {
                    (target, Run::unwritten(begun_at, 1, &failure), Some(failure))
                }
                Ok((target, _, Ok(Passed::Ran(ran)))) => {
                    let Ran { run, failure, .. } = *ran;
                    (target, run, failure.map(|failure| app.or_lock_lost(failure)))
                }
                Ok((_, _, Ok(Passed::NotDue | Passed::Later(_)))) => {
                    outcome.done += 1;
                    continue;
                }
            };
            outcome.done += usize::from(failure.is_none());
            outcome.failures.extend(failure);
            outcome.items.push(RunRow { target: target.name.to_string(), schedule: self.schedule.clone(), run });
        }
        outcome
    }

    fn tell_intent(&self, app: &App, schedule: &Schedule, targets: &[&Target]) -> u8 {
        let actions: Vec<&str> = schedule.actions.iter().map(|action| action.word()).collect();
        for target in targets {
            app.report.info_of(Some(target.name.as_str()), &format!("would {}", actions.join(", ")));
        }
        app.finish(&Outcome::<RunRow> { done: targets.len(), ..Outcome::new() })
    }
}
