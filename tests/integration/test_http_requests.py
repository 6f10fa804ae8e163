"""Promise: HTTP/1.0, 1.1 and HTTP/2 clients get exactly what the backend said, and the backend exactly what
they asked: any method, content counted or in chunks with trailers, interim responses, responses without
content; requests on one connection are answered in order; whoever has ended its direction still gets its
answer."""

import email.utils
import hashlib
import os
import threading
import time

import pytest

from support import backends, http_backends, http_client
from support.http_client import HttpClient, chunked, request

MIB = 1 << 20
BLOB = backends.pattern(8 * MIB)


def digest_of_body(exchange):
    exchange.reply(200, hashlib.sha256(exchange.body()).hexdigest().encode())


DIGEST = hashlib.sha256(BLOB).hexdigest().encode()


# --- curl

@pytest.fixture
def curl(run_client, ca, tmp_path):
    def begin(proxy, path, *arguments, data=b""):
        return run_client(["curl", "-sS", "--cacert", ca.file, "--resolve",
                           f"site.test:{proxy.port()}:127.0.0.1", *arguments,
                           f"https://site.test:{proxy.port()}{path}"], data)
    return begin


VERSIONS = {"--http1.0": "1.1", "--http1.1": "1.1", "--http2": "2"}  # of the answer


@pytest.mark.parametrize("version", VERSIONS)
def test_curl(front, serve, curl, version):
    backend = serve(http_backends.HttpBackend, http_backends.reply(200, b"hello\n"))
    proxy = front(backend)
    said = curl(proxy, "/a?b=c", version, "-w", "%{http_version} %{http_code}")
    assert said == f"hello\n{VERSIONS[version]} 200"
    seen, = backend.requests
    assert (seen.method, seen.target, seen.version) == ("GET", "/a?b=c", "HTTP/1.1")
    assert seen.field("host") == f"site.test:{proxy.port()}"


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_uploads(front, serve, curl, version, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    proxy = front(serve(http_backends.HttpBackend, digest_of_body))
    assert curl(proxy, "/", version, "-H", "Expect:", "-T", path).encode() == DIGEST
    if version != "--http1.0":
        assert curl(proxy, "/", version, "-H", "Expect:", "-T", "-", data=BLOB).encode() == DIGEST


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_asks_again_on_one_connection(front, serve, curl, version):
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(200, b"x")))
    said = curl(proxy, "/[1-20]", version, "-w", "%{num_connects}")
    assert said == "x1" + "x0" * 19


# --- methods and responses without content

def test_methods(front, serve):
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "x"]
        for method in methods:
            assert client.ask(method, "/m").status == 200
        assert client.ask("OPTIONS", "*").status == 200
    assert [one.method for one in backend.requests] == [*methods, "OPTIONS"]
    assert backend.requests[-1].target == "*"


@pytest.mark.parametrize("ask", [("CONNECT", "site.test:443"), ("TRACE", "/")])
def test_methods_that_are_not_served(front, serve, ask):
    backend = serve(http_backends.HttpBackend)
    response = http_client.get(front(backend).address(), ask[1], method=ask[0])
    assert response.status == 405
    assert "GET" in response.field("allow")
    assert backend.requests == []


def test_responses_without_content(front, serve):
    """Each is followed by another on the same connection: a body that is none would be read as its head."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/204": http_backends.raw(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", "keep"),
        "/304": http_backends.raw(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n",
                                  "keep"),
        "/empty": http_backends.reply(200, b""),
        "/head": http_backends.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "keep"),
        "/head-chunked": http_backends.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "keep"),
    })))
    with HttpClient(proxy.address()) as client:
        for _ in range(2):
            assert client.ask(target="/204").status == 204
            assert client.ask(target="/304").field("etag") == '"x"'
            empty = client.ask(target="/empty")
            assert (empty.status, empty.body, empty.field("content-length")) == (200, b"", "0")
            assert client.ask("HEAD", "/head").field("content-length") == "1234"
            assert client.ask("HEAD", "/head-chunked").status == 200
            assert client.ask(target="/last").status == 200


def test_status_reason_and_fields_arrive(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(
        418, b"short and stout", "X-One: 1", "Set-Cookie: a=b", "Set-Cookie: c=d", "X-Empty:",
        "X-Latin: \xe9", reason="I'm a teapot")))
    response = http_client.get(proxy.address())
    assert (response.status, response.reason, response.body) == (418, "I'm a teapot", b"short and stout")
    assert response.all("set-cookie") == ["a=b", "c=d"]
    assert response.field("x-empty") == ""
    assert response.field("x-latin") == "\xe9"


# --- connections

def test_keep_alive(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    with HttpClient(proxy.address()) as client:
        for turn in range(30):
            response = client.ask(target=f"/{turn}")
            assert b"GET /%d HTTP/1.1\r\n" % turn in response.body
            assert "close" not in (response.field("connection") or "")
    assert proxy.metrics().total("usher_connections_total", listener="main") == 1


def test_client_that_wants_no_more(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    with HttpClient(proxy.address()) as client:
        response = client.ask("GET", "/", "Connection: close")
        assert response.field("connection").lower() == "close"
        assert client.rest() == (b"", "close_notify")


def test_http_1_0(front, serve):
    """No chunks, no interim responses; the connection ends, unless keep-alive was asked for."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/stream": http_backends.source(b"x" * 1000, 3),
        "/hints": http_backends.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "keep")})))
    with HttpClient(proxy.address()) as client:
        response = client.ask(target="/stream", version="1.0")
        assert response.field("transfer-encoding") is None
        assert response.body == b"x" * 3000
    with HttpClient(proxy.address()) as client:
        client.send(request(target="/hints", version="1.0"))
        response = client.response()
        assert (response.status, response.body) == (200, b"ok")
        assert client.rest() == (b"", "close_notify")
    with HttpClient(proxy.address()) as client:
        client.send(request(target="/old", host=None, version="1.0"))
        assert client.response().status == 200
        assert client.rest() == (b"", "close_notify")


def test_http_1_0_without_host(front, serve):
    """Many servers refuse an empty Host: they are told the name of the TLS handshake, or the address."""
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    for name in ("site.test", None):
        with HttpClient(proxy.address(), name) as client:
            client.send(request(host=None, version="1.0"))
            assert client.response().status == 200
    assert [one.all("host") for one in backend.requests] == [["site.test"], [f"127.0.0.1:{proxy.port()}"]]


def test_responses_have_a_date(front, serve):
    """RFC 9110 §6.6.1: the backend's, else one that Usher adds, once; interim responses have none."""
    own = "Sun, 06 Nov 1994 08:49:37 GMT"
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/dated": http_backends.reply(200, b"x", f"date: {own}"),
        "/none": http_backends.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                   b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "keep")})))
    with HttpClient(proxy.address()) as client:
        assert client.ask(target="/dated").all("date") == [own]
        client.send(request(target="/none"))
        assert client.response().all("date") == []
        added, = client.response().all("date")
        assert abs(email.utils.parsedate_to_datetime(added).timestamp() - time.time()) < 60


def test_pipelined_requests_are_answered_in_order(front, serve):
    first = threading.Event()
    backend = serve(http_backends.HttpBackend,
                    http_backends.by_target({"/0": http_backends.after(first, http_backends.echo)}))
    with HttpClient(front(backend).address()) as client:
        client.send(b"".join(request("POST", f"/{turn}", body=b"b" * turn) for turn in range(20)))
        first.set()
        for turn in range(20):
            assert b"POST /%d HTTP/1.1" % turn in client.response().body
    assert [len(one.body) for one in backend.requests] == list(range(20))


def test_request_in_pieces(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    whole = (request("POST", "/bytes", "Transfer-Encoding: chunked", "Cookie: a=b")
             + chunked(b"hello", b" world", trailers=["X-T: 1"]))
    with HttpClient(proxy.address()) as client:
        for at in range(len(whole)):
            client.send(whole[at:at + 1])
        assert b"POST /bytes" in client.response().body
        client.send(b"\r\n" + request(target="/after"))  # RFC 9112 §2.2: an empty line is skipped
        assert b"GET /after" in client.response().body


@pytest.mark.parametrize("target", ["/length", "/chunks", "/until-close"])
def test_client_that_ended_its_direction(front, serve, target):
    go = threading.Event()
    backend = serve(http_backends.HttpBackend, http_backends.after(go, http_backends.by_target({
        "/length": http_backends.reply(200, BLOB),
        "/chunks": http_backends.source(BLOB[:MIB], 8),
        "/until-close": http_backends.raw(b"HTTP/1.1 200 OK\r\n\r\n" + BLOB)})))
    with HttpClient(front(backend).address()) as client:
        client.send(request(target=target))
        client.send_close_notify()
        go.set()
        assert len(client.response().body) == len(BLOB)
        assert client.rest() == (b"", "close_notify")


# --- content

@pytest.mark.parametrize("target", ["/length", "/chunks", "/until-close"])
def test_large_responses(front, serve, target):
    blocks = [BLOB[at:at + MIB] for at in range(0, len(BLOB), MIB)]
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/length": http_backends.reply(200, BLOB),
        "/chunks": http_backends.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     + chunked(*blocks), "keep"),
        "/until-close": http_backends.raw(b"HTTP/1.1 200 OK\r\n\r\n" + BLOB)})))
    with HttpClient(proxy.address()) as client:
        assert hashlib.sha256(client.ask(target=target).body).hexdigest().encode() == DIGEST
        assert client.ask().status == 200  # even after a response that ended its backend's connection


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_large_uploads(front, serve, framing):
    proxy = front(serve(http_backends.HttpBackend, digest_of_body))
    with HttpClient(proxy.address()) as client:
        for _ in range(2):
            if framing == "length":
                client.send(request("POST", body=BLOB))
            else:
                client.send(request("POST", "/", "Transfer-Encoding: chunked")
                            + chunked(BLOB[:10], BLOB[10:3 * MIB], BLOB[3 * MIB:]))
            assert client.response().body == DIGEST


def test_trailers_both_ways(front, serve):
    backend = serve(http_backends.HttpBackend, http_backends.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        + chunked(b"abc", trailers=["X-Sum: 42"]), "keep"))
    with HttpClient(front(backend).address()) as client:
        client.send(request("POST", "/", "Transfer-Encoding: chunked", "TE: trailers")
                    + chunked(b"hello", trailers=["X-Check: 1", "Content-Length: 9", "Host: evil.test"]))
        response = client.response()
        assert (response.body, response.trailers) == (b"abc", (("x-sum", "42"),))
    seen, = backend.requests
    assert (seen.body, seen.field("transfer-encoding")) == (b"hello", "chunked")
    # RFC 9110 §6.5.1: what frames or routes is no trailer.
    assert seen.trailers == [("x-check", "1")]


def test_streams_as_it_comes(front, serve):
    """Nothing is held back until a message is whole, in either direction."""
    def ping_pong(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in exchange.parts():
            exchange.send(b"%x\r\n%s\r\n" % (len(part), part))
        exchange.send(b"0\r\n\r\n")
    with HttpClient(front(serve(http_backends.HttpBackend, ping_pong)).address()) as client:
        client.send(request("POST", "/", "Transfer-Encoding: chunked"))
        assert client.head().status == 200
        for turn in range(10):
            client.send(b"4\r\n%04d\r\n" % turn)
            assert client.take(9) == b"4\r\n%04d\r\n" % turn
        client.send(b"0\r\n\r\n")
        assert client.take(5) == b"0\r\n\r\n"


# --- interim responses

def test_expect_continue(front, serve):
    def willing(exchange):
        assert exchange.request.field("expect") == "100-continue"
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        http_backends.echo(exchange)
    with HttpClient(front(serve(http_backends.HttpBackend, willing)).address()) as client:
        for _ in range(2):
            client.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 5"))
            assert client.response().status == 100
            client.send(b"hello")
            assert client.response().body.endswith(b"\r\n\r\nhello")


def test_expect_continue_refused(front, serve):
    """The answer comes without the content, which is then not waited for."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.early(413)))
    with HttpClient(proxy.address()) as client:
        client.send(request("POST", "/", "Expect: 100-continue", f"Content-Length: {MIB}"))
        assert client.response().status == 413
        client.assert_over()


def test_interim_responses_arrive_in_order(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.raw(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "keep")))
    with HttpClient(proxy.address()) as client:
        for _ in range(2):
            client.send(request())
            hints = [client.response() for _ in range(4)]
            assert [one.status for one in hints] == [103, 102, 103, 200]
            assert hints[0].field("link") == "</a.css>"
            assert hints[3].body == b"ok"


def test_many_clients_at_once(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    bodies, failures = os.urandom(64 * 1024), []

    def client(number):
        try:
            with HttpClient(proxy.address()) as own:
                for turn in range(10):
                    body = bodies[:number * 1000 + turn]
                    assert own.ask("POST", f"/{number}/{turn}", body=body).body.endswith(b"\r\n\r\n" + body)
        except BaseException as error:
            failures.append(repr(error))
    threads = [threading.Thread(target=client, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
