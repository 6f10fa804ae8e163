"""Promise: `usher quick --backend HOST:PORT` serves without any file: it prints its URL, a curl line and
its metrics page, answers HTTP/1.1 and HTTP/2 over TLS as localhost, resumes a returning client, and a port that
is taken or an address that is none ends it with a message."""

import signal
import socket
import urllib.request

import pytest

from support import backends, http_backends, tls, usher
from support.process import LoggedProcess


@pytest.fixture
def quick():
    started = []

    def begin(*arguments):
        started.append(LoggedProcess([usher.BINARY, "quick", *arguments]))
        return started[-1]
    yield begin
    for process in started:
        process.kill()


def test_quick_answers_and_resumes(quick, serve, run_client):
    backend = serve(backends.Http)
    process = quick("--backend", backend.address, "--listen", "127.0.0.1:0")
    url = process.wait_stdout("listening on ")
    assert url.startswith("https://127.0.0.1:")
    assert process.wait_stdout("try: curl ").startswith("-k https://")

    out = run_client(["curl", "-sSk", "--max-time", "20", f"{url}/from-curl"])
    assert out == "you asked for /from-curl\n"

    address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
    ctx = tls.context()
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with tls.Client(address, "localhost", ctx).handshake() as first:
        first.send(request)
        first.receive()
        session = first.ssl.session
    with tls.Client(address, "localhost", ctx, session).handshake() as second:
        assert second.resumed()

    metrics_url = process.wait_stdout("metrics on ")
    with urllib.request.urlopen(metrics_url, timeout=10) as page:
        assert b"usher_handshakes_total" in page.read()


def test_it_speaks_http(quick, serve, run_client):
    """HTTP/2 to those who ask for it, and the backend is told who asks."""
    backend = serve(http_backends.HttpBackend)
    url = quick("--backend", backend.address, "--listen", "127.0.0.1:0").wait_stdout("listening on ")
    for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
        out = run_client(["curl", "-sSk", "--max-time", "20", option, "-w", "\nversion %{http_version}", url])
        assert f"\nversion {version}" in out, out
        assert "X-Forwarded-For: 127.0.0.1\r" in out and "X-Forwarded-Proto: https\r" in out, out


def test_certificate_is_for_localhost(quick, echo, run_client):
    process = quick("--backend", echo.address, "--listen", "127.0.0.1:0")
    address = process.wait_stdout("listening on https://")
    out = run_client(["openssl", "s_client", "-connect", address, "-verify_hostname", "localhost"])
    assert "Verified peername: localhost" in out or "subject=CN = localhost" in out, out
    assert "self-signed certificate" in out


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_signals_end_it_cleanly(quick, echo, stop):
    process = quick("--backend", echo.address, "--listen", "127.0.0.1:0")
    process.wait_stdout("metrics on ")
    process.send(stop)
    assert process.wait_exit() == 0


def test_port_in_use_is_a_runtime_failure(quick, echo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        process = quick("--backend", echo.address, "--listen", address)
        assert process.wait_exit() == 1
        assert address in process.log()


@pytest.mark.parametrize("arguments", [
    ["--backend", "127.0.0.1"], ["--backend", "127.0.0.1:0"], ["--backend", ":80"],
    ["--backend", "127.0.0.1:99999"], ["--backend", "127.0.0.1:80", "--listen", "nonsense"], []])
def test_bad_addresses_are_usage_errors(quick, arguments):
    process = quick(*arguments)
    assert process.wait_exit() == 2
    assert "--backend" in process.log() or "--listen" in process.log()
