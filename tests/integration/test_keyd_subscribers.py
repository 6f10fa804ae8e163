"""Promise: usher-keyd hands its ring to whom it should and to nobody else: on a Unix socket to root, its own uid,
allow_users and allow_groups; over mutual TLS 1.3 to certificates of its authority with a name that `allow`
matches, for the node of that name. Proxies ask the same of keyd. Who is refused is counted and told why."""

import grp
import os
import pwd
import socket
import ssl
import subprocess

import pytest

from support import certificates, push_client

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
# Speaks first, prints the first frame's type and payload.
STRANGER = ("import socket, struct, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])\n"
            "s.sendall(bytes.fromhex(sys.argv[2])); f = s.makefile('rb')\n"
            "n, t = struct.unpack('>IB', f.read(5)); print(t, f.read(n - 1))\n")
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")


def refused(keyd, reason):
    return keyd.metrics().total("usher_keyd_refused_total", reason=reason)


def as_nobody(keyd, groups=()):
    """(frame type, payload as Python shows it) that the user nobody gets for a HELLO."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", STRANGER, keyd.socket, push_client.hello("stranger", b"12345678").hex()],
        user="nobody", group=NOBODY.pw_gid, extra_groups=list(groups), cwd="/", capture_output=True,
        timeout=60, check=True)
    kind, _, payload = done.stdout.decode().partition(" ")
    return int(kind), payload


@needs_root
def test_another_user_is_refused(start_keyd):
    keyd = start_keyd()
    kind, why = as_nobody(keyd)
    assert kind == push_client.REFUSED and f"uid {NOBODY.pw_uid}" in why and "allow_users" in why
    assert refused(keyd, "user") == 1 and keyd.keys()["members"] == []
    keyd.process.wait_log("subscriber refused", reason="user")


@needs_root
@pytest.mark.parametrize("how", ["user", "primary group", "supplementary group"])
def test_allowed_users_and_groups_get_the_ring(start_keyd, how):
    other = grp.getgrnam("daemon")
    allowed = {"user": {"allow_users": ["nobody"]},
               "primary group": {"allow_groups": [grp.getgrgid(NOBODY.pw_gid).gr_name]},
               "supplementary group": {"allow_groups": [other.gr_name]}}[how]
    keyd = start_keyd(keyd=allowed)
    kind, _ = as_nobody(keyd, [other.gr_gid] if how == "supplementary group" else [])
    assert kind == push_client.RING and refused(keyd, "user") == 0


@needs_root
def test_a_reload_refuses_who_is_not_allowed_any_more(start_keyd, subscribe):
    keyd = start_keyd(keyd={"allow_users": ["nobody"]})
    code = STRANGER + "print(f.read()[4:], flush=True)\n"
    with subprocess.Popen(["/usr/bin/python3", "-c", code, keyd.socket,
                           push_client.hello("stranger", b"12345678").hex()], user="nobody", cwd="/",
                          group=NOBODY.pw_gid, extra_groups=[], stdout=subprocess.PIPE) as stranger:
        keyd.process.wait_log("subscriber", node="stranger")
        keyd.reload(keyd={"allow_users": []})
        out = stranger.communicate(timeout=60)[0].decode()
    assert "allow_users" in out and refused(keyd, "user") == 1
    subscribe(keyd).wait_ring()  # we still may


# --- TLS

@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The authority of the fleet, and keyd's certificate."""
    authority = certificates.Authority(tmp_path_factory.mktemp("fleet"), "fleet-ca")
    authority.keyd = authority.server("localhost", "keyd-1.example")
    return authority


@pytest.fixture
def tls_keyd(start_keyd, tls):
    def begin(certificate=None, allow=("proxy-*.example",)):
        certificate = certificate or tls.keyd
        return start_keyd(
            keyd={"listen": ["tls:127.0.0.1:0"]},
            tls={"ca": tls.file, "cert": certificate.chain, "key": certificate.key, "allow": list(allow)})
    return begin


def test_the_right_certificate(tls_keyd, tls, subscribe):
    keyd = tls_keyd()
    context = push_client.tls_context(tls.file, tls.client("proxy-1.example"))
    subscriber = subscribe(keyd.tls_endpoint, "proxy-1.example", tls=context)
    subscriber.wait_ring()
    keyd.post("/keys/rotate")
    subscriber.wait_ring(lambda ring: ring.names("previous"), "the promotion")
    assert [member["node"] for member in keyd.keys()["members"]] == ["proxy-1.example"]


BAD_HANDSHAKES = {
    "no certificate": lambda tls, other: None,
    "another authority": lambda tls, other: other.client("proxy-1.example"),
    "expired": lambda tls, other: tls.client("proxy-1.example", start=-7200, end=-3600),
    "not valid yet": lambda tls, other: tls.client("proxy-1.example", start=3600),
    "a server's": lambda tls, other: tls.server("proxy-1.example"),
}


@pytest.mark.parametrize("what", BAD_HANDSHAKES)
def test_wrong_certificates(tls_keyd, tls, tmp_path, subscribe, what):
    keyd = tls_keyd()
    issued = BAD_HANDSHAKES[what](tls, certificates.Authority(tmp_path, "fleet-ca"))
    subscriber = subscribe(keyd.tls_endpoint, "proxy-1.example", wait=False,
                           tls=push_client.tls_context(tls.file, issued))
    subscriber.wait_closed()
    keyd.wait_metric("usher_keyd_refused_total", lambda n: n == 1, reason="tls")
    keyd.process.wait_log("subscriber refused", reason="tls")
    assert subscriber.rings == [] and keyd.keys()["members"] == []


def test_tls_1_2_is_refused(tls_keyd, tls, subscribe):
    keyd = tls_keyd()
    context = push_client.tls_context(tls.file, tls.client("proxy-1.example"))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    subscribe(keyd.tls_endpoint, "proxy-1.example", wait=False, tls=context).wait_closed()
    keyd.wait_metric("usher_keyd_refused_total", lambda n: n == 1, reason="tls")


def test_plain_bytes_on_a_tls_listener(tls_keyd, subscribe):
    keyd = tls_keyd()
    subscriber = subscribe(keyd.tls_endpoint, "proxy-1.example")
    subscriber.wait_closed()
    keyd.wait_metric("usher_keyd_refused_total", lambda n: n == 1, reason="tls")


NAMES = {  # names of the certificate, node, reason
    "no allowed name": (["web.example"], "web.example", "certificate"),
    "the glob is for one label": (["proxy-1.evil.example"], "proxy-1.evil.example", "certificate"),
    "another node": (["proxy-1.example"], "proxy-2.example", "node"),
    "a node that is not allowed": (["proxy-1.example", "web.example"], "web.example", "node"),
    "part of the name": (["proxy-1.example"], "proxy-1", "node"),
}


@pytest.mark.parametrize("what", NAMES)
def test_names(tls_keyd, tls, subscribe, what):
    names, node, reason = NAMES[what]
    keyd = tls_keyd()
    subscriber = subscribe(keyd.tls_endpoint, node, tls=push_client.tls_context(tls.file, tls.client(*names)))
    why = subscriber.wait_refused()
    assert names[0] in why and "allow" in why or node in why
    assert refused(keyd, reason) == 1
    assert subscriber.rings == [] and keyd.keys()["members"] == []


def test_a_reload_refuses_names_that_are_not_allowed_any_more(tls_keyd, tls, subscribe):
    keyd = tls_keyd(allow=["proxy-*.example", "web.example"])
    issued = [tls.client("proxy-1.example"), tls.client("web.example"),
              tls.client("proxy-2.example", "web.example")]
    contexts = [push_client.tls_context(tls.file, one) for one in issued]
    kept, by_name, by_node = [subscribe(keyd.tls_endpoint, node, tls=context) for node, context in
                              zip(("proxy-1.example", "web.example", "web.example"), contexts)]
    for subscriber in (kept, by_name, by_node):
        subscriber.wait_ring()
    assert keyd.reload(tls={"allow": ["proxy-*.example"]})
    by_name.wait_refused()
    by_node.wait_refused()
    assert (refused(keyd, "certificate"), refused(keyd, "node")) == (1, 1)
    keyd.post("/keys/rotate?now=1")
    kept.wait_ring(lambda ring: ring.names("previous"), "the promotion")


def test_it_ends_though_a_handshake_does_not(tls_keyd):
    keyd = tls_keyd()
    host, port = keyd.tls_endpoint.removeprefix("tls:").rsplit(":", 1)
    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))) as half:
        half.sendall(b"\x16\x03\x01\x02\x00")
        keyd.end()


def test_a_common_name_is_no_name(tls_keyd, tls, subscribe):
    keyd = tls_keyd()
    issued = tls.client("web.example", common_name="proxy-1.example")
    subscriber = subscribe(keyd.tls_endpoint, "proxy-1.example", tls=push_client.tls_context(tls.file, issued))
    subscriber.wait_refused()
    assert refused(keyd, "certificate") == 1


# --- the proxy's side

@pytest.fixture
def proxy(simple, tls):
    """proxy(keyd, ca=…) → Usher that asks for keys at localhost, as proxy-1.example."""
    def begin(keyd, ca=None, node="proxy-1.example", ready=True):
        issued = tls.client("proxy-1.example")
        endpoint = keyd.tls_endpoint.replace("127.0.0.1", "localhost")
        return simple(tickets={"source": "keyd", "keyd": [endpoint], "ca": (ca or tls).file, "wait": "100ms",
                               "cert": issued.chain, "key": issued.key}, process={"node": node}, ready=ready)
    return begin


def test_a_real_proxy_over_tls(tls_keyd, proxy):
    keyd = tls_keyd()
    front = proxy(keyd)
    front.wait_metric("usher_keyd_connected")
    front.wait_metric("usher_ticket_ring_version")
    keyd.wait_metric("usher_keyd_members", state="current")


def test_a_proxy_refuses_a_keyd_of_another_name(tls_keyd, tls, proxy):
    keyd = tls_keyd(tls.server("keyd-2.example"))
    front = proxy(keyd)
    front.wait_stderr("localhost")
    keyd.wait_metric("usher_keyd_refused_total", reason="tls")
    assert front.metrics().total("usher_keyd_connected") == 0
    assert front.metrics().total("usher_ticket_ring_version") == 0 and keyd.keys()["members"] == []


def test_a_proxy_refuses_a_keyd_of_another_authority(tls_keyd, proxy, tmp_path):
    keyd = tls_keyd()
    front = proxy(keyd, ca=certificates.Authority(tmp_path, "fleet-ca"))
    keyd.wait_metric("usher_keyd_refused_total", reason="tls")
    assert front.metrics().total("usher_keyd_connected") == 0
    assert front.metrics().total("usher_ticket_ring_version") == 0 and keyd.keys()["members"] == []


def test_a_proxy_refuses_a_client_certificate_as_keyds(tls_keyd, tls, proxy):
    keyd = tls_keyd(tls.client("localhost"))
    front = proxy(keyd)
    keyd.wait_metric("usher_keyd_refused_total", reason="tls")
    assert front.metrics().total("usher_ticket_ring_version") == 0
