//! Beginning what Azure makes, only once, though an answer may be lost or this process be killed.
//!
//! A bookmark is kept before the request goes out, and the addresses of its operation after. A request whose answer is lost is not
//! sent again: what it makes is looked for, and [`SETTLED`] must pass before it counts as never made.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use super::fault::is_uncertain;
use super::operation::{self, Progress, SETTLED, begun, intended, is_settled};
use crate::bookmarks::{Bookmark, Bookmarks};
use crate::error::Result;
use crate::rest::{Answer, Called, Client, Fault};

/// What a request began.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is done already.
    Done,
    /// It goes on; Azure asks to wait so long before it is looked at.
    Runs(Option<Duration>),
    /// The answer is lost.
    Lost,
}

/// How far something is that was asked for, as far as its bookmark tells.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Nothing is remembered of it.
    Forgotten,
    /// It goes on.
    Runs {
        /// 0 to 100.
        percent: Option<u8>,
        /// How long the service asks to wait.
        pause: Option<Duration>,
    },
    /// Azure says that it is done, or no longer tells of it: what it made is to be looked at.
    Over,
    /// It failed, for reasons in Azure's words.
    Failed(String),
    /// The answer was lost, and what it makes may still come into sight.
    Unseen,
    /// The answer was lost so long ago that it was never taken.
    Never,
}

/// One target's operations.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) bookmarks: Arc<dyn Bookmarks>,
}

impl Desk {
    /// Sends what begins something of this name. A refusal leaves nothing behind.
    pub(crate) async fn begin(
        &self,
        name: &str,
        send: impl Future<Output = Called<Answer>>,
    ) -> Result<Result<Begun, Fault>> {
        let bookmark = intended();
        self.bookmarks.keep(name, &bookmark).await?;
        match send.await {
            Ok(answer) => {
                let pause = answer.pause(self.client.clock().ahead().unwrap_or_default());
                let Some(bookmark) = begun(&bookmark, &answer) else { return Ok(Ok(Begun::Done)) };
                // It goes on, whether or not that could be written down.
                let _ = self.bookmarks.keep(name, &bookmark).await;
                Ok(Ok(Begun::Runs(pause)))
            }
            Err(fault) if is_uncertain(&fault) => Ok(Ok(Begun::Lost)),
            Err(fault) => {
                self.forget(name).await;
                Ok(Err(fault))
            }
        }
    }

    /// How far the one of this name is.
    pub(crate) async fn look(&self, name: &str) -> Result<Called<Standing>> {
        let Some(bookmark) = self.bookmarks.kept(name).await? else { return Ok(Ok(Standing::Forgotten)) };
        Ok(self.standing(&bookmark).await)
    }

    async fn standing(&self, bookmark: &Bookmark) -> Called<Standing> {
        if bookmark.status_url.is_none() && bookmark.result_url.is_none() {
            let settled = is_settled(bookmark, Utc::now());
            return Ok(if settled { Standing::Never } else { Standing::Unseen });
        }
        Ok(match operation::look(&self.client, bookmark).await? {
            Progress::Running { percent, pause } => Standing::Runs { percent, pause },
            Progress::Succeeded | Progress::Unknown => Standing::Over,
            Progress::Failed(words) => Standing::Failed(words),
        })
    }

    /// Keeps the bookmark no longer; one that stays does no harm.
    pub(crate) async fn forget(&self, name: &str) {
        let _ = self.bookmarks.forget(name).await;
    }
}

/// How long what was lost is looked for, in words.
pub(crate) fn settled_after() -> String {
    format!("{} minutes", SETTLED.num_minutes())
}
