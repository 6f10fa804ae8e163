"""Promise: a ticket is good exactly where it was issued: the same pattern of names, the same client
authentication, wherever the listener; never across hosts or policies (nginx CVE-2025-23419), not after a
reload that changed the policy, and in TLS 1.2 not under another name (RFC 6066 §3)."""

import ssl

import pytest

from support import tls, usher

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))


def offers(proxy, listener, **labels):
    return proxy.metrics().total("usher_resumption_offers_total", listener=listener, **labels)


@BOTH
def test_same_host(simple, version):
    proxy = simple()
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome="resumed")
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 1, version=version,
                      resumption="psk" if version == "TLSv1.3" else "ticket")


@BOTH
def test_across_hosts(start, ca, echo, version):
    proxy = start(usher.configuration(
        [usher.listener([ca.server("one.test"), ca.server("two.test")])], [usher.backend(echo)]))
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), "one.test", ctx)
    assert not tls.resumes(proxy.address(), session, "two.test", ctx)
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, outcome="domain")
    # Unknown names are served by the default certificate, under its own first name: one domain with it
    # for TLS 1.3; in TLS 1.2 the name itself must be the same.
    assert tls.resumes(proxy.address(), session, "unknown.test", ctx) == (version == "TLSv1.3")


@BOTH
def test_two_names_under_one_wildcard(start, ca, echo, version):
    proxy = start(usher.configuration(
        [usher.listener([ca.server("*.site.test")])], [usher.backend(echo)]))
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), "a.site.test", ctx)
    assert tls.resumes(proxy.address(), session, "a.site.test", ctx)
    assert tls.resumes(proxy.address(), session, "b.site.test", ctx) == (version == "TLSv1.3")
    if version == "TLSv1.2":
        proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, outcome="domain")


def test_tls12_name_is_compared_without_case(start, ca, echo):
    proxy = start(usher.configuration([usher.listener([ca.server("*.site.test")])], [usher.backend(echo)]))
    ctx = tls.context12()
    session = tls.session_of(proxy.address(), "a.site.test", ctx)
    assert tls.resumes(proxy.address(), session, "A.SITE.TEST", ctx)


@BOTH
def test_tls12_session_with_a_name_offered_without(simple, version):
    proxy = simple()
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), "site.test", ctx)
    assert tls.resumes(proxy.address(), session, None, ctx) == (version == "TLSv1.3")


@pytest.fixture
def listeners(start, ca, site, client_ca, echo):
    """open and twin: equal domains. closed: asks for a certificate. optional: may have one."""
    other = site
    auth = {"client_ca": client_ca.file}
    return start(usher.configuration(
        [usher.listener([other], name="open"), usher.listener([other], name="twin"),
         usher.listener([other], name="optional", client_auth="optional", **auth),
         usher.listener([other], name="required", client_auth="required", **auth),
         usher.listener([other], name="required-twin", client_auth="required", **auth),
         usher.listener([other], name="deeper", client_auth="required", verify_depth=2, **auth),
         usher.listener([other], name="crl", client_auth="required", client_crl=client_ca.crl(), **auth)],
        [usher.backend(echo)]))


@BOTH
def test_listeners_with_equal_domains_share(listeners, version):
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(listeners.address("open"), ctx=ctx)
    assert tls.resumes(listeners.address("twin"), session, ctx=ctx)
    assert offers(listeners, "twin", outcome="resumed") == 1


@BOTH
@pytest.mark.parametrize("target", ["required", "deeper", "crl"])
@pytest.mark.parametrize("source", ["open", "optional"])
def test_resumption_does_not_get_around_client_certificates(listeners, echo, version, source, target):
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(listeners.address(source), ctx=ctx)
    reached = echo.accepted
    refused = tls.handshake_failure(listeners.address(target), ctx=ctx, session=session)
    assert refused in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
    assert echo.accepted == reached
    listeners.wait_metric("usher_handshake_failures_total", listener=target, reason="client_cert_missing")


@BOTH
@pytest.mark.parametrize("target", ["open", "optional", "deeper", "crl"])
def test_sessions_of_verified_clients_stay_in_their_domain(listeners, client_ca, version, target):
    ctx = tls.CONTEXTS[version](client=client_ca.client("good"))
    session = tls.session_of(listeners.address("required"), ctx=ctx)
    assert not tls.resumes(listeners.address(target), session, ctx=ctx)
    assert tls.resumes(listeners.address("required"), session, ctx=ctx)
    assert tls.resumes(listeners.address("required-twin"), session, ctx=ctx)


@BOTH
def test_reload_with_another_policy(start, site, client_ca, echo, version):
    def config(**more):
        return usher.configuration([usher.listener([site], **more)], [usher.backend(echo)])
    proxy = start(config())
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert proxy.reload(config(client_auth="required", client_ca=client_ca.file))
    refused = tls.handshake_failure(proxy.address(), ctx=ctx, session=session)
    assert refused in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
    assert proxy.reload(config())
    assert tls.resumes(proxy.address(), session, ctx=ctx)


@BOTH
def test_reload_with_a_revocation(start, site, client_ca, echo, version):
    """A client that is revoked does not come back on its old session."""
    victim = client_ca.client("victim")

    def config(crl):
        return usher.configuration(
            [usher.listener([site], client_auth="required", client_ca=client_ca.file, client_crl=crl)],
            [usher.backend(echo)])
    proxy = start(config(client_ca.crl(name="crl-before")))
    ctx = tls.CONTEXTS[version](client=victim)
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    assert proxy.reload(config(client_ca.crl(victim, name="crl-after")))
    assert tls.handshake_failure(proxy.address(), ctx=ctx, session=session) == \
        "SSLV3_ALERT_CERTIFICATE_REVOKED"


@BOTH
def test_renewed_certificate_keeps_resumption(start, ca, echo, version):
    def config():
        return usher.configuration([usher.listener([ca.server("site.test")])], [usher.backend(echo)])
    proxy = start(config())
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert proxy.reload(config())
    assert tls.resumes(proxy.address(), session, ctx=ctx)


def test_ticket_of_the_other_version(simple):
    """A TLS 1.2 ticket in a hello that also offers TLS 1.3, which goes first: a full handshake."""
    proxy = simple()
    ctx = tls.context12()
    session = tls.session_of(proxy.address(), ctx=ctx)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_3
    assert not tls.resumes(proxy.address(), session, ctx=ctx)
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome="version")


@BOTH
def test_certificates_without_a_name(start, ca, echo, version):
    """Two sites that are known by address only are two domains."""
    proxy = start(usher.configuration(
        [usher.listener([ca.server("127.0.0.1")], name="one"),
         usher.listener([ca.server("127.0.0.2")], name="two")], [usher.backend(echo)]))
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address("one"), None, ctx)
    assert tls.resumes(proxy.address("one"), session, None, ctx)
    assert not tls.resumes(proxy.address("two"), session, None, ctx)
