"""Promise: hundreds of proxies are one fleet: a rotation reaches all of them and waits for all of them; when
usher-keyd is killed they all come back by themselves, it knows them still, and the next rotation waits for
those that have not come yet."""

import signal

import pytest

from support import waiting

PROXIES = 300
PATIENCE = 3 * waiting.PATIENCE  # three hundred connections on a loaded machine


@pytest.fixture
def fleet(start_keyd, subscribe):
    keyd = start_keyd(rotation={"every": "1h", "seal_max_age": "3h", "keep": "9h"})
    proxies = [subscribe(keyd, f"proxy-{i}", returns=True, wait=False) for i in range(PROXIES)]
    keyd.wait_metric("usher_keyd_members", lambda n: n == PROXIES, PATIENCE, state="current")
    return keyd, proxies


def all_have(proxies, wanted, what):
    waiting.until(lambda: all(proxy.ring and wanted(proxy.ring) for proxy in proxies), what, PATIENCE)


def promotions(keyd, kind):
    return keyd.metrics().total("usher_keyd_promotions_total", kind=kind)


def test_a_rotation_reaches_everybody(fleet):
    keyd, proxies = fleet
    before = proxies[0].ring.current
    joined = [len(proxy.rings) for proxy in proxies]
    for number in range(1, 4):
        assert keyd.post("/keys/rotate")[0] == 202
        keyd.wait_metric("usher_keyd_promotions_total", lambda n, number=number: n == number, PATIENCE,
                         kind="acked")
    final = (keyd.keys()["term"], keyd.keys()["version"])
    all_have(proxies, lambda ring: ring.pair == final, "everybody to have the last ring")
    keyd.wait_metric("usher_keyd_members", lambda n: n == PROXIES, PATIENCE, state="current")
    assert proxies[0].ring.current != before and promotions(keyd, "forced") == 0
    assert not any(proxy.closed for proxy in proxies)
    # next, promoted, three times: nobody missed one and nobody got one twice.
    assert [len(proxy.rings) - had for proxy, had in zip(proxies, joined)] == [6] * PROXIES


def test_one_of_hundreds_holds_it(fleet):
    keyd, proxies = fleet
    proxies[123].applies = False
    keyd.post("/keys/rotate")
    all_have(proxies, lambda ring: ring.next, "everybody to have the next key")
    waiting.until(lambda: keyd.keys()["held"]["waiting_for"] == ["proxy-123"], "all acknowledgements but one")
    assert promotions(keyd, "acked") == 0
    proxies[123].apply()
    keyd.wait_metric("usher_keyd_promotions_total", kind="acked")


def test_all_come_at_once(start_keyd, subscribe):
    """While keyd is busy; a connect that is refused would be a backoff for that proxy."""
    keyd = start_keyd()
    keyd.process.send(signal.SIGSTOP)
    proxies = [subscribe(keyd, f"proxy-{i}") for i in range(PROXIES)]
    keyd.process.send(signal.SIGCONT)
    keyd.wait_metric("usher_keyd_members", lambda n: n == PROXIES, PATIENCE, state="current")
    assert not any(proxy.error for proxy in proxies)


def test_keyd_is_killed(fleet):
    keyd, proxies = fleet
    before = proxies[0].ring
    away = proxies[:3]
    for proxy in away:
        proxy.close()
    keyd.restart()
    assert len(keyd.keys()["members"]) == PROXIES
    rest = proxies[3:]
    all_have(rest, lambda ring: ring.term > before.term, "everybody else to come back")
    keyd.post("/keys/rotate")
    all_have(rest, lambda ring: ring.next, "the next key")
    waiting.until(lambda: keyd.keys()["held"]["waiting_for"] == [proxy.node for proxy in away],
                  "only those that are away", PATIENCE)
    assert all(ring.current == before.current for proxy in rest for ring in proxy.rings)
    assert promotions(keyd, "acked") == promotions(keyd, "forced") == 0
    for proxy in away:
        keyd.post("/nodes/forget", {"node": proxy.node})
    all_have(rest, lambda ring: ring.current != before.current, "the promotion")
    assert promotions(keyd, "forced") == 1
