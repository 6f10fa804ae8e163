"""A hop in front of a real Redis that edits its replies: what a broken, replaced or hostile server could answer.
Without an edit it tells the truth."""

import contextlib
import pathlib
import socket
import threading

_CHUNK = b"x" * (1 << 20)


class Liar:
    """Passes connections to the Unix socket `to`; listens on the Unix socket `path`, its .url.

    .edit(command, reply) gives what is sent in place of `reply`, the bytes of one RESP2 value, to `command`, a
    list of its words: bytes, None for nothing at all, or an iterable of bytes, which is sent to its end or to
    the connection's, and ends the connection. None: replies are passed on."""

    def __init__(self, to, path):
        self.path = pathlib.Path(path)
        self.url = f"unix://{self.path}"
        self.edit = None
        self.lies = 0      # replies that were not passed on as they were
        self.sent = 0      # bytes of the last endless reply
        self.accepted = 0  # connections
        self._to = str(to)
        self._open = set()
        self._lock = threading.Lock()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self, edit, only=None):
        """Edits from now on, of the replies to the commands with these names only. A reply that the test gives
        as bytes is the same for all."""
        def chosen(command, reply):
            if only and command[0].upper() not in only:
                return reply
            return edit(command, reply) if callable(edit) else edit
        self.edit = chosen

    def tell_the_truth(self):
        self.edit = None

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            for sock in self._open:
                _shut(sock)

    def _accept(self):
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=[here], daemon=True).start()

    def _serve(self, here):
        with here, socket.socket(socket.AF_UNIX) as there, contextlib.suppress(OSError):
            there.connect(self._to)
            with self._lock:
                self._open |= {here, there}
            commands, ended = [], threading.Event()
            back = threading.Thread(target=self._answer, args=[here, there, commands, ended], daemon=True)
            back.start()
            with contextlib.suppress(OSError, ValueError):
                self._ask(here, there, commands)
            ended.set()
            _shut(there)
            back.join()
            with self._lock:
                self._open -= {here, there}

    def _ask(self, here, there, commands):
        stream = here.makefile("rb")
        while raw := value(stream):
            commands.append(words(raw))
            there.sendall(raw)

    def _answer(self, here, there, commands, ended):
        stream = there.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while (reply := value(stream)) and not ended.is_set():
                edit, command = self.edit, commands.pop(0)
                said = edit(command, reply) if edit else reply
                if said is not reply:
                    self.lies += 1
                if said is None:
                    continue
                if isinstance(said, bytes):
                    here.sendall(said)
                    continue
                self.sent = 0
                for part in said:
                    here.sendall(part)
                    self.sent += len(part)
                break
        _shut(here)


# --- what to tell; each an answer to GET unless it says otherwise

def flipped(_, reply):
    """One bit of a value, in its middle."""
    if not reply.startswith(b"$") or reply.startswith(b"$-1"):
        return reply
    head = reply.index(b"\n") + 1
    at = head + (len(reply) - head) // 2
    return reply[:at] + bytes([reply[at] ^ 1]) + reply[at + 1:]


def endless(_, __):
    """A bulk that never comes to its end."""
    yield b"$536870912\r\n"
    while True:
        yield _CHUNK


def endless_garbage(_, __):
    """Without a line's end."""
    while True:
        yield _CHUNK


def cut_short(_, reply):
    """Half of a reply, then the end."""
    yield reply[:len(reply) // 2]


LIES = {
    "an integer": b":1\r\n",
    "a status": b"+OK\r\n",
    "an error": b"-ERR something\r\n",
    "an array": b"*1\r\n$1\r\nx\r\n",
    "an empty bulk": b"$0\r\n\r\n",
    "one byte": b"$1\r\nx\r\n",
    "noise of a value's size": b"$200\r\n" + bytes(range(200)) + b"\r\n",
    "a bulk too big": b"$100000\r\n" + b"x" * 100000 + b"\r\n",
    "a giant bulk announced": b"$4294967296\r\n",
    "a giant array announced": b"*2147483647\r\n",
    "arrays in arrays": b"*1\r\n" * 64,
    "a negative size": b"$-2\r\n",
    "not RESP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": b"\0" * 64,
    "two replies": b"$-1\r\n$-1\r\n",
    "a flipped bit": flipped,
    "an endless bulk": endless,
    "endless garbage": endless_garbage,
    "half a reply": cut_short,
    "nothing": lambda *_: None,
}


# --- RESP2

def value(stream):
    """The bytes of one value; b"" at the end."""
    line = stream.readline()
    if not line or line[:1] in b"+-:":
        return line
    size = int(line[1:])
    if size < 0:
        return line
    if line[:1] == b"$":
        return line + stream.read(size + 2)
    return line + b"".join(value(stream) for _ in range(size))


def words(raw):
    """The words of a command."""
    found, at = [], raw.index(b"\n") + 1
    while at < len(raw):
        start = raw.index(b"\n", at) + 1
        size = int(raw[at + 1:start])
        found.append(raw[start:start + size])
        at = start + size + 2
    return found


def _shut(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
