"""Promise: nothing is smuggled. A request that two readers could understand differently is answered with 4xx
or 505, counted by its reason, and its connection ends; no backend sees any of it, nor what was sent behind it.
What goes on is written anew from what was understood: one Host, one framing, nothing hop-by-hop."""

import contextlib

import pytest

from support import http_backends, http_client, tls, waiting
from support.http_client import HttpClient, request

BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"


def with_fields(*fields, method="POST", target="/x"):
    """A head with these lines after Host, then what an attacker hopes will be read as a request."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: site.test",
             *(f.encode("latin-1") if isinstance(f, str) else f for f in fields)]
    return b"\r\n".join([*lines, b"", b""])


def with_line(line):
    return line + b"\r\nHost: site.test\r\n\r\n"


def with_host(*lines, target=b"/x"):
    return b"GET " + target + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def with_chunks(data):
    return with_fields("Transfer-Encoding: chunked") + data


CORPUS = {
    "bad_request_line": (400, [
        with_line(b"GET  / HTTP/1.1"), with_line(b"GET /  HTTP/1.1"), with_line(b"GET\t/ HTTP/1.1"),
        with_line(b"GET /\tHTTP/1.1"), with_line(b" GET / HTTP/1.1"), with_line(b"GET / HTTP/1.1 "),
        with_line(b"GET / http/1.1"), with_line(b"GET / HTTP/1.1x"), with_line(b"GET / HTTP/11"),
        with_line(b"GET /"), with_line(b"GET"), with_line(b"/ HTTP/1.1"), with_line(b"G(T / HTTP/1.1"),
        with_line(b"GET /a b HTTP/1.1"), with_line(b"GET / HTTP/1.1\r"), with_line(b"GET /\0 HTTP/1.1"),
        with_line(b"GET /\x7f HTTP/1.1"), b"\r\n\r\n" + with_line(b"GET / HTTP/1.1"),
        b"\n" + with_line(b"GET / HTTP/1.1"), b"GET / HTTP/1.1\nHost: site.test\r\n\r\n",
        b"GET / HTTP/1.1\rHost: site.test\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\n\n"]),
    "bad_version": (505, [
        with_line(b"GET / HTTP/2.0"), with_line(b"GET / HTTP/0.9"), with_line(b"GET / HTTP/3.0"),
        with_line(b"GET / HTTP/1.2"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
    "bad_target": (400, [
        with_line(b"GET x HTTP/1.1"), with_line(b"GET * HTTP/1.1"), with_line(b"GET ftp://site.test/ HTTP/1.1"),
        with_line(b"GET /#fragment HTTP/1.1"), with_line(b"GET /\xff HTTP/1.1"),
        with_line(b"GET site.test:443 HTTP/1.1")]),
    "bad_authority": (400, [
        with_host(), with_host(b"Host:"), with_host(b"Host: site.test", b"Host: site.test"),
        with_host(b"Host: site.test", b"host: evil.test"), with_host(b"Host: site.test, evil.test"),
        with_host(b"Host: site.test evil.test"), with_host(b"Host: user@site.test"),
        with_host(b"Host: site.test/x"), with_host(b"Host: site.test:x"), with_host(b"Host: site.test:65536"),
        with_host(b"Host: site.test:-1"), with_host(b"Host: site.test:0x1bb"), with_host(b"Host: [::1"),
        with_host(b"Host: ::1"), with_host(b"Host: [site.test]"), with_host(b"Host: site..test"),
        with_host(b"Host: .site.test"), with_host(b"Host: site.test?x"), with_host(b"Host: site.test#x"),
        with_host(b"Host: site.test\\x"), with_host(b"Host: <script>"), with_host(b"Host: \xe9.test"),
        with_host(b"Host: site.test", target=b"http://evil.test/"),
        with_host(b"Host: site.test", target=b"https://user@site.test/"),
        with_host(b"Host: site.test", target=b"https://site.test:8443/"),
        with_host(target=b"https://site.test/")]),
    "bad_field": (400, [
        with_fields("X-A: b\r\n c"), with_fields("X-A: b\r\n\tc"), with_fields(" X-A: b"),
        with_fields("X-A : b"), with_fields("X-A\t: b"), with_fields("X-A"), with_fields(": b"),
        with_fields("X A: b"), with_fields("X(A): b"), with_fields("X-\xe9: b"), with_fields("X-A: b\0c"),
        with_fields("X-A: b\x01"), with_fields("X-A: b\x7f"), with_fields("X-A: b\rc"),
        with_fields("X-A: b\nX-B: c"), with_fields("X-A: b\n\r\nGET /smuggled HTTP/1.1"),
        with_fields("X-A: b\r\r\nX-B: c"), with_fields("X-A:\r\n b"), with_fields("\0X: b"),
        b"GET / HTTP/1.1\r\n Host: site.test\r\n\r\n", b"GET / HTTP/1.1\r\nHost : site.test\r\n\r\n",
        with_fields("Content-Length : 5"), with_fields("Transfer-Encoding : chunked"),
        with_fields("Transfer-Encoding\0: chunked"), with_fields("Transfer-Encoding:\x0bchunked"),
        with_fields("Transfer-Encoding:\r\n chunked"), with_fields("Content-Length: 5\r\n 0"),
        with_fields("Connection: x y"), with_fields("Connection: \"close\"")]),
    "bad_length": (400, [
        with_fields("Content-Length: 5", "Content-Length: 6"), with_fields("Content-Length: 5, 6"),
        with_fields("Content-Length: 5", "Content-Length: 5"), with_fields("Content-Length: 5,5"),
        with_fields("Content-Length: +5"), with_fields("Content-Length: -5"), with_fields("Content-Length: 0x5"),
        with_fields("Content-Length: 5 5"), with_fields("Content-Length:"), with_fields("Content-Length: 5."),
        with_fields("Content-Length: \xb2"), with_fields("Content-Length: 18446744073709551616"),
        with_fields("Content-Length: 99999999999999999999999"), with_fields("Content-Length: five"),
        with_fields("Content-Length: \"5\""), with_fields("Content-Length: 5;a=b"),
        with_fields("Content-Length: 5", "Transfer-Encoding: chunked"),
        with_fields("Transfer-Encoding: chunked", "Content-Length: 0"),
        with_fields("content-length: 44", "TRANSFER-ENCODING: CHUNKED")]),
    "bad_coding": (400, [
        with_fields("Transfer-Encoding: xchunked"), with_fields("Transfer-Encoding: chunkedx"),
        with_fields("Transfer-Encoding: gzip, chunked"), with_fields("Transfer-Encoding: chunked, chunked"),
        with_fields("Transfer-Encoding: chunked, identity"), with_fields("Transfer-Encoding: identity"),
        with_fields("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        with_fields("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
        with_fields("Transfer-Encoding: chunked", "Transfer-Encoding: x"), with_fields("Transfer-Encoding:"),
        with_fields("Transfer-Encoding: ,chunked"), with_fields("Transfer-Encoding: chunked,"),
        with_fields("Transfer-Encoding: chunked;q=1"), with_fields("Transfer-Encoding: \"chunked\""),
        with_fields("Transfer-Encoding: chu\tnked"), with_fields("Transfer-Encoding: \xa0chunked"),
        with_fields("Content-Length: 5", "Transfer-Encoding: xchunked"),
        b"POST / HTTP/1.0\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]),
    "bad_method": (405, [with_line(b"TRACE / HTTP/1.1"), with_line(b"CONNECT evil.test:443 HTTP/1.1")]),
    "bad_expect": (417, [with_fields("Expect: 200-ok"), with_fields("Expect: 100-continue, x")]),
    "head_too_large": (431, [
        with_fields("X-A: " + "a" * 33_000), with_line(b"GET /" + b"a" * 33_000 + b" HTTP/1.1"),
        with_fields(*[f"X-{n}: " + "a" * 4000 for n in range(9)]), b"GET /" + b"a" * 40_000,
        b"A" * 40_000]),
    "too_many_fields": (431, [with_fields(*["X: y"] * 100), with_fields(*[f"X{n}:" for n in range(1000)])]),
}

# A head that is fine, then content that is not: a backend may see that a request began, but never a whole one.
CONTENT = [
    b"x\r\n", b"-1\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n",
    b"1FFFFFFFFFFFFFFFF\r\nhello\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5;a=\nb\r\nhello\r\n0\r\n\r\n", b"5;a=b\0\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n", b";a=b\r\n\r\n",
    b"0\r\nX-T : 1\r\n\r\n", b"0\r\nX-T: 1\r\n 2\r\n\r\n", b"0\r\nX-T\r\n\r\n", b"0\r\nX-T: 1\n\r\n",
    b"0\r\nX-T: \0\r\n\r\n", b"0\r\n" + b"X-T: 1\r\n" * 1000 + b"\r\n", b"0\r\nX-T: " + b"a" * 100_000,
    b"0\n\r\n", b"0\r\n\nX",
]


def refused(proxy, data):
    """The status of the one answer before the connection ends; a string if anything else happens."""
    with HttpClient(proxy.address()) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(data)
        try:
            head = client.response()
            rest, how = client.rest()
        except (http_client.Cut, tls.Ended, AssertionError, TimeoutError) as error:
            return repr(error)
    return f"{len(rest)} bytes after the answer" if rest else head.status


@pytest.mark.parametrize("reason", CORPUS)
def test_refused_and_unseen(front, serve, reason):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    wanted, cases = CORPUS[reason]
    wrong = [(outcome, case[:120]) for case in cases
             if (outcome := refused(proxy, case + BEHIND)) != wanted]
    assert wrong == []
    assert [one.raw for one in backend.requests] == []
    counted = {labels["reason"]: value
               for labels, value in proxy.metrics().all("usher_http_rejected_total") if value}
    assert counted == {reason: len(cases)}


def test_content_that_is_not(front, serve):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    wrong = [(outcome, case[:120]) for case in CONTENT
             if (outcome := refused(proxy, with_chunks(case) + BEHIND)) != 400]
    assert wrong == []
    assert [one.line for one in backend.requests if one.whole or one.target != "/x"] == []
    proxy.wait_metric("usher_http_rejected_total", lambda n: n == len(CONTENT), reason="bad_chunk")


def test_content_that_ends_early(front, serve):
    """A truncated request is never whole for the backend: its connection is ended, not completed."""
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    for data in (with_fields("Content-Length: 10") + b"hello",
                 with_fields("Transfer-Encoding: chunked") + b"5\r\nhello\r\n"):
        for ending in ("send_close_notify", "close"):
            client = HttpClient(proxy.address())
            client.send(data)
            broken, count = backend.broken, len(backend.requests)
            waiting.until(lambda: len(backend.requests) > count or backend.requests, "the head")
            getattr(client, ending)()
            waiting.until(lambda: backend.broken > broken, "the end of the backend's connection")
            client.close()
    assert not any(one.whole for one in backend.requests)


def test_before_a_bad_request(front, serve):
    """What came before it is answered, in order; then comes the refusal, then the end."""
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        client.send(request(target="/1") + request("POST", "/2", body=b"x") + with_fields("X-A : b") + BEHIND)
        assert b"GET /1" in client.response().body
        assert b"POST /2" in client.response().body
        assert client.response().status == 400
        client.assert_over()
    assert [one.target for one in backend.requests] == ["/1", "/2"]


def test_request_split_by_records(front, serve):
    """The same verdict byte by byte as in one piece."""
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    for case, wanted in ((with_fields("Content-Length: 5", "Content-Length: 6"), 400),
                         (with_fields("X-A: b\r\n c"), 400), (with_line(b"GET / HTTP/1.1\r"), 400),
                         (with_line(b"GET / HTTP/2.0"), 505)):
        with HttpClient(proxy.address()) as client:
            for at in range(len(case)):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.send(case[at:at + 1])
            assert client.response().status == wanted
            client.assert_over()
    assert backend.requests == []


def test_what_goes_on_is_written_anew(front, serve):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"forwarded": "off"})
    with HttpClient(proxy.address()) as client:
        client.send(b"\r\nPOST https://SITE.test/a?b HTTP/1.1\r\nhost: site.test:443\r\nX-A: \t b  c \t \r\n"
                    b"Connection: keep-alive, X-Secret , te\r\nX-Secret: 1\r\nKeep-Alive: 5\r\n"
                    b"Proxy-Connection: x\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\nTrailer: X\r\n"
                    b"TRANSFER-ENCODING: Chunked\r\n\r\n"
                    b"00005;ext=\"v\" ; y\r\nhello\r\n0;last\r\nX-T:  1 \r\n\r\n")
        assert client.response().status == 200
    seen, = backend.requests
    assert seen.line == "POST /a?b HTTP/1.1"
    names = [name for name, _ in seen.fields if name not in ("x-request-id", "trailer")]
    assert sorted(names) == ["host", "transfer-encoding", "x-a"]
    assert seen.field("host").lower() in ("site.test", "site.test:443")
    assert (seen.field("x-a"), seen.field("transfer-encoding")) == ("b  c", "chunked")
    assert (seen.body, seen.trailers) == (b"hello", [("x-t", "1")])
    assert b"ext" not in seen.raw and b"last" not in seen.raw


def test_connection_cannot_take_away_what_matters(front, serve):
    """Fields that frame or route, or that the proxy itself adds, stay, whatever Connection names."""
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        client.ask("POST", "/", "Connection: Host, Content-Length, X-Forwarded-For, X-Request-ID, "
                   "X-Forwarded-Proto, close", body=b"hello")
    seen, = backend.requests
    assert (seen.field("host"), seen.body) == ("site.test", b"hello")
    assert seen.field("x-forwarded-for") == "127.0.0.1"
    assert seen.field("x-forwarded-proto") == "https"
    assert seen.field("x-request-id")


def test_response_fields_stay_with_the_hop(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(
        200, b"x", "Connection: X-Internal, keep-alive", "X-Internal: 10.0.0.1", "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic", "Upgrade: h2c", "X-Public: 1")))
    response = http_client.get(proxy.address())
    names = [name for name, _ in response.fields]
    assert "x-public" in names
    assert not {"x-internal", "keep-alive", "upgrade"} & set(names)


def test_limits_can_be_set(front, serve):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"max_head_bytes": 1024, "max_headers": 5})
    address = proxy.address()
    assert http_client.get(address, "/", "X: " + "a" * 900).status == 200
    assert http_client.get(address, "/", "X: " + "a" * 1100).status == 431
    assert http_client.get(address, "/", *["X: y"] * 4).status == 200
    assert http_client.get(address, "/", *["X: y"] * 5).status == 431
    assert len(backend.requests) == 2
