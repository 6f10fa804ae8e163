"""A hop between two programs that a test can cut: it passes bytes on, holds them back, or refuses."""

import contextlib
import pathlib
import socket
import threading


class Forwarder:
    """Passes connections to the Unix socket `to`. `path`: the Unix socket to listen on; without one it
    listens on a TCP port of 127.0.0.1, its .port."""

    def __init__(self, to, path=None):
        self._to, self._path = str(to), path and pathlib.Path(path)
        self._listening = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._listening.bind(str(path) if path else ("127.0.0.1", 0))
        self._listening.listen(64)
        self.port = None if path else self._listening.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._lock = threading.Lock()
        self._open = set()
        self.held_back = 0  # bytes that came while it was silent
        self.refused = 0    # connections that it ended at once
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self):
        """Connections stay, and new ones are accepted, but nothing passes: a network that has gone."""
        self._flowing.clear()

    def cut(self):
        """Ends all connections and every new one."""
        self._refusing = True
        self._end_all()
        self._flowing.set()  # so that nothing waits in vain

    def restore(self):
        self._refusing = False
        self._flowing.set()

    def connections(self):
        with self._lock:
            return len(self._open) // 2

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        if self._path:
            self._path.unlink(missing_ok=True)

    def _accept(self):
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            if self._refusing:
                self.refused += 1
                here.close()
            else:
                threading.Thread(target=self._serve, args=[here], daemon=True).start()

    def _serve(self, here):
        self._flowing.wait()
        there = socket.socket(socket.AF_UNIX)
        with here, there, contextlib.suppress(OSError):
            there.connect(self._to)
            for one in (here, there):
                if one.family == socket.AF_INET:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {here, there}
            if self._refusing:  # it was cut meanwhile
                self._end_all()
            back = threading.Thread(target=self._pass, args=[there, here], daemon=True)
            back.start()
            self._pass(here, there)
            back.join()
        with self._lock:
            self._open -= {here, there}

    def _pass(self, source, sink):
        """Until either side ends; then both end."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._flowing.is_set():
                    self.held_back += len(data)
                    self._flowing.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _end_all(self):
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
