//! Following what Azure was asked to do: by what is there, and by what the operation itself tells where its address is known.
//!
//! What is asked for is remembered before it is sent, see [`crate::azure::begin`].

use std::time::Duration;

use chrono::TimeDelta;

use super::AzureSqlProvider;
use super::bacpac::Bacpacs;
use super::record::Record;
use super::restore::IMPORT;
use crate::azure::begin::Standing;
use crate::azure::fault::OrError;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{OperationState, SnapshotState};

/// The longest name that is kept as it is.
const LONGEST: usize = 100;

/// How long an export or an import may be in Azure's queue before anything is seen of it:
/// <https://learn.microsoft.com/azure/azure-sql/database/database-import-export-hang>.
const QUEUED: TimeDelta = TimeDelta::hours(24);

/// What there is of what was asked for.
#[derive(Debug)]
pub(super) struct There<T> {
    pub(super) state: SnapshotState,
    /// Azure's own word for it.
    pub(super) word: String,
    pub(super) what: T,
}

/// What is believed first when a thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The thing: it is available only when it is whole.
    Thing,
    /// The operation while it is known to go on, else the thing.
    Both,
    /// The operation: the thing is there before it is whole.
    Operation,
}

/// The name under which something is remembered; a state keeps short ones only.
pub(super) fn bookmark(kind: &str, name: &str) -> String {
    let whole = format!("{kind}:{name}");
    if whole.len() <= LONGEST && whole.is_ascii() { whole } else { format!("{kind}:{}", &sha256(name)[..32]) }
}

/// How far something is, and how long Azure asks to wait; `None` when nothing is there and nothing is known of it.
pub(super) fn state_of<T>(
    standing: Standing,
    there: Option<There<T>>,
    trust: Trust,
    failed: impl Fn(ErrorKind, String) -> Error,
) -> Option<OperationState<T>> {
    let failed = |kind, reason: &str| Some(OperationState::Failed(failed(kind, reason.to_owned())));
    let running = |there: Option<There<T>>, percent| {
        Some(OperationState::Running { so_far: there.map(|there| there.what), percent })
    };
    match (standing, there) {
        (Standing::Runs { percent, .. }, there) if trust != Trust::Thing => running(there, percent),
        (Standing::Unseen, Some(there)) if trust == Trust::Operation => running(Some(there), None),
        (Standing::Failed(words), _) if trust != Trust::Thing => failed(ErrorKind::Failed, &words),
        (_, Some(There { state: SnapshotState::Available, what, .. })) => Some(OperationState::Done(what)),
        (Standing::Failed(words), _) => failed(ErrorKind::Failed, &words),
        (Standing::Runs { percent, .. }, there) => running(there, percent),
        (_, Some(there)) if there.state == SnapshotState::Pending => running(Some(there), None),
        (_, Some(there)) => failed(ErrorKind::Failed, &format!("it is {}", there.word)),
        (Standing::Unseen, None) => running(None, None),
        (Standing::Never, None) => failed(ErrorKind::Unavailable, "Azure never began it: the request was lost"),
        (Standing::Over, None) => failed(ErrorKind::Failed, "Azure says that it is over, and it is not there"),
        (Standing::Forgotten, None) => None,
    }
}

/// Where an operation can't be looked at, what is there tells as much, if it is to be trusted.
pub(super) fn or_there(looked: Result<Standing>, is_there: bool, trust: Trust) -> Result<Standing> {
    match looked {
        Err(_) if is_there && trust == Trust::Thing => Ok(Standing::Forgotten),
        looked => looked,
    }
}

/// How long Azure asks to wait.
pub(super) fn pause_of(standing: &Standing) -> Option<Duration> {
    match standing {
        Standing::Runs { pause, .. } => *pause,
        _ => None,
    }
}

impl AzureSqlProvider {
    /// What is known of what was asked for under that name, or why that can't be told.
    pub(super) async fn standing(&self, mark: &str, subject: &str) -> Result<Result<Standing>> {
        // Azure exports and imports when it has a machine for that.
        let queued = [super::bacpac::MARK, IMPORT].iter().any(|kind| mark.starts_with(kind));
        let desk = if queued { self.desk.patient(QUEUED) } else { self.desk.clone() };
        Ok(desk.look(mark).await?.or_error(&self.home, "look at", subject))
    }

    /// A file as the export tells that writes it, where that is known: it may be there before it is whole.
    pub(super) async fn as_its_export_is(&self, file: Record) -> Record {
        let (mark, subject) = (Bacpacs::mark(&file.native), self.home.id(&file.native));
        match self.standing(&mark, &subject).await {
            Ok(Ok(Standing::Forgotten | Standing::Over | Standing::Unseen | Standing::Never)) => file,
            Ok(Ok(Standing::Failed(_))) => file.of_failed_export(),
            Ok(Ok(Standing::Runs { .. }) | Err(_)) | Err(_) => file.being_written(),
        }
    }

    /// The same without the secrets that exports and imports are told.
    pub(super) async fn hidden(&self, standing: Standing) -> Standing {
        match (standing, &self.bacpacs) {
            (Standing::Failed(words), Some(bacpacs)) => Standing::Failed(bacpacs.hidden(&words).await),
            (standing, _) => standing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(standing: Standing, there: Option<SnapshotState>, trust: Trust) -> &'static str {
        let there = there.map(|state| There { state, word: "Suspect".into(), what: () });
        let failed = |kind, reason: String| Error::new(kind, "azure_sql", "x", "y", reason);
        match state_of(standing, there, trust, failed) {
            None => "unknown",
            Some(OperationState::Running { .. }) => "running",
            Some(OperationState::Done(())) => "done",
            Some(OperationState::Failed(error)) if error.kind() == ErrorKind::Unavailable => "lost",
            Some(OperationState::Failed(_)) => "failed",
        }
    }

    const RUNS: Standing = Standing::Runs { percent: None, pause: None };

    fn bad() -> Standing {
        Standing::Failed("no room".into())
    }

    #[test]
    fn what_is_there_and_whole_is_done_whatever_the_operation_says() {
        for standing in [Standing::Forgotten, Standing::Unseen, RUNS, Standing::Over, Standing::Never, bad()] {
            assert_eq!(state(standing, Some(SnapshotState::Available), Trust::Thing), "done");
        }
    }

    #[test]
    fn what_is_there_before_it_is_whole_is_done_when_the_operation_is() {
        for (standing, expected) in
            [(RUNS, "running"), (Standing::Unseen, "running"), (bad(), "failed"), (Standing::Over, "done")]
        {
            assert_eq!(state(standing, Some(SnapshotState::Available), Trust::Operation), expected);
        }
        for (standing, expected) in [(RUNS, "running"), (Standing::Unseen, "done"), (bad(), "failed")] {
            assert_eq!(state(standing, Some(SnapshotState::Available), Trust::Both), expected);
        }
    }

    #[test]
    fn what_is_not_there_may_still_come_for_a_while() {
        for (standing, expected) in [
            (Standing::Forgotten, "unknown"),
            (Standing::Unseen, "running"),
            (Standing::Never, "lost"),
            (RUNS, "running"),
            (Standing::Over, "failed"),
            (bad(), "failed"),
        ] {
            assert_eq!(state(standing, None, Trust::Thing), expected);
        }
        assert_eq!(state(Standing::Forgotten, Some(SnapshotState::Pending), Trust::Thing), "running");
        assert_eq!(state(Standing::Forgotten, Some(SnapshotState::Unknown), Trust::Thing), "failed");
        assert_eq!(state(RUNS, Some(SnapshotState::Unknown), Trust::Thing), "running");
    }

    #[test]
    fn an_operation_that_cannot_be_looked_at_is_told_by_what_is_there() {
        let denied = || Err(Error::new(ErrorKind::Permission, "azure_sql", "look at", "y", "no"));
        assert!(or_there(denied(), true, Trust::Thing).is_ok());
        assert!(or_there(denied(), false, Trust::Thing).is_err(), "whether it comes is not known");
        assert!(or_there(denied(), true, Trust::Operation).is_err(), "nor whether it is whole");
    }

    #[test]
    fn names_of_bookmarks_are_short() {
        assert_eq!(bookmark("restore", "orders-check"), "restore:orders-check");
        let long = bookmark("restore", &"ü".repeat(128));
        assert!(long.len() <= LONGEST && long.is_ascii() && long != bookmark("restore", &"ö".repeat(128)), "{long}");
    }
}
