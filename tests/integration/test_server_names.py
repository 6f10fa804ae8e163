"""Promise: the certificate follows the server's name: exact before wildcard, a wildcard for exactly one
label, the listener's first entry for everything else; of an RSA and an ECDSA certificate under one name each
client gets the one that it can verify."""

import datetime

import pytest

from support import raw_tls, tls, usher


@pytest.fixture
def proxy(start, ca, echo):
    issued = {
        "default": ca.server("default.test"),
        "exact": ca.server("a.site.test"),
        "wildcard": ca.server("*.site.test"),
        "both": ca.server("b.other.test", "c.other.test"),
        "configured": ca.server("unused.test"),
    }
    entries = [issued["default"], issued["exact"], issued["wildcard"], issued["both"],
               {"chain": issued["configured"].chain, "key": issued["configured"].key,
                "names": ["given.test", "*.given.test"]}]
    proxy = start(usher.configuration([usher.listener(entries)], [usher.backend(echo)]))
    proxy.issued = issued
    return proxy


@pytest.mark.parametrize("name, expected", [
    ("a.site.test", "exact"), ("A.SITE.TEST", "exact"),
    ("x.site.test", "wildcard"), ("deep.x.site.test", "default"), ("site.test", "default"),
    ("b.other.test", "both"), ("c.other.test", "both"), ("d.other.test", "default"),
    ("given.test", "configured"), ("sub.given.test", "configured"), ("unused.test", "default"),
    ("nowhere.invalid", "default"), (None, "default"),
])
@pytest.mark.parametrize("version", list(tls.CONTEXTS))
def test_certificate_for_a_name(proxy, name, expected, version):
    with tls.Client(proxy.address(), name, tls.CONTEXTS[version]()).handshake() as client:
        assert client.ssl.getpeercert(binary_form=True) == proxy.issued[expected].der
        client.send(b"ping")
        assert client.receive_exactly(4) == b"ping"


def test_key_type_that_the_client_can_verify(start, ca, echo, run_client):
    ecdsa, rsa = ca.server("site.test"), ca.server("site.test", kind="rsa")
    proxy = start(usher.configuration([usher.listener([ecdsa, rsa])], [usher.backend(echo)]))
    for version in ("-tls1_2", "-tls1_3"):
        for algorithms, kind in (("ECDSA+SHA256:RSA-PSS+SHA256", "ECDSA"), ("ECDSA+SHA256", "ECDSA"),
                                 ("RSA-PSS+SHA256:RSA+SHA256", "RSA-PSS")):
            out = run_client(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}",
                              "-servername", "site.test", version, "-sigalgs", algorithms])
            assert f"Peer signature type: {kind}" in out, (version, algorithms, out)


def test_key_types_split_over_names(start, ca, echo):
    """A host with RSA only keeps RSA beside an ECDSA default."""
    ecdsa, rsa = ca.server("one.test"), ca.server("two.test", kind="rsa")
    proxy = start(usher.configuration([usher.listener([ecdsa, rsa])], [usher.backend(echo)]))
    for name, issued in (("one.test", ecdsa), ("two.test", rsa)):
        for make in tls.CONTEXTS.values():
            with tls.Client(proxy.address(), name, make(ca)).handshake() as client:
                assert client.ssl.getpeercert(binary_form=True) == issued.der


@pytest.mark.parametrize("raw", [b"", b"\x00" * 5, b"a\x00b.test", b"x" * 300],
                         ids=["empty", "nul", "nul-inside", "too-long"])
def test_malformed_names_are_refused(proxy, raw):
    with tls.connect(proxy.address()) as sock:
        extensions = raw_tls.usual_extensions(raw)
        sock.sendall(raw_tls.record(22, raw_tls.hello_body(extensions=extensions)))
        assert raw_tls.alert_after(sock) in ("decode_error", "illegal_parameter")
    proxy.wait_metric("usher_handshake_failures_total", reason="malformed")


def test_expiry_metric_per_name(proxy):
    samples = proxy.metrics().all("usher_certificate_not_after_timestamp_seconds")
    names = {labels["name"] for labels, _ in samples}
    assert {"default.test", "a.site.test", "*.site.test", "b.other.test", "given.test"} <= names
    for labels, value in samples:
        issued = [i for i in proxy.issued.values()
                  if i.certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp() == value]
        assert issued, (labels, value)


def test_expiry_metric_is_of_the_certificate_that_ends_first(start, ca, echo):
    pair = [ca.server("site.test", kind=kind, end=end) for kind, end in (("rsa", 90_000), ("ecdsa", 50_000))]
    proxy = start(usher.configuration([usher.listener(pair)], [usher.backend(echo)]))
    (_, value), = proxy.metrics().all("usher_certificate_not_after_timestamp_seconds")
    assert value == pair[1].certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
