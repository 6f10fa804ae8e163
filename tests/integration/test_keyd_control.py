"""Promise: usher-keyd's admin pages and control socket are as those of usher: bounded, told apart by who asks,
complete and well formed; what cannot be done says why; it reloads, keeps what it has if the new configuration is
bad, and ends cleanly."""

import grp
import json
import os
import pathlib
import pwd
import signal
import stat
import subprocess

import pytest

from support import keyd as daemon
from support import toml, usher, waiting

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
# Prints the status of one request to a control socket.
STRANGER = ("import http.client, socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "c = http.client.HTTPConnection('localhost'); c.sock = s\n"
            "c.request(sys.argv[2], sys.argv[3]); print(c.getresponse().status)\n")
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")


@pytest.fixture
def keyd(start_keyd):
    return start_keyd()


# --- who may

def as_nobody(keyd, method, page):
    done = subprocess.run(["/usr/bin/python3", "-c", STRANGER, keyd.control_socket, method, page],
                          user="nobody", group=NOBODY.pw_gid, extra_groups=[], cwd="/", capture_output=True,
                          timeout=60, check=False)
    return done.stdout.decode().strip() or done.stderr.decode().strip().splitlines()[-1]


READS, CHANGES = ("/keys", "/nodes", "/status", "/metrics", "/readyz"), ("/keys/rotate", "/reload", "/drain")


def is_refusal(answer):
    return answer == "403" or "RemoteDisconnected" in answer or "ConnectionReset" in answer


@needs_root
def test_strangers(keyd):
    for page in READS:
        assert is_refusal(as_nobody(keyd, "GET", page)), page
    for page in CHANGES:
        assert is_refusal(as_nobody(keyd, "POST", page)), page
    assert len(keyd.keys()["keys"]) == 1


@needs_root
def test_groups_that_may_read(start_keyd):
    keyd = start_keyd(keyd={"ctl_groups": [grp.getgrgid(NOBODY.pw_gid).gr_name]})
    for page in READS:
        assert as_nobody(keyd, "GET", page) == "200", page
    for page in (*CHANGES, "/keys/export", "/keys/import", "/keys/revoke", "/nodes/forget"):
        assert is_refusal(as_nobody(keyd, "POST", page)), page
    assert len(keyd.keys()["keys"]) == 1
    assert keyd.reload(keyd={"ctl_groups": []})
    assert is_refusal(as_nobody(keyd, "GET", "/keys"))


def test_sockets(keyd):
    for path in (keyd.control_socket, pathlib.Path(keyd.socket)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
    keyd.end()
    assert not keyd.control_socket.exists() and not pathlib.Path(keyd.socket).exists()


def test_sockets_that_a_killed_one_left(keyd):
    keyd.kill()
    assert keyd.control_socket.exists()
    keyd.start()


def test_a_live_socket_is_not_taken(keyd, start_keyd):
    for name, table, path in (("a", {"socket": keyd.control_socket}, keyd.control_socket),
                              ("b", {"listen": [keyd.endpoint]}, keyd.socket)):
        other = start_keyd(name, start=False, keyd=table)
        code, _, err = daemon.run("--config", other.path)
        assert code == 1 and str(path) in err, err
    assert keyd.get("/keys")[0] == 200


# --- what can be asked

def test_pages(keyd):
    assert keyd.admin("/healthz") == (200, "ok\n")
    assert keyd.admin("/readyz") == (200, "ready\n")
    assert keyd.admin("/metrics")[0] == 200
    status = json.loads(keyd.admin("/status")[1])
    assert status["state"] == "leading" and status["config"] == str(keyd.path)
    assert status["listening"] == [keyd.endpoint] and status["store_up"]
    assert keyd.admin("/nothing")[0] == 404


def test_the_admin_address_serves_no_control_pages(keyd):
    for page in ("/keys", "/nodes", "/keys/rotate"):
        assert keyd.admin(page)[0] == 404, page
        assert keyd.admin(page, "POST")[0] in (404, 405), page


def test_methods(keyd):
    for page in READS:
        assert keyd.post(page)[0] == 405, page
    for page in (*CHANGES, "/keys/export", "/keys/import", "/keys/revoke", "/nodes/forget"):
        assert keyd.get(page)[0] == 405, page
        assert usher.control(keyd.control_socket, page, "PUT")[0] in (405, 501), page
    assert keyd.get("/nothing")[0] == 404
    assert len(keyd.keys()["keys"]) == 1


BODIES = ["", "{", "[]", '"name"', "{}", '{"name": 1}', '{"name": null}', '{"name": ""}', '{"name": "zz"}',
          '{"node": ""}', '{"name": "' + "0" * 31 + '"}', '{"name": "' + "0" * 32 + '", "more": 1}',
          '{"format": "pem"}', '{"name": "é"}'.encode("utf-16"), b"\xff\xfe", "[" * 5000]


@pytest.mark.parametrize("page", ["/keys/revoke", "/keys/export", "/nodes/forget"])
def test_bad_bodies(keyd, page):
    asked = BODIES if page != "/nodes/forget" else [body for body in BODIES if body != '{"node": ""}']
    for body in asked:
        code, text = usher.control(keyd.control_socket, page, "POST", body)
        assert code == 400 and json.loads(text)["error"], (body, text)


@pytest.mark.parametrize("page", ["/keys/rotate?now=2", "/keys/rotate?later=1", "/keys/rotate?now=1&now=1",
                                  "/keys/import", "/keys/import?format=pem", "/keys/import?format=nginx"])
def test_bad_queries(keyd, page):
    code, body = keyd.post(page)
    assert code == 400 and body["error"], body
    assert len(keyd.keys()["keys"]) == 1


def test_keys(keyd, subscribe):
    subscriber = subscribe(keyd, "a")
    ring = subscriber.wait_ring()
    waiting.until(lambda: keyd.keys()["members"][0]["current"], "its acknowledgement")
    keys = keyd.keys()
    assert keys["source"] == "keyd-daemon" and keys["leading"] and keys["store_up"] and keys["held"] is None
    assert (keys["term"], keys["version"], keys["digest"]) == (*ring.pair, ring.digest.hex())
    assert keys["seal_max_age_seconds"] == 3 * 3600 and keys["open_max_age_seconds"] == 9 * 3600
    (key,) = keys["keys"]
    assert key["name"] == ring.current and key["state"] == "current" and key["seals"] and key["opens"]
    (member,) = keys["members"]
    assert member["node"] == "a" and member["instance"] == subscriber.instance.hex() and member["connected"]
    assert member["applied"] == {"term": ring.term, "version": ring.version}
    assert keyd.get("/nodes")[1]["members"][0]["node"] == "a"
    secrets = (ring.keys[0].aes, ring.keys[0].hmac, ring.name_key)
    told = [keyd.get("/keys")[1], keyd.get("/status")[1], keyd.log()]
    assert not any(secret.hex() in str(text) for secret in secrets for text in told)


def test_metrics(keyd, subscribe, run_client):
    subscribe(keyd).wait_ring()
    samples = keyd.metrics()
    assert run_client(["promtool", "check", "metrics"], samples.text.encode()) == ""
    for name in ("usher_keyd_ring_version", "usher_keyd_ring_term", "usher_keyd_members",
                 "usher_keyd_rotations_total", "usher_keyd_promotions_total",
                 "usher_keyd_promotion_held_seconds", "usher_keyd_leader", "usher_keyd_rollbacks_total",
                 "usher_keyd_store_up", "usher_keyd_refused_total", "usher_config_reloads_total",
                 "usher_build_info"):
        assert name in samples.names(), name
    labels = {"usher_keyd_rotations_total": ("trigger", {"schedule", "manual", "revoke", "skipped"}),
              "usher_keyd_promotions_total": ("kind", {"acked", "forced"}),
              "usher_keyd_members": ("state", {"current", "behind"})}
    for name, (label, values) in labels.items():
        assert {own[label] for own, _ in samples.all(name)} == values


# --- its configuration, again

def test_reload(keyd, subscribe):
    subscriber = subscribe(keyd)
    before = subscriber.wait_ring()
    assert keyd.reload(rotation={"every": "2h", "seal_max_age": "4h", "keep": "12h"})
    after = subscriber.wait_ring(lambda ring: ring.seal_max_age_ms == 4 * 3_600_000, "the new policy")
    assert after.open_max_age_ms == 12 * 3_600_000 and after.current == before.current
    assert keyd.reload(rotation={"every": "100ms", "seal_max_age": "1s", "keep": "2s"})
    keyd.wait_metric("usher_keyd_rotations_total", trigger="schedule")


def test_a_bad_reload_changes_nothing(keyd, subscribe):
    subscriber = subscribe(keyd)
    before = subscriber.wait_ring()
    good = keyd.path.read_text()
    assert not keyd.reload(good + "[rotaton]\n")
    line = len(good.splitlines()) + 1
    failure = keyd.process.wait_log("reload failed; the old configuration stays in force")
    assert f"{keyd.path}:{line}:" in failure["error"], failure
    assert f"{keyd.path}:{line}:" in json.loads(keyd.admin("/status")[1])["reloads"]["last_error"]
    assert keyd.post("/keys/rotate")[0] == 202
    subscriber.wait_ring(lambda ring: ring.current != before.current, "the promotion")
    assert keyd.reload(good)


def test_a_reload_tells_what_needs_a_restart(keyd):
    assert keyd.reload(store={"path": keyd.directory / "elsewhere"}, keyd={"fleet": "other"})
    keyd.process.wait_log("[store] has changed; that needs a restart")
    keyd.process.wait_log("keyd.fleet has changed; that needs a restart")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_it_says_bye_and_ends(keyd, subscribe, number):
    subscribers = [subscribe(keyd, f"node-{i}") for i in range(3)]
    for subscriber in subscribers:
        subscriber.wait_ring()
    keyd.process.send(number)
    assert keyd.process.wait_exit() == 0
    for subscriber in subscribers:
        subscriber.wait_closed()
        assert subscriber.byes == 1


def test_it_ends_though_a_subscriber_does_not_read(keyd, subscribe):
    deaf = subscribe(keyd)
    deaf.wait_ring()
    deaf.stop_reading()
    keyd.end()


def test_drain(keyd):
    assert keyd.post("/drain")[0] == 202
    assert keyd.process.wait_exit() == 0


# --- its configuration, at the start

def check(keyd, *options):
    return daemon.run("--config", keyd.path, *options)


def test_check(start_keyd):
    keyd = start_keyd(start=False)
    code, out, err = check(keyd, "--check")
    assert code == 0 and "good" in out and not (keyd.directory / "state").exists(), err
    keyd.start()
    assert check(keyd, "--check")[0] == 0  # beside one that runs
    assert daemon.run("--version")[0] == 0
    assert daemon.run()[0] == 2
    code, _, err = daemon.run("--config", keyd.directory / "none.toml", "--check")
    assert code == 2 and "none.toml" in err


# table, key, value, what the message says
MISTAKES = [
    ("keyd", "listen", [], "empty"),
    ("keyd", "listen", ["tcp:127.0.0.1:1"], "tls:"),
    ("keyd", "listen", ["unix:relative"], "absolute"),
    ("keyd", "listen", ["tls:127.0.0.1:0"], "tls: address"),
    ("keyd", "listn", ["unix:/x"], "listen"),
    ("keyd", "admin", "9465", "admin"),
    ("keyd", "fleet", "a b", "fleet"),
    ("keyd", "allow_users", ["no-such-user"], "no-such-user"),
    ("keyd", "allow_groups", ["no-such-group"], "no-such-group"),
    ("keyd", "ctl_groups", ["no-such-group"], "no-such-group"),
    ("keyd", "allow_users", "nobody", "list"),
    ("rotation", "every", "50ms", "every"),
    ("rotation", "every", "3h", "seal_max_age"),
    ("rotation", "every", "5m", "60"),
    ("rotation", "keep", "3h", "seal_max_age + every"),
    ("rotation", "keep", 9, "keep"),
    ("rotation", "promote_hold_max", "0s", "promote_hold_max"),
    ("rotation", "evry", "1h", "every"),
    ("store", "kind", "disk", "file"),
    ("store", "kind", "redis", "redis://"),
    ("store", "path", "", "path"),
    ("store", "key_file", "credential:a/b", "credential"),
    ("store", "lease", "1ms", "lease"),
    ("store", "redis", "redis://:hidden@", "redis"),
    ("store", "redis", ["redis://a:1", "redis://b:1"], "later version"),
    ("log", "level", "loud", "warning"),
    ("log", "access", "stdout", "access"),
]


@pytest.mark.parametrize("table, key, value, word", MISTAKES)
def test_mistakes(start_keyd, table, key, value, word):
    keyd = start_keyd(start=False)
    config = daemon.merged(keyd.config, {table: {key: value}})
    text = toml.dump(config)
    keyd.path.write_text(text)
    for options in [], ["--check"]:
        code, _, err = check(keyd, *options)
        assert code == 2 and f"{keyd.path}:" in err and word in err, err
        assert "hidden" not in err
    assert not (keyd.directory / "state").exists()


def test_all_mistakes_are_told_with_their_lines(start_keyd):
    keyd = start_keyd(start=False)
    keyd.path.write_text(f'[keyd]\nlisten = ["unix:{keyd.socket}"]\nsockt = ""\n[rotation]\nevery = "1x"\n')
    code, _, err = check(keyd, "--check")
    assert code == 2
    for line, word in ((3, "socket"), (5, "every")):
        assert any(one.startswith(f"{keyd.path}:{line}:") and word in one for one in err.splitlines()), err
    assert "key_file" in err and "path" in err
