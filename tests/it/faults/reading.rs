//! While snapshots are listed and restored.

use std::sync::Arc;

use snapkeep_providers::model::{ListScope, NativeId};
use snapkeep_providers::{Error, ErrorKind, Provider};

use super::{ALWAYS, LATE, all, status, timeout};
use crate::support::{Action, Fault, File, Proxy, StoreKind, create, full, ok};

/// The requests of a `list` and a `restore`.
const REQUESTS: [(&str, &str); 4] =
    [("GET", "list-type=2"), ("GET", "manifest.json"), ("HEAD", "data."), ("GET", "data.")];

/// A file with a snapshot that is read in two ranges.
struct Ground {
    file: File,
    id: NativeId,
    content: String,
}

/// A way to it by a proxy of its own.
struct Way {
    proxy: Proxy,
    provider: Arc<dyn Provider>,
}

impl Ground {
    async fn new() -> Option<Self> {
        let file = File::new(StoreKind::S3.up()?).await;
        file.add_noise(5 << 10);
        let (id, content) = (create(&*file.direct).await, file.source());
        Some(Self { file, id, content })
    }

    async fn way(&self, retries: u32, fault: Fault, timeout: u32) -> Way {
        let proxy = self.file.store.another_proxy();
        let provider = self.file.by(&proxy, &format!("timeout_seconds = {timeout}, retries = {retries}")).await;
        proxy.fail(fault);
        Way { proxy, provider }
    }

    async fn restore(&self, way: &Way) -> Result<(), Error> {
        self.file.restore_by(&*way.provider, &self.id, &self.content).await
    }
}

/// What breaks the way back. An answer without a body loses nothing of it.
fn scenarios() -> impl Iterator<Item = (&'static str, &'static str, Action)> {
    let actions = |method: &str| {
        let body = [Action::CutBody(50), Action::StallBody(50)];
        let head = [Action::CutBefore, Action::Stall, status(500, "InternalError"), status(503, "SlowDown")];
        head.into_iter().chain(body.into_iter().filter(|_| method == "GET")).collect::<Vec<_>>()
    };
    REQUESTS
        .into_iter()
        .flat_map(move |(method, part)| actions(method).into_iter().map(move |action| (method, part, action)))
}

/// object_store doesn't ask again for a page of a list that broke off.
fn is_broken_page(part: &str, action: &Action) -> bool {
    part == "list-type=2" && matches!(action, Action::CutBody(_) | Action::StallBody(_))
}

#[tokio::test]
async fn what_passes_is_got_over() {
    let Some(ground) = &Ground::new().await else { return };
    all(scenarios(), |(method, part, action)| async move {
        let way = ground.way(3, Fault::on(method, part, action.clone()), timeout(&action)).await;
        match way.provider.list(ListScope::Own).await {
            Ok(listing) => assert_eq!((listing.snapshots.len(), listing.problems.len()), (1, 0), "{part} {action:?}"),
            Err(error) => assert!(is_broken_page(part, &action), "{part} {action:?}: {}", full(&error)),
        }
        let restored = ground.restore(&way).await;
        assert!(restored.is_ok(), "{method} {part} {action:?}: {}", full(&restored.unwrap_err()));
        assert_eq!(way.proxy.fired(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_in_the_middle_of_a_range_is_read_on_from_there() {
    let Some(ground) = Ground::new().await else { return };
    let way = ground.way(3, Fault::on("GET", "data.", Action::CutBody(1 << 20)), LATE).await;
    for number in 2..=4 {
        way.proxy.fail(Fault::on("GET", "data.", Action::CutBody((1 << 20) + number)).nth(number));
    }
    ok(ground.restore(&way).await);
    assert!(way.proxy.fired() >= 3);
}

#[tokio::test]
async fn what_stays_is_told_and_restores_nothing() {
    let Some(ground) = &Ground::new().await else { return };
    all(scenarios(), |(method, part, action)| async move {
        let way = ground.way(0, Fault::on(method, part, action.clone()).times(ALWAYS), timeout(&action)).await;
        let kind = if matches!(action, Action::Status(503, _)) { ErrorKind::Busy } else { ErrorKind::Unavailable };
        let told = |error: &Error| assert_eq!(error.kind(), kind, "{method} {part} {action:?}: {}", full(error));
        match (part, way.provider.list(ListScope::Own).await) {
            ("list-type=2", listed) => return told(&listed.unwrap_err()),
            ("manifest.json", listed) => {
                let listing = ok(listed);
                assert_eq!((listing.snapshots.len(), listing.problems.len()), (0, 1), "incomplete, and said to be");
                told(&listing.problems[0]);
            }
            (_, listed) => assert_eq!(ok(listed).snapshots.len(), 1),
        }
        told(&ground.restore(&way).await.unwrap_err());
    })
    .await;
    assert_eq!(&ground.file.is_sound(&ground.content).await, std::slice::from_ref(&ground.id));
}
