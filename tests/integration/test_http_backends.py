"""Promise: whatever a backend does, a client gets either exactly its response or a correct error: 502 or 504
while nothing has been said, and otherwise an end that no client can take for a whole response. One response
never becomes part of another. A request is sent again only if it is idempotent and its connection ended without
a byte of response: freely where the connection was a pooled one, once and to another server where it was not."""

import threading

import pytest

from support import backends, http_backends, http_client, waiting
from support.h2_frames import DATA, END_HEADERS, END_STREAM, H2Client
from support.http_client import Cut, HttpClient, chunked, request

OK = b"HTTP/1.1 200 OK\r\n"


def head(*lines, status=b"HTTP/1.1 200 OK"):
    return b"\r\n".join([status, *lines, b"", b""])


@pytest.fixture
def behind(front, serve):
    """behind(answer, …) → (proxy, backend); one worker, so that pools are exact."""
    def begin(answer, server=None, **more):
        backend = serve(http_backends.HttpBackend, answer)
        return front(backend, process={"workers": 1}, backend={"eject_after": 0, **more}), backend
    return begin


# --- before a response

NO_RESPONSE = {
    "garbage": b"garbage\r\n\r\n", "smtp": b"220 mail.test ESMTP\r\n", "empty-line": b"\r\n\r\n",
    "http-2": head(status=b"HTTP/2.0 200 OK"), "http-0.9": b"<html>hello</html>",
    "lower-case": head(status=b"http/1.1 200 OK"), "status-99": head(status=b"HTTP/1.1 99 X"),
    "status-1000": head(status=b"HTTP/1.1 2000 OK"), "status-text": head(status=b"HTTP/1.1 OK"),
    "status-sign": head(status=b"HTTP/1.1 +20 OK"), "status-glued": head(status=b"HTTP/1.1 200OK"),
    "length-text": head(b"Content-Length: x"), "length-negative": head(b"Content-Length: -1"),
    "length-twice": head(b"Content-Length: 1", b"Content-Length: 2"), "length-list": head(b"Content-Length: 1, 2"),
    "length-huge": head(b"Content-Length: 99999999999999999999"), "length-empty": head(b"Content-Length:"),
    "length-and-chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "coding": head(b"Transfer-Encoding: gzip, chunked"), "coding-x": head(b"Transfer-Encoding: xchunked"),
    "coding-twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding-1.0": head(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK"),
    "obs-fold": head(b"X-A: b\r\n c"), "space-before-colon": head(b"X-A : b"), "no-colon": head(b"X-A"),
    "nul": head(b"X-A: \0"), "bare-cr": head(b"X-A: b\rc"), "bare-lf": b"HTTP/1.1 200 OK\nX-A: b\n\n",
    "no-name": head(b": b"), "101": head(b"Upgrade: x", b"Connection: upgrade",
                                         status=b"HTTP/1.1 101 Switching Protocols"),
    "hints-without-end": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000,
    "large-hints": (b"HTTP/1.1 103 Early Hints\r\nLink: " + b"a" * 4000 + b"\r\n\r\n") * 10
                   + head(b"Content-Length: 100"),
    "giant-head": OK + b"X-A: " + b"a" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n",
    "many-fields": OK + b"X: y\r\n" * 20_000 + b"\r\n",
}
NEVER_A_HEAD = {"smtp", "http-0.9"}  # until the connection ends they might still become one


@pytest.mark.parametrize("then", ["close", "stall"])
def test_no_response(behind, then):
    """Each is a 502, whether the server ends the connection behind it or not, and that connection is not used
    again: the next request is answered by the next connection."""
    cases = {name: data for name, data in NO_RESPONSE.items() if then == "close" or name not in NEVER_A_HEAD}
    proxy, backend = behind(http_backends.by_target(
        {f"/{name}": http_backends.raw(data + b"x" * 100, then) for name, data in cases.items()}))
    wrong = {}
    for name in cases:
        with HttpClient(proxy.address()) as client:
            client.send(request(target=f"/{name}"))
            response = client.final()
            if response.status != 502 or client.ask(target="/after").status != 200:
                wrong[name] = response
    assert wrong == {}
    assert len(backend.seen("/after")) == len(cases)
    failed = proxy.metrics().total("usher_backend_failures_total", server=backend.address)
    assert failed == len(cases)


ENDS = {
    "close": http_backends.dying, "reset": http_backends.raw(b"", "reset"),
    "half-a-head": http_backends.raw(OK + b"Content-Le"), "half-a-line": http_backends.raw(b"HTT"),
    "half-reset": http_backends.raw(OK + b"X", "reset"), "endless-head": http_backends.endless_head,
    "after-hints": http_backends.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


def test_ends_before_the_response(behind):
    """502; a request on a fresh connection is not sent again, idempotent or not."""
    proxy, backend = behind(http_backends.by_target({f"/{name}": answer for name, answer in ENDS.items()}))
    for name in ENDS:
        for method in ("GET", "POST"):
            with HttpClient(proxy.address()) as client:
                client.send(request(method, f"/{name}", body=b"x" if method == "POST" else None))
                assert client.final().status == 502, name
        assert len(backend.seen(f"/{name}")) == 2, name


def test_no_answer_means_another_server_once(front, serve):
    """A fresh connection that ends without a byte may have stood in the queue of a server that was ending: an
    idempotent request goes to one other server, and no further."""
    dying = [serve(http_backends.HttpBackend, http_backends.dying) for _ in range(3)]
    proxy = front(*dying, process={"workers": 1}, backend={"eject_after": 0})
    assert http_client.get(proxy.address(), "/get").status == 502
    assert sorted(len(one.seen("/get")) for one in dying) == [0, 1, 1]
    assert http_client.get(proxy.address(), "/post", method="POST", body=b"x").status == 502
    assert sum(len(one.seen("/post")) for one in dying) == 1
    alive = serve(http_backends.HttpBackend)
    proxy = front(dying[0], alive, process={"workers": 1}, backend={"eject_after": 0})
    for _ in range(4):
        assert http_client.get(proxy.address(), "/").status == 200
    assert len(alive.requests) == 4


def test_nobody_listens(front, serve):
    proxy = front(serve(backends.Refused), serve(backends.Refused), backend={"eject_after": 0})
    for method in ("GET", "POST", "HEAD"):
        assert http_client.get(proxy.address(), method=method).status == 502


def test_next_server(front, serve):
    """One that refuses has not seen the request: the next one gets it, idempotent or not."""
    alive = serve(http_backends.HttpBackend)
    proxy = front(serve(backends.Refused), alive, process={"workers": 1}, backend={"eject_after": 0})
    with HttpClient(proxy.address()) as client:
        for turn in range(6):
            body = b"x" * turn * 10_000
            assert client.ask("POST", "/", body=body).body.endswith(b"\r\n\r\n" + body)
    assert len(alive.requests) == 6


# --- inside a response

CUTS = {
    "short-length": (head(b"Content-Length: 10") + b"hello", "close"),
    "no-content": (head(b"Content-Length: 10"), "close"),
    "reset": (head(b"Content-Length: 100000") + b"a" * 50_000, "reset"),
    "reset-until-close": (head() + b"a" * 50_000, "reset"),
    "no-last-chunk": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n", "close"),
    "no-final-line": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n", "close"),
    "half-a-chunk": (head(b"Transfer-Encoding: chunked") + b"a\r\nhello", "close"),
    "chunk-reset": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n", "reset"),
    "chunk-size": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\n", "stall"),
    "chunk-lf": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n5\nhello\r\n0\r\n\r\n", "stall"),
    "chunk-long": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello world\r\n0\r\n\r\n", "stall"),
    "chunk-overflow": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n" + b"f" * 17 + b"\r\n", "stall"),
    "trailer": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", "stall"),
}


def test_cut_off_is_never_taken_for_whole(behind):
    proxy, _ = behind(http_backends.by_target(
        {f"/{name}": http_backends.raw(*case) for name, case in CUTS.items()}))
    wrong = {}
    for name in CUTS:
        for version in ("1.1", "1.0"):
            with HttpClient(proxy.address()) as client:
                try:
                    client.send(request(target=f"/{name}", version=version))
                    response = client.final()
                    if response.status != 502:  # nothing had been said yet: as good
                        wrong[name, version] = response
                except Cut as cut:
                    # With chunks or a length the client sees for itself; without, the end must not be clean.
                    if cut.how == "close_notify" and name == "reset-until-close":
                        wrong[name, version] = cut
    assert wrong == {}


def test_curl_sees_the_cut(behind, run_client, ca):
    proxy, _ = behind(http_backends.by_target(
        {f"/{name}": http_backends.raw(*case) for name, case in CUTS.items()}))
    for version in ("--http1.1", "--http2"):
        for name in ("short-length", "reset", "reset-until-close", "no-last-chunk", "chunk-size"):
            said = run_client(["curl", "-sS", "-o", "/dev/null", version, "--cacert", ca.file, "-w", "%{exitcode} "
                               "%{http_code}", "--resolve", f"site.test:{proxy.port()}:127.0.0.1",
                               f"https://site.test:{proxy.port()}/{name}"])
            code, status = said.split()[-2:]
            assert code != "0" or status == "502", (version, name, said)


SURPLUS = {
    "after-length": head(b"Content-Length: 5") + b"hello" + head(b"Content-Length: 5") + b"poiso",
    "after-chunks": head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"
                    + head(b"Content-Length: 5") + b"poiso",
    "after-204": head(status=b"HTTP/1.1 204 No Content") + head(b"Content-Length: 5") + b"poiso",
    "204-with-content": head(b"Content-Length: 5", status=b"HTTP/1.1 204 No Content") + b"poiso",
    "304-with-content": head(b"Content-Length: 5", status=b"HTTP/1.1 304 Not Modified") + b"poiso",
}


@pytest.mark.parametrize("later", [False, True])
def test_surplus_is_nobodys(behind, later):
    """What a server says beyond its response is no answer to the next request, whether it comes with it or later,
    when the connection is idle."""
    go, sent = threading.Event(), threading.Event()

    def surplus(exchange):
        exchange.body()
        data = SURPLUS[exchange.request.target[1:]]
        at = data.rindex(b"HTTP") or data.index(b"\r\n\r\n") + 4
        exchange.send(data[:at] if later else data)
        if later:
            go.wait(60)
            exchange.send(data[at:])
            sent.set()
    proxy, backend = behind(http_backends.by_target({f"/{name}": surplus for name in SURPLUS}))
    for name in SURPLUS:
        go.clear()
        sent.clear()
        with HttpClient(proxy.address()) as client:
            assert client.ask(target=f"/{name}").body in (b"hello", b"")
            go.set()
            assert not later or sent.wait(60)
            second = client.ask(target="/second")
            assert (second.status, b"GET /second" in second.body) == (200, True), name
    assert backend.connections == 1 + len(SURPLUS)


def test_content_for_a_head_request(behind):
    proxy, _ = behind(http_backends.by_target({"/head": http_backends.raw(
        head(b"Content-Length: 19") + b"HTTP/1.1 200 poison", "keep")}))
    with HttpClient(proxy.address()) as client:
        for _ in range(3):
            assert client.ask("HEAD", "/head").field("content-length") == "19"
            assert b"GET /second" in client.ask(target="/second").body


def test_unusual_but_right(behind):
    whole = backends.pattern(100_000)
    answers = {
        "1.0": http_backends.raw(b"HTTP/1.0 200 OK\r\n\r\n" + whole),
        "1.0-length": http_backends.raw(b"HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n" + whole),
        "until-close": http_backends.raw(head(b"Connection: close") + whole),
        "no-reason": http_backends.raw(b"HTTP/1.1 200 \r\nContent-Length: 100000\r\n\r\n" + whole, "keep"),
        "no-space": http_backends.raw(b"HTTP/1.1 200\r\nContent-Length: 100000\r\n\r\n" + whole, "keep"),
        "same-length-twice": http_backends.raw(
            head(b"Content-Length: 100000", b"Content-Length: 100000") + whole, "keep"),
        "extensions": http_backends.raw(head(b"Transfer-Encoding: Chunked") + b"186A0;x=\"y\"\r\n" + whole
                                        + b"\r\n0\r\nX-T: 1\r\n\r\n", "keep"),
        "one-byte-chunks": http_backends.raw(
            head(b"Transfer-Encoding: chunked")
            + b"".join(b"1\r\n" + whole[at:at + 1] + b"\r\n" for at in range(len(whole))) + b"0\r\n\r\n", "keep"),
    }
    proxy, _ = behind(http_backends.by_target({f"/{name}": answer for name, answer in answers.items()}))
    with HttpClient(proxy.address()) as client:
        for name in answers:
            response = client.ask(target=f"/{name}")
            assert (response.status, response.body == whole) == (200, True), name
            assert response.field("content-length") in (None, "100000")


def test_bytes_one_by_one(behind):
    proxy, _ = behind(http_backends.dribble(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head(b"Transfer-Encoding: chunked")
        + b"5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX-T: 1\r\n\r\n", pause=0))
    with HttpClient(proxy.address()) as client:
        for _ in range(3):
            assert client.ask("GET", "/", "TE: trailers").body == b"hello!"


# --- an answer before the request was read

@pytest.mark.parametrize("then", ["stall", "reset"])
def test_answer_before_the_request_is_read(behind, then):
    def hasty(exchange):
        exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        getattr(exchange, then)()
    proxy, _ = behind(http_backends.by_target({"/upload": hasty}))
    with HttpClient(proxy.address()) as client:
        client.send(request("POST", "/upload", f"Content-Length: {1 << 30}") + bytes(1 << 16))
        response = client.final()
        assert (response.status, response.body) == (413, b"much")
    assert http_client.get(proxy.address()).status == 200


# --- stale connections

@pytest.mark.parametrize("then", ["close", "reset"])
def test_idempotent_requests_survive_a_stale_connection(behind, then):
    """The server ends the connection just as it is used again."""
    proxy, backend = behind(http_backends.once_per_connection(http_backends.echo, then))
    with HttpClient(proxy.address()) as client:
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS") * 2:
            assert client.ask(method, f"/{method}").status == 200
    assert len(backend.requests) == 10 + 9  # each but the first met a stale one
    line = proxy.access_lines(10)[-1]
    assert (line["status"], line["retries"]) == ("200", "1")


@pytest.mark.parametrize("then", ["close", "reset"])
def test_requests_without_content_whose_end_comes_late(behind, then):
    """Chunks that hold nothing; in HTTP/2 an empty DATA frame at the end."""
    proxy, backend = behind(http_backends.once_per_connection(http_backends.echo, then))
    with HttpClient(proxy.address()) as client:
        assert client.ask().status == 200
        for method in ("DELETE", "PUT"):
            client.send(request(method, "/", "Transfer-Encoding: chunked"))
            client.send(chunked(trailers=["X-Sum: 0"]))
            assert client.final().body.endswith(b"\r\n\r\n0\r\nX-Sum: 0\r\n\r\n")
    with H2Client(proxy.address()) as client:
        client.request(1, "DELETE", flags=END_HEADERS)
        client.frame(DATA, END_STREAM, 1)
        assert client.response(1).status == 200
    assert len(backend.requests) == 7


@pytest.mark.parametrize("then", ["close", "reset"])
def test_others_are_not_sent_twice(behind, then):
    proxy, backend = behind(http_backends.once_per_connection(http_backends.echo, then))
    for method, body in (("POST", b"x"), ("POST", b""), ("PATCH", b"x"), ("PROPFIND", None), ("PUT", b"x")):
        target = f"/{method}-{body}"
        with HttpClient(proxy.address()) as client:
            assert client.ask(target="/first").status == 200
            assert client.ask(method, target, body=body).status == 502
        assert len(backend.seen(target)) == 1


def test_half_a_response_is_not_asked_for_again(behind):
    used = set()

    def answer(exchange):
        if exchange.request.connection in used:
            exchange.send(OK + b"Content-Le")
            exchange.close()
        else:
            used.add(exchange.request.connection)
            http_backends.echo(exchange)
    proxy, backend = behind(answer)
    with HttpClient(proxy.address()) as client:
        assert client.ask(target="/first").status == 200
        assert client.ask(target="/half").status == 502
    assert len(backend.seen("/half")) == 1


def test_connection_closed_while_idle_is_noticed(behind):
    """Also for a request that may be sent only once."""
    go = threading.Event()

    def answer(exchange):
        http_backends.echo(exchange)
        if not go.is_set():
            exchange.close()  # without having said so
    proxy, backend = behind(answer)
    with HttpClient(proxy.address()) as client:
        for _ in range(5):
            assert client.ask("GET", "/").status == 200
            proxy.wait_metric("usher_backend_connections", lambda n: n == 0, server=backend.address)
            assert client.ask("POST", "/", body=b"x").status == 200
            proxy.wait_metric("usher_backend_connections", lambda n: n == 0, server=backend.address)
        go.set()


def test_client_that_goes_away(behind):
    """Its request is ended at the backend, too, instead of being paid for to the end."""
    block = b"x" * 65536
    proxy, backend = behind(http_backends.by_target({
        "/endless": http_backends.source(block, 1 << 20),
        "/silent": lambda exchange: exchange.stall()}))
    for target in ("/endless", "/silent"):
        client = HttpClient(proxy.address())
        client.send(request(target=target))
        waiting.until(lambda: backend.seen(target), "the request")
        client.close()
        waiting.until(lambda: backend.open_connections() == 0, "the end of the backend's connection")
    proxy.wait_metric("usher_backend_connections", lambda n: n == 0, server=backend.address)
