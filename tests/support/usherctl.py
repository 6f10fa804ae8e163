"""The operator's hand, usherctl: run to its end."""

import json
import subprocess

from . import waiting
from .usher import BINARY

PROGRAM = BINARY.with_name("usherctl")


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
