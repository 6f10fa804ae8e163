"""An HTTP/1.1 client on a TLS connection: sends whatever bytes a test wants, and reads strictly."""

import re
import typing

from . import tls

_STATUS = re.compile(rb"^HTTP/(1\.[01]) (\d{3}) ([\t -~]*)$")
_FIELD = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$")


class Cut(Exception):
    """The connection ended inside a response. how: as in tls.Ended; body: the content until then."""

    def __init__(self, how, body=b""):
        super().__init__(how, len(body))
        self.how, self.body = how, body


class Response(typing.NamedTuple):
    status: int
    reason: str
    version: str     # "1.1"
    fields: list     # [(lower-case name, value)]
    body: bytes = b""
    trailers: tuple = ()

    def field(self, name):
        """The value of the only field of this name; None if there is none."""
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def all(self, name):
        return [value for own, value in self.fields if own == name.lower()]


def request(method="GET", target="/", *fields, host="site.test", version="1.1", body=None):
    """The bytes of a request. `fields`: "Name: value". A body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += fields
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(*chunks, trailers=()):
    """Content in chunks, with "Name: value" trailers."""
    text = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return text + b"0\r\n" + b"".join(t.encode() + b"\r\n" for t in trailers) + b"\r\n"


class HttpClient(tls.Client):
    """One connection; usable as soon as it is made."""

    def __init__(self, address, *arguments, **more):
        super().__init__(address, *arguments, **more)
        self._have = b""
        self.handshake()

    def ask(self, method="GET", target="/", *fields, **more):
        """Sends a request and reads its final response."""
        self.send(request(method, target, *fields, **more))
        return self.final(method)

    def final(self, method="GET"):
        """The next response that is not a 1xx."""
        while True:
            response = self.response(method)
            if response.status >= 200:
                return response

    def response(self, method="GET"):
        """The next response, 1xx too. `method` is the request's: a HEAD has no content."""
        head = self.head()
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return head
        content = bytearray()
        trailers = ()
        try:
            trailers = self._content(head, content)
        except tls.Ended as end:
            raise Cut(end.how, bytes(content)) from None
        return head._replace(body=bytes(content), trailers=trailers)

    def head(self):
        """The next response's head only."""
        try:
            status, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
        except tls.Ended as end:
            raise Cut(end.how) from None
        match = _STATUS.match(status)
        assert match, status
        version, code, reason = match.groups()
        return Response(int(code), reason.decode(), version.decode(), [_field(line) for line in lines])

    def take(self, size):
        """Exactly so many bytes."""
        self._need(size)
        data, self._have = self._have[:size], self._have[size:]
        return data

    def line(self):
        """Up to the next CRLF."""
        return self._until(b"\r\n")

    def some(self):
        """What has come, at least a byte."""
        self._need(1)
        data, self._have = self._have, b""
        return data

    def rest(self):
        """(all that still comes, how the connection ends)"""
        data, how = self.receive_rest()
        data, self._have = self._have + data, b""
        return data, how

    def assert_over(self):
        """Nothing but the end comes."""
        assert self.rest()[0] == b""

    def _content(self, head, content):
        coding, length = head.field("transfer-encoding"), head.field("content-length")
        assert coding is None or length is None, head.fields
        if coding is not None:
            assert coding == "chunked", coding
            return self._chunks(content)
        if length is not None:
            assert length.isdigit(), length
            self._into(content, int(length))
            return ()
        data, how = self.rest()
        content += data
        if how != "close_notify":
            raise tls.Ended(how)
        return ()

    def _chunks(self, content):
        while True:
            line = self.line()
            assert re.fullmatch(rb"[0-9a-fA-F]+", line), line
            if int(line, 16) == 0:
                break
            self._into(content, int(line, 16))
            assert self.take(2) == b"\r\n"
        trailers = []
        while line := self.line():
            trailers.append(_field(line))
        return tuple(trailers)

    def _into(self, content, size):
        while size:
            part = self.some()
            content += part[:size]
            self._have = part[size:]
            size -= len(part[:size])

    def _need(self, size):
        while len(self._have) < size:
            self._have += self.receive()

    def _until(self, mark):
        while mark not in self._have:
            self._have += self.receive()
        data, self._have = self._have.split(mark, 1)
        return data


def _field(line):
    match = _FIELD.match(line)
    assert match, line
    return match.group(1).decode().lower(), match.group(2).decode("latin-1")


def get(address, target="/", *fields, method="GET", **more):
    """The final response to one request on a connection of its own."""
    with HttpClient(address) as client:
        return client.ask(method, target, *fields, **more)
