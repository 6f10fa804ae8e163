"""Promise: whatever stands where a ticket belongs (cut at any length, with any bit flipped, under unknown names,
of another fleet, huge, or nonsense sealed under a real key) is never resumed, never fails a handshake, and
brings the client a new ticket; each is counted once, with its outcome, and real tickets are as good as before."""

import collections
import os

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from support import sessions, ticket_keys, tls

BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))
NAME, IV, BLOCK, MAC = 16, 16, 16, 32
HELLO_MAX = 64 * 1024  # what Usher reads of a client that has not yet said hello


class Forgery:
    """Offers tickets in place of the one of a real session, and keeps count."""

    def __init__(self, proxy, version):
        self.proxy, self.version = proxy, version
        self.real = sessions.full(proxy.address(), version)
        self.ticket = self.real.ticket
        self._counts = collections.Counter()

    def refused(self, ticket, *outcomes):
        """With one of these outcomes (for all tickets that are offered with the same ones)."""
        resumed, renewed = sessions.begin(self.proxy.address(), self.version,
                                          session=self.real.with_ticket(bytes(ticket)))
        assert not resumed, ticket.hex()
        assert len(renewed.ticket) > 0 and renewed.ticket != ticket
        self._counts[outcomes] += 1
        return renewed

    def taken(self, ticket):
        assert sessions.resumes(self.proxy.address(), self.real.with_ticket(ticket))
        self._counts["resumed",] += 1

    def counted(self):
        """Holds the metrics to it: each offer once; no handshake failed; the real ticket is still good."""
        self.taken(self.ticket)
        self.proxy.wait_metric("usher_resumption_offers_total", lambda n: n >= self._counts.total())
        metrics = self.proxy.metrics()
        for outcomes, count in self._counts.items():
            counted = sum(metrics.total("usher_resumption_offers_total", kind="ticket", outcome=outcome)
                          for outcome in outcomes)
            assert counted == count, (outcomes, metrics.all("usher_resumption_offers_total"))
        assert metrics.total("usher_resumption_offers_total") == self._counts.total()
        assert metrics.total("usher_handshake_failures_total") == 0


@pytest.fixture
def forgery(simple):
    def begin(version, **tables):
        return Forgery(simple(**tables), version)
    return begin


def flipped(ticket, at, bit):
    changed = bytearray(ticket)
    changed[at] ^= 1 << bit
    return bytes(changed)


@BOTH
def test_cut_anywhere(forgery, version):
    """Around the end of each field, of each block, and of the whole."""
    forged = forgery(version)
    size = len(forged.ticket)
    ends = [NAME, NAME + IV, *range(NAME + IV + BLOCK, size - MAC + 1, BLOCK), size - MAC, size]
    for end in sorted({1, *(end + step for end in ends for step in (-1, 0, 1) if end + step < size)}):
        # What is too short for an empty session is not looked up; the rest has no MAC that fits.
        forged.refused(forged.ticket[:end], "unknown_foreign", "bad_mac")
    forged.counted()


@BOTH
def test_prolonged(forgery, version):
    forged = forgery(version)
    for more in (1, BLOCK, 1024):
        forged.refused(forged.ticket + bytes(more), "bad_mac")
        forged.refused(forged.ticket[:NAME + IV] + bytes(more) + forged.ticket[NAME + IV:], "bad_mac")
    forged.counted()


@BOTH
def test_every_bit_of_the_name(forgery, version):
    """Tag and epoch are masked by XOR: a flipped bit of the epoch makes it another, of the same fleet."""
    forged = forgery(version)
    for at in range(NAME):
        for bit in range(8):
            of_epoch = 4 <= at < 8
            forged.refused(flipped(forged.ticket, at, bit),
                           *(["unknown_future", "unknown_past"] if of_epoch else ["unknown_foreign"]))
    forged.counted()


@BOTH
@pytest.mark.parametrize("field", ["iv", "encrypted", "mac"])
def test_every_byte_of_the_rest(forgery, version, field):
    forged = forgery(version)
    size = len(forged.ticket)
    span = {"iv": range(NAME, NAME + IV), "encrypted": range(NAME + IV, size - MAC),
            "mac": range(size - MAC, size)}[field]
    for at in span:
        forged.refused(flipped(forged.ticket, at, at % 8), "bad_mac")
    forged.counted()


@BOTH
def test_unknown_names_and_noise(forgery, version):
    forged = forgery(version)
    for _ in range(16):
        forged.refused(os.urandom(NAME) + forged.ticket[NAME:], "unknown_foreign")
        forged.refused(os.urandom(len(forged.ticket)), "unknown_foreign")
    for name in (bytes(NAME), b"\xff" * NAME):
        forged.refused(name + forged.ticket[NAME:], "unknown_foreign")
    forged.counted()


@BOTH
def test_huge(forgery, version):
    """As long as a hello can carry."""
    forged = forgery(version)
    size = HELLO_MAX - 1024
    forged.refused(bytes(size), "unknown_foreign")
    forged.refused(forged.ticket[:NAME] + os.urandom(size - NAME), "bad_mac")
    forged.refused(forged.ticket[:NAME + IV] + bytes(size) + forged.ticket[-MAC:], "bad_mac")
    forged.counted()


@BOTH
def test_of_another_fleet(forgery, version):
    forged, stranger = forgery(version), forgery(version)
    for ticket in (stranger.ticket, forged.ticket[:NAME] + stranger.ticket[NAME:]):
        outcome = "unknown_foreign" if ticket == stranger.ticket else "bad_mac"
        forged.refused(ticket, outcome)
    forged.counted()


@BOTH
def test_after_a_hello_retry(forgery, version):
    """Then OpenSSL asks for the ticket twice, and it is one offer still."""
    forged = forgery(version, tls={"groups": "P-384"})
    forged.refused(flipped(forged.ticket, 0, 0), "unknown_foreign")
    forged.refused(flipped(forged.ticket, -1, 0), "bad_mac")
    forged.counted()


def test_none(simple):
    """An empty extension asks for a ticket and offers none (RFC 5077 §3.2)."""
    proxy = simple()
    session = tls.session_of(proxy.address(), ctx=tls.context12())
    assert session.has_ticket
    for version in sessions.VERSIONS:
        assert sessions.full(proxy.address(), version).ticket
    proxy.wait_metric("usher_handshakes_total", lambda n: n == 3)
    assert proxy.metrics().total("usher_resumption_offers_total") == 0


def sealed(key, plain):
    """A ticket as the holder of a key can make it; `plain` is whole blocks."""
    iv = os.urandom(IV)
    encryptor = Cipher(algorithms.AES(key.aes), modes.CBC(iv)).encryptor()
    body = key.name + iv + encryptor.update(plain) + encryptor.finalize()
    mac = hmac.HMAC(key.hmac, hashes.SHA256())
    mac.update(body)
    return body + mac.finalize()


def unsealed(key, ticket):
    decryptor = Cipher(algorithms.AES(key.aes), modes.CBC(ticket[NAME:NAME + IV])).decryptor()
    return decryptor.update(ticket[NAME + IV:-MAC]) + decryptor.finalize()


@pytest.fixture
def with_key(simple, tmp_path):
    """with_key(version, size) → (the key, a Forgery where it seals)."""
    def begin(version, size):
        key = ticket_keys.TicketKey(size)
        files = ticket_keys.nginx_files(tmp_path, [key])
        return key, Forgery(simple(tickets={"source": "file", "file": [str(path) for path in files]}), version)
    return begin


PADDING = bytes([BLOCK]) * BLOCK


@BOTH
@pytest.mark.parametrize("size", [48, 80])
def test_nonsense_under_a_real_key(with_key, version, size):
    """Whoever has the key can seal what he wants."""
    key, forged = with_key(version, size)
    plain = unsealed(key, forged.ticket)
    forged.taken(sealed(key, plain))  # the forger's tools are good
    for inside in (b"", os.urandom(64), bytes(64), 3 * BLOCK * b"\x30", plain[:BLOCK], plain[:-BLOCK],
                   plain[BLOCK:-BLOCK], flipped(plain[:-BLOCK], 1, 0)):
        forged.refused(sealed(key, inside + PADDING), "bad_mac")
    forged.counted()


@BOTH
def test_unpadded_nonsense_under_a_real_key(with_key, version):
    """The one thing that OpenSSL fails the handshake for. No stranger can: the MAC is right."""
    key, forged = with_key(version, 80)
    for inside in (bytes(64), PADDING[1:] + b"\0"):
        with pytest.raises(tls.Ended):
            forged.refused(sealed(key, inside))
    forged.proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 2, outcome="other")
    assert sessions.resumes(forged.proxy.address(), forged.real)
