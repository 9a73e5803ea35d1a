//! When hooks run around the making of a snapshot: under the target's lock, and one of `after_create` and `on_failure` for
//! each time that `before_create` began.

use snapkeep_providers::model::{ListScope, Snapshot};
use tokio_util::sync::CancellationToken;

use super::following::Came;
use super::making::Making;
use crate::catalog::Opened;
use crate::failure::Failure;
use crate::hooks::{self, Moment, Occasion};

impl Making<'_> {
    /// Does `work`, which makes the snapshot, with the target's hooks around it.
    pub(super) async fn hooked(
        &self,
        opened: &Opened,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<Came<Snapshot>, Failure>>,
    ) -> Result<Came<Snapshot>, Failure> {
        if self.is_there(opened).await {
            return work.await;
        }
        let begun = hooks::run(&self.app.report, Moment::BeforeCreate, self.occasion(&[], &[]), cancel).await;
        let made = match begun {
            Ok(()) => work.await,
            Err(failure) => Err(self.app.or_lock_lost(failure)),
        };
        match made {
            Ok(Came::Done(snapshots, failures)) => Ok(self.after(snapshots, failures, cancel).await),
            Ok(goes_on) => Ok(goes_on),
            Err(failure) => {
                let failures = [failure.of(&self.target.name)];
                hooks::clean_up(&self.app.report, self.occasion(&[], &failures), cancel).await;
                let [failure] = failures;
                Err(failure)
            }
        }
    }

    /// Runs what runs once the snapshot is there. Also for who waited for one whose creation ended before it was there.
    pub(super) async fn after(
        &self,
        snapshots: Vec<Snapshot>,
        mut failures: Vec<Failure>,
        cancel: &CancellationToken,
    ) -> Came<Snapshot> {
        let occasion = self.occasion(&snapshots, &failures);
        let ran = hooks::run(&self.app.report, Moment::AfterCreate, occasion, cancel).await;
        failures.extend(ran.err().map(|failure| self.app.or_lock_lost(failure)));
        Came::Done(snapshots, failures)
    }

    fn occasion<'o>(&'o self, snapshots: &'o [Snapshot], errors: &'o [Failure]) -> Occasion<'o> {
        Occasion { target: self.target, key: self.key, snapshots, errors }
    }

    /// Whether the key has its snapshot, wherever one goes: then nothing is made. What can't be told is made.
    async fn is_there(&self, opened: &Opened) -> bool {
        let Some(key) = self.key.filter(|_| hooks::surround(self.target)) else { return false };
        let Ok(listing) = opened.list(ListScope::Own).await else { return false };
        let region = self.target.region();
        let here = |snapshot: &&Snapshot| region.is_none_or(|region| snapshot.location.as_deref() == Some(region));
        let known =
            listing.snapshots.iter().filter(|snapshot| snapshot.is_good() && snapshot.key.as_deref() == Some(key));
        known.filter(here).count() >= self.target.store.len().max(1)
    }
}
