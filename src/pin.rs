//! Work on a snapshot while nobody may delete it: it is held, by a hold that runs out by itself.

use std::time::Duration;

use snapkeep_providers::model::NativeId;

use crate::failure::Failure;
use crate::marks;
use crate::state::{Scope, Version, random};

/// How soon a snapshot that somebody else holds is looked at again: that hold may go first.
const LOOK: Duration = Duration::from_secs(15);
/// How long the state may take, where the work is done and only a courtesy is left.
const LIMIT: Duration = Duration::from_secs(10);

/// A snapshot's hold while it is worked on. Its reason names this very work: in containers every process is number 1.
pub(crate) struct Pinned<'a> {
    scope: &'a Scope,
    native: &'a NativeId,
    reason: String,
    /// `None` while somebody else's hold stands there.
    pin: Option<Version>,
}

impl<'a> Pinned<'a> {
    /// Holds a snapshot that is being `done` to, as in "verified".
    pub(crate) async fn hold(scope: &'a Scope, native: &'a NativeId, done: &str) -> Result<Self, Failure> {
        let reason =
            format!("it is being {done} by process {} on this or another host, {:016x}", std::process::id(), random());
        let pin = marks::pin(scope, native, &reason).await?;
        Ok(Self { scope, native, reason, pin })
    }

    /// Does `work` meanwhile. It takes no lock: a backup need not wait for that.
    pub(crate) async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        // Beside the work, which a state that doesn't answer must not stop.
        let renewal = async {
            loop {
                tokio::time::sleep(if self.pin.is_some() { marks::PIN_RENEWAL } else { LOOK }).await;
                // One that can't be renewed runs out: then the work notices if the snapshot goes.
                if let Ok(renewed) = marks::pin(self.scope, self.native, &self.reason).await {
                    self.pin = renewed;
                }
            }
        };
        let done = tokio::select! {
            biased;
            done = work => done,
            never = renewal => never,
        };
        if let Some(pin) = &self.pin {
            // What was done counts, whatever becomes of the pin: it runs out by itself.
            let _ = tokio::time::timeout(LIMIT, marks::unpin(self.scope, self.native, pin)).await;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::scope;

    #[tokio::test]
    async fn work_is_not_thrown_away_when_the_state_fails_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let pinned = Pinned::hold(&scope, &native, "verified").await.unwrap();
        let broken = async {
            let holds = folder.path().join("om");
            std::fs::remove_dir_all(&holds).unwrap();
            std::fs::write(holds, "no folder").unwrap();
            "found"
        };
        assert_eq!(pinned.during(broken).await, "found");
        assert!(marks::release(&scope, &native).await.is_err(), "the state is broken");
    }

    #[tokio::test]
    async fn each_work_holds_for_itself_also_in_processes_of_one_number() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let first = Pinned::hold(&scope, &native, "verified").await.unwrap();
        let second = Pinned::hold(&scope, &native, "verified").await.unwrap();
        assert!(first.pin.is_some() && second.pin.is_none());
        second.during(async {}).await;
        assert!(marks::claim(&scope, &native).await.unwrap().is_none(), "the end of one leaves the other's");
        first.during(async {}).await;
        assert!(marks::claim(&scope, &native).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn when_another_hold_goes_the_work_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, native) = (scope(folder.path()), NativeId::new("a"));
        let first = Pinned::hold(&scope, &native, "verified").await.unwrap();
        let second = Pinned::hold(&scope, &native, "restored").await.unwrap();
        first.during(async {}).await;
        let work = async {
            tokio::time::sleep(LOOK * 2).await;
            assert!(marks::claim(&scope, &native).await.unwrap().is_none());
        };
        second.during(work).await;
        assert!(marks::claim(&scope, &native).await.unwrap().is_some());
    }
}
