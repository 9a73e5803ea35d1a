//! Which method a request is of, and whether it may be called.

use std::collections::BTreeMap;

use hyper::http::request::Parts;

use super::call::{Answer, Call, Outcome, not_simulated, query, refuse};
use super::names;
use super::table::{FLEXIBLE, SQL};
use super::world::World;
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
    pub(super) verb: &'static str,
    /// In which a capital letter stands for what many paths have in common.
    pub(super) path: &'static str,
    pub(super) service: Service,
    pub(super) since: &'static str,
    pub(super) parameters: &'static [&'static str],
    pub(super) action: &'static str,
    pub(super) handler: Handler,
}

fn all() -> impl Iterator<Item = &'static Method> {
    FLEXIBLE.iter().chain(SQL)
}

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
        let found = all().filter(|method| method.verb == head.method.as_str());
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
    let known = all().find(|method| method.name == name);
    known.unwrap_or_else(|| panic!("no method: {name}")).action
}
