"""Promise: the control socket serves the same pages to whom it should: everybody may connect (mode 0666 in
a directory that only the owner can write), the peer's credentials decide: root and the owner, and the groups
of allow_groups; a live socket is never taken over, a dead one is replaced, and the file goes with Usher."""

import grp
import os
import pathlib
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile

import pytest

from support import toml, usher

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def directory():
    """Short (a Unix socket's path has 108 bytes) and open to everybody's look."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config(site, echo):
    def begin(socket_path, **admin):
        return usher.configuration(
            [usher.listener([site])], [usher.backend(echo)],
            admin={"listen": "", "socket": str(socket_path), **admin})
    return begin


def test_pages_and_permissions(start, config, directory):
    path = directory / "run" / "usher.sock"  # the directory is made
    proxy = start(config(path))
    for page in ("/healthz", "/readyz", "/metrics", "/status"):
        assert usher.control(path, page)[0] == 200
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    proxy.end()
    assert not path.exists()


def test_curl(start, config, directory, run_client):
    path = directory / "usher.sock"
    start(config(path))
    out = run_client(["curl", "-sS", "--unix-socket", path, "http://localhost/readyz"])
    assert out == "ready\n"


def as_nobody(path, groups=()):
    """The status code that the user nobody gets."""
    code = ("import http.client, socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "c = http.client.HTTPConnection('localhost'); c.sock = s\n"
            "c.request('GET', '/status'); print(c.getresponse().status)\n")
    done = subprocess.run(["/usr/bin/python3", "-c", code, path], user="nobody", group=NOBODY.pw_gid,
                          extra_groups=list(groups), cwd="/", capture_output=True, timeout=60, check=False)
    return done.stdout.decode().strip() or done.stderr.decode().strip().splitlines()[-1]


def test_strangers_are_refused(start, config, directory):
    path = directory / "usher.sock"
    start(config(path))
    if not ROOT:  # nobody else's credentials can be had: the owner's are good
        assert usher.control(path, "/status")[0] == 200
        return
    answer = as_nobody(path)
    assert answer == "403" or "RemoteDisconnected" in answer or "ConnectionReset" in answer, answer


@pytest.mark.parametrize("how", ["primary", "supplementary"])
def test_allowed_groups_may_read(start, config, directory, how):
    path = directory / "usher.sock"
    if not ROOT:
        mine = grp.getgrgid(os.getgid()).gr_name
        start(config(path, allow_groups=[mine]))
        assert usher.control(path, "/status")[0] == 200
        return
    supplementary = grp.getgrnam("daemon")
    name = supplementary.gr_name if how == "supplementary" else grp.getgrgid(NOBODY.pw_gid).gr_name
    start(config(path, allow_groups=[name]))
    assert as_nobody(path, [supplementary.gr_gid] if how == "supplementary" else []) == "200"


def test_unknown_group(config, directory):
    path = directory / "usher.toml"
    path.write_text(toml.dump(config(directory / "usher.sock", allow_groups=["no-such-group"])))
    code, _, err = usher.run("--config", path)
    assert code == 2
    assert f"{path}:" in err and "no-such-group" in err


def test_live_socket_is_never_taken_over(start, config, directory):
    path = directory / "usher.sock"
    start(config(path))
    second = directory / "second.toml"
    second.write_text(toml.dump(config(path)))
    code, _, err = usher.run("--config", second)
    assert code == 1
    assert str(path) in err
    assert usher.control(path, "/healthz")[0] == 200


def test_dead_socket_is_replaced(start, config, directory):
    path = directory / "usher.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    start(config(path))
    assert usher.control(path, "/healthz")[0] == 200


def test_file_that_is_no_socket_stays(config, directory):
    path = directory / "precious"
    path.write_text("do not remove")
    file = directory / "usher.toml"
    file.write_text(toml.dump(config(path)))
    code, _, err = usher.run("--config", file)
    assert code == 1
    assert str(path) in err
    assert path.read_text() == "do not remove"


def test_directory_that_others_can_write(config, directory):
    open_to_all = directory / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    file = directory / "usher.toml"
    file.write_text(toml.dump(config(open_to_all / "usher.sock")))
    code, _, err = usher.run("--config", file)
    assert code == 1
    assert str(open_to_all) in err


def test_path_that_is_too_long(config, directory):
    file = directory / "usher.toml"
    file.write_text(toml.dump(config(directory / ("x" * 120))))
    code, _, err = usher.run("--config", file)
    assert code in (1, 2)
    assert "socket" in err
