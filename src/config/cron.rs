//! Cron expressions as people write them: five fields, or a nickname such as `@daily`.
//!
//! Knows the calendar and no time zone: a moment here is what a clock on the wall shows. `croner` reads the fields and
//! knows which days they mean; what it reads by mistake, such as `MON` for a month, is refused before.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use schemars::JsonSchema;
use serde::Deserialize;

/// When something is due, by the clock on the wall. Some day comes that it means.
///
/// Where both the day of month and the day of week are restricted, one of them is enough; a field that begins with `*`
/// is not restricted, as in Vixie cron.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", inline, extend("format" = "cron"))]
pub struct Cron {
    /// Its five fields.
    text: Box<str>,
    days: CronPattern,
    /// The times of each such day, in order; one at least.
    times: Vec<NaiveTime>,
    names_hours: bool,
}

impl Cron {
    /// Whether its hour field names hours, such as `2` or `8-18`, rather than begin with `*`.
    pub fn names_hours(&self) -> bool {
        self.names_hours
    }

    /// The first moment after `wall`; `None` at the calendar's end.
    pub fn after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let later = self.times.partition_point(|time| *time <= wall.time());
        if let Some(time) = self.times.get(later).filter(|_| self.has(wall.date())) {
            return Some(wall.date().and_time(*time));
        }
        let day = wall.date().iter_days().skip(1).take(RAREST).find(|day| self.has(*day))?;
        Some(day.and_time(*self.times.first()?))
    }

    /// The last moment that is not after `wall`; `None` at the calendar's beginning.
    pub fn until(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let earlier = self.times.partition_point(|time| *time <= wall.time());
        if let Some(time) = self.times[..earlier].last().filter(|_| self.has(wall.date())) {
            return Some(wall.date().and_time(*time));
        }
        let day = wall.date().iter_days().rev().skip(1).take(RAREST).find(|day| self.has(*day))?;
        Some(day.and_time(*self.times.last()?))
    }

    fn has(&self, day: NaiveDate) -> bool {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        self.days.month_match(day.month()).unwrap_or_default()
            && self.days.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or_default()
    }
}

/// One of the five fields.
struct Field {
    name: &'static str,
    /// What can stand for a number, or alone.
    words: &'static [&'static str],
    /// What can follow a number or word.
    suffix: Option<char>,
    values: &'static str,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", words: &[], suffix: None, values: "0 to 59" },
    Field { name: "hour", words: &[], suffix: None, values: "0 to 23" },
    Field { name: "day of month", words: &["L", "LW"], suffix: Some('W'), values: "1 to 31, or L for the last" },
    Field {
        name: "month",
        words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        suffix: None,
        values: "1 to 12, or JAN to DEC",
    },
    Field {
        name: "day of week",
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        suffix: Some('L'),
        values: "0 to 7, or SUN to SAT",
    },
];

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Days in which every date has been every day of the week: over a year such as 2100, 40 years and a leap day.
const RAREST: usize = 41 * 366;

impl Field {
    /// Whether it is spelled as a field of this kind; not whether its numbers are in range.
    fn is_spelled(&self, text: &str) -> bool {
        text.split(',').all(|item| {
            let (range, step) = item.split_once('/').unwrap_or((item, "1"));
            is_number(step) && range.split('-').all(|word| self.has(word))
        })
    }

    fn has(&self, word: &str) -> bool {
        let is_value = |word: &str| is_number(word) || self.words.iter().any(|own| own.eq_ignore_ascii_case(word));
        let (value, nth) = word.split_once('#').unwrap_or((word, "1"));
        let ends = |suffix: char| word.strip_suffix([suffix, suffix.to_ascii_lowercase()]).is_some_and(is_value);
        word == "*" || is_value(value) && is_number(nth) || self.suffix.is_some_and(ends)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a cron expression was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCron {
    rule: String,
    hint: Option<String>,
}

impl InvalidCron {
    /// What was probably meant.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn count(fields: &[&str]) -> Self {
        let rule = "write five fields: minute, hour, day of month, month and day of week, such as 15 2 * * *";
        let without_seconds = || Some(fields.get(1..)?.join(" ")).filter(|text| text.parse::<Cron>().is_ok());
        Self { rule: rule.to_owned(), hint: without_seconds().map(|meant| format!("without seconds it is {meant:?}")) }
    }

    fn field(field: &Field, text: &str) -> Self {
        let Field { name, values, .. } = field;
        let rule = format!(
            "{text:?} is no {name}: use {values}, and * for all, lists (1,3), rising ranges (1-5) and steps (*/2)"
        );
        Self { rule, hint: None }
    }

    fn never(fields: [&str; 5]) -> Self {
        let [minute, hour, day, month, weekday] = fields;
        let meant = [minute, hour, "L", month, weekday].join(" ");
        let would_do = !day.starts_with('*') && meant.parse::<Cron>().is_ok();
        let hint = would_do.then(|| format!("the last day of a month is L: {meant:?}"));
        Self { rule: "no year has such a day, so it never comes".to_owned(), hint }
    }
}

impl fmt::Display for InvalidCron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl std::error::Error for InvalidCron {}

impl FromStr for Cron {
    type Err = InvalidCron;

    fn from_str(text: &str) -> Result<Self, InvalidCron> {
        let text = text.trim();
        let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let fields: Vec<&str> = nickname.map_or(text, |(_, fields)| fields).split_whitespace().collect();
        let fields: [&str; 5] = fields.try_into().map_err(|fields: Vec<&str>| InvalidCron::count(&fields))?;
        for (index, field) in FIELDS.iter().enumerate() {
            let mut alone = ["*"; 5];
            alone[index] = fields[index];
            if !field.is_spelled(fields[index]) || read(alone).is_none() {
                return Err(InvalidCron::field(field, fields[index]));
            }
        }
        let pattern = read(fields).ok_or_else(|| InvalidCron::never(fields))?;
        let hours = || pattern.hours.values();
        let times =
            hours().into_iter().flat_map(|hour| pattern.minutes.values().into_iter().map(move |minute| (hour, minute)));
        let times = times.filter_map(|(hour, minute)| NaiveTime::from_hms_opt(hour.into(), minute.into(), 0)).collect();
        let text = fields.join(" ").into();
        let cron = Self { text, times, names_hours: !fields[1].starts_with('*'), days: pattern };
        if cron.after(NaiveDateTime::default()).is_some() { Ok(cron) } else { Err(InvalidCron::never(fields)) }
    }
}

impl fmt::Display for Cron {
    /// Its five fields, also where a nickname was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Cron {
    type Error = InvalidCron;

    fn try_from(text: String) -> Result<Self, InvalidCron> {
        text.parse()
    }
}

fn read(fields: [&str; 5]) -> Option<CronPattern> {
    let [_, _, day, _, weekday] = fields;
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(day.starts_with('*') || weekday.starts_with('*'))
        .build();
    Some(parser.parse(&fields.join(" ")).ok()?.pattern)
}
