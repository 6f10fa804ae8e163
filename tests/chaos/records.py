"""What a connection of the load was, and what it proves: pure, so that it can be tested by itself."""

import collections
import dataclasses
import math


@dataclasses.dataclass
class Record:
    """One connection of a client. Times are of the monotonic clock, which all processes share."""

    node: int         # index of the proxy
    version: str      # TLSv1.2 or TLSv1.3
    began: float
    ended: float
    failure: str      # "": bytes went through to the backend and back
    offered: bool     # a ticket
    since: list       # [earliest, latest] begin of the session that was offered; None without
    origin: int       # the proxy whose ticket it was; None without
    resumed: bool
    ticket: bool      # the client left with a ticket
    port: int = 0     # the client's: finds the connection in the proxy's access log


@dataclasses.dataclass
class Outage:
    """A proxy that no balancer would choose: stopped, killed or not ready yet."""

    node: int
    begin: float
    end: float = math.inf


@dataclasses.dataclass(frozen=True)
class Policy:
    session_lifetime: float  # seconds; tls.session_lifetime


NOT_COUNTED = "not counted"      # the proxy was away during some of it
FAILED = "failed"
FIRST = "first"                  # nothing to offer
RESUMED = "resumed"              # as it must
LOST = "lost"                    # a full handshake although its ticket is within policy
REFUSED = "refused"              # older than policy, and a full handshake, as it must
OVERDUE = "overdue"              # older than policy, and resumed nevertheless
BETWEEN = "between"              # as old as policy allows, within the second to which TLS counts

WRONG = (FAILED, LOST, OVERDUE)


def judge(record, outages, policy):
    """One of the words above. The last second of a session is nobody's: both sides count whole seconds."""
    if any(o.node == record.node and record.began <= o.end and record.ended >= o.begin for o in outages):
        return NOT_COUNTED
    if record.failure:
        return FAILED
    if not record.offered:
        return FIRST
    earliest, latest = record.since
    if record.ended - earliest <= policy.session_lifetime - 1:
        return RESUMED if record.resumed else LOST
    if record.began - latest >= policy.session_lifetime:
        return OVERDUE if record.resumed else REFUSED
    return BETWEEN


class Tally:
    """Counts verdicts; keeps the records that prove something wrong."""

    def __init__(self):
        self.counts = collections.Counter()    # by verdict
        self.versions = collections.Counter()  # resumed, by version
        self.moved = 0                         # resumed at another proxy than the ticket's
        self.without_ticket = 0                # connections that were counted and left without one
        self.wrong = []                        # (verdict, record)

    def add(self, record, verdict):
        self.counts[verdict] += 1
        if verdict == RESUMED:
            self.versions[record.version] += 1
            self.moved += record.node != record.origin
        if verdict not in (NOT_COUNTED, FAILED) and not record.ticket:
            self.without_ticket += 1
        if verdict in WRONG:
            self.wrong.append((verdict, record))

    def returning(self):
        """Connections with a ticket within policy, at proxies that were there."""
        return self.counts[RESUMED] + self.counts[LOST]
