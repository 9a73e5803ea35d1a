//! Why a notification was not sent, and whether another try may help.

use std::time::Duration;

/// The first and the longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// The longest pause that a server may ask for.
const ASKED: Duration = Duration::from_secs(30);

/// Why one try failed. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The rest of a sentence that begins with whom it was sent to.
    pub(super) reason: String,
    pub(super) again: Again,
    pub(super) hint: Option<String>,
}

/// Whether another try may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// Not before so long, where the server says.
    After(Option<Duration>),
}

impl Fault {
    pub(super) fn last(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: Again::Never, hint: None }
    }

    pub(super) fn passing(reason: impl Into<String>, asked: Option<Duration>) -> Self {
        Self { again: Again::After(asked), ..Self::last(reason) }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// How long to wait after `past` tries before the next of `tries`; `None` when there is none.
    pub(super) fn pause(&self, past: u32, tries: u32, jitter: f64) -> Option<Duration> {
        let Again::After(asked) = self.again else { return None };
        let doubled = PAUSE.0.saturating_mul(2_u32.saturating_pow(past.saturating_sub(1))).min(PAUSE.1);
        (past < tries).then(|| asked.map_or(doubled.mul_f64(jitter), |asked| asked.min(ASKED)))
    }
}

/// The end of the chain of causes, where the reason is; what stands between repeats or wraps it.
pub(super) fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let fault = Fault::passing("x", None);
        let pauses: Vec<_> = (1..8).map(|past| fault.pause(past, 8, 1.0).unwrap().as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(fault.pause(8, 8, 1.0), None, "that was the last try");
        assert_eq!(fault.pause(1, 1, 1.0), None);
    }

    #[test]
    fn a_server_may_ask_for_a_pause_but_not_for_any() {
        let asked = |seconds| Fault::passing("x", Some(Duration::from_secs(seconds))).pause(1, 4, 9.0);
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(86_400), Some(ASKED));
    }

    #[test]
    fn what_is_refused_is_not_sent_again() {
        assert_eq!(Fault::last("x").pause(1, 4, 1.0), None);
    }
}
