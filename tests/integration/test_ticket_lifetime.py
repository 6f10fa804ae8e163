"""Promise: a ticket is good until its exact end and not a moment longer: of its session (session_lifetime), of
its lineage (lineage_max), however often it was renewed, and of the key that sealed it (open_max_age); no ticket
is sealed by a key beyond seal_max_age. Each verdict is held against the clock before and after it."""

import time

import pytest

from support import sessions, ticket_keys, usherctl, waiting
from support.ticket_keys import TicketKey

BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))


class Fleet:
    """Two proxies with the same two keys; each seals with its own, so that the other renews its tickets."""

    def __init__(self, simple, directory, **tls):
        keys = [TicketKey(), TicketKey()]
        files = ticket_keys.nginx_files(directory, keys)
        self._options = [option for file in files for option in ("--keys", file)]
        self.proxies = [
            simple(tickets={"source": "file", "file": [str(file) for file in order]}, tls=tls)
            for order in (files, files[::-1])]

    def inside(self, session):
        """What its ticket holds."""
        return usherctl.answer("ticket", "decode", session.ticket.hex(), *self._options)["session"]

    def offers(self, outcome):
        return sum(proxy.metrics().total("usher_resumption_offers_total", outcome=outcome)
                   for proxy in self.proxies)


@pytest.fixture
def fleet(simple, tmp_path):
    return lambda **tls: Fleet(simple, tmp_path, **tls)


def judged(proxy, session, end):
    """Offers it; the verdict must be right for some moment of the offer. `end` is in Unix seconds."""
    before = int(time.time())
    resumed, now = sessions.begin(proxy.address(), session.version, session=session.as_if_new())
    after = int(time.time())
    assert before < end if resumed else after >= end, (resumed, before, after, end)
    return resumed, now


@BOTH
def test_end_of_the_session(fleet, version):
    nodes = fleet(session_lifetime="2s")
    session = sessions.full(nodes.proxies[0].address(), version)
    inside = nodes.inside(session)
    assert inside["expires"] == inside["time"] + 2 and session.lifetime == 2
    resumed = [judged(nodes.proxies[0], session, inside["expires"])[0]]
    waiting.until(lambda: resumed.append(judged(nodes.proxies[len(resumed) % 2], session, inside["expires"])[0])
                  or not resumed[-1], "the session's end")
    assert resumed[0]
    assert nodes.offers("expired") == 1 and nodes.offers("resumed") == len(resumed) - 1


@BOTH
def test_end_of_the_lineage(fleet, version):
    """Renewed at every visit, and still of the first handshake's time."""
    nodes = fleet(session_lifetime="10s", lineage_max="3s")
    session = sessions.full(nodes.proxies[0].address(), version)
    start = nodes.inside(session)["lineage_start"]
    for visit in range(1, 1000):
        resumed, renewed = judged(nodes.proxies[visit % 2], session, start + 3)
        if not resumed:
            break
        if renewed.ticket == session.ticket:  # the end came between: what has ended is not sealed
            assert time.time() >= start + 3
            continue
        session = renewed
        inside = nodes.inside(session)
        assert inside["lineage_start"] == start and inside["expires"] == start + 3
        time.sleep(0.02)
    assert visit > 2 and not resumed
    assert nodes.offers("lineage") == 1 and nodes.offers("resumed") == visit - 1
    # The full handshake began another.
    assert nodes.inside(renewed)["lineage_start"] >= start + 3
    assert judged(nodes.proxies[0], renewed, nodes.inside(renewed)["expires"])[0]


@BOTH
def test_a_renewed_session(fleet, version):
    """In TLS 1.3 it has its own time and lifetime, in TLS 1.2 it is still the session of the first handshake,
    whose master secret it has."""
    nodes = fleet(session_lifetime="2s", lineage_max="1h")
    session = sessions.full(nodes.proxies[0].address(), version)
    begun = nodes.inside(session)["time"]
    waiting.until(lambda: time.time() >= begun + 1.05, "the next second, of time() too")
    resumed, renewed = judged(nodes.proxies[1], session, begun + 2)
    assert resumed
    inside = nodes.inside(renewed)
    if version == "TLSv1.2":
        assert (inside["time"], inside["expires"]) == (begun, begun + 2)
    else:
        assert inside["time"] > begun and inside["expires"] == inside["time"] + 2
    waiting.until(lambda: not judged(nodes.proxies[0], renewed, inside["expires"])[0], "the renewed session's end")
    assert nodes.offers("expired") == 1


@pytest.fixture
def control():
    with usherctl.socket_path() as path:
        yield path


def boot_time():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@BOTH
def test_end_of_the_key(simple, control, version):
    """Its age counts in milliseconds, on the clock that goes on while the machine sleeps."""
    keep = 3
    proxy = simple(admin={"socket": control}, tls={"session_lifetime": "2s"},
                   tickets={"rotate_every": "900ms", "seal_max_age": "1s", "open_max_age": f"{keep}s"})
    session = sessions.full(proxy.address(), version)
    before = boot_time()
    key = next(key for key in usherctl.keys_of(control) if key.name == session.ticket[:16])
    made = (before - key.age - 0.001, boot_time() - key.age)  # earliest, latest

    def known():
        """Whether the key still opens, as the outcome tells: a ticket that it opens may have expired."""
        before, past = boot_time(), unknown_past()
        sessions.resumes(proxy.address(), session.as_if_new())
        opens, after = unknown_past() == past, boot_time()
        assert before < made[1] + keep if opens else after >= made[0] + keep, (opens, before, after, made)
        return opens

    def unknown_past():
        return proxy.metrics().total("usher_resumption_offers_total", outcome="unknown_past")
    assert known()
    waiting.until(lambda: not known(), "the key's end")
    offers = proxy.metrics().total("usher_resumption_offers_total")
    outcomes = sum(proxy.metrics().total("usher_resumption_offers_total", outcome=outcome)
                   for outcome in ("resumed", "expired", "unknown_past"))
    assert offers == outcomes and unknown_past() == 1


@BOTH
def test_end_of_sealing(simple, tmp_path, version):
    """A key of a file is as old as the file; from seal_max_age on it opens only."""
    files = ticket_keys.nginx_files(tmp_path, [TicketKey()])
    made, limit = files[0].stat().st_mtime, 2 * waiting.SLOWNESS
    proxy = simple(tls={"session_lifetime": "10m"}, tickets={
        "source": "file", "file": [str(files[0])], "seal_max_age": f"{limit}s", "open_max_age": "1h"})
    session = sessions.full(proxy.address(), version)

    def seals():
        before = time.time()
        ticket = sessions.full(proxy.address(), version).ticket
        after = time.time()
        # The file is dated by the wall clock, the key ages by another one.
        right = before < made + limit + 0.05 if ticket else after >= made + limit - 0.05
        assert right, (bool(ticket), before, after, made)
        return ticket
    waiting.until(lambda: not seals(), "the last ticket")
    assert session.ticket and sessions.resumes(proxy.address(), session)
    proxy.wait_stderr("older than seal_max_age")
