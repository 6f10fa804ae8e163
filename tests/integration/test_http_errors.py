"""Promise: what Usher answers itself is small, correct HTTP with the request's id, which stands in the access
line, too; it never names a backend, an address or a version of anything."""

import re

import pytest

from support import backends, http_backends, http_client, waiting
from support.http_client import HttpClient, request

# What an outsider may not learn.
SECRETS = re.compile(rb"127\.0\.0\.1|\d+\.\d+\.\d+\.\d+|:\d{4,5}|usher|openssl|app\b|backend|/tmp", re.I)


@pytest.fixture
def failing(front, serve):
    """A proxy whose backend answers by target: each way in which there is no response."""
    return front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/502": http_backends.dying, "/malformed": http_backends.raw(b"127.0.0.1 says no\r\n\r\n"),
        "/504": lambda exchange: exchange.stall()})),
        backend={"first_byte_timeout": "200ms", "eject_after": 0})


CASES = {
    "/502": (request(target="/502"), 502), "/malformed": (request(target="/malformed"), 502),
    "/504": (request(target="/504"), 504), "400": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "405": (request("TRACE"), 405), "417": (request("GET", "/", "Expect: more"), 417),
    "431": (request("GET", "/", "X: " + "x" * 40_000), 431), "505": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "garbage": (b"\x00\x01\x02\r\n\r\n", 400)}


@pytest.mark.parametrize("case", CASES)
def test_answer(failing, case):
    data, status = CASES[case]
    with HttpClient(failing.address()) as client:
        client.send(data)
        response = client.final()
    assert response.status == status
    assert response.field("content-type").startswith("text/plain")
    assert response.field("cache-control") == "no-store"
    assert 0 < len(response.body) < 200
    assert str(status).encode() in response.body
    assert response.field("content-length") == str(len(response.body))
    identity = response.field("x-request-id")
    assert identity.encode() in response.body
    everything = repr(response).encode()
    assert not SECRETS.search(everything.replace(identity.encode(), b"")), everything
    line = failing.access_lines(1)[0]
    assert (line["request_id"], line["status"]) == (identity, str(status))


def test_id_of_the_client_is_kept(failing):
    response = http_client.get(failing.address(), "/502", "X-Request-ID: my-own-id-7")
    assert response.field("x-request-id") == "my-own-id-7"


def test_head_has_no_content(failing):
    with HttpClient(failing.address()) as client:
        for _ in range(2):
            response = client.ask("HEAD", "/502")
            assert (response.status, response.body) == (502, b"")
            assert int(response.field("content-length")) > 0
        assert client.ask().status == 200


def test_connection_goes_on_after_a_backends_failure(failing):
    with HttpClient(failing.address()) as client:
        for target, status in (("/502", 502), ("/", 200), ("/504", 504), ("/", 200), ("/malformed", 502)):
            assert client.ask(target=target).status == status
        # With content that nobody has read the connection may end, but after the answer and cleanly.
        assert client.ask("POST", "/502", body=b"x" * 100_000).status == 502


def test_no_server(front, serve):
    response = http_client.get(front(serve(backends.Refused)).address())
    assert response.status == 502
    assert not SECRETS.search(repr(response).encode().replace(response.field("x-request-id").encode(), b""))


def test_http_1_0_and_2_get_the_same(failing, run_client, ca):
    for version in ("--http1.0", "--http2"):
        said = run_client(["curl", "-sS", version, "--cacert", ca.file, "-w", "\n%{http_code}", "--resolve",
                           f"site.test:{failing.port()}:127.0.0.1", f"https://site.test:{failing.port()}/502"])
        assert said.startswith("502 Bad Gateway\n") and said.endswith("\n502"), said


def test_backends_own_errors_pass_through(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.reply(
        503, b"we are closed", "Retry-After: 7", "Content-Type: text/x-own", reason="Closed")))
    response = http_client.get(proxy.address())
    assert (response.status, response.reason, response.body) == (503, "Closed", b"we are closed")
    assert (response.field("retry-after"), response.field("content-type")) == ("7", "text/x-own")


def test_refused_uploads_are_answered(front, serve):
    """The answer is not lost although the client is still sending: no reset overtakes it."""
    proxy = front(serve(http_backends.HttpBackend))
    for _ in range(10):
        with HttpClient(proxy.address()) as client:
            client.send(request("POST", "/", "Content-Length: 5", "Content-Length: 6") + b"x" * 200_000)
            assert client.final().status == 400
    waiting.until(lambda: len(proxy.stdout) >= 10, "access lines")
