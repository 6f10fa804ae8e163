"""Child processes: pinned to a core, measured, and ended by pid with all that they started."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

STOP_SECONDS = 5.0


class BenchError(Exception):
    """What stops the comparison, in words for the user."""


class Process:
    """A program pinned to one core. The kernel ends it (SIGTERM) if this process dies."""

    def __init__(self, name, core, argv, log_path, **popen):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *argv],
                stderr=log, **{"stdin": subprocess.DEVNULL, "stdout": log, **popen})

    pid = property(lambda self: self._popen.pid)
    stdin = property(lambda self: self._popen.stdin)
    stdout = property(lambda self: self._popen.stdout)

    def check_running(self):
        if self._popen.poll() is not None:
            raise BenchError(f"{self.name} ended with {self._popen.returncode}:\n{self.log_tail()}")

    def log_tail(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")[-2000:]

    def wait(self, seconds):
        return self._popen.wait(seconds)

    def stop(self, stop_signal=signal.SIGTERM):
        """Ends the whole tree: politely at its root first, then by force."""
        family = process_tree(self.pid) if self._popen.poll() is None else []
        if family:
            self._popen.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_SECONDS)
        for pid, started in family:
            # The start time tells our process from a later one with the same pid.
            if start_time(pid) == started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def process_tree(root):
    """(pid, start time) of `root` and all its descendants."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = int(_stat_fields(int(entry.name))[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append((pid, start_time(pid)))
        waiting.extend(children.get(pid, []))
    return found


def start_time(pid):
    """In clock ticks since boot; None when there is no such process."""
    try:
        return _stat_fields(pid)[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu_by_thread(root):
    """{(pid, tid): (ns on a CPU, ns waiting for one)} of the tree. The first is user and system time,
    with the kernel's work for the thread; the second is other programs' doing."""
    times = {}
    for pid, _ in process_tree(root):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            on_cpu, waiting, _ = (task / "schedstat").read_text().split()
            times[pid, int(task.name)] = (int(on_cpu), int(waiting))
    return times


def cpu_used(before, after):
    """(ns on a CPU, ns waiting) between two readings. A thread that ended in between took its share
    with it: an error."""
    gone = before.keys() - after.keys()
    if gone:
        raise BenchError(f"threads of the proxy ended while it was measured: {sorted(gone)}")
    return tuple(sum(one[i] for one in after.values()) - sum(one[i] for one in before.values())
                 for i in range(2))


def settled_cpu(root):
    """Reads when all threads sleep: the kernel brings a sleeping thread's time up to date."""
    deadline = time.monotonic() + STOP_SECONDS
    last = cpu_by_thread(root)
    while time.monotonic() < deadline:
        time.sleep(0.02)
        now = cpu_by_thread(root)
        # Timers may tick: below 0.1 ms in 20 ms counts as asleep.
        if last.keys() <= now.keys() and cpu_used(last, now)[0] < 100_000:
            return now
        last = now
    raise BenchError("the proxy does not come to rest")


def memory_bytes(root):
    """The tree's proportional set size: private pages, plus its share of shared ones."""
    total = 0
    for pid, _ in process_tree(root):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss:", "SwapPss:")):
                total += int(line.split()[1]) * 1024
    return total


def _stat_fields(pid):
    """The fields of /proc/PID/stat after the command's name: [0] state, [1] parent, [19] start."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
