//! The methods that are simulated, with every query parameter that each takes and the permission that it needs.

use hyper::http::request::Parts;

use super::call::{Call, Outcome, not_simulated, query, refuse};
use super::world::World;
use super::{backups, clone, instances, operations, restore, runs, transfer};
use crate::support::query::decoded;

type Handler = fn(&mut World, &Call) -> Outcome;

/// A method of the API.
pub(super) struct Method {
    pub(super) name: &'static str,
    verb: &'static str,
    path: &'static str,
    parameters: &'static [&'static str],
    /// Without `cloudsql.` before it.
    pub(super) permission: &'static str,
    handler: Handler,
}

macro_rules! methods {
    ($($verb:ident $path:literal $name:literal [$($parameter:literal)*] $permission:literal $handler:path;)*) => {
        &[$(Method {
            name: $name,
            verb: stringify!($verb),
            path: $path,
            parameters: &[$($parameter),*],
            permission: $permission,
            handler: $handler,
        }),*]
    };
}

const METHODS: &[Method] = methods! {
    GET "instances" "instances.list" ["filter" "maxResults" "pageToken"] "instances.list" instances::list;
    GET "instances/{instance}" "instances.get" [] "instances.get" instances::get;
    DELETE "instances/{instance}" "instances.delete"
        ["enableFinalBackup" "finalBackupDescription" "finalBackupTtlDays"] "instances.delete" instances::delete;
    POST "instances/{instance}/restoreBackup" "instances.restoreBackup" [] "instances.restoreBackup" restore::restore;
    POST "instances/{instance}/clone" "instances.clone" [] "instances.clone" clone::clone;
    POST "instances/{instance}/export" "instances.export" [] "instances.export" transfer::export;
    POST "instances/{instance}/import" "instances.import" [] "instances.import" transfer::import;
    GET "instances/{instance}/getLatestRecoveryTime" "projects.instances.getLatestRecoveryTime" [] "instances.get"
        clone::recovery_time;
    GET "instances/{instance}/backupRuns" "backupRuns.list" ["maxResults" "pageToken"] "backupRuns.list" runs::list;
    GET "instances/{instance}/backupRuns/{id}" "backupRuns.get" [] "backupRuns.get" runs::get;
    POST "instances/{instance}/backupRuns" "backupRuns.insert" [] "backupRuns.create" runs::insert;
    DELETE "instances/{instance}/backupRuns/{id}" "backupRuns.delete" [] "backupRuns.delete" runs::delete;
    GET "backups" "Backups.ListBackups" ["filter" "pageSize" "pageToken"] "backupRuns.list" backups::list;
    GET "backups/{id}" "Backups.GetBackup" [] "backupRuns.get" backups::get;
    POST "backups" "Backups.CreateBackup" [] "backupRuns.create" backups::create;
    DELETE "backups/{id}" "Backups.DeleteBackup" [] "backupRuns.delete" backups::delete;
    GET "operations" "operations.list" ["instance" "maxResults" "pageToken"] "instances.get" operations::list;
    GET "operations/{id}" "operations.get" [] "instances.get" operations::get;
    POST "operations/{id}/cancel" "operations.cancel" [] "instances.update" operations::cancel;
};

/// What any method takes.
const COMMON: [&str; 3] = ["alt", "fields", "prettyPrint"];

impl Method {
    /// The method of a request, with the names in its path, if all of it is simulated.
    pub(super) fn of(head: &Parts) -> Outcome<(&'static Self, Vec<(&'static str, String)>)> {
        let path = head.uri.path();
        let found = METHODS.iter().filter(|method| method.verb == head.method.as_str());
        let mut found = found.filter_map(|method| Some((method, method.names(path)?)));
        let Some((method, names)) = found.next() else { return not_simulated(format!("{} {path}", head.method)) };
        let query = query(head);
        match query.keys().find(|name| !COMMON.contains(&name.as_str()) && !method.parameters.contains(&name.as_str()))
        {
            Some(name) => not_simulated(format!("{} with {name}", method.name)),
            None if query.get("alt").is_some_and(|alt| alt != "json") => not_simulated("alt"),
            None => Ok((method, names)),
        }
    }

    /// The names that a path of this method gives to what is in braces.
    fn names(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let template = ["v1", "projects", "{project}"].into_iter().chain(self.path.split('/'));
        let segments = path.strip_prefix('/')?.split('/');
        if template.clone().count() != segments.clone().count() {
            return None;
        }
        let mut names = Vec::new();
        for (wanted, segment) in template.zip(segments) {
            match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !segment.is_empty() => names.push((name, decoded(segment))),
                None if wanted == segment => {}
                _ => return None,
            }
        }
        Some(names)
    }

    pub(super) fn carry_out(&self, world: &mut World, call: &Call) -> Outcome {
        world.permits(self, call)?;
        (self.handler)(world, call)
    }
}

impl World {
    /// Refuses projects that aren't the caller's, and what isn't permitted to it there.
    fn permits(&self, method: &Method, call: &Call) -> Outcome<()> {
        if !self.projects.contains(&call.project) {
            return refuse(403, "notAuthorized", "The client is not authorized to make this request.");
        }
        if self.denied.contains(method.permission) {
            return Err(super::access::denial(method.permission, call));
        }
        Ok(())
    }

    /// The same for another project that a call names.
    pub(super) fn has_project(&self, project: &str) -> Outcome<()> {
        if self.projects.iter().any(|known| known == project) {
            return Ok(());
        }
        refuse(403, "notAuthorized", "The client is not authorized to make this request.")
    }
}

/// The permission that a method needs.
pub(super) fn permission(name: &str) -> &'static str {
    METHODS.iter().find(|method| method.name == name).unwrap().permission
}
