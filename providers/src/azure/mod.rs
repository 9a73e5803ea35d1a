//! What every use of Azure shares: one client for each subscription, where a target is, long-running operations, and what
//! refusals mean.

use std::fmt;
use std::ops::{ControlFlow, Deref};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::Run;
use crate::error::{ErrorKind, Result};
use crate::owner::Owner;
use crate::rest::{Call, Called, Client, Next, Place, Pool, Static};
use crate::settings::AzureAccess;
use crate::toml::{toml_secret, toml_text};

pub(crate) mod begin;
pub(crate) mod bridge;
mod cloud;
mod credentials;
pub(crate) mod fault;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod permissions;

use cloud::Cloud;
use credentials::{Environment, Found};

/// The clients that were opened. A clone has the same ones.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Pool>);

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// The client for a subscription, as `provider`. Targets of one subscription share it, and so its pace: what Azure counts,
    /// it counts for a caller and a subscription. `base` is where relative paths of the settings start.
    pub(crate) fn open(&self, provider: &'static str, access: &AzureAccess, base: &Path) -> Result<Client> {
        let AzureAccess { subscription_id, endpoint, authority_host, access_token } = access;
        let environment = Environment::of_process().of_subscription(subscription_id);
        let authority = authority_host.clone().or_else(|| environment.authority_host());
        let cloud = Cloud::of(endpoint.as_deref(), authority.as_deref());
        let place = Place::new(subscription_id, (Some(&cloud.endpoint), ""), (access_token.as_ref(), base));
        let place = Place { authority: Some(cloud.authority.clone()), ..place };
        self.0.open(provider, place, |place, http| match &place.access_token {
            Some((reference, base)) => Arc::new(Static::new(provider, reference.clone(), base)),
            None => Arc::new(Found::new(environment, http, cloud.authority, cloud.scope)),
        })
    }
}

/// Where a target's server is.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) owner: Owner,
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) server: String,
    /// The kind of server, in a path: `Microsoft.DBforMySQL/flexibleServers`.
    pub(crate) kind: &'static str,
}

impl Deref for Home {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Home {
    /// Ends with [`ErrorKind::Interrupted`] as soon as the run is cancelled.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        run: &Run,
        verb: &str,
        subject: impl fmt::Display,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stopped = || {
            let hint = format!("Azure may have begun it: see `snapkeep list {}`", self.target);
            self.error(ErrorKind::Interrupted, verb, subject, "it was interrupted").with_hint(hint)
        };
        run.unless_cancelled(work, stopped).await
    }

    /// The path of something of its server.
    pub(crate) fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        self.path_of(&self.group, &self.server, rest)
    }

    /// The path of something of another server of the same kind.
    pub(crate) fn path_of<'p>(&'p self, group: &'p str, server: &'p str, rest: &[&'p str]) -> Vec<&'p str> {
        let (namespace, kind) = self.kind.split_once('/').unwrap_or((self.kind, ""));
        let group = ["subscriptions", &self.subscription, "resourceGroups", group, "providers", namespace, kind];
        [&group[..], &[server], rest].concat()
    }

    /// The resource id of a server of the same kind.
    pub(crate) fn resource_id(&self, group: &str, server: &str, rest: &[&str]) -> String {
        format!("/{}", self.path_of(group, server, rest).join("/"))
    }

    /// Refuses names that can't be ones, which are never sent.
    pub(crate) fn checked(self) -> Result<Self> {
        let wrong = |key: &str, value: &str, rule: &str| {
            let error = self.error(ErrorKind::Usage, "open", &self.target, format!("{value:?} can't be its {key}"));
            error.with_hint(format!("correct `{key}` of [targets.{}]: {rule}", self.target))
        };
        if !names::is_subscription(&self.subscription) {
            return Err(wrong("subscription_id", &self.subscription, "the id, as `az account list` shows it"));
        }
        if !names::is_group(&self.group) {
            let rule = "letters, digits, and ( ) - _ . of which none is the last";
            return Err(wrong("resource_group", &self.group, rule));
        }
        if !names::is_server(&self.server) {
            let rule = "small letters, digits and hyphens, no hyphen first or last";
            return Err(wrong("server_name", &self.server, rule));
        }
        Ok(self)
    }
}

/// With the version of the API that is meant.
pub(crate) fn versioned(call: Call, version: &str) -> Call {
    call.query("api-version", version)
}

/// The lines of a target's settings that say how a subscription is reached, where that is not the usual way.
pub(crate) fn lines_of_access(access: &AzureAccess) -> Vec<(&'static str, String)> {
    let AzureAccess { endpoint, authority_host, access_token, .. } = access;
    let told = [
        endpoint.as_ref().map(|endpoint| ("endpoint", toml_text(endpoint))),
        authority_host.as_ref().map(|authority| ("authority_host", toml_text(authority))),
        access_token.as_ref().map(|token| ("access_token", toml_secret(token))),
    ];
    told.into_iter().flatten().collect()
}

/// A location as paths have it: `westeurope`, also where a resource calls it `West Europe`.
pub(crate) fn location(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// All entries of a list whose pages name the next one.
pub(crate) async fn pages<P: DeserializeOwned, T>(
    client: &Client,
    first: &Call,
    next: impl Fn(&P) -> Option<String>,
    entries: impl Fn(P) -> Vec<T>,
) -> Called<Vec<T>> {
    let mut all = Vec::new();
    let each = |page: P| {
        all.extend(entries(page));
        ControlFlow::Continue(())
    };
    client.pages(first, |page| next(page).map(Next::Url), each).await?;
    Ok(all)
}

/// A moment as Azure's services write them: some leave out the time zone, which is UTC.
pub(crate) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let known = DateTime::parse_from_rfc3339(&text).map(|moment| moment.to_utc());
    let moment = known.or_else(|_| text.parse::<NaiveDateTime>().map(|moment| moment.and_utc()));
    moment.map(Some).map_err(|_| D::Error::custom("it is no moment"))
}
