"""Looks for secrets in the memory of a running process. Needs root: our daemons forbid it to everybody else."""

import array
import base64
import mmap
import os
import pathlib
import re
import signal
import typing

from . import waiting

_CHUNK = 4 << 20
_PAGE = mmap.PAGESIZE
_SHADOW = 1 << 36  # so large is only what a sanitizer keeps about memory
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


class Mapping(typing.NamedTuple):
    start: int
    end: int
    permissions: str  # "rw-p"
    name: str         # "[heap]", a file, or ""
    flags: frozenset  # VmFlags of proc_pid_smaps(5): "dd" not dumped, "lo" locked, "wf" wiped on fork


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = _HEAD.match(line)
        if head:
            start, end, permissions, name = head.groups()
            found.append(Mapping(int(start, 16), int(end, 16), permissions, name, frozenset()))
        elif line.startswith("VmFlags:"):
            found[-1] = found[-1]._replace(flags=frozenset(line.split()[1:]))
    return found


def find(pid, secrets):
    """{name: [the mappings that hold it]} of the secrets {name: bytes} that are in writable memory."""
    found = {}
    longest = max(len(secret) for secret in secrets.values())
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, \
            open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pages:
        for mapping in mappings(pid):
            if "w" in mapping.permissions and mapping.end - mapping.start < _SHADOW:
                for name in _held(memory, _used(pages, mapping), secrets, longest):
                    found.setdefault(name, []).append(mapping)
    return found


def _used(pages, mapping):
    """[(start, end)] of its pages that were ever touched: most of a thread's stack was not."""
    entries = array.array("Q", os.pread(pages.fileno(), (mapping.end - mapping.start) // _PAGE * 8,
                                        mapping.start // _PAGE * 8))
    runs = []
    for at, entry in enumerate(entries):
        if entry >> 62:  # present, or swapped out (pagemap.rst of the kernel)
            start = mapping.start + at * _PAGE
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], start + _PAGE)
            else:
                runs.append((start, start + _PAGE))
    return runs


def _held(memory, runs, secrets, longest):
    """The names of those that these pages hold."""
    held = set()
    for start, end in runs:
        rest = b""  # of the chunk before: a secret may lie across
        for at in range(start, end, _CHUNK):
            try:
                chunk = rest + os.pread(memory.fileno(), min(_CHUNK, end - at), at)
            except OSError:  # unmapped since, or memory of a device
                break
            held.update(name for name, secret in secrets.items() if secret in chunk)
            rest = chunk[-longest:]
    return held


# --- ticket keys

# What mappings with keys must be: not dumped, wiped on fork, locked; sanitizers let mlock do nothing.
SAFE = {"dd", "wf"} | ({"lo"} if waiting.SLOWNESS == 1 else set())


def key_parts(keys):
    """What to look for: either half of the AES and of the HMAC key, and the text of an export."""
    found = {}
    for key in keys:
        for kind, secret in (("aes", key.aes), ("hmac", key.hmac)):
            half = len(secret) // 2
            found[key.name, kind, "begin"], found[key.name, kind, "end"] = secret[:half], secret[half:]
        found[key.name, "export", ""] = base64.b64encode(key.aes + key.hmac)[4:-4]
    return found


def live_keys(pid, keys):
    """The names of the keys of which all four halves are there; wherever they are is safe. The process stands
    still meanwhile: a scan may take longer than a key lives."""
    os.kill(pid, signal.SIGSTOP)
    try:
        held = find(pid, key_parts(keys))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert_safe(held)
    return {name for name, *_ in held
            if all((name, kind, half) in held for kind in ("aes", "hmac") for half in ("begin", "end"))}


def assert_safe(held):
    """What find() found is in none but safe mappings."""
    for part, places in held.items():
        for mapping in places:
            assert SAFE <= mapping.flags, (part, mapping)
