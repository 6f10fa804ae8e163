"""A client of TLS 1.3 that cuts its handshake messages into records of its own making."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import aead

_HANDSHAKE, _KEY_UPDATE = 22, b"\x18\x00\x00\x01\x00"


def _expand(secret, label, size):
    """HKDF-Expand-Label of SHA-256, one block (RFC 8446 §7.1)."""
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return hmac.new(secret, info + b"\1", hashlib.sha256).digest()[:size]


class Splitter:
    """Makes the records that such a client sends after `sent` others under its first traffic key."""

    def __init__(self, keylog, sent):
        lines = dict((line.split()[0], line.split()[2]) for line in keylog.splitlines() if line[:1] != "#")
        secret = bytes.fromhex(lines["CLIENT_TRAFFIC_SECRET_0"])
        self._key, self._iv = _expand(secret, b"key", 16), _expand(secret, b"iv", 12)
        self._next = sent

    def record(self, content, kind=_HANDSHAKE):
        head = struct.pack(">BHH", 23, 0x0303, len(content) + 1 + 16)
        nonce = bytes(a ^ b for a, b in zip(self._iv, self._next.to_bytes(12, "big")))
        self._next += 1
        return head + aead.AESGCM(self._key).encrypt(nonce, content + bytes([kind]), head)

    def key_update(self, *cuts):
        """A KeyUpdate that asks for none in return, in pieces that end at `cuts`. OpenSSL begins with a message
        once it has the four bytes of its header."""
        ends = [0, *cuts, len(_KEY_UPDATE)]
        return [self.record(_KEY_UPDATE[a:b]) for a, b in zip(ends, ends[1:])]
