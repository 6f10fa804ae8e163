"""An HTTP/2 client that is made of frames (RFC 9113 §4.1): what a test wants to send goes out as it is, right
or wrong; what comes back is told frame by frame."""

import collections
import contextlib
import os
import socket
import struct

import hpack

from . import backends, tls, waiting

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
MAX_HEADER_LIST_SIZE = 6
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Frame = collections.namedtuple("Frame", "type flags stream payload")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """A SETTINGS payload: settings(INITIAL_WINDOW_SIZE=0)."""
    return b"".join(struct.pack(">HI", globals()[name], value) for name, value in values.items())


class Response:
    def __init__(self):
        self.status, self.fields, self.trailers, self.informational = None, [], None, []
        self.body = bytearray()
        self.ended, self.reset = False, None  # reset: the error code

    def field(self, name):
        return dict(self.fields).get(name)


class Ended(Exception):
    """The connection has ended, after these frames."""


class H2Client:
    """One connection. Nothing is sent but what the test asks for, except the preface, the first SETTINGS
    (`first`) and acknowledgements of the server's SETTINGS."""

    def __init__(self, address, first=b"", preface=PREFACE, begin=True, patience=waiting.PATIENCE,
                 ctx=None):
        self._socket = (ctx or tls.context(alpn=["h2"])).wrap_socket(
            socket.create_connection(address, patience), suppress_ragged_eofs=True)
        assert self._socket.selected_alpn_protocol() == "h2"
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._have = b""
        self.seen = []  # every frame that came, DATA without its content
        self.responses = collections.defaultdict(Response)  # by stream
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        if begin:
            self.send(preface + frame(SETTINGS, payload=first))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def patience(self, seconds):
        self._socket.settimeout(seconds)

    # --- out

    def send(self, data):
        self._socket.sendall(data)

    def send_below_tls(self, data):
        os.write(self._socket.fileno(), data)

    def vanish(self, how):
        """Ends the connection: by a reset, a FIN without close_notify, or with one (close_notify)."""
        raw = socket.socket(fileno=self._socket.detach()) if how != "close_notify" else None
        if how == "reset":
            backends.reset(raw)
        elif how == "fin":
            raw.shutdown(socket.SHUT_WR)
            self._socket = raw  # stays open
        else:
            self._socket.settimeout(0)
            with contextlib.suppress(OSError):
                self._socket.unwrap()

    def frame(self, *arguments, **more):
        self.send(frame(*arguments, **more))

    def block(self, method="GET", path="/", *fields, scheme="https", authority="site.test"):
        """An encoded field section."""
        pseudo = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority)]
        return self.encoder.encode([*(one for one in pseudo if one[1] is not None), *fields])

    def request(self, stream, *arguments, flags=END_STREAM | END_HEADERS, **more):
        self.frame(HEADERS, flags, stream, self.block(*arguments, **more))

    def window(self, stream, increment):
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))

    # --- in

    def next(self):
        """The next frame; Ended at the end."""
        head = self._exactly(9)
        length = int.from_bytes(head[:3], "big")
        came = Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), self._exactly(length))
        self.seen.append(came if came.type != DATA else came._replace(payload=b""))
        if came.type in (HEADERS, DATA, RST_STREAM):
            self._note(came)
        if came.type == SETTINGS and not came.flags & ACK:
            self.frame(SETTINGS, ACK)
        return came

    def wait(self, kind, stream=None):
        """The next frame of this type (and stream)."""
        while True:
            came = self.next()
            if came.type == kind and stream in (None, came.stream):
                return came

    def response(self, stream, grant=True):
        """The whole response on a stream. `grant`: opens the windows as content comes."""
        whole = self.responses[stream]
        while not whole.ended:
            came = self.next()
            if grant and came.type == DATA and came.payload:
                self.window(0, len(came.payload))
                if not came.flags & END_STREAM:
                    self.window(came.stream, len(came.payload))
        if whole.reset is not None:
            raise Ended(f"reset {whole.reset}")
        return whole

    def ask(self, stream, *arguments, **more):
        self.request(stream, *arguments, **more)
        return self.response(stream)

    def error(self):
        """How the server took it: ("goaway", code), ("reset", stream, code) or ("end",), whichever is first."""
        while True:
            try:
                came = self.next()
            except Ended:
                return ("end",)
            if came.type == GOAWAY:
                return ("goaway", code_of(came))
            if came.type == RST_STREAM:
                return ("reset", came.stream, code_of(came))

    def goaway(self):
        """The error code of the GOAWAY that comes, and that nothing but the end follows it."""
        code = code_of(self.wait(GOAWAY))
        self.wait_end()
        return code

    def wait_end(self):
        try:
            while True:
                self.next()
        except Ended:
            return

    def ping(self):
        """Waits until the server has taken everything that was sent."""
        self.frame(PING, payload=b"12345678")
        while True:
            came = self.wait(PING)
            if came.flags & ACK and came.payload == b"12345678":
                return

    def _note(self, came):
        whole = self.responses[came.stream]
        if came.type == HEADERS:
            self._take_fields(whole, came)
        elif came.type == DATA:
            whole.body += came.payload
        else:
            whole.reset = code_of(came) if not whole.ended else whole.reset
        whole.ended = whole.ended or came.type == RST_STREAM or bool(came.flags & END_STREAM)

    def _take_fields(self, whole, came):
        fields = self.decoder.decode(came.payload)
        if whole.status is not None:
            whole.trailers = fields
            return
        status = int(dict(fields)[":status"])
        if status < 200:
            whole.informational.append((status, fields[1:]))
        else:
            whole.status, whole.fields = status, fields[1:]

    def _exactly(self, count):
        while len(self._have) < count:
            try:
                data = self._socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                raise Ended([f.type for f in self.seen[-8:]])
            self._have += data
        data, self._have = self._have[:count], self._have[count:]
        return data


def code_of(came):
    """The error code of a RST_STREAM or GOAWAY frame."""
    at = 4 if came.type == GOAWAY else 0
    return int.from_bytes(came.payload[at:at + 4], "big")
