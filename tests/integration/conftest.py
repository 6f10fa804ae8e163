"""Fixtures: a public key infrastructure, backends and running proxies, all ended with the test."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import backends, certificates, usher  # noqa: E402


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
def run_client():
    """run_client(["openssl", …], input) → everything that a client program printed."""
    def begin(argv, data=b"", timeout=60):
        done = subprocess.run([str(a) for a in argv], input=data, timeout=timeout, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode("utf-8", "backslashreplace")
    return begin
