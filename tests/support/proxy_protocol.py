"""The PROXY protocol (haproxy's proxy-protocol.txt): writing headers and reading them back."""

import socket
import struct

from .backends import read_exactly

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
ALPN, AUTHORITY, UNIQUE_ID, SSL = 0x01, 0x02, 0x05, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23
CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS = 1, 2, 4


def v1(source="192.0.2.7", source_port=4321, destination="192.0.2.1", port=443):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {port}\r\n".encode()


def v2(source="192.0.2.7", source_port=4321, destination="192.0.2.1", port=443, local=False, tlvs=b""):
    if local:
        return SIGNATURE + bytes([0x20, 0x00]) + struct.pack(">H", len(tlvs)) + tlvs
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = (socket.inet_pton(family, source) + socket.inet_pton(family, destination)
            + struct.pack(">HH", source_port, port) + tlvs)
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([0x21, kind]) + struct.pack(">H", len(body)) + body


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def read_v1(connection):
    """[PROXY, TCP4, source, destination, source port, destination port]"""
    line = b""
    while not line.endswith(b"\r\n"):
        line += read_exactly(connection, 1)
        assert len(line) <= 107, line
    return line.decode().split()


class V2Header:
    """A v2 header as a backend reads it."""

    def __init__(self, connection):
        start = read_exactly(connection, 16)
        assert start[:12] == SIGNATURE, start
        self.command, kind = start[12], start[13]
        body = read_exactly(connection, struct.unpack(">H", start[14:])[0])
        family, size = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}.get(kind, (None, 0))
        self.source = self.destination = None
        if family is not None:
            ports = struct.unpack(">HH", body[2 * size:2 * size + 4])
            self.source = (socket.inet_ntop(family, body[:size]), ports[0])
            self.destination = (socket.inet_ntop(family, body[size:2 * size]), ports[1])
            body = body[2 * size + 4:]
        self.tlvs = tlvs(body)
        ssl = self.tlvs.get(SSL)
        self.ssl_client, self.ssl_verify, self.ssl_tlvs = None, None, {}
        if ssl:
            self.ssl_client, self.ssl_verify = struct.unpack(">BI", ssl[:5])
            self.ssl_tlvs = tlvs(ssl[5:])


def tlvs(data):
    found = {}
    while data:
        kind, size = struct.unpack(">BH", data[:3])
        found[kind] = data[3:3 + size]
        data = data[3 + size:]
    return found
