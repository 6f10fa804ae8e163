"""A real redis-server of the test's own, on a Unix socket, that keeps nothing on disk: started again it is
empty."""

import pathlib
import signal
import socket

from . import waiting
from .process import LoggedProcess


class Redis:
    """Runs from start() on; the directory's path must leave room for a socket's name (107 bytes in all)."""

    def __init__(self, directory, *settings):
        self.path = pathlib.Path(directory) / "redis.sock"
        self.url = f"unix://{self.path}"
        self._argv = ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
                      "--appendonly", "no", "--dir", directory, "--daemonize", "no", *settings]
        self._process = None

    def start(self):
        self._process = LoggedProcess(self._argv)

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
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(waiting.PATIENCE)
            sock.connect(str(self.path))
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            sock.sendall(b"*%d\r\n" % len(words)
                         + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            with sock.makefile("rb") as stream:
                return _answer(stream)


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
