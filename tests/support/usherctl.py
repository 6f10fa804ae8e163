"""The real usherctl, run to its end."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import typing

from . import ticket_keys, usher, waiting

BINARY = usher.BINARY.parent / "usherctl"


class Outcome(typing.NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        """What --json printed."""
        return json.loads(self.out)


def run(*words, data=b"", binary=BINARY, **popen):
    """One command line; `data` is its standard input."""
    done = subprocess.run([str(word) for word in (binary, *words)], input=data, check=False,
                          timeout=60 * waiting.SLOWNESS,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen})
    return Outcome(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())


def text(*words, data=b""):
    """What a command prints that must succeed."""
    done = run(*words, data=data)
    assert done.code == 0, done
    return done.out


def answer(*words, data=b""):
    """The same with --json, parsed."""
    return json.loads(text("--json", *words, data=data))


@contextlib.contextmanager
def socket_path():
    """Where a control socket can be: short (a Unix socket's path has 108 bytes), in a directory of our own."""
    with tempfile.TemporaryDirectory(prefix="usher-") as directory:
        yield os.path.join(directory, "ctl.sock")


def keys_of(socket):
    """The ticket keys in force, with their bytes."""
    with tempfile.TemporaryDirectory(prefix="usher-") as directory:
        return ticket_keys.exported(Control(socket).export(os.path.join(directory, "keys")))


class Control:
    """usherctl at one control socket."""

    def __init__(self, socket):
        self.socket = pathlib.Path(socket)

    def run(self, *words, **popen):
        return run("--socket", self.socket, *words, **popen)

    def json(self, *words):
        """The document of a command that succeeds."""
        done = self.run("--json", *words)
        assert done.code == 0, done
        return done.json

    def ok(self, *words):
        """The text of a command that succeeds."""
        done = self.run(*words)
        assert done.code == 0, done
        return done.out

    def fails(self, *words, data=b""):
        """Why a command failed: the same words for people and for programs, and no other output."""
        text, program = self.run(*words, data=data), self.run("--json", *words, data=data)
        assert text.code == program.code == 1, (text, program)
        assert text.out == "" and text.err.startswith("usherctl: ")
        assert "usherctl: " + program.json["error"] + "\n" == program.err == text.err
        return program.json["error"]

    def export(self, path, form="usher", *more):
        """The path of an exported key file."""
        self.ok("keys", "export", "--format", form, "--secret-keys", "--out", path, *more)
        return pathlib.Path(path)


def plain(text):
    """Whether a terminal shows it as it is."""
    return all(c == "\n" or " " <= c <= "~" for c in text)


def as_user(uid, gid, groups=()):
    """For run(): as that user, away from the tests' directories; root only."""
    assert os.geteuid() == 0
    return {"user": uid, "group": gid, "extra_groups": list(groups), "cwd": "/"}
