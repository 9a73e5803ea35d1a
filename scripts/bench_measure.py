"""What the benchmarks share: what processes cost, and a table."""

import subprocess
import sys
import threading
import time


def peak_kib(pid):
    """High-water mark of this process alone; wait4 would mix in its children's, and the parent's before exec."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def watched(children):
    """Waits for the children; the sum of their peaks in KiB."""
    peaks = [0] * len(children)
    ended = threading.Event()

    def watch():
        while not ended.is_set():
            for i, child in enumerate(children):
                peaks[i] = max(peaks[i], peak_kib(child.pid))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for child in children:
        child.wait()
    ended.set()
    watcher.join()
    return sum(peaks)


# Small on purpose: what wait4 says of memory is at least what the process had before it became another one.
SPAWN = """
import os, sys, time
start = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)])
_, status, used = os.wait4(pid, 0)
print(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def spawned(command, output, environment):
    """Runs a program, its stdout into the file `output`: seconds, processor seconds of it and of all that it waited for, and the
    peak in KiB of the largest of these processes; an exit code that isn't 0 ends the benchmark."""
    runner = [sys.executable, "-I", "-S", "-c", SPAWN, output, *command]
    said = subprocess.run(runner, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if said[3] != "0":
        sys.exit(f"{' '.join(command)} exited with {said[3]}")
    return float(said[0]), float(said[1]), int(said[2])


def in_rounds(contenders, check, rounds, what=""):
    """Warms each contender up, then runs so many rounds, each beginning with another; `check` looks at what they did. Gives the
    results of each by name."""
    for contend in contenders.values():
        contend()
    check()
    results = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name]())
        last = ", ".join(f"{name} {runs[-1][0]:.2f} s" for name, runs in results.items())
        print(f"{what}round {number + 1}: {last}", file=sys.stderr)
    check()
    return results


def table(rows):
    """Prints rows in columns, the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
