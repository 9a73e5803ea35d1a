#!/usr/bin/env bash
# bench-dump.sh [MB...]: wall time and peak memory of `snapkeep create` on PostgreSQL, beside
# `pg_dump -Fc -Z0 DATABASE | zstd -T0 -o FILE`; 100 and 1000 when no size is given.
#
# Starts a server of its own, makes one database per size (half of it random bytes, half text), warms both sides up once,
# then runs them in pairs, the order turned round in every second pair. Prints a table of medians; passes no judgement.
#
#   PAIRS         pairs per database (default 5)
#   SNAPKEEP_BIN  a program to measure instead of the release build of this checkout
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PAIRS=${PAIRS:-5}
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(100 1000)
for mb in "${sizes[@]}"; do
  [[ $mb =~ ^[1-9][0-9]*$ ]] || { sed -n '2,9p' "$0" >&2; exit 2; }
done

# shellcheck source=scripts/bench-common.sh
. "$ROOT/scripts/bench-common.sh"
"$ROOT/tests/servers/setup.sh"
build
make_room
start_servers

for mb in "${sizes[@]}"; do
  make_database "bench$mb" "$mb"
  note "bench$mb: $(psql -qXAt -d postgres -c "SELECT pg_size_pretty(pg_database_size('bench$mb'))")"
  { make_target "bench$mb" local; cat; } > "$DIR/bench$mb.toml" <<T
type = "local"
path = "$DIR/snapshots"
T
done

echo "$(nproc) cores; $(pg_dump --version); $(zstd --version | grep -o 'v[0-9.]*' | head -n1 | sed 's/^/zstd /'); $("$SNAPKEEP_BIN" --version)"
PYTHONPATH=$ROOT/scripts PYTHONDONTWRITEBYTECODE=1 python3 - "$DIR" "$SNAPKEEP_BIN" "$PAIRS" "${sizes[@]}" <<'P'
import pathlib, shutil, statistics, subprocess, sys, time

from bench_measure import table, watched

directory, snapkeep, pairs, *sizes = sys.argv[1:]
store, peer_file = pathlib.Path(directory, "snapshots"), pathlib.Path(directory, "peer.zst")


def run_peer(mb):
    start = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", f"pg_dump -Fc -Z0 bench{mb} | zstd -T0 -q -o '{peer_file}'"], check=True)
    seconds = time.monotonic() - start
    stored = peer_file.stat().st_size
    peer_file.unlink()
    return seconds, 0, stored


def run_snapkeep(mb):
    start = time.monotonic()
    child = subprocess.Popen([snapkeep, "--config", f"{directory}/bench{mb}.toml", "create", "bench", "-q"], stdout=subprocess.DEVNULL)
    peak = watched([child])
    seconds = time.monotonic() - start
    if child.returncode != 0:
        sys.exit(f"snapkeep exited with {child.returncode}")
    stored = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
    shutil.rmtree(store)
    return seconds, peak, stored


rows = []
for mb in sizes:
    run_peer(mb), run_snapkeep(mb)
    results = []
    for pair in range(int(pairs)):
        order = [run_peer, run_snapkeep] if pair % 2 == 0 else [run_snapkeep, run_peer]
        pair_results = {run: run(mb) for run in order}
        results.append((pair_results[run_peer], pair_results[run_snapkeep]))
        print(f"bench{mb} pair {pair + 1}: pg_dump|zstd {results[-1][0][0]:.2f} s, snapkeep {results[-1][1][0]:.2f} s", file=sys.stderr)
    peer, ours = zip(*results)
    rows.append((f"bench{mb}", f"{statistics.median(r[0] for r in peer):.2f}", f"{statistics.median(r[0] for r in ours):.2f}",
        f"{statistics.median(o[0] / p[0] for p, o in results):.3f}", f"{max(r[1] for r in ours) / 1024:.1f}",
        f"{peer[-1][2] / 1e6:.1f}", f"{ours[-1][2] / 1e6:.1f}"))

print(f"medians of {pairs} pairs; the ratio is the median of the pairs' ratios; memory is the highest of all runs")
head = ("database", "pg_dump|zstd s", "snapkeep s", "ratio", "snapkeep peak MiB", "pg_dump|zstd MB", "snapkeep MB")
table([head, *rows])
P
