"""Promise: client authentication is off, optional or required per listener, verified against the CA file,
the revocation list and the depth, with the CA's names sent; each failure ends with its own alert and its own
count, and whoever was not verified reaches no backend."""

import pytest

from support import tls, usher

ALERTS = {
    "missing": {"TLSv1.2": "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSv1.3": "TLSV13_ALERT_CERTIFICATE_REQUIRED"},
    "unknown_ca": "TLSV1_ALERT_UNKNOWN_CA",
    "expired": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "revoked": "SSLV3_ALERT_CERTIFICATE_REVOKED",
}


@pytest.fixture(scope="module")
def clients(client_ca, ca):
    return {
        "good": client_ca.client("good"),
        "revoked": client_ca.client("revoked"),
        "expired": client_ca.client("expired", start=-7200, end=-3600),
        "future": client_ca.client("future", start=3600, end=7200),
        "unknown_ca": ca.client("stranger"),
        "server": client_ca.server("not-a-client.test"),
        "below": client_ca.intermediate("between").client("below"),
    }


@pytest.fixture
def proxy(simple, client_ca, clients):
    def begin(mode="required", **more):
        return simple(listener={"client_auth": mode, "client_ca": client_ca.file,
                                "client_crl": client_ca.crl(clients["revoked"]), **more})
    return begin


def echoes(proxy, **more):
    with tls.Client(proxy.address(), **more).handshake() as client:
        client.send(b"hello")
        return client.receive_exactly(5) == b"hello"


@pytest.mark.parametrize("version", list(tls.CONTEXTS))
@pytest.mark.parametrize("kind, reason", [
    ("missing", "client_cert_missing"), ("unknown_ca", "client_cert_unknown_ca"),
    ("expired", "client_cert_expired"), ("revoked", "client_cert_revoked")])
def test_each_failure_has_its_alert(proxy, clients, echo, version, kind, reason):
    running = proxy()
    ctx = tls.CONTEXTS[version](client=clients.get(kind))
    alert = ALERTS[kind] if isinstance(ALERTS[kind], str) else ALERTS[kind][version]
    assert tls.handshake_failure(running.address(), ctx=ctx) == alert
    running.wait_metric("usher_handshake_failures_total", reason=reason)
    running.wait_close("handshake_failed")
    assert echo.accepted == 0


@pytest.mark.parametrize("version", list(tls.CONTEXTS))
def test_verified_client_passes(proxy, clients, version):
    assert echoes(proxy(), ctx=tls.CONTEXTS[version](client=clients["good"]))


def test_not_yet_valid_and_wrong_purpose(proxy, clients, echo):
    running = proxy()
    for kind in ("future", "server"):
        tls.handshake_failure(running.address(), ctx=tls.context(client=clients[kind]))
    running.wait_metric("usher_handshake_failures_total", reason="client_cert_expired")
    running.wait_metric("usher_handshake_failures_total", reason="client_cert_invalid")
    assert echo.accepted == 0


@pytest.mark.parametrize("version", list(tls.CONTEXTS))
def test_optional(proxy, clients, version):
    running = proxy("optional")
    make = tls.CONTEXTS[version]
    assert echoes(running, ctx=make())
    assert echoes(running, ctx=make(client=clients["good"]))
    # Optional is not lax: a certificate that is shown must be good.
    assert tls.handshake_failure(
        running.address(), ctx=make(client=clients["unknown_ca"])) == ALERTS["unknown_ca"]


def test_off_asks_for_none(simple, clients, run_client):
    running = simple()
    out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{running.port()}", "-tls1_2"])
    assert "No client certificate CA names sent" in out
    assert echoes(running, ctx=tls.context(client=clients["unknown_ca"]))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_names_of_the_authority_are_sent(proxy, run_client, clients, version):
    running = proxy("optional")
    out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{running.port()}", version])
    assert "Acceptable client certificate CA names\nCN = client-ca" in out, out


def test_depth(simple, client_ca, clients):
    """verify_depth counts the authorities between the client's certificate and the trusted one."""
    on = {"client_auth": "required", "client_ca": client_ca.file}
    deep = simple(listener={**on, "verify_depth": 1})
    assert echoes(deep, ctx=tls.context(client=clients["below"]))
    flat = simple(listener={**on, "verify_depth": 0})
    assert echoes(flat, ctx=tls.context(client=clients["good"]))
    tls.handshake_failure(flat.address(), ctx=tls.context(client=clients["below"]))
    flat.wait_metric("usher_handshake_failures_total")


def test_every_host_of_the_listener_asks(start, ca, client_ca, clients, echo):
    """A context switched by SNI keeps the listener's client authentication (OpenSSL's own switch does
    not), and its versions and tickets."""
    names = ["one.test", "two.test", "three.test"]
    running = start(usher.configuration(
        [usher.listener([ca.server(n) for n in names], client_auth="required", client_ca=client_ca.file)],
        [usher.backend(echo)], tls={"min_version": "1.3"}))
    for name in [*names, "unknown.test", None]:
        assert tls.handshake_failure(running.address(), name=name, ctx=tls.context13()) == \
            ALERTS["missing"]["TLSv1.3"]
        assert tls.handshake_failure(running.address(), name=name, ctx=tls.context12()) == \
            "TLSV1_ALERT_PROTOCOL_VERSION"
        with tls.Client(running.address(), name, tls.context13(client=clients["good"])).handshake() as client:
            assert client.session().has_ticket
