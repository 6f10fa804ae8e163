"""Promise: a backend learns who the client is from fields that only Usher, or a trusted proxy in front of it,
can have written: X-Forwarded-*, Forwarded, X-Request-ID, facts of TLS and of the client's certificate; and a
site that wants it tells browsers to stay with HTTPS."""

import hashlib
import re
import ssl

import pytest

from support import http_backends, http_client, proxy_protocol, tls, usher, waiting
from support.http_client import HttpClient

FORGED = ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: gopher", "x-forwarded-host: evil.test",
          "X-FORWARDED-PORT: 1", "Forwarded: for=198.51.100.7", "X-TLS-Version: TLSv9", "X-TLS-Cipher: NULL",
          "X-TLS-Client-Subject: CN=root", "X-TLS-Client-Verify: SUCCESS", "X-TLS-Client-Fingerprint: 00",
          "X-TLS-Anything: x"]
OURS = re.compile("x-forwarded-.*|forwarded|x-tls-.*")


@pytest.fixture
def told(front, serve):
    """told(listener, *fields) → {name: value} of what Usher told the backend, for a request with these fields."""
    def begin(listener, *fields, client=None, **more):
        backend = serve(http_backends.HttpBackend)
        proxy = front(backend, listener=listener)
        with HttpClient(proxy.address(), **(client or {})) as own:
            assert own.ask("GET", "/", *fields, **more).status == 200
        seen, = backend.requests
        names = [name for name, _ in seen.fields if OURS.fullmatch(name)]
        assert len(set(names)) == len(names), seen.fields
        return {name: value.replace(str(proxy.port()), "PORT") for name, value in seen.fields
                if name in names}
    return begin


X = {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "site.test",
     "x-forwarded-port": "PORT"}
RFC7239 = {"forwarded": "for=127.0.0.1;proto=https;host=site.test"}
CHOICES = {"x": X, "rfc7239": RFC7239, "both": {**X, **RFC7239}, "off": {}}


@pytest.mark.parametrize("choice", CHOICES)
def test_forged_fields_are_replaced(told, choice):
    assert told({"forwarded": choice}, *FORGED) == CHOICES[choice]


def test_x_is_the_default(told):
    assert told({}) == X


def test_trusted_proxies_are_added_to(told):
    listener = {"forwarded": "both", "trusted_proxies": ["192.0.2.0/24", "127.0.0.0/8"]}
    fields = told(listener, "X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 203.0.113.9, 10.0.0.1",
                  "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.test", "X-Forwarded-Port: 80",
                  "Forwarded: for=198.51.100.7;proto=http")
    assert fields == {
        "x-forwarded-for": "198.51.100.7, 203.0.113.9, 10.0.0.1, 127.0.0.1", "x-forwarded-proto": "http",
        "x-forwarded-host": "shop.test", "x-forwarded-port": "80",
        "forwarded": "for=198.51.100.7;proto=http, " + RFC7239["forwarded"]}


def test_others_are_not_trusted(told):
    listener = {"forwarded": "both", "trusted_proxies": ["192.0.2.0/24", "::1/128"]}
    assert told(listener, *FORGED) == CHOICES["both"]


def test_ipv6(told):
    fields = told({"address": "[::1]:0", "forwarded": "both"}, host="[::1]:99")
    assert fields["x-forwarded-for"] == "::1"
    assert fields["x-forwarded-host"] == "[::1]:99"
    assert fields["forwarded"] == 'for="[::1]";proto=https;host="[::1]:99"'


def test_client_behind_proxy_protocol(front, serve):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"proxy_protocol": "on", "proxy_protocol_from": ["127.0.0.0/8"]})
    with HttpClient(proxy.address(), before=b"PROXY TCP4 203.0.113.5 192.0.2.1 5555 443\r\n") as client:
        assert client.ask().status == 200
    assert backend.requests[0].field("x-forwarded-for") == "203.0.113.5"
    assert backend.requests[0].field("x-forwarded-port") == "443"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_backend_that_wants_proxy_headers(front, serve, version):
    """Each request then has a connection of its own: the header stands for one client."""
    told = []

    class Backend(http_backends.HttpBackend):
        def serve(self, connection):
            told.append(proxy_protocol.read_v1(connection)[2] if version == "v1"
                        else proxy_protocol.V2Header(connection).source[0])
            super().serve(connection)

    backend = serve(Backend)
    proxy = front(backend, backend={"proxy_protocol": version})
    with HttpClient(proxy.address()) as client:
        assert [client.ask().status for _ in range(3)] == [200] * 3
    assert told == ["127.0.0.1"] * 3
    assert [one.connection for one in backend.requests] == [0, 1, 2]


def test_proxy_headers_before_tls(front, serve, ca):
    """In clear, before the ClientHello, for requests and for health checks."""
    told = []
    issued = ca.server("app.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)

    class Backend(http_backends.TlsHttpBackend):
        def serve(self, connection):
            told.append(proxy_protocol.V2Header(connection).source)
            super().serve(connection)

    backend = serve(Backend, context)
    proxy = front(backend, backend={"proxy_protocol": "v2", "tls": True, "tls_ca": ca.file,
                                    "tls_server_name": "app.test",
                                    "health": {"type": "http", "path": "/health", "interval": "100ms"}})
    with HttpClient(proxy.address()) as client:
        assert [client.ask(target="/mine").status for _ in range(3)] == [200] * 3
        assert told.count(client.sock.getsockname()) == 3
    waiting.until(lambda: backend.seen("/health"), "a health check")
    assert None in told  # of the proxy's own
    assert len({one.connection for one in backend.seen("/mine")}) == 3


# --- request ids

def test_request_id(front, serve):
    backend = serve(http_backends.HttpBackend)
    with HttpClient(front(backend).address()) as client:
        for given in ("", "mine-1234", "a" * 128, "0af7651916cd43dd8448eb211c80319c"):
            client.ask("GET", "/", *([f"X-Request-ID: {given}"] if given else []))
            assert backend.requests[-1].field("x-request-id") == given or not given
        for bad in ("a" * 129, "a b", "<script>", "a\"b", ""):
            client.ask("GET", "/", f"X-Request-ID: {bad}")
            assert backend.requests[-1].field("x-request-id") not in (bad, None, "")
        for _ in range(20):
            client.ask()
    made = {one.field("x-request-id") for one in backend.requests[-20:]}
    assert len(made) == 20
    assert all(re.fullmatch(r"[\w-]{16,64}", one) for one in made)


# --- TLS

@pytest.mark.parametrize("version", list(tls.CONTEXTS))
def test_tls_facts(front, serve, version):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"tls_headers": True})
    ctx = tls.CONTEXTS[version]()
    with HttpClient(proxy.address(), ctx=ctx) as client:
        client.ask("GET", "/", *FORGED)
        cipher, session = client.ssl.cipher()[0], client.ssl.session
    with HttpClient(proxy.address(), ctx=ctx, session=session) as client:
        client.ask()
    first, second = backend.requests
    assert (first.field("x-tls-version"), first.field("x-tls-cipher")) == (version, cipher)
    assert (first.field("x-tls-resumed"), second.field("x-tls-resumed")) == ("0", "1")
    assert first.field("x-tls-anything") is None
    assert first.field("x-tls-client-subject") is None
    assert first.field("x-tls-client-verify") in (None, "NONE")


def test_client_certificate(front, serve, client_ca):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"tls_headers": True, "client_auth": "optional",
                                     "client_ca": client_ca.file})
    issued = client_ca.client("alice")
    ctx = tls.context13(client=issued)
    with HttpClient(proxy.address(), ctx=ctx) as client:
        client.ask()
        session = client.ssl.session
    with HttpClient(proxy.address(), ctx=ctx, session=session) as client:
        client.ask("GET", "/", "X-TLS-Client-Subject: CN=root", "X-TLS-Client-Verify: FAILED")
    http_client.get(proxy.address(), "/", "X-TLS-Client-Subject: CN=root", "X-TLS-Client-Verify: SUCCESS")
    first, resumed, nobody = backend.requests
    assert resumed.field("x-tls-resumed") == "1"
    for one in (first, resumed):
        assert "CN=alice" in one.field("x-tls-client-subject")
        assert one.field("x-tls-client-verify") == "SUCCESS"
        assert (one.field("x-tls-client-fingerprint").replace(":", "").lower()
                == hashlib.sha256(issued.der).hexdigest())
    assert nobody.field("x-tls-client-subject") is None
    assert nobody.field("x-tls-client-verify") == "NONE"


# --- HSTS

def test_hsts(front, serve):
    value = "max-age=31536000; includeSubDomains"
    backend = serve(http_backends.HttpBackend, http_backends.by_target(
        {"/own": http_backends.reply(200, b"", "Strict-Transport-Security: max-age=1"),
         "/dead": http_backends.dying}))
    address = front(backend, listener={"hsts": value}).address()
    for target, status in (("/", 200), ("/own", 200), ("/dead", 502)):
        response = http_client.get(address, target)
        assert (response.status, response.field("strict-transport-security")) == (status, value)
    assert http_client.get(front(backend).address()).field("strict-transport-security") is None


def test_http_2_tells_the_same(front, serve, run_client, ca):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, listener={"tls_headers": True, "forwarded": "both", "hsts": "max-age=60"})
    said = run_client(["curl", "-sS", "--http2", "--cacert", ca.file, "-D", "-", "-o", "/dev/null",
                       "-H", "X-Forwarded-For: 198.51.100.7", "-H", "Forwarded: for=x", "-H", "X-TLS-Version: 9",
                       "--resolve", f"site.test:{proxy.port()}:127.0.0.1", f"https://site.test:{proxy.port()}/"])
    assert said.startswith("HTTP/2 200")
    assert "strict-transport-security: max-age=60" in said
    seen, = backend.requests
    host = f"site.test:{proxy.port()}"
    assert seen.field("x-forwarded-for") == "127.0.0.1"
    assert seen.field("x-forwarded-host") == host
    assert seen.field("forwarded") == f'for=127.0.0.1;proto=https;host="{host}"'
    assert seen.field("x-tls-version") == "TLSv1.3"


def test_settings_follow_a_reload(front, serve, site):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend)
    with HttpClient(proxy.address()) as before:
        before.ask()
        assert proxy.reload(usher.configuration(
            [usher.listener([site], mode="http", forwarded="rfc7239", address="%s:%d" % proxy.address())],
            [usher.backend(backend)]))
        http_client.get(proxy.address())
    assert backend.requests[0].field("forwarded") is None
    assert backend.requests[-1].field("forwarded") is not None
