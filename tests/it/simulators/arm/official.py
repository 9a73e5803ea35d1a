"""Microsoft's own clients at the simulator: official.py ENDPOINT TOKEN SUBSCRIPTION GROUP. Prints what they saw as JSON.

Of each answer it is also checked that the clients know every field of it, where they keep what they don't know: that of MySQL
doesn't.
"""
import datetime
import json
import sys
from collections.abc import Mapping

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.polling import LROPoller
from azure.mgmt.mysqlflexibleservers import MySQLManagementClient
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.sql import SqlManagementClient

endpoint, token, subscription, group = sys.argv[1:]
seen, odd = {}, []


class Bearer(SansIOHTTPPolicy):
    """The clients' own wants https."""

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {token}"


def client(kind):
    return kind(object(), subscription, base_url=endpoint, authentication_policy=Bearer(), credential_scopes=["none"], retry_total=3,
        retry_backoff_factor=0, polling_interval=0)


mysql, postgresql, sql = client(MySQLManagementClient), client(PostgreSQLManagementClient), client(SqlManagementClient)


def known(model, path=""):
    """Notes what of a model no field is for."""
    path = path or type(model).__name__
    if isinstance(model, list):
        return [known(one, path) for one in model]
    fields = getattr(model, "_attr_to_rest_field", None)
    if fields is None or not isinstance(model, Mapping):
        return None
    by_name = {field._rest_name: attribute for attribute, field in fields.items()}
    for name in model:
        if name in by_name:
            known(getattr(model, by_name[name]), f"{path}.{name}")
        else:
            odd.append(f"{path}.{name}")


def done(answer):
    """What a call gives in the end."""
    if isinstance(answer, LROPoller):
        answer = answer.result(60)
    elif hasattr(answer, "by_page"):
        answer = list(answer)
    known(answer)
    return answer


def refused(call, *arguments, **more):
    try:
        return str(done(call(*arguments, **more)))
    except HttpResponseError as error:
        return [error.status_code, error.error.code]


def names(items):
    return [item.name for item in items]


def source(provider, server):
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{server}"


now = datetime.datetime.now(datetime.timezone.utc)

# MySQL
crm = (group, "crm-db")
seen["mysql servers"] = names(done(mysql.servers.list())) + names(done(mysql.servers.list_by_resource_group(group)))
seen["mysql state"] = done(mysql.servers.get(*crm)).state
made = done(mysql.backups.put(*crm, "first"))
seen["mysql made"] = [made.name.endswith("-first"), made.backup_type, made.source]
seen["mysql found"] = done(mysql.backups.get(*crm, "first")).name == made.name
seen["mysql lost"] = refused(mysql.backups.get, *crm, "none")
long = done(mysql.long_running_backup.begin_create(*crm, "second", polling_interval=0))
seen["mysql long"] = [long.name.endswith("-second"), long.provisioning_state]
seen["mysql backups"] = [len(done(mysql.backups.list_by_server(*crm))), len(done(mysql.long_running_backups.list(*crm)))]
body = {"location": "northeurope", "properties": {
    "createMode": "PointInTimeRestore", "sourceServerResourceId": source("Microsoft.DBforMySQL/flexibleServers", "crm-db"),
    "restorePointInTime": made.completed_time.isoformat(),
}}
seen["mysql restored"] = done(mysql.servers.begin_create(group, "crm-new", body)).state
seen["mysql taken"] = refused(mysql.servers.begin_create, group, "crm-new", body)
seen["mysql gone"] = done(mysql.servers.begin_delete(group, "crm-new"))

# PostgreSQL
billing, backups = (group, "billing-db"), postgresql.backups_automatic_and_on_demand
seen["postgresql servers"] = names(done(postgresql.servers.list_by_subscription()))
seen["postgresql state"] = done(postgresql.servers.get(*billing)).properties.state
made = done(backups.begin_create(*billing, "first"))
seen["postgresql made"] = [made.name, made.properties.backup_type, made.properties.source]
seen["postgresql twice"] = refused(backups.begin_create, *billing, "first")
seen["postgresql backups"] = names(done(backups.list_by_server(*billing)))
body = {"location": "North Europe", "properties": {
    "createMode": "PointInTimeRestore",
    "sourceServerResourceId": source("Microsoft.DBforPostgreSQL/flexibleServers", "billing-db"),
    "pointInTimeUTC": made.properties.completed_time.isoformat(),
}}
seen["postgresql restored"] = done(postgresql.servers.begin_create_or_update(group, "billing-new", body)).properties.state
seen["postgresql gone"] = done(postgresql.servers.begin_delete(group, "billing-new"))
done(backups.begin_delete(*billing, "first"))
seen["postgresql lost"] = refused(backups.get, *billing, "first")
long_term, settings = postgresql.backups_long_term_retention, {"backupSettings": {"backupName": "yearly"}}
seen["long term"] = done(long_term.check_prerequisites(*billing, settings)).properties.number_of_containers
container = {"targetDetails": {"sasUriList": ["https://acme.blob.example/c?sig=1"]}}
done(long_term.begin_start(*billing, {**settings, **container}))
seen["long term made"] = [one.properties.status for one in done(long_term.list_by_server(*billing))]
seen["long term one"] = done(long_term.get(*billing, "yearly")).properties.backup_name

# Azure SQL
acme = (group, "acme-sql")
orders, of_orders = (*acme, "orders"), source("Microsoft.Sql/servers", "acme-sql") + "/databases/orders"


def database(name, mode, **properties):
    body = {"location": "northeurope", "tags": {"mode": mode}, "properties": {"createMode": mode, **properties}}
    return done(sql.databases.begin_create_or_update(*acme, name, body)).properties.status


seen["sql servers"] = names(done(sql.servers.list())) + names(done(sql.servers.list_by_resource_group(group)))
seen["sql version"] = done(sql.servers.get(*acme)).properties.version
seen["sql points"] = [one.properties.restore_point_type for one in done(sql.restore_points.list_by_database(*orders))]
seen["sql copied"] = database("copied", "Copy", sourceDatabaseId=of_orders)
seen["sql restored"] = database("restored", "PointInTimeRestore", sourceDatabaseId=of_orders, restorePointInTime=now.isoformat())
recoverable = done(sql.recoverable_databases.get(*acme, "orders")).id
seen["sql recovered"] = database("recovered", "Recovery", recoverableDatabaseId=recoverable)
seen["sql recoverable"] = names(done(sql.recoverable_databases.list_by_server(*acme)))
kept_backups, of_orders = sql.long_term_retention_backups, (acme[0], "northeurope", "acme-sql", "orders")
kept = done(kept_backups.list_by_resource_group_database(*of_orders))
kept_one = done(kept_backups.get_by_resource_group(*of_orders, kept[0].name))
seen["sql kept"] = database("kept", "RestoreLongTermRetentionBackup", longTermRetentionBackupResourceId=kept_one.id)
done(kept_backups.begin_delete_by_resource_group(*of_orders, kept_one.name))
seen["sql kept left"] = len(done(sql.long_term_retention_backups.list_by_server("northeurope", "acme-sql")))
seen["sql tagged"] = done(sql.databases.begin_update(*acme, "copied", {"tags": {"kept": "yes"}})).tags
file = {
    "storageKeyType": "StorageAccessKey", "storageKey": "a2V5", "storageUri": "https://acme.blob.example/c/orders.bacpac",
    "administratorLogin": "acmeadmin", "administratorLoginPassword": "secret",
}
seen["sql exported"] = done(sql.databases.begin_export(*orders, file)).properties.status
seen["sql imported"] = done(sql.servers.begin_import_database(*acme, {**file, "databaseName": "imported"})).properties.status
seen["sql imported again"] = done(sql.databases.begin_import_method(*acme, "imported", file)).properties.request_type
done(sql.databases.begin_delete(*acme, "copied"))
dropped = done(sql.restorable_dropped_databases.list_by_server(*acme))
dropped_one = done(sql.restorable_dropped_databases.get(*acme, dropped[0].name))
seen["sql dropped"] = database("again", "Restore", restorableDroppedDatabaseId=dropped_one.id)
seen["sql policies"] = [
    done(sql.long_term_retention_policies.get(*orders, "default")).properties.weekly_retention,
    done(sql.backup_short_term_retention_policies.get(*orders, "default")).properties.retention_days,
]
seen["sql databases"] = names(done(sql.databases.list_by_server(*acme)))
seen["sql lost"] = refused(sql.databases.get, *acme, "none")
# the last call of all
seen["sql failed"] = refused(sql.databases.begin_export, *orders, {**file, "storageUri": "https://acme.blob.example/c/new.bacpac"})
seen["unknown fields"] = sorted(set(odd))
print(json.dumps(seen))
