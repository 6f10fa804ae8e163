"""Promise: while ticket keys rotate several times a second and proxies, key daemons, the ways between them and
Redis break one after the other, no client that returns to a ready proxy makes a full handshake for want of a
key, none fails, no promotion is forced, and no ticket older than policy is resumed. And: the same clients and
the same judge see losses where there are some."""

import pathlib
import subprocess
import sys
import tempfile

import pytest

from chaos import records
from chaos.clients import Clients, Hoarder
from chaos.fleet import POLICY, Fleet, Proxies
from chaos.report import wrong_lines
from support import ticket_keys, waiting

RUN = pathlib.Path(__file__).resolve().parents[1] / "chaos" / "run.py"


@pytest.mark.alone
def test_nothing_is_lost():
    """The whole run; its report says what happened."""
    connections = 20_000 // waiting.SLOWNESS
    done = subprocess.run([sys.executable, RUN, "--connections", str(connections), "--seed", "1"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False)
    report = done.stdout.decode("utf-8", "backslashreplace")
    print(report)
    assert done.returncode == 0 and report.endswith("passed\n"), report


@pytest.fixture
def fleet():
    """Proxies, key daemons and Redis, as in the whole run."""
    with tempfile.TemporaryDirectory(prefix="usher-chaos-") as name:
        pathlib.Path(name).chmod(0o755)
        fleet = Fleet(name)
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.close()


def test_the_clients_see_a_forced_promotion(fleet):
    """A key that seals although one proxy could not hear of it: lost there, nowhere else, and counted."""
    deaf, leader = fleet.proxies[0], fleet.leader()
    for hop in fleet.keyd_hops[deaf.index]:
        hop.cut()
    fleet.wait_held_by(deaf)
    clients = Clients(fleet, POLICY, rate=100, seed=1).start()
    try:
        waiting.until(lambda: clients.judged.returning() >= 100, "clients that return", 30)
        assert not clients.judged.wrong
        assert leader.daemon.post("/keys/rotate?now=1")[1]["promoted"]
        seen = clients.judged.returning()
        waiting.until(lambda: clients.judged.returning() >= seen + 200, "clients that return", 30)
    finally:
        clients.stop()
    judged = clients.judged
    assert {verdict for verdict, _ in judged.wrong} == {records.LOST}
    assert {record.node for _, record in judged.wrong} == {deaf.index}
    assert "offer=unknown_future" in "\n".join(wrong_lines(fleet, judged, 0, []))
    assert fleet.promotions()["forced"] == 1
    leader.daemon.process.wait_log(
        "key promoted by force; these nodes may meet tickets that they cannot open", nodes=deaf.name)


@pytest.fixture
def proxies():
    """Three proxies, each with a key file of its own; all hold the same key at first."""
    with tempfile.TemporaryDirectory(prefix="usher-chaos-") as name:
        directory, key = pathlib.Path(name), ticket_keys.TicketKey()
        directory.chmod(0o755)
        fleet = Proxies(directory, lambda index: {
            "source": "file", "file": ticket_keys.nginx_files(directory, [key], f"key-{index}")})
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.close()


def replace_key(proxies, index, key):
    """One proxy has this key alone from now on."""
    proxy = proxies.proxies[index]
    before = proxy.ring()
    ticket_keys.nginx_files(proxies.directory, [key], f"key-{index}")
    waiting.until(lambda: proxy.ring() > before, f"{proxy.name} to take its new key")


@pytest.mark.parametrize("rotate", [False, True], ids=["kept", "one-after-the-other"])
def test_the_clients_see_keys_that_others_lack(proxies, rotate):
    clients = Clients(proxies, POLICY, rate=100, seed=1).start()
    try:
        waiting.until(lambda: clients.judged.returning() >= 100, "clients that return", 30)
        if rotate:
            replace_key(proxies, 0, ticket_keys.TicketKey())
        seen = clients.judged.returning()
        waiting.until(lambda: clients.judged.returning() >= seen + 150, "clients that return", 30)
    finally:
        clients.stop()
    judged = clients.judged
    assert judged.counts[records.FAILED] == judged.counts[records.OVERDUE] == 0
    assert bool(judged.counts[records.LOST]) == rotate
    # In the last second of a session it is nobody's loss.
    assert judged.counts[records.LOST] <= proxies.counted()["unknown_foreign"]
    told = "\n".join(wrong_lines(proxies, judged, 0, []))
    assert ("offer=unknown_foreign" in told) == rotate


def test_the_hoarder_is_refused(proxies):
    """What is older than a session may be is offered as if it were fresh, and counted."""
    clients = Clients(proxies, POLICY, rate=100, seed=1)
    hoarder = Hoarder(proxies, clients, POLICY.session_lifetime, POLICY.session_lifetime + 1, 1, 0.05).start()
    try:
        waiting.until(lambda: min(hoarder.offered.values()) >= 5, "old tickets", 30)
    finally:
        hoarder.stop()
    counts = clients.judged.counts
    assert counts[records.REFUSED] == sum(hoarder.offered.values())
    assert proxies.counted() == {"expired": counts[records.REFUSED]}
    assert set(counts) == {records.FIRST, records.REFUSED}


def record(**more):
    return records.Record(**{"node": 0, "version": "TLSv1.3", "began": 100.0, "ended": 100.1, "failure": "",
                             "offered": True, "since": [97.9, 98.0], "origin": 1, "resumed": True,
                             "ticket": True, **more})


@pytest.mark.parametrize("verdict, more", [
    (records.RESUMED, {}),
    (records.LOST, {"resumed": False}),
    (records.FIRST, {"offered": False, "since": None, "resumed": False}),
    (records.FAILED, {"failure": "TimeoutError"}),
    (records.RESUMED, {"since": [93.2, 93.3]}),
    (records.BETWEEN, {"since": [93.0, 93.1]}),
    (records.BETWEEN, {"since": [91.9, 92.1], "resumed": False}),
    (records.REFUSED, {"since": [91.9, 92.0], "resumed": False}),
    (records.OVERDUE, {"since": [91.9, 92.0]}),
])
def test_what_a_connection_proves(verdict, more):
    assert records.judge(record(**more), [], POLICY) == verdict


@pytest.mark.parametrize("outage, counted", [
    (records.Outage(0, 99.0), False),              # still away
    (records.Outage(0, 99.0, 100.0), False),       # ready while it began
    (records.Outage(0, 100.1, 101.0), False),      # went away while it ended
    (records.Outage(0, 99.0, 99.9), True),
    (records.Outage(0, 100.2), True),
    (records.Outage(1, 99.0), True),               # another proxy
])
def test_what_meets_a_proxy_that_is_away_is_not_counted(outage, counted):
    lost = record(resumed=False)
    assert records.judge(lost, [outage], POLICY) == (records.LOST if counted else records.NOT_COUNTED)
