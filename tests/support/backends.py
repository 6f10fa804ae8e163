"""Backends for tests: each listens on a free port of 127.0.0.1 until it is closed."""

import contextlib
import hashlib
import socket
import struct
import threading

from . import waiting


class Backend:
    """Accepts connections. The test plays the server itself with accept(), unless a subclass serves."""

    serve = None  # def serve(self, connection): runs in a thread of its own

    def __init__(self, host="127.0.0.1", port=0, backlog=512):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(backlog)
        self._socket.settimeout(waiting.PATIENCE)
        self.port = self._socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.accepted = 0
        self._open = set()
        self._lock = threading.Lock()
        if self.serve:
            threading.Thread(target=self._loop, daemon=True).start()

    def accept(self):
        connection, _ = self._socket.accept()
        connection.settimeout(waiting.PATIENCE)
        self.accepted += 1
        with self._lock:
            self._open.add(connection)
        return connection

    def silent(self):
        """True when nobody is waiting to be accepted now."""
        self._socket.setblocking(False)
        try:
            connection, _ = self._socket.accept()
            connection.close()
            return False
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(waiting.PATIENCE)

    def _loop(self):
        self._socket.settimeout(None)
        while True:
            try:
                connection = self.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=[connection], daemon=True).start()

    def _serve_one(self, connection):
        connection.settimeout(None)
        with connection, contextlib.suppress(OSError):
            self.serve(connection)
        with self._lock:
            self._open.discard(connection)

    def open_connections(self):
        with self._lock:
            return len(self._open)

    def close(self):
        # shutdown wakes the thread in accept; close alone would leave it (and the port) behind.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Echo(Backend):
    """Sends everything back; at the client's end of data ends its own direction."""

    def serve(self, connection):
        while data := connection.recv(65536):
            connection.sendall(data)


class Greeter(Backend):
    """Says its name, then echoes: tells which backend answered."""

    def __init__(self, name, **more):
        self.name = name
        super().__init__(**more)

    def serve(self, connection):
        connection.sendall(self.name.encode() + b"\n")
        while data := connection.recv(65536):
            connection.sendall(data)


class Source(Backend):
    """Sends `size` bytes of pattern(size) as soon as a connection comes, then ends."""

    def __init__(self, size, **more):
        self.size = size
        self.sent = 0
        super().__init__(**more)

    def serve(self, connection):
        sent = 0
        while sent < self.size:
            start = sent % len(_BLOCK)
            part = connection.send(memoryview(_BLOCK)[start:start + self.size - sent])
            sent += part
            self.sent += part


class Http(Backend):
    """HTTP/1.1 with keep-alive: answers every GET with a body that repeats the path."""

    def serve(self, connection):
        head = b""
        while data := connection.recv(65536):
            head += data
            while b"\r\n\r\n" in head:
                request, head = head.split(b"\r\n\r\n", 1)
                body = b"you asked for " + request.split(b" ")[1] + b"\n"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class BlackHole:
    """An address whose connects neither succeed nor fail: a full queue that nobody empties."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(0)
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._fill = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._socket.getsockname())
            self._fill.append(filler)

    def close(self):
        for filler in self._fill:
            filler.close()
        self._socket.close()


class Refused:
    """An address where nobody listens: the port is held, so that nobody else gets it."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def close(self):
        self._socket.close()


_BLOCK = hashlib.shake_128(b"usher").digest(1 << 20)


def pattern(size):
    """The bytes that a Source of this size sends."""
    return (_BLOCK * (size // len(_BLOCK) + 1))[:size]


def reset(connection):
    """Closes with a TCP RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection):
    """Everything until the other side ends its direction."""
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise AssertionError(f"ended after {len(data)} of {size} bytes: {data[:100]!r}")
        data += part
    return data
