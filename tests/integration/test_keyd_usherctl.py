"""Promise: usherctl is the operator's hand on a fleet: it shows who holds what, rotates and tells whom it waits
for, takes keys out in every format and in again without overwriting silently; an imported ring seals only when
every member has it, like any other."""

import os
import subprocess

import pytest

from support import sessions, ticket_keys, usherctl, waiting

FORMS = ["usher", "nginx", "haproxy"]


@pytest.fixture
def keyd(start_keyd):
    return start_keyd()


@pytest.fixture
def control(keyd):
    return usherctl.Control(keyd.control_socket)


def states(shown):
    return [(key["name"], key["state"]) for key in shown["keys"]]


def promotions(keyd, kind):
    return keyd.metrics().total("usher_keyd_promotions_total", kind=kind)


# --- looking and rotating

def test_show(keyd, control, subscribe):
    prompt, laggard = subscribe(keyd, "prompt"), subscribe(keyd, "laggard", applies=False)
    name = prompt.wait_ring().current
    laggard.wait_ring()
    waiting.until(lambda: keyd.metrics().total("usher_keyd_members", state="current") == 1, "one to have it")
    shown = control.ok("keys", "show")
    assert name[:8] in shown and "prompt" in shown and "laggard" in shown
    assert control.json("keys", "show")["source"] == "keyd-daemon"
    nodes = {member["node"]: member for member in control.json("nodes", "show")["members"]}
    assert nodes["prompt"]["current"] and not nodes["laggard"]["current"]
    table = control.ok("nodes", "show")
    assert "prompt" in table and "laggard" in table and usherctl.plain(table)
    assert control.json("status")["state"] == "leading" and "leading" in control.ok("status")


def test_rotate(keyd, control, subscribe):
    before = subscribe(keyd, "a").wait_ring().current
    assert control.json("keys", "rotate")["promoted"]
    assert states(control.json("keys", "show"))[1] == (before, "previous")


def test_rotate_waits_and_returns_when_all_have_it(keyd, control, subscribe):
    laggard = subscribe(keyd, "laggard", applies=False)
    laggard.wait_ring()
    with subprocess.Popen([usherctl.BINARY, "--socket", keyd.control_socket, "keys", "rotate"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as rotating:
        name = laggard.wait_ring(lambda ring: ring.next, "a next key").next
        keyd.process.wait_log("promotion held", waiting_for="laggard")
        assert rotating.poll() is None
        laggard.apply()
        _, err = rotating.communicate(timeout=6 * waiting.PATIENCE)
        assert rotating.returncode == 0, err
    assert states(control.json("keys", "show"))[0] == (name, "current")


def test_rotate_names_whom_it_waits_for(keyd, control, subscribe):
    """After its 10 s."""
    laggard = subscribe(keyd, "laggard", applies=False)
    laggard.wait_ring()
    done = control.run("keys", "rotate")
    assert "laggard" in done.out + done.err and done.code != 0, done
    assert promotions(keyd, "acked") == promotions(keyd, "forced") == 0
    assert control.json("keys", "rotate", "--now")["promoted"]
    assert promotions(keyd, "forced") == 1


def test_revoke(keyd, control, subscribe):
    subscriber = subscribe(keyd, "a")
    name = subscriber.wait_ring().current
    control.ok("keys", "revoke", name[:8])
    subscriber.wait_ring(lambda ring: name not in ring.names() and ring.current, "the revocation")
    assert name not in str(control.json("keys", "show")["keys"])
    assert "keys show" in control.fails("keys", "revoke", name)


def test_forget(keyd, control, subscribe):
    gone = subscribe(keyd, "gone")
    gone.wait_ring()
    gone.close()
    control.ok("nodes", "forget", "gone")
    assert control.json("nodes", "show")["members"] == []
    assert "gone" in control.fails("nodes", "forget", "gone")


def test_reload_and_drain(keyd, control):
    good = keyd.path.read_text()
    control.ok("reload")
    keyd.path.write_text(good + "[rotaton]\n")
    line = len(good.splitlines()) + 1
    assert f"{keyd.path}:{line}:" in control.fails("reload")
    keyd.path.write_text(good)
    control.ok("reload")
    control.ok("drain")
    assert keyd.process.wait_exit() == 0


# --- keys out

@pytest.mark.parametrize("form", FORMS)
def test_export(keyd, control, subscribe, tmp_path, form):
    subscriber = subscribe(keyd, "a")
    subscriber.wait_ring()
    for _ in range(2):
        control.ok("keys", "rotate")
    ring = subscriber.wait_ring(lambda ring: len(ring.keys) >= 3 and not ring.next, "its keys")
    path = control.export(tmp_path / "keys", form)
    assert path.stat().st_mode & 0o777 == 0o600
    own = ticket_keys.TicketKey()
    out = []
    for key in ring.keys:
        own.name, own.aes, own.hmac = bytes.fromhex(key.name), key.aes, key.hmac
        out.append({"usher": key.name.encode(), "nginx": own.nginx(), "haproxy": own.haproxy()}[form])
    content = path.read_bytes()
    if form == "nginx":
        assert content == out[0]  # one key a file: the one that seals
    elif form == "haproxy":
        assert content == b"".join(reversed(out[-1:] + out[:-1]))  # its last line only opens
    else:
        assert all(key in content for key in out)
    if form == "usher":
        assert [key.name.hex() for key in ticket_keys.exported(path)] == ring.names()
        assert [key.aes for key in ticket_keys.exported(path)] == [key.aes for key in ring.keys]
    before = path.read_bytes()
    control.fails("keys", "export", "--format", form, "--secret-keys", "--out", path)  # it is there
    assert path.read_bytes() == before


# --- keys in

@pytest.mark.parametrize("form", ["nginx", "haproxy"])
def test_keys_of_others_open_and_never_seal(keyd, control, subscribe, tmp_path, form):
    subscriber = subscribe(keyd, "a")
    before = subscriber.wait_ring()
    keys = [ticket_keys.TicketKey() for _ in range(1 if form == "nginx" else 3)]
    file = (ticket_keys.nginx_files(tmp_path, keys)[0] if form == "nginx"
            else ticket_keys.haproxy_file(tmp_path / "haproxy", keys))
    words = ("keys", "import", "--format", form, file)
    assert control.json(*words)["imported"] == len(keys)
    wanted = {key.name.hex(): (key.aes, key.hmac) for key in keys}
    after = subscriber.wait_ring(lambda ring: set(wanted) <= set(ring.names("previous")), "the keys")
    assert {key.name: (key.aes, key.hmac) for key in after.keys if key.name in wanted} == wanted
    assert after.current == before.current and after.next is None

    assert "--replace" in control.fails(*words)
    assert states(control.json("keys", "show")) == [(key.name, key.state) for key in after.keys]
    assert control.json(*words, "--replace")["imported"] == len(keys)
    control.ok("keys", "rotate")
    subscriber.wait_ring(lambda ring: before.current in ring.names("previous"), "the promotion")
    assert not set(wanted) & {ring.current for ring in subscriber.rings}


@pytest.fixture
def exported(start_keyd, tmp_path):
    """An export of another fleet with three keys, and what `keys show` told of them."""
    other = start_keyd("other")
    hand = usherctl.Control(other.control_socket)
    for _ in range(2):
        hand.ok("keys", "rotate")
    path = hand.export(tmp_path / "other-fleet")
    shown = hand.json("keys", "show")
    other.end()
    return path, shown


def test_a_ring_replaces_another_only_when_asked(keyd, control, exported):
    path, _ = exported
    before = control.json("keys", "show")
    assert "--replace" in control.fails("keys", "import", "--format", "usher", path)
    after = control.json("keys", "show")
    assert states(after) == states(before) and after["version"] == before["version"]


def test_a_ring_that_replaces_another_seals_when_all_have_it(keyd, control, subscribe, exported):
    path, shown = exported
    laggard = subscribe(keyd, "laggard", applies=False)
    before = laggard.wait_ring()
    assert control.json("keys", "import", "--format", "usher", path, "--replace")["imported"] == 3
    ring = laggard.wait_ring(lambda ring: ring.next, "the imported ring")
    names = [key["name"] for key in shown["keys"]]
    assert ring.next == names[0] and ring.current == before.current  # which everybody has
    assert set(ring.names("previous")) == set(names[1:])
    assert ring.pair > before.pair and ring.term == before.term
    assert ring.tag.hex() == control.json("keys", "show")["fleet"] == shown["fleet"]
    keyd.process.wait_log("promotion held", waiting_for="laggard")
    assert promotions(keyd, "acked") == 0
    laggard.apply()
    ring = laggard.wait_ring(lambda ring: ring.current == names[0], "the promotion")
    assert promotions(keyd, "forced") == 0
    ages = {key.name: key.age_ms / 1000 for key in ring.keys}
    assert all(ages[key["name"]] >= key["age_seconds"] - 1 for key in shown["keys"])  # they go with the file


@pytest.mark.parametrize("version", sorted(sessions.VERSIONS))
def test_no_session_is_lost_by_an_import(keyd, control, simple, exported, version):
    proxy = simple(tickets={"source": "keyd", "keyd": [keyd.endpoint], "wait": "20s"},
                   process={"node": "proxy"})
    proxy.wait_metric("usher_ticket_ring_version")
    held = sessions.full(proxy.address(), version)
    path, shown = exported
    control.ok("keys", "import", "--format", "usher", path, "--replace")
    waiting.until(lambda: states(control.json("keys", "show"))[0] == (shown["keys"][0]["name"], "current"),
                  "the imported key to seal")
    waiting.until(lambda: proxy.metrics().total("usher_ticket_ring_version")
                  == control.json("keys", "show")["version"], "the proxy to have the ring")
    assert sessions.resumes(proxy.address(), held)
    assert sessions.resumes(proxy.address(), sessions.full(proxy.address(), version))


def test_what_is_no_key_file_changes_nothing(keyd, control, exported, tmp_path):
    path, _ = exported
    good = path.read_bytes()
    before = control.json("keys", "show")
    bad = {"empty": b"", "cut": good[:-1], "half": good[:len(good) // 2], "random": os.urandom(100),
           "zero": bytes(80), "flipped": good.replace(b"key ", b"kez ", 1)}
    for what, content in bad.items():
        file = ticket_keys.replace(tmp_path / "bad", content)
        for form in FORMS:
            assert control.fails("keys", "import", "--format", form, file, "--replace"), (what, form)
    assert states(control.json("keys", "show")) == states(before)
    assert control.json("keys", "show")["version"] == before["version"]


def test_an_import_survives_a_restart(keyd, control, exported):
    path, shown = exported
    control.ok("keys", "import", "--format", "usher", path, "--replace")
    waiting.until(lambda: keyd.keys()["held"] is None, "the promotion")
    before = control.json("keys", "show")
    keyd.restart()
    assert states(control.json("keys", "show")) == states(before)
    assert control.json("keys", "show")["fleet"] == shown["fleet"]
