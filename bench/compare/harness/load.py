"""What puts load on a proxy: bench_client, and h2load for HTTP/2. Each warms the proxy up, then does a
counted number of operations, and fails unless every one went as it should."""

import json
import re
import subprocess
import time

from peers import LOAD_CORE, PINNED
from processes import BenchError, Process

CLIENT_SECONDS = 300.0
STREAMS = 32  # at once, per HTTP/2 connection
H2LOAD_WARM_UP = 8  # requests per stream


class BenchClient:
    """bench_client between its two barriers (client/modes.h)."""

    def __init__(self, tools, scenario, port, count, log_path):
        argv = [tools / "bench_client", scenario.mode, "--port", str(port), "--tls", scenario.tls,
                "--concurrency", str(scenario.concurrency), "--count", str(count),
                "--target", scenario.target, *(["--session-ids"] if scenario.sessions != "tickets" else [])]
        self._process = Process("bench_client", LOAD_CORE, argv, log_path, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def warm_up(self):
        self._wait_for("ready")

    def run(self):
        """What was done: operations, seconds, and more."""
        self._go_on()
        return self._wait_for("done")

    def finish(self):
        self._go_on()
        if self._process.wait(CLIENT_SECONDS) != 0:
            raise BenchError(f"the client failed:\n{self._process.log_tail()}")

    def stop(self):
        self._process.stop()

    def _wait_for(self, state):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(CLIENT_SECONDS)
            raise BenchError(f"the client failed:\n{self._process.log_tail()}")
        message = json.loads(line)
        if message["state"] != state:
            raise BenchError(f"the client is {message['state']} instead of {state}")
        return message

    def _go_on(self):
        self._process.stdin.write("go\n")
        self._process.stdin.flush()


class H2load:
    """h2load twice: the first run is the warm-up. Its connections' handshakes are part of a run; with
    thousands of requests on each they weigh less than 1 %."""

    def __init__(self, _tools, scenario, port, count, log_path):
        self._clients, self._count, self._log_path = scenario.concurrency, count, log_path
        self._url = f"https://127.0.0.1:{port}{scenario.target}"
        self._process = None

    def warm_up(self):
        self._requests(self._clients * STREAMS * H2LOAD_WARM_UP)

    def run(self):
        began = time.monotonic()
        self._requests(self._count)
        return {"operations": self._count, "seconds": time.monotonic() - began}

    def finish(self):
        pass

    def stop(self):
        if self._process:
            self._process.stop()

    def _requests(self, count):
        argv = ["h2load", "--requests", str(count), "--clients", str(self._clients), "--threads", "1",
                "--max-concurrent-streams", str(STREAMS), "--npn-list", "h2",
                "--ciphers", PINNED["tls12_cipher"], "--tls13-ciphers", PINNED["tls13_suite"],
                "--groups", PINNED["group"] + ":P-256", self._url]
        self._process = Process("h2load", LOAD_CORE, argv, self._log_path, stdout=subprocess.PIPE, text=True)
        said = self._process.stdout.read()
        code = self._process.wait(CLIENT_SECONDS)
        for wanted in (rf"{count} succeeded, 0 failed", rf"status codes: {count} 2xx", r"protocol: h2\b",
                       rf"Cipher: {PINNED['tls13_suite']}", rf"Server Temp Key: {PINNED['group']}"):
            if code != 0 or not re.search(wanted, said):
                raise BenchError(f"h2load ended with {code}, without '{wanted}':\n{said}"
                                 f"{self._process.log_tail()}")
