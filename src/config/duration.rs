//! Durations as people write them: elapsed time (`36h`), and calendar spans (`1y6m`).
//!
//! The two differ in what `m` means, so they are two types and never converted into each other: an elapsed
//! time has minutes, a calendar span months.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Why a duration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDuration(&'static str);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidDuration {}

const ELAPSED_FORM: InvalidDuration = InvalidDuration("write numbers with s, m (minutes), h, d or w, such as 36h");
const WITHIN_FORM: InvalidDuration =
    InvalidDuration("write numbers with h, d, w, m (months) or y, such as 14d or 1y6m");
const NOTHING: InvalidDuration = InvalidDuration("it must be longer than nothing");
const TOO_LONG: InvalidDuration = InvalidDuration("it is too long");

/// Parses a time that passes, such as an age or a timeout: `90s`, `10m`, `36h`, `1d12h`, `2w`.
///
/// `m` and `min` are minutes, a day is 24 hours and a week 7 days. Never zero.
pub fn elapsed(text: &str) -> Result<Duration, InvalidDuration> {
    let mut seconds = 0_u64;
    for (number, unit) in terms(text).ok_or(ELAPSED_FORM)? {
        let unit_seconds = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            "w" => 7 * 24 * 3600,
            _ => return Err(ELAPSED_FORM),
        };
        seconds = u64::from(number.ok_or(TOO_LONG)?) // at most 32 bits, so the product fits
            .checked_mul(unit_seconds)
            .and_then(|term| seconds.checked_add(term))
            .ok_or(TOO_LONG)?;
    }
    if seconds == 0 { Err(NOTHING) } else { Ok(Duration::from_secs(seconds)) }
}

/// A time that passes, as [`elapsed`] parses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", inline, extend("format" = "elapsed"))]
pub struct Elapsed(Duration);

impl Elapsed {
    /// How long it is.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Elapsed {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        elapsed(&text).map(Self)
    }
}

/// A span of the calendar, to be counted back in a time zone: a month is not a number of days.
///
/// Parsed from `14d`, `4w`, `1y6m`; `m` is months. Never empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", inline, extend("format" = "within"))]
pub struct Within {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Weeks.
    pub weeks: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { years, months, weeks, days, hours } = *self;
        let parts = [(years, 'y'), (months, 'm'), (weeks, 'w'), (days, 'd'), (hours, 'h')];
        parts.into_iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl FromStr for Within {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let mut within = Self::default();
        for (number, unit) in terms(text).ok_or(WITHIN_FORM)? {
            let field = match unit {
                "y" => &mut within.years,
                "m" => &mut within.months,
                "w" => &mut within.weeks,
                "d" => &mut within.days,
                "h" => &mut within.hours,
                _ => return Err(WITHIN_FORM),
            };
            *field = number.and_then(|number| field.checked_add(number)).ok_or(TOO_LONG)?;
        }
        if within == Self::default() { Err(NOTHING) } else { Ok(within) }
    }
}

impl TryFrom<String> for Within {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        text.parse()
    }
}

/// Splits `1y6m` into (1, y) and (6, m); a number is `None` when it is too large. `None` for anything else.
fn terms(text: &str) -> Option<Vec<(Option<u32>, &str)>> {
    let mut terms = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        if number.is_empty() {
            return None;
        }
        terms.push((number.parse().ok(), &after[..unit_end]));
        rest = &after[unit_end..];
    }
    if terms.is_empty() { None } else { Some(terms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elapsed_time_counts_seconds() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("10min", 600),
            ("36h", 129_600),
            ("1d12h", 129_600),
            ("2w", 1_209_600),
            ("0h5s", 5),
        ] {
            assert_eq!(elapsed(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_elapsed_time_is_refused() {
        for text in ["", "36", "h", "-1h", "1.5h", "36 h", "1y", "1H", "1h ", "٣h", "é1h", "1é"] {
            assert_eq!(elapsed(text), Err(ELAPSED_FORM), "{text}");
        }
        assert_eq!(elapsed("0s"), Err(NOTHING));
        assert_eq!(elapsed("4294967296s"), Err(TOO_LONG));
        assert_eq!(elapsed("99999999999999999999999w"), Err(TOO_LONG));
    }

    #[test]
    fn a_span_keeps_its_units_apart() {
        let within = |years, months, weeks, days, hours| Ok(Within { years, months, weeks, days, hours });
        for (text, expected) in [
            ("14d", within(0, 0, 0, 14, 0)),
            ("1y6m", within(1, 6, 0, 0, 0)),
            ("6m1y", within(1, 6, 0, 0, 0)),
            ("4w2d12h", within(0, 0, 4, 2, 12)),
            ("1d1d", within(0, 0, 0, 2, 0)),
        ] {
            assert_eq!(text.parse::<Within>(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "14", "d", "-14d", "1.5d", "1s", "1min", "14 d", "1Y"] {
            assert_eq!(text.parse::<Within>(), Err(WITHIN_FORM), "{text}");
        }
        assert_eq!("0d".parse::<Within>(), Err(NOTHING));
        assert_eq!("4294967295d1d".parse::<Within>(), Err(TOO_LONG));
    }
}
