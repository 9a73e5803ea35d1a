//! What the caller may do with a resource, by its roles: asked, so that a check needs to try nothing out.
//!
//! <https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource>

use std::ops::ControlFlow;

use serde::Deserialize;

use super::fault::into_error;
use super::{Home, versioned};
use crate::error::ErrorKind;
use crate::model::Check;
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

/// Whether the caller has the `needed` actions on what is at `path`: the row `permissions`.
pub(crate) async fn check(home: &Home, client: &Client, path: &[&str], needed: &[&str]) -> Check {
    let lacking = match lacking(client, path, needed).await {
        Ok(lacking) => lacking,
        // Who may not look at roles may do all else.
        Err(fault) if fault.status().is_some_and(|status| status != 401) => {
            let check = Check::new("permissions", Ok("Azure doesn't tell what the caller may do".into()));
            return check.with_advice("look at the role: see docs/azure.md#permissions");
        }
        Err(fault) => return Check::new("permissions", Err(into_error(fault, home, "check", &home.target))),
    };
    if lacking.is_empty() {
        return Check::new("permissions", Ok("the role has the actions that are needed".into()));
    }
    let reason = format!("the role lacks {}", lacking.join(", "));
    let error = home.error(ErrorKind::Permission, "check", &home.target, reason);
    Check::new(
        "permissions",
        Err(error.with_hint("give the caller a role that has them: see docs/azure.md#permissions")),
    )
}

/// Which of the `needed` actions no role gives.
async fn lacking<'n>(client: &Client, path: &[&str], needed: &[&'n str]) -> Called<Vec<&'n str>> {
    let path = [path, &["providers", "Microsoft.Authorization", "permissions"]].concat();
    let mut given: Vec<Permission> = Vec::new();
    let each = |page: Page| {
        given.extend(page.value);
        ControlFlow::Continue(())
    };
    let next = |page: &Page| page.next_link.clone().map(Next::Url);
    client.pages(&versioned(Call::get(&path), VERSION), next, each).await?;
    let lacks = |action: &&&str| !given.iter().any(|permission| permission.permits(action));
    Ok(needed.iter().filter(lacks).copied().collect())
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
}
