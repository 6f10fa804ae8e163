"""Promise: workers without clients sleep, also after reloads; nothing of an earlier configuration keeps
them busy."""

import pathlib
import time

SECONDS = 3


def worker_wakeups(proxy):
    """How often each worker thread has gone to sleep so far."""
    wakeups = {}
    for task in pathlib.Path(f"/proc/{proxy.pid}/task").iterdir():
        if (task / "comm").read_text().startswith("usher-w"):
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                          if ":\t" in line)
            wakeups[task.name] = int(fields["voluntary_ctxt_switches"])
    return wakeups


def assert_asleep(proxy):
    before = worker_wakeups(proxy)
    assert len(before) == 2
    time.sleep(SECONDS)
    after = worker_wakeups(proxy)
    assert all(after[task] - before[task] <= 1 for task in before), (before, after)


def test_after_the_start(simple):
    assert_asleep(simple())


def test_after_reloads_that_kept_and_replaced_contexts(simple):
    proxy = simple()
    assert proxy.reload()
    path = proxy.path.read_text()
    assert proxy.reload(path.replace("[tls]\n", '[tls]\ngroups = "P-256"\n'))
    time.sleep(1.5)  # the longest that the end of the old contexts may take
    assert_asleep(proxy)
