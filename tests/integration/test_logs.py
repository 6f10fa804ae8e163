"""Promise: the log and the access line say what happened, one line each, as logfmt or JSON, with everything
that strangers send escaped; SIGUSR1 opens the access log anew."""

import json
import os
import signal
import socket

import pytest

from support import raw_tls, tls, toml, usher, waiting
from support.process import fields_of


def exchange(proxy, size=1000, **more):
    with tls.Client(proxy.address(), **more).handshake() as client:
        client.send(b"x" * size)
        client.receive_exactly(size)
        session = client.ssl.session
        client.send_close_notify()
        client.receive_rest()
    return session


@pytest.mark.parametrize("version", list(tls.CONTEXTS))
def test_access_line(simple, echo, version):
    proxy = simple(listener={"alpn": ["h2"]})
    ctx = tls.CONTEXTS[version](alpn=["h2"])
    session = exchange(proxy, ctx=ctx)
    exchange(proxy, ctx=ctx, session=session)
    first, second = proxy.access_lines(2)
    assert first["time"].endswith("Z")
    assert first["listener"] == "main"
    assert first["client"].startswith("127.0.0.1:")
    assert first["sni"] == "site.test"
    assert first["version"] == version
    assert first["cipher"] == {"TLSv1.2": "ECDHE-ECDSA-AES128-GCM-SHA256",
                               "TLSv1.3": "TLS_AES_128_GCM_SHA256"}[version]
    assert first["alpn"] == "h2"
    assert first["resumption"] == "none"
    assert first["backend"] == echo.address
    assert (first["bytes_in"], first["bytes_out"]) == ("1000", "1000")
    assert first["reason"] == "finished"
    assert second["resumption"] == ("psk" if version == "TLSv1.3" else "ticket")
    assert second["offer"] == "resumed"
    assert float(first["duration_ms"]) >= float(first["handshake_ms"]) >= 0


def test_failed_handshake_has_a_line(simple):
    proxy = simple()
    with tls.connect(proxy.address()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        raw_tls.ended(sock)
    line = proxy.access_lines(1)[0]
    assert line["reason"] == "handshake_failed"
    assert "not_tls" in line["detail"]


def test_hostile_names_are_escaped(simple):
    proxy = simple()
    evil = b"evil\" reason=finished\r\n\x1b[31m\xff.test"
    with tls.connect(proxy.address()) as sock:
        sock.sendall(raw_tls.record(22, raw_tls.hello_body(extensions=raw_tls.usual_extensions(evil))))
        raw_tls.read_records(sock, lambda records: True)
    waiting.until(lambda: proxy.stdout, "the access line")
    assert len(proxy.stdout) == 1
    line = proxy.stdout[0]
    assert line.isprintable() and line.isascii()
    assert "\\u001b" in line and "\\u00ff" in line
    assert fields_of(line)["reason"] == "client_gone"


def test_json(simple):
    proxy = simple(log={"format": "json"}, ready=False)
    ready = waiting.until(
        lambda: [e for e in map(json.loads, list(proxy.stderr)) if e["msg"] == "ready"], "ready")
    assert ready[0]["level"] == "info"
    address = [e for e in map(json.loads, proxy.stderr) if e["msg"] == "listening"][0]["address"]
    host, port = address.rsplit(":", 1)
    with tls.Client((host, int(port))).handshake() as client:
        client.send(b"12345")
        client.receive_exactly(5)
        client.send_close_notify()
        client.receive_rest()
    waiting.until(lambda: proxy.stdout, "the access line")
    line = json.loads(proxy.stdout[0])
    assert line["bytes_in"] == 5 and line["reason"] == "finished"


def test_level(start, site, echo):
    """At level error a start says nothing; admin on a known port tells that it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = ("127.0.0.1", probe.getsockname()[1])
    proxy = start(usher.configuration(
        [usher.listener([site], address="%s:%d" % address)], [usher.backend(echo)],
        log={"level": "error"}), ready=False)
    waiting.until(lambda: _answers(address), "the listener")
    proxy.access_lines(1)
    proxy.end()
    assert not proxy.stderr


def _answers(address):
    try:
        with tls.Client(address).handshake() as client:
            client.send_close_notify()
            return client.receive_rest()[1] == "close_notify"
    except ConnectionRefusedError:
        return False


def test_access_log_file_and_reopen(simple, tmp_path):
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    proxy = simple(log={"access": str(path)})
    exchange(proxy)
    waiting.until(lambda: path.read_text().count("\n") == 1, "the first line")
    assert os.stat(path).st_mode & 0o007 == 0  # not for everybody: it names clients
    path.rename(moved)
    proxy.send(signal.SIGUSR1)
    waiting.until(path.exists, "the new file")
    exchange(proxy)
    waiting.until(lambda: path.read_text().count("\n") == 1, "the line in the new file")
    assert moved.read_text().count("\n") == 1
    assert not proxy.stdout


def test_reopen_that_fails_keeps_the_old_file(simple, tmp_path):
    directory = tmp_path / "logs"
    directory.mkdir()
    path = directory / "access.log"
    proxy = simple(log={"access": str(path)})
    exchange(proxy)
    away = tmp_path / "away"
    directory.rename(away)
    proxy.send(signal.SIGUSR1)
    proxy.wait_stderr("access log")
    exchange(proxy)
    waiting.until(lambda: (away / "access.log").read_text().count("\n") == 2, "the second line")


def test_access_log_that_cannot_be_opened(tmp_path, site, echo):
    path = tmp_path / "usher.toml"
    path.write_text(toml.dump(usher.configuration(
        [usher.listener([site])], [usher.backend(echo)], log={"access": str(tmp_path / "no" / "log")})))
    code, _, err = usher.run("--config", path)
    assert code == 2
    assert f"{path}:" in err and str(tmp_path / "no" / "log") in err


def test_no_access_line_when_off(simple):
    proxy = simple(log={"access": "off"})
    exchange(proxy)
    proxy.wait_close("finished")
    proxy.end()
    assert not proxy.stdout


def test_private_keys_never_reach_the_log(simple, site):
    proxy = simple(log={"level": "debug"})
    exchange(proxy)
    proxy.end()
    secret = site.key.read_text().splitlines()[1]
    assert secret not in proxy.log() and "PRIVATE KEY" not in proxy.log()
