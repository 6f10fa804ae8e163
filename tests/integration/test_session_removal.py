"""Promise: a cached session is thrown away when a fatal alert or a bad record ends a connection whose handshake had
completed (RFC 5246 §7.2.2), and by nothing that somebody can do who merely saw its id: before the handshake's end
nothing is removed (DESIGN §6)."""

import os

import pytest

from support import raw_tls, session_ids, tls

TIERS = pytest.mark.parametrize("tier", ["memory", "redis"])


@pytest.fixture
def node(redis, fleet):
    """node(tier) → a proxy that keeps sessions there only."""
    def begin(tier):
        proxy, = fleet(1, redis.url) if tier == "redis" else fleet(1, memory=100)
        return proxy
    return begin


def stored(proxy, tier, ctx):
    before = session_ids.stores(proxy, tier).get("hit", 0)
    session = tls.session_of(proxy.address(), ctx=ctx)
    session_ids.wait_stored(proxy, before + 1, tier)
    return session


def bad_record(client):
    """What does not authenticate: the proxy answers bad_record_mac."""
    client.sock.sendall(raw_tls.record(23, os.urandom(64), 0x0303))
    client.receive_rest()


def fatal_alert(client):
    """The client's own, which its library sends after it was given nonsense."""
    client._in.write(raw_tls.record(23, os.urandom(64), 0x0303))
    assert "BAD_RECORD_MAC" in client.receive_rest()[1]
    raw_tls.ended(client.sock)


def close_notify(client):
    client.send_close_notify()
    client.receive_rest()


def nothing(client):
    """Truncation."""
    client.sock.close()


def connected(proxy, session, ctx):
    """A client after its handshake, in which it resumed, and an exchange."""
    client = tls.Client(proxy.address(), ctx=ctx, session=session).handshake()
    assert client.resumed()
    client.send(b"?")
    client.receive_exactly(1)
    return client


def closed(proxy):
    return proxy.metrics().total("usher_closes_total")


@TIERS
@pytest.mark.parametrize("end", [bad_record, fatal_alert])
def test_removed(node, tier, end):
    proxy, ctx = node(tier), tls.context12(tickets=False)
    for first in (True, False):  # in the connection that made it, and in one that resumed it
        session = stored(proxy, tier, ctx)
        if first:
            client = tls.Client(proxy.address(), ctx=ctx).handshake()
            session = client.session()
        else:
            client = connected(proxy, session, ctx)
        before = closed(proxy)
        with client:
            end(client)
        proxy.wait_metric("usher_closes_total", lambda n: n > before)
        assert not tls.resumes(proxy.address(), session, ctx=ctx)


@TIERS
@pytest.mark.parametrize("end", [close_notify, nothing])
def test_kept(node, tier, end):
    proxy, ctx = node(tier), tls.context12(tickets=False)
    session = stored(proxy, tier, ctx)
    for _ in range(3):
        before = closed(proxy)
        with connected(proxy, session, ctx) as client:
            end(client)
        proxy.wait_metric("usher_closes_total", lambda n: n > before)
    assert tls.resumes(proxy.address(), session, ctx=ctx)


STRANGERS = {
    "a fatal alert": raw_tls.record(21, b"\x02\x28", 0x0303),
    "unknown bytes": os.urandom(100),
    "a bad Finished": raw_tls.record(20, b"\x01", 0x0303) + raw_tls.record(22, b"\xff" * 40, 0x0303),
    "an alert and a bad Finished": raw_tls.record(21, b"\x01\x00", 0x0303) + raw_tls.record(22, b"\xff" * 40, 0x0303),
    "another hello": session_ids.hello(bytes(32)),
    "the end": b"",
}


@TIERS
@pytest.mark.parametrize("what", list(STRANGERS))
def test_before_the_handshakes_end_nothing_is_removed(node, tier, what):
    """By somebody who has seen the id and knows no secret."""
    proxy, ctx = node(tier), tls.context12(tickets=False)
    session = stored(proxy, tier, ctx)
    before = closed(proxy)
    with tls.connect(proxy.address()) as sock:
        sock.sendall(session_ids.hello(session.id))
        records = raw_tls.read_records(sock, lambda found: found[-1][0] == 20 or b"\x0e\0\0\0" in found[-1][1])
        assert records[-1][0] == 20  # ChangeCipherSpec at once: it resumes
        raw_tls.send_quietly(sock, STRANGERS[what])
        if not STRANGERS[what]:
            sock.close()
        else:
            raw_tls.ended(sock)
    proxy.wait_metric("usher_closes_total", lambda n: n > before)
    assert tls.resumes(proxy.address(), session, ctx=ctx)


@TIERS
def test_a_hello_that_is_refused_removes_nothing(node, tier):
    """RFC 7627 §5.3: a session with an extended master secret is not resumed without one, and the connection
    ends with an alert."""
    proxy, ctx = node(tier), tls.context12(tickets=False)
    session = stored(proxy, tier, ctx)
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body(session_id=session.id)))
        assert raw_tls.alert_after(sock) == "handshake_failure"
    assert tls.resumes(proxy.address(), session, ctx=ctx)
