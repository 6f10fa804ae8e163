"""Promise: `--check` does not call good what the user who will read it could not read."""

import os
import pathlib
import pwd
import tempfile

import pytest

from support import toml, usher

ROOT = os.geteuid() == 0


@pytest.fixture
def config(ca):
    """The path of a configuration with process.user = "nobody", in a folder that everybody may enter."""
    issued = ca.server("site.test")
    with tempfile.TemporaryDirectory(prefix="usher-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        chain, key = folder / "site.pem", folder / "site.key"
        chain.write_bytes(issued.chain.read_bytes())
        key.write_bytes(issued.key.read_bytes())
        key.chmod(0o600)
        (folder / "usher.toml").write_text(toml.dump(usher.configuration(
            [usher.listener([{"chain": chain, "key": key}])], [usher.backend("127.0.0.1:9")],
            process={"user": "nobody"})))
        yield folder / "usher.toml"


def test_key_that_only_the_caller_can_read(config):
    """Root checks as the user; who cannot become another checks as himself."""
    code, _, log = usher.run("--config", config, "--check")
    assert code == (2 if ROOT else 0), log
    if ROOT:
        assert "site.key: Permission denied to user 'nobody'" in log
        assert "chown" in log


@pytest.mark.skipif(not ROOT, reason="only root can give a file away")
def test_key_of_the_user(config):
    os.chown(config.with_name("site.key"), pwd.getpwnam("nobody").pw_uid, -1)
    code, out, log = usher.run("--config", config, "--check")
    assert code == 0, out + log


@pytest.mark.parametrize("table, name", [("admin", "allow_groups"), ("process", "user")])
def test_names_that_do_not_exist(site, tmp_path, table, name):
    """As start and reload say it, also to somebody who is not root."""
    value = ["no-such-group"] if name == "allow_groups" else "no-such-user"
    path = tmp_path / "usher.toml"
    path.write_text(toml.dump(usher.configuration(
        [usher.listener([site])], [usher.backend("127.0.0.1:9")], **{table: {name: value}})))
    code, _, log = usher.run("--config", path, "--check")
    assert code == 2 and "usher.toml:" in log and "no-such-" in log, log
