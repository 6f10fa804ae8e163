"""Promise: whatever a client sends ends in one counted outcome within bounded memory, and the others do not
notice."""

import random

import pytest

from support import backends, libssl, raw_tls, tls, usher, waiting


def still_serves(proxy):
    with tls.Client(proxy.address()).handshake() as client:
        client.send(b"x")
        return client.receive_exactly(1) == b"x"


def hello(padding=0):
    extensions = raw_tls.usual_extensions()
    if padding:
        extensions += raw_tls.extension(21, b"\x00" * padding)
    return raw_tls.hello_body(extensions=extensions)


NOT_TLS = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "proxy-request": b"CONNECT x:443 HTTP/1.1\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n" + b"x" * 40,
    "zeros": b"\x00" * 100,
    "proxy-header": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "application-data": raw_tls.record(23, b"x" * 100, 0x0303),
}


@pytest.mark.parametrize("kind", list(NOT_TLS))
def test_what_is_no_tls(simple, echo, kind):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, NOT_TLS[kind])
        assert raw_tls.ended(sock)
    proxy.wait_close("handshake_failed")
    failures = "usher_handshake_failures_total"
    assert proxy.metrics().total(failures) == 1
    assert proxy.metrics().total(failures, reason="not_tls") == 1, proxy.metrics().all(failures)
    assert echo.accepted == 0


MALFORMED = {
    "length-too-long": b"\x01\x00\x10\x00" + hello()[4:] + b"\x00" * (0x1000 - len(hello()) + 4),
    "truncated-extensions": b"\x01" + (len(hello()) - 7).to_bytes(3, "big") + hello()[4:-3],
    "empty-hello": b"\x01\x00\x00\x00",
    "server-hello": b"\x02" + hello()[1:],
    "finished-first": b"\x14\x00\x00\x0c" + b"\x00" * 12,
    "no-suites": raw_tls.hello_body(suites=()),
    "twice-the-same-extension": raw_tls.hello_body(extensions=raw_tls.server_name("a.test") * 2),
}


@pytest.mark.parametrize("kind", list(MALFORMED))
def test_malformed_hellos(simple, kind):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, raw_tls.record(22, MALFORMED[kind]))
        alert = raw_tls.alert_after(sock)
    assert alert in ("decode_error", "illegal_parameter", "unexpected_message", "handshake_failure",
                     "missing_extension"), alert
    proxy.wait_close("handshake_failed")
    assert still_serves(proxy)


def answer_to(sock, data):
    """The type of the first record that comes back."""
    raw_tls.send_quietly(sock, data)
    return raw_tls.read_records(sock, lambda records: True)[0][0]


def test_hello_in_one_byte_segments(simple):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        for byte in raw_tls.record(22, hello()):
            sock.sendall(bytes([byte]))
        assert raw_tls.read_records(sock, lambda records: True)[0][0] == 22


def test_hello_in_one_byte_records(simple):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        data = b"".join(raw_tls.record(22, bytes([byte])) for byte in hello())
        assert answer_to(sock, data) == 22


def test_large_hello_is_fine_and_a_huge_one_is_not(simple):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        large = hello(padding=12_000)
        assert answer_to(sock, raw_tls.record(22, large)) == 22
    declared = b"\x01\xff\xff\xff" + b"\x00" * 16_000  # 16 MiB announced
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, raw_tls.record(22, declared))
        assert raw_tls.alert_after(sock) in ("illegal_parameter", "decode_error")
    proxy.wait_metric("usher_handshake_failures_total", reason="hello_too_large")
    assert still_serves(proxy)


def test_oversized_record(simple):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        raw_tls.send_quietly(sock, b"\x16\x03\x01\xff\xff" + b"\x00" * 65535)
        assert raw_tls.ended(sock)
    proxy.wait_close("handshake_failed")


def test_endless_hello(simple):
    """Records without end: what is kept is bounded, and the end comes by size or by time."""
    proxy = simple(tls={"handshake_timeout": "2s"})
    before = proxy.rss_kib()
    with tls.connect(proxy.address()) as sock:
        sock.settimeout(5)
        raw_tls.send_quietly(sock, raw_tls.record(22, b"\x01\x00\x40\x00" + b"\x00" * 100))
        chunk = raw_tls.record(22, b"\x00" * 16_000) * 16
        for _ in range(200):
            if not raw_tls.send_quietly(sock, chunk):
                break
        assert raw_tls.ended(sock)
    assert proxy.rss_kib() - before < waiting.memory_kib(2048)
    proxy.wait_metric("usher_closes_total", lambda n: n == 1)
    assert still_serves(proxy)


@pytest.mark.parametrize("record", [raw_tls.record(22, b""), raw_tls.record(21, b"\x01\x5a"),
                                    raw_tls.record(20, b"\x01")],
                         ids=["empty-handshake", "warning-alerts", "change-cipher-spec"])
def test_endless_records_that_say_nothing(simple, record):
    proxy = simple(tls={"handshake_timeout": "2s"})
    with tls.connect(proxy.address()) as sock:
        sock.settimeout(5)
        for _ in range(2000):
            if not raw_tls.send_quietly(sock, record * 100):
                break
        raw_tls.ended(sock)
    proxy.wait_metric("usher_closes_total", lambda n: n == 1)
    assert still_serves(proxy)


def test_key_update_flood(simple):
    """More than 64 KeyUpdates without data (RFC 8446 §4.6.3 sets no limit, so we do)."""
    proxy = simple()
    with libssl.LibsslClient(proxy.address()) as client:
        for _ in range(3):
            for _ in range(60):
                client.key_update(0)
            client.send(b"x")  # data in between is normal use
            assert client.receive(1) == b"x"
        with pytest.raises(tls.Ended):
            for _ in range(2000):
                client.key_update()
            client.receive(1)
    proxy.wait_close("key_update_flood")
    assert still_serves(proxy)


@pytest.mark.parametrize("seed", range(8))
def test_noise(simple, seed):
    """Random bytes, and a good hello with random damage."""
    proxy = simple(tls={"handshake_timeout": "1s"})
    noise = random.Random(seed)
    count = 25
    for _ in range(count):
        data = bytearray(raw_tls.record(22, hello()))
        if noise.random() < 0.3:
            data = bytearray(noise.randbytes(noise.randrange(1, 2000)))
        else:
            for _ in range(noise.randrange(1, 10)):
                data[noise.randrange(len(data))] = noise.randrange(256)
        with tls.connect(proxy.address()) as sock:
            raw_tls.send_quietly(sock, bytes(data))
            # What looks like the start of something long is ended by the client.
    proxy.wait_metric("usher_closes_total", lambda n: n == count)
    assert still_serves(proxy)


def test_silent_clients_do_not_disturb(simple):
    proxy = simple()
    silent = [tls.connect(proxy.address()) for _ in range(300)]
    proxy.wait_metric("usher_connections", lambda n: n == 300, phase="hello")
    assert still_serves(proxy)
    for sock in silent:
        sock.close()
    proxy.wait_close("client_gone", count=300)


def test_client_that_resets_at_every_step(start, serve, site):
    """Resets after connect, within the hello, after the server's flight, while relaying."""
    proxy = start(usher.configuration(
        [usher.listener([site])], [usher.backend(serve(backends.Echo))]))
    backends.reset(tls.connect(proxy.address()))
    sock = tls.connect(proxy.address())
    sock.sendall(raw_tls.record(22, hello())[:50])
    backends.reset(sock)
    sock = tls.connect(proxy.address())
    assert answer_to(sock, raw_tls.record(22, hello())) == 22
    backends.reset(sock)
    client = tls.Client(proxy.address()).handshake()
    backends.reset(client.sock)
    proxy.wait_metric("usher_closes_total", lambda n: n == 4)
    assert proxy.metrics().total("usher_closes_total", reason="client_gone") == 3
    assert proxy.metrics().total("usher_closes_total", reason="client_reset") == 1
    assert still_serves(proxy)


def test_backend_that_misbehaves(start, serve, site):
    """Accepts and resets, accepts and closes, sends before it is asked."""
    backend = serve()
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
    with tls.Client(proxy.address()).handshake() as client:
        backends.reset(backend.accept())
        assert client.receive_rest()[1] in ("truncated", "reset")
    with tls.Client(proxy.address()).handshake() as client:
        backend.accept().close()
        assert client.receive_rest() == (b"", "close_notify")
    with tls.Client(proxy.address()).handshake() as client:
        early = backend.accept()
        early.sendall(b"220 ready\r\n")
        assert client.receive_exactly(11) == b"220 ready\r\n"
