"""The operator's hand, usherctl: run to its end."""

import contextlib
import json
import os
import subprocess
import tempfile

from . import ticket_keys, waiting
from .usher import BINARY

PROGRAM = BINARY.with_name("usherctl")


@contextlib.contextmanager
def socket_path():
    """Where a control socket can be: short (a Unix socket's path has 108 bytes), in a directory of our own."""
    with tempfile.TemporaryDirectory(prefix="usher-") as directory:
        yield os.path.join(directory, "ctl.sock")


def run(*arguments, data=b""):
    """(exit code, standard output, standard error)"""
    done = subprocess.run([PROGRAM, *(str(argument) for argument in arguments)], input=data,
                          timeout=6 * waiting.PATIENCE, check=False, capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def text(*arguments, data=b""):
    """What a command that must succeed prints."""
    code, out, err = run(*arguments, data=data)
    assert code == 0, f"exit {code}: {err}{out}"
    return out


def answer(*arguments, data=b""):
    """The same with --json, parsed."""
    return json.loads(text("--json", *arguments, data=data))


def keys_of(socket):
    """The ticket keys in force, with their bytes."""
    with tempfile.TemporaryDirectory(prefix="usher-") as directory:
        path = os.path.join(directory, "keys")
        text("--socket", socket, "keys", "export", "--format", "usher", "--secret-keys", "--out", path)
        return ticket_keys.exported(path)
