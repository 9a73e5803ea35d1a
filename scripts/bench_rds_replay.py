#!/usr/bin/env python3
"""A replay of RDS for bench-aws.sh: DescribeDBSnapshots and DescribeDBInstances of the query protocol, and nothing else.

Every account, region and instance asked for on the command line is there, with as many snapshots. All pages are rendered
before the server says that it is ready (the port, as a line on stdout), so an answer costs it a look into a dictionary and
a write. Whose request it is comes from the signature, which is not verified: the region is in the credential's scope, the
account the last twelve digits of the access key's id. It ends with the process that started it.
"""

import argparse
import asyncio
import datetime
import os
import random
import re
import sys
from urllib.parse import parse_qsl

from bench_replay import serve

NAMESPACE = "http://rds.amazonaws.com/doc/2014-10-31/"
PAGE = 100
CREDENTIAL = re.compile(rb"\r\nauthorization:[^\r]*Credential=[^/]*?(\d{12})/\d{8}/([a-z0-9-]+)/rds/", re.IGNORECASE)
# A moment of its own, so that every run sees the same snapshots.
NEWEST = datetime.datetime(2026, 11, 22, 2, 15, tzinfo=datetime.timezone.utc)
WEEK = 7


def element(name, value, indent):
    if isinstance(value, dict):
        inner = "".join(element(key, part, indent + 2) for key, part in value.items())
    elif isinstance(value, list):  # of (name, value)
        inner = "".join(element(key, part, indent + 2) for key, part in value)
    else:
        text = str(value).lower() if isinstance(value, bool) else value
        return f"{' ' * indent}<{name}>{text}</{name}>\n"
    return f"{' ' * indent}<{name}>\n{inner}{' ' * indent}</{name}>\n" if inner else f"{' ' * indent}<{name}/>\n"


def tags(pairs):
    return [("Tag", {"Key": key, "Value": value}) for key, value in pairs.items()]


def moment(time, milliseconds):
    return f"{time:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


class Instance:
    """What the snapshots of one database have in common."""

    def __init__(self, account, region, name):
        self.account, self.region, self.name = account, region, name
        self.random = random.Random(f"{account}{region}{name}")
        self.arn = f"arn:aws:rds:{region}:{account}"
        self.key = f"arn:aws:kms:{region}:{account}:key/{self.hexadecimal(8)}-5c1d-4e0b-9a57-{self.hexadecimal(12)}"
        self.resource = "db-" + "".join(self.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=26))

    def hexadecimal(self, digits):
        return "".join(self.random.choices("0123456789abcdef", k=digits))

    def snapshot(self, number):
        """The snapshot that is `number` steps of six hours before the newest."""
        created = NEWEST - datetime.timedelta(hours=6 * number, seconds=self.random.randrange(240))
        common = {"Team": "commerce"}
        if number % 4 == 0 and number < 4 * WEEK:
            kind, identifier = "automated", f"rds:{self.name}-{created:%Y-%m-%d-%H-%M}"
        elif number % 5 == 0:
            kind, identifier = "manual", f"{self.name}-before-release-{number}"
        else:
            kind = "manual"
            identifier = f"sk-{self.name}-{created:%Y%m%dt%H%M%Sz}-{self.hexadecimal(4)}"
            common |= {"snapkeep:target": self.name, "snapkeep:key": f"nightly-{created:%Y-%m-%d-%H}", "snapkeep:tool": "snapkeep 0.1.0"}
        when = moment(created, self.random.randrange(1000))
        return {
            "AllocatedStorage": 400, "AvailabilityZone": f"{self.region}a", "DBInstanceIdentifier": self.name,
            "DBSnapshotArn": f"{self.arn}:snapshot:{identifier}", "DBSnapshotIdentifier": identifier, "DbiResourceId": self.resource,
            "DedicatedLogVolume": False, "Encrypted": True, "Engine": "postgres", "EngineVersion": "17.6",
            "IAMDatabaseAuthenticationEnabled": True, "InstanceCreateTime": "2021-03-04T09:12:33.512Z", "KmsKeyId": self.key,
            "LicenseModel": "postgresql-license", "MasterUsername": "postgres", "MultiTenant": False, "OptionGroupName": "default:postgres-17",
            "OriginalSnapshotCreateTime": when, "PercentProgress": 100, "Port": 5432,
            "ProcessorFeatures": [], "SnapshotCreateTime": when, "SnapshotDatabaseTime": moment(created - datetime.timedelta(seconds=2), 0),
            "SnapshotTarget": "region", "SnapshotType": kind, "Status": "available", "StorageType": "gp2",
            "TagList": tags(common), "VpcId": "vpc-0a1b2c3d4e5f60718",
        }

    def described(self):
        return {
            "AllocatedStorage": 400, "AvailabilityZone": f"{self.region}a", "BackupRetentionPeriod": WEEK, "CopyTagsToSnapshot": True,
            "DBInstanceArn": f"{self.arn}:db:{self.name}", "DBInstanceClass": "db.r7g.xlarge", "DBInstanceIdentifier": self.name,
            "DBInstanceStatus": "available", "DbiResourceId": self.resource, "DeletionProtection": True,
            "Endpoint": {"Address": f"{self.name}.c9akciq32rgd.{self.region}.rds.amazonaws.com", "Port": 5432}, "Engine": "postgres",
            "EngineVersion": "17.6", "InstanceCreateTime": "2021-03-04T09:12:33.512Z", "KmsKeyId": self.key, "MasterUsername": "postgres",
            "MultiAZ": True, "StorageEncrypted": True, "StorageType": "gp2", "TagList": tags({"Team": "commerce"}),
        }


def answer(action, inner):
    body = (
        f'<{action}Response xmlns="{NAMESPACE}">\n  <{action}Result>\n{inner}  </{action}Result>\n'
        f"  <ResponseMetadata>\n    <RequestId>9a3a5f0e-5f1c-4d5b-8f0a-0c6b1e2d3f40</RequestId>\n  </ResponseMetadata>\n</{action}Response>\n"
    )
    return with_head("200 OK", body)


def with_head(status, body):
    """The status, and all of an answer after its date."""
    body = body.encode()
    length = f"\r\nContent-Type: text/xml\r\nx-amzn-RequestId: 9a3a5f0e-5f1c-4d5b-8f0a-0c6b1e2d3f40\r\nContent-Length: {len(body)}\r\n\r\n"
    return status, length.encode() + body


def fault(status, code, message):
    body = f'<ErrorResponse xmlns="{NAMESPACE}">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  <RequestId>9a3a5f0e</RequestId>\n</ErrorResponse>\n'
    return with_head(status, body)


class World:
    """Every answer there is."""

    def __init__(self, arguments):
        self.pages = {}      # (account, region, instance, marker) -> answer
        self.instances = {}  # (account, region, instance) -> answer
        self.snapshots = self.bytes = 0
        for account in arguments.accounts.split(","):
            for region in arguments.regions.split(","):
                for name in arguments.instances.split(","):
                    self.add(Instance(account, region, name), arguments.snapshots)
        self.none = self.describe_snapshots([], "")
        self.no_instance = fault("404 Not Found", "DBInstanceNotFound", "DBInstance not found.")

    def add(self, instance, count):
        key = (instance.account, instance.region, instance.name)
        # By name, as RDS gives them, and so not by age.
        snapshots = sorted((instance.snapshot(number) for number in range(count)), key=lambda one: one["DBSnapshotIdentifier"])
        for first in range(0, max(count, 1), PAGE):
            marker = f"page-{first // PAGE}" if first else ""
            following = f"page-{first // PAGE + 1}" if first + PAGE < count else ""
            self.pages[(*key, marker)] = self.describe_snapshots(snapshots[first:first + PAGE], following)
            self.bytes += len(self.pages[(*key, marker)][1])
        inner = element("DBInstances", [("DBInstance", instance.described())], 4)
        self.instances[key] = answer("DescribeDBInstances", inner)
        self.snapshots += count

    @staticmethod
    def describe_snapshots(snapshots, marker):
        inner = (element("Marker", marker, 4) if marker else "") + element("DBSnapshots", [("DBSnapshot", one) for one in snapshots], 4)
        return answer("DescribeDBSnapshots", inner)

    def reply(self, head, body):
        signed = CREDENTIAL.search(head)
        if not signed:
            return fault("403 Forbidden", "MissingAuthenticationToken", "The request has no signature with an account and a region.")
        whose = (signed[1].decode(), signed[2].decode())
        asked = dict(parse_qsl(body.decode()))
        action, name = asked.pop("Action", ""), asked.pop("DBInstanceIdentifier", "")
        asked.pop("Version", None)
        if action == "DescribeDBSnapshots":
            kind, marker, size = asked.pop("SnapshotType", ""), asked.pop("Marker", ""), asked.pop("MaxRecords", str(PAGE))
            if not asked and size == str(PAGE):
                if kind:  # manual and automated ones come without; there are no others
                    return self.none if kind in ("awsbackup", "shared", "public") else self.unknown(action)
                return self.pages.get((*whose, name, marker), self.none)
        elif action == "DescribeDBInstances" and name:
            return self.instances.get((*whose, name), self.no_instance)
        return self.unknown(action)

    @staticmethod
    def unknown(action):
        print(f"replay: {action} was asked in a way that isn't replayed", file=sys.stderr)
        return fault("400 Bad Request", "InvalidParameterCombination", f"{action} is not replayed so.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", default="111122223333", help="ids, with commas between")
    parser.add_argument("--regions", default="eu-central-1", help="names, with commas between")
    parser.add_argument("--instances", default="orders-prod", help="names of each account and region, with commas between")
    parser.add_argument("--snapshots", type=int, default=5000, help="of each instance")
    parser.add_argument("--latency-ms", type=float, default=0, help="before each answer")
    parent, arguments = os.getppid(), parser.parse_args()
    world = World(arguments)
    size = world.bytes / max(world.snapshots, 1)
    print(f"replay: {world.snapshots} snapshots in {len(world.pages)} pages, {size:.0f} bytes each", file=sys.stderr)
    asyncio.run(serve(world, arguments.latency_ms, parent))


if __name__ == "__main__":
    main()
