"""What is measured: one entry per row of the tables, and how one measurement is taken."""

import dataclasses
import typing

from load import BenchClient, H2load
from processes import BenchError, cpu_used, memory_bytes, settled_cpu

HITCH, NGINX, BEST = "hitch", "nginx", "best peer"


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    mode: str  # of bench_client, or "h2load"
    tls: str
    concurrency: int
    count: int
    quick_count: int
    unit: str
    per_unit: float  # ns (or bytes) in one `unit`
    wanted_ratio: typing.Optional[float] = None  # usher ÷ base, at most
    wanted_value: typing.Optional[float] = None  # usher's own figure, at most
    base: str = HITCH  # what ratios are of; BEST: the peer with the lowest median
    proxy: str = "tcp"  # how the proxies run
    target: str = "/"
    peers: tuple = ("usher", "hitch", "nginx")
    sessions: str = "tickets"  # how clients come back: peers.SESSIONS
    measures: str = "cpu"  # or "memory"


def _ids(*fields, **more):
    """Clients without tickets: hitch, which keeps sessions of one process only, is not among the peers."""
    return Scenario(*fields, base=NGINX, peers=("usher", "nginx"), **more)


def _http(*fields, peers=("usher", "nginx", "haproxy", "nghttpx", "h2o"), **more):
    return Scenario(*fields, base=BEST, proxy="http", peers=peers, **more)


SCENARIOS = {scenario.name: scenario for scenario in [
    Scenario("tls13-full", "TLS 1.3 full handshake", "full", "1.3", 16, 3000, 800, "µs", 1e3, 0.90),
    Scenario("tls13-resume", "TLS 1.3 ticket resumption", "resume", "1.3", 16, 3000, 800, "µs", 1e3,
             0.90),
    Scenario("tls12-full", "TLS 1.2 full handshake", "full", "1.2", 16, 3000, 800, "µs", 1e3),
    Scenario("tls12-resume", "TLS 1.2 ticket resumption", "resume", "1.2", 16, 6000, 1600, "µs", 1e3,
             0.90),
    _ids("tls12-id-resume", "TLS 1.2 session id, from memory", "resume", "1.2", 16, 6000, 1600, "µs", 1e3, 1.05,
         sessions="memory"),
    _ids("tls12-id-redis", "TLS 1.2 session id, usher's from Redis", "resume", "1.2", 16, 6000, 1600, "µs", 1e3,
         1.60, sessions="redis"),
    _ids("session-memory", "memory per kept TLS 1.2 session", "full", "1.2", 16, 20_000, 20_000, "bytes", 1,
         wanted_value=400.0, sessions="memory", measures="memory"),
    Scenario("download", "100 MB download", "download", "1.3", 1, 10, 4, "ms", 1e6, 0.78),
    Scenario("keepalive", "small keep-alive request", "keepalive", "1.3", 50, 40_000, 10_000, "µs",
             1e3, 0.95),
    Scenario("idle-memory", "memory per idle connection", "idle", "1.3", 16, 2000, 1000, "KiB", 1024,
             wanted_value=16.0, measures="memory"),
    _http("http-keepalive", "HTTP/1.1: small keep-alive request", "keepalive", "1.3", 50, 40_000, 10_000,
          "µs", 1e3, 0.92),
    _http("http-16k", "HTTP/1.1: keep-alive request for 16 KiB", "keepalive", "1.3", 50, 20_000, 6000,
          "µs", 1e3, 0.88, target="/16k"),
    _http("http-download", "HTTP/1.1: 100 MB download", "download", "1.3", 1, 10, 4, "ms", 1e6, 0.78),
    _http("http2-32", "HTTP/2: small request, 32 streams at once", "h2load", "1.3", 10, 60_000, 20_000,
          "µs", 1e3, 1.00, peers=("usher", "nginx", "nghttpx", "h2o")),
    _http("http-resume", "HTTP/1.1: TLS 1.3 resumption and one request", "resume", "1.3", 16, 3000, 800,
          "µs", 1e3, 0.97, peers=("usher", "nginx", "haproxy", "nghttpx")),
    _http("http-idle-memory", "HTTP/1.1: memory per idle connection", "idle", "1.3", 16, 2000, 1000,
          "KiB", 1024, wanted_value=16.0, measures="memory"),
]}


def measure(site, tools, peer, scenario, count):
    """One operation's cost in the scenario's unit, on a freshly started proxy."""
    proxy, port = site.start(peer, scenario.proxy, scenario.sessions)
    load = None
    try:
        kind = H2load if scenario.mode == "h2load" else BenchClient
        load = kind(tools, scenario, port, count, site.directory / "client.log")
        load.warm_up()
        before, memory_before = settled_cpu(proxy.pid), memory_bytes(proxy.pid)
        done = load.run()
        after, memory_after = settled_cpu(proxy.pid), memory_bytes(proxy.pid)
        load.finish()
    except BenchError as error:
        raise BenchError(f"{peer.name}, {scenario.name}: {error}\n{proxy.log_tail()}") from None
    finally:
        if load:
            load.stop()
        proxy.stop(peer.stop_signal)
    on_cpu, waiting = cpu_used(before, after)
    used = memory_after - memory_before if scenario.measures == "memory" else on_cpu
    return {"value": used / done["operations"] / scenario.per_unit,
            "waiting_share": waiting / (on_cpu + waiting),
            "operations_per_second": done["operations"] / done["seconds"], **done}
