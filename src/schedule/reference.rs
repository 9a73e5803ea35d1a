//! The timetable once more, slow and obvious: a clock ticks through every minute there is, and each is asked.
//!
//! Shares nothing with the real one but chrono's offsets from UTC and its weekdays. Minutes are counted from 1970.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How often a zone's offset is asked for: no change of the last fifty years came at another minute.
const QUARTER: i64 = 15;

/// A cron expression of numbers, names of three letters, `*`, lists, ranges and steps.
struct Pattern {
    /// A bit each.
    minutes: u64,
    hours: Vec<i64>,
    days: Vec<i64>,
    months: Vec<i64>,
    weekdays: Vec<i64>,
    has_all_hours: bool,
    has_all_days: bool,
    has_all_weekdays: bool,
}

impl Pattern {
    fn of(cron: &str) -> Self {
        let fields: Vec<&str> = cron.split(' ').collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { panic!("{cron}") };
        Self {
            minutes: values(minutes, 0, 59).iter().fold(0, |bits, minute| bits | 1 << minute),
            hours: values(hours, 0, 23),
            days: values(days, 1, 31),
            months: values(months, 1, 12),
            weekdays: values(weekdays, 0, 7).iter().map(|weekday| weekday % 7).collect(),
            has_all_hours: hours.starts_with('*'),
            has_all_days: days.starts_with('*'),
            has_all_weekdays: weekdays.starts_with('*'),
        }
    }

    fn has_hour(&self, hour: i64) -> bool {
        if !self.hours.contains(&hour.rem_euclid(24)) {
            return false;
        }
        let date = NaiveDate::default() + TimeDelta::days(hour.div_euclid(24));
        let on_day = self.days.contains(&i64::from(date.day()));
        let on_weekday = self.weekdays.contains(&i64::from(date.weekday().num_days_from_sunday()));
        let on_date =
            if self.has_all_days || self.has_all_weekdays { on_day && on_weekday } else { on_day || on_weekday };
        on_date && self.months.contains(&i64::from(date.month()))
    }
}

fn values(field: &str, least: i64, most: i64) -> Vec<i64> {
    let number = |word: &str| match word {
        "SUN" => 0,
        "MON" | "JAN" => 1,
        "MAR" => 3,
        "FRI" => 5,
        "SAT" => 6,
        _ => word.parse().unwrap(),
    };
    let mut values = Vec::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None if range == "*" => (least, most),
            None => (number(range), number(range)),
        };
        values.extend((first..=last).step_by(step.parse().unwrap()));
    }
    values
}

/// When each expression is due between two moments, and how often the clocks are changed in between.
pub(super) struct Ticked {
    pub(super) due: Vec<Vec<DateTime<Utc>>>,
    pub(super) changes: Vec<DateTime<Utc>>,
}

/// Ticks through every minute from `from` up to `to`. What the clock is set forward over counts as shown when it is done.
pub(super) fn tick(crons: &[&str], zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Ticked {
    let patterns: Vec<Pattern> = crons.iter().map(|cron| Pattern::of(cron)).collect();
    let mut due = vec![Vec::new(); crons.len()];
    let mut changes = Vec::new();
    let (mut now, end) = (from.timestamp() / 60, to.timestamp() / 60);
    let mut offset = offset_at(now, zone);
    // The latest minute that the clock has shown; and the hour that it shows, with those who are due in it, and when.
    let mut reached = now + offset - 1;
    let (mut hour, mut live, mut minutes) = (i64::MIN, Vec::new(), 0);
    while now < end {
        if now % QUARTER == 0 && offset_at(now, zone) != offset {
            offset = offset_at(now, zone);
            changes.push(moment(now));
        }
        let shown = now + offset;
        let mut minute = shown.min(reached + 1);
        while minute <= shown {
            if minute.div_euclid(60) != hour {
                hour = minute.div_euclid(60);
                live = patterns.iter().zip(&mut due).filter(|(pattern, _)| pattern.has_hour(hour)).collect();
                minutes = live.iter().fold(0, |minutes, (pattern, _)| minutes | pattern.minutes);
            }
            let bit = 1 << minute.rem_euclid(60);
            if minutes & bit != 0 {
                for (pattern, due) in live.iter_mut().filter(|(pattern, _)| pattern.minutes & bit != 0) {
                    let counts = if pattern.has_all_hours { minute == shown } else { minute > reached };
                    if counts && due.last() != Some(&moment(now)) {
                        due.push(moment(now));
                    }
                }
            }
            minute += 1;
        }
        if shown > reached {
            reached = shown;
        }
        now += 1;
    }
    Ticked { due, changes }
}

fn moment(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minutes * 60, 0).unwrap()
}

fn offset_at(minutes: i64, zone: Tz) -> i64 {
    let utc: NaiveDateTime = moment(minutes).naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) / 60
}
