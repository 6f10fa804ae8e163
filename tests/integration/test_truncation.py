"""Promise: how a connection ended is never dressed up: a client without close_notify and a client's or
backend's reset are told apart from a clean end, in the metric, in the access line and towards the other
side, which must not take a part for the whole."""

import pytest

from support import backends, tls, usher

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))


@pytest.fixture
def pair(serve, site, start):
    def begin(version):
        backend = serve()
        proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
        client = tls.Client(proxy.address(), ctx=tls.CONTEXTS[version]()).handshake()
        client.send(b"begun")
        server = backend.accept()
        assert backends.read_exactly(server, 5) == b"begun"
        # The client has read all that was sent to it, tickets too: closing with unread bytes is a reset.
        server.sendall(b"answered")
        assert client.receive_exactly(8) == b"answered"
        return proxy, client, server
    return begin


@BOTH
def test_client_without_close_notify(pair, version):
    proxy, client, server = pair(version)
    client.close()
    with pytest.raises(ConnectionResetError):  # not an end that looks whole
        backends.read_all(server)
    proxy.wait_close("client_truncated")
    assert proxy.access_lines(1)[0]["reason"] == "client_truncated"


@BOTH
def test_client_reset(pair, version):
    proxy, client, server = pair(version)
    backends.reset(client.sock)
    with pytest.raises(ConnectionResetError):
        backends.read_all(server)
    proxy.wait_close("client_reset")


@BOTH
def test_backend_reset(pair, version):
    """The client sees no close_notify: what it has may not be all."""
    proxy, client, server = pair(version)
    server.sendall(b"part of an answer")
    assert client.receive_exactly(17) == b"part of an answer"
    backends.reset(server)
    data, how = client.receive_rest()
    assert data == b""
    assert how in ("truncated", "reset")
    client.close()
    proxy.wait_close("backend_reset")
    assert proxy.access_lines(1)[0]["reason"] == "backend_reset"


@BOTH
def test_bad_record(pair, version):
    """A record that does not decrypt: bad_record_mac to the client, nothing to the backend."""
    proxy, client, server = pair(version)
    client.sock.sendall(b"\x17\x03\x03\x00\x40" + b"\x00" * 64)
    _, how = client.receive_rest()
    assert how == "SSLV3_ALERT_BAD_RECORD_MAC"
    client.close()
    with pytest.raises(ConnectionResetError):
        backends.read_all(server)
    proxy.wait_close("client_failed")


@BOTH
def test_half_a_record_then_the_end(pair, version):
    proxy, client, server = pair(version)
    client.sock.sendall(b"\x17\x03\x03\x00\x40" + b"\x00" * 10)
    client.close()
    with pytest.raises(ConnectionResetError):
        backends.read_all(server)
    proxy.wait_close("client_truncated")
