//! What is kept of many targets and seldom asked for: as JSON, compressed. Snapshots of a target, and its runs, hardly differ.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How hard zstd tries. Trying harder makes it hardly smaller: 30 runs are 7 KB of JSON, and 1.2 KB at levels 1 and 9.
const LEVEL: i32 = 1;

/// Items that take little room until they are opened.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    bytes: Box<[u8]>,
    of: PhantomData<T>,
}

#[expect(clippy::expect_used, reason = "only what this process has packed is opened, and it is whole")]
impl<T: Serialize + DeserializeOwned> Packed<T> {
    pub(crate) fn of(items: &[T]) -> Self {
        let json = serde_json::to_vec(items).expect("it is JSON");
        let bytes = zstd::bulk::compress(&json, LEVEL).expect("there is memory");
        Self { bytes: bytes.into(), of: PhantomData }
    }

    /// The same, in their order.
    pub(crate) fn open(&self) -> Vec<T> {
        let json = zstd::decode_all(&*self.bytes).expect("it was packed");
        serde_json::from_slice(&json).expect("it was JSON")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use snapkeep_providers::model::{Origin, Snapshot, SnapshotState};

    use super::*;
    use crate::history::Run;
    use crate::standing::tests::{held, now, run, snapshot, verified};

    #[test]
    fn what_was_packed_is_what_is_opened() {
        let full = Snapshot {
            origin: Origin::Automated,
            state: SnapshotState::Failed,
            provider_state: Some("incompatible-restore".into()),
            engine: Some("postgresql".into()),
            engine_version: Some("17.2".into()),
            encrypted: Some(true),
            key: Some("nightly@2026-11-23T02:15:00Z".to_owned()),
            expires_at: Some(now() + TimeDelta::nanoseconds(1)),
            tags: Arc::new([("team".to_owned(), "\u{202e}\"\0".to_owned())].into()),
            locked_until: Some(now()),
            ..held(verified(snapshot("om", 1, 1), false), "audit")
        };
        let bare = Snapshot { created_at: None, size_bytes: None, location: None, ..snapshot("om", 2, 1) };
        let snapshots = [full, bare];
        assert_eq!(Packed::of(&snapshots).open(), snapshots);
        let runs = [run(1, None), run(2, Some("gone"))];
        assert_eq!(Packed::of(&runs).open(), runs);
        assert_eq!(Packed::<Run>::of(&[]).open(), []);
    }
}
