#!/usr/bin/env bash
# The whole test run against real servers, nothing skipped: sets them up (root on Debian 12), starts them, runs
# `cargo test`, stops them. Arguments go to cargo test: tests/run.sh -- restore
#
# Set-up and build may use the network. The servers and the tests then run in a network namespace that has
# only loopback, where `unshare -n` is permitted: no test can leave the machine.
#
#   SNAPKEEP_TEST_PREFIX  where the servers are installed (default /var/tmp/snapkeep-test/prefix)
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SERVERS=$ROOT/tests/servers
CARGO_TEST=(cargo test --workspace --all-features --locked)
export PATH=$PATH:/usr/sbin:/sbin
cd "$ROOT"

prepare() {
  "$SERVERS/setup.sh"
  local build=() argument
  for argument in "$@"; do
    [ "$argument" != -- ] || break
    build+=("$argument")
  done
  "${CARGO_TEST[@]}" --no-run "${build[@]}"
}

# Runs in a process group of its own, so that all of it can be ended; stdin would stop it there.
test_child=
run_tests() {
  set -m
  "${CARGO_TEST[@]}" "$@" < /dev/null &
  test_child=$!
  set +m
  local status=0
  wait "$test_child" || status=$?
  test_child=
  return $status
}

finish() { # finish STATUS: whatever happened, nothing that was started stays
  trap '' INT TERM HUP
  trap - EXIT
  if [ -n "$test_child" ]; then
    kill -TERM -- "-$test_child" 2>/dev/null || true
    wait "$test_child" 2>/dev/null || true
  fi
  "$SERVERS/servers.sh" stop || true
  rm -rf "${SNAPKEEP_TEST_STATE:?}"
  echo "tests/run.sh: $((EPOCHSECONDS - SNAPKEEP_TEST_SINCE)) s in all, exit status $1" >&2
  exit "$1"
}

with_servers() {
  mkdir -p /var/tmp/snapkeep-test
  SNAPKEEP_TEST_STATE=$(mktemp -d /var/tmp/snapkeep-test/state.XXXXXX)
  export SNAPKEEP_TEST_STATE
  trap 'finish $?' EXIT
  trap 'finish 130' INT
  trap 'finish 143' TERM
  trap 'finish 129' HUP
  local variables status=0
  variables=$("$SERVERS/servers.sh" start)
  eval "$variables"
  export SNAPKEEP_TEST_SERVERS=required CARGO_NET_OFFLINE=true
  run_tests "$@" || status=$?
  finish $status
}

if [ "${SNAPKEEP_TEST_NETWORK:-}" = loopback ]; then
  ip link set lo up
  with_servers "$@"
fi
export SNAPKEEP_TEST_SINCE=$EPOCHSECONDS
prepare "$@"
if unshare -n true 2>/dev/null; then
  SNAPKEEP_TEST_NETWORK=loopback exec unshare -n "$ROOT/tests/run.sh" "$@"
fi
echo "tests/run.sh: WARNING: unshare -n is not permitted here: the tests run with the machine's own network" >&2
with_servers "$@"
