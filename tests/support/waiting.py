"""Waiting with a deadline; sanitizer builds get more time."""

import os
import time

# A sanitizer makes a handshake several times slower; deadlines of tests grow with it.
SLOWNESS = {"asan": 3, "tsan": 6}.get(os.path.basename(os.environ.get("USHER_BUILD", "")), 1)
PATIENCE = 10 * SLOWNESS


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
