"""Promise: a client that has vanished, by a reset or by an end without close_notify, frees what works for it at
once, wherever its request stands: the backend's connection is ended, the place in the queue given up, the request
counted as 499. A client that has ended its direction cleanly still gets its answer."""

import socket
import threading

import pytest

from support import backends, http_backends, waiting
from support.h2_frames import HEADERS, H2Client
from support.http_client import HttpClient, request

ONE_WORKER = {"workers": 1}
UPGRADE = request("GET", "/tunnel", "Connection: upgrade", "Upgrade: echo/1")


def begun(exchange):
    """Half a response."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    exchange.stall()


@pytest.fixture
def backend(serve):
    return serve(http_backends.HttpBackend, http_backends.by_target(
        {"/begun": begun}, lambda exchange: exchange.stall()))


def by_reset(client):
    backends.reset(client.sock)


def by_fin(client):
    client.sock.shutdown(socket.SHUT_WR)


def by_reset_after_its_clean_end(client):
    client.send_close_notify()
    client.sock.shutdown(socket.SHUT_WR)
    by_reset(client)


def by_reset_behind_much_more(client):
    """More than is read ahead: the connection is not read when the reset comes."""
    client.send(request() * 2000)
    by_reset(client)


VANISHING = [by_reset, by_fin, by_reset_after_its_clean_end, by_reset_behind_much_more]


@pytest.mark.parametrize("target", ["/silent", "/begun"])
@pytest.mark.parametrize("vanish", VANISHING)
def test_while_the_backend_works(front, backend, vanish, target):
    proxy = front(backend, process=ONE_WORKER)
    with HttpClient(proxy.address()) as client:
        client.send(request(target=target))
        waiting.until(lambda: backend.seen(target), "the request")
        if target == "/begun":
            assert client.head().status == 200
        vanish(client)
        waiting.until(lambda: backend.open_connections() == 0, "the end of the backend's connection")
        line = proxy.access_lines(1)[0]
        assert (line["status"], line["reason"]) == ("200" if target == "/begun" else "499", "client_gone")
        proxy.wait_metric("usher_backend_connections", lambda n: n == 0, server=backend.address)
        proxy.wait_metric("usher_http_requests_total", lambda n: n == 1, code=line["status"])


@pytest.mark.parametrize("vanish", VANISHING)
def test_while_it_waits_in_the_queue(front, backend, vanish):
    proxy = front(backend, process=ONE_WORKER, backend={"max_connections": 1, "queue": 1, "connect_timeout": "5m"})
    with HttpClient(proxy.address()) as holder, HttpClient(proxy.address()) as client:
        holder.send(request())
        waiting.until(lambda: backend.seen("/"), "the request")
        client.send(request(target="/queued"))
        proxy.wait_metric("usher_bytes_total", lambda n: n >= len(request()) + len(request(target="/queued")),
                          direction="to_backend")
        vanish(client)
        line = proxy.access_lines(1)[0]
        assert (line["path"], line["status"], line["reason"]) == ("/queued", "499", "client_gone")
        assert not backend.seen("/queued")


@pytest.mark.parametrize("how", ["reset", "fin", "close_notify"])
def test_all_streams_of_http2(front, backend, how):
    """In HTTP/2 any end of the connection is the end of its streams: no window would be opened any more."""
    proxy = front(backend, process=ONE_WORKER)
    with H2Client(proxy.address()) as client:
        for stream in (1, 3, 5):
            client.request(stream, path="/begun")
        for _ in range(3):
            client.wait(HEADERS)
        client.vanish(how)
        waiting.until(lambda: backend.open_connections() == 0, "the end of the backend's connections")
        assert {line["reason"] for line in proxy.access_lines(3)} == {"client_gone"}


def test_a_tunnel_that_is_cut_off(front, serve):
    """What came through it must not look whole: the backend sees a reset, as in TCP mode."""
    how = []

    def tunnel(exchange):
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
        exchange.keep = False
        try:
            while data := exchange.connection.recv(65536):
                exchange.send(data)
            how.append("fin")
        except ConnectionResetError:
            how.append("reset")
    proxy = front(serve(http_backends.HttpBackend, tunnel))
    with HttpClient(proxy.address()) as client:
        client.send(UPGRADE)
        assert client.head().status == 101
        client.send(b"hello")
        assert client.take(5) == b"hello"
        by_fin(client)
        waiting.until(lambda: how, "the end")
    assert how == ["reset"]


def test_a_clean_end_is_none(front, serve):
    go_on = threading.Event()
    backend = serve(http_backends.HttpBackend, http_backends.after(go_on, http_backends.reply(200, b"here")))
    proxy = front(backend, process=ONE_WORKER)
    with HttpClient(proxy.address()) as client:
        client.send(request())
        client.send_close_notify()
        client.sock.shutdown(socket.SHUT_WR)
        waiting.until(lambda: backend.requests, "the request")
        proxy.wait_calm()
        go_on.set()
        assert client.final().body == b"here"
