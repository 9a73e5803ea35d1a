//! Notifications: who is told of what becomes of an action on a target.
//!
//! What is told, and to whom, is decided by pure code (`notice`, `words`, the config); `courier` sends beside the work, for a
//! bounded time. A notification that can't be sent is a warning, and never changes what became of the action.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Event, Notification, NotifiedAction, Target};
use crate::failure::Failure;
use crate::report::Report;

mod check;
mod courier;
mod fault;
mod http;
mod mail;
mod notice;
mod ready;
mod words;

pub(crate) use check::check;
pub(crate) use notice::{Notice, Told};

use courier::Courier;
use notice::Occasion;
use ready::Ready;

/// The notifications of a config, and what of them is on its way.
#[derive(Debug)]
pub(crate) struct Notices {
    addressees: Vec<Arc<Addressee>>,
    sending: Mutex<JoinSet<()>>,
}

/// One notification of the config.
#[derive(Debug)]
struct Addressee {
    name: String,
    settings: Notification,
    /// Where relative paths of the settings start.
    base: PathBuf,
    /// With its secrets, which are read once.
    ready: OnceCell<Ready>,
}

impl Addressee {
    async fn ready(&self) -> Result<&Ready, Failure> {
        self.ready.get_or_try_init(|| Ready::of(&self.settings, &self.base)).await
    }

    /// The events of an action on a target that are told here.
    fn events(&self, action: NotifiedAction, target: &Target) -> Vec<Event> {
        let all = [Event::Start, Event::Success, Event::Failure];
        all.into_iter().filter(|event| self.settings.tells(*event, action, target)).collect()
    }
}

impl Notices {
    pub(crate) fn of(config: &Config) -> Self {
        let addressee = |(name, settings): (&String, &Notification)| {
            let (name, settings, base) = (name.clone(), settings.clone(), config.base.clone());
            Arc::new(Addressee { name, settings, base, ready: OnceCell::new() })
        };
        Self { addressees: config.notifications.iter().map(addressee).collect(), sending: Mutex::default() }
    }

    /// An action is begun: who wants to know is told, beside the work. Of one that another process began only the end.
    pub(crate) fn begin(
        &self,
        report: &Report,
        cancel: &CancellationToken,
        (action, by): (NotifiedAction, BegunBy),
        target: &Target,
    ) -> Telling {
        let occasion = Occasion::new(action, target);
        let mut ends = Vec::new();
        for addressee in &self.addressees {
            let events = addressee.events(action, target);
            if events.is_empty() {
                continue;
            }
            let start = (by == BegunBy::Us && events.contains(&Event::Start)).then(|| occasion.start());
            let (end, ended) = oneshot::channel();
            let courier =
                Courier { addressee: addressee.clone(), events, report: report.clone(), cancel: cancel.clone() };
            self.sending.lock().unwrap_or_else(PoisonError::into_inner).spawn(courier.run(start, ended));
            ends.push(end);
        }
        Telling { occasion, ends }
    }

    /// Waits until everything is sent, or given up: about a minute at most after the last end.
    pub(crate) async fn flush(&self) {
        let mut sending = std::mem::take(&mut *self.sending.lock().unwrap_or_else(PoisonError::into_inner));
        while sending.join_next().await.is_some() {}
    }
}

/// Which process began an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BegunBy {
    Us,
    Another,
}

/// An action that began, of which the end is to be told.
#[must_use = "what is dropped without an end is told to nobody"]
pub(crate) struct Telling {
    occasion: Occasion,
    ends: Vec<oneshot::Sender<Arc<Notice>>>,
}

impl Telling {
    /// Of which nobody wants to know.
    pub(crate) fn nobody(action: NotifiedAction, target: &Target) -> Self {
        Self { occasion: Occasion::new(action, target), ends: Vec::new() }
    }

    /// Tells what became of it, beside what comes next; see [`Notices::flush`]. `None` when it goes on without this process.
    pub(crate) fn end(self, told: Option<Told>) {
        let Some(told) = told.filter(|_| !self.ends.is_empty()) else { return };
        let notice = Arc::new(self.occasion.end(told));
        for end in self.ends {
            // A courier that is gone has told why.
            let _ = end.send(notice.clone());
        }
    }
}
