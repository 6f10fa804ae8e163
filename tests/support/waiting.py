"""Waiting with a deadline; sanitizer builds get more time."""

import os
import time

# A sanitizer makes a handshake several times slower; deadlines of tests grow with it.
_BUILD = os.path.basename(os.environ.get("USHER_BUILD", ""))
SLOWNESS = {"asan": 3, "tsan": 6}.get(_BUILD, 1)
PATIENCE = 30 * SLOWNESS  # who has waited that long has failed, on a busy machine too


def memory_kib(allowed):
    """What a process may grow by; sanitizers keep shadow memory and freed blocks (tests/run.sh bounds those)."""
    return allowed + (64 * 1024 if SLOWNESS > 1 else 0)


def until(condition, what, timeout=None):
    """The first true value of condition(), asked every few milliseconds; fails naming `what`."""
    deadline = time.monotonic() + (timeout or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)
