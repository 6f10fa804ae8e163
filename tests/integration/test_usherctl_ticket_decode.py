"""Promise: a captured ticket can be read with the keys that sealed it, in whatever form it was captured and
wherever the keys come from, without a daemon; why one cannot be read is told apart; and no secret of the session
is ever shown."""

import base64
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from support import peers, sessions, ticket_keys, usherctl, waiting

BOTH = sorted(sessions.VERSIONS)


@pytest.fixture
def directory():
    """Short: a Unix socket's path has 108 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def control(directory):
    return usherctl.Control(directory / "ctl.sock")


@pytest.fixture
def proxy(simple, control):
    return lambda **tables: simple(admin={"socket": str(control.socket)}, **tables)


def decode(*words, data=b"", code=0):
    """The document; --json and text agree on the outcome."""
    text = usherctl.run("ticket", "decode", *words, data=data)
    program = usherctl.run("--json", "ticket", "decode", *words, data=data)
    assert text.code == program.code == code, (text, program)
    assert usherctl.plain(text.out + text.err)
    assert (text.err == program.err == "") == (code == 0)
    return program.json


def capture(directory, address, version):
    """As operators do it: s_client, kept open until the server's ticket has come. (output, session file)"""
    file = directory / f"{version}.pem"
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", "%s:%d" % address, "-servername", "site.test", "-alpn", "h2",
             {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}[version], "-sess_out", str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        client.stdin.write(b"echo\n")
        client.stdin.flush()
        waiting.until(file.exists, "the session's file")
        output = client.communicate(timeout=waiting.PATIENCE)[0].decode()
    assert "BEGIN SSL SESSION" in file.read_text()
    return output, file


@pytest.mark.parametrize("version", BOTH)
def test_ticket_of_s_client_in_every_form(proxy, control, directory, version):
    running = proxy(listener={"alpn": ["h2"]})
    control.ok("keys", "rotate")
    before = time.time()
    output, pem = capture(directory, running.address(), version)
    keys = control.export(directory / "keys")
    name = control.json("keys", "show")["keys"][0]["name"]

    shown = decode(pem, "--keys", keys)
    session = shown.pop("session")
    assert (shown["key_name"], shown["epoch"], shown["verdict"], shown["ticket_cipher"]) == (
        name, 2, "opened", "AES-256-CBC")
    assert (session["protocol"], session["sni"], session["alpn"]) == (version, "site.test", "h2")
    assert session["cipher"] == re.search(r"Cipher    : (\S+)", output).group(1)
    assert before - 2 <= session["time"] <= time.time() + 1
    assert session["lineage_start"] == session["time"]
    assert session["timeout_seconds"] == 6 * 3600 and session["expires"] == session["time"] + 6 * 3600
    assert re.fullmatch("[0-9a-f]{64}", session["domain"]) and session["own_domain"] is None

    der = base64.b64decode("".join(pem.read_text().splitlines()[1:-1]))
    ticket = sessions.Session(der, version).ticket
    (directory / "raw").write_bytes(ticket)
    (directory / "hex").write_text(ticket.hex(":").upper())
    (directory / "output").write_text(output)
    for argument, data in ((directory / "raw", b""), (directory / "hex", b""), (directory / "output", b""),
                           (ticket.hex(), b""), (ticket.hex(" ", 2), b""), ("-", base64.encodebytes(ticket)),
                           ("-", base64.urlsafe_b64encode(ticket).rstrip(b"=")), ("-", ticket),
                           ("-", pem.read_bytes())):
        again = decode(argument, "--keys", keys, data=data)
        assert again.pop("session") == session and again == shown, argument

    text = usherctl.run("ticket", "decode", pem, "--keys", keys).out
    for words in (f"key name   {name}", "epoch      2", "MAC        verified", f"protocol   {version}",
                  f"suite      {session['cipher']}", "lifetime   6h", "SNI        site.test", "ALPN       h2",
                  f"domain     {session['domain']}", "lineage    since 20"):
        assert f"{words}" in text, text


@pytest.mark.parametrize("version", BOTH)
def test_no_secret_is_shown(proxy, control, directory, version):
    output, pem = capture(directory, proxy(listener={"alpn": ["h2"]}).address(), version)
    keys = control.export(directory / "keys")
    secret = re.search(r"(?:Master-Key|Resumption PSK): ([0-9A-F]{64,})", output).group(1)
    shown = "".join(usherctl.run(*words, "ticket", "decode", pem, *more).out
                    for words in ((), ("--json",)) for more in ((), ("--keys", keys)))
    for form in (secret, base64.b64encode(bytes.fromhex(secret)).decode()):
        for part in (form, form[:24], form[-24:]):
            assert part.lower() not in shown.lower()


@pytest.mark.parametrize("size, cipher", [(80, "AES-256-CBC"), (48, "AES-128-CBC")])
@pytest.mark.parametrize("form", ["nginx", "haproxy"])
def test_keys_of_others(proxy, directory, form, size, cipher):
    keys = [ticket_keys.TicketKey(size) for _ in range(3)]
    paths = (ticket_keys.nginx_files(directory, keys) if form == "nginx"
             else [ticket_keys.haproxy_file(directory / "haproxy", keys)])
    sealing = keys[0] if form == "nginx" else keys[1]
    running = proxy(tickets={"source": "file", "file": [str(path) for path in paths]})
    for version in BOTH:
        ticket = sessions.full(running.address(), version).ticket.hex()
        for order in (paths, paths[::-1]):
            words = [word for path in order for word in ("--keys", path)]
            for more in ((), ("--format", form)):
                shown = decode(ticket, *words, *more)
                assert shown["key_name"] == sealing.name.hex() and shown["epoch"] is None
                assert shown["ticket_cipher"] == cipher and shown["session"]["protocol"] == version
                assert shown["session"]["sni"] == "site.test"


@pytest.fixture
def peer():
    started = []

    def begin(made):
        started.append(made)
        return made.wait_ready()
    yield begin
    for made in started:
        made.kill()


@pytest.mark.parametrize("size", [80, 48])
@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_tickets_of_other_programs(peer, site, echo, directory, program, size):
    keys = [ticket_keys.TicketKey(size) for _ in range(3)]
    if program == "nginx":
        paths = ticket_keys.nginx_files(directory, keys)
        running, sealing = peer(peers.Nginx(directory, "http", [site], paths)), keys[0]
    else:
        paths = [ticket_keys.haproxy_file(directory / "haproxy", keys)]
        running, sealing = peer(peers.Haproxy(directory, [site], paths[0], echo)), keys[1]
    words = [word for path in paths for word in ("--keys", path)]
    for version in BOTH:
        shown = decode(sessions.full(running.address(), version).ticket.hex(), *words)
        assert shown["key_name"] == sealing.name.hex()
        assert shown["session"]["protocol"] == version and shown["session"]["lineage_start"] is None
        if program == "haproxy":
            assert bytes.fromhex(shown["session"]["domain"]) == b"haproxy"


def test_both_domains_of_a_migrating_listener(proxy, control, directory):
    running = proxy(listener={"session_context": "haproxy"})
    keys = control.export(directory / "keys")
    shown = decode(sessions.full(running.address()).ticket.hex(), "--keys", keys)["session"]
    assert bytes.fromhex(shown["domain"]) == b"haproxy"
    assert re.fullmatch("[0-9a-f]{64}", shown["own_domain"])


def test_without_keys_only_what_needs_none(proxy):
    ticket = sessions.full(proxy().address()).ticket
    assert decode(ticket.hex()) == {
        "verdict": "no_keys", "key_name": ticket[:16].hex(), "iv": ticket[16:32].hex(),
        "encrypted_bytes": len(ticket) - 64, "mac": ticket[-32:].hex()}


def test_each_failure_has_its_own_words(proxy, control, directory):
    running = proxy()
    ticket = sessions.full(running.address()).ticket
    name, keys = ticket[:16].hex(), control.export(directory / "keys")

    def why(damaged, verdict, file=keys):
        shown = decode(damaged.hex(), "--keys", file, code=1)
        assert shown["verdict"] == verdict and shown["session"] is None
        return shown["error"]

    for at in (16, 40, len(ticket) - 1):  # IV, content, MAC
        flipped = bytes(byte ^ (at == index) for index, byte in enumerate(ticket))
        assert why(flipped, "bad_mac").startswith("bad MAC: the ticket was altered or cut")
    assert why(ticket[:-16], "bad_mac").startswith("bad MAC: ")  # whole blocks still
    for size in (0, 16, 79, len(ticket) - 1):  # fewer random bytes may look like text
        (directory / "cut").write_bytes(ticket[:size])
        error = decode(directory / "cut", "--keys", keys, code=1)["error"]
        assert "the ticket is truncated" in error or (size == 0 and "it is empty" in error)

    stranger = ticket_keys.nginx_files(directory, [ticket_keys.TicketKey()])[0]
    assert why(ticket, "unknown_key", stranger) == f"wrong keys: none of those given is named {name}"
    liar = ticket_keys.TicketKey()
    liar.name = ticket[:16]
    assert why(ticket, "bad_mac", ticket_keys.nginx_files(directory, [liar])[0]).startswith("bad MAC: ")
    control.ok("keys", "revoke", name)
    control.export(keys, "usher", "--replace")
    assert "is of this fleet, but is not among the keys given: expired or revoked" in why(ticket, "unknown_key")
    newer = sessions.full(running.address()).ticket
    control.ok("keys", "rotate")
    newest = sessions.full(running.address()).ticket
    assert decode(newer.hex(), "--keys", keys)["verdict"] == "opened"
    assert "is of this fleet, but newer than the keys given" in why(newest, "unknown_key")


def test_what_is_no_ticket_or_no_key_file(proxy, control, directory):
    ticket = sessions.full(proxy().address())
    (directory / "ticket").write_bytes(ticket.ticket)
    (directory / "session").write_text(ticket.pem[:300])
    (directory / "junk").write_text("no ticket!\n")
    keys = control.export(directory / "keys")
    two = ticket_keys.haproxy_file(directory / "haproxy", [ticket_keys.TicketKey() for _ in range(3)])
    for words, why in (
            ((directory / "junk",), "junk: that is neither hex nor base64"),
            ((directory / "session",), "the file is damaged or cut off"),
            (("no such file",), "there is no file of that name"),
            (("abcd",), "taken as a ticket in hex: the ticket is truncated: it has 2 bytes"),
            ((directory,), "Is a directory"), (("/dev/zero",), "more than 524288 bytes"),
            ((directory / "ticket", "--keys", directory / "none"), "none: No such file"),
            ((directory / "ticket", "--keys", directory / "junk"), "--format names another"),
            ((directory / "ticket", "--keys", directory / "junk", "--format", "nginx"), "expected one nginx key"),
            ((directory / "ticket", "--keys", keys, "--keys", two), "a second file"),
            ((directory / "\x1b[31m", "--keys", keys), "there is no file of that name")):
        error = decode(*words, code=1)["error"]
        assert why in error, error


def test_no_daemon_is_asked(proxy, control, directory):
    ticket = sessions.full(proxy().address()).ticket.hex()
    keys = control.export(directory / "keys")
    done = usherctl.run("--socket", directory / "none", "ticket", "decode", ticket, "--keys", keys, "--json")
    assert done.code == 0 and json.loads(done.out)["verdict"] == "opened"
