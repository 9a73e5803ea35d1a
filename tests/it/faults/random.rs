//! Faults by chance: what the list shows can always be restored to the same bytes.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::{SOON, all, file, status};
use crate::support::{Action, Chance, Fault, File, StoreKind, full, try_create};

impl Chance {
    fn action(&mut self) -> Action {
        match self.below(10) {
            0 => Action::CutBefore,
            1 | 2 => Action::CutAfter,
            3 => Action::CutRequest(self.below(5000)),
            4 => Action::CutBody(self.below(5000)),
            5 => Action::StallBody(self.below(5000)),
            6 => Action::Stall,
            7 => status(500, "InternalError"),
            8 => status(503, "SlowDown"),
            _ => status(400, "InvalidRequest"),
        }
    }

    fn fault(&mut self) -> Fault {
        const PARTS: [&str; 5] = ["", "", "manifest.json", "data.", "uploadId"];
        let (method, part) = (["GET", "HEAD", "PUT", "POST", "DELETE"][self.below(5)], PARTS[self.below(5)]);
        Fault::on(method, part, self.action()).nth(1 + self.below(3)).times(1 + self.below(4))
    }

    fn script(&mut self, file: &File) {
        for _ in 0..=self.below(4) {
            file.fail(self.fault());
        }
    }
}

async fn scenario(seed: u64) {
    let mut chance = Chance::new(seed);
    let kind = [StoreKind::S3, StoreKind::S3, StoreKind::Gcs, StoreKind::Azurite][chance.below(4)];
    let Some(file) = file(kind, 2, SOON).await else { return };
    if chance.below(5) == 0 {
        file.add_noise(6 << 10);
    }
    chance.script(&file);
    let made = try_create(&*file.provider).await.map(|snapshot| snapshot.native_id);
    file.store.proxy().heal();
    let ids = file.is_sound(&file.source()).await;
    match &made {
        Ok(id) => assert_eq!(&ids, std::slice::from_ref(id)),
        Err(error) => assert!(ids.len() <= 1, "{ids:?} after {}", full(error)),
    }
    for id in &ids {
        chance.script(&file);
        // It says so, or it is whole.
        drop(file.try_restore(id, &file.source()).await);
        file.store.proxy().heal();
    }
    assert_eq!(file.is_sound(&file.source()).await, ids);
}

#[tokio::test]
async fn what_is_listed_is_whole_whatever_happened() {
    let chosen = std::env::var("SNAPKEEP_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = chosen.map_or(1..61, |seed: u64| seed..seed + 1);
    all(seeds, |seed| async move {
        let ended = AssertUnwindSafe(scenario(seed)).catch_unwind().await;
        assert!(ended.is_ok(), "to see it again: SNAPKEEP_TEST_SEED={seed}");
    })
    .await;
}
