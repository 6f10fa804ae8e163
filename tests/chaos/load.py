#!/usr/bin/python3
"""Returning clients, as a process of their own: each goes to a proxy at random, offers the session that it
got last, sends a byte through to the echoing backend, and tells what happened.

    load.py '{"ports": [1, 2, 3], "rate": 150, "clients": 600, "threads": 8, "seed": 7}'

Standard input: lines with the indexes of the proxies that a balancer would choose now ("0 2"); its end ends
the load. Standard output: one JSON array a connection, in the order of records.Record."""

import dataclasses
import json
import pathlib
import random
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from chaos.records import Record  # noqa: E402
from support import tls  # noqa: E402

# Longer than any proxy is stopped: a connection that meets a stopped one ends when it goes on.
PATIENCE = 20


class Client:
    """What a client keeps between two connections."""

    def __init__(self, version, ctx):
        self.version, self.ctx = version, ctx
        self.forget()

    def forget(self):
        self.session = self.since = self.origin = None

    def connect(self, node, port):
        """One connection; its Record."""
        began, offered = time.monotonic(), self.session
        record = Record(node, self.version, began, began, "", offered is not None,
                        self.since, self.origin, False, False)
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
                record.port = plain.getsockname()[1]
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.ctx.wrap_socket(plain, server_hostname="site.test", session=offered) as sock:
                    sock.sendall(b"?")
                    if sock.recv(1) != b"?":  # in TLS 1.3 the ticket comes before the answer
                        raise OSError("ended without an answer")
                    record.resumed = sock.session_reused
                    self._keep(sock.session, record)
        except OSError as error:  # ssl.SSLError and socket.timeout among them: keeps what it has
            record.failure = f"{type(error).__name__}: {error}"
        record.ended = time.monotonic()
        return record

    def _keep(self, session, record):
        record.ticket = session is not None and session.has_ticket
        if not record.ticket:
            self.forget()
            return
        if self.session == session:
            return  # resumed, and no other ticket came
        # A TLS 1.2 session is as old as its first full handshake, a TLS 1.3 one as its ticket.
        if self.version == "TLSv1.3" or not record.resumed:
            self.since = [record.began, time.monotonic()]
        self.session, self.origin = session, record.node


class Load:
    """Threads that share the pace; each has clients of its own."""

    def __init__(self, ports, rate, clients, threads, seed):
        self._ports, self._pause, self._seed = ports, threads / rate, seed
        self._per_thread = max(2, clients // threads)
        self._ready = list(range(len(ports)))
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._contexts = {version: make() for version, make in tls.CONTEXTS.items()}
        self._threads = [threading.Thread(target=self._loop, args=[at]) for at in range(threads)]

    def run(self, commands):
        for thread in self._threads:
            thread.start()
        for line in commands:
            self._ready = [int(word) for word in line.split()]
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _loop(self, at):
        chance = random.Random(f"{self._seed}-{at}")
        versions = list(self._contexts.items()) * self._per_thread
        clients = [Client(*versions[number]) for number in range(self._per_thread)]
        due = time.monotonic() + chance.random() * self._pause
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(time.monotonic(), due + self._pause)  # what was missed is not made up for
            ready = self._ready
            if ready:
                node = chance.choice(ready)
                self._tell(chance.choice(clients).connect(node, self._ports[node]))

    def _tell(self, record):
        line = json.dumps(dataclasses.astuple(record))
        with self._writing:
            print(line, flush=True)


if __name__ == "__main__":
    Load(**json.loads(sys.argv[1])).run(sys.stdin)
