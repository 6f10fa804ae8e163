"""HTTP backends for tests, well-behaved and not: each request is recorded byte for byte and then answered by
a function of the test, which has the connection in its hand. Reading is lenient on purpose: what a proxy
forwards is for the test to judge."""

import contextlib
import socket
import time

from . import backends


class Request:
    """What came: `raw` is every byte of it, as it came."""

    def __init__(self, head, connection):
        self.raw, self.connection = head, connection  # connection: counted from 0
        line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.line = line
        self.method, self.target, self.version = line.split(" ")
        self.fields = [(name.lower(), value.strip())
                       for name, _, value in (text.partition(":") for text in lines)]
        self.body, self.trailers, self.whole = b"", [], False

    def field(self, name):
        """The value of the only field of this name; None if there is none."""
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def all(self, name):
        return [value for own, value in self.fields if own == name.lower()]


class Exchange:
    """A request whose head has come, and the connection that it came on."""

    def __init__(self, server, stream, request):
        self.server, self.request, self._stream = server, request, stream
        self.connection = stream.connection
        self.keep = True  # the connection is used again afterwards

    def body(self):
        """Reads the request's content to its end."""
        if not self.request.whole:
            for _ in self.parts():
                pass
        return self.request.body

    def parts(self, store=True):
        """Yields the request's content as it comes. Without `store` nothing of it is recorded."""
        request = self.request
        if request.field("transfer-encoding"):
            yield from self._chunks(store)
        else:
            yield from self._counted(int(request.field("content-length") or 0), store)
        request.whole = True

    def send(self, data):
        self.connection.sendall(data)

    def reply(self, status=200, body=b"", *fields, reason="OK"):
        """A response with a Content-Length (unless `fields` frame it)."""
        lines = [f"HTTP/1.1 {status} {reason}", *fields]
        if not any(field.lower().startswith(("content-length:", "transfer-encoding:")) for field in fields):
            lines.append(f"Content-Length: {len(body)}")
        content = b"" if self.request.method == "HEAD" else body
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + content)

    def stall(self):
        """Says nothing more until the other side goes."""
        self.keep = False
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass

    def close(self):
        self.keep = False

    def reset(self):
        self.keep = False
        backends.reset(self.connection)

    def _counted(self, size, store):
        while size:
            data = self._stream.some(size)
            size -= len(data)
            if store:
                self.request.raw += data
                self.request.body += data
            yield data

    def _chunks(self, store):
        while True:
            line = self._stream.line()
            self.request.raw += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            yield from self._counted(size, store)
            self.request.raw += self._stream.line()
        while (line := self._stream.line()) != b"\r\n":
            self.request.raw += line
            name, _, value = line.decode("latin-1").partition(":")
            self.request.trailers.append((name.lower(), value.strip()))
        self.request.raw += line


class _Stream:
    """A connection with a buffer in front."""

    def __init__(self, connection):
        self.connection, self._have = connection, b""

    def until(self, mark):
        """Everything up to and with `mark`; None at the end of the connection."""
        while mark not in self._have:
            data = self.connection.recv(65536)
            if not data:
                return None
            self._have += data
        at = self._have.index(mark) + len(mark)
        data, self._have = self._have[:at], self._have[at:]
        return data

    def line(self):
        line = self.until(b"\n")
        if line is None:
            raise ConnectionResetError("ended inside a request")
        return line

    def some(self, most):
        data = self._have or self.connection.recv(1 << 18)
        if not data:
            raise ConnectionResetError("ended inside a request")
        self._have = data[most:]
        return data[:most]


class HttpBackend(backends.Backend):
    """Answers every request with `answer(exchange)`. `requests` has what came, a request as soon as its head has;
    `broken` counts exchanges in which the other side went away."""

    def __init__(self, answer=None, name="", **more):
        self.answer, self.name = answer or echo, name
        self.requests, self.broken, self._count = [], 0, 0
        self._idle, self._retiring = set(), False
        super().__init__(**more)

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            number, self._count = self._count, self._count + 1
        stream = _Stream(connection)
        while head := self._next_head(stream):
            exchange = Exchange(self, stream, Request(head, number))
            self.requests.append(exchange.request)
            try:
                self.answer(exchange)
                if exchange.keep:
                    exchange.body()
            except OSError:
                self.broken += 1
                raise
            if not exchange.keep:
                return

    def _next_head(self, stream):
        with self._lock:
            if self._retiring:
                return None
            self._idle.add(stream.connection)
        try:
            return stream.until(b"\r\n\r\n")
        finally:
            with self._lock:
                self._idle.discard(stream.connection)

    def retire(self):
        """Ends as a good server does: takes no new connections, finishes what runs, closes idle connections."""
        self._retiring = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._idle:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self):
        """How many connections were accepted so far."""
        return self._count

    def seen(self, target):
        """The requests for a target."""
        return [request for request in list(self.requests) if request.target == target]


class TlsHttpBackend(HttpBackend):
    """The same behind TLS; `names` has the server name that each connection asked for."""

    def __init__(self, context, *arguments, **more):
        self.names = []
        self._context = context
        context.sni_callback = lambda _ssl, name, _context: self.names.append(name)
        super().__init__(*arguments, **more)

    def serve(self, connection):
        with self._context.wrap_socket(connection, server_side=True) as secured:
            super().serve(secured)


# --- answers

def echo(exchange):
    """200, and the request exactly as it came, as the content."""
    exchange.body()
    exchange.reply(200, exchange.request.raw, "Content-Type: application/octet-stream",
                   f"X-Backend: {exchange.server.name}")


def named(exchange):
    """200, and the backend's name."""
    exchange.body()
    exchange.reply(200, exchange.server.name.encode())


def reply(status=200, body=b"", *fields, reason="OK"):
    """An answer that is always the same."""
    def answer(exchange):
        exchange.body()
        exchange.reply(status, body, *fields, reason=reason)
    return answer


def raw(data, then="close"):
    """Exactly these bytes; then: close, reset, stall, or keep the connection."""
    def answer(exchange):
        exchange.body()
        exchange.send(data)
        if then != "keep":
            getattr(exchange, then)()
    return answer


def dying(exchange):
    """No answer: the connection is closed once the request has come."""
    exchange.body()
    exchange.close()


def early(status=413, *fields):
    """Answers as soon as the head has come, reads nothing of the content, and closes."""
    def answer(exchange):
        exchange.reply(status, b"early", "Connection: close", *fields)
        exchange.stall()
    return answer


def endless_head(exchange):
    """A response head that never ends."""
    exchange.body()
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    exchange.keep = False
    with contextlib.suppress(OSError):
        while True:
            exchange.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def once_per_connection(answer, then="close"):
    """The first request of a connection gets `answer`, the next ends it: a server whose idle time is over just
    as the connection is used again."""
    used = set()

    def either(exchange):
        if exchange.request.connection in used:
            exchange.body()
            getattr(exchange, then)()
        else:
            used.add(exchange.request.connection)
            answer(exchange)
    return either


def by_target(answers, otherwise=echo):
    """{target: answer}."""
    return lambda exchange: answers.get(exchange.request.target, otherwise)(exchange)


def after(event, answer):
    """Waits for a threading.Event first."""
    def late(exchange):
        event.wait(60)
        answer(exchange)
    return late


def source(block, count):
    """A chunked response of `count` times `block`."""
    def answer(exchange):
        exchange.body()
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        frame = b"%x\r\n%s\r\n" % (len(block), block)
        for _ in range(count):
            exchange.send(frame)
        exchange.send(b"0\r\n\r\n")
    return answer


def dribble(data, pause=0.001):
    """These bytes one by one."""
    def answer(exchange):
        exchange.body()
        for at in range(len(data)):
            exchange.send(data[at:at + 1])
            time.sleep(pause)
    return answer
