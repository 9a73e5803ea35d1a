//! What a text in the config must look like beyond being a text: durations, time zones, names of other tables.
//!
//! The schema says which format a text has, by name; this module knows what that means.

use std::collections::BTreeSet;

use chrono_tz::{TZ_VARIANTS, Tz};
use snapkeep_providers::model::is_plain_name;
use snapkeep_providers::objects::check_endpoint;

use super::policy::InvalidSelector;
use super::{Cron, Listen, Selector, Within, elapsed, nearest};

/// A format, by the name that it has in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A name that a table may have.
    Name,
    /// The name of a store.
    Store,
    /// The name of a retention policy.
    Retention,
    /// A selector of targets.
    Target,
    /// A time that passes.
    Elapsed,
    /// A span of the calendar.
    Within,
    /// A time zone.
    TimeZone,
    /// A cron expression.
    Cron,
    /// The address of a service.
    Endpoint,
    /// Who writes or reads mail.
    Mailbox,
    /// Where HTTP is listened on.
    Listen,
}

/// The names that references are checked against.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) targets: BTreeSet<String>,
    pub(super) stores: BTreeSet<String>,
    pub(super) retention: BTreeSet<String>,
}

/// Why a text won't do: the rest of a sentence that begins with the key, and what was probably meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Format {
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "store" => Self::Store,
            "retention" => Self::Retention,
            "target" => Self::Target,
            "elapsed" => Self::Elapsed,
            "within" => Self::Within,
            "time-zone" => Self::TimeZone,
            "cron" => Self::Cron,
            "endpoint" => Self::Endpoint,
            "mailbox" => Self::Mailbox,
            "listen" => Self::Listen,
            _ => return None,
        })
    }

    /// The format as a regular expression, as far as one can say it; for other readers of the schema.
    pub(super) fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Name | Self::Store | Self::Retention => Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"),
            Self::Target => None,
            Self::Elapsed => Some("^([0-9]+(s|m|min|h|d|w))+$"),
            Self::Within => Some("^([0-9]+[hdwmy])+$"),
            Self::TimeZone => Some("^[A-Za-z0-9_+/-]+$"),
            Self::Endpoint => Some("^https?://[^/?#@]+"),
            Self::Mailbox => Some("^[^@]*[^@ ]@[^@ ]+$"),
            Self::Listen => Some(r"^(off|\[?[0-9A-Fa-f:.%]+\]?:[0-9]{1,5})$"),
            Self::Cron => Some(r"^\s*(@[A-Za-z]+|\S+(\s+\S+){4})\s*$"),
        }
    }

    pub(super) fn check(self, text: &str, names: &Names) -> Result<(), Misfit> {
        match self {
            Self::Name if is_plain_name(text) => Ok(()),
            Self::Name => Err(unfit(text, "use 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first")),
            Self::Store => exists(text, "store", &names.stores),
            Self::Retention => exists(text, "retention policy", &names.retention),
            Self::Target => match text.parse() {
                Ok(Selector::Name(name)) => exists(name.as_str(), "target", &names.targets),
                Ok(Selector::All | Selector::Tag { .. }) => Ok(()),
                Err(reason @ InvalidSelector) => Err(unfit(text, &reason.to_string())),
            },
            Self::Elapsed => elapsed(text).map(drop).map_err(|reason| unfit(text, &reason.to_string())),
            Self::Within => text.parse::<Within>().map(drop).map_err(|reason| unfit(text, &reason.to_string())),
            Self::TimeZone if text.parse::<Tz>().is_ok() => Ok(()),
            Self::TimeZone => {
                let near = nearest(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
                let hint = near.map(|near| format!("did you mean {near:?}?"));
                Err(Misfit { hint, ..unfit(text, "use an IANA name such as UTC or Europe/Berlin") })
            }
            // Not repeated: it may have a password in it.
            Self::Endpoint => check_endpoint(text)
                .map_err(|reason| Misfit { message: format!(" can't be used: {reason}"), hint: None }),
            Self::Mailbox if text.parse::<lettre::message::Mailbox>().is_ok() => Ok(()),
            Self::Listen => text.parse::<Listen>().map(drop).map_err(|reason| unfit(text, &reason.to_string())),
            Self::Mailbox => Err(unfit(text, "write backups@example.com or Backups <backups@example.com>")),
            Self::Cron => text.parse::<Cron>().map(drop).map_err(|reason| {
                let hint = reason.hint().map(str::to_owned);
                Misfit { hint, ..unfit(text, &reason.to_string()) }
            }),
        }
    }
}

fn unfit(text: &str, rule: &str) -> Misfit {
    Misfit { message: format!(" can't be {text:?}: {rule}"), hint: None }
}

fn exists(name: &str, kind: &str, names: &BTreeSet<String>) -> Result<(), Misfit> {
    if names.contains(name) {
        return Ok(());
    }
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if names.is_empty() => format!("there is no {kind} at all yet: add one"),
        None => format!("there is: {}", names.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    Err(Misfit { message: format!(": there is no {kind} {name:?}"), hint: Some(hint) })
}
