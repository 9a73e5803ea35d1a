//! What is told: one document for all channels.

use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Event, NotifiedAction, Target};
use crate::failure::Failure;
use crate::lock::host;
use crate::render::{Kind, SCHEMA};

/// What became of an action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The items of the command's own document.
    pub(crate) items: Vec<Value>,
    pub(crate) errors: Vec<Failure>,
}

impl Told {
    pub(crate) fn new<'i, T: Serialize + 'i>(items: impl IntoIterator<Item = &'i T>, errors: &[Failure]) -> Self {
        let items = items.into_iter().map(|item| serde_json::to_value(item).unwrap_or_default()).collect();
        Self { items, errors: errors.to_vec() }
    }
}

/// What a webhook gets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Notice {
    pub(super) schema: &'static str,
    #[schemars(with = "String")]
    pub(super) kind: Kind,
    /// What became of the action.
    pub(super) event: Event,
    /// What is told of.
    pub(super) action: NotifiedAction,
    /// The target that it is done for.
    pub(super) target: String,
    /// Its provider's name in the config.
    pub(super) provider: &'static str,
    /// When this was written.
    pub(super) at: DateTime<Utc>,
    /// Of the action; null when it begins.
    pub(super) duration_seconds: Option<f64>,
    /// The machine that does it.
    pub(super) host: String,
    /// The same for the start and the end of one action, and for nothing else.
    pub(super) run_id: String,
    /// The items of the document of `action`.
    pub(super) snapshots: Vec<Value>,
    /// What went wrong.
    pub(super) errors: Vec<Failure>,
}

/// An action on a target, from its beginning on.
#[derive(Clone, Debug)]
pub(super) struct Occasion {
    action: NotifiedAction,
    target: String,
    provider: &'static str,
    host: String,
    run_id: String,
    begun: Instant,
}

impl Occasion {
    pub(super) fn new(action: NotifiedAction, target: &Target) -> Self {
        let host = host();
        let (target, provider) = (target.name.to_string(), target.settings.name());
        Self { action, target, provider, host, run_id: uuid(rand::random()), begun: Instant::now() }
    }

    pub(super) fn start(&self) -> Notice {
        self.notice(Event::Start, None, Told::default())
    }

    pub(super) fn end(&self, told: Told) -> Notice {
        let event = if told.errors.is_empty() { Event::Success } else { Event::Failure };
        let milliseconds = self.begun.elapsed().as_millis() as f64;
        self.notice(event, Some(milliseconds / 1000.0), told)
    }

    fn notice(&self, event: Event, duration_seconds: Option<f64>, told: Told) -> Notice {
        Notice {
            schema: SCHEMA,
            kind: Kind::Notification,
            event,
            action: self.action,
            target: self.target.clone(),
            provider: self.provider,
            at: Utc::now().trunc_subsecs(3),
            duration_seconds,
            host: self.host.clone(),
            run_id: self.run_id.clone(),
            snapshots: told.items,
            errors: told.errors,
        }
    }
}

/// A random UUID: RFC 9562, version 4.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = crate::state::hex(&bytes);
    for dash in [20, 16, 12, 8] {
        text.insert(dash, '-');
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use snapkeep_providers::ErrorKind;

    use super::*;

    /// What is told of `create` on a target `notes`.
    pub(in crate::notices) fn notice(event: Event, items: Vec<Value>, errors: Vec<Failure>) -> Notice {
        Notice {
            schema: SCHEMA,
            kind: Kind::Notification,
            event,
            action: NotifiedAction::Create,
            target: "notes".into(),
            provider: "sqlite",
            at: DateTime::UNIX_EPOCH,
            duration_seconds: (event != Event::Start).then_some(3.25),
            host: "db1".into(),
            run_id: uuid([0; 16]),
            snapshots: items,
            errors,
        }
    }

    #[test]
    fn a_run_is_named_by_a_uuid_of_chance() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn whatever_failed_makes_it_a_failure() {
        let text = "version = 1\n[targets.notes]\nprovider = \"sqlite\"\npath = \"n\"\nstore = \"l\"\n[stores.l]\ntype = \"local\"\npath = \"s\"";
        let config = crate::config::parse(text, std::path::Path::new("/x")).unwrap();
        let occasion = Occasion::new(NotifiedAction::Create, config.targets.values().next().unwrap());
        let items = vec![serde_json::json!({ "id": "notes/1" })];
        let part = occasion.end(Told { items: items.clone(), errors: vec![Failure::new(ErrorKind::Busy, "x")] });
        assert_eq!((part.event, part.snapshots.len()), (Event::Failure, 1));
        let whole = occasion.end(Told { items, errors: Vec::new() });
        assert_eq!((whole.event, whole.run_id), (Event::Success, part.run_id));
    }
}
