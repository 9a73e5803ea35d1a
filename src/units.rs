//! Sizes, ages and durations as people read and type them.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config;

/// `1.5 GiB`; exact below 1 KiB.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// The two largest units: `3d 4h`, `12m 5s`; `0s` for what is not yet a second old, or in the future.
pub(crate) fn duration(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = units[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() { "0s".into() } else { shown.join(" ") }
}

/// What a table shows; a dash where there is nothing.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// `2026-11-22 02:15:00`, in UTC.
pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment as typed: RFC 3339, a date, or a duration back from `now`.
pub(crate) fn parse_moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let back = config::elapsed(text).ok().and_then(|span| TimeDelta::from_std(span).ok());
    let back = back.and_then(|span| now.checked_sub_signed(span));
    back.ok_or_else(|| format!("{text:?} is no time: write 2026-11-22T02:15:00Z, 2026-11-22, or 7d for seven days ago"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (count, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(bytes(count), shown);
        }
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn durations_read_well() {
        for (seconds, shown) in
            [(-5, "0s"), (0, "0s"), (61, "1m 1s"), (3600, "1h"), (86_399, "23h 59m"), (90_061, "1d 1h")]
        {
            assert_eq!(duration(TimeDelta::seconds(seconds)), shown);
        }
    }

    #[test]
    fn moments_are_absolute_or_back_from_now() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z").unwrap().to_utc();
        for (text, moment) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T02:00:00+02:00", "2026-11-01T00:00:00Z"),
            ("36h", "2026-11-21T00:00:00Z"),
        ] {
            assert_eq!(parse_moment(text, now), Ok(DateTime::parse_from_rfc3339(moment).unwrap().to_utc()));
        }
        assert!(parse_moment("yesterday", now).is_err());
    }
}
