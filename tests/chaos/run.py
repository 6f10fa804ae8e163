#!/usr/bin/python3
"""The rotation chaos test: three proxies, two usher-keyds on Redis, a new ticket key every 300 ms, clients that
return to a random proxy, and all the while proxies, daemons, ways and Redis break, one after the other.

    run.py [--connections 20000] [--seed N] [--rate 400] [--keep DIRECTORY]

What must hold: no client that returns within policy to a ready proxy makes a full handshake or fails, every
client leaves with a ticket, no promotion is forced, every ticket older than policy is refused, and every fault
has really happened. Exit 1 if not; the logs stay then, as with --keep. USHER_BUILD names the build directory."""

import argparse
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from chaos import faults, records, report  # noqa: E402
from chaos.clients import Clients, Hoarder  # noqa: E402
from chaos.fleet import KEEP, POLICY, Fleet  # noqa: E402

# What a run takes at the usual pace is about a minute; a machine that needs so much more is not fit.
SECONDS_MAX = 420
ROTATIONS_MIN = 40
OLD_MIN = 20  # tickets of each age that is above policy


class Run:
    def __init__(self, fleet, wanted, rate, seed, tell):
        self.fleet, self.wanted, self.tell = fleet, wanted, tell
        self.chance = random.Random(seed)
        self.clients = Clients(fleet, POLICY, rate, seed)
        self.hoarder = Hoarder(fleet, self.clients, POLICY.session_lifetime, KEEP, seed)
        self.happened = []
        self.start = self.seconds = 0.0

    def go(self):
        """Rounds of faults until enough clients have returned and the oldest tickets were offered."""
        self.fleet.start()
        self.start = time.monotonic()
        self.tell("faults")
        self.clients.start()
        self.hoarder.start()
        try:
            while not (self.happened and self._enough()):
                faults.round_of(self.fleet, self.chance, self._note)
        finally:
            self.hoarder.stop()
            self.clients.stop()
        self.seconds = time.monotonic() - self.start

    def problems(self):
        """What did not hold."""
        counts, promotions = self.clients.judged.counts, self.fleet.promotions()
        old = self.hoarder.offered
        missing = {f.__name__.replace("_", " ") for f in faults.ALL} - {h.fault for h in self.happened}
        found = {
            f"{counts[records.LOST]} full handshakes for want of a key": counts[records.LOST],
            f"{counts[records.FAILED]} connections failed at ready proxies": counts[records.FAILED],
            f"{counts[records.OVERDUE]} tickets older than policy resumed": counts[records.OVERDUE],
            f"{self.clients.judged.without_ticket} clients left without a ticket":
                self.clients.judged.without_ticket,
            f"{promotions['forced']} promotions were forced": promotions["forced"],
            f"only {promotions['acked']} rotations": promotions["acked"] < ROTATIONS_MIN,
            f"only {self.clients.judged.returning()} clients returned":
                self.clients.judged.returning() < self.wanted,
            f"tickets older than policy were hardly offered: {old}": min(old.values()) < OLD_MIN,
            "no ticket was refused because its key had gone": not self.fleet.counted()["unknown_past"],
            f"did not happen: {', '.join(sorted(missing))}": missing,
        }
        return [text for text, wrong in found.items() if wrong]

    def report(self):
        promotions, top = self.fleet.promotions(), max(p.ring() for p in self.fleet.proxies)
        tally = self.clients.judged
        self.tell(f"rotation: {promotions['acked']} keys promoted when all had them, {promotions['forced']} "
                  f"forced, in {self.seconds:.0f} s; the ring is {top[0]:.0f}.{top[1]:.0f}")
        self.tell("connections", *report.connection_lines(tally))
        self.tell("the proxies' word: " + ", ".join(
            f"{name} {count}" for name, count in sorted(self.fleet.counted().items()) if count))
        wrong = report.wrong_lines(self.fleet, tally, self.start, self.happened)
        if wrong:
            self.tell("went wrong", *wrong)

    def _enough(self):
        assert time.monotonic() - self.start < SECONDS_MAX, "the machine is too slow for this run"
        return (self.clients.judged.returning() >= self.wanted
                and min(self.hoarder.offered.values()) >= OLD_MIN)

    def _note(self, happened):
        self.happened.append(happened)
        self.tell(report.fault_line(happened, self.start))


def tell(*lines):
    for line in lines:
        print(line, flush=True)


def attempt(run):
    """What did not hold in this run, in words."""
    try:
        run.go()
        problems = run.problems()
    except (AssertionError, OSError) as error:
        problems = [str(error) or repr(error)]
    try:
        run.report()
    except OSError as error:  # a proxy that is not there
        problems.append(f"no report: {error}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, default=20000, help="returning within policy")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rate", type=float, default=400, help="connections per second")
    parser.add_argument("--keep", metavar="DIRECTORY", help="logs and configurations stay there")
    options = parser.parse_args()
    # Short: a Unix socket's name has little room.
    directory = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="usher-chaos-"))
    directory.mkdir(exist_ok=True, mode=0o755)
    tell(f"rotation chaos, seed {options.seed}: 3 proxies with 2 workers, 2 usher-keyds on Redis")
    fleet = Fleet(directory)
    run = Run(fleet, options.connections, options.rate, options.seed, tell)
    try:
        problems = attempt(run)
    finally:
        run.clients.kill()
        fleet.close()
        fleet.save_logs()
    if problems:
        tell(f"FAILED: {'; '.join(problems)}", f"logs are in {directory}")
        return 1
    if not options.keep:
        shutil.rmtree(directory)
    tell("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
