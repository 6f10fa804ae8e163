#!/usr/bin/python3
"""Holds the tree to its borders, read from the #include lines: which folder may use which (DESIGN's arrows,
the same as the DEPENDS lists of the CMake targets), which folder alone may use a library, how long a file may
be. Prints each breach as FILE:LINE: what."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# folder: what it uses directly; it may also use what those use.
USES = {
    "proxy/base": [],
    "proxy/uv": ["proxy/base"],
    "proxy/config": ["proxy/base"],
    "proxy/metrics": ["proxy/base"],
    "proxy/keyring": ["proxy/base"],
    "proxy/tls": ["proxy/base", "proxy/keyring"],
    "proxy/admin": ["proxy/uv", "proxy/keyring"],
    "proxy/push": ["proxy/uv", "proxy/tls"],
    "proxy/redis": ["proxy/uv"],
    "proxy/session": ["proxy/tls", "proxy/redis", "proxy/metrics"],
    "proxy/ctl": ["proxy/tls", "proxy/config"],
    "proxy/backend": ["proxy/uv", "proxy/config", "proxy/metrics", "proxy/tls"],
    "proxy/relay": ["proxy/tls", "proxy/metrics", "proxy/backend", "proxy/session"],
    "proxy/http": ["proxy/relay"],
    "proxy/server": ["proxy/admin", "proxy/push", "proxy/http", "proxy/session"],
    "proxy": ["proxy/server"],
    "keyd": ["proxy/admin", "proxy/config", "proxy/metrics", "proxy/push", "proxy/redis"],
}

# A library's headers belong behind one folder's interface.
ONLY_IN = {
    r"uv\.h": "proxy/uv",
    r"toml\+\+/.*": "proxy/config",
    r"boost/(beast|asio)/.*": "proxy/admin",
    r"cap-ng\.h": "proxy/server",
    r"prometheus/.*": "proxy/metrics",
    r"hiredis/.*": "proxy/redis",
    r"nghttp2/.*": "proxy/http",
    r"CLI/.*": ("proxy", "proxy/ctl", "keyd"),
}

LINES_MAX = {".cpp": 500, ".h": 150}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def reachable(folder):
    found, todo = {folder}, [folder]
    while todo:
        for used in USES[todo.pop()]:
            if used not in found:
                found.add(used)
                todo.append(used)
    return found


def breaches_of_include(folder, own, system):
    """folder: of the file; own, system: what the line includes, one of them."""
    if own:
        target = str(pathlib.PurePosixPath(own).parent)
        if target not in USES:
            yield f'"{own}" is in no known folder; includes start at the root'
        elif target not in reachable(folder):
            yield f"{folder} may not use {target}"
        return
    for pattern, owner in ONLY_IN.items():
        if re.fullmatch(pattern, system) and folder not in ((owner,) if isinstance(owner, str) else owner):
            yield f"<{system}> is for {owner} only"


def breaches(path):
    relative = path.relative_to(ROOT)
    folder = str(relative.parent)
    lines = path.read_text().splitlines()
    if folder not in USES:
        yield f"{relative}:1: {folder} is not in the table of tests/borders.py"
        return
    if len(lines) > LINES_MAX[path.suffix]:
        yield f"{relative}:{len(lines)}: longer than {LINES_MAX[path.suffix]} lines"
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            for what in breaches_of_include(folder, *match.groups()):
                yield f"{relative}:{number}: {what}"


def length_breaches_of_tests():
    for folder in ("tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.cpp")):
            count = len(path.read_text().splitlines())
            if count > LINES_MAX[".cpp"]:
                yield f"{path.relative_to(ROOT)}:{count}: longer than {LINES_MAX['.cpp']} lines"


def main():
    files = [p for s in LINES_MAX for top in ("proxy", "keyd") for p in sorted((ROOT / top).rglob(f"*{s}"))]
    found = [what for path in files for what in breaches(path)] + list(length_breaches_of_tests())
    for what in found:
        print(what)
    if not files:
        print("no source file was found")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
