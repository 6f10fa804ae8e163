"""All clients of a run: processes of returning ones, and a hoarder who comes back with tickets that are too
old. Every connection is judged as soon as it has ended."""

import json
import pathlib
import random
import subprocess
import sys
import threading
import time

from chaos.records import Record, Tally, judge
from support import sessions, tls

_LOAD = pathlib.Path(__file__).with_name("load.py")
PROCESSES = 2
# A client comes back after CLIENTS / rate seconds, on average: within the life of its session, mostly.
CLIENTS = 800


class Clients:
    """Run from start() to stop(); `judged` may be read any time."""

    def __init__(self, fleet, policy, rate, seed):
        self.judged = Tally()
        self._fleet, self._policy = fleet, policy
        self._lock = threading.Lock()
        self._processes = []
        self._readers = []
        self._settings = [{"ports": [proxy.port for proxy in fleet.proxies], "rate": rate / PROCESSES,
                           "clients": CLIENTS // PROCESSES, "threads": 8, "seed": f"{seed}-{at}"}
                          for at in range(PROCESSES)]

    def start(self):
        for settings in self._settings:
            process = subprocess.Popen([sys.executable, _LOAD, json.dumps(settings)], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._processes.append(process)
            reader = threading.Thread(target=self._read, args=[process.stdout])
            reader.start()
            self._readers.append(reader)
        self._fleet.on_ready(self._tell_ready)
        return self

    def add(self, record):
        verdict = judge(record, self._fleet.outages, self._policy)
        with self._lock:
            self.judged.add(record, verdict)
        return verdict

    def stop(self):
        for process in self._processes:
            process.stdin.close()
        for reader in self._readers:
            reader.join()
        assert [process.wait() for process in self._processes] == [0] * len(self._processes)

    def kill(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def _tell_ready(self, present):
        for process in self._processes:
            process.stdin.write(" ".join(map(str, present)) + "\n")
            process.stdin.flush()

    def _read(self, stream):
        for line in stream:
            self.add(Record(*json.loads(line)))


class Hoarder:
    """Takes tickets of both versions and comes back when they are older than a session may be, and again
    when their key must be gone, as if they were fresh: no honest client does."""

    def __init__(self, fleet, clients, lifetime, keep, seed, every=0.25):
        self._fleet, self._clients, self._every = fleet, clients, every
        self._ages = (lifetime + 1, keep + 1)
        self._chance = random.Random(f"{seed}-hoarder")
        self._kept = []  # [due, ages left, session, since, origin], soonest first
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self.offered = {age: 0 for age in self._ages}

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._ended.set()
        self._thread.join()

    def _loop(self):
        while not self._ended.wait(self._every):
            self._take()
            while self._kept and self._kept[0][0] <= time.monotonic():
                self._offer(*self._kept.pop(0)[1:])

    def _take(self):
        version = self._chance.choice(list(sessions.VERSIONS))
        record, session = self._connect(version, None, None, None)
        if record.ticket:
            self._keep(self._ages, session, [record.began, record.ended], record.node)

    def _keep(self, ages, session, since, origin):
        if ages:
            self._kept.append([since[1] + ages[0], ages, session, since, origin])
            self._kept.sort(key=lambda kept: kept[0])

    def _offer(self, ages, session, since, origin):
        record, _ = self._connect(session.version, session.as_if_new(), since, origin)
        if not record.failure:
            self.offered[ages[0]] += 1
        self._keep(ages[1:], session, since, origin)

    def _connect(self, version, session, since, origin):
        """(the Record, the session now)"""
        node = self._chance.choice(self._fleet.present())
        began = time.monotonic()
        record = Record(node, version, began, began, "", session is not None, since, origin, False, False)
        now = None
        try:
            record.resumed, now = sessions.begin(
                ("127.0.0.1", self._fleet.proxies[node].port), version, session=session)
            record.ticket = bool(now.ticket)
        except (OSError, tls.Ended, AssertionError) as error:
            record.failure = f"{type(error).__name__}: {error}"
        record.ended = time.monotonic()
        self._clients.add(record)
        return record, now
