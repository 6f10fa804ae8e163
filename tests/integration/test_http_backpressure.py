"""Promise: memory stays flat, whatever is sent to whom: uploads wait for a slow backend, downloads for a slow
client, on HTTP/1.1 and HTTP/2, and every byte arrives. USHER_UPLOAD_MIB sets the size (200)."""

import hashlib
import os
import subprocess
import threading

import pytest

from support import backends, http_backends, http_client, waiting
from support.http_client import HttpClient, request

pytestmark = pytest.mark.alone
MIB = 1 << 20
SIZE = int(os.environ.get("USHER_UPLOAD_MIB", "200")) * MIB // waiting.SLOWNESS
ALLOWED_KIB = 8192  # first use of a protocol included
BLOCK = backends.pattern(MIB)


class Slow:
    """Takes the content block by block, and between the first blocks waits for the test."""

    def __init__(self):
        self.taken, self.go = 0, threading.Event()

    def __call__(self, exchange):
        digest = hashlib.sha256()
        for part in exchange.parts(store=False):
            self.taken += len(part)
            digest.update(part)
            if self.taken > MIB:
                self.go.wait(60)
        exchange.reply(200, digest.hexdigest().encode())


class Peak:
    """The most memory that the proxy has while a block runs, above what it had before."""

    def __init__(self, proxy):
        self._proxy, self._stop = proxy, threading.Event()
        self.kib = 0

    def __enter__(self):
        before = self._proxy.rss_kib()

        def watch():
            while not self._stop.wait(0.02):
                self.kib = max(self.kib, self._proxy.rss_kib() - before)
        self._thread = threading.Thread(target=watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def still(counter):
    """Waits until the counter stands: all buffers between are full."""
    seen = []

    def stands():
        seen.append(counter())
        return len(seen) > 30 and seen[-1] == seen[-30] and seen[-1] > 0
    waiting.until(stands, "the sender to stand still")


def expected(size):
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(BLOCK)
    digest.update(BLOCK[:size % MIB])
    return digest.hexdigest().encode()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_upload_to_a_slow_backend(front, serve, framing):
    slow = Slow()
    proxy = front(serve(http_backends.HttpBackend, slow))
    assert http_client.get(proxy.address()).status == 200  # what is allocated once
    sent = [0]
    with HttpClient(proxy.address()) as client, Peak(proxy) as peak:
        client.sock.settimeout(None)

        def upload():
            if framing == "length":
                client.send(request("PUT", "/", f"Content-Length: {SIZE}"))
            else:
                client.send(request("PUT", "/", "Transfer-Encoding: chunked"))
            while sent[0] < SIZE:
                block = BLOCK[:SIZE - sent[0]]
                client.send(block if framing == "length" else b"%x\r\n%s\r\n" % (len(block), block))
                sent[0] += len(block)
            if framing == "chunks":
                client.send(b"0\r\n\r\n")
        sender = threading.Thread(target=upload, daemon=True)
        sender.start()
        still(lambda: sent[0])
        assert sent[0] < SIZE
        slow.go.set()
        sender.join()
        client.sock.settimeout(waiting.PATIENCE * 3)
        assert client.final().body == expected(SIZE)
    assert peak.kib < waiting.memory_kib(ALLOWED_KIB)


class Source:
    """Sends SIZE bytes as fast as they are taken."""

    def __init__(self, length):
        self.sent, self._length = 0, length

    def __call__(self, exchange):
        exchange.body()
        framing = b"Content-Length: %d" % SIZE if self._length else b"Transfer-Encoding: chunked"
        exchange.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        while self.sent < SIZE:
            block = BLOCK[:SIZE - self.sent]
            exchange.send(block if self._length else b"%x\r\n%s\r\n" % (len(block), block))
            self.sent += len(block)
        if not self._length:
            exchange.send(b"0\r\n\r\n")


@pytest.mark.parametrize("length", [True, False], ids=["length", "chunks"])
def test_download_by_a_slow_client(front, serve, length):
    source = Source(length)
    proxy = front(serve(http_backends.HttpBackend, source))
    with HttpClient(proxy.address(), receive_buffer=65536) as client, Peak(proxy) as peak:
        client.send(request())
        assert client.head().status == 200
        still(lambda: source.sent)
        assert source.sent < SIZE
        digest, count, wanted = hashlib.sha256(), 0, SIZE
        while count < wanted:
            if length:
                data = client.some()
            else:
                data = client.take(int(client.line(), 16))
                assert client.take(2) == b"\r\n"
            count += len(data)
            digest.update(data)
        assert digest.hexdigest().encode() == expected(SIZE)
    assert peak.kib < waiting.memory_kib(ALLOWED_KIB)


def curl(proxy, ca, *arguments, **more):
    return subprocess.Popen(
        ["curl", "-sS", "--http2", "--cacert", ca.file, "--resolve", f"site.test:{proxy.port()}:127.0.0.1",
         *arguments, f"https://site.test:{proxy.port()}/"], stdout=subprocess.PIPE, **more)


def test_http2_upload_to_a_slow_backend(front, serve, ca, tmp_path):
    slow = Slow()
    proxy = front(serve(http_backends.HttpBackend, slow))
    size = SIZE // 4
    path = tmp_path / "blob"
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(BLOCK)
        file.write(BLOCK[:size % MIB])
    with Peak(proxy) as peak:
        uploads = [curl(proxy, ca, "-T", path, "-o", "-")]
        still(lambda: slow.taken)
        assert slow.taken < size
        slow.go.set()
        assert [one.communicate()[0] for one in uploads] == [expected(size)]
    assert peak.kib < waiting.memory_kib(ALLOWED_KIB)


def test_http2_download_by_a_slow_client(front, serve, ca):
    source = Source(True)
    proxy = front(serve(http_backends.HttpBackend, source))
    with Peak(proxy) as peak:
        client = curl(proxy, ca)
        still(lambda: source.sent)
        assert source.sent < SIZE
        digest = hashlib.sha256()
        while data := client.stdout.read(1 << 20):
            digest.update(data)
        client.stdout.close()
        assert client.wait() == 0
    assert digest.hexdigest().encode() == expected(SIZE)
    assert peak.kib < waiting.memory_kib(ALLOWED_KIB)


def test_many_slow_clients(front, serve):
    """Thirty at once: what each costs is bounded, and a quick one is not slowed down."""
    proxy = front(serve(http_backends.HttpBackend, http_backends.by_target(
        {"/big": http_backends.source(BLOCK, 16)})))
    clients = [HttpClient(proxy.address(), receive_buffer=16384) for _ in range(30)]
    with Peak(proxy) as peak:
        for client in clients:
            client.send(request(target="/big"))
        for client in clients:
            assert client.head().status == 200
        assert http_client.get(proxy.address()).status == 200
        proxy.wait_metric("usher_bytes_total", lambda n: n > 30 * 65536, direction="to_client")
    assert peak.kib < waiting.memory_kib(30 * 1024)
    for client in clients:
        client.close()
