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
            let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that are done would be kept until the flush.
            while sending.try_join_next().is_some() {}
            sending.spawn(courier.run(start, ended));
            ends.push(end);
        }
        Telling { occasion, ends, is_taken_up: false }
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
    is_taken_up: bool,
}

impl Telling {
    /// Of which nobody wants to know.
    pub(crate) fn nobody(action: NotifiedAction, target: &Target) -> Self {
        Self { occasion: Occasion::new(action, target), ends: Vec::new(), is_taken_up: false }
    }

    /// Of an action that is taken up again where it is stopped, or meets a lock: that is no end.
    pub(crate) fn that_is_taken_up(self) -> Self {
        Self { is_taken_up: true, ..self }
    }

    /// Tells what became of it, beside what comes next; see [`Notices::flush`]. `None` when it goes on without this process.
    pub(crate) fn end(self, told: Option<Told>) {
        let is_end = |told: &Told| !self.is_taken_up || !told.errors.iter().any(Failure::is_put_off);
        let Some(told) = told.filter(|told| !self.ends.is_empty() && is_end(told)) else { return };
        let notice = Arc::new(self.occasion.end(told));
        for end in self.ends {
            // A courier that is gone has told why.
            let _ = end.send(notice.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use snapkeep_providers::ErrorKind;

    use super::*;

    fn target() -> Target {
        let text = "version = 1\n[targets.notes]\nprovider = \"sqlite\"\npath = \"notes.db\"\nstore = \"local\"\n\
             [stores.local]\ntype = \"local\"\npath = \"s\"\n";
        let config = crate::config::parse(text, std::path::Path::new("/etc/snapkeep/config.toml")).unwrap();
        config.targets.into_values().next().unwrap()
    }

    /// Whether the end of an action that fails like this is told.
    fn is_told(kind: ErrorKind, is_taken_up: bool) -> bool {
        let (end, mut ended) = oneshot::channel();
        let nobody = Telling::nobody(NotifiedAction::Create, &target());
        let telling = Telling { ends: vec![end], is_taken_up, ..nobody };
        telling.end(Some(Told { items: Vec::new(), errors: vec![Failure::new(kind, "x")] }));
        ended.try_recv().is_ok()
    }

    #[test]
    fn what_is_taken_up_again_has_not_ended_where_it_was_put_off() {
        for kind in [ErrorKind::Locked, ErrorKind::Interrupted] {
            assert!(is_told(kind, false) && !is_told(kind, true), "{kind:?}");
        }
        assert!(is_told(ErrorKind::Unavailable, true));
    }
}
