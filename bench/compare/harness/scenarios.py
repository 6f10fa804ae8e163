"""What is measured: one entry per row of the table, and how one measurement is taken."""

import dataclasses
import json
import subprocess
import typing

from peers import LOAD_CORE
from processes import BenchError, Process, cpu_used, memory_bytes, settled_cpu

CLIENT_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    mode: str
    tls: str
    concurrency: int
    count: int
    quick_count: int
    unit: str
    per_unit: float  # ns (or bytes) in one `unit`
    wanted_ratio: typing.Optional[float] = None  # usher ÷ hitch, at most
    wanted_value: typing.Optional[float] = None  # usher's own figure, at most


SCENARIOS = {scenario.name: scenario for scenario in [
    Scenario("tls13-full", "TLS 1.3 full handshake", "full", "1.3", 16, 3000, 800, "µs", 1e3, 0.90),
    Scenario("tls13-resume", "TLS 1.3 ticket resumption", "resume", "1.3", 16, 3000, 800, "µs", 1e3,
             0.90),
    Scenario("tls12-full", "TLS 1.2 full handshake", "full", "1.2", 16, 3000, 800, "µs", 1e3),
    Scenario("tls12-resume", "TLS 1.2 ticket resumption", "resume", "1.2", 16, 6000, 1600, "µs", 1e3,
             0.90),
    Scenario("download", "100 MB download", "download", "1.3", 1, 10, 4, "ms", 1e6, 0.78),
    Scenario("keepalive", "small keep-alive request", "keepalive", "1.3", 50, 40_000, 10_000, "µs",
             1e3, 0.95),
    Scenario("idle-memory", "memory per idle connection", "idle", "1.3", 16, 2000, 1000, "KiB", 1024,
             wanted_value=16.0),
]}


class Client:
    """bench_client between its two barriers (client/modes.h)."""

    def __init__(self, binary, scenario, port, count, log_path):
        argv = [binary, scenario.mode, "--port", str(port), "--tls", scenario.tls,
                "--concurrency", str(scenario.concurrency), "--count", str(count)]
        self.process = Process("bench_client", LOAD_CORE, argv, log_path, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)

    def wait_for(self, state):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(CLIENT_SECONDS)
            raise BenchError(f"the client failed:\n{self.process.log_tail()}")
        message = json.loads(line)
        if message["state"] != state:
            raise BenchError(f"the client is {message['state']} instead of {state}")
        return message

    def go_on(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self):
        self.go_on()
        if self.process.wait(CLIENT_SECONDS) != 0:
            raise BenchError(f"the client failed:\n{self.process.log_tail()}")


def measure(site, client_binary, peer, scenario, count):
    """One operation's cost in the scenario's unit, on a freshly started proxy."""
    proxy, port = site.start(peer)
    client = None
    try:
        client = Client(client_binary, scenario, port, count, site.directory / "client.log")
        client.wait_for("ready")
        before, memory_before = settled_cpu(proxy.pid), memory_bytes(proxy.pid)
        client.go_on()
        done = client.wait_for("done")
        after, memory_after = settled_cpu(proxy.pid), memory_bytes(proxy.pid)
        client.finish()
    except BenchError as error:
        raise BenchError(f"{peer.name}, {scenario.name}: {error}\n{proxy.log_tail()}") from None
    finally:
        if client:
            client.process.stop()
        proxy.stop(peer.stop_signal)
    on_cpu, waiting = cpu_used(before, after)
    used = memory_after - memory_before if scenario.mode == "idle" else on_cpu
    return {"value": used / done["operations"] / scenario.per_unit,
            "waiting_share": waiting / (on_cpu + waiting),
            "operations_per_second": done["operations"] / done["seconds"], **done}
