//! When a run that failed is tried again. Pure: what became of it comes in.

use std::time::Duration;

use snapkeep_providers::ErrorKind;

use crate::failure::Failure;

/// How often a run is tried.
const ATTEMPTS: u32 = 5;
/// The pause after the first try; it doubles.
const FIRST: Duration = Duration::from_secs(60);

/// How long after its end a run that failed at its `attempt`-th try is tried again; `None` when it is given up.
pub(crate) fn pause(attempt: u32, failure: &Failure) -> Option<Duration> {
    (is_worth_it(failure) && attempt < ATTEMPTS).then(|| pause_after(attempt))
}

/// The same of a run that could not be written down: nobody else knows of it, so it is never given up.
pub(crate) fn pause_unwritten(attempt: u32, failure: &Failure) -> Option<Duration> {
    is_worth_it(failure).then(|| pause_after(attempt.min(ATTEMPTS - 1)))
}

/// How long after its beginning a run that was cut off so many times may be begun again: one that ends the process with it is
/// not to do so all the time.
pub(crate) fn pause_cut_off(times: u32) -> Duration {
    if times < 3 { Duration::ZERO } else { pause_after((times - 2).min(ATTEMPTS - 1)) }
}

fn pause_after(attempt: u32) -> Duration {
    FIRST * 2_u32.saturating_pow(attempt.saturating_sub(1))
}

/// Whether it can go well another time; with what can only fail again nobody is troubled.
pub(crate) fn is_worth_it(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::Usage | ErrorKind::Unsupported | ErrorKind::Refused | ErrorKind::Verification => false,
        ErrorKind::Failed
        | ErrorKind::Unavailable
        | ErrorKind::NotFound
        | ErrorKind::Permission
        | ErrorKind::Busy
        | ErrorKind::Quota
        | ErrorKind::Timeout
        | ErrorKind::Locked
        | ErrorKind::Interrupted => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_ends() {
        let busy = Failure::new(ErrorKind::Busy, "x");
        let pauses: Vec<_> = (1..=ATTEMPTS).map(|attempt| pause(attempt, &busy).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(60), Some(120), Some(240), Some(480), None]);
    }

    #[test]
    fn what_can_only_fail_again_is_given_up_at_once() {
        for kind in [ErrorKind::Usage, ErrorKind::Unsupported, ErrorKind::Refused, ErrorKind::Verification] {
            assert_eq!(pause(1, &Failure::new(kind, "x")), None, "{kind:?}");
        }
    }

    #[test]
    fn who_ends_the_process_each_time_is_slowed_down_and_never_given_up() {
        let pauses: Vec<u64> = (1..8).map(|times| pause_cut_off(times).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 60, 120, 240, 480, 480]);
    }

    #[test]
    fn what_nobody_else_knows_of_is_never_given_up() {
        let busy = Failure::new(ErrorKind::Busy, "x");
        assert_eq!(pause_unwritten(99, &busy), Some(FIRST * 8));
        assert_eq!(pause_unwritten(1, &Failure::new(ErrorKind::Refused, "x")), None);
    }
}
