"""Promise: as in the proxy, so in usher-keyd: the bytes of a ticket key are in its memory only while the key is in
the ring, and then, like the key-encryption key all the time, only in memory that core dumps leave out, that is not
swapped, and that a forked child does not see. A proxy that has its keys from keyd forgets them with their age, also
when keyd is gone. The scan proves each time that it can see."""

import os
import pathlib

import pytest

from support import memory, redis, sessions, usherctl, waiting

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory, which only root may")

QUICK = {"every": "400ms", "seal_max_age": "800ms", "keep": "2s", "promote_hold_max": "10s"}


def ring_names(keyd):
    return {bytes.fromhex(key["name"]) for key in keyd.keys()["keys"]}


def learn(keyd, pid, known, wanted=2):
    """Adds the ring's keys to `known`, by name, until so many have been seen alive in that process' memory."""
    seen = set()

    def enough():
        keys = usherctl.keys_of(keyd.control_socket)
        known.update((key.name, key) for key in keys)
        seen.update(memory.live_keys(pid, keys))
        return len(seen) >= wanted
    waiting.until(enough, "keys in its memory")


def wait_forgotten(pid, known):
    waiting.until(lambda: not memory.find(pid, memory.key_parts(known.values())), "memory without the expired keys")


def use(proxy):
    """Seals and opens, on every worker."""
    for version in sessions.VERSIONS:
        session = sessions.full(proxy.address(), version)
        for _ in range(6):
            sessions.begin(proxy.address(), version, session=session)


@pytest.fixture(params=["file", "redis"])
def store(request, short_directory):
    """The URL of a Redis, None for a file."""
    if request.param == "file":
        yield None
        return
    directory = short_directory / "redis"
    directory.mkdir()
    server = redis.Redis(directory).start()
    yield server.url
    server.kill()


def test_expired_keys_in_keyd(start_keyd, subscribe, store):
    keyd, known = start_keyd(redis=store, rotation=QUICK), {}
    waiting.until(keyd.leads, "it to lead")
    subscribe(keyd).wait_ring()
    learn(keyd, keyd.pid, known)
    waiting.until(lambda: not ring_names(keyd) & set(known), "their end")
    wait_forgotten(keyd.pid, known)
    learn(keyd, keyd.pid, {}, wanted=1)


def test_expired_keys_in_a_standby(start_keyd, short_directory):
    directory = short_directory / "redis"
    directory.mkdir()
    server, known = redis.Redis(directory).start(), {}
    try:
        leader = start_keyd("one", server.url, rotation=QUICK)
        waiting.until(leader.leads, "the first to lead")
        standby = start_keyd("two", server.url, rotation=QUICK)
        waiting.until(lambda: standby.keys()["leader"], "the second to follow")
        learn(leader, standby.pid, known)
        waiting.until(lambda: not ring_names(leader) & set(known), "their end")
        wait_forgotten(standby.pid, known)
        learn(leader, standby.pid, {}, wanted=1)
    finally:
        server.kill()


def test_a_revoked_key_in_keyd(start_keyd, subscribe):
    keyd = start_keyd()
    subscribe(keyd).wait_ring()
    key, = usherctl.keys_of(keyd.control_socket)
    assert memory.live_keys(keyd.pid, [key]) == {key.name}
    assert keyd.post("/keys/revoke", {"name": key.name.hex()})[0] == 200
    wait_forgotten(keyd.pid, {key.name: key})
    learn(keyd, keyd.pid, {}, wanted=1)


def test_the_key_encryption_key(start_keyd, store):
    keyd = start_keyd(redis=store, rotation=QUICK)
    secret = pathlib.Path(keyd.config["store"]["key_file"]).read_bytes()
    halves = {"begin": secret[:16], "end": secret[16:]}
    for saves in range(3):
        keyd.wait_metric("usher_keyd_rotations_total", lambda n, saves=saves: n > saves, trigger="schedule")
        held = memory.find(keyd.pid, halves)
        assert set(held) == set(halves)
        memory.assert_safe(held)


def test_expired_keys_in_a_proxy(start_keyd, simple):
    keyd, known = start_keyd(rotation=QUICK), {}
    proxy = simple(tickets={"source": "keyd", "keyd": [keyd.endpoint]}, tls={"session_lifetime": "1s"})
    use(proxy)
    learn(keyd, proxy.pid, known)
    use(proxy)
    waiting.until(lambda: not ring_names(keyd) & set(known), "their end")
    use(proxy)
    wait_forgotten(proxy.pid, known)
    learn(keyd, proxy.pid, {}, wanted=1)


def test_a_proxy_without_keyd(start_keyd, simple):
    keyd, known = start_keyd(rotation=QUICK), {}
    proxy = simple(tickets={"source": "keyd", "keyd": [keyd.endpoint]}, tls={"session_lifetime": "1s"})
    learn(keyd, proxy.pid, known)
    keyd.kill()
    # What it was given last, nobody can export any more; that some of `known` are there is seen before.
    wait_forgotten(proxy.pid, known)
    proxy.wait_metric("usher_ticket_keys", lambda n: n == 0)
