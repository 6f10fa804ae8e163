"""Hand-made TLS bytes: hellos that no library would send, and a reader of records and alerts."""

import os
import socket
import struct

ALERTS = {0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
          40: "handshake_failure", 42: "bad_certificate", 47: "illegal_parameter", 50: "decode_error",
          70: "protocol_version", 80: "internal_error", 109: "missing_extension",
          120: "no_application_protocol"}


def record(kind, payload, version=0x0301):
    return struct.pack(">BHH", kind, version, len(payload)) + payload


def extension(number, body):
    return struct.pack(">HH", number, len(body)) + body


def server_name(name):
    raw = name.encode() if isinstance(name, str) else name
    return extension(0, struct.pack(">HBH", len(raw) + 3, 0, len(raw)) + raw)


def usual_extensions(name="site.test"):
    """The name, X25519 and P-256, uncompressed points, ECDSA and RSA with SHA-256."""
    return (server_name(name) + extension(10, b"\x00\x04\x00\x1d\x00\x17") + extension(11, b"\x01\x00")
            + extension(13, b"\x00\x06\x04\x03\x08\x04\x04\x01"))


def hello_body(version=0x0303, suites=(0xC02B, 0xC02F, 0x002F), extensions=None, session_id=b""):
    """A ClientHello's handshake message (RFC 5246 §7.4.1.2)."""
    if extensions is None:
        extensions = usual_extensions()
    body = struct.pack(">H", version) + os.urandom(32) + bytes([len(session_id)]) + session_id
    body += struct.pack(">H", 2 * len(suites)) + b"".join(struct.pack(">H", s) for s in suites)
    body += b"\x01\x00" + struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def read_records(sock, enough=lambda records: False):
    """[(type, payload)] until the connection ends or enough(records)."""
    data, records = b"", []
    while True:
        while len(data) >= 5 and len(data) >= 5 + struct.unpack(">H", data[3:5])[0]:
            size = struct.unpack(">H", data[3:5])[0]
            records.append((data[0], data[5:5 + size]))
            data = data[5 + size:]
            if enough(records):
                return records
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            return records
        if not part:
            return records
        data += part


def alert_after(sock):
    """The name of the alert that the server sends before it ends the connection; None if it sends none."""
    for kind, payload in read_records(sock):
        if kind == 21 and len(payload) == 2:
            return ALERTS.get(payload[1], payload[1])
    return None


def ended(sock):
    """Waits until the server has ended the connection; fails with a timeout if it does not."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def send_quietly(sock, data):
    """Sends what the server still takes; False once it has closed."""
    try:
        sock.sendall(data)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False
    except socket.timeout:
        return False
