//! One run of a schedule on one target: its actions in their order, up to the first that fails.
//!
//! A lock of its own keeps two processes from the same run; each action takes the target's lock besides, as its verb does.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{ListScope, Snapshot};

use super::following::{Came, Waiting};
use super::making::Making;
use super::telling::told_of;
use super::{App, prune, verify};
use crate::catalog::{self, Catalog, Opened};
use crate::config::{Action, NotifiedAction, Schedule, Target};
use crate::copies;
use crate::failure::Failure;
use crate::history::{self, History, Retry, Run, RunError};
use crate::journal;
use crate::lock::{self, Lock};
use crate::notices::Told;
use crate::retry;
use crate::schedule::{Timetable, Turn, Watch};

/// How long after its beginning a run that was cut off or failed is gone on with by one that is asked for.
const YOUNG: TimeDelta = TimeDelta::hours(6);

/// A run that is to be.
pub(super) struct Pass<'a> {
    pub(super) app: &'a App,
    pub(super) config: &'a Catalog,
    pub(super) target: &'a Target,
    /// The schedule's name in the config.
    pub(super) name: &'a str,
    pub(super) schedule: &'a Schedule,
    pub(super) occasion: Occasion<'a>,
}

/// Why it is to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occasion<'a> {
    /// It was asked for, with a key or without one.
    Asked(Option<&'a str>),
    /// It may be due, by its timetable.
    Due { timetable: &'a Timetable, watch: Watch },
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Passed {
    /// It ran to its end.
    Ran(Box<Ran>),
    /// It is not due: another process has settled it, or it was missed and is to be skipped.
    NotDue,
    /// Another process is at this run.
    Elsewhere(Failure),
    /// It failed before, here or elsewhere, and is tried again at this moment.
    Later(DateTime<Utc>),
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// What is kept of it.
    pub(super) run: Run,
    pub(super) failure: Option<Failure>,
    /// When it is tried again; `None` when it is done or given up.
    pub(super) again: Option<DateTime<Utc>>,
}

/// What the actions came to.
#[derive(Debug, Default)]
struct Done {
    snapshot: Option<Snapshot>,
    deleted: u64,
    failed: Option<(Action, Failure)>,
}

impl Pass<'_> {
    /// Runs it. An error is one of what is around the actions, and nothing is kept of it.
    pub(super) async fn run(&self) -> Result<Passed, Failure> {
        let opened = self.app.asking(catalog::open(self.config, self.target)).await?;
        // Of those who share a state all but one come in vain; they need no lock to see that.
        let known = self.app.asking(history::of(&opened.scope, self.name)).await?;
        match self.turn(&known) {
            Turn::Wait => return Ok(Passed::NotDue),
            Turn::Later(at) => return Ok(Passed::Later(at)),
            Turn::Run(_) | Turn::Skip(_) => {}
        }
        // One that was lost, as the process was killed, is somebody else's after its lease.
        let scope = opened.scope.with_lock(format!("run-{}-{}", opened.scope.site(), self.name));
        let lost = self.app.cancel.child_token();
        let lock = match self.app.asking(Lock::take(&scope, &self.target.name, "run", lost.clone())).await {
            Err(failure) if failure.kind == ErrorKind::Locked => return Ok(Passed::Elsewhere(failure)),
            taken => taken?,
        };
        let app = App { cancel: lost, now: Utc::now(), ..self.app.clone() };
        let passed = Pass { app: &app, ..*self }.locked(&opened).await;
        lock.release().await;
        passed
    }

    async fn locked(&self, opened: &Opened) -> Result<Passed, Failure> {
        let begun_at = Utc::now().trunc_subsecs(3);
        let known = history::of(&opened.scope, self.name).await?;
        let (key, due) = match (self.occasion, self.turn(&known)) {
            (Occasion::Asked(key), _) => self.asked(key, &known, begun_at),
            (Occasion::Due { .. }, Turn::Run(due)) => (self.key_of(due), Some(due)),
            (Occasion::Due { .. }, Turn::Wait) => return Ok(Passed::NotDue),
            (Occasion::Due { .. }, Turn::Later(at)) => return Ok(Passed::Later(at)),
            (Occasion::Due { .. }, Turn::Skip(due)) => {
                self.change(opened, |history| history.settle(due, begun_at)).await?;
                return Ok(Passed::NotDue);
            }
        };
        if matches!(self.occasion, Occasion::Due { .. }) {
            // Another run, or a person, is at the target: that ends, and this one is still due then.
            Lock::is_free(&opened.scope, &self.target.name).await?;
        }
        let unfinished = known.begin(key.clone(), due, begun_at);
        self.change(opened, |history| history.unfinished = Some(unfinished.clone())).await?;
        let mut done = self.act(opened, &key).await;
        // Or came to it just now.
        if due.is_some() && done.failed.as_ref().is_some_and(|(_, failure)| failure.kind == ErrorKind::Locked) {
            return done.failed.take().map_or(Ok(Passed::NotDue), |(_, failure)| Err(failure));
        }
        let run = self.account(&known, due, begun_at, &done);
        let creation = done.failed.as_ref().filter(|(action, _)| *action == Action::Create);
        let goes_on = creation.is_some_and(|(_, failure)| journal::goes_on(failure));
        let failure = done.failed.map(|(_, failure)| failure);
        let pause = due.and(failure.as_ref()).and_then(|failure| retry::pause(run.attempt, failure));
        let again = pause.map(|pause| run.ended_at + pause);
        // Who is stopped has failed at nothing: it is the next one's to go on.
        if !failure.as_ref().is_some_and(Failure::is_interruption) {
            let mut is_ours = false;
            self.change(opened, |history| {
                is_ours = history.unfinished.as_ref() == Some(&unfinished);
                if !is_ours {
                    return;
                }
                history.add(run.clone());
                history.unfinished = goes_on.then(|| unfinished.clone());
                match (due, again) {
                    (Some(due), Some(at)) => history.retry = Some(Retry { due, attempt: run.attempt + 1, at }),
                    (Some(due), None) => history.settle(due, run.ended_at),
                    (None, _) => {}
                }
            })
            .await?;
            // Who slept for longer than the lease may have come to any end.
            if !is_ours {
                failure.iter().for_each(|failure| self.app.report.failure(failure));
                return Err(Failure::new(ErrorKind::Interrupted, "another process has taken the run over"));
            }
        }
        Ok(Passed::Ran(Box::new(Ran { run, failure, again })))
    }

    /// What is due now; of what was asked for that is no question.
    fn turn(&self, known: &History) -> Turn {
        match self.occasion {
            Occasion::Due { timetable, watch } => timetable.turn(known.past(), watch, Utc::now(), &self.target.name),
            Occasion::Asked(_) => Turn::Run(Utc::now()),
        }
    }

    /// Changes what is remembered; who goes by a timetable leaves its rule there.
    async fn change(&self, opened: &Opened, mut change: impl FnMut(&mut History)) -> Result<(), Failure> {
        let rule = match self.occasion {
            Occasion::Due { timetable, .. } => Some(timetable.rule()),
            Occasion::Asked(_) => None,
        };
        history::change(&opened.scope, self.name, |history| {
            change(history);
            history.rule = rule.clone().or(history.rule.take());
        })
        .await
        .map(|_| ())
    }

    /// The key of the snapshot of a moment: whoever makes it, it is the same.
    fn key_of(&self, moment: DateTime<Utc>) -> String {
        format!("{}@{}", self.name, moment.format("%Y-%m-%dT%H:%M:%S%.fZ"))
    }

    /// The key of what was asked for, and what is settled by it. Without a key of its own it goes on with what was cut off, unless that
    /// was so long ago that another snapshot is wanted, and is the next try of what failed.
    fn asked(&self, key: Option<&str>, known: &History, now: DateTime<Utc>) -> (String, Option<DateTime<Utc>>) {
        let last = Timetable::new(self.name, self.schedule).last(now);
        let is_young = |moment| moment <= now && now - moment < YOUNG && last.is_none_or(|last| last <= moment);
        let cut_off = known.unfinished.as_ref().filter(|run| is_young(run.first_at));
        match (key, cut_off, known.retry.filter(|retry| is_young(retry.due))) {
            (Some(key), ..) => (key.to_owned(), None),
            (None, Some(cut_off), _) => (cut_off.key.clone(), cut_off.due),
            (None, None, Some(retry)) => (self.key_of(retry.due), Some(retry.due)),
            (None, None, None) => (self.key_of(now), None),
        }
    }

    /// What is kept of it.
    fn account(&self, known: &History, due: Option<DateTime<Utc>>, begun_at: DateTime<Utc>, done: &Done) -> Run {
        let of_failure = |(action, failure): &(Action, Failure)| RunError::of(Some(*action), failure);
        Run {
            due,
            begun_at,
            ended_at: Utc::now().trunc_subsecs(3),
            host: lock::host(),
            attempt: due.map_or(1, |due| known.attempt(due)),
            snapshot: done.snapshot.as_ref().map(|snapshot| snapshot.id.to_string()),
            size_bytes: done.snapshot.as_ref().and_then(|snapshot| snapshot.size_bytes),
            deleted: done.deleted,
            error: done.failed.as_ref().map(of_failure),
        }
    }

    async fn act(&self, opened: &Opened, key: &str) -> Done {
        let mut done = Done::default();
        for &action in &self.schedule.actions {
            let acted = match action {
                Action::Create => self.create(opened, key, &mut done).await,
                Action::Copy => self.copy(opened, &done).await,
                Action::Verify => self.verify(opened, &done).await,
                Action::Prune => self.prune(&mut done).await,
            };
            if let Err(failure) = acted {
                done.failed = Some((action, failure.of(&self.target.name)));
                break;
            }
        }
        done
    }

    async fn create(&self, opened: &Opened, key: &str, done: &mut Done) -> Result<(), Failure> {
        let waiting = Waiting { no_wait: false, timeout: None };
        let making = Making { app: self.app, target: self.target, key: Some(key), tags: &[], waiting: &waiting };
        let telling = self.app.telling(self.config, NotifiedAction::Create, self.target);
        let came = making.make(opened).await;
        telling.end(told_of(&came));
        let (made, failures) = match came? {
            Came::Done(made, failures) => (made, failures),
            Came::Begun(_) | Came::NotTried => (Vec::new(), Vec::new()),
        };
        done.snapshot = made.into_iter().find(Snapshot::is_good);
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None if done.snapshot.is_none() => Err(self.without("has no good snapshot, though one was made")),
            None => Ok(()),
        }
    }

    async fn copy(&self, opened: &Opened, done: &Done) -> Result<(), Failure> {
        let snapshot = self.newest(opened, done).await?;
        if !copies::are_wanted(&*opened.provider, self.target.region(), &snapshot) {
            return Ok(());
        }
        let (_task, run) = self.app.run(self.target.name.as_str(), "copy");
        let lock = opened.lock("copy", run.cancel.clone()).await?;
        let copied = copies::make(opened, &snapshot.native_id, None, &run).await;
        lock.release().await;
        let failed = copied.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |failure| Err(self.app.or_lock_lost(failure)))
    }

    async fn verify(&self, opened: &Opened, done: &Done) -> Result<(), Failure> {
        let snapshot = self.newest(opened, done).await?;
        let telling = self.app.telling(self.config, NotifiedAction::Verify, self.target);
        let request = verify::request(self.config, self.target, None);
        let looked = verify::look(self.app, opened, &snapshot, &request).await.unwrap_or_else(verify::Looked::failed);
        telling.end(Some(Told::new(&looked.row, &looked.failures)));
        looked.failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// The targets without a retention policy are left as they are, as `prune apply` leaves them.
    async fn prune(&self, done: &mut Done) -> Result<(), Failure> {
        let (deleted, failures) = prune::apply_now(self.app, self.config, self.target).await;
        done.deleted = deleted;
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// The snapshot that this run made, else the newest good one of ours.
    async fn newest(&self, opened: &Opened, done: &Done) -> Result<Snapshot, Failure> {
        if let Some(snapshot) = &done.snapshot {
            return Ok(snapshot.clone());
        }
        let listing = self.app.asking(opened.list(ListScope::Own)).await?;
        let newest = listing.snapshots.into_iter().find(Snapshot::counts);
        match (newest, listing.problems.into_iter().next()) {
            (Some(newest), _) => Ok(newest),
            (None, Some(problem)) => Err(problem.into()),
            (None, None) => Err(self.without("has no good snapshot")),
        }
    }

    fn without(&self, what: &str) -> Failure {
        let target = &self.target.name;
        Failure::new(ErrorKind::NotFound, format!("{target} {what}")).with_hint(format!("see `snapkeep list {target}`"))
    }
}
