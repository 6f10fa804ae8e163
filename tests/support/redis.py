"""A real redis-server of the test's own, on a Unix socket (and a TCP port, if wanted), that keeps nothing on
disk: started again it is empty."""

import pathlib
import re
import signal
import socket
import threading
import uuid

from . import waiting
from .process import LoggedProcess


class Redis:
    """Runs from start() on; the directory's path must leave room for a socket's name (107 bytes in all)."""

    def __init__(self, directory, *settings, port=0):
        self.path, self.port = pathlib.Path(directory) / "redis.sock", port
        self.url = f"unix://{self.path}"
        self.tcp_url = f"redis://127.0.0.1:{port}"
        self.credentials = None  # (user, password) for our own commands
        self._argv = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket", self.path,
                      "--save", "", "--appendonly", "no", "--dir", directory, "--daemonize", "no",
                      "--repl-diskless-sync-delay", 0, *settings]
        self._process = None

    def start(self):
        self._process = LoggedProcess([str(word) for word in self._argv])

        def answers():
            assert self._process.running(), "\n".join(self._process.stdout)
            try:
                return self.command("PING") == b"PONG"
            except OSError:
                return False
        waiting.until(answers, "redis-server to answer")
        return self

    def running(self):
        return self._process is not None and self._process.running()

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        """Without a chance to say goodbye."""
        if self._process:
            self._process.kill()

    def restart_empty(self):
        """Who was connected may be faster with its first write than anybody could see that it is empty."""
        self.kill()
        assert not list(self.path.parent.glob("*.rdb"))
        self.start()

    def stop(self):
        """SIGSTOP: connections stay open, nothing is answered."""
        self._process.send(signal.SIGSTOP)

    def go_on(self):
        self._process.send(signal.SIGCONT)

    def command(self, *words):
        """The answer: bytes, an int, None, or a list of them."""
        with self._connected() as sock, sock.makefile("rb") as stream:
            if self.credentials:
                sock.sendall(encoded(["AUTH", *self.credentials]))
                _answer(stream)
            sock.sendall(encoded(words))
            return _answer(stream)

    def send(self, *words):
        """A command whose answer is not waited for."""
        with self._connected() as sock:
            sock.sendall(encoded(["PING"]))
            sock.recv(64)  # it has accepted us: what is sent now comes before what anybody sends later
            sock.sendall(encoded(words))

    def names(self, pattern="*"):
        """The keys of database 0."""
        return self.command("KEYS", pattern)

    def values(self, pattern="*"):
        """{key: value} of the strings in database 0."""
        return {name: self.command("GET", name) for name in self.names(pattern)}

    def monitor(self):
        """A Monitor from now on."""
        return Monitor(self, self._connected())

    def _connected(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(waiting.PATIENCE)
        sock.connect(str(self.path))
        return sock


class Monitor:
    """Every command that the server carries out, by anybody, but AUTH and what administers."""

    def __init__(self, redis, sock):
        self._redis, self._sock = redis, sock
        self._lock = threading.Lock()
        self._seen = []
        sock.sendall(encoded(["MONITOR"]))
        self._stream = sock.makefile("rb")
        assert self._stream.readline() == b"+OK\r\n"
        sock.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def commands(self, *names):
        """[[b"GET", b"key"], …] of all that was carried out before this call (ours left out), the first word
        in capitals; with names, of these commands."""
        mark = uuid.uuid4().hex.encode()
        self._redis.command("ECHO", mark)
        waiting.until(lambda: self._has(mark), "MONITOR to tell of our ECHO")
        with self._lock:
            seen = [words for words in self._seen if words[0] != b"ECHO"]
        return [words for words in seen if not names or words[0].decode() in names]

    def _has(self, mark):
        with self._lock:
            return any(mark in words for words in self._seen)

    def _read(self):
        for line in self._stream:
            words = [_unquoted(word) for word in _WORD.findall(line)]
            with self._lock:
                self._seen.append([words[0].upper(), *words[1:]])


def free_ports(count):
    """TCP ports of 127.0.0.1 that nobody has now."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def encoded(words):
    """A command as RESP2."""
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


# As Redis' sdscatrepr() writes a string.
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def _unquoted(word):
    def plain(match):
        escape = match[1]
        return bytes([int(escape[1:], 16)]) if len(escape) == 3 else _CONTROLS.get(escape, escape)
    return _ESCAPE.sub(plain, word)


def _answer(stream):
    """One RESP2 value."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("redis-server has ended the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise AssertionError(f"redis-server: {rest.decode()}")
    if kind == b"+":
        return rest
    size = int(rest)
    if kind == b":":
        return size
    if size < 0:
        return None
    if kind == b"*":
        return [_answer(stream) for _ in range(size)]
    return stream.read(size + 2)[:-2]
