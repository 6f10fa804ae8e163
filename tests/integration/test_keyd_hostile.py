"""Promise: whatever a subscriber says, usher-keyd serves the others: bytes that are no frames, frames out of
order, rings that nobody made, silence, and floods of all of it end that connection, are counted and told, and
a rotation completes meanwhile."""

import os
import random
import socket
import struct
import threading

import pytest

from support import push_client, waiting
from support.push_client import frame

APPLIED_NONE = push_client.applied(1, 1, bytes(32))
NODE = b"raw"


def hello_payload(node=NODE, protocol=1):
    return struct.pack(">H8sH", protocol, b"instance", 1) + node


BEFORE_HELLO = {
    "no length": b"\0\0\0\0",
    "one byte too long": struct.pack(">I", push_client.FRAME_BYTES_MAX + 1),
    "four gigabytes": b"\xff\xff\xff\xff",
    "an unknown type": b"\0\0\0\x01\x09",
    "type zero": b"\0\0\0\x01\0",
    "a HELLO without node": frame(push_client.HELLO, hello_payload(b"")),
    "a HELLO with a long node": frame(push_client.HELLO, hello_payload(b"n" * 256)),
    "a node with a space": frame(push_client.HELLO, hello_payload(b"a b")),
    "a node that is not ASCII": frame(push_client.HELLO, hello_payload("é".encode())),
    "a node with a zero": frame(push_client.HELLO, hello_payload(b"a\0b")),
    "APPLIED": APPLIED_NONE,
    "PULL": frame(push_client.PULL),
    "BYE": frame(push_client.BYE),
    "a RING": frame(push_client.RING, b"ring"),
    "HTTP": b"GET /keys HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c4"),
}
AFTER_HELLO = {
    "a second HELLO": frame(push_client.HELLO, hello_payload()),
    "a HELLO of another node": frame(push_client.HELLO, hello_payload(b"other")),
    "a RING": frame(push_client.RING, b"ring"),
    "REFUSED": frame(push_client.REFUSED, b"why"),
    "a short APPLIED": frame(push_client.APPLIED, bytes(47)),
    "a long APPLIED": frame(push_client.APPLIED, bytes(49)),
    "a PULL with a payload": frame(push_client.PULL, b"x"),
    "a short PING": frame(push_client.PING, bytes(7)),
    "garbage": random.Random(1).randbytes(4096),
}


def refused(keyd, reason):
    return keyd.metrics().total("usher_keyd_refused_total", reason=reason)


def assert_serves(keyd, subscribe):
    """A newcomer gets the ring and a rotation is promoted."""
    subscriber = subscribe(keyd, "newcomer")
    before = subscriber.wait_ring().current
    keyd.post("/keys/rotate")
    subscriber.wait_ring(lambda ring: ring.current != before and not ring.next, "the promotion")


@pytest.fixture
def keyd(start_keyd):
    return start_keyd()


def test_wrong_first_words(keyd, subscribe):
    for count, (what, data) in enumerate(BEFORE_HELLO.items(), 1):
        subscriber = subscribe(keyd, greets=False)
        subscriber.send(data)
        subscriber.wait_closed()
        assert subscriber.rings == [], what
        keyd.wait_metric("usher_keyd_refused_total", lambda n, count=count: n == count, reason="malformed")
    assert keyd.keys()["members"] == []
    assert_serves(keyd, subscribe)


def test_wrong_words_of_a_member(keyd, subscribe):
    for count, (what, data) in enumerate(AFTER_HELLO.items(), 1):
        subscriber = subscribe(keyd, "liar")
        subscriber.wait_ring()
        subscriber.send(data)
        subscriber.wait_closed()
        keyd.wait_metric("usher_keyd_refused_total", lambda n, count=count: n == count, reason="malformed")
        assert not what.startswith("a second") or subscriber.refused == "a second HELLO"
    # It is still waited for: that it speaks badly does not say that it has no tickets to open.
    assert {member["node"] for member in keyd.keys()["members"]} == {"liar"}
    keyd.post("/nodes/forget", {"node": "liar"})
    assert_serves(keyd, subscribe)


def test_another_protocol(keyd, subscribe):
    subscriber = subscribe(keyd, greets=False)
    subscriber.greet(protocol=2)
    assert "protocol 2" in subscriber.wait_refused() and "1" in subscriber.refused
    assert refused(keyd, "protocol") == 1 and keyd.keys()["members"] == []


def test_frames_in_any_pieces(keyd, subscribe):
    subscriber = subscribe(keyd, "slow-speaker", greets=False)
    for byte in push_client.hello("slow-speaker", subscriber.instance):
        subscriber.send(bytes([byte]))
    ring = subscriber.wait_ring()
    many = frame(push_client.PING, b"12345678") * 3 + push_client.applied(*ring.pair, ring.digest)
    subscriber.send(many[:40])
    subscriber.send(many[40:])
    keyd.wait_metric("usher_keyd_members", state="current")


def test_frames_that_are_cut_short(keyd, subscribe):
    whole = push_client.hello("cut", b"instance")
    for size in range(len(whole)):
        subscriber = subscribe(keyd, greets=False)
        subscriber.send(whole[:size])
        subscriber.close()
    assert keyd.keys()["members"] == []
    assert_serves(keyd, subscribe)


@pytest.mark.parametrize("term, version", [(1 << 40, 1), (1, 1 << 40), ((1 << 64) - 1, (1 << 64) - 1)])
def test_a_ring_that_cannot_be(keyd, subscribe, term, version):
    liar = subscribe(keyd, "liar", applies=False)
    before = liar.wait_ring()
    liar.send(push_client.applied(term, version, bytes(32)))
    assert "ahead" in liar.wait_refused()
    assert refused(keyd, "ahead") == 1
    assert keyd.metrics().total("usher_keyd_rollbacks_total") == 0
    assert (keyd.keys()["term"], keyd.keys()["version"]) == before.pair


@pytest.mark.parametrize("ahead", [0, 1, 1000], ids=["another-digest", "next-version", "far"])
def test_a_ring_that_could_be(keyd, subscribe, ahead):
    """keyd's own ring is made anew above it: a lost write or a restored backup looks the same."""
    witness, liar = subscribe(keyd, "witness"), subscribe(keyd, "liar", applies=False)
    before = liar.wait_ring()
    witness.wait_ring()
    claimed = (before.term, before.version + ahead)
    liar.send(push_client.applied(*claimed, bytes(32)))
    after = witness.wait_ring(lambda ring: ring.pair > claimed, "a ring above it")
    assert after.current == before.current
    keyd.process.wait_log("a subscriber holds a ring that is not ours; ours is made anew above it")
    assert keyd.metrics().total("usher_keyd_rollbacks_total") == 1


def test_who_always_claims_to_be_ahead_costs_little(keyd, subscribe):
    witness, liar = subscribe(keyd, "witness"), subscribe(keyd, "liar", applies=False)
    term, version = witness.wait_ring().pair
    liar.wait_ring()
    for ahead in range(1, 2000):
        liar.send(push_client.applied(term, version + ahead, bytes(32)))
    witness.wait_ring(lambda ring: ring.version > version + 1999, "a ring above all of them")
    assert len(witness.rings) <= 10 and keyd.metrics().total("usher_keyd_rollbacks_total") <= 9


def test_silence(keyd, subscribe):
    """The real 10 s."""
    silent = subscribe(keyd, greets=False)
    keyd.wait_metric("usher_keyd_refused_total", lambda n: n == 1, 3 * waiting.PATIENCE, reason="silent")
    assert "HELLO" in silent.wait_refused()


def test_who_does_not_read(keyd, subscribe):
    deaf = subscribe(keyd, "deaf")
    deaf.wait_ring()
    deaf.stop_reading()
    deaf.send(frame(push_client.PING, b"12345678") * 60_000)
    keyd.wait_metric("usher_keyd_refused_total", lambda n: n == 1, reason="silent")
    keyd.process.wait_log("subscriber refused", reason="silent")
    keyd.post("/nodes/forget", {"node": "deaf"})
    assert_serves(keyd, subscribe)


def test_a_flood_of_garbage(keyd, subscribe):
    """From many connections, all the while."""
    members = [subscribe(keyd, f"node-{i}") for i in range(5)]
    stop, floods = threading.Event(), []

    def flood(seed):
        garbage = random.Random(seed)
        sent = 0
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.connect(keyd.socket)
                    if garbage.random() < 0.5:
                        sock.sendall(push_client.hello("flood", os.urandom(8)))
                    sock.sendall(garbage.randbytes(garbage.randrange(1, 20_000)))
                except OSError:
                    pass
            sent += 1
        floods.append(sent)
    threads = [threading.Thread(target=flood, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    try:
        keyd.wait_metric("usher_keyd_refused_total", lambda n: n >= 50, reason="malformed")
        for _ in range(3):
            before = members[0].wait_ring(lambda ring: not ring.next).current
            assert keyd.post("/keys/rotate?now=1")[0] == 200
            for member in members:
                member.wait_ring(lambda ring, before=before: ring.current != before, "the promotion")
        refused_before = refused(keyd, "malformed")
        keyd.wait_metric("usher_keyd_refused_total", lambda n: n > refused_before + 50, reason="malformed")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(floods) > 100
    told = [line for line in keyd.process.stderr if "subscriber refused" in line]
    assert len(told) < refused(keyd, "malformed") / 2  # the log is no victim either
    assert not any(member.closed for member in members)
