"""Promise: backends' connections are used again, never for two requests at once; no more are kept than
pool_idle, none longer than pool_idle_timeout, and none is opened beyond max_connections: who comes then waits
in a bounded queue, in order, or gets a 503."""

import contextlib
import threading

import pytest

from support import backends, http_backends, http_client, waiting
from support.http_client import HttpClient, request


@pytest.fixture
def pool(front, serve):
    """pool(answer, …) → (proxy, backend) with one worker."""
    def begin(answer=None, **more):
        backend = serve(http_backends.HttpBackend, answer)
        return front(backend, process={"workers": 1}, backend=more), backend
    return begin


class Gate:
    """An answer that waits until the test opens; counts who is inside."""

    def __init__(self):
        self.open, self.inside = threading.Event(), 0
        self._lock = threading.Lock()

    def __call__(self, exchange):
        exchange.body()
        if exchange.request.target.startswith("/held"):
            with self._lock:
                self.inside += 1
            self.open.wait(60)
            with self._lock:
                self.inside -= 1
        exchange.reply(200, exchange.request.target.encode())

    def wait_inside(self, count):
        waiting.until(lambda: self.inside == count, f"{count} requests at the backend")


def held(proxy, *targets):
    """A client for each, whose request has been sent."""
    clients = [HttpClient(proxy.address()) for _ in targets]
    for client, target in zip(clients, targets):
        client.send(request(target=target))
    return clients


def answers(clients):
    outcomes = [client.final() for client in clients]
    for client in clients:
        client.close()
    return [(one.status, one.body.decode()) for one in outcomes]


def test_one_connection_for_many_clients(pool):
    proxy, backend = pool()
    for _ in range(10):
        with HttpClient(proxy.address()) as client:
            for method in ("GET", "POST", "HEAD"):
                assert client.ask(method, "/", body=b"x" if method == "POST" else None).status == 200
    assert (len(backend.requests), backend.connections) == (30, 1)


def test_as_many_as_run_at_once(pool):
    gate = Gate()
    proxy, backend = pool(gate)
    clients = held(proxy, *[f"/held/{n}" for n in range(8)])
    gate.wait_inside(8)
    proxy.wait_metric("usher_backend_connections", lambda n: n == 8, server=backend.address)
    gate.open.set()
    assert answers(clients) == [(200, f"/held/{n}") for n in range(8)]
    assert len({one.connection for one in backend.requests}) == 8
    assert answers(held(proxy, *["/x"] * 8)) == [(200, "/x")] * 8
    assert backend.connections == 8


def test_no_more_idle_ones_than_wanted(pool):
    gate = Gate()
    proxy, backend = pool(gate, pool_idle=2)
    clients = held(proxy, *["/held"] * 6)
    gate.wait_inside(6)
    gate.open.set()
    answers(clients)
    waiting.until(lambda: backend.open_connections() == 2, "two idle connections")
    proxy.wait_metric("usher_backend_connections", lambda n: n == 2, server=backend.address)


def test_none_kept(pool):
    proxy, backend = pool(pool_idle=0)
    with HttpClient(proxy.address()) as client:
        for _ in range(5):
            assert client.ask().status == 200
    assert backend.connections == 5
    waiting.until(lambda: backend.open_connections() == 0, "no idle connection")


def test_idle_ones_end(pool):
    proxy, backend = pool(pool_idle_timeout="200ms")
    with HttpClient(proxy.address()) as client:
        assert client.ask().status == 200
        waiting.until(lambda: backend.open_connections() == 0, "the end of the idle connection")
        assert client.ask().status == 200
    assert backend.connections == 2


@pytest.mark.parametrize("answer", [
    http_backends.reply(200, b"x", "Connection: close"), http_backends.raw(b"HTTP/1.1 200 OK\r\n\r\nx"),
    http_backends.raw(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx")], ids=["close", "until-close", "1.0"])
def test_what_the_server_ends_is_not_kept(pool, answer):
    proxy, backend = pool(answer)
    with HttpClient(proxy.address()) as client:
        for _ in range(4):
            assert client.ask("POST", body=b"y").body == b"x"
    assert backend.connections == 4


def test_limit_without_a_queue(pool):
    gate = Gate()
    proxy, backend = pool(gate, max_connections=2)
    clients = held(proxy, "/held/1", "/held/2")
    gate.wait_inside(2)
    refused = http_client.get(proxy.address(), "/3")
    assert (refused.status, refused.field("retry-after")) == (503, "1")
    gate.open.set()
    assert answers(clients) == [(200, "/held/1"), (200, "/held/2")]
    assert http_client.get(proxy.address(), "/4").status == 200
    assert backend.connections == 2


def test_limit_with_a_queue(pool):
    """Who waits is served in turn; who finds the queue full is refused; who goes away is forgotten."""
    gate = Gate()
    proxy, backend = pool(gate, max_connections=1, queue=3)
    first = held(proxy, "/held/1")
    gate.wait_inside(1)
    waiters = []
    for target in ("/2", "/gone", "/3"):
        waiters += held(proxy, target)
        proxy.wait_metric("usher_connections", lambda n: n == 1 + len(waiters), phase="relaying")
    refused = http_client.get(proxy.address(), "/late")
    assert refused.status == 503
    waiters.pop(1).close()
    proxy.wait_metric("usher_connections", lambda n: n == 3, phase="relaying")
    gate.open.set()
    assert answers(first + waiters) == [(200, "/held/1"), (200, "/2"), (200, "/3")]
    assert [one.target for one in backend.requests] == ["/held/1", "/2", "/3"]
    assert backend.connections == 1


def test_waiting_has_an_end(pool):
    gate = Gate()
    proxy, _ = pool(gate, max_connections=1, queue=3, connect_timeout="300ms")
    first = held(proxy, "/held")
    gate.wait_inside(1)
    assert http_client.get(proxy.address()).status == 503
    gate.open.set()
    assert answers(first) == [(200, "/held")]


def test_waiting_has_an_end_though_it_is_woken_in_vain(front, serve):
    """Each newcomer wakes who waits first: one server seems to have room, but that one has refused it already."""
    gate = Gate()
    proxy = front(serve(http_backends.HttpBackend, gate), serve(backends.Refused), process={"workers": 1},
                  backend={"max_connections": 1, "queue": 1000, "connect_timeout": "1s", "eject_after": 0})
    first = held(proxy, "/held")
    gate.wait_inside(1)
    with HttpClient(proxy.address()) as client, contextlib.ExitStack() as others:
        client.send(request())
        client.sock.settimeout(0.05)
        for _ in range(20 * waiting.PATIENCE):
            try:
                assert client.final().status == 503
                break
            except TimeoutError:
                others.enter_context(HttpClient(proxy.address())).send(request(target="/other"))
        else:
            raise AssertionError("it waits for ever")
    gate.open.set()
    assert answers(first) == [(200, "/held")]


def test_limit_is_shared_by_the_workers(front, serve):
    """Each worker has its part of it, rounded up."""
    gate = Gate()
    backend = serve(http_backends.HttpBackend, gate)
    proxy = front(backend, backend={"max_connections": 4, "queue": 100})  # two workers
    clients = held(proxy, *["/held"] * 24)
    waiting.until(lambda: gate.inside >= 2, "requests at the backend")
    proxy.wait_metric("usher_connections", lambda n: n == 24, phase="relaying")
    assert gate.inside <= 4
    gate.open.set()
    assert answers(clients) == [(200, "/held")] * 24
    assert backend.connections <= 4


def test_reload_keeps_running_requests(pool):
    gate = Gate()
    proxy, backend = pool(gate)
    clients = held(proxy, "/held/1")
    gate.wait_inside(1)
    text = proxy.path.read_text().replace('name = "app"', 'name = "app"\npool_idle = 1')
    assert proxy.reload(text)
    assert http_client.get(proxy.address(), "/2").status == 200
    gate.open.set()
    assert answers(clients) == [(200, "/held/1")]
