"""Promise: usherctl tells the truth about a proxy and changes it, for people and (--json) for programs, and when
it cannot, it says why and what to do: exit 2 for a wrong command line, 1 for everything that fails later."""

import grp
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import tempfile

import pytest

from support import ticket_keys, tls, usherctl

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
NOBODYS_GROUP, DAEMON = NOBODY.pw_gid, grp.getgrnam("daemon").gr_gid


@pytest.fixture
def directory():
    """Short (a Unix socket's path has 108 bytes) and open to everybody's look."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def control(directory):
    return usherctl.Control(directory / "ctl.sock")


@pytest.fixture
def proxy(simple, control):
    """A proxy with that control socket."""
    def begin(**tables):
        admin = {"socket": str(control.socket), **tables.pop("admin", {})}
        return simple(admin=admin, **tables)
    return begin


def test_status(proxy, control):
    running = proxy()
    shown = control.json("status")
    assert shown["state"] == "ready" and shown["workers"] == 2
    assert shown["listeners"][0]["address"] == "127.0.0.1:%d" % running.port()
    text = control.ok("status")
    assert "state        ready\n" in text and shown["listeners"][0]["address"] in text
    assert json.loads(control.ok("status", "--json"))["node"] == shown["node"]  # the flag may stand anywhere


def test_keys_show_and_rotate(proxy, control):
    proxy()
    before = control.json("keys", "show")
    assert [key["state"] for key in before["keys"]] == ["current"]
    assert control.json("keys", "rotate")["promoted"] is True
    assert "a new key seals: ring term 1, version " in control.ok("keys", "rotate", "--now")
    after = control.json("keys", "show")
    assert [(key["epoch"], key["state"]) for key in after["keys"]] == [
        (3, "current"), (2, "previous"), (1, "previous")]
    assert after["version"] > before["version"] and after["fleet"] == before["fleet"]
    assert all(worker["version"] == after["version"] for worker in after["workers"])
    text = control.ok("keys", "show")
    assert "source     embedded\n" in text and "all 2 read 1/%d\n" % after["version"] in text
    for key in after["keys"]:
        assert f"\n{key['name'][:8]}" in text


def test_revoked_key_is_gone_and_so_are_its_sessions(proxy, control):
    running = proxy()
    ctx = tls.context13()
    session = tls.session_of(running.address(), ctx=ctx)
    old = control.json("keys", "show")["keys"][0]["name"]
    assert f"revoked {old}" in control.ok("keys", "revoke", old[:8].upper())
    after = control.json("keys", "show")
    assert old not in [key["name"] for key in after["keys"]]
    assert after["lineage_not_before"] is not None
    assert "revoked    what began until " in control.ok("keys", "show")
    assert not tls.resumes(running.address(), session, ctx=ctx)
    assert "no key's name begins with" in control.fails("keys", "revoke", old)


def test_reload(proxy, control):
    running = proxy()
    assert control.json("reload") == {"generation": 2}
    assert control.ok("reload") == "reloaded: generation 3 is in force\n"
    good = running.path.read_text()
    running.path.write_text(good.replace("workers = 2", 'workers = "\\u001b[31m"'))
    why = control.fails("reload")
    assert f"{running.path}:" in why and "the old configuration stays in force" in why
    assert usherctl.plain(why)
    assert "the last failed: " in control.ok("status")
    running.path.write_text(good)
    assert control.json("reload")["generation"] == 4


def test_drain_with_and_without_connections(proxy, control):
    running = proxy(process={"drain_timeout": "1h"})
    with tls.Client(running.address()) as client:
        client.handshake()
        assert control.ok("drain") == "draining: 1 connection open\n"
        assert control.json("drain") == {"state": "draining", "connections": 1}
        assert "draining" in control.fails("reload")
    assert running.wait_exit() == 0
    assert "there is no such socket" in control.fails("status")


def test_drain_of_an_idle_proxy_ends_it(proxy, control):
    running = proxy()
    assert control.json("drain")["state"] in ("draining", "ended")
    assert running.wait_exit() == 0


def test_nodes_are_asked_of_the_key_daemon(proxy, control):
    proxy()
    for words in (("nodes", "show"), ("nodes", "forget", "a")):
        assert "usher-keyd" in control.fails(*words)


def test_keys_of_files_are_changed_in_the_files(proxy, control, directory):
    paths = ticket_keys.nginx_files(directory, [ticket_keys.TicketKey()])
    proxy(tickets={"source": "file", "file": [str(path) for path in paths]})
    assert f"files      {paths[0]}\n" in control.ok("keys", "show")
    name = control.json("keys", "show")["keys"][0]["name"]
    for words in (("rotate",), ("rotate", "--now"), ("revoke", name),
                  ("import", "--format", "nginx", paths[0])):
        assert str(paths[0]) in control.fails("keys", *words)


@pytest.mark.parametrize("words", [
    (), ("bogus",), ("keys",), ("keys", "rotate", "--soon"), ("keys", "rotate", "extra"), ("status", "reload"),
    ("keys", "revoke"), ("keys", "revoke", "xyz"), ("nodes", "forget"), ("ticket", "decode"), ("--socket",),
    ("keys", "export", "--format", "pem", "--secret-keys", "--out", "never"), ("\x1b[31m",)])
def test_wrong_command_line(words):
    text, program = usherctl.run(*words), usherctl.run("--json", *words)
    assert text.code == program.code == 2
    assert text.out == "" and text.err.startswith("usherctl: ") and text.err.count("\n") == 1
    assert usherctl.plain(text.err) and usherctl.plain(program.out)
    assert "usherctl: " + program.json["error"] + "\n" == text.err


def test_help_and_version():
    assert usherctl.run("--version").out.startswith("usherctl ")
    for words in ((), ("keys",), ("keys", "export"), ("ticket", "decode")):
        done = usherctl.run(*words, "--help")
        assert done.code == 0 and "Usage: usherctl" in done.out and done.err == ""


def test_sockets_on_which_no_daemon_answers(directory):
    dead, file = directory / "dead", directory / "file"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(dead))
    file.write_text("precious")
    for path, why in ((directory / "none", "there is no such socket; is the daemon running"),
                      (dead, "nobody listens on it; the daemon that made it has ended"),
                      (file, "that is no socket"), (directory, "that is no socket"),
                      (directory / ("x" * 108), "a socket's path has 1 to 107 bytes"),
                      (directory / "\x1b[31m\n", "/\\x1b[31m\\x0a: there is no such socket")):
        error = usherctl.Control(path).fails("status")
        assert why in error and usherctl.plain(error)
    assert file.read_text() == "precious"


def test_stopped_daemon(proxy, control):
    running = proxy()
    running.send(signal.SIGSTOP)
    try:
        done = control.run("--json", "keys", "rotate")
    finally:
        running.send(signal.SIGCONT)
    assert done.code == 1
    assert "no answer in time; the daemon is stopped or very busy" in done.json["error"]
    assert control.json("status")["state"] == "ready"


def test_stranger_may_nothing_and_reader_may_read(proxy, control, directory):
    proxy(admin={"allow_groups": ["daemon"]})
    if not ROOT:  # nobody else's credentials can be had
        return
    binary = directory / "usherctl"
    shutil.copy(usherctl.BINARY, binary)
    binary.chmod(0o755)
    stranger = usherctl.as_user(NOBODY.pw_uid, NOBODYS_GROUP)
    reader = usherctl.as_user(NOBODY.pw_uid, NOBODYS_GROUP, [DAEMON])
    for words in (("status",), ("keys", "show"), ("keys", "rotate")):
        done = control.run("--json", *words, binary=binary, **stranger)
        assert done.code == 1 and "your user may not use this socket" in done.json["error"], done
    assert control.run("keys", "show", binary=binary, **reader).code == 0
    before = control.json("keys", "show")["version"]
    for words in (("keys", "rotate"), ("reload",), ("drain",),
                  ("keys", "export", "--format", "usher", "--secret-keys", "--out", directory / "never")):
        done = control.run("--json", *words, binary=binary, **reader)
        assert done.code == 1 and "your user may only read" in done.json["error"], done
    assert control.json("keys", "show")["version"] == before
    assert not (directory / "never").exists()


def test_output_that_cannot_be_written_is_a_failure(proxy, control):
    proxy()
    with open("/dev/full", "wb") as full:
        for words in (("status",), ("--json", "keys", "show"), ("--help",)):
            done = control.run(*words, stdout=full)
            assert (done.code, done.err) == (1, "usherctl: standard output: No space left on device\n")
    for redirections in (">&-", ">&- <&-"):
        done = usherctl.run("-c", f'exec "$0" "$@" {redirections}', usherctl.BINARY, "--socket",
                            control.socket, "status", binary="/bin/sh")
        assert (done.code, done.err) == (1, "usherctl: standard output: Bad file descriptor\n")


def test_answers_are_one_json_document_each(proxy, control):
    proxy()
    for words in (("status",), ("keys", "show"), ("keys", "rotate"), ("reload",)):
        out = control.run("--json", *words).out
        assert isinstance(json.loads(out), dict) and out.isascii() and out.endswith("}\n")
