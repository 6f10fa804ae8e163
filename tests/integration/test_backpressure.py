"""Promise: a slow reader costs no memory: reading from the fast side stops at the byte limit and goes on
when the slow side has taken what is there, in both directions, and every byte arrives."""

import hashlib
import threading

import pytest

from support import backends, libssl, tls, usher, waiting

pytestmark = pytest.mark.alone
MIB = 1 << 20
MANY = 300 * MIB // waiting.SLOWNESS
ALLOWED_KIB = 4096  # per connection: two flows' limits, socket buffers are the kernel's


def settle(proxy, counter):
    """Waits until the backend's source stands still: all buffers between are full."""
    seen = []

    def still():
        seen.append(counter())
        return len(seen) > 30 and seen[-1] == seen[-30] and seen[-1] > 0
    waiting.until(still, "the source to stand still")


def test_client_that_does_not_read(start, serve, site):
    source = serve(backends.Source, MANY)
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(source)]))
    with tls.Client(proxy.address(), receive_buffer=65536).handshake() as client:
        client.receive(1)
        before = proxy.rss_kib()
        settle(proxy, lambda: source.sent)
        assert source.sent < 64 * MIB
        assert proxy.rss_kib() - before < waiting.memory_kib(ALLOWED_KIB)
        digest, count = hashlib.sha256(), 1
        most = 0
        try:
            while count < MANY:
                data = client.receive(1 << 18)
                digest.update(data)
                count += len(data)
                if count % (32 * MIB) < len(data):
                    most = max(most, proxy.rss_kib())
        except tls.Ended:
            pass
        assert count == MANY
        assert most - before < waiting.memory_kib(ALLOWED_KIB)
    expected = hashlib.sha256()
    block = backends.pattern(MIB)
    expected.update(block[1:])
    for _ in range(MANY // MIB - 1):
        expected.update(block)
    expected.update(block[:MANY % MIB])
    assert digest.digest() == expected.digest()


def test_backend_that_does_not_read(start, serve, site):
    backend = serve()
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(backend)]))
    size = 64 * MIB
    with tls.Client(proxy.address()).handshake() as client:
        server = backend.accept()
        sent = [0]

        def upload():
            block = bytes(MIB // 4)
            while sent[0] < size:
                client.send(block)
                sent[0] += len(block)
            client.send_close_notify()
        client.sock.settimeout(None)
        sender = threading.Thread(target=upload, daemon=True)
        before = proxy.rss_kib()
        sender.start()
        settle(proxy, lambda: sent[0])
        assert sent[0] < size
        assert proxy.rss_kib() - before < waiting.memory_kib(ALLOWED_KIB)
        assert len(backends.read_all(server)) == size
        sender.join()
        server.close()
    proxy.wait_metric("usher_bytes_total", lambda n: n == size, direction="to_backend")


def test_many_slow_readers(start, serve, site):
    """Twenty at once: what each costs stays bounded, and they do not slow down a quick one."""
    source = serve(backends.Source, 16 * MIB)
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(source)]))
    before = proxy.rss_kib()
    slow = [tls.Client(proxy.address(), receive_buffer=16384).handshake() for _ in range(20)]
    for client in slow:
        client.receive(1)
    settle(proxy, lambda: source.sent)
    assert proxy.rss_kib() - before < waiting.memory_kib(20 * 1024)
    with tls.Client(proxy.address()).handshake() as quick:
        data, how = quick.receive_rest()
    assert (len(data), how) == (16 * MIB, "close_notify")
    for client in slow:
        client.close()


def test_key_updates_of_a_client_that_does_not_read(start, serve, site):
    """Each asks for an answer: they are bounded by number (see test_hostile_clients) and by bytes."""
    source = serve(backends.Source, 16 * MIB)
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(source)]))
    with libssl.LibsslClient(proxy.address()) as client:
        client.receive(1)
        settle(proxy, lambda: source.sent)
        before = proxy.rss_kib()
        for _ in range(60):
            client.key_update()
            client.send(b"x")
        proxy.wait_metric("usher_connections", lambda n: n == 1, phase="relaying")
        assert proxy.rss_kib() - before < waiting.memory_kib(1024)
