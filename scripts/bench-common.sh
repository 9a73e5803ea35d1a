# shellcheck shell=bash
# What the benchmarks share, to be sourced; needs ROOT and `set -euo pipefail`. `build` sees to SNAPKEEP_BIN, `make_room` to $DIR;
# `start_servers NAME...` starts servers of its own beside PostgreSQL, and stops them at the end; `make_database NAME MB` fills
# a database, and `make_target NAME STORE` prints the config of a target on it. `start_group COMMAND...` starts a process in a group
# of its own, PID, which is stopped whole at the end.

note() { printf 'bench [%3ds] %s\n' "$SECONDS" "$*" >&2; }

build() {
  [ -z "${SNAPKEEP_BIN:-}" ] || return 0
  cargo build --release --locked --manifest-path "$ROOT/Cargo.toml"
  SNAPKEEP_BIN=$(cargo metadata --no-deps --format-version 1 --manifest-path "$ROOT/Cargo.toml" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/snapkeep
}

# Whatever happens, $DIR and what was started go at the end.
SERVERS=() GROUPS_STARTED=()
leave() {
  trap '' INT TERM
  local group
  for group in "${GROUPS_STARTED[@]}"; do
    kill -TERM -- "-$group" 2>/dev/null || continue
    wait "$group" 2>/dev/null || true
  done
  [ ${#SERVERS[@]} = 0 ] || "$ROOT/tests/servers/servers.sh" stop "${SERVERS[@]}" || true
  note "cleaning up"
  rm -rf "$DIR"
}
make_room() {
  mkdir -p /var/tmp/snapkeep-test
  DIR=$(mktemp -d /var/tmp/snapkeep-test/bench.XXXXXX)
  export XDG_STATE_HOME=$DIR/state
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

start_group() {
  setsid "$@" &
  PID=$!
  GROUPS_STARTED+=("$PID")
}

start_servers() {
  SERVERS=(postgres "$@")
  export SNAPKEEP_TEST_STATE=$DIR/servers
  chmod 755 "$DIR"   # the servers' user must get through
  local variables
  variables=$("$ROOT/tests/servers/servers.sh" start "${SERVERS[@]}")
  eval "$variables"
  export PGHOST=$SK_PG_HOST PGPORT=$SK_PG_PORT PGUSER=$SK_PG_USER PGPASSWORD=$SK_PG_PASSWORD
  export PATH=$SK_PG_BIN:$PATH
}

make_target() { # make_target DATABASE STORE
  cat <<T
version = 1
[targets.bench]
provider = "postgresql"
host = "$SK_PG_HOST"
port = $SK_PG_PORT
user = "$SK_PG_USER"
password = { env = "SK_PG_PASSWORD" }
database = "$1"
store = "$2"
[stores.$2]
T
}

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

