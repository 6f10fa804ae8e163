"""Subscribers of usher-keyd that do as a test says: raw speakers of the push protocol (keyd/PROTOCOL.md), over a
Unix socket or mutual TLS. They can hold acknowledgements back, lie, be silent, send garbage; hundreds fit into
one process, for one thread serves them all."""

import asyncio
import collections
import hashlib
import os
import socket
import ssl
import struct
import threading

from . import waiting

HELLO, RING, APPLIED, PULL, PING, PONG, BYE, REFUSED = range(1, 9)
FRAME_BYTES_MAX = 8192

_STATES = ("next", "current", "previous")
_HEAD = struct.Struct(">BQQ4s32sIQQQB")
_KEY = struct.Struct(">16sIBQ32s32s")
_AGE_AT, _AGE_END = 16 + 4 + 1, 16 + 4 + 1 + 8  # in a key; not part of the digest

Key = collections.namedtuple("Key", "name epoch state age_ms aes hmac")


class Ring:
    """A RING frame's payload, taken apart; a wrong digest or length fails."""

    def __init__(self, payload):
        (form, self.term, self.version, self.tag, self.name_key, self.last_epoch, self.seal_max_age_ms,
         self.open_max_age_ms, self.lineage_not_before, count) = _HEAD.unpack_from(payload)
        assert form == 1 and len(payload) == _HEAD.size + count * _KEY.size + 32
        digest, self.keys = hashlib.sha256(payload[:_HEAD.size]), []
        for at in range(_HEAD.size, len(payload) - 32, _KEY.size):
            name, epoch, state, *rest = _KEY.unpack_from(payload, at)
            self.keys.append(Key(name.hex(), epoch, _STATES[state], *rest))
            digest.update(payload[at:at + _AGE_AT] + payload[at + _AGE_END:at + _KEY.size])
        self.digest = payload[-32:]
        assert self.digest == digest.digest()

    @property
    def pair(self):
        return (self.term, self.version)

    def names(self, *states):
        """Of the keys in these states; of all without any."""
        return [key.name for key in self.keys if not states or key.state in states]

    @property
    def current(self):
        """The name of the key that seals."""
        (name,) = self.names("current")
        return name

    @property
    def next(self):
        """The name of the key that will seal; None."""
        return (self.names("next") or [None])[0]


def frame(kind, payload=b""):
    return struct.pack(">IB", 1 + len(payload), kind) + payload


def hello(node, instance, workers=2, protocol=1):
    return frame(HELLO, struct.pack(">H8sH", protocol, instance, workers) + node.encode())


def applied(term, version, digest):
    return frame(APPLIED, struct.pack(">QQ32s", term, version, digest))


class Subscriber:
    """Connects and says HELLO at once. Takes each ring and acknowledges it, if `applies`: True, False, or
    a function of the ring. Tests read what it has seen; everything happens on the thread of all subscribers.

    endpoint    as in a proxy's tickets.keyd: unix:/path, or tls:IP:PORT with `tls`, a context
    greets      False: no HELLO before greet()
    answers     whether PING is answered
    returns     connects again whenever the connection ends, until close()
    on_ring     called with each ring, on the subscribers' thread
    """

    def __init__(self, endpoint, node="raw", instance=None, *, applies=True, greets=True, answers=True,
                 returns=False, tls=None, on_ring=lambda ring: None, wait=True):
        self.endpoint, self.node, self.instance = str(endpoint), node, instance or os.urandom(8)
        self.applies, self.greets, self.answers, self.returns = applies, greets, answers, returns
        self.rings = []         # all that came
        self.on_ring = on_ring
        self.connections = 0    # how often it was connected
        self.refused = None     # the reason that keyd gave last
        self.byes = 0           # of keyd's
        self.error = None       # the last exception: of a connect, a TLS handshake, a frame that is none
        self._tls, self._transport = tls, None
        self._ended = threading.Event()  # the present connection
        self._wanted = True
        self._start(wait)

    def _start(self, wait):
        task = asyncio.run_coroutine_threadsafe(self._keep(), _loop())
        if wait:
            waiting.until(lambda: self.connections or task.done(), f"{self.node} to connect")
            if task.done():
                task.result()

    async def _keep(self):
        while self._wanted:
            try:
                await self._connect()
            except (OSError, ssl.SSLError) as error:
                self.error = error
                self._ended.set()
                if not self.returns:
                    raise
            else:
                await self._gone
            if not self.returns:
                return
            await asyncio.sleep(0.02)

    async def _connect(self):
        loop = asyncio.get_running_loop()
        self._gone = loop.create_future()
        kind, _, where = self.endpoint.partition(":")
        if kind == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            sock.connect(where)  # at once or not at all; asyncio takes a full queue for success
            await loop.create_unix_connection(lambda: _Speaker(self), sock=sock)
        else:
            host, _, port = where.rpartition(":")
            await loop.create_connection(lambda: _Speaker(self), host, int(port), ssl=self._tls,
                                         server_hostname=host if self._tls else None)

    # On the subscribers' thread, from _Speaker.

    def connected(self, transport):
        self._transport = transport
        self._ended.clear()
        if self.greets:
            transport.write(hello(self.node, self.instance))
            if self.rings and self.applies is True:
                transport.write(self._applied_of(self.rings[-1]))
        self.connections += 1

    def took(self, kind, payload):
        if kind == RING:
            ring = Ring(payload)
            self.on_ring(ring)
            self.rings.append(ring)
            if self.applies(ring) if callable(self.applies) else self.applies:
                self._transport.write(self._applied_of(ring))
        elif kind == PING and self.answers:
            self._transport.write(frame(PONG, payload))
        elif kind == BYE:
            self.byes += 1
        elif kind == REFUSED:
            self.refused = payload.decode()

    def ended(self, error):
        self.error = error or self.error
        self._ended.set()
        self._gone.set_result(None)

    @staticmethod
    def _applied_of(ring):
        return applied(ring.term, ring.version, ring.digest)

    # For tests.

    @property
    def ring(self):
        """The last that came; None."""
        return self.rings[-1] if self.rings else None

    @property
    def closed(self):
        return self._ended.is_set()

    def send(self, data):
        """Any bytes."""
        _loop().call_soon_threadsafe(self._transport.write, data)

    def greet(self, **more):
        self.send(hello(self.node, self.instance, **more))

    def apply(self, ring=None):
        """Acknowledges this ring, or the last that came."""
        self.send(self._applied_of(ring or self.ring))

    def pull(self):
        self.send(frame(PULL))

    def bye(self):
        """Leaves the fleet for good."""
        self.returns = False
        self.send(frame(BYE))
        self.wait_closed()

    def stop_reading(self):
        """As a process that was stopped: what keyd sends stays in the socket."""
        _loop().call_soon_threadsafe(self._transport.pause_reading)

    def go_on_reading(self):
        _loop().call_soon_threadsafe(self._transport.resume_reading)

    def wait_ring(self, wanted=lambda ring: True, what="a ring"):
        """The last ring, once the predicate holds for it."""
        return waiting.until(lambda: self.ring if self.ring and wanted(self.ring) else None,
                             f"{self.node} to get {what} (last: {self.ring and self.ring.pair}; "
                             f"refused: {self.refused}; error: {self.error})")

    def wait_closed(self):
        waiting.until(lambda: self.closed, f"{self.node}'s connection to end")

    def wait_refused(self):
        self.wait_closed()
        assert self.refused is not None, f"closed without REFUSED: {self.error}"
        return self.refused

    def close(self, wait=True):
        """Goes without BYE."""
        self._wanted = self.returns = False
        if self._transport:
            _loop().call_soon_threadsafe(self._transport.abort)
            if wait:
                self.wait_closed()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Speaker(asyncio.Protocol):
    """Cuts frames out of one connection's bytes."""

    def __init__(self, subscriber):
        self._subscriber, self._bytes = subscriber, b""

    def connection_made(self, transport):
        self._transport = transport
        self._subscriber.connected(transport)

    def data_received(self, data):
        self._bytes += data
        try:
            while len(self._bytes) >= 4:
                size = struct.unpack_from(">I", self._bytes)[0]
                assert 1 <= size <= FRAME_BYTES_MAX
                if len(self._bytes) < 4 + size:
                    return
                kind, payload = self._bytes[4], self._bytes[5:4 + size]
                self._bytes = self._bytes[4 + size:]
                self._subscriber.took(kind, payload)
        except Exception as error:  # pylint: disable=broad-except
            self._subscriber.error = error
            self._transport.abort()

    def connection_lost(self, exc):
        self._subscriber.ended(exc)


_running = []
_starting = threading.Lock()


def _loop():
    """The event loop of all subscribers, on a thread of its own."""
    with _starting:
        if not _running:
            _running.append(asyncio.new_event_loop())
            threading.Thread(target=_running[0].run_forever, daemon=True).start()
        return _running[0]


def tls_context(authority_file, issued=None):
    """TLS 1.3 as a proxy speaks it: trusts that authority, shows that certificate. keyd's name is not looked
    at: that is the real proxy's affair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(authority_file)
    if issued:
        context.load_cert_chain(issued.chain, issued.key)
    return context
