"""Promise: a handshake that waits for Redis is a connection like any other: its client may go, its time may run
out, a drain or a reload may come, bytes may come one by one or too many; nothing is lost, nothing waits for it, and
it ends with the right reason."""

import os
import signal
import socket
import struct

import pytest

from support import raw_tls, session_ids, tls, waiting

LONG = "8s"


@pytest.fixture
def suspended(redis, fleet):
    """suspended(…) → (proxy, an id in Redis); Redis is frozen by then, and nobody's patience with it at an end."""
    def begin(memory=0, **tables):
        proxy, = fleet(1, redis.url, memory=memory, patience=LONG, **tables)
        session = session_ids.stored_session(proxy)
        redis.stop()
        return proxy, session
    return begin


def waits(proxy, count=1):
    """Until so many handshakes are waiting."""
    waiting.until(lambda: proxy.metrics().total("usher_connections", phase="suspended") == count,
                  f"{count} suspended handshakes")


def hello(proxy, session):
    sock = tls.connect(proxy.address())
    sock.sendall(session_ids.hello(session.id))
    return sock


def test_goes_on_when_redis_does(suspended, redis):
    proxy, session = suspended()
    with hello(proxy, session) as sock:
        waits(proxy)
        redis.go_on()
        assert raw_tls.read_records(sock, lambda found: True)[0][1][0] == 2  # ServerHello
        waits(proxy, 0)
    assert session_ids.resumes(proxy.address(), session)


@pytest.mark.parametrize("how", ["reset", "closed", "half-closed"])
def test_the_client_goes(suspended, redis, how):
    """How the connection's end is told while it is suspended may differ; that it ends, does not."""
    proxy, session = suspended()
    for _ in range(20):
        sock = hello(proxy, session)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half-closed":
            sock.shutdown(socket.SHUT_WR)
        else:
            sock.close()
    redis.go_on()
    proxy.wait_metric("usher_closes_total", lambda n: n == 21)
    waits(proxy, 0)
    assert session_ids.resumes(proxy.address(), session)


def test_its_time_runs_out(suspended):
    proxy, session = suspended(tls={"handshake_timeout": "1s"})
    with hello(proxy, session) as sock:
        waits(proxy)
        assert raw_tls.ended(sock)
    proxy.wait_close("handshake_timeout")
    assert session_ids.offers(proxy) in ({"timeout": 1}, {"other": 1})


def test_others_go_on(suspended):
    """Clients with tickets, new clients, and one whose session is in memory."""
    proxy, session = suspended(memory=100)
    session_ids.full(proxy.address())
    assert session_ids.resumes(proxy.address(), session)
    other = session_ids.full(proxy.address())
    assert session_ids.resumes(proxy.address(), other)


def test_a_drain(suspended):
    """SIGTERM ends the process in its time, with handshakes that wait."""
    proxy, session = suspended(process={"drain_timeout": "500ms"})
    socks = [hello(proxy, session) for _ in range(5)]
    waits(proxy, 5)
    proxy.send(signal.SIGTERM)
    assert proxy.wait_exit() == 0
    for sock in socks:
        assert raw_tls.ended(sock)
        sock.close()


def test_a_stop(suspended):
    proxy, session = suspended()
    socks = [hello(proxy, session) for _ in range(5)]
    waits(proxy, 5)
    proxy.send(signal.SIGQUIT)
    assert proxy.wait_exit() == 0
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("to", ['redis = ""\n', 'redis = "unix:///nowhere/redis.sock"\n'], ids=["none", "another"])
def test_a_reload_away_from_redis(suspended, redis, to):
    """What waits gets its answer from the old one."""
    proxy, session = suspended()
    socks = [hello(proxy, session) for _ in range(5)]
    waits(proxy, 5)
    old = f'redis = "{redis.url}"\nredis_timeout = "{LONG}"\n'
    assert old in proxy.path.read_text() and proxy.reload(proxy.path.read_text().replace(old, to))
    redis.go_on()
    for sock in socks:
        assert raw_tls.read_records(sock, lambda found: found[-1][0] == 20)[-1][0] == 20  # resumed
        sock.close()
    waiting.until(lambda: redis.command("CLIENT", "LIST").count(b"\n") == 1, "the old connections to end")
    assert not session_ids.resumes(proxy.address(), session.with_id(os.urandom(32)))


def test_a_hello_byte_by_byte(suspended, redis):
    proxy, session = suspended()
    record = session_ids.hello(session.id)
    with tls.connect(proxy.address()) as sock:
        for at in range(len(record)):
            sock.sendall(record[at:at + 1])
        waits(proxy)
        sock.sendall(b"\x15\x03\x03\x00\x02\x01")  # the beginning of an alert
        redis.go_on()
        assert raw_tls.read_records(sock, lambda found: found[-1][0] == 20)[-1][0] == 20


def test_bytes_behind_the_hello_are_bounded(suspended):
    """They are read once the handshake goes on; till then they stay with the client."""
    proxy, session = suspended()
    before = proxy.rss_kib()
    socks = [hello(proxy, session) for _ in range(8)]
    waits(proxy, 8)
    sent = 0
    for sock in socks:
        sock.setblocking(False)
        try:
            while sent < 1 << 30:
                sent += sock.send(bytes(1 << 20))
        except (BlockingIOError, ConnectionError):
            pass
    session_ids.full(proxy.address())
    assert proxy.rss_kib() - before < waiting.memory_kib(8 * 1024)
    proxy.wait_calm()  # it does not turn in circles either
    waits(proxy, 8)
    for sock in socks:
        sock.close()


def test_many_wait(suspended, redis):
    """Until the breaker opens there is no bound but that on connections; all end well."""
    proxy, session = suspended()
    socks = [hello(proxy, session) for _ in range(400)]
    waits(proxy, 400)
    redis.go_on()
    for sock in socks:
        assert raw_tls.read_records(sock, lambda found: found[-1][0] == 20)[-1][0] == 20
        sock.close()
    assert session_ids.lookups(proxy, "redis") == {"hit": 400}
