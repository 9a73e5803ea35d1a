//! Contract section 6 once more, slow and obvious: every snapshot is asked on its own what speaks for it.
//!
//! Shares nothing with the real one but the words of its answers. Periods are texts as a calendar prints them, and
//! nothing is sorted.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use crate::config::{Retention, Within};

/// For each moment, what speaks for the snapshot made then. Of equal moments the first is the newest.
pub(super) fn keep(policy: &Retention, zone: Tz, moments: &[DateTime<Utc>], now: DateTime<Utc>) -> Vec<Vec<String>> {
    let rules = [
        ("hourly", policy.keep_hourly, "%Y-%m-%d %H"),
        ("daily", policy.keep_daily, "%Y-%m-%d"),
        ("weekly", policy.keep_weekly, "%G week %V"),
        ("monthly", policy.keep_monthly, "%Y-%m"),
        ("yearly", policy.keep_yearly, "%Y"),
    ];
    let coarsest = rules.iter().rfind(|(_, count, _)| *count > 0).map(|(rule, ..)| *rule);
    let start = policy.keep_within.and_then(|within| start_of(within, zone, moments, now));
    let newer_than = |this: usize| {
        let is_newer = move |other: &usize| (moments[*other], this) > (moments[this], *other);
        (0..moments.len()).filter(is_newer)
    };
    let mut reasons = vec![Vec::new(); moments.len()];
    for (this, reasons) in reasons.iter_mut().enumerate() {
        let nth = newer_than(this).count() + 1;
        if nth <= policy.keep_last as usize {
            reasons.push(format!("last {nth} of {}", policy.keep_last));
        }
    }
    for (rule, count, format) in rules {
        let period = |moment: &DateTime<Utc>| moment.with_timezone(&zone).format(format).to_string();
        let periods: Vec<String> = moments.iter().map(period).collect();
        let has_count_left = periods.iter().collect::<BTreeSet<_>>().len() < count as usize;
        for (this, reasons) in reasons.iter_mut().enumerate() {
            let newer: BTreeSet<&String> = newer_than(this).map(|other| &periods[other]).collect();
            let is_oldest = newer_than(this).count() + 1 == moments.len();
            if !newer.contains(&periods[this]) && newer.len() < count as usize {
                reasons.push(format!("{rule} {} of {count}", newer.len() + 1));
            } else if Some(rule) == coarsest && has_count_left && is_oldest {
                reasons.push(format!("oldest, for {rule}"));
            }
        }
    }
    for (this, moment) in moments.iter().enumerate() {
        if let Some(within) = policy.keep_within.filter(|_| start.is_some_and(|start| *moment > start)) {
            reasons[this].push(format!("within {within}"));
        }
    }
    reasons
}

/// Where `within` begins, counted back from the newest moment that is not in the future.
fn start_of(within: Within, zone: Tz, moments: &[DateTime<Utc>], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let anchor = moments.iter().copied().filter(|moment| *moment <= now).max()?;
    let wall = anchor.with_timezone(&zone).naive_local();
    let months = wall.year() * 12 + wall.month0() as i32 - (within.years * 12 + within.months) as i32;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
    let day = (1..=wall.day()).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day))?;
    let day = (0..within.weeks * 7 + within.days).try_fold(day, |day, _| day.pred_opt())?;
    Some(when_the_clock_shows(day.and_time(wall.time()), zone) - TimeDelta::hours(within.hours.into()))
}

/// The first moment at which the clock on the wall shows this; the first after it when it never does. Minute by minute.
fn when_the_clock_shows(wall: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let shown = |moment: &DateTime<Utc>| moment.with_timezone(&zone).naive_local();
    let minutes =
        |first: NaiveDateTime| (-26 * 60..26 * 60).map(move |minute| first.and_utc() + TimeDelta::minutes(minute));
    let whole = wall - TimeDelta::nanoseconds(wall.second() as i64 * 1_000_000_000 + i64::from(wall.nanosecond()));
    let exact = minutes(wall).find(|moment| shown(moment) == wall);
    exact.or_else(|| minutes(whole).find(|moment| shown(moment) > wall)).unwrap()
}
