"""Promise: whoever does not go on is not waited for: a client with half a request gets 408, one without a
request is let go without a word, a server that is silent means 504, each after the time that is configured for
it, and each is counted."""

import pytest

from support import backends, http_backends, http_client, tls
from support.http_client import Cut, HttpClient, request


@pytest.fixture
def silent(front, serve):
    """silent(backend={…}, listener={…}) → a proxy before a server that says nothing more at some point."""
    def begin(**more):
        answers = {
            "/never": lambda exchange: exchange.stall(),
            "/head": http_backends.raw(b"HTTP/1.1 200 OK\r\nContent-Le", "stall"),
            "/content": http_backends.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "stall"),
            "/chunks": http_backends.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                                         "stall"),
            "/open": http_backends.raw(b"HTTP/1.1 200 OK\r\n\r\nhello", "stall")}
        return front(serve(http_backends.HttpBackend, http_backends.by_target(answers)), **more)
    return begin


def test_no_first_byte(silent):
    proxy = silent(backend={"first_byte_timeout": "200ms", "eject_after": 0})
    with HttpClient(proxy.address()) as client:
        assert client.ask(target="/never").status == 504
        assert client.ask("POST", "/never", body=b"x").status == 504
    proxy.wait_metric("usher_backend_failures_total", lambda n: n == 2, reason="timeout")
    assert proxy.access_lines(2)[0]["reason"] == "first_byte_timeout"


def test_half_a_head(silent):
    proxy = silent(backend={"first_byte_timeout": "200ms", "idle_timeout": "200ms"})
    assert http_client.get(proxy.address(), "/head").status == 504


@pytest.mark.parametrize("target", ["/content", "/chunks", "/open"])
def test_silence_inside_a_response(silent, target):
    """A head cannot be taken back: the connection ends so that nobody takes the response for whole."""
    proxy = silent(backend={"idle_timeout": "200ms"})
    with HttpClient(proxy.address()) as client:
        with pytest.raises(Cut) as cut:
            client.ask(target=target)
    assert cut.value.body == b"hello"
    proxy.wait_metric("usher_backend_failures_total", lambda n: n == 1, reason="timeout")
    assert target != "/open" or cut.value.how != "close_notify"


def test_connect(front, serve):
    proxy = front(serve(backends.BlackHole), backend={"connect_timeout": "200ms"})
    for method in ("GET", "POST"):
        assert http_client.get(proxy.address(), method=method).status == 504
    proxy.wait_metric("usher_backend_failures_total", lambda n: n == 2, reason="timeout")


def test_connect_to_the_next(front, serve):
    alive = serve(http_backends.HttpBackend)
    proxy = front(serve(backends.BlackHole), alive, process={"workers": 1}, backend={"connect_timeout": "200ms"})
    for _ in range(2):
        assert http_client.get(proxy.address(), method="POST", body=b"x").status == 200


def test_idle_client(silent):
    """Between requests and before the first: the end comes without a response that nobody asked for."""
    proxy = silent(listener={"idle_timeout": "300ms"})
    with HttpClient(proxy.address()) as fresh, HttpClient(proxy.address()) as used:
        assert used.ask().status == 200
        assert used.rest() == (b"", "close_notify")
        assert fresh.rest() == (b"", "close_notify")
    proxy.wait_close("idle_timeout", 2)


def test_idle_is_not_waiting_for_an_answer(silent):
    """The client's idle time does not run while it waits for a slow server."""
    proxy = silent(listener={"idle_timeout": "200ms"}, backend={"first_byte_timeout": "700ms"})
    assert http_client.get(proxy.address(), "/never").status == 504


def test_unfinished_head(silent):
    """handshake_timeout bounds a request's head as well; a byte now and then does not extend it."""
    proxy = silent(tls={"handshake_timeout": "500ms"})
    for data in (b"G", b"GET / HTTP/1.1\r\nHost: site.test\r\n", request() + b"GET /half"):
        with HttpClient(proxy.address()) as client:
            client.send(data)
            if data.count(b"\r\n\r\n"):
                assert client.final().status == 200
            response = client.final()
            assert (response.status, response.field("connection").lower()) == (408, "close")
            assert client.rest() == (b"", "close_notify")
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 3, reason="head_timeout")


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_unfinished_content(silent, framing):
    proxy = silent(listener={"idle_timeout": "300ms"})
    with HttpClient(proxy.address()) as client:
        client.send(request("POST", "/", framing) + b"5\r\nhe")
        assert client.final().status == 408
        client.assert_over()
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1, reason="body_timeout")


def test_tunnel(front, serve):
    def switch(exchange):
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        exchange.stall()
    proxy = front(serve(http_backends.HttpBackend, switch), listener={"idle_timeout": "300ms"})
    with HttpClient(proxy.address()) as client:
        client.send(request("GET", "/", "Connection: upgrade", "Upgrade: x"))
        assert client.head().status == 101
        client.assert_over()


def test_slow_but_steady_is_fine(front, serve):
    """Bytes keep coming in either direction: no timeout, however long the whole takes."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.dribble(
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + b"x" * 30, pause=0.02)),
        listener={"idle_timeout": "500ms"}, backend={"idle_timeout": "500ms", "first_byte_timeout": "500ms"})
    assert http_client.get(proxy.address()).body == b"x" * 30


def test_client_that_does_not_read(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.source(bytes(1 << 20), 64)),
                  listener={"idle_timeout": "500ms"})
    with HttpClient(proxy.address(), receive_buffer=16384) as client:
        client.send(request())
        proxy.wait_close("backend_reset")
        with pytest.raises((Cut, tls.Ended, AssertionError)):
            client.final()
