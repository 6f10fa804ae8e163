"""Promise: whatever becomes of Redis (killed, frozen, busy, full, a replica), no handshake fails and none waits
for it longer than its deadline: clients make full handshakes, memory and tickets work on, the breaker opens after
a few failures and lets nothing wait any more, and when Redis is itself again, so are the proxies."""

import concurrent.futures

import pytest

from support import redis as redis_server
from support import session_ids, tls, waiting

WORKERS = 2
SHORT = f"{100 * waiting.SLOWNESS}ms"  # where many wait for it in vain
CLIENTS = 8  # at the same time
FAILURES_MAX = 5  # in a row, of one worker, until its breaker opens (proxy/redis/breaker.h)


# --- it does not answer

def kill(redis):
    redis.kill()
    return redis.start


def freeze(redis):
    redis.stop()
    return redis.go_on


def sleep(redis):
    """It ends by itself."""
    redis.send("DEBUG", "SLEEP", 4 * waiting.SLOWNESS)
    return lambda: None


def pause(redis):
    """So does this: CLIENT UNPAUSE would have to wait too."""
    redis.command("CLIENT", "PAUSE", 4000 * waiting.SLOWNESS, "ALL")
    return lambda: None


SILENCES = [kill, freeze, sleep, pause]


@pytest.mark.parametrize("fail", SILENCES, ids=[fail.__name__ for fail in SILENCES])
def test_it_does_not_answer(short_directory, fleet, fail):
    (short_directory / "r").mkdir()
    redis = redis_server.Redis(short_directory / "r", "--enable-debug-command", "yes").start()
    try:
        one, other = fleet(2, redis.url, patience=SHORT)
        session = session_ids.stored_session(one)
        session_ids.wait_resumes(other, session)
        mend = fail(redis)
        assert session_ids.count_resumed(other, session, 8 * FAILURES_MAX) == 0
        assert other.metrics().total("usher_redis_breaker_open") == 1
        lookups = session_ids.lookups(other, "redis")
        assert lookups["skipped"] > 0 and lookups.get("timeout", 0) + lookups.get("error", 0) <= (
            WORKERS * (FAILURES_MAX + 8))  # and a probe now and then
        mend()
        session_ids.wait_recovered(one, other)
        session_ids.assert_nothing_failed(one, other)
    finally:
        redis.go_on()
        redis.kill()


def test_it_is_not_there_at_the_start(redis, fleet):
    redis.kill()
    one, other = fleet(2, redis.url, connected=False, memory=100)
    session = session_ids.full(one.address())
    assert session_ids.count_resumed(one, session, 4) == 4  # memory
    assert session_ids.count_resumed(other, session, 4) == 0
    assert one.admin("/readyz")[0] == 200
    assert one.metrics().total("usher_redis_up") == 0
    redis.start()
    for proxy in (one, other):
        proxy.wait_metric("usher_redis_up")
    assert session_ids.resumes(other.address(), session_ids.stored_session(one))
    session_ids.assert_nothing_failed(one, other)


def test_memory_works_while_it_is_frozen(redis, fleet):
    proxy, = fleet(1, redis.url, memory=100)
    redis.stop()
    session = session_ids.full(proxy.address())
    assert session_ids.count_resumed(proxy, session, 8) == 8
    assert session_ids.lookups(proxy, "redis") == {}


def test_frozen_under_load(redis, fleet):
    """Many at once: none fails, and after the breaker has opened nobody waits."""
    proxy, = fleet(1, redis.url, patience=SHORT)
    session = session_ids.stored_session(proxy)
    redis.stop()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        offers = [pool.submit(session_ids.resumes, proxy.address(), session) for _ in range(150)]
        assert not any(offer.result() for offer in offers)
    lookups = session_ids.lookups(proxy, "redis")
    # What was under way when a breaker opened ends with its own deadline.
    assert lookups["timeout"] <= WORKERS * (FAILURES_MAX + 8) + CLIENTS and lookups["skipped"] > 100
    assert proxy.metrics().total("usher_handshake_failures_total") == 0


def test_nobody_else_waits(redis, fleet):
    """While look-ups are under way, all that is open on the same workers goes on, and new clients come."""
    proxy, = fleet(1, redis.url, patience="10s")
    session = session_ids.stored_session(proxy)
    others = [tls.Client(proxy.address()).handshake() for _ in range(4 * WORKERS)]
    redis.stop()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        offers = [pool.submit(session_ids.resumes, proxy.address(), session) for _ in range(CLIENTS)]
        proxy.wait_metric("usher_connections", lambda n: n == CLIENTS, phase="suspended")
        for client in others:
            client.send(b"?")
            assert client.receive_exactly(1) == b"?"
            client.close()
        session_ids.full(proxy.address())
        assert proxy.metrics().total("usher_connections", phase="suspended") == CLIENTS
        redis.go_on()
        assert all(offer.result() for offer in offers)


@pytest.mark.alone
def test_a_flood_into_a_frozen_one_costs_no_memory(redis, fleet):
    """New sessions, which would all be stored."""
    count = 500 // waiting.SLOWNESS
    proxy, = fleet(1, redis.url, patience=SHORT)
    session = session_ids.stored_session(proxy)
    redis.stop()
    session_ids.count_resumed(proxy, session, 20)
    ctx = tls.context12(tickets=False)

    def flood():
        for _ in range(count):
            with tls.Client(proxy.address(), ctx=ctx).handshake():
                pass
        return proxy.rss_kib()
    first = flood()
    assert flood() - first < waiting.memory_kib(3000)
    assert session_ids.stores(proxy, "redis")["skipped"] > 1.8 * count
    redis.go_on()
    session_ids.wait_recovered(proxy, proxy)


def test_it_comes_back_empty(redis, fleet):
    one, other = fleet(2, redis.url)
    session = session_ids.stored_session(one)
    redis.restart_empty()
    session_ids.wait_recovered(one, other)
    assert session_ids.count_resumed(other, session, 4) == 0
    session_ids.assert_nothing_failed(one, other)


# --- it answers, but does not store

def test_it_is_full(redis, fleet):
    """Reads go on, and the breaker stays closed: it is not ill."""
    one, other = fleet(2, redis.url, memory=100)
    session = session_ids.stored_session(one)
    redis.command("CONFIG", "SET", "maxmemory", "1")
    assert session_ids.resumes(other.address(), session)
    kept = [session_ids.full(one.address()) for _ in range(4 * FAILURES_MAX)]
    one.wait_metric("usher_session_cache_stores_total", lambda n: n == len(kept), tier="redis", result="error")
    assert one.metrics().total("usher_redis_breaker_open") == 0
    assert all(session_ids.resumes(one.address(), one_of) for one_of in kept)  # memory
    assert not session_ids.resumes(other.address(), kept[0])
    redis.command("CONFIG", "SET", "maxmemory", "0")
    assert session_ids.resumes(other.address(), session_ids.stored_session(one))
    session_ids.assert_nothing_failed(one, other)


def test_it_is_a_replica(redis, short_directory, fleet):
    """Read-only: what it has it gives; what is new it does not take, until it is a master."""
    (short_directory / "replica").mkdir()
    replica = redis_server.Redis(short_directory / "replica")
    try:
        replica.start()
        one, = fleet(1, redis.url)
        session = session_ids.stored_session(one)
        replica.command("REPLICAOF", "127.0.0.1", redis.port)
        waiting.until(lambda: redis.names() and replica.names() == redis.names(), "the replica to follow")
        other, = fleet(1, replica.url)
        assert session_ids.resumes(other.address(), session)
        kept = session_ids.full(other.address())
        other.wait_metric("usher_session_cache_stores_total", tier="redis", result="error")
        assert not session_ids.resumes(other.address(), kept)
        # It was left, for its name might lead to the master by now, and is asked again.
        other.wait_metric("usher_redis_breaker_open", lambda is_open: is_open == 0)
        replica.command("REPLICAOF", "NO", "ONE")
        waiting.until(lambda: session_ids.resumes(other.address(), session_ids.full(other.address())),
                      "it to store again")
        session_ids.assert_nothing_failed(one, other)
    finally:
        replica.kill()


def test_a_script_holds_it_up(redis, fleet):
    """-BUSY to everybody but those who may kill the script."""
    redis.command("CONFIG", "SET", "busy-reply-threshold", "1")
    one, other = fleet(2, redis.url, patience=SHORT)
    session = session_ids.stored_session(one)
    redis.send("EVAL", "while true do end", 0)
    assert session_ids.count_resumed(other, session, 8 * FAILURES_MAX) == 0
    redis.command("SCRIPT", "KILL")
    session_ids.wait_recovered(one, other)
    session_ids.assert_nothing_failed(one, other)
