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

note() { printf 'bench [%3ds] %s\n' "$SECONDS" "$*" >&2; }

"$ROOT/tests/servers/setup.sh"
if [ -z "${SNAPKEEP_BIN:-}" ]; then
  cargo build --release --locked --manifest-path "$ROOT/Cargo.toml"
  SNAPKEEP_BIN=$(cargo metadata --no-deps --format-version 1 --manifest-path "$ROOT/Cargo.toml" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/snapkeep
fi

mkdir -p /var/tmp/snapkeep-test
DIR=$(mktemp -d /var/tmp/snapkeep-test/bench.XXXXXX)
export SNAPKEEP_TEST_STATE=$DIR/servers
chmod 755 "$DIR"   # the server's user must get through
trap 'trap "" INT TERM; "$ROOT/tests/servers/servers.sh" stop postgres || true; rm -rf "$DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
variables=$("$ROOT/tests/servers/servers.sh" start postgres)
eval "$variables"
export PGHOST=$SK_PG_HOST PGPORT=$SK_PG_PORT PGUSER=$SK_PG_USER PGPASSWORD=$SK_PG_PASSWORD
export PATH=$SK_PG_BIN:$PATH XDG_STATE_HOME=$DIR/state

# Four tables: 512-byte rows of random bytes, and the same volume in sentences, JSON documents and narrow rows.
make_database() { # make_database NAME MB
  psql -qX -d postgres -c "CREATE DATABASE $1"
  psql -qX -v ON_ERROR_STOP=1 -v mb="$2" -d "$1" <<'S'
SET synchronous_commit = off;
CREATE TABLE noise (id int, bytes bytea);
INSERT INTO noise SELECT i, sha512(('a' || i)::bytea) || sha512(('b' || i)::bytea) || sha512(('c' || i)::bytea) || sha512(('d' || i)::bytea)
    || sha512(('e' || i)::bytea) || sha512(('f' || i)::bytea) || sha512(('g' || i)::bytea) || sha512(('h' || i)::bytea)
FROM generate_series(1, :mb * 910) i;
CREATE TABLE sentences (id int, body text);
INSERT INTO sentences SELECT i, format('Order %s from %s was %s on day %s of the season; the customer, %s, wrote: "%s, and the %s was %s." ', i,
    w[1 + (hashint4(i) & 15)], w[1 + (hashint4(i + 1) & 15)], hashint4(i) & 255, w[1 + (hashint4(i + 2) & 15)],
    w[1 + (hashint4(i + 3) & 15)], w[1 + (hashint4(i + 4) & 15)], w[1 + (hashint4(i + 5) & 15)]) || repeat(w[1 + (hashint4(i + 6) & 15)] || ' ', 10)
FROM generate_series(1, :mb * 800) i,
    (SELECT '{late,harbour,delivered,cheerful,returned,"twice repaired",blue,station,Lisbon,winter,carriage,refused,unopened,Ana,José,misplaced}'::text[] AS w) words;
CREATE TABLE documents (id int, json jsonb);
INSERT INTO documents SELECT i, jsonb_build_object('id', md5(i::text), 'name', 'table.' || i, 'updatedAt', 1700000000000 + i, 'deleted', i % 7 = 0,
    'columns', jsonb_build_array(i, i % 10, 'varchar', 'text'), 'description', 'a description such as people write, number ' || i)
FROM generate_series(1, :mb * 600) i;
CREATE TABLE measures (id int, taken timestamptz, value numeric, kind int);
INSERT INTO measures SELECT i, timestamptz '2025-01-01' + i * interval '1 second', (i::bigint * 7919 % 100003) / 100.0, i % 9
FROM generate_series(1, :mb * 2200) i;
ALTER TABLE measures ADD PRIMARY KEY (id);
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
S
}

for mb in "${sizes[@]}"; do
  make_database "bench$mb" "$mb"
  note "bench$mb: $(psql -qXAt -d postgres -c "SELECT pg_size_pretty(pg_database_size('bench$mb'))")"
  cat > "$DIR/bench$mb.toml" <<T
version = 1
[targets.bench]
provider = "postgresql"
host = "$SK_PG_HOST"
port = $SK_PG_PORT
user = "$SK_PG_USER"
password = { env = "SK_PG_PASSWORD" }
database = "bench$mb"
store = "local"
[stores.local]
type = "local"
path = "$DIR/snapshots"
T
done

echo "$(nproc) cores; $(pg_dump --version); $(zstd --version | grep -o 'v[0-9.]*' | head -n1 | sed 's/^/zstd /'); $("$SNAPKEEP_BIN" --version)"
python3 - "$DIR" "$SNAPKEEP_BIN" "$PAIRS" "${sizes[@]}" <<'P'
import os, pathlib, shutil, statistics, subprocess, sys, threading, time

directory, snapkeep, pairs, *sizes = sys.argv[1:]
store, peer_file = pathlib.Path(directory, "snapshots"), pathlib.Path(directory, "peer.zst")


def peak_kib(pid):
    """High-water mark of this process alone; wait4 would mix in its children's, and the parent's before exec."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def run_peer(mb):
    start = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", f"pg_dump -Fc -Z0 bench{mb} | zstd -T0 -q -o '{peer_file}'"], check=True)
    seconds = time.monotonic() - start
    stored = peer_file.stat().st_size
    peer_file.unlink()
    return seconds, 0, stored


def run_snapkeep(mb):
    peaks = [0]
    start = time.monotonic()
    child = subprocess.Popen([snapkeep, "--config", f"{directory}/bench{mb}.toml", "create", "bench", "-q"], stdout=subprocess.DEVNULL)

    def watch():
        while child.returncode is None:
            peaks.append(peak_kib(child.pid))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    child.wait()
    seconds = time.monotonic() - start
    watcher.join()
    if child.returncode != 0:
        sys.exit(f"snapkeep exited with {child.returncode}")
    stored = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
    shutil.rmtree(store)
    return seconds, max(peaks), stored


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
widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
for row in [head, *rows]:
    print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
P
