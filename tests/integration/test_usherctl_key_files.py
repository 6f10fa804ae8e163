"""Promise: key files leave a proxy only by the operator's explicit word, whole, for the owner's eyes, and never
over a file that is there; what is imported is the whole truth of the file or nothing, never silently over keys
that are there; and keys that went through a file open the tickets that they sealed."""

import base64
import hashlib
import os
import pathlib
import re
import shutil
import stat
import tempfile

import pytest

from support import sessions, ticket_keys, usherctl, waiting

BOTH = sorted(sessions.VERSIONS)


@pytest.fixture
def directory():
    """Short: a Unix socket's path has 108 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def proxy(simple, directory):
    """proxy(name) → (a proxy, usherctl at its control socket)."""
    def begin(name="a", **tables):
        control = usherctl.Control(directory / f"{name}.sock")
        return simple(admin={"socket": str(control.socket)}, **tables), control
    return begin


def names(shown):
    return [(key["name"], key["epoch"], key["state"]) for key in shown["keys"]]


def signed(text):
    """A file of ours with a good checksum, whatever it says."""
    body = text[:text.index("sha256 ")]
    return body + "sha256 " + hashlib.sha256(body.encode()).hexdigest() + "\n"


def test_export_demands_the_word(proxy, directory):
    _, control = proxy()
    out = directory / "keys"
    done = control.run("keys", "export", "--format", "usher", "--out", out)
    assert done.code == 2 and "--secret-keys" in done.err
    assert not out.exists()


@pytest.mark.parametrize("form", ["usher", "nginx", "haproxy"])
def test_export_is_the_owners_only_and_over_nothing(proxy, directory, form):
    _, control = proxy()
    control.ok("keys", "rotate")  # HAProxy's files have a previous key
    umask = os.umask(0)
    try:
        out = control.export(directory / "keys", form)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    words = ("keys", "export", "--format", form, "--secret-keys", "--out", out)
    before = out.read_bytes()
    assert "it exists already; --replace replaces it" in control.fails(*words)
    assert out.read_bytes() == before
    control.ok("keys", "rotate")
    shown = control.json(*words, "--replace")
    assert shown == {"file": str(out), "format": form, "bytes": out.stat().st_size}
    assert out.read_bytes() != before
    assert [path.name for path in directory.iterdir() if path.is_file()] == ["keys"]  # nothing beside it


def test_export_to_what_is_no_file(proxy, directory):
    _, control = proxy()
    (directory / "link").symlink_to(directory / "elsewhere")
    for path, why in ((directory, "no regular file"), (directory / "link", "no regular file"),
                      ("/dev/null", "no regular file"), ("-", "no file's name"),
                      (directory / "none" / "keys", "No such file")):
        assert why in control.fails("keys", "export", "--format", "usher", "--secret-keys", "--out", path,
                                    "--replace")
    assert not (directory / "elsewhere").exists()


def test_export_that_the_format_cannot_hold(proxy, directory):
    _, control = proxy()
    assert "needs a current key and two others" in control.fails(
        "keys", "export", "--format", "haproxy", "--secret-keys", "--out", directory / "keys")
    assert not (directory / "keys").exists()


def test_no_key_bytes_in_what_is_shown_or_logged(proxy, directory):
    running, control = proxy()
    shown = [control.ok("keys", "rotate")]
    file = control.export(directory / "keys").read_text()
    secrets = re.findall(r"^(?:name_key|key) (?:.* )?(\S+)$", file, re.M)
    assert len(secrets) == 3  # name_key and two keys
    shown += [control.ok(*words) for words in (
        ("keys", "show"), ("--json", "keys", "show"), ("status",), ("--json", "status"),
        ("keys", "import", "--format", "usher", "--replace", directory / "keys"),
        ("keys", "export", "--format", "usher", "--secret-keys", "--replace", "--out", directory / "keys"))]
    text = "".join(shown) + running.log()
    for secret in secrets:
        raw = base64.b64decode(secret)
        for form in (secret, raw.hex(), raw[:32].hex(), raw[-32:].hex()):
            assert form not in text.lower() and form not in text


def test_usher_round_trip_carries_everything(proxy, directory):
    from_, source = proxy("from")
    to, target = proxy("to")
    revoked = source.json("keys", "show")["keys"][0]["name"]
    source.ok("keys", "rotate")
    source.ok("keys", "revoke", revoked)  # sets lineage_not_before
    waiting.until(lambda: source.json("keys", "show")["keys"][-1]["age_seconds"] > 1.2, "keys of some age")
    source.ok("keys", "rotate")
    held = {version: sessions.full(from_.address(), version) for version in BOTH}
    before = source.json("keys", "show")
    file = source.export(directory / "keys")

    words = ("keys", "import", "--format", "usher", file)
    assert "there is a ring already; --replace" in target.fails(*words)
    assert target.json(*words, "--replace")["imported"] == len(before["keys"])
    after = target.json("keys", "show")
    assert names(after) == names(before)
    assert after["fleet"] == before["fleet"]
    assert after["lineage_not_before"] == before["lineage_not_before"] is not None
    for old, new in zip(before["keys"], after["keys"]):
        assert old["age_seconds"] <= new["age_seconds"] <= old["age_seconds"] + waiting.PATIENCE
    for version in BOTH:
        assert sessions.resumes(to.address(), held[version]), version

    # The name_key came too: the target's next name is one of the same fleet, after the last.
    target.ok("keys", "rotate")
    assert target.json("keys", "show")["keys"][0]["epoch"] == before["keys"][0]["epoch"] + 1
    session = sessions.full(to.address())
    ticket = directory / "ticket"
    ticket.write_bytes(session.ticket)
    assert "is of this fleet, but newer than the keys given" in usherctl.run(
        "ticket", "decode", ticket, "--keys", file).err
    from_.wait_metric("usher_resumption_offers_total", lambda n: n == 0, outcome="unknown_future")
    assert not sessions.resumes(from_.address(), session)
    from_.wait_metric("usher_resumption_offers_total", outcome="unknown_future")


@pytest.mark.parametrize("form", ["nginx", "haproxy"])
def test_exported_keys_serve_as_another_proxys_files(proxy, directory, form):
    """Both ways: what the one seals the other opens."""
    one, control = proxy()
    control.ok("keys", "rotate")
    file = control.export(directory / "keys", form)
    two, other = proxy("b", tickets={"source": "file", "file": [str(file)]})
    current = [key["name"] for key in control.json("keys", "show")["keys"] if key["state"] == "current"]
    assert [key["name"] for key in other.json("keys", "show")["keys"] if key["state"] == "current"] == current
    for version in BOTH:
        assert sessions.resumes(two.address(), sessions.full(one.address(), version)), version
        assert sessions.resumes(one.address(), sessions.full(two.address(), version)), version
    assert other.export(directory / "again", form).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("form", ["nginx", "haproxy"])
def test_keys_of_others_open_after_an_import_and_never_seal(proxy, directory, form):
    keys = [ticket_keys.TicketKey() for _ in range(1 if form == "nginx" else 3)]
    file = (ticket_keys.nginx_files(directory, keys)[0] if form == "nginx"
            else ticket_keys.haproxy_file(directory / "haproxy", keys))
    other, _ = proxy("other", tickets={"source": "file", "file": [str(file)]})
    one, control = proxy()
    held = {version: sessions.full(other.address(), version) for version in BOTH}
    for version in BOTH:
        assert not sessions.resumes(one.address(), held[version])
    before = control.json("keys", "show")

    words = ("keys", "import", "--format", form, file)
    assert control.json(*words)["imported"] == len(keys)
    after = control.json("keys", "show")
    assert {(key.name.hex(), 0, "previous") for key in keys} == set(names(after)) - set(names(before))
    assert names(before)[0] == names(after)[0]  # still the one that seals
    for version in BOTH:
        assert sessions.resumes(one.address(), held[version]), version

    assert "is there already; --replace" in control.fails(*words)
    assert names(control.json("keys", "show")) == names(after)
    assert control.json(*words, "--replace")["imported"] == len(keys)
    assert names(control.json("keys", "show")) == names(after)


def test_import_from_standard_input(proxy):
    _, control = proxy()
    key = ticket_keys.TicketKey()
    done = control.run("keys", "import", "--format", "nginx", "-", data=key.nginx())
    assert done.code == 0 and done.out.startswith("1 key imported: ring term 1, version ")
    assert key.name.hex() in [k["name"] for k in control.json("keys", "show")["keys"]]


def damaged_nginx():
    good = ticket_keys.TicketKey().nginx()
    return {"empty": (b"", "it is empty"), "cut": (good[:79], "79 bytes; expected"),
            "two keys": (good * 2, "160 bytes; expected"), "zero": (bytes(80), "zero"),
            "zero AES": (good[:48] + bytes(32), "zero"), "zero HMAC": (good[:16] + bytes(32) + good[48:], "zero"),
            "base64": (base64.b64encode(good), "108 bytes; expected"),
            "AES-128": (ticket_keys.TicketKey(48).nginx(), "80 bytes"),
            "too large": (bytes(1 << 17), "more than 65536 bytes")}


def damaged_haproxy():
    keys = [ticket_keys.TicketKey() for _ in range(3)]
    lines = [key.haproxy() for key in keys]
    return {"cut line": (b"".join(lines)[:-9], ":3: 100 characters"), "two lines": (lines[0] + lines[1], "2 keys"),
            "no base64": (lines[0] + b"!" * 108 + b"\n" + lines[2], ":2"),
            "twice": (lines[0] + lines[1] + lines[0], ":3"),
            "zero": (lines[0] + lines[1] + base64.b64encode(bytes(80)) + b"\n", ":3"),
            "AES-128": (b"".join(ticket_keys.TicketKey(48).haproxy() for _ in range(3)), "80 bytes"),
            "nginx": (keys[0].nginx(), "the imported file:")}


def damaged_usher(good):
    lines = good.splitlines(keepends=True)
    key = next(line for line in lines if line.startswith("key "))
    words = key.split()
    return {"cut": (good[:-20], "the imported file:"),
            "flipped": (good.replace(words[1][:8], "00000000"), "wrong checksum"),
            "no checksum": ("".join(lines[:-1]), "sha256"),
            "twice": (signed(good.replace(key, key * 2)), "the imported file:"),
            "zero": (signed(good.replace(words[-1], base64.b64encode(bytes(64)).decode())), "zero"),
            "no key": (signed(good.replace(words[-1], "AAAA")), "64 bytes in base64"),
            "epoch": (signed(good.replace(key, key.replace(f" {words[2]} ", " 4000000000 ", 1))), "epoch"),
            "other version": (signed(good.replace("ticket keys 1", "ticket keys 2")), "usher ticket keys 1"),
            "nginx": (ticket_keys.TicketKey().nginx(), "the imported file:"), "empty": ("", "it is empty")}


def test_damaged_files_change_nothing(proxy, directory):
    _, control = proxy()
    control.ok("keys", "rotate")
    good = control.export(directory / "good").read_text()
    before = control.json("keys", "show")
    cases = {"nginx": damaged_nginx(), "haproxy": damaged_haproxy(), "usher": damaged_usher(good)}
    for form, files in cases.items():
        for what, (data, why) in files.items():
            data = data.encode() if isinstance(data, str) else data
            for more in ((), ("--replace",)):
                error = control.fails("keys", "import", "--format", form, "-", *more, data=data)
                assert why in error and usherctl.plain(error), f"{form}, {what}: {error}"
    after = control.json("keys", "show")
    assert (after["version"], after["digest"]) == (before["version"], before["digest"])


def test_import_of_files_that_cannot_be_read(proxy, directory):
    _, control = proxy()
    for path, why in ((directory / "none", "No such file"), (directory, "Is a directory"),
                      ("/dev/zero", "more than 65536 bytes"), ("/dev/null", "it is empty")):
        assert why in control.fails("keys", "import", "--format", "usher", path)
