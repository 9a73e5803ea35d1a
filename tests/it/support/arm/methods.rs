//! The methods that are simulated, with the version from which on each is there, the parameters that it takes and the
//! permission that it needs.

use std::collections::BTreeMap;

use hyper::http::request::Parts;

use super::call::{Answer, Call, Outcome, not_simulated, query, refuse};
use super::names;
use super::world::World;
use super::{accounts, backups, long_term, operations, servers};
use crate::support::query::decoded;

type Handler = fn(&mut World, &Call) -> Outcome;

/// Whose API a method is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Resources,
    Authorization,
    MySql,
    PostgreSql,
    Sql,
}

impl Service {
    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::Resources => "Microsoft.Resources",
            Self::Authorization => "Microsoft.Authorization",
            Self::MySql => "Microsoft.DBforMySQL",
            Self::PostgreSql => "Microsoft.DBforPostgreSQL",
            Self::Sql => "Microsoft.Sql",
        }
    }

    fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Resources => &["2020-01-01", "2021-04-01", "2022-12-01"],
            Self::Authorization => &["2015-07-01", "2022-04-01"],
            Self::MySql => {
                &["2022-01-01", "2023-06-30", "2023-12-30", "2024-12-30", "2025-06-01-preview", "2025-12-01-preview"]
            }
            Self::PostgreSql => &["2022-12-01", "2024-08-01", "2025-08-01", "2026-01-01-preview", "2026-10-01"],
            Self::Sql => &["2021-11-01", "2023-08-01", "2024-05-01-preview", "2025-01-01"],
        }
    }
}

/// A method of the API.
pub(super) struct Method {
    pub(super) name: &'static str,
    verb: &'static str,
    /// In which a capital letter stands for what many paths have in common.
    path: &'static str,
    pub(super) service: Service,
    since: &'static str,
    parameters: &'static [&'static str],
    pub(super) action: &'static str,
    handler: Handler,
}

macro_rules! methods {
    ($($verb:ident $path:literal $name:literal $service:ident $since:literal [$($parameter:literal)*]
       $action:literal $handler:path;)*) => {
        &[$(Method {
            name: $name,
            verb: stringify!($verb),
            path: $path,
            service: Service::$service,
            since: $since,
            parameters: &[$($parameter),*],
            action: $action,
            handler: $handler,
        }),*]
    };
}

const METHODS: &[Method] = methods! {
    GET "subscriptions" "subscriptions.list" Resources "" [] "Microsoft.Resources/subscriptions/read"
        accounts::subscriptions;
    GET "S" "subscriptions.get" Resources "" [] "Microsoft.Resources/subscriptions/read" accounts::subscription;
    GET "G" "resourceGroups.get" Resources "" [] "Microsoft.Resources/subscriptions/resourceGroups/read"
        accounts::group;
    GET "G/M/flexibleServers/{server}/A/permissions" "permissions.list" Authorization "" []
        "Microsoft.Authorization/permissions/read" accounts::permissions;
    GET "G/P/flexibleServers/{server}/A/permissions" "permissions.list" Authorization "" []
        "Microsoft.Authorization/permissions/read" accounts::permissions;
    GET "G/Q/servers/{server}/A/permissions" "permissions.list" Authorization "" []
        "Microsoft.Authorization/permissions/read" accounts::permissions;
    GET "G/Q/servers/{server}/databases/{database}/A/permissions" "permissions.list" Authorization "" []
        "Microsoft.Authorization/permissions/read" accounts::permissions;

    GET "S/M/flexibleServers" "mysql.servers.list" MySql "" [] "Microsoft.DBforMySQL/flexibleServers/read"
        servers::list;
    GET "G/M/flexibleServers" "mysql.servers.list" MySql "" [] "Microsoft.DBforMySQL/flexibleServers/read"
        servers::list;
    GET "G/M/flexibleServers/{server}" "mysql.servers.get" MySql "" [] "Microsoft.DBforMySQL/flexibleServers/read"
        servers::get;
    PUT "G/M/flexibleServers/{server}" "mysql.servers.put" MySql "" [] "Microsoft.DBforMySQL/flexibleServers/write"
        servers::put;
    DELETE "G/M/flexibleServers/{server}" "mysql.servers.delete" MySql "" []
        "Microsoft.DBforMySQL/flexibleServers/delete" servers::delete;
    GET "G/M/flexibleServers/{server}/backups" "mysql.backups.list" MySql "" []
        "Microsoft.DBforMySQL/flexibleServers/backups/read" backups::list;
    GET "G/M/flexibleServers/{server}/backups/{id}" "mysql.backups.get" MySql "" []
        "Microsoft.DBforMySQL/flexibleServers/backups/read" backups::get;
    PUT "G/M/flexibleServers/{server}/backups/{id}" "mysql.backups.put" MySql "2022-01-01" []
        "Microsoft.DBforMySQL/flexibleServers/backups/write" backups::put;
    GET "G/M/flexibleServers/{server}/backupsV2" "mysql.backupsV2.list" MySql "2023-12-30" []
        "Microsoft.DBforMySQL/flexibleServers/backupsV2/read" backups::list;
    GET "G/M/flexibleServers/{server}/backupsV2/{id}" "mysql.backupsV2.get" MySql "2023-12-30" []
        "Microsoft.DBforMySQL/flexibleServers/backupsV2/read" backups::get;
    PUT "G/M/flexibleServers/{server}/backupsV2/{id}" "mysql.backupsV2.put" MySql "2023-12-30" []
        "Microsoft.DBforMySQL/flexibleServers/backupsV2/write" backups::put_long_running;
    DELETE "G/M/flexibleServers/{server}/backupsV2/{id}" "mysql.backupsV2.delete" MySql "2025-06-01-preview" []
        "Microsoft.DBforMySQL/flexibleServers/backupsV2/delete" backups::delete;
    GET "S/M/L/azureAsyncOperation/{id}" "mysql.operations.get" MySql "" ["t" "c" "s" "h"]
        "Microsoft.DBforMySQL/locations/azureAsyncOperation/read" operations::get;
    GET "S/M/L/operationResults/{id}" "mysql.results.get" MySql "" ["t" "c" "s" "h"]
        "Microsoft.DBforMySQL/locations/operationResults/read" operations::result;

    GET "S/P/flexibleServers" "postgresql.servers.list" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/read" servers::list;
    GET "G/P/flexibleServers" "postgresql.servers.list" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/read" servers::list;
    GET "G/P/flexibleServers/{server}" "postgresql.servers.get" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/read" servers::get;
    PUT "G/P/flexibleServers/{server}" "postgresql.servers.put" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/write" servers::put;
    DELETE "G/P/flexibleServers/{server}" "postgresql.servers.delete" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/delete" servers::delete;
    GET "G/P/flexibleServers/{server}/backups" "postgresql.backups.list" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/read" backups::list;
    GET "G/P/flexibleServers/{server}/backups/{id}" "postgresql.backups.get" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/read" backups::get;
    PUT "G/P/flexibleServers/{server}/backups/{id}" "postgresql.backups.put" PostgreSql "2024-08-01" []
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/write" backups::put;
    DELETE "G/P/flexibleServers/{server}/backups/{id}" "postgresql.backups.delete" PostgreSql "2024-08-01" []
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/delete" backups::delete;
    POST "G/P/flexibleServers/{server}/ltrPreBackup" "postgresql.ltrPreBackup.post" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/ltrPreBackup/action" long_term::prepare;
    POST "G/P/flexibleServers/{server}/startLtrBackup" "postgresql.startLtrBackup.post" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/startLtrBackup/action" long_term::start;
    GET "G/P/flexibleServers/{server}/ltrBackupOperations" "postgresql.ltrBackupOperations.list" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/ltrBackupOperations/read" long_term::list;
    GET "G/P/flexibleServers/{server}/ltrBackupOperations/{id}" "postgresql.ltrBackupOperations.get" PostgreSql "" []
        "Microsoft.DBforPostgreSQL/flexibleServers/ltrBackupOperations/read" long_term::get;
    GET "S/P/L/azureAsyncOperation/{id}" "postgresql.operations.get" PostgreSql "" ["t" "c" "s" "h"]
        "Microsoft.DBforPostgreSQL/locations/azureAsyncOperation/read" operations::get;
    GET "S/P/L/operationResults/{id}" "postgresql.results.get" PostgreSql "" ["t" "c" "s" "h"]
        "Microsoft.DBforPostgreSQL/locations/operationResults/read" operations::result;
};

/// What a capital letter of a path stands for.
fn expanded(segment: &str) -> &[&str] {
    match segment {
        "S" => &["subscriptions", "{subscription}"],
        "G" => &["subscriptions", "{subscription}", "resourceGroups", "{group}"],
        "A" => &["providers", "Microsoft.Authorization"],
        "L" => &["locations", "{location}"],
        "M" => &["providers", "Microsoft.DBforMySQL"],
        "P" => &["providers", "Microsoft.DBforPostgreSQL"],
        "Q" => &["providers", "Microsoft.Sql"],
        _ => &[],
    }
}

impl Method {
    /// The method of a request, with the names in its path, if all of it is simulated.
    pub(super) fn of(head: &Parts) -> Outcome<(&'static Self, BTreeMap<&'static str, String>)> {
        let path = head.uri.path();
        let found = METHODS.iter().filter(|method| method.verb == head.method.as_str());
        let mut found = found.filter_map(|method| Some((method, method.names(path)?)));
        let Some((method, names)) = found.next() else { return not_simulated(format!("{} {path}", head.method)) };
        let known = |name: &str| ["api-version", "$skiptoken"].contains(&name) || method.parameters.contains(&name);
        if let Some(name) = query(head).keys().find(|name| !known(name)) {
            return not_simulated(format!("{} with {name}", method.name));
        }
        names::are_good(method.service, &names)?;
        Ok((method, names))
    }

    /// The names that a path of this method gives to what is in braces.
    fn names(&self, path: &str) -> Option<BTreeMap<&'static str, String>> {
        let template: Vec<&'static str> = self.path.split('/').flat_map(one_or_more).collect();
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if template.len() != segments.len() {
            return None;
        }
        let mut names = BTreeMap::new();
        for (wanted, segment) in template.into_iter().zip(segments) {
            match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => drop(names.insert(name, decoded(segment))),
                None if wanted.eq_ignore_ascii_case(segment) => {}
                None => return None,
            }
        }
        Some(names)
    }

    /// Refuses a request without a version, or of one in which the method isn't.
    pub(super) fn is_of_a_known_version(&self, query: &BTreeMap<String, String>) -> Outcome<()> {
        let supported = self.service.versions();
        let Some(version) = query.get("api-version").filter(|version| !version.is_empty()) else {
            let message = "The api-version query parameter (?api-version=) is required for all requests.";
            return refuse(400, "MissingApiVersionParameter", message);
        };
        if !names::is_version(version) {
            let message = format!(
                "The api-version '{version}' is invalid. The supported versions are '{}'.",
                supported.join(",")
            );
            return refuse(400, "InvalidApiVersionParameter", message);
        }
        if !supported.contains(&version.as_str()) {
            let (namespace, versions) = (self.service.namespace(), supported.join(", "));
            let message = format!(
                "No registered resource provider found for location 'northeurope' and API version '{version}' for type \
                 '{namespace}'. The supported api-versions are '{versions}'."
            );
            return refuse(400, "NoRegisteredProviderFound", message);
        }
        if version.as_str() < self.since {
            let message = format!("The request method or path is not available with API version '{version}'.");
            return refuse(405, "MethodNotAllowed", message);
        }
        Ok(())
    }

    pub(super) fn carry_out(&self, world: &mut World, call: &Call) -> Outcome<Answer> {
        world.permits(self, call)?;
        (self.handler)(world, call)
    }
}

fn one_or_more(segment: &'static str) -> Vec<&'static str> {
    match expanded(segment) {
        [] => vec![segment],
        more => more.to_vec(),
    }
}

impl World {
    /// Refuses subscriptions and groups that aren't there, and what isn't permitted to the caller.
    fn permits(&self, method: &Method, call: &Call) -> Outcome<()> {
        let (subscription, group) = (call.name("subscription"), call.name("group"));
        if !subscription.is_empty() && !self.has_subscription(subscription) {
            let message = format!("The subscription '{subscription}' could not be found.");
            return refuse(404, "SubscriptionNotFound", message);
        }
        if self.denied.contains(method.action) {
            return Err(super::access::denial(method.action, call));
        }
        if !group.is_empty() && !self.has_group(subscription, group) {
            return refuse(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."));
        }
        Ok(())
    }
}

/// The permission that a method needs.
pub(super) fn action(name: &str) -> &'static str {
    let known = METHODS.iter().find(|method| method.name == name);
    known.unwrap_or_else(|| panic!("no method: {name}")).action
}
