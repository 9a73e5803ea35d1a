//! The pace of a client: one request at a time, and none while the server wants a rest.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync;
use tokio::time::{Instant, sleep_until};

use super::retry::{Waits, jitter};

/// After throttling, where the server names no time.
const THROTTLED: Waits = Waits { first: Duration::from_secs(1), most: Duration::from_secs(32) };

/// How long a call waits for a server that does nothing but throttle.
const PATIENCE: Duration = Duration::from_secs(95);

/// The pace of a client.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Fair: who came first goes first.
    turn: sync::Mutex<()>,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// When the next request may be sent.
    until: Option<Instant>,
    /// Since when every answer has been that it is too much.
    since: Option<Instant>,
    /// How many such answers there were.
    in_a_row: u32,
}

/// The right to send; others wait until it is dropped.
#[must_use]
pub(super) struct Turn<'p>(sync::MutexGuard<'p, ()>);

impl Pace {
    /// Waits until it is the turn of a call that began at `began`, and the server has had its rest. `None` when it has been
    /// throttling for too long.
    pub(super) async fn turn(&self, began: Instant) -> Option<Turn<'_>> {
        let turn = self.turn.lock().await;
        if self.is_hopeless(began) {
            return None;
        }
        // Whoever waits here keeps the others waiting, who could not send either.
        let until = self.rest().until;
        if let Some(until) = until {
            sleep_until(until).await;
        }
        Some(Turn(turn))
    }

    /// After an answer that it is too much; `asked` is the time that the server wants.
    pub(super) fn throttled(&self, asked: Option<Duration>) {
        let now = Instant::now();
        let mut rest = self.rest();
        rest.until = Some(now + asked.unwrap_or_else(|| THROTTLED.after(rest.in_a_row, jitter())));
        rest.in_a_row = rest.in_a_row.saturating_add(1);
        rest.since.get_or_insert(now);
    }

    /// After any other answer.
    pub(super) fn answered(&self) {
        *self.rest() = Rest::default();
    }

    /// Whether a call that began at `began` has waited long enough for a server that does nothing but throttle.
    pub(super) fn is_hopeless(&self, began: Instant) -> bool {
        self.rest().since.is_some_and(|since| since.max(began).elapsed() >= PATIENCE)
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
