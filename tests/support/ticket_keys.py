"""Session-ticket keys in the key files of nginx and HAProxy, which order the same bytes differently, and as
`usherctl keys export --format usher` writes them."""

import base64
import os
import pathlib
import typing


class TicketKey:
    """name 16 | AES | HMAC: 80 bytes with 32 each, 48 bytes with 16 each."""

    def __init__(self, size=80):
        half = (size - 16) // 2
        self.name, self.aes, self.hmac = os.urandom(16), os.urandom(half), os.urandom(half)

    def nginx(self):
        """ngx_ssl_session_ticket_keys: the HMAC key comes first in 80 bytes, the AES key in 48."""
        large = len(self.aes) == 32
        return self.name + (self.hmac + self.aes if large else self.aes + self.hmac)

    def haproxy(self):
        """A line of `tls-ticket-keys`."""
        return base64.b64encode(self.name + self.aes + self.hmac) + b"\n"


def nginx_files(directory, keys, stem="nginx"):
    """One file a key; the first seals."""
    paths = [pathlib.Path(directory) / f"{stem}-{at}.key" for at in range(len(keys))]
    for path, key in zip(paths, keys):
        replace(path, key.nginx())
    return paths


def haproxy_file(path, keys):
    """One line a key, oldest first; the last but one seals, the last is the next."""
    return replace(path, b"".join(key.haproxy() for key in keys))


def replace(path, data, mode=0o600):
    """Another file in its place at one stroke, as whoever rotates such files does it."""
    path = pathlib.Path(path)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.chmod(mode)
    beside.rename(path)
    return path


class ExportedKey(typing.NamedTuple):
    name: bytes
    epoch: int
    state: str
    age: float  # seconds
    aes: bytes
    hmac: bytes


def exported(path):
    """The keys of an export of Usher's, in its order: next, current, previous."""
    keys = []
    for line in pathlib.Path(path).read_text().splitlines():
        kind, *fields = line.split(" ")
        if kind == "key":
            name, epoch, state, age, pair = fields
            secret = base64.b64decode(pair)
            keys.append(ExportedKey(bytes.fromhex(name), int(epoch), state, int(age) / 1000,
                                    secret[:32], secret[32:]))
    return keys
