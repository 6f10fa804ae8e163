"""Compares usher with other proxies, side by side; see ../README.md. Started by run.sh."""

import argparse
import json
import os
import pathlib
import platform
import resource
import signal
import subprocess
import sys
import tempfile

import build
import report
from peers import LOAD_CORE, PEERS, PINNED, PROXY_CORE, Site
from processes import BenchError, Process
from scenarios import SCENARIOS, measure

ROUNDS, QUICK_ROUNDS = 7, 3


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that everything is ended
    try:
        check_cores()
        raise_descriptor_limit()
        with tempfile.TemporaryDirectory(prefix="usher-compare-") as directory:
            met = compare(arguments, directory)
    except BenchError as error:
        sys.exit(f"compare: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if met else 3)


def parse_arguments():
    def names_of(known):
        def parse(text):
            names = text.split(",")
            unknown = [name for name in names if name not in known]
            if unknown:
                raise argparse.ArgumentTypeError(
                    f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
            return names
        return parse

    parser = argparse.ArgumentParser(prog="bench/compare/run.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer operations")
    parser.add_argument("--only", type=names_of(SCENARIOS), default=list(SCENARIOS), metavar="NAME,…",
                        help=f"scenarios: {', '.join(SCENARIOS)}")
    parser.add_argument("--peers", type=names_of(PEERS), default=list(PEERS), metavar="NAME,…",
                        help=f"proxies: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, with --quick {QUICK_ROUNDS}")
    parser.add_argument("--json", metavar="PATH", help="also write every figure there")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def check_cores():
    missing = {PROXY_CORE, LOAD_CORE} - os.sched_getaffinity(0)
    if missing:
        raise BenchError(f"cores {PROXY_CORE} and {LOAD_CORE} are needed; not available: {missing}")


def raise_descriptor_limit():
    """For 2000 idle connections: two descriptors each in the proxy."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = min(hard, 20_000) if hard != resource.RLIM_INFINITY else 20_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < 5000:
        raise BenchError(f"the limit of open files is {wanted}; 5000 are needed (ulimit -Hn)")


def compare(arguments, directory):
    """Runs and prints everything; true unless a wanted limit was missed."""
    wanted = {name for scenario in arguments.only for name in SCENARIOS[scenario].peers}
    peers = [PEERS[name] for name in arguments.peers if name in wanted]
    binaries = build.binaries([peer.name for peer in peers])
    tools = build.tools()
    backend = Process("bench_backend", LOAD_CORE, [tools / "bench_backend"],
                      f"{directory}/backend.log", stdout=subprocess.PIPE, text=True)
    site = None
    try:
        site = Site(directory, binaries, int(backend.stdout.readline()))
        versions = {peer.name: site.version(peer) for peer in peers}
        print_head(versions, arguments.rounds)
        summaries = {}
        for name in arguments.only:
            summaries[name] = run_scenario(site, tools, peers, SCENARIOS[name], arguments)
            print("\n".join(report.lines(summaries[name])), flush=True)
    finally:
        if site:
            site.close()
        backend.stop()
    if arguments.json:
        result = {"versions": versions, "pinned": PINNED, "machine": machine(), "scenarios": summaries}
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return all(one["wanted"] is None or one["wanted"]["met"] is not False for one in summaries.values())


def run_scenario(site, tools, peers, scenario, arguments):
    count = scenario.quick_count if arguments.quick else scenario.count
    rounds = [{peer.name: measure(site, tools, peer, scenario, count)
               for peer in peers if peer.name in scenario.peers} for _ in range(arguments.rounds)]
    return report.summarize(scenario, rounds)


def print_head(versions, rounds):
    for name, version in versions.items():
        print(f"{name}: {version}")
    print(f"{machine()}; proxy on core {PROXY_CORE}, client and backend on core {LOAD_CORE}")
    print(f"{', '.join(PINNED.values())}, ECDSA P-256; {rounds} interleaved rounds: "
          "median (min–max), ratio of each round\n", flush=True)


def machine():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()}, Linux {platform.release()}"
    return f"{platform.machine()}, Linux {platform.release()}"


if __name__ == "__main__":
    main()
