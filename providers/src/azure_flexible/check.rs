//! What `targets check` and `doctor` ask of Azure. Nothing here changes anything.

use super::wire::Server;
use super::{Flavor, FlexibleProvider, create};
use crate::azure::location;
use crate::azure::permissions::{self, Rows};
use crate::error::Result;
use crate::model::Check;
use crate::need::Need;

impl FlexibleProvider {
    pub(super) async fn check_all(&self, rows: Rows) -> Vec<Check> {
        let server = self.server("check").await;
        let mut checks = vec![self.check_server(&server)];
        if let Ok(server) = &server {
            checks.push(self.check_retention(server));
        }
        checks.push(self.check_backups(server.as_ref().ok()).await);
        if let Some(found) = self.check_long_term().await {
            checks.push(Check::new("long-term", found));
        }
        if server.is_ok() {
            let (client, path, needs) = (&self.api.client, self.home.path(&[]), self.flavor.needs());
            checks.extend(permissions::check(&self.home, client, &path, needs, rows).await);
        }
        checks
    }

    fn check_server(&self, found: &Result<Server>) -> Check {
        let server = match found {
            Ok(server) => server,
            Err(error) => return Check::new("database", Err(error.repeated())),
        };
        let version = server.version().map(|version| format!(" {version}")).unwrap_or_default();
        let sku = server.sku.as_ref().map(|sku| format!(", {} ({})", sku.name, sku.tier)).unwrap_or_default();
        let (name, location) = (&server.name, location(&server.location));
        let engine = self.flavor.engine();
        let told = format!("server {name} in {location}, {engine}{version}{sku}, {}", server.state());
        let check = Check::new("database", Ok(told));
        if server.is_in_state("Stopped") { check.with_advice(self.start_command()) } else { check }
    }

    /// How long backups live, and what that means for those that somebody wants to keep.
    fn check_retention(&self, server: &Server) -> Check {
        let policy = server.policy();
        let days = policy.backup_retention_days.map_or("an unknown number of".into(), |days| days.to_string());
        let earliest = policy.earliest_restore_date.map(|earliest| format!(", back to {}", earliest.format("%F %T")));
        let geo = policy.geo_redundant_backup.is_some_and(|word| word.eq_ignore_ascii_case("Enabled"));
        let region = if geo { "also in the paired region" } else { "in its own region only" };
        let told = format!("{days} days{}, {region}; backups go with the server", earliest.unwrap_or_default());
        let check = Check::new("retention", Ok(told));
        if self.flavor == Flavor::Postgresql && (server.is_burstable() || create::is_premium_v2(server)) {
            return check.with_advice(
                "Azure makes no backups on demand of this server (Burstable, or Premium SSD v2): dump it, by a target with provider = \"postgresql\"",
            );
        }
        if policy.backup_retention_days.is_some_and(|days| days < 35) {
            let longer = format!("keep them longer, 35 days at most: {} --backup-retention 35", self.az("update"));
            return check.with_advice(longer);
        }
        check
    }

    async fn check_backups(&self, server: Option<&Server>) -> Check {
        let records = match self.records("list").await {
            Ok(records) => records,
            Err(error) => return Check::new("snapshots", Err(error)),
        };
        let on_demand = records.iter().filter(|record| record.is_on_demand()).count() as u64;
        let most = self.flavor.most_on_demand();
        let told = format!("{} backups, {on_demand} of {most} on demand", records.len());
        let check = Check::new("snapshots", Ok(told));
        let none_more = server.is_some() && on_demand >= most;
        if none_more { check.with_advice(format!("prune: `snapkeep prune plan {}`", self.home.target)) } else { check }
    }
}

/// <https://learn.microsoft.com/azure/role-based-access-control/permissions/databases>
const OF_MYSQL: &[Need] = &[
    Need::required(
        "list",
        &["Microsoft.DBforMySQL/flexibleServers/read", "Microsoft.DBforMySQL/flexibleServers/backups/read"],
    ),
    Need::required(
        "create",
        &[
            "Microsoft.DBforMySQL/flexibleServers/backups/write",
            "Microsoft.DBforMySQL/locations/azureAsyncOperation/read",
            "Microsoft.DBforMySQL/locations/operationResults/read",
        ],
    ),
    Need::required("delete", &["Microsoft.DBforMySQL/flexibleServers/backupsV2/delete"]),
    Need::on_demand("restore", &["Microsoft.DBforMySQL/flexibleServers/write"]),
    Need::on_demand(
        "verify",
        &["Microsoft.DBforMySQL/flexibleServers/write", "Microsoft.DBforMySQL/flexibleServers/delete"],
    ),
];
const OF_POSTGRESQL: &[Need] = &[
    Need::required(
        "list",
        &["Microsoft.DBforPostgreSQL/flexibleServers/read", "Microsoft.DBforPostgreSQL/flexibleServers/backups/read"],
    ),
    Need::required(
        "create",
        &[
            "Microsoft.DBforPostgreSQL/flexibleServers/backups/write",
            "Microsoft.DBforPostgreSQL/locations/azureAsyncOperation/read",
            "Microsoft.DBforPostgreSQL/locations/operationResults/read",
        ],
    ),
    Need::required("delete", &["Microsoft.DBforPostgreSQL/flexibleServers/backups/delete"]),
    Need::on_demand("restore", &["Microsoft.DBforPostgreSQL/flexibleServers/write"]),
    Need::on_demand(
        "verify",
        &["Microsoft.DBforPostgreSQL/flexibleServers/write", "Microsoft.DBforPostgreSQL/flexibleServers/delete"],
    ),
    Need::on_demand(
        "export",
        &[
            "Microsoft.DBforPostgreSQL/flexibleServers/ltrPreBackup/action",
            "Microsoft.DBforPostgreSQL/flexibleServers/startLtrBackup/action",
            "Microsoft.DBforPostgreSQL/flexibleServers/ltrBackupOperations/read",
        ],
    ),
];

impl Flavor {
    /// What each verb needs on the server.
    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Mysql => OF_MYSQL,
            Self::Postgresql => OF_POSTGRESQL,
        }
    }
}
