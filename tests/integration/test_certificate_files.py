"""Promise: each way in which a certificate or key file can be wrong has its own message with FILE:LINE and
the file's name, at start as with --check, and never a prompt; an expired certificate is served all the same,
with a warning and a metric."""

import os
import pty
import subprocess
import time

import pytest

from support import tls, toml, usher


@pytest.fixture
def check(tmp_path, echo):
    def run(chain, key, **more):
        path = tmp_path / "usher.toml"
        path.write_text(toml.dump(usher.configuration(
            [usher.listener([{"chain": chain, "key": key}], **more)], [usher.backend(echo)])))
        code, _, err = usher.run("--config", path, "--check")
        assert f"{path}:" in err or code == 0, err
        return code, err
    return run


def refused(result, *texts):
    code, err = result
    assert code == 2, err
    for text in texts:
        assert str(text) in err, err
    return err


def test_each_defect_has_its_own_message(check, ca, tmp_path):
    good, other = ca.server("one.test"), ca.server("two.test")
    encrypted = ca.server("three.test")
    encrypted.encrypt_key()
    absent = tmp_path / "absent.pem"
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"this is not PEM\n" * 10)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    huge = tmp_path / "huge.pem"
    huge.write_bytes(b"#" * (3 << 20))

    messages = {
        "absent chain": refused(check(absent, good.key), absent),
        "absent key": refused(check(good.chain, absent), absent),
        "empty chain": refused(check(empty, good.key), empty),
        "empty key": refused(check(good.chain, empty), empty),
        "no PEM": refused(check(garbage, good.key), garbage),
        "no PEM key": refused(check(good.chain, garbage), garbage),
        "broken": refused(check(broken, good.key), broken),
        "huge": refused(check(huge, good.key), huge),
        "directory": refused(check(tmp_path, good.key), tmp_path),
        "mismatch": refused(check(good.chain, other.key), good.chain, other.key),
        "encrypted": refused(check(encrypted.chain, encrypted.key), encrypted.key, "encrypt"),
        "key as chain": refused(check(good.key, good.key), good.key),
        "chain as key": refused(check(good.chain, good.chain), good.chain),
    }
    # Told apart even without the names of the files.
    bare = {m.replace(str(tmp_path), "").replace(str(ca.directory), "") for m in messages.values()}
    assert len(bare) == len(messages), messages


def test_encrypted_key_never_prompts(tmp_path, ca, echo):
    """With a terminal on standard input, where OpenSSL would ask for the password."""
    encrypted = ca.server("locked.test")
    encrypted.encrypt_key()
    path = tmp_path / "usher.toml"
    path.write_text(toml.dump(usher.configuration([usher.listener([encrypted])], [usher.backend(echo)])))
    leader, follower = pty.openpty()
    try:
        done = subprocess.run([usher.BINARY, "--config", path], stdin=follower, stdout=follower,
                              stderr=subprocess.PIPE, timeout=60, start_new_session=True, check=False)
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 2
    assert b"pass phrase" not in done.stderr


def test_client_ca_and_crl_defects(check, ca, client_ca, tmp_path):
    good = ca.server("one.test")
    absent, empty = tmp_path / "absent.pem", tmp_path / "empty.pem"
    empty.write_bytes(b"")
    on = {"client_auth": "required"}
    refused(check(good.chain, good.key, client_ca=str(absent), **on), absent)
    refused(check(good.chain, good.key, client_ca=str(empty), **on), empty)
    refused(check(good.chain, good.key, client_ca=str(client_ca.file), client_crl=str(absent), **on), absent)
    refused(check(good.chain, good.key, client_ca=str(client_ca.file), client_crl=str(empty), **on), empty)
    code, err = check(good.chain, good.key, client_ca=str(client_ca.file), client_crl=str(client_ca.crl()),
                      **on)
    assert code == 0, err


def test_two_certificates_of_one_type_for_one_name(tmp_path, ca, echo):
    path = tmp_path / "usher.toml"
    twice = usher.listener([ca.server("one.test"), ca.server("one.test")])
    path.write_text(toml.dump(usher.configuration([twice], [usher.backend(echo)])))
    code, _, err = usher.run("--config", path, "--check")
    refused((code, err), f"{path}:", "one.test")


def test_expired_and_future_certificates_are_served_with_a_warning(start, ca, echo):
    expired = ca.server("expired.test", start=-7200, end=-3600)
    future = ca.server("future.test", start=3600, end=7200)
    proxy = start(usher.configuration([usher.listener([expired, future])], [usher.backend(echo)]))
    for name, issued in (("expired.test", expired), ("future.test", future)):
        with tls.Client(proxy.address(), name).handshake() as client:
            assert client.ssl.getpeercert(binary_form=True) == issued.der
    assert str(expired.chain) in proxy.wait_stderr("expired")
    assert str(future.chain) in proxy.wait_stderr(str(future.chain))
    end = proxy.metrics().total("usher_certificate_not_after_timestamp_seconds", name="expired.test")
    assert end < time.time()


def test_chain_with_intermediate_is_sent_whole(start, ca, echo):
    below = ca.intermediate("site-intermediate")
    issued = below.server("chained.test")
    proxy = start(usher.configuration([usher.listener([issued])], [usher.backend(echo)]))
    with tls.Client(proxy.address(), "chained.test", tls.context(ca)).handshake() as client:
        assert client.ssl.getpeercert(binary_form=True) == issued.der


def test_unsupported_key_is_refused(check, tmp_path, ca):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import x25519
    good = ca.server("one.test")
    path = tmp_path / "x25519.key"
    path.write_bytes(x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    refused(check(good.chain, path), path)


