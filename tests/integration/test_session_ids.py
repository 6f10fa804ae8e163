"""Promise: a client of TLS 1.2 without tickets comes back with its session id, on any worker of the process and
without Redis; under the rules of tickets: not across hosts or policies, not beyond its lifetime, not after a
revocation; the memory for it is bounded; an id that is not ours, and one that cannot help, is not looked up; and
every offer is counted with its outcome."""

import time

import pytest

from support import session_ids, sessions, tls, usher, usherctl, waiting


def context(**more):
    return tls.context12(tickets=False, **more)


def openssl(proxy, *more):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "site.test",
            "-tls1_2", "-no_ticket", *more]


# --- it comes back

@pytest.mark.parametrize("source", ["embedded", "off"])
def test_on_any_worker(simple, source):
    proxy = simple(process={"workers": 4}, tickets={"source": source})
    session = session_ids.full(proxy.address())
    assert all(session_ids.resumes(proxy.address(), session) for _ in range(24))
    session_ids.wait_offers(proxy, 24, "resumed")
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 24, version="TLSv1.2", resumption="session_id")
    assert session_ids.lookups(proxy, "memory") == {"hit": 24}
    assert session_ids.stores(proxy, "memory") == {"hit": 1}
    assert session_ids.lookups(proxy, "redis") == session_ids.stores(proxy, "redis") == {}
    assert proxy.metrics().total("usher_session_cache_entries") == 1
    assert proxy.metrics().total("usher_tickets_issued_total") == 0


def test_openssl_resumes(simple, run_client, tmp_path):
    proxy, kept = simple(), tmp_path / "session"
    assert "New, TLSv1.2" in run_client(openssl(proxy, "-sess_out", kept))
    for _ in range(4):
        assert "Reused, TLSv1.2" in run_client(openssl(proxy, "-sess_in", kept))


def test_gnutls_resumes(simple, run_client):
    proxy = simple()
    out = run_client(["gnutls-cli", "--insecure", "--resume", "--waitresumption",
                      "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_TICKETS",
                      "--port", str(proxy.port()), "127.0.0.1", "--sni-hostname", "site.test"])
    assert "*** This is a resumed session" in out, out
    session_ids.wait_offers(proxy, 1, "resumed")


def test_a_client_certificate_is_remembered(simple, client_ca):
    proxy = simple(listener={"client_auth": "required", "client_ca": client_ca.file})
    ctx = context(client=client_ca.client("somebody"))
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert all(tls.resumes(proxy.address(), session, ctx=ctx) for _ in range(4))
    session_ids.wait_offers(proxy, 4, "resumed")


def test_across_rotations_and_reloads(simple):
    with usherctl.socket_path() as path:
        proxy = simple(admin={"socket": path})
        session = session_ids.full(proxy.address())
        for _ in range(3):
            usherctl.text("--socket", path, "keys", "rotate")
            assert proxy.reload()
            assert all(session_ids.resumes(proxy.address(), session) for _ in range(4))
        fresh = session_ids.full(proxy.address())
        assert fresh.id[:4] != session.id[:4]  # another key
        assert session_ids.resumes(proxy.address(), fresh)


# --- but only where it was made

def test_not_across_hosts(start, ca, echo):
    proxy = start(usher.configuration(
        [usher.listener([ca.server("one.test"), ca.server("two.test"), ca.server("*.three.test")])],
        [usher.backend(echo)]))
    one = session_ids.full(proxy.address(), "one.test")
    for name in ("two.test", "a.three.test", "unknown.test", None):
        assert not session_ids.resumes(proxy.address(), one, name)
    wild = session_ids.full(proxy.address(), "a.three.test")
    assert not session_ids.resumes(proxy.address(), wild, "b.three.test")  # RFC 6066 §3
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 5, kind="session_id")
    assert set(session_ids.offers(proxy)) <= {"domain", "not_found"}
    assert session_ids.resumes(proxy.address(), one, "one.test")
    assert session_ids.resumes(proxy.address(), wild, "A.three.test")


@pytest.fixture
def listeners(start, site, client_ca, echo):
    """open and twin: equal domains; the others ask for a certificate, each in its own way."""
    auth = {"client_ca": client_ca.file}
    return start(usher.configuration(
        [usher.listener([site], name="open"), usher.listener([site], name="twin"),
         usher.listener([site], name="optional", client_auth="optional", **auth),
         usher.listener([site], name="required", client_auth="required", **auth),
         usher.listener([site], name="deeper", client_auth="required", verify_depth=2, **auth)],
        [usher.backend(echo)]))


def test_listeners_with_equal_domains_share(listeners):
    session = session_ids.full(listeners.address("open"))
    assert session_ids.resumes(listeners.address("twin"), session)


def test_not_around_client_certificates(listeners, echo):
    ctx = context()
    for source in ("open", "optional"):
        session = tls.session_of(listeners.address(source), ctx=ctx)
        reached = echo.accepted
        for target in ("required", "deeper"):
            refused = tls.handshake_failure(listeners.address(target), ctx=ctx, session=session)
            assert refused == "SSLV3_ALERT_HANDSHAKE_FAILURE"
        assert echo.accepted == reached


def test_sessions_of_verified_clients_stay_in_their_domain(listeners, client_ca):
    ctx = context(client=client_ca.client("good"))
    session = tls.session_of(listeners.address("required"), ctx=ctx)
    for target in ("open", "optional", "deeper"):
        assert not tls.resumes(listeners.address(target), session, ctx=ctx)
    assert tls.resumes(listeners.address("required"), session, ctx=ctx)


def test_not_after_a_reload_with_another_policy(start, site, client_ca, echo):
    def config(**more):
        return usher.configuration([usher.listener([site], **more)], [usher.backend(echo)])
    proxy = start(config())
    ctx = context()
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert proxy.reload(config(client_auth="required", client_ca=client_ca.file))
    assert tls.handshake_failure(proxy.address(), ctx=ctx, session=session) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert proxy.reload(config())
    assert tls.resumes(proxy.address(), session, ctx=ctx)


# --- and not for ever

@pytest.mark.parametrize("limit", [{"session_lifetime": "2s"}, {"session_lifetime": "2s", "lineage_max": "2s"}],
                         ids=["session_lifetime", "lineage_max"])
def test_it_ends(simple, limit):
    """Resumption does not prolong it: in TLS 1.2 the session is the same."""
    proxy = simple(tls=limit)
    began = time.monotonic()
    session = session_ids.full(proxy.address())
    assert session_ids.resumes(proxy.address(), session)
    waiting.until(lambda: not session_ids.resumes(proxy.address(), session), "the session's end")
    assert time.monotonic() - began >= 0.9
    assert set(session_ids.offers(proxy)) - {"resumed"} <= {"expired", "lineage", "not_found"}
    assert session_ids.resumes(proxy.address(), session_ids.full(proxy.address()))


def test_it_ends_with_the_client_certificate(simple, client_ca):
    proxy = simple(listener={"client_auth": "optional", "client_ca": client_ca.file})
    ctx = context(client=client_ca.client("short", end=3 * waiting.SLOWNESS))
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert tls.resumes(proxy.address(), session, ctx=ctx)

    def refused():
        try:
            return not tls.resumes(proxy.address(), session, ctx=ctx)
        except tls.Ended as end:  # a full handshake, in which it is verified
            return end.how == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    waiting.until(refused, "the certificate's end")


def test_it_ends_with_its_key(simple):
    proxy = simple(tickets={"rotate_every": "1s", "seal_max_age": "2s", "open_max_age": "4s"},
                   tls={"session_lifetime": "2s"})
    session = session_ids.full(proxy.address())

    def gone():
        session_ids.resumes(proxy.address(), session)
        return session_ids.offers(proxy).get("foreign")
    waiting.until(gone, "the key's end")


@pytest.fixture
def controlled(simple):
    with usherctl.socket_path() as path:
        proxy = simple(admin={"socket": path}, process={"workers": 3})
        proxy.control = usherctl.Control(path)
        yield proxy


def revoke(proxy, name):
    """And lets the second pass in which it was done: lineages count in whole seconds."""
    proxy.control.ok("keys", "revoke", name)
    revoked = int(time.time())
    waiting.until(lambda: time.time() >= revoked + 1, "the next second")


def key_names(proxy, state):
    return [key["name"] for key in proxy.control.json("keys", "show")["keys"] if key["state"] == state]


def test_not_after_its_key_was_revoked(controlled):
    session = session_ids.full(controlled.address())
    assert session_ids.resumes(controlled.address(), session)
    revoke(controlled, key_names(controlled, "current")[0])
    assert not any(session_ids.resumes(controlled.address(), session) for _ in range(9))
    assert session_ids.offers(controlled) == {"resumed": 1, "foreign": 9}
    fresh = session_ids.full(controlled.address())
    assert all(session_ids.resumes(controlled.address(), fresh) for _ in range(9))


def test_not_after_another_key_was_revoked(controlled):
    """It began before: what was stolen with the key may be its secret."""
    controlled.control.ok("keys", "rotate")
    session = session_ids.full(controlled.address())
    assert session_ids.resumes(controlled.address(), session)
    revoke(controlled, key_names(controlled, "previous")[0])
    assert not any(session_ids.resumes(controlled.address(), session) for _ in range(4))
    assert session_ids.offers(controlled) == {"resumed": 1, "lineage": 4}
    assert session_ids.resumes(controlled.address(), session_ids.full(controlled.address()))


def test_not_after_a_flush(controlled):
    kept = [session_ids.full(controlled.address()) for _ in range(5)]
    assert controlled.control.json("sessions", "stats")["memory"]["entries"] == 5
    controlled.control.ok("sessions", "flush")
    assert controlled.metrics().total("usher_session_cache_entries") == 0
    assert not any(session_ids.resumes(controlled.address(), session) for session in kept)
    assert session_ids.offers(controlled) == {"not_found": 5}
    assert session_ids.lookups(controlled, "memory") == {"miss": 5}


# --- what it costs

def test_memory_is_bounded(simple):
    proxy = simple(session_cache={"memory_entries": 64})
    kept = []
    for _ in range(200):
        kept.append(session_ids.full(proxy.address()))
        if len(kept) % 10 == 0:  # the first is used again and again
            assert session_ids.resumes(proxy.address(), kept[0])
    assert proxy.metrics().total("usher_session_cache_entries") == 64
    assert session_ids.resumes(proxy.address(), kept[-1])
    remembered = sum(session_ids.resumes(proxy.address(), session) for session in kept[1:65])
    assert remembered == 0  # each full handshake of these put another in the place of the oldest


def test_no_memory(simple):
    """Then no client is given an id."""
    proxy = simple(session_cache={"memory_entries": 0})
    session = sessions.full(proxy.address(), "TLSv1.2", tickets=False)
    assert session.id == b""
    assert not session_ids.resumes(proxy.address(), session.with_id(bytes(32)))
    assert proxy.metrics().total("usher_session_cache_entries") == 0
    assert proxy.metrics().total("usher_resumption_offers_total") == 1
    assert sessions.resumes(proxy.address(), sessions.full(proxy.address(), "TLSv1.2"))  # with a ticket


def test_a_reload_changes_the_bound(start, site, echo):
    def config(entries):
        return usher.configuration([usher.listener([site])], [usher.backend(echo)],
                                   session_cache={"memory_entries": entries})
    proxy = start(config(100))
    kept = [session_ids.full(proxy.address()) for _ in range(40)]
    assert proxy.metrics().total("usher_session_cache_entries") == 40
    assert proxy.reload(config(10))
    proxy.wait_metric("usher_session_cache_entries", lambda n: n == 10)
    assert proxy.reload(config(100))
    assert sum(session_ids.resumes(proxy.address(), session) for session in kept) == 10


# --- what is not looked up

def test_ids_that_are_not_ours(simple):
    proxy, other = simple(), simple()
    session = session_ids.full(proxy.address())
    ids = {**session_ids.forged(session.id), "another process'": session_ids.full(other.address()).id}
    for what, forged in ids.items():
        assert not session_ids.resumes(proxy.address(), session.with_id(forged)), what
    session_ids.wait_offers(proxy, len(ids), "foreign")
    assert session_ids.lookups(proxy, "memory") == {}
    assert session_ids.resumes(proxy.address(), session)


def test_compatibility_ids_of_tls13(simple):
    """RFC 8446 §4.1.2: 32 bytes that mean nothing, though they may be an id of ours."""
    proxy = simple()
    session = sessions.full(proxy.address())
    assert all(sessions.resumes(proxy.address(), session) for _ in range(4))
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 4, kind="ticket", outcome="resumed")
    assert session_ids.offers(proxy) == session_ids.lookups(proxy, "memory") == {}
    assert session_ids.stores(proxy, "memory") == {}  # the tickets are stateless


def test_a_client_of_tls13_that_must_take_tls12(simple):
    """Its compatibility id is no offer; the id that it got then is one."""
    proxy = simple(tls={"max_version": "1.2"})
    ctx = tls.context(tickets=False)
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert session_ids.offers(proxy) == session_ids.lookups(proxy, "memory") == {}
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    session_ids.wait_offers(proxy, 1, "resumed")


@pytest.mark.parametrize("ticket", ["good", "unknown"])
def test_an_id_beside_a_ticket(simple, ticket):
    """OpenSSL does not ask for the id then, not even if the ticket does not open."""
    proxy = simple()
    kept = session_ids.full(proxy.address())
    good = sessions.full(proxy.address(), "TLSv1.2")
    both = good.with_id(kept.id) if ticket == "good" else kept.with_ticket(bytes(len(good.ticket)))
    assert sessions.resumes(proxy.address(), both) == (ticket == "good")
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket")
    assert session_ids.lookups(proxy, "memory") == session_ids.offers(proxy) == {}
    assert proxy.metrics().total("usher_resumption_offers_total") == 1
    assert session_ids.resumes(proxy.address(), kept)


def test_a_client_that_could_take_a_ticket(simple):
    """An id and an empty ticket extension (RFC 5077 §3.4): the id is looked up. After a full handshake such
    a client gets a ticket and needs no id."""
    proxy = simple()
    kept = session_ids.full(proxy.address())
    resumed, _ = sessions.begin(proxy.address(), "TLSv1.2", session=kept, tickets=True)
    assert resumed
    session_ids.wait_offers(proxy, 1, "resumed")
    stored = session_ids.stores(proxy, "memory")
    assert sessions.full(proxy.address(), "TLSv1.2").ticket
    assert session_ids.stores(proxy, "memory") == stored


def test_an_offer_that_dies_is_counted(simple):
    """The client has gone before the handshake's end."""
    proxy = simple()
    session = session_ids.full(proxy.address())
    for session_id in (session.id, bytes(32)):
        with tls.connect(proxy.address()) as sock:
            sock.sendall(session_ids.hello(session_id))
            assert sock.recv(1) == b"\x16"
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 2, kind="session_id", outcome="other")
    assert session_ids.resumes(proxy.address(), session)
