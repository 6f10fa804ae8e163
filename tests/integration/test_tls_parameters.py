"""Promise: protocol versions, cipher lists, groups, signature algorithms and ALPN are those of the
configuration, the server's order decides, and a client that shares none gets the right alert."""

import ssl

import pytest

from support import libssl, raw_tls, tls, usher

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def negotiated(proxy, **more):
    with tls.Client(proxy.address(), ctx=tls.context(**more)).handshake() as client:
        return client.ssl.version(), client.ssl.cipher()[0]


def test_both_versions_by_default_and_aes128_first(simple):
    proxy = simple()
    assert negotiated(proxy) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert negotiated(proxy, high=V12) == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")


def test_chacha_for_clients_that_put_it_first(simple):
    """A client without AES hardware says so by its order."""
    proxy = simple()
    version, cipher = negotiated(
        proxy, high=V12, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")
    assert (version, cipher) == ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305")


def test_the_servers_order_decides(simple):
    proxy = simple(tls={"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
                        "ciphersuites": "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"})
    client = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    assert negotiated(proxy, high=V12, ciphers=client)[1] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert negotiated(proxy)[1] == "TLS_AES_256_GCM_SHA384"


@pytest.mark.parametrize("only, other", [("1.2", V13), ("1.3", V12)])
def test_a_version_that_is_off(simple, only, other):
    proxy = simple(tls={"min_version": only, "max_version": only})
    ctx = tls.context(low=other, high=other)
    assert tls.handshake_failure(proxy.address(), ctx=ctx) == "TLSV1_ALERT_PROTOCOL_VERSION"
    proxy.wait_metric("usher_handshake_failures_total", reason="version")
    proxy.wait_close("handshake_failed")


@pytest.mark.parametrize("version, alert", [
    (0x0300, "handshake_failure"),  # SSL 3.0 has no alert protocol_version
    (0x0301, "protocol_version"), (0x0302, "protocol_version")], ids=["ssl3", "tls1.0", "tls1.1"])
def test_old_versions_get_the_right_alert(simple, version, alert):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body(version=version)))
        assert raw_tls.alert_after(sock) == alert
    proxy.wait_metric("usher_handshake_failures_total", reason="version")


def test_no_shared_cipher(simple):
    proxy = simple(tls={"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"})
    ctx = tls.context12(ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    assert tls.handshake_failure(proxy.address(), ctx=ctx) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    proxy.wait_metric("usher_handshake_failures_total", reason="no_shared_cipher")


def test_groups(simple):
    proxy = simple(tls={"groups": "P-384"})
    with tls.Client(proxy.address(), ctx=tls.context(groups="secp384r1")).handshake():
        pass
    refused = tls.handshake_failure(proxy.address(), ctx=tls.context13(groups="prime256v1"))
    assert refused == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    proxy.wait_metric("usher_handshake_failures_total", reason="no_shared_cipher")


def test_hello_retry_request(simple, run_client):
    """The client's first key share is of a group that the server does not take: one more round trip, and
    the choice of the host (made in the first round) stands."""
    proxy = simple(tls={"groups": "P-256"})
    out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-tls1_3", "-msg",
                      "-servername", "site.test", "-groups", "X25519:P-256"])
    assert "Server Temp Key: ECDH, prime256v1" in out, out
    assert out.count(", ClientHello") == 2
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 1, version="TLSv1.3")


def test_hello_retry_request_keeps_host_and_policy(start, ca, client_ca, echo, run_client):
    """On a host that is not the default one, with client certificates: the hello callback runs twice."""
    second = ca.server("two.test")
    proxy = start(usher.configuration(
        [usher.listener([ca.server("one.test"), second], client_auth="required", client_ca=client_ca.file)],
        [usher.backend(echo)], tls={"groups": "P-256"}))
    client = client_ca.client("someone")
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-tls1_3", "-msg",
            "-servername", "two.test", "-groups", "X25519:P-256"]
    out = run_client([*argv, "-cert", client.chain, "-key", client.key])
    assert "subject=CN = two.test" in out and out.count(", ClientHello") == 2, out
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 1)
    assert "certificate required" in run_client([*argv, "-ign_eof"])
    proxy.wait_metric("usher_handshake_failures_total", lambda n: n == 1, reason="client_cert_missing")


def test_sigalgs(start, ca, echo, run_client):
    rsa = ca.server("site.test", kind="rsa")
    proxy = start(usher.configuration(
        [usher.listener([rsa])], [usher.backend(echo)], tls={"sigalgs": "rsa_pss_rsae_sha384"}))
    out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-tls1_3"])
    assert "Peer signing digest: SHA384" in out, out
    out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-tls1_3",
                      "-sigalgs", "rsa_pss_rsae_sha256"])
    assert "alert handshake failure" in out, out


def test_alpn_by_the_servers_order(simple):
    proxy = simple(listener={"alpn": ["h2", "http/1.1"]})
    with tls.Client(proxy.address(), ctx=tls.context(alpn=["http/1.1", "h2"])).handshake() as client:
        assert client.ssl.selected_alpn_protocol() == "h2"
    with tls.Client(proxy.address(), ctx=tls.context(alpn=["http/1.1"])).handshake() as client:
        assert client.ssl.selected_alpn_protocol() == "http/1.1"
    with tls.Client(proxy.address()).handshake() as client:
        assert client.ssl.selected_alpn_protocol() is None


def test_alpn_without_overlap(simple):
    proxy = simple(listener={"alpn": ["h2"]})
    refused = tls.handshake_failure(proxy.address(), ctx=tls.context(alpn=["spdy/3"]))
    assert refused == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
    proxy.wait_metric("usher_handshake_failures_total", reason="alpn")


def test_alpn_not_configured_is_not_answered(simple):
    proxy = simple()
    with tls.Client(proxy.address(), ctx=tls.context(alpn=["h2"])).handshake() as client:
        assert client.ssl.selected_alpn_protocol() is None


def test_renegotiation_is_refused(simple):
    proxy = simple()
    with libssl.LibsslClient(proxy.address(), version=libssl.TLS12) as client:
        client.send(b"before")
        assert client.receive(6) == b"before"
        with pytest.raises(tls.Ended) as refused:
            client.renegotiate()
            client.receive(1)
        assert refused.value.how == "no renegotiation"
    assert proxy.metrics().total("usher_handshakes_total") == 1


@pytest.mark.parametrize("version", [libssl.TLS12, libssl.TLS13])
@pytest.mark.parametrize("code, size", [(1, 512), (2, 1024), (3, 2048), (4, 4096)])
def test_max_fragment_length(simple, code, size, version):
    """RFC 6066 §4: no record of the server carries more than the client asked for; counted by size."""
    proxy = simple()
    data = bytes(range(256)) * 80
    with libssl.LibsslClient(proxy.address(), version=version, fragment=code) as client:
        for start in range(0, len(data), 512):
            client.send(data[start:start + 512])
        back = b""
        while len(back) < len(data):
            part = client.receive(65536)
            assert len(part) <= size  # SSL_read gives at most one record
            back += part
        assert back == data
    proxy.wait_metric("usher_max_fragment_length_total", lambda n: n == 1, bytes=size)


def test_metrics_tell_versions_apart(simple):
    proxy = simple()
    negotiated(proxy)
    negotiated(proxy, high=V12)
    negotiated(proxy, high=V12)
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 2, version="TLSv1.2", resumption="none")
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 1, version="TLSv1.3", resumption="none")
    proxy.wait_metric("usher_handshake_seconds_count", lambda n: n == 3, resumption="none")
