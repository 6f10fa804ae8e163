"""Promise: either side may end its own direction and go on receiving (RFC 8446 §6.1), in both protocol
versions and whoever ends first; nothing that was sent before is lost."""

import socket
import threading

import pytest

from support import backends, tls, usher

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))
BIG = bytes(range(256)) * 4096  # 1 MiB: more than the buffers between


@pytest.fixture
def pair(serve, site, start):
    """(client, backend's side of the connection) through a running proxy."""
    opened = []

    def begin(version):
        backend = serve()
        proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
        client = tls.Client(proxy.address(), ctx=tls.CONTEXTS[version]()).handshake()
        opened.append(client)
        return proxy, client, backend.accept()
    yield begin
    for client in opened:
        client.close()


@BOTH
def test_client_ends_then_backend_answers(pair, version):
    proxy, client, server = pair(version)
    client.send(b"question")
    client.send_close_notify()
    assert backends.read_all(server) == b"question"
    server.sendall(b"answer")
    server.close()
    assert client.receive_rest() == (b"answer", "close_notify")
    proxy.wait_close("finished")


@BOTH
def test_client_ends_and_backend_answers_much_later_and_much(pair, version):
    proxy, client, server = pair(version)
    client.send_close_notify()
    assert backends.read_all(server) == b""
    for _ in range(4):
        server.sendall(BIG)
        got = b""
        while len(got) < len(BIG):
            got += client.receive(len(BIG) - len(got))
        assert got == BIG
    server.close()
    assert client.receive_rest() == (b"", "close_notify")
    proxy.wait_close("finished")


@BOTH
def test_backend_ends_then_client_sends_on(pair, version):
    proxy, client, server = pair(version)
    server.sendall(b"greeting")
    server.shutdown(socket.SHUT_WR)
    assert client.receive_rest() == (b"greeting", "close_notify")
    client.send(b"still sending")
    assert backends.read_exactly(server, 13) == b"still sending"
    client.send_close_notify()
    assert backends.read_all(server) == b""
    proxy.wait_close("finished")


@BOTH
def test_backend_ends_and_client_sends_much(pair, version):
    proxy, client, server = pair(version)
    server.shutdown(socket.SHUT_WR)
    assert client.receive_rest() == (b"", "close_notify")

    def upload():
        for _ in range(4):
            client.send(BIG)
        client.send_close_notify()
    sender = threading.Thread(target=upload)
    sender.start()
    assert backends.read_all(server) == BIG * 4
    sender.join()
    proxy.wait_close("finished")


@BOTH
def test_both_end_at_once(pair, version):
    proxy, client, server = pair(version)
    client.send(b"a")
    assert backends.read_exactly(server, 1) == b"a"
    client.send_close_notify()
    server.close()
    assert client.receive_rest() == (b"", "close_notify")
    proxy.wait_close("finished")


@BOTH
def test_close_notify_comes_after_the_last_byte(pair, version):
    """The backend sends much and closes at once: all of it arrives before the end does."""
    proxy, client, server = pair(version)
    server.sendall(BIG * 2)
    server.close()
    data, how = client.receive_rest()
    assert (len(data), how) == (2 * len(BIG), "close_notify")
    assert data == BIG * 2


def test_backend_that_ends_and_reads_no_more_costs_no_cpu(start, serve, site):
    """It answers and ends its side while an upload fills its buffers, and the client has gone: nothing can
    move, and nothing must turn."""
    backend = serve(backends.Backend)
    proxy = start(usher.configuration([usher.listener([site], idle_timeout="1h")], [usher.backend(backend)]))
    client = tls.Client(proxy.address()).handshake()
    connection = backend.accept()
    client.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            client.send(b"u" * 65536)
    backends.reset(client.sock)
    before = proxy.metrics().total("usher_bytes_total", direction="to_client")
    for piece in (b"413 too large", b"more"):
        connection.sendall(piece)
        before += len(piece)
        proxy.wait_metric("usher_bytes_total", lambda n, wanted=before: n == wanted, direction="to_client")
    connection.shutdown(socket.SHUT_WR)
    proxy.wait_calm()
    assert proxy.metrics().total("usher_connections") == 1
    connection.close()
