"""Promise: with process.user Usher binds as root and serves as that user, who must be able to read every
file (checked at start, so that a reload cannot fail for it later), keeping CAP_NET_BIND_SERVICE alone; who
is not root is told."""

import os
import pathlib
import pwd
import shutil
import tempfile

import pytest

from support import tls, toml, usher, waiting

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_directory():
    """A directory that everybody can enter, unlike pytest's."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config(open_directory, ca, echo):
    """A configuration whose files belong to nobody."""
    issued = ca.server("site.test")
    chain, key = open_directory / "site.pem", open_directory / "site.key"
    shutil.copy(issued.chain, chain)
    shutil.copy(issued.key, key)
    key.chmod(0o600)
    if ROOT:
        os.chown(key, NOBODY.pw_uid, NOBODY.pw_gid)

    def begin(**process):
        return usher.configuration([usher.listener([{"chain": chain, "key": key}], **process.pop("listener", {}))],
                                   [usher.backend(echo)], process={"user": "nobody", **process})
    begin.key = key
    return begin


def process_status(proxy):
    text = pathlib.Path(f"/proc/{proxy.pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.fixture
def started(open_directory):
    running = []

    def begin(config):
        running.append(usher.Usher(open_directory, config))
        return running[-1]
    yield begin
    for proxy in running:
        proxy.kill()


def test_serves_as_the_user(started, config):
    if not ROOT:
        proxy = started(config())
        assert proxy.wait_exit() == 2
        assert "root" in proxy.log()
        return
    proxy = started(config()).wait_ready()
    status = process_status(proxy)
    assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    net_bind_service = 1 << 10
    assert int(status["CapEff"], 16) == net_bind_service
    assert int(status["CapPrm"], 16) == net_bind_service
    assert int(status["CapBnd"], 16) & ~net_bind_service == 0
    assert status["NoNewPrivs"].strip() in ("0", "1")
    # Not dumpable, so root's in /proc although the process is not; and its keys are locked into memory.
    assert os.stat(f"/proc/{proxy.pid}/environ").st_uid == 0
    if waiting.SLOWNESS == 1:  # sanitizers turn mlock into nothing
        assert int(status["VmLck"].split()[0]) > 0
    with tls.Client(proxy.address()).handshake() as client:
        client.send(b"x")
        assert client.receive_exactly(1) == b"x"
    assert proxy.reload()
    proxy.end()


def test_low_port_after_the_drop(started, config):
    """A listener on a privileged port that comes by reload."""
    if not ROOT:
        return test_serves_as_the_user(started, config)
    proxy = started(config()).wait_ready()
    mark = proxy.mark()
    assert proxy.reload(config(listener={"name": "low", "address": "127.0.0.9:443"}))
    with tls.Client(proxy.address("low", since=mark)).handshake():
        pass
    proxy.end()


def test_file_that_the_user_cannot_read(started, config):
    if not ROOT:
        return test_serves_as_the_user(started, config)
    os.chown(config.key, 0, 0)
    proxy = started(config())
    assert proxy.wait_exit() == 2
    assert f"{proxy.path}:" in proxy.log() and str(config.key) in proxy.log()


def test_configuration_that_the_user_cannot_read(started, config, open_directory):
    if not ROOT:
        return test_serves_as_the_user(started, config)
    path = open_directory / "usher.toml"
    path.write_text("")
    path.chmod(0o600)
    proxy = started(config())
    assert proxy.wait_exit() == 2
    assert str(path) in proxy.log()


def test_unknown_user(tmp_path, config):
    path = tmp_path / "usher.toml"
    path.write_text(toml.dump(config(user="no-such-user")))
    code, _, err = usher.run("--config", path)
    assert code == 2
    assert f"{path}:" in err and "no-such-user" in err
