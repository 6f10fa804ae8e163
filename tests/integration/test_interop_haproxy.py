"""Promise: Usher and HAProxy with the same file of ticket keys and session_context = "haproxy" resume each
other's sessions, keys of 48 and 80 bytes, TLS 1.2 and 1.3; without session_context neither resumes the other's;
and the tickets of both can be decoded."""

import pytest

from support import peers, sessions, ticket_keys, usher, usherctl
from support.ticket_keys import TicketKey

BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))
SIZES = pytest.mark.parametrize("size", [48, 80])


@pytest.fixture
def pair(start, site, echo, tmp_path):
    """pair(size) → HAProxy and Usher with the same keys, in .file; `listener` is Usher's."""
    running = []

    def begin(size, **listener):
        keys = ticket_keys.haproxy_file(tmp_path / "tickets.keys", [TicketKey(size) for _ in range(3)])
        proxy = start(usher.configuration(
            [usher.listener([site], **listener)], [usher.backend(echo)],
            tickets={"source": "file", "file": [str(keys)]}))
        proxy.file = keys
        running.append(peers.Haproxy(tmp_path, [site], keys, echo))
        return running[-1].wait_ready(), proxy
    yield begin
    for one in running:
        one.kill()


def offers(proxy, outcome):
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome=outcome)


@BOTH
@SIZES
def test_each_resumes_the_others_sessions(pair, size, version):
    other, proxy = pair(size, session_context="haproxy")
    assert sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    offers(proxy, "resumed")
    ours = sessions.full(proxy.address(), version)
    resumed, renewed = sessions.begin(other.address(), version, session=ours)
    assert resumed
    assert sessions.resumes(proxy.address(), renewed)  # and back again, as a client of a mixed fleet


@pytest.mark.parametrize("first", ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"])
def test_whichever_suite_the_client_likes_best(pair, first):
    """In TLS 1.3 the hash of the suite must be the same (RFC 8446 §4.6.1), and HAProxy chooses."""
    other, proxy = pair(80, session_context="haproxy")
    suites = f"TLS_{first}:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
    for one, two in ((other, proxy), (proxy, other)):
        session = sessions.begin(one.address(), suites=suites)[1]
        assert sessions.begin(two.address(), session=session, suites=suites)[0]


@BOTH
def test_without_session_context_neither_resumes(pair, version):
    other, proxy = pair(80)
    assert not sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    offers(proxy, "domain")
    assert not sessions.resumes(other.address(), sessions.full(proxy.address(), version))


def test_session_context_is_warned_of(pair):
    _, proxy = pair(80, session_context="haproxy")
    proxy.wait_stderr("session_context")


@BOTH
@SIZES
def test_tickets_of_both_are_decoded(pair, tmp_path, size, version):
    other, proxy = pair(size, session_context="haproxy")
    for server, ours in ((other, False), (proxy, True)):
        session = sessions.full(server.address(), version)
        path = tmp_path / "session.pem"
        path.write_text(session.pem)
        arguments = ["ticket", "decode", "--format", "haproxy", "--keys", proxy.file]
        decoded = usherctl.answer(*arguments, path)
        assert decoded["verdict"] == "opened" and decoded["key_name"] == session.ticket[:16].hex()
        assert decoded["ticket_cipher"] == {48: "AES-128-CBC", 80: "AES-256-CBC"}[size]
        inside = decoded["session"]
        assert inside["protocol"] == version and inside["sni"] == "site.test"
        assert bytes.fromhex(inside["domain"]) == b"haproxy"
        assert (inside["lineage_start"] is not None) == ours
        assert (inside["own_domain"] is not None) == ours
        shown = usherctl.text(*arguments, session.ticket.hex())
        assert session.ticket[:16].hex() in shown and "verified" in shown and "site.test" in shown
        assert ("not a ticket of Usher's" in shown) != ours
