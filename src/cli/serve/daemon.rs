//! The scheduler: begins what is due, when there is a turn for it, and plans what comes next.
//!
//! What is due is decided by the state that all who share it read; what is planned here is only when to look. So nothing is lost
//! with a process, and nothing is done twice by two.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt, stream};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::secret::SecretRef;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Pair};
use super::duty::{Duty, Task};
use super::line::Line;
use crate::budget::{Budget, account};
use crate::catalog;
use crate::cli::pass::{Occasion, Pass, Passed};
use crate::cli::{App, Out};
use crate::config::{Listen, Target};
use crate::failure::Failure;
use crate::history::{self, History, Run};
use crate::report::Report;
use crate::schedule::{self, Turn, Watch};
use crate::{retry, standing, units};

/// How soon a run that another process is at is looked at again.
const ELSEWHERE: TimeDelta = TimeDelta::seconds(15);
/// The longest sleep: the clock may be set, and a machine may have slept.
const NAP: Duration = Duration::from_secs(30);
/// How many targets are looked at at once.
const LOOKING: usize = 4;
/// How often a config that was replaced is looked at, whether a run goes by it still.
const RETIRING: Duration = Duration::from_secs(1);
/// How often those who are in trouble are looked at.
const TROUBLE: Duration = Duration::from_secs(60);
/// The pause after each of them.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(300);
/// How many places are looked at at once for what was missed.
const CATCHING_UP: usize = 8;

/// The scheduler of one process.
pub(super) struct Daemon {
    app: App,
    began: DateTime<Utc>,
    taken_once: (Listen, Option<SecretRef>),
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
    /// Configs that were replaced, until what was begun by them has ended and is told.
    retired: JoinSet<()>,
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

/// A run that is to begin, by the config that planned it.
struct Worker {
    app: App,
    board: Arc<Board>,
    stop: Stop,
    duty: Arc<Duty>,
    place: usize,
    /// When its start was noticed.
    noticed: DateTime<Utc>,
    /// Which try it is of those that end before anything is written down.
    attempt: u32,
}

/// A run that has ended, or a look that found none.
#[derive(Debug)]
struct Ended {
    duty: Arc<Duty>,
    place: usize,
    /// When it got its turn.
    began: DateTime<Utc>,
    late: TimeDelta,
    passed: Result<Passed, Failure>,
}

impl Daemon {
    pub(super) fn new(app: &App, board: Arc<Board>) -> Self {
        let duty = board.duty();
        let budget = Arc::new(budget(&duty));
        let stop = Stop { clouds: CancellationToken::new(), dumps: CancellationToken::new() };
        let began = Utc::now();
        let mut daemon = Self {
            began,
            taken_once: taken_once(&duty),
            app: App { out: Out::Nowhere, takes_up: true, ..app.clone() },
            board,
            line: Line::default(),
            at_hand: Vec::new(),
            duty,
            budget,
            running: JoinSet::new(),
            missed: mpsc::unbounded_channel(),
            beside: JoinSet::new(),
            retired: JoinSet::new(),
            stop,
        };
        daemon.plan_all(None);
        daemon
    }

    /// Works until it is told to stop, and then until what it has begun has ended.
    pub(super) async fn work(mut self) {
        let (cancel, reloads) = (self.app.cancel.clone(), self.app.reloads.clone().unwrap_or_default());
        let mut last = Utc::now();
        while !cancel.is_cancelled() {
            let now = Utc::now();
            // What was planned by the clock as it was lies too far ahead.
            if now < last - schedule::LATE {
                self.app.report.warn("the clock was set back");
                self.began = now;
                self.plan_all(None);
                self.reload().await;
            }
            last = now;
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
                    if generation == self.duty.generation && self.line.hasten(place, at) {
                        self.at_hand[place].noticed.get_or_insert(self.began);
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
        let (duty, mut retired) = (self.duty, self.retired);
        tokio::join!(duty.catalog.notices().flush(), async { while retired.join_next().await.is_some() {} });
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
        // What was there is aborted.
        self.beside = JoinSet::new();
        self.board.out_of_date(before.map(|before| duty.news(before)).unwrap_or_default());
        self.beside.spawn(look_around(self.app.clone(), self.board.clone(), duty.clone()));
        self.beside.spawn(look_at_trouble(self.board.clone(), duty.clone()));
        let (app, found) = (self.app.clone(), self.missed.0.clone());
        self.beside.spawn(async move {
            let duty = &duty;
            let look = |place| {
                let (app, found) = (&app, &found);
                async move {
                    let Some(task) = duty.task(place) else { return };
                    let at = match missed(app, duty, task, began).await {
                        Ok(at) => at,
                        // Its run says so, and tries on.
                        Err(failure) => retry::is_worth_it(&failure).then(Utc::now),
                    };
                    at.into_iter().for_each(|at| _ = found.send((duty.generation, place, at)));
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
        let at_hand = &mut self.at_hand[place];
        let (noticed, attempt) = (*at_hand.noticed.get_or_insert_with(Utc::now), at_hand.attempt);
        let (app, board, stop) = (self.app.clone(), self.board.clone(), self.stop.clone());
        let worker = Worker { app, board, stop, duty: self.duty.clone(), place, noticed, attempt };
        let budget = self.budget.clone();
        self.running.spawn(async move {
            let (began, passed) = worker.begin(&budget).await;
            Ended { duty: worker.duty, place, began, late: began - planned, passed }
        });
    }

    /// Tells what became of a run, and plans the next.
    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // Nothing panics around the work, and nobody aborts it.
        let Ok(ended) = ended else { return };
        let Some(task) = ended.duty.task(ended.place) else { return };
        let failure = ended.failure();
        self.count(&ended, &task.pair());
        let told = failure.filter(|failure| !failure.is_put_off());
        told.iter().for_each(|failure| self.app.report.failure(failure));
        // Otherwise its place is planned by the config of now.
        if ended.duty.generation != self.duty.generation {
            return;
        }
        let soon = Utc::now() + ELSEWHERE;
        match (&ended.passed, failure.filter(|failure| failure.is_put_off())) {
            (Ok(Passed::Elsewhere(_)), _) => self.line.plan(ended.place, soon),
            (_, Some(put_off)) => {
                if put_off.is_interruption() {
                    let (target, name) = (&task.target.name, task.name);
                    let message = format!("{name} was cut off; who runs next goes on with it");
                    self.app.report.info_of(Some(target.as_str()), &message);
                }
                self.line.plan(ended.place, soon);
            }
            (_, None) => self.plan_after(&ended, task),
        }
    }

    /// Remembers for who asks that a run has ended.
    fn count(&self, ended: &Ended, pair: &Pair) {
        if matches!(ended.passed, Ok(Passed::Elsewhere(_))) && ended.duty.generation == self.duty.generation {
            return self.board.goes_on_elsewhere(pair.clone());
        }
        self.board.rests(pair);
        match (&ended.passed, ended.failure()) {
            (Ok(Passed::NotDue | Passed::Later(_) | Passed::Elsewhere(_)), _) => {}
            (_, Some(failure)) if failure.is_put_off() => {}
            (Ok(Passed::Ran(_)) | Err(_), failure) => self.board.ran(pair, failure.is_none(), ended.late),
        }
    }

    /// Plans what comes after a run: another try, or what is due anew, whichever comes first.
    fn plan_after(&mut self, ended: &Ended, task: Task<'_>) {
        let at_hand = self.at_hand[ended.place];
        let (again, attempt) = match &ended.passed {
            Ok(Passed::NotDue | Passed::Elsewhere(_)) => (None, at_hand.attempt),
            Ok(Passed::Later(at)) => (Some(*at), at_hand.attempt),
            Ok(Passed::Ran(ran)) => (ran.again, at_hand.attempt),
            Err(failure) => {
                let pause = retry::pause_unwritten(at_hand.attempt, failure);
                (pause.map(|pause| Utc::now() + pause), at_hand.attempt.saturating_add(1))
            }
        };
        self.plan_next(ended.place, ended.began.min(Utc::now()));
        if let Some(at) = again
            && self.line.planned(ended.place).is_none_or(|next| at < next)
        {
            self.line.plan(ended.place, at);
            self.at_hand[ended.place] = AtHand { attempt, ..at_hand };
            if ended.failure().is_some() {
                let (target, at) = (&task.target.name, units::time(at));
                let message = format!("{} is tried again at {at} UTC", task.name);
                self.app.report.info_of(Some(target.as_str()), &message);
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
                let duty = Arc::new(Duty::after(&self.duty, catalog, now));
                if taken_once(&duty) != self.taken_once {
                    self.app.report.warn("[serve] listen and bearer_token stay as they were until it is started anew");
                }
                let before = std::mem::replace(&mut self.duty, duty.clone());
                if limits(&duty) != limits(&before) {
                    self.budget = Arc::new(budget(&duty));
                }
                self.board.reloaded(&duty, now);
                self.plan_all(Some(&before));
                tell_duty(&self.app.report, &self.duty);
                while self.retired.try_join_next().is_some() {}
                self.retired.spawn(retire(before));
            }
        }
    }
}

impl Ended {
    fn failure(&self) -> Option<&Failure> {
        match &self.passed {
            Ok(Passed::NotDue | Passed::Later(_) | Passed::Elsewhere(_)) => None,
            Ok(Passed::Ran(ran)) => ran.failure.as_ref(),
            Err(failure) => Some(failure),
        }
    }
}

impl Worker {
    /// Waits for a turn, and runs what is due then. Gives when it got its turn.
    async fn begin(&self, budget: &Budget) -> (DateTime<Utc>, Result<Passed, Failure>) {
        let Some(task) = self.duty.task(self.place) else { return (self.noticed, Ok(Passed::NotDue)) };
        let account = account(&task.target.settings);
        let turn = tokio::select! {
            biased;
            () = self.stop.clouds.cancelled() => return (self.noticed, Ok(Passed::NotDue)),
            turn = budget.turn(&account) => turn,
        };
        // Another config has planned it anew.
        if self.board.duty().generation != self.duty.generation {
            return (self.noticed, Ok(Passed::NotDue));
        }
        let (began, working) = (Utc::now(), self.board.working(task.pair()));
        // A future of this size for each of those that wait would be much. One that panics is one that failed: its place is
        // planned again, and the others go on.
        let passed = AssertUnwindSafe(Box::pin(self.work(task, began))).catch_unwind().await;
        drop((turn, working));
        let by_defect = |_| {
            let message = format!("{} ended by a defect of snapkeep", task.name);
            let failure = Failure::new(ErrorKind::Failed, message).with_hint("report it, with what was printed before");
            Err(failure.of(&task.target.name))
        };
        (began, passed.unwrap_or_else(by_defect))
    }

    async fn work(&self, task: Task<'_>, began: DateTime<Utc>) -> Result<Passed, Failure> {
        let Task { name, schedule, timetable, target, since } = task;
        let cancel = if target.settings.is_dump() { &self.stop.dumps } else { &self.stop.clouds };
        let app = App { cancel: cancel.clone(), now: began, ..self.app.clone() };
        let occasion = Occasion::Due { timetable, watch: Watch { since, noticed: self.noticed.min(began) } };
        let pass = Pass { app: &app, config: &self.duty.catalog, target, name, schedule, occasion };
        let passed = pass.run().await.map_err(|failure| failure.of(&target.name));
        if matches!(passed, Ok(Passed::Elsewhere(_))) {
            return passed;
        }
        let failure = passed.as_ref().err();
        if failure.is_none_or(|failure| !failure.is_put_off()) {
            let unwritten = failure.map(|failure| Run::unwritten(began, self.attempt, failure));
            self.board.ended_unwritten(task.pair(), unwritten);
        }
        if failure.is_none_or(|failure| failure.kind != ErrorKind::Locked) {
            tokio::select! {
                biased;
                () = self.stop.clouds.cancelled() => {}
                () = self.look_at(target) => {}
            }
        }
        passed
    }

    /// By the config of now, whatever it ran by.
    async fn look_at(&self, target: &Target) {
        let duty = self.board.duty();
        if let Some(target) = duty.catalog.targets.get(&target.name) {
            look_at(&self.board, &duty, target).await;
        }
    }
}

/// When a run that a place has missed is to be made up for; `None` where it has missed none. What was due before the place was
/// first seen by this rule is settled: from then on it is known what was missed. What was due since this process began was
/// noticed.
async fn missed(
    app: &App,
    duty: &Duty,
    task: Task<'_>,
    began: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Task { name, timetable, target, since, .. } = task;
    let opened = app.asking(catalog::open(&duty.catalog, target)).await?;
    let known = app.asking(history::of(&opened.scope, name)).await?;
    let (now, rule) = (Utc::now(), timetable.rule());
    let watch = Watch { since, noticed: began };
    let turn = |history: &History| timetable.turn(history.past(), watch, now, &target.name);
    Ok(match turn(&known) {
        Turn::Later(at) => Some(at),
        Turn::Run(_) => Some(now),
        // Somebody may be at what was due before. The run's lock tells.
        Turn::Skip(_) if known.unfinished.is_some() => Some(now),
        Turn::Wait | Turn::Skip(_) => {
            if known.rule.as_ref() != Some(&rule) {
                history::change(&opened.scope, name, |history| {
                    if let Turn::Skip(due) = turn(history)
                        && history.unfinished.is_none()
                    {
                        history.settle(due, now);
                    }
                    history.rule = Some(rule.clone());
                })
                .await?;
            }
            // What is too late now is so for others too, and those who noticed it in time may still run it.
            None
        }
    })
}

/// Looks at every target from time to time: at those that are not known yet, or otherwise, at once; at all of them in turn, the one
/// first that was not looked at for longest.
async fn look_around(app: App, board: Arc<Board>, duty: Arc<Duty>) {
    let every = duty.catalog.serve.look_every();
    let look = |target| {
        let (app, board, duty) = (&app, &board, &duty);
        async move {
            look_at(board, duty, target).await;
            ask_quotas(app, board, duty, target).await;
        }
    };
    let new = duty.catalog.targets.values().filter(|target| board.is_out_of_date(&target.name));
    stream::iter(new).for_each_concurrent(LOOKING, look).await;
    let pause = every / u32::try_from(duty.catalog.targets.len().max(1)).unwrap_or(u32::MAX);
    let mut ticks = tokio::time::interval(pause.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut in_turn: Vec<&Target> = duty.catalog.targets.values().collect();
    in_turn.sort_by_cached_key(|target| board.standing(target.name.as_str()).map(|standing| standing.seen_at));
    let in_turn = stream::unfold((ticks, in_turn.into_iter().cycle()), async |(mut ticks, mut targets)| {
        ticks.tick().await;
        Some((targets.next()?, (ticks, targets)))
    });
    in_turn.for_each_concurrent(LOOKING, look).await;
}

/// Looks again at those who are in trouble: what was mended by hand is seen soon. One at a time, however many they are, and not
/// faster than a cloud that is in trouble itself can bear.
async fn look_at_trouble(board: Arc<Board>, duty: Arc<Duty>) {
    loop {
        tokio::time::sleep(TROUBLE).await;
        for target in board.in_trouble(Utc::now()) {
            if let Some(target) = duty.catalog.targets.get(&target) {
                look_at(&board, &duty, target).await;
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }
}

/// One that never answers is left as it was.
async fn look_at(board: &Board, duty: &Duty, target: &Target) {
    let begun = Instant::now();
    let look = Box::pin(standing::look(&duty.catalog, target));
    if let Ok(standing) = tokio::time::timeout(LOOK, look).await {
        board.looked(standing, begun);
    }
}

async fn ask_quotas(app: &App, board: &Board, duty: &Duty, target: &Target) {
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

/// Keeps a config for the runs that go by it, and tells what they came to.
async fn retire(duty: Arc<Duty>) {
    while Arc::strong_count(&duty) > 1 {
        tokio::time::sleep(RETIRING).await;
    }
    duty.catalog.notices().flush().await;
}

/// How much may be done at once: in all, and with each account.
fn limits(duty: &Duty) -> (usize, usize) {
    (duty.catalog.serve.max_concurrent(), duty.catalog.serve.max_per_account())
}

fn budget(duty: &Duty) -> Budget {
    let (all, per_account) = limits(duty);
    Budget::new(all, per_account)
}

/// What is done by a config.
pub(super) fn tell_duty(report: &Report, duty: &Duty) {
    let (targets, schedules) = (duty.catalog.targets.len(), duty.catalog.schedules.len());
    for name in duty.idle() {
        report.warn(&format!("the schedule {name} has no target: it never runs"));
    }
    if schedules == 0 {
        report.warn("there is no schedule: nothing will ever run");
    }
    report.info(&format!("serving; schedules: {schedules}, targets: {targets}, runs to plan: {}", duty.places()));
}

/// What of a config is taken once, at the start.
fn taken_once(duty: &Duty) -> (Listen, Option<SecretRef>) {
    (duty.catalog.serve.listen, duty.catalog.serve.bearer_token.clone())
}
