"""Promise: in HTTP mode SIGTERM loses no request: those under way are answered whole, with `Connection: close` where
the head had not left yet; idle connections end at once; whoever is in the queue still gets an answer; HTTP/2
hears GOAWAY, and its streams end whole. Only what outlasts drain_timeout is cut off."""

import signal
import threading
import time

import pytest

from support import http_backends, tls, waiting
from support.http_client import Cut, HttpClient, request


@pytest.fixture
def draining(front, serve):
    """draining(answer, …) → (proxy, backend) with a long drain_timeout."""
    def begin(answer=None, drain_timeout="1h", **more):
        backend = serve(http_backends.HttpBackend, answer)
        return front(backend, process={"drain_timeout": drain_timeout}, **more), backend
    return begin


def test_idle_connections_end_cleanly_at_once(draining):
    proxy, _ = draining()
    clients = [HttpClient(proxy.address()) for _ in range(3)]
    for client in clients:
        assert client.ask().status == 200
    proxy.send(signal.SIGTERM)
    for client in clients:
        assert client.rest() == (b"", "close_notify")
        client.close()
    assert proxy.wait_exit() == 0


def test_a_connection_without_a_request_yet_is_answered(draining):
    """Its first request may be on its way; a clean end instead of an answer would tell the client nothing."""
    proxy, _ = draining(http_backends.named)
    with HttpClient(proxy.address()) as client:
        waiting.until(lambda: proxy.metrics().total("usher_connections", phase="relaying") == 1, "it")
        proxy.send(signal.SIGTERM)
        waiting.until(lambda: _refused(proxy.address()), "the listener to close")
        response = client.ask()
        assert (response.status, response.field("connection")) == (200, "close")
        assert client.rest() == (b"", "close_notify")
    assert proxy.wait_exit() == 0


def test_a_request_under_way_is_answered_and_told(draining):
    gate = threading.Event()
    proxy, backend = draining(http_backends.after(gate, http_backends.reply(200, b"whole")))
    with HttpClient(proxy.address()) as client:
        client.send(request())
        waiting.until(lambda: backend.requests, "the request to come")
        proxy.send(signal.SIGTERM)
        waiting.until(lambda: proxy.admin("/readyz")[0] == 503, "a red /readyz")
        waiting.until(lambda: _refused(proxy.address()), "the listener to close")
        gate.set()
        response = client.final()
        assert (response.status, response.body) == (200, b"whole")
        assert response.field("connection") == "close"
        assert client.rest() == (b"", "close_notify")
    assert proxy.wait_exit() == 0


def test_a_response_under_way_ends_whole(draining):
    gate = threading.Event()

    def halves(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        gate.wait(60)
        exchange.send(b"later")
    proxy, _ = draining(halves)
    with HttpClient(proxy.address()) as client:
        client.send(request() + request())  # the second is not begun any more
        assert client.head().status == 200
        assert client.take(5) == b"first"
        proxy.send(signal.SIGTERM)
        waiting.until(lambda: _refused(proxy.address()), "the listener to close")
        gate.set()
        assert client.take(5) == b"later"
        assert client.rest() == (b"", "close_notify")
    assert proxy.wait_exit() == 0


def test_clients_in_the_queue_are_answered(draining):
    """They are accepted while the process drains: one request each, and the answer says that it was the last."""
    proxy, _ = draining(http_backends.named)
    address = proxy.address()
    proxy.send(signal.SIGSTOP)
    clients = [tls.Client(address) for _ in range(20)]
    proxy.send(signal.SIGTERM)
    proxy.send(signal.SIGCONT)
    for client in clients:
        client.handshake()
        client.send(request())
        answer, how = client.receive_rest()
        assert answer.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in answer, answer
        assert how == "close_notify"
        client.close()
    assert proxy.wait_exit() == 0


def test_what_outlasts_the_timeout_is_cut_off(draining):
    gate = threading.Event()
    proxy, backend = draining(http_backends.after(gate, http_backends.reply(200)), drain_timeout="300ms")
    with HttpClient(proxy.address()) as client:
        client.send(request())
        waiting.until(lambda: backend.requests, "the request to come")
        begun = time.monotonic()
        proxy.send(signal.SIGTERM)
        with pytest.raises(Cut):
            client.final()
        assert proxy.wait_exit() == 0
        assert time.monotonic() - begun >= 0.3
    gate.set()


def test_http2_streams_end_whole(draining, run_client, ca):
    gate = threading.Event()
    proxy, backend = draining(http_backends.after(gate, http_backends.reply(200, b"x" * 100_000)))
    outcome = []
    curl = threading.Thread(target=lambda: outcome.append(run_client(
        ["curl", "-sS", "--http2", "--cacert", ca.file, "--resolve", f"site.test:{proxy.port()}:127.0.0.1",
         "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download}", "--max-time", "50",
         f"https://site.test:{proxy.port()}/"])))
    curl.start()
    waiting.until(lambda: backend.requests, "the request to come")
    proxy.send(signal.SIGTERM)
    waiting.until(lambda: _refused(proxy.address()), "the listener to close")
    gate.set()
    curl.join(60)
    assert outcome == ["2 200 100000"]
    assert proxy.wait_exit() == 0


def _refused(address):
    try:
        tls.connect(address).close()
        return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True
