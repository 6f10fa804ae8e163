"""Promise: however a client of HTTP mode ends, stops reading, or cuts its TLS messages, nobody else notices: no
answer of its connection is left behind for another's, no worker is kept busy, and it is let go in time."""

import contextlib
import threading

import pytest

from support import backends, http_backends, split_messages, tls, waiting
from support.h2_frames import SETTINGS, H2Client, settings
from support.http_client import HttpClient, request

ONE_WORKER = {"workers": 1}
BAD_RECORD = b"\x17\x03\x03\x00\x20" + b"x" * 32
UPGRADE = request("GET", "/", "Connection: upgrade", "Upgrade: echo/1")
BULK = backends.pattern(8 << 20)


@pytest.fixture
def full(front, serve):
    """A proxy that answers each request with 503 while it is still being read: its server is at its limit."""
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.stall())
    proxy = front(backend, backend={"max_connections": 1}, process=ONE_WORKER)
    with HttpClient(proxy.address()) as client:
        client.send(request())
        proxy.wait_metric("usher_backend_connections", lambda n: n == 1)
        yield proxy


def test_a_bad_record_behind_a_request(full):
    for _ in range(5):
        with HttpClient(full.address()) as client:
            client.ssl.write(request())
            client.sock.sendall(client._out.read() + BAD_RECORD)
            client.receive_rest()
        with HttpClient(full.address()) as client:
            assert client.ask().status == 503
            assert client.ask().status == 503


def test_more_answers_than_a_session_holds(front, serve):
    """Requests by the thousand, each answered while the next is read; more than OpenSSL is given at once."""
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.stall())
    proxy = front(backend, backend={"max_connections": 1}, process=ONE_WORKER,
                  listener={"max_head_bytes": 1 << 20})
    with HttpClient(proxy.address()) as first:
        first.send(request())
        proxy.wait_metric("usher_backend_connections", lambda n: n == 1)
        with HttpClient(proxy.address(), receive_buffer=16384) as client:
            client.send(request() * 12_000)  # while nothing is read: many are there at once later
            proxy.wait_calm()
            assert {client.response().status for _ in range(12_000)} == {503}
            assert client.ask().status == 503


def test_the_end_inside_a_request_behind_others(full):
    """What was answered before is still told."""
    with HttpClient(full.address()) as client:
        client.ssl.write(request() + request() + UPGRADE[:20])
        client.send_close_notify()
        assert [client.response().status for _ in range(2)] == [503, 503]
    with HttpClient(full.address()) as client:
        assert client.ask().status == 503


def test_content_that_ends_early_behind_another_request(front, serve):
    """The client has ended before the request whose content is missing could begin."""
    go_on = threading.Event()
    backend = serve(http_backends.HttpBackend, http_backends.by_target({
        "/first": http_backends.after(go_on, http_backends.reply(200, b"first"))}))
    proxy = front(backend)
    with HttpClient(proxy.address()) as client:
        client.ssl.write(request(target="/first") + request("POST", "/cut", "Content-Length: 10") + b"hello")
        client.send_close_notify()
        waiting.until(lambda: backend.seen("/first"), "the first request")
        go_on.set()
        assert client.response().body == b"first"
        assert client.rest()[0] == b""
    proxy.wait_close("client_truncated")
    assert not any(one.whole for one in backend.seen("/cut"))


def test_the_end_before_the_tunnel(front, serve):
    """A client that says all it has and ends its direction does not wait for the 101."""
    go_on = threading.Event()

    def switch(exchange):
        go_on.wait(60)
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
        exchange.keep = False
        said = b""
        while data := exchange.connection.recv(65536):
            said += data
        exchange.send(b"you said " + said)
    backend = serve(http_backends.HttpBackend, switch)
    with HttpClient(front(backend).address()) as client:
        client.ssl.write(UPGRADE + b"hello")
        client.send_close_notify()
        waiting.until(lambda: backend.requests, "the request")
        go_on.set()
        assert client.head().status == 101
        assert client.rest() == (b"you said hello", "close_notify")


@pytest.fixture
def unread(front, serve):
    """unread(idle_timeout) → a proxy whose HTTP/2 client has asked for more than fits, and reads nothing."""
    with contextlib.ExitStack() as clients:
        def begin(idle_timeout):
            proxy = front(serve(http_backends.HttpBackend, http_backends.reply(200, BULK)),
                          listener={"idle_timeout": idle_timeout}, process=ONE_WORKER)
            client = H2Client(proxy.address(), settings(INITIAL_WINDOW_SIZE=(1 << 31) - 1))
            clients.enter_context(client)
            client.window(0, 1 << 30)
            for stream in (1, 3, 5):
                client.request(stream)
            return proxy
        yield begin


def test_http2_to_a_client_that_does_not_read_is_no_work(unread):
    proxy = unread("1h")
    proxy.wait_metric("usher_backend_connections", lambda n: n == 3)
    proxy.wait_calm()


def test_http2_to_a_client_that_does_not_read_ends(unread):
    """Not even what resets its streams can be sent to it."""
    unread("1s").wait_close("idle_timeout")


# --- while a message after the handshake is incomplete, nothing can be written (RFC 8446 §5.1)

@pytest.fixture
def keylog(tmp_path):
    return tmp_path / "keys"


def test_half_a_key_update(front, serve, keylog):
    go_on = threading.Event()
    proxy = front(serve(http_backends.HttpBackend, http_backends.after(go_on, http_backends.reply(200, BULK))),
                  process=ONE_WORKER)
    context = tls.context13()
    context.keylog_filename = str(keylog)
    with HttpClient(proxy.address(), ctx=context) as client:
        client.send(request())
        first, second = split_messages.Splitter(keylog.read_text(), sent=1).key_update(4)
        client.sock.sendall(first)
        waiting.until(lambda: proxy.metrics().total("usher_bytes_total", direction="to_backend"), "the request")
        go_on.set()
        proxy.wait_calm()
        client.sock.sendall(second)
        assert client.response().body == BULK


def test_half_a_key_update_in_http2(front, serve, keylog):
    go_on = threading.Event()
    proxy = front(serve(http_backends.HttpBackend, http_backends.after(go_on, http_backends.reply(200, BULK))),
                  process=ONE_WORKER)
    context = tls.context13(alpn=["h2"])
    context.keylog_filename = str(keylog)
    with H2Client(proxy.address(), settings(INITIAL_WINDOW_SIZE=(1 << 31) - 1), ctx=context) as client:
        client.wait(SETTINGS)
        client.window(0, 1 << 30)
        client.request(1)
        first, second = split_messages.Splitter(keylog.read_text(), sent=4).key_update(4)
        client.send_below_tls(first)
        go_on.set()
        proxy.wait_calm()
        client.send_below_tls(second)
        assert client.response(1, grant=False).body == BULK
