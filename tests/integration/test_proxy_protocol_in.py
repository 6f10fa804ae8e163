"""Promise: on a listener with proxy_protocol, the header is required, believed from trusted addresses only,
bounded in size and time, and never taken for the client's bytes; what it says is what the log, the backend
and nothing else see."""

import pytest

from support import backends, proxy_protocol, raw_tls, tls, usher


@pytest.fixture
def front(start, serve, site):
    def begin(proxy_protocol_from=("127.0.0.0/8",), **tables):
        backend = serve(backends.Backend)
        proxy = start(usher.configuration(
            [usher.listener([site], proxy_protocol="on", proxy_protocol_from=list(proxy_protocol_from))],
            [usher.backend(backend, proxy_protocol="v2")], **tables))
        return proxy, backend
    return begin


GOOD = {
    "v1": (proxy_protocol.v1(), ("192.0.2.7", 4321)),
    "v1-ipv6": (proxy_protocol.v1("2001:db8::7", 4321, "2001:db8::1"), ("2001:db8::7", 4321)),
    "v2": (proxy_protocol.v2(), ("192.0.2.7", 4321)),
    "v2-ipv6": (proxy_protocol.v2("2001:db8::7", 4321, "2001:db8::1"), ("2001:db8::7", 4321)),
    "v2-tlvs": (proxy_protocol.v2(tlvs=proxy_protocol.tlv(0x05, b"id") + proxy_protocol.tlv(0x04, b"\x00" * 2000)),
                ("192.0.2.7", 4321)),
}


@pytest.mark.parametrize("kind", list(GOOD))
def test_believed(front, kind):
    header, source = GOOD[kind]
    proxy, backend = front()
    with tls.Client(proxy.address(), before=header).handshake() as client:
        server = backend.accept()
        told = proxy_protocol.V2Header(server)
        assert told.source == source
        assert told.tlvs.get(proxy_protocol.UNIQUE_ID) != b"id"  # incoming TLVs are not forwarded
        client.send(b"data")
        assert backends.read_exactly(server, 4) == b"data"
        client.send_close_notify()
        server.close()
        client.receive_rest()
    line = proxy.access_lines(1)[0]
    assert line["client"] in (f"{source[0]}:{source[1]}", f"[{source[0]}]:{source[1]}")


@pytest.mark.parametrize("header", [proxy_protocol.v2(local=True), b"PROXY UNKNOWN\r\n",
                                    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"],
                         ids=["local", "unknown", "unknown-with-addresses"])
def test_local_and_unknown_keep_the_sockets_address(front, header):
    proxy, backend = front()
    with tls.Client(proxy.address(), before=header).handshake() as client:
        told = proxy_protocol.V2Header(backend.accept())
        assert told.source == client.sock.getsockname()


def test_header_and_hello_in_one_segment_and_in_single_bytes(front):
    proxy, backend = front()
    header = proxy_protocol.v2()
    with tls.connect(proxy.address()) as sock:
        for byte in header:
            sock.sendall(bytes([byte]))
        with tls.Client(None, sock=sock).handshake():
            assert proxy_protocol.V2Header(backend.accept()).source[0] == "192.0.2.7"
    client = tls.Client(proxy.address())
    with client:
        # The hello without sending it: the engine writes into memory.
        try:
            client.ssl.do_handshake()
        except Exception as wait:  # SSLWantReadError
            assert "want" in type(wait).__name__.lower()
        client.sock.sendall(header + client._out.read())
        client.handshake()
        backend.accept().close()


def test_untrusted_address(front):
    proxy, backend = front(proxy_protocol_from=["192.0.2.0/24", "::1/128"])
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, proxy_protocol.v2())
        assert raw_tls.ended(sock)
    proxy.wait_close("proxy_untrusted")
    assert proxy.access_lines(1)[0]["client"].startswith("127.0.0.1:")
    assert backend.silent()


def test_no_header_is_refused(front):
    """A plain ClientHello is never taken as such."""
    proxy, backend = front()
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body()))
        assert raw_tls.ended(sock)
    proxy.wait_close("proxy_malformed")
    assert backend.silent()


GARBAGE = {
    "v1-endless": b"PROXY TCP4 " + b"1" * 200,
    "v1-address": b"PROXY TCP4 300.0.0.1 192.0.2.1 1 2\r\n",
    "v1-port": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 70000\r\n",
    "v1-family": b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "v1-missing": b"PROXY TCP4 192.0.2.7\r\n",
    "v1-mixed": b"PROXY TCP4 ::1 192.0.2.1 1 2\r\n",
    "v1-lower": b"proxy tcp4 192.0.2.7 192.0.2.1 1 2\r\n",
    "v2-version": proxy_protocol.SIGNATURE + b"\x31\x11\x00\x0c" + b"\x00" * 12,
    "v2-command": proxy_protocol.SIGNATURE + b"\x22\x11\x00\x0c" + b"\x00" * 12,
    "v2-short": proxy_protocol.SIGNATURE + b"\x21\x11\x00\x04" + b"\x00" * 4,
    "v2-large": proxy_protocol.SIGNATURE + b"\x21\x11\xff\xff" + b"\x00" * 5000,
    "v2-tlv": proxy_protocol.v2(tlvs=b"\x05\xff\xff"),
    "noise": b"\x00" * 64,
}


@pytest.mark.parametrize("kind", list(GARBAGE))
def test_garbage(front, kind):
    proxy, backend = front()
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, GARBAGE[kind])
        assert raw_tls.ended(sock)
    proxy.wait_close("proxy_malformed")
    assert backend.silent()


@pytest.mark.parametrize("start_of", [b"", b"PROXY TCP4 ", proxy_protocol.SIGNATURE])
def test_slow_header(front, start_of):
    proxy, _ = front(tls={"handshake_timeout": "300ms"})
    with tls.connect(proxy.address()) as sock:
        sock.sendall(start_of)
        assert raw_tls.ended(sock)
    proxy.wait_close("proxy_timeout")
