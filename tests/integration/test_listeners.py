"""Promise: several listeners, IPv4 and IPv6, each with its own backend, served by all workers; an IPv6
listener takes IPv6 only, so that both families can share a port number."""

import socket

import pytest

from support import backends, tls, usher


def test_each_listener_has_its_backend(start, serve, site):
    a, b = serve(backends.Greeter, "a"), serve(backends.Greeter, "b")
    proxy = start(usher.configuration(
        [usher.listener([site], name="one", backend="a"), usher.listener([site], name="two", backend="b")],
        [usher.backend(a, name="a"), usher.backend(b, name="b")]))
    for listener, greeting in (("one", "a"), ("two", "b")):
        with tls.Client(proxy.address(listener)).handshake() as client:
            assert client.receive_line() == greeting
    proxy.wait_metric("usher_connections_total", lambda n: n == 1, listener="one")
    proxy.wait_metric("usher_connections_total", lambda n: n == 1, listener="two")


def test_ipv6_beside_ipv4_on_one_port(start, serve, site):
    a, b = serve(backends.Greeter, "four"), serve(backends.Greeter, "six", host="::1")
    with socket.socket() as probe:  # a port that is free in both families, most likely
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    proxy = start(usher.configuration(
        [usher.listener([site], name="v4", backend="a", address=f"127.0.0.1:{port}"),
         usher.listener([site], name="v6", backend="b", address=f"[::]:{port}")],
        [usher.backend(a, name="a"), usher.backend(b, name="b")]))
    with tls.Client(("127.0.0.1", port)).handshake() as client:
        assert client.receive_line() == "four"
    with tls.Client(("::1", port)).handshake() as client:
        assert client.receive_line() == "six"
    lines = proxy.access_lines(2)
    assert {line["client"].rsplit(":", 1)[0].strip("[]") for line in lines} == {"127.0.0.1", "::1"}


def test_all_workers_serve(simple):
    """Each worker's threads use processor time once enough clients have come: the kernel spreads them."""
    proxy = simple(process={"workers": 3})
    held = []
    for _ in range(60):
        held.append(tls.Client(proxy.address()).handshake())
    import pathlib
    workers = {}
    for task in pathlib.Path(f"/proc/{proxy.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("usher-w"):
            switches = (task / "status").read_text().split("voluntary_ctxt_switches:")[1].split()[0]
            workers[name] = int(switches)
    assert set(workers) == {"usher-w0", "usher-w1", "usher-w2"}
    assert all(count > 5 for count in workers.values()), workers
    for client in held:
        client.close()


@pytest.mark.parametrize("count", [200])
def test_many_connections_at_once(simple, count):
    proxy = simple()
    ctx = tls.context()
    clients = [tls.Client(proxy.address(), ctx=ctx).handshake() for _ in range(count)]
    proxy.wait_metric("usher_connections", lambda n: n == count, phase="relaying")
    for number, client in enumerate(clients):
        client.send(b"%d\n" % number)
    for number, client in enumerate(clients):
        assert client.receive_line() == str(number)
        client.close()
    proxy.wait_metric("usher_connections", lambda n: n == 0, phase="relaying")
