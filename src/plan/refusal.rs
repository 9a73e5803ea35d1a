//! Why a whole target is left alone.

use std::fmt;

use chrono::TimeDelta;

use super::Reason;
use crate::units;

/// How far this machine's clock may be off the provider's.
pub(crate) const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why a whole target is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A snapshot is in the future by this much.
    Clock(TimeDelta),
    /// The provider's clock is ahead of ours by this much, or behind if it is less than nothing.
    Skew(TimeDelta),
    /// The newest good snapshot is this old, and `max_age` is that.
    Stale {
        /// Its age; `None` when there is no good one.
        age: Option<TimeDelta>,
        /// The policy's `max_age`.
        max_age: TimeDelta,
    },
    /// This many would go, and `max_deletes` is that.
    Deletes {
        /// How many would go.
        planned: usize,
        /// The limit.
        limit: u32,
    },
    /// This many of so many would go, and `max_delete_percent` is that.
    Percent {
        /// How many would go.
        planned: usize,
        /// Of how many.
        of: usize,
        /// The limit.
        limit: u8,
    },
}

impl Refusal {
    /// Why nothing may be deleted when the provider's clock is so far ahead of ours, if it may not: what is old by a
    /// clock that is wrong need not be.
    pub(super) fn of_skew(clock_ahead: Option<TimeDelta>) -> Option<Self> {
        clock_ahead.filter(|ahead| ahead.abs() > SKEW).map(Self::Skew)
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Clock(_) => "set the clock of this machine, or of the one that made the snapshot",
            Self::Skew(_) => "set the clock of this machine: `timedatectl set-ntp true`",
            Self::Stale { .. } => "make a new snapshot first: old ones are the only ones that you have",
            Self::Deletes { .. } => {
                "look at the plan; if it is right, raise the limit for this run with `--max-deletes N`"
            }
            Self::Percent { .. } => {
                "look at the plan; if it is right, raise the limit for this run with `--max-delete-percent N`"
            }
        }
    }

    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Clock(_) => Reason::Clock,
            Self::Skew(_) => Reason::Skew,
            Self::Stale { .. } => Reason::Stale,
            Self::Deletes { .. } | Self::Percent { .. } => Reason::Cap,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(by) => write!(f, "a snapshot is {} in the future: a clock is wrong", units::duration(*by)),
            Self::Skew(ahead) => f.write_str(&skew(*ahead)),
            Self::Stale { age: Some(age), max_age } => write!(
                f,
                "the newest good snapshot is {} old, and max_age is {}",
                units::duration(*age),
                units::duration(*max_age)
            ),
            Self::Stale { age: None, max_age } => {
                write!(f, "there is no good snapshot, and max_age is {}", units::duration(*max_age))
            }
            Self::Deletes { planned, limit } => {
                write!(f, "{planned} snapshots would be deleted, and max_deletes is {limit}")
            }
            Self::Percent { planned, of, limit } => {
                write!(f, "{planned} of {of} snapshots would be deleted, and max_delete_percent is {limit}")
            }
        }
    }
}

/// How the two clocks differ, in words.
pub(crate) fn skew(clock_ahead: TimeDelta) -> String {
    let by = units::duration(clock_ahead.abs());
    let how = if clock_ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
    format!("the clock of this machine is {by} {how} the provider's")
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::super::tests::{NONE, now, removed, seen};
    use super::super::{Rules, plan};
    use super::*;

    #[test]
    fn nothing_goes_while_the_clock_is_off_the_providers() {
        let policy = toml::from_str("keep_last = 1").unwrap();
        let plan_at = |ahead| {
            let clock_ahead = Some(TimeDelta::seconds(ahead));
            let rules =
                Rules { policy: &policy, zone: Tz::UTC, max_deletes: None, max_delete_percent: None, clock_ahead };
            plan(&rules, vec![seen("new", 1), seen("old", 2)], now())
        };
        for near in [-300, 0, 300] {
            assert_eq!(removed(&plan_at(near)), ["old"], "{near}");
        }
        for (far, message) in [
            (301, "the clock of this machine is 5m 1s behind the provider's"),
            (-7200, "the clock of this machine is 2h ahead of the provider's"),
        ] {
            let plan = plan_at(far);
            assert_eq!(removed(&plan), NONE);
            assert_eq!(plan.refusals.iter().map(Refusal::to_string).collect::<Vec<_>>(), [message]);
            assert_eq!(plan.rows[1].reasons, [Reason::NoSlot, Reason::Skew]);
        }
    }
}
