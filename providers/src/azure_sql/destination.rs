//! Where a restore goes: `NAME` on the target's server, or `RG/SERVER/NAME` of the same subscription.

use super::api::Api;
use super::wire::Server;
use super::{AzureSqlProvider, Home, name};
use crate::azure::fault::OrError;
use crate::azure::names::{SCRATCH, is_group, is_server};
use crate::error::{Error, ErrorKind, Result};

pub(super) const VERB: &str = "restore";

/// A database that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// Its server.
    pub(super) api: Api,
    pub(super) name: String,
    /// As a user writes it: `NAME`, on another server `RG/SERVER/NAME`.
    pub(super) place: String,
}

impl Destination {
    pub(super) fn here(api: &Api, name: String) -> Self {
        Self { api: api.clone(), place: name.clone(), name }
    }

    /// Reads a place; `None` when it can be none.
    pub(super) fn parse(home: &Api, text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (api, name) = match &*parts {
            [name] => (home.clone(), *name),
            [group, server, name] if is_group(group) && is_server(server) => (home.at(group, server), *name),
            _ => return None,
        };
        let possible = name::is_database(name) && !name::is_system(name);
        let place = if api.is_at(home) { name.to_owned() } else { text.to_owned() };
        possible.then(|| Self { api, name: name.to_owned(), place })
    }
}

impl AzureSqlProvider {
    /// Where to, as a user has typed it.
    pub(super) fn destination(&self, subject: &str, text: &str) -> Result<Destination> {
        let usage =
            |reason: String, hint: &str| self.home.error(ErrorKind::Usage, VERB, subject, reason).with_hint(hint);
        let to = Destination::parse(&self.api, text).ok_or_else(|| {
            let hint = "write NAME, or RG/SERVER/NAME for another server of the subscription; no <>*%&:\\?";
            usage(format!("{text:?} can't be the name of a database"), hint)
        })?;
        if name::is_copy(&to.name) || to.name.starts_with(SCRATCH) {
            let reason = format!("{} is a name of snapkeep's own, which are deleted again", to.name);
            return Err(usage(reason, "choose another name with `--to NAME`"));
        }
        Ok(to)
    }

    /// The server of a destination, whose region a new database is in.
    pub(super) async fn server_of(&self, to: &Destination, verb: &str, subject: &str) -> Result<Server> {
        let found = to.api.server().await.or_error(&to.api.home, verb, subject);
        let elsewhere = !to.api.is_at(&self.api);
        match found {
            Ok(Some(server)) => return Ok(server),
            // Not the target's own group is missing.
            Err(error) if elsewhere && error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(None) => {}
        }
        if !elsewhere {
            return Err(self.home.no_server(verb));
        }
        let crate::azure::Home { group, server, .. } = &to.api.home;
        let reason = format!("there is no server {server} in the resource group {group}");
        let error = self.home.error(ErrorKind::NotFound, verb, subject, reason);
        Err(error.with_hint(format!(
            "see what is there: az sql server list --subscription {} -o table",
            to.api.home.subscription
        )))
    }

    /// Refuses a name that a database has.
    pub(super) async fn refuse_taken(&self, to: &Destination, verb: &str, subject: &str) -> Result<()> {
        if to.api.database(&to.name).await.or_error(&to.api.home, verb, subject)?.is_none() {
            return Ok(());
        }
        let reason = format!("there is a database {} already", to.place);
        Err(self
            .home
            .error(ErrorKind::Refused, verb, subject, reason)
            .with_hint("choose another name with `--to NAME`"))
    }

    /// The error of what Azure does on the same server only.
    pub(super) fn here_only(&self, subject: &str, what: &str) -> Error {
        let reason = format!("Azure restores {what} on the server that it is of only");
        let hint = "restore it here, take a copy of that there: az sql db copy --dest-server SERVER --dest-resource-group RG; or try `--set from=geo`";
        self.home.error(ErrorKind::Unsupported, VERB, subject, reason).with_hint(hint)
    }

    /// The error of a restore over the database itself.
    pub(super) fn not_in_place(&self, subject: &str) -> Error {
        let Home { server, database } = &self.home;
        let crate::azure::Home { group, server, subscription, .. } = server;
        let reason = "Azure SQL restores into a new database only";
        let hint = format!(
            "restore it as another, then give it the name: az sql db rename -n NAME --new-name {} -s {server} -g {group} --subscription {subscription}",
            crate::shell::shell_word(database)
        );
        self.home.error(ErrorKind::Unsupported, VERB, subject, reason).with_hint(hint)
    }
}
