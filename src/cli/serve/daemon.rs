//! The scheduler: begins what is due, when there is a turn for it, and plans what comes next.
//!
//! What is due is decided by the state that all who share it read; what is planned here is only when to look. So nothing is lost
//! with a process, and nothing is done twice by two.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt, stream};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::TargetName;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::duty::{Duty, Task};
use super::line::Line;
use crate::budget::{Budget, account};
use crate::catalog;
use crate::cli::pass::{Occasion, Pass, Passed};
use crate::cli::{App, Out};
use crate::config::Target;
use crate::failure::Failure;
use crate::history;
use crate::report::Report;
use crate::schedule::{Turn, Watch};
use crate::{retry, standing, units};

/// How soon a run that another process is at is looked at again.
const ELSEWHERE: TimeDelta = TimeDelta::seconds(15);
/// The longest sleep: the clock may be set, and a machine may have slept.
const NAP: Duration = Duration::from_secs(30);
/// How many targets are looked at at once that are not known yet.
const LOOKING: usize = 4;
/// How many places are looked at at once for what was missed.
const CATCHING_UP: usize = 8;

/// The scheduler of one process.
pub(super) struct Daemon {
    app: App,
    began: DateTime<Utc>,
    board: Arc<Board>,
    duty: Arc<Duty>,
    line: Line,
    /// What is known of the due moment that is at hand, by place.
    at_hand: Vec<AtHand>,
    budget: Arc<Budget>,
    running: JoinSet<Ended>,
    missed: (mpsc::UnboundedSender<Missed>, mpsc::UnboundedReceiver<Missed>),
    /// What is done beside the runs, by the config of now.
    beside: JoinSet<()>,
    stop: Stop,
}

/// Who is told to stop, and when.
#[derive(Clone, Debug)]
struct Stop {
    /// What a cloud does goes on without us: at once.
    clouds: CancellationToken,
    /// A dump would be lost: after a while.
    dumps: CancellationToken,
}

/// The generation of a config, a place of its that has missed a run, and when to make up for it.
type Missed = (u64, usize, DateTime<Utc>);

/// A due moment from its start until it is settled, as far as this process has to do with it.
#[derive(Clone, Copy, Debug)]
struct AtHand {
    /// When its start was noticed.
    noticed: Option<DateTime<Utc>>,
    /// Which try comes next of those that end before anything is written down.
    attempt: u32,
}

const NOTHING: AtHand = AtHand { noticed: None, attempt: 1 };

/// A run that has ended, or a look that found none.
#[derive(Debug)]
struct Ended {
    generation: u64,
    place: usize,
    /// When it got its turn.
    began: DateTime<Utc>,
    late: TimeDelta,
    passed: Result<Passed, Failure>,
}

impl Daemon {
    pub(super) fn new(app: &App, board: Arc<Board>) -> Self {
        let duty = board.duty();
        let settings = &duty.catalog.serve;
        let budget = Arc::new(Budget::new(settings.max_concurrent(), settings.max_per_account()));
        let stop = Stop { clouds: CancellationToken::new(), dumps: CancellationToken::new() };
        let began = Utc::now();
        let mut daemon = Self {
            began,
            app: App { out: Out::Nowhere, ..app.clone() },
            board,
            line: Line::default(),
            at_hand: Vec::new(),
            duty,
            budget,
            running: JoinSet::new(),
            missed: mpsc::unbounded_channel(),
            beside: JoinSet::new(),
            stop,
        };
        daemon.plan_all(None);
        daemon
    }

    /// Works until it is told to stop, and then until what it has begun has ended.
    pub(super) async fn work(mut self) {
        let (cancel, reloads) = (self.app.cancel.clone(), self.app.reloads.clone().unwrap_or_default());
        while !cancel.is_cancelled() {
            let now = Utc::now();
            self.board.alive(now);
            while let Some((place, at)) = self.line.take(now) {
                self.begin(place, at);
            }
            let nap = self.line.next().and_then(|next| (next - now).to_std().ok()).unwrap_or(NAP).min(NAP);
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = reloads.notified() => self.reload().await,
                Some(ended) = self.running.join_next() => self.ended(ended),
                Some((generation, place, at)) = self.missed.1.recv() => {
                    if generation == self.duty.generation {
                        self.at_hand[place].noticed.get_or_insert(self.began);
                        self.line.hasten(place, at);
                    }
                }
                () = tokio::time::sleep(nap) => {}
            }
        }
        self.wind_up().await;
    }

    /// Begins nothing any more. What a cloud does is left to it; dumps may end, for a while.
    async fn wind_up(mut self) {
        self.board.stops();
        self.beside.abort_all();
        self.stop.clouds.cancel();
        let grace = tokio::time::sleep(self.duty.catalog.serve.grace());
        tokio::pin!(grace);
        loop {
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(ended) => self.ended(ended),
                    None => break,
                },
                () = &mut grace, if !self.stop.dumps.is_cancelled() => self.stop.dumps.cancel(),
            }
        }
        self.duty.catalog.notices().flush().await;
    }

    /// Plans the next start of every place; in the background it looks for what was missed, and at the targets that `before`
    /// knew otherwise.
    fn plan_all(&mut self, before: Option<&Duty>) {
        let (duty, now, began) = (self.duty.clone(), Utc::now(), self.began);
        self.line = Line::new(duty.places());
        self.at_hand = vec![NOTHING; duty.places()];
        for place in 0..duty.places() {
            self.plan_next(place, now);
        }
        self.beside.abort_all();
        let news = before.map(|before| duty.news(before)).unwrap_or_default();
        self.beside.spawn(look_around(self.app.clone(), self.board.clone(), duty.clone(), news));
        let (app, found) = (self.app.clone(), self.missed.0.clone());
        self.beside.spawn(async move {
            let duty = &duty;
            let look = |place| {
                let (app, found) = (&app, &found);
                async move {
                    let Some(task) = duty.task(place) else { return };
                    // Who can't read the state is told when the run is due.
                    if let Ok(Some(at)) = missed(app, duty, task, began).await {
                        let _ = found.send((duty.generation, place, at));
                    }
                }
            };
            stream::iter(0..duty.places()).for_each_concurrent(CATCHING_UP, look).await;
        });
    }

    /// Plans the first start after `after`.
    fn plan_next(&mut self, place: usize, after: DateTime<Utc>) {
        self.at_hand[place] = NOTHING;
        let next = self.duty.task(place).and_then(|task| task.timetable.next_start(after, &task.target.name));
        if let Some(next) = next {
            self.line.plan(place, next);
        }
    }

    fn begin(&mut self, place: usize, planned: DateTime<Utc>) {
        let (app, board, duty) = (self.app.clone(), self.board.clone(), self.duty.clone());
        let (budget, stop) = (self.budget.clone(), self.stop.clone());
        let noticed = *self.at_hand[place].noticed.get_or_insert_with(Utc::now);
        self.running.spawn(async move {
            let generation = duty.generation;
            let ended =
                |began: DateTime<Utc>, passed| Ended { generation, place, began, late: began - planned, passed };
            let Some(task) = duty.task(place) else { return ended(planned, Ok(Passed::NotDue)) };
            let account = account(&task.target.settings);
            let turn = tokio::select! {
                biased;
                () = stop.clouds.cancelled() => return ended(planned, Ok(Passed::NotDue)),
                turn = budget.turn(&account) => turn,
            };
            let (began, working) = (Utc::now(), board.working());
            let cancel = if task.target.settings.is_dump() { &stop.dumps } else { &stop.clouds };
            let app = App { cancel: cancel.clone(), now: began, ..app };
            let work = async {
                let passed = pass(&app, &duty, task, noticed).await;
                if !matches!(&passed, Err(failure) if failure.kind == ErrorKind::Locked) && !stop.clouds.is_cancelled()
                {
                    board.looked(Box::pin(standing::look(&duty.catalog, task.target)).await);
                }
                passed
            };
            // A future of this size for each of those that wait would be much. One that panics is one that failed: its place is
            // planned again, and the others go on.
            let passed = AssertUnwindSafe(Box::pin(work)).catch_unwind().await;
            let passed = passed.unwrap_or_else(|_| {
                let message = format!("{} ended by a defect of snapkeep", task.name);
                Err(Failure::new(ErrorKind::Failed, message)
                    .with_hint("report it, with what was printed before")
                    .of(&task.target.name))
            });
            drop((turn, working));
            ended(began, passed)
        });
    }

    /// Tells what became of a run, and plans the next.
    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            // Nothing panics around the work, and nobody aborts it.
            Err(_) => return,
        };
        let failure = match &ended.passed {
            Ok(Passed::NotDue | Passed::Later(_)) => None,
            Ok(Passed::Ran(ran)) => ran.failure.as_ref(),
            Err(failure) => Some(failure),
        };
        if ended.generation != self.duty.generation {
            // Its place is planned by the new config; what went wrong is told all the same.
            let has_failed = |failure: &&Failure| failure.kind != ErrorKind::Locked && !failure.is_interruption();
            return failure.filter(has_failed).iter().for_each(|failure| self.app.report.failure(failure));
        }
        let duty = self.duty.clone();
        let Some(task) = duty.task(ended.place) else { return };
        let (now, at_hand) = (Utc::now(), self.at_hand[ended.place]);
        match &ended.passed {
            Ok(Passed::NotDue | Passed::Later(_)) => {}
            // It was stopped, or lost its lock: it has failed at nothing, and is still due.
            _ if failure.is_some_and(Failure::is_interruption) => {
                let (target, name) = (&task.target.name, task.name);
                self.app.report.info(&format!("{target}: {name} was cut off; who runs next goes on with it"));
                return self.line.plan(ended.place, now + ELSEWHERE);
            }
            // Another process is at it.
            Err(failure) if failure.kind == ErrorKind::Locked => {
                return self.line.plan(ended.place, now + ELSEWHERE);
            }
            Ok(Passed::Ran(_)) | Err(_) => {
                self.board.ran((task.target.name.clone(), task.name.to_owned()), failure.is_none(), ended.late);
            }
        }
        let again = match &ended.passed {
            Ok(Passed::NotDue) => None,
            Ok(Passed::Later(at)) => Some(*at),
            Ok(Passed::Ran(ran)) => ran.again,
            Err(failure) => retry::pause(at_hand.attempt, failure).map(|pause| now + pause),
        };
        failure.iter().for_each(|failure| self.app.report.failure(failure));
        self.plan_next(ended.place, ended.began);
        // What is due anew comes before another try.
        if let Some(at) = again
            && self.line.planned(ended.place).is_none_or(|next| at < next)
        {
            self.line.plan(ended.place, at);
            self.at_hand[ended.place] = AtHand { attempt: at_hand.attempt + 1, ..at_hand };
            if failure.is_some() {
                let (target, at) = (&task.target.name, units::time(at));
                self.app.report.info(&format!("{target}: {} is tried again at {at} UTC", task.name));
            }
        }
    }

    /// Reads the config again. One that has a problem is refused, and the old one kept.
    async fn reload(&mut self) {
        let now = Utc::now();
        match self.app.load() {
            Err(failures) => {
                failures.iter().for_each(|failure| self.app.report.failure(failure));
                self.app.report.warn("the config is refused; the one before stays");
                self.board.not_reloaded(now);
            }
            Ok(catalog) => {
                let duty = Arc::new(Duty::of(catalog, self.duty.generation + 1, now));
                tell_kept(&self.app.report, &self.duty, &duty);
                let before = std::mem::replace(&mut self.duty, duty.clone());
                let settings = &duty.catalog.serve;
                self.budget = Arc::new(Budget::new(settings.max_concurrent(), settings.max_per_account()));
                self.board.reloaded(duty, now);
                self.plan_all(Some(&before));
                tell_duty(&self.app.report, &self.duty);
                // What it had to tell is not held up by anybody who doesn't listen.
                tokio::spawn(async move { before.catalog.notices().flush().await });
            }
        }
    }
}

/// One run of a place, if it is due.
async fn pass(app: &App, duty: &Duty, task: Task<'_>, noticed: DateTime<Utc>) -> Result<Passed, Failure> {
    let Task { name, schedule, timetable, target } = task;
    let occasion = Occasion::Due { timetable, watch: Watch { since: duty.since, noticed } };
    let pass = Pass { app, config: &duty.catalog, target, name, schedule, occasion };
    pass.run().await.map_err(|failure| failure.of(&target.name))
}

/// When a run that a place has missed is to be made up for; `None` where it has missed none. What is to be skipped is settled,
/// and so is what was due before the place was first seen by this rule: from then on it is known what was missed. What was due
/// since this process began was noticed.
async fn missed(
    app: &App,
    duty: &Duty,
    task: Task<'_>,
    began: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Task { name, timetable, target, .. } = task;
    let opened = app.asking(catalog::open(&duty.catalog, target)).await?;
    let known = app.asking(history::of(&opened.scope, name)).await?;
    let (now, rule) = (Utc::now(), timetable.rule());
    let turn = timetable.turn(known.past(), Watch { since: duty.since, noticed: began }, now, &target.name);
    let skipped = if let Turn::Skip(due) = turn { Some(due) } else { None };
    // What is to run has that written down by its run.
    if skipped.is_some() || turn == Turn::Wait && known.rule.as_ref() != Some(&rule) {
        history::change(&opened.scope, name, |history| {
            skipped.into_iter().for_each(|due| history.settle(due));
            history.rule = Some(rule.clone());
        })
        .await?;
    }
    Ok(match turn {
        Turn::Wait | Turn::Skip(_) => None,
        Turn::Later(at) => Some(at),
        Turn::Run(_) => Some(now),
    })
}

/// Looks at every target from time to time: at all that are not known yet, or otherwise, at once; at the others one after the other.
async fn look_around(app: App, board: Arc<Board>, duty: Arc<Duty>, news: BTreeSet<TargetName>) {
    let every = duty.catalog.serve.look_every();
    let look = |target| {
        let (app, board, duty) = (&app, &board, &duty);
        async move { look_at(app, board, duty, target).await }
    };
    let is_new = |target: &&Target| news.contains(&target.name) || board.standing(target.name.as_str()).is_none();
    stream::iter(duty.catalog.targets.values().filter(is_new)).for_each_concurrent(LOOKING, look).await;
    let pause = every / u32::try_from(duty.catalog.targets.len().max(1)).unwrap_or(u32::MAX);
    loop {
        for target in duty.catalog.targets.values() {
            tokio::time::sleep(pause).await;
            look(target).await;
        }
        if duty.catalog.targets.is_empty() {
            return;
        }
    }
}

async fn look_at(app: &App, board: &Board, duty: &Duty, target: &Target) {
    board.looked(Box::pin(standing::look(&duty.catalog, target)).await);
    let asked = async {
        let opened = catalog::open(&duty.catalog, target).await?;
        Ok(opened.provider.quotas().await?)
    };
    match app.asking(asked).await {
        Ok(quotas) if quotas.is_empty() => {}
        Ok(quotas) => board.asked(&target.name, quotas),
        // Who may not read them is told by `doctor`.
        Err(failure) => app.report.debug(&failure.message),
    }
}

/// What is done by a config.
pub(super) fn tell_duty(report: &Report, duty: &Duty) {
    let (targets, schedules) = (duty.catalog.targets.len(), duty.catalog.schedules.len());
    report.info(&format!("serves {schedules} schedules for {targets} targets, {} runs to plan", duty.places()));
    if duty.places() == 0 {
        report.warn("no schedule has a target: nothing will ever run");
    }
}

/// What of a new config takes a new process.
fn tell_kept(report: &Report, before: &Duty, after: &Duty) {
    let listens = |duty: &Duty| (duty.catalog.serve.listen, duty.catalog.serve.bearer_token.clone());
    if listens(before) != listens(after) {
        report.warn("[serve] listen and bearer_token stay as they were until it is started anew");
    }
}
