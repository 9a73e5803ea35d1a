//! The copies that a target wants of each new snapshot, where a cloud makes them by operations of their own.

use futures::future::join_all;
use snapkeep_providers::model::{CopyRequest, CopyTo, NativeId, Origin, Snapshot};
use snapkeep_providers::{Provider, Run};
use tokio::time::Instant;

use crate::catalog::Opened;
use crate::failure::Failure;
use crate::operate::{self, Begun};

/// A snapshot that is there now.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) snapshot: Snapshot,
    pub(crate) begun: Begun,
    /// What it has in common with what was asked for, should it have been there before.
    pub(crate) same: &'static str,
}

/// What a copy that was there has in common with the one that was asked for.
pub(crate) const SAME: &str = "a copy of the same snapshot";

/// Whether the copies that the config names are to be made of this snapshot: of one of ours that is whole, in the region
/// `home` that the target's own are made in. One elsewhere is a copy itself.
pub(crate) fn are_wanted(provider: &dyn Provider, home: Option<&str>, snapshot: &Snapshot) -> bool {
    snapshot.origin == Origin::Owned
        && snapshot.is_good()
        && snapshot.location.as_deref() == home
        && !provider.copies().is_empty()
}

/// Makes the copies of a snapshot that are not there yet, all at once, and waits for them. The target's lock is held.
///
/// One that fails stops no other.
pub(crate) async fn make(
    opened: &Opened,
    of: &NativeId,
    deadline: Option<Instant>,
    run: &Run,
) -> Vec<Result<Made, Failure>> {
    let copies = opened.provider.copies().into_iter();
    join_all(copies.map(|to| async {
        let again = format!("`snapkeep wait {}/{of}` makes what is missing", opened.name());
        let copied = copy(opened, of, to, deadline, run).await;
        copied.map_err(|failure| if failure.hint.is_none() { failure.with_hint(again) } else { failure })
    }))
    .await
}

async fn copy(
    opened: &Opened,
    of: &NativeId,
    to: CopyTo,
    deadline: Option<Instant>,
    run: &Run,
) -> Result<Made, Failure> {
    let at = Begun::now();
    let request = CopyRequest { to };
    let copying = async { Ok(opened.provider.copy(of, &request, run).await?) };
    let operation = opened.begin_copy(&request.to, operate::in_time(deadline, copying)).await?;
    let begun = Begun::of(at, &operation);
    let snapshot = operate::wait(&*opened.provider, operation, deadline, run).await?;
    Ok(Made { snapshot, begun, same: SAME })
}

#[cfg(test)]
mod tests;
