//! The timetable once more, slow and obvious: a clock ticks through every minute there is, and each is asked.
//!
//! Shares nothing with the real one but chrono's offsets from UTC and its weekdays. Minutes are counted from 1970.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How often a zone's offset is asked for: no change of the last fifty years came at another minute.
const QUARTER: i64 = 15;

/// A cron expression of numbers, names of three letters, `*`, lists, ranges and steps.
struct Pattern {
    minutes: Vec<i64>,
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
            minutes: values(minutes, 0, 59),
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
        let date = NaiveDate::default() + TimeDelta::days(hour.div_euclid(24));
        let on_day = self.days.contains(&i64::from(date.day()));
        let on_weekday = self.weekdays.contains(&i64::from(date.weekday().num_days_from_sunday()));
        let on_date =
            if self.has_all_days || self.has_all_weekdays { on_day && on_weekday } else { on_day || on_weekday };
        self.hours.contains(&hour.rem_euclid(24)) && self.months.contains(&i64::from(date.month())) && on_date
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
    let mut now = from.timestamp() / 60;
    let mut offset = offset_at(now, zone);
    // The latest minute that the clock has shown; and the hour that the wall is in, with those who are due in it.
    let mut reached = now + offset - 1;
    let (mut hour, mut live) = (i64::MIN, Vec::new());
    while now < to.timestamp() / 60 {
        if now % QUARTER == 0 && offset_at(now, zone) != offset {
            offset = offset_at(now, zone);
            changes.push(moment(now));
        }
        let shown = now + offset;
        let mut minute = shown.min(reached + 1);
        while minute <= shown {
            if minute.div_euclid(60) != hour {
                hour = minute.div_euclid(60);
                live = (0..patterns.len()).filter(|index| patterns[*index].has_hour(hour)).collect();
            }
            for &index in &live {
                let pattern = &patterns[index];
                let counts = if pattern.has_all_hours { minute == shown } else { minute > reached };
                if counts && pattern.minutes.contains(&minute.rem_euclid(60)) && due[index].last() != Some(&moment(now))
                {
                    due[index].push(moment(now));
                }
            }
            minute += 1;
        }
        reached = reached.max(shown);
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
