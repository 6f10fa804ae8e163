"""Promise: the bytes of a ticket key are in the proxy's memory only while the key is in its ring, and then only in
memory that core dumps leave out, that is not swapped, and that a forked child does not see; a key that has
expired, was revoked, or whose file was replaced is nowhere any more. The same of the keys that session caches derive
from it. The scan proves each time that it can see."""

import os
import pathlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from support import memory, session_ids, sessions, ticket_keys, usherctl, waiting
from support.ticket_keys import TicketKey

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory, which only root may")

parts, live = memory.key_parts, memory.live_keys


def names(held):
    return {name for name, *_ in held}


def use(proxy):
    """Seals and opens, on every worker."""
    for version in sessions.VERSIONS:
        session = sessions.full(proxy.address(), version)
        for _ in range(6):
            sessions.begin(proxy.address(), version, session=session)


def test_libraries_are_bound_at_the_start(simple, start_keyd):
    """What the dynamic linker would save on a stack while it looks a function up later can be half a key."""
    for daemon, name in ((simple(), "usher"), (start_keyd(), "usher-keyd")):
        folder = pathlib.Path(f"/proc/{daemon.pid}")
        assert b"LD_BIND_NOW=1" in (folder / "environ").read_bytes().split(b"\0")
        assert (folder / "comm").read_text() == name + "\n"


@pytest.fixture
def control():
    with usherctl.socket_path() as path:
        yield path


def test_expired_keys(simple, control):
    proxy = simple(admin={"socket": control}, tls={"session_lifetime": "1s"},
                   tickets={"rotate_every": "500ms", "seal_max_age": "1s", "open_max_age": "2s"})
    seen, known = set(), {}

    def two_seen():
        use(proxy)
        keys = usherctl.keys_of(control)
        known.update((key.name, key) for key in keys)
        seen.update(live(proxy.pid, keys))
        return len(seen) >= 2
    waiting.until(two_seen, "two keys in the proxy's memory")
    in_ring = set()

    def expired():
        use(proxy)
        in_ring.clear()
        in_ring.update(bytes.fromhex(key["name"])
                       for key in usherctl.answer("--socket", control, "keys", "show")["keys"])
        return not in_ring & set(known)
    waiting.until(expired, "their end")
    # The last worker lets go of the ring that held them a moment after the first.
    waiting.until(lambda: not memory.find(proxy.pid, parts(known.values())), "memory without the expired keys")
    waiting.until(lambda: live(proxy.pid, usherctl.keys_of(control)), "the key in force, by the same scan")


def test_a_revoked_key(simple, control):
    proxy = simple(admin={"socket": control})
    use(proxy)
    keys = usherctl.keys_of(control)
    assert live(proxy.pid, keys) == {keys[0].name}
    usherctl.text("--socket", control, "keys", "revoke", keys[0].name.hex())
    waiting.until(lambda: not memory.find(proxy.pid, parts(keys)), "memory without the revoked key")
    following = usherctl.keys_of(control)
    assert live(proxy.pid, following) == {following[0].name}


@pytest.mark.parametrize("size", [48, 80])
def test_the_key_of_a_file_that_was_replaced(simple, tmp_path, size):
    old, new = TicketKey(size), TicketKey(size)
    path = ticket_keys.nginx_files(tmp_path, [old])[0]
    proxy = simple(tickets={"source": "file", "file": [str(path)]})
    use(proxy)
    assert live(proxy.pid, [old, new]) == {old.name}
    ticket_keys.replace(path, new.nginx())
    proxy.wait_log("took the keys of files", version=2)
    waiting.until(lambda: names(memory.find(proxy.pid, parts([old, new]))) == {new.name}, "the new key alone")
    use(proxy)
    assert live(proxy.pid, [old, new]) == {new.name}


def test_keys_in_the_text_of_haproxys_file(simple, tmp_path):
    """Nor does the base64 stay that they were read from, even while they are in force."""
    keys = [TicketKey() for _ in range(3)]
    path = ticket_keys.haproxy_file(tmp_path / "haproxy.keys", keys)
    proxy = simple(tickets={"source": "file", "file": [str(path)]})
    use(proxy)
    assert live(proxy.pid, keys) == {key.name for key in keys}
    lines = {("line", at): key.haproxy()[24:100] for at, key in enumerate(keys)}
    assert not memory.find(proxy.pid, lines)


# --- session caches

def session_cache_parts(key):
    """What to look for: either half of each key that proxy/session/session_keys.cpp derives."""
    found = {}
    for label in ("id", "name", "value"):
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"usher session %s 1" % label.encode()).derive(
            key.aes + key.hmac)
        found[label, "begin"], found[label, "end"] = derived[:16], derived[16:]
    return found


def test_keys_of_session_caches(fleet, redis, tmp_path):
    """Both tiers together use all of them."""
    old, new = TicketKey(), TicketKey()
    path = ticket_keys.nginx_files(tmp_path, [old])[0]
    proxy = fleet(1, redis.url, memory=100, tickets={"source": "file", "file": [str(path)]})[0]

    def use_and_find(*keys):
        session = session_ids.stored_session(proxy)
        assert session_ids.count_resumed(proxy, session, 12) == 12
        return [memory.find(proxy.pid, session_cache_parts(key)) for key in keys]
    held = use_and_find(old)[0]
    assert set(held) == set(session_cache_parts(old))
    memory.assert_safe(held)
    ticket_keys.replace(path, new.nginx())
    proxy.wait_log("took the keys of files", version=2)
    waiting.until(lambda: not memory.find(proxy.pid, session_cache_parts(old)), "memory without the old keys")
    none, held = use_and_find(old, new)
    assert not none and set(held) == set(session_cache_parts(new))
    memory.assert_safe(held)
