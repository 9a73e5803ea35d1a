#!/usr/bin/env bash
# bench-gcp.sh: time, processor time and memory of `snapkeep list` on GCP Cloud SQL beside Google's own client for Python,
# google-api-python-client, on a replay of the Admin API on loopback.
#
# One instance with BACKUPS backups, in pages of PAGE. snapkeep reads two lists, the instance's backup runs and the project's
# backups; Google's client once does the same, and once reads the backup runs alone.
#
# Asserts that each lists all the backups and no others; warms each up once by that, then runs rounds, each beginning with
# another. Prints a table of medians, and the medians of the rounds' ratios; passes no judgement.
#
#   ROUNDS                 rounds (default 7)
#   BACKUPS, PAGE          how many, and how many a page has at most (default 5000 and 20)
#   LATENCY_MS             what each answer takes (default 0)
#   SNAPKEEP_BIN           a program to measure instead of the release build of this checkout
#   SNAPKEEP_BENCH_GOOGLE  a Python that has Google's client; without it that of tests/servers/setup.sh, and without one it is
#                          installed by pip for this run
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROUNDS=${ROUNDS:-7} BACKUPS=${BACKUPS:-5000} PAGE=${PAGE:-20} LATENCY_MS=${LATENCY_MS:-0}
for number in "$ROUNDS" "$BACKUPS" "$PAGE"; do
  [[ $# = 0 && $number =~ ^[1-9][0-9]*$ ]] || { sed -n '2,16p' "$0" >&2; exit 2; }
done
# shellcheck source=scripts/bench-common.sh
. "$ROOT/scripts/bench-common.sh"

find_google() {
  GOOGLE=${SNAPKEEP_BENCH_GOOGLE:-/var/tmp/snapkeep-test/prefix/google/bin/python}
  [ ! -x "$GOOGLE" ] || return 0
  note "installing google-api-python-client by pip"
  python3 -m venv "$DIR/venv"
  "$DIR/venv/bin/pip" install -q --disable-pip-version-check google-api-python-client
  GOOGLE=$DIR/venv/bin/python
}

start_replay() { # sets ENDPOINT
  local port=$DIR/replay.port
  start_group python3 "$ROOT/scripts/bench_sqladmin_replay.py" --backups "$BACKUPS" --page "$PAGE" --latency-ms "$LATENCY_MS" > "$port"
  until [ -s "$port" ]; do
    kill -0 "$PID" 2>/dev/null || { note "the replay server ended"; exit 1; }
    sleep 0.1
  done
  ENDPOINT=http://127.0.0.1:$(cat "$port")
}

export PYTHONDONTWRITEBYTECODE=1
build
make_room
find_google
cat > "$DIR/measure.py" <<'P'
import json, os, pathlib, statistics, sys

from bench_measure import in_rounds, spawned, table

snapkeep, google, script, endpoint, directory, rounds, count = sys.argv[1:]
home = pathlib.Path(directory, "home")
home.mkdir()
# Nothing of whoever runs this: no credentials, no proxy.
environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "TOKEN": "bench"}
(home / "snapkeep.toml").write_text(f"""
version = 1
[targets.billing]
provider = "gcp_cloud_sql"
project = "acme-prod"
instance = "billing"
endpoint = "{endpoint}"
access_token = {{ env = "TOKEN" }}
""")


def ours():
    return spawned([snapkeep, "--config", str(home / "snapkeep.toml"), "list", "billing", "-o", "json"], str(home / "snapkeep.json"), environment)


def theirs(lists):
    return spawned([google, script, endpoint, "bench", lists], str(home / f"{lists}.json"), environment)


def check():
    document = json.loads((home / "snapkeep.json").read_text())
    if document["errors"]:
        sys.exit(f"snapkeep list: {document['errors'][0]['message']}")
    listed = {"snapkeep": sorted(item["native_id"] for item in document["items"])}
    for lists in ("both", "runs"):
        listed[f"Google's client, {lists}"] = sorted(item["id"] for item in json.loads((home / f"{lists}.json").read_text()))
    for name, ids in listed.items():
        if len(set(ids)) != int(count) or ids != listed["snapkeep"]:
            sys.exit(f"{name} listed {len(ids)}, {len(set(ids))} different ones, of {count} backups")


contenders = {"Google's client, both lists": lambda: theirs("both"), "Google's client, runs only": lambda: theirs("runs"), "snapkeep": ours}
results = in_rounds(contenders, check, int(rounds))
floor = spawned(["/bin/true"], os.devnull, {})[2] / 1024
print(f"nothing measures below {floor:.1f} MiB", file=sys.stderr)
rows = [("list", "median s", "best s", "processor s", "peak MiB", "time", "processor", "memory")]
own = results["snapkeep"]
for name, runs in results.items():
    seconds, processor, peak = zip(*runs)
    cells = [f"{statistics.median(seconds):.3f}", f"{min(seconds):.3f}", f"{statistics.median(processor):.3f}", f"{statistics.median(peak) / 1024:.1f}"]
    for i in range(3):
        ratio = statistics.median(them[i] / us[i] for them, us in zip(runs, own))
        cells.append("1" if runs is own else f"1/{ratio:.1f}" if ratio >= 1 else f"{1 / ratio:.1f}")
    rows.append((name, *cells))
print(f"\nmedians of {rounds} rounds; time, processor, memory: snapkeep's share of that line's")
table(rows)
P

start_replay
echo "$(nproc) cores; $("$GOOGLE" -m pip list --disable-pip-version-check 2>/dev/null | grep '^google-api-python-client '); $("$SNAPKEEP_BIN" --version)"
echo "$BACKUPS backups in pages of $PAGE"
# In the background, as a signal must not wait for it.
start_group env PYTHONPATH="$ROOT/scripts" \
  python3 "$DIR/measure.py" "$SNAPKEEP_BIN" "$GOOGLE" "$ROOT/scripts/bench_google_client.py" "$ENDPOINT" "$DIR" "$ROUNDS" "$BACKUPS"
wait "$PID"
