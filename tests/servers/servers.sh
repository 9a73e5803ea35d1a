#!/usr/bin/env bash
# servers.sh start|stop|env [NAME...]   NAME: postgres pg17 mysql mariadb s3 moto azurite; all when none is given
#
# start  gives each server free loopback ports and a private data directory under $STATE, a database server also a
#        certificate of a test CA; waits until it answers, makes the buckets and containers, and prints
#        "export NAME=value" lines
# env    prints those lines again
# stop   stops each by the pid it was started with, and removes $STATE
#
# To add a server: its name in ALL, and a function start_NAME that calls launch, ready and out.
#
#   SNAPKEEP_TEST_PREFIX  where setup.sh installed (default /var/tmp/snapkeep-test/prefix)
#   SNAPKEEP_TEST_STATE   data, logs, pids of this set of servers (default: a directory of the calling process). The
#                         path must be short, as a socket's is limited to 107 bytes, and reachable by the servers' user.
#   SNAPKEEP_TEST_WAIT    seconds for one server to come up (default 60)
set -euo pipefail
PREFIX=${SNAPKEEP_TEST_PREFIX:-/var/tmp/snapkeep-test/prefix}
STATE=${SNAPKEEP_TEST_STATE:-/var/tmp/snapkeep-test/state.$PPID}
DB_USER=${SNAPKEEP_TEST_USER:-snapkeep-test}
WAIT=${SNAPKEEP_TEST_WAIT:-60}
ALL=(postgres pg17 mysql mariadb s3 moto azurite)
PORTS_EACH=8   # as many as the one with the most takes
PG_BIN=/usr/lib/postgresql/15/bin
PG17_BIN=$PREFIX/pg/17/bin
MYSQL_BIN=$PREFIX/mysql/bin
# distinct, so that a test can look for one where no secret belongs
PG_PASSWORD=pg-test-secret MYSQL_PASSWORD=mysql-test-secret MARIADB_PASSWORD=mariadb-test-secret
S3_SECRET=s3-test-secret AZURITE_SECRET=azurite-test-secret
S3_REGION=us-east-1 BUCKET=test LOCKED_BUCKET=test-locked

# root hands a server to $DB_USER; anyone else runs it as themselves
AS_DB=()
[ "$(id -u)" != 0 ] || AS_DB=(setpriv "--reuid=$DB_USER" "--regid=$DB_USER" --clear-groups --)

# With the pid, names one process. Nothing for a zombie: it has ended, and whoever inherited it may reap it late.
started() { sed -n '/) Z /!s/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Below the ephemeral range, so that no outgoing connection takes one meanwhile.
free_ports() { # free_ports COUNT
  python3 - "$1" <<'P'
import random, socket, sys
held = {}
while len(held) < int(sys.argv[1]):
    port = random.randrange(20000, 30000)
    if port in held:
        continue
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
        held[port] = s
    except OSError:
        pass
print(*held)
P
}

initialise() { # initialise COMMAND...: as the servers' user, silent unless it fails
  "${AS_DB[@]}" "$@" > "$STATE/$NAME.log" 2>&1 || { cat "$STATE/$NAME.log" >&2; return 1; }
}

launch() { # launch COMMAND...: as the servers' user, in the background, in its own session, pid noted
  setsid "${AS_DB[@]}" "$@" > "$STATE/$NAME.log" 2>&1 < /dev/null &
  echo "$! $(started $!)" > "$STATE/$NAME.pid"
}

ready() { # ready COMMAND...: wait until the command succeeds
  local pid end=$((SECONDS + WAIT))
  read -r pid _ < "$STATE/$NAME.pid"
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$pid" 2>/dev/null || [ $SECONDS -ge $end ]; then
      echo "$NAME did not start:" >&2
      tail -n 15 "$STATE/$NAME.log" "$STATE/$NAME"/*.log >&2 2>/dev/null
      return 1
    fi
    sleep 0.1
  done
}

own() { [ "$(id -u)" != 0 ] || chown -R "$DB_USER:" "$@"; }
dir() { mkdir -p "$STATE/$NAME"; own "$STATE/$NAME"; }
out() { printf 'export %s=%q\n' "$@" >> "$STATE/$NAME.env"; }

# One CA and one server certificate for all servers, and a second CA that signed nothing.
certificates() {
  local d=$STATE/tls ca
  [ ! -e "$d" ] || return 0
  mkdir -p "$d"
  for ca in ca other-ca; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=snapkeep test $ca" \
      -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$d/$ca.key" -out "$d/$ca.pem" 2>/dev/null
  done
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$d/server.key" -out "$d/server.csr" 2>/dev/null
  printf '%s\n' 'subjectAltName=DNS:localhost,IP:127.0.0.1' extendedKeyUsage=serverAuth > "$d/extensions"
  openssl x509 -req -in "$d/server.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -days 30 -extfile "$d/extensions" \
    -out "$d/server.pem" 2>/dev/null
  chmod 600 "$d"/*.key
  own "$d"
}

start_cluster() { # start_cluster BIN: one PostgreSQL server
  local bin=$1 d=$STATE/$NAME
  dir
  (umask 077; echo "$PG_PASSWORD" > "$d/pw"; own "$d/pw")
  initialise "$bin/initdb" -D "$d/data" -U postgres -A scram-sha-256 --pwfile="$d/pw" -E UTF8 --locale=C.UTF-8 --no-sync
  launch "$bin/postgres" -D "$d/data" -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$d" -c fsync=off \
    -c ssl=on -c ssl_cert_file="$STATE/tls/server.pem" -c ssl_key_file="$STATE/tls/server.key"
  ready env PGPASSWORD="$PG_PASSWORD" "$bin/psql" -qXh 127.0.0.1 -p "$PORT" -U postgres -c 'SELECT 1'
}
start_postgres() {
  start_cluster "$PG_BIN"
  out SK_PG_HOST 127.0.0.1 SK_PG_PORT "$PORT" SK_PG_USER postgres SK_PG_PASSWORD "$PG_PASSWORD" SK_PG_BIN "$PG_BIN"
}
start_pg17() { # the same account; newer than the system's pg_dump
  start_cluster "$PG17_BIN"
  out SK_PG17_PORT "$PORT" SK_PG17_BIN "$PG17_BIN"
}

# In a shared one MariaDB removes the temporary tables of every other MariaDB when it starts.
private_tmp() { # private_tmp DIR
  mkdir -p "$1/tmp"
  own "$1/tmp"
  export TMPDIR=$1/tmp
}

init_sql() { # init_sql PASSWORD FILE: one account for TCP
  cat > "$2" <<S
CREATE USER IF NOT EXISTS 'snapkeep'@'%' IDENTIFIED BY '$1';
GRANT ALL PRIVILEGES ON *.* TO 'snapkeep'@'%' WITH GRANT OPTION;
S
  own "$2"
}
start_mysql() {
  local d=$STATE/mysql options
  dir
  private_tmp "$d"
  init_sql "$MYSQL_PASSWORD" "$d/init.sql"
  # secure-file-priv: the packaged default is a directory that does not exist here, and the server stops on it
  options=(--no-defaults --datadir="$d/data" --innodb-redo-log-capacity=8M --secure-file-priv=NULL)
  initialise "$PREFIX/mysql/sbin/mysqld" "${options[@]}" --initialize-insecure \
    --innodb-flush-log-at-trx-commit=0 --disable-log-bin --auto-generate-certs=OFF
  launch "$PREFIX/mysql/sbin/mysqld" "${options[@]}" --port="$PORT" --bind-address=127.0.0.1 --mysqlx=OFF \
    --socket="$d/s.sock" --pid-file="$d/pid" --log-error="$d/error.log" --init-file="$d/init.sql" \
    --ssl-ca="$STATE/tls/ca.pem" --ssl-cert="$STATE/tls/server.pem" --ssl-key="$STATE/tls/server.key" \
    --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 --event-scheduler=ON
  ready env MYSQL_PWD="$MYSQL_PASSWORD" "$MYSQL_BIN/mysql" --no-defaults -usnapkeep -h127.0.0.1 -P"$PORT" -e 'SELECT 1'
  out SK_MYSQL_HOST 127.0.0.1 SK_MYSQL_PORT "$PORT" SK_MYSQL_USER snapkeep SK_MYSQL_PASSWORD "$MYSQL_PASSWORD" SK_MYSQL_BIN "$MYSQL_BIN"
}
start_mariadb() {
  local d=$STATE/mariadb
  dir
  private_tmp "$d"
  init_sql "$MARIADB_PASSWORD" "$d/init.sql"
  initialise mariadb-install-db --no-defaults --datadir="$d/data" --auth-root-authentication-method=normal --skip-test-db
  # --no-defaults also leaves out Debian's utf8mb4
  launch /usr/sbin/mariadbd --no-defaults --datadir="$d/data" --port="$PORT" --bind-address=127.0.0.1 \
    --socket="$d/s.sock" --pid-file="$d/pid" --log-error="$d/error.log" --init-file="$d/init.sql" \
    --ssl-ca="$STATE/tls/ca.pem" --ssl-cert="$STATE/tls/server.pem" --ssl-key="$STATE/tls/server.key" \
    --character-set-server=utf8mb4 --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 --event-scheduler=ON
  ready env MYSQL_PWD="$MARIADB_PASSWORD" mariadb --no-defaults -usnapkeep -h127.0.0.1 -P"$PORT" -e 'SELECT 1'
  out SK_MARIADB_HOST 127.0.0.1 SK_MARIADB_PORT "$PORT" SK_MARIADB_USER snapkeep SK_MARIADB_PASSWORD "$MARIADB_PASSWORD"
}

http() { curl -sS --noproxy '*' "$@"; }

# Made by the server's own API: the clients under test can't make one.
s3_bucket() { # s3_bucket ENDPOINT KEY_ID NAME [HEADER]
  http -f -X PUT --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$2:$S3_SECRET" ${4:+-H "$4"} "$1/$3"
}
s3_buckets() { # s3_buckets ENDPOINT KEY_ID: one as it comes, and one with object lock, which also keeps versions
  ready s3_bucket "$1" "$2" "$BUCKET"
  s3_bucket "$1" "$2" "$LOCKED_BUCKET" 'x-amz-bucket-object-lock-enabled: true'
}

start_s3() { # SeaweedFS: checks signatures and checksums, has conditional put, versions and object lock
  local d=$STATE/s3 endpoint=http://127.0.0.1:$PORT key_id=s3-test-key
  dir
  (umask 077; cat > "$d/s3.json"; own "$d/s3.json") <<J
{"identities": [{"name": "test", "credentials": [{"accessKey": "$key_id", "secretKey": "$S3_SECRET"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
J
  # telemetry is on by default, and so are ports for Iceberg and Lance; one volume for a bucket instead of seven
  launch env WEED_MASTER_VOLUME_GROWTH_COPY_1=1 HOME="$d" "$PREFIX/venv/bin/weed" -logtostderr=true server -dir="$d" \
    -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -master.volumeSizeLimitMB=256 -volume.max=1000 -filer -s3 \
    -s3.config="$d/s3.json" -s3.port="$PORT" -s3.port.grpc="${PORTS[1]}" -s3.port.iceberg=0 -s3.port.lance=0 \
    -master.port="${PORTS[2]}" -master.port.grpc="${PORTS[3]}" -volume.port="${PORTS[4]}" -volume.port.grpc="${PORTS[5]}" \
    -filer.port="${PORTS[6]}" -filer.port.grpc="${PORTS[7]}"
  s3_buckets "$endpoint" "$key_id"
  out SK_S3_ENDPOINT "$endpoint" SK_S3_ACCESS_KEY_ID "$key_id" SK_S3_SECRET_ACCESS_KEY "$S3_SECRET" SK_S3_REGION "$S3_REGION" \
    SK_S3_BUCKET "$BUCKET" SK_S3_LOCKED_BUCKET "$LOCKED_BUCKET"
}
start_moto() { # any account will do: it checks no signature
  local endpoint=http://127.0.0.1:$PORT
  launch "$PREFIX/venv/bin/moto_server" -H 127.0.0.1 -p "$PORT"
  s3_buckets "$endpoint" moto-test-key
  out SK_MOTO_ENDPOINT "$endpoint" SK_MOTO_BUCKET "$BUCKET" SK_MOTO_LOCKED_BUCKET "$LOCKED_BUCKET"
}

azure_container() { # azure_container ENDPOINT ACCOUNT
  local date version=2021-08-06 text mac
  date=$(date -u '+%a, %d %b %Y %H:%M:%S GMT')
  printf -v text 'PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:%s\n/%s/%s/%s\nrestype:container' \
    "$date" "$version" "$2" "$2" "$BUCKET"
  mac=$(printf %s "$text" | openssl dgst -sha256 -mac HMAC -macopt "key:$AZURITE_SECRET" -binary | base64)
  http -f -X PUT -H 'Content-Length: 0' -H "x-ms-date: $date" -H "x-ms-version: $version" \
    -H "Authorization: SharedKey $2:$mac" "$1/$BUCKET?restype=container"
}
start_azurite() {
  local account=skazurite endpoint key
  endpoint=http://127.0.0.1:$PORT/$account
  key=$(printf %s "$AZURITE_SECRET" | base64)
  dir
  launch env AZURITE_ACCOUNTS="$account:$key" "$PREFIX/npm/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$PORT" \
    --location "$STATE/azurite" --skipApiVersionCheck --silent --disableTelemetry
  ready http "$endpoint"
  azure_container "$endpoint" "$account"
  out SK_AZURITE_ENDPOINT "$endpoint" SK_AZURITE_ACCOUNT "$account" SK_AZURITE_KEY "$key" SK_AZURITE_CONTAINER "$BUCKET"
}

stop_one() {
  local f=$STATE/$1.pid pid='' since='' signal=TERM
  [ ! -e "$f" ] || read -r pid since < "$f"
  case $1 in
    postgres | pg17) signal=INT ;;   # fast shutdown
    s3) signal=KILL ;;               # would take 15 s; its data is thrown away
  esac
  if [ -n "$since" ] && [ "$(started "$pid")" = "$since" ]; then
    kill -$signal "$pid"
    for _ in $(seq 150); do
      [ "$(started "$pid")" = "$since" ] || break
      sleep 0.1
    done
    [ "$(started "$pid")" != "$since" ] || kill -KILL "$pid"
  fi
  rm -rf "$f" "${STATE:?}/$1" "$STATE/$1.log" "$STATE/$1.env"
}

stop() { # stop NAME...
  local name jobs=()
  for name in "$@"; do stop_one "$name" & jobs+=($!); done
  wait_for "${jobs[@]}"
  if ! compgen -G "$STATE/*.pid" >/dev/null; then rm -rf "${STATE:?}/tls" "$STATE/common.env"; fi
  rmdir "$STATE" 2>/dev/null || true
}

wait_for() { # wait_for PID...: false when one of them failed. A trapped signal ends `wait` early: wait again.
  local pid bad=0 status
  for pid in "$@"; do
    while true; do
      status=0
      wait "$pid" || status=$?
      if [ $status -le 128 ] || ! kill -0 "$pid" 2>/dev/null; then break; fi
    done
    [ $status = 0 ] || bad=1
  done
  return $bad
}

start() { # start NAME...
  local name jobs=() ports i=0 bad=0 interrupted=0
  mkdir -p "$STATE"
  chmod 755 "$STATE"
  for name in "$@"; do
    [ ! -e "$STATE/$name.pid" ] || { echo "$name: already started" >&2; exit 1; }
  done
  # a server half started can't be stopped by its pid: let each come up, then stop them all
  trap 'interrupted=1' INT TERM HUP
  certificates
  printf 'export %s=%q\n' SK_TLS_CA "$STATE/tls/ca.pem" SK_TLS_OTHER_CA "$STATE/tls/other-ca.pem" \
    SK_GOOGLE_PYTHON "$PREFIX/google/bin/python" SK_SQLADMIN_DOCUMENT "$PREFIX/google/sqladmin.v1.json" \
    SK_AZURE_PYTHON "$PREFIX/azure/bin/python" SK_TERRAFORM_PYTHON "$PREFIX/terraform/bin/python" \
    SK_SECRET_TOOLS "$PREFIX/secrets/bin" SK_DEPLOY_TOOLS "$PREFIX/deploy" \
    SK_CHROMIUM "$(command -v chromium-headless-shell)" SK_AXE_CORE "$PREFIX/browser/node_modules/axe-core/axe.min.js" \
    SK_SMTP_PYTHON "$PREFIX/smtp/bin/python" SK_TLS_CERTIFICATE "$STATE/tls/server.pem" SK_TLS_KEY "$STATE/tls/server.key" > "$STATE/common.env"
  read -ra ports <<< "$(free_ports $((PORTS_EACH * $#)))"
  for name in "$@"; do
    ( NAME=$name PORTS=("${ports[@]:i:PORTS_EACH}") since=$(date +%s%N)
      PORT=${PORTS[0]}
      "start_$name"
      echo "$name: up on port $PORT in $((($(date +%s%N) - since) / 1000000)) ms" >&2 ) &
    jobs+=($!)
    i=$((i + PORTS_EACH))
  done
  wait_for "${jobs[@]}" || bad=1
  if [ $bad$interrupted != 00 ]; then
    stop "$@"
    exit 1
  fi
  trap - INT TERM HUP
}

env_lines() { # env_lines NAME...
  local name
  cat "$STATE/common.env"
  for name in "$@"; do cat "$STATE/$name.env"; done
}

command=${1:-}
shift || true
names=("$@")
[ ${#names[@]} -gt 0 ] || names=("${ALL[@]}")
case $command in
  start) start "${names[@]}"; env_lines "${names[@]}" ;;
  env) env_lines "${names[@]}" ;;
  stop) stop "${names[@]}" ;;
  *) sed -n '2,16p' "$0" >&2; exit 2 ;;
esac
