#!/usr/bin/python3
"""How long a new ring takes from usher-keyd to every worker of every proxy, and a rotation from the command to
the new key that seals.

    run.py [--proxies 3] [--workers 2] [--rotations 200]

Starts one usher-keyd with a file store and the proxies, rotates by hand, and reads the daemon's own histogram
usher_keyd_apply_seconds (push to APPLIED: all workers read the ring). USHER_BUILD names the build directory
(build/release)."""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("USHER_BUILD", str(ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tests"))

from support import backends, certificates, keyd, usher  # noqa: E402


def start_fleet(directory, options, site, backend):
    """(usher-keyd, its proxies), each proxy a member that reads the ring."""
    daemon = keyd.Keyd(directory, keyd.configuration(
        directory, keyd.key_file(directory / "key"), rotation={"keep": "9h"}))
    daemon.start()
    proxies = []
    for index in range(options.proxies):
        own = directory / f"proxy-{index}"
        own.mkdir()
        proxies.append(usher.Usher(own, usher.configuration(
            [usher.listener([site])], [usher.backend(backend)],
            process={"node": f"p{index}", "workers": options.workers},
            tickets={"source": "keyd", "keyd": [daemon.endpoint]})))
    daemon.wait_metric("usher_keyd_members", lambda n: n == options.proxies, state="current")
    return daemon, proxies


def rotate(daemon, count):
    """Seconds of each rotation, from the command to the promotion. The ring holds 64 keys: older ones are
    revoked (which is a ring of its own)."""
    took = []
    for _ in range(count):
        begun = time.monotonic()
        status, answer = daemon.post("/keys/rotate")
        assert status in (200, 202), answer
        daemon.wait_promoted()
        took.append(time.monotonic() - begun)
        keys = daemon.keys()["keys"]
        if len(keys) > 32:
            assert daemon.post("/keys/revoke", {"name": keys[-1]["name"]})[0] == 200
    return took


def bounds(metrics):
    """[(upper bound in seconds, rings)], cumulative."""
    return sorted((float(labels["le"]), count)
                  for labels, count in metrics.all("usher_keyd_apply_seconds_bucket"))


def quantile(buckets, share):
    """The upper bound of the bucket in which this share of the rings lies, in ms."""
    wanted = share * buckets[-1][1]
    return next(bound for bound, count in buckets if count >= wanted) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxies", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rotations", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="usher-") as name:
        directory = pathlib.Path(name)
        site = certificates.Authority(directory / "ca", "bench-ca").server("site.test")
        backend = backends.Echo()
        daemon, proxies = start_fleet(directory, options, site, backend)
        try:
            took = rotate(daemon, options.rotations)
            buckets = bounds(daemon.metrics())
            total = daemon.metrics().total("usher_keyd_apply_seconds_sum")
        finally:
            for process in (*proxies, daemon):
                process.kill()
            backend.close()
    print(f"{options.proxies} proxies × {options.workers} workers, {options.rotations} rotations")
    print(f"ring to all workers of a proxy: median ≤ {quantile(buckets, 0.5):g} ms, "
          f"99 % ≤ {quantile(buckets, 0.99):g} ms, mean {total / buckets[-1][1] * 1000:.2f} ms "
          f"({buckets[-1][1]:.0f} rings pushed)")
    print(f"rotation, command to promotion: median {statistics.median(took) * 1000:.1f} ms, "
          f"longest {max(took) * 1000:.1f} ms (looked at every 10 ms)")


if __name__ == "__main__":
    main()
