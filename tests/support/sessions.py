"""Sessions of a client as values: their ticket or id can be read, replaced, and offered again as often as
wanted."""

import base64
import time

from . import libssl

VERSIONS = {"TLSv1.2": libssl.TLS12, "TLSv1.3": libssl.TLS13}

# OpenSSL's SSL_SESSION (ssl/ssl_asn1.c): fields behind the fifth have an explicit context tag.
_ID, _MASTER_SECRET = 3, 4
_TIME, _LIFETIME_HINT, _TICKET = 1, 9, 10


class Session:
    """What a client keeps after a handshake; never changed, with_…() makes another one."""

    def __init__(self, der, version):
        self.version = version
        self._fields = _elements(_elements(der)[0][1])

    @property
    def der(self):
        return _element(0x30, b"".join(_element(tag, body) for tag, body in self._fields))

    @property
    def pem(self):
        """As `openssl s_client -sess_out` writes it."""
        return ("-----BEGIN SSL SESSION PARAMETERS-----\n" + base64.encodebytes(self.der).decode()
                + "-----END SSL SESSION PARAMETERS-----\n")

    @property
    def ticket(self):
        """b"" if it has none."""
        body = self._field(_TICKET)
        return _elements(body)[0][1] if body else b""

    @property
    def id(self):
        """What the server chose for it in TLS 1.2; a client with a ticket chooses it itself."""
        return self._fields[_ID][1]

    @property
    def secret(self):
        """The master secret; in TLS 1.3 the key of the ticket (PSK)."""
        return self._fields[_MASTER_SECRET][1]

    @property
    def lifetime(self):
        """Seconds that the server has promised (ticket_lifetime_hint)."""
        return self._number(_LIFETIME_HINT)

    def with_ticket(self, ticket):
        return self._with(_TICKET, _element(0x04, ticket))

    def with_id(self, session_id):
        other = Session(self.der, self.version)
        other._fields[_ID] = (0x04, session_id)
        return other

    def as_if_new(self):
        """OpenSSL's client does not offer in TLS 1.3 what it holds expired, or of the future, by its time(),
        which lags behind the clock a little: for it this one is a second old and good for an hour."""
        return self._with(_TIME, _integer(int(time.time()) - 1))._with(_LIFETIME_HINT, _integer(3600))

    def _field(self, number):
        return dict(self._fields).get(0xA0 + number)

    def _number(self, number):
        body = self._field(number)
        return int.from_bytes(_elements(body)[0][1], "big") if body else 0

    def _with(self, number, body):
        other = Session(self.der, self.version)
        fields = {**dict(other._fields[5:]), 0xA0 + number: body}
        other._fields = other._fields[:5] + sorted(fields.items())
        return other


def begin(address, version="TLSv1.3", name="site.test", session=None, suites=None, tickets=True):
    """A connection that has offered `session`, and one exchange: (resumed, the session now). Without
    `tickets` the client of TLS 1.2 knows none of them."""
    with libssl.LibsslClient(address, name and name.encode(), VERSIONS[version],
                             session=session.der if session else None, suites=suites,
                             tickets=tickets) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")  # an echo answers too; in TLS 1.3 the ticket comes first
        client.receive(1)
        return client.resumed(), Session(client.session(), version)


def full(address, version="TLSv1.3", name="site.test", tickets=True):
    """The session of a full handshake."""
    resumed, session = begin(address, version, name, tickets=tickets)
    assert not resumed
    return session


def resumes(address, session, name="site.test", tickets=True):
    """Offers the session; True if the server took it. Bytes pass either way."""
    return begin(address, session.version, name, session, tickets=tickets)[0]


def _elements(der):
    """[(tag, body)] of DER with one-byte tags."""
    found = []
    while der:
        size, at = der[1], 2
        if size & 0x80:
            at += size & 0x7F
            size = int.from_bytes(der[2:at], "big")
        found.append((der[0], der[at:at + size]))
        der = der[at + size:]
    return found


def _element(tag, body):
    size = len(body).to_bytes(4, "big").lstrip(b"\0")
    head = bytes([len(body)]) if len(body) < 0x80 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + body


def _integer(value):
    return _element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
