"""The redis-server of a run: real, on TCP, without files."""

import contextlib
import socket
import time

from processes import BenchError, Process

PATIENCE = 10.0


class Redis:
    def __init__(self, directory, port, core):
        self.url = f"redis://127.0.0.1:{port}"
        self._port = port
        self._process = Process("redis-server", core, [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(directory), "--daemonize", "no"], f"{directory}/redis.log")
        try:
            self._until(lambda: self._ask("PING").startswith("+PONG"), "to answer")
        except BaseException:
            self.stop()
            raise

    def flush(self):
        self._ask("FLUSHALL")

    def wait_for_client(self):
        """Until a client other than us is signed in."""
        self._until(lambda: self._ask("CLIENT LIST").count("addr=") > 1, "to have a client")

    def stop(self):
        self._process.stop()

    def _ask(self, command):
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536).decode()

    def _until(self, true, what):
        deadline = time.monotonic() + PATIENCE
        while True:
            self._process.check_running()
            with contextlib.suppress(ConnectionRefusedError):
                if true():
                    return
            if time.monotonic() > deadline:
                raise BenchError(f"redis-server is not seen {what}:\n{self._process.log_tail()}")
            time.sleep(0.02)
