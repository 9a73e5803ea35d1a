//! Following what Azure was asked to do: by what is there, and by what the operation itself tells where its address is known.
//!
//! What is asked for is remembered before it is sent. So an answer that is lost, or a process that is killed, leaves a trace for
//! five minutes in which nothing is asked for again.

use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep};

use super::AzureSqlProvider;
use crate::azure::fault::OrError;
use crate::azure::operation::{self, Progress};
use crate::bookmarks::Bookmark;
use crate::error::{Error, ErrorKind, Result};
use crate::hex::sha256;
use crate::model::{OperationState, SnapshotState};
use crate::rest::{Answer, Client};

/// The first and the longest pause between two looks.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// After so long a bookmark is of no use: no operation takes longer.
const STALE: chrono::TimeDelta = chrono::TimeDelta::days(14);
/// The longest name that is kept as it is.
const LONGEST: usize = 100;

/// What is known of something that was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    /// Nothing: it was asked for elsewhere, or never.
    Nothing,
    /// It was sent lately, and the answer was lost.
    Lost,
    /// The same, so long ago that its effect would be seen.
    LostForGood,
    Running(Option<u8>),
    /// It is over, and all is well as far as Azure still tells.
    Over,
    /// The same, so long ago that its effect would be seen.
    OverForLong,
    Failed(String),
}

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
    /// The operation: the thing is there before it is whole.
    Operation,
}

/// The name under which something is remembered; a state keeps short ones only.
pub(super) fn bookmark(kind: &str, name: &str) -> String {
    let whole = format!("{kind}:{name}");
    if whole.len() <= LONGEST && whole.is_ascii() { whole } else { format!("{kind}:{}", &sha256(name)[..32]) }
}

/// How far something is; `None` when nothing is there and nothing is known of it.
pub(super) fn state_of<T>(
    asked: Asked,
    there: Option<There<T>>,
    trust: Trust,
    failed: impl Fn(ErrorKind, String) -> Error,
) -> Option<OperationState<T>> {
    let failed = |kind, reason: &str| Some(OperationState::Failed(failed(kind, reason.to_owned())));
    let running = |so_far, percent| Some(OperationState::Running { so_far, percent });
    match (asked, there) {
        (Asked::Running(percent), there) if trust == Trust::Operation => running(there.map(|there| there.what), percent),
        (Asked::Lost, Some(there)) if trust == Trust::Operation => running(Some(there.what), None),
        (Asked::Failed(words), _) if trust == Trust::Operation => failed(ErrorKind::Failed, &words),
        (_, Some(There { state: SnapshotState::Available, what, .. })) => Some(OperationState::Done(what)),
        (Asked::Failed(words), _) => failed(ErrorKind::Failed, &words),
        (Asked::Running(percent), there) => running(there.map(|there| there.what), percent),
        (_, Some(There { state: SnapshotState::Pending, what, .. })) => running(Some(what), None),
        (_, Some(there)) => failed(ErrorKind::Failed, &format!("it is {}", there.word)),
        (Asked::Lost | Asked::Over, None) => running(None, None),
        (Asked::LostForGood, None) => failed(ErrorKind::Unavailable, "Azure never began it: the request was lost"),
        (Asked::OverForLong, None) => failed(ErrorKind::Failed, "Azure says that it is done, and it is not there"),
        (Asked::Nothing, None) => None,
    }
}

impl AzureSqlProvider {
    /// Remembers what is about to be asked for.
    pub(super) async fn intend(&self, mark: &str) -> Result<Bookmark> {
        let intended = operation::intended();
        self.bookmarks.keep(mark, &intended).await?;
        Ok(intended)
    }

    /// Remembers where Azure tells how far it is. It goes on whether or not that can be kept.
    pub(super) async fn begun(&self, mark: &str, intended: &Bookmark, answer: &Answer) {
        let begun = operation::begun(intended, answer);
        let kept = match &begun {
            Some(begun) => self.bookmarks.keep(mark, begun).await,
            // It was done at once.
            None => self.bookmarks.forget(mark).await,
        };
        drop(kept);
    }

    /// Forgets what was refused, or is over; a trace that stays does no harm.
    pub(super) async fn forget(&self, mark: &str) {
        drop(self.bookmarks.forget(mark).await);
    }

    /// Forgets what is over for long.
    pub(super) async fn forget_stale(&self) {
        for mark in self.bookmarks.names().await.unwrap_or_default() {
            if let Ok(Some(kept)) = self.bookmarks.kept(&mark).await
                && Utc::now().signed_duration_since(kept.sent_at) > STALE
            {
                self.forget(&mark).await;
            }
        }
    }

    /// What is known of what was asked for under that name.
    pub(super) async fn asked(&self, mark: &str, subject: &str) -> Result<Asked> {
        let Some(kept) = self.bookmarks.kept(mark).await? else { return Ok(Asked::Nothing) };
        let settled = operation::is_settled(&kept, Utc::now());
        let over = if settled { Asked::OverForLong } else { Asked::Over };
        if kept.status_url.is_none() && kept.result_url.is_none() {
            return Ok(if settled { Asked::LostForGood } else { Asked::Lost });
        }
        match operation::look(&self.api.client, &kept).await {
            Ok(Progress::Running { percent, .. }) => Ok(Asked::Running(percent)),
            Ok(Progress::Failed(words)) => Ok(Asked::Failed(words)),
            Ok(Progress::Succeeded | Progress::Unknown) => Ok(over),
            // What is there tells it as well.
            Err(fault) if !fault.kind().is_retryable() => Ok(over),
            Err(fault) => Err(fault).or_error(&self.home, "look at", subject),
        }
    }

    /// Follows what an answer has begun to its end, or for so long; gives what went wrong with it, in Azure's words.
    pub(super) async fn followed(&self, client: &Client, answer: &Answer, limit: Duration) -> Option<String> {
        let begun = operation::begun(&operation::intended(), answer)?;
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        while since.elapsed() < limit {
            sleep(pause).await;
            match operation::look(client, &begun).await {
                Ok(Progress::Running { pause: asked, .. }) => {
                    pause = asked.unwrap_or(pause * 2).min(PAUSES.1);
                }
                Ok(Progress::Failed(words)) => return Some(words),
                Ok(Progress::Succeeded | Progress::Unknown) => return None,
                // It goes on whether or not one look at it succeeds.
                Err(fault) if fault.kind().is_retryable() => pause = (pause * 2).min(PAUSES.1),
                Err(_) => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(asked: Asked, there: Option<SnapshotState>, trust: Trust) -> &'static str {
        let there = there.map(|state| There { state, word: "Suspect".into(), what: () });
        let failed = |kind, reason: String| Error::new(kind, "azure_sql", "x", "y", reason);
        match state_of(asked, there, trust, failed) {
            None => "unknown",
            Some(OperationState::Running { .. }) => "running",
            Some(OperationState::Done(())) => "done",
            Some(OperationState::Failed(error)) if error.kind() == ErrorKind::Unavailable => "lost",
            Some(OperationState::Failed(_)) => "failed",
        }
    }

    #[test]
    fn what_is_there_and_whole_is_done_whatever_the_operation_says() {
        let there = Some(SnapshotState::Available);
        for asked in [Asked::Nothing, Asked::Lost, Asked::Running(None), Asked::Over, Asked::Failed("x".into())] {
            assert_eq!(state(asked, there, Trust::Thing), "done");
        }
    }

    #[test]
    fn what_is_there_before_it_is_whole_is_done_when_the_operation_is() {
        let there = Some(SnapshotState::Available);
        for (asked, expected) in [
            (Asked::Running(None), "running"),
            (Asked::Lost, "running"),
            (Asked::Failed("x".into()), "failed"),
            (Asked::Over, "done"),
            (Asked::OverForLong, "done"),
        ] {
            assert_eq!(state(asked, there, Trust::Operation), expected);
        }
    }

    #[test]
    fn what_is_not_there_may_still_come_for_a_while() {
        for (asked, expected) in [
            (Asked::Nothing, "unknown"),
            (Asked::Lost, "running"),
            (Asked::LostForGood, "lost"),
            (Asked::Running(Some(7)), "running"),
            (Asked::Over, "running"),
            (Asked::OverForLong, "failed"),
            (Asked::Failed("x".into()), "failed"),
        ] {
            assert_eq!(state(asked, None, Trust::Thing), expected);
        }
        assert_eq!(state(Asked::Nothing, Some(SnapshotState::Pending), Trust::Thing), "running");
        assert_eq!(state(Asked::Nothing, Some(SnapshotState::Unknown), Trust::Thing), "failed");
        assert_eq!(state(Asked::Running(None), Some(SnapshotState::Unknown), Trust::Thing), "running");
    }

    #[test]
    fn names_of_bookmarks_are_short() {
        assert_eq!(bookmark("restore", "orders-check"), "restore:orders-check");
        let long = bookmark("restore", &"ü".repeat(128));
        assert!(long.len() <= LONGEST && long.is_ascii() && long != bookmark("restore", &"ö".repeat(128)), "{long}");
    }
}
