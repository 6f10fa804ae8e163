"""What Python's ssl module does not offer: KeyUpdate, renegotiation, max fragment length, sessions whose
bytes can be read and changed. A few calls of libssl itself, on a blocking socket."""

import ctypes

from .tls import Ended, connect

_SSL = ctypes.CDLL("libssl.so.3")
_CRYPTO = ctypes.CDLL("libcrypto.so.3")
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "SSL_get_session", "SSL_get1_session",
              "d2i_SSL_SESSION"):
    getattr(_SSL, _name).restype = ctypes.c_void_p
_CRYPTO.ERR_reason_error_string.restype = ctypes.c_char_p
_CRYPTO.ERR_get_error.restype = ctypes.c_ulong
_CRYPTO.ERR_reason_error_string.argtypes = [ctypes.c_ulong]

_CTRL_SET_HOSTNAME, _CTRL_SET_MIN, _CTRL_SET_MAX = 55, 123, 124
TLS12, TLS13 = 0x0303, 0x0304
_OP_NO_TICKET = 1 << 14
_KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED = 0, 1


class LibsslClient:
    """A connected client, which has offered `session` (DER, as of session()). Fails with Ended carrying
    OpenSSL's reason."""

    def __init__(self, address, name=b"site.test", version=TLS13, fragment=0, session=None,
                 suites=None, tickets=True):
        self.sock = connect(address)
        self.sock.setblocking(True)
        self._ctx = ctypes.c_void_p(_SSL.SSL_CTX_new(ctypes.c_void_p(_SSL.TLS_client_method())))
        _SSL.SSL_CTX_ctrl(self._ctx, _CTRL_SET_MIN, ctypes.c_long(version), None)
        _SSL.SSL_CTX_ctrl(self._ctx, _CTRL_SET_MAX, ctypes.c_long(version), None)
        if not tickets:  # of TLS 1.2
            _SSL.SSL_CTX_set_options(self._ctx, ctypes.c_uint64(_OP_NO_TICKET))
        if suites:  # of TLS 1.3, in the client's order
            assert _SSL.SSL_CTX_set_ciphersuites(self._ctx, suites.encode()) == 1
        self._ssl = ctypes.c_void_p(_SSL.SSL_new(self._ctx))
        if name:
            _SSL.SSL_ctrl(self._ssl, _CTRL_SET_HOSTNAME, ctypes.c_long(0), ctypes.c_char_p(name))
        if fragment:  # RFC 6066 §4: 1 is 2^9 … 4 is 2^12
            assert _SSL.SSL_set_tlsext_max_fragment_length(self._ssl, ctypes.c_uint8(fragment)) == 1
        if session:
            self._offer(session)
        _SSL.SSL_set_fd(self._ssl, self.sock.fileno())
        self._must(_SSL.SSL_connect(self._ssl))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _SSL.SSL_free(self._ssl)
        _SSL.SSL_CTX_free(self._ctx)
        self.sock.close()

    def key_update(self, kind=KEY_UPDATE_REQUESTED):
        self._must(_SSL.SSL_key_update(self._ssl, kind))
        self._must(_SSL.SSL_do_handshake(self._ssl))

    def renegotiate(self):
        """Sends a ClientHello on the connection; the server's answer comes with the next read."""
        self._must(_SSL.SSL_renegotiate(self._ssl))
        self._must(_SSL.SSL_do_handshake(self._ssl))

    def send(self, data):
        self._must(_SSL.SSL_write(self._ssl, data, len(data)))

    def receive(self, size):
        room = ctypes.create_string_buffer(size)
        count = self._must(_SSL.SSL_read(self._ssl, room, size))
        return room.raw[:count]

    def resumed(self):
        return _SSL.SSL_session_reused(self._ssl) == 1

    def session(self):
        """SSL_SESSION's DER; in TLS 1.3 it has a ticket only after something was received behind it."""
        session = ctypes.c_void_p(_SSL.SSL_get_session(self._ssl))
        der = ctypes.create_string_buffer(_SSL.i2d_SSL_SESSION(session, None))
        _SSL.i2d_SSL_SESSION(session, ctypes.byref(ctypes.c_void_p(ctypes.addressof(der))))
        return der.raw

    def _offer(self, der):
        buffer = ctypes.create_string_buffer(der, len(der))
        at = ctypes.c_void_p(ctypes.addressof(buffer))
        session = ctypes.c_void_p(_SSL.d2i_SSL_SESSION(None, ctypes.byref(at), ctypes.c_long(len(der))))
        self._must(_SSL.SSL_set_session(self._ssl, session))
        _SSL.SSL_SESSION_free(session)

    def _must(self, result):
        if result > 0:
            return result
        code = _CRYPTO.ERR_get_error()
        reason = _CRYPTO.ERR_reason_error_string(code) if code else None
        raise Ended(reason.decode() if reason else "closed")
