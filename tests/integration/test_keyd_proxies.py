"""Promise: with source = "keyd" a client resumes on every proxy of the fleet, before and after rotations; a proxy
never seals with a key that keyd did not hand out, and never with one that is too old: with keyd gone it seals
until seal_max_age, opens until open_max_age, then has no keys; keyd gone at the start delays readiness by
tickets.wait only; a drained proxy says BYE."""

import signal

import pytest

from support import tls, usher, waiting

BOTH = pytest.mark.parametrize("version", list(tls.CONTEXTS))
SHORT = {"every": "1500ms", "seal_max_age": "3s", "keep": "8s"}


@pytest.fixture
def config_of(site, echo):
    """config_of(tickets, node, …) → the configuration of a proxy with two workers."""
    def make(tickets, node="p1", **tables):
        return usher.configuration([usher.listener([site])], [usher.backend(echo)],
                                   process={"node": node, "workers": 2}, tickets=tickets, **tables)
    return make


@pytest.fixture
def proxy_of(config_of, start):
    """proxy_of(keyd, node, …) → a proxy that takes its keys from there."""
    def begin(keyd, node="p1", ready=True, tickets=None, **tables):
        return start(config_of(from_keyd(keyd) | (tickets or {}), node, **tables), ready)
    return begin


def from_keyd(keyd):
    return {"source": "keyd", "keyd": [keyd.endpoint]}


def without_ring(proxy):
    return proxy.metrics().total("usher_tickets_without_ring") == 1


@BOTH
def test_on_every_proxy_across_rotations(start_keyd, proxy_of, version):
    keyd = start_keyd()
    proxies = [proxy_of(keyd, node) for node in ("p1", "p2")]
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxies[0].address(), ctx=ctx)
    for _ in range(3):
        for proxy in proxies:
            assert all(tls.resumes(proxy.address(), session, ctx=ctx) for _ in range(4))
        assert keyd.post("/keys/rotate")[0] in (200, 202)
        keyd.wait_promoted()
        session = tls.session_of(proxies[1].address(), ctx=ctx)
    assert sorted(member["node"] for member in keyd.keys()["members"]) == ["p1", "p2"]


@BOTH
def test_without_keyd_keys_age_and_end(start_keyd, proxy_of, version):
    keyd = start_keyd(rotation=SHORT)
    proxy = proxy_of(keyd, tls={"session_lifetime": "1h"})
    ctx = tls.CONTEXTS[version]()
    session = tls.session_of(proxy.address(), ctx=ctx)
    keyd.kill()
    proxy.wait_metric("usher_keyd_connected", lambda n: n == 0)
    assert tls.resumes(proxy.address(), session, ctx=ctx)
    proxy.wait_metric("usher_tickets_without_ring", lambda n: n == 1)
    before = proxy.metrics().total("usher_tickets_issued_total")
    assert tls.resumes(proxy.address(), session, ctx=ctx), "it still opens"
    with tls.Client(proxy.address(), ctx=ctx).handshake() as client:
        client.send(b"x")
        client.receive_exactly(1)
    assert proxy.metrics().total("usher_tickets_issued_total") == before, "and seals no more"
    assert proxy.admin("/readyz")[0] == 200
    proxy.wait_metric("usher_ticket_keys", lambda n: n == 0)
    assert not tls.resumes(proxy.address(), session, ctx=ctx)
    proxy.wait_log("no link to keyd; trying again")


def test_keyd_comes_back(start_keyd, proxy_of):
    keyd = start_keyd()
    proxy = proxy_of(keyd)
    ctx = tls.context13()
    session = tls.session_of(proxy.address(), ctx=ctx)
    ring = proxy.metrics().total("usher_ticket_ring_version")
    keyd.restart()
    proxy.wait_metric("usher_ticket_ring_version", lambda n: n > ring)
    assert tls.resumes(proxy.address(), session, ctx=ctx), "the file had the keys"
    assert proxy.metrics().total("usher_ring_refused_total") == 0


def test_keyd_gone_at_the_start(start_keyd, proxy_of):
    keyd = start_keyd(start=False)
    proxy = proxy_of(keyd, ready=False, tickets={"wait": "2s"})
    waiting.until(lambda: proxy.log().count("admin listening"), "the admin page")
    assert proxy.admin("/readyz")[0] == 503
    proxy.wait_ready()
    assert without_ring(proxy)
    ctx = tls.context13()
    with tls.Client(proxy.address(), ctx=ctx).handshake() as client:
        client.send(b"x")
        client.receive_exactly(1)
    assert proxy.metrics().total("usher_tickets_issued_total") == 0
    keyd.start()
    proxy.wait_metric("usher_tickets_without_ring", lambda n: n == 0)
    session = tls.session_of(proxy.address(), ctx=ctx)
    assert tls.resumes(proxy.address(), session, ctx=ctx)


def test_ready_as_soon_as_there_is_a_ring(start_keyd, proxy_of):
    keyd = start_keyd()
    proxy = proxy_of(keyd, tickets={"wait": "1h"})
    assert proxy.metrics().total("usher_ticket_keys", state="current") == 1


def test_a_drained_proxy_leaves_the_fleet(start_keyd, proxy_of):
    keyd = start_keyd()
    proxy = proxy_of(keyd)
    assert [member["node"] for member in keyd.keys()["members"]] == ["p1"]
    proxy.send(signal.SIGTERM)
    waiting.until(lambda: not keyd.keys()["members"], "the member to leave")
    keyd.process.wait_log("member left", reason="bye")


def test_a_killed_proxy_stays_a_member_until_its_successor_comes(start_keyd, config_of, proxy_of, tmp_path):
    keyd = start_keyd()
    killed = usher.Usher(tmp_path, config_of(from_keyd(keyd)))
    try:
        killed.wait_ready()
    finally:
        killed.kill()
    assert keyd.post("/keys/rotate")[0] == 202
    assert keyd.keys()["held"]["waiting_for"] == ["p1"]
    proxy_of(keyd)
    keyd.wait_promoted()
    assert keyd.metrics().total("usher_keyd_promotions_total", kind="forced") == 0


def test_to_embedded_keys_and_back_by_reload(start_keyd, config_of, proxy_of):
    keyd = start_keyd()
    proxy = proxy_of(keyd)
    ctx = tls.context13()
    under_keyd = tls.session_of(proxy.address(), ctx=ctx)
    assert proxy.reload(config_of({"source": "embedded"}))
    assert tls.resumes(proxy.address(), under_keyd, ctx=ctx), "keyd's keys go on opening"
    embedded = tls.session_of(proxy.address(), ctx=ctx)
    waiting.until(lambda: not keyd.keys()["members"], "BYE")
    assert proxy.reload(config_of(from_keyd(keyd)))
    proxy.wait_metric("usher_keyd_connected", lambda n: n == 1)
    for session in (under_keyd, embedded):
        assert tls.resumes(proxy.address(), session, ctx=ctx)
