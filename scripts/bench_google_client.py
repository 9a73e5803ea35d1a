"""Google's own client as the peer of `snapkeep list` in bench-gcp.sh: bench_google_client.py ENDPOINT TOKEN both|runs

Prints as JSON the backups of the instance, asked for as snapkeep asks: the backup runs in pages as large as the server gives them, and
with `both` the project's backups that belong to none of them.
"""

import json
import sys

from google.api_core.client_options import ClientOptions
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

PROJECT, INSTANCE = "acme-prod", "billing"
FIELDS = "nextPageToken,warnings,backups(name,instance,state,type,description,location,databaseVersion,backupInterval,backupRun,expiryTime,maxChargeableBytes,error)"

endpoint, token, lists = sys.argv[1:]
api = build("sqladmin", "v1", credentials=Credentials(token=token), client_options=ClientOptions(api_endpoint=endpoint),
    static_discovery=True, cache_discovery=False)


def pages(request, following, field):
    while request is not None:
        answer = request.execute()
        yield from answer.get(field, [])
        request = following(request, answer)


runs = api.backupRuns()
found = list(pages(runs.list(project=PROJECT, instance=INSTANCE, maxResults=500), runs.list_next, "items"))
if lists == "both":
    known = {run["id"] for run in found}
    backups = api.Backups()
    first = backups.ListBackups(parent=f"projects/{PROJECT}", filter=f"instance:{INSTANCE}", pageSize=500, fields=FIELDS)
    for backup in pages(first, backups.ListBackups_next, "backups"):
        if backup.get("backupRun", "").rsplit("/", 1)[-1] not in known:
            found.append(backup)
json.dump(found, sys.stdout)
