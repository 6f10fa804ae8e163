"""Promise: a key of usher-keyd seals only after every member's every worker has acknowledged it; whoever lacks it
is named while the promotion is held, and a promotion without him happens only by force, counted and logged with
his name. Rotations are made by schedule and by hand."""

import pytest

from support import usherctl, waiting

# Nothing happens by itself within a test.
BY_HAND = {"every": "1h", "seal_max_age": "3h", "keep": "9h", "promote_hold_max": "10m"}


def forced(keyd):
    return keyd.metrics().total("usher_keyd_promotions_total", kind="forced")


def acked(keyd):
    return keyd.metrics().total("usher_keyd_promotions_total", kind="acked")


def rotations(keyd, trigger):
    return keyd.metrics().total("usher_keyd_rotations_total", trigger=trigger)


@pytest.fixture
def keyd(start_keyd):
    return start_keyd(rotation=BY_HAND)


@pytest.fixture
def held(keyd, subscribe):
    """A promotion that waits for `laggard` and only for him: (keyd, prompt, laggard, the next key's name)."""
    prompt, laggard = subscribe(keyd, "prompt"), subscribe(keyd, "laggard", applies=False)
    laggard.wait_ring()
    status, body = keyd.post("/keys/rotate")
    assert status == 202 and not body["promoted"] and "laggard" in body["waiting_for"], body
    ring = laggard.wait_ring(lambda ring: ring.next, "a next key")
    waiting.until(lambda: keyd.keys()["held"]["waiting_for"] == ["laggard"], "only the laggard to lack it")
    return keyd, prompt, laggard, ring.next


def test_schedule(start_keyd, subscribe):
    keyd = start_keyd(rotation={"every": "100ms", "seal_max_age": "1s", "keep": "2s"})
    subscriber = subscribe(keyd)
    keyd.wait_metric("usher_keyd_rotations_total", lambda n: n >= 5, trigger="schedule")
    keyd.wait_metric("usher_keyd_promotions_total", lambda n: n >= 5, kind="acked")
    assert forced(keyd) == rotations(keyd, "manual") == rotations(keyd, "revoke") == 0
    rings = list(subscriber.rings)
    assert len({ring.current for ring in rings}) >= 3
    assert [ring.pair for ring in rings] == sorted({ring.pair for ring in rings})
    for before, after in zip(rings, rings[1:]):  # every key came as `next` first
        assert after.current in (before.current, before.next)


def test_keys_leave_when_they_are_too_old(start_keyd, subscribe):
    keyd = start_keyd(rotation={"every": "100ms", "seal_max_age": "200ms", "keep": "300ms"})
    subscriber = subscribe(keyd)
    first = subscriber.wait_ring().current
    subscriber.wait_ring(lambda ring: first not in ring.names(), "a ring without the first key")
    # Each goes with its time; a busy machine may stand still between that and the ring's way out.
    assert all(key.age_ms < 1000 for ring in subscriber.rings for key in ring.keys)


def test_by_hand(keyd, subscribe):
    subscribers = [subscribe(keyd, f"node-{i}") for i in range(3)]
    before = subscribers[0].wait_ring()
    for subscriber in subscribers:
        subscriber.wait_ring()
    assert keyd.post("/keys/rotate")[0] == 202
    for subscriber in subscribers:
        after = subscriber.wait_ring(lambda ring: ring.current != before.current, "a promotion")
        offered = next(ring for ring in subscriber.rings if ring.next)
        assert offered.next == after.current and offered.current == before.current
        assert after.names("previous") == [before.current]
    assert (acked(keyd), forced(keyd), rotations(keyd, "manual")) == (1, 0, 1)


def test_without_members_a_rotation_is_promoted_at_once(keyd):
    before = keyd.keys()
    status, body = keyd.post("/keys/rotate")
    assert status in (200, 202), body
    keyd.wait_metric("usher_keyd_promotions_total", kind="acked")
    after = keyd.keys()
    assert [key["state"] for key in after["keys"]] == ["current", "previous"]
    assert after["keys"][1]["name"] == before["keys"][0]["name"]


def test_a_laggard_holds_the_promotion_and_is_named(held):
    keyd, prompt, laggard, name = held
    keyd.process.wait_log("promotion held", waiting_for="laggard")
    assert keyd.metrics().total("usher_keyd_promotion_held_seconds") > 0
    assert "laggard" in usherctl.text("--socket", keyd.control_socket, "keys", "show")
    members = {member["node"]: member for member in keyd.keys()["members"]}
    assert members["prompt"]["current"] and not members["laggard"]["current"]
    assert keyd.metrics().total("usher_keyd_members", state="behind") == 1
    assert name not in {ring.current for ring in prompt.rings} and not acked(keyd) and not forced(keyd)

    laggard.apply()
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (1, 0)
    keyd.wait_metric("usher_keyd_promotion_held_seconds", lambda seconds: seconds == 0)


def test_an_acknowledgement_of_an_older_ring_is_none(held):
    keyd, prompt, laggard, name = held
    older = laggard.rings[0]
    laggard.apply(older)
    waiting.until(lambda: {member["node"]: member["applied"] for member in keyd.keys()["members"]}["laggard"]
                  == {"term": older.term, "version": older.version}, "keyd to hear of the older ring")
    assert keyd.keys()["held"]["waiting_for"] == ["laggard"]
    assert not acked(keyd) and prompt.ring.current != name


def test_a_new_member_is_waited_for(held, subscribe):
    keyd, prompt, laggard, name = held
    newcomer = subscribe(keyd, "newcomer", applies=False)
    newcomer.wait_ring(lambda ring: ring.next == name)
    laggard.apply()
    waiting.until(lambda: keyd.keys()["held"]["waiting_for"] == ["newcomer"], "the newcomer to be the last")
    assert not acked(keyd)
    newcomer.apply()
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert forced(keyd) == 0


def test_a_closed_connection_frees_nothing(held, subscribe):
    keyd, prompt, laggard, name = held
    laggard.close()
    waiting.until(lambda: not {m["node"]: m["connected"] for m in keyd.keys()["members"]}["laggard"],
                  "keyd to miss the laggard")
    keyd.process.wait_log("promotion held", waiting_for="laggard")
    assert keyd.keys()["held"]["waiting_for"] == ["laggard"] and prompt.ring.current != name

    back = subscribe(keyd, "laggard", laggard.instance, applies=False)
    assert back.wait_ring().next == name  # the whole ring, at once
    back.apply()
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (1, 0)


def test_bye_frees_the_hold_without_force(held):
    keyd, prompt, laggard, name = held
    laggard.bye()
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (1, 0)
    assert laggard.byes == 1
    assert [member["node"] for member in keyd.keys()["members"]] == ["prompt"]


def test_forget_frees_the_hold_by_force(held):
    keyd, prompt, laggard, name = held
    usherctl.text("--socket", keyd.control_socket, "nodes", "forget", "laggard")
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (0, 1)
    keyd.process.wait_log("key promoted by force; these nodes may meet tickets that they cannot open",
                          nodes="laggard")
    laggard.wait_closed()  # if it lives it comes back


def test_forget_of_nobody(keyd):
    code, _, error = usherctl.run("--socket", keyd.control_socket, "nodes", "forget", "nobody")
    assert code != 0 and "nobody" in error


def test_now_does_not_wait(held):
    keyd, prompt, laggard, name = held
    status, body = keyd.post("/keys/rotate?now=1")
    assert status == 200 and body["promoted"], body
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    laggard.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (0, 1)
    keyd.process.wait_log("key promoted by force; these nodes may meet tickets that they cannot open",
                          nodes="laggard")


def test_revoke_of_the_current_key(keyd, subscribe):
    laggard = subscribe(keyd, "laggard", applies=False)
    before = laggard.wait_ring()
    assert before.lineage_not_before == 0
    usherctl.text("--socket", keyd.control_socket, "keys", "revoke", before.current)
    after = laggard.wait_ring(lambda ring: before.current not in ring.names(), "a ring without it")
    after = laggard.wait_ring(lambda ring: ring.names("current"), "a key that seals")
    assert after.lineage_not_before > 1_500_000_000
    assert forced(keyd) == 1 and rotations(keyd, "revoke") == 1


def test_revoke_promotes_a_next_key_that_is_there(held):
    keyd, prompt, laggard, name = held
    revoked = prompt.ring.current
    assert keyd.post("/keys/revoke", {"name": revoked})[0] == 200
    ring = laggard.wait_ring(lambda ring: revoked not in ring.names(), "a ring without it")
    assert ring.current == name and ring.next is None
    assert forced(keyd) == 1


def test_revoke_of_the_next_key(held):
    keyd, prompt, laggard, name = held
    before = prompt.ring.current
    assert keyd.post("/keys/revoke", {"name": name})[0] == 200
    ring = laggard.wait_ring(lambda ring: name not in ring.names(), "a ring without it")
    assert ring.current == before and ring.next is None and ring.lineage_not_before > 0
    assert keyd.keys()["held"] is None and acked(keyd) == forced(keyd) == 0


def test_revoke_of_a_previous_key_forces_nothing(keyd, subscribe):
    subscriber = subscribe(keyd)
    first = subscriber.wait_ring().current
    keyd.post("/keys/rotate")
    subscriber.wait_ring(lambda ring: first in ring.names("previous"), "the promotion")
    assert keyd.post("/keys/revoke", {"name": first})[0] == 200
    after = subscriber.wait_ring(lambda ring: first not in ring.names(), "a ring without it")
    assert after.lineage_not_before > 0 and forced(keyd) == 0


def test_revoke_of_an_unknown_key(keyd):
    status, body = keyd.post("/keys/revoke", {"name": "00" * 16})
    assert status == 404 and "keys show" in body["error"]
    assert rotations(keyd, "revoke") == 0


@pytest.mark.parametrize("how", ["connected", "gone"])
def test_promote_hold_max(start_keyd, subscribe, how):
    keyd = start_keyd(rotation={**BY_HAND, "promote_hold_max": "1s"})
    prompt, laggard = subscribe(keyd, "prompt"), subscribe(keyd, "laggard", applies=False)
    laggard.wait_ring()
    keyd.post("/keys/rotate")
    name = laggard.wait_ring(lambda ring: ring.next, "a next key").next
    if how == "gone":
        laggard.close()
    prompt.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (acked(keyd), forced(keyd)) == (0, 1)
    keyd.process.wait_log("key promoted by force; these nodes may meet tickets that they cannot open",
                          nodes="laggard")
    left = keyd.process.wait_log("member left", node="laggard")
    assert left["reason"] == ("behind" if how == "connected" else "silent")
    # Who has nothing to say but answers PING stays.
    assert prompt.byes == 0 and "prompt" in {member["node"] for member in keyd.keys()["members"]}


def test_due_rotations_are_skipped_while_held(start_keyd, subscribe):
    keyd = start_keyd(rotation={"every": "100ms", "seal_max_age": "5s", "keep": "6s"})
    laggard = subscribe(keyd, "laggard", applies=False)
    keyd.wait_metric("usher_keyd_rotations_total", lambda n: n >= 3, trigger="skipped")
    keyd.process.wait_log("a due rotation is skipped", why="a promotion is held")
    made = rotations(keyd, "schedule")
    assert len({ring.next for ring in laggard.rings if ring.next}) <= 1
    laggard.applies = True
    laggard.apply()
    keyd.wait_metric("usher_keyd_rotations_total", lambda n: n > made, trigger="schedule")
    assert forced(keyd) == 0


def test_pull_brings_the_whole_ring_again(keyd, subscribe):
    subscriber = subscribe(keyd)
    first = subscriber.wait_ring()
    subscriber.pull()
    waiting.until(lambda: len(subscriber.rings) == 2, "the ring again")
    assert (subscriber.ring.pair, subscriber.ring.digest) == (first.pair, first.digest)


def test_a_reconnect_brings_the_whole_ring(keyd, subscribe):
    subscriber = subscribe(keyd)
    subscriber.wait_ring()
    subscriber.close()
    keyd.post("/keys/rotate?now=1")
    keyd.post("/keys/rotate?now=1")
    again = subscribe(keyd, "raw", subscriber.instance).wait_ring()
    assert len(again.names("current")) == 1 and len(again.names("previous")) == 2
    assert len(keyd.keys()["members"]) == 1


def test_a_full_ring_takes_no_more_by_hand(keyd):
    for _ in range(63):
        assert keyd.post("/keys/rotate?now=1")[0] == 200
    status, body = keyd.post("/keys/rotate?now=1")
    assert status == 409 and "full" in body["error"], body
    assert len(keyd.keys()["keys"]) == 64


def test_a_real_proxy_beside_a_laggard(keyd, subscribe, simple):
    laggard = subscribe(keyd, "laggard", applies=False)
    proxy = simple(tickets={"source": "keyd", "keyd": [keyd.endpoint], "wait": "20s"},
                   process={"node": "proxy-1"})
    before = proxy.wait_metric("usher_ticket_ring_version")
    keyd.post("/keys/rotate")
    name = laggard.wait_ring(lambda ring: ring.next, "a next key").next
    waiting.until(lambda: keyd.keys()["held"]["waiting_for"] == ["laggard"], "the proxy's workers to have it")
    assert proxy.metrics().total("usher_ticket_keys", state="next") == 1
    assert keyd.keys()["keys"][0] | {"age_seconds": 0} == {
        "name": name, "epoch": 2, "state": "next", "age_seconds": 0, "seals": False, "opens": True}
    laggard.apply()
    proxy.wait_metric("usher_ticket_keys", lambda n: n == 0, state="next")
    proxy.wait_metric("usher_ticket_ring_version", lambda version: version > before)
    assert forced(keyd) == 0

    proxy.end()  # says BYE
    waiting.until(lambda: [m["node"] for m in keyd.keys()["members"]] == ["laggard"], "the proxy to leave")
