"""Promise: a reload leaves alone what it does not change: a backend keeps its idle connections, its ejected
servers and what its health checks found; one whose settings or authorities changed begins anew. Requests under
way end as they began, and no file that a backend needs is found missing only when it is used."""

import os
import ssl
import threading

import pytest

from support import certificates, http_backends, toml, usher, waiting
from support.http_client import HttpClient, get, request

ROOT = os.geteuid() == 0


@pytest.fixture
def single(start, serve, site):
    """single(answer, backend…) → (proxy, backend server, its configuration); one worker: one pool."""
    def begin(answer=None, listener=None, **more):
        server = serve(http_backends.HttpBackend, answer)
        config = usher.configuration(
            [usher.listener([site], mode="http", **(listener or {}))],
            [usher.backend(server, **more)], process={"workers": 1})
        return start(config), server, config
    return begin


def test_an_unchanged_backend_keeps_its_connections(single):
    proxy, server, config = single()
    assert get(proxy.address()).status == 200
    config["listener"][0]["hsts"] = "max-age=1"
    config["process"]["drain_timeout"] = "300ms"  # more lines above it, or fewer, are no change
    assert proxy.reload(config)
    assert get(proxy.address()).field("strict-transport-security") == "max-age=1"
    assert server.connections == 1


def test_a_changed_backend_begins_anew(single):
    proxy, server, config = single()
    assert get(proxy.address()).status == 200
    config["backend"][0]["pool_idle"] = 31
    assert proxy.reload(config)
    assert get(proxy.address()).status == 200
    assert server.connections == 2
    proxy.wait_metric("usher_backend_connections", lambda n: n == 1)  # the old pool is closed


def test_ejections_outlive_a_reload(start, serve, site):
    good, bad = (serve(http_backends.HttpBackend, answer, name) for answer, name in
                 ((http_backends.named, "good"), (http_backends.dying, "bad")))
    config = usher.configuration(
        [usher.listener([site], mode="http")],
        [usher.backend(good, bad, eject_after=1, eject_for="60s")], process={"workers": 1})
    proxy = start(config)
    for _ in range(4):
        get(proxy.address(), method="POST", body=b"x")
    proxy.wait_metric("usher_backend_ejected", lambda n: n == 1, server=bad.address)
    had = len(bad.requests)
    assert proxy.reload({**config, "log": {"access": "stdout", "level": "debug"}})
    assert {get(proxy.address()).body for _ in range(6)} == {b"good"}
    assert len(bad.requests) == had
    servers = {one["address"]: one for one in proxy.status()["backends"][0]["servers"]}
    assert servers[bad.address]["ejected_by_workers"] == 1
    assert servers[good.address]["ejected_by_workers"] == 0


def test_health_outlives_a_reload(start, serve, site):
    sick = threading.Event()

    def answer(exchange):
        exchange.body()
        exchange.reply(503 if sick.is_set() and exchange.server.name == "b" else 200,
                       exchange.server.name.encode())
    a, b = (serve(http_backends.HttpBackend, answer, name) for name in "ab")
    config = usher.configuration(
        [usher.listener([site], mode="http")],
        [usher.backend(a, b, health={"type": "http", "interval": "100ms", "fall": 1, "rise": 1000})])
    proxy = start(config)
    sick.set()
    proxy.wait_metric("usher_backend_up", lambda n: n == 0, server=b.address)
    sick.clear()  # `rise` is out of reach: up would mean that the reload had forgotten
    config["listener"][0]["max_headers"] = 99
    assert proxy.reload(config)
    assert proxy.metrics().total("usher_backend_up", server=b.address) == 0
    assert {get(proxy.address()).body for _ in range(6)} == {b"a"}
    assert [one["up"] for one in proxy.status()["backends"][0]["servers"]] == [True, False]


def test_a_request_under_way_ends_as_it_began(single):
    gate = threading.Event()
    proxy, server, config = single(http_backends.after(gate, http_backends.reply(200, b"late")))
    with HttpClient(proxy.address()) as client:
        client.send(request())
        waiting.until(lambda: server.requests, "the request to come")
        config["backend"][0]["servers"] = ["127.0.0.1:9"]
        assert proxy.reload(config)
        gate.set()
        assert client.final().body == b"late"


# --- authorities of a backend's servers

@pytest.fixture
def secured(start, serve, site, tmp_path):
    """A proxy in front of a TLS server, whose authority's file is `authority`, with its configuration."""
    one, other = (certificates.Authority(tmp_path / name, name) for name in ("one", "other"))
    issued = one.server("app.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)
    server = serve(http_backends.TlsHttpBackend, context)
    authority = tmp_path / "authority.pem"
    authority.write_bytes(one.file.read_bytes())
    config = usher.configuration(
        [usher.listener([site], mode="http")],
        [usher.backend(server, tls=True, tls_ca=str(authority), tls_server_name="app.test")],
        process={"workers": 1})
    proxy = start(config)
    proxy.config, proxy.authority, proxy.other = config, authority, other
    proxy.server = server
    return proxy


def test_a_changed_authority_counts_from_the_reload_on(secured):
    assert get(secured.address()).status == 200
    secured.authority.write_bytes(secured.other.file.read_bytes())
    assert get(secured.address()).status == 200, "the file is read at start and reload only"
    assert secured.reload()
    assert get(secured.address()).status == 502
    assert secured.metrics().total("usher_backend_failures_total", reason="tls") > 0


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n"])
def test_a_bad_authority_is_found_at_reload(secured, content):
    if content is None:
        secured.authority.unlink()
    else:
        secured.authority.write_bytes(content)
    mark = len(secured.stderr)
    assert not secured.reload()
    line = secured.wait_stderr("authority.pem", since=mark)
    assert f"{secured.path}:" in line, line
    assert get(secured.address()).status == 200
    code, _, log = usher.run("--config", secured.path, "--check")
    assert code == 2 and "authority.pem" in log, log


@pytest.mark.skipif(not ROOT, reason="only root becomes another user")
def test_an_authority_that_the_user_cannot_read(site, tmp_path):
    path = tmp_path / "usher.toml"
    secret = tmp_path / "ca.pem"
    secret.write_bytes(site.chain.read_bytes())
    secret.chmod(0o600)
    path.write_text(toml.dump(usher.configuration(
        [usher.listener([site], mode="http")],
        [usher.backend("127.0.0.1:9", tls=True, tls_ca=str(secret))], process={"user": "nobody"})))
    code, _, log = usher.run("--config", path, "--check")
    assert code == 2 and any("ca.pem" in line and "denied" in line for line in log.splitlines()), log
