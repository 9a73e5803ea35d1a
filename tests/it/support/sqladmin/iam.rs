//! What the caller may do in a project, as the Cloud Resource Manager API tells it:
//! <https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions>. It is another service, which a
//! project may not have enabled.

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::call::{Outcome, Refusal, refuse};
use super::world::World;

/// The project of a request that asks for it.
pub(super) fn project(head: &Parts) -> Option<&str> {
    let project = head.uri.path().strip_prefix("/v1/projects/")?.strip_suffix(":testIamPermissions")?;
    (head.method == Method::POST && !project.contains('/')).then_some(project)
}

pub(super) fn answer(world: &World, project: &str, body: &Bytes) -> Outcome {
    if !world.has_resource_manager {
        let info = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": "cloudresourcemanager.googleapis.com"},
        }]);
        let message =
            format!("Cloud Resource Manager API has not been used in project {project} before or it is disabled.");
        return Err(Refusal::new(403, "accessNotConfigured", message).with("PERMISSION_DENIED", info));
    }
    if !world.projects.iter().any(|known| known == project) {
        return refuse(403, "forbidden", "The caller does not have permission");
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let asked: Vec<&str> = asked["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if asked.is_empty() || asked.len() > 100 {
        return refuse(400, "badRequest", "Request contains an invalid argument.");
    }
    let given = asked
        .into_iter()
        .filter(|name| name.strip_prefix("cloudsql.").is_some_and(|permission| !world.denied.contains(permission)));
    let given: Vec<&str> = given.collect();
    // Google leaves an empty list out.
    Ok(if given.is_empty() { json!({}) } else { json!({ "permissions": given }) })
}
