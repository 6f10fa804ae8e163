"""Promise: requests go only to servers that are well: active checks take one out after `fall` failures and back
after `rise` successes, a row of failures ejects one for a while, and neither costs a client its idempotent
request, however servers come and go. Requests with the same key go to the same server. With TLS to the backend
the server must prove its name."""

import collections
import ssl
import threading

import pytest

from support import backends, http_backends, http_client, waiting
from support.http_client import HttpClient

FAST = {"interval": "100ms", "timeout": "500ms", "rise": 2, "fall": 2}


class Switched:
    """An HTTP server that the test turns on and off; checks at /health are counted, not answered when sick."""

    def __init__(self, serve, name):
        self.sick, self.checks = False, 0
        self.server = serve(http_backends.HttpBackend, self, name)
        self.address = self.server.address

    def __call__(self, exchange):
        if exchange.request.target == "/health":
            self.checks += 1
            exchange.reply(503 if self.sick else 200)
        else:
            exchange.body()
            exchange.reply(200, self.server.name.encode())


def answered_by(proxy, count, *fields):
    with HttpClient(proxy.address()) as client:
        responses = [client.ask("GET", "/", *fields) for _ in range(count)]
    assert {one.status for one in responses} == {200}
    return collections.Counter(one.body.decode() for one in responses)


def wait_up(proxy, server, up):
    proxy.wait_metric("usher_backend_up", lambda n: n == up, server=server.address)


@pytest.mark.parametrize("workers", [1, 2])
def test_http_checks(front, serve, workers):
    a, b = Switched(serve, "a"), Switched(serve, "b")
    proxy = front(a, b, process={"workers": workers},
                  backend={"health": {"type": "http", "path": "/health", **FAST}})
    wait_up(proxy, a, 1)
    assert set(answered_by(proxy, 10)) == {"a", "b"}
    a.sick = True
    wait_up(proxy, a, 0)
    seen = []

    def only_b():
        seen.append(answered_by(proxy, 4))
        return seen[-1] == {"b": 4}
    waiting.until(only_b, "requests to go to b only")
    a.sick = False
    wait_up(proxy, a, 1)
    waiting.until(lambda: "a" in answered_by(proxy, 4), "requests to go to a again")
    checked = a.server.seen("/health")[0]
    assert (checked.method, bool(checked.field("host"))) == ("GET", True)


def test_checks_run_once_for_all_workers(front, serve):
    a = Switched(serve, "a")
    proxy = front(a, process={"workers": 2},
                  backend={"health": {"type": "http", "path": "/health", "interval": "1h"}})
    waiting.until(lambda: a.checks >= 1, "a check")
    for _ in range(20):  # every worker has begun
        assert http_client.get(proxy.address()).status == 200
    assert a.checks == 1


def test_tcp_checks(front, serve):
    a, b = serve(http_backends.HttpBackend, http_backends.named, "a"), \
        serve(http_backends.HttpBackend, http_backends.named, "b")
    proxy = front(a, b, process={"workers": 1}, backend={"health": {"type": "tcp", **FAST}})
    wait_up(proxy, a, 1)
    a.close()
    wait_up(proxy, a, 0)
    waiting.until(lambda: answered_by(proxy, 4) == {"b": 4}, "requests to go to b only")
    serve(http_backends.HttpBackend, http_backends.named, "a2", port=a.port)
    wait_up(proxy, a, 1)
    waiting.until(lambda: "a2" in answered_by(proxy, 4), "requests to go to the new server")


@pytest.mark.parametrize("sick", ["silent", "closing", "garbage"])
def test_checks_judge_by_the_answer(front, serve, sick):
    answers = {"silent": lambda exchange: exchange.stall(), "closing": http_backends.dying,
               "garbage": http_backends.raw(b"OK\r\n\r\n")}
    server = serve(http_backends.HttpBackend, answers[sick])
    proxy = front(server, backend={"health": {"type": "http", "interval": "100ms", "timeout": "100ms",
                                              "rise": 1, "fall": 2}})
    wait_up(proxy, server, 0)
    assert http_client.get(proxy.address()).status == 503


def test_nobody_is_well(front, serve):
    a = Switched(serve, "a")
    a.sick = True
    proxy = front(a, backend={"health": {"type": "http", "path": "/health", **FAST}})
    wait_up(proxy, a, 0)
    waiting.until(lambda: http_client.get(proxy.address()).status == 503, "a 503")
    a.sick = False
    wait_up(proxy, a, 1)
    waiting.until(lambda: http_client.get(proxy.address()).status == 200, "a 200")


# --- ejection

def test_ejection(front, serve):
    broken = threading.Event()
    broken.set()

    def flaky(exchange):
        if broken.is_set():
            http_backends.dying(exchange)
        else:
            http_backends.named(exchange)
    a, b = serve(http_backends.HttpBackend, flaky, "a"), serve(http_backends.HttpBackend, http_backends.named, "b")
    proxy = front(a, b, process={"workers": 1}, backend={"eject_after": 3, "eject_for": "1h"})
    outcomes = [http_client.get(proxy.address(), method="POST", body=b"x").status for _ in range(20)]
    assert outcomes.count(502) == 3
    assert len(a.requests) == 3
    proxy = front(a, b, process={"workers": 1}, backend={"eject_after": 3, "eject_for": "100ms"})
    for _ in range(20):
        http_client.get(proxy.address(), method="POST", body=b"x")
    broken.clear()
    waiting.until(lambda: "a" in answered_by(proxy, 4), "requests to go to a again")


def test_a_success_starts_the_count_anew(front, serve):
    turn = [0]

    def every_third(exchange):
        turn[0] += 1
        (http_backends.named if turn[0] % 3 == 0 else http_backends.dying)(exchange)
    a = serve(http_backends.HttpBackend, every_third, "a")
    proxy = front(a, process={"workers": 1}, backend={"eject_after": 3, "eject_for": "60s", "pool_idle": 0})
    outcomes = [http_client.get(proxy.address()).status for _ in range(12)]
    assert outcomes == [502, 502, 200] * 4


def test_refusals_eject_without_a_failed_request(front, serve):
    dead, alive = serve(backends.Refused), serve(http_backends.HttpBackend, http_backends.named, "alive")
    proxy = front(dead, alive, process={"workers": 1}, backend={"eject_after": 3, "eject_for": "60s",
                                                                "pool_idle": 0})
    assert answered_by(proxy, 30) == {"alive": 30}
    assert proxy.metrics().total("usher_backend_failures_total", server=dead.address) == 3


# --- up and down under load

@pytest.mark.parametrize("end", ["retire", "close"])
def test_servers_come_and_go_under_load(front, serve, end):
    """Four clients ask all the time while one server after the other ends, in good order or all at once, and
    comes back."""
    names = ["a", "b", "c"]
    servers = {name: serve(http_backends.HttpBackend, http_backends.named, name) for name in names}
    ports = {name: server.port for name, server in servers.items()}
    proxy = front(*servers.values(), process={"workers": 2}, backend={
        "eject_for": "100ms", "health": {"type": "tcp", **FAST}})
    stop, failures, asked = threading.Event(), [], [0] * 4

    def load(number):
        with HttpClient(proxy.address()) as client:
            while not stop.is_set():
                response = client.ask(("GET", "PUT", "HEAD", "DELETE")[asked[number] % 4])
                asked[number] += 1
                if response.status != 200:
                    failures.append(response)

    def guarded(number):
        try:
            load(number)
        except BaseException as error:
            failures.append(repr(error))
    threads = [threading.Thread(target=guarded, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for name in names * 3:
        getattr(servers[name], end)()
        done = sum(asked)
        waiting.until(lambda: sum(asked) > done + 40 or failures, "requests without it")
        servers[name] = serve(http_backends.HttpBackend, http_backends.named, name, port=ports[name])
        waiting.until(lambda: servers[name].requests or failures, "requests to go to it again")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


# --- hashing

def test_same_header_same_server(front, serve):
    servers = [serve(http_backends.HttpBackend, http_backends.named, name) for name in "abcd"]
    proxy = front(*servers, backend={"balance": "hash:header:X-Key", "eject_after": 1, "eject_for": "60s"})

    def who():
        return {key: http_client.get(proxy.address(), "/", f"X-Key: user-{key}").body for key in range(40)}
    first = who()
    assert who() == first  # also across workers
    assert len(set(first.values())) == 4
    servers[0].close()
    second = who()
    assert b"a" not in second.values()
    assert all(second[key] == name for key, name in first.items() if name != b"a")


def test_same_client_same_server(front, serve):
    servers = [serve(http_backends.HttpBackend, http_backends.named, name) for name in "abcd"]
    proxy = front(*servers, backend={"balance": "hash:client"})
    assert len({http_client.get(proxy.address()).body for _ in range(12)}) == 1


def test_slow_start(front, serve):
    """A server that has come back gets less than its part for a while."""
    a, b = Switched(serve, "a"), Switched(serve, "b")
    proxy = front(a, b, process={"workers": 1}, backend={
        "slow_start": "60s", "health": {"type": "http", "path": "/health", **FAST}})
    a.sick = True
    waiting.until(lambda: answered_by(proxy, 4) == {"b": 4}, "requests to go to b only")
    a.sick = False
    waiting.until(lambda: "a" in answered_by(proxy, 20), "requests to go to a again")
    assert answered_by(proxy, 100)["a"] < 35


# --- TLS to the backend

@pytest.fixture
def secured(serve, ca):
    """secured(name) → an HTTPS server with a certificate of the site's authority for this name."""
    def begin(*names, ca=ca, alpn=None):
        issued = ca.server(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.chain, issued.key)
        return serve(http_backends.TlsHttpBackend, context, name="secured")
    return begin


def test_tls_to_the_backend(front, secured, ca):
    backend = secured("app.test")
    proxy = front(backend, process={"workers": 1},
                  backend={"tls": True, "tls_ca": ca.file, "tls_server_name": "app.test"})
    with HttpClient(proxy.address()) as client:
        for size in (0, 1, 100_000, 3_000_000):
            body = backends.pattern(size)
            assert client.ask("POST", "/", body=body).body.endswith(b"\r\n\r\n" + body)
    assert set(backend.names) == {"app.test"}
    assert len({one.connection for one in backend.requests}) == 1


def test_name_of_the_server_itself(front, secured, ca):
    backend = secured("localhost")
    proxy = front(f"localhost:{backend.port}", backend={"tls": True, "tls_ca": ca.file})
    assert http_client.get(proxy.address()).status == 200
    assert set(backend.names) == {"localhost"}


def test_address_of_the_server_itself(front, secured, ca):
    backend = secured("127.0.0.1")
    proxy = front(backend, backend={"tls": True, "tls_ca": ca.file})
    assert http_client.get(proxy.address()).status == 200


@pytest.mark.parametrize("wrong", ["name", "authority", "none"])
def test_server_that_is_not_who_it_should_be(front, secured, ca, client_ca, wrong):
    backend = secured("evil.test" if wrong == "name" else "app.test")
    proxy = front(backend, process={"workers": 1}, backend={
        "tls": True, "tls_server_name": "app.test", "eject_after": 0,
        "tls_ca": {"name": ca.file, "authority": client_ca.file, "none": None}[wrong]})
    response = http_client.get(proxy.address())
    assert response.status == 502
    assert backend.requests == []
    proxy.wait_metric("usher_backend_failures_total", server=backend.address, reason="tls")


def test_unverified_on_request(front, secured):
    backend = secured("evil.test")
    proxy = front(backend, backend={"tls": True, "tls_verify": False})
    assert http_client.get(proxy.address()).status == 200


def test_plain_server_where_tls_is_expected(front, serve, ca):
    backend = serve(http_backends.HttpBackend)
    proxy = front(backend, backend={"tls": True, "tls_ca": ca.file, "tls_server_name": "app.test",
                                    "first_byte_timeout": "1s", "connect_timeout": "1s"})
    assert http_client.get(proxy.address()).status in (502, 504)


def test_health_checks_speak_tls(front, secured, ca):
    good, evil = secured("app.test"), secured("evil.test")
    proxy = front(good, evil, backend={"tls": True, "tls_ca": ca.file, "tls_server_name": "app.test",
                                       "health": {"type": "http", **FAST}})
    wait_up(proxy, evil, 0)
    wait_up(proxy, good, 1)
    waiting.until(lambda: http_client.get(proxy.address()).status == 200, "the good server to answer")


def test_truncated_tls_is_not_whole(front, serve, ca, secured):
    """Without close_notify a response that lasts until the end of the connection may have been cut."""
    backend = secured("app.test")
    backend.answer = http_backends.raw(b"HTTP/1.1 200 OK\r\n\r\nhello")  # closed without close_notify
    proxy = front(backend, backend={"tls": True, "tls_ca": ca.file, "tls_server_name": "app.test"})
    with HttpClient(proxy.address()) as client:
        with pytest.raises(http_client.Cut):
            client.ask()
