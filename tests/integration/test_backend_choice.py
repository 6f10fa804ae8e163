"""Promise: a backend is dialed only after the handshake; servers take turns by weight or go to the least
busy; one that refuses or does not answer is passed over for the next; when none is left the client is told
by the end of the connection, and the reason is counted."""

import collections

import pytest

from support import backends, tls, usher


def greeted_by(proxy, count):
    names = collections.Counter()
    for _ in range(count):
        with tls.Client(proxy.address()).handshake() as client:
            names[client.receive_line()] += 1
    return names


@pytest.fixture
def group(start, serve, site):
    """group(servers, …): one worker, whose turns are exact."""
    def begin(*servers, **more):
        return start(usher.configuration(
            [usher.listener([site])], [usher.backend(*servers, **more)], process={"workers": 1}))
    return begin


def test_not_dialed_before_the_handshake(group, serve):
    backend = serve()
    proxy = group(backend)
    with tls.Client(proxy.address()) as client:
        client.sock.sendall(b"\x16\x03\x01")  # the beginning of a hello
        proxy.wait_metric("usher_connections", lambda n: n == 1, phase="hello")
        assert backend.silent()
    with tls.Client(proxy.address()).handshake():
        backend.accept().close()


def test_round_robin(group, serve):
    a, b, c = (serve(backends.Greeter, name) for name in "abc")
    assert greeted_by(group(a, b, c), 12) == {"a": 4, "b": 4, "c": 4}


def test_weights(group, serve):
    a, b = serve(backends.Greeter, "a"), serve(backends.Greeter, "b")
    proxy = group({"address": a.address, "weight": 3}, b)
    assert greeted_by(proxy, 12) == {"a": 9, "b": 3}


def test_least_connections(group, serve):
    a, b = serve(backends.Greeter, "a"), serve(backends.Greeter, "b")
    proxy = group(a, b, balance="least_connections")
    held = []

    def hold():
        client = tls.Client(proxy.address()).handshake()
        held.append((client.receive_line(), client))
    for _ in range(6):
        hold()
    assert collections.Counter(name for name, _ in held) == {"a": 3, "b": 3}
    proxy.wait_metric("usher_backend_connections", lambda n: n == 3, backend="app", server=a.address)
    # Everyone leaves a: the next three go there.
    for name, client in held:
        if name == "a":
            client.close()
    proxy.wait_metric("usher_backend_connections", lambda n: n == 0, server=a.address)
    assert greeted_by_held(proxy, 3) == {"a": 3}
    for _, client in held:
        client.close()


def greeted_by_held(proxy, count):
    clients = [tls.Client(proxy.address()).handshake() for _ in range(count)]
    names = collections.Counter(client.receive_line() for client in clients)
    for client in clients:
        client.close()
    return names


def test_next_server_when_one_refuses(group, serve):
    dead, alive = serve(backends.Refused), serve(backends.Greeter, "alive")
    proxy = group(dead, alive)
    assert greeted_by(proxy, 6) == {"alive": 6}
    proxy.wait_metric("usher_backend_failures_total", lambda n: n >= 3, server=dead.address)
    assert proxy.metrics().total("usher_backend_failures_total", server=alive.address) == 0


def test_next_server_when_one_is_silent(group, serve):
    hole, alive = serve(backends.BlackHole), serve(backends.Greeter, "alive")
    proxy = group(hole, alive, connect_timeout="200ms")
    assert greeted_by(proxy, 2) == {"alive": 2}
    proxy.wait_metric("usher_backend_failures_total", lambda n: n >= 1, server=hole.address)
    assert proxy.metrics().total("usher_backend_connect_seconds_count", backend="app") == 2


def test_early_bytes_of_the_client_survive_the_search(group, serve):
    hole, echo = serve(backends.BlackHole), serve(backends.Echo)
    proxy = group(hole, echo, connect_timeout="200ms")
    data = bytes(range(256)) * 64
    with tls.Client(proxy.address()).handshake() as client:
        client.send(data)
        assert client.receive_exactly(len(data)) == data


def test_all_servers_gone(group, serve):
    proxy = group(serve(backends.Refused), serve(backends.Refused))
    with tls.Client(proxy.address()).handshake() as client:
        data, how = client.receive_rest()
        assert data == b""
    assert how in ("close_notify", "truncated", "reset")
    proxy.wait_close("backend_unreachable")
    assert proxy.access_lines(1)[0]["reason"] == "backend_unreachable"
    proxy.wait_metric("usher_backend_failures_total", lambda n: n == 2, backend="app")


def test_server_that_comes_back(group, serve):
    dead = serve(backends.Refused)
    proxy = group(dead)
    with tls.Client(proxy.address()).handshake() as client:
        client.receive_rest()
    proxy.wait_close("backend_unreachable")
    dead.close()
    serve(backends.Greeter, "back", port=dead.port)
    assert greeted_by(proxy, 2) == {"back": 2}


def test_names_are_resolved(group, serve):
    backend = serve(backends.Greeter, "named")
    assert greeted_by(group(f"localhost:{backend.port}"), 2) == {"named": 2}


def test_name_that_does_not_resolve(group, serve):
    alive = serve(backends.Greeter, "alive")
    proxy = group("no-such-host.invalid:80", alive)
    assert greeted_by(proxy, 3) == {"alive": 3}
    assert proxy.metrics().total("usher_backend_up", server="no-such-host.invalid:80") == 0
    assert proxy.metrics().total("usher_backend_up", server=alive.address) == 1


def test_ipv6_backend(group, serve):
    assert greeted_by(group(serve(backends.Greeter, "six", host="::1")), 1) == {"six": 1}
