"""A TLS client over a plain socket, with every step in the test's hand."""

import re
import socket
import ssl
import warnings

from . import waiting

# The tests offer what is old on purpose.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=__name__)


def context(ca=None, *, low=None, high=None, alpn=None, client=None, ciphers=None, groups=None,
            tickets=True):
    """A client's context. `ca`: an Authority to verify the server with; without one nothing is verified.
    Without `tickets` a client of TLS 1.2 comes back with session ids."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python tells OpenSSL to take an end without close_notify for a clean one.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if ca is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(ca.file)
    if low:
        made.minimum_version = low
    if high:
        made.maximum_version = high
    if alpn:
        made.set_alpn_protocols(alpn)
    if client:
        made.load_cert_chain(client.chain, client.key)
    if ciphers:
        made.set_ciphers(ciphers)
    if groups:
        made.set_ecdh_curve(groups)
    if not tickets:
        made.options |= ssl.OP_NO_TICKET
    return made


def context12(ca=None, **more):
    return context(ca, high=ssl.TLSVersion.TLSv1_2, **more)


def context13(ca=None, **more):
    return context(ca, low=ssl.TLSVersion.TLSv1_3, **more)


CONTEXTS = {"TLSv1.2": context12, "TLSv1.3": context13}


class Ended(Exception):
    """The server ended the connection. how: close_notify, truncated, reset, or an alert's OpenSSL name."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Client:
    """One connection. The TLS engine has no socket: what it wants to send is sent here, so a test can
    send half a record, or an alert and nothing else."""

    def __init__(self, address, name="site.test", ctx=None, session=None, before=b"", sock=None,
                 receive_buffer=None):
        self.ctx = ctx or context()
        self.sock = sock or connect(address, receive_buffer)
        if before:
            self.sock.sendall(before)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = self.ctx.wrap_bio(self._in, self._out, server_hostname=name, session=session)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def handshake(self):
        self._step(self.ssl.do_handshake)
        return self

    def send(self, data):
        view = memoryview(data)
        while view:
            written = self._step(self.ssl.write, view[:1 << 20])
            view = view[written:]

    def receive(self, size=65536):
        """Some bytes; raises Ended at the end, however it comes."""
        data = self._step(self.ssl.read, size)
        if not data:
            raise Ended("close_notify")
        return data

    def receive_exactly(self, size):
        data = b""
        while len(data) < size:
            data += self.receive(size - len(data))
        return data

    def receive_line(self):
        data = b""
        while not data.endswith(b"\n"):
            data += self.receive(1)
        return data[:-1].decode()

    def receive_rest(self):
        """(all bytes that still come, how the connection ended)"""
        parts = []
        try:
            while True:
                parts.append(self.receive())
        except Ended as end:
            return b"".join(parts), end.how

    def send_close_notify(self):
        """Ends the client's direction only: reading goes on."""
        try:
            self.ssl.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError):
            pass
        self.flush()

    def flush(self):
        if self._out.pending:
            self.sock.sendall(self._out.read())

    def resumed(self):
        return self.ssl.session_reused

    def session(self):
        """The session to resume: in TLS 1.3 reads until the server's ticket is there, which a round trip
        through an echoing backend guarantees."""
        if self.ssl.version() == "TLSv1.3":
            self.send(b"?")
            self.receive_exactly(1)
        return self.ssl.session

    def close(self):
        self.sock.close()

    def _step(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self._flush_quietly()
                return result
            except ssl.SSLWantReadError:
                self._flush_quietly()
                self._fill()
            except ssl.SSLZeroReturnError:
                raise Ended("close_notify") from None
            except ssl.SSLEOFError:
                raise Ended("truncated") from None
            except ssl.SSLError as error:
                self._flush_quietly()  # our alert
                reason = _reason(error)
                raise Ended("truncated" if reason.startswith("UNEXPECTED_EOF") else reason) from None

    def _fill(self):
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            raise Ended("reset") from None
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _flush_quietly(self):
        """A server that has closed may still have sent an alert: reading tells why, not writing."""
        try:
            self.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass


def _reason(error):
    """OpenSSL's name of an error; Python does not know all of them by name."""
    if error.reason:
        return error.reason
    return re.sub(r"^\[SSL\] | \(_ssl.c:\d+\)$", "", str(error)).upper().replace(" ", "_")


def connect(address, receive_buffer=None):
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(waiting.PATIENCE)
    sock.connect(address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def handshake_failure(address, **more):
    """Why the server refused: an alert's name. Reads after the handshake, for in TLS 1.3 the client has
    finished before the server judges its certificate."""
    with Client(address, **more) as client:
        try:
            client.handshake()
            client.receive()
        except Ended as end:
            return end.how
    raise AssertionError("the handshake was accepted")


def session_of(address, name="site.test", ctx=None):
    """The session of a full handshake, to offer later with the same context."""
    with Client(address, name, ctx).handshake() as client:
        client.send(b"x")  # the backend has accepted, and in TLS 1.3 the ticket has come, with the answer
        client.receive_exactly(1)
        return client.ssl.session


def resumes(address, session, name="site.test", ctx=None):
    """Offers the session; True if the server took it. Bytes pass either way."""
    with Client(address, name, ctx, session).handshake() as client:
        client.send(b"still works")
        assert client.receive_exactly(11) == b"still works"
        return client.resumed()
