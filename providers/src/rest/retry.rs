//! When a call is sent again, and after how long.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::call::Repeat;
use super::fault::{Arrival, Fault};

/// How often a call is tried in all, where the server or the network failed.
const TRIES: u32 = 5;
/// How often in all, where there were too many calls: by then it has waited some 95 s, unless the server asked for less.
const THROTTLED_TRIES: u32 = 8;
/// The longest pause that a server may ask for.
const ASKED: Duration = Duration::from_secs(120);
/// The shortest one: "at once" is not at once.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Between tries, where the server names no time.
const FAILED: Waits = Waits { first: Duration::from_millis(250), most: Duration::from_secs(8) };

/// Pauses that double.
pub(super) struct Waits {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Waits {
    /// The pause after `past` others, times `jitter`.
    pub(super) fn after(&self, past: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(past));
        doubled.min(self.most).mul_f64(jitter)
    }
}

/// So that those who failed together don't come back together.
pub(super) fn jitter() -> f64 {
    rand::rng().random_range(0.5..1.5)
}

/// What became of one call so far.
#[derive(Debug)]
pub(super) struct Tries {
    repeat: Repeat,
    failed: u32,
    throttled: u32,
}

impl Tries {
    pub(super) fn new(repeat: Repeat) -> Self {
        Self { repeat, failed: 0, throttled: 0 }
    }

    /// How long to wait before another try; `None` when there is to be none. After throttling the client waits by itself.
    pub(super) fn pause(&mut self, fault: &Fault, jitter: f64) -> Option<Duration> {
        if fault.is_throttled() {
            self.throttled += 1;
            return (self.throttled < THROTTLED_TRIES).then_some(Duration::ZERO);
        }
        self.failed += 1;
        let bears = self.repeat == Repeat::Safe || fault.arrival() == Arrival::Never;
        let again = bears && fault.is_transient() && self.failed < TRIES;
        again.then(|| fault.pause().unwrap_or_else(|| FAILED.after(self.failed - 1, jitter)))
    }
}

/// The pause that an answer asks for, in seconds or as a date by the server's own clock; `now` is that of the server.
pub(super) fn asked(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(pause.clamp(AT_ONCE, ASKED))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;
    use crate::secret::Secret;

    fn answer(status: u16, pause: Option<Duration>) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        Fault::of_answer("GET /".into(), status, b"", &Secret::new("t".into()), pause)
    }

    fn pauses(repeat: Repeat, fault: &Fault) -> Vec<u128> {
        let mut tries = Tries::new(repeat);
        std::iter::from_fn(|| tries.pause(fault, 1.0)).map(|pause| pause.as_millis()).collect()
    }

    #[test]
    fn what_may_be_repeated_is_tried_five_times_with_pauses_that_double() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(pauses(Repeat::Safe, &answer(status, None)), [250, 500, 1000, 2000], "{status}");
            assert_eq!(pauses(Repeat::Once, &answer(status, None)), [0; 0], "{status}");
        }
        assert_eq!(pauses(Repeat::Safe, &answer(503, Some(Duration::from_secs(7)))), [7000; 4]);
        for status in [301, 400, 401, 403, 404, 409, 412, 501] {
            assert_eq!(pauses(Repeat::Safe, &answer(status, None)), [0; 0], "{status}");
        }
        assert_eq!(pauses(Repeat::Once, &answer(429, None)), [0; 7]);
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_as_a_date() {
        let now = "2026-11-23T03:00:00Z".parse().unwrap();
        let pause = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            asked(&headers, now).map(|pause| pause.as_millis())
        };
        for (text, millis) in [
            ("7", Some(7000)),
            ("0", Some(5)),
            ("86400", Some(120_000)),
            ("Mon, 23 Nov 2026 03:00:09 GMT", Some(9000)),
            ("Mon, 23 Nov 2026 02:00:00 GMT", Some(5)),
            ("Tue, 24 Nov 2026 03:00:00 GMT", Some(120_000)),
            ("99999999999999999999999", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(pause(text), millis, "{text}");
        }
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }

    #[test]
    fn no_pause_is_longer_than_its_limit() {
        let waits = Waits { first: Duration::from_secs(1), most: Duration::from_secs(32) };
        assert_eq!(waits.after(u32::MAX, 1.0), Duration::from_secs(32));
        assert!((0..1000).map(|_| jitter()).all(|jitter| (0.5..1.5).contains(&jitter)));
    }
}
