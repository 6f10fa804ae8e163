"""Promise: a drain that overtakes a reload ends it: nothing new is served, and the process still ends."""

import signal
import time

import pytest

from support import tls, usher, waiting

MANY = 250 // waiting.SLOWNESS  # certificates: a reload that builds them all is under way when SIGTERM comes


@pytest.fixture(scope="module")
def many(ca):
    return [ca.server(f"host-{index}.test") for index in range(MANY)]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_listener_opens_in_a_draining_proxy(start, echo, many, workers):
    process = {"workers": workers, "drain_timeout": "3s"}
    old = usher.listener(many, name="old")
    new = usher.listener(many, name="new", address="127.0.0.1:0")
    proxy = start(usher.configuration([old], [usher.backend(echo)], process=process))
    with tls.Client(proxy.address("old"), "host-0.test").handshake():  # holds the drain up
        proxy.write(usher.configuration([old, new], [usher.backend(echo)], process=process,
                                        tls={"groups": "P-256"}))
        proxy.send(signal.SIGHUP)
        proxy.wait_log("reloading")
        proxy.send(signal.SIGTERM)
        proxy.wait_log("draining")
        waiting.until(lambda: _refused(proxy.address("old")), "the old listener to close")
        time.sleep(1)
        assert "listener=new" not in proxy.log()
        assert "msg=reloaded" not in proxy.log()
    proxy.end()


def _refused(address):
    try:
        tls.connect(address).close()
    except ConnectionRefusedError:
        return True
    return False
