"""Promise: exit codes tell a supervisor what happened: 0 clean, 1 runtime failure, 2 usage or configuration;
--version and --check print to standard output, and everything wrong goes to standard error."""

import os
import socket

import pytest

from support import tls, toml, usher


@pytest.fixture
def good(tmp_path, site, echo):
    config = usher.configuration([usher.listener([site])], [usher.backend(echo)])
    path = tmp_path / "good.toml"
    path.write_text(toml.dump(config))
    return path


def test_version():
    code, out, err = usher.run("--version")
    assert (code, err) == (0, "")
    assert out.startswith("usher ") and out.split()[1][0].isdigit()


def test_check_of_a_good_file(good):
    code, out, err = usher.run("--config", good, "--check")
    assert code == 0, err
    assert str(good) in out


@pytest.mark.parametrize("arguments", [[], ["--check"], ["--no-such-option"], ["--config"], ["serve"],
                                       ["--config", "a", "quick"]])
def test_usage_errors(arguments):
    code, out, err = usher.run(*arguments)
    assert code == 2
    assert err and not out


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_file_that_does_not_exist(tmp_path, more):
    path = tmp_path / "absent.toml"
    code, _, err = usher.run("--config", path, *more)
    assert code == 2
    assert str(path) in err


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_directory_instead_of_a_file(tmp_path, more):
    code, _, err = usher.run("--config", tmp_path, *more)
    assert code == 2
    assert str(tmp_path) in err


def test_missing_openssl_cnf_is_fine(start, site, echo):
    proxy = start(usher.configuration([usher.listener([site])], [usher.backend(echo)]),
                  env={**os.environ, "OPENSSL_CONF": "/nowhere/openssl.cnf"})
    with tls.Client(proxy.address()).handshake():
        pass
    assert proxy.reload()


def test_address_in_use_is_a_runtime_failure(tmp_path, site, echo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        path = tmp_path / "usher.toml"
        path.write_text(toml.dump(usher.configuration(
            [usher.listener([site], address=address)], [usher.backend(echo)])))
        code, _, err = usher.run("--config", path)
    assert code == 1
    assert f"{path}:" in err and address in err


def test_admin_address_in_use_is_a_runtime_failure(tmp_path, site, echo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        path = tmp_path / "usher.toml"
        path.write_text(toml.dump(usher.configuration(
            [usher.listener([site])], [usher.backend(echo)], admin={"listen": address})))
        code, _, err = usher.run("--config", path)
    assert code == 1
    assert address in err
