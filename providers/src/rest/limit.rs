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
pub(super) type Turn<'p> = sync::MutexGuard<'p, ()>;

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
        Some(turn)
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_calls_wait_while_the_server_rests() {
        let (pace, began) = (Pace::default(), Instant::now());
        assert!(pace.turn(began).now_or_never().is_some());
        pace.throttled(Some(Duration::from_secs(30)));
        let (first, second) = futures::join!(pace.turn(began).map(drop), pace.turn(began).map(drop));
        assert_eq!((first, second, began.elapsed().as_secs()), ((), (), 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_held_and_given_to_who_came_first() {
        let (pace, began) = (Pace::default(), Instant::now());
        let held = pace.turn(began).await;
        let mut second = Box::pin(pace.turn(began));
        let mut third = Box::pin(pace.turn(began));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        drop(held);
        assert!(futures::poll!(&mut third).is_pending() && futures::poll!(&mut second).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn rests_double_until_an_answer_comes() {
        let (pace, began) = (Pace::default(), Instant::now());
        let mut rests = Vec::new();
        for _ in 0..7 {
            pace.throttled(None);
            let before = Instant::now();
            drop(pace.turn(Instant::now()).await);
            rests.push(before.elapsed().as_secs_f64());
        }
        for (rest, whole) in rests.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0]) {
            assert!((whole * 0.5 - 0.01..=whole * 1.5 + 0.01).contains(rest), "{rests:?}");
        }
        pace.answered();
        assert!(pace.turn(began).now_or_never().is_some());
        pace.throttled(None);
        let before = Instant::now();
        drop(pace.turn(began).await);
        assert!(before.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_long_is_sent_home_and_who_comes_new_waits() {
        let (pace, began) = (Pace::default(), Instant::now());
        while !pace.is_hopeless(began) {
            pace.throttled(Some(Duration::from_secs(32)));
            drop(pace.turn(Instant::now()).await);
        }
        assert_eq!(began.elapsed().as_secs(), 96);
        assert!(pace.turn(began).await.is_none() && pace.turn(Instant::now()).await.is_some());
        pace.answered();
        assert!(pace.turn(began).await.is_some());
    }
}
