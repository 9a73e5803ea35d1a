//! What the caller may do in a project: asked, so that a check needs to try nothing out.
//!
//! <https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions>

use serde::Deserialize;
use serde_json::json;

use crate::model::Check;
use crate::need::{Need, lacking, untold};
use crate::owner::Owner;
use crate::rest::{Call, Called, Client};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    permissions: Vec<String>,
}

/// Whether the caller may do in `project` what each verb needs: a row for each. Google doesn't count what is given under a
/// condition that the project itself doesn't fulfil.
pub(crate) async fn check(owner: &Owner, client: &Client, project: &str, needs: &[Need]) -> Vec<Check> {
    let given = match given(client, project, needs).await {
        Ok(given) => given.permissions,
        // Another API, which need not be enabled: who may not ask it may do all else.
        Err(fault) => {
            let why = fault.status().map_or("; it doesn't answer".into(), |status| format!(" ({status})"));
            return vec![untold("Google", &why, "docs/gcp.md")];
        }
    };
    let has = |name: &str| given.iter().any(|given| given == name);
    let rows = needs.iter().map(|need| {
        let lacking = lacking(need.names, has);
        let names = lacking.join(",");
        let hint = || {
            format!("gcloud iam roles update snapkeep --project {project} --add-permissions={names}; see docs/gcp.md#permissions")
        };
        need.judge(owner, &lacking, hint)
    });
    rows.collect()
}

async fn given(client: &Client, project: &str, needs: &[Need]) -> Called<Given> {
    let mut names: Vec<&str> = needs.iter().flat_map(|need| need.names.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    let method = format!("{project}:testIamPermissions");
    // It changes nothing, but it is a POST: one try.
    client.send(&Call::post(&["v1", "projects", &method], &json!({ "permissions": names }))).await
}
