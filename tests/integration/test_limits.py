"""Promise: at max_connections, and when descriptors run out, Usher stops accepting instead of accepting and
dropping: who waits in the queue is served as soon as there is room, without a busy loop meanwhile."""

import resource
import socket

import pytest

from support import raw_tls, tls, usher, waiting


def hold(proxy, count):
    clients = [tls.Client(proxy.address()).handshake() for _ in range(count)]
    for client in clients:
        client.send(b"x")
        client.receive_exactly(1)
    return clients


def unanswered(client):
    """True if the server has said nothing within a moment (there is nothing to wait for)."""
    client.sock.settimeout(0.3)
    try:
        client.handshake()
        return False
    except socket.timeout:
        return True
    finally:
        client.sock.settimeout(waiting.PATIENCE)


@pytest.mark.parametrize("workers", [1, 3])
def test_max_connections(simple, workers):
    proxy = simple(process={"max_connections": 5, "workers": workers})
    held = hold(proxy, 5)
    assert proxy.status()["connections"]["open"] == 5
    waiting_client = tls.Client(proxy.address())
    assert unanswered(waiting_client)
    proxy.wait_metric("usher_accept_paused", lambda n: n >= 1, listener="main")
    assert proxy.metrics().total("usher_connections_total") == 5
    held.pop().close()
    waiting_client.handshake()
    waiting_client.send(b"x")
    assert waiting_client.receive_exactly(1) == b"x"
    for client in [*held, waiting_client]:
        client.close()
    proxy.wait_metric("usher_accept_paused", lambda n: n == 0)
    proxy.wait_metric("usher_connections", lambda n: n == 0)
    for client in hold(proxy, 5):
        client.close()


def test_default_limit_follows_the_descriptors(simple):
    proxy = simple()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert 0 < proxy.status()["connections"]["max"] <= hard // 2


def test_descriptors_run_out_and_come_back(simple):
    proxy = simple()
    held = hold(proxy, 3)
    soft, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (8, hard))  # fewer than are open already
    clients = [tls.Client(proxy.address()) for _ in range(4)]
    # Both workers have pollable queues now; accept fails in each that got a client.
    for client in clients:
        assert unanswered(client)
    proxy.wait_calm()  # no busy loop
    for client in held:
        client.send(b"y")
        assert client.receive_exactly(1) == b"y"
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (soft, hard))
    for client in clients:
        client.handshake()
        client.send(b"z")
        assert client.receive_exactly(1) == b"z"
        client.close()
    proxy.wait_metric("usher_accept_paused", lambda n: n == 0)
    assert proxy.metrics().total("usher_closes_total", reason="overload") == 0
    for client in held:
        client.close()


def test_no_descriptor_is_lost(start, site, echo):
    """However a connection ends its descriptors are closed: with 200 of them, 600 connections pass."""
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(echo)]),
                  argv_before=["prlimit", "--nofile=200"])
    assert proxy.status()["connections"]["max"] < 50
    ctx = tls.context()
    for number in range(200):
        with tls.Client(proxy.address(), ctx=ctx).handshake() as client:
            client.send(b"x")
            client.receive_exactly(1)
            if number % 2:
                client.send_close_notify()
        tls.connect(proxy.address()).close()
        with tls.connect(proxy.address()) as sock:
            sock.sendall(b"no TLS at all")
            raw_tls.ended(sock)
    proxy.wait_metric("usher_connections", lambda n: n == 0)
    assert proxy.metrics().total("usher_closes_total") == 600
    assert proxy.status()["connections"]["open"] == 0
