"""Clients of TLS 1.2 that know no tickets and come back with a session id; and what a proxy counts of them."""

import os

from . import raw_tls, sessions, waiting

VERSION = "TLSv1.2"
_EXTENDED_MASTER_SECRET = raw_tls.extension(23, b"")  # RFC 7627; sessions of OpenSSL's clients have it


def full(address, name="site.test"):
    """The session of a full handshake."""
    session = sessions.full(address, VERSION, name, tickets=False)
    assert len(session.id) == 32 and not session.ticket
    return session


def resumes(address, session, name="site.test"):
    """Offers its id; True if the server took it. Bytes pass either way."""
    return sessions.resumes(address, session, name, tickets=False)


def count_resumed(proxy, session, times):
    """Of so many connections that offer it."""
    return sum(resumes(proxy.address(), session) for _ in range(times))


def hello(session_id, name="site.test"):
    """A record with a stranger's ClientHello of TLS 1.2, who has seen this id on the wire."""
    body = raw_tls.hello_body(extensions=raw_tls.usual_extensions(name) + _EXTENDED_MASTER_SECRET,
                              session_id=session_id)
    return raw_tls.record(22, body)


def forged(session_id):
    """{what was changed: an id}: of no use to anybody."""
    def flipped(at):
        return session_id[:at] + bytes([session_id[at] ^ 1]) + session_id[at + 1:]
    return {"random": os.urandom(32), "zeros": bytes(32), "the key": flipped(0), "the random part": flipped(10),
            "the last byte": flipped(31), "our key and a random rest": session_id[:4] + os.urandom(28),
            "one byte": session_id[:1], "31 bytes": session_id[:31]}


def offers(proxy):
    """{outcome: how many} of all offers of ids, zeros left out."""
    return _by(proxy, "usher_resumption_offers_total", "outcome", kind="session_id")


def lookups(proxy, tier):
    """{result: how many}, zeros left out."""
    return _by(proxy, "usher_session_cache_lookups_total", "result", tier=tier)


def stores(proxy, tier):
    return _by(proxy, "usher_session_cache_stores_total", "result", tier=tier)


def wait_stored(proxy, count, tier="redis"):
    """Until so many sessions are known to be in the tier."""
    proxy.wait_metric("usher_session_cache_stores_total", lambda n: n >= count, tier=tier, result="hit")


def stored_session(proxy, tier="redis"):
    """A session that is known to be in the tier; the first that is stored in time."""
    def stored():
        before = stores(proxy, tier)
        session = full(proxy.address())
        waiting.until(lambda: stores(proxy, tier) != before, "a store to be counted")
        return session if stores(proxy, tier).get("hit", 0) > before.get("hit", 0) else None
    return waiting.until(stored, "a session to be stored")


def wait_resumes(proxy, session):
    """Until it is taken: a busy machine may miss the deadline once."""
    waiting.until(lambda: resumes(proxy.address(), session), "the session to resume")


def wait_served(*proxies):
    """Until what one stores is found again, many times in a row: every worker knows every server."""
    def found(proxy):
        return all(resumes(proxy.address(), full(proxy.address())) for _ in range(20))
    for proxy in proxies:
        waiting.until(lambda p=proxy: found(p), "every slot to be served", 3 * waiting.PATIENCE)


def wait_recovered(one, other):
    """Until sessions made at one proxy resume at the other, and each asks Redis again; what is asked is also
    what closes a breaker."""
    def again():
        session = full(one.address())
        return count_resumed(other, session, 4) == 4
    waiting.until(again, "resumption across nodes", 3 * waiting.PATIENCE)
    for proxy in (one, other):
        def closed(asked=proxy):
            resumes(asked.address(), full(asked.address()))
            metrics = asked.metrics()
            return metrics.total("usher_redis_breaker_open") == 0 and metrics.total("usher_redis_up") == 1
        waiting.until(closed, "the breaker to close", 3 * waiting.PATIENCE)


def assert_nothing_failed(*proxies):
    """Tickets work, and no handshake has failed since the start."""
    for proxy in proxies:
        for version in sessions.VERSIONS:
            assert sessions.resumes(proxy.address(), sessions.full(proxy.address(), version))
        assert proxy.metrics().total("usher_handshake_failures_total") == 0
        counted = offers(proxy)
        assert set(counted) <= {"resumed", "not_found", "timeout", "other"}, counted


def wait_offers(proxy, count, outcome):
    """Until there were so many with this outcome; and of no other kind or outcome."""
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n >= count)
    assert offers(proxy) == {outcome: count}
    assert proxy.metrics().total("usher_resumption_offers_total") == count


def _by(proxy, metric, label, **labels):
    counted = {}
    for own, value in proxy.metrics().all(metric, **labels):
        if value:
            counted[own[label]] = counted.get(own[label], 0) + int(value)
    return counted
