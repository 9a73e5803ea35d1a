//! Names of dumps: `<UTC time as 20261122T021500Z>-<4 random characters>`, so that they sort by time.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::model::NativeId;
use crate::random;

const TIME: &str = "%Y%m%dT%H%M%SZ";
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A new name for a dump that begins at `now`.
pub(crate) fn new(now: DateTime<Utc>) -> NativeId {
    NativeId::new(format!("{}-{}", now.format(TIME), random::letters(4)))
}

/// Whether a folder's name is a dump's: anything else in a store is none of ours.
pub(crate) fn is_snapshot_name(text: &str) -> bool {
    text.split_once('-').is_some_and(|(time, random)| {
        NaiveDateTime::parse_from_str(time, TIME).is_ok()
            && random.len() == 4
            && random.bytes().all(|byte| ALPHABET.contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_times_and_nothing_else_is_a_name() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T02:15:00Z").unwrap().to_utc();
        let name = new(now);
        assert!(name.as_str().starts_with("20261122T021500Z-"), "{name}");
        assert!(is_snapshot_name(name.as_str()));
        for wrong in [
            "",
            "..",
            "20261122T021500Z",
            "20261122T021500Z-AB12",
            "20261322T021500Z-ab12",
            "x-ab12",
            "20261122T021500Z-ab123",
            "20261122T021500Z-a/b2",
        ] {
            assert!(!is_snapshot_name(wrong), "{wrong:?}");
        }
    }
}
