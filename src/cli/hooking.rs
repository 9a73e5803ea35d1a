//! When hooks run around the making of a snapshot: under the target's lock, and one of `after_create` and `on_failure` for
//! each time that `before_create` began.

use snapkeep_providers::model::{ListScope, Snapshot, SnapshotState};
use tokio_util::sync::CancellationToken;

use super::following::Came;
use super::making::Making;
use crate::catalog::Opened;
use crate::failure::Failure;
use crate::hooks::{self, Moment, Occasion};
use crate::journal;

impl Making<'_> {
    /// Does `work`, which makes the snapshot, with the target's hooks around it.
    pub(super) async fn hooked(
        &self,
        opened: &Opened,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<Came<Snapshot>, Failure>>,
    ) -> Result<Came<Snapshot>, Failure> {
        let made = match self.standing(opened).await {
            Standing::Ended => return work.await,
            Standing::Untold => work.await,
            Standing::Unmade => {
                match hooks::run(&self.app.report, Moment::BeforeCreate, self.occasion(&[], &[]), cancel).await {
                    Ok(()) => work.await,
                    Err(failure) => Err(self.app.or_lock_lost(failure)),
                }
            }
        };
        self.after(made, cancel).await
    }

    /// Runs what runs once the making has ended, unless it goes on. Also for who waited for what another process began.
    pub(super) async fn after(
        &self,
        made: Result<Came<Snapshot>, Failure>,
        cancel: &CancellationToken,
    ) -> Result<Came<Snapshot>, Failure> {
        match made {
            Ok(Came::Done(snapshots, mut failures)) => {
                let occasion = self.occasion(&snapshots, &failures);
                let ran = hooks::run(&self.app.report, Moment::AfterCreate, occasion, cancel).await;
                failures.extend(ran.err().map(|failure| self.app.or_lock_lost(failure)));
                Ok(Came::Done(snapshots, failures))
            }
            Ok(goes_on) => Ok(goes_on),
            Err(failure) => {
                let failures = [failure.of(&self.target.name)];
                hooks::clean_up(&self.app.report, self.occasion(&[], &failures), cancel).await;
                let [failure] = failures;
                Err(failure)
            }
        }
    }

    fn occasion<'o>(&'o self, snapshots: &'o [Snapshot], errors: &'o [Failure]) -> Occasion<'o> {
        Occasion { target: self.target, key: self.key, snapshots, errors }
    }

    /// Whether the key has its snapshot, wherever one goes: then nothing is made. What can't be told is made.
    async fn standing(&self, opened: &Opened) -> Standing {
        let Some(key) = self.key.filter(|_| hooks::surround(self.target)) else { return Standing::Unmade };
        let Ok(listing) = opened.list(ListScope::Own).await else { return Standing::Unmade };
        let region = self.target.region();
        let here = |snapshot: &&Snapshot| region.is_none_or(|region| snapshot.location.as_deref() == Some(region));
        let of_key = || listing.snapshots.iter().filter(|snapshot| snapshot.key.as_deref() == Some(key)).filter(here);
        let is_begun = of_key().any(|snapshot| snapshot.is_good() || snapshot.state == SnapshotState::Pending);
        if is_begun && journal::untold(&opened.scope, key).await.unwrap_or(false) {
            return Standing::Untold;
        }
        let good = of_key().filter(|snapshot| snapshot.is_good()).count();
        if good < self.target.store.len().max(1) { Standing::Unmade } else { Standing::Ended }
    }
}

/// How far the snapshot of a key is.
enum Standing {
    Unmade,
    /// It is there, or on its way, and who began it was cut off before its end.
    Untold,
    Ended,
}
