//! What `targets check` and `doctor` ask of Azure. Nothing here changes anything.

use super::wire::{Database, LongTermPolicy, LongTermPolicyProperties, ShortTermPolicy, Sku};
use super::{AzureSqlProvider, moment};
use crate::azure::fault::OrError;
use crate::azure::permissions::{self, Rows};
use crate::error::Result;
use crate::model::Check;
use crate::need::Need;
use crate::settings::AzureSqlCreate;
use crate::shell::shell_word;

/// <https://learn.microsoft.com/azure/role-based-access-control/permissions/databases>
const LIST: Need = Need::required(
    "list",
    &[
        "Microsoft.Sql/servers/read",
        "Microsoft.Sql/servers/databases/read",
        "Microsoft.Sql/servers/databases/restorePoints/read",
        "Microsoft.Sql/servers/restorableDroppedDatabases/read",
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read",
    ],
);
const RESTORE: Need = Need::on_demand("restore", &["Microsoft.Sql/servers/databases/write"]);
const VERIFY: Need =
    Need::on_demand("verify", &["Microsoft.Sql/servers/databases/write", "Microsoft.Sql/servers/databases/delete"]);

/// What each verb needs of a target whose snapshots are copies, or files.
pub(crate) fn needs(create: AzureSqlCreate) -> Vec<Need> {
    const WRITE: &[&str] = &["Microsoft.Sql/servers/databases/write"];
    const EXPORT: &[&str] = &["Microsoft.Sql/servers/databases/export/action"];
    match create {
        AzureSqlCreate::Copy => vec![
            LIST,
            Need::required("create", WRITE),
            Need::required("delete", &["Microsoft.Sql/servers/databases/delete"]),
            RESTORE,
            VERIFY,
        ],
        // Files are deleted by the key of their container.
        AzureSqlCreate::Bacpac => vec![
            LIST,
            Need::required("create", EXPORT),
            Need::on_demand(
                "restore",
                &["Microsoft.Sql/servers/databases/write", "Microsoft.Sql/servers/import/action"],
            ),
            VERIFY,
        ],
    }
}

impl AzureSqlProvider {
    pub(super) async fn check_all(&self, rows: Rows) -> Vec<Check> {
        let server = match self.server("check").await {
            Ok(server) => server,
            Err(error) => return vec![Check::new("server", Err(error))],
        };
        let state = server.properties.state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
        let found = format!("server {} in {}{state}", server.name, server.location);
        let mut checks = vec![Check::new("server", Ok(found))];
        let source = self.source("check").await;
        match source.and_then(|found| found.ok_or_else(|| self.home.no_database("check"))) {
            Ok(database) => {
                checks.push(self.check_database(&database));
                checks.push(Check::new("retention", self.short_term(&database).await));
                checks.push(self.check_long_term().await);
            }
            Err(error) => checks.push(Check::new("database", Err(error))),
        }
        checks.push(Check::new("snapshots", self.check_lists(&crate::azure::location(&server.location)).await));
        let path = self.home.path(&["databases", &self.home.database]);
        checks.extend(permissions::check(&self.home, &self.api.client, &path, &needs(self.create), rows).await);
        if let Some(bacpacs) = &self.bacpacs {
            let listed = bacpacs.list(&self.home, "check").await;
            checks.push(Check::new("files", listed.map(|_| "the container of BACPAC files can be listed".into())));
        }
        checks
    }

    fn check_database(&self, database: &Database) -> Check {
        let status = &database.properties.status;
        let sku = database.sku.as_ref().map(|sku| format!(", {}", sku_words(sku))).unwrap_or_default();
        let found = format!("database {}{sku}, {status}", database.name);
        let check = Check::new("database", Ok(found));
        match database.properties.secondary_type.as_deref() {
            Some(kind) => check.with_advice(format!("it is a secondary ({kind}): make snapshots of its primary")),
            None if super::record::state_of_database(status) == crate::model::SnapshotState::Available => check,
            None => check.with_advice(format!("Azure copies a database only while it is Online, and it is {status}")),
        }
    }

    /// For how long, and since when, it can be brought back to any moment.
    async fn short_term(&self, database: &Database) -> Result<String> {
        let policy = self.api.policy::<ShortTermPolicy>(&self.home.database, "backupShortTermRetentionPolicies").await;
        let policy = policy.or_error(&self.home, "check", &self.home.target)?;
        let days = policy.and_then(|policy| policy.properties.retention_days);
        let days = days.map_or_else(|| "any moment".into(), |days| format!("any moment of the last {days} days"));
        Ok(match database.properties.earliest_restore_date {
            Some(earliest) => format!("{days} can be restored, from {} on", moment::text(earliest)),
            None => format!("{days} can be restored, once there is a first backup"),
        })
    }

    /// Which backups are kept for long.
    async fn check_long_term(&self) -> Check {
        let policy = self.api.policy::<LongTermPolicy>(&self.home.database, "backupLongTermRetentionPolicies").await;
        let words = match policy.or_error(&self.home, "check", &self.home.target) {
            Ok(policy) => words(&policy.unwrap_or_default().properties),
            Err(error) => return Check::new("long-term", Err(error)),
        };
        if let Some(words) = words {
            return Check::new("long-term", Ok(words));
        }
        let crate::azure::Home { group, server, subscription, .. } = &self.home.server;
        let database = shell_word(&self.home.database);
        let check = Check::new("long-term", Ok("Azure keeps no backup for long".into()));
        check.with_advice(format!(
            "keep one of each week for 12: az sql db ltr-policy set -n {database} -s {server} -g {} --weekly-retention P12W --subscription {subscription}",
            shell_word(group)
        ))
    }

    /// That they can be listed, not what there is.
    async fn check_lists(&self, location: &str) -> Result<String> {
        let subject = format!("snapshots of {}", self.home.target);
        self.api.databases().await.or_error(&self.home, "list", &subject)?;
        self.dropped("list").await?;
        let backups = self.api.long_term(location, &self.home.database).await;
        backups.or_error(&self.home, "list", &subject)?;
        Ok("they can be listed".into())
    }
}

/// `GP_S_Gen5 2 (GeneralPurpose)`
fn sku_words(sku: &Sku) -> String {
    let capacity = sku.capacity.map(|capacity| format!(" {capacity}")).unwrap_or_default();
    let tier = sku.tier.as_ref().filter(|tier| **tier != sku.name).map(|tier| format!(" ({tier})"));
    format!("{}{capacity}{}", sku.name, tier.unwrap_or_default())
}

/// A policy in words; `None` when it keeps nothing.
fn words(policy: &LongTermPolicyProperties) -> Option<String> {
    let kept = |retention: &Option<String>| retention.as_deref().and_then(period);
    let week = policy.week_of_year.filter(|week| *week > 0).map(|week| format!(" (week {week})")).unwrap_or_default();
    let parts = [
        kept(&policy.weekly_retention).map(|period| format!("of each week for {period}")),
        kept(&policy.monthly_retention).map(|period| format!("of each month for {period}")),
        kept(&policy.yearly_retention).map(|period| format!("of each year{week} for {period}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Azure keeps a backup {}", parts.join(", ")))
}

/// `12 weeks` of `P12W`; what is of another form stands as it is, and what is no time at all is `None`.
fn period(text: &str) -> Option<String> {
    let none = text.is_empty() || !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if none {
        return None;
    }
    let read = || {
        let rest = text.strip_prefix('P')?;
        let (number, unit) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
        let number: u32 = number.parse().ok()?;
        let unit = match unit {
            "D" => "day",
            "W" => "week",
            "M" => "month",
            "Y" => "year",
            _ => return None,
        };
        Some(format!("{number} {unit}{}", if number == 1 { "" } else { "s" }))
    };
    Some(read().unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_in_words() {
        let policy = |weekly: &str, monthly: &str, yearly: &str, week| LongTermPolicyProperties {
            weekly_retention: Some(weekly.into()),
            monthly_retention: Some(monthly.into()),
            yearly_retention: Some(yearly.into()),
            week_of_year: week,
        };
        let all = words(&policy("P12W", "P1M", "P5Y", Some(16))).unwrap();
        assert_eq!(
            all,
            "Azure keeps a backup of each week for 12 weeks, of each month for 1 month, of each year (week 16) for 5 years"
        );
        assert_eq!(words(&policy("PT0S", "P0M", "", Some(0))), None);
        assert_eq!(words(&LongTermPolicyProperties::default()), None);
        assert_eq!(period("P1Y6M").as_deref(), Some("P1Y6M"));
    }

    #[test]
    fn a_sku_is_told_once() {
        let sku = |name: &str, tier: &str, capacity| Sku { name: name.into(), tier: Some(tier.into()), capacity };
        assert_eq!(sku_words(&sku("Standard", "Standard", Some(10))), "Standard 10");
        assert_eq!(sku_words(&sku("GP_S_Gen5", "GeneralPurpose", Some(2))), "GP_S_Gen5 2 (GeneralPurpose)");
    }
}
