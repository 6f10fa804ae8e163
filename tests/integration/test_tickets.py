"""Promise: with embedded keys a client resumes on any worker, before and after rotations; TLS 1.3 renews
always, TLS 1.2 when its key is no longer the current one; sessions end with their lifetime and lineages with
theirs; when keys are too old none are sealed; and every offer is counted with its outcome."""

import base64
import re
import time

import pytest

from support import backends, raw_tls, tls, usher, waiting

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))
FAST = {"rotate_every": "1s", "seal_max_age": "10s", "open_max_age": "40s"}
FAST_TLS = {"session_lifetime": "30s"}


@BOTH
def test_on_any_worker(simple, version):
    proxy = simple(process={"workers": 4})
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert all(tls.resumes(proxy.address(), session, ctx=ctx) for _ in range(24))
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 24, kind="ticket", outcome="resumed")


@BOTH
def test_across_rotations(simple, version):
    proxy = simple(tickets=FAST, tls=FAST_TLS)
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    for previous in (1, 2, 3):
        proxy.wait_metric("usher_ticket_keys", lambda n: n >= previous, state="previous")
        assert all(tls.resumes(proxy.address(), session, ctx=ctx) for _ in range(4))
    assert proxy.metrics().total("usher_ticket_keys", state="current") == 1
    ring = proxy.metrics().total("usher_ticket_ring_version")
    proxy.wait_metric("usher_ticket_ring_version", lambda n: n > ring)


def issued(proxy):
    return proxy.metrics().total("usher_tickets_issued_total")


def test_tls13_always_renews(simple):
    proxy = simple()
    ctx = tls.context13()
    session = tls.session_of(proxy.address(), ctx=ctx)
    for count in (2, 3, 4):
        with tls.Client(proxy.address(), ctx=ctx, session=session).handshake() as client:
            session = client.session()
            assert client.resumed()
        proxy.wait_metric("usher_tickets_issued_total", lambda n: n == count)


def test_tls12_renews_under_a_previous_key_only(simple):
    proxy = simple(tickets={**FAST, "rotate_every": "2s"}, tls=FAST_TLS)
    ctx = tls.context12()
    # Just after a rotation, so that the next resumption meets the same key.
    before = proxy.metrics().total("usher_ticket_ring_version")
    proxy.wait_metric("usher_ticket_ring_version", lambda n: n > before)
    session = tls.session_of(proxy.address(), ctx=ctx)
    count = issued(proxy)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    assert issued(proxy) == count
    before = proxy.metrics().total("usher_ticket_ring_version")
    proxy.wait_metric("usher_ticket_ring_version", lambda n: n > before)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    assert issued(proxy) == count + 1


@pytest.mark.parametrize("count", [1, 4])
def test_tickets_per_handshake(simple, count):
    proxy = simple(tickets={"per_handshake": count})
    with tls.Client(proxy.address(), ctx=tls.context13()).handshake() as client:
        assert client.session().has_ticket
    assert issued(proxy) == count


@BOTH
def test_session_lifetime(simple, version):
    """One session, offered again and again: it is renewed, but itself ends with its lifetime."""
    proxy = simple(tls={"session_lifetime": "2s"})
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert session.ticket_lifetime_hint <= 2
    began = time.monotonic()
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    waiting.until(lambda: not tls.resumes(proxy.address(), session, ctx=ctx), "the session's end")
    assert 0.9 <= time.monotonic() - began
    if version == "TLSv1.2":  # OpenSSL's client does not even offer an expired TLS 1.3 ticket
        assert proxy.metrics().total("usher_resumption_offers_total", outcome="expired") == 1


@BOTH
def test_lineage_ends_however_often_it_is_renewed(simple, version):
    proxy = simple(tls={"lineage_max": "3s", "session_lifetime": "3s"}, tickets=FAST)
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    began = time.monotonic()
    resumed = 0

    def renewed_until_refused():
        nonlocal session, resumed
        with tls.Client(proxy.address(), ctx=ctx, session=session).handshake() as client:
            session = client.session()
            resumed += client.resumed()
            return not client.resumed()
    waiting.until(renewed_until_refused, "the lineage's end")
    assert resumed >= 2
    assert time.monotonic() - began >= 1.9
    # The full handshake began a new lineage.
    assert tls.resumes(proxy.address(), session, ctx=ctx)


@BOTH
def test_client_certificate_ends_the_session(simple, client_ca, version):
    """No session outlives the certificate that it vouches for."""
    proxy = simple(listener={"client_auth": "required", "client_ca": client_ca.file})
    ctx = tls.CONTEXTS[version](client=client_ca.client("short", end=30))
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert 0 < session.ticket_lifetime_hint <= 30
    assert tls.resumes(proxy.address(), session, ctx=ctx)


@BOTH
def test_source_off(simple, version):
    """No tickets; and without a session cache no resumption (with one: test_session_ids.py)."""
    proxy = simple(tickets={"source": "off"}, session_cache={"memory_entries": 0})
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert not session.has_ticket
    assert issued(proxy) == 0
    assert proxy.metrics().total("usher_ticket_keys") == 0
    assert not tls.resumes(proxy.address(), session, ctx=ctx)


@BOTH
def test_ticket_of_another_fleet(simple, version):
    one, other = simple(), simple()
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(one.address(), ctx=ctx)
    assert not tls.resumes(other.address(), session, ctx=ctx)
    other.wait_metric("usher_resumption_offers_total", lambda n: n == 1, outcome="unknown_foreign")


def test_expired_key(simple):
    proxy = simple(tickets={"rotate_every": "1s", "seal_max_age": "2s", "open_max_age": "4s"},
                   tls={"session_lifetime": "2s"})
    ctx = tls.context12()
    session = tls.session_of(proxy.address(), ctx=ctx)

    def past():
        tls.resumes(proxy.address(), session, ctx=ctx)
        return proxy.metrics().total("usher_resumption_offers_total", outcome="unknown_past")
    waiting.until(past, "the key's end")
    assert proxy.metrics().total("usher_ticket_keys") <= 6


def ticket_on_the_wire(proxy):
    """The ticket of a TLS 1.2 handshake: NewSessionTicket comes in the clear (RFC 5077 §3.3)."""
    with tls.connect(proxy.address()) as sock:
        recorder = _Recorder(sock)
        tls.Client(None, ctx=tls.context12(), sock=recorder).handshake()
        data = bytes(recorder.received)
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 3:at + 5], "big")
        kind, body = data[at], data[at + 5:at + 5 + size]
        while kind == 22 and body:
            length = int.from_bytes(body[1:4], "big")
            if body[0] == 4:
                return body[10:4 + length]
            body = body[4 + length:]
        at += 5 + size
    raise AssertionError("no NewSessionTicket")


class _Recorder:
    def __init__(self, sock):
        self._sock, self.received = sock, bytearray()

    def recv(self, size):
        data = self._sock.recv(size)
        self.received += data
        return data

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize("change", [lambda t: t[:10], lambda t: t[:48], lambda t: b"x" * 2000],
                         ids=["stub", "empty-body", "noise"])
def test_ticket_of_an_odd_size_costs_a_full_handshake(simple, change):
    proxy = simple()
    ticket = change(ticket_on_the_wire(proxy))
    extensions = raw_tls.usual_extensions() + raw_tls.extension(35, ticket)
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body(extensions=extensions)))
        records = raw_tls.read_records(sock, lambda found: b"\x0e\x00\x00\x00" in found[-1][1])
    sent = b"".join(payload for kind, payload in records if kind == 22)
    assert sent[0] == 2 and b"\x0e\x00\x00\x00" in sent  # ServerHello … ServerHelloDone: a full handshake
    # It dies after the offer, for there is no client behind it.
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome="other")


@BOTH
@pytest.mark.parametrize("at, outcome", [(0, "unknown_foreign"), (20, "bad_mac"), (60, "bad_mac"), (-1, "bad_mac")],
                         ids=["name", "iv", "body", "mac"])
def test_damaged_tickets_cost_a_full_handshake(start, serve, site, run_client, tmp_path, version, at, outcome):
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(serve(backends.Source, 10))]))
    client = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "site.test",
              "-ign_eof", {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}[version]]
    path = tmp_path / "session.pem"
    assert f"New, {version}" in run_client([*client, "-sess_out", path])
    assert f"Reused, {version}" in run_client([*client, "-sess_in", path])
    path.write_text(_with_damaged_ticket(path.read_text(), at))
    assert f"New, {version}" in run_client([*client, "-sess_in", path])
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome=outcome)


def _with_damaged_ticket(pem, at):
    """Flips a bit of the ticket in an SSL_SESSION: [10] EXPLICIT OCTET STRING, more than 127 bytes long."""
    der = bytearray(base64.b64decode("".join(pem.splitlines()[1:-1])))
    start = re.search(rb"\xaa\x81.\x04\x81", der, re.DOTALL).start()  # random bytes are in it, too
    size = der[start + 5]
    assert der[start + 2] == size + 3
    der[start + 6 + (at if at >= 0 else size + at)] ^= 1
    return ("-----BEGIN SSL SESSION PARAMETERS-----\n" + base64.encodebytes(der).decode()
            + "-----END SSL SESSION PARAMETERS-----\n")


def test_security_level_without_tickets_is_warned_of(simple):
    """From level 3 on OpenSSL neither seals nor opens TLS 1.2 tickets; TLS 1.3 is not concerned."""
    proxy = simple(tls={"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=3"})
    proxy.wait_stderr("@SECLEVEL=2")
    assert not tls.session_of(proxy.address(), ctx=tls.context12()).has_ticket
    ctx = tls.context13()
    assert tls.resumes(proxy.address(), tls.session_of(proxy.address(), ctx=ctx), ctx=ctx)


def test_gnutls_resumes(simple, run_client):
    """Another implementation than OpenSSL on the client's side."""
    proxy = simple()
    for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"):
        out = run_client(["gnutls-cli", "--insecure", "--resume", "--waitresumption", "--priority", priority,
                          "--port", str(proxy.port()), "127.0.0.1", "--sni-hostname", "site.test"])
        assert "*** This is a resumed session" in out, out
