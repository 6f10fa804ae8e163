"""Promise: nobody waits for ever: each phase has its timeout, which ends the connection with its own reason;
a connection in use is not idle."""

import time

import pytest

from support import backends, raw_tls, tls, usher


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "byte", "start"])
def test_silent_client(simple, sent):
    proxy = simple(tls={"handshake_timeout": "300ms"})
    with tls.connect(proxy.address()) as sock:
        sock.sendall(sent)
        assert raw_tls.ended(sock)
    proxy.wait_close("handshake_timeout")


def test_client_that_stops_inside_the_handshake(simple):
    proxy = simple(tls={"handshake_timeout": "300ms"})
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body()))
        records = raw_tls.read_records(sock)
    assert records and records[0][0] == 22  # the server answered
    proxy.wait_close("handshake_timeout")


def test_one_byte_at_a_time_does_not_extend_it(simple):
    proxy = simple(tls={"handshake_timeout": "500ms"})
    hello = raw_tls.record(22, raw_tls.hello_body(extensions=raw_tls.extension(21, b"\x00" * 4000)))
    with tls.connect(proxy.address()) as sock:
        sock.settimeout(0.02)  # the pace, and a look whether it has ended
        for byte in hello:
            if not raw_tls.send_quietly(sock, bytes([byte])):
                break
            try:
                if sock.recv(1) == b"":
                    break
            except TimeoutError:
                pass
            except ConnectionResetError:
                break
        else:
            raise AssertionError("the whole hello was taken")
    proxy.wait_close("handshake_timeout")


def test_idle_connection(simple):
    proxy = simple(listener={"idle_timeout": "300ms"})
    with tls.Client(proxy.address()).handshake() as client:
        client.send(b"x")
        client.receive_exactly(1)
        client.receive_rest()
    proxy.wait_close("idle_timeout")


def test_traffic_in_either_direction_keeps_it(start, serve, site):
    """One side talks all the time, the other never."""
    backend = serve()
    proxy = start(usher.configuration(
        [usher.listener([site], idle_timeout="2s")], [usher.backend(backend)]))
    talks, clients = [], []
    for upwards in (True, False):
        clients.append(tls.Client(proxy.address()).handshake())
        server = backend.accept()
        talks.append((clients[-1].send, server.recv) if upwards else (server.sendall, clients[-1].receive))
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        for talk, listen in talks:
            talk(b"x")
            assert listen(1) == b"x"
        time.sleep(0.1)  # the pace of the talk
    assert proxy.metrics().total("usher_closes_total") == 0
    for client in clients:
        client.receive_rest()  # silence
        client.close()
    proxy.wait_close("idle_timeout", count=2)


def test_backend_that_never_accepts(start, serve, site):
    proxy = start(usher.configuration(
        [usher.listener([site])], [usher.backend(serve(backends.BlackHole), connect_timeout="300ms")]))
    with tls.Client(proxy.address()).handshake() as client:
        client.receive_rest()
    proxy.wait_close("backend_unreachable")


def test_half_closed_connection_still_times_out(start, serve, site):
    backend = serve()
    proxy = start(usher.configuration(
        [usher.listener([site], idle_timeout="300ms")], [usher.backend(backend)]))
    with tls.Client(proxy.address()).handshake() as client:
        server = backend.accept()
        client.send_close_notify()
        assert backends.read_all(server) == b""
        client.receive_rest()
    proxy.wait_close("idle_timeout")


def test_client_that_leaves_before_the_handshake(simple):
    proxy = simple()
    tls.connect(proxy.address()).close()
    proxy.wait_close("client_gone")
    with tls.connect(proxy.address()) as sock:
        sock.sendall(b"\x16\x03\x01")
    proxy.wait_close("client_gone", count=2)
