//! Faults on the way to a store, by the scripted proxy: a dump goes through, or there is no snapshot.
//!
//! Whatever happened, what the list shows can be restored to the same bytes, and all else in the store is known debris.

use futures::{StreamExt, stream};
use snapkeep_providers::Error;
use snapkeep_providers::model::NativeId;

use crate::support::{Action, Fault, File, SOURCE, StoreKind, create, try_create};

mod memory;
mod random;
mod reading;
mod writing;

/// How many scenarios run at once: most of their time they wait before they try again.
const AT_ONCE: usize = 12;

/// For ever.
const ALWAYS: usize = usize::MAX;

/// A request of a `create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Whether the name is free.
    Claim,
    Begin,
    Part,
    Complete,
    Manifest,
    /// Whether the parts are there.
    Look,
}

impl Step {
    const ALL: [Self; 6] = [Self::Claim, Self::Begin, Self::Part, Self::Complete, Self::Manifest, Self::Look];

    /// How the request of a store is told; `None` where a store has no such request.
    fn request(self, kind: StoreKind) -> Option<(&'static str, &'static str)> {
        let azure = kind == StoreKind::Azurite;
        match self {
            Self::Claim => Some(("GET", if azure { "comp=list" } else { "list-type=2" })),
            Self::Begin => (!azure).then_some(("POST", "uploads")),
            Self::Part => Some(("PUT", if azure { "blockid=" } else { "partNumber=" })),
            Self::Complete => Some(if azure { ("PUT", "comp=blocklist") } else { ("POST", "uploadId=") }),
            Self::Manifest => Some(("PUT", "manifest.json")),
            Self::Look => Some(("HEAD", "data.")),
        }
    }
}

fn status(code: u16, error: &str) -> Action {
    Action::Status(code, format!("<Error><Code>{error}</Code></Error>"))
}

/// What breaks a connection, or makes a store refuse for now: all of it for one store, the most telling for the others.
fn passing(kind: StoreKind) -> Vec<Action> {
    let telling = [Action::CutAfter, Action::CutRequest(1), status(503, "SlowDown")];
    let more = [Action::CutBefore, status(500, "InternalError"), status(429, "TooManyRequests")];
    telling.into_iter().chain(more.into_iter().filter(|_| kind == StoreKind::S3)).collect()
}

/// A file with a store behind the proxy, how often a request is tried again, and after how many seconds it counts as
/// stalled. `None` where the store is not there.
async fn file(kind: StoreKind, retries: u32, timeout: u32) -> Option<File> {
    let store = kind.up()?.with(&format!("connection = {{ timeout_seconds = {timeout}, retries = {retries} }}"));
    Some(File::new(store.behind_proxy()).await)
}

/// As short as a busy machine permits.
const SOON: u32 = 2;
/// Never reached.
const LATE: u32 = 60;

/// The time to wait for an answer where `action` may strike.
fn timeout(action: &Action) -> u32 {
    if matches!(action, Action::Stall | Action::StallBody(_)) { SOON } else { LATE }
}

impl File {
    fn fail(&self, fault: Fault) {
        self.store.proxy().fail(fault);
    }

    /// What is in the file.
    fn source(&self) -> String {
        self.content(SOURCE).unwrap()
    }

    /// Makes a snapshot while there are faults, and looks at what there is once there are none.
    async fn create(&self) -> Result<NativeId, Error> {
        let made = try_create(&*self.provider).await.map(|snapshot| snapshot.native_id);
        assert!(self.store.proxy().fired() > 0, "a fault that never struck tests nothing");
        self.store.proxy().heal();
        let ids = self.is_sound(&self.source()).await;
        assert_eq!(ids, made.iter().cloned().collect::<Vec<_>>(), "there is one snapshot or none");
        made
    }

    /// Checks that nothing is left of a dump that failed, and that the next one is made.
    async fn goes_on(&self) {
        assert_eq!(self.store.names().await, <[String; 0]>::default());
        self.change();
        let next = create(&*self.direct).await;
        assert_eq!(self.is_sound(&self.source()).await, [next]);
    }
}

/// Runs scenarios side by side; each says which it was when it fails.
async fn all<S, F: Future<Output = ()>>(scenarios: impl IntoIterator<Item = S>, run: impl Fn(S) -> F) {
    stream::iter(scenarios).map(run).buffer_unordered(AT_ONCE).collect::<()>().await;
}
