"""Promise: `usherctl keys revoke` ends at once, on every worker, what a stolen key could open: its own tickets are
refused, and so is every session that began before, also one whose TLS 1.2 ticket was renewed under a newer key
and still has the same master secret; sessions that begin afterwards resume."""

import time

import pytest

from support import sessions, ticket_keys, usherctl, waiting

BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))


class Proxy:
    """Usher with embedded keys and its operator."""

    def __init__(self, usher, control):
        self.usher, self.control, self.address = usher, control, usher.address()

    def ctl(self, *arguments):
        return usherctl.answer("--socket", self.control, *arguments)

    def keys(self):
        """{state: [names]}"""
        found = {}
        for key in self.ctl("keys", "show")["keys"]:
            found.setdefault(key["state"], []).append(key["name"])
        return found

    def revoke(self, name):
        """And lets the second pass in which it was done: lineages count in whole seconds."""
        self.ctl("keys", "revoke", name)
        revoked = int(time.time())
        waiting.until(lambda: time.time() >= revoked + 1, "the next second")

    def offers(self, outcome):
        return self.usher.metrics().total("usher_resumption_offers_total", outcome=outcome)


@pytest.fixture
def proxy(simple):
    with usherctl.socket_path() as path:
        yield Proxy(simple(admin={"socket": path}, process={"workers": 3}), path)


def key_of(session):
    return session.ticket[:16].hex()


def starts_anew(proxy, version):
    """New sessions resume, on any worker."""
    session = sessions.full(proxy.address, version)
    assert all(sessions.resumes(proxy.address, session) for _ in range(9))
    return session


@BOTH
def test_the_current_key(proxy, version):
    session = sessions.full(proxy.address, version)
    assert sessions.resumes(proxy.address, session)
    (current,) = proxy.keys()["current"]
    assert current == key_of(session)
    proxy.revoke(current)
    assert not any(sessions.resumes(proxy.address, session) for _ in range(9))  # on any worker
    assert proxy.offers("unknown_past") == 9
    (following,) = proxy.keys()["current"]
    assert following != current and current not in str(proxy.keys())
    assert key_of(starts_anew(proxy, version)) == following


@BOTH
def test_a_session_under_another_key_began_before_too(proxy, version):
    """Only its ticket's key tells; what was stolen with the key may be older sessions' secrets."""
    before = sessions.full(proxy.address, version)
    proxy.ctl("keys", "rotate")
    session = sessions.full(proxy.address, version)
    (current,) = proxy.keys()["current"]
    assert key_of(before) != key_of(session) == current
    proxy.revoke(key_of(before))
    assert proxy.keys() == {"current": [current]}
    assert not sessions.resumes(proxy.address, session)
    assert proxy.offers("lineage") == 1
    starts_anew(proxy, version)


@BOTH
def test_a_session_that_was_renewed_under_a_newer_key(proxy, version):
    session = sessions.full(proxy.address, version)
    stolen = key_of(session)
    proxy.ctl("keys", "rotate")
    resumed, renewed = sessions.begin(proxy.address, version, session=session)
    assert resumed and key_of(renewed) != stolen
    proxy.revoke(stolen)
    resumed, fresh = sessions.begin(proxy.address, version, session=renewed)
    assert not resumed and proxy.offers("lineage") == 1
    assert not sessions.resumes(proxy.address, session) and proxy.offers("unknown_past") == 1
    assert all(sessions.resumes(proxy.address, fresh) for _ in range(9))  # the refusal brought a new ticket


@BOTH
def test_renewed_often(proxy, version):
    """A chain of renewals over several rotations is one lineage."""
    session = sessions.full(proxy.address, version)
    stolen = key_of(session)
    for _ in range(4):
        proxy.ctl("keys", "rotate")
        resumed, session = sessions.begin(proxy.address, version, session=session)
        assert resumed
    proxy.revoke(stolen)
    assert not sessions.resumes(proxy.address, session)
    assert proxy.offers("lineage") == 1


@BOTH
def test_it_outlives_rotations_reloads_and_imports(proxy, version, tmp_path):
    session = sessions.full(proxy.address, version)
    proxy.ctl("keys", "rotate")
    _, renewed = sessions.begin(proxy.address, version, session=session)
    exported = tmp_path / "before"
    proxy.ctl("keys", "export", "--format", "usher", "--secret-keys", "--out", exported)
    proxy.revoke(key_of(session))
    fresh = starts_anew(proxy, version)
    proxy.ctl("keys", "rotate")
    assert proxy.usher.reload()
    assert not sessions.resumes(proxy.address, renewed)
    # Not even the ring of before the revocation, in place of this one, brings them back.
    proxy.ctl("keys", "import", "--format", "usher", "--replace", exported)
    assert key_of(session) in [key.name.hex() for key in ticket_keys.exported(exported)]
    assert not sessions.resumes(proxy.address, session)
    assert not sessions.resumes(proxy.address, renewed)
    assert proxy.offers("lineage") == 3
    assert sessions.resumes(proxy.address, fresh)  # began after, and its key was there before
    starts_anew(proxy, version)


def test_a_name_that_is_not_there(proxy):
    session = sessions.full(proxy.address)
    for name, exit_code in (("00" * 16, 1), ("ffff", 1), ("no name", 2)):
        code, out, err = usherctl.run("--socket", proxy.control, "keys", "revoke", name)
        assert code == exit_code and not out and err, (name, code, out, err)
    assert sessions.resumes(proxy.address, session)


def test_the_beginning_of_a_name_will_do(proxy):
    (current,) = proxy.keys()["current"]
    shown = usherctl.text("--socket", proxy.control, "keys", "revoke", current[:6])
    assert current in shown
    assert current not in str(proxy.keys())
