"""Promise: signals that come while the files are still being read are kept until somebody handles them."""

import os
import signal

import pytest

from support import usher, waiting

MANY = 250  # certificates: reading them takes long enough to be signalled meanwhile


@pytest.fixture(scope="module")
def config(ca):
    issued = [ca.server(f"host-{index}.test") for index in range(MANY)]
    return usher.configuration([usher.listener(issued)], [usher.backend("127.0.0.1:9")])


def early(start, config, *signals):
    proxy = start(config, ready=False)
    waiting.until(lambda: _has_socket(proxy.pid), "listeners to be bound, before any file is read")
    for number in signals:
        proxy.send(number)
    return proxy


def test_reload_right_after_the_start(start, config):
    proxy = early(start, config, signal.SIGHUP).wait_ready()
    proxy.wait_log("reloaded")


def test_log_rotation_right_after_the_start(start, config):
    early(start, config, signal.SIGUSR1).wait_ready()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end_right_after_the_start(start, config, number):
    assert early(start, config, number).wait_exit() == 0


def _has_socket(pid):
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{fd}").startswith("socket:") for fd in os.listdir(folder))
    except FileNotFoundError:  # closed meanwhile; the next look tells
        return False
