//! What the answers of a server say of the time, by which a clock that is wrong is told.

use std::sync::{Arc, atomic};

use chrono::{DateTime, TimeDelta, Utc};

/// How far the server's clock is ahead of ours, by the `Date` of its last answer.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<atomic::AtomicI64>);

/// No answer has told yet.
const UNKNOWN: i64 = i64::MIN;

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(atomic::AtomicI64::new(UNKNOWN)))
    }
}

impl Clock {
    /// Takes note of an answer that came at `now`.
    pub(crate) fn hear(&self, headers: &http::HeaderMap, now: DateTime<Utc>) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            self.0.store((date.to_utc() - now).num_seconds(), atomic::Ordering::Relaxed);
        }
    }

    /// In whole seconds, as a `Date` tells no more.
    pub(crate) fn ahead(&self) -> Option<TimeDelta> {
        let seconds = self.0.load(atomic::Ordering::Relaxed);
        if seconds == UNKNOWN { None } else { TimeDelta::try_seconds(seconds) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_how_far_the_server_is_ahead() {
        let (clock, mut headers) = (Clock::default(), http::HeaderMap::new());
        let now: DateTime<Utc> = "2026-11-22T02:15:00Z".parse().unwrap();
        clock.hear(&headers, now);
        headers.insert(http::header::DATE, "yesterday".parse().unwrap());
        clock.hear(&headers, now);
        assert_eq!(clock.ahead(), None, "no date, and none that can be read");
        headers.insert(http::header::DATE, "Sun, 22 Nov 2026 02:21:00 GMT".parse().unwrap());
        clock.hear(&headers, now);
        assert_eq!(clock.ahead(), Some(TimeDelta::minutes(6)));
    }
}
