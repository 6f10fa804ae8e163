"""The faults: each happens, proves that it did, and ends. A function returns its evidence in a few words; it
fails when the fault did not happen or the fleet does not get over it."""

import dataclasses
import time

from support import waiting

# Long enough for several rotations to be due, short enough for the current key to go on sealing.
SECONDS = (1.5, 2.5)


@dataclasses.dataclass
class Happened:
    fault: str
    began: float
    ended: float
    evidence: str


def proxy_stopped(fleet, chance):
    """One proxy is stopped and continued."""
    proxy = chance.choice(fleet.proxies)
    with fleet.away(proxy):
        proxy.stop()
        try:
            fleet.wait_held_by(proxy)
            time.sleep(chance.uniform(*SECONDS))
        finally:
            proxy.go_on()
    return f"{proxy.name}; promotions waited for it"


def proxy_killed(fleet, chance):
    """One proxy is killed and started again."""
    proxy = chance.choice(fleet.proxies)
    pid = proxy.run.pid
    with fleet.away(proxy):
        proxy.kill()
        fleet.wait_held_by(proxy)
        time.sleep(chance.uniform(*SECONDS))
        proxy.start()
    assert proxy.run.pid != pid
    return f"{proxy.name}; promotions waited for it"


def proxy_cut_off(fleet, chance):
    """A proxy is cut off from both keyds: the ways fall silent, then break. It goes on serving."""
    proxy = chance.choice(fleet.proxies)
    hops = fleet.keyd_hops[proxy.index]
    before = proxy.links()
    for hop in hops:
        hop.silence()
    fleet.wait_held_by(proxy)
    time.sleep(chance.uniform(*SECONDS) / 2)
    held_back = sum(hop.held_back for hop in hops)
    for hop in hops:
        hop.cut()
    waiting.until(lambda: proxy.links() == 0, f"{proxy.name} without a link")
    ring = proxy.ring()
    time.sleep(chance.uniform(*SECONDS) / 2)
    assert proxy.ring() == ring and proxy.ready()
    for hop in hops:
        hop.restore()
    waiting.until(lambda: proxy.links() == len(hops), f"{proxy.name} to be linked again", 30)
    assert before == len(hops) and held_back > 0
    return f"{proxy.name}; promotions waited for it"


def keyd_killed(fleet, chance):
    """The leading keyd is killed and started again."""
    old = fleet.leader()
    term = max(p.ring() for p in fleet.proxies)[0]
    old.kill()
    new = fleet.wait_other_leads(old)
    waiting.until(lambda: min(p.ring() for p in fleet.proxies)[0] > term, "rings of a higher term", 30)
    time.sleep(chance.uniform(*SECONDS) / 2)
    old.daemon.start()
    waiting.until(lambda: all(p.links() == len(fleet.keyds) for p in fleet.proxies),
                  f"all proxies to be linked to {old.name} again", 30)
    return f"{old.name}; {new.name} took over"


def all_killed_in_turn(fleet, chance):
    """The standing-by keyd, a proxy, and the leading keyd are killed and started again, one after the other:
    who leads then must not wait for the proxy that was, of which the first keyd has left word in Redis."""
    proxy, old = chance.choice(fleet.proxies), fleet.leader()
    new = fleet.other(old)
    new.kill()
    with fleet.away(proxy):
        proxy.kill()
        proxy.start()
    new.daemon.start()
    fleet.wait_rotating(1)
    old.kill()
    fleet.wait_other_leads(old)
    began = time.monotonic()
    fleet.wait_rotating()
    waited = time.monotonic() - began
    old.daemon.start()
    assert waited < 5, f"promotions were held for {waited:.1f} s by a proxy that was"
    return f"{new.name}, {proxy.name}, {old.name}; no promotion waited for who was gone"


def leader_cut_from_redis(fleet, chance):
    """The leading keyd is cut off from Redis: its way there falls silent, or breaks."""
    old = fleet.leader()
    hop = fleet.redis_hops[old.index]
    silent = chance.random() < 0.5
    (hop.silence if silent else hop.cut)()
    new = fleet.wait_other_leads(old)
    old.daemon.wait_metric("usher_keyd_store_up", lambda value: value == 0)
    assert not old.leads()
    time.sleep(chance.uniform(*SECONDS) / 2)
    hop.restore()
    old.daemon.wait_metric("usher_keyd_store_up", lambda value: value == 1)
    assert hop.held_back if silent else hop.refused
    return f"{old.name}, {'silently' if silent else 'broken'}; {new.name} took over"


def redis_restarted_empty(fleet, chance):
    """Redis is killed and comes back without a byte."""
    tag = fleet.leader().daemon.keys()["fleet"]
    full = fleet.redis.command("DBSIZE")
    for hop in fleet.redis_hops:
        hop.cut()  # so that nobody writes before the store was seen empty
    fleet.redis.restart_empty()
    time.sleep(chance.uniform(0, 0.5))
    assert full > 0 and fleet.redis.command("DBSIZE") == 0
    for hop in fleet.redis_hops:
        hop.restore()
    waiting.until(lambda: fleet.redis.command("DBSIZE") >= 1, "the state in Redis again", 30)
    fleet.wait_rotating(1)
    assert fleet.leader().daemon.keys()["fleet"] == tag
    return f"{full} keys were gone, the same fleet's keys came back"


ALL = (proxy_stopped, proxy_killed, proxy_cut_off, keyd_killed, all_killed_in_turn, leader_cut_from_redis,
       redis_restarted_empty)


def round_of(fleet, chance, told):
    """All faults in some order, one after the other; told(Happened) after each. Rotation goes on
    behind every one."""
    for fault in chance.sample(ALL, len(ALL)):
        began = time.monotonic()
        evidence = fault(fleet, chance)
        ended = time.monotonic()
        fleet.wait_rotating()
        told(Happened(fault.__name__.replace("_", " "), began, ended, evidence))
