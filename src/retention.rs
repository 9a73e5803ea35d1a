//! Which snapshots a policy keeps, and why. Pure: the moments, the policy and the clock come in, the reasons go out.
//!
//! Says nothing of what may be deleted: holds, floors and caps are `plan`'s.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use crate::config::{Retention, Within};
use crate::wall::{self, EDGE};

/// A rule that gives slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The newest ones.
    Last,
    /// The newest of each hour.
    Hourly,
    /// The newest of each day.
    Daily,
    /// The newest of each ISO week.
    Weekly,
    /// The newest of each month.
    Monthly,
    /// The newest of each year.
    Yearly,
}

impl Rule {
    /// All of them, the coarsest last.
    const ALL: [Self; 6] = [Self::Last, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    fn count(self, policy: &Retention) -> u32 {
        match self {
            Self::Last => policy.keep_last,
            Self::Hourly => policy.keep_hourly,
            Self::Daily => policy.keep_daily,
            Self::Weekly => policy.keep_weekly,
            Self::Monthly => policy.keep_monthly,
            Self::Yearly => policy.keep_yearly,
        }
    }

    /// Numbers the periods of local time; each snapshot of `Last` is a period of its own.
    fn period(self, local: NaiveDateTime, nth: usize) -> i64 {
        let day = i64::from(local.num_days_from_ce());
        match self {
            Self::Last => nth as i64,
            Self::Hourly => day * 24 + i64::from(local.hour()),
            Self::Daily => day,
            // Days since a Monday, in weeks: an ISO week never changes in the middle of it.
            Self::Weekly => (day - 1).div_euclid(7),
            Self::Monthly => i64::from(local.year()) * 12 + i64::from(local.month()),
            Self::Yearly => i64::from(local.year()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        })
    }
}

/// Why a policy keeps a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has a slot of a rule: the `nth` of `of`.
    Slot {
        /// The rule.
        rule: Rule,
        /// Counted from the newest, from 1.
        nth: u32,
        /// The rule's count.
        of: u32,
    },
    /// The coarsest rule has count left, and this is the oldest.
    Oldest(Rule),
    /// It is within `keep_within` of the newest.
    Within(Within),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot { rule, nth, of } => write!(f, "{rule} {nth} of {of}"),
            Self::Oldest(rule) => write!(f, "oldest, for {rule}"),
            Self::Within(within) => write!(f, "within {within}"),
        }
    }
}

/// The names of a policy's rules, as its config has them.
pub fn rule_names(policy: &Retention) -> String {
    let counts = Rule::ALL.into_iter().filter(|rule| rule.count(policy) > 0).map(|rule| format!("keep_{rule}"));
    let within = policy.keep_within.map(|_| "keep_within".to_owned());
    counts.chain(within).collect::<Vec<_>>().join(", ")
}

/// For each moment, why `policy` keeps the snapshot made then; with no reason it is in no slot.
///
/// The moments are those of the good owned snapshots of one kind and location, in any order. Each rule walks on its
/// own from the newest back, and several may keep the same snapshot. Of equal moments the first is the newest.
pub fn keep(policy: &Retention, zone: Tz, moments: &[DateTime<Utc>], now: DateTime<Utc>) -> Vec<Vec<Kept>> {
    let mut reasons = vec![Vec::new(); moments.len()];
    let mut order: Vec<u32> = (0..moments.len() as u32).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(moments[index as usize]));
    let local: Vec<NaiveDateTime> = moments.iter().map(|moment| wall::shown(*moment, zone)).collect();
    let coarsest = Rule::ALL.into_iter().skip(1).rfind(|rule| rule.count(policy) > 0);
    for rule in Rule::ALL {
        let of = rule.count(policy);
        // A clock that is set back by hours, or over midnight, shows a period again after another one.
        let (mut taken, mut last) = (HashSet::new(), None);
        for (place, &index) in order.iter().enumerate() {
            if taken.len() == of as usize {
                break;
            }
            let period = rule.period(local[index as usize], place);
            if last.replace(period) != Some(period) && taken.insert(period) {
                reasons[index as usize].push(Kept::Slot { rule, nth: taken.len() as u32, of });
            }
        }
        if let Some(&oldest) = order.last().filter(|_| Some(rule) == coarsest && taken.len() < of as usize) {
            let has_slot = |kept: &Kept| matches!(kept, Kept::Slot { rule: own, .. } if *own == rule);
            if !reasons[oldest as usize].iter().any(has_slot) {
                reasons[oldest as usize].push(Kept::Oldest(rule));
            }
        }
    }
    if let Some(within) = policy.keep_within
        && let Some(anchor) = moments.iter().filter(|moment| **moment <= now).max()
    {
        let start = back(*anchor, within, zone);
        let recent = reasons.iter_mut().zip(moments).filter(|(_, moment)| **moment > start);
        recent.for_each(|(reasons, _)| reasons.push(Kept::Within(within)));
    }
    reasons
}

/// `within` before `anchor`: years, months, weeks and days by the calendar of `zone`, hours by the clock.
///
/// A day that a month lacks is the month's last. Beyond the calendar's beginning everything is within.
fn back(anchor: DateTime<Utc>, within: Within, zone: Tz) -> DateTime<Utc> {
    let Within { years, months, weeks, days, hours } = within;
    let calendar = || {
        let months = years.checked_mul(12)?.checked_add(months)?;
        let days = u64::from(weeks) * 7 + u64::from(days);
        let local = wall::shown(anchor, zone);
        let local = local.checked_sub_months(Months::new(months))?.checked_sub_days(Days::new(days))?;
        let local = Some(local).filter(|local| local.and_utc() > DateTime::<Utc>::MIN_UTC + EDGE)?;
        wall::first_moment(local, zone)?.checked_sub_signed(TimeDelta::try_hours(i64::from(hours))?)
    };
    calendar().unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Why a policy can't come true where a snapshot lives at most `days`; `None` when it can.
pub fn unsatisfiable(policy: &Retention, days: u32) -> Option<String> {
    let within = policy.keep_within.map_or(0, |within| {
        let days = [(within.years, 365), (within.months, 28), (within.weeks, 7), (within.days, 1)];
        let days = days.iter().fold(0_u32, |sum, (count, days)| sum.saturating_add(count.saturating_mul(*days)));
        days.saturating_add(within.hours.div_ceil(24))
    });
    let wants = [
        ("keep_hourly", policy.keep_hourly.div_ceil(24)),
        ("keep_daily", policy.keep_daily),
        ("keep_weekly", policy.keep_weekly.saturating_mul(7)),
        ("keep_monthly", policy.keep_monthly.saturating_mul(28)),
        ("keep_yearly", policy.keep_yearly.saturating_mul(365)),
        ("keep_within", within),
    ];
    let beyond: Vec<&str> = wants.iter().filter(|(_, wanted)| *wanted > days).map(|(rule, _)| *rule).collect();
    (!beyond.is_empty())
        .then(|| format!("snapshots live {days} days at most here, so {} can't be met", beyond.join(", ")))
}

/// Why a policy may keep so many that the next has no place, where there is room for `room`; `None` when it can't.
pub fn overfull(policy: &Retention, room: u32) -> Option<String> {
    let rules: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| rule.count(policy) > 0).collect();
    // The newest is one of each rule's.
    let kept = rules.iter().fold(1_u32, |sum, rule| sum.saturating_add(rule.count(policy) - 1));
    let names: Vec<String> = rules.iter().map(|rule| format!("keep_{rule}")).collect();
    (!rules.is_empty() && kept >= room).then(|| {
        let names = names.join(", ");
        format!("there is room for {room} snapshots here, the next one included, and {names} may keep {kept}")
    })
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
