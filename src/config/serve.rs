//! What the config says of `snapkeep serve`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use snapkeep_providers::secret::SecretRef;

use super::Elapsed;

/// How `snapkeep serve` works, and what `snapkeep run` has of it: how much is done at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    /// The address and port for metrics, the API and the status page, or `off`; `127.0.0.1:9870` unless set.
    #[serde(default)]
    pub listen: Listen,
    /// Who knows it may read; needed where `listen` can be reached from other machines.
    pub bearer_token: Option<SecretRef>,
    /// How many targets are worked on at once, in all; 16 unless set.
    #[schemars(range(min = 1, max = 1000))]
    max_concurrent: Option<u16>,
    /// How many at once of one account of a cloud, or of one server; 4 unless set.
    #[schemars(range(min = 1, max = 1000))]
    max_per_account: Option<u16>,
    /// How long dumps may go on when it is told to stop; `60s` unless set.
    grace: Option<Elapsed>,
    /// How often each target's snapshots are listed for metrics and the status page, besides after each run; `1h` unless set. Those in
    /// trouble are each minute.
    look_every: Option<Elapsed>,
}

impl Serve {
    /// How many targets are worked on at once, in all.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent.unwrap_or(16).into()
    }

    /// How many at once of one account.
    pub fn max_per_account(&self) -> usize {
        self.max_per_account.unwrap_or(4).into()
    }

    /// How long dumps may go on when it is told to stop.
    pub fn grace(&self) -> Duration {
        self.grace.map_or(Duration::from_secs(60), |grace| grace.duration())
    }

    /// How often each target is looked at.
    pub fn look_every(&self) -> Duration {
        self.look_every.map_or(Duration::from_secs(3600), |every| every.duration())
    }

    /// Whether everyone who reaches it may read, from other machines too.
    pub fn is_open_to_all(&self) -> bool {
        self.bearer_token.is_none() && self.listen.is_public()
    }
}

/// Where HTTP is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", inline, extend("format" = "listen"))]
pub enum Listen {
    /// Nowhere.
    Off,
    /// On an address of this machine.
    On(SocketAddr),
}

impl Default for Listen {
    fn default() -> Self {
        Self::On(SocketAddr::from(([127, 0, 0, 1], 9870)))
    }
}

impl Listen {
    /// Whether other machines may reach it.
    pub fn is_public(self) -> bool {
        matches!(self, Self::On(address) if !address.ip().is_loopback())
    }
}

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidListen;

impl fmt::Display for InvalidListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an address and a port such as 127.0.0.1:9870, or off")
    }
}

impl std::error::Error for InvalidListen {}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::On).map_err(|_| InvalidListen),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = InvalidListen;

    fn try_from(text: String) -> Result<Self, InvalidListen> {
        text.parse()
    }
}
