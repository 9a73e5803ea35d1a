//! Beginning what Azure makes, only once, though an answer may be lost or this process be killed.
//!
//! A bookmark is kept before the request goes out, and the addresses of its operation after. A request whose answer is lost is not
//! sent again: what it makes is looked for, and [`SETTLED`] must pass before it counts as never made.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{Instant, sleep};

use super::fault::{is_busy, is_uncertain};
use super::operation::{self, Progress, SETTLED, begun, intended, is_settled};
use crate::Run;
use crate::bookmarks::{Bookmark, Bookmarks, Fleeting};
use crate::error::Result;
use crate::rest::{Answer, Called, Client};

/// No operation takes this long.
const STALE: TimeDelta = TimeDelta::days(14);
/// How long other operations on a server are waited for.
const QUEUE: Duration = Duration::from_secs(30 * 60);
/// The first and the longest pause meanwhile.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// What a pause is multiplied by: many that were refused at once are not to come back at once.
const JITTER: std::ops::Range<f64> = 0.5..1.5;

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
    /// Azure says that it is done: what it made is to be looked at.
    Over,
    /// It failed, for reasons in Azure's words.
    Failed(String),
    /// The answer was lost, or Azure no longer tells of it; what it makes may still come into sight.
    Unseen,
    /// The same so long ago that it would have been seen.
    Never,
}

/// One target's operations.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) bookmarks: Arc<dyn Bookmarks>,
    /// Those that could not be kept there: this process goes by them.
    unkept: Arc<Fleeting>,
    /// How long what was lost may still come into sight.
    settled: TimeDelta,
}

/// What came of waiting for a turn.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// What was to be made has been made meanwhile.
    Found(T),
    /// It was asked for.
    Asked(Called<Begun>),
}

impl Desk {
    pub(crate) fn new(client: Client, bookmarks: Option<&Arc<dyn Bookmarks>>) -> Self {
        let bookmarks = bookmarks.cloned().unwrap_or_else(|| Arc::new(Fleeting::default()));
        Self { client, bookmarks, unkept: Arc::default(), settled: SETTLED }
    }

    /// The same for what may come into sight only after so long.
    pub(crate) fn patient(&self, settled: TimeDelta) -> Self {
        Self { settled, ..self.clone() }
    }

    /// Sends what begins something of this name. A refusal leaves nothing behind.
    pub(crate) async fn begin(
        &self,
        (name, what): (&str, Option<&str>),
        send: impl Future<Output = Called<Answer>>,
    ) -> Result<Called<Begun>> {
        let bookmark = intended(operation::now(&self.client), what);
        self.bookmarks.keep(name, &bookmark).await?;
        match send.await {
            Ok(answer) => {
                let pause = answer.pause(self.client.clock().ahead().unwrap_or_default());
                let Some(bookmark) = begun(&bookmark, &answer) else { return Ok(Ok(Begun::Done)) };
                // It goes on, whether or not that can be written down.
                if self.bookmarks.keep(name, &bookmark).await.is_err() {
                    self.unkept.keep(name, &bookmark).await?;
                }
                Ok(Ok(Begun::Runs(pause)))
            }
            Err(fault) if is_uncertain(&fault) => Ok(Ok(Begun::Lost)),
            Err(fault) => {
                self.forget(name).await;
                Ok(Err(fault))
            }
        }
    }

    /// The same when it is the turn of `server`: while that is busy with another operation it is waited for, unless the run
    /// is cancelled. Before each further try `made` looks whether what was waited for is what was to be made.
    pub(crate) async fn begin_in_turn<T, M, S>(
        &self,
        name: (&str, Option<&str>),
        (server, run): (&str, &Run),
        made: impl Fn() -> M,
        send: impl Fn() -> S,
    ) -> Result<Turn<T>>
    where
        M: Future<Output = Result<Option<T>>>,
        S: Future<Output = Called<Answer>>,
    {
        let (since, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let fault = match self.begin(name, send()).await? {
                Err(fault) if is_busy(&fault) && since.elapsed() < QUEUE => fault,
                begun => {
                    if matches!(begun, Ok(Begun::Lost)) {
                        run.reporter
                            .warn("Azure's answer was lost: what it makes is looked for, and not asked for again");
                    }
                    return Ok(Turn::Asked(begun));
                }
            };
            if pause == PAUSES.0 {
                run.reporter.warn(&format!("waiting for the server {server}, which is busy with another operation"));
            }
            tokio::select! {
                () = run.cancel.cancelled() => return Ok(Turn::Asked(Err(fault))),
                () = sleep(pause.mul_f64(rand::random_range(JITTER))) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
            if let Some(made) = made().await? {
                return Ok(Turn::Found(made));
            }
        }
    }

    /// What is remembered of the one of this name.
    pub(crate) async fn kept(&self, name: &str) -> Result<Option<Bookmark>> {
        let kept = match self.unkept.kept(name).await? {
            Some(kept) => Some(kept),
            None => self.bookmarks.kept(name).await?,
        };
        Ok(kept.filter(|kept| !self.is_stale(kept)))
    }

    /// How far the one of this name is.
    pub(crate) async fn look(&self, name: &str) -> Result<Called<Standing>> {
        let Some(bookmark) = self.kept(name).await? else { return Ok(Ok(Standing::Forgotten)) };
        Ok(self.standing(&bookmark).await)
    }

    async fn standing(&self, bookmark: &Bookmark) -> Called<Standing> {
        let unseen = || match is_settled(bookmark, self.settled, operation::now(&self.client)) {
            true => Standing::Never,
            false => Standing::Unseen,
        };
        Ok(match operation::look(&self.client, bookmark).await? {
            Progress::Running { percent, pause } => Standing::Runs { percent, pause },
            Progress::Succeeded => Standing::Over,
            Progress::Unknown => unseen(),
            Progress::Failed(words) => Standing::Failed(words),
        })
    }

    fn is_stale(&self, bookmark: &Bookmark) -> bool {
        operation::now(&self.client).signed_duration_since(bookmark.sent_at) > STALE
    }

    /// Forgets what was asked for so long ago that it is over, whoever waited for it or did not.
    pub(crate) async fn forget_stale(&self) {
        for name in self.bookmarks.names().await.unwrap_or_default() {
            if let Ok(Some(kept)) = self.bookmarks.kept(&name).await
                && self.is_stale(&kept)
            {
                self.forget(&name).await;
            }
        }
    }

    /// Keeps the bookmark no longer; one that stays does no harm.
    pub(crate) async fn forget(&self, name: &str) {
        let _ = self.unkept.forget(name).await;
        let _ = self.bookmarks.forget(name).await;
    }
}

/// How long what was lost is looked for, in words.
pub(crate) fn settled_after() -> String {
    format!("{} minutes", SETTLED.num_minutes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Call;
    use crate::rest::scripted::{Answer as Told, Scripted, client};

    async fn desk(answers: impl IntoIterator<Item = Told>) -> (Scripted, Desk) {
        let server = Scripted::start(answers).await;
        let desk = Desk::new(client(&server.url, &["t0ken"]), None);
        (server, desk)
    }

    /// Asks for something, and tells what the bookmark was while the request was on its way.
    async fn begin(desk: &Desk) -> (Called<Begun>, Option<Bookmark>) {
        let mut while_sent = None;
        let send = async {
            while_sent = desk.bookmarks.kept("b").await.unwrap();
            desk.client.ask(&Call::put(&["b"], None::<&()>)).await
        };
        let begun = desk.begin(("b", None), send).await.unwrap();
        (begun, while_sent)
    }

    #[tokio::test]
    async fn it_is_written_down_before_it_is_sent_and_with_its_addresses_after() {
        let addresses =
            vec![("Azure-AsyncOperation", "http://127.0.0.1:1/op".to_owned()), ("Retry-After", "3".to_owned())];
        let (_server, desk) = desk([Told::Whole(202, addresses, String::new())]).await;
        let (begun, while_sent) = begin(&desk).await;
        assert!(matches!(begun, Ok(Begun::Runs(Some(pause))) if pause.as_secs() == 3));
        assert_eq!(while_sent.unwrap().status_url, None);
        let after = desk.bookmarks.kept("b").await.unwrap().unwrap();
        assert_eq!(after.status_url.as_deref(), Some("http://127.0.0.1:1/op"));
    }

    #[tokio::test]
    async fn what_was_lost_stays_written_down_and_what_was_refused_does_not() {
        let (server, desk) = desk([Told::Lost, Told::refusal(409, r#"{"error": {"code": "ServerIsBusy"}}"#)]).await;
        assert!(matches!(begin(&desk).await.0, Ok(Begun::Lost)));
        assert!(matches!(desk.look("b").await.unwrap(), Ok(Standing::Unseen)));
        assert!(begin(&desk).await.0.is_err());
        assert!(matches!(desk.look("b").await.unwrap(), Ok(Standing::Forgotten)));
        assert_eq!(server.asked().len(), 2);
    }

    #[tokio::test]
    async fn what_was_lost_long_ago_was_never_made() {
        let bookmarks = Arc::new(Fleeting::default());
        let server = Scripted::start([Told::Lost]).await;
        let kept = bookmarks.clone() as Arc<dyn Bookmarks>;
        let desk = Desk::new(client(&server.url, &["t0ken"]), Some(&kept));
        let _ = begin(&desk).await;
        bookmarks.alter(|bookmark| bookmark.sent_at -= SETTLED * 2);
        assert!(matches!(desk.look("b").await.unwrap(), Ok(Standing::Never)));
    }
}
