"""Promise: WebSocket and any other protocol that a client asks for with Upgrade, and the backend accepts,
passes through as bytes, both ways, with half-closing; nothing is upgraded that was not asked for, and
nobody reaches HTTP/2 in clear text through it."""

import asyncio
import http
import socket
import threading

import pytest
import websockets

from support import backends, http_backends, tls, waiting
from support.http_client import HttpClient, request

UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: echo/1")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"


class WebSocketServer:
    """python3-websockets in a thread of its own: echoes; "bye" ends with code 4001."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(self._begin())
        self.address = "127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]

    async def _begin(self):
        return await websockets.serve(self._session, "127.0.0.1", 0, subprotocols=["chat"],
                                      max_size=1 << 24, process_request=self._gate)

    @staticmethod
    async def _gate(path, _headers):
        return (http.HTTPStatus.FORBIDDEN, [], b"not here\n") if path == "/forbidden" else None

    @staticmethod
    async def _session(websocket):
        async for message in websocket:
            if message == "bye":
                await websocket.close(4001, "as you wish")
            else:
                await websocket.send(message)

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self):
        async def end():
            self._server.close()
            await self._server.wait_closed()
        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def talk(proxy, ca, session, path="/", **more):
    """Runs `session(websocket)` on a connection of a WebSocket client."""
    context = tls.context(ca)

    async def run():
        host, port = proxy.address()
        async with websockets.connect(f"wss://site.test:{port}{path}", host=host, port=port, ssl=context,
                                      server_hostname="site.test",
                                      max_size=1 << 24, **more) as websocket:
            return await session(websocket)
    return asyncio.run(run())


def test_websocket(front, serve, ca):
    async def session(websocket):
        assert websocket.subprotocol == "chat"
        blob = backends.pattern(4 << 20)
        for message in ("hello", "", "\u00fc" * 1000, b"\x00\x01", blob):
            await websocket.send(message)
            assert await websocket.recv() == message
        await (await websocket.ping())
        await websocket.send("bye")
        await websocket.wait_closed()
        return websocket.close_code, websocket.close_reason
    proxy = front(serve(WebSocketServer))
    assert talk(proxy, ca, session, subprotocols=["chat"]) == (4001, "as you wish")
    proxy.wait_metric("usher_http_requests_total", code="101")


def test_many_websockets(front, serve, ca):
    proxy = front(serve(WebSocketServer))

    async def session(first):
        async def one(number):
            host, port = proxy.address()
            async with websockets.connect(f"wss://site.test:{port}/", host=host, port=port,
                                          server_hostname="site.test",
                                          ssl=tls.context(ca)) as websocket:
                for turn in range(10):
                    await websocket.send(f"{number} {turn}")
                    assert await websocket.recv() == f"{number} {turn}"
        await asyncio.gather(*(one(number) for number in range(20)))
        await first.send("still there")
        return await first.recv()
    assert talk(proxy, ca, session) == "still there"


def test_refused_by_the_server(front, serve, ca):
    proxy = front(serve(WebSocketServer))

    async def session(_websocket):
        raise AssertionError("upgraded")
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        talk(proxy, ca, session, "/forbidden")
    assert refused.value.status_code == 403


def switch(exchange):
    """Accepts, then echoes; at the client's end says so and ends."""
    exchange.send(SWITCH)
    exchange.keep = False
    connection = exchange.connection
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"that was all")


def test_bytes_both_ways_with_half_closing(front, serve):
    backend = serve(http_backends.HttpBackend, switch)
    with HttpClient(front(backend).address()) as client:
        client.send(request("GET", "/", *UPGRADE))
        head = client.head()
        assert (head.status, head.field("upgrade")) == (101, "echo/1")
        assert "upgrade" in head.field("connection").lower()
        data = bytes(range(256)) * 64
        client.send(data)
        assert client.take(len(data)) == data
        client.send_close_notify()
        assert client.rest() == (b"that was all", "close_notify")
    seen, = backend.requests
    assert (seen.field("upgrade"), seen.field("connection").lower()) == ("echo/1", "upgrade")


def test_the_server_ends_first(front, serve):
    """What the client says after that still arrives, more than the buffers between hold."""
    got, went_on = bytearray(), threading.Event()

    def half(exchange):
        exchange.send(SWITCH + b"that is all from me")
        exchange.keep = False
        exchange.connection.shutdown(socket.SHUT_WR)
        went_on.wait(60)
        got.extend(backends.read_all(exchange.connection))
    backend = serve(http_backends.HttpBackend, half)
    proxy = front(backend)
    with HttpClient(proxy.address()) as client:
        client.send(request("GET", "/", *UPGRADE))
        assert client.head().status == 101
        assert client.rest() == (b"that is all from me", "close_notify")
        data = backends.pattern(16 << 20)
        sender = threading.Thread(target=lambda: (client.send(data), client.send_close_notify()), daemon=True)
        sender.start()
        went_on.set()
        waiting.until(lambda: backend.open_connections() == 0, "the end of the backend's connection")
        sender.join()
    assert bytes(got) == data
    line, = proxy.access_lines(1)
    assert (line["status"], line["reason"]) == ("101", "ok")


def test_server_speaks_first(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.raw(SWITCH + b"welcome")))
    with HttpClient(proxy.address()) as client:
        client.send(request("GET", "/", *UPGRADE))
        assert client.head().status == 101
        assert client.take(7) == b"welcome"


def test_not_asked_for(front, serve):
    """A 101 that nobody asked for is a broken backend; without "Connection: upgrade" nobody asked."""
    backend = serve(http_backends.HttpBackend, http_backends.raw(SWITCH + b"surprise", "stall"))
    proxy = front(backend)
    for fields in ([], ["Upgrade: echo/1"]):
        with HttpClient(proxy.address()) as client:
            assert client.ask("GET", "/", *fields).status == 502
    assert all(one.field("upgrade") is None for one in backend.requests)


def test_declined(front, serve):
    """The server may answer as if nobody had asked; the connection goes on in HTTP."""
    proxy = front(serve(http_backends.HttpBackend))
    with HttpClient(proxy.address()) as client:
        assert client.ask("GET", "/", *UPGRADE).status == 200
        assert client.ask().status == 200


def test_no_http2_in_clear_text(front, serve):
    """h2c would be a tunnel past every check (RFC 9113 §3.1 has dropped it)."""
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        client.ask("GET", "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                   "HTTP2-Settings: AAMAAABkAAQAAP__")
    seen, = backend.requests
    assert seen.field("upgrade") is None
    assert seen.field("http2-settings") is None


def test_backend_dies_in_the_tunnel(front, serve):
    def dies(exchange):
        exchange.send(SWITCH + b"x")
        exchange.connection.recv(1)
        exchange.reset()
    with HttpClient(front(serve(http_backends.HttpBackend, dies)).address()) as client:
        client.send(request("GET", "/", *UPGRADE))
        assert client.head().status == 101
        client.take(1)
        client.send(b"?")
        data, how = client.rest()
        assert data == b""
        assert how != "close_notify"


def test_request_with_content_is_not_upgraded(front, serve):
    """Where its content ends and the tunnel begins would be a matter of opinion."""
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        assert client.ask("POST", "/", *UPGRADE, body=b"hello").status == 200
    assert backend.requests[0].field("upgrade") is None
