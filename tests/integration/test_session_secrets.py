"""Promise: sessions are in the caches' memory sealed only: once its connections have ended, the master secret of a
cached session is nowhere in the proxy, whatever was stored, found here or in Redis, replaced or thrown away. The
scan proves each time that it can see."""

import os

import pytest

from support import libssl, memory, session_ids, sessions, waiting

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory, which only root may")


def found(proxy, kept):
    """Numbers of the sessions whose secret is in memory."""
    return set(memory.find(proxy.pid, {at: session.secret for at, session in enumerate(kept)}))


@pytest.mark.parametrize("tier", ["memory", "redis"])
def test_cached_sessions(redis, fleet, tier):
    proxy, = fleet(1, redis.url, memory=0) if tier == "redis" else fleet(1, memory=10)
    kept = []
    for _ in range(30):
        kept.append(session_ids.full(proxy.address()))
        assert all(session_ids.resumes(proxy.address(), kept[-1]) for _ in range(3))
    with libssl.LibsslClient(proxy.address(), version=libssl.TLS12, tickets=False,
                             session=kept[-1].der) as client:
        assert client.resumed()
        client.send(b"?")
        client.receive(1)
        assert found(proxy, kept) == {29}  # in use
    waiting.until(lambda: proxy.metrics().total("usher_connections") == 0, "the end of all connections")
    assert found(proxy, kept) == set()
    assert session_ids.resumes(proxy.address(), kept[-1])


def test_stateful_tickets(fleet):
    proxy, = fleet(1, memory=100, session_cache={"stateful_tls13": True})
    kept = [sessions.full(proxy.address()) for _ in range(20)]
    waiting.until(lambda: proxy.metrics().total("usher_connections") == 0, "the end of all connections")
    assert found(proxy, kept) == set()
    assert all(sessions.resumes(proxy.address(), session) for session in kept)
