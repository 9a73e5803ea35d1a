//! Between moments and what a clock on the wall shows, also where the clocks are changed and where the calendar ends.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// More than any zone is from UTC.
pub(crate) const EDGE: TimeDelta = TimeDelta::days(2);

/// What a clock in `zone` shows; at the ends of the calendar, where it would show nothing, what it shows days from there.
pub(crate) fn shown(moment: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let (first, last) = (DateTime::<Utc>::MIN_UTC + EDGE, DateTime::<Utc>::MAX_UTC - EDGE);
    moment.clamp(first, last).with_timezone(&zone).naive_local()
}

/// The first moment at which a clock in `zone` shows `wall`; where a change of the clocks skips that, the first after it.
pub(crate) fn first_moment(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let moment = zone.from_local_datetime(&wall).earliest().or_else(|| GapInfo::new(&wall, &zone)?.end)?;
    Some(moment.to_utc())
}
