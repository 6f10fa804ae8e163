"""Promise: Usher and nginx with the same ticket keys, each in its own file format, and the matching
session_context resume each other's sessions, http and stream, keys of 48 and 80 bytes, TLS 1.2 and 1.3; without
session_context neither resumes the other's; and the tickets of both can be decoded."""

import pytest

from support import certificates, peers, sessions, ticket_keys, tls, usher, usherctl
from support.ticket_keys import TicketKey

BOTH = pytest.mark.parametrize("version", list(sessions.VERSIONS))
SIZES = pytest.mark.parametrize("size", [48, 80])
CONTEXTS = {"http": "nginx", "stream": "nginx-stream"}
MODULES = pytest.mark.parametrize("module", list(CONTEXTS))


@pytest.fixture
def nginx(tmp_path, echo):
    """nginx(module, certificates, key_files, …) → a running one."""
    running = []

    def begin(module, *arguments, **more):
        directory = tmp_path / f"nginx-{len(running)}"
        directory.mkdir()
        running.append(peers.Nginx(directory, module, *arguments, backend=echo, **more))
        return running[-1].wait_ready()
    yield begin
    for one in running:
        one.kill()


@pytest.fixture
def pair(nginx, start, site, echo, tmp_path):
    """pair(module, size) → nginx and Usher with the same keys, in .files; `listener` is Usher's."""
    def begin(module, size, served=(site,), authorities=None, **listener):
        files = ticket_keys.nginx_files(tmp_path, [TicketKey(size), TicketKey(size)])
        proxy = start(usher.configuration(
            [usher.listener(list(served), **listener)], [usher.backend(echo)],
            tickets={"source": "file", "file": [str(path) for path in files]}))
        proxy.files = files
        return nginx(module, served, files, client_ca=authorities), proxy
    return begin


def offers(proxy, outcome):
    proxy.wait_metric("usher_resumption_offers_total", lambda n: n == 1, kind="ticket", outcome=outcome)


@BOTH
@SIZES
@MODULES
def test_each_resumes_the_others_sessions(pair, module, size, version):
    other, proxy = pair(module, size, session_context=CONTEXTS[module])
    assert sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    offers(proxy, "resumed")
    ours = sessions.full(proxy.address(), version)
    resumed, renewed = sessions.begin(other.address(), version, session=ours)
    assert resumed
    assert sessions.resumes(proxy.address(), renewed)  # and back again, as a client of a mixed fleet


@pytest.mark.parametrize("first", ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"])
@MODULES
def test_whichever_suite_the_client_likes_best(pair, module, first):
    """In TLS 1.3 the hash of the suite must be the same (RFC 8446 §4.6.1), and nginx lets the client choose."""
    other, proxy = pair(module, 80, session_context=CONTEXTS[module])
    suites = f"TLS_{first}:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
    for one, two in ((other, proxy), (proxy, other)):
        session = sessions.begin(one.address(), suites=suites)[1]
        assert sessions.begin(two.address(), session=session, suites=suites)[0]


@BOTH
@MODULES
def test_without_session_context_neither_resumes(pair, module, version):
    other, proxy = pair(module, 80)
    assert not sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    offers(proxy, "domain")
    assert not sessions.resumes(other.address(), sessions.full(proxy.address(), version))


@BOTH
@MODULES
def test_the_other_modules_context_does_not_do(pair, module, version):
    wrong = next(context for name, context in CONTEXTS.items() if name != module)
    other, proxy = pair(module, 80, session_context=wrong)
    assert not sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    offers(proxy, "domain")


@BOTH
@MODULES
def test_certificates_of_two_kinds(pair, ca, module, version):
    """nginx hashes all of its server's certificates, the last one first."""
    served = [ca.server("site.test", kind="rsa"), ca.server("site.test")]
    other, proxy = pair(module, 80, served, session_context=CONTEXTS[module])
    assert sessions.resumes(proxy.address(), sessions.full(other.address(), version))
    assert sessions.resumes(other.address(), sessions.full(proxy.address(), version))


@BOTH
@MODULES
def test_client_certificates(pair, site, client_ca, module, version):
    """nginx hashes the names of the CAs too, and takes our tickets; its own say nothing about the client's
    certificate that Usher could rely on, and cost a full handshake."""
    authorities = two_authorities(client_ca)
    other, proxy = pair(module, 80, authorities=authorities, client_auth="required",
                        client_ca=authorities.file, session_context=CONTEXTS[module])
    ctx = tls.CONTEXTS[version](client=client_ca.client("visitor"))

    def visit(address, session=None):
        with tls.Client(address, ctx=ctx, session=session).handshake() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            client.receive()
            return client.resumed(), client.ssl.session
    assert visit(other.address(), visit(proxy.address())[1])[0]
    assert not visit(proxy.address(), visit(other.address())[1])[0]
    offers(proxy, "domain")


def two_authorities(client_ca):
    """In one file: their order counts."""
    second = certificates.Authority(client_ca.directory, "client-ca-2")
    second.file.write_bytes(client_ca.file.read_bytes() + second.file.read_bytes())
    return second


def test_session_context_is_warned_of(pair):
    _, proxy = pair("http", 80, session_context="nginx")
    proxy.wait_stderr("session_context")


@BOTH
@SIZES
@MODULES
def test_tickets_of_both_are_decoded(pair, tmp_path, module, size, version):
    other, proxy = pair(module, size, session_context=CONTEXTS[module])
    contexts = set()
    for server, ours in ((other, False), (proxy, True)):
        session = sessions.full(server.address(), version)
        path = tmp_path / "session.pem"
        path.write_text(session.pem)
        arguments = ["ticket", "decode", "--format", "nginx"]
        for file in proxy.files:
            arguments += ["--keys", file]
        decoded = usherctl.answer(*arguments, path)
        assert decoded["verdict"] == "opened" and decoded["key_name"] == session.ticket[:16].hex()
        assert decoded["ticket_cipher"] == {48: "AES-128-CBC", 80: "AES-256-CBC"}[size]
        inside = decoded["session"]
        assert inside["protocol"] == version and inside["sni"] == "site.test"
        assert (inside["lineage_start"] is not None) == ours
        contexts.add(inside["domain"])
        shown = usherctl.text(*arguments, session.ticket.hex())
        assert session.ticket[:16].hex() in shown and "verified" in shown and "site.test" in shown
        assert ("not a ticket of Usher's" in shown) != ours
        assert (inside["own_domain"] is not None) == ours
    assert len(contexts) == 1  # nginx's, in our tickets too
