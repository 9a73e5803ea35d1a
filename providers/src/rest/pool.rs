//! The clients that were opened: one for each account of a server, so that its targets share a pace and a clock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use url::{Host, Url};

use super::{Client, Connections, Fault, Tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Check;
use crate::secret::SecretRef;

/// What tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the server is.
    pub(crate) endpoint: String,
    /// What the server counts calls for: a project, a subscription.
    pub(crate) account: String,
    /// Where to sign in, if that may be told.
    pub(crate) authority: Option<String>,
    /// The token that the config names, and where its relative paths start.
    pub(crate) access_token: Option<(SecretRef, PathBuf)>,
}

impl Place {
    /// An account of the server at `endpoint`, or at its `usual` place.
    pub(crate) fn new(
        account: &str,
        (endpoint, usual): (Option<&str>, &str),
        (access_token, base): (Option<&SecretRef>, &Path),
    ) -> Self {
        let endpoint = endpoint.unwrap_or(usual).trim_end_matches('/').to_owned();
        let access_token = access_token.map(|reference| (reference.clone(), base.to_owned()));
        Self { endpoint, account: account.to_owned(), authority: None, access_token }
    }
}

#[derive(Default)]
pub(crate) struct Pool {
    http: OnceLock<Connections>,
    known: Mutex<Vec<(Place, Client)>>,
}

impl Pool {
    /// The client for a place of `provider`; `tokens` are asked for when it is a new one.
    pub(crate) fn open(
        &self,
        provider: &'static str,
        place: Place,
        tokens: impl FnOnce(&Place, &Connections) -> Arc<dyn Tokens>,
    ) -> Result<Client> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = known.iter().find(|(known, _)| *known == place) {
            return Ok(client.clone());
        }
        let refused = |reason: &str, hint: &str| {
            Error::new(ErrorKind::Usage, provider, "open", &place.account, reason).with_hint(hint)
        };
        if place.access_token.is_none() && is_open(&place.endpoint) {
            // Credentials that were found are good for all that their owner may do: they never go out unencrypted.
            let reason = "its endpoint is not encrypted, and the account's own token would go there";
            let hint = "use https in `endpoint`, or give `access_token` one that may be read on the way";
            return Err(refused(reason, hint));
        }
        let opened = self.connections().and_then(|http| Client::new(&http, &place.endpoint, tokens(&place, &http)));
        let client = opened.map_err(|fault| {
            refused("its address can't be used", "correct `endpoint` in the target").with_source(fault)
        })?;
        known.push((place, client.clone()));
        Ok(client)
    }

    fn connections(&self) -> Result<Connections, Fault> {
        match self.http.get() {
            Some(http) => Ok(http.clone()),
            None => {
                let http = Connections::new()?;
                Ok(self.http.get_or_init(|| http).clone())
            }
        }
    }
}

/// Whether what is sent to an endpoint of `section` of the config can be read on the way: the row `tls`.
pub fn on_the_way(endpoint: Option<&str>, section: &str) -> Check {
    let Some(endpoint) = endpoint else { return Check::new("tls", Ok("https".into())) };
    let shown = endpoint.trim_end_matches('/');
    if is_open(endpoint) {
        let told = format!("plain http: whoever is in between can read and change what is sent to {shown}");
        return Check::new("tls", Ok(told)).with_advice(format!("set an endpoint with https:// in [{section}]"));
    }
    let local = endpoint.starts_with("http:");
    let word = if local { "plain http, which stays on this machine" } else { "https" };
    Check::new("tls", Ok(format!("{word}: {shown}")))
}

/// Whether whoever is in between reads what is sent there.
pub(crate) fn is_open(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !local
}
