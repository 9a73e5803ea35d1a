"""What the benchmarks of dumps share: peak memory of processes, and a table."""

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


def table(rows):
    """Prints rows in columns, the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
