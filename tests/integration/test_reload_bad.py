"""Promise: a reload that cannot be done changes nothing: the old configuration and certificates serve on,
the log says why with FILE:LINE, the metric and /status tell, and the next good reload works."""

import socket

import pytest

from support import tls, usher


@pytest.fixture
def proxy(start, ca, echo):
    issued = ca.server("site.test")
    running = start(usher.configuration([usher.listener([issued])], [usher.backend(echo)]))
    running.issued, running.ca, running.echo = issued, ca, echo
    running.good = running.path.read_text()
    return running


def unchanged(proxy):
    with tls.Client(proxy.address(), ctx=tls.context(proxy.ca)).handshake() as client:
        client.send(b"x")
        return client.receive_exactly(1) == b"x"


BAD = {
    "unknown key": lambda text: text.replace("[tls]", "[tls]\nmin_verison = \"1.2\""),
    "syntax": lambda text: text + "\n[[[\n",
    "missing file": lambda text: text.replace(".pem\"", ".absent\""),
    "cipher": lambda text: text.replace("[tls]", "[tls]\nciphers = \"NOPE\""),
    "empty": lambda text: "",
    "unknown backend": lambda text: text.replace('backend = "app"', 'backend = "other"'),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_file(proxy, kind):
    with tls.Client(proxy.address()).handshake() as held:
        mark = proxy.mark()
        assert not proxy.reload(BAD[kind](proxy.good))
        proxy.wait_stderr(f"{proxy.path}:", since=mark)
        assert proxy.metrics().total("usher_config_reloads_total", result="failed") == 1
        assert str(proxy.path) in proxy.status()["reloads"]["last_error"]
        assert unchanged(proxy)
        held.send(b"x")
        assert held.receive_exactly(1) == b"x"
    assert proxy.reload(proxy.good)
    assert proxy.status()["reloads"]["last_error"] == ""
    assert unchanged(proxy)


def test_file_gone(proxy):
    proxy.path.unlink()
    assert not proxy.reload()
    assert unchanged(proxy)


@pytest.mark.parametrize("what", ["mismatch", "empty", "gone", "encrypted"])
def test_bad_certificate(proxy, what):
    issued = proxy.issued
    if what == "mismatch":
        issued.key.write_bytes(proxy.ca.server("site.test").key.read_bytes())
    elif what == "empty":
        issued.chain.write_bytes(b"")
    elif what == "gone":
        issued.key.unlink()
    else:
        issued.encrypt_key()
    mark = proxy.mark()
    assert not proxy.reload()
    assert "usher.toml:" in proxy.wait_stderr(str(issued.chain if what == "empty" else issued.key), since=mark)
    with tls.Client(proxy.address()).handshake() as client:
        assert client.ssl.getpeercert(binary_form=True) == issued.der
    issued.write()
    assert proxy.reload()


def test_new_listener_whose_address_is_taken(proxy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        config = usher.configuration(
            [usher.listener([proxy.issued]), usher.listener([proxy.issued], name="new", address=address)],
            [usher.backend(proxy.echo)])
        assert not proxy.reload(config)
        proxy.wait_stderr(address)
    assert unchanged(proxy)
    assert proxy.reload(config)
