"""Promise: with tickets.source = "file" Usher seals and opens with the keys of nginx's files (one raw key
each, the first seals) or of HAProxy's (lines of base64, the last but one seals, the last is next), whose 80
bytes differ in order; what is put in their place is taken while it runs, however that is done; a damaged file
is refused by --check and at the start with its name and what was expected, and at run time costs nothing: the
old keys stay, and the log names the file and never what is in it."""

import os
import pathlib
import pwd
import shutil
import tempfile
import time

import pytest

from support import sessions, ticket_keys, toml, usher
from support.ticket_keys import TicketKey

ROOT = os.geteuid() == 0
BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))
SIZES = pytest.mark.parametrize("size", [48, 80])
KEPT = "the ticket key files have changed and cannot be taken; the old keys stay"


def of_files(*paths, **more):
    return {"source": "file", "file": [str(path) for path in paths], **more}


@pytest.fixture
def nginx(simple, tmp_path):
    """nginx(keys) → Usher with these keys in nginx's files; .files are they."""
    def begin(*keys):
        directory = pathlib.Path(tempfile.mkdtemp(dir=tmp_path))
        files = ticket_keys.nginx_files(directory, keys)
        proxy = simple(tickets=of_files(*files))
        proxy.files = files
        return proxy
    return begin


@pytest.fixture
def haproxy(simple, tmp_path):
    """haproxy(keys) → Usher with these keys in HAProxy's file; .file is it."""
    def begin(*keys):
        path = pathlib.Path(tempfile.mkdtemp(dir=tmp_path)) / "haproxy.keys"
        proxy = simple(tickets=of_files(ticket_keys.haproxy_file(path, keys)))
        proxy.file = path
        return proxy
    return begin


def key_of(session):
    """The name of the key that sealed its ticket."""
    return session.ticket[:16]


def sealing(proxy, version="TLSv1.3"):
    return key_of(sessions.full(proxy.address(), version))


def outcome(proxy, outcome, count=1):
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == count, kind="ticket", outcome=outcome)


@BOTH
@SIZES
def test_the_first_file_of_nginx_seals_and_the_others_open(nginx, version, size):
    one, two = TicketKey(size), TicketKey(size)
    before, after, elsewhere = nginx(one, two), nginx(two, one), nginx(TicketKey(size))
    session = sessions.full(before.address(), version)
    assert key_of(session) == one.name
    resumed, renewed = sessions.begin(after.address(), version, session=session)
    assert resumed and key_of(renewed) == two.name
    assert sessions.resumes(before.address(), renewed)
    assert not sessions.resumes(elsewhere.address(), session)
    outcome(elsewhere, "unknown_foreign")


@BOTH
@SIZES
def test_the_last_but_one_of_haproxy_seals_and_all_open(haproxy, version, size):
    old, current, following, latest = (TicketKey(size) for _ in range(4))
    before, after = haproxy(old, current, following), haproxy(old, current, following, latest)
    session = sessions.full(before.address(), version)
    assert key_of(session) == current.name
    resumed, renewed = sessions.begin(after.address(), version, session=session)
    assert resumed and key_of(renewed) == following.name
    assert sessions.resumes(before.address(), renewed)  # its `next`


@BOTH
def test_nginx_may_have_keys_of_both_sizes(nginx, version):
    small, large = TicketKey(48), TicketKey(80)
    one, other = nginx(small, large), nginx(large, small)
    for sealer, opener, key in ((one, other, small), (other, one, large)):
        session = sessions.full(sealer.address(), version)
        assert key_of(session) == key.name
        assert sessions.resumes(opener.address(), session)


@BOTH
@SIZES
def test_the_same_keys_in_either_format_are_the_same_keys(nginx, haproxy, version, size):
    old, current, following = (TicketKey(size) for _ in range(3))
    one, other = nginx(current, old, following), haproxy(old, current, following)
    for sealer, opener in ((one, other), (other, one)):
        session = sessions.full(sealer.address(), version)
        assert key_of(session) == current.name
        assert sessions.resumes(opener.address(), session)


def by_rename(path, data):
    ticket_keys.replace(path, data)


def in_place(path, data):
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()


def by_link(path, data):
    """As a mounted secret changes: the name is a link, and the link is replaced."""
    target = pathlib.Path(tempfile.mkdtemp(dir=path.parent)) / path.name
    target.write_bytes(data)
    link = path.with_name(path.name + ".link")
    link.symlink_to(target)
    link.rename(path)


WAYS = pytest.mark.parametrize("put", [by_rename, in_place, by_link])


@WAYS
def test_other_files_of_nginx_are_taken(nginx, put):
    old, new = TicketKey(), TicketKey()
    proxy = nginx(old, TicketKey())
    session = sessions.full(proxy.address(), "TLSv1.2")
    before = proxy.metrics().total("usher_ticket_ring_version")
    put(proxy.files[1], old.nginx())
    put(proxy.files[0], new.nginx())
    proxy.wait_metric("usher_ticket_ring_version", lambda n: n > before)
    resumed, renewed = sessions.begin(proxy.address(), "TLSv1.2", session=session)
    assert resumed and key_of(renewed) == new.name == sealing(proxy)


@WAYS
def test_another_file_of_haproxy_is_taken(haproxy, put):
    keys = [TicketKey() for _ in range(4)]
    proxy = haproxy(*keys[:3])
    session = sessions.full(proxy.address(), "TLSv1.2")
    put(proxy.file, b"".join(key.haproxy() for key in keys[1:]))
    proxy.wait_log("took the keys of files", version=2)
    resumed, renewed = sessions.begin(proxy.address(), "TLSv1.2", session=session)
    assert resumed and key_of(renewed) == keys[2].name == sealing(proxy)


def written(change):
    """Damage that the file's text shows."""
    return lambda path: ticket_keys.replace(path, change(path.read_bytes()))


def instead(make):
    """Damage by something else under the file's name."""
    def damage(path):
        path.unlink()
        make(path)
    return damage


def lines(change):
    """Damage to HAProxy's lines."""
    return written(lambda data: b"".join(line + b"\n" for line in change(data.splitlines())))


NGINX_DAMAGE = {
    "empty": (written(lambda key: b""), "is empty"),
    "short": (written(lambda key: key[:79]), "79 bytes; expected one nginx key of 48 or 80"),
    "long": (written(lambda key: key + b"\n"), "81 bytes; expected one nginx key of 48 or 80"),
    "huge": (written(lambda key: 1000 * key), "is larger than 65536 bytes"),
    "zero-hmac": (written(lambda key: key[:16] + bytes(32) + key[48:]), "a key of all zero bytes"),
    "zero-aes": (written(lambda key: key[:48] + bytes(32)), "a key of all zero bytes"),
    "twice": (lambda path: shutil.copy(path.with_name("nginx-1.key"), path), "the same key"),
    "base64": (written(lambda key: 3 * TicketKey().haproxy()), "of another format"),
    "missing": (instead(lambda path: None), "No such file or directory"),
    "directory": (instead(pathlib.Path.mkdir), "is no regular file"),
    "fifo": (instead(os.mkfifo), "is no regular file"),
    "device": (instead(lambda path: path.symlink_to("/dev/zero")), "is no regular file"),
    "dangling": (instead(lambda path: path.symlink_to("nowhere")), "No such file or directory"),
    "loop": (instead(lambda path: path.symlink_to(path)), "Too many levels of symbolic links"),
}
HAPROXY_DAMAGE = {
    "two-lines": (lines(lambda three: three[1:]), "2 keys; expected at least 3 lines of base64"),
    "cut": (written(lambda text: text[:-30]), ":3: "),
    "no-base64": (lines(lambda three: [three[0], b"*" + three[1][1:], three[2]]), ":2: no base64"),
    "raw": (written(lambda text: bytes(80)), "a key of all zero bytes"),
    "twice": (lines(lambda three: [three[0], three[1], three[0]]), ":3: the same key"),
    "blank": (lines(lambda three: [three[0], b"", three[1], three[2]]), ":2: 0 characters; expected"),
    "sizes": (lines(lambda three: [*three[:2], TicketKey(48).haproxy()[:-1]]), ":3: a key of another size"),
    "zero": (lines(lambda three: [b"A" * 107 + b"=", *three[1:]]), ":1: a key of all zero bytes"),
    "wrapped": (lines(lambda three: [half for line in three for half in (line[:64], line[64:])]),
                "characters; expected one HAProxy key"),
}


def damages(table):
    return pytest.mark.parametrize("damage, what", list(table.values()), ids=list(table))


def keeps_its_keys(proxy, path, damage, what):
    """After the damage all is as it was, and the log names the file, the damage and no key."""
    session = sessions.full(proxy.address(), "TLSv1.2")
    ring = proxy.metrics().total("usher_ticket_ring_version")
    damage(path)
    error = proxy.wait_log(KEPT)["error"]
    assert str(path) in error and what in error and "expected" in error, error
    assert sessions.resumes(proxy.address(), session)
    assert sealing(proxy) == key_of(session)
    assert proxy.metrics().total("usher_ticket_ring_version") == ring


@damages(NGINX_DAMAGE)
def test_damage_to_a_file_of_nginx_leaves_the_old_keys(nginx, damage, what):
    proxy = nginx(TicketKey(), TicketKey())
    keeps_its_keys(proxy, proxy.files[0], damage, what)


@damages(HAPROXY_DAMAGE)
def test_damage_to_a_file_of_haproxy_leaves_the_old_keys(haproxy, damage, what):
    proxy = haproxy(*(TicketKey() for _ in range(3)))
    text = proxy.file.read_text().split()
    keeps_its_keys(proxy, proxy.file, damage, what)
    assert not any(part in proxy.log() for line in text for part in (line[8:40], line[40:64]))


def is_refused(tmp_path, site, files, damage, what):
    config = tmp_path / "usher.toml"
    config.write_text(toml.dump(usher.configuration(
        [usher.listener([site])], [usher.backend("127.0.0.1:9")], tickets=of_files(*files))))
    assert usher.run("--config", config, "--check")[0] == 0
    damage(files[0])
    for more in ([], ["--check"]):
        code, _, log = usher.run("--config", config, *more)
        assert code == 2, log
        assert f"{config}:" in log and str(files[0]) in log and what in log and "expected" in log, log


@damages(NGINX_DAMAGE)
def test_a_damaged_file_of_nginx_is_refused_at_the_start(tmp_path, site, damage, what):
    files = ticket_keys.nginx_files(tmp_path, [TicketKey(), TicketKey()])
    is_refused(tmp_path, site, files, damage, what)


@damages(HAPROXY_DAMAGE)
def test_a_damaged_file_of_haproxy_is_refused_at_the_start(tmp_path, site, damage, what):
    path = ticket_keys.haproxy_file(tmp_path / "haproxy.keys", [TicketKey() for _ in range(3)])
    is_refused(tmp_path, site, [path], damage, what)


def test_a_mended_file_is_taken(nginx):
    old, new = TicketKey(), TicketKey()
    proxy = nginx(old)
    session = sessions.full(proxy.address(), "TLSv1.2")
    ticket_keys.replace(proxy.files[0], new.nginx()[:40])
    proxy.wait_log(KEPT)
    told = proxy.mark()
    ticket_keys.replace(proxy.files[0], new.nginx())
    proxy.wait_log("took the keys of files", since=told)
    assert sealing(proxy) == new.name
    assert not sessions.resumes(proxy.address(), session)  # its file has gone
    outcome(proxy, "unknown_foreign")


def test_a_reload_with_a_damaged_file_changes_nothing(nginx):
    proxy = nginx(TicketKey(), TicketKey())
    sealed_by = sealing(proxy)
    proxy.files[0].write_bytes(b"short")
    assert not proxy.reload()
    assert str(proxy.files[0]) in proxy.log()
    assert sealing(proxy) == sealed_by


def test_a_file_that_stays_damaged_is_told_of_once(nginx):
    """And one more change, which is seen later than the next looks at the first, is told of again."""
    proxy = nginx(TicketKey())
    proxy.files[0].write_bytes(b"short")
    proxy.wait_log(KEPT)
    told = proxy.mark()
    proxy.files[0].write_bytes(b"shorter")
    proxy.wait_log(KEPT, since=told)
    assert proxy.log().count(KEPT) == 2


@pytest.fixture
def open_directory():
    """A directory that everybody can enter, unlike pytest's."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_files_that_the_user_may_not_read(open_directory, site, echo):
    """Usher reads them as process.user, which --check and the start know."""
    nobody = pwd.getpwnam("nobody")
    listener = usher.listener([{"chain": shutil.copy(site.chain, open_directory / "site.pem"),
                                "key": shutil.copy(site.key, open_directory / "site.key")}])
    path = ticket_keys.nginx_files(open_directory, [TicketKey()])[0]
    config = usher.configuration([listener], [usher.backend(echo)], process={"user": "nobody"},
                                 tickets=of_files(path))
    for file in open_directory.iterdir():
        os.chown(file, nobody.pw_uid, nobody.pw_gid)
    os.chown(path, 0, 0)
    (open_directory / "usher.toml").write_text(toml.dump(config))
    for more in ([], ["--check"]):
        code, _, log = usher.run("--config", open_directory / "usher.toml", *more)
        assert code == 2 and str(path) in log and "Permission denied" in log, log
    os.chown(path, nobody.pw_uid, nobody.pw_gid)
    proxy = usher.Usher(open_directory, config).wait_ready()
    try:
        session = sessions.full(proxy.address())
        ticket_keys.replace(path, TicketKey().nginx())  # root's, as a careless rotation leaves it
        error = proxy.wait_log(KEPT)["error"]
        assert str(path) in error and "Permission denied" in error and "permissions" in error
        assert sessions.resumes(proxy.address(), session)
        told = proxy.mark()
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
        proxy.wait_log("took the keys of files", since=told)
    finally:
        proxy.kill()


def test_a_key_is_as_old_as_its_file(simple, tmp_path):
    """Limits are an option here; what is too old to seal still opens, and a new file seals at once."""
    old, new = TicketKey(), TicketKey()
    files = ticket_keys.nginx_files(tmp_path, [old])
    hour_ago = time.time() - 3600
    limits = {"seal_max_age": "30m", "open_max_age": "7h"}
    young = simple(tickets=of_files(*files, **limits))
    session = sessions.full(young.address(), "TLSv1.2")
    os.utime(files[0], (hour_ago, hour_ago))
    proxy = simple(tickets=of_files(*files, **limits))
    assert sessions.resumes(proxy.address(), session)
    assert not sessions.full(proxy.address(), "TLSv1.2").ticket
    assert proxy.metrics().total("usher_ticket_key_age_seconds", state="current") >= 3600
    ticket_keys.replace(files[0], new.nginx())
    proxy.wait_log("took the keys of files", version=2)
    assert sealing(proxy) == new.name


def test_without_limits_an_old_key_seals_and_the_log_warns(nginx):
    """A static key of nginx's must not die silently."""
    proxy = nginx(TicketKey())
    proxy.wait_stderr("keys of files have no age limit here")
    told = proxy.mark()
    os.utime(proxy.files[0], (0, 0))
    proxy.wait_log("took the keys of files", since=told)
    assert sealing(proxy)
    assert proxy.metrics().total("usher_ticket_key_age_seconds", state="current") > 86400
