//! Beginning what goes on for one instance at a time, and only once, though an answer may be lost.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::api::Api;
use super::fault::{OrError, into_error, is_busy, is_taken, is_uncertain, none_if_missing};
use super::wire::Operation;
use super::{CloudSqlProvider, Home};
use crate::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::rest::Fault;

/// How long other operations on the instance are waited for before something is begun. A backup of a large instance takes
/// hours the first time.
pub(super) const QUEUE: Duration = Duration::from_secs(2 * 60 * 60);
/// The first and the longest pause meanwhile.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// What a pause is multiplied by: many that were refused at once are not to come back at once.
const JITTER: std::ops::Range<f64> = 0.5..1.5;
/// How often a call is made whose answers are lost.
const TRIES: u32 = 5;

/// The place in the queue of an instance.
pub(super) struct Turn<'t> {
    home: &'t Home,
    api: &'t Api,
    verb: &'t str,
    subject: &'t str,
    since: Instant,
    limit: Duration,
    pause: Duration,
    told: bool,
    lost: u32,
}

impl<'t> Turn<'t> {
    pub(super) fn new(home: &'t Home, api: &'t Api, verb: &'t str, subject: &'t str, limit: Duration) -> Self {
        Self { home, api, verb, subject, since: Instant::now(), limit, pause: PAUSES.0, told: false, lost: 0 }
    }

    /// Whether the call may have taken effect at an earlier try.
    pub(super) fn is_uncertain(&self) -> bool {
        self.lost > 0
    }

    /// After a refusal that may not be the last word, waits until it is worth another try; any other is an error.
    pub(super) async fn wait(&mut self, fault: Fault, run: Option<&Run>) -> Result<()> {
        let uncertain = is_uncertain(&fault);
        self.lost += u32::from(uncertain);
        let over = self.since.elapsed() > self.limit || self.lost >= TRIES;
        if over || !(uncertain || is_busy(&fault)) {
            return Err(self.given_up(fault));
        }
        let pause = sleep(self.pause.mul_f64(rand::random_range(JITTER)));
        match run {
            // Nothing is in doubt after a refusal.
            Some(run) if !self.is_uncertain() => {
                self.tell(run).await;
                run.unless_cancelled(pause.map(Ok), || self.interrupted()).await?;
            }
            _ => pause.await,
        }
        self.pause = (self.pause * 2).min(PAUSES.1);
        Ok(())
    }

    pub(super) fn given_up(&self, fault: Fault) -> Error {
        let uncertain = self.is_uncertain() || is_uncertain(&fault);
        let busy = is_busy(&fault);
        let error = into_error(fault, self.home, self.verb, self.subject);
        match (uncertain, busy) {
            (true, _) => self.may_have_begun(error),
            (false, true) => error.with_hint(format!("see what goes on: {}", self.api.operations_command())),
            (false, false) => error,
        }
    }

    /// The same with the way to find out whether an earlier try took effect.
    pub(super) fn may_have_begun(&self, error: Error) -> Error {
        if error.hint().is_some() {
            return error;
        }
        error.with_hint(format!("it may have begun: {}", self.api.operations_command()))
    }

    fn interrupted(&self) -> Error {
        let reason = "it was interrupted before it began";
        self.home.error(ErrorKind::Interrupted, self.verb, self.subject, reason)
    }

    /// Says once what is waited for.
    async fn tell(&mut self, run: &Run) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let going = self.api.operations().await.unwrap_or_default().into_iter().find(|operation| !operation.is_over());
        let what = match going {
            Some(going) => format!("{} of {}", going.operation_type, going.user.as_deref().unwrap_or("Google")),
            None => "an operation".to_owned(),
        };
        run.reporter.warn(&format!("waiting for {what}, which is in progress on {}", self.api.instance));
    }
}

/// A call that begins an operation.
pub(super) struct Ask<'a> {
    /// The instance that is called upon.
    pub(super) at: &'a Api,
    /// The one that there must not be yet.
    pub(super) makes: Option<&'a Api>,
    pub(super) action: &'static str,
    pub(super) body: Value,
    /// Whether an operation can be the one that was asked for.
    pub(super) is_it: &'a (dyn Fn(&Operation) -> bool + Sync),
    pub(super) verb: &'static str,
    pub(super) subject: &'a str,
}

impl CloudSqlProvider {
    /// Makes the call once. When an answer is lost, what was begun is told by being new among the operations. What is to make
    /// something new is not asked for where there is something of that name: whoever was waited for may have made it, and
    /// then it is theirs.
    pub(super) async fn begin(&self, ask: Ask<'_>, run: &Run) -> Result<Operation> {
        let known: BTreeSet<String> = ask.operations(&self.home).await?.into_iter().map(|known| known.name).collect();
        let mut turn = Turn::new(&self.home, ask.at, ask.verb, ask.subject, QUEUE);
        loop {
            if let Some(new) = ask.makes {
                self.refuse_taken(new, ask.verb, ask.subject).await?;
            }
            let fault = match ask.at.act(ask.action, &ask.body).await {
                Ok(begun) => return Ok(begun),
                Err(fault) => fault,
            };
            // After an answer was lost, the name that is taken now may have been taken by us.
            let taken = turn.is_uncertain() && is_taken(&fault);
            let waited = if taken { Err(turn.given_up(fault)) } else { turn.wait(fault, Some(run)).await };
            if turn.is_uncertain() {
                let new = |found: &Operation| !known.contains(&found.name) && (ask.is_it)(found);
                let operations = ask.operations(&self.home).await.map_err(|error| turn.may_have_begun(error))?;
                if let Some(found) = operations.into_iter().find(new) {
                    return Ok(found);
                }
            }
            waited?;
        }
    }
}

impl Ask<'_> {
    async fn operations(&self, home: &Home) -> Result<Vec<Operation>> {
        let mut all = Vec::new();
        let other = |made: &&Api| (&made.project, &made.instance) != (&self.at.project, &self.at.instance);
        for api in std::iter::once(self.at).chain(self.makes.filter(other)) {
            // An instance that is not there yet has none.
            let found = none_if_missing(api.operations().await).or_error(home, self.verb, self.subject)?;
            all.extend(found.unwrap_or_default());
        }
        Ok(all)
    }
}
