"""Promise: several usher-keyds on one Redis are one: one leads, all push its rings and hear for it; another takes
over when it goes, at once or within the lease; one that was stopped meanwhile neither writes nor pushes what is
old; and whatever Redis forgets, the fleet's ring and members come back from memory, only ever higher."""

import signal
import socket

import pytest

from support import keyd as daemon
from support import waiting

LONG = {"lease": "60s"}  # longer than any test waits


@pytest.fixture
def pair(redis, start_keyd):
    """pair(store={…}, …) → (the one that leads, the one that stands by)."""
    def begin(**tables):
        leader = start_keyd("one", redis.url, **tables)
        waiting.until(leader.leads, "the first to lead")
        standby = start_keyd("two", redis.url, **tables)
        wait_follows(standby, leader)
        return leader, standby
    return begin


def name_of(keyd):
    """As others call it."""
    return f"{socket.gethostname()}:{keyd.control_socket}"


def wait_follows(keyd, leader):
    waiting.until(lambda: keyd.keys()["leader"] == name_of(leader), f"{keyd.control_socket} to follow")
    waiting.until(lambda: keyd.keys()["version"], "the ring to reach the standby")


def wait_leads(keyd):
    waiting.until(keyd.leads, "it to lead")
    return waiting.until(lambda: keyd.keys() if keyd.keys()["leading"] else None, "it to lead")


def settled(*keyds):
    """The one that leads, once it is one and the others follow it."""
    def found():
        leaders = [keyd for keyd in keyds if keyd.keys()["leading"]]
        return leaders[0] if len(leaders) == 1 and all(
            keyd.keys()["leader"] == name_of(leaders[0]) for keyd in keyds if keyd != leaders[0]) else None
    return waiting.until(found, "one to lead and the others to follow")


def pair_of(keys):
    return (keys["term"], keys["version"])


def promotions(keyd, kind):
    return keyd.metrics().total("usher_keyd_promotions_total", kind=kind)


def only_rises(subscriber):
    pairs = [ring.pair for ring in subscriber.rings]
    return pairs == sorted(pairs)


def assert_rotates(leader, *subscribers):
    """A rotation by hand reaches all of these and is promoted without force."""
    before, was_forced = leader.keys()["keys"][0]["name"], promotions(leader, "forced")
    assert leader.post("/keys/rotate")[0] in (200, 202)
    for subscriber in subscribers:
        subscriber.wait_ring(lambda ring: before in ring.names("previous") and not ring.next, "the promotion")
        assert only_rises(subscriber)
    assert promotions(leader, "forced") == was_forced


# --- two that work

def test_both_push_and_hear(pair, subscribe):
    leader, standby = pair()
    here, there = subscribe(leader, "here"), subscribe(standby, "there", applies=False)
    before = there.wait_ring()
    here.wait_ring()
    assert leader.post("/keys/rotate")[0] == 202
    name = there.wait_ring(lambda ring: ring.next, "a next key").next
    leader.process.wait_log("promotion held", waiting_for="there")
    assert here.ring.current == there.ring.current == before.current
    there.apply()
    for subscriber in (here, there):
        subscriber.wait_ring(lambda ring: ring.current == name, "the promotion")
    assert (promotions(leader, "acked"), promotions(leader, "forced")) == (1, 0)
    for keyd in (leader, standby):
        assert {member["node"] for member in keyd.keys()["members"]} == {"here", "there"}
    assert standby.metrics().total("usher_keyd_leader") == 0
    assert [keyd.metrics().total("usher_keyd_store_up") for keyd in (leader, standby)] == [1, 1]


def test_bye_to_the_standby(pair, subscribe):
    leader, standby = pair()
    there = subscribe(standby, "there", applies=False)
    there.wait_ring()
    leader.post("/keys/rotate")
    there.wait_ring(lambda ring: ring.next, "a next key")
    there.bye()
    leader.wait_metric("usher_keyd_promotions_total", kind="acked")
    assert leader.keys()["members"] == []


CHANGES = {
    "/keys/rotate": None, "/keys/rotate?now=1": None, "/keys/revoke": {"name": "00" * 16},
    "/nodes/forget": {"node": "there"},
}


def test_a_standby_changes_nothing(pair):
    leader, standby = pair()
    before = leader.keys()
    for page, body in CHANGES.items():
        status, answer = standby.post(page, body)
        assert status == 409 and name_of(leader) in answer["error"], (page, answer)
    assert pair_of(leader.keys()) == pair_of(before) == pair_of(standby.keys())


def test_fleets_do_not_meet(redis, start_keyd):
    one = start_keyd("one", redis.url, keyd={"fleet": "red"})
    other = start_keyd("two", redis.url, keyd={"fleet": "blue"})
    assert wait_leads(one)["fleet"] != wait_leads(other)["fleet"]


# --- the leader goes

def test_a_leader_that_ends_hands_over_at_once(pair, subscribe):
    leader, standby = pair(store=LONG)
    here, there = subscribe(leader, "here"), subscribe(standby, "there")
    before = there.wait_ring()
    here.wait_ring()
    waiting.until(lambda: len(leader.keys()["members"]) == 2, "both members")
    leader.end()
    keys = wait_leads(standby)
    assert keys["term"] > before.term and keys["keys"][0]["name"] == before.current
    assert {member["node"] for member in keys["members"]} == {"here", "there"}
    assert here.byes == 1
    moved = subscribe(standby, "here", here.instance)  # as a proxy, which is connected to both
    moved.wait_ring()
    assert_rotates(standby, moved, there)


def test_a_leader_that_is_killed(pair, subscribe):
    leader, standby = pair()
    there = subscribe(standby, "there")
    before = there.wait_ring()
    waiting.until(lambda: leader.keys()["members"], "the member")
    leader.kill()
    keys = wait_leads(standby)
    assert keys["term"] > before.term and keys["keys"][0]["name"] == before.current
    assert_rotates(standby, there)
    leader.start()
    wait_follows(leader, standby)
    assert_rotates(standby, there, subscribe(leader, "here"))


def test_a_killed_leader_comes_back_alone(redis, start_keyd, subscribe):
    keyd = start_keyd("one", redis.url)
    before = subscribe(keyd, "a").wait_ring()
    waiting.until(lambda: keyd.keys()["members"], "the member")
    keyd.restart()
    keys = wait_leads(keyd)
    assert keys["term"] > before.term and keys["keys"][0]["name"] == before.current
    assert [member["node"] for member in keys["members"]] == ["a"]


def test_a_leader_that_was_stopped(pair, subscribe):
    """A rotation is due when it goes on; others have led and rotated meanwhile."""
    rotation = {"every": "500ms", "seal_max_age": "20s", "keep": "25s"}
    stale, standby = pair(rotation=rotation)
    both = [subscribe(keyd, "a", b"instance") for keyd in (stale, standby)]
    # Stopped between two rotations: what it had sent before would be as late as anything in a network.
    first = both[0].wait_ring().current
    both[0].wait_ring(lambda ring: ring.current != first and not ring.next, "a promotion")
    stale.process.send(signal.SIGSTOP)
    before = wait_leads(standby)
    waiting.until(lambda: standby.keys()["version"] > before["version"] + 2, "the other to rotate")
    newest, seen = both[1].ring.pair, len(both[0].rings)
    stale.process.send(signal.SIGCONT)
    wait_follows(stale, standby)
    both[0].wait_ring(lambda ring: ring.pair > newest, "a ring of the new leader")
    late = [ring.pair for ring in both[0].rings[seen:] if ring.pair < newest]
    assert not late, (late, newest, stale.log())
    assert only_rises(both[0]) and only_rises(both[1])
    assert stale.post("/keys/rotate")[0] == 409
    assert standby.keys()["leading"]


# --- Redis goes

def test_redis_comes_back_empty(redis, pair, subscribe, simple):
    leader, standby = pair()
    here, there = subscribe(leader, "here"), subscribe(standby, "there")
    proxy = simple(tickets={"source": "keyd", "keyd": [leader.endpoint, standby.endpoint], "wait": "20s"},
                   process={"node": "proxy"})
    before = there.wait_ring()
    leader.wait_metric("usher_keyd_members", lambda n: n == 3, state="current")
    redis.restart_empty()
    waiting.until(lambda: redis.command("EXISTS", "{usher:keyd:default}:state"), "the state to be written again")
    now = settled(leader, standby)
    waiting.until(lambda: pair_of(now.keys()) > before.pair, "a higher ring")
    keys = now.keys()
    assert keys["keys"][0]["name"] == before.current
    assert {member["node"] for member in keys["members"]} == {"here", "there", "proxy"}
    for keyd in (leader, standby):
        keyd.wait_metric("usher_keyd_store_up")
    assert_rotates(now, here, there)
    waiting.until(lambda: proxy.metrics().total("usher_ticket_ring_version") == now.keys()["version"],
                  "the proxy to have the ring")
    assert proxy.metrics().total("usher_ring_refused_total") == 0


def test_redis_comes_back_empty_without_the_leader(redis, pair, subscribe):
    leader, standby = pair()
    there = subscribe(standby, "there")
    before = there.wait_ring()
    waiting.until(lambda: leader.keys()["members"], "the member")
    waiting.until(lambda: standby.keys()["members"][0]["applied"], "its acknowledgement")
    leader.kill()
    redis.restart_empty()
    keys = wait_leads(standby)
    assert pair_of(keys) > before.pair and keys["keys"][0]["name"] == before.current
    assert [member["node"] for member in keys["members"]] == ["there"]
    assert_rotates(standby, there)


def dumped(redis):
    """Everything in it but leases, which expire."""
    keys = [key for key in redis.command("KEYS", "*") if not key.endswith(b":lease")]
    return {key: redis.command("DUMP", key) for key in keys}


@pytest.mark.parametrize("lease", ["kept", "lost"])
def test_redis_comes_back_older(redis, pair, subscribe, lease):
    leader, standby = pair()
    here, there = subscribe(leader, "here"), subscribe(standby, "there")
    here.wait_ring()
    there.wait_ring()
    older = dumped(redis)
    assert_rotates(leader, here, there)
    assert_rotates(leader, here, there)
    last = here.ring
    if lease == "lost":
        redis.command("FLUSHALL")
    for key, dump in older.items():
        redis.command("RESTORE", key, 0, dump, "REPLACE")
    waiting.until(lambda: [int(number) for number in redis.command(
        "HMGET", "{usher:keyd:default}:state", "term", "version")] >= list(last.pair),
        "the state to be written again")
    now = settled(leader, standby)
    assert pair_of(now.keys()) >= last.pair
    assert now.keys()["keys"][0]["name"] == last.current
    assert_rotates(now, here, there)


def test_redis_does_not_answer(redis, pair, subscribe):
    """For longer than the lease: nothing is pushed, nothing is changed; then all goes on."""
    leader, standby = pair()
    here, there = subscribe(leader, "here"), subscribe(standby, "there")
    before = here.wait_ring()
    there.wait_ring()
    redis.stop()
    for keyd in (leader, standby):
        keyd.wait_metric("usher_keyd_store_up", lambda up: up == 0)
        keyd.process.wait_log("the store cannot be relied upon; nothing is rotated or pushed")
        status, body = keyd.post("/keys/rotate")
        assert status == 503 and "redis.sock" in body["error"], body
    assert leader.metrics().total("usher_keyd_leader") == 0
    newcomer = subscribe(leader, "newcomer")
    leader.process.wait_log("subscriber", node="newcomer")
    assert newcomer.rings == []
    redis.go_on()
    now = settled(leader, standby)
    assert newcomer.wait_ring().current == before.current
    waiting.until(lambda: len(now.keys()["members"]) == 3, "all members")
    assert_rotates(now, here, there, newcomer)


def test_redis_takes_no_writes(redis, pair, subscribe):
    """It is full; it answers, and the lease is renewed."""
    leader, standby = pair()
    here = subscribe(leader, "here")
    before = here.wait_ring()
    leader.wait_metric("usher_keyd_members", state="current")
    redis.command("CONFIG", "SET", "maxmemory", "1")
    status, body = leader.post("/keys/rotate")
    assert status == 503 and "OOM" in body["error"], body
    assert leader.metrics().total("usher_keyd_store_up") == 0
    leader.process.wait_log("the fleet's state could not be saved; nothing new is pushed until it is")
    newcomers = [subscribe(keyd, f"newcomer-{i}") for i, keyd in enumerate((leader, standby))]
    standby.wait_metric("usher_keyd_store_up", lambda up: up == 0)
    standby.process.wait_log("reports could not be stored; new subscribers of this keyd get no ring until they are")
    assert here.ring.pair == before.pair and [newcomer.rings for newcomer in newcomers] == [[], []]
    redis.command("CONFIG", "SET", "maxmemory", "0")
    for subscriber in (here, *newcomers):
        subscriber.wait_ring(lambda ring: before.current in ring.names("previous"), "the promotion")
    now = settled(leader, standby)
    for keyd in (leader, standby):
        keyd.wait_metric("usher_keyd_store_up")
    assert_rotates(now, here, *newcomers)


def test_redis_is_down_at_the_start(redis, start_keyd, subscribe):
    redis.kill()
    keyd = start_keyd("one", redis.url)
    keyd.process.wait_log("the store cannot be relied upon; nothing is rotated or pushed")
    subscriber = subscribe(keyd)
    code, text = keyd.admin("/readyz")
    assert code == 503 and str(redis.path) in text, text
    assert keyd.admin("/healthz")[0] == 200
    assert keyd.post("/keys/rotate")[0] == 503 and subscriber.rings == []
    redis.start()
    subscriber.wait_ring()
    assert keyd.admin("/readyz")[0] == 200


# --- keys and passwords

def test_another_key_file(redis, pair, start_keyd, subscribe, short_directory):
    leader, standby = pair()
    before = subscribe(leader, "a").wait_ring()
    standby.end()
    other = start_keyd("three", redis.url, start=False,
                       store={"key_file": daemon.key_file(short_directory / "other-key")})
    other.start()
    stranger = subscribe(other, "b")
    waiting.until(lambda: other.admin("/readyz")[0] == 503 and "cannot be read" in other.admin("/readyz")[1],
                  "it to say why it is not ready")
    leader.kill()  # now nobody else would lead
    waiting.until(lambda: not redis.command("EXISTS", "{usher:keyd:default}:lease"), "the lease to end")
    state = dumped(redis)
    assert other.post("/keys/rotate")[0] == 503
    assert not other.leads() and stranger.rings == [] and dumped(redis) == state
    leader.start()
    assert wait_leads(leader)["keys"][0]["name"] == before.current


# What keyd/redis_script.h says that a user needs.
COMMANDS = "+eval +time +get +set +incr +exists +pexpire +del +hset +hget +hmget +hgetall +hdel".split()


def test_an_acl_user(redis, start_keyd, subscribe):
    redis.command("ACL", "SETUSER", "keyd", "on", ">p@ss/word", "~{usher:keyd:default}:*", *COMMANDS)
    redis.command("ACL", "SETUSER", "default", "on", "resetpass", ">admin")
    keyd = start_keyd("one", f"unix://keyd:p%40ss%2Fword@{redis.path}")
    subscribe(keyd).wait_ring()
    standby = start_keyd("two", f"unix://keyd:p%40ss%2Fword@{redis.path}")
    wait_follows(standby, keyd)
    assert_rotates(keyd, subscribe(standby, "there"))
    assert "p@ss" not in keyd.log() and "p%40ss" not in keyd.log()


@pytest.mark.parametrize("credentials", ["", "keyd:wrong@"])
def test_a_wrong_password(redis, start_keyd, credentials):
    redis.command("ACL", "SETUSER", "keyd", "on", ">right", "~*", "+@all")
    redis.command("ACL", "SETUSER", "default", "on", "resetpass", ">admin")
    keyd = start_keyd("one", f"unix://{credentials}{redis.path}")
    keyd.process.wait_log("the store cannot be relied upon; nothing is rotated or pushed")
    code, text = keyd.admin("/readyz")
    assert code == 503 and ("NOAUTH" in text or "WRONGPASS" in text), text
    assert "wrong@" not in keyd.log() and "wrong@" not in text
