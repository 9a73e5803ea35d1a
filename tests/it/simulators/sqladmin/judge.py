"""Google's own client at the simulator: judge.py ENDPOINT TOKEN PROJECT INSTANCE. Prints what it saw as JSON."""
import json
import sys

from google.api_core.client_options import ClientOptions
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

endpoint, token, project, instance = sys.argv[1:]
api = build("sqladmin", "v1", credentials=Credentials(token=token), client_options=ClientOptions(api_endpoint=endpoint),
    static_discovery=True, cache_discovery=False)
runs, backups, instances, operations = api.backupRuns(), api.Backups(), api.instances(), api.operations()
here = {"project": project, "instance": instance}
seen = {}


def pages(collection, method, field, **arguments):
    request, items = getattr(collection, method)(**arguments), []
    while request is not None:
        answer = request.execute()
        items += answer.get(field, [])
        request = getattr(collection, method + "_next")(request, answer)
    return items


def refused(request):
    try:
        return request.execute()
    except HttpError as error:
        return [error.status_code, error.error_details[0]["reason"], error.reason]


def awaited(operation):
    for _ in range(10):
        operation = operations.get(project=project, operation=operation["name"]).execute()
        if operation["status"] == "DONE":
            return operation
    sys.exit(f"not done: {operation}")


seen["instances"] = [one["name"] for one in pages(instances, "list", "items", project=project, filter="state:RUNNABLE")]
seen["runs"] = len(pages(runs, "list", "items", maxResults=7, **here))
seen["backups"] = len(pages(backups, "ListBackups", "backups", parent=f"projects/{project}", filter=f"instance:{instance}"))

made = runs.insert(body={"description": "judged"}, **here).execute()
seen["busy"] = refused(runs.insert(body={}, **here))
done = awaited(made)
seen["made"] = [made["status"], done["operationType"], done["backupContext"]["backupId"] == made["backupContext"]["backupId"]]
run = runs.get(id=made["backupContext"]["backupId"], **here).execute()
seen["run"] = [run["status"], run["type"], run["description"]]
backup = backups.GetBackup(name=made["backupContext"]["name"]).execute()
seen["backup"] = [backup["state"], backup["backupRun"].endswith(run["id"])]

context = {"backupRunId": run["id"], "instanceId": instance, "project": project}
seen["restored"] = awaited(instances.restoreBackup(body={"restoreBackupContext": context}, **here).execute())["status"]
body = {"backup": backup["name"], "restoreInstanceSettings": {"settings": {"tier": "db-f1-micro"}}}
awaited(instances.restoreBackup(project=project, instance="restored", body=body).execute())
seen["new"] = instances.get(project=project, instance="restored").execute()["settings"]["tier"]
window = api.projects().instances().getLatestRecoveryTime(**here).execute()
body = {"cloneContext": {"destinationInstanceName": "cloned", "pointInTime": window["latestRecoveryTime"]}}
awaited(instances.clone(body=body, **here).execute())
seen["cloned"] = instances.get(project=project, instance="cloned").execute()["state"]

body = {"exportContext": {"uri": "gs://dumps/judged.sql.gz", "fileType": "SQL", "databases": [instance]}}
seen["exported"] = "error" in awaited(instances.export(body=body, **here).execute())
seen["exported again"] = "error" in awaited(instances.export(body=body, **here).execute())
body = {"importContext": {"uri": "gs://dumps/judged.sql.gz", "fileType": "SQL", "database": instance}}
seen["imported"] = "error" in awaited(getattr(instances, "import_")(body=body, **here).execute())

awaited(runs.delete(id=run["id"], **here).execute())
seen["gone"] = refused(runs.get(id=run["id"], **here))
made = awaited(backups.CreateBackup(parent=f"projects/{project}", body={"instance": instance}).execute())
awaited(backups.DeleteBackup(name=made["backupContext"]["name"]).execute())
seen["none"] = refused(instances.get(project=project, instance="none"))
seen["theirs"] = refused(instances.get(project="of-others", instance="none"))
awaited(instances.delete(project=project, instance="cloned").execute())

throttled = runs.list(**here)
throttled._sleep = lambda _: None
seen["throttled"] = len(throttled.execute(num_retries=2)["items"])
seen["operations"] = [one["operationType"] for one in pages(operations, "list", "items", maxResults=3, **here)]
print(json.dumps(seen))
