"""Promise: a request goes to the backend of the most specific route, by host and then by path; a redirect
listener sends everything to HTTPS, except what a route takes, such as ACME's challenges."""

import http.client

import pytest

from support import http_backends, raw_tls, tls, usher
from support.http_client import HttpClient


@pytest.fixture
def routed(start, serve, site):
    """routed(routes) → a proxy whose backends answer with their names; routes: {name: {host, path}}."""
    def begin(routes, **more):
        servers = {name: serve(http_backends.HttpBackend, http_backends.named, name)
                   for name in [*routes, "default"]}
        tables = [{**route, "backend": name} for name, route in routes.items()]
        return start(usher.configuration(
            [usher.listener([site], mode="http", backend="default", route=tables, **more)],
            [usher.backend(server, name=name) for name, server in servers.items()]))
    return begin


def who(client, target="/", host="site.test"):
    response = client.ask(target=target, host=host)
    assert response.status == 200
    return response.body.decode()


def test_most_specific_wins(routed):
    proxy = routed({
        "wild": {"host": "*.site.test"}, "deep": {"host": "*.deep.site.test"}, "exact": {"host": "a.site.test"},
        "exact-api": {"host": "a.site.test", "path": "/api/"},
        "exact-api-v2": {"host": "a.site.test", "path": "/api/v2/"}, "static": {"path": "/static/"},
        "wild-static": {"host": "*.site.test", "path": "/static/"}})
    with HttpClient(proxy.address()) as client:
        for host, target, name in [
                ("site.test", "/", "default"), ("site.test", "/static/x", "static"),
                ("site.test", "/staticx", "default"), ("other.test", "/static/", "static"),
                ("b.site.test", "/", "wild"), ("b.c.site.test", "/", "wild"),
                ("b.site.test", "/static/x", "wild-static"), ("x.deep.site.test", "/", "deep"),
                ("deep.site.test", "/", "wild"), ("a.site.test", "/", "exact"),
                ("a.site.test", "/api", "exact"), ("a.site.test", "/api/", "exact-api"),
                ("a.site.test", "/api/v1/", "exact-api"), ("a.site.test", "/api/v2/x", "exact-api-v2"),
                ("A.Site.TEST", "/api/v2/?/api", "exact-api-v2"), ("a.site.test:8443", "/", "exact"),
                ("a.site.test.", "/", "exact"), ("a.site.test.evil.test", "/", "default"),
                ("xsite.test", "/", "default"), ("a.site.test", "/?/api/", "exact"),
                ("a.site.test", "/API/", "exact")]:
            assert who(client, target, host) == name, (host, target)


def test_hosts_without_a_name(routed):
    proxy = routed({"host": {"host": "a.test"}})
    with HttpClient(proxy.address()) as client:
        assert client.ask(host=None, version="1.0").body == b"default"
    with HttpClient(proxy.address()) as client:
        assert who(client, host="[::1]:443") == "default"
        assert who(client, host="127.0.0.1") == "default"
        assert who(client, "https://a.test/", host="a.test") == "host"


def test_http_2_is_routed_by_authority(routed, run_client, ca):
    proxy = routed({"api": {"host": "site.test", "path": "/api/"}})
    for path, name in (("/", "default"), ("/api/x", "api")):
        said = run_client(["curl", "-sS", "--http2", "--cacert", ca.file, "--resolve",
                           f"site.test:{proxy.port()}:127.0.0.1", f"https://site.test:{proxy.port()}{path}"])
        assert said == name


def test_paths_that_could_mean_another_route_are_refused(routed, run_client, ca):
    proxy = routed({"open": {"path": "/open/"}})
    for target in ("/open/../x", "/open/..", "/open/%2e%2E/x", "/open/..%2fx", "/open/..;/x", "/./open/"):
        with HttpClient(proxy.address()) as client:
            assert client.ask(target=target, host="site.test").status == 400, target
    refused = ["curl", "-sS", "--http2", "--path-as-is", "--cacert", ca.file, "-o", "/dev/null", "-w", "%{http_code}",
               "--resolve", f"site.test:{proxy.port()}:127.0.0.1", f"https://site.test:{proxy.port()}/open/../x"]
    assert run_client(refused) == "400"
    with HttpClient(proxy.address()) as client:
        assert who(client, "/open/x?/../y") == "open"
        assert who(client, "/open/.x") == "open"
    assert proxy.metrics().total("usher_http_rejected_total", reason="bad_target") == 7


def test_routes_follow_a_reload(routed):
    proxy = routed({"a": {"path": "/a/"}})
    with HttpClient(proxy.address()) as client:
        assert who(client, "/a/") == "a"
        text = proxy.path.read_text().replace('path = "/a/"', 'path = "/b/"')
        assert proxy.reload(text)
    with HttpClient(proxy.address()) as client:
        assert [who(client, target) for target in ("/a/", "/b/")] == ["default", "a"]


# --- redirects

@pytest.fixture
def redirect(start, serve, site):
    """redirect(routes) → a proxy with a listener "plain" that redirects, besides "main"."""
    def begin(routes=()):
        app = serve(http_backends.HttpBackend, http_backends.named, "app")
        plain = {"name": "plain", "address": "127.0.0.1:0", "mode": "redirect"}
        if routes:
            plain["route"] = [{**route, "backend": "app"} for route in routes]
        return start(usher.configuration([usher.listener([site], mode="http"), plain], [usher.backend(app)]))
    return begin


def plainly(proxy, method, target, headers=None, connection=None):
    own = connection or http.client.HTTPConnection(*proxy.address("plain"), timeout=10)
    own.request(method, target, headers={"Host": "site.test", **(headers or {})})
    response = own.getresponse()
    body = response.read()
    if connection is None:
        own.close()
    return response.status, response.headers.get("Location"), body


def test_redirects(redirect):
    proxy = redirect()
    for method, status in (("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)):
        assert plainly(proxy, method, "/a/b?c=d&e")[:2] == (status, "https://site.test/a/b?c=d&e")
    assert plainly(proxy, "GET", "/", {"Host": "site.test:8080"})[1] == "https://site.test/"
    assert plainly(proxy, "GET", "/", {"Host": "[::1]:80"})[1] == "https://[::1]/"
    assert plainly(proxy, "GET", "//evil.test/")[1] == "https://site.test//evil.test/"
    proxy.wait_metric("usher_http_requests_total", lambda n: n == 5, listener="plain", code="301")


def test_redirects_on_one_connection(redirect):
    proxy = redirect()
    connection = http.client.HTTPConnection(*proxy.address("plain"), timeout=10)
    for turn in range(5):
        assert plainly(proxy, "GET", f"/{turn}", connection=connection)[0] == 301
    connection.close()
    assert proxy.metrics().total("usher_connections_total", listener="plain") == 1


def test_acme_reaches_its_backend(redirect):
    proxy = redirect([{"path": "/.well-known/acme-challenge/"}])
    assert plainly(proxy, "GET", "/.well-known/acme-challenge/token") == (200, None, b"app")
    assert plainly(proxy, "GET", "/.well-known/other")[:2] == (301, "https://site.test/.well-known/other")


def test_backend_knows_that_it_was_plain(start, serve, site):
    app = serve(http_backends.HttpBackend)
    proxy = start(usher.configuration(
        [{"name": "plain", "address": "127.0.0.1:0", "mode": "redirect",
          "route": [{"path": "/acme/", "backend": "app"}]}], [usher.backend(app)]))
    plainly(proxy, "GET", "/acme/x")
    assert app.requests[0].field("x-forwarded-proto") == "http"


@pytest.mark.parametrize("bad", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                                 b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello\r\n\r\n"])
def test_bad_requests_are_not_redirected(redirect, bad):
    proxy = redirect()
    with tls.connect(proxy.address("plain")) as sock:
        sock.sendall(bad)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert raw_tls.ended(sock)
