"""Promise: records are small at the start of a response and after a pause, so that a client can use the
first packets without waiting for more, and 16 KiB in bulk."""

import contextlib
import socket
import struct
import threading

from support import backends, tls, usher

MIB = 1 << 20
SMALL = 4096 + 64  # three segments; with what a record adds


class Tap:
    """Sits between a client and Usher and notes the sizes of the records that Usher sends."""

    def __init__(self, address):
        self.sizes = []
        self._server = socket.create_connection(address)
        self._client, self.client_end = socket.socketpair()
        self.client_end.settimeout(30)
        for loop in (self._upward, self._downward):
            threading.Thread(target=self._until_closed, args=[loop], daemon=True).start()

    @staticmethod
    def _until_closed(loop):
        with contextlib.suppress(OSError):  # the test closes its end whenever it likes
            loop()

    def _upward(self):
        while data := self._client.recv(65536):
            self._server.sendall(data)
        self._server.shutdown(socket.SHUT_WR)

    def _downward(self):
        rest = b""
        while data := self._server.recv(65536):
            rest += data
            while len(rest) >= 5 and len(rest) >= 5 + struct.unpack(">H", rest[3:5])[0]:
                size = struct.unpack(">H", rest[3:5])[0]
                if rest[0] == 23:
                    self.sizes.append(size)
                rest = rest[5 + size:]
            self._client.sendall(data)
        self._client.shutdown(socket.SHUT_WR)


def test_small_first_then_full(start, serve, site):
    backend = serve()
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
    tap = Tap(proxy.address())
    client = tls.Client(None, sock=tap.client_end, ctx=tls.context12()).handshake()
    server = backend.accept()
    data = backends.pattern(4 * MIB)
    sender = threading.Thread(target=server.sendall, args=[data])
    sender.start()
    assert client.receive_exactly(len(data)) == data
    sender.join()
    first, last = tap.sizes[0], tap.sizes[len(tap.sizes) // 2]
    assert first <= SMALL, tap.sizes[:40]
    assert last >= 16384, tap.sizes[:40]
    assert len(tap.sizes) < 2 * len(data) // 16384
    # What was one read of the backend is not cut into many segments: small records are few.
    assert sum(1 for size in tap.sizes if size < 16384) < len(tap.sizes) // 2
    client.close()


def test_small_again_after_a_pause(start, serve, site):
    backend = serve()
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
    tap = Tap(proxy.address())
    client = tls.Client(None, sock=tap.client_end, ctx=tls.context12()).handshake()
    server = backend.accept()
    data = backends.pattern(MIB)
    for _ in range(2):
        before = len(tap.sizes)
        sender = threading.Thread(target=server.sendall, args=[data])
        sender.start()
        assert client.receive_exactly(len(data)) == data
        sender.join()
        assert tap.sizes[before] <= SMALL, tap.sizes[before:before + 20]
        # The pause is part of the promise: nobody writes until the client's read times out.
        client.sock.settimeout(1.2)
        try:
            client.receive()
            raise AssertionError("nothing was sent")
        except TimeoutError:
            client.sock.settimeout(30)
    client.close()
