"""Fixtures: a public key infrastructure, backends and running proxies, all ended with the test."""

import fcntl
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import backends, certificates, keyd, push_client, ticket_keys, usher  # noqa: E402
from support import redis as redis_server  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time or memory; nothing else runs beside it")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.fixture(autouse=True)
def company(request, tmp_path_factory, worker_id):
    """Tests run side by side in several processes; one that is marked `alone` waits for the others."""
    if worker_id == "master":  # there is one process only
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    with open(tmp_path_factory.getbasetemp().parent / "company.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture(scope="session")
def pki_root(tmp_path_factory):
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="session")
def ca(pki_root):
    """The authority that the site's certificates come from."""
    return certificates.Authority(pki_root / "site", "site-ca")


@pytest.fixture(scope="session")
def client_ca(pki_root):
    """The authority that clients' certificates come from."""
    return certificates.Authority(pki_root / "clients", "client-ca")


@pytest.fixture(scope="session")
def site(ca):
    """An ECDSA certificate for site.test."""
    return ca.server("site.test")


@pytest.fixture
def start(tmp_path):
    """start(config, …) → a running Usher that is ready. At the end of the test each must exit cleanly."""
    running = []

    def begin(config, ready=True, **more):
        directory = tmp_path / f"usher-{len(running)}"
        directory.mkdir()
        directory.chmod(0o755)
        proxy = usher.Usher(directory, config, **more)
        running.append(proxy)
        return proxy.wait_ready() if ready else proxy
    yield begin
    try:
        for proxy in running:
            proxy.end()
    finally:
        for proxy in running:
            proxy.kill()


@pytest.fixture
def serve():
    """serve(backends.Echo, …) → a backend that is closed with the test."""
    opened = []

    def begin(kind=backends.Backend, *arguments, **more):
        opened.append(kind(*arguments, **more))
        return opened[-1]
    yield begin
    for backend in opened:
        backend.close()


@pytest.fixture
def echo(serve):
    return serve(backends.Echo)


@pytest.fixture
def simple(start, site, echo):
    """simple(listener={…}, backend={…}, tls={…}, …) → Usher for site.test in front of an echoing backend."""
    def begin(listener=None, backend=None, ready=True, **tables):
        config = usher.configuration(
            [usher.listener([site], **(listener or {}))],
            [usher.backend(echo, **(backend or {}))], **tables)
        return start(config, ready)
    return begin


@pytest.fixture
def front(start, site):
    """front(server, …, listener={…}, backend={…}, …) → Usher in HTTP mode for site.test in front of these."""
    def begin(*servers, listener=None, backend=None, ready=True, **tables):
        config = usher.configuration([usher.listener([site], mode="http", **(listener or {}))],
                                     [usher.backend(*servers, **(backend or {}))], **tables)
        return start(config, ready)
    return begin


@pytest.fixture
def run_client():
    """run_client(["openssl", …], input) → everything that a client program printed."""
    def begin(argv, data=b"", timeout=60):
        done = subprocess.run([str(a) for a in argv], input=data, timeout=timeout, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode("utf-8", "backslashreplace")
    return begin


@pytest.fixture
def short_directory():
    """Its path leaves room for a Unix socket's name, and everybody may look into it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def redis(short_directory):
    """A running support.redis.Redis."""
    directory = short_directory / "redis"
    directory.mkdir()
    server = redis_server.Redis(directory, port=redis_server.free_ports(1)[0]).start()
    yield server
    server.go_on()
    server.kill()


@pytest.fixture
def fleet(simple, tmp_path):
    """fleet(count, url, …) → so many proxies with the same ticket keys, which are connected to that Redis (no
    url: they have none). `memory`: their session_cache.memory_entries; none, so that Redis is asked every time,
    unless a test is about more. `patience`: redis_timeout; long, for a machine may be busy with other tests."""
    keys = ticket_keys.nginx_files(tmp_path, [ticket_keys.TicketKey()], "fleet")

    def begin(count, url=None, memory=0, patience="2s", connected=True, session_cache=None, **tables):
        cache = {"memory_entries": memory, "redis": url or None, "redis_timeout": patience if url else None,
                 **(session_cache or {})}
        tables = {"tickets": {"source": "file", "file": keys}, **tables}
        proxies = [simple(session_cache=cache, **tables) for _ in range(count)]
        for proxy in proxies if url and connected else []:
            nodes = [url] if isinstance(url, str) else url
            proxy.wait_metric("usher_redis_up", lambda up: up == len(nodes))
        return proxies
    return begin


@pytest.fixture
def start_keyd(short_directory):
    """start_keyd(rotation={…}, …) → a running usher-keyd, in a directory NAME of its own under short_directory;
    all have the same key file. At the end of the test each that still runs must exit cleanly."""
    begun = []

    def begin(name="k", redis=None, start=True, **tables):
        directory, key = short_directory / name, short_directory / "key"
        directory.mkdir()
        if not key.exists():
            keyd.key_file(key)
        begun.append(keyd.Keyd(directory, keyd.configuration(directory, key, redis, **tables)))
        return begun[-1].start() if start else begun[-1]
    yield begin
    try:
        for daemon in begun:
            if daemon.running():
                daemon.end()
    finally:
        for daemon in begun:
            daemon.kill()


@pytest.fixture
def subscribe():
    """subscribe(keyd or endpoint, node, …) → a push_client.Subscriber that goes with the test."""
    begun = []

    def begin(to, node="raw", *arguments, **more):
        begun.append(push_client.Subscriber(getattr(to, "endpoint", to), node, *arguments, **more))
        return begun[-1]
    yield begin
    for subscriber in begun:
        subscriber.close(wait=False)
    for subscriber in begun:
        subscriber.close()
