"""Promise: with Redis a session id is good at every node that has the same ticket keys, also if the client never
was there; what Redis holds is sealed, under names that tell nothing, bound to its id and domain, and gone with the
session; a proxy needs few rights there, signs in as it is told, and asks only for ids of the fleet."""

import os
import re

import pytest

from support import redis as redis_server
from support import session_ids, sessions, ticket_keys, tls, usher, waiting

# What proxy/session/redis_tier.h says that a user needs.
COMMANDS = "+get +set +unlink +getdel".split()


def openssl(proxy, *more):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "site.test",
            "-tls1_2", "-no_ticket", *more]


# --- it resumes

def test_on_the_other_node(redis, fleet):
    one, other = fleet(2, redis.url)
    session = session_ids.stored_session(one)
    for proxy in (one, other):
        assert all(session_ids.resumes(proxy.address(), session) for _ in range(8))
        session_ids.wait_offers(proxy, 8, "resumed")
        assert session_ids.lookups(proxy, "redis") == {"hit": 8}
        proxy.wait_metric("usher_handshakes_total", lambda n: n == 8, resumption="session_id")
    assert one.metrics().total("usher_redis_request_seconds_count") == 8
    assert session_ids.stores(other, "redis") == {}  # the session is the same
    assert one.metrics().total("usher_redis_breaker_open") == 0


def test_openssl_and_gnutls_resume_across_nodes(redis, fleet, run_client, tmp_path):
    one, other = fleet(2, redis.url)
    kept = tmp_path / "session"
    assert "New, TLSv1.2" in run_client(openssl(one, "-sess_out", kept))
    session_ids.wait_stored(one, 1)
    for proxy in (other, one, other):
        assert "Reused, TLSv1.2" in run_client(openssl(proxy, "-sess_in", kept))
    out = run_client(["gnutls-cli", "--insecure", "--resume", "--waitresumption",
                      "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_TICKETS",
                      "--port", str(one.port()), "127.0.0.1", "--sni-hostname", "site.test"])
    assert "*** This is a resumed session" in out, out


def test_memory_first(redis, fleet):
    """Redis is asked once; from then on the node remembers."""
    one, other = fleet(2, redis.url, memory=100)
    session = session_ids.stored_session(one)
    with redis.monitor() as monitor:
        assert all(session_ids.resumes(one.address(), session) for _ in range(4))
        assert monitor.commands("GET") == []
        assert all(session_ids.resumes(other.address(), session) for _ in range(4))
        assert len(monitor.commands("GET")) == 1
    assert session_ids.lookups(other, "memory") == {"miss": 1, "hit": 3}
    assert session_ids.lookups(other, "redis") == {"hit": 1}


def test_with_keys_of_keyd(redis, start_keyd, fleet):
    """The rotation that the second node has heard of later than the first loses nothing."""
    keyd = start_keyd()
    tickets = {"source": "keyd", "keyd": [keyd.endpoint]}
    one, other = (fleet(1, redis.url, tickets=tickets, process={"node": name})[0] for name in ("one", "other"))
    kept = [session_ids.stored_session(one)]
    for _ in range(2):
        assert keyd.post("/keys/rotate")[0] in (200, 202)
        keyd.wait_promoted()
        kept.append(session_ids.stored_session(one))
    assert len({session.id[:4] for session in kept}) == 3  # of three keys
    assert all(session_ids.resumes(other.address(), session) for session in kept)


def test_not_after_a_revocation(redis, start_keyd, fleet):
    keyd = start_keyd()
    tickets = {"source": "keyd", "keyd": [keyd.endpoint]}
    one, other = (fleet(1, redis.url, tickets=tickets, process={"node": name})[0] for name in ("one", "other"))
    session = session_ids.stored_session(one)
    assert session_ids.resumes(other.address(), session)
    before = other.metrics().total("usher_ticket_ring_version")
    assert keyd.post("/keys/revoke", {"name": keyd.keys()["keys"][0]["name"]})[0] in (200, 202)
    for proxy in (one, other):
        proxy.wait_metric("usher_ticket_ring_version", lambda version: version > before)
        assert not session_ids.resumes(proxy.address(), session)
    assert redis.names()  # it has not been asked to delete anything, and need not be


def test_without_shared_keys_the_log_says_so(redis, simple):
    """Each node seals with a key that no other has: Redis is of use to itself only."""
    one, other = (simple(session_cache={"memory_entries": 0, "redis": redis.url, "redis_timeout": "2s"}) for _ in range(2))
    for proxy in (one, other):
        proxy.wait_metric("usher_redis_up")
        assert "level=warning" in proxy.wait_stderr("other nodes cannot read the sessions")
    session = session_ids.stored_session(one)
    assert session_ids.resumes(one.address(), session)
    assert not session_ids.resumes(other.address(), session)
    session_ids.wait_offers(other, 1, "foreign")


# --- what it holds

def test_no_secret_and_no_id_in_clear(redis, fleet, run_client, tmp_path):
    """The client's own log of secrets tells what to look for; MONITOR shows also what was written and is gone."""
    proxy, = fleet(1, redis.url)
    log = tmp_path / "secrets"
    wanted = []
    with redis.monitor() as monitor:
        for count in range(1, 6):
            out = run_client(openssl(proxy, "-keylogfile", log, "-sess_out", tmp_path / "session"))
            shown = run_client(["openssl", "sess_id", "-in", tmp_path / "session", "-text", "-noout"])
            wanted.append(bytes.fromhex(re.search(r"Session-ID: ([0-9A-F]{64})", shown)[1]))
            assert "New, TLSv1.2" in out
            session_ids.wait_stored(proxy, count)
        written = [b" ".join(words) for words in monitor.commands()]
    secrets = [bytes.fromhex(line.split()[2]) for line in log.read_text().splitlines() if "CLIENT_RANDOM" in line]
    assert len(secrets) == 5 and len({len(secret) for secret in secrets} - {48}) == 0
    wanted += secrets
    holds = redis.values()
    assert len(holds) == 5
    for text in [*holds, *holds.values(), *written]:
        for one in wanted:
            for part in (one, one[4:24], one[:16], one[-16:]):  # also the middle of an id
                assert part not in text and part.hex().encode() not in text.lower()


def test_names_and_lifetimes(redis, fleet):
    """One value a session, `usher:s:` and 64 hex digits, which Redis forgets when the session ends."""
    proxy, = fleet(1, redis.url, tls={"session_lifetime": "100s"})
    with redis.monitor() as monitor:
        for _ in range(2):
            session_ids.stored_session(proxy)
        sets = monitor.commands("SET")
    assert len(sets) == 2
    for command in sets:
        assert re.fullmatch(rb"usher:s:[0-9a-f]{64}", command[1])
        assert command[3].upper() == b"PX" and 95_000 < int(command[4]) <= 100_000
    assert {name: len(value) < 400 for name, value in redis.values().items()} == {
        command[1]: True for command in sets}
    for name in redis.names():
        assert 90_000 < redis.command("PTTL", name) <= 100_000


def test_it_is_forgotten_with_the_client_certificate(redis, fleet, client_ca):
    proxy, = fleet(1, redis.url, listener={"client_auth": "required", "client_ca": client_ca.file})
    ctx = tls.context12(tickets=False, client=client_ca.client("short", end=60))
    session = tls.session_of(proxy.address(), ctx=ctx)
    session_ids.wait_stored(proxy, 1)
    assert 0 < redis.command("PTTL", redis.names()[0]) <= 60_000
    assert tls.resumes(proxy.address(), session, ctx=ctx)


def test_it_ends_everywhere(redis, fleet):
    one, other = fleet(2, redis.url, tls={"session_lifetime": "2s"}, memory=100)
    session = session_ids.stored_session(one)
    assert session_ids.resumes(other.address(), session)
    for proxy in (other, one):
        waiting.until(lambda p=proxy: not session_ids.resumes(p.address(), session), "the session's end")
    assert set(session_ids.offers(one)) - {"resumed"} <= {"expired", "lineage", "not_found"}


def test_a_client_with_tickets_leaves_nothing(redis, fleet):
    proxy, = fleet(1, redis.url)
    with redis.monitor() as monitor:
        for version in sessions.VERSIONS:
            session = sessions.full(proxy.address(), version)
            assert all(sessions.resumes(proxy.address(), session) for _ in range(3))
        assert monitor.commands() == []
    assert redis.names() == []


# --- what is not asked for

def test_ids_of_strangers_and_forged_ones(redis, fleet):
    """Not one command comes of them; they do not come to a session of their own, which would be stored."""
    one, other = fleet(2, redis.url)
    session = session_ids.stored_session(one)
    ids = [one for _ in range(40) for one in session_ids.forged(session.id).values()]
    with redis.monitor() as monitor:
        for session_id in ids:
            with tls.connect(other.address()) as sock:
                sock.sendall(session_ids.hello(session_id))
                assert sock.recv(1) == b"\x16"  # a ServerHello: the look-up, if there were one, is over
        assert monitor.commands() == []
    other.wait_metric("usher_resumption_offers_total", lambda n: n == len(ids))
    assert session_ids.lookups(other, "redis") == {}
    assert session_ids.resumes(other.address(), session)


def test_without_a_ring(redis, fleet, short_directory):
    """No keyd yet: clients get ids of no use, and nothing is stored under a key of our own."""
    tickets = {"source": "keyd", "keyd": [f"unix:{short_directory}/nobody.sock"], "wait": "100ms"}
    proxy, = fleet(1, redis.url, memory=100, tickets=tickets, session_cache={"stateful_tls13": True})
    with redis.monitor() as monitor:
        kept = session_ids.full(proxy.address())
        assert not session_ids.resumes(proxy.address(), kept)
        assert not sessions.full(proxy.address()).ticket
        assert monitor.commands() == []
    session_ids.wait_offers(proxy, 1, "foreign")
    assert proxy.metrics().total("usher_session_cache_entries") == 0


def test_an_id_of_another_host(redis, start, ca, echo, tmp_path):
    """A stranger who saw it on the wire; and what he finds is not opened for him."""
    keys = ticket_keys.nginx_files(tmp_path, [ticket_keys.TicketKey()])
    proxy = start(usher.configuration(
        [usher.listener([ca.server("one.test"), ca.server("two.test")])], [usher.backend(echo)],
        tickets={"source": "file", "file": keys}, session_cache={"memory_entries": 0, "redis": redis.url, "redis_timeout": "2s"}))
    proxy.wait_metric("usher_redis_up")
    session = session_ids.full(proxy.address(), "one.test")
    session_ids.wait_stored(proxy, 1)
    assert not session_ids.resumes(proxy.address(), session, "two.test")
    assert session_ids.lookups(proxy, "redis") == {"unsealable": 1}
    assert set(session_ids.offers(proxy)) <= {"domain", "not_found"}
    assert session_ids.resumes(proxy.address(), session, "one.test")


# --- where it is, and as whom

def test_tcp_and_a_database_number(redis, fleet):
    one, other = fleet(2, f"{redis.tcp_url}/5")
    session = session_ids.stored_session(one)
    assert session_ids.resumes(other.address(), session)
    assert redis.names() == [] and redis.command("INFO", "keyspace").count(b"db5:keys=1") == 1


def test_a_unix_socket_and_a_database_number(redis, fleet):
    one, other = fleet(2, f"{redis.url}?db=3")
    session = session_ids.stored_session(one)
    assert session_ids.resumes(other.address(), session)
    assert b"db3:keys=1" in redis.command("INFO", "keyspace")


def test_a_name(redis, fleet):
    one, other = fleet(2, f"redis://localhost:{redis.port}")
    assert session_ids.resumes(other.address(), session_ids.stored_session(one))


def test_ipv6(fleet, short_directory):
    (short_directory / "six").mkdir()
    server = redis_server.Redis(short_directory / "six", "--bind", "::1", port=redis_server.free_ports(1)[0])
    try:
        server.start()
        one, other = fleet(2, f"redis://[::1]:{server.port}")
        assert session_ids.resumes(other.address(), session_ids.stored_session(one))
    finally:
        server.kill()


@pytest.mark.parametrize("stateful", [False, True])
def test_an_acl_user_needs_little(redis, fleet, stateful):
    redis.command("ACL", "SETUSER", "usher", "on", ">p@ss/word", "~usher:s:*", *COMMANDS)
    redis.command("ACL", "SETUSER", "default", "resetpass", ">admin")
    url = f"unix://usher:p%40ss%2Fword@{redis.path}"
    redis.credentials = ("default", "admin")
    one, other = fleet(2, url, session_cache={"stateful_tls13": stateful})
    assert session_ids.resumes(other.address(), session_ids.stored_session(one))
    if stateful:
        ticket = sessions.full(one.address())
        session_ids.wait_stored(one, 2)
        assert sessions.resumes(other.address(), ticket)
    for proxy in (one, other):
        assert "p@ss" not in proxy.log() and "p%40ss" not in proxy.log()
        assert "p@ss" not in proxy.metrics().text and "p%40ss" not in proxy.metrics().text
    denied = redis.command("ACL", "LOG")
    assert denied == [], denied


def test_a_password_without_a_user(redis, fleet):
    """requirepass; the proxies go on without when it is changed, and sign in again when it is as it was."""
    redis.command("CONFIG", "SET", "requirepass", "first")
    redis.credentials = ("default", "first")
    one, other = fleet(2, f"redis://:first@127.0.0.1:{redis.port}/1")
    assert session_ids.resumes(other.address(), session_ids.stored_session(one))
    redis.command("CONFIG", "SET", "requirepass", "second")
    redis.credentials = ("default", "second")
    redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for proxy in (one, other):
        assert "first" not in proxy.wait_stderr("WRONGPASS")  # not only that it was disconnected
        proxy.wait_metric("usher_redis_up", lambda up: up == 0)
        session_ids.full(proxy.address())
    redis.command("CONFIG", "SET", "requirepass", "first")
    redis.credentials = ("default", "first")
    session_ids.wait_recovered(one, other)
    session_ids.assert_nothing_failed(one, other)


@pytest.mark.parametrize("credentials", ["", "usher:wrong@"])
def test_a_wrong_password(redis, fleet, credentials):
    """Says so, and serves as if there were no Redis."""
    redis.command("ACL", "SETUSER", "usher", "on", ">right", "~*", "+@all")
    redis.command("ACL", "SETUSER", "default", "resetpass", ">admin")
    proxy, = fleet(1, f"unix://{credentials}{redis.path}", connected=False, memory=10)
    assert re.search("NOAUTH|WRONGPASS", proxy.wait_stderr("AUTH" if not credentials else "WRONGPASS"))
    assert "wrong@" not in proxy.log()
    assert proxy.metrics().total("usher_redis_up") == 0
    session = session_ids.full(proxy.address())
    assert all(session_ids.resumes(proxy.address(), session) for _ in range(4))


def test_a_reload_moves_to_another_redis(redis, fleet, short_directory):
    (short_directory / "new").mkdir()
    new = redis_server.Redis(short_directory / "new").start()
    try:
        one, other = fleet(2, redis.url)
        session = session_ids.stored_session(one)
        for proxy in (one, other):
            text = proxy.path.read_text().replace(redis.url, new.url)
            assert proxy.reload(text)
            proxy.wait_metric("usher_redis_up", node=new.url)
            assert proxy.metrics().all("usher_redis_up", node=redis.url) == []
        assert not session_ids.resumes(other.address(), session)
        fresh = session_ids.full(one.address())
        waiting.until(lambda: new.names(), "it to be stored")
        assert session_ids.resumes(other.address(), fresh)
        waiting.until(lambda: redis.command("CLIENT", "LIST").count(b"\n") == 1, "the old connections to end")
    finally:
        new.kill()


def test_100_000_sessions(redis, fleet):
    """Values of the size of ours; and one of them is found."""
    one, other = fleet(2, redis.url)
    session = session_ids.stored_session(one)
    value = next(iter(redis.values().values()))
    redis.command("EVAL", "for i = 1, 100000 do redis.call('SET', 'usher:s:' .. string.format('%064x', i), "
                  "ARGV[1], 'PX', '60000') end", 0, os.urandom(len(value)))
    assert redis.command("DBSIZE") == 100_001
    assert all(session_ids.resumes(other.address(), session) for _ in range(20))
