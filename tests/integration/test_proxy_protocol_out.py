"""Promise: the backend learns who the client is: PROXY v1, or v2 with the negotiated protocol, the name, an
unique id, the TLS version, cipher and client certificate, and whether the session was resumed (a TLV of our
own); on a resumed connection the certificate belongs to the session, not to the connection."""

import pytest

from support import backends, proxy_protocol, tls, usher

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))
RESUMED = 0xE4  # documented in proxy/relay/proxy_writer.h


@pytest.fixture
def behind(start, serve, site):
    """behind(version, …) → (proxy, connect) where connect(…) gives (client, the backend's socket)."""
    def begin(kind, **listener):
        backend = serve()
        proxy = start(usher.configuration(
            [usher.listener([site], **listener)], [usher.backend(backend, proxy_protocol=kind)]))

        def connect(**more):
            client = tls.Client(proxy.address(), **more).handshake()
            return client, backend.accept()
        return proxy, connect
    return begin


def test_v1(behind):
    proxy, connect = behind("v1")
    client, server = connect()
    source = client.sock.getsockname()
    assert proxy_protocol.read_v1(server) == [
        "PROXY", "TCP4", "127.0.0.1", "127.0.0.1", str(source[1]), str(proxy.port())]
    client.send(b"data")
    assert backends.read_exactly(server, 4) == b"data"


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_ipv6(behind, kind):
    proxy, connect = behind(kind, address="[::1]:0")
    client, server = connect()
    port = client.sock.getsockname()[1]
    if kind == "v1":
        assert proxy_protocol.read_v1(server) == [
            "PROXY", "TCP6", "::1", "::1", str(port), str(proxy.port())]
    else:
        header = proxy_protocol.V2Header(server)
        assert (header.source, header.destination) == (("::1", port), ("::1", proxy.port()))


@BOTH
def test_v2(behind, version):
    proxy, connect = behind("v2", alpn=["h2", "http/1.1"])
    ctx = tls.CONTEXTS[version](alpn=["http/1.1"])
    client, server = connect(ctx=ctx)
    header = proxy_protocol.V2Header(server)
    assert header.command == 0x21  # version 2, PROXY
    assert header.source == ("127.0.0.1", client.sock.getsockname()[1])
    assert header.destination == ("127.0.0.1", proxy.port())
    assert header.tlvs[proxy_protocol.ALPN] == b"http/1.1"
    assert header.tlvs[proxy_protocol.AUTHORITY] == b"site.test"
    assert len(header.tlvs[proxy_protocol.UNIQUE_ID]) == 16
    assert header.tlvs[RESUMED] == b"\x00"
    assert header.ssl_client == proxy_protocol.CLIENT_SSL
    assert header.ssl_verify != 0  # no certificate was shown, so none was verified
    assert header.ssl_tlvs[proxy_protocol.SSL_VERSION].decode() == version
    assert header.ssl_tlvs[proxy_protocol.SSL_CIPHER].decode() == client.ssl.cipher()[0]
    assert proxy_protocol.SSL_CN not in header.ssl_tlvs
    client.send(b"data")
    assert backends.read_exactly(server, 4) == b"data"


def test_unique_ids_differ(behind):
    _, connect = behind("v2")
    pairs = [connect() for _ in range(5)]
    ids = {proxy_protocol.V2Header(server).tlvs[proxy_protocol.UNIQUE_ID] for _, server in pairs}
    assert len(ids) == 5


def test_without_name_and_protocol(behind):
    _, connect = behind("v2")
    _, server = connect(name=None)
    header = proxy_protocol.V2Header(server)
    assert proxy_protocol.AUTHORITY not in header.tlvs
    assert proxy_protocol.ALPN not in header.tlvs


@BOTH
@pytest.mark.parametrize("mode", ["required", "optional"])
def test_client_certificate_on_a_full_and_a_resumed_connection(behind, client_ca, version, mode):
    _, connect = behind("v2", client_auth=mode, client_ca=client_ca.file)
    ctx = tls.CONTEXTS[version](client=client_ca.client("alice"))
    client, server = connect(ctx=ctx)
    header = proxy_protocol.V2Header(server)
    assert header.ssl_client == proxy_protocol.CLIENT_SSL | proxy_protocol.CLIENT_CERT_CONN | \
        proxy_protocol.CLIENT_CERT_SESS or \
        header.ssl_client == proxy_protocol.CLIENT_SSL | proxy_protocol.CLIENT_CERT_CONN
    assert header.ssl_verify == 0
    assert header.ssl_tlvs[proxy_protocol.SSL_CN] == b"alice"
    assert header.tlvs[RESUMED] == b"\x00"
    server.sendall(b"x")
    client.receive_exactly(1)  # with it the ticket of TLS 1.3 has come
    session = client.ssl.session

    client, server = connect(ctx=ctx, session=session)
    assert client.resumed()
    header = proxy_protocol.V2Header(server)
    assert header.ssl_client == proxy_protocol.CLIENT_SSL | proxy_protocol.CLIENT_CERT_SESS
    assert header.ssl_verify == 0
    assert header.ssl_tlvs[proxy_protocol.SSL_CN] == b"alice"
    assert header.tlvs[RESUMED] == b"\x01"


@BOTH
def test_optional_without_certificate(behind, client_ca, version):
    _, connect = behind("v2", client_auth="optional", client_ca=client_ca.file)
    _, server = connect(ctx=tls.CONTEXTS[version]())
    header = proxy_protocol.V2Header(server)
    assert header.ssl_client == proxy_protocol.CLIENT_SSL
    assert header.ssl_verify != 0
    assert proxy_protocol.SSL_CN not in header.ssl_tlvs


def test_nothing_by_default(behind):
    _, connect = behind("off")
    client, server = connect()
    client.send(b"data")
    assert backends.read_exactly(server, 4) == b"data"
