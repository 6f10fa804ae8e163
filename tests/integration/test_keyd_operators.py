"""Promise: usher-keyd survives what operators do to it, and says once what is wrong: a signal that log rotation
sends, a key file that is not the fleet's."""

import signal

import pytest

from support import keyd as daemon
from support import redis as redis_server
from support import waiting


@pytest.fixture
def redis(short_directory):
    directory = short_directory / "redis"
    directory.mkdir()
    server = redis_server.Redis(directory).start()
    yield server
    server.kill()


def looks_at(redis):
    """How many scripts have run."""
    line = next(line for line in redis.command("INFO", "commandstats").decode().splitlines()
                if line.startswith("cmdstat_eval:"))
    return int(line.split("calls=")[1].split(",")[0])


def test_the_signal_to_reopen_logs(start_keyd, subscribe):
    keyd = start_keyd()
    keyd.process.send(signal.SIGUSR1)
    subscribe(keyd).wait_ring()
    assert keyd.running()


def test_another_key_file_than_the_fleets(redis, start_keyd, short_directory):
    first = start_keyd("one", redis.url)
    waiting.until(first.leads, "the first to lead")
    first.end()
    other = daemon.key_file(short_directory / "other")
    keyd = start_keyd("two", redis.url, store={"key_file": other})
    waiting.until(lambda: "another key_file" in keyd.admin("/readyz")[1], "the reason on /readyz")
    assert keyd.admin("/readyz")[0] == 503 and not keyd.leads()
    looks = looks_at(redis)
    waiting.until(lambda: looks_at(redis) > looks + 20, "it to look again and again")
    assert sum("cannot be read" in line for line in keyd.process.stderr) <= 2, keyd.log()


def test_asked_again_and_again_it_ends_as_cleanly(start_keyd):
    for index in range(8):
        keyd = start_keyd(f"k{index}")
        while keyd.running():
            keyd.process.send(signal.SIGTERM)
        assert keyd.process.wait_exit() == 0
