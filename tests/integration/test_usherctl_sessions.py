"""Promise: usherctl shows what a proxy's session caches hold and did, and empties the memory tier of that proxy
alone; what Redis holds is invalidated by revoking the key. A password of Redis is shown by nothing."""

import json
import os
import pwd
import shutil

import pytest

from support import redis as redis_server
from support import session_ids, usher, usherctl, waiting

PASSWORD = "s3cret-of-redis"


@pytest.fixture
def control(short_directory):
    return usherctl.Control(short_directory / "ctl.sock")


@pytest.fixture
def proxy(simple, control):
    """A proxy with that control socket."""
    def begin(**tables):
        admin = {"socket": str(control.socket), **tables.pop("admin", {})}
        return simple(admin=admin, **tables)
    return begin


@pytest.fixture
def guarded(short_directory):
    """A Redis that asks for a password, on TCP."""
    directory = short_directory / "guarded"
    directory.mkdir()
    server = redis_server.Redis(directory, "--requirepass", PASSWORD, port=redis_server.free_ports(1)[0])
    server.credentials = ("default", PASSWORD)
    yield server.start()
    server.kill()


def with_password(server):
    return f"redis://:{PASSWORD}@127.0.0.1:{server.port}"


def connections_so_far(server):
    """How many clients have connected, ours of now among them."""
    fields = dict(line.split(b":", 1) for line in server.command("INFO", "stats").splitlines() if b":" in line)
    return int(fields[b"total_connections_received"])


def clients(server):
    """How many are connected besides us."""
    return len(server.command("CLIENT", "LIST").splitlines()) - 1


def test_memory_is_shown(proxy, control):
    running = proxy(session_cache={"memory_entries": 640})
    kept = [session_ids.full(running.address()) for _ in range(3)]
    assert session_ids.resumes(running.address(), kept[0])
    shown = control.json("sessions", "stats")
    memory = shown["memory"]
    assert (memory["entries"], memory["max"], memory["evictions"]) == (3, 640, 0)
    assert 3 * 100 < memory["bytes"] < 3 * 4096
    assert memory["lookups"]["hit"] == 1 and memory["stores"]["hit"] == 3
    assert shown["redis"] is None and shown["stateful_tls13"] is False
    assert control.json("status")["sessions"] == shown
    text = control.ok("sessions", "stats")
    assert "memory            3 of 640, " in text and "REDIS" not in text and usherctl.plain(text)
    assert "sessions     3 of 640 in memory\n" in control.ok("status")
    assert running.metrics().total("usher_session_cache_entries") == 3


def test_flush_empties_memory(proxy, control):
    running = proxy()
    kept = [session_ids.full(running.address()) for _ in range(2)]
    assert control.ok("sessions", "flush").startswith("2 sessions flushed from memory")
    assert control.json("sessions", "flush") == {"flushed": 0}
    assert not any(session_ids.resumes(running.address(), session) for session in kept)
    again = session_ids.full(running.address())
    assert session_ids.resumes(running.address(), again)
    assert "the memory tier of session caches was emptied" in running.log()


def test_flush_leaves_redis_alone_and_revoking_does_not(proxy, control, redis):
    running = proxy(session_cache={"redis": redis.url, "redis_timeout": "2s"})
    session = session_ids.stored_session(running)
    entries = control.json("sessions", "stats")["memory"]["entries"]  # one, if it was stored in time
    assert entries >= 1 and control.json("sessions", "flush") == {"flushed": entries}
    assert session_ids.resumes(running.address(), session)
    assert session_ids.lookups(running, "redis") == {"hit": 1}
    name = control.json("keys", "show")["keys"][0]["name"]
    control.ok("keys", "revoke", name)
    assert not session_ids.resumes(running.address(), session)
    assert redis.names()  # nothing was deleted: nothing opens it any more


def test_with_tickets_off_memory_works_and_no_key_is_shown(proxy, control):
    running = proxy(tickets={"source": "off"})
    session = session_ids.full(running.address())
    assert session_ids.resumes(running.address(), session)
    assert control.json("keys", "show")["keys"] == []
    assert running.metrics().total("usher_ticket_keys") == 0
    assert running.metrics().total("usher_tickets_without_ring") == 1
    assert "there are no ticket keys" in control.fails(
        "keys", "export", "--format", "usher", "--secret-keys", "--out", control.socket.parent / "keys")
    assert control.json("sessions", "flush") == {"flushed": 1}


def test_redis_is_shown_without_its_password(proxy, control, guarded):
    running = proxy(session_cache={"redis": with_password(guarded), "redis_timeout": "2s"}, log={"level": "debug"})
    running.wait_metric("usher_redis_up", lambda up: up == 1)
    session_ids.stored_session(running)
    label = f"redis://127.0.0.1:{guarded.port}/0"
    shown = control.json("sessions", "stats")
    assert shown["redis"]["nodes"] == [{"node": label, "up": True, "breaker_open": False}]
    assert shown["redis"]["stores"]["hit"] == 1
    assert f"{label}  yes  closed\n" in control.ok("sessions", "stats")
    assert "in memory; Redis: 1 of 1 node usable\n" in control.ok("status")
    guarded.kill()
    running.wait_metric("usher_redis_up", lambda up: up == 0)
    assert f"{label}  no " in control.ok("sessions", "stats")
    said = [json.dumps(control.json("sessions", "stats")), json.dumps(control.json("status")),
            control.ok("sessions", "stats"), running.admin("/metrics")[1], running.log()]
    assert not any(PASSWORD in str(text) for text in said)


def test_nodes_follow_a_reload(start, site, echo, control, redis, guarded):
    """A reload changes the server and the bound of memory; one that leaves them keeps the connections."""
    def config(**session_cache):
        if "redis" in session_cache:
            session_cache["redis_timeout"] = "2s"
        return usher.configuration([usher.listener([site])], [usher.backend(echo)],
                                   admin={"socket": str(control.socket)}, session_cache=session_cache)
    running = start(config(redis=redis.url))
    running.wait_metric("usher_redis_up", lambda up: up == 1)
    session = session_ids.stored_session(running)
    before = connections_so_far(redis)
    assert running.reload(config(redis=redis.url, memory_entries=640))
    assert session_ids.resumes(running.address(), session)
    assert connections_so_far(redis) == before + 1  # we, who ask
    assert running.reload(config(redis=with_password(guarded), memory_entries=64))
    running.wait_metric("usher_redis_up", lambda up: up == 1, node=f"redis://127.0.0.1:{guarded.port}/0")
    assert control.json("sessions", "stats")["memory"]["max"] == 64
    waiting.until(lambda: clients(redis) == 0, "the connections to the old server to end")
    assert running.reload(config(memory_entries=64))
    waiting.until(lambda: clients(guarded) == 0, "the connections to the server to end")
    assert control.json("sessions", "stats")["redis"] is None
    assert running.metrics().all("usher_redis_up") == []


def test_who_may(proxy, control):
    running = proxy(admin={"allow_groups": ["daemon"]})
    session_ids.full(running.address())
    if os.geteuid() != 0:  # nobody else's credentials can be had
        return
    binary = control.socket.parent / "usherctl"
    shutil.copy(usherctl.BINARY, binary)
    binary.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    reader = usherctl.as_user(nobody.pw_uid, nobody.pw_gid, [1])  # 1: Debian's group daemon
    assert control.run("--json", "sessions", "stats", binary=binary, **reader).json["memory"]["entries"] == 1
    refused = control.run("--json", "sessions", "flush", binary=binary, **reader)
    assert refused.code == 1 and "root" in refused.json["error"], refused
    stranger = usherctl.as_user(nobody.pw_uid, nobody.pw_gid)
    assert control.run("sessions", "stats", binary=binary, **stranger).code == 1
    assert control.json("sessions", "stats")["memory"]["entries"] == 1


def test_keyd_keeps_none(start_keyd):
    control = usherctl.Control(start_keyd().control_socket)
    for words in (("sessions", "stats"), ("sessions", "flush")):
        assert "usher-keyd keeps no sessions: ask a proxy's control socket" in control.fails(*words)


def test_help_says_what_flush_leaves():
    done = usherctl.run("sessions", "--help")
    assert done.code == 0 and "keys revoke" in done.out
