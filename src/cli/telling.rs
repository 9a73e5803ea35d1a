//! What the verbs tell the config's notifications.

use snapkeep_providers::model::Snapshot;

use super::following::Came;
use super::{App, Mode};
use crate::catalog::Catalog;
use crate::config::{NotifiedAction, Target};
use crate::failure::Failure;
use crate::notices::{BegunBy, Telling, Told};

impl App {
    /// An action begins on a target, and who wants to know is told; nobody, in a dry run. Flush the config's notices last.
    pub(super) fn telling(&self, config: &Catalog, action: NotifiedAction, target: &Target) -> Telling {
        match self.mode {
            Mode::Act => self.telling_of(config, (action, BegunBy::Us), target),
            Mode::DryRun => Telling::nobody(action, target),
        }
    }

    /// The same of an action that another process may have begun.
    pub(super) fn telling_of(&self, config: &Catalog, action: (NotifiedAction, BegunBy), target: &Target) -> Telling {
        let telling = config.notices().begin(&self.report, &self.cancel, action, target);
        if self.takes_up { telling.that_is_taken_up() } else { telling }
    }
}

/// What became of a creation; nothing, while it goes on.
pub(super) fn told_of(made: &Result<Came<Snapshot>, Failure>) -> Option<Told> {
    match made {
        Ok(Came::Done(snapshots, failures)) => Some(Told::new(snapshots, failures)),
        Ok(Came::Begun(_) | Came::NotTried) => None,
        Err(failure) => Some(Told::new::<Snapshot>([], std::slice::from_ref(failure))),
    }
}
