"""Promise: with stateful_tls13 a ticket of TLS 1.3 is an id that opens one session once, here or at another node,
also after HelloRetryRequest; its second use is a full handshake; stateless tickets of before are still good, and
TLS 1.2 is as it was."""

import concurrent.futures

import pytest

from support import session_ids, sessions, tls, usher, waiting

STATEFUL = {"stateful_tls13": True}
TIERS = pytest.mark.parametrize("tier", ["memory", "redis"])


@pytest.fixture
def nodes(redis, fleet):
    """nodes(tier, count, …) → proxies that keep sessions there."""
    def begin(tier, count=1, **tables):
        if tier == "memory":
            return fleet(count, memory=1000, session_cache=STATEFUL, **tables)
        return fleet(count, redis.url, memory=1000, session_cache=STATEFUL, **tables)
    return begin


def ticket_of(proxy, tier):
    """The session of a full handshake, which is stored."""
    before = session_ids.stores(proxy, tier).get("hit", 0)
    session = sessions.full(proxy.address())
    session_ids.wait_stored(proxy, before + 1, tier)
    assert len(session.ticket) == 32
    return session


@TIERS
def test_once(nodes, tier):
    proxy, = nodes(tier, process={"workers": 3})
    for count in range(1, 7):
        session = ticket_of(proxy, tier)
        assert sessions.resumes(proxy.address(), session)
        assert not any(sessions.resumes(proxy.address(), session) for _ in range(3))
        assert session_ids.offers(proxy) == {"resumed": count, "not_found": 3 * count}
    assert session_ids.lookups(proxy, tier) == {"hit": 6, "miss": 18}
    if tier == "redis":
        assert session_ids.lookups(proxy, "memory") == {"skipped": 24}
        assert session_ids.stores(proxy, "memory") == {}
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 6, version="TLSv1.3", resumption="psk")


@TIERS
def test_each_use_brings_another(nodes, tier):
    proxy, = nodes(tier)
    session = ticket_of(proxy, tier)
    seen = {session.ticket}
    for stores in range(2, 10):
        resumed, session = sessions.begin(proxy.address(), session=session)
        assert resumed and session.ticket not in seen
        session_ids.wait_stored(proxy, stores, tier)
        seen.add(session.ticket)


def test_once_in_the_whole_fleet(nodes, redis):
    one, other = nodes("redis", 2)
    with redis.monitor() as monitor:
        for count in range(1, 9):
            session = ticket_of(one, "redis")
            first, second = (one, other) if count % 2 else (other, one)
            assert sessions.resumes(first.address(), session)
            assert not sessions.resumes(second.address(), session)
            assert not sessions.resumes(first.address(), session)
        asked = monitor.commands()
    assert {words[0] for words in asked} == {b"GETDEL", b"SET"}
    names = [words[1] for words in asked if words[0] == b"GETDEL"]
    assert len(names) == 24 and len(set(names)) == 8


@TIERS
def test_many_at_once_race_for_it(nodes, tier):
    """Two connections of one client, and a thief: one is resumed."""
    proxy, = nodes(tier)
    for _ in range(10):
        session = ticket_of(proxy, tier)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            resumed = list(pool.map(lambda _, s=session: sessions.resumes(proxy.address(), s), range(4)))
        assert sum(resumed) == 1


@TIERS
def test_after_hello_retry_request(nodes, tier):
    """The server wants a group that the client has not sent a key of; the id is looked up once all the same."""
    proxy, = nodes(tier, tls={"groups": "P-384"})
    session = ticket_of(proxy, tier)
    assert sessions.resumes(proxy.address(), session)
    assert session_ids.lookups(proxy, tier) == {"hit": 1}
    assert session_ids.offers(proxy) == {"resumed": 1}
    assert not sessions.resumes(proxy.address(), session)


def test_stateless_tickets_of_before(start, site, echo, tmp_path):
    """A reload turns it on, and off again: what is stateless stays good."""
    def config(stateful):
        return usher.configuration([usher.listener([site])], [usher.backend(echo)],
                                   session_cache={"stateful_tls13": stateful})
    proxy = start(config(False))
    stateless = sessions.full(proxy.address())
    assert len(stateless.ticket) > 100
    assert proxy.reload(config(True))
    resumed, stateful = sessions.begin(proxy.address(), session=stateless)
    assert resumed and len(stateful.ticket) == 32
    assert sessions.resumes(proxy.address(), stateless)  # these were never for one use
    assert sessions.resumes(proxy.address(), stateful)
    assert proxy.reload(config(False))
    resumed, renewed = sessions.begin(proxy.address(), session=stateless)
    assert resumed and len(renewed.ticket) > 100


def test_tls12_is_as_it_was(nodes):
    """Tickets for whom can take them, ids as often as wanted for whom cannot."""
    proxy, = nodes("redis")
    ticket = sessions.full(proxy.address(), "TLSv1.2")
    assert len(ticket.ticket) > 100
    assert all(sessions.resumes(proxy.address(), ticket) for _ in range(4))
    kept = session_ids.full(proxy.address())
    assert all(session_ids.resumes(proxy.address(), kept) for _ in range(4))


def test_tickets_per_handshake(simple):
    """Each has an id of its own. OpenSSL sends one only after a resumption."""
    proxy = simple(tickets={"per_handshake": 3}, session_cache=STATEFUL)
    session = sessions.full(proxy.address())
    session_ids.wait_stored(proxy, 3, "memory")
    assert proxy.metrics().total("usher_session_cache_entries") == 3
    assert sessions.resumes(proxy.address(), session)
    assert session_ids.stores(proxy, "memory") == {"hit": 4}
    assert proxy.metrics().total("usher_session_cache_entries") == 3


def test_forged_ids(nodes, redis):
    """As tickets of 32 bytes: no command comes of them."""
    proxy, = nodes("redis")
    session = ticket_of(proxy, "redis")
    forged = {what: one for what, one in session_ids.forged(session.ticket).items() if len(one) == 32}
    before = session_ids.stores(proxy, "redis")["hit"]
    with redis.monitor() as monitor:
        for what, ticket in forged.items():
            assert not sessions.resumes(proxy.address(), session.with_ticket(ticket)), what
        session_ids.wait_stored(proxy, before + len(forged))
        assert monitor.commands("GETDEL", "GET") == []
    assert session_ids.offers(proxy) == {"foreign": len(forged)}
    assert session_ids.lookups(proxy, "redis") == {}
    assert sessions.resumes(proxy.address(), session)


@TIERS
def test_not_across_hosts(start, ca, echo, redis, tier):
    shared = {"redis": redis.url, "redis_timeout": "2s"} if tier == "redis" else {}
    cache = {**STATEFUL, **shared}
    proxy = start(usher.configuration(
        [usher.listener([ca.server("one.test"), ca.server("two.test")])], [usher.backend(echo)],
        session_cache=cache))
    if tier == "redis":
        proxy.wait_metric("usher_redis_up")
    session = sessions.full(proxy.address(), name="one.test")
    session_ids.wait_stored(proxy, 1, tier)
    assert not sessions.resumes(proxy.address(), session, "two.test")
    assert set(session_ids.offers(proxy)) <= {"domain", "not_found"}


def test_the_client_certificate_is_remembered(nodes, client_ca):
    one, other = nodes("redis", 2, listener={"client_auth": "required", "client_ca": client_ca.file})
    ctx = tls.context13(client=client_ca.client("somebody"))
    session = tls.session_of(one.address(), ctx=ctx)
    session_ids.wait_stored(one, 1)
    assert tls.resumes(other.address(), session, ctx=ctx)
    assert not tls.resumes(one.address(), session, ctx=ctx)


def test_an_observer_burns_it(nodes):
    """Who has seen the id may offer it without knowing its secret: the handshake fails for him, and its owner
    makes a full one (DESIGN §6 says so)."""
    proxy, = nodes("memory")
    session = ticket_of(proxy, "memory")
    stolen = sessions.full(proxy.address()).with_ticket(session.ticket)
    with pytest.raises(tls.Ended):
        sessions.begin(proxy.address(), session=stolen)
    assert not sessions.resumes(proxy.address(), session)


def test_a_session_of_tls12_is_not_burnt(nodes):
    """By somebody who saw its id and presents it as a ticket of TLS 1.3."""
    proxy, = nodes("redis")
    kept = session_ids.stored_session(proxy)
    ticket = ticket_of(proxy, "redis")
    assert not sessions.resumes(proxy.address(), ticket.with_ticket(kept.id))
    assert session_ids.resumes(proxy.address(), kept)
    assert not session_ids.resumes(proxy.address(), kept.with_id(ticket.ticket))
    assert sessions.resumes(proxy.address(), ticket)


def test_redis_frozen(nodes, redis):
    """Full handshakes, each with a ticket of 32 bytes that was not stored; no failure."""
    proxy, = nodes("redis")
    kept = [ticket_of(proxy, "redis") for _ in range(3)]
    redis.stop()
    for session in kept:
        for _ in range(8):
            assert not sessions.resumes(proxy.address(), session)
    assert proxy.metrics().total("usher_handshake_failures_total") == 0
    redis.go_on()

    def again():
        return sessions.resumes(proxy.address(), sessions.full(proxy.address()))
    waiting.until(again, "resumption", 3 * waiting.PATIENCE)
