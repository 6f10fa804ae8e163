"""The real usher: started from a configuration, watched through its log, its admin pages and its exit."""

import http.client
import json
import os
import pathlib
import signal
import socket
import time

from . import prometheus, toml, waiting
from .process import LoggedProcess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("USHER_BUILD", ROOT / "build" / "release")) / "proxy" / "usher"

_REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "CHECK failed")


def listener(certificates, name="main", backend="app", address="127.0.0.1:0", **more):
    """A [[listener]] table; certificates are support.certificates.Issued."""
    tables = [c if isinstance(c, dict) else {"chain": c.chain, "key": c.key} for c in certificates]
    return {"name": name, "address": address, "backend": backend, "certificate": tables, **more}


def backend(*servers, name="app", **more):
    """A [[backend]] table; servers have an .address."""
    return {"name": name, "servers": [getattr(s, "address", s) for s in servers], **more}


def configuration(listeners, backends, **tables):
    """The whole file as a dict. Two workers: what must hold across workers is tested everywhere."""
    config = {
        "process": {"node": "test", "workers": 2, "drain_timeout": "200ms"},
        "log": {"access": "stdout"},
        "admin": {"listen": "127.0.0.1:0", "socket": ""},
        "tls": {}, "tickets": {},
    }
    for name, values in tables.items():
        config[name] = {**config.get(name, {}), **values}
    return {**config, "listener": listeners, "backend": backends}


class Usher(prometheus.Scraped, LoggedProcess):
    def __init__(self, directory, config, argv_before=(), **popen):
        self.path = pathlib.Path(directory) / "usher.toml"
        self.write(config)
        super().__init__([*argv_before, BINARY, "--config", self.path], **popen)
        self._addresses = {}

    def write(self, config):
        """Replaces the file; SIGHUP makes it count."""
        self.path.write_text(config if isinstance(config, str) else toml.dump(config))

    def wait_ready(self):
        self.wait_log("ready")
        return self

    def address(self, listener="main", since=0):
        """(host, port) that the listener is bound to."""
        if listener not in self._addresses or since:
            self._addresses[listener] = self.wait_log(
                "listening", since=since, listener=listener)["address"]
        host, port = self._addresses[listener].rsplit(":", 1)
        return host.strip("[]"), int(port)

    def port(self, listener="main"):
        return self.address(listener)[1]

    def admin(self, path, method="GET"):
        """(status, body) of an admin page."""
        return fetch(self.wait_log("admin listening")["address"], path, method)

    def status(self):
        return json.loads(self.admin("/status")[1])

    def wait_close(self, reason, count=1, listener="main"):
        """Waits for so many connections closed with this reason."""
        self.wait_metric("usher_closes_total", lambda n: n >= count, reason=reason, listener=listener)

    def access_lines(self, count):
        """The access lines as dicts, once there are that many."""
        from .process import fields_of
        waiting.until(lambda: len(self.stdout) >= count, f"{count} access lines")
        return [fields_of(line) for line in self.stdout]

    def reload(self, config=None):
        """Loads the (new) configuration and waits for the outcome; True if it was taken."""
        if config is not None:
            self.write(config)
        before = self.metrics()
        done = before.total("usher_config_reloads_total")
        self.send(signal.SIGHUP)
        self.wait_metric("usher_config_reloads_total", lambda n: n > done)
        good = self.metrics().total("usher_config_reloads_total", result="ok")
        return good > before.total("usher_config_reloads_total", result="ok")

    def rss_kib(self):
        return int(_proc_field(self.pid, "VmRSS").split()[0])

    def cpu_seconds(self):
        text = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")

    def wait_calm(self):
        """Waits for a second in which it used next to no CPU. Work comes to its end, however slow the machine is;
        who turns in circles never gets there, and uses more even where ten others want the CPU."""
        def calm():
            before = self.cpu_seconds()
            time.sleep(1)  # what is measured
            return self.cpu_seconds() - before < 0.04
        waiting.until(calm, "a second of rest", 6 * waiting.PATIENCE)

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def end(self):
        """Drains, and holds the proxy to a clean exit without a sanitizer's report."""
        if self.running():
            self.send(signal.SIGTERM)
        code = self.wait_exit()
        assert_no_report(self)
        assert code == 0, f"exit {code}; the log:\n{self.log()}"


def assert_no_report(process):
    """Holds a LoggedProcess to a log without a sanitizer's report."""
    assert not any(mark in line for line in process.stderr for mark in _REPORTS), process.log()


def _proc_field(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    raise AssertionError(f"no {name} of {pid}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=waiting.PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def control(path, page, method="GET", body=None):
    """(status, body) of a page on a control socket."""
    return _exchange(_UnixConnection(path), page, method, body)


def fetch(address, path, method="GET"):
    """(status, body) of a page at IP:PORT."""
    host, port = address.rsplit(":", 1)
    return _exchange(http.client.HTTPConnection(host, int(port), timeout=waiting.PATIENCE), path, method)


def _exchange(connection, path, method, body=None):
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def run(*arguments, **more):
    """Runs usher to its end: (exit code, standard output, standard error)."""
    process = LoggedProcess([BINARY, *arguments], **more)
    try:
        code = process.wait_exit()
    finally:
        process.kill()
    return code, "\n".join(process.stdout), "\n".join(process.stderr)
