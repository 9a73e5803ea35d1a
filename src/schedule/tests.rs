use super::*;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn schedule(more: &str) -> Schedule {
    toml::from_str(&format!("targets = [\"*\"]\nactions = [\"create\"]\n{more}")).unwrap()
}

pub(super) fn timetable(cron: &str, zone: Tz) -> Timetable {
    Timetable::new("nightly", &schedule(&format!("cron = \"{cron}\"\ntimezone = \"{zone}\"")))
}
