"""The fleet under test: proxies with two workers each, two usher-keyds on one Redis, an echoing backend, and a
hop that can be cut on every way between them."""

import collections
import contextlib
import pathlib
import signal
import socket
import threading
import time

from chaos.records import Outage, Policy
from support import backends, certificates, forwarder, keyd, redis, usher, waiting

# A key is made every 300 ms and kept as long as 60 of them may be. Whoever is cut off stays away for a
# few seconds, during which nothing rotates: that must end before the current key is too old to seal.
ROTATION = {"every": "300ms", "seal_max_age": "10s", "keep": "18s", "promote_hold_max": "60s"}
KEEP = 18.0
POLICY = Policy(session_lifetime=8.0)


class Proxy:
    """One usher under a fixed address, however often it is started."""

    def __init__(self, index, directory, config):
        self.index, self.name = index, "abc"[index]
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        # Bound, not listening: the proxy alone gets connections, and nobody else the port.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = self._held.getsockname()[1]
        self.config = config
        config["process"] |= {"node": self.name, "workers": 2}
        config["log"] = {"access": str(self.directory / "access.log")}
        config["listener"][0]["address"] = f"127.0.0.1:{self.port}"
        self.run = None
        self.logs = []
        self.stopped = False
        self._before = collections.Counter()  # of processes that were killed

    def start(self):
        self.run = usher.Usher(self.directory, self.config)
        self.logs.append(self.run.stderr)

    def ready(self):
        with contextlib.suppress(OSError):
            return not self.stopped and self.run.admin("/readyz")[0] == 200
        return False

    def kill(self):
        """SIGKILL; what it has counted is kept."""
        self._before += self._counted()
        self.run.send(signal.SIGKILL)
        assert self.run.wait_exit() == -signal.SIGKILL

    def stop(self):
        self.stopped = True
        self.run.send(signal.SIGSTOP)
        waiting.until(lambda: self._state() == "T", "a stopped process")

    def go_on(self):
        self.run.send(signal.SIGCONT)
        waiting.until(lambda: self._state() != "T", "a process that goes on")
        self.stopped = False

    def ring(self):
        """(term, version) that its workers read."""
        metrics = self.run.metrics()
        return (metrics.total("usher_ticket_ring_term"), metrics.total("usher_ticket_ring_version"))

    def links(self):
        """How many endpoints it is connected to."""
        return self.run.metrics().total("usher_keyd_connected")

    def counted(self):
        return self._before + self._counted()

    def _counted(self):
        counted = collections.Counter()
        if not self.run.running():
            return counted
        metrics = self.run.metrics()
        for labels, value in metrics.all("usher_resumption_offers_total"):
            counted[labels["outcome"]] += int(value)
        for labels, value in metrics.all("usher_ring_refused_total"):
            counted[f"ring refused: {labels['reason']}"] += int(value)
        return counted

    def access_line(self, port):
        """The line of the last connection from that port; "" if there is none."""
        mark = f"127.0.0.1:{port} "
        lines = [line for line in (self.directory / "access.log").read_text().splitlines()
                 if mark in line]
        return lines[-1] if lines else ""

    def _state(self):
        return pathlib.Path(f"/proc/{self.run.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def close(self):
        if self.run:
            self.run.kill()
        self._held.close()


class Key:
    """One usher-keyd; its promotions are counted beyond its death."""

    def __init__(self, index, directory, config):
        directory.mkdir()
        self.index, self.name = index, f"keyd-{index + 1}"
        self.daemon = keyd.Keyd(directory, config)
        self._before = collections.Counter()

    def kill(self):
        self._before += self._counted()
        self.daemon.kill()

    def leads(self):
        with contextlib.suppress(OSError):
            return self.daemon.running() and self.daemon.leads()
        return False

    def promotions(self):
        """By kind."""
        return self._before + (self._counted() if self.daemon.running() else collections.Counter())

    def _counted(self):
        return collections.Counter({labels["kind"]: int(value) for labels, value
                                    in self.daemon.metrics().all("usher_keyd_promotions_total")})


class Proxies:
    """Proxies with any source of keys, behind a balancer that knows which are ready."""

    def __init__(self, directory, tickets):
        """tickets(index) → [tickets] of that proxy."""
        self.directory = pathlib.Path(directory)
        self.site = certificates.Authority(self.directory / "site").server("site.test")
        self.backend = backends.Echo()
        self.outages = []
        self._listeners = []  # told of who is ready
        self._lock = threading.Lock()
        self.proxies = [Proxy(index, self.directory / "abc"[index], usher.configuration(
            [usher.listener([self.site])], [usher.backend(self.backend)],
            tls={"session_lifetime": f"{POLICY.session_lifetime:.0f}s"}, tickets=tickets(index)))
            for index in range(3)]

    def start(self):
        for proxy in self.proxies:
            proxy.start()
        for proxy in self.proxies:
            waiting.until(proxy.ready, f"proxy {proxy.name} to be ready")

    def on_ready(self, listener):
        """listener([index, …]) now and whenever it changes."""
        self._listeners.append(listener)
        listener(self.present())

    def present(self):
        """Indexes of the proxies that a balancer would choose."""
        with self._lock:
            away = {outage.node for outage in self.outages if outage.end == float("inf")}
        return [proxy.index for proxy in self.proxies if proxy.index not in away]

    @contextlib.contextmanager
    def away(self, proxy):
        """The balancer sends nobody to this proxy, until it is ready behind the block."""
        outage = Outage(proxy.index, time.monotonic())
        with self._lock:
            self.outages.append(outage)
        self._tell()
        yield
        waiting.until(proxy.ready, f"proxy {proxy.name} to be ready again", 30)
        with self._lock:
            outage.end = time.monotonic()
        self._tell()

    def _tell(self):
        for listener in self._listeners:
            listener(self.present())

    def counted(self):
        """Outcomes of offers, and refused rings, of all proxies."""
        return sum((proxy.counted() for proxy in self.proxies), collections.Counter())

    def close(self):
        for proxy in self.proxies:
            proxy.close()
        self.backend.close()


class Fleet(Proxies):
    """Proxies that take their keys from two usher-keyds on one Redis."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        self.redis = redis.Redis(directory)
        secret = keyd.key_file(directory / "keyd.key")
        self.keyds, self.redis_hops = [], []
        for index in range(2):
            hop = forwarder.Forwarder(self.redis.path)
            place = directory / f"k{index}"
            self.redis_hops.append(hop)
            self.keyds.append(Key(index, place, keyd.configuration(
                place, secret, redis=f"redis://127.0.0.1:{hop.port}", rotation=ROTATION)))
        self.keyd_hops = [
            [forwarder.Forwarder(key.daemon.socket, directory / f"p{index}-k{key.index}.sock")
             for key in self.keyds] for index in range(3)]
        super().__init__(directory, lambda index: {"source": "keyd", "keyd": [
            f"unix:{directory}/p{index}-k{key.index}.sock" for key in self.keyds]})

    def start(self):
        self.redis.start()
        for key in self.keyds:
            key.daemon.start()
        self.leader()
        super().start()
        self.wait_rotating()

    def leader(self):
        """The keyd that leads, once it is known."""
        return waiting.until(lambda: next((key for key in self.keyds if key.leads()), None),
                             "a leading usher-keyd", 30)

    def other(self, key):
        return self.keyds[1 - key.index]

    def wait_other_leads(self, key):
        """Another than `key` leads; returns it."""
        waiting.until(self.other(key).leads, f"{self.other(key).name} to lead", 30)
        return self.other(key)

    def wait_held_by(self, proxy):
        """A promotion is held, for the leader waits for this proxy."""
        def named():
            held = self.leader().daemon.keys()["held"]
            return held is not None and proxy.name in held["waiting_for"]
        waiting.until(named, f"a promotion that waits for {proxy.name}")

    def wait_rotating(self, times=3):
        """All proxies read new rings, and keys are promoted, several times more."""
        for _ in range(times):
            top, promoted = max(p.ring() for p in self.proxies), self.promotions()["acked"]
            waiting.until(lambda: min(p.ring() for p in self.proxies) > top,
                          f"rings above {top}", 30)
            waiting.until(lambda: self.promotions()["acked"] > promoted, "another promotion", 30)

    def promotions(self):
        return sum((key.promotions() for key in self.keyds), collections.Counter())

    def save_logs(self):
        """Of all processes, beside their configurations."""
        for owner, directory in [(p, p.directory) for p in self.proxies] + [
                (k.daemon, k.daemon.directory) for k in self.keyds]:
            for number, lines in enumerate(owner.logs):
                (directory / f"log-{number}").write_text("\n".join(lines) + "\n")

    def close(self):
        for key in self.keyds:
            key.daemon.kill()
        super().close()
        self.redis.kill()
        for hop in [*self.redis_hops, *(h for hops in self.keyd_hops for h in hops)]:
            hop.close()
