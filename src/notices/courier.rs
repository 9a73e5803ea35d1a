//! Sends what one notification is told of one action: its start beside the work, then its end, each for a bounded time.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Addressee;
use super::notice::Notice;
use crate::config::Event;
use crate::report::Report;

/// How long all of it may take once the work has ended.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a start may still take once the work has ended.
const LATE: Duration = Duration::from_secs(15);
/// How long all of that may take once the process is interrupted.
const INTERRUPTED: Duration = Duration::from_secs(5);
/// What a pause is multiplied by.
const JITTER: std::ops::Range<f64> = 0.5..1.5;

/// One notification and one action.
pub(super) struct Courier {
    pub(super) addressee: Arc<Addressee>,
    /// What of it is told.
    pub(super) events: Vec<Event>,
    pub(super) report: Report,
    pub(super) cancel: CancellationToken,
}

impl Courier {
    /// Until the end is told, or is known to come from elsewhere.
    pub(super) async fn run(self, start: Option<Notice>, mut ended: oneshot::Receiver<Arc<Notice>>) {
        let starting = async {
            if let Some(notice) = &start {
                self.deliver(notice).await;
            }
        };
        tokio::pin!(starting);
        let early = tokio::select! {
            biased;
            () = &mut starting => None,
            end = &mut ended => Some(end),
        };
        let is_told = early.is_none();
        let end = match early {
            Some(end) => end,
            None => ended.await,
        };
        let over = self.over();
        tokio::pin!(over);
        if !is_told
            && !matches!(before(over.as_mut(), timeout(LATE, starting)).await, Some(Ok(())))
            && let Some(notice) = &start
        {
            self.warn(notice, "it takes too long", None);
        }
        // Nothing, when what was begun goes on without this process.
        let Ok(notice) = end else { return };
        if self.events.contains(&notice.event) && before(over, self.deliver(&notice)).await.is_none() {
            self.warn(&notice, "it takes too long", None);
        }
    }

    /// Comes when the work has ended so long ago that nothing more is sent.
    async fn over(&self) {
        tokio::select! {
            () = sleep(LIMIT) => {}
            () = async { self.cancel.cancelled().await; sleep(INTERRUPTED).await } => {}
        }
    }

    /// Sends it, again where that may help, and says so when it could not be sent.
    async fn deliver(&self, notice: &Notice) {
        let ready = match self.addressee.ready().await {
            Ok(ready) => ready,
            Err(failure) => {
                let cause = failure.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
                return self.warn(notice, &format!("{}{cause}", failure.message), failure.hint.as_deref());
            }
        };
        let tries = self.addressee.settings.tries();
        for past in 1.. {
            let Err(fault) = ready.send(notice).await else { return };
            let jitter = rand::rng().random_range(JITTER);
            if let Some(pause) = fault.pause(past, tries, jitter) {
                sleep(pause).await;
                continue;
            }
            let times = if past > 1 { format!(", {past} times") } else { String::new() };
            return self.warn(notice, &format!("{}{times}", fault.reason), fault.hint.as_deref());
        }
    }

    fn warn(&self, notice: &Notice, reason: &str, hint: Option<&str>) {
        let (name, target, hint) =
            (&self.addressee.name, &notice.target, hint.unwrap_or("try it by `snapkeep doctor`"));
        let (event, action) = (notice.event.word(), notice.action.word());
        let whom = self.addressee.ready.get().map(|ready| format!(" {}", ready.host())).unwrap_or_default();
        let message =
            format!("notification {name}: cannot tell{whom} of the {event} of {action} {target}: {reason}; {hint}");
        self.report.warn_always(&message);
    }
}

/// What work gives, unless the time is over first.
async fn before<T>(over: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = over => None,
    }
}
