"""Promise: sessions are kept in a Redis Cluster too, each at the master of its slot; when a master dies no
handshake fails, clients of the others notice nothing but the time in which the cluster is not whole, and after the
failover resumption is as before."""

import pytest

from support import redis_cluster, session_ids, sessions, waiting


@pytest.fixture
def cluster(short_directory):
    (short_directory / "c").mkdir()
    made = redis_cluster.Cluster(short_directory / "c")
    yield made.start()
    made.kill()


def stored(proxy, cluster, count):
    """So many sessions that the cluster has."""
    before = len(cluster.names())
    made = [session_ids.full(proxy.address()) for _ in range(count)]
    waiting.until(lambda: len(cluster.names()) == before + count, "all to be stored")
    return made


def all_resume(proxy, kept):
    return all(session_ids.resumes(proxy.address(), session) for session in kept)


@pytest.fixture
def nodes(fleet):
    """nodes(url, …) → two proxies that know the whole cluster."""
    def begin(*urls, **more):
        proxies = fleet(2, list(urls), **more)
        session_ids.wait_served(*proxies)
        return proxies
    return begin


def test_across_nodes(cluster, nodes):
    one, other = nodes(*cluster.urls)
    before = session_ids.lookups(other, "redis")["hit"]
    kept = stored(one, cluster, 30)
    assert {cluster.master_of(name) for name in cluster.names()} == {0, 1, 2}
    assert all_resume(other, kept) and all_resume(one, kept)
    assert session_ids.lookups(other, "redis")["hit"] == before + 30
    assert one.metrics().total("usher_redis_breaker_open") == 0


def test_one_seed_is_enough(cluster, nodes):
    one, other = nodes(cluster.urls[0])
    kept = stored(one, cluster, 20)
    assert all_resume(other, kept)


def test_a_dead_seed_does_no_harm(cluster, fleet):
    cluster.masters[0].kill()
    cluster.wait_failover(0)
    one, other = fleet(2, cluster.urls, connected=False)
    session_ids.wait_served(one, other)
    assert all_resume(other, stored(one, cluster, 20))


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_master_dies(cluster, nodes, how):
    one, other = nodes(*cluster.urls, patience=f"{200 * waiting.SLOWNESS}ms")
    kept = stored(one, cluster, 30)
    assert all_resume(other, kept)
    victim, successor = cluster.masters[1], cluster.replicas[1]
    # Its replica has them all before it goes: what was not copied yet would be lost with it.
    waiting.until(lambda: sorted(successor.names()) == sorted(victim.names()), "the replica to have them")
    victim.kill() if how == "killed" else victim.stop()
    try:
        # While nobody has noticed: full handshakes for what was there, and no failed one.
        for session in kept:
            session_ids.resumes(other.address(), session)
        if how == "killed":
            cluster.wait_failover(1)
        else:
            waiting.until(lambda: redis_cluster.leads(successor), "the replica to take over",
                          3 * waiting.PATIENCE)
        waiting.until(lambda: all_resume(other, kept), "all to resume again", 3 * waiting.PATIENCE)
        waiting.until(lambda: all(session_ids.resumes(other.address(), session_ids.full(one.address()))
                                  for _ in range(10)), "new ones to resume", 3 * waiting.PATIENCE)
    finally:
        victim.go_on()
    for proxy in (one, other):
        assert proxy.metrics().total("usher_handshake_failures_total") == 0
        assert sessions.resumes(proxy.address(), sessions.full(proxy.address()))


def test_an_acl_user_needs_little(cluster, nodes):
    """What a single server needs, and the map."""
    commands = "+get +set +unlink +getdel +cluster|slots +asking".split()
    for node in cluster.nodes:
        node.command("ACL", "SETUSER", "usher", "on", ">secret", "~usher:s:*", *commands)
        node.command("ACL", "SETUSER", "default", "-cluster|slots")
    one, other = nodes(*(url.replace("redis://", "redis://usher:secret@") for url in cluster.urls))
    assert all_resume(other, stored(one, cluster, 20))
    assert [node.command("ACL", "LOG") for node in cluster.nodes] == [[]] * 6
    assert "secret" not in one.log() + other.log()


def misses(proxy):
    return sum(count for result, count in session_ids.lookups(proxy, "redis").items() if result != "hit")


def test_slots_move(cluster, nodes):
    """MOVED: the map is read again; ASK: the one question is sent on."""
    one, other = nodes(*cluster.urls)
    before = set(cluster.names())
    kept = stored(one, cluster, 1)
    name, = set(cluster.names()) - before
    missed = misses(other)
    slot = cluster.nodes[0].command("CLUSTER", "KEYSLOT", name)
    at = cluster.master_of(name)
    source, target = cluster.masters[at], cluster.masters[(at + 1) % 3]
    source_id, target_id = (node.command("CLUSTER", "MYID") for node in (source, target))
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    assert all_resume(other, kept)
    source.command("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)
    assert target.command("CLUSTER", "COUNTKEYSINSLOT", slot) >= 1
    assert all_resume(other, kept * 8)  # ASK
    for node in (target, source, *cluster.masters):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    assert all_resume(other, kept * 8) and all_resume(one, kept * 8)  # MOVED
    assert misses(other) == missed


def test_stateful_tickets(cluster, nodes):
    one, other = nodes(*cluster.urls, session_cache={"stateful_tls13": True})
    before = session_ids.stores(one, "redis")["hit"]
    kept = [sessions.full(one.address()) for _ in range(12)]
    session_ids.wait_stored(one, before + 12)
    assert all(sessions.resumes(other.address(), session) for session in kept)
    assert not any(sessions.resumes(one.address(), session) for session in kept)
