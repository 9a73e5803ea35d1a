//! What the config says of notifications: who is told of what, and how.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use snapkeep_providers::secret::SecretRef;

use super::{Elapsed, Selector, Target};

/// How long one try may take, unless the config says.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is tried again, unless the config says.
const RETRIES: u32 = 3;

/// Who is told, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Notification {
    /// How it is sent, and where to.
    #[serde(flatten)]
    pub channel: Channel,
    /// Which events are told; `failure` unless set, and all three of healthchecks.
    #[schemars(length(min = 1))]
    pub on: Option<Vec<Event>>,
    /// Of which actions; `create` unless set.
    #[serde(default = "create")]
    #[schemars(length(min = 1))]
    pub actions: Vec<NotifiedAction>,
    /// Of which targets: names, `*` for all of them, which is so unless set, or tag selectors such as `tag:team=orders`.
    #[serde(default = "everything")]
    #[schemars(length(min = 1))]
    pub targets: Vec<Selector>,
    /// How long one try may take: s, m (minutes), h, d, w and sums; 10s unless set.
    pub timeout: Option<Elapsed>,
    /// How often it is tried again; 3 times unless set.
    #[schemars(range(max = 10))]
    pub retries: Option<u32>,
    /// Authorities to trust beside the system's, in PEM, relative to the config file.
    #[schemars(length(min = 1))]
    pub ca_file: Option<PathBuf>,
}

fn create() -> Vec<NotifiedAction> {
    vec![NotifiedAction::Create]
}

fn everything() -> Vec<Selector> {
    vec![Selector::All]
}

impl Notification {
    /// Whether this event of this action on this target is told.
    pub fn tells(&self, event: Event, action: NotifiedAction, target: &Target) -> bool {
        let default: &[Event] = match self.channel {
            Channel::Healthchecks(_) => &[Event::Start, Event::Success, Event::Failure],
            Channel::Webhook(_) | Channel::Slack(_) | Channel::Email(_) => &[Event::Failure],
        };
        self.on.as_deref().unwrap_or(default).contains(&event)
            && self.actions.contains(&action)
            && self.targets.iter().any(|selector| selector.selects(target))
    }

    /// How long one try may take.
    pub fn limit(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, Elapsed::duration)
    }

    /// How often it is sent in all.
    pub fn tries(&self) -> u32 {
        self.retries.unwrap_or(RETRIES) + 1
    }
}

/// The ways to tell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Channel {
    /// A JSON document, by POST.
    Webhook(Webhook),
    /// A message by an incoming webhook of Slack, or of what takes the same.
    Slack(Address),
    /// Pings as healthchecks.io and its like take them.
    Healthchecks(Address),
    /// A mail, by SMTP.
    Email(Email),
}

/// Where the JSON document goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Webhook {
    /// The address, by reference: most hold a secret.
    pub url: SecretRef,
    /// A bearer token to send along.
    pub bearer_token: Option<SecretRef>,
}

/// An address that is a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Address {
    /// The address, by reference: who knows it can use it.
    pub url: SecretRef,
}

/// A mail server, and who writes to whom.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("dependentRequired" = { "user": ["password"], "password": ["user"] }))]
pub struct Email {
    /// The mail server, a name or an address.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Its port; 587 unless set, 465 with `tls = "implicit"`, 25 with `tls = "none"`.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Transport security; `starttls` unless set.
    #[serde(default)]
    pub tls: MailTls,
    /// The account; without one nobody logs in.
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// Its password, by reference.
    pub password: Option<SecretRef>,
    /// Who writes: an address, or a name and an address such as `Backups <backups@example.com>`.
    #[schemars(extend("format" = "mailbox"))]
    pub from: String,
    /// Who is written to.
    #[schemars(length(min = 1), extend("items" = { "type": "string", "format": "mailbox" }))]
    pub to: Vec<String>,
}

impl Email {
    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        })
    }
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// It begins in the clear, and nothing is said before it is encrypted.
    #[default]
    Starttls,
    /// It is encrypted from the first byte on.
    Implicit,
    /// Everyone on the way reads it, a password too.
    None,
}

/// What can be told of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It begins.
    Start,
    /// It is done, or already so.
    Success,
    /// It failed, or a part of it did.
    Failure,
}

impl Event {
    /// As it is written in the config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// What can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifiedAction {
    /// Creating a snapshot.
    Create,
    /// Verifying one.
    Verify,
    /// Pruning by the target's retention policy.
    Prune,
}

impl NotifiedAction {
    /// As it is written in the config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Prune => "prune",
        }
    }
}
