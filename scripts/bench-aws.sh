#!/usr/bin/env bash
# bench-aws.sh [one|places]...: time, processor time and memory of `snapkeep list` on AWS RDS beside the AWS CLI's
# `aws rds describe-db-snapshots`, on a replay of RDS on loopback; both parts when none is named.
#
#   one      5000 snapshots of one instance, answered at once
#   places   forty instances of 125 snapshots in four accounts and two regions, every answer LATENCY_MS late: one `snapkeep list`,
#            beside `aws` forty times, and beside that eight at a time
#
# Asserts that each lists all the snapshots and no others; warms each up once by that, then runs rounds, each beginning with
# another. Processor time is that of a command and its children; memory is the peak of the largest process (of one `aws`, not of
# eight). Prints a table of medians for each part, and the medians of the rounds' ratios; passes no judgement.
#
#   ROUNDS              rounds of `one` (default 9)
#   ROUNDS_PLACES       rounds of `places` (default 3)
#   LATENCY_MS          what each answer takes in `places` (default 50)
#   SNAPKEEP_BIN        a program to measure instead of the release build of this checkout
#   SNAPKEEP_BENCH_AWS  the AWS CLI; without it that on PATH, and without one it is installed by pip for this run
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROUNDS=${ROUNDS:-9} ROUNDS_PLACES=${ROUNDS_PLACES:-3} LATENCY_MS=${LATENCY_MS:-50}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(one places)
for part in "${parts[@]}"; do
  case $part in one | places) ;; *) sed -n '2,17p' "$0" >&2; exit 2 ;; esac
done
for number in "$ROUNDS" "$ROUNDS_PLACES"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { sed -n '2,17p' "$0" >&2; exit 2; }
done
# shellcheck source=scripts/bench-common.sh
. "$ROOT/scripts/bench-common.sh"

# A pyenv shim is a shell script that looks for the program first: that is not the AWS CLI's time.
find_aws() {
  AWS=${SNAPKEEP_BENCH_AWS:-$(command -v aws || true)}
  if [[ $AWS = */shims/aws ]] && command -v pyenv >/dev/null; then AWS=$(pyenv which aws); fi
  [ -z "$AWS" ] || return 0
  note "installing the AWS CLI by pip"
  python3 -m venv "$DIR/venv"
  "$DIR/venv/bin/pip" install -q --disable-pip-version-check awscli
  AWS=$DIR/venv/bin/aws
}

start_replay() { # start_replay ARGUMENT...: sets ENDPOINT
  local port=$DIR/replay.port
  rm -f "$port"
  start_group python3 "$ROOT/scripts/bench_rds_replay.py" "$@" > "$port"
  until [ -s "$port" ]; do
    kill -0 "$PID" 2>/dev/null || { note "the replay server ended"; exit 1; }
    sleep 0.1
  done
  ENDPOINT=http://127.0.0.1:$(cat "$port")
}

# In the background, as a signal must not wait for it.
measure() { # measure PART ROUNDS
  start_group env PYTHONPATH="$ROOT/scripts" PYTHONDONTWRITEBYTECODE=1 \
    python3 "$DIR/measure.py" "$1" "$SNAPKEEP_BIN" "$AWS" "$ENDPOINT" "$DIR" "$2"
  wait "$PID"
}

build
make_room
find_aws
cat > "$DIR/measure.py" <<'P'
import json, os, pathlib, statistics, sys

from bench_measure import in_rounds, spawned, table

part, snapkeep, aws, endpoint, directory, rounds = sys.argv[1:]
home = pathlib.Path(directory, part)
home.mkdir()
(home / "empty").mkdir()
# Nothing of whoever runs this: no profile, no proxy, no attempts of their own.
environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home / "empty"), "XDG_STATE_HOME": str(home / "state"),
    "AWS_EC2_METADATA_DISABLED": "true"}
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def key_id(account):
    """The replay knows an account by the end of its access keys' ids."""
    return f"AKIABNCH{account}"


def config(targets):
    text = "version = 1\n"
    for name, (profile, region, instance) in targets.items():
        text += f'[targets.{name}]\nprovider = "aws_rds"\nregion = "{region}"\ndb_instance_identifier = "{instance}"\nendpoint = "{endpoint}"\n'
        text += f'profile = "{profile}"\n' if profile else ""
    (home / "snapkeep.toml").write_text(text)


def ours(*names):
    return spawned([snapkeep, "--config", str(home / "snapkeep.toml"), "list", *names, "-o", "json"], str(home / "snapkeep.json"), environment)


def listed_by_us():
    """Of each target, what was listed."""
    document = json.loads((home / "snapkeep.json").read_text())
    if document["errors"]:
        sys.exit(f"snapkeep list: {document['errors'][0]['message']}")
    found = {}
    for item in document["items"]:
        found.setdefault(item["target"], []).append(item["native_id"])
    return {target: sorted(ids) for target, ids in found.items()}


def listed_by_aws(path):
    return sorted(one["DBSnapshotIdentifier"] for one in json.loads(path.read_text())["DBSnapshots"])


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what} didn't list what is there: {len(found)} instead of {len(wanted)}")


def report(results):
    rows = [(part, "median s", "best s", "processor s", "peak MiB", "time", "processor", "memory")]
    own = results["snapkeep"]
    for name, runs in results.items():
        seconds, processor, peak = zip(*runs)
        cells = [f"{statistics.median(seconds):.3f}", f"{min(seconds):.3f}", f"{statistics.median(processor):.3f}", f"{statistics.median(peak) / 1024:.1f}"]
        for i in range(3):
            ratio = statistics.median(theirs[i] / mine[i] for theirs, mine in zip(runs, own))
            cells.append("1" if runs is own else f"1/{ratio:.1f}" if ratio >= 1 else f"{1 / ratio:.1f}")
        rows.append((name, *cells))
    print(f"\nmedians of {rounds} rounds; time, processor, memory: snapkeep's share of that line's")
    table(rows)


def one():
    environment.update(AWS_ACCESS_KEY_ID=key_id("111122223333"), AWS_SECRET_ACCESS_KEY=SECRET)
    config({"orders": (None, "eu-central-1", "orders-prod")})
    command = [aws, "rds", "describe-db-snapshots", "--db-instance-identifier", "orders-prod", "--region", "eu-central-1",
        "--endpoint-url", endpoint, "--output", "json"]

    def check():
        theirs, mine = listed_by_aws(home / "aws.json"), listed_by_us()["orders"]
        if len(set(theirs)) != 5000:
            sys.exit(f"aws listed {len(set(theirs))} of 5000 snapshots")
        expect("snapkeep", mine, theirs)

    return in_rounds({"aws rds describe-db-snapshots": lambda: spawned(command, str(home / "aws.json"), environment), "snapkeep": lambda: ours("orders")}, check, int(rounds), f"{part} ")


def places():
    accounts = ["111122223333", "222233334444", "333344445555", "444455556666"]
    regions, instances = ["eu-central-1", "eu-west-1"], [f"orders-{number}" for number in range(1, 6)]
    environment.update(AWS_CONFIG_FILE=str(home / "config"), AWS_SHARED_CREDENTIALS_FILE=str(home / "credentials"))
    (home / "config").write_text("".join(f"[profile account-{account}]\noutput = json\n" for account in accounts))
    (home / "credentials").write_text("".join(
        f"[account-{account}]\naws_access_key_id = {key_id(account)}\naws_secret_access_key = {SECRET}\n" for account in accounts))
    targets = {f"{account}-{region}-{instance}": (f"account-{account}", region, instance)
        for account in accounts for region in regions for instance in instances}
    config(targets)
    (home / "targets").write_text("".join(f"{name} {' '.join(place)}\n" for name, place in targets.items()))
    (home / "listed").mkdir()
    # One line of `targets` each.
    call = f'exec {aws} rds describe-db-snapshots --profile "$1" --region "$2" --db-instance-identifier "$3" --endpoint-url {endpoint} --output json > {home}/listed/"$0"'

    def theirs(at_once):
        command = ["xargs", "-a", str(home / "targets"), "-L1", f"-P{at_once}", "sh", "-c", call]
        return spawned(["/usr/bin/env", *command], os.devnull, environment)

    def check():
        mine = listed_by_us()
        for name in targets:
            listed = listed_by_aws(home / "listed" / name)
            if len(set(listed)) != 125:
                sys.exit(f"aws listed {len(set(listed))} of 125 snapshots of {name}")
            expect(f"snapkeep, of {name},", mine.get(name, []), listed)
            (home / "listed" / name).unlink()
            (home / "listed" / name).touch()

    return in_rounds({"aws, 40 times": lambda: theirs(1), "aws, 8 at once": lambda: theirs(8), "snapkeep": ours}, check, int(rounds), f"{part} ")


floor = spawned(["/bin/true"], os.devnull, {})[2] / 1024
print(f"{part}: nothing measures below {floor:.1f} MiB", file=sys.stderr)
report({"one": one, "places": places}[part]())
P

echo "$(nproc) cores; $("$AWS" --version 2>&1); $("$SNAPKEEP_BIN" --version)"
for part in "${parts[@]}"; do
  case $part in
    one)
      start_replay --accounts 111122223333 --regions eu-central-1 --instances orders-prod --snapshots 5000
      measure one "$ROUNDS" ;;
    places)
      start_replay --accounts 111122223333,222233334444,333344445555,444455556666 --regions eu-central-1,eu-west-1 \
        --instances orders-1,orders-2,orders-3,orders-4,orders-5 --snapshots 125 --latency-ms "$LATENCY_MS"
      measure places "$ROUNDS_PLACES" ;;
  esac
done
