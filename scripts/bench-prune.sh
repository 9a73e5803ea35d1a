#!/usr/bin/env bash
# bench-prune.sh [COUNT]: wall time and peak memory of `snapkeep list` and `snapkeep prune plan` on a local store of COUNT
# snapshots of one target; 100000 when no count is given.
#
# Fabricates the store in /var/tmp (a manifest and a byte of data each, an hour apart), runs each command once to warm the caches
# up and then RUNS times, and deletes the store again. Prints a table of medians; passes no judgement.
#
#   RUNS          runs of each command (default 3)
#   SNAPKEEP_BIN  a program to measure instead of the release build of this checkout
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUNS=${RUNS:-3}
COUNT=${1:-100000}
[[ $# -le 1 && $COUNT =~ ^[1-9][0-9]*$ && $RUNS =~ ^[1-9][0-9]*$ ]] || { sed -n '2,9p' "$0" >&2; exit 2; }

# shellcheck source=scripts/bench-common.sh
. "$ROOT/scripts/bench-common.sh"
build
make_room

cat > "$DIR/bench.toml" <<T
version = 1
[targets.bench]
provider = "sqlite"
path = "$DIR/bench.db"
store = "local"
retention = "standard"
[stores.local]
type = "local"
path = "$DIR/snapshots"
[retention.standard]
keep_last = 3
keep_daily = 30
keep_weekly = 52
keep_monthly = 120
keep_yearly = 20
T

note "fabricating $COUNT snapshots"
python3 - "$DIR" "$COUNT" <<'P'
import datetime, json, os, sys

directory, count = sys.argv[1], int(sys.argv[2])
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
for number in range(count):
    created = now - datetime.timedelta(hours=number, minutes=1)
    name = f"{created:%Y%m%dT%H%M%SZ}-{number % 10000:04}"
    folder, time = f"{directory}/snapshots/bench/{name}", f"{created:%Y-%m-%dT%H:%M:%SZ}"
    part = {"name": "data.sqlite.zst", "size_bytes": 1, "sha256": "0" * 64, "uncompressed_bytes": 1}
    manifest = {"schema": "snapkeep/manifest/v1", "id": f"bench/{name}", "target": "bench", "created_at": time, "completed_at": time,
        "key": None, "tags": {"team": "bench"}, "provider": "sqlite", "engine": "sqlite", "engine_version": "3.50.4", "database": "bench.db",
        "format": "SQLite database", "tools": [], "database_settings": {}, "uncompressed_bytes": 1, "size_bytes": 1, "parts": [part],
        "globals": None, "notes": []}
    os.makedirs(folder)
    with open(f"{folder}/data.sqlite.zst", "w") as file:
        file.write("x")
    with open(f"{folder}/manifest.json", "w") as file:
        json.dump(manifest, file, indent=2)
P

echo "$(nproc) cores; $COUNT manifests; $("$SNAPKEEP_BIN" --version)"
python3 - "$DIR" "$SNAPKEEP_BIN" "$RUNS" "$COUNT" <<'P'
import os, statistics, subprocess, sys, time

directory, snapkeep, runs, count = sys.argv[1:]


def run(arguments):
    """Seconds, the peak of this process alone in MiB, and how many lines it printed."""
    start = time.monotonic()
    child = subprocess.Popen([snapkeep, "--config", f"{directory}/bench.toml", *arguments.split()], stdout=subprocess.PIPE)
    lines = sum(block.count(b"\n") for block in iter(lambda: child.stdout.read(1 << 16), b""))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"snapkeep {arguments} exited with {child.returncode}")
    return time.monotonic() - start, usage.ru_maxrss / 1024, lines


rows = []
for arguments in ["list -o name", "prune plan -q -o jsonl"]:
    results = [run(arguments) for _ in range(int(runs) + 1)][1:]
    if any(lines != int(count) for _, _, lines in results):
        sys.exit(f"snapkeep {arguments} printed {results[0][2]} lines")
    seconds, peaks, _ = zip(*results)
    rows.append((arguments, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}", f"{max(peaks):.0f}"))

head = ("snapkeep", "median s", "slowest s", "peak MiB")
widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
for row in [head, *rows]:
    print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
P
