"""Promise: a member is a node and one start of its process: a restarted proxy takes its old self's place, at once
if the old connection is closed, else when that one does not answer; two live proxies of one name are both waited
for, counted and told; who says BYE is gone; and who is no member any more but lives becomes one again."""

import signal
import time

import pytest

from support import waiting


@pytest.fixture
def keyd(start_keyd):
    return start_keyd()


def instances(keyd, node):
    return {member["instance"] for member in keyd.keys()["members"] if member["node"] == node}


def duplicates(keyd):
    return keyd.metrics().total("usher_keyd_duplicate_nodes_total")


def test_a_restarted_proxy_replaces_its_old_self(keyd, subscribe):
    old = subscribe(keyd, "a")
    old.wait_ring()
    old.close()
    waiting.until(lambda: not keyd.keys()["members"][0]["connected"], "keyd to miss the old one")
    new = subscribe(keyd, "a")
    new.wait_ring()
    assert instances(keyd, "a") == {new.instance.hex()} and duplicates(keyd) == 0
    assert keyd.process.wait_log("member left", node="a")["reason"] == "replaced"


def test_the_old_self_hangs(keyd, subscribe):
    """Its connection is open, but its PONG is missing."""
    old = subscribe(keyd, "a", answers=False, applies=False)
    old.wait_ring()
    new = subscribe(keyd, "a")
    new.wait_ring()
    assert keyd.post("/keys/rotate")[0] == 202
    new.wait_ring(lambda ring: ring.next, "a next key")
    assert instances(keyd, "a") == {old.instance.hex(), new.instance.hex()}  # nothing is known yet
    new.wait_ring(lambda ring: ring.names("previous"), "the promotion")
    assert instances(keyd, "a") == {new.instance.hex()} and duplicates(keyd) == 0
    assert keyd.metrics().total("usher_keyd_promotions_total", kind="forced") == 0


def test_two_proxies_of_one_name(keyd, subscribe):
    one, other = subscribe(keyd, "a"), subscribe(keyd, "a", applies=False)
    keyd.wait_metric("usher_keyd_duplicate_nodes_total", lambda n: n == 1)
    keyd.process.wait_log("two proxies call themselves a; give each its own process.node", node="a")
    assert instances(keyd, "a") == {one.instance.hex(), other.instance.hex()}
    other.wait_ring()
    keyd.post("/keys/rotate")
    name = other.wait_ring(lambda ring: ring.next, "a next key").next
    waiting.until(lambda: len([m for m in keyd.keys()["members"] if m["current"]]) == 1, "one of them")
    assert keyd.keys()["held"]["waiting_for"] == ["a"] and one.ring.current != name
    other.apply()
    one.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert keyd.metrics().total("usher_keyd_promotions_total", kind="forced") == 0


def test_one_process_that_connects_twice(keyd, subscribe):
    """The same instance: the first connection is dead and has not been missed."""
    first = subscribe(keyd, "a")
    first.wait_ring()
    second = subscribe(keyd, "a", first.instance)
    second.wait_ring()
    first.wait_closed()
    waiting.until(lambda: keyd.keys()["members"][0]["current"], "its acknowledgement")
    assert len(keyd.keys()["members"]) == 1 and keyd.keys()["members"][0]["connected"]
    assert duplicates(keyd) == 0


def test_who_leaves_and_comes_back(keyd, subscribe):
    subscriber = subscribe(keyd, "a")
    subscriber.wait_ring()
    subscriber.bye()
    assert keyd.keys()["members"] == []
    again = subscribe(keyd, "a", subscriber.instance)
    again.wait_ring()
    assert instances(keyd, "a") == {subscriber.instance.hex()}


def test_who_leaves_and_comes_back_all_the_time(start_keyd, subscribe):
    """While keys rotate and a faithful member is there: each time it gets the ring, and is gone when it says so."""
    keyd = start_keyd(rotation={"every": "100ms", "seal_max_age": "2s", "keep": "5s"})
    faithful = subscribe(keyd, "faithful")
    for number in range(60):
        flighty = subscribe(keyd, "flighty", b"instance", applies=number % 2 == 0)
        flighty.wait_ring()
        flighty.bye() if number % 3 else flighty.close()
    if number % 3 == 0:
        keyd.post("/nodes/forget", {"node": "flighty"})
    last = faithful.ring.current
    faithful.wait_ring(lambda ring: ring.current != last, "rotations to go on")
    assert faithful.byes == 0 and duplicates(keyd) == 0
    assert {member["node"] for member in keyd.keys()["members"]} == {"faithful"}


def test_a_keyd_that_stood_still(start_keyd, subscribe):
    """It did not hear anybody for promote_hold_max, but nobody was silent."""
    keyd = start_keyd(rotation={"promote_hold_max": "1s"})
    subscriber = subscribe(keyd, "a")
    subscriber.wait_ring()
    keyd.process.send(signal.SIGSTOP)
    time.sleep(6)  # it must be that long
    keyd.process.send(signal.SIGCONT)
    keyd.process.wait_log("this process stood still; subscribers are heard before anything is due")
    assert keyd.post("/keys/rotate")[0] in (200, 202)
    subscriber.wait_ring(lambda ring: ring.names("previous"), "the promotion")
    assert subscriber.byes == 0 and not subscriber.closed
    assert instances(keyd, "a") == {subscriber.instance.hex()}


def test_a_forgotten_node_that_lives_comes_back(keyd, subscribe):
    subscriber = subscribe(keyd, "a", returns=True)
    subscriber.wait_ring()
    assert keyd.post("/nodes/forget", {"node": "a"}) == (200, {"forgotten": 1})
    waiting.until(lambda: subscriber.connections == 2 and instances(keyd, "a"), "it to come back")
    keyd.post("/keys/rotate")
    subscriber.wait_ring(lambda ring: ring.names("previous"), "the promotion")


def test_members_survive_a_restart(keyd, subscribe):
    here, away = subscribe(keyd, "here", returns=True), subscribe(keyd, "away")
    before = here.wait_ring()
    away.wait_ring()
    waiting.until(lambda: len(keyd.keys()["members"]) == 2, "both")
    away.close()
    keyd.restart()
    after = here.wait_ring(lambda ring: ring.term > before.term, "a ring of the next term")
    assert after.current == before.current
    status, body = keyd.post("/keys/rotate")
    assert status == 202 and "away" in body["waiting_for"]
    keyd.process.wait_log("promotion held", waiting_for="away")
    back = subscribe(keyd, "away", away.instance)
    here.wait_ring(lambda ring: ring.current != before.current, "the promotion")
    assert back.ring and keyd.metrics().total("usher_keyd_promotions_total", kind="forced") == 0
