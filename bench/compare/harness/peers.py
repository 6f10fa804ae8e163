"""The proxies: how each is configured and started, always with one worker on the proxy's core."""

import dataclasses
import os
import pathlib
import random
import resource
import signal
import socket
import string
import subprocess
import time

from processes import BenchError, Process
from redis import Redis

PROXY_CORE = 0
LOAD_CORE = 1  # client and backend
TEMPLATES = pathlib.Path(__file__).resolve().parent.parent / "peers"
PINNED = {"tls13_suite": "TLS_AES_128_GCM_SHA256",
          "tls12_cipher": "ECDHE-ECDSA-AES128-GCM-SHA256",
          "group": "X25519"}
START_SECONDS = 10.0
# What a client comes back with, and where that is kept: {way: {peer: lines of its configuration}}. Redis shares
# its core with the client, so it may be late; what that costs is not the question here.
NGINX_CACHE = "ssl_session_tickets off;\n    ssl_session_cache shared:SSL:50m;"
SESSIONS = {"tickets": {"usher": "", "nginx": "ssl_session_tickets on;"},
            "memory": {"usher": "memory_entries = 100000", "nginx": NGINX_CACHE},
            "redis": {"usher": 'memory_entries = 0\nredis = "$redis"\nredis_timeout = "5s"', "nginx": NGINX_CACHE}}
CONNECTIONS = 4000  # of clients: what haproxy sizes itself for
BACKEND_POOL = 512  # idle backend connections kept, where there is such a limit: above all requests at once
# Started as root, hitch insists on workers that are not; started as a user, it has no choice.
HITCH_USER = ["--user=nobody", "--group=nogroup"] if os.geteuid() == 0 else []


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    templates: dict  # {"tcp" or "http": file in ../peers}
    argv: list  # "{binary}", "{config}" and "{directory}" are filled in
    version_argv: list
    stop_signal: int = signal.SIGTERM


PEERS = {peer.name: peer for peer in [
    # SIGQUIT: stop at once; SIGTERM would drain.
    Peer("usher", {"tcp": "usher.toml.in", "http": "usher-http.toml.in"},
         ["{binary}", "--config", "{config}"], ["{binary}", "--version"], signal.SIGQUIT),
    Peer("hitch", {"tcp": "hitch.conf.in"}, ["{binary}", "--config={config}", *HITCH_USER],
         ["{binary}", "--version"]),
    Peer("nginx", {"tcp": "nginx.conf.in", "http": "nginx-http.conf.in"},
         ["{binary}", "-p", "{directory}", "-c", "{config}", "-e", "stderr"], ["{binary}", "-v"]),
    Peer("haproxy", {"http": "haproxy-http.cfg.in"}, ["{binary}", "-db", "-f", "{config}"],
         ["{binary}", "-v"]),
    Peer("nghttpx", {"http": "nghttpx-http.conf.in"}, ["{binary}", "--conf={config}"],
         ["{binary}", "--version"]),
    Peer("h2o", {"http": "h2o-http.conf.in"}, ["{binary}", "-c", "{config}"], ["{binary}", "--version"]),
]}


class Site:
    """What all proxies of a run share: directory, certificate, backend, descriptor limit."""

    def __init__(self, directory, binaries, backend_port):
        self.directory = pathlib.Path(directory)
        self.binaries = binaries
        self.backend_port = backend_port
        self.certificate = self.directory / "certificate.pem"
        self.key = self.directory / "key.pem"
        self.pair = self.directory / "pair.pem"  # both in one file, for haproxy
        self.files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._redis = None
        make_certificate(self.certificate, self.key)
        self.pair.write_text(self.certificate.read_text() + self.key.read_text())

    def version(self, peer):
        argv = [part.format(binary=self.binaries[peer.name]) for part in peer.version_argv]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    def redis_server(self):
        """The one of this run, emptied; started when it is first needed."""
        if self._redis is None:
            self._redis = Redis(self.directory, private_port(), LOAD_CORE)
        self._redis.flush()
        return self._redis

    def close(self):
        if self._redis is not None:
            self._redis.stop()

    def start(self, peer, mode, sessions="tickets"):
        """A fresh proxy that accepts connections: (process, port)."""
        port = private_port()
        uses_redis = "$redis" in SESSIONS[sessions].get(peer.name, "")
        redis = self.redis_server() if uses_redis else None
        session_lines = string.Template(SESSIONS[sessions].get(peer.name, "")).substitute(
            redis=redis.url if redis else "")
        config = self.directory / peer.templates[mode].removesuffix(".in")
        template = string.Template((TEMPLATES / peer.templates[mode]).read_text())
        config.write_text(template.substitute(
            PINNED, port=port, backend_port=self.backend_port, certificate=self.certificate,
            key=self.key, pair=self.pair, directory=self.directory, files=self.files,
            connections=CONNECTIONS, backend_pool=BACKEND_POOL, sessions=session_lines))
        argv = [part.format(binary=self.binaries[peer.name], config=config,
                            directory=self.directory) for part in peer.argv]
        process = Process(peer.name, PROXY_CORE, argv, self.directory / f"{peer.name}.log")
        try:
            wait_until_listening(process, port)
            if redis:
                redis.wait_for_client()
        except BaseException:
            process.stop(peer.stop_signal)
            raise
        return process, port


def make_certificate(certificate, key):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-sha256", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)


def private_port():
    """A free port below the range from which the kernel takes the ports of connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until_listening(process, port):
    deadline = time.monotonic() + START_SECONDS
    while True:
        process.check_running()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise BenchError(f"{process.name} does not listen:\n{process.log_tail()}") from None
            time.sleep(0.02)
