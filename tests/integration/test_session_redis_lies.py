"""Promise: nothing that Redis answers, and nothing that somebody puts into it, fails a handshake, resumes a session
that it is not, or costs memory: what a command cannot have ends the connection, a value that does not open is a
counted miss, and when Redis tells the truth again, sessions resume."""

import pytest

from support import liar_redis, session_ids, waiting

FAILURES_MAX = 5  # in a row, of one worker, until its breaker opens (proxy/redis/breaker.h)
SHORT = f"{100 * waiting.SLOWNESS}ms"  # where many wait for it in vain
EACH = pytest.mark.parametrize("name", list(liar_redis.LIES))


@pytest.fixture
def liar(redis, short_directory):
    hop = liar_redis.Liar(redis.path, short_directory / "liar.sock")
    yield hop
    hop.close()


# --- it lies

@EACH
def test_it_lies(liar, fleet, name):
    one, other = fleet(2, liar.url, patience=SHORT)
    session = session_ids.stored_session(one)
    session_ids.wait_resumes(other, session)
    hits, memory = session_ids.lookups(other, "redis")["hit"], other.rss_kib()
    liar.tell(liar_redis.LIES[name], only=[b"GET"])
    assert session_ids.count_resumed(other, session, 2 * FAILURES_MAX) == 0
    assert liar.lies > 0
    lookups = session_ids.lookups(other, "redis")
    assert lookups["hit"] == hits and sum(lookups.values()) >= hits + 2 * FAILURES_MAX
    assert other.rss_kib() - memory < waiting.memory_kib(4096)
    assert liar.sent < 16 << 20  # it was not listened to for long
    liar.tell_the_truth()
    session_ids.wait_recovered(one, other)
    session_ids.assert_nothing_failed(one, other)


@EACH
def test_it_lies_about_stores(liar, fleet, name):
    one, other = fleet(2, liar.url, patience=SHORT)
    lie = liar_redis.LIES[name] if name != "a flipped bit" else b"-OK\r\n"  # there is no value
    liar.tell(lie, only=[b"SET"])
    for _ in range(2 * FAILURES_MAX):
        session_ids.full(one.address())
    waiting.until(lambda: liar.lies > 0, "a lie")
    liar.tell_the_truth()
    session_ids.wait_recovered(one, other)
    session_ids.assert_nothing_failed(one, other)


@EACH
def test_it_lies_from_the_start(liar, fleet, name):
    """About whatever it is asked."""
    liar.tell(liar_redis.LIES[name])
    one, other = fleet(2, liar.url, connected=False, memory=100, patience=SHORT)
    session = session_ids.full(one.address())
    assert session_ids.count_resumed(one, session, 4) == 4  # memory
    assert session_ids.count_resumed(other, session, 4) == 0
    assert other.rss_kib() < waiting.memory_kib(100_000)
    liar.tell_the_truth()
    session_ids.wait_recovered(one, other)
    session_ids.assert_nothing_failed(one, other)


def test_every_second_answer_is_a_failure(liar, fleet):
    """They are not in a row, and what is right is used."""
    one, other = fleet(2, liar.url)
    session = session_ids.stored_session(one)
    answers = iter(range(1000))
    liar.tell(lambda _, reply: b"-LOADING\r\n" if next(answers) % 2 else reply, only=[b"GET"])
    assert session_ids.count_resumed(other, session, 40) == 20
    assert session_ids.lookups(other, "redis") == {"hit": 20, "error": 20}
    assert other.metrics().total("usher_redis_breaker_open") == 0


# --- what it holds is not what was stored

def test_every_part_of_a_value_is_bound(redis, fleet):
    proxy, = fleet(1, redis.url)
    session = session_ids.stored_session(proxy)
    (name, value), = redis.values().items()
    flips = [at for at in range(0, len(value), 7)] + [len(value) - 1]
    changed = [value[:at] + bytes([value[at] ^ 0x80]) + value[at + 1:] for at in flips]
    changed += [value[:-1], value + b"\0", value[:28], value[:27], b"", b"\0" * len(value), b"x" * 16000]
    for one in changed:
        redis.command("SET", name, one, "KEEPTTL")
        assert not session_ids.resumes(proxy.address(), session)
    assert session_ids.lookups(proxy, "redis") == {"unsealable": len(changed)}
    assert session_ids.offers(proxy) == {"not_found": len(changed)}
    assert proxy.metrics().total("usher_redis_breaker_open") == 0
    redis.command("SET", name, value, "KEEPTTL")
    assert session_ids.resumes(proxy.address(), session)
    session_ids.assert_nothing_failed(proxy)


def test_a_value_of_another_session(redis, fleet):
    """Sealed by us, under the same key and for the same host; but it is not this id's."""
    one, other = fleet(2, redis.url)
    mine = session_ids.stored_session(one)
    names = redis.names()
    victim = session_ids.stored_session(one)
    theirs, = set(redis.names()) - set(names)
    redis.command("SET", names[0], redis.command("GET", theirs), "KEEPTTL")
    assert not session_ids.resumes(other.address(), mine)
    assert session_ids.lookups(other, "redis") == {"unsealable": 1}
    assert session_ids.resumes(other.address(), victim)


def test_values_of_another_type(redis, fleet):
    proxy, = fleet(1, redis.url)
    session = session_ids.stored_session(proxy)
    name, = redis.names()
    for command in (["LPUSH", name, "x"], ["SADD", name, "x"], ["HSET", name, "x", "y"]):
        redis.command("DEL", name)
        redis.command(*command)
        assert not session_ids.resumes(proxy.address(), session)
    redis.command("SET", name, b"x" * 5_000_000)
    assert not session_ids.resumes(proxy.address(), session)
    redis.command("DEL", name)
    assert not session_ids.resumes(proxy.address(), session)
    session_ids.wait_recovered(proxy, proxy)
    session_ids.assert_nothing_failed(proxy)
