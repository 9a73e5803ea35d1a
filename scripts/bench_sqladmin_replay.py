#!/usr/bin/env python3
"""A replay of the Cloud SQL Admin API for bench-gcp.sh: the backup runs of one instance and the project's backups, and nothing else.

All pages are rendered before the server says that it is ready (the port, as a line on stdout), indented as Google writes JSON, so an
answer costs it a look into a dictionary and a write. A page has what the command line says at most, whatever is asked for. It
ends with the process that started it.
"""

import argparse
import asyncio
import datetime
import json
import os
import random
import re
import sys
from urllib.parse import parse_qsl, urlsplit

from bench_replay import serve

PROJECT, INSTANCE = "acme-prod", "billing"
RUNS = f"/v1/projects/{PROJECT}/instances/{INSTANCE}/backupRuns"
BACKUPS = f"/v1/projects/{PROJECT}/backups"
SELF = "https://sqladmin.googleapis.com"
BEARER = re.compile(rb"\r\nauthorization: *Bearer [^\r ]+", re.IGNORECASE)
# A moment of its own, so that every run sees the same backups.
NEWEST = datetime.datetime(2026, 11, 22, 2, 15, tzinfo=datetime.timezone.utc)
WEEK = 7
# Of a backup where only some fields are asked for: not these.
LONG = ("kind", "selfLink", "backupKind", "instanceSettings")
SETTINGS = {
    "kind": "sql#instance", "name": INSTANCE, "project": PROJECT, "region": "europe-west3", "databaseVersion": "POSTGRES_17",
    "settings": {
        "kind": "sql#settings", "settingsVersion": "7", "tier": "db-custom-2-7680", "edition": "ENTERPRISE", "availabilityType": "REGIONAL",
        "activationPolicy": "ALWAYS", "pricingPlan": "PER_USE", "dataDiskSizeGb": "400", "dataDiskType": "PD_SSD", "storageAutoResize": True,
        "deletionProtectionEnabled": True, "retainBackupsOnDelete": True, "userLabels": {"team": "commerce"},
        "ipConfiguration": {"ipv4Enabled": True, "sslMode": "ENCRYPTED_ONLY"},
        "backupConfiguration": {
            "kind": "sql#backupConfiguration", "enabled": True, "startTime": "02:00", "location": "eu", "pointInTimeRecoveryEnabled": True,
            "transactionLogRetentionDays": 7, "backupRetentionSettings": {"retentionUnit": "COUNT", "retainedBackups": WEEK},
        },
    },
}


def moment(time):
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def entries(count):
    """Each backup as a run and as one of the project, the newest first, six hours apart."""
    chance = random.Random(5)
    for number in range(count):
        started = NEWEST - datetime.timedelta(hours=6 * number, seconds=chance.randrange(240))
        ended = started + datetime.timedelta(seconds=chance.randrange(60, 600))
        run = str(int(started.timestamp() * 1000))
        common = {"location": "eu", "databaseVersion": "POSTGRES_17", "maxChargeableBytes": str(chance.randrange(1 << 30, 1 << 39))}
        if number % 4 == 0 and number < 4 * WEEK:
            common["type"] = "AUTOMATED"
        else:
            ours = f"snapkeep target={INSTANCE} call={chance.randrange(1 << 40):010x} key=nightly-{started:%Y-%m-%d-%H} tag:team=commerce"
            common |= {"type": "ON_DEMAND", "description": "before the release" if number % 5 == 0 else ours}
        own = f"{RUNS}/{run}"
        uid = "-".join(f"{chance.randrange(1 << 4 * digits):0{digits}x}" for digits in (8, 4, 4, 4, 12))
        name = f"projects/{PROJECT}/backups/{uid}"
        yield {
            "kind": "sql#backupRun", "id": run, "instance": INSTANCE, "status": "SUCCESSFUL", "backupKind": "SNAPSHOT",
            "enqueuedTime": moment(started), "windowStartTime": moment(started), "startTime": moment(started), "endTime": moment(ended),
            "selfLink": SELF + own, **common,
        }, {
            "kind": "sql#backup", "name": name, "instance": INSTANCE, "state": "SUCCESSFUL", "backupKind": "SNAPSHOT",
            "backupRun": own.removeprefix("/v1/"), "backupInterval": {"startTime": moment(started), "endTime": moment(ended)},
            "selfLink": f"{SELF}/v1/{name}", "instanceSettings": SETTINGS, **common,
        }


def answer(status, document):
    body = json.dumps(document, indent=2).encode()
    return status, f"\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def refusal(code, status, reason, message):
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return answer(f"{code} {status}", {"error": {"code": code, "message": message, "errors": errors}})


class World:
    """Every answer there is."""

    def __init__(self, count, page):
        self.pages = {}  # (path, whether in full, token) -> answer
        both = list(entries(count))
        runs, backups = [run for run, _ in both], [backup for _, backup in both]
        brief = [{key: value for key, value in backup.items() if key not in LONG} for backup in backups]
        self.render(RUNS, True, {"kind": "sql#backupRunsList"}, "items", runs, page)
        self.render(BACKUPS, True, {}, "backups", backups, page)
        self.render(BACKUPS, False, {}, "backups", brief, page)

    def render(self, path, in_full, head, field, items, page):
        for first in range(0, max(len(items), 1), page):
            token, following = (f"page-{at // page}" if 0 < at < len(items) else "" for at in (first, first + page))
            document = {**head, field: items[first:first + page]} | ({"nextPageToken": following} if following else {})
            self.pages[path, in_full, token] = answer("200 OK", document)

    def reply(self, head, _):
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        path, asked = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        if not BEARER.search(head):
            return refusal(401, "Unauthorized", "required", "Login Required.")
        sizes = {RUNS: "maxResults", BACKUPS: "pageSize"}
        known = {"pageToken", "fields", "filter", "alt", "prettyPrint", sizes.get(path)}
        if method != "GET" or path not in sizes or not known.issuperset(asked):
            print(f"replay: {method} {target} isn't replayed", file=sys.stderr)
            return refusal(501, "Not Implemented", "notImplemented", "It is not replayed.")
        in_full = path == RUNS or "fields" not in asked
        unknown = refusal(400, "Bad Request", "invalid", "There is no such page.")
        return self.pages.get((path, in_full, asked.get("pageToken", "")), unknown)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backups", type=int, default=5000, help="of the instance")
    parser.add_argument("--page", type=int, default=20, help="how many a page has at most")
    parser.add_argument("--latency-ms", type=float, default=0, help="before each answer")
    parent, arguments = os.getppid(), parser.parse_args()
    world = World(arguments.backups, arguments.page)
    asyncio.run(serve(world, arguments.latency_ms, parent))


if __name__ == "__main__":
    main()
