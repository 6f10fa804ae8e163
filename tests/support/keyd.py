"""The real usher-keyd: started from a configuration, killed and started again, asked through its admin pages
and its control socket."""

import json
import os
import pathlib
import signal

from . import prometheus, toml, usher, waiting
from .process import LoggedProcess, fields_of

BINARY = usher.BINARY.parents[1] / "keyd" / "usher-keyd"


def key_file(path):
    """A key-encryption key; several keyds on one store share it."""
    path = pathlib.Path(path)
    path.touch(0o600)
    path.write_bytes(os.urandom(32))
    return path


def configuration(directory, key, redis=None, **tables):
    """The whole file as a dict: a Unix socket to subscribe at, a control socket and an admin page in
    `directory`; a file there as store, or Redis at this URL. Rotates by hand only, unless `rotation` says."""
    directory = pathlib.Path(directory)
    store = ({"kind": "redis", "redis": redis, "lease": "1s"} if redis
             else {"kind": "file", "path": directory / "state"})
    config = {
        "keyd": {"listen": [f"unix:{directory}/keyd.sock"], "socket": directory / "ctl.sock",
                 "admin": "127.0.0.1:0"},
        "rotation": {},
        "store": {**store, "key_file": key},
    }
    return merged(config, tables)


def merged(config, tables):
    """The configuration with what these tables say."""
    return config | {name: {**config.get(name, {}), **values} for name, values in tables.items()}


class Keyd(prometheus.Scraped):
    """One usher-keyd, which start() may start several times."""

    def __init__(self, directory, config):
        self.directory = pathlib.Path(directory)
        self.path = self.directory / "usher-keyd.toml"
        self.config = config
        self.path.write_text(toml.dump(config))
        self.process = None
        self.logs = []  # of its processes

    def start(self, wait=True):
        self.process = LoggedProcess([BINARY, "--config", self.path])
        self.logs.append(self.process.stderr)
        return self.wait_ready() if wait else self

    def wait_ready(self):
        """Until it answers on its control socket."""
        def answers():
            assert self.process.running(), f"usher-keyd has ended; its log:\n{self.log()}"
            try:
                return self.get("/keys")[0] != 0
            except OSError:
                return False
        waiting.until(answers, "usher-keyd to answer")
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def endpoint(self):
        """For a proxy's tickets.keyd."""
        return self.config["keyd"]["listen"][0]

    @property
    def tls_endpoint(self):
        """The same of its tls: listener, under an address."""
        return fields_of(self.process.wait_stderr("address=tls:"))["address"]

    @property
    def socket(self):
        """Where its subscribers come in; for a forwarder."""
        return self.endpoint.removeprefix("unix:")

    @property
    def control_socket(self):
        return self.config["keyd"]["socket"]

    def running(self):
        return self.process is not None and self.process.running()

    def log(self):
        return self.process.log()

    def kill(self):
        """SIGKILL."""
        if self.process:
            self.process.kill()

    def restart(self):
        self.kill()
        return self.start()

    def reload(self, text=None, **tables):
        """Loads its file again, with these tables changed or of this text, and waits for the outcome; True if
        it was taken."""
        if text is None:
            self.config = merged(self.config, tables)
            text = toml.dump(self.config)
        self.path.write_text(text)
        before = self.metrics()
        done = before.total("usher_config_reloads_total")
        self.process.send(signal.SIGHUP)
        self.wait_metric("usher_config_reloads_total", lambda n: n > done)
        return (self.metrics().total("usher_config_reloads_total", result="ok")
                > before.total("usher_config_reloads_total", result="ok"))

    def end(self):
        """SIGTERM, and holds it to a clean exit without a sanitizer's report."""
        if self.running():
            self.process.send(signal.SIGTERM)
        code = self.process.wait_exit()
        usher.assert_no_report(self.process)
        assert code == 0, f"exit {code}; the log:\n{self.log()}"

    def admin(self, path, method="GET"):
        """(status, body) of an admin page."""
        return usher.fetch(self.process.wait_log("admin listening")["address"], path, method)

    def leads(self):
        return self.metrics().total("usher_keyd_leader") == 1

    def get(self, page):
        """(status, body) of the control socket."""
        return self._control(page, "GET", None)

    def post(self, page, value=None):
        """As get, with a JSON body."""
        return self._control(page, "POST", None if value is None else json.dumps(value))

    def keys(self):
        """What GET /keys tells."""
        code, body = self.get("/keys")
        assert code == 200, body
        return body

    def wait_promoted(self):
        """Until no key waits for members any more; what GET /keys tells then."""
        def keys():
            now = self.keys()
            return None if any(key["state"] == "next" for key in now["keys"]) else now
        return waiting.until(keys, "the next key to be promoted")

    def _control(self, page, method, body):
        code, text = usher.control(self.control_socket, page, method, body)
        try:
            return code, json.loads(text)
        except ValueError:
            return code, text


def run(*arguments, **more):
    """Runs usher-keyd to its end: (exit code, standard output, standard error)."""
    process = LoggedProcess([BINARY, *arguments], **more)
    try:
        code = process.wait_exit()
    finally:
        process.kill()
    return code, "\n".join(process.stdout), "\n".join(process.stderr)
