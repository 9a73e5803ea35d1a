//! What the caller may do with a resource, by its roles: asked, so that a check needs to try nothing out.
//!
//! <https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource>

use std::ops::ControlFlow;

use serde::Deserialize;

use super::fault::into_error;
use super::{Home, versioned};
use crate::error::ErrorKind;
use crate::model::Check;
use crate::need::{Need, Weight, lacking, untold};
use crate::rest::{Call, Called, Client, Next};

const VERSION: &str = "2022-04-01";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Permission>,
    next_link: Option<String>,
}

/// What one role gives.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl Permission {
    fn permits(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        any(&self.actions) && !any(&self.not_actions)
    }
}

/// How the answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// In one row, `permissions`: of what the target needs to work at all.
    Folded,
    /// In a row for each verb.
    Each,
}

/// Whether the caller may do to what is at `path` what each verb needs.
pub(crate) async fn check(home: &Home, client: &Client, path: &[&str], needs: &[Need], rows: Rows) -> Vec<Check> {
    let given = match given(client, path).await {
        Ok(given) => given,
        // Who may not look at roles may do all else.
        Err(fault) if fault.status().is_some_and(|status| status != 401) => {
            return vec![untold("Azure", "", "docs/azure.md")];
        }
        Err(fault) => return vec![Check::new("permissions", Err(into_error(fault, home, "check", &home.target)))],
    };
    let has = |action: &str| given.iter().any(|permission| permission.permits(action));
    let hint = || "give the caller a role that has them: see docs/azure.md#permissions".to_owned();
    if rows == Rows::Each {
        return needs.iter().map(|need| need.judge(home, &lacking(need.names, has), hint)).collect();
    }
    let needed = needs.iter().filter(|need| need.weight == Weight::Required).flat_map(|need| need.names);
    let lacking = lacking(&needed.copied().collect::<Vec<_>>(), has);
    if lacking.is_empty() {
        return vec![Check::new("permissions", Ok("the role has the actions that are needed".into()))];
    }
    let reason = format!("the role lacks {}", lacking.join(", "));
    let error = home.error(ErrorKind::Permission, "check", &home.target, reason).with_hint(hint());
    vec![Check::new("permissions", Err(error))]
}

/// What the caller's roles give.
async fn given(client: &Client, path: &[&str]) -> Called<Vec<Permission>> {
    let path = [path, &["providers", "Microsoft.Authorization", "permissions"]].concat();
    let mut given: Vec<Permission> = Vec::new();
    let each = |page: Page| {
        given.extend(page.value);
        ControlFlow::Continue(())
    };
    let next = |page: &Page| page.next_link.clone().map(Next::Url);
    client.pages(&versioned(Call::get(&path), VERSION), next, each).await?;
    Ok(given)
}

/// Whether an action is one of a pattern, in which `*` stands for any letters.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        let action = "Microsoft.Sql/servers/databases/write";
        for (pattern, is) in [
            ("*", true),
            ("microsoft.sql/*", true),
            ("Microsoft.Sql/servers/*/write", true),
            ("*/write", true),
            (action, true),
            ("*/read", false),
            ("Microsoft.Sql/servers/databases", false),
            ("Microsoft.Sql/servers/databases/write/*", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, action), is, "{pattern}");
        }
    }

    #[test]
    fn what_a_role_takes_away_another_may_give() {
        let role = |actions: &[&str], not: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            Permission { actions: texts(actions), not_actions: texts(not) }
        };
        let most = role(&["Microsoft.Sql/*"], &["Microsoft.Sql/servers/databases/delete"]);
        assert!(most.permits("Microsoft.Sql/servers/databases/write"));
        assert!(!most.permits("Microsoft.Sql/servers/databases/delete"));
        assert!(!role(&["*/read"], &[]).permits("Microsoft.Sql/servers/databases/write"));
    }

    #[test]
    fn the_role_of_the_docs_permits_all_that_is_asked_for() {
        let role: serde_json::Value =
            serde_json::from_str(&crate::need::block_of_docs("azure.md", "json", "\"Actions\"")).unwrap();
        let role: Permission = serde_json::from_value(serde_json::json!({ "actions": role["Actions"] })).unwrap();
        let needs = [
            crate::azure_flexible::Flavor::Mysql.needs(),
            crate::azure_flexible::Flavor::Postgresql.needs(),
            &crate::azure_sql::needs(crate::settings::AzureSqlCreate::Copy),
            &crate::azure_sql::needs(crate::settings::AzureSqlCreate::Bacpac),
        ];
        for need in needs.iter().flat_map(|needs| needs.iter()) {
            assert_eq!(lacking(need.names, |action| role.permits(action)), [""; 0], "{}", need.verb);
        }
    }
}
