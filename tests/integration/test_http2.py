"""Promise: HTTP/2 clients share one connection for many requests and lose nothing by it: each stream has its own
pace, which is its backend's; what HTTP/1.1 cannot say (resets, trailers, an answer before the request's end) is
said as RFC 9113 has it; a drain lets everything finish."""

import hashlib
import re
import signal
import struct
import threading

import pytest

from support import backends, http_backends, waiting
from support.h2_frames import (CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
                               INTERNAL_ERROR, NO_ERROR, RST_STREAM, WINDOW_UPDATE, H2Client, code_of, frame,
                               settings)

MIB = 1 << 20


# --- requests and responses

def test_what_the_backend_is_told(front, serve):
    backend = serve(http_backends.HttpBackend)
    with H2Client(front(backend).address()) as client:
        client.ask(1, "GET", "/p?q=1", ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-a", "v"))
        client.ask(3, "GET", "/", ("host", "site.test"))
    first, second = backend.requests
    assert first.line == "GET /p?q=1 HTTP/1.1"
    assert first.field("host") == second.field("host") == "site.test"
    assert first.field("cookie") == "a=1; b=2"
    assert first.field("te") == "trailers"
    assert first.field("x-a") == "v"
    assert first.field("x-forwarded-proto") == "https"
    assert first.field("content-length") is None and first.field("transfer-encoding") is None


@pytest.mark.parametrize("counted", [True, False])
def test_content_and_trailers_of_a_request(front, serve, counted):
    backend = serve(http_backends.HttpBackend)
    with H2Client(front(backend).address()) as client:
        fields = [("content-length", "5")] if counted else []
        client.request(1, "POST", "/", *fields, flags=END_HEADERS)
        client.frame(DATA, 0, 1, b"he")
        client.frame(DATA, 0, 1, b"llo")
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, client.encoder.encode([("x-sum", "7"), ("host", "x")]))
        assert client.response(1).status == 200
    request, = backend.requests
    assert request.body == b"hello"
    if counted:
        assert request.field("content-length") == "5"
    else:
        assert request.field("transfer-encoding") == "chunked"
        assert request.trailers == [("x-sum", "7")]


def test_responses_of_every_framing(front, serve):
    def answer(exchange):
        how = exchange.request.target
        if how == "/chunked":
            exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                          b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
        elif how == "/close":
            exchange.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            exchange.close()
        elif how == "/hop":
            exchange.reply(200, b"", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "X-Kept: Yes")
        else:
            exchange.reply(int(how[1:]), b"content" if how == "/200" else b"")
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        chunked = client.ask(1, "GET", "/chunked")
        assert (chunked.body, chunked.trailers) == (b"abc", [("x-sum", "6")])
        assert chunked.field("transfer-encoding") is None
        assert client.ask(3, "GET", "/close").body == b"until the end"
        hop = client.ask(5, "GET", "/hop")
        assert hop.field("x-kept") == "Yes"
        assert not {"connection", "x-hop", "keep-alive"} & {name for name, _ in hop.fields}
        head = client.ask(7, "HEAD", "/200")
        assert (head.field("content-length"), head.body) == ("7", b"")
        assert client.ask(9, "GET", "/304").status == 304
        assert client.ask(11, "GET", "/204").status == 204


def test_informational_responses(front, serve):
    def answer(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
        if exchange.request.field("expect"):
            exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.reply(200, exchange.body())
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        client.request(1, "POST", "/", ("expect", "100-continue"), flags=END_HEADERS)
        client.wait(HEADERS, 1)
        client.wait(HEADERS, 1)
        client.frame(DATA, END_STREAM, 1, b"now")
        whole = client.response(1)
        assert [status for status, _ in whole.informational] == [103, 100]
        assert whole.informational[0][1] == [("link", "</x>; rel=preload")]
        assert whole.body == b"now"


def test_strict_transport_security(front, serve):
    backend = serve(http_backends.HttpBackend,
                    http_backends.reply(200, b"", "Strict-Transport-Security: max-age=1"))
    with H2Client(front(backend, listener={"hsts": "max-age=60"}).address()) as client:
        fields = client.ask(1).fields
    assert [value for name, value in fields if name == "strict-transport-security"] == ["max-age=60"]


def test_streams_do_not_wait_for_each_other(front, serve):
    go = threading.Event()

    def answer(exchange):
        if exchange.request.target == "/slow":
            go.wait(waiting.PATIENCE)
        exchange.reply(200, exchange.request.target.encode())
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        client.request(1, "GET", "/slow")
        for stream in range(3, 41, 2):
            client.request(stream, "GET", f"/{stream}")
        for stream in range(3, 41, 2):
            assert client.response(stream).body == f"/{stream}".encode()
        assert client.responses[1].status is None
        go.set()
        assert client.response(1).body == b"/slow"


# --- flow control

def test_an_upload_goes_at_its_backends_pace(front, serve):
    """The client may be ahead by its window and what the sockets hold, no more; other streams go on."""
    go = threading.Event()

    def answer(exchange):
        if exchange.request.method == "GET":
            return exchange.reply(200, b"x")
        go.wait(waiting.PATIENCE)
        digest = hashlib.sha256()
        for part in exchange.parts(store=False):
            digest.update(part)
        exchange.reply(200, digest.hexdigest().encode())
    proxy = front(serve(http_backends.HttpBackend, answer))
    block = backends.pattern(16384)
    total = 4096  # blocks: 64 MiB
    with H2Client(proxy.address()) as client:
        client.ask(1)
        client.request(3, "POST", flags=END_HEADERS)
        window = {0: 65535 + granted(client, 0), 3: 262144 + granted(client, 3)}
        sent = 0
        while sent < total and min(window.values()) >= len(block):
            client.frame(DATA, 0, 3, block)
            sent += 1
            window = {stream: left - len(block) for stream, left in window.items()}
            if min(window.values()) < len(block):
                client.ping()
                client.ping()
                for stream in window:
                    window[stream] += granted(client, stream)
        assert sent * len(block) < 16 * MIB  # sockets hold the most of it
        assert client.ask(5).status == 200
        go.set()
        while sent < total:
            while min(window.values()) < len(block):
                client.wait(WINDOW_UPDATE)
                for stream in window:
                    window[stream] += granted(client, stream)
            client.frame(DATA, 0, 3, block)
            sent += 1
            window = {stream: left - len(block) for stream, left in window.items()}
        client.frame(DATA, END_STREAM, 3, b"")
        assert client.response(3).body.decode() == hashlib.sha256(block * total).hexdigest()


def granted(client, stream):
    """What the server's WINDOW_UPDATEs that have come, and were not asked for before, grant."""
    mine = [one for one in client.seen if one.type == WINDOW_UPDATE and one.stream == stream]
    client.seen = [one for one in client.seen if one not in mine]
    return sum(struct.unpack(">I", one.payload)[0] for one in mine)


def test_a_download_goes_at_the_clients_pace(front, serve):
    size = 64 * MIB
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, bytes(size)))
    proxy = front(backend)
    with H2Client(proxy.address()) as client:
        client.ask(1, "HEAD")
        before = proxy.rss_kib()
        client.request(3)
        while len(client.responses[3].body) < 65535:
            client.next()
        client.ping()
        assert len(client.responses[3].body) == 65535  # the window
        assert client.ask(5, "HEAD").status == 200
        assert proxy.rss_kib() - before < waiting.memory_kib(2048)
        for stream in 0, 3:
            client.window(stream, 65535)
        assert len(client.response(3).body) == size


# --- ends

def test_a_reset_ends_the_backends_work(front, serve):
    gone = threading.Event()

    def answer(exchange):
        exchange.stall()
        gone.set()
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        client.request(1)
        client.ping()
        client.frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL))
        assert gone.wait(waiting.PATIENCE)


def test_a_backend_that_breaks_off_resets_the_stream(front, serve):
    def answer(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        exchange.close()
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        client.request(1)
        assert code_of(client.wait(RST_STREAM, 1)) == INTERNAL_ERROR
        client.request(3)
        assert code_of(client.wait(RST_STREAM, 3)) == INTERNAL_ERROR


def test_an_answer_before_the_requests_end(front, serve):
    """RFC 9113 §8.1: the response is whole, then NO_ERROR asks for no more."""
    def answer(exchange):
        exchange.reply(413, b"too much", "Connection: close")
        exchange.close()
    with H2Client(front(serve(http_backends.HttpBackend, answer)).address()) as client:
        client.request(1, "POST", flags=END_HEADERS)
        whole = client.response(1)
        assert (whole.status, whole.body) == (413, b"too much")
        client.frame(DATA, 0, 1, bytes(16384))
        client.frame(DATA, 0, 1, b"x")
        assert code_of(client.wait(RST_STREAM, 1)) == NO_ERROR
        client.frame(DATA, 0, 1, bytes(1000))  # was on its way
        client.frame(DATA, END_STREAM, 1, b"")
        assert client.ask(3).status == 413


def test_a_request_that_does_not_end_after_its_answer(front, serve):
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.reply(200))
    with H2Client(front(backend).address()) as client:
        client.request(1, "POST", flags=END_HEADERS)
        assert client.response(1).status == 200
        assert code_of(client.wait(RST_STREAM, 1)) == NO_ERROR
        assert client.ask(3).status == 200


def test_the_rest_of_an_answered_request_is_let_come(front, serve):
    """A client that has sent nearly all of its request is not reset for its last frame."""
    proxy = front(serve(http_backends.HttpBackend, lambda exchange: exchange.reply(200, b"early")))
    for _ in range(10):  # more than one only where five seconds pass between two lines
        with H2Client(proxy.address()) as client:
            client.request(1, "POST", flags=END_HEADERS)
            assert client.response(1).body == b"early"
            client.frame(DATA, 0, 1, bytes(1000))
            client.frame(DATA, END_STREAM, 1, b"")
            client.ping()
            if RST_STREAM not in [one.type for one in client.seen]:
                return
    raise AssertionError("each was reset")


def test_no_backend(front, serve):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    backend.close()
    with H2Client(proxy.address()) as client:
        whole = client.ask(1)
        assert whole.status in (502, 503)
        assert whole.field("x-request-id")


# --- drain

def test_a_drain_lets_streams_finish(front, serve):
    go = threading.Event()

    def answer(exchange):
        go.wait(waiting.PATIENCE)
        exchange.reply(200, b"finished")
    backend = serve(http_backends.HttpBackend, answer)
    proxy = front(backend, process={"drain_timeout": "1h"})
    with H2Client(proxy.address()) as client:
        client.request(1)
        waiting.until(lambda: backend.requests, "the request")
        proxy.send(signal.SIGTERM)
        first = client.wait(GOAWAY)
        assert struct.unpack(">II", first.payload[:8]) == ((1 << 31) - 1, NO_ERROR)
        client.request(3)  # the client had not heard of it
        second = client.wait(GOAWAY)  # after a second: the PING was not acknowledged
        assert struct.unpack(">II", second.payload[:8]) == (3, NO_ERROR)
        client.request(5)  # is ignored: it may be repeated elsewhere
        go.set()
        assert client.response(1).body == client.response(3).body == b"finished"
        client.wait_end()
        assert client.responses[5].status is None


def test_an_idle_connection_drains_at_once(front, serve):
    proxy = front(serve(http_backends.HttpBackend), process={"drain_timeout": "1h"})
    with H2Client(proxy.address()) as client:
        client.ask(1)
        proxy.send(signal.SIGTERM)
        ping = client.wait(6)
        client.frame(6, 1, 0, ping.payload)
        client.wait_end()
        assert [one.type for one in client.seen].count(GOAWAY) == 2
    proxy.wait_exit()


# --- clients of others

def test_nghttp(front, serve, run_client):
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, backends.pattern(100_000)))
    port = front(backend).port()
    said = run_client(["nghttp", "-nv", "--no-verify-peer", "-m", 20, f"https://127.0.0.1:{port}/"])
    assert len(re.findall(r":status.* 200", said)) == 20, said


@pytest.mark.parametrize("arguments", [["-n", 2000, "-c", 4, "-m", 32], ["-n", 200, "-c", 2, "-m", 100, "-d"]],
                         ids=["many", "uploads"])
def test_h2load(front, serve, run_client, tmp_path, arguments):
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, bytes(20_000)))
    if arguments[-1] == "-d":
        blob = tmp_path / "blob"
        blob.write_bytes(bytes(50_000))
        arguments = [*arguments, blob]
    said = run_client(["h2load", *arguments, f"https://127.0.0.1:{front(backend).port()}/"])
    count = arguments[1]
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
