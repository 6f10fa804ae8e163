"""Promise: in a fleet of three proxies on one Redis at least 99.9 % of clients that know no tickets resume at
whatever proxy they return to; through a cluster of which a master dies no handshake fails, and resumption is back
when its replica has taken over."""

import concurrent.futures
import random
import time

import pytest

from support import redis_cluster, session_ids, tls, waiting

CLIENTS, RETURNS = 250, 3000
THREADS = 4


class Client:
    """What one of them keeps; used by one thread at a time."""

    def __init__(self):
        self.ctx = tls.context12(tickets=False)
        self.session = None
        self.began = 0.0

    def come(self, proxy):
        """One connection; True if it resumed."""
        with tls.Client(proxy.address(), ctx=self.ctx, session=self.session).handshake() as client:
            resumed = client.resumed()
            if not resumed:
                self.session = client.ssl.session
            client.send_close_notify()
            return resumed


def come_all(clients, proxies, times, seed):
    """How many connections did not resume, of so many returns of each client to proxies at random."""
    def some(at):
        chance = random.Random(f"{seed}-{at}")
        mine = clients[at::THREADS]
        return sum(not client.come(chance.choice(proxies)) for _ in range(times) for client in mine)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(some, range(THREADS)))


def held_by(redis):
    """How many sessions these servers hold."""
    return sum(node.command("DBSIZE") for node in redis)


def first_visits(proxies, *redis):
    """Clients that these servers know of."""
    session_ids.wait_served(*proxies)
    before = held_by(redis)
    clients = [Client() for _ in range(CLIENTS)]
    assert come_all(clients, proxies, 1, "first") == CLIENTS
    waiting.until(lambda: held_by(redis) == before + CLIENTS, "all to be stored")
    return clients


def resumed(proxies):
    return sum(session_ids.offers(proxy).get("resumed", 0) for proxy in proxies)


def assert_no_failure(proxies):
    for proxy in proxies:
        assert proxy.metrics().total("usher_handshake_failures_total") == 0


@pytest.mark.parametrize("memory", [0, 20_000])
def test_one_redis(redis, fleet, memory):
    proxies = fleet(3, redis.url, memory=memory)
    clients = first_visits(proxies, redis)
    before, times = resumed(proxies), RETURNS // CLIENTS
    lost = come_all(clients, proxies, times, memory)
    assert lost <= 0.001 * RETURNS, [session_ids.offers(proxy) for proxy in proxies]
    assert resumed(proxies) == before + times * CLIENTS - lost
    assert_no_failure(proxies)


def test_a_cluster_of_which_a_master_dies(short_directory, fleet):
    (short_directory / "c").mkdir()
    cluster = redis_cluster.Cluster(short_directory / "c")
    try:
        proxies = fleet(3, cluster.start().urls)
        clients = first_visits(proxies, *cluster.masters)
        assert come_all(clients, proxies, 2, "whole") <= 0.001 * 2 * CLIENTS
        waiting.until(lambda: held_by(cluster.replicas) == held_by(cluster.masters), "the replicas to have them all")
        cluster.masters[2].kill()
        lost = come_all(clients, proxies, 1, "dying")
        cluster.wait_failover(2)

        def back():
            come_all(clients, proxies, 1, "again")  # who lost his session has another
            return come_all(clients, proxies, 1, "back") == 0
        waiting.until(back, f"all to resume again ({lost} did not meanwhile)", 6 * waiting.PATIENCE)
        assert_no_failure(proxies)
    finally:
        cluster.kill()


def test_new_clients_all_the_time(redis, fleet):
    """Each returns as soon as it has left: the store has had a round trip's time, no more."""
    proxies = fleet(3, redis.url)
    chance, lost = random.Random(1), 0
    began = time.monotonic()
    for _ in range(500):
        client = Client()
        assert not client.come(chance.choice(proxies))
        lost += not client.come(chance.choice(proxies))
    assert lost <= 2, f"{lost} of 500 in {time.monotonic() - began:.1f} s"
    assert_no_failure(proxies)
