"""Promise: no HTTP/2 client can make the proxy work or hold memory for nothing: what brings no request and no
content forward is bounded in number and size, counted, and ends the connection with ENHANCE_YOUR_CALM; a client
that uses HTTP/2 heavily is not taken for one."""

import struct
import time

import pytest

from support import http_backends, waiting
from support.h2_frames import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
                               INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, NO_ERROR, PADDED, PING, PRIORITY,
                               PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Ended, H2Client,
                               code_of, frame, settings)

ALL = END_STREAM | END_HEADERS
MIB = 1 << 20


@pytest.fixture
def proxy(front, serve):
    return front(serve(http_backends.HttpBackend, http_backends.reply(200, b"hello")))


def flood(client, parts):
    """Sends until the server has had enough: the error code of its GOAWAY."""
    try:
        for part in parts:
            client.send(part)
    except OSError:
        pass  # it does not read any more; its GOAWAY is there
    return client.goaway()


def end_as_flood(proxy, client, parts):
    assert flood(client, parts) == ENHANCE_YOUR_CALM
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1, reason="flood")


FLOODS = {
    "settings": frame(SETTINGS),
    "pings": frame(PING, 0, 0, bytes(8)),
    "ping acknowledgements": frame(PING, ACK, 0, bytes(8)),
    "priorities": frame(PRIORITY, 0, 1, bytes(4) + b"\x10"),
    "priorities of idle streams": frame(PRIORITY, 0, 99, bytes(4) + b"\x10"),
    "windows": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
    "unknown frames": frame(0xfb, 0, 0, b""),
    "resets of one stream": frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL)),
}


@pytest.mark.parametrize("what", FLOODS)
def test_control_frames(proxy, what):
    with H2Client(proxy.address()) as client:
        client.ask(1)
        end_as_flood(proxy, client, [FLOODS[what] * 500] * 10)


def test_acknowledgements_of_no_settings(proxy):
    """An error from the first on, if that is looked at before there are too many."""
    with H2Client(proxy.address()) as client:
        client.ask(1)
        assert flood(client, [frame(SETTINGS, ACK) * 500] * 10) in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR)
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1)


@pytest.mark.parametrize("empty", [frame(DATA, 0, 1), frame(DATA, PADDED, 1, b"\x03abc")], ids=["empty", "padding"])
def test_empty_data(proxy, empty):
    with H2Client(proxy.address()) as client:
        client.request(1, "POST", flags=END_HEADERS)
        end_as_flood(proxy, client, [empty * 500] * 10)


def test_rapid_reset(front, serve):
    """CVE-2023-44487."""
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, b"hello"))
    proxy = front(backend)
    with H2Client(proxy.address()) as client:
        reset = struct.pack(">I", CANCEL)
        pairs = [frame(HEADERS, ALL, n, client.block()) + frame(RST_STREAM, 0, n, reset)
                 for n in range(1, 10_001, 2)]
        end_as_flood(proxy, client, [b"".join(pairs[i:i + 100]) for i in range(0, len(pairs), 100)])
    assert len(backend.requests) < 500


def test_resets_that_the_server_is_made_to_send(proxy):
    """CVE-2025-8671."""
    with H2Client(proxy.address()) as client:
        bad = struct.pack(">I", (1 << 31) - 1)
        pairs = [frame(HEADERS, END_HEADERS, n, client.block("POST")) + frame(WINDOW_UPDATE, 0, n, bad)
                 for n in range(1, 4001, 2)]
        assert flood(client, [b"".join(pairs[i:i + 50]) for i in range(0, len(pairs), 50)]) == ENHANCE_YOUR_CALM


def test_malformed_requests_without_end(proxy):
    with H2Client(proxy.address()) as client:
        bad = [frame(HEADERS, ALL, n, client.block("GET", "/", ("connection", "x"))) for n in range(1, 4001, 2)]
        assert flood(client, [b"".join(bad[i:i + 50]) for i in range(0, len(bad), 50)]) == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("size", [0, 1, 16384])
def test_continuations(proxy, size):
    """CVE-2024-27316."""
    with H2Client(proxy.address()) as client:
        first = frame(HEADERS, END_STREAM, 1, client.block())
        field = b"\x00\x01x\x7f\x81\x01" + b"v" * 256  # a name and a value, not indexed
        more = field * (size // len(field)) if size > 1 else field[:size]
        end_as_flood(proxy, client, [first, *[frame(CONTINUATION, 0, 1, more)] * 100])


def test_a_head_larger_than_allowed_is_not_kept(proxy):
    """The bomb: a few bytes that each stand for a large field of the dynamic table."""
    with H2Client(proxy.address()) as client:
        client.request(1, "GET", "/", ("x-large", "v" * 4000))
        assert client.response(1).status == 200
        before = proxy.rss_kib()
        for stream in range(3, 103, 2):
            client.frame(HEADERS, ALL, stream, client.block() + b"\xbe" * 15_000)  # the newest entry
        for stream in range(3, 103, 2):
            assert client.response(stream).status == 431
        assert client.ask(103).status == 200
        assert proxy.rss_kib() - before < 8 * 1024


def test_concurrent_streams(front, serve):
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.stall())
    proxy = front(backend)
    with H2Client(proxy.address()) as client:
        announced = client.wait(SETTINGS).payload
        most = dict(struct.iter_unpack(">HI", announced))[MAX_CONCURRENT_STREAMS]
        assert most == 128
        client.ping()  # our acknowledgement has come before it
        client.send(b"".join(frame(HEADERS, ALL, n, client.block()) for n in range(1, 2 * most + 2, 2)))
        kind, *rest = client.error()
        assert kind == "goaway" or rest == [2 * most + 1, REFUSED_STREAM]


def test_a_client_that_does_not_read_does_not_make_the_proxy_grow(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(200, bytes(MIB))))
    with H2Client(proxy.address(), settings(INITIAL_WINDOW_SIZE=(1 << 31) - 1)) as client:
        client.window(0, (1 << 31) - 1 - 65535)
        client.ask(1)
        before = proxy.rss_kib()
        client.send(b"".join(frame(HEADERS, ALL, n, client.block()) for n in range(3, 203, 2)))
        proxy.wait_calm()
        assert proxy.rss_kib() - before < waiting.memory_kib(24 * 1024)
        answered = {client.wait(HEADERS).stream for _ in range(100)}
        assert answered == set(range(3, 203, 2))


def test_responses_to_closed_windows_stay_with_the_backend(front, serve):
    """A connection's responses together have a bound, above which each stream has a small share; a stream whose
    window is open moves on nevertheless."""
    most = (256 + 128 + 99 * 8) * 1024  # proxy/http/http2_limits.h
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(200, bytes(MIB))), process={"workers": 1})
    with H2Client(proxy.address(), settings(INITIAL_WINDOW_SIZE=0)) as client:
        for stream in range(1, 201, 2):
            client.request(stream, path=f"/{stream}")
        assert {client.wait(HEADERS).stream for _ in range(100)} == set(range(1, 201, 2))
        client.window(1, 65535)
        assert len(client.response(1).body) == MIB
    taken = {line["path"]: int(line["bytes_out"]) for line in proxy.access_lines(100)}
    assert taken.pop("/1") == MIB
    assert 0 < sum(taken.values()) <= most


@pytest.mark.parametrize("window", [0, 1])
def test_a_response_that_is_not_let_move_is_reset(front, serve, window):
    """A client that keeps its window closed, or opens it byte by byte."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(200, bytes(1000))),
                  listener={"idle_timeout": "1s"})
    with H2Client(proxy.address(), settings(INITIAL_WINDOW_SIZE=0)) as client:
        client.request(1)
        begun = time.monotonic()
        client.patience(0.1)
        while time.monotonic() - begun < 80:  # in which not all of it can have moved
            try:
                came = client.next()
            except TimeoutError:
                if window:
                    client.window(1, window)
                continue
            if came.type == RST_STREAM:
                assert code_of(came) == CANCEL
                break
        else:
            raise AssertionError("it was not reset")
        assert time.monotonic() - begun > 0.9


# --- heavy use that is none

def test_a_window_update_for_each_small_frame(front, serve):
    def drip(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3000):
            exchange.send(b"1\r\nx\r\n")
        exchange.send(b"0\r\n\r\n")
    proxy = front(serve(http_backends.HttpBackend, drip))
    with H2Client(proxy.address()) as client:
        assert client.ask(1).body == b"x" * 3000


def test_a_page_that_is_left(proxy):
    """All streams of a connection are reset at once; then the next page is asked for."""
    with H2Client(proxy.address()) as client:
        reset = struct.pack(">I", CANCEL)
        streams = range(1, 201, 2)
        client.send(b"".join(frame(HEADERS, ALL, n, client.block()) for n in streams)
                    + b"".join(frame(RST_STREAM, 0, n, reset) for n in streams))
        client.ping()
        assert client.ask(201).status == 200


def test_requests_without_number(proxy):
    with H2Client(proxy.address()) as client:
        for first in range(1, 6001, 200):
            streams = range(first, first + 200, 2)
            client.send(b"".join(frame(HEADERS, ALL, n, client.block()) for n in streams))
            answered = 0
            while answered < len(streams):
                came = client.next()
                answered += came.type == DATA and came.flags & END_STREAM


def test_a_head_that_does_not_end_is_a_matter_of_time(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    with H2Client(proxy.address(), patience=30) as client:
        client.ask(1)
        client.frame(HEADERS, END_STREAM, 3, client.block())
        assert client.goaway() == ENHANCE_YOUR_CALM
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == 1, reason="head_timeout")


def test_a_silent_client_is_let_go(front, serve):
    proxy = front(serve(http_backends.HttpBackend), listener={"idle_timeout": "1s"})
    with H2Client(proxy.address()) as client:
        client.ask(1)
        assert client.goaway() == NO_ERROR
    proxy.wait_close("idle_timeout")
