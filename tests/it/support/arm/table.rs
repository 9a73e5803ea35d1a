//! The methods that are simulated, with the version from which on each is there, the parameters that it takes, the
//! permission that it needs, and what carries it out.

use super::methods::{Method, Service};
use super::sql::{self, databases, kept, transfer};
use super::{accounts, backups, long_term, operations, servers};

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

/// Of subscriptions and flexible servers.
pub(super) const FLEXIBLE: &[Method] = methods! {
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

/// Of Azure SQL.
pub(super) const SQL: &[Method] = methods! {
    GET "S/Q/servers" "sql.servers.list" Sql "" [] "Microsoft.Sql/servers/read" sql::list;
    GET "G/Q/servers" "sql.servers.list" Sql "" [] "Microsoft.Sql/servers/read" sql::list;
    GET "G/Q/servers/{server}" "sql.servers.get" Sql "" [] "Microsoft.Sql/servers/read" sql::get;
    POST "G/Q/servers/{server}/import" "sql.servers.import" Sql "" [] "Microsoft.Sql/servers/import/action"
        transfer::import_as_new;
    GET "G/Q/servers/{server}/databases" "sql.databases.list" Sql "" [] "Microsoft.Sql/servers/databases/read"
        databases::list;
    GET "G/Q/servers/{server}/databases/{database}" "sql.databases.get" Sql "" []
        "Microsoft.Sql/servers/databases/read" databases::get;
    PUT "G/Q/servers/{server}/databases/{database}" "sql.databases.put" Sql "" []
        "Microsoft.Sql/servers/databases/write" databases::put;
    PATCH "G/Q/servers/{server}/databases/{database}" "sql.databases.patch" Sql "" []
        "Microsoft.Sql/servers/databases/write" databases::patch;
    DELETE "G/Q/servers/{server}/databases/{database}" "sql.databases.delete" Sql "" []
        "Microsoft.Sql/servers/databases/delete" databases::delete;
    POST "G/Q/servers/{server}/databases/{database}/export" "sql.databases.export" Sql "" []
        "Microsoft.Sql/servers/databases/export/action" transfer::export;
    POST "G/Q/servers/{server}/databases/{database}/import" "sql.databases.import" Sql "" []
        "Microsoft.Sql/servers/databases/import/action" transfer::import;
    GET "G/Q/servers/{server}/databases/{database}/restorePoints" "sql.restorePoints.list" Sql "" []
        "Microsoft.Sql/servers/databases/restorePoints/read" databases::restore_points;
    GET "G/Q/servers/{server}/databases/{database}/restorePoints/{id}" "sql.restorePoints.get" Sql "" []
        "Microsoft.Sql/servers/databases/restorePoints/read" databases::restore_points;
    GET "G/Q/servers/{server}/databases/{database}/backupLongTermRetentionPolicies/default"
        "sql.backupLongTermRetentionPolicies.get" Sql "" []
        "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/read" databases::long_term_policy;
    GET "G/Q/servers/{server}/databases/{database}/backupShortTermRetentionPolicies/default"
        "sql.backupShortTermRetentionPolicies.get" Sql "" []
        "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/read" databases::short_term_policy;
    GET "G/Q/servers/{server}/restorableDroppedDatabases" "sql.restorableDroppedDatabases.list" Sql "" []
        "Microsoft.Sql/servers/restorableDroppedDatabases/read" databases::dropped;
    GET "G/Q/servers/{server}/restorableDroppedDatabases/{id}" "sql.restorableDroppedDatabases.get" Sql "" []
        "Microsoft.Sql/servers/restorableDroppedDatabases/read" databases::dropped;
    GET "G/Q/servers/{server}/recoverableDatabases" "sql.recoverableDatabases.list" Sql "" []
        "Microsoft.Sql/servers/recoverableDatabases/read" databases::recoverable;
    GET "G/Q/servers/{server}/recoverableDatabases/{id}" "sql.recoverableDatabases.get" Sql "" []
        "Microsoft.Sql/servers/recoverableDatabases/read" databases::recoverable;
    GET "S/Q/L/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "S/Q/L/longTermRetentionServers/{server}/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "S/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "S/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups/{id}"
        "sql.longTermRetentionBackups.get" Sql "" []
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    DELETE "S/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups/{id}"
        "sql.longTermRetentionBackups.delete" Sql "" []
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/delete"
        kept::delete;
    GET "G/Q/L/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "G/Q/L/longTermRetentionServers/{server}/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "G/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups" "sql.longTermRetentionBackups.list" Sql ""
        ["onlyLatestPerDatabase" "databaseState"]
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    GET "G/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups/{id}"
        "sql.longTermRetentionBackups.get" Sql "" []
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/read"
        kept::list;
    DELETE "G/Q/L/longTermRetentionServers/{server}/longTermRetentionDatabases/{database}/longTermRetentionBackups/{id}"
        "sql.longTermRetentionBackups.delete" Sql "" []
        "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/longTermRetentionBackups/delete"
        kept::delete;
    GET "G/Q/L/databaseAzureAsyncOperation/{id}" "sql.operations.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/databaseAzureAsyncOperation/read" operations::get;
    GET "G/Q/L/databaseOperationResults/{id}" "sql.results.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/databaseOperationResults/read" operations::result;
    GET "G/Q/L/importExportAzureAsyncOperation/{id}" "sql.operations.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/importExportAzureAsyncOperation/read" operations::get;
    GET "G/Q/L/importExportOperationResults/{id}" "sql.results.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/importExportOperationResults/read" operations::result;
    GET "S/Q/L/longTermRetentionBackupAzureAsyncOperation/{id}" "sql.operations.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/longTermRetentionBackupAzureAsyncOperation/read" operations::get;
    GET "S/Q/L/longTermRetentionBackupOperationResults/{id}" "sql.results.get" Sql "" ["t" "c" "s" "h"]
        "Microsoft.Sql/locations/longTermRetentionBackupOperationResults/read" operations::result;
};
