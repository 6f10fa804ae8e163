"""Promise: each request has one access line that says who asked for what, who answered, how long it took and how
it ended, and is counted once, by status, and measured; whatever a client sends, the line stays one line and the
number of time series stays bounded."""

import json
import re
import time

import pytest

from support import backends, http_backends, http_client, waiting
from support.http_client import HttpClient, request


def test_line_of_a_request(front, serve):
    backend = serve(http_backends.HttpBackend, http_backends.reply(201, b"x" * 1000))
    proxy = front(backend, process={"workers": 1})
    with HttpClient(proxy.address()) as client:
        for _ in range(2):
            client.ask("POST", "/a?b=c", "X-Request-ID: id-1", body=b"y" * 77)
    first, second = proxy.access_lines(2)
    assert first["time"].endswith("Z")
    assert first["client"].startswith("127.0.0.1:")
    wanted = {"listener": "main", "host": "site.test", "method": "POST", "path": "/a?b=c",
              "protocol": "HTTP/1.1", "status": "201", "bytes_in": "77", "bytes_out": "1000",
              "request_id": "id-1", "sni": "site.test", "version": "TLSv1.3", "resumption": "none",
              "backend": "app", "server": backend.address, "retries": "0", "reason": "ok"}
    for line in (first, second):
        assert {name: line.get(name) for name in wanted} == wanted
        for name in ("duration_ms", "connect_ms", "wait_ms"):
            assert float(line[name]) >= 0
        assert float(line["duration_ms"]) >= float(line["wait_ms"])
    assert float(second["connect_ms"]) == 0  # a pooled connection


def test_json(front, serve):
    proxy = front(serve(http_backends.HttpBackend), log={"format": "json"}, ready=False)
    host, port = json.loads(proxy.wait_stderr('"listening"'))["address"].split(":")
    http_client.get((host, int(port)), "/\"quoted\"\\")
    waiting.until(lambda: proxy.stdout, "an access line")
    line = json.loads(proxy.stdout[0])
    assert (line["path"], line["status"], line["method"]) == ("/\"quoted\"\\", 200, "GET")


def test_time_is_the_backends(front, serve):
    def late(exchange):
        time.sleep(0.3)  # what is measured
        http_backends.echo(exchange)
    proxy = front(serve(http_backends.HttpBackend, late))
    http_client.get(proxy.address())
    line = proxy.access_lines(1)[0]
    assert 290 <= float(line["wait_ms"]) <= float(line["duration_ms"])
    count = proxy.wait_metric("usher_http_request_seconds_count", lambda n: n == 1, listener="main")
    seconds = proxy.metrics().total("usher_http_request_seconds_sum", listener="main")
    assert 0.29 <= seconds / count < 10
    below = proxy.metrics().all("usher_http_request_seconds_bucket", listener="main")
    assert all(value == (float(labels["le"]) >= seconds) for labels, value in below)


ENDS = {
    "/dying": (502, "backend_closed"), "/malformed": (502, "backend_malformed"),
    "/cut": (200, "backend_truncated"), "/silent": (504, "first_byte_timeout"), "/reset": (502, "backend_reset")}


def test_reason_of_a_bad_end(front, serve):
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target({
        "/dying": http_backends.dying, "/malformed": http_backends.raw(b"no\r\n\r\n"),
        "/cut": http_backends.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        "/silent": lambda exchange: exchange.stall(), "/reset": http_backends.raw(b"", "reset")})),
        backend={"first_byte_timeout": "200ms", "eject_after": 0}, process={"workers": 1})
    for target in ENDS:
        with HttpClient(proxy.address()) as client:
            client.send(request(target=target))
            client.rest() if target == "/cut" else client.final()
    lines = proxy.access_lines(len(ENDS))
    assert {line["path"]: (int(line["status"]), line["reason"]) for line in lines} == ENDS


@pytest.mark.parametrize("data, reason, error", [
    (b"no\r\n\r\n", "malformed", "bad_request_line"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "malformed", "bad_length"),
    (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "malformed", "bad_field"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "reset", "backend_truncated")])
def test_log_tells_what_is_wrong_with_a_backend(front, serve, data, reason, error):
    proxy = front(serve(http_backends.HttpBackend, http_backends.raw(data)), backend={"eject_after": 0})
    with HttpClient(proxy.address()) as client:
        client.send(request())
        proxy.wait_log("backend server fails", reason=reason, error=error)


def test_clients_that_leave(front, serve):
    backend = serve(http_backends.HttpBackend, lambda exchange: exchange.stall())
    proxy = front(backend)
    with HttpClient(proxy.address()) as client:
        client.send(request(target="/left"))
        waiting.until(lambda: backend.requests, "the request")
    line = proxy.access_lines(1)[0]
    assert (line["path"], line["status"], line["reason"]) == ("/left", "499", "client_gone")


def test_refused_requests_have_a_line(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    for data, status, reason in ((b"GET / HTTP/1.1\r\n\r\n", "400", "bad_authority"),
                                 (b"\x00\r\n\r\n", "400", "bad_request_line"),
                                 (request("TRACE"), "405", "bad_method")):
        with HttpClient(proxy.address()) as client:
            client.send(data)
            client.final()
        line = proxy.access_lines(1)[-1]
        assert (line["status"], line["reason"], line.get("server")) == (status, reason, None)
        proxy.stdout.clear()


def test_connections_without_a_request_have_one_line(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    HttpClient(proxy.address()).close()
    line = proxy.access_lines(1)[0]
    assert "method" not in line
    with HttpClient(proxy.address()) as client:
        client.ask()
    assert proxy.access_lines(2)[1]["method"] == "GET"
    proxy.wait_metric("usher_connections", lambda n: n == 0, phase="relaying")
    assert len(proxy.stdout) == 2


HOSTILE = ["/\"x=y", "/a%0ab", "/" + "a" * 5000, "/{}<>|^`"]


def test_hostile_values_stay_in_their_line(front, serve):
    proxy = front(serve(http_backends.HttpBackend))
    with HttpClient(proxy.address()) as client:
        for target in HOSTILE:
            assert client.ask("M" * 60, target, host="h" * 200 + ".test").status == 200
    lines = proxy.access_lines(len(HOSTILE))
    assert len(proxy.stdout) == len(HOSTILE)
    assert [line["status"] for line in lines] == ["200"] * len(HOSTILE)
    assert lines[0]["path"] == HOSTILE[0]
    assert all(len(line) < 4096 for line in proxy.stdout)


def test_counts(front, serve, run_client):
    def status(exchange):
        exchange.reply(int(exchange.request.target[1:]))
    backend = serve(http_backends.HttpBackend, status)
    proxy = front(backend)
    with HttpClient(proxy.address()) as client:
        for code in (200, 200, 201, 404, 404, 404, 503, 599):
            assert client.ask(target=f"/{code}").status == code
    http_client.get(proxy.address(), method="TRACE")
    samples = proxy.metrics()
    counted = {labels["code"]: value for labels, value in samples.all("usher_http_requests_total",
                                                                     listener="main") if value}
    assert counted == {"200": 2, "201": 1, "404": 3, "405": 1, "503": 1, "599": 1}
    assert samples.total("usher_http_request_seconds_count", listener="main") == 9
    assert samples.total("usher_http_rejected_total", listener="main", reason="bad_method") == 1
    assert samples.total("usher_backend_up", backend="app", server=backend.address) == 1
    assert samples.total("usher_backend_connect_seconds_count", backend="app") >= 1
    assert run_client(["promtool", "check", "metrics"], samples.text.encode()) == ""


def test_series_are_bounded(front, serve):
    """A status that nobody has seen makes no series before it comes; methods, hosts and paths never do."""
    def any_status(exchange):
        exchange.reply(int(exchange.request.target[1:]))
    proxy = front(serve(http_backends.HttpBackend, any_status))
    before = len(proxy.metrics().text.splitlines())
    with HttpClient(proxy.address()) as client:
        for turn in range(100):
            client.ask(f"METHOD{turn}", "/200", host=f"h{turn}.test")
        for code in range(400, 600):
            client.ask(target=f"/{code}")
    grown = len(proxy.metrics().text.splitlines()) - before
    assert grown <= 201 + 20
    assert not re.search(r"METHOD|h\d+\.test", proxy.metrics().text)


def test_metrics_of_http_backends(front, serve, run_client):
    """Before any request and with servers in every state the page is still what Prometheus expects."""
    dead = serve(backends.Refused)
    alive = serve(http_backends.HttpBackend)
    proxy = front(dead, alive, backend={"eject_after": 1, "health": {"type": "tcp", "interval": "100ms"}})
    assert run_client(["promtool", "check", "metrics"], proxy.metrics().text.encode()) == ""
    proxy.wait_metric("usher_backend_up", lambda n: n == 0, server=dead.address)
    http_client.get(proxy.address())
    assert run_client(["promtool", "check", "metrics"], proxy.metrics().text.encode()) == ""


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_line_says_which_protocol(front, serve, run_client, ca, version):
    proxy = front(serve(http_backends.HttpBackend))
    run_client(["curl", "-sS", version, "--cacert", ca.file, "--resolve", f"site.test:{proxy.port()}:127.0.0.1",
                f"https://site.test:{proxy.port()}/"])
    line = proxy.access_lines(1)[0]
    assert line["protocol"] == {"--http1.1": "HTTP/1.1", "--http2": "HTTP/2"}[version]
