"""Promise: /metrics /healthz /readyz /status answer on admin.listen, to GET and HEAD only, however a client
misbehaves; /metrics is good Prometheus text in base units and names what CONTRACT names."""

import json
import socket

import pytest

from support import raw_tls, tls, toml, usher, waiting


def test_pages(simple):
    proxy = simple()
    assert proxy.admin("/healthz") == (200, "ok\n")
    assert proxy.admin("/readyz")[0] == 200
    assert proxy.admin("/status")[0] == 200
    assert proxy.admin("/")[0] == 404
    assert proxy.admin("/metrics/")[0] == 404
    assert proxy.admin("/metrics?x=y")[0] == 200
    assert proxy.admin("/healthz", "HEAD") == (200, "")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert proxy.admin("/status", method)[0] in (405, 501), method


def test_status(simple, echo):
    proxy = simple()
    with tls.Client(proxy.address()).handshake() as client:
        client.send(b"x")
        client.receive_exactly(1)
        status = proxy.status()
    assert status["state"] == "ready"
    assert status["node"] == "test" and status["workers"] == 2
    assert status["config"] == str(proxy.path)
    assert status["connections"]["open"] == 1
    assert status["listeners"][0]["address"] == "127.0.0.1:%d" % proxy.port()
    assert status["listeners"][0]["certificates"][0]["names"] == ["site.test"]
    assert status["backends"][0]["servers"][0]["address"] == echo.address
    keys = status["tickets"]["keys"]
    assert [key["state"] for key in keys].count("current") == 1
    assert all(set(key) == {"name", "epoch", "state", "age_seconds", "seals", "opens"} for key in keys)  # no secrets


def test_promtool_finds_nothing(simple, run_client):
    proxy = simple()
    with tls.Client(proxy.address()).handshake() as client:
        client.send(b"x")
        client.receive_exactly(1)
    proxy.wait_close("client_truncated")
    text = proxy.metrics().text
    assert run_client(["promtool", "check", "metrics"], text.encode()) == ""


def test_names_of_the_contract(simple):
    proxy = simple()
    ctx = tls.context()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    proxy.wait_metric("usher_connections", lambda n: n == 0)
    names = proxy.metrics().names()
    for name in ("usher_handshakes_total", "usher_handshake_failures_total", "usher_handshake_seconds_bucket",
                 "usher_handshake_seconds_sum", "usher_handshake_seconds_count",
                 "usher_resumption_offers_total", "usher_tickets_issued_total", "usher_tickets_without_ring",
                 "usher_ticket_keys", "usher_ticket_ring_version", "usher_ticket_ring_term",
                 "usher_ticket_key_age_seconds", "usher_connections", "usher_connections_total",
                 "usher_closes_total", "usher_accept_paused", "usher_bytes_total",
                 "usher_max_fragment_length_total", "usher_backend_up", "usher_backend_connections",
                 "usher_backend_connect_seconds_count", "usher_backend_failures_total",
                 "usher_certificate_not_after_timestamp_seconds", "usher_config_reloads_total",
                 "usher_build_info"):
        assert name in names, name


def test_counters_add_up(simple):
    """Every accepted connection is counted once in, once out, and its bytes in both directions."""
    proxy = simple()
    for number in range(10):
        with tls.Client(proxy.address()).handshake() as client:
            client.send(b"x" * 100)
            client.receive_exactly(100)
            if number % 2:
                client.send_close_notify()
                client.receive_rest()
    proxy.wait_metric("usher_closes_total", lambda n: n == 10, listener="main")
    metrics = proxy.metrics()
    assert metrics.total("usher_connections_total") == 10
    assert metrics.total("usher_connections") == 0
    assert metrics.total("usher_handshakes_total") == metrics.total("usher_handshake_seconds_count") == 10
    assert metrics.total("usher_bytes_total", direction="to_backend") == 1000
    assert metrics.total("usher_bytes_total", direction="to_client") == 1000
    assert metrics.total("usher_closes_total", reason="finished") == 5
    assert metrics.total("usher_closes_total", reason="client_truncated") == 5
    assert metrics.total("usher_backend_connections") == 0


REQUESTS = {
    "noise": b"\x00\x01\x02\x03\r\n\r\n",
    "no-version": b"GET /metrics\r\n\r\n",
    "endless-line": b"GET /" + b"a" * 100_000,
    "endless-head": b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    "tls": raw_tls.record(22, raw_tls.hello_body()),
    "body": b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 200_000,
}


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_bad_requests_end(simple, kind):
    proxy = simple()
    host, port = proxy.wait_log("admin listening")["address"].rsplit(":", 1)
    with tls.connect((host, int(port))) as sock:
        raw_tls.send_quietly(sock, REQUESTS[kind])
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert raw_tls.ended(sock)
    assert proxy.admin("/healthz")[0] == 200


def test_silent_admin_clients_do_not_block_others(simple):
    proxy = simple()
    host, port = proxy.wait_log("admin listening")["address"].rsplit(":", 1)
    idle = [tls.connect((host, int(port))) for _ in range(200)]
    waiting.until(lambda: _answers(proxy), "an answer beside idle clients", 30)
    for sock in idle:
        sock.close()
    assert json.loads(proxy.admin("/status")[1])["state"] == "ready"


def _answers(proxy):
    try:
        return proxy.admin("/healthz")[0] == 200
    except OSError:
        return False


def test_no_admin_address(start, site, echo):
    proxy = start(usher.configuration(
        [usher.listener([site])], [usher.backend(echo)], admin={"listen": "", "socket": ""}))
    with tls.Client(proxy.address()).handshake():
        pass
    assert not [line for line in proxy.stderr if "admin listening" in line]


def test_admin_address_is_not_shared(start, site, echo, tmp_path):
    """A second Usher must not take half of the first one's scrapes."""
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(echo)]))
    taken = proxy.wait_log("admin listening")["address"]
    path = tmp_path / "second.toml"
    path.write_text(toml.dump(usher.configuration(
        [usher.listener([site])], [usher.backend(echo)], admin={"listen": taken})))
    code, _, log = usher.run("--config", path)
    assert code == 1 and f"cannot listen on {taken}" in log, log
