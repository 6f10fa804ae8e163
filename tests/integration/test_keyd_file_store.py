"""Promise: what usher-keyd has pushed is on disk, encrypted: killed at any instant it comes back with every ring
that a proxy has seen or a later one; a file or key that is damaged, missing or somebody else's is refused and
left alone; and while nothing can be saved nothing is pushed, and it says so."""

import os
import pathlib
import random
import stat
import time

import pytest

from support import keyd as daemon
from support import waiting

RESTARTS = 30
FAST = {"every": "100ms", "seal_max_age": "2s", "keep": "5s"}
KEEP = 5.0
MARGIN = 1.5  # a ring may take so long from keyd to us; a restart costs a key no more of its age


class Witness:
    """Sees every ring that a subscriber gets and notes what must not happen."""

    def __init__(self):
        self.faults, self.last, self.alive = [], None, {}  # name → until when it must be there
        self.terms = set()

    def __call__(self, ring):
        now = time.monotonic()
        if self.last and ring.pair < self.last.pair:
            self.faults.append(f"{ring.pair} after {self.last.pair}")
        names = set(ring.names())
        lost = [name for name, until in self.alive.items() if now < until - MARGIN and name not in names]
        if lost:
            self.faults.append(f"{ring.pair} lacks {lost}")
        for key in ring.keys:
            if key.state != "next":
                until = now + KEEP - key.age_ms / 1000
                self.alive[key.name] = min(until, self.alive.get(key.name, until))
        self.alive = {name: until for name, until in self.alive.items() if now < until}
        self.last = ring
        self.terms.add(ring.term)


def test_killed_at_any_instant(start_keyd, subscribe):
    instants = random.Random(7)
    keyd = start_keyd(rotation=FAST, start=False)
    keyd.start(wait=False)
    waiting.until(pathlib.Path(keyd.socket).exists, "the socket")
    witness = Witness()
    subscriber = subscribe(keyd, returns=True, on_ring=witness)
    for _ in range(RESTARTS):
        seen = subscriber.wait_ring().term
        time.sleep(instants.uniform(0, 0.15))  # the instant is the test
        keyd.kill()
        seen = subscriber.ring.term
        keyd.start(wait=False)
        subscriber.wait_ring(lambda ring, seen=seen: ring.term > seen, "a ring of a later term")
        assert not witness.faults
    keyd.wait_ready()
    last = subscriber.ring.current
    subscriber.wait_ring(lambda ring: ring.current != last, "rotations to go on")
    assert not witness.faults and len(witness.terms) > RESTARTS
    assert not any("by force" in line for log in keyd.logs for line in log)


def test_killed_while_starting(start_keyd, subscribe):
    instants = random.Random(11)
    keyd = start_keyd(rotation=FAST)
    witness = Witness()
    subscriber = subscribe(keyd, returns=True, on_ring=witness)
    subscriber.wait_ring()
    for _ in range(RESTARTS):
        keyd.kill()
        keyd.start(wait=False)
        time.sleep(instants.uniform(0, 0.03))  # the instant is the test
    keyd.kill()
    seen = subscriber.ring.term
    keyd.start()
    subscriber.wait_ring(lambda ring: ring.term > seen, "a ring of a later term")
    assert not witness.faults


def test_the_state_is_encrypted_and_private(start_keyd, subscribe):
    keyd = start_keyd()
    ring = subscribe(keyd).wait_ring()
    state = keyd.directory / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    content = state.read_bytes()
    for secret in (ring.name_key, ring.keys[0].aes, ring.keys[0].hmac, bytes.fromhex(ring.keys[0].name)):
        assert secret not in content


def test_every_start_is_a_new_term(start_keyd):
    keyd = start_keyd()
    first = keyd.keys()
    keyd.end()
    keyd.start()
    second = keyd.keys()
    assert second["term"] == first["term"] + 1
    assert [key["name"] for key in second["keys"]] == [key["name"] for key in first["keys"]]
    assert second["keys"][0]["age_seconds"] >= first["keys"][0]["age_seconds"]


# --- refusals at the start

def refused(keyd, *words):
    """Holds keyd to exit code 2 and a message with these words, with --check and without."""
    for options in [], ["--check"]:
        code, _, err = daemon.run("--config", keyd.path, *options)
        assert code == 2, err
        for word in words:
            assert str(word) in err, err


@pytest.fixture
def stopped(start_keyd):
    """A usher-keyd that has a state and has ended."""
    keyd = start_keyd()
    keyd.end()
    return keyd


def key_path(keyd):
    return pathlib.Path(keyd.config["store"]["key_file"])


def test_another_key(stopped):
    state = stopped.directory / "state"
    before = state.read_bytes()
    daemon.key_file(key_path(stopped))
    refused(stopped, state)
    assert state.read_bytes() == before


BAD_KEYS = {
    "missing": (lambda path: path.unlink(), "make one with"),
    "short": (lambda path: path.write_bytes(bytes(range(31))), "31 bytes"),
    "long": (lambda path: path.write_bytes(bytes(range(33))), "more than 32 bytes"),
    "all zero": (lambda path: path.write_bytes(bytes(32)), "all zero"),
    "for everybody": (lambda path: path.chmod(0o644), "0644"),
    "for the group": (lambda path: path.chmod(0o640), "0640"),
    "a directory": (lambda path: (path.unlink(), path.mkdir()), "no regular file"),
}


@pytest.mark.parametrize("what", BAD_KEYS)
def test_bad_keys(stopped, what):
    damage, word = BAD_KEYS[what]
    before = (stopped.directory / "state").read_bytes()
    damage(key_path(stopped))
    refused(stopped, stopped.path, key_path(stopped), word)
    assert (stopped.directory / "state").read_bytes() == before


def test_a_credential(stopped, tmp_path):
    """systemd's LoadCredential=, which shows group permission for its ACL."""
    credential = tmp_path / "state-key"
    credential.write_bytes(key_path(stopped).read_bytes())
    credential.chmod(0o440)
    stopped.path.write_text(stopped.path.read_text().replace(str(key_path(stopped)), "credential:state-key"))
    code, out, err = daemon.run("--config", stopped.path, "--check",
                                env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert code == 0, out + err
    refused(stopped, "CREDENTIALS_DIRECTORY")


DAMAGES = {
    "cut": lambda content: content[:-1],
    "half": lambda content: content[:len(content) // 2],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"\0",
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"state\n",
    **{f"bit {8 * at}": lambda content, at=at: content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]
       for at in (0, 9, 17, 40, -20, -1)},
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_state(stopped, what):
    state = stopped.directory / "state"
    damaged = DAMAGES[what](state.read_bytes())
    state.write_bytes(damaged)
    refused(stopped, state, "restore")
    assert state.read_bytes() == damaged


def test_a_state_that_others_may_read(stopped):
    state = stopped.directory / "state"
    state.chmod(0o644)
    refused(stopped, state, "chmod 600")


def test_a_link_instead_of_the_state(stopped):
    state = stopped.directory / "state"
    state.rename(stopped.directory / "elsewhere")
    state.symlink_to(stopped.directory / "elsewhere")
    refused(stopped, state, "symbolic link")


def test_a_directory_that_others_may_write(stopped):
    stopped.directory.chmod(0o775)
    refused(stopped, stopped.directory, "chmod go-w")


def test_the_state_of_another_fleet(stopped):
    stopped.path.write_text(stopped.path.read_text().replace("[keyd]\n", '[keyd]\nfleet = "other"\n'))
    refused(stopped, stopped.directory / "state")


def test_a_second_keyd_on_the_same_file(start_keyd, subscribe):
    first = start_keyd("first")
    subscriber = subscribe(first)
    second = start_keyd("second", start=False, store={"path": first.directory / "state"})
    code, _, err = daemon.run("--config", second.path)
    assert code == 2 and "another usher-keyd is using it" in err, err
    before = subscriber.wait_ring()
    first.post("/keys/rotate")
    subscriber.wait_ring(lambda ring: ring.current != before.current, "the promotion")


def test_what_a_killed_save_left_is_removed(stopped):
    left = stopped.directory / "state.tmp"
    left.write_bytes(b"half a state")
    stopped.start()
    assert not left.exists() and len(stopped.keys()["keys"]) == 1


# --- while it runs

def test_nothing_can_be_saved(start_keyd, subscribe):
    """The state's directory is gone (permissions would not stop root)."""
    where = start_keyd("elsewhere", start=False).directory / "states"
    where.mkdir()
    keyd = start_keyd(store={"path": where / "state"})
    subscriber = subscribe(keyd)
    before = subscriber.wait_ring()
    keyd.wait_metric("usher_keyd_members", state="current")
    where.rename(where.with_name("away"))

    status, body = keyd.post("/keys/rotate")
    assert status == 503 and str(where / "state") in body["error"], body
    assert keyd.metrics().total("usher_keyd_store_up") == 0 and not keyd.keys()["store_up"]
    keyd.process.wait_log("the fleet's state could not be saved; nothing new is pushed until it is")
    newcomer = subscribe(keyd, "newcomer")  # no member before it is durable
    keyd.process.wait_log("subscriber", node="newcomer")
    assert keyd.post("/keys/revoke", {"name": before.current})[0] == 503
    assert subscriber.ring.pair == before.pair and newcomer.rings == []
    assert (keyd.keys()["term"], keyd.keys()["version"]) == before.pair  # what is durable

    where.with_name("away").rename(where)
    after = subscriber.wait_ring(lambda ring: before.current not in ring.names(), "the revocation")
    newcomer.wait_ring(lambda ring: ring.pair >= after.pair)
    keyd.wait_metric("usher_keyd_store_up")
    keyd.process.wait_log("the fleet's state is saved again")
    assert keyd.post("/keys/rotate")[0] == 202
