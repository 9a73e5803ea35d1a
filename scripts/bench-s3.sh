#!/usr/bin/env bash
# bench-s3.sh [MB...]: wall time and peak memory of `snapkeep create` from PostgreSQL to S3 (SeaweedFS on loopback), beside
# `pg_dump -Fc -Z0 | zstd -T0 | rclone rcat` and `pg_dump -Fc -Z0 | restic backup --stdin` on the same database in the same
# run; 100 and 1000 when no size is given.
#
# Warms each up once, then runs rounds of the three, each round beginning with another. restic gets a new repository each
# time, made before the clock starts, or it would find everything there already. Memory is the sum of the peaks of all
# processes after pg_dump. Prints a table of medians; passes no judgement.
#
#   ROUNDS        rounds per database (default 5)
#   SNAPKEEP_BIN  a program to measure instead of the release build of this checkout
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROUNDS=${ROUNDS:-5}
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(100 1000)
for mb in "${sizes[@]}"; do
  [[ $mb =~ ^[1-9][0-9]*$ ]] || { sed -n '2,13p' "$0" >&2; exit 2; }
done
# shellcheck source=scripts/bench-common.sh
. "$ROOT/scripts/bench-common.sh"
"$ROOT/tests/servers/setup.sh"
build
make_room
start_servers s3

for mb in "${sizes[@]}"; do
  make_database "bench$mb" "$mb"
  note "bench$mb: $(psql -qXAt -d postgres -c "SELECT pg_size_pretty(pg_database_size('bench$mb'))")"
  { make_target "bench$mb" offsite; cat; } > "$DIR/bench$mb.toml" <<T
type = "s3"
bucket = "$SK_S3_BUCKET"
prefix = "snapkeep"
region = "$SK_S3_REGION"
endpoint = "$SK_S3_ENDPOINT"
access_key_id = { env = "SK_S3_ACCESS_KEY_ID" }
secret_access_key = { env = "SK_S3_SECRET_ACCESS_KEY" }
T
done
# Debian's rclone fails on it, and nothing here speaks TLS.
unset AWS_CA_BUNDLE
export AWS_ACCESS_KEY_ID=$SK_S3_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$SK_S3_SECRET_ACCESS_KEY
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_PROVIDER=Other RCLONE_CONFIG_S3_ENV_AUTH=true \
  RCLONE_CONFIG_S3_ENDPOINT=$SK_S3_ENDPOINT RCLONE_CONFIG_S3_REGION=$SK_S3_REGION RCLONE_CONFIG_S3_FORCE_PATH_STYLE=true
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$DIR/restic-cache

echo "$(nproc) cores; $(pg_dump --version); $(zstd --version | grep -o 'v[0-9.]*' | head -n1 | sed 's/^/zstd /'); $(rclone version | head -n1); $(restic version | cut -d' ' -f1,2); $("$SNAPKEEP_BIN" --version)"
PYTHONPATH=$ROOT/scripts PYTHONDONTWRITEBYTECODE=1 python3 - "$SNAPKEEP_BIN" "$DIR" "$ROUNDS" "${sizes[@]}" <<'P'
import os, statistics, subprocess, sys, time

from bench_measure import table, watched

snapkeep, directory, rounds, *sizes = sys.argv[1:]
endpoint, bucket = os.environ["SK_S3_ENDPOINT"], os.environ["SK_S3_BUCKET"]


def piped(*commands):
    """Seconds, and the sum of the peaks of all but the first."""
    start = time.monotonic()
    children = []
    for i, command in enumerate(commands):
        stdin = children[-1].stdout if children else None
        stdout = subprocess.PIPE if i + 1 < len(commands) else subprocess.DEVNULL
        children.append(subprocess.Popen(command, stdin=stdin, stdout=stdout))
        if stdin:
            stdin.close()
    peak = watched(children[1:] if len(children) > 1 else children)
    children[0].wait()
    seconds = time.monotonic() - start
    for child, command in zip(children, commands):
        if child.returncode != 0:
            sys.exit(f"{command[0]} exited with {child.returncode}")
    return seconds, peak


def dump(mb):
    return ["pg_dump", "-Fc", "-Z0", f"bench{mb}"]


def rclone(mb):
    return piped(dump(mb), ["zstd", "-T0", "-q", "-c"], ["rclone", "rcat", f"s3:{bucket}/rclone/dump.zst"])


repositories = 0


def restic(mb):
    global repositories
    repositories += 1
    repository = ["restic", "-q", "-r", f"s3:{endpoint}/{bucket}/restic{repositories}"]
    subprocess.run([*repository, "init"], check=True, stdout=subprocess.DEVNULL)
    return piped(dump(mb), [*repository, "backup", "--stdin", "--stdin-filename", "dump"])


def ours(mb):
    return piped([snapkeep, "--config", f"{directory}/bench{mb}.toml", "create", "bench", "-q"])


contenders = {"pg_dump|zstd|rclone rcat": rclone, "pg_dump|restic backup": restic, "snapkeep": ours}
rows = [("database", "contender", "median s", "best s", "peak MiB", "time against snapkeep")]
for mb in sizes:
    for run in contenders.values():
        run(mb)
    results = {name: [] for name in contenders}
    for round_number in range(int(rounds)):
        names = list(contenders)
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name](mb))
        print(f"bench{mb} round {round_number + 1}: " + ", ".join(f"{name} {runs[-1][0]:.2f} s" for name, runs in results.items()), file=sys.stderr)
    own = [seconds for seconds, _ in results["snapkeep"]]
    for name, runs in results.items():
        ratio = statistics.median(theirs / mine for (theirs, _), mine in zip(runs, own))
        seconds = [seconds for seconds, _ in runs]
        rows.append((f"bench{mb}", name, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}",
            f"{max(peak for _, peak in runs) / 1024:.1f}", f"{ratio:.3f}"))
print(f"medians of {rounds} rounds; the ratio is the median of the rounds' ratios; memory is the highest of all runs")
table(rows)
P
